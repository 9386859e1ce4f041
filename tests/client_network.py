"""What the tests of the client share: hosts on a network in memory, a reactor on one of them, a server.

Handshakes are real ones. OpenSSL repeats their flights by its own clock, which stands still here: where a
datagram of a handshake is lost, it is the next attempt that comes through.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chat.client.happenings import Happening, LinkChanged
from chat.client.protocol import ChatClient
from chat.hub.hub import Hub
from chat.identity import Identity, KnownServers
from chat.limits import NO_LIMITS, Limits
from chat.messages import Entry
from chat.server.protocol import ChatServer
from chat.server.settings import Settings
from chat.store.memory import MemoryStore
from chat.wire.dtls import Addr, DtlsListener
from chat.wire.dtls_server_channel import ServerChannel
from tests.dtls_support import SECRET, Door, pair

if TYPE_CHECKING:
    from twisted.internet.protocol import DatagramProtocol

    from chat.server.peer import Peer
    from chat.server.port import UdpPort

T = TypeVar("T")

HOME: Addr = ("10.0.0.1", 6789)  # where the server is
OTHER: Addr = ("10.0.0.2", 6789)
LATENCY = 0.01  # seconds, each way
STEP = 0.005  # by which time goes on in tests
START = 1_700_000_000.0  # what the wall clock of a test's store says at its beginning


class Sent(NamedTuple):
    """A datagram on the network."""

    datagram: bytes
    source: Addr
    target: Addr
    at: float


class Network:
    """Carries datagrams between addresses. `is_lost` says which do not arrive, `delay` when others do.

    Those on it have their ids and the spread of their timers from `dice`: what is lost in one run of a test
    is lost in each.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.dice = Random(20_251_122)
        self.sent: list[Sent] = []
        self.is_lost: Callable[[Sent], bool] = lambda _: False
        self.delay: Callable[[Sent], float] = lambda _: LATENCY
        self.hosts: dict[Addr, Callable[[bytes, Addr], object]] = {}

    def send(self, datagram: bytes, source: Addr, target: Addr) -> None:
        """Carry a datagram, from whatever address somebody says that it comes from."""
        sent = Sent(datagram, source, target, self.clock.seconds())
        self.sent.append(sent)
        if not self.is_lost(sent):
            self.clock.callLater(self.delay(sent), self._deliver, sent)

    def run(self, seconds: float = 0.5) -> None:
        """Let time go on."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)

    def firsts(self, host: str = "10.0.1.1") -> list[Sent]:
        """Give the first datagram of each of a host's sockets."""
        first: dict[Addr, Sent] = {}
        for sent in self.sent:
            if sent.source[0] == host:
                first.setdefault(sent.source, sent)
        return list(first.values())

    def _deliver(self, sent: Sent) -> None:
        receive = self.hosts.get(sent.target)
        if receive is not None:
            receive(sent.datagram, sent.source)


class MemoryPort:
    """Stands where Twisted's UDP port stands, and where its socket does."""

    def __init__(self, network: Network, addr: Addr, protocol: DatagramProtocol) -> None:
        self.addr = addr
        self.error: OSError | None = None
        self.is_closed = self.is_gone = False
        self._network = network
        network.hosts[addr] = lambda datagram, source: protocol.datagramReceived(datagram, source[:2])

    def getHandle(self) -> MemoryPort:
        """Give the socket."""
        return self

    def sendto(self, datagram: bytes, target: Addr) -> None:
        """Write, unless a test wants that to fail."""
        if self.error is not None:
            raise self.error
        self._network.send(datagram, self.addr, target)

    def stopListening(self) -> Deferred[None]:
        """Close; that takes until the reactor's next turn."""
        self.is_closed = True
        self._network.hosts.pop(self.addr, None)
        closed: Deferred[None] = Deferred()
        closed.addCallback(lambda _: setattr(self, "is_gone", True))
        self._network.clock.callLater(0, closed.callback, None)
        return closed


@implementer(IHostnameResolver)
class _Names:
    """Finds hosts in a table, at once, or when a test lets it."""

    def __init__(self) -> None:
        self.table: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.is_slow = False
        self._waiting: list[Callable[[], None]] = []

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[IAddress]] | None = None,  # noqa: ARG002, N803
        transportSemantics: str = "TCP",  # noqa: ARG002, N803
    ) -> IHostResolution:
        """Tell the receiver what is in the table."""
        self.asked.append(hostName)

        def answer() -> None:
            for host in self.table.get(hostName, []):
                kind = IPv6Address if ":" in host else IPv4Address
                resolutionReceiver.addressResolved(kind("UDP", host, portNumber))
            resolutionReceiver.resolutionComplete()

        if self.is_slow:
            self._waiting.append(answer)
        else:
            answer()
        return cast("IHostResolution", None)

    def answer(self) -> None:
        """Answer all that was asked."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each()


class MemoryReactor:
    """A reactor on a host of the network: as much of one as a client needs."""

    def __init__(self, network: Network, host: str = "10.0.1.1") -> None:
        self.names = _Names()
        self.names.table["chat.example"] = [HOME[0]]
        self.ports: list[MemoryPort] = []
        self.host = host
        self.problem: OSError | None = None
        self._network = network
        self._numbers = itertools.count(40_000)

    @property
    def nameResolver(self) -> IHostnameResolver:  # noqa: N802
        """What finds hosts."""
        return self.names

    @property
    def open_ports(self) -> list[MemoryPort]:
        """Those that are not closed."""
        return [port for port in self.ports if not port.is_closed]

    def callLater(self, delay: float, what: Callable[[], object], /) -> Any:  # noqa: N802
        """Call something later."""
        return self._network.clock.callLater(delay, what)

    def listenUDP(self, _: int, protocol: DatagramProtocol, interface: str, __: int, /) -> Any:
        """Open a socket, on a port that was never used."""
        if self.problem is not None:
            raise CannotListenError(interface, 0, self.problem)
        addr = (f"fd00::{self.host}" if ":" in interface else self.host, next(self._numbers))
        self.ports.append(MemoryPort(self._network, addr, protocol))
        return self.ports[-1]


class ServerPort:
    """Stands where the server's `UdpPort` stands."""

    def __init__(self, network: Network, addr: Addr) -> None:
        self.spoken_to = b""
        self._network = network
        self._addr = addr
        self._is_held = False
        self._early: list[tuple[bytes, Addr]] = []
        self.protocol: ChatServer | None = None

    def hold(self) -> None:
        """Leave what comes where it is."""
        self._is_held = True

    def release(self) -> None:
        """Read it."""
        self._is_held = False
        early, self._early = self._early, []
        for datagram, source in early:
            self.receive(datagram, source)

    def receive(self, datagram: bytes, source: Addr) -> None:
        """Take a datagram, in a turn of its own."""
        if self._is_held:
            self._early.append((datagram, source))
        elif self.protocol is not None:
            self.protocol.datagramReceived(datagram, source)
            self.protocol.turn_ended()

    def send(
        self,
        datagrams: Sequence[bytes],
        peers: Sequence[Peer],
        now: float,  # noqa: ARG002
    ) -> list[tuple[Peer, OSError]]:
        """Write each datagram to the peer at its place."""
        for datagram, peer in zip(datagrams, peers, strict=True):
            self._network.send(datagram, self._addr, peer.addr)
        return []

    def reply_source(self, _: Addr, __: bytes) -> list[Any]:
        """Give nothing: there is one address."""
        return []

    def is_own(self, addr: Addr) -> bool:
        """Say whether an address is the server's."""
        return addr == self._addr


class Host:
    """A server's machine: `kill` the server as -9 does, and start another one with the same key."""

    def __init__(
        self,
        network: Network,
        addr: Addr = HOME,
        name: str = "server",
        hub: Callable[[int], Hub] = lambda most: Hub(max_members=most, limits=Limits(NO_LIMITS)),
    ) -> None:
        self.name = name
        self._hub = hub
        self.server: ChatServer
        self._network = network
        self._addr = addr
        self.start()

    def start(self, max_members: int = 100) -> None:
        """Start a server that remembers nothing but its key."""
        clock = self._network.clock
        port = ServerPort(self._network, self._addr)
        self.server = ChatServer(
            self._hub(max_members),
            MemoryStore(lambda: START + clock.seconds()),
            Settings(),
            clock,
            now=clock.seconds,
            random=self._network.dice.randbytes,
            listener=DtlsListener(*pair(self.name), SECRET),
        )
        self.server.transport = cast("UdpPort", port)
        port.protocol = self.server
        self._network.hosts[self._addr] = port.receive
        self.server.startProtocol()

    def kill(self) -> None:
        """End it without a word."""
        self._network.hosts.pop(self._addr, None)
        self.server.stopProtocol()

    def restart(self) -> None:
        """Kill it, and start it again at once."""
        self.kill()
        self.start()


class ScriptedHost:
    """A server that does with each plaintext what a test says: `answer(plaintext, channel)`."""

    def __init__(self, network: Network, answer: Callable[[bytes, ServerChannel], object]) -> None:
        self.door = Door()
        self._network = network
        self._answer = answer
        network.hosts[HOME] = self._receive

    def _receive(self, datagram: bytes, source: Addr) -> None:
        now = self._network.clock.seconds()
        answers = self.door.receive(datagram, source, now)
        heard, self.door.heard = self.door.heard, []
        for plaintext, _ in heard:
            self._answer(plaintext, self.door.channels[source])
        for answer, to in [*answers, *self.door.collect(source, now)]:
            self._network.send(answer, HOME, to)


def identity(name: str = "client") -> Identity:
    """Give somebody's key: the same for the same name."""
    return Identity(*pair(name))


class Clocks:
    """The two clocks of a client's machine; `sleep` lets one of them go on alone."""

    def __init__(self, clock: Clock) -> None:
        self.awake = clock.seconds
        self.slept = 1_000.0  # before it was started, and since

    def now(self) -> float:
        """Give the time by the clock that goes on in sleep."""
        return self.awake() + self.slept


class Person:
    """Somebody at a `ChatClient`, who writes down what it tells, and then may do something about it.

    `nick` is the key's name too, unless there is an `identity_name`.
    """

    def __init__(self, case: NetworkTestCase, nick: str, **options: Any) -> None:
        self.heard: list[Entry] = []
        self.happened: list[Happening] = []
        self.on_heard: Callable[[Entry], object] = lambda _: None
        self.on_happened: Callable[[Happening], object] = lambda _: None
        self.reactor = case.new_reactor()
        self.clocks = Clocks(case.network.clock)
        self.client = ChatClient(
            self.reactor,
            options.pop("place", "chat.example"),
            nick,
            identity=identity(options.pop("identity_name", nick)),
            known=case.known,
            heard=self._hear,
            happened=self._happen,
            now=self.clocks.now,
            awake=self.clocks.awake,
            random=options.pop("random", case.network.dice.randbytes),
            **options,
        )

    def _hear(self, entry: Entry) -> None:
        self.heard.append(entry)
        self.on_heard(entry)

    def _happen(self, happening: Happening) -> None:
        self.happened.append(happening)
        self.on_happened(happening)

    @property
    def texts(self) -> list[str]:
        """Give what was said, as it was heard."""
        return [entry.text for entry in self.heard]

    @property
    def links(self) -> list[str]:
        """Give how it stood with the server, one after the other."""
        return [each.state.value for each in self.happened if isinstance(each, LinkChanged)]

    def told(self, kind: type[T]) -> list[T]:
        """Give what it was told of one kind."""
        return [each for each in self.happened if isinstance(each, kind)]


class NetworkTestCase(SynchronousTestCase):
    """Has a network, a reactor on it, and a file of known servers that is gone afterwards."""

    def setUp(self) -> None:
        """Make them."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.known = KnownServers(Path(folder.name) / "known_servers")
        self.network = Network()
        self._hosts = 0
        self.reactor = self.new_reactor()

    def new_reactor(self) -> MemoryReactor:
        """Give a reactor on a host of its own."""
        self._hosts += 1
        return MemoryReactor(self.network, f"10.0.1.{self._hosts}")

    def sent_by(self, person: Person) -> list[Sent]:
        """Give all that has left somebody's host."""
        return [sent for sent in self.network.sent if sent.source[0] == person.reactor.host]

    def enter(self, nick: str, room: str = "lobby", **options: Any) -> Person:
        """Give somebody who is in a room."""
        person = Person(self, nick, **options)
        entered = person.client.connect()
        joined = person.client.join(room)
        self.network.run()
        self.successResultOf(entered)
        self.successResultOf(joined)
        return person
