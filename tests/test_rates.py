"""Tests of `chat.limits`: token buckets of sessions, addresses and networks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import WAIT_SECONDS
from chat.limits import (
    ADDRESS,
    NETWORK,
    NO_LIMITS,
    NOWHERE,
    RATES,
    REMEMBERED,
    RETRY_LEAST,
    TOO_FAST,
    Limit,
    Limits,
    Purse,
    Purses,
    Rate,
    show_wait,
)

START = 1_000.0
LINES = RATES[Limit.LINES]


def wait(limits: Limits, purses: Purses, now: float, limit: Limit = Limit.LINES, price: float = 1.0) -> float:
    """Take, and give after how many seconds to try again (0: it was there)."""
    refused = limits.refusal(limit, purses, now, price)
    return 0.0 if refused is None else refused.retry_after


class RateTests(SynchronousTestCase):
    """What one session may."""

    def setUp(self) -> None:
        """Let one session be there, which has taken nothing."""
        self.limits, self.purses = Limits(), (Purse(),)

    def test_a_burst_then_the_rate(self) -> None:
        """Ten lines at once, and then each fifth of a second one; what was refused costs nothing."""
        self.assertEqual([wait(self.limits, self.purses, START) for _ in range(10)], [0.0] * 10)
        for _ in range(3):
            self.assertAlmostEqual(wait(self.limits, self.purses, START), 0.2)
        self.assertEqual(wait(self.limits, self.purses, START + 0.2), 0.0)
        self.assertAlmostEqual(wait(self.limits, self.purses, START + 0.25), 0.15)

    def test_the_burst_comes_back(self) -> None:
        """After a quiet while as many as at first may be taken at once, and not more."""
        for now in (START, START + 3_600):
            self.assertEqual(sum(not wait(self.limits, self.purses, now) for _ in range(50)), LINES.burst)

    def test_what_is_told(self) -> None:
        """One line says what was too much and how long to wait; the code is for programs."""
        with self.assertRaises(RequestRejected) as caught:
            for _ in range(11):
                self.limits.spend(Limit.LINES, self.purses, START)
        refused = caught.exception
        self.assertEqual(refused.code, TOO_FAST)
        self.assertEqual(str(refused), "too fast: 5 lines a second are passed on, the next in 0.2 s")

    def test_limits_are_apart(self) -> None:
        """Who has no lines left may still join."""
        while not wait(self.limits, self.purses, START):
            pass
        self.assertEqual(wait(self.limits, self.purses, START, Limit.JOINS), 0.0)

    def test_looking(self) -> None:
        """To look whether something is there takes nothing."""
        for _ in range(50):
            self.assertIsNone(
                self.limits.refusal(Limit.LINES, self.purses, START, LINES.burst, only_look=True)
            )
        self.assertEqual(wait(self.limits, self.purses, START, price=LINES.burst), 0.0)

    def test_more_than_a_burst(self) -> None:
        """It takes all that there is: else it could never be had."""
        self.assertEqual(wait(self.limits, self.purses, START, price=1_000), 0.0)
        self.assertAlmostEqual(wait(self.limits, self.purses, START), 0.2)

    def test_debts(self) -> None:
        """What was given already is taken, though it was not there, and is waited for."""
        self.limits.charge(Limit.LINES, self.purses, START, 20)
        self.assertAlmostEqual(wait(self.limits, self.purses, START), 2.2)

    def test_off(self) -> None:
        """A limit without a rate refuses nothing."""
        limits = Limits(NO_LIMITS)
        self.assertEqual(sum(wait(limits, self.purses, START) for _ in range(10_000)), 0.0)

    def test_what_a_client_may_be_told(self) -> None:
        """No wait is longer than a message can say, and none so short that it is no wait."""
        slow = Limits({Limit.LINES: Rate(0.000_01, 1)})
        self.assertEqual([wait(slow, self.purses, START) for _ in range(2)], [0.0, WAIT_SECONDS])
        quick = Limits({Limit.LINES: Rate(100_000, 1)})
        self.assertEqual([wait(quick, (purse,), START) for purse in [Purse()] * 2], [0.0, RETRY_LEAST])

    @given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.floats(0, 1e7))
    def test_who_waits_as_told_is_served(self, pauses: list[float], now: float) -> None:
        """After the time that was named it is there; never more is taken than rate and burst allow."""
        limits, purses = Limits(), (Purse(),)
        begin, taken = now, 0
        for pause in pauses:
            now += pause
            for _ in range(15):
                seconds = wait(limits, purses, now)
                if seconds:
                    now += seconds
                    self.assertEqual(wait(limits, purses, now), 0.0)
                taken += 1
        self.assertLessEqual(taken, LINES.burst + LINES.each_second * (now - begin) + 0.01)

    def test_times(self) -> None:
        """A wait that people read is no shorter than it is."""
        self.assertEqual(
            [show_wait(s) for s in (0.01, 0.2, 1.01, 9.95, 59.2)], ["0.1 s", "0.2 s", "1.1 s", "10 s", "60 s"]
        )


class OriginTests(SynchronousTestCase):
    """What an address and a network may."""

    def setUp(self) -> None:
        """Begin."""
        self.limits = Limits()

    def most(self, *hosts: str) -> int:
        """Let a fresh session at each host say one line; give how many may."""
        return sum(not wait(self.limits, (Purse(), *self.limits.origin(host)), START) for host in hosts)

    def test_an_address(self) -> None:
        """Its sessions together may say what four may, in one burst; those of the next address too."""
        self.assertEqual(self.most(*["192.0.2.1"] * 100), LINES.burst * ADDRESS.share)
        self.assertEqual(self.most(*["192.0.2.2"] * 100), LINES.burst * ADDRESS.share)

    def test_a_network(self) -> None:
        """A /24 of IPv4 may say what 32 sessions may, and so may a /56 of IPv6; the next one too."""
        most = LINES.burst * NETWORK.share
        self.assertEqual(self.most(*(f"192.0.2.{n % 250}" for n in range(1_000))), most)
        self.assertEqual(self.most(*(f"192.0.3.{n % 250}" for n in range(1_000))), most)
        self.assertEqual(self.most(*(f"2001:db8:1:1{n % 256:02x}::1" for n in range(1_000))), most)
        self.assertEqual(self.most(*(f"2001:db8:1:2{n % 256:02x}::1" for n in range(1_000))), most)

    def test_the_same_address(self) -> None:
        """IPv4 that comes through an IPv6 socket is IPv4; a scope is no part of an address."""
        self.assertIs(self.limits.origin("::ffff:192.0.2.1")[0], self.limits.origin("192.0.2.1")[0])
        self.assertIs(self.limits.origin("fe80::1%2")[0], self.limits.origin("fe80::1")[0])

    def test_loopback(self) -> None:
        """It shares nothing: every session there has its own limits and no others."""
        for host in ("127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"):
            self.assertEqual(self.limits.origin(host), NOWHERE)
        self.assertEqual(self.most(*["127.0.0.1"] * 1_000), 1_000)

    def test_refusals_name_whose_limit_it_is(self) -> None:
        """People behind one address read that it is not they alone; counters tell them apart."""
        while self.limits.admits("192.0.2.1", START):
            pass
        refused = self.limits.refusal(Limit.HANDSHAKES, self.limits.origin("192.0.2.1"), START)
        self.assertEqual(str(refused), "too many have come in from your address, the next in 0.3 s")
        self.assertEqual(self.limits.take_counts(), [("handshakes too fast (address)", 2)])
        self.assertEqual(self.limits.take_counts(), [])

    def test_memory(self) -> None:
        """Only so many addresses and networks are remembered: the longest unused are forgotten."""
        first = self.limits.origin("10.0.0.1")
        self.assertIs(self.limits.origin("10.0.0.1")[0], first[0])
        for number in range(REMEMBERED):
            self.limits.origin(f"10.{number >> 12}.{number >> 4 & 255}.{number & 15 | 16}")
        self.assertIsNot(self.limits.origin("10.0.0.1")[0], first[0])
