"""What the tests of the server share: a network in memory, and a server on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from twisted.internet.task import Clock

from chat.hub.hub import Hub
from chat.server.protocol import ChatServer, Settings
from chat.store.memory import MemoryStore

if TYPE_CHECKING:
    from chat.server.peer import Addr, ControlMessage, Peer
    from chat.server.port import UdpPort
    from chat.store.interface import Store

START = 1_700_000_000.0  # what the wall clock of a test's store says at its beginning


class MemoryPort:
    """Stands where `UdpPort` stands: keeps what is written, by address, and fails where a test says so."""

    def __init__(self) -> None:
        self.spoken_to = b""
        self.own: set[Addr] = set()
        self.written: list[tuple[bytes, Addr]] = []
        self.sources: dict[Addr, list[ControlMessage]] = {}
        self.errors: dict[Addr, OSError] = {}
        self.every_error: OSError | None = None

    def send(self, datagram: bytes, peers: Iterable[Peer], now: float) -> list[tuple[Peer, OSError]]:
        """Keep `datagram` once for each peer, and give those that a test wants to fail."""
        failed = []
        for peer in peers:
            error = self.every_error or self.errors.get(peer.addr)
            if error is not None:
                peer.failing_since = now if peer.failing_since is None else peer.failing_since
                failed.append((peer, error))
            else:
                peer.failing_since = None
                self.sources[peer.addr] = peer.source
                self.written.append((datagram, peer.addr))
        return failed

    def reply_source(self, addr: Addr, spoken_to: bytes) -> list[ControlMessage]:  # noqa: ARG002
        """Give a control message that a test can recognise."""
        return [(0, 0, spoken_to)] if spoken_to else []

    def is_own(self, addr: Addr) -> bool:
        """Say whether a test calls `addr` the server's own."""
        return addr in self.own


class Wire:
    """A `ChatServer` on a network in memory, with the time in the test's hands."""

    def __init__(
        self, settings: Settings | None = None, hub: Hub | None = None, store: Store | None = None
    ) -> None:
        self.clock = Clock()
        self.port = MemoryPort()
        self.store = store or MemoryStore(lambda: START + self.clock.seconds())
        counter = iter(range(1, 1 << 32))
        self.server = ChatServer(
            hub or Hub(),
            self.store,
            settings or Settings(),
            self.clock,
            now=self.clock.seconds,
            random=lambda size: next(counter).to_bytes(size, "big"),
        )
        self.server.transport = cast("UdpPort", self.port)
        self.server.startProtocol()

    def send(self, addr: Addr, *datagrams: bytes) -> None:
        """Let `addr` send datagrams, each in a turn of its own."""
        for datagram in datagrams:
            self.server.datagramReceived(datagram, addr)
            self.server.turn_ended()

    def take(self, addr: Addr) -> list[bytes]:
        """Give what was written to `addr` since it was last asked, in order."""
        mine = [datagram for datagram, to in self.port.written if to == addr]
        self.port.written = [(datagram, to) for datagram, to in self.port.written if to != addr]
        return mine
