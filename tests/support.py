"""What the tests of the server share: a network in memory, a server, failing stores, peers with channels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.hub.hub import Hub
from chat.limits import CAPS, NO_LIMITS, Limits
from chat.messages import LOBBY, PROTOCOL_VERSION, Broadcast, Entry, Hello, Join, Kind, Reply, Request, Say
from chat.server.caretaker import Means
from chat.server.protocol import ChatServer
from chat.server.settings import Settings
from chat.store.memory import MemoryStore
from chat.stored import AppendResult, Draft, Page
from chat.wire.frames import decode_replies, encode_frame, pack
from tests.stub_channel import StubChannel, StubListener

if TYPE_CHECKING:
    from chat.server.peer import Addr, ControlMessage, Listener, Peer
    from chat.server.port import UdpPort
    from chat.store.interface import Store

M = TypeVar("M", bound=Reply | Broadcast)

START = 1_700_000_000.0  # what the wall clock of a test's store says at its beginning
PACE = 0.04  # seconds in which everything that a session held back has left: 20 ms, and a slot of the wheel
ANN, BOB, EVE = ("10.0.0.1", 4001), ("10.0.0.2", 4002), ("10.0.0.3", 4003)
NAT, NED = ("192.0.2.1", 5001), ("192.0.2.2", 5002)  # native members come from anywhere

MOST = 10_000  # members that a test lets speak from one address


class MemoryPort:
    """Stands where `UdpPort` stands: keeps what is written, by address, and fails where a test says so."""

    def __init__(self) -> None:
        self.spoken_to = b""
        self.own: set[Addr] = set()
        self.foreign: set[Addr] = set()
        self.written: list[tuple[bytes, Addr]] = []
        self.sources: dict[Addr, list[ControlMessage]] = {}
        self.errors: dict[Addr, OSError] = {}
        self.every_error: OSError | None = None
        self.is_held = False

    def hold(self) -> None:
        """Note that the server is not ready."""
        self.is_held = True

    def release(self) -> None:
        """Note that it is."""
        self.is_held = False

    def send(
        self, datagrams: Sequence[bytes], peers: Sequence[Peer], now: float
    ) -> list[tuple[Peer, OSError]]:
        """Keep each datagram, and give those that a test wants to fail."""
        failed = []
        for datagram, peer in zip(datagrams, peers, strict=True):
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

    def can_reach(self, addr: Addr) -> bool:
        """Say whether a test does not call `addr` one of another kind of socket."""
        return addr not in self.foreign

    def is_own(self, addr: Addr) -> bool:
        """Say whether a test calls `addr` the server's own."""
        return addr in self.own


def unlimited() -> Limits:
    """Give limits that let everybody be as fast as a test is, and as many be at one address."""
    return Limits(NO_LIMITS, CAPS._replace(address=MOST))


class Wire:
    """A `ChatServer` on a network in memory, with the time in the test's hands.

    There are no limits on how fast its members are, unless `hub` has some.

    What is sent while the server holds its port waits in `early`, as it does in a socket. `native` opens the
    native door, with `listener` or else with a stand-in for DTLS. The wall clock begins at `ahead`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        hub: Hub | None = None,
        store: Store | None = None,
        *,
        native: bool = True,
        listener: Listener | None = None,
        ahead: float = START,
        port: MemoryPort | None = None,
        means: Means | None = None,
    ) -> None:
        self.clock = Clock()
        self.port = port or MemoryPort()
        self.ahead = ahead
        self.store = store or MemoryStore(self.wall)
        self.early: list[tuple[bytes, Addr]] = []
        counter = itertools.count(int(ahead) << 20)  # nobody guesses what a server before this one had

        def random(size: int) -> bytes:
            return next(counter).to_bytes(size, "big")

        self.server = ChatServer(
            hub or Hub(limits=unlimited()),
            self.store,
            settings or Settings(),
            self.clock,
            now=self.clock.seconds,
            random=random,
            listener=(listener or StubListener(random)) if native else None,
            wall=self.wall,
            means=means,
        )
        self.server.transport = cast("UdpPort", self.port)
        self.server.startProtocol()

    def wall(self) -> float:
        """Give seconds since 1970."""
        return self.ahead + self.clock.seconds()

    def send(self, addr: Addr, *datagrams: bytes) -> None:
        """Let `addr` send datagrams, each in a turn of its own."""
        self.early += [(datagram, addr) for datagram in datagrams]
        while self.early and not self.port.is_held:
            self.server.datagramReceived(*self.early.pop(0))
            self.server.turn_ended()

    def take(self, addr: Addr) -> list[bytes]:
        """Give what was written to `addr` since it was last asked, in order; this turn's end included."""
        self.clock.advance(0)
        mine = [datagram for datagram, to in self.port.written if to == addr]
        self.port.written = [(datagram, to) for datagram, to in self.port.written if to != addr]
        return mine


class ClientEnd(Protocol):
    """A client's end of a channel: DTLS, or what stands for it."""

    is_up: bool
    is_over: bool

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram held."""

    def send(self, plaintext: bytes, now: float) -> None:
        """Queue a plaintext."""

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due, and forget them."""

    def handle_timeout(self, now: float) -> list[bytes]:
        """Do what is due."""

    def close(self, now: float) -> None:
        """Queue a goodbye."""


class Caller:
    """Somebody with a channel to the server: the handshake is done at once, as far as it goes.

    The channel is `channel`, or a stand-in whose owner holds `key` (its fingerprint; b"": none).
    """

    def __init__(self, wire: Wire, addr: Addr, channel: ClientEnd | None = None, key: bytes = b"") -> None:
        now = wire.clock.seconds()
        self.addr = addr
        self.channel: ClientEnd = channel or StubChannel(repr(addr).encode()[:8], now, key)
        self._wire = wire
        self._heard: list[bytes] = []
        self.channel.handle_timeout(now)
        while self._write() + self._listen():
            pass

    def send_raw(self, plaintext: bytes) -> None:
        """Send a plaintext, whatever it is."""
        self.channel.send(plaintext, self._wire.clock.seconds())
        self._write()

    def take_raw(self) -> list[bytes]:
        """Give the plaintexts that have come since this was last asked."""
        self._listen()
        heard, self._heard = self._heard, []
        return heard

    def close(self) -> None:
        """Say goodbye as a channel does."""
        self.channel.close(self._wire.clock.seconds())
        self._write()

    def _write(self) -> int:
        datagrams = self.channel.datagrams_to_send(self._wire.clock.seconds())
        self._wire.send(self.addr, *datagrams)
        return len(datagrams)

    def _listen(self) -> int:
        now = self._wire.clock.seconds()
        datagrams = self._wire.take(self.addr)
        for datagram in datagrams:
            self._heard += self.channel.receive_datagram(datagram, now)
        return len(datagrams)


class Sealed(Caller):
    """Somebody who speaks plain text through a channel, each line in a datagram of its own."""

    def say(self, *lines: bytes) -> None:
        """Send lines."""
        for line in lines:
            self.send_raw(line)

    def take(self) -> list[bytes]:
        """Give the records that have come since this was last asked, and what the server held back."""
        self._wire.clock.advance(PACE)
        return self.take_raw()


class Native(Caller):
    """A native client without a session of its own: it sends what a test says, once, and shows what comes.

    It is in the lobby if it was given a nick. `client` is its id.
    """

    def __init__(
        self,
        wire: Wire,
        addr: Addr,
        nick: str = "",
        client: bytes = b"",
        channel: ClientEnd | None = None,
        key: bytes = b"",
    ) -> None:
        super().__init__(wire, addr, channel, key)
        self.client = client or (nick or "nobody").encode().ljust(16, b".")
        self._ids = 0
        self._n = 0
        if nick:
            self.enter(nick)
            self.take_all()

    def enter(self, nick: str) -> None:
        """Ask to be let in, and into the lobby."""
        self.send(Hello(PROTOCOL_VERSION, self.client, nick), Join(self.next_id(), LOBBY))

    def next_id(self) -> int:
        """Give the id of the next request."""
        self._ids += 1
        return self._ids

    def send(self, *requests: Request) -> None:
        """Send requests in as few datagrams as hold them."""
        for plaintext in pack([encode_frame(request) for request in requests]):
            self.send_raw(plaintext)

    def say(self, text: str, room: str = LOBBY) -> None:
        """Say the next text."""
        self._n += 1
        self.send(Say(self.next_id(), self._n, room, Kind.SAY, text))

    def take(self) -> list[Reply | Broadcast]:
        """Give what has come since this was last asked."""
        return [message for plaintext in self.take_raw() for message in decode_replies(plaintext)]

    def take_all(self) -> list[Reply | Broadcast]:
        """Give the same after a moment, with what the server's session held back."""
        self._wire.clock.advance(PACE)
        return self.take()


def only(kind: type[M], messages: list[Reply | Broadcast]) -> list[M]:
    """Give those of `messages` that are of one kind."""
    return [message for message in messages if isinstance(message, kind)]


def texts(messages: list[Reply | Broadcast]) -> list[str]:
    """Give the texts of the entries among `messages`."""
    return [entry.text for entry in only(Entry, messages)]


class SlowStore(MemoryStore):
    """A store that takes an entry only when the test lets it."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.waiting: list[tuple[Draft, int, Deferred[AppendResult]]] = []

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Keep the draft back."""
        answer: Deferred[AppendResult] = Deferred()
        self.waiting.append((draft, last, answer))
        return answer

    def go_on(self) -> None:
        """Take the oldest draft that was kept back."""
        draft, last, answer = self.waiting.pop(0)
        super().append(draft, last).chainDeferred(answer)


class BrokenStore(MemoryStore):
    """A store that fails as the test says."""

    error: Exception | None = None

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Fail, or store."""
        return super().append(draft, last) if self.error is None else fail(self.error)

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """Fail, or read."""
        return super().read(room, after, before, limit) if self.error is None else fail(self.error)


class ServerTests(SynchronousTestCase):
    """A server with its defaults."""

    settings = Settings()

    def setUp(self) -> None:
        """Start it; whatever it logs as an error fails the test."""
        self.wire = Wire(self.settings)

    def enter(self, **addrs: Addr) -> None:
        """Let plain members come in by nick, and forget what they were told of it."""
        for nick, addr in addrs.items():
            self.wire.send(addr, nick.encode())
        self.wire.port.written.clear()
