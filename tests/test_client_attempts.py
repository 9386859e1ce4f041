"""Tests of `chat.client.attempts` and `chat.client.path`: who wins the race, and what nobody must see."""

from __future__ import annotations

import errno
from typing import TypeVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate

from chat.client.address import AddressError, Place
from chat.client.attempts import NoHost, Outcome, Race, Unanswered, Won, WrongKey
from chat.client.clock import Timer
from chat.client.path import Path
from chat.wire.dtls import Addr, DtlsListener
from chat.wire.dtls_channel import fingerprint
from chat.wire.dtls_records import APPLICATION, split
from tests.client_network import HOME, OTHER, STEP, MemoryReactor, Network, NetworkTestCase, identity
from tests.dtls_support import EVE, SECRET, Door, pair
from tests.test_dtls_records import message

PLACE = Place("chat.example", HOME[1])
RIGHT, WRONG = fingerprint(pair("server")[1]), fingerprint(pair("eve")[1])
HOSTS = [HOME[0], OTHER[0]]
FORGED = message(2, bytes(60))  # a ServerHello that is none: it ends the attempt at once

T = TypeVar("T", bound=Outcome)


class Runner:
    """Owns a race as a client does: it has the clock, and keeps what comes of the attempts."""

    def __init__(self, network: Network, reactor: MemoryReactor, expected: bytes | None) -> None:
        self.outcomes: list[Outcome] = []
        self.race = Race(reactor, PLACE, identity(), expected, self._heard, self.look, lambda: 0.5)
        self._clock = network.clock
        self._timer = Timer(reactor, self._wake)

    def look(self) -> None:
        """See when the race wants to be looked at."""
        self._timer.set([self.race.next_timeout()], self._clock.seconds())

    def _heard(self, path: Path, datagram: bytes) -> None:
        self._take(self.race.receive_datagram(path, datagram, self._clock.seconds()))

    def _wake(self) -> None:
        self._take(self.race.handle_timeout(self._clock.seconds()))

    def _take(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.outcomes.append(outcome)
        self.look()


class RaceTestCase(NetworkTestCase):
    """Has a door of a server's at HOME, behind which nobody is."""

    def setUp(self) -> None:
        """Open the door."""
        super().setUp()
        self.open_door()

    def open_door(self, addr: Addr = HOME, name: str = "server") -> Door:
        """Open a door with the key that `name` has."""
        door = Door(DtlsListener(*pair(name), SECRET))

        def receive(datagram: bytes, source: Addr) -> None:
            for answer, to in door.receive(datagram, source, self.network.clock.seconds()):
                self.network.send(answer, addr, to)

        self.network.hosts[addr] = receive
        return door

    def begin(self, expected: bytes | None = None) -> Runner:
        """Begin a race."""
        runner = Runner(self.network, self.reactor, expected)
        runner.race.begin(self.network.clock.seconds())
        runner.look()
        return runner

    def run_race(self, seconds: float = 0.5, expected: bytes | None = None) -> list[Outcome]:
        """Give what has come of a race in so many seconds."""
        runner = self.begin(expected)
        self.network.run(seconds)
        return runner.outcomes

    def begun(self) -> list[float]:
        """Give the times at which attempts began."""
        return [sent.at for sent in self.network.firsts()]

    def tried(self) -> list[str]:
        """Give the hosts to which they went."""
        return [sent.target[0] for sent in self.network.firsts()]

    def only(self, outcomes: list[Outcome], kind: type[T]) -> T:
        """Give the outcome, if it is the only one and of this kind."""
        (outcome,) = outcomes
        assert isinstance(outcome, kind), outcome
        return outcome

    def assert_times(self, times: list[float], *expected: float) -> None:
        """Check times, to a step or two of the tests' clock."""
        self.assertEqual(len(times), len(expected), times)
        for time, right in zip(times, expected, strict=True):
            self.assertLess(abs(time - right), 0.2, times)


class WinningTests(RaceTestCase):
    """Somebody answers."""

    def test_the_first(self) -> None:
        """Where nothing is lost the first attempt wins: one socket, and no second handshake."""
        runner = self.begin()
        self.network.run(5.0)
        path = self.only(runner.outcomes, Won).path
        self.assertTrue(path.channel.is_up)
        self.assertEqual(path.channel.peer_fingerprint, RIGHT)
        self.assert_times(self.begun(), 0.0)
        self.assertFalse(runner.race.is_on)
        self.assertIsNone(runner.race.next_timeout())

    def test_the_second(self) -> None:
        """After 3 s a second attempt begins beside the first, on another socket; the loser's is closed."""
        self.network.is_lost = lambda sent: sent.at < 2.9
        self.only(self.run_race(4.0), Won)
        self.assert_times(self.begun(), 0.0, 3.0)
        self.assertEqual([port.is_closed for port in self.reactor.ports], [True, False])

    def test_the_first_after_all(self) -> None:
        """On a slow path the first wins beside the second, whose handshake nobody finishes."""
        self.network.delay = lambda _: 0.6
        path = self.only(self.run_race(8.0), Won).path
        self.assert_times(self.begun(), 0.0, 3.0)
        self.assertEqual([port.is_closed for port in self.reactor.ports], [False, True])
        self.assertTrue(path.channel.is_up)

    def test_strangers(self) -> None:
        """What comes from another address than the server's, or another port of its host, is ignored."""
        runner = self.begin()
        self.network.run(STEP)
        (port,) = self.reactor.ports
        for source in (EVE, (HOME[0], HOME[1] + 1)):
            self.network.send(FORGED, source, port.addr)
        self.network.run()
        self.only(runner.outcomes, Won)
        self.assert_times(self.begun(), 0.0)

    def test_several_addresses(self) -> None:
        """Where a host has several addresses the second attempt goes to the next one, a moment later."""
        self.reactor.names.table["chat.example"] = [OTHER[0], HOME[0], OTHER[0]]
        path = self.only(self.run_race(1.0), Won).path
        self.assertEqual(self.tried(), [OTHER[0], HOME[0]])
        self.assert_times(self.begun(), 0.0, 0.25)
        self.assertEqual(path.server.sockaddr, HOME)

    def test_round_robin(self) -> None:
        """All addresses have their turn, in the resolver's order."""
        hosts = ["10.0.0.7", "10.0.0.8", "10.0.0.9"]
        self.reactor.names.table["chat.example"] = hosts
        self.run_race(30.0)
        self.assertEqual(self.tried()[:6], [*hosts, *hosts])

    def test_ipv6(self) -> None:
        """An IPv6 address is tried from a socket of its family."""
        home: Addr = ("fd00::1", 6789, 0, 0)
        self.open_door(home)
        self.reactor.names.table["chat.example"] = [home[0]]
        path = self.only(self.run_race(), Won).path
        self.assertEqual(path.server.sockaddr, home)

    def test_a_server_that_moved(self) -> None:
        """Each round asks the resolver anew; if it knows nothing any more, the old address will do."""
        self.reactor.names.table["chat.example"] = [OTHER[0]]
        runner = self.begin()
        self.network.run(10.0)
        self.reactor.names.table["chat.example"] = []
        self.network.run(10.0)
        self.assertEqual(set(self.tried()), {OTHER[0]})
        self.reactor.names.table["chat.example"] = [HOME[0]]
        self.network.run(30.0)
        self.assertIsInstance(runner.outcomes[-1], Won)


class FailingTests(RaceTestCase):
    """Nobody answers, or not as a server should."""

    def test_rounds(self) -> None:
        """Each attempt is given 10 s. When both have failed there is a pause: 1 s, doubling to 10."""
        self.network.is_lost = lambda _: True
        outcomes = self.run_race(95.0)
        firsts = [0.0, 14.0, 29.0, 46.0, 67.0, 90.0]
        self.assert_times(self.begun(), *(time for first in firsts for time in (first, first + 3.0)))
        self.assertEqual(outcomes, [Unanswered("no answer from chat.example:6789")] * 5)
        self.assertEqual(len(self.reactor.open_ports), 2)

    def test_another_race(self) -> None:
        """Each race begins with the shortest pause, whatever the last one took."""
        self.network.is_lost = lambda sent: sent.at < 40.0
        runner = self.begin()
        self.network.run(60.0)
        self.assertIsInstance(runner.outcomes[-1], Won)
        before = len(self.begun())
        self.network.is_lost = lambda _: True
        runner.race.begin(60.0)
        runner.look()
        self.network.run(15.0)
        self.assert_times(self.begun()[before:], 60.0, 63.0, 74.0)

    def test_forged_records(self) -> None:
        """An attempt that a forger ends is begun again at once, five times a minute; then it waits."""
        self.network.is_lost = lambda sent: sent.target[0] == HOME[0]
        runner = self.begin()
        forged = 0
        while self.network.clock.seconds() < 50.0:
            self.network.run(0.1)
            for port in self.reactor.open_ports:
                self.network.send(FORGED, HOME, port.addr)
                forged += 1
        self.assertEqual(forged, 7)
        self.assert_times(self.begun(), 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 3.0)
        self.network.is_lost = lambda _: False
        self.network.run(15.0)
        self.only(runner.outcomes, Won)

    def test_no_socket(self) -> None:
        """A socket that cannot be opened is a failed attempt, and people are told why."""
        self.reactor.problem = OSError(errno.EMFILE, "Too many open files")
        runner = self.begin()
        self.network.run(3.5)
        self.assertEqual(runner.outcomes, [Unanswered("cannot open a socket: Too many open files")])
        self.reactor.problem = None
        self.network.run(1.0)
        self.assertIsInstance(runner.outcomes[-1], Won)

    def test_no_way_out(self) -> None:
        """A datagram that cannot be written is lost, like any other."""
        runner = self.begin()
        self.network.clock.advance(0)
        for port in self.reactor.ports:
            port.error = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.network.run(4.0)
        self.only(runner.outcomes, Won)
        self.assert_times(self.begun(), 0.0, 3.0)

    def test_no_host(self) -> None:
        """A host that the resolver does not know is the end."""
        self.reactor.names.table["chat.example"] = []
        error = self.only(self.run_race(), NoHost).error
        self.assertIsInstance(error, AddressError)
        self.assertEqual(self.reactor.ports, [])

    def test_a_slow_resolver(self) -> None:
        """Nothing is tried before the resolver has answered, and nothing after the race was stopped."""
        self.reactor.names.is_slow = True
        runner = self.begin()
        self.network.run(1.0)
        self.assertEqual(self.reactor.ports, [])
        self.reactor.names.answer()
        self.network.run()
        self.only(runner.outcomes, Won)
        runner = self.begin()
        runner.race.stop(self.network.clock.seconds())
        self.reactor.names.answer()
        self.network.run()
        self.assertEqual(runner.outcomes, [])

    def test_stopped(self) -> None:
        """A race that is stopped closes its sockets, says nothing, and takes nothing in any more."""
        self.network.is_lost = lambda _: True
        runner = self.begin()
        self.network.run(4.0)
        closing = runner.race.stop(self.network.clock.seconds())
        self.assertEqual(self.reactor.open_ports, [])
        self.network.run(0.1)
        self.assertEqual([self.successResultOf(each) for each in closing], [None, None])
        sent = len(self.network.sent)
        self.network.run(30.0)
        self.assertEqual(len(self.network.sent), sent)


class KeyTests(RaceTestCase):
    """The server must have the key that it is known by."""

    def assert_nothing_was_said(self) -> None:
        """Check all that left this host: our certificate is not in it, nor any record with a plaintext."""
        certificate = load_pem_x509_certificate(pair("client")[1])
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)[-64:]
        ours = [sent.datagram for sent in self.network.sent if sent.source[0] == self.reactor.host]
        self.assertGreater(len(ours), 2)
        for datagram in ours:
            self.assertNotIn(key, datagram)
            self.assertNotIn(certificate.public_bytes(Encoding.DER)[:64], datagram)
            self.assertNotIn(APPLICATION, [record[0] for record in split(datagram)])

    def test_the_right_one(self) -> None:
        """A server that has it is let through, and learns who we are: so the check below can fail."""
        self.only(self.run_race(expected=RIGHT), Won)
        self.assertRaises(self.failureException, self.assert_nothing_was_said)

    def test_a_wrong_one(self) -> None:
        """A server that proves another key ends the race, and learns nothing of us."""
        self.open_door(name="eve")
        outcomes = self.run_race(expected=RIGHT)
        self.assertEqual(outcomes, [WrongKey(RIGHT, WRONG)])
        self.assert_times(self.begun(), 0.0, 0.0)
        self.assert_nothing_was_said()
        self.network.run(60.0)
        self.assertEqual(len(self.begun()), 2)
        self.assertEqual(self.reactor.open_ports, [])

    def test_a_forged_one(self) -> None:
        """A key that is shown and not proved changes nothing: the true server is found, and trusted."""
        self.open_door(name="eve")
        runner = self.begin(RIGHT)
        while len(self.reactor.ports) < 2:
            self.network.clock.advance(STEP)
        self.open_door()
        self.network.run(1.0)
        self.only(runner.outcomes, Won)
        self.assert_times(self.begun(), 0.0, 0.0, 0.0)
        self.assertEqual(len(self.reactor.open_ports), 1)

    def test_a_proof_that_is_held_up(self) -> None:
        """Where the proof never comes nothing is said, and the attempts go on."""
        self.open_door(name="eve")
        runner = self.begin(RIGHT)
        while len(self.reactor.ports) < 2:
            self.network.clock.advance(STEP)
        proof = self.reactor.ports[1].addr
        self.network.is_lost = lambda sent: proof in (sent.source, sent.target) or sent.at < 2.0
        self.network.run(2.0)
        self.assert_nothing_was_said()
        self.open_door()
        self.network.run(2.0)
        self.only(runner.outcomes, Won)

    def test_any(self) -> None:
        """Where no key is known any is taken, and told."""
        self.open_door(name="eve")
        path = self.only(self.run_race(), Won).path
        self.assertEqual(path.channel.peer_fingerprint, WRONG)
