"""Tests of `chat.server.limits`."""

from __future__ import annotations

from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from chat.server.limits import ANSWERS_IN_ALL, AnswerLimit, FaultLog, is_trusted

ADDR = ("192.0.2.1", 4000)


class TrustTests(SynchronousTestCase):
    """Plain text is served to this machine, this link and private networks."""

    def test_trusted(self) -> None:
        """Loopback, private, link-local and ULA, also where IPv4 comes through an IPv6 socket."""
        for host in (
            "127.0.0.1", "127.0.1.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.0.9",
            "::1", "fe80::1", "fd00::1", "::ffff:10.1.2.3",
        ):  # fmt: skip
            self.assertTrue(is_trusted(host), host)

    def test_not_trusted(self) -> None:
        """Everybody else, the neighbours of those networks too."""
        for host in ("8.8.8.8", "172.32.0.1", "192.169.0.1", "11.0.0.1", "2001:db8::1", "::ffff:8.8.8.8"):
            self.assertFalse(is_trusted(host), host)


class AnswerLimitTests(SynchronousTestCase):
    """An address that has proved nothing gets few answers."""

    def test_one_a_second(self) -> None:
        """A second answer within a second is refused; another address is another matter."""
        limit = AnswerLimit()
        self.assertTrue(limit.allow(ADDR, 10.0))
        self.assertFalse(limit.allow(ADDR, 10.9))
        self.assertTrue(limit.allow(("192.0.2.2", 4000), 10.9))
        self.assertTrue(limit.allow(ADDR, 11.0))

    def test_five_a_minute(self) -> None:
        """The sixth within a minute is refused, and each is counted for sixty seconds."""
        limit = AnswerLimit()
        times = [float(second) for second in range(0, 75, 5) if limit.allow(ADDR, float(second))]
        self.assertEqual(times, [0.0, 5.0, 10.0, 15.0, 20.0, 60.0, 65.0, 70.0])

    def test_a_hundred_in_all(self) -> None:
        """However many addresses ask, 100 a second are answered."""
        limit = AnswerLimit()
        answered = sum(limit.allow(("192.0.2.1", port), 5.0) for port in range(1000))
        self.assertEqual(answered, ANSWERS_IN_ALL)
        self.assertEqual(
            sum(limit.allow(("192.0.2.2", port), 5.5) for port in range(1000)), ANSWERS_IN_ALL / 2
        )

    def test_memory_is_bounded(self) -> None:
        """The longest unused addresses are forgotten, the others are not."""
        limit = AnswerLimit()
        for port in range(10_001):
            self.assertTrue(limit.allow(("192.0.2.1", port), 1.0 + port / 50))
        self.assertFalse(limit.allow(("192.0.2.1", 10_000), 1.0 + 10_000 / 50))


class FaultLogTests(SynchronousTestCase):
    """A flood of bad datagrams is not a flood of log lines."""

    def test_counted(self) -> None:
        """The first of a kind is logged at once, then one line in ten seconds counts the others."""
        events: list[LogEvent] = []
        now = [0.0]
        faults = FaultLog(Logger(observer=events.append), lambda: now[0])  # type: ignore[arg-type]
        for _ in range(1000):
            faults.note("a bad datagram", ADDR, "not UTF-8 at byte 0")
        faults.note("a failed write", ("::1", 5, 0, 0))
        faults.note("a failure of the store", None, "disk full")
        now[0] = 10.0
        faults.note("a bad datagram", ADDR)
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                "a bad datagram from 192.0.2.1:4000: not UTF-8 at byte 0",
                "a failed write from [::1]:5: ignored",
                "a failure of the store: disk full",
                "a bad datagram from 192.0.2.1:4000: ignored (999 more of the kind since the last line)",
            ],
        )
