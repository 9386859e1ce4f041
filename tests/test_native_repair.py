"""Tests of `chat.server.protocol`: how native members get what they have lost, and what that may cost."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from chat.errors import StoreError
from chat.hub.hub import Hub
from chat.limits import RATES, Limit, Limits
from chat.messages import LOBBY, Bye, Entry, Fetch, Fetched, Ping, Pong
from chat.server.peer import Addr
from chat.store.memory import MemoryStore
from chat.stored import Page
from chat.wire.tails import REPEATS
from tests.support import ANN, BOB, NAT, NED, START, BrokenStore, Native, ServerTests, Wire, only, texts


class SlowReads(MemoryStore):
    """A store that answers what is read when the test says."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.waiting: list[tuple[Deferred[Page], Deferred[Page]]] = []

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """Keep the answer back."""
        answer: Deferred[Page] = Deferred()
        self.waiting.append((super().read(room, after, before, limit), answer))
        return answer

    def go_on(self) -> None:
        """Give the oldest answer that was kept back."""
        page, answer = self.waiting.pop(0)
        page.chainDeferred(answer)


class TailTests(ServerTests):
    """A room's last entry is said again, to native members only."""

    def heard_after(self, native: Native, *, said_by: Addr) -> tuple[int, list[bytes]]:
        """Let a plain member say one line; count what a native one and the plain ones get within 10 s."""
        native.take_all()
        self.wire.port.written.clear()
        self.wire.send(said_by, b"the last")
        self.wire.clock.pump([0.01] * 1000)
        return texts(native.take()).count("the last"), self.wire.take(BOB)

    def test_once_more_for_everybody(self) -> None:
        """A native member gets it twice; a plain one once, or it would show it twice."""
        self.enter(ann=ANN, bob=BOB)
        nat = Native(self.wire, NAT, "nat")
        self.assertEqual(self.heard_after(nat, said_by=ANN), (2, [b"ann: the last"]))

    def test_four_times_for_who_has_fetched(self) -> None:
        """Its path loses things: for a minute after a Fetch it gets every repeat."""
        self.enter(ann=ANN, bob=BOB)
        nat = Native(self.wire, NAT, "nat")
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 10))
        once, plain = self.heard_after(nat, said_by=ANN)
        self.assertEqual((once, plain), (1 + len(REPEATS), [b"ann: the last"]))

    def test_at_a_quarter_of_a_second(self) -> None:
        """Not before, and at most a slot of the wheel after."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"the last")
        nat.take()
        self.wire.clock.advance(REPEATS[0] - 0.005)
        self.assertEqual(texts(nat.take()), [])
        self.wire.clock.advance(0.02)
        self.assertEqual(texts(nat.take()), ["the last"])

    def test_to_the_session_that_is_there(self) -> None:
        """Who has changed its address meanwhile gets the repeat where it is now."""
        self.enter(ann=ANN)
        Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"the last")
        moved = Native(self.wire, NED, "nat")
        self.wire.clock.advance(1)
        self.assertEqual(texts(moved.take()), ["the last"])


class FetchTests(ServerTests):
    """What is fetched is read from the store, whenever it answers."""

    def test_a_gap(self) -> None:
        """The entries above a position, in order, then the end of the answer."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"one\ntwo\nthree")
        one = only(Entry, nat.take_all())[0]
        self.wire.clock.advance(1)
        nat.take()
        nat.send(Fetch(nat.next_id(), LOBBY, one.seq, None, 256))
        told = nat.take_all()
        self.assertEqual(texts(told), ["two", "three"])
        self.assertIsInstance(told[-1], Fetched)

    def test_a_slow_store(self) -> None:
        """Others go on meanwhile; who has left the room when it answers gets nothing."""
        store = SlowReads()
        self.wire = Wire(store=store)
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"one")
        self.wire.clock.advance(1)
        nat.take()
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256))
        self.wire.send(ANN, b"two")
        self.assertEqual(texts(nat.take_all()), ["two"])
        store.go_on()
        self.assertEqual(texts(nat.take_all()), ["one"])
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256))
        nat.send(Bye())
        store.go_on()
        self.assertEqual(texts(nat.take_all()), [])

    def test_a_failing_read(self) -> None:
        """Nobody is told: a native client asks again, and is answered once the store is well."""
        store = BrokenStore(lambda: START)
        self.wire = Wire(store=store)
        nat = Native(self.wire, NAT, "nat")
        nat.say("kept")
        self.wire.clock.advance(1)
        nat.take()
        store.error = StoreError("disk on fire")
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256))
        self.assertEqual(nat.take_all(), [])
        store.error = None
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256))
        self.assertEqual(texts(nat.take_all()), ["kept"])

    def test_a_bug_in_a_read(self) -> None:
        """It is logged with its traceback and treated as a failure."""
        store = BrokenStore(lambda: START)
        self.wire = Wire(store=store)
        nat = Native(self.wire, NAT, "nat")
        store.error = ZeroDivisionError("a bug")
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256), Ping(nat.next_id(), 7))
        self.assertEqual([pong.time for pong in only(Pong, nat.take_all())], [7])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class WorkTests(ServerTests):
    """What one member can make the server do is bounded, and nobody else pays for it."""

    SECONDS = 10

    def cost(self, *, greedy: bool) -> tuple[int, int, int]:
        """Let ann talk for ten seconds; give the datagrams to nat, the entries in them, those to ned.

        nat, if greedy, asks for everything a hundred times a second, as if it lost all that it gets.
        """
        self.wire = Wire(hub=Hub(limits=Limits({Limit.FETCHES: RATES[Limit.FETCHES]})))
        self.enter(ann=ANN)
        nat, ned = Native(self.wire, NAT, "nat"), Native(self.wire, NED, "ned")
        self.wire.send(ANN, b"\n".join(b"%d %s" % (number, b"x" * 200) for number in range(250)))
        nat.take_all()
        self.wire.clock.advance(5)
        nat.take()
        ned.take()
        datagrams = entries = to_ned = 0
        for step in range(self.SECONDS * 100):
            if greedy:
                nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 256))
            if step % 100 == 0:
                self.wire.send(ANN, b"more")
            self.wire.clock.advance(0.01)
            datagrams += len([addr for _, addr in self.wire.port.written if addr == NAT])
            entries += len(texts(nat.take()))
            to_ned += len(self.wire.take(NED))
            self.wire.take(ANN)
        return datagrams, entries, to_ned

    def test_a_greedy_member(self) -> None:
        """Its token bucket is what it gets, in entries and so in datagrams; another member costs the same."""
        bound = RATES[Limit.FETCHES].burst + RATES[Limit.FETCHES].each_second * self.SECONDS + 256
        datagrams, entries, to_ned = self.cost(greedy=True)
        self.assertTrue(1_000 < entries < bound, entries)
        self.assertLess(datagrams, bound)
        self.assertEqual(to_ned, self.cost(greedy=False)[2])

    def test_hellos_leave_nothing_behind(self) -> None:
        """A thousand sessions of one client id one after the other: one is there, and one member."""
        self.enter(ann=ANN)
        for number in range(1000):
            Native(self.wire, ("192.0.2.9", 1024 + number), "nat")
        self.assertEqual(self.wire.take(ANN), [b"nat has joined the chat"])
        self.wire.send(ANN, b"/names")
        self.assertEqual(self.wire.take(ANN), [b"-!- 2 here (~ is not verified): ~ann ~nat"])
        self.wire.clock.advance(1)
        self.wire.port.written.clear()
        self.wire.send(ANN, b"hi")
        self.wire.clock.advance(1)
        self.assertEqual({addr for _, addr in self.wire.port.written}, {ANN, ("192.0.2.9", 2023)})
