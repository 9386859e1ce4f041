"""Who speaks to the server: addresses, what the port needs to write to them, sessions, secure channels."""

from __future__ import annotations

from typing import Protocol

from chat.wire.server_session import ServerSession
from chat.wire.text import TextSession

# What recvfrom gives: (host, port), or (host, port, flow info, scope id) for IPv6.
Addr = tuple[str, int] | tuple[str, int, int, int]
# A control message for sendmsg: (level, type, content).
ControlMessage = tuple[int, int, bytes]


def show_addr(addr: Addr) -> str:
    """Give an address as people write it: 127.0.0.1:6789, [::1]:6789, [fe80::1%2]:6789."""
    scope = f"%{addr[3]}" if len(addr) == 4 and addr[3] else ""
    return f"[{addr[0]}{scope}]:{addr[1]}" if len(addr) == 4 else f"{addr[0]}:{addr[1]}"


class Channel(Protocol):
    """One proven peer's secure channel: datagrams of the network on one side, plaintexts on the other.

    It never raises for what a peer or a stranger sent. Times are the server's, in seconds.
    """

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram from the peer's address held; rubbish holds none."""

    def send(self, plaintext: bytes, now: float) -> None:
        """Queue a plaintext, which is one datagram of the session."""

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due, and forget them."""

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: nothing waits for a time."""

    def handle_timeout(self, now: float) -> list[bytes]:
        """Do what is due; give plaintexts that came of it."""

    def close(self, now: float) -> None:
        """Queue a goodbye behind what is queued already."""


class Listener(Protocol):
    """Takes what unknown addresses send until they have proved where they are; then they have a channel."""

    def is_mine(self, datagram: bytes) -> bool:
        """Say by its first bytes whether a stranger's datagram is for this door and not the plain one."""

    def receive_datagram(self, datagram: bytes, addr: Addr, now: float) -> Channel | None:
        """Give the channel that this datagram has proved; None: the handshake goes on, or it was rubbish.

        A channel may have datagrams to send from its first moment, and hold no plaintext yet.
        """

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Addr]]:
        """Give the answers to unproven peers, and forget them: fewer bytes than they have sent."""


class Peer:
    """An address that can be written to: how datagrams leave for it, and since when all writes failed."""

    __slots__ = ("addr", "failing_since", "seat", "source", "spoken_to")

    def __init__(self, addr: Addr) -> None:
        self.addr = addr
        self.spoken_to = b""  # the address of ours that it speaks to, as the port gives it
        # What makes answers leave from there, where that takes anything.
        self.source: list[ControlMessage] = []
        self.failing_since: float | None = None
        self.seat: bytes | None = None  # the member that it spoke for last, by client id


class PlainPeer(Peer):
    """A peer that speaks in the clear, and its session."""

    __slots__ = ("form", "session")

    def __init__(self, addr: Addr, session: TextSession) -> None:
        super().__init__(addr)
        self.session = session
        self.form = session.line_end, session.room  # what its lines looked like when they were last looked at


class NativePeer(Peer):
    """A peer that has proved its address, its session, and the channel that the session speaks through."""

    __slots__ = ("channel", "session")

    def __init__(self, addr: Addr, session: ServerSession, channel: Channel) -> None:
        super().__init__(addr)
        self.session = session
        self.channel = channel


AnyPeer = PlainPeer | NativePeer
