"""Tests of `chat.wire.tails`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.wire.tails import REPEATS, TailRepeat, Tails

ALL = (b"ann", b"bob")
FIRST, SECOND = b"frame of the first entry", b"frame of the second entry"


class TailsTests(SynchronousTestCase):
    """A room's last entry is repeated, and no other."""

    def setUp(self) -> None:
        """Begin with no entry at all."""
        self.tails = Tails()

    def run_until(self, end: float) -> list[tuple[float, TailRepeat]]:
        """Give what is repeated until `end`, with its times, as an owner with an exact clock sees it."""
        seen = []
        while (when := self.tails.next_timeout()) is not None and when <= end:
            seen += [(when, repeat) for repeat in self.tails.due(when)]
        return seen

    def test_nothing(self) -> None:
        """Without an entry nothing is waited for."""
        self.assertIsNone(self.tails.next_timeout())
        self.assertEqual(self.tails.due(1e9), [])

    def test_the_four_repeats(self) -> None:
        """After 0.25 s to all, after 0.5, 1 and 2 s to those that fetched lately; then it is forgotten."""
        self.tails.entry("lobby", FIRST, ALL, 100.0)
        self.assertEqual(
            self.run_until(200.0),
            [
                (100.25, TailRepeat(FIRST, ALL, only_recent_fetchers=False)),
                (100.5, TailRepeat(FIRST, ALL, only_recent_fetchers=True)),
                (101.0, TailRepeat(FIRST, ALL, only_recent_fetchers=True)),
                (102.0, TailRepeat(FIRST, ALL, only_recent_fetchers=True)),
            ],
        )
        self.assertIsNone(self.tails.next_timeout())

    def test_not_before_its_time(self) -> None:
        """Asked too early it gives nothing, and loses nothing."""
        self.tails.entry("lobby", FIRST, ALL, 0.0)
        self.assertEqual(self.tails.due(0.249), [])
        self.assertEqual(len(self.tails.due(0.25)), 1)

    def test_a_newer_entry_replaces_the_older(self) -> None:
        """At every step: the older is never said again, and the newer begins anew."""
        for wait in (0.1, 0.3, 0.7, 1.5):
            tails = self.tails = Tails()
            tails.entry("lobby", FIRST, ALL, 0.0)
            self.run_until(wait)
            tails.entry("lobby", SECOND, ALL, wait)
            seen = self.run_until(10.0)
            self.assertEqual([repeat.frame for _, repeat in seen], [SECOND] * len(REPEATS))
            self.assertEqual([when for when, _ in seen], [wait + delay for delay in REPEATS])

    def test_a_talk_that_goes_on_is_not_repeated(self) -> None:
        """With an entry every 0.2 s only the last one is said again."""
        for number in range(100):
            self.assertEqual(self.run_until(number * 0.2), [])
            self.tails.entry("lobby", b"%d" % number, ALL, number * 0.2)
        self.assertEqual({repeat.frame for _, repeat in self.run_until(100.0)}, {b"99"})

    def test_rooms_do_not_disturb_each_other(self) -> None:
        """Each room has its own last entry, and its own members."""
        self.tails.entry("lobby", FIRST, ALL, 0.0)
        self.tails.entry("dev", SECOND, (b"eve",), 0.1)
        self.tails.entry("lobby", FIRST, ALL, 0.2)
        self.assertEqual(
            [(round(when, 6), repeat.members) for when, repeat in self.run_until(0.65)],
            [(0.35, (b"eve",)), (0.45, ALL), (0.6, (b"eve",))],
        )

    def test_what_is_forgotten(self) -> None:
        """What shall not be read any more is not said again; other rooms' last entries are."""
        self.tails.entry("one", b"1", ALL, 0.0)
        self.tails.entry("two", b"2", ALL, 0.0)
        self.tails.due(0.25)
        self.tails.forget("one")
        self.tails.forget("none")
        self.assertEqual({repeat.frame for _, repeat in self.run_until(5.0)}, {b"2"})
        self.assertIsNone(self.tails.next_timeout())

    def test_slept_through(self) -> None:
        """After a long turn one repeat makes up for all that were missed, and those to come are kept."""
        self.tails.entry("lobby", FIRST, ALL, 0.0)
        self.assertEqual(self.tails.due(1.2), [TailRepeat(FIRST, ALL, only_recent_fetchers=False)])
        self.assertEqual(self.tails.next_timeout(), 2.0)
        self.tails.entry("dev", SECOND, ALL, 1.2)
        self.assertEqual({repeat.frame for repeat in self.tails.due(9.0)}, {FIRST, SECOND})
        self.assertIsNone(self.tails.next_timeout())
