"""Tests of `chat.server.protocol`: writes that fail, stores that fail or take their time."""

from __future__ import annotations

import errno
import os

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.hub.effects import Effect
from chat.hub.hub import Hub
from chat.memos import Memos
from chat.server.reach import UNREACHABLE_SECONDS
from chat.store.memory import MemoryStore
from chat.stored import Fact, Heads
from tests.support import (
    ANN,
    BOB,
    EVE,
    NAT,
    START,
    BrokenStore,
    Native,
    ServerTests,
    SlowStore,
    Wire,
    texts,
    unlimited,
)


class LateStore(MemoryStore):
    """A store that tells where it stands when the test says."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.waiting: Deferred[Heads] = Deferred()

    def heads(self) -> Deferred[Heads]:
        """Keep the answer back."""
        return self.waiting

    def go_on(self) -> None:
        """Give the answer."""
        super().heads().chainDeferred(self.waiting)


class UnreadableStore(MemoryStore):
    """A store that cannot tell where it stands."""

    def heads(self) -> Deferred[Heads]:
        """Fail."""
        return fail(StoreError("not a database"))


class BrokenHub(Hub):
    """A hub that cannot take back who was in."""

    def recall(self, memos: Memos, now: float, at: float) -> None:  # noqa: ARG002
        """Fail."""
        raise ZeroDivisionError("a bug")


class PoisonedHub(Hub):
    """A hub that cannot tell of one text."""

    def committed(self, fact: Fact) -> list[Effect]:
        """Fail with that one."""
        if fact.entry.text == "poison":
            raise ZeroDivisionError("a bug")
        return super().committed(fact)


class UnreachableTests(ServerTests):
    """A peer that cannot be written to is removed; a network that is down removes nobody."""

    def setUp(self) -> None:
        """Begin with three members."""
        super().setUp()
        self.enter(ann=ANN, bob=BOB, eve=EVE)

    def test_hopeless(self) -> None:
        """An address that can never be written to goes at once; the others get the line, then the leave."""
        for number in (errno.EINVAL, errno.EACCES, errno.EAFNOSUPPORT):
            self.setUp()
            self.wire.port.errors[BOB] = OSError(number, os.strerror(number))
            self.wire.send(ANN, b"hi")
            for addr in (ANN, EVE):
                self.assertEqual(self.wire.take(addr), [b"ann: hi", b"bob has left the chat"])
            self.wire.port.errors.clear()
            self.wire.send(ANN, b"ho")
            self.assertEqual(self.wire.take(BOB), [])
            self.wire.send(BOB, b"bob")
            self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_all_hopeless(self) -> None:
        """The end of one leads to the end of the next, and the server lives."""
        self.wire.port.every_error = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"hi")
        self.wire.port.every_error = None
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat"])

    def test_a_flapping_link(self) -> None:
        """When every write fails for ten seconds nobody is removed."""
        for number in (errno.ENETUNREACH, errno.ENOBUFS, errno.EPERM, errno.EAGAIN):
            self.wire.port.every_error = OSError(number, os.strerror(number))
            for _ in range(20):
                self.wire.send(ANN, b"anybody?")
                self.wire.clock.advance(0.5)
            self.wire.port.every_error = None
            self.wire.send(ANN, b"back")
            for addr in (ANN, BOB, EVE):
                self.assertEqual(self.wire.take(addr), [b"ann: back"])

    def test_our_own_address_went_away(self) -> None:
        """EINVAL for an answer's pinned source says nothing of the peer: the kernel chooses from then on."""
        self.wire.port.spoken_to = b"second address"
        self.wire.send(BOB, b"1")
        self.wire.port.errors[BOB] = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"2")
        del self.wire.port.errors[BOB]
        self.wire.port.written.clear()
        self.wire.send(ANN, b"3")
        self.assertEqual(self.wire.take(BOB), [b"ann: 3"])
        self.assertEqual(self.wire.port.sources[BOB], [])

    def test_one_loss_among_successes(self) -> None:
        """A write that fails and one that succeeds in the same turn are no minute of failure."""
        self.wire.port.errors[BOB] = OSError(errno.EAGAIN, "again")
        self.wire.send(ANN, b"1")
        self.wire.port.errors.clear()
        self.wire.send(ANN, b"2")
        self.wire.clock.advance(UNREACHABLE_SECONDS + 1)
        self.wire.port.errors[BOB] = OSError(errno.EAGAIN, "again")
        self.wire.send(ANN, b"3")
        self.wire.port.errors.clear()
        self.wire.port.written.clear()
        self.wire.send(ANN, b"4")
        self.assertEqual(self.wire.take(BOB), [b"ann: 4"])

    def test_nothing_but_failure_for_a_minute(self) -> None:
        """Then the peer is gone; one write that succeeds begins the minute anew."""
        self.wire.port.errors[BOB] = OSError(errno.EHOSTUNREACH, "No route to host")
        self.wire.send(ANN, b"1")
        self.wire.clock.advance(UNREACHABLE_SECONDS - 1)
        self.wire.send(ANN, b"2")
        error = self.wire.port.errors.pop(BOB)
        self.wire.send(ANN, b"3")
        self.wire.port.errors[BOB] = error
        self.wire.send(ANN, b"4")
        self.wire.clock.advance(UNREACHABLE_SECONDS - 1)
        self.wire.send(ANN, b"5")
        self.assertEqual(self.wire.take(EVE), [b"ann: %d" % number for number in range(1, 6)])
        self.wire.clock.advance(1)
        self.wire.send(ANN, b"6")
        self.assertEqual(self.wire.take(EVE), [b"ann: 6", b"bob has left the chat"])


class BeginningTests(SynchronousTestCase):
    """Nobody is served before the store has told where it stands, and nothing is lost by that."""

    def test_a_slow_beginning(self) -> None:
        """What comes meanwhile waits in the socket, and is answered in its order."""
        store = LateStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann", b"hi")
        wire.send(BOB, b"bob")
        wire.clock.advance(5)
        self.assertEqual(wire.port.written, [])
        store.go_on()
        wire.send(BOB, b"hi ann")
        self.assertEqual(
            wire.take(ANN),
            [b"ann has joined the chat", b"ann: hi", b"bob has joined the chat", b"bob: hi ann"],
        )

    def test_what_the_store_kept(self) -> None:
        """A server on the contents of an earlier one shows its entries to who asks, and repeats none."""
        store = MemoryStore(lambda: START)
        before = Wire(store=store)
        before.send(ANN, b"ann", b"said before")
        after = Wire(store=MemoryStore(lambda: START + 9, contents=store.contents))
        after.send(ANN, b"ann")
        self.assertEqual(after.take(ANN), [b"ann has joined the chat"])
        after.send(ANN, b"/history")
        self.assertEqual(after.take(ANN), [b"ann: said before"])

    def test_a_store_that_cannot_be_read(self) -> None:
        """Nobody is served, as what they said could not be kept; whoever started the server hears why."""
        wire = Wire(store=UnreadableStore(lambda: START))
        wire.send(ANN, b"ann")
        wire.clock.advance(5)
        self.assertEqual(wire.port.written, [])
        self.assertEqual(
            self.failureResultOf(wire.server.begun, StoreError).getErrorMessage(), "not a database"
        )

    def test_a_memo_that_cannot_be_read(self) -> None:
        """It is the same: who begins anew over what is remembered gives nicks away."""
        store = MemoryStore(lambda: START)
        store.remember({"owner:ann": b"rubbish"})
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        self.assertEqual(wire.port.written, [])
        self.assertIn("owner:ann", self.failureResultOf(wire.server.begun, StoreError).getErrorMessage())

    def test_a_bug_at_the_beginning(self) -> None:
        """It is logged with its traceback, and nobody is served."""
        wire = Wire(hub=BrokenHub())
        wire.send(ANN, b"ann")
        self.assertEqual(wire.port.written, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.failureResultOf(wire.server.begun, ZeroDivisionError)


class StoreTests(SynchronousTestCase):
    """Nothing is shown before it is stored, whenever the store answers."""

    def test_a_slow_store(self) -> None:
        """Lines wait for the store, in order, and `exit` waits behind them."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob\none\ntwo\nexit\n")
        self.assertEqual(wire.take(ANN), [b"ann has joined the chat", b"bob has joined the chat"])
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: one"])
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: two", b"bob has left the chat"])

    def test_native_members_and_a_slow_store(self) -> None:
        """Nobody sees an entry before the store has it, and its author no acceptance."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        nat = Native(wire, NAT, "nat")
        wire.take(ANN)
        nat.say("one")
        nat.say("two")
        self.assertEqual((nat.take_all(), wire.take(ANN)), ([], []))
        store.go_on()
        self.assertEqual((texts(nat.take_all()), wire.take(ANN)), (["one"], [b"nat: one"]))
        store.go_on()
        self.assertEqual((texts(nat.take_all()), wire.take(ANN)), (["two"], [b"nat: two"]))

    def test_silence_while_the_store_is_slow(self) -> None:
        """Who comes back before its leave was carried out has never left, and its line is no nick."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob", b"one")
        wire.clock.advance(900)
        wire.send(ANN, b"/names")
        wire.clock.advance(901)
        wire.port.written.clear()
        wire.send(BOB, b"two")
        self.assertEqual(wire.take(BOB), [])
        store.go_on()
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: one", b"bob: two"])

    def test_an_answer_after_the_end(self) -> None:
        """What a store answers after the port was closed is sent to nobody."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann", b"one")
        wire.port.written.clear()
        wire.server.stopProtocol()
        store.go_on()
        self.assertEqual(wire.port.written, [])

    def test_a_failing_store(self) -> None:
        """The author is told, nobody else sees anything, the server lives, and so does the talk."""
        store = BrokenStore(lambda: START)
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob")
        wire.port.written.clear()
        store.error = StoreError("disk full")
        wire.send(BOB, b"lost")
        self.assertEqual(wire.take(ANN), [])
        (told,) = wire.take(BOB)
        self.assertIn(b"the store failed", told)
        store.error = None
        wire.send(BOB, b"kept")
        self.assertEqual(wire.take(ANN), [b"bob: kept"])

    def test_a_bug_in_a_store(self) -> None:
        """A failure that no store may have is logged with its traceback, and treated as one all the same."""
        store = BrokenStore(lambda: START)
        wire = Wire(store=store)
        wire.send(BOB, b"bob")
        wire.port.written.clear()
        store.error = ZeroDivisionError("a bug")
        wire.send(BOB, b"lost")
        self.assertEqual(len(wire.take(BOB)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_bug_behind_an_answer(self) -> None:
        """A bug in what follows from an entry is logged, costs its author, and never gets into the store."""
        store = SlowStore()
        wire = Wire(hub=PoisonedHub(limits=unlimited()), store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob")
        wire.take(ANN)
        wire.send(BOB, b"poison")
        wire.send(ANN, b"water")
        store.go_on()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        store.go_on()
        self.assertEqual(wire.take(BOB)[-1:], [b"ann: water"])
        self.successResultOf(wire.server.shut_down())
