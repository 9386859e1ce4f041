"""What the tests of the port share: peers, and a protocol that notes what it is called with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.protocol import DatagramProtocol

from chat.server.peer import Addr, ControlMessage, Peer
from chat.server.port import UdpPort


def peer(addr: Addr, source: Sequence[ControlMessage] = (), failing_since: float | None = None) -> Peer:
    """Give a peer that can be written to; what it says is nobody's business here."""
    made = Peer(addr)
    made.source = list(source)
    made.failing_since = failing_since
    return made


class Recorder(DatagramProtocol):
    """Keeps what the port hands over: datagrams, and how many there were in each turn."""

    noisy = False
    transport: UdpPort

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.senders: list[Addr] = []
        self.spoken_to: list[bytes] = []
        self.turns: list[int] = []
        self.bad = b""  # a datagram that makes this protocol raise
        self.at_each: Callable[[], object] = lambda: None
        self.at_turns_end: Callable[[], object] = lambda: None

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Keep the datagram, its sender and where it was sent to."""
        if self.bad and datagram == self.bad:
            raise ValueError("a bug of ours")
        self.datagrams.append(datagram)
        self.senders.append(addr)
        self.spoken_to.append(self.transport.spoken_to)
        self.at_each()

    def turn_ended(self) -> None:
        """Note how many came in this turn."""
        self.turns.append(len(self.datagrams) - sum(self.turns))
        self.at_turns_end()
