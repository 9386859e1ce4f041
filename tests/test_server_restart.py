"""Tests of `chat.server.lodgings` in its server: it is killed and comes back, and plain members are here."""

from __future__ import annotations

import errno
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.memos import Lodging, Owner, Seat, decode_memos, encode_memo, memo_key
from chat.messages import Presence
from chat.server.lodgings import REFRESH, STEP_SECONDS
from chat.server.memory import FINISH_SECONDS
from chat.server.peer import Addr
from chat.server.settings import IDLE_SECONDS, Settings
from chat.store.memory import MemoryStore
from chat.wire.lines import GOING_DOWN, NICK_TAKEN
from tests.support import ANN, BOB, EVE, NAT, START, Native, Sealed, SlowStore, Wire, only, texts

DOWN = 2.0  # seconds between a server's end and the next one's start


class Restarts(SynchronousTestCase):
    """One server after the other, on one disk that loses nothing."""

    def setUp(self) -> None:
        """Start the first."""
        self.store = MemoryStore(lambda: START)
        self.wire = Wire(store=self.store)

    def restart(self, down: float = DOWN, settings: Settings | None = None, **options: Any) -> None:
        """Kill the server, and start another that much later by the wall clock."""
        ahead = self.wire.wall() + down
        self.store = MemoryStore(lambda: ahead, contents=self.store.contents)
        self.wire = Wire(settings, store=self.store, ahead=ahead, **options)

    def enter(self, **addrs: Addr) -> None:
        """Let plain members come in, and forget what was written so far."""
        for nick, addr in addrs.items():
            self.wire.send(addr, nick.encode())
        self.wire.port.written.clear()

    def told(self, addr: Addr, *lines: bytes) -> None:
        """Assert that `addr` was told just these lines since this was last asked."""
        self.assertEqual(self.wire.take(addr), list(lines))

    def remembered(self) -> tuple[set[str], set[str]]:
        """Give the nicks of the seats, and those typed of the lodgings, that are remembered."""
        memos = decode_memos(self.store.contents.memos)
        return {seat.nick for seat in memos.seats.values()}, {one.asked for one in memos.lodgings.values()}

    def keep(self, key: str, memo: Owner | Lodging | Seat | None) -> None:
        """Have something remembered as if it had been."""
        self.successResultOf(self.store.remember({key: None if memo is None else encode_memo(memo)}))


class StillHereTests(Restarts):
    """Nobody notices the restart."""

    def test_somebody_silent(self) -> None:
        """Who only listens hears what is said afterwards, and nobody sees anybody join or leave."""
        self.enter(ann=ANN, bob=BOB)
        self.restart()
        self.assertEqual(self.wire.port.written, [])
        self.wire.send(ANN, b"hi")
        self.told(ANN, b"ann: hi")
        self.told(BOB, b"ann: hi")

    def test_many_restarts(self) -> None:
        """However often, and however short its lives are; every line is stored once and comes once."""
        self.enter(ann=ANN, bob=BOB)
        for life in range(4):
            for number in range(3):
                line = b"%d/%d" % (life, number)
                self.wire.send(ANN, line)
                self.told(BOB, b"ann: " + line)
                self.told(ANN, b"ann: " + line)
            self.restart(0.3)
            self.restart(0.3)
        self.wire.send(BOB, b"/history 20")
        self.assertEqual(len(self.wire.take(BOB)), 12)

    def test_rooms_topic_and_nick(self) -> None:
        """Each is in the rooms that it was in, speaks where it spoke, and is called as it was."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, b"/join tea", b"/join work", b"/topic no talking", b"/join tea", b"/nick rob")
        self.wire.send(ANN, b"/join work")
        self.restart()
        self.wire.send(BOB, b"hi tea")
        self.told(BOB, b"rob: hi tea")
        self.wire.send(ANN, b"/names", b"/topic")
        names, topic = self.wire.take(ANN)
        self.assertIn(b"ann", names)
        self.assertIn(b"rob", names)
        self.assertIn(b"no talking", topic)
        self.wire.send(ANN, b"hi work")
        self.told(BOB, b"[work] ann: hi work")
        self.wire.send(BOB, b"/part tea", b"where am I")
        self.assertIn(b"rob: where am I", self.wire.take(BOB))
        self.assertIn(b"rob: where am I", self.wire.take(ANN))

    def test_line_ends(self) -> None:
        """Who has sent a line end gets them."""
        self.wire.send(ANN, b"ann\n")
        self.enter(bob=BOB)
        self.restart()
        self.wire.send(BOB, b"hi")
        self.told(ANN, b"bob: hi\n")
        self.told(BOB, b"bob: hi")

    def test_where_answers_leave_from(self) -> None:
        """Each is answered from the address that it spoke to."""
        self.wire.port.spoken_to = b"second"
        self.enter(ann=ANN)
        self.wire.port.spoken_to = b""
        self.enter(bob=BOB)
        self.restart()
        self.wire.send(BOB, b"hi")
        self.assertEqual(self.wire.port.sources, {ANN: [(0, 0, b"second")], BOB: []})

    def test_ipv6(self) -> None:
        """An address on a link is whole, its scope included."""
        here = ("fe80::1", 4001, 0, 2)
        self.enter(ann=here, bob=BOB)
        self.restart()
        self.wire.send(BOB, b"hi")
        self.told(here, b"bob: hi")

    def test_a_first_answer_that_was_lost(self) -> None:
        """Who says its nick again, as the server was killed before it answered, is told that it is in."""
        self.enter(ann=ANN)
        self.restart()
        self.wire.send(ANN, b"ann")
        self.told(ANN, b"ann has joined the chat")

    def test_natives_see_nothing(self) -> None:
        """A native member comes back to the same people, and is told of nobody's coming or going."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.restart()
        nat = Native(self.wire, NAT, "nat")
        self.assertEqual(only(Presence, nat.take_all()), [])
        self.wire.send(ANN, b"hi")
        self.told(ANN, b"ann: hi")
        self.assertEqual(texts(nat.take_all()), ["hi"])

    def test_a_room_that_was_asked_for(self) -> None:
        """Who was about to be let into a room is let in: what it says next was meant for there."""
        self.store = store = SlowStore()
        self.wire = Wire(store=store)
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, b"/join tea")
        self.wire.port.written.clear()
        self.wire.send(ANN, b"a line that waits for the disk", b"/join tea")
        self.restart()
        self.wire.send(ANN, b"hi")
        self.assertIn(b"ann: hi", self.wire.take(BOB))
        self.assertNotIn(b"[lobby] ann: hi", self.wire.take(BOB))

    def test_the_disk_was_down(self) -> None:
        """Somebody who came while nothing could be written is remembered once it can be."""
        error: list[StoreError] = [StoreError("disk full")]
        remember = self.store.remember

        def failing(changes: Any) -> Deferred[None]:
            return fail(error[0]) if error else remember(changes)

        self.store.remember = failing  # type: ignore[method-assign]
        self.enter(ann=ANN)
        self.assertEqual(self.remembered(), (set(), set()))
        error.clear()
        self.wire.clock.pump([1.0] * 3)
        self.assertEqual(self.remembered(), ({"ann"}, {"ann"}))


class SilenceTests(Restarts):
    """Silence counts on while there is no server."""

    def test_it_goes_on(self) -> None:
        """Who was silent for a part of the idle timeout has the rest of it left."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.clock.advance(1_000)
        self.wire.send(BOB, b"hi")
        self.restart(200.0)
        self.wire.clock.advance(IDLE_SECONDS - 1_200 - 1)
        self.assertEqual(self.wire.port.written, [])
        self.wire.clock.advance(2)
        self.assertIn(b"silent", self.wire.take(ANN)[0])
        self.told(BOB, b"ann has left the chat")

    def test_it_was_too_long(self) -> None:
        """Who is silent for too long by then is gone without a word, and its next line is a nick."""
        self.enter(ann=ANN)
        self.wire.clock.advance(1_000)
        self.enter(bob=BOB)
        self.restart(900.0)
        self.assertEqual((self.wire.port.written, self.remembered()), ([], ({"bob"}, {"bob"})))
        self.wire.send(ANN, b"eve")
        self.told(BOB, b"eve has joined the chat")

    def test_refreshed(self) -> None:
        """Whoever talks is remembered as heard, to within a tenth of the idle timeout."""
        self.enter(ann=ANN)
        for _ in range(10):
            self.wire.clock.advance(1_000)
            self.wire.send(ANN, b"hi")
        self.restart(IDLE_SECONDS * (1 - REFRESH) - 1)
        self.assertEqual(self.remembered(), ({"ann"}, {"ann"}))

    def test_a_talker_costs_few_writes(self) -> None:
        """Lines cost no write each: one in a tenth of the idle timeout."""
        writes: list[Any] = []
        remember = self.store.remember
        self.store.remember = lambda changes: writes.append(changes) or remember(changes)  # type: ignore
        self.enter(ann=ANN)
        before = len(writes)
        for _ in range(100):
            self.wire.clock.advance(IDLE_SECONDS * REFRESH / 20)
            self.wire.send(ANN, b"hi")
        self.assertEqual(len(writes) - before, 5)

    def test_a_clock_set_back(self) -> None:
        """Who was heard in the future was heard now."""
        self.enter(ann=ANN)
        self.restart(-100_000.0)
        self.wire.clock.advance(IDLE_SECONDS - 1)
        self.assertEqual(self.wire.port.written, [])
        self.wire.clock.advance(2)
        self.assertIn(b"silent", self.wire.take(ANN)[0])

    def test_a_clock_set_while_it_runs(self) -> None:
        """A step of the wall clock is no silence, in whichever direction it went."""
        for step in (100_000.0, -100_000.0):
            self.setUp()
            self.enter(ann=ANN)
            self.wire.clock.advance(5)
            self.wire.ahead += step
            self.wire.clock.advance(5)
            self.restart(100.0)
            self.wire.clock.advance(IDLE_SECONDS - 111)
            self.assertEqual(self.wire.port.written, [])
            self.wire.clock.advance(2)
            self.assertIn(b"silent", self.wire.take(ANN)[0])

    def test_a_clock_that_drifts(self) -> None:
        """Small steps are none: nothing is written for them."""
        self.enter(ann=ANN)
        self.wire.clock.advance(2)
        before = dict(self.store.contents.memos)
        self.wire.ahead += STEP_SECONDS - 1
        self.wire.clock.advance(2)
        self.assertEqual(self.store.contents.memos, before)


class NotTakenBackTests(Restarts):
    """Whose seat nobody has any more: they are forgotten, and nobody is told."""

    def setUp(self) -> None:
        """Two plain members, in a room."""
        super().setUp()
        self.enter(ann=ANN, bob=BOB)

    def assert_only(self, *nicks: str) -> None:
        """Assert that just these are here, and that nobody is told anything."""
        self.assertEqual((self.wire.port.written, self.remembered()), ([], (set(nicks), set(nicks))))

    def test_who_has_left(self) -> None:
        """Said goodbye, or was silent for too long: it is out."""
        self.wire.send(ANN, b"exit")
        self.restart()
        self.assert_only("bob")
        self.wire.clock.advance(IDLE_SECONDS + 1)
        self.restart()
        self.assert_only()

    def test_who_was_about_to_leave(self) -> None:
        """A goodbye counts although the disk had not let it be carried out."""
        self.store = store = SlowStore()
        self.wire = Wire(store=store)
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"a last line\nexit\n")
        self.restart()
        self.assert_only("bob")

    def test_the_door_was_closed(self) -> None:
        """The server was started with another --plain."""
        self.restart(settings=Settings(plain="off"))
        self.assert_only()
        far = ("8.8.8.8", 53)
        self.restart(settings=Settings(plain="all"))
        self.enter(eve=far, ann=ANN)
        self.restart(settings=Settings(plain="all"))
        self.assert_only("eve", "ann")
        self.restart()
        self.assert_only("ann")

    def test_an_address_that_cannot_be(self) -> None:
        """The server has that address itself now, or reads and writes none of that form."""
        for what in ("own", "foreign"):
            self.setUp()
            getattr(self.wire.port, what).add(BOB)
            self.restart(port=self.wire.port)
            self.assert_only("ann")

    def test_sealed_text(self) -> None:
        """Who speaks text inside DTLS: the keys of its channel have died with the server."""
        sealed = Sealed(self.wire, EVE)
        sealed.say(b"eve\n")
        self.wire.port.written.clear()
        self.assertEqual(self.remembered(), ({"ann", "bob", "eve"}, {"ann", "bob"}))
        self.restart()
        self.assert_only("ann", "bob")

    def test_a_handshake_from_its_address(self) -> None:
        """Whoever proved that the address is theirs has taken the plain member's place."""
        Sealed(self.wire, BOB)
        self.wire.port.written.clear()
        self.restart()
        self.assert_only("ann")

    def test_who_cannot_be_reached(self) -> None:
        """Whose address is forgotten is out, although the disk had not let its leave be carried out."""
        self.store = store = SlowStore()
        self.wire = Wire(store=store)
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, b"a last line")
        self.wire.port.errors[BOB] = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(BOB, b"/names")
        self.wire.port.written.clear()
        self.restart()
        self.assert_only("ann")

    def test_unreachable(self) -> None:
        """An address that can never be written to is found out by the next line, as always."""
        self.restart()
        self.wire.port.errors[BOB] = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"hi")
        self.told(ANN, b"ann: hi", b"bob has left the chat")
        self.assert_only("ann")

    def test_a_nick_with_an_owner(self) -> None:
        """If the nick is somebody else's by now the hub does not let it back in: its next line is a nick."""
        self.keep(memo_key(Owner, "bob"), Owner("bob", b"a" * 32, int(START)))
        self.restart()
        self.assert_only("ann")
        self.wire.send(BOB, b"bob")
        self.told(BOB, NICK_TAKEN.encode())

    def test_two_at_one_address(self) -> None:
        """It is the one that was heard last."""
        ((member, seat), *_) = decode_memos(self.store.contents.memos).seats.items()
        (first, *_) = decode_memos(self.store.contents.memos).lodgings.values()
        other = b"other".ljust(16)
        lodging = Lodging(first.host, first.numbers, b"", b"", "eve", "lobby", first.heard + 1)
        self.keep(memo_key(Seat, other), Seat("eve", None, seat.is_plain, seat.is_away, seat.rooms))
        self.keep(memo_key(Lodging, other), lodging)
        self.restart()
        self.assertNotEqual(member, other)
        self.assert_only("bob", "eve")

    def test_half_of_what_is_needed(self) -> None:
        """A seat without a lodging, a lodging without a seat, or one of a native member's."""
        ann, bob = decode_memos(self.store.contents.memos).lodgings
        self.keep(memo_key(Lodging, ann), None)
        self.keep(memo_key(Seat, bob), None)
        self.restart()
        self.assert_only()
        self.enter(ann=ANN)
        ((member, seat),) = decode_memos(self.store.contents.memos).seats.items()
        self.keep(memo_key(Seat, member), Seat(seat.nick, seat.key, False, False, seat.rooms))
        self.restart()
        self.assertEqual(self.remembered(), ({"ann"}, set()))


class UnreadableTests(Restarts):
    """What is no lodging."""

    def test_no_address(self) -> None:
        """An address with two numbers is none: nobody is served."""
        lodging = ("10.0.0.1", (1, 2), b"", b"", "ann", "lobby", 0)
        self.successResultOf(self.store.remember({"lodging:00": msgspec.msgpack.encode(lodging)}))
        self.restart()
        self.failureResultOf(self.wire.server.begun, StoreError)
        self.assertTrue(self.wire.port.is_held)


class GoingDownTests(Restarts):
    """A server that is stopped, and not killed."""

    def test_everybody_is_told(self) -> None:
        """Members hear that the server goes; who stays where it is is in when it is back."""
        self.enter(ann=ANN, bob=BOB)
        self.successResultOf(self.wire.server.shut_down())
        self.told(ANN, GOING_DOWN.encode())
        self.wire.port.written.clear()
        self.restart()
        self.wire.send(BOB, b"back")
        self.told(ANN, b"bob: back")

    def test_what_is_left_is_written(self) -> None:
        """The store is closed when it has remembered all, or has had time enough."""
        for answers in (True, False):
            self.setUp()
            asked: list[Any] = []
            first: Deferred[None] = Deferred()
            remember = self.store.remember

            def slow(
                changes: Any,
                asked: list[Any] = asked,
                first: Deferred[None] = first,
                remember: Any = remember,
            ) -> Deferred[None]:
                asked.append(changes)
                return first if len(asked) == 1 else remember(changes)

            self.store.remember = slow  # type: ignore[method-assign]
            self.enter(ann=ANN, bob=BOB)
            done = self.wire.server.shut_down()
            self.assertNoResult(done)
            if answers:
                remember(asked[0]).chainDeferred(first)
            else:
                self.wire.clock.advance(FINISH_SECONDS)
            self.successResultOf(done)
            self.failureResultOf(self.store.heads(), StoreError)
            self.assertEqual(self.remembered()[0], {"ann", "bob"} if answers else set())
