"""Tests of `chat.server.alarm`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.server.alarm import SOONEST, Alarm


class AlarmTests(SynchronousTestCase):
    """One timer of the reactor, for the earliest time of all."""

    def setUp(self) -> None:
        """Begin with nothing set. Our clock is at 1,000 when the reactor's is at 0."""
        self.clock = Clock()
        self.rung: list[float] = []
        self.alarm = Alarm(self.clock, self.now, lambda: self.rung.append(self.now()))

    def now(self) -> float:
        """Give the time by the clock that is not the reactor's."""
        return 1_000.0 + self.clock.seconds()

    def test_it_rings_once(self) -> None:
        """At its time, by the clock that it was set by."""
        self.alarm.set(1_005.0)
        self.clock.pump([4.0, 1.0, 10.0])
        self.assertEqual(self.rung, [1_005.0])

    def test_the_earliest_counts(self) -> None:
        """There is one timer, whatever it is set to, and none for None."""
        for when in (1_005.0, 1_003.0, 1_009.0, None):
            self.alarm.set(when)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([3.0, 10.0])
        self.assertEqual(self.rung, [1_003.0])

    def test_the_past(self) -> None:
        """It rings soon, but not at once: a clock that is a hair behind would have it ring for ever."""
        self.alarm.set(999.0)
        self.assertEqual(self.rung, [])
        self.clock.advance(SOONEST)
        self.assertEqual(len(self.rung), 1)

    def test_stopped(self) -> None:
        """It does not ring, and can be set again."""
        self.alarm.stop()
        self.alarm.set(1_005.0)
        self.alarm.stop()
        self.clock.advance(10.0)
        self.assertEqual(self.rung, [])
        self.alarm.set(1_020.0)
        self.clock.advance(10.0)
        self.assertEqual(self.rung, [1_020.0])
