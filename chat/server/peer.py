"""Who speaks to the server: addresses, what the port needs to write to them, sessions, secure channels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol

from chat.limits import NOWHERE
from chat.messages import Request
from chat.wire.frames import MAX_PLAINTEXT
from chat.wire.lines import join_lines
from chat.wire.server_session import ServerSession
from chat.wire.text import TextSession
from chat.wire.visit import ENTER_SECONDS

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

    `is_up` while plaintexts pass; `is_over` once they never will (again), and then what it still has to send
    is all there will be. `peer_fingerprint` is that of the key that the peer holds, once it is up: 32 bytes;
    None: it has shown none.
    """

    is_up: bool
    is_over: bool
    peer_fingerprint: bytes | None

    def yields_to(self, datagram: bytes, now: float) -> bool:
        """Say whether the listener should be asked about a datagram from the peer's address.

        If it makes a channel of it, the peer has begun anew, and that channel takes this one's place.
        """

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram from the peer's address held; rubbish holds none."""

    def send(self, plaintext: bytes, now: float) -> None:
        """Queue a plaintext, which is one datagram of the session."""

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due, and forget them."""

    @staticmethod
    def seal_each(channels: Sequence[Any], plaintexts: Sequence[bytes]) -> list[bytes]:
        """Give the datagram of each channel that says the plaintext at its place: what rooms are told.

        Nothing may be queued in any of them. b"": `send` has to do it.
        """

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

    __slots__ = ("addr", "failing_since", "form", "name", "origin", "seat", "source", "spoken_to")

    def __init__(self, addr: Addr) -> None:
        self.addr = addr
        self.origin = NOWHERE  # the purses of its address and network, once it has asked for something
        self.name = b""  # the address as the kernel reads it, once it was needed
        self.spoken_to = b""  # the address of ours that it speaks to, as the port gives it
        # What makes answers leave from there, where that takes anything.
        self.source: list[ControlMessage] = []
        self.failing_since: float | None = None
        self.seat: bytes | None = None  # the member that is told here what it is told
        self.form = b"", "", False  # what a text peer's lines looked like when they were last looked at


class PlainPeer(Peer):
    """A peer that speaks in the clear, and its session."""

    __slots__ = ("session",)

    key = None  # it cannot show that it holds one

    def __init__(self, addr: Addr, session: TextSession) -> None:
        super().__init__(addr)
        self.session = session

    def unseal(self, datagram: bytes, now: float) -> tuple[bytes]:  # noqa: ARG002
        """Give what a datagram says: itself."""
        return (datagram,)


class ProvenPeer(Peer):
    """A peer that has proved its address: its channel, and its session once it has said a first word.

    The first word decides who it is: a program that speaks frames ("native"), or somebody who speaks plain
    text ("sealed"). Who says none is given up at `until`. `lines` are those that wait for the end of the
    turn, in their order: as many as fit leave in one record, for sealing costs more than they do. It
    `is_waiting` while its session has frames whose time has not come: noted here, for all of a room are
    asked at once, and a look into thousands of sessions is not free.
    """

    __slots__ = ("channel", "is_waiting", "lines", "session", "until")

    def __init__(self, addr: Addr, channel: Channel, now: float) -> None:
        super().__init__(addr)
        self.channel = channel
        self.is_waiting = False
        self.lines: list[bytes] = []
        self.session: ServerSession | TextSession | None = None
        self.until = now + ENTER_SECONDS

    @property
    def key(self) -> bytes | None:
        """The fingerprint of the key that it holds; None: it has shown none."""
        return self.channel.peer_fingerprint

    def unseal(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram held; rubbish holds none."""
        return self.channel.receive_datagram(datagram, now)

    def collect(self, now: float) -> None:
        """Put what a session of text has to send behind the lines that wait."""
        if isinstance(self.session, TextSession):
            self.lines += self.session.datagrams_to_send(now)

    def pass_on(self, now: float) -> None:
        """Put what waits, and what the session has to send, into the channel."""
        if self.session is None:
            return
        plaintexts = self.session.datagrams_to_send(now)
        if self.lines or isinstance(self.session, TextSession):
            plaintexts = join_lines(self.lines + plaintexts, MAX_PLAINTEXT)
            self.lines.clear()
        for plaintext in plaintexts:
            self.channel.send(plaintext, now)
        self.is_waiting = isinstance(self.session, ServerSession) and self.session.is_waiting

    def tell(self, frames: Iterable[bytes]) -> None:
        """Put frames that many are told behind what its session has."""
        if isinstance(self.session, ServerSession):
            self.session.tell(frames)

    def take(self, now: float) -> Sequence[bytes]:
        """Give the plaintexts of what waits, and forget it: the way of what a room is told."""
        if isinstance(self.session, ServerSession):
            self.is_waiting = False
            return self.session.take(now)
        lines, self.lines = tuple(self.lines), []
        return _join(lines)

    def next_timeout(self) -> float | None:
        """Give the time at which session or channel want something; None: the session is at its end."""
        when = self.until if self.session is None else self.session.next_timeout()
        again = self.channel.next_timeout()
        return when if when is None or again is None else min(when, again)

    def handle_timeout(self, now: float) -> list[Request]:
        """Do what is due beside the channel; give what the session asks for because of it."""
        if self.session is not None:
            return self.session.handle_timeout(now)
        if now >= self.until:
            self.channel.close(now)
        return []


AnyPeer = PlainPeer | ProvenPeer


def is_native(peer: AnyPeer | None) -> bool:
    """Say whether somebody is there who speaks frames."""
    return peer is not None and isinstance(peer.session, ServerSession)


@lru_cache(maxsize=16)  # of one turn: all who are in the same rooms are sent the same
def _join(lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(join_lines(lines, MAX_PLAINTEXT))
