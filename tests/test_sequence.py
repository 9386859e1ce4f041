"""Tests of `chat.wire.sequence`: facts in any order in, one order out; requests repeated until answered."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.messages import Entry, Kind
from chat.wire.sequence import (
    FETCH_DELAY_LEAST,
    FETCH_DELAY_MOST,
    FETCH_LIMIT,
    FETCH_REPEAT_MOST,
    IN_FLIGHT,
    NOWHERE,
    QUEUED,
    REMEMBERED,
    REPLY_CACHE,
    RTO_FIRST,
    RTO_LEAST,
    RTO_MOST,
    WAITING,
    Earlier,
    Lost,
    NotKept,
    Requests,
    RoomLog,
    RoundTrip,
    Shown,
    Wanted,
)

RUN = 1 << 20  # what lies between the positions of two runs at least


def middle() -> float:
    """Stand in for chance: no jitter up or down."""
    return 0.5


def entry(seq: int, prev: int | None = None) -> Entry:
    """Give the entry at `seq`, by default right behind the one before it."""
    return Entry(
        "r", seq, 1 if prev is None else seq - prev, 0, Kind.SAY, "ann", verified=True, text=str(seq)
    )


def gap(after: int, *, is_repeat: bool = False) -> Wanted:
    """Give what repairs a gap."""
    return Wanted(after, None, FETCH_LIMIT, is_repeat)


class RoomLogTests(SynchronousTestCase):
    """A room that was joined with its head at 10 (and 4 not kept any more)."""

    def setUp(self) -> None:
        """Join."""
        self.round_trip = RoundTrip(middle)
        self.log = RoomLog(self.round_trip, middle)
        self.log.joining()
        self.assertEqual(self.log.joined(10, 4, 0.0), [])

    def hear(self, *entries: Entry, now: float = 0.0) -> list[Shown]:
        """Let entries come in; give what is shown."""
        return [shown for each in entries for shown in self.log.receive(each, now)]

    def ask(self, now: float = 0.0) -> tuple[Wanted | None, float]:
        """Let the time come at which something is due; give what, and when."""
        due = self.log.next_timeout()
        assert due is not None
        if due > now:
            self.assertIsNone(self.log.due(due - 0.001))
        due = max(due, now)
        return self.log.due(due), due

    def rejoin(self, head: int, floor: int = 4) -> list[Shown]:
        """Join once more, as a new session does."""
        self.log.joining()
        return self.log.joined(head, floor, 0.0)


class ReceivingTests(RoomLogTests):
    """What is shown, and in which order."""

    def test_in_order(self) -> None:
        """An entry that names the newest one shown is shown at once, and nothing is wanted."""
        for each in (entry(11), entry(15, 11), entry(16)):
            self.assertEqual(self.hear(each), [each])
        self.assertEqual((self.log.p, self.log.h), (10, 16))
        self.assertIsNone(self.log.next_timeout())
        self.assertIsNone(self.log.due(1e9))

    def test_repeats_are_dropped(self) -> None:
        """Whatever lies in (p, h] was shown; what lies at p or below was not asked for."""
        self.hear(entry(11), entry(12))
        self.assertEqual(self.hear(entry(11), entry(12), entry(10), entry(5)), [])
        self.assertIsNone(self.log.next_timeout())

    def test_out_of_order(self) -> None:
        """What came too early is kept aside, once, and shown when it fits."""
        self.assertEqual(self.hear(entry(13), entry(12), entry(13)), [])
        self.assertEqual(self.hear(entry(11)), [entry(11), entry(12), entry(13)])
        self.assertIsNone(self.log.next_timeout())

    def test_before_joined(self) -> None:
        """Counterexample 7: the entry after the head overtakes the first Joined, and is shown after it."""
        self.log = RoomLog(self.round_trip, middle)
        self.log.joining()
        self.assertEqual(self.hear(entry(12), entry(11), entry(10), entry(14)), [])
        self.assertEqual(self.log.h, NOWHERE)
        self.assertIsNone(self.log.next_timeout())  # a Fetch would be refused: this is no member yet
        self.assertEqual(self.log.joined(10, 0, 0.0), [entry(11), entry(12)])
        self.assertEqual(self.ask()[0], gap(12))

    def test_first_joined_starts_at_the_head(self) -> None:
        """The range is empty and stands at the head, or at the floor of a log that claims to end below it."""
        self.assertEqual((self.log.p, self.log.h), (10, 10))
        self.log = RoomLog(self.round_trip, middle)
        self.assertEqual(self.log.joined(3, 7, 0.0), [])
        self.assertEqual((self.log.p, self.log.h), (7, 7))

    def test_joined_overtaken_on_resume(self) -> None:
        """Counterexample 7 again: a head below h, but not below the h of when the Join was sent, is old."""
        self.log.joining()
        self.assertEqual(self.hear(entry(11)), [entry(11)])
        self.assertEqual(self.log.joined(10, 4, 0.0), [])
        self.assertEqual(self.log.h, 11)

    def test_joined_below_what_is_shown(self) -> None:
        """A head below the h with which the Join was sent: what is above it is lost, and h goes back."""
        self.hear(entry(11), entry(12))
        self.assertEqual(self.rejoin(11), [Lost(11, 12)])
        self.assertEqual(self.hear(entry(RUN, 11)), [entry(RUN, 11)])

    def test_lost_entries_do_not_come_back(self) -> None:
        """A late copy of what a marker called lost fits onto the head, and is not shown again."""
        self.hear(entry(11), entry(12))
        self.rejoin(10)
        self.assertEqual(self.hear(entry(11), entry(12)), [])
        self.assertIsNone(self.log.next_timeout())
        self.assertEqual(self.hear(entry(RUN, 10)), [entry(RUN, 10)])

    def test_joined_after_the_marker(self) -> None:
        """The next run's entry overtakes Joined: it brings the marker, and Joined does not take it back."""
        self.hear(entry(11), entry(12))
        self.log.joining()
        self.assertEqual(self.hear(entry(RUN, 10)), [Lost(10, 12), entry(RUN, 10)])
        self.assertEqual(self.log.joined(10, 4, 0.0), [])
        self.assertEqual(self.log.h, RUN)

    def test_a_new_run_needs_no_marker(self) -> None:
        """Counterexample 5: the first entry of a run names the newest that was kept: nothing is missing."""
        self.assertEqual(self.hear(entry(RUN, 10), entry(RUN + 1)), [entry(RUN, 10), entry(RUN + 1)])

    def test_a_new_run_after_a_lost_tail(self) -> None:
        """An entry whose prev is below h says what was lost."""
        self.hear(entry(11), entry(12))
        self.assertEqual(self.hear(entry(RUN, 11)), [Lost(11, 12), entry(RUN, 11)])

    def test_lost_tail_waits_below_a_new_run(self) -> None:
        """Counterexample 6: what waits below for an entry that was lost holds up nothing, and is dropped."""
        self.assertEqual(self.hear(entry(12), entry(13)), [])
        self.assertEqual(self.hear(entry(RUN, 10)), [entry(RUN, 10)])
        self.assertEqual(self.hear(entry(11)), [])
        self.assertIsNone(self.log.next_timeout())

    def test_the_lowest_that_fits_is_next(self) -> None:
        """Of two that fit the lower one is shown first, and the other one says that it was lost."""
        self.hear(entry(12), entry(RUN, 11))
        self.assertEqual(self.hear(entry(11)), [entry(11), entry(12), Lost(11, 12), entry(RUN, 11)])

    def test_everything_shown_is_lost(self) -> None:
        """The range then begins where the loss does, or a scroll-back would look for what is gone."""
        self.hear(entry(11))
        self.assertEqual(self.hear(entry(RUN, 8)), [Lost(8, 11), entry(RUN, 8)])
        self.assertEqual(self.log.p, 8)

    def test_not_kept(self) -> None:
        """A floor above h: a marker, h is the floor, and what follows it goes on."""
        self.hear(entry(31, 30))
        self.assertEqual(self.rejoin(31, floor=30), [NotKept(30), entry(31, 30)])

    def test_not_kept_says_a_fetched(self) -> None:
        """A server that forgot everything: its base is floor and head, and its entries follow the base."""
        self.hear(entry(RUN + 1))
        self.ask()
        self.assertEqual(self.log.fetched(RUN, RUN + 1, 1.0), [NotKept(RUN), entry(RUN + 1)])

    def test_at_most_512_wait(self) -> None:
        """The farthest are dropped: what is near is needed first, and the rest is asked for later."""
        late = [entry(12 + each) for each in range(WAITING + 2)]
        self.assertEqual(self.hear(*reversed(late)), [])
        self.assertEqual(self.hear(entry(11)), [entry(11), *late[:WAITING]])
        self.assertEqual(self.ask()[0], gap(11 + WAITING))

    def test_an_entry_that_follows_nothing(self) -> None:
        """A link to itself, forward or below zero could never fit, and would be waited for."""
        self.assertEqual(self.hear(entry(11, 11), entry(11, 12), entry(11, -1)), [])
        self.assertIsNone(self.log.next_timeout())


class OwnTextTests(RoomLogTests):
    """A text that was accepted is shown, or reported as lost."""

    def test_shown(self) -> None:
        """Accepted comes before its entry or after: nothing more is said."""
        self.assertEqual(self.log.accepted(11, 0.0), [])
        self.assertEqual(self.hear(entry(11), entry(12)), [entry(11), entry(12)])
        self.assertEqual(self.log.accepted(12, 0.0), [])

    def test_accepted_names_a_head(self) -> None:
        """Its entry exists: if it does not come by itself it is asked for."""
        self.log.accepted(11, 0.0)
        self.assertEqual(self.ask()[0], gap(10))

    def test_passed_unseen(self) -> None:
        """H passes it: it is reported before what passes it, so that its text can be offered again."""
        for seq in (13, 12, RUN):
            self.log.accepted(seq, 0.0)
        self.assertEqual(
            self.hear(entry(RUN, 10)), [Lost(11, 12), Lost(12, 13), entry(RUN, 10)]
        )  # and its own entry is no loss

    def test_passed_before_accepted_came(self) -> None:
        """The order in which the two are known does not matter."""
        self.hear(entry(RUN, 10))
        self.assertEqual(self.log.accepted(12, 0.0), [Lost(11, 12)])

    def test_below_a_floor(self) -> None:
        """Nobody will see it here: that it is not kept is no reason to be silent about it."""
        self.log.accepted(12, 0.0)
        self.assertEqual(self.rejoin(30, 30), [Lost(11, 12), NotKept(30)])

    def test_lost_with_the_tail(self) -> None:
        """Accepted for what a marker has called lost since says so once more."""
        self.hear(entry(11))
        self.rejoin(10)
        self.assertEqual(self.log.accepted(11, 0.0), [Lost(10, 11)])

    def test_said_before_the_range(self) -> None:
        """What was said before this range began is none of its business."""
        self.assertEqual(self.log.accepted(10, 0.0), [])
        self.log = RoomLog(self.round_trip, middle)
        self.assertEqual(self.log.accepted(10, 0.0), [])
        self.assertEqual(self.log.joined(12, 0, 0.0), [])
        self.assertEqual(self.hear(entry(13)), [entry(13)])

    def test_too_old_to_tell(self) -> None:
        """What is older than all that is remembered is taken for shown."""
        self.hear(*(entry(seq) for seq in range(11, 11 + REMEMBERED)), entry(RUN, 10 + REMEMBERED))
        self.assertEqual(self.log.accepted(11, 0.0), [])
        self.assertEqual(self.log.accepted(RUN - 1, 0.0), [Lost(RUN - 2, RUN - 1)])

    def test_bounded(self) -> None:
        """No more are remembered than may wait above a gap."""
        for seq in range(11, 11 + 2 * WAITING):
            self.log.accepted(seq, 0.0)
        self.assertEqual(len(self.hear(entry(RUN, 10))), WAITING + 1)


class FetchTests(RoomLogTests):
    """When a Fetch is due, and for what."""

    def test_delay(self) -> None:
        """A quarter of the smoothed RTT, 20 to 100 ms with the jitter: what was overtaken still comes."""
        for chance in (0.0, 0.5, 1.0):
            for rtt in (None, 0.0, 0.02, 0.16, 0.4, 3.0):
                self.round_trip = RoundTrip(middle)
                if rtt is not None:
                    self.round_trip.sample(rtt)
                self.log = RoomLog(self.round_trip, lambda chance=chance: chance)  # type: ignore[misc]
                self.log.joined(10, 4, 0.0)
                self.hear(entry(12), now=5.0)
                wanted, at = self.ask()
                self.assertEqual(wanted, gap(10))
                self.assertTrue(at - 5.0 + 1e-9 >= FETCH_DELAY_LEAST)
                self.assertTrue(at - 5.0 <= FETCH_DELAY_MOST + 1e-9)
                if rtt == 0.16:
                    self.assertAlmostEqual(at - 5.0, 0.04 * (1 + chance / 2))

    def test_delay_counts_from_the_first(self) -> None:
        """What comes later does not put it off."""
        self.hear(entry(12), now=0.0)
        due = self.log.next_timeout()
        self.hear(entry(13), now=0.01)
        self.log.heard(14, 0.015)
        self.assertEqual(self.log.next_timeout(), due)

    def test_at_once_when_three_wait(self) -> None:
        """So many later ones mean that it was lost."""
        self.hear(entry(12), entry(13), entry(14), now=0.001)
        self.hear(entry(15), now=0.002)
        self.assertEqual(self.ask(), (gap(10), 0.001))

    def test_filled_in_time(self) -> None:
        """A gap that closes before the delay is over asks for nothing."""
        self.hear(entry(12))
        self.hear(entry(11), now=0.01)
        self.assertIsNone(self.log.next_timeout())

    def test_a_head_above(self) -> None:
        """A Pong's head above h is a gap; one at h or below is not."""
        self.log.heard(10, 0.0)
        self.log.heard(9, 0.0)
        self.assertIsNone(self.log.next_timeout())
        self.log.heard(11, 0.0)
        self.assertEqual(self.ask()[0], gap(10))

    def test_joined_head_above(self) -> None:
        """After an absence the head of Joined says what was missed."""
        self.assertEqual(self.rejoin(300), [])
        self.assertEqual(self.ask()[0], gap(10))

    def test_one_in_flight(self) -> None:
        """While one is out only its repeats are due, for what is wanted by then, less and less often."""
        self.hear(entry(12), entry(15))
        _, at = self.ask()
        self.hear(entry(16), entry(17), now=at)
        waits = []
        for _ in range(5):
            wanted, later = self.ask(at)
            self.assertEqual(wanted, gap(10, is_repeat=True))
            waits.append(round(later - at, 3))
            at = later
        self.assertEqual(waits, [FETCH_REPEAT_MOST] * 5)
        self.log.receive(entry(11), at)
        self.assertEqual(self.ask()[0], gap(12, is_repeat=True))

    def test_repeats_follow_the_round_trip(self) -> None:
        """They begin at the RTO and double to half a second; a longer RTO is never undercut."""
        for rtt, expected in ((0.02, [0.1, 0.2, 0.4, 0.5, 0.5]), (2.0, [6.025] * 5)):
            self.setUp()
            self.round_trip.sample(rtt)
            self.hear(entry(12))
            at, waits = self.ask()[1], []
            for _ in expected:
                later = self.ask(at)[1]
                waits.append(round(later - at, 3))
                at = later
            self.assertEqual(waits, expected)

    def test_an_answer_that_comes_in_is_not_repeated(self) -> None:
        """As long as the gap shrinks the repeat waits."""
        self.round_trip.sample(0.02)
        self.log.heard(100, 0.0)
        at = self.ask()[1]
        self.assertEqual(self.hear(entry(11), now=at + 0.09), [entry(11)])
        self.assertEqual(self.ask(at)[1], at + 0.09 + 0.1)

    def test_live_entries_do_not_hold_up_a_repeat(self) -> None:
        """While a scroll-back is out, new entries are not its answer."""
        self.log.scroll_back(3, 0.0)
        self.ask()
        due = self.log.next_timeout()
        self.hear(entry(11), entry(12), now=0.1)
        self.assertEqual(self.log.next_timeout(), due)

    def test_answered(self) -> None:
        """When the end of the answer comes and the gap is closed, that is all."""
        self.hear(entry(12))
        self.ask()
        self.hear(entry(11))
        self.assertEqual(self.log.fetched(4, 12, 0.2), [])
        self.assertIsNone(self.log.next_timeout())

    def test_answer_without_an_end(self) -> None:
        """Its entries closed the gap, its Fetched was lost: nothing is repeated, the next gap is new."""
        self.hear(entry(12))
        self.ask()
        self.hear(entry(11))
        self.assertEqual(self.ask()[0], None)
        self.assertIsNone(self.log.next_timeout())
        self.hear(entry(14), now=3.0)
        self.assertEqual(self.ask()[0], gap(12))

    def test_asks_again(self) -> None:
        """The answer ended and a gap remains: asked again, later each time that nothing came of it."""
        self.hear(entry(12), entry(13), entry(14))
        at, delays = 0.0, []
        for _ in range(7):
            wanted, at = self.ask(at)
            self.assertEqual(wanted, gap(10))
            self.assertEqual(self.log.fetched(4, 14, at), [])
            due = self.log.next_timeout()
            assert due is not None
            delays.append(round(due - at, 3))
        self.assertEqual(delays, [0.025, 0.05, 0.1, 0.2, 0.4, 0.5, 0.5])

    def test_asks_again_at_once_after_progress(self) -> None:
        """A part of the answer was lost, and three wait above it."""
        self.hear(entry(14))
        self.ask()
        self.hear(entry(11), entry(13), entry(15), now=0.3)
        self.assertEqual(self.log.fetched(4, 15, 0.3), [])
        self.assertEqual(self.ask(), (gap(11), 0.3))

    def test_what_the_answer_does_not_know(self) -> None:
        """Known before the question and above the answer's head: lost with a tail, asked for no longer."""
        self.hear(entry(12))
        self.log.heard(14, 0.0)
        self.ask()
        self.assertEqual(self.log.fetched(4, 10, 0.2), [])
        self.assertIsNone(self.log.next_timeout())
        self.hear(entry(RUN + 2), entry(RUN + 3), entry(RUN + 4), now=9.0)
        self.assertEqual(self.ask(), (gap(10), 9.0))

    def test_what_the_answer_does_not_know_waits_no_longer(self) -> None:
        """It does not count among the three that mean loss."""
        self.hear(entry(12), entry(13))
        self.ask()
        self.log.fetched(4, 10, 0.2)
        self.hear(entry(RUN + 2), now=9.0)
        self.assertEqual(self.ask(), (gap(10), 9.025))

    def test_what_was_heard_since_the_question(self) -> None:
        """An answer's head takes nothing back that was heard while the question was out, repeats or not."""
        self.hear(entry(12))
        at = self.ask()[1]
        self.log.heard(14, at)
        at = self.ask(at)[1]
        self.log.fetched(4, 12, at)
        self.hear(entry(11), now=at)
        self.assertEqual(self.ask(at)[0], gap(12))

    def test_a_lost_tail_and_joined(self) -> None:
        """The same holds for what waited when a Join was sent."""
        self.hear(entry(12))
        self.rejoin(10)
        self.assertIsNone(self.log.next_timeout())

    def test_no_fetch_while_joining(self) -> None:
        """A new session forgets the Fetch of the old one, its answer too, and asks when it is in."""
        self.hear(entry(12))
        self.ask()
        self.log.joining()
        self.hear(entry(13))
        self.assertIsNone(self.log.next_timeout())
        self.assertEqual(self.log.fetched(11, 13, 0.5), [])
        self.assertEqual(self.log.joined(13, 4, 0.5), [])
        self.assertEqual(self.ask(), (gap(10), 0.525))

    def test_a_session_begins_afresh(self) -> None:
        """How often the old one asked in vain does not slow down the new one."""
        self.hear(entry(12), entry(13), entry(14))
        at = 0.0
        for _ in range(5):
            _, at = self.ask(at)
        self.rejoin(14)
        self.hear(entry(15), entry(16), entry(17), now=at)
        self.assertEqual(self.ask(), (gap(10), 0.0))


class ScrollBackTests(RoomLogTests):
    """What goes on top."""

    def test_on_top(self) -> None:
        """The newest below p, asked for with `before` alone; whatever order it comes in, it is contiguous."""
        self.log.scroll_back(3, 0.0)
        self.assertEqual(self.ask()[0], Wanted(None, 11, 3, is_repeat=False))
        self.assertEqual(self.hear(entry(8), entry(9, 8)), [])
        self.assertEqual(self.hear(entry(10)), [Earlier(entry(10)), Earlier(entry(9, 8)), Earlier(entry(8))])
        self.assertEqual((self.log.p, self.log.h), (7, 10))
        self.assertEqual(self.hear(entry(7), entry(11)), [entry(11)])
        self.log.fetched(4, 11, 0.1)
        self.assertIsNone(self.log.next_timeout())

    def test_asks_for_the_rest(self) -> None:
        """What of the answer was lost is asked for again."""
        self.log.scroll_back(3, 0.0)
        self.ask()
        self.hear(entry(10), entry(8))
        self.log.fetched(4, 10, 0.1)
        self.assertEqual(self.ask()[0], Wanted(None, 10, 2, is_repeat=False))
        self.assertEqual(self.hear(entry(9)), [Earlier(entry(9)), Earlier(entry(8))])

    def test_repeats_take_no_place(self) -> None:
        """What is shown already is not kept aside."""
        newer = [entry(seq) for seq in range(11, 11 + FETCH_LIMIT)]
        self.hear(*newer)
        self.log.scroll_back(2, 0.0)
        self.hear(entry(9), *newer)
        self.assertEqual(self.hear(entry(10)), [Earlier(entry(10)), Earlier(entry(9))])

    def test_an_answer_that_comes_in_is_not_repeated(self) -> None:
        """As long as the top moves up the repeat waits."""
        self.round_trip.sample(0.02)
        self.log.scroll_back(3, 0.0)
        at = self.ask()[1]
        self.hear(entry(10), now=at + 0.09)
        self.assertEqual(self.ask(at)[1], at + 0.09 + 0.1)

    def test_ends_at_the_floor(self) -> None:
        """Nothing below the floor is kept, so it is not asked for, nor is a first entry's predecessor."""
        self.log.scroll_back(50, 0.0)
        self.ask()
        self.hear(*(entry(seq) for seq in range(10, 4, -1)))
        self.assertEqual(self.log.p, 4)
        self.log.fetched(4, 10, 0.1)
        self.assertIsNone(self.log.next_timeout())
        self.log.scroll_back(50, 0.2)
        self.assertIsNone(self.log.next_timeout())

    def test_ends_when_the_floor_rises(self) -> None:
        """Entries that were trimmed while the question was out are not waited for."""
        self.log.scroll_back(50, 0.0)
        self.ask()
        self.log.fetched(10, 10, 0.1)
        self.assertIsNone(self.log.next_timeout())

    def test_ends_where_the_log_was_lost(self) -> None:
        """The answer's head is below p: there is nothing at p, and the next marker will say so."""
        self.log.scroll_back(50, 0.0)
        self.ask()
        self.log.fetched(4, 8, 0.1)
        self.assertIsNone(self.log.next_timeout())

    def test_a_gap_goes_first(self) -> None:
        """What is said now matters more than what was."""
        self.log.scroll_back(2, 0.0)
        self.hear(entry(12))
        self.assertEqual(self.ask()[0], gap(10))
        self.hear(entry(11))
        self.log.fetched(4, 12, 0.1)
        self.assertEqual(self.ask()[0], Wanted(None, 11, 2, is_repeat=False))

    def test_bounded(self) -> None:
        """One answer's worth is asked for and kept aside, the farthest dropped."""
        self.log = RoomLog(self.round_trip, middle)
        self.log.joined(1000, 0, 0.0)
        self.log.scroll_back(10_000, 0.0)
        self.assertEqual(self.ask()[0], Wanted(None, 1001, FETCH_LIMIT, is_repeat=False))
        self.hear(*(entry(seq) for seq in range(1000 - FETCH_LIMIT - 5, 1000)))
        shown = self.hear(entry(1000))
        self.assertEqual(len(shown), FETCH_LIMIT)
        self.assertEqual(self.log.p, 1000 - FETCH_LIMIT)
        self.log.scroll_back(5, 0.0)  # one of those 256 is left, now that the 257th came
        self.assertEqual(self.hear(entry(1001)), [entry(1001), Earlier(entry(1000 - FETCH_LIMIT))])

    def test_before_joined(self) -> None:
        """There is nothing to scroll back from."""
        self.log = RoomLog(self.round_trip, middle)
        self.log.scroll_back(10, 0.0)
        self.log.joined(10, 4, 0.0)
        self.assertIsNone(self.log.next_timeout())


# --- any log, any network


class Server:
    """A room's log: appends, trims, loses its tail, and answers."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.floor = self.head = 0
        self.top = 0  # the newest position ever given out
        self.ever: dict[int, Entry] = {}
        self.own: set[int] = set()  # positions of the member's texts

    def append(self) -> Entry:
        """Say something; other rooms take positions too."""
        self.top += 1 + self.top % 3
        said = entry(self.top, self.head)
        self.entries.append(said)
        self.ever[said.seq] = said
        self.head = said.seq
        return said

    def trim(self, count: int) -> None:
        """Forget the oldest."""
        for gone in self.entries[:count]:
            self.floor = gone.seq
        del self.entries[:count]

    def restart(self, lose: int) -> None:
        """Begin a new run, without the newest (all of them: with nothing, as a store in memory does)."""
        self.top = (self.top // RUN + 1) * RUN
        if lose < len(self.entries):
            del self.entries[len(self.entries) - lose :]
            self.head = self.entries[-1].seq if self.entries else self.floor
        else:
            self.entries.clear()
            self.floor = self.head = self.top

    def fetch(self, wanted: Wanted) -> list[Entry]:
        """Give what a Fetch asks for, oldest first."""
        if wanted.after is not None:
            return [each for each in self.entries if each.seq > wanted.after][: wanted.limit]
        assert wanted.before is not None
        return [each for each in self.entries if each.seq < wanted.before][-wanted.limit :]


class Screen:
    """What a member sees, and the judge of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lines: list[int] = []  # shown and not lost, oldest first
        self.seen: set[int] = set()
        self.own_lost: set[int] = set()
        self.not_kept: list[NotKept] = []
        self.p = self.h = NOWHERE

    def show(self, shown: list[Shown]) -> None:
        """Take what is shown. Every entry must follow the line above it, or a marker that is true."""
        for each in shown:
            match each:
                case Entry():
                    self._is_new(each)
                    assert each.seq - each.back == self.h, (each, self.h)
                    assert each.seq > max(self.seen, default=0)
                    self.h = each.seq
                    self.lines.append(each.seq)
                case Earlier():
                    self._is_new(each.entry)
                    assert each.entry.seq == self.p, (each, self.p)
                    self.p -= each.entry.back
                    self.lines.insert(0, self.p + each.entry.back)
                case NotKept():
                    assert self.h < each.upto <= self.server.floor
                    self.not_kept.append(NotKept(each.upto))
                    self.h = each.upto
                case Lost():
                    self._lose(each)
            self.seen.update(self.lines[-1:], self.lines[:1])

    def _is_new(self, said: Entry) -> None:
        assert self.server.ever[said.seq] == said
        assert said.seq not in self.seen, said

    def _lose(self, marker: Lost) -> None:
        assert not any(marker.after < each.seq <= marker.upto for each in self.server.entries), marker
        is_own = marker.upto in self.server.own.difference(self.lines) and marker.after == marker.upto - 1
        if not is_own:
            assert marker.upto == self.h
            self.lines = [seq for seq in self.lines if seq <= marker.after]
            self.h, self.p = marker.after, min(self.p, marker.after)
        else:
            self.own_lost.add(marker.upto)


Message = tuple[str, int, int, int] | Entry  # what, of which question, floor or position, head


class Member:
    """A member of a room, a server, and a network that a test disorders."""

    def __init__(self, history: int) -> None:
        self.server = Server()
        for _ in range(history):
            self.server.append()
        self.now = 0.0
        self.log = RoomLog(RoundTrip(middle), middle)
        self.network: list[Message] = []
        self.joins = self.fetches = 0
        self.told: set[int] = set()  # positions that an Accepted named
        self.screen = Screen(self.server)
        self.join()

    def join(self) -> None:
        """Send a Join: the server answers it at once, the answer may take long."""
        self.log.joining()
        self.joins += 1
        self.network.append(("joined", self.joins, self.server.floor, self.server.head))

    def say(self, is_own: bool) -> None:
        """Let something be said."""
        said = self.server.append()
        self.network.append(said)
        if is_own and self.log.h != NOWHERE:
            self.server.own.add(said.seq)
            self.network.append(("accepted", 0, said.seq, 0))

    def deliver(self, message: Message) -> None:
        """Let a message come in. Answers are matched with their questions, as sessions do."""
        match message:
            case Entry():
                self.screen.show(self.log.receive(message, self.now))
            case ("joined", self.joins, floor, head):
                if self.screen.h == NOWHERE:
                    self.screen.p = self.screen.h = head
                self.screen.show(self.log.joined(head, floor, self.now))
                self.joins += 1  # a second copy is no answer
            case ("fetched", self.fetches, floor, head):
                self.screen.show(self.log.fetched(floor, head, self.now))
                self.fetches += 1
            case ("accepted", _, seq, _):
                self.screen.show(self.log.accepted(seq, self.now))
                self.told.add(seq)
            case ("pong", _, _, head):
                self.log.heard(head, self.now)

    def poll(self, is_lost: bool = False) -> None:
        """Let time pass until something is due, and ask the server for it."""
        due = self.log.next_timeout()
        if due is None:
            return
        self.now = max(self.now, due)
        wanted = self.log.due(self.now)
        if wanted is None:
            return
        self.fetches += not wanted.is_repeat
        if not is_lost:
            self.network += self.server.fetch(wanted)
            self.network.append(("fetched", self.fetches, self.server.floor, self.server.head))

    def disorder(self, what: str, number: int) -> None:
        """Let any message come in, once or twice, or none."""
        if self.network:
            message = self.network.pop(number % len(self.network))
            if what != "lose":
                self.deliver(message)
            if what == "double":
                self.network.append(message)

    def act(self, what: str, number: int) -> None:
        """Let one thing happen."""
        self.now += 0.01
        match what:
            case "say" | "own":
                self.say(what == "own")
            case "deliver" | "double" | "lose":
                self.disorder(what, number)
            case "poll" | "poll in vain":
                self.poll(what == "poll in vain")
            case "trim":
                self.server.trim(number)
            case "restart":
                self.server.restart(number)
                self.join()
            case "fail over":
                self.server.restart(number)
            case "scroll":
                self.log.scroll_back(number, self.now)
            case "pong":
                self.network.append(("pong", 0, 0, self.server.head))

    def heal(self) -> None:
        """Lose nothing more, until nothing is wanted any more."""
        self.deliver_all()
        self.join()
        for _ in range(200):
            self.deliver_all()
            if self.log.next_timeout() is None:
                return
            self.poll()
        raise AssertionError("it never ends")

    def deliver_all(self) -> None:
        """Let everything come in that is on its way."""
        while self.network:
            self.deliver(self.network.pop(0))


ACTS = ("say", "own", "deliver", "double", "lose", "poll", "poll in vain", "trim", "restart", "fail over")
USUAL = ("say", "own", "deliver", "deliver", "double", "lose", "poll", "scroll", "pong")
STORIES = st.lists(st.tuples(st.sampled_from(ACTS + USUAL), st.integers(0, 9)), max_size=80)


class AnyOrderTests(SynchronousTestCase):
    """Whatever network and server do."""

    def check(self, member: Member) -> None:
        """Hold the screen against the log: all of it, once, in order, and what is missing is marked."""
        screen, kept = member.screen, [each.seq for each in member.server.entries]
        self.assertEqual(screen.lines, sorted(set(screen.lines)))
        skipped = max((marker.upto for marker in screen.not_kept), default=0)
        shown = [seq for seq in kept if seq > max(screen.p, skipped)]
        self.assertEqual([seq for seq in screen.lines if seq in kept and seq > skipped], shown)
        self.assertTrue(screen.h == member.log.h == max(member.server.head, screen.h))
        self.assertEqual(screen.p, member.log.p)

    @given(st.integers(0, 12), STORIES)
    def test_the_log_is_shown(self, history: int, story: list[tuple[str, int]]) -> None:
        """Contiguous or marked, never a repeat, never out of order; in the end it equals the log."""
        member = Member(history)
        for what, number in story:
            member.act(what, number)
        member.heal()
        self.check(member)
        self.assertEqual(member.screen.h, member.server.head)

    @given(st.integers(0, 12), STORIES)
    def test_own_texts(self, history: int, story: list[tuple[str, int]]) -> None:
        """After one more entry every accepted text was shown or reported as lost."""
        member = Member(history)
        for what, number in story:
            member.act(what, number)
        member.heal()
        member.say(is_own=False)
        member.deliver_all()
        self.check(member)
        self.assertTrue(member.told <= member.screen.seen | member.screen.own_lost)

    @given(st.permutations(list(range(1, 13))), st.lists(st.integers(1, 12)), st.sets(st.integers(1, 11)))
    def test_any_order(self, order: list[int], again: list[int], lost: set[int]) -> None:
        """Delivered in any order with any repeats and losses, the missing ones fetched: the log."""
        member = Member(0)
        member.deliver_all()
        for _ in range(12):
            member.server.append()
        entries = member.server.entries
        for place in [each for each in order if each not in lost] + again:
            member.deliver(entries[place - 1])
        for _ in range(200):
            if member.log.next_timeout() is None:
                break
            member.poll()
            member.deliver_all()
        self.assertEqual(member.screen.lines, [each.seq for each in entries])
        self.assertEqual(member.screen.own_lost, set())
        self.assertEqual(member.screen.not_kept, [])


# --- requests


class Question(msgspec.Struct, frozen=True):
    """A request as small as can be."""

    id: int
    text: str = ""


class RoundTripTests(SynchronousTestCase):
    """How long to wait for an answer."""

    def test_first(self) -> None:
        """One second before anything was measured, doubled by each repeat."""
        trip = RoundTrip(middle)
        self.assertIsNone(trip.smoothed)
        self.assertEqual([trip.wait(each) for each in range(6)], [RTO_FIRST, 2, 4, 8, RTO_MOST, RTO_MOST])
        self.assertEqual(trip.wait(0, 0.5), 0.5)

    def test_smoothed(self) -> None:
        """RFC 6298, 2.2 and 2.3, and RFC 9002's answer delay on top."""
        trip = RoundTrip(middle)
        trip.sample(0.2)
        self.assertAlmostEqual(trip.wait(0), 0.2 + 4 * 0.1 + 0.025)
        trip.sample(0.4)
        self.assertEqual(trip.smoothed, 0.225)
        self.assertAlmostEqual(trip.wait(0), 0.225 + 4 * (0.75 * 0.1 + 0.25 * 0.2) + 0.025)
        for _ in range(200):
            trip.sample(0.2)
        self.assertAlmostEqual(trip.wait(0), 0.2 + 0.01 + 0.025, places=6)

    def test_bounds(self) -> None:
        """At least 100 ms, at most 15 s, however often it was repeated."""
        trip = RoundTrip(middle)
        trip.sample(0.0)
        self.assertEqual(trip.wait(0), RTO_LEAST)
        self.assertEqual(trip.wait(10_000), RTO_MOST)
        trip.sample(1e6)
        self.assertEqual(trip.wait(0), RTO_MOST)

    def test_jitter(self) -> None:
        """Ten per cent up or down."""
        for chance, expected in ((0.0, 0.9), (1.0, 1.1)):
            trip = RoundTrip(lambda chance=chance: chance)  # type: ignore[misc]
            self.assertAlmostEqual(trip.wait(0), expected)


class RequestsTests(SynchronousTestCase):
    """Requests are repeated until their reply comes, a few at a time."""

    def setUp(self) -> None:
        """Begin a session."""
        self.trip = RoundTrip(middle)
        self.requests: Requests[Question] = Requests(self.trip)

    def send(self, count: int, now: float = 0.0) -> None:
        """Queue requests."""
        for _ in range(count):
            self.requests.send(Question(0), now)

    def due(self, now: float) -> list[int]:
        """Give the ids of what is due, and hold `next_timeout` to its word."""
        timeout = self.requests.next_timeout()
        ids = [each.id for each in self.requests.due(now)]
        self.assertEqual(bool(ids), timeout is not None and timeout <= now)
        return ids

    def lose(self, now: float) -> float:
        """Let time pass until something is repeated; give when."""
        timeout = self.requests.next_timeout()
        assert timeout is not None
        self.assertTrue(timeout > now)
        self.assertTrue(self.due(timeout))
        return timeout

    def test_ids_rise_by_one(self) -> None:
        """In the order in which requests are first sent, those that are repeated elsewhere among them."""
        self.requests.send(Question(0, "a"), 0.0)
        self.assertEqual(self.requests.due(0.0), [Question(1, "a")])
        self.assertEqual(self.requests.next_id(), 2)
        self.requests.send(Question(0, "b"), 0.0)
        self.assertEqual(self.requests.due(0.0), [Question(3, "b")])

    def test_settled(self) -> None:
        """The reply gives the request back, once; then nothing is due."""
        self.requests.send(Question(0, "a"), 0.0)
        self.due(0.0)
        self.assertEqual(self.requests.settle(1, 0.3), Question(1, "a"))
        self.assertIsNone(self.requests.settle(1, 0.4))
        self.assertIsNone(self.requests.next_timeout())
        self.assertEqual(self.due(1e9), [])

    def test_repeated(self) -> None:
        """The same request with the same id, at the RTO, then after twice as long, up to 15 s."""
        self.send(1)
        self.due(0.0)
        now, waits = 0.0, []
        for _ in range(6):
            self.assertEqual(self.due(now), [])
            later = self.lose(now)
            waits.append(later - now)
            now = later
        self.assertEqual(waits, [1, 2, 4, 8, 15, 15])
        self.assertEqual(self.requests.settle(1, now), Question(1))

    def test_samples(self) -> None:
        """An unrepeated request is a sample; of a repeated one nobody knows which copy was answered."""
        self.send(2)
        self.due(0.0)
        self.requests.settle(1, 0.25)
        self.assertEqual(self.trip.smoothed, 0.25)
        now = self.lose(0.25)
        self.requests.settle(2, now + 0.001)
        self.assertEqual(self.trip.smoothed, 0.25)

    def test_eight_in_flight(self) -> None:
        """The rest waits in order, and one more goes with each reply."""
        self.send(IN_FLIGHT + 3)
        self.assertEqual(self.due(0.0), list(range(1, IN_FLIGHT + 1)))
        self.requests.settle(3, 0.1)
        self.requests.settle(1, 0.1)
        self.assertEqual(self.due(0.1), [IN_FLIGHT + 1, IN_FLIGHT + 2])
        self.assertEqual(self.due(0.1), [])

    def test_queue_is_bounded(self) -> None:
        """More than a long paste is refused, and what was taken is kept."""
        self.send(QUEUED)
        refusal = self.assertRaises(RequestRejected, self.requests.send, Question(0), 0.0)
        assert refusal is not None
        self.assertEqual(refusal.code, "BUSY")
        self.assertEqual(len(self.due(0.0)), IN_FLIGHT)
        self.send(IN_FLIGHT)

    def window(self, now: float) -> int:
        """Find out how many may be in flight: settle all that are, and see how many start."""
        self.send(100, now)
        return len(self.due(now))

    def test_a_lost_burst_halves_once(self) -> None:
        """Eight lost together are one loss; if their repeats are lost too, that is the next."""
        self.send(IN_FLIGHT + 20)
        ids = self.due(0.0)
        now, expected = 0.0, IN_FLIGHT
        for _ in range(4):
            now = self.lose(now)
            expected = max(expected // 2, 1)
            self.assertEqual(self.due(now), [])
        self.assertEqual(expected, 1)
        for each in ids[:5]:
            self.requests.settle(each, now)
            self.assertEqual(self.due(now), [])  # one answer made it 2, two more 3, and 3 are still out
        self.requests.settle(ids[5], now)
        self.assertEqual(len(self.due(now)), 2)  # the sixth made it 4

    def test_a_burst_that_times_out_apart(self) -> None:
        """Timers with jitter fire one by one: of what was sent before a halving none halves again."""
        chances = iter([0.1, 0.9] * 50)
        self.trip = RoundTrip(lambda: next(chances))
        self.requests = Requests(self.trip)
        self.send(4)
        self.assertEqual(len(self.due(0.0)), 4)
        first = self.lose(0.0)
        second = self.lose(first)
        self.assertTrue(first < second)
        for number in range(1, 5):
            self.requests.settle(number, second)
        self.assertEqual(self.window(second), IN_FLIGHT // 2 + 1)  # four answers are one window of four

    def test_answers_before_a_loss_do_not_count(self) -> None:
        """A window that was halved grows by what is answered at its new size."""
        self.send(IN_FLIGHT)
        self.due(0.0)
        for number in range(2, IN_FLIGHT + 1):
            self.requests.settle(number, 0.5)
        now = self.lose(0.5)
        self.requests.settle(1, now)
        self.assertEqual(self.window(now), IN_FLIGHT // 2)

    def test_grows_back(self) -> None:
        """By one per window answered, to eight and no further."""
        self.send(IN_FLIGHT)
        self.due(0.0)
        now = self.lose(0.0)
        for number in range(1, IN_FLIGHT + 1):
            self.requests.settle(number, now)
        sizes = []
        self.send(100, now)
        for _ in range(6):
            ids = self.due(now)
            sizes.append(len(ids))
            for each in ids:
                self.requests.settle(each, now)
        self.assertEqual(sizes, [5, 6, 7, 8, 8, 8])

    def test_an_id_stays_within_the_reply_cache(self) -> None:
        """While an old request is unanswered no id goes so far that its reply could have been forgotten."""
        self.send(QUEUED)
        self.due(0.0)
        newest = IN_FLIGHT
        for _ in range(2 * REPLY_CACHE):
            self.requests.settle(newest, 0.1)
            for each in range(2, newest):
                self.requests.settle(each, 0.1)
            newest = max([newest, *self.due(0.1)])
        self.assertEqual(newest, REPLY_CACHE)
        self.requests.settle(1, 0.2)
        self.assertEqual(self.due(0.2)[0], REPLY_CACHE + 1)

    @given(
        st.lists(st.tuples(st.sampled_from(["send", "wait", "answer"]), st.integers(1, 12))),
        st.randoms(use_true_random=False),
    )
    def test_every_request_is_answered(self, story: list[tuple[str, int]], chance: Random) -> None:
        """Never more than eight are unanswered; in the end each one was, in the order of ids."""
        requests: Requests[Question] = Requests(RoundTrip(chance.random))
        now, asked, out, first = 0.0, 0, set[int](), list[str]()
        for what, number in [*story, *[("wait", 1), ("answer", IN_FLIGHT)] * (12 * len(story) + 1)]:
            if what == "send":
                for _ in range(number):
                    asked += 1
                    requests.send(Question(0, str(asked)), now)
            elif what == "wait":
                now = max(now, requests.next_timeout() or 0.0)
                for each in requests.due(now):
                    first += [each.text] if each.id not in out else []
                    out.add(each.id)
                assert len(out) <= IN_FLIGHT
            else:
                for each_id in sorted(out)[:number]:
                    assert requests.settle(each_id, now) is not None
                    out.discard(each_id)
        self.assertEqual(first, [str(each + 1) for each in range(asked)])
        self.assertIsNone(requests.next_timeout())
