"""Tests of `chat.wire.sequence.RoomLog`: entries in any order in, one order out."""

from __future__ import annotations

from chat.wire.sequence import NOWHERE, REMEMBERED, WAITING, Lost, NotKept, RoomLog
from tests.room_log_support import RUN, RoomLogTests, entry, gap, middle


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

    def test_lost_while_nobody_speaks(self) -> None:
        """An answer whose head is below an accepted text says that it is lost: nothing may come after it."""
        self.log.accepted(11, 0.0)
        self.assertEqual(self.rejoin(10), [Lost(10, 11)])
        self.assertIsNone(self.log.next_timeout())
        self.log.accepted(12, 0.0)
        self.ask()
        self.log.accepted(13, 0.0)  # after the question: an older answer says nothing of it
        self.assertEqual(self.log.fetched(0, 10, 0.0), [])
        self.ask()
        self.assertEqual(self.log.fetched(0, 10, 0.0), [Lost(11, 12), Lost(12, 13)])

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
