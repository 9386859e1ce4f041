"""Tests of what a script at the plain door has sent and not heard again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.plain_script import (
    CONFIRM_SECONDS,
    Saying,
    Window,
)
from chat.messages import Kind


class WindowTests(SynchronousTestCase):
    """The window by itself."""

    def test_equal_lines(self) -> None:
        """Of two equal lines each echo confirms one."""
        window = Window()
        hello = (Kind.SAY, "hello")
        window.add(frozenset({hello}), 0.0)
        window.add(frozenset({hello}), 0.0)
        self.assertTrue(window.confirm(hello, 0.1))
        self.assertEqual(len(window), 1)
        self.assertTrue(window.confirm(hello, 0.1))
        self.assertFalse(window.confirm(hello, 0.1))

    def test_a_late_echo_counts(self) -> None:
        """A line that comes back after the first second, but within three, is confirmed."""
        window = Window()
        window.add(frozenset({(Kind.SAY, "hello")}), 0.0)
        window.expire(2.9)
        self.assertTrue(window.confirm((Kind.SAY, "hello"), 2.9))
        window.expire(10.0)
        self.assertEqual(window.not_confirmed, 0)

    def test_an_echo_ends_the_pacing(self) -> None:
        """A server that was slow once is not taken for one that does not echo."""
        window = Window()
        window.add(frozenset({(Kind.SAY, "one")}), 0.0)
        window.add(frozenset({(Kind.SAY, "two")}), 0.0)
        self.assertEqual(window.opens_at(1.0), 0.05)
        window.add(frozenset({(Kind.SAY, "three")}), 1.0)
        self.assertEqual(window.opens_at(1.0), 1.05)
        window.confirm((Kind.SAY, "two"), 1.0)
        self.assertEqual(window.opens_at(1.0), 1.0)

    def test_a_server_that_slows_us_down(self) -> None:
        """One that passes on five lines a second, as ours does, is sent no more: each comes back in time."""
        window, now, behind = Window(), 0.0, 0.0
        coming: list[tuple[float, Saying]] = []
        for number in range(100):
            now = max(now, window.opens_at(now))
            while coming and (coming[0][0] <= now or window.opens_at(now) > now):
                at, saying = coming.pop(0)
                now = max(now, at)
                window.expire(now)
                self.assertTrue(window.confirm(saying, now))
            window.add(frozenset({(Kind.SAY, f"{number}")}), now)
            behind = max(behind, now) + 0.2
            coming.append((behind, (Kind.SAY, f"{number}")))
        self.assertEqual(window.not_confirmed, 0)
        self.assertLess(behind - now, CONFIRM_SECONDS)

    def test_timeouts(self) -> None:
        """The next timeout is the oldest line's, and expiring then gives up that line."""
        window = Window()
        self.assertIsNone(window.next_timeout())
        window.add(frozenset({(Kind.SAY, "one")}), 1.5)
        self.assertEqual(window.next_timeout(), 4.5)
        window.expire(4.5)
        self.assertEqual(window.not_confirmed, 1)
        self.assertIsNone(window.next_timeout())
