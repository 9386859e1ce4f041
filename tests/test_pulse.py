"""Tests of `chat.wire.pulse`: when a client pings, and when it gives its channel up."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.pulse import (
    COUNTED,
    DEAD_SECONDS,
    PROBES,
    QUIET_JITTER,
    QUIET_SECONDS,
    REPEAT_MOST,
    WORRIED_SECONDS,
    WORRY_SECONDS,
    Health,
    Pulse,
)
from chat.wire.sequence import RoundTrip


def middle() -> float:
    """Stand in for chance: no jitter up or down."""
    return 0.5


class PulseTests(SynchronousTestCase):
    """A channel that begins at 100 seconds, with a round trip of 40 ms."""

    def setUp(self) -> None:
        """Begin."""
        self.trip = RoundTrip(middle)
        self.trip.sample(0.04)
        self.pulse = Pulse(self.trip, middle)
        self.pulse.restart(100.0)

    def ping(self) -> float:
        """Let the time of the next ping come, which is sent and not answered; give it."""
        now = self.pulse.next_timeout()
        self.assertFalse(self.pulse.due(now - 0.001))
        self.assertTrue(self.pulse.due(now))
        self.assertFalse(self.pulse.due(now))
        self.pulse.sent(now)
        return now

    def test_quiet(self) -> None:
        """Every 6 s without another answer there is a ping; an answer to anything puts it off."""
        self.assertEqual(self.pulse.next_timeout(), 100.0 + QUIET_SECONDS)
        self.pulse.answered(110.0)
        self.assertEqual(self.pulse.next_timeout(), 110.0 + QUIET_SECONDS)
        now = self.ping()
        self.pulse.heard(now + 0.04)
        self.pulse.answered(now + 0.04)
        self.assertEqual(self.pulse.next_timeout(), now + 0.04 + QUIET_SECONDS)

    def test_jitter(self) -> None:
        """Ten per cent up or down, so that the clients of one server do not ping together."""
        for chance, expected in ((0.0, 1 - QUIET_JITTER), (1.0, 1 + QUIET_JITTER)):
            pulse = Pulse(self.trip, lambda chance=chance: chance)  # type: ignore[misc]
            pulse.restart(0.0)
            self.assertAlmostEqual(pulse.next_timeout(), QUIET_SECONDS * expected)

    def test_talk_of_others_puts_no_ping_off(self) -> None:
        """What comes unasked does not show that the server hears us."""
        self.pulse.heard(101.0)
        self.assertEqual(self.pulse.next_timeout(), 100.0 + QUIET_SECONDS)

    def test_repeats(self) -> None:
        """A ping without an answer is repeated after the RTO, then later, up to half a second."""
        times = [self.ping() for _ in range(6)]
        waits = [round(b - a, 3) for a, b in pairwise(times)]
        self.assertEqual(waits, [0.145, 0.29, REPEAT_MOST, REPEAT_MOST, REPEAT_MOST])

    def test_dead_when_nothing_comes(self) -> None:
        """Six seconds after the first datagram that nothing followed the channel is given up."""
        self.assertIsNone(self.pulse.dead_at())
        self.pulse.sent(99.5)
        self.pulse.sent(101.5)
        self.assertEqual(self.pulse.dead_at(), 99.5 + DEAD_SECONDS)
        self.assertEqual(self.pulse.next_timeout(), 99.5 + DEAD_SECONDS)
        self.assertFalse(self.pulse.is_dead(105.4))
        self.assertTrue(self.pulse.is_dead(105.5))

    def test_dead_asks_nothing_more(self) -> None:
        """A channel that is given up is not pinged."""
        self.pulse.sent(114.9)
        now = 114.9 + DEAD_SECONDS
        self.assertFalse(self.pulse.due(now))

    def test_anything_shows_life(self) -> None:
        """Whatever comes, the six seconds begin with the next datagram sent."""
        self.pulse.sent(101.0)
        self.pulse.heard(102.0)
        self.assertFalse(self.pulse.is_dead(108.0))
        self.pulse.sent(108.0)
        self.assertFalse(self.pulse.is_dead(113.9))
        self.assertTrue(self.pulse.is_dead(114.0))

    def test_worry(self) -> None:
        """For a minute after a loss the pings come every 1.5 s: a lost last entry is heard of so late."""
        self.pulse.worry(101.0)
        self.assertEqual(self.pulse.next_timeout(), 101.0 + WORRIED_SECONDS)
        now = self.ping()
        self.pulse.heard(now)
        self.pulse.answered(now)
        self.assertEqual(self.pulse.next_timeout(), now + WORRIED_SECONDS)
        self.pulse.answered(101.0 + WORRY_SECONDS)
        self.assertEqual(self.pulse.next_timeout(), 101.0 + WORRY_SECONDS + QUIET_SECONDS)

    def test_worry_puts_no_ping_off(self) -> None:
        """However often something is lost, the ping that is due comes."""
        self.pulse.worry(101.0)
        self.pulse.worry(102.0)
        self.assertEqual(self.pulse.next_timeout(), 101.0 + WORRIED_SECONDS)

    def test_suspicion(self) -> None:
        """A ping at once; three without an answer, and the fourth's time is the end."""
        self.pulse.sent(100.5)
        self.pulse.suspect(101.0)
        times = [self.ping() for _ in range(PROBES)]
        self.assertEqual(times[0], 101.0)
        end = self.pulse.next_timeout()
        self.assertTrue(end <= times[-1] + REPEAT_MOST)
        self.assertFalse(self.pulse.is_dead(end - 0.001))
        self.assertTrue(self.pulse.is_dead(end))
        self.assertFalse(self.pulse.due(end))

    def test_suspicion_on_a_busy_machine(self) -> None:
        """What a busy machine has measured puts the end off no longer than the path itself takes."""
        for trips, longest in (((0.04, 2.0, 0.04), REPEAT_MOST), ((0.8, 0.8, 3.0), 1.2)):
            trip = RoundTrip(middle)
            for seconds in trips:
                trip.sample(seconds)
            self.assertGreater(trip.wait(0), longest)
            self.pulse = Pulse(trip, middle)
            self.pulse.restart(100.0)
            self.pulse.suspect(101.0)
            times = [self.ping() for _ in range(PROBES)]
            end = self.pulse.next_timeout()
            self.assertTrue(self.pulse.is_dead(end))
            self.assertLess(end, 101.0 + PROBES * longest + 0.001)
            self.assertGreater(end, times[0] + PROBES * (trip.smoothed or 0.0) - 0.001)

    def test_suspicion_does_not_begin_anew(self) -> None:
        """One reason after the other, as an alert for each ping, does not put the end off."""
        for _ in range(PROBES):
            self.pulse.suspect(101.0)
            self.ping()
        self.pulse.suspect(101.0)
        self.assertTrue(self.pulse.is_dead(self.pulse.next_timeout()))

    def test_suspicion_is_over_when_something_comes(self) -> None:
        """The path carries something: from then on six seconds of silence are waited for again."""
        self.pulse.suspect(101.0)
        for _ in range(PROBES):
            self.ping()
        self.pulse.heard(103.0)
        self.assertFalse(self.pulse.is_dead(self.pulse.next_timeout()))

    def test_health(self) -> None:
        """People are told the round trip, how many questions were repeated, and when anything came last."""
        self.assertEqual(self.pulse.health(100.0), Health(0.04, 0, 0, None))
        self.ping()
        self.ping()
        self.pulse.heard(107.0)
        self.pulse.count(5, 2)
        self.assertEqual(self.pulse.health(109.5), Health(0.04, 6, 3, 2.5))
        self.pulse.restart(110.0)
        self.assertEqual(self.pulse.health(109.0), Health(0.04, 0, 0, 2.0))

    def test_health_of_late(self) -> None:
        """What was counted long ago weighs less and less."""
        self.pulse.count(0, COUNTED // 2)
        for _ in range(10 * COUNTED):
            self.pulse.count(1, 0)
        health = self.pulse.health(200.0)
        self.assertLessEqual(health.asked + health.repeated, COUNTED)
        self.assertEqual(health.repeated, 0)

    def test_a_fresh_channel(self) -> None:
        """It is not suspected for what the old one did."""
        self.pulse.suspect(101.0)
        for _ in range(PROBES):
            self.ping()
        self.pulse.restart(110.0)
        self.assertEqual(self.pulse.next_timeout(), 110.0 + QUIET_SECONDS)
        self.assertFalse(self.pulse.is_dead(1e6))

    @given(
        st.lists(st.tuples(st.sampled_from("asSwhn"), st.floats(0.0, 3.0)), max_size=40), st.floats(0.0, 1e6)
    )
    def test_never_in_vain(self, story: list[tuple[str, float]], now: float) -> None:
        """At `next_timeout` a ping is due or the channel is dead: no time fires again and again."""
        pulse = Pulse(RoundTrip(middle), middle)
        pulse.restart(now)
        for what, wait in story:
            now += wait
            match what:
                case "a":
                    pulse.answered(now)
                case "s":
                    pulse.sent(now)
                case "S":
                    pulse.suspect(now)
                case "w":
                    pulse.worry(now)
                case "h":
                    pulse.heard(now)
            for _ in range(3):
                when = max(now, pulse.next_timeout())
                if not pulse.due(when):
                    self.assertTrue(pulse.is_dead(when))
                    break
                self.assertTrue(pulse.next_timeout() > when)
                now = when if what == "n" else now
