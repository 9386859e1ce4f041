"""Tests of `chat.server.counters`: numbers by name, and the line that tells of those that moved."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogEvent, Logger, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from chat.server.counters import LOG_SECONDS, Counters, show_counts


class CountersTests(SynchronousTestCase):
    """What is counted, and what is logged of it."""

    def setUp(self) -> None:
        """Begin with nothing counted, and listen to the log."""
        self.events: list[LogEvent] = []
        observer: Any = self.events.append
        self.counters = Counters(Logger(observer=observer, namespace="chat.test"))

    def test_counting(self) -> None:
        """Each name has its own number, and what was given before goes on counting."""
        view = self.counters.all()
        self.counters.add("bad datagrams")
        self.counters.add("lines too fast", 3)
        self.counters.add("bad datagrams")
        self.assertEqual(dict(view), {"bad datagrams": 2, "lines too fast": 3})
        self.assertEqual(show_counts(view), "bad datagrams=2, lines too fast=3")

    def test_nobody_else_counts(self) -> None:
        """What is given out can be read only."""
        view: Any = self.counters.all()
        with self.assertRaises(TypeError):
            view["bad datagrams"] = 1

    def test_one_line_a_minute(self) -> None:
        """The first that moves is told at once, the rest a minute later, and only what has moved."""
        self.counters.tick(0.0)
        self.counters.add("a")
        self.counters.add("b")
        self.counters.tick(1.0)
        self.counters.add("b")
        self.counters.tick(LOG_SECONDS)
        self.counters.tick(1.0 + LOG_SECONDS)
        self.counters.tick(1.0 + 3 * LOG_SECONDS)
        self.assertEqual(list(map(formatEvent, self.events)), ["counted: a=1, b=1", "counted: b=2"])
        self.assertEqual(self.events[1]["counters"], {"b": 2})
