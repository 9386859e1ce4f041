"""The machine that the server runs on: it can be killed, and comes back with what its disk has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IReactorTime

from chat.limits import NO_LIMITS, Limits
from chat.server.peer import Addr, ControlMessage, Peer, PlainPeer
from chat.server.protocol import ChatServer
from chat.server.settings import Settings
from tests.checker import PlainReader
from tests.simulation.clock import MachineClock
from tests.simulation.network import NATIVE_FIRST, SERVER
from tests.stub_channel import StubListener

if TYPE_CHECKING:
    from chat.server.port import UdpPort
    from tests.simulation.world import World

# A line that relays a text of ours: each has a mark that no other has, and nothing before it but a nick.
RELAYED = re.compile(r"(?:\[\S+\] )?(?:\* )?\S+?:?(?: set the topic:)? (<[^<>]+>.*)")
MARKED = re.compile(r"(?:/(?:me|topic) )?(<[^<>]+>.*)")


class Port:
    """Stands where `UdpPort` stands, and looks at what goes to plain members."""

    def __init__(self, world: World, release: Callable[[], None]) -> None:
        self.spoken_to = b""
        self.is_held = False
        self.release = release  # `UdpPort.release`: read what has come meanwhile
        self._world = world

    def send(
        self,
        datagrams: Sequence[bytes],
        peers: Sequence[Peer],
        now: float,  # noqa: ARG002
    ) -> list[tuple[Peer, OSError]]:
        """Put each datagram on the network."""
        for datagram, peer in zip(datagrams, peers, strict=True):
            is_plain = datagram[0] != NATIVE_FIRST
            found = RELAYED.fullmatch(datagram.decode().rstrip("\n")) if is_plain else None
            if found:
                self._world.server.reader(peer).sent(found[1])
            self._world.network.send(SERVER, (peer.addr[0], peer.addr[1]), datagram)
        return []

    def hold(self) -> None:
        """Leave what comes in the socket."""
        self.is_held = True

    def reply_source(self, addr: Addr, spoken_to: bytes) -> list[ControlMessage]:  # noqa: ARG002
        """Give nothing: there is one address."""
        return []

    def can_reach(self, addr: Addr) -> bool:  # noqa: ARG002
        """Say yes."""
        return True

    def is_own(self, addr: Addr) -> bool:  # noqa: ARG002
        """Say no: nobody forges here."""
        return False


class ServerMachine:
    """One server at a time, on one disk."""

    def __init__(self, world: World) -> None:
        self.is_up = False
        self._world = world
        self._clock: MachineClock | None = None
        self._server: ChatServer | None = None
        self._port: Port | None = None
        self._waiting: list[tuple[bytes, tuple[str, int]]] = []  # in the socket
        self._life = 0
        self._readers: dict[bytes, PlainReader] = {}  # by member, who may outlive a server

    def start(self) -> None:
        """Boot, if it is down."""
        if self.is_up:
            return
        world = self._world
        self._life += 1
        self.is_up = True
        self._waiting.clear()
        world.note("server", f"starts, life {self._life}")
        clock = self._clock = MachineClock(world.heap, 1000 * world.rng.random())
        server = self._server = world.parts.server(
            world.parts.hub(crowd=world.scenario.crowd, limits=Limits(NO_LIMITS)),
            world.disk.open(clock),
            Settings(),
            cast("IReactorTime", clock),
            now=clock.seconds,
            random=world.rng.randbytes,
            listener=StubListener(world.rng.randbytes),
            wall=world.wall,
        )
        port = self._port = Port(world, self._release)
        server.transport = cast("UdpPort", port)
        server.startProtocol()
        world.network.bind(SERVER, self._receive)

    def reader(self, peer: Peer) -> PlainReader:
        """Give whoever looks at what goes to a peer that is no native."""
        assert isinstance(peer, PlainPeer)
        member = peer.session.member
        if member not in self._readers:
            self._readers[member] = PlainReader(self._world.checker, f"the plain peer {peer.addr}")
        return self._readers[member]

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        if self._clock is not None and self.is_up:
            self._world.note("server", "is killed")
            self._clock.is_dead = True
            self._world.network.unbind(SERVER)
            self.is_up = False
            self._world.disk.crash()

    def restart(self) -> None:
        """Let it go down as a service does, and start it again when it is done."""
        if self._server is not None and self.is_up:
            self._world.note("server", "goes down")
            life = self._life
            self._server.shut_down().addCallback(lambda _: self._restarted(life))

    def _restarted(self, life: int) -> None:
        if self.is_up and life == self._life and self._clock is not None and self._server is not None:
            self._server.stopProtocol()
            self._clock.is_dead = True
            self._world.network.unbind(SERVER)
            self.is_up = False
            self._world.disk.crash()
            self._world.heap.at(self._world.heap.now + 0.2, self.start)

    def _release(self) -> None:
        if self._port is not None:
            self._port.is_held = False
            waiting, self._waiting = self._waiting, []
            for datagram, source in waiting:
                self._receive(datagram, source)

    def _receive(self, datagram: bytes, source: tuple[str, int]) -> None:
        server = self._server
        if server is None or self._port is None:
            return
        if self._port.is_held:
            self._waiting.append((datagram, source))
            return
        if datagram[0] != NATIVE_FIRST:
            for line in datagram.decode(errors="replace").split("\n"):
                if found := MARKED.fullmatch(line):
                    self._world.checker.arrived(found[1])
        server.datagramReceived(datagram, source)
        server.turn_ended()
