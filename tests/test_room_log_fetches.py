"""Tests of `chat.wire.sequence.RoomLog`: when it asks for what, to fill a gap or to scroll back."""

from __future__ import annotations

from chat.fields import FETCH_LIMIT
from chat.wire.sequence import (
    FETCH_DELAY_LEAST,
    FETCH_DELAY_MOST,
    FETCH_REPEAT_MOST,
    Earlier,
    RoomLog,
    RoundTrip,
    Wanted,
)
from tests.room_log_support import RUN, RoomLogTests, entry, gap, middle


class PutOffTests(RoomLogTests):
    """A server answers a Fetch later when too much was asked for."""

    def test_a_fetch_put_off(self) -> None:
        """It is asked for anew when the server said."""
        self.hear(entry(13))
        self.assertEqual(self.ask()[0], gap(10))
        self.log.put_off(7.0)
        self.assertEqual(self.ask(1.0), (gap(10), 7.0))

    def test_nothing_to_put_off(self) -> None:
        """The refusal of a Fetch that is out no more changes nothing."""
        self.log.put_off(7.0)
        self.assertIsNone(self.log.next_timeout())


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

    def test_page_after_page(self) -> None:
        """An answer that brought something and does not reach the head is followed by the next question."""
        self.log.heard(15, 0.0)
        _, at = self.ask()
        self.hear(entry(11), entry(12), now=at + 0.3)
        self.assertEqual(self.log.fetched(4, 15, at + 0.3), [])
        self.assertEqual(self.ask(), (gap(12), at + 0.3))
        self.hear(entry(13), entry(14), entry(15), now=at + 0.4)
        self.log.fetched(4, 15, at + 0.4)
        self.assertIsNone(self.log.next_timeout())

    def test_asks_again_at_once_after_progress(self) -> None:
        """A part of the answer was lost."""
        self.hear(entry(14))
        self.ask()
        self.hear(entry(11), entry(13), now=0.3)
        self.assertEqual(self.log.fetched(4, 14, 0.3), [])
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
