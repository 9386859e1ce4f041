"""What the simulation is made of: the clock, the network, the store that fails, and the checker."""

from __future__ import annotations

import random
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Entry, Joined, Kind
from chat.stored import Appended, AppendResult, Draft, Fact
from chat.wire.sequence import Earlier, Lost, NotKept
from tests.checker import Checker, PlainReader, Text, Violation
from tests.simulation.clock import Heap, MachineClock
from tests.simulation.network import SERVER, Network, Path
from tests.simulation.stores import Disk
from tests.simulation.trace import Trace

HERE = ("10.0.1.1", 40_000)
CLIENT = b"c" * 16


class ClockTests(SynchronousTestCase):
    """Virtual time."""

    def test_order(self) -> None:
        """Calls run in the order of their times, those of one time in the order in which they were asked."""
        heap, ran = Heap(), list[str]()
        for time, name in ((2.0, "b"), (1.0, "a"), (2.0, "c")):
            heap.at(time, lambda name=name: ran.append(name))  # type: ignore[misc]
        heap.run_until(1.5)
        self.assertEqual((ran, heap.now), (["a"], 1.5))
        heap.run_until(3.0)
        self.assertEqual(ran, ["a", "b", "c"])

    def test_cancelled(self) -> None:
        """What was cancelled is not called, nor what a dead machine had asked for."""
        heap, ran = Heap(), list[int]()
        clock, other = MachineClock(heap, 100.0), MachineClock(heap, 5.0)
        call = clock.callLater(1.0, ran.append, 1)
        self.assertEqual(call.getTime(), 101.0)
        call.cancel()
        other.callLater(1.0, ran.append, 2)
        clock.at(102.0, lambda: ran.append(3))
        other.is_dead = True
        heap.run_until(10.0)
        self.assertEqual(ran, [3])

    def test_twisted(self) -> None:
        """Twisted's own loops run on it."""
        heap, ran = Heap(), list[float]()
        clock = MachineClock(heap, 0.5)
        loop = LoopingCall(lambda: ran.append(clock.seconds()))
        loop.clock = cast("IReactorTime", clock)
        loop.start(1.0)
        heap.run_until(2.2)
        loop.stop()
        heap.run_until(5.0)
        self.assertEqual(ran, [0.5, 1.5, 2.5])


class NetworkTests(SynchronousTestCase):
    """One path, both ways."""

    def setUp(self) -> None:
        """Bind both ends."""
        self.heap = Heap()
        self.network = Network(self.heap, random.Random(1), Trace(self.heap, repr, is_kept=False))
        self.came: list[bytes] = []
        self.path = Path()
        self.network.connect(HERE[0], self.path, Path())
        self.network.bind(SERVER, lambda datagram, _: self.came.append(datagram))

    def send(self, count: int, datagram: bytes = b"\x16some text") -> int:
        """Send a datagram so often; give how many came."""
        self.came.clear()
        for _ in range(count):
            self.network.send(HERE, SERVER, datagram)
        self.heap.run_until(self.heap.now + 10)
        return len(self.came)

    def test_rates(self) -> None:
        """What is lost and doubled is as much as the path says."""
        self.assertEqual(self.send(1000), 1000)
        self.path.loss = 0.3
        self.assertIn(self.send(1000), range(650, 750))
        self.path.loss, self.path.twice = 0.0, 0.2
        self.assertIn(self.send(1000), range(1150, 1250))

    def test_spoiled(self) -> None:
        """A spoiled datagram differs in one byte; a plain one does not come at all."""
        self.path.spoiled = 1.0
        self.send(1)
        self.assertEqual(sum(a != b for a, b in zip(self.came[0], b"\x16some text", strict=True)), 1)
        self.assertEqual(self.send(1, b"some text"), 0)

    def test_sizes(self) -> None:
        """Nothing above 1,200 bytes comes, and it is noted."""
        self.assertEqual(self.send(1, bytes(1_200)), 1)
        self.assertEqual(self.send(1, bytes(1_201)), 0)
        self.assertEqual(self.network.too_large, [(HERE, 1_201)])

    def test_blocked(self) -> None:
        """A path that is cut carries nothing; a black hole is open for three seconds of five."""
        self.path.blocked = 1
        self.assertEqual(self.send(5), 0)
        self.path.heal()
        self.path.hole = 0.0
        came = []
        for second in range(10):
            self.heap.run_until(100.5 + second)
            before = len(self.came)
            self.network.send(HERE, SERVER, b"\x16")
            self.heap.run_until(100.9 + second)
            came.append(len(self.came) - before)
        self.assertEqual(came, [0, 0, 1, 1, 1] * 2)


class StoreTests(SynchronousTestCase):
    """The store of a run."""

    def test_slow_and_failing(self) -> None:
        """A slow store writes in order and answers after its facts; what a crash found unwritten never is."""
        heap, checker, rng = Heap(), Checker(), random.Random(2)
        disk = Disk("keeps all", 512, lambda: 1_000_000.0 + heap.now, checker, rng)
        disk.faults = frozenset({"slow"})
        clock = MachineClock(heap, 0.0)
        store, told, answers = disk.open(clock), list[Fact](), list[AppendResult]()
        store.subscribe(told.append, 0)
        for n in range(1, 6):
            answer: Deferred[AppendResult] = store.append(_draft(n), n - 1)
            answer.addCallback(answers.append)
        self.assertEqual(told, [])
        heap.run_until(20.0)
        self.assertEqual([fact.n for fact in told], [1, 2, 3, 4, 5])
        self.assertTrue(all(isinstance(answer, Appended) for answer in answers))
        store.append(_draft(6), 5)
        clock.is_dead = True
        disk.crash()
        disk.open(MachineClock(heap, 0.0))  # which shows the checker what is there
        self.assertEqual(len(checker.held["lobby"]), 5)


def _draft(n: int) -> Draft:
    return Draft(CLIENT, n, "lobby", Kind.SAY, "ann", verified=False, text=f"<{n}>")


def _entry(seq: int, prev: int, text: str = "") -> Entry:
    return Entry("lobby", seq, seq - prev, 0, Kind.SAY, "ann", verified=False, text=text or f"<{seq}>")


class CheckerTests(SynchronousTestCase):
    """What the checker lets pass, and what it does not."""

    def setUp(self) -> None:
        """Store three entries, and let bob watch from the first on."""
        self.checker = Checker()
        for n, (seq, prev) in enumerate(((10, 0), (11, 10), (12, 11)), 1):
            self.checker.stored(Fact(CLIENT, n, _entry(seq, prev), 0))
        self.checker.started("bob")
        self.checker.in_room("bob", Joined(1, "lobby", 10, 0, "", 0, 1))

    def breaks(self, rule: str, *shown: Entry | Earlier | Lost | NotKept) -> None:
        """The last of what is shown breaks a rule."""
        for each in shown[:-1]:
            self.checker.appeared("bob", "lobby", each)
        broken = self.assertRaises(Violation, self.checker.appeared, "bob", "lobby", shown[-1])
        self.assertEqual(broken.rule, rule)

    def test_in_order(self) -> None:
        """Entries in order and earlier ones above them are right."""
        for shown in (_entry(11, 10), Earlier(_entry(10, 0)), _entry(12, 11)):
            self.checker.appeared("bob", "lobby", shown)
        self.checker.finished("bob", {"lobby"})

    def test_gaps(self) -> None:
        """A gap, a repeat and a foreign entry are not."""
        self.breaks("N5", _entry(12, 11))
        self.breaks("N5", _entry(11, 10), _entry(11, 10))
        self.breaks("N3", _entry(12, 11, text="something else"))

    def test_false_markers(self) -> None:
        """A marker that says that something is gone which is there is wrong."""
        self.breaks("N5", _entry(11, 10), Lost(10, 11))
        self.breaks("N5", NotKept(12))

    def test_behind(self) -> None:
        """Who is not up to date at the end is late."""
        self.checker.appeared("bob", "lobby", _entry(11, 10))
        broken = self.assertRaises(Violation, self.checker.finished, "bob", {"lobby"})
        self.assertEqual(broken.rule, "N6")

    def test_store(self) -> None:
        """The store must not repeat a number, go back in numbers or positions, or lose a link."""
        for rule, n, seq, prev in (("N2", 3, 13, 12), ("N3", 4, 12, 11), ("N5", 4, 14, 11)):
            broken = self.assertRaises(Violation, self.checker.stored, Fact(CLIENT, n, _entry(seq, prev), 0))
            self.assertEqual(broken.rule, rule)

    def test_answers(self) -> None:
        """Accepted is what is stored, refused what is not, and each once."""
        self.checker.asked("bob", b"b" * 16, 1, Text("lobby", Kind.SAY, "x"))
        broken = self.assertRaises(Violation, self.checker.said, "bob", b"b" * 16, 1, 12)
        self.assertEqual(broken.rule, "N1")
        broken = self.assertRaises(Violation, self.checker.said, "bob", b"b" * 16, 1, 12)
        self.assertEqual(broken.rule, "N8")
        self.assertRaises(Violation, self.checker.unsettled, "bob", 1)

    def test_plain(self) -> None:
        """A plain member is sent what the log has, once and in order."""
        reader = PlainReader(self.checker, "nc")
        reader.sent("<10>")
        reader.sent("<12>")
        for text in ("<12>", "<11>", "<13>"):
            self.assertRaises(Violation, reader.sent, text)
