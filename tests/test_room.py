"""Tests of `chat.wire.room`: whether a client is in a room, and what it asks because of that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.fields import FETCH_LIMIT
from chat.messages import (
    Change,
    Entry,
    Fetch,
    Fetched,
    Join,
    Joined,
    Kind,
    NameLine,
    NamesPage,
    Part,
    Presence,
    Rejected,
    RoomHead,
)
from chat.wire.room import PART_AGAIN_SECONDS, Room
from chat.wire.roster import Roster
from chat.wire.sequence import Lost, RoomLog, RoundTrip

BUSY = Rejected(1, "BUSY", "later", 5.0)
NEVER = Rejected(1, "ROOM_INVALID", "no")


def middle() -> float:
    """Stand in for chance: no jitter up or down."""
    return 0.5


def entry(seq: int, back: int = 1) -> Entry:
    """Give an entry."""
    return Entry("r", seq, back, 0, Kind.SAY, "ann", verified=False, text="hi")


def joined(head: int = 10, version: int = 1) -> Joined:
    """Give the answer to a Join."""
    return Joined(1, "r", head, 0, "", version, 1)


class RoomTests(SynchronousTestCase):
    """A room that is wanted, at 100 seconds."""

    def setUp(self) -> None:
        """Want it."""
        self.last_id = 0
        self.room = Room("r", RoomLog(RoundTrip(middle), middle))
        self.room.is_wanted = True

    def due(self, now: float = 100.0, *, is_talking: bool = False) -> Join | Part | None:
        """Give what is asked."""
        return self.room.due(now, is_talking=is_talking)

    def enter(self, head: int = 10) -> None:
        """Ask, and be let in."""
        self.due()
        self.room.joined(joined(head), 100.0)

    def fetch(self, now: float) -> Fetch | None:
        """Give the Fetch that is sent at `now`."""
        return self.room.fetch_due(now, self.next_id)

    def next_id(self) -> int:
        """Count requests."""
        self.last_id += 1
        return self.last_id


class ComingAndGoingTests(RoomTests):
    """Join and Part, one at a time."""

    def test_join(self) -> None:
        """It is asked for once, until the answer; then nothing is."""
        self.assertEqual(self.due(), Join(1, "r"))
        self.assertIsNone(self.due())
        self.assertIsNone(self.room.next_timeout())
        self.assertEqual(self.room.joined(joined(), 100.1), [])
        self.assertTrue(self.room.is_in)
        self.assertIsNone(self.due())
        self.assertIsNone(self.room.next_timeout())

    def test_not_wanted(self) -> None:
        """Where nobody wants to be nothing is asked."""
        self.room.is_wanted = False
        self.assertIsNone(self.due())
        self.assertIsNone(self.room.next_timeout())

    def test_part(self) -> None:
        """It is asked for once, and answered."""
        self.enter()
        self.room.is_wanted = False
        self.assertEqual(self.due(), Part(1, "r"))
        self.assertIsNone(self.due())
        self.room.left()
        self.assertFalse(self.room.is_in)
        self.assertIsNone(self.due())

    def test_part_waits_for_the_texts(self) -> None:
        """What is said and not answered would be refused after it; its answer is what ends the waiting."""
        self.enter()
        self.room.is_wanted = False
        self.assertIsNone(self.due(is_talking=True))
        self.assertIsNone(self.room.next_timeout())
        self.assertEqual(self.due(is_talking=False), Part(1, "r"))

    def test_one_at_a_time(self) -> None:
        """Whoever changes their mind meanwhile waits for the answer."""
        self.due()
        self.room.is_wanted = False
        self.assertIsNone(self.due())
        self.room.joined(joined(), 100.1)
        self.assertEqual(self.due(), Part(1, "r"))
        self.room.is_wanted = True
        self.assertIsNone(self.due())
        self.room.left()
        self.assertEqual(self.due(), Join(1, "r"))

    def test_join_refused_for_good(self) -> None:
        """It is wanted no more, until somebody wants it again."""
        self.due()
        self.assertTrue(self.room.refused(NEVER, 100.1))
        self.assertFalse(self.room.is_wanted)
        self.assertIsNone(self.due(1e9))
        self.room.is_wanted = True
        self.assertEqual(self.due(100.2), Join(1, "r"))

    def test_join_put_off(self) -> None:
        """It is asked for again when the server said."""
        self.due()
        self.assertFalse(self.room.refused(BUSY, 100.0))
        self.assertEqual(self.room.next_timeout(), 105.0)
        self.assertIsNone(self.due(104.9))
        self.assertEqual(self.due(105.0), Join(1, "r"))

    def test_join_put_off_and_not_wanted_any_more(self) -> None:
        """A Part is asked for instead: whether the server had us in before is not known."""
        self.due()
        self.room.is_wanted = False
        self.assertFalse(self.room.refused(BUSY, 100.0))
        self.assertEqual(self.room.next_timeout(), 105.0)
        self.assertEqual(self.due(105.0), Part(1, "r"))
        self.assertTrue(self.room.refused(NEVER, 105.1))
        self.assertIsNone(self.due(1e9))

    def test_part_refused(self) -> None:
        """We are in still: it is asked for again when the server said, or after a second."""
        for refusal, wait in ((BUSY, 5.0), (NEVER, PART_AGAIN_SECONDS)):
            self.setUp()
            self.enter()
            self.room.is_wanted = False
            self.due()
            self.assertFalse(self.room.refused(refusal, 100.0))
            self.assertTrue(self.room.is_in)
            self.assertEqual(self.room.next_timeout(), 100.0 + wait)
            self.assertIsNone(self.due(100.0 + wait - 0.1))
            self.assertEqual(self.due(100.0 + wait), Part(1, "r"))
            self.assertIsNone(self.room.next_timeout())

    def test_part_put_off_and_talking(self) -> None:
        """Its time comes while a text has no answer: it does not come again and again."""
        self.enter()
        self.room.is_wanted = False
        self.due()
        self.room.refused(BUSY, 100.0)
        self.assertIsNone(self.due(105.0, is_talking=True))
        self.assertIsNone(self.room.next_timeout())

    def test_parted_without_a_channel(self) -> None:
        """The server has us in the room still, or may have: a Part is asked for on the next channel."""
        for is_answered in (True, False):
            self.setUp()
            self.due()
            if is_answered:
                self.room.joined(joined(), 100.1)
            self.room.is_wanted = False
            self.room.restart()
            self.assertEqual(self.due(), Part(1, "r"))
            self.room.left()
            self.assertIsNone(self.due())

    def test_parted_before_a_text_was_answered(self) -> None:
        """It may be stored, and would be refused outside: joined again on the next channel, then left."""
        self.enter()
        self.room.is_wanted = False
        self.assertIsNone(self.due(is_talking=True))
        self.room.restart()
        self.assertFalse(self.room.may_say())
        self.assertEqual(self.due(is_talking=True), Join(1, "r"))
        self.room.joined(joined(), 100.1)
        self.assertTrue(self.room.may_say())
        self.assertIsNone(self.due(is_talking=True))
        self.assertEqual(self.due(is_talking=False), Part(1, "r"))

    def test_may_say(self) -> None:
        """A text waits for its Join, and does not come behind a Part; where we shall not be it is refused."""
        self.assertFalse(self.room.may_say())
        self.enter()
        self.assertTrue(self.room.may_say())
        self.room.is_wanted = False
        self.due()
        self.assertFalse(self.room.may_say())
        self.room.left()
        self.assertTrue(self.room.may_say())

    def test_a_fresh_channel(self) -> None:
        """What was asked or put off on the old one is asked for at once."""
        self.due()
        self.room.refused(BUSY, 100.0)
        self.room.restart()
        self.assertEqual(self.due(), Join(1, "r"))
        self.room.restart()
        self.assertEqual(self.due(), Join(1, "r"))
        self.room.joined(joined(), 100.1)
        self.room.restart()
        self.assertFalse(self.room.is_in)
        self.assertEqual(self.due(), Join(1, "r"))

    def test_joined_again_goes_on(self) -> None:
        """The log of before is the log of now: a head below what was shown is a loss."""
        self.enter()
        self.room.log.receive(entry(11), 100.0)
        self.room.restart()
        self.due()
        self.assertEqual(self.room.joined(joined(10), 100.1), [Lost(10, 11)])


class PongTests(RoomTests):
    """What a Pong says of a room."""

    def test_heads(self) -> None:
        """A head above what is shown is fetched."""
        self.enter()
        self.room.pong(RoomHead("r", 12, 1), 100.5, 100.6)
        due = self.room.next_timeout()
        assert due is not None
        self.assertEqual(self.fetch(due), Fetch(1, "r", 10, None, FETCH_LIMIT))

    def test_not_in_it(self) -> None:
        """The server does not have us there: it is joined once more."""
        self.enter()
        self.room.pong(None, 100.5, 100.6)
        self.assertFalse(self.room.is_in)
        self.assertEqual(self.due(), Join(1, "r"))

    def test_asked_before_we_were_in(self) -> None:
        """A Pong that was overtaken by Joined says nothing, nor does one while we are out."""
        self.due()
        self.room.pong(None, 99.0, 100.0)
        self.assertIsNone(self.due())
        self.room.joined(joined(), 100.0)
        self.room.pong(None, 99.9, 100.1)
        self.room.pong(RoomHead("r", 99, 1), 99.9, 100.1)
        self.assertTrue(self.room.is_in)
        self.assertIsNone(self.room.next_timeout())

    def test_while_a_part_is_out(self) -> None:
        """We are out already: the answer to the Part comes, and nothing is asked meanwhile."""
        self.enter()
        self.room.is_wanted = False
        self.due()
        self.room.pong(None, 100.5, 100.6)
        self.room.is_wanted = True
        self.assertIsNone(self.due())
        self.room.left()
        self.assertEqual(self.due(), Join(1, "r"))


class FetchTests(RoomTests):
    """A Fetch is repeated with its id, and answered once."""

    def setUp(self) -> None:
        """Be in, and hear of an entry that was missed."""
        super().setUp()
        self.enter()
        self.room.log.heard(12, 100.0)

    def test_repeats(self) -> None:
        """The same id until the end of the answer, another one for what is missing then."""
        self.assertIsNone(self.fetch(100.0))
        self.assertEqual(self.fetch(101.0), Fetch(1, "r", 10, None, FETCH_LIMIT))
        self.assertEqual(self.fetch(103.0), Fetch(1, "r", 10, None, FETCH_LIMIT))
        self.assertEqual(self.room.fetched(Fetched(2, "r", 0, 12), 103.1), [])
        self.room.fetched(Fetched(1, "r", 0, 12), 103.1)
        self.assertEqual(self.fetch(105.0), Fetch(2, "r", 10, None, FETCH_LIMIT))

    def test_answered_once(self) -> None:
        """A second end of the same answer is none: the question that is out is another."""
        self.fetch(101.0)
        self.room.fetched(Fetched(1, "r", 0, 12), 101.1)
        self.room.log.receive(entry(11), 101.1)
        self.fetch(105.0)
        self.room.fetched(Fetched(1, "r", 0, 11), 105.1)
        self.assertEqual(self.fetch(108.0), Fetch(2, "r", 11, None, FETCH_LIMIT))

    def test_refused(self) -> None:
        """Only members may: we are not in the room any more, and join once more; then it is asked anew."""
        self.fetch(101.0)
        self.room.fetch_refused(Rejected(9, "NOT_IN_ROOM", "no"), 101.0)
        self.assertTrue(self.room.is_in)
        self.room.fetch_refused(Rejected(1, "NOT_IN_ROOM", "no"), 101.0)
        self.assertFalse(self.room.is_in)
        self.assertIsNone(self.fetch(110.0))
        self.assertEqual(self.due(101.1), Join(1, "r"))
        self.room.fetch_refused(Rejected(1, "NOT_IN_ROOM", "no"), 101.0)
        self.assertIsNone(self.due(101.2))
        self.room.joined(joined(12), 101.3)
        self.assertEqual(self.fetch(110.0), Fetch(2, "r", 10, None, FETCH_LIMIT))

    def test_refused_because_of_a_part(self) -> None:
        """The Part that is out was carried out before it: its answer is still waited for."""
        self.fetch(101.0)
        self.room.is_wanted = False
        self.due(101.0)
        self.room.fetch_refused(Rejected(1, "NOT_IN_ROOM", "no"), 101.0)
        self.room.is_wanted = True
        self.assertIsNone(self.due(101.1))
        self.room.left()
        self.assertEqual(self.due(101.2), Join(1, "r"))

    def test_a_fresh_channel(self) -> None:
        """Nothing is fetched before the Join is answered, and then with a new id."""
        self.fetch(101.0)
        self.room.restart()
        self.assertIsNone(self.fetch(102.0))
        self.due(102.0)
        self.assertEqual(self.room.fetched(Fetched(1, "r", 0, 12), 102.0), [])
        self.room.joined(joined(12), 102.0)
        self.assertEqual(self.fetch(103.0), Fetch(2, "r", 10, None, FETCH_LIMIT))


class RosterTests(RoomTests):
    """A room with a roster, and one without."""

    def test_without(self) -> None:
        """Nobody wants to know who is there."""
        self.enter()
        self.assertIsNone(self.room.names_due(1e9))
        self.assertFalse(self.room.page("", NamesPage("r", (), 0, more=False), 100.0))

    def test_with(self) -> None:
        """It is read when we are in, and again when a Pong knows of more."""
        self.room.roster = Roster()
        self.assertIsNone(self.room.names_due(100.0))
        self.enter()
        self.assertEqual(self.room.next_timeout(), 100.0)
        self.assertEqual(self.room.names_due(100.0), "")
        page = NamesPage("r", (NameLine("ann", verified=False),), 1, more=False, version=1)
        self.assertTrue(self.room.page("", page, 100.1))
        self.assertIsNone(self.room.next_timeout())
        self.room.pong(RoomHead("r", 10, 3), 110.0, 110.1)
        self.assertEqual(self.room.next_timeout(), 110.6)
        self.room.left()
        self.assertIsNone(self.room.names_due(111.0))

    def test_the_earliest_time(self) -> None:
        """Of what the log wants and what the roster wants the first comes first."""
        self.room.roster = Roster()
        self.enter()
        self.room.names_due(100.0)
        self.room.page("", NamesPage("r", (), 0, more=False, version=1), 100.0)
        self.room.roster.take(Presence("r", "bob", verified=False, change=Change.JOINED, version=3), 110.0)
        self.assertEqual(self.room.next_timeout(), 110.5)
        self.room.log.heard(12, 110.0)
        self.assertEqual(self.room.next_timeout(), 110.025)


# --- any order


class AnyOrderTests(SynchronousTestCase):
    """Whatever the owner wants and the server answers."""

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        "want",
                        "want not",
                        "ask",
                        "ask",
                        "answer",
                        "answer",
                        "busy",
                        "no",
                        "thrown out",
                        "pong",
                        "new",
                    ]
                ),
                st.booleans(),
            ),
            max_size=60,
        )
    )
    def test_we_end_where_we_want(self, story: list[tuple[str, bool]]) -> None:
        """One request at most is out; in the end we are in if that is wanted, and no time is in the past."""
        room, now = Room("r", RoomLog(RoundTrip(middle), middle)), 100.0
        out: Join | Part | None = None
        is_member = False
        for what, flag in [*story, *[("pong", False), ("ask", False), ("answer", False)] * 4]:
            now += 0.5
            if what in ("want", "want not"):
                room.is_wanted = what == "want"
            elif what == "ask":
                due = room.next_timeout()
                now = now if due is None else max(now, due)
                asked = room.due(now, is_talking=flag)
                self.assertTrue(asked is None or out is None)
                out = asked or out
                due = room.next_timeout()
                self.assertTrue(due is None or due > now)
            elif what == "thrown out":
                is_member = False
            elif what == "pong":
                room.pong(RoomHead("r", 0, 0) if is_member else None, now - 0.1, now)
            elif what == "new":
                room.restart()
                is_member = flag if isinstance(out, Join) else is_member  # was it carried out?
                out = None
            elif out is not None and not (what == "no" and is_member):
                if what == "answer" and isinstance(out, Join):
                    is_member = True
                    room.joined(joined(0), now)
                elif what == "answer":
                    is_member = False
                    room.left()
                else:
                    room.refused(BUSY if what == "busy" else NEVER, now)
                out = None
        self.assertEqual((room.is_in, is_member), (room.is_wanted, room.is_wanted))
