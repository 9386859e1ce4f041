"""Tests of `chat.server.wheel`."""

from __future__ import annotations

import random
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from chat.server.wheel import SLACK, Wheel

SLOT = 0.01


class WheelTests(SynchronousTestCase):
    """Every key fires once, at its time or within a slot after it."""

    def setUp(self) -> None:
        """Begin with nothing scheduled."""
        self.wheel: Wheel[str] = Wheel(SLOT)

    def test_nothing(self) -> None:
        """An empty wheel waits for nothing and gives nothing."""
        self.assertIsNone(self.wheel.next_timeout())
        self.assertEqual(self.wheel.due(1e9), [])

    def test_order_of_time(self) -> None:
        """Whatever the order in which they were scheduled, and those of one slot too."""
        for key, when in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("bb", 2.0)):
            self.wheel.schedule(key, when)
        self.assertEqual(self.wheel.due(2.5), ["a", "b", "bb"])
        self.assertEqual(self.wheel.due(2.5), [])
        self.assertEqual(self.wheel.due(3.0), ["c"])

    def test_an_earlier_time_wins(self) -> None:
        """And the later one does not fire as well."""
        self.wheel.schedule("a", 5.0)
        self.wheel.schedule("a", 1.0)
        self.assertEqual(self.wheel.next_timeout(), 1.0)
        self.assertEqual(self.wheel.due(1.0), ["a"])
        self.assertIsNone(self.wheel.next_timeout())
        self.assertEqual(self.wheel.due(5.0), [])

    def test_a_later_time_is_ignored(self) -> None:
        """Until the key has fired; then any time counts."""
        self.wheel.schedule("a", 1.0)
        self.wheel.schedule("a", 5.0)
        self.assertEqual(self.wheel.due(1.0), ["a"])
        self.wheel.schedule("a", 5.0)
        self.assertEqual(self.wheel.next_timeout(), 5.0)

    def test_there_and_back(self) -> None:
        """A key that went to an earlier slot, fired, and came back fires once more and no more."""
        self.wheel.schedule("a", 5.0)
        self.wheel.schedule("a", 1.0)
        self.wheel.due(1.0)
        self.wheel.schedule("a", 5.0)
        self.assertEqual(self.wheel.due(9.0), ["a"])
        self.assertEqual(self.wheel.due(9.0), [])

    def test_the_past(self) -> None:
        """What is late already fires at once."""
        self.wheel.schedule("b", 5.0)
        self.wheel.due(4.0)
        self.wheel.schedule("a", 1.0)
        self.assertEqual(self.wheel.due(4.0), ["a"])

    def test_cancelled(self) -> None:
        """It does not fire, others of its slot do, and cancelling it twice or never scheduled is no error."""
        for key in ("a", "b"):
            self.wheel.schedule(key, 1.0)
        for key in ("a", "a", "unknown"):
            self.wheel.cancel(key)
        self.assertEqual(self.wheel.due(1.0), ["b"])

    def test_never_early_and_hardly_late(self) -> None:
        """For 20,000 times of all sizes: not before its time, and within a slot of it."""
        seed = 6789
        rng = random.Random(seed)
        for _ in range(20_000):
            when = rng.random() * 10 ** rng.randrange(8)
            self.wheel.schedule("a", when)
            fires = self.wheel.next_timeout()
            assert fires is not None
            self.assertTrue(when <= fires <= when + SLOT * 1.001, f"seed {seed}: {when!r} fires at {fires!r}")
            self.assertEqual(self.wheel.due(fires), ["a"], f"seed {seed}: {when!r}")

    def test_beside_a_plain_model(self) -> None:
        """20,000 random steps give what a dictionary of times would give, where no time is rounded."""
        seed = 6789
        rng = random.Random(seed)
        wheel: Wheel[int] = Wheel(0.125)
        model: dict[int, float] = {}
        now = 0.0
        for _ in range(20_000):
            key, step = rng.randrange(50), rng.random()
            if step < 0.6:
                when = now + rng.randrange(500) * 0.125
                wheel.schedule(key, when)
                model[key] = min(when, model.get(key, when))
            elif step < 0.7:
                wheel.cancel(key)
                model.pop(key, None)
            else:
                now += rng.randrange(30) * 0.125
                due = {key for key, when in model.items() if when <= now}
                self.assertEqual(set(wheel.due(now)), due, f"seed {seed}")
                for key in due:
                    del model[key]
            self.assertEqual(wheel.next_timeout(), min(model.values(), default=None), f"seed {seed}")

    def test_abandoned_slots_are_swept(self) -> None:
        """A far deadline that is brought forward again and again leaves nothing behind."""
        self.assertLess(self.held_after(20_000), self.held_after(200) + 200 * SLACK)

    def held_after(self, rounds: int) -> int:
        """Give the bytes that a wheel holds after so many deadlines were brought forward."""
        wheel: Wheel[str] = Wheel(SLOT)
        tracemalloc.start()
        try:
            for number in range(rounds):
                now = number * 0.02
                wheel.schedule("a", now + 600.0)
                wheel.schedule("a", now + 0.02)
                self.assertEqual(wheel.due(now + 0.04), ["a"])
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
