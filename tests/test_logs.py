"""Tests of `chat.server.logs`: what an event looks like to people and to programs."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from chat.server.logs import LEVELS, format_json, format_text, observer

HOSTILE = "{0.__class__} {nick} {nobody} %s %(nick)s {text!r:>9}"


class Events(list[LogEvent]):
    """An observer that keeps events, and a logger that makes them as our own code does."""

    def __init__(self, namespace: str = "chat.server.protocol.ChatServer") -> None:
        super().__init__()
        self.log = Logger(namespace, observer=self)  # type: ignore[arg-type]

    def __call__(self, event: LogEvent) -> None:
        """Keep the event."""
        self.append(event)


def failure() -> Failure:
    """Give a failure with a traceback of two lines or more."""
    try:
        raise ValueError("no such thing\nas a free lunch")
    except ValueError:
        return Failure()


class TextTests(SynchronousTestCase):
    """Lines for people."""

    def setUp(self) -> None:
        """Begin with no events."""
        self.events = Events()

    def line(self) -> str:
        """Give the last event as text."""
        return format_text(self.events[-1])

    def test_a_line_says_when_where_and_how_bad(self) -> None:
        """An event is one line: the time in UTC, the namespace, the level, the message."""
        self.events.log.error("{nick} left: {reason}", nick="bob", reason="exit")
        self.events[-1]["log_time"] = 0.25
        self.assertEqual(
            self.line(),
            "1970-01-01T00:00:00.250+00:00 [chat.server.protocol.ChatServer#error] bob left: exit\n",
        )

    def test_what_members_write_is_never_a_format(self) -> None:
        """Braces and percent signs in a text, or in a nick, stand in the log as they were written."""
        self.events.log.info("{nick}: {text}", nick="bob{0}", text=HOSTILE)
        self.assertTrue(self.line().endswith(f"] bob{{0}}: {HOSTILE}\n"))

    def test_foreign_formats_work_too(self) -> None:
        """Twisted's own events, whose formats name attributes and calls, are formatted by its rules."""
        events = Events("twisted.internet.base")
        events.log.info("{thing.real} {call()}", thing=3, call=lambda: 7)
        self.assertTrue(format_text(events[-1]).endswith("] 3 7\n"))

    def test_events_without_level_or_namespace(self) -> None:
        """An event that some library made by hand is a line as well."""
        self.assertEqual(
            format_text({"log_time": 0.0, "log_format": "plain", "log_namespace": None}),
            "1970-01-01T00:00:00.000+00:00 [-#info] plain\n",
        )

    def test_a_failure_has_its_traceback(self) -> None:
        """A failure is followed by its traceback: it is a bug of ours, and somebody has to find it."""
        self.events.log.failure("{what}", failure(), what="it broke")
        first, *rest = self.line().splitlines()
        self.assertTrue(first.endswith("#critical] it broke"))
        self.assertIn("Traceback", rest[0])
        self.assertIn("no such thing", self.line())


class JsonTests(SynchronousTestCase):
    """Lines for programs."""

    def setUp(self) -> None:
        """Begin with no events."""
        self.events = Events()

    def record(self) -> dict[str, Any]:
        """Give the last event as a program reads it; it must be one line of JSON."""
        line = format_json(self.events[-1])
        self.assertEqual(line.count("\n"), 1)
        self.assertTrue(line.endswith("\n"))
        record: dict[str, Any] = json.loads(line)
        return record

    def test_a_record_has_the_event_s_fields(self) -> None:
        """Time, level, system and message are always there; then come the event's own fields, as they are."""
        self.events.log.info(
            "{mark}{nick}: {text}", event="said", mark="~", nick="bob", text="hi", seq=1 << 52, room="lobby"
        )
        self.events[-1]["log_time"] = 0.25
        self.assertEqual(
            self.record(),
            {
                "time": "1970-01-01T00:00:00.250+00:00",
                "level": "info",
                "system": "chat.server.protocol.ChatServer",
                "message": "~bob: hi",
                "event": "said",
                "mark": "~",
                "nick": "bob",
                "text": "hi",
                "seq": 1 << 52,
                "room": "lobby",
            },
        )

    def test_every_level_is_named(self) -> None:
        """The level of a record is the one that it was logged at."""
        levels = []
        for level in LEVELS:
            getattr(self.events.log, level)("something")
            levels.append(self.record()["level"])
        self.assertEqual(tuple(levels), LEVELS)

    def test_what_members_write_is_never_a_format(self) -> None:
        """Braces, percent signs, quotes and line ends in a text come back as they were written."""
        text = HOSTILE + ' "quoted" back\\slash \u2028 two\nlines 日本 🎈'
        self.events.log.info("{nick}: {text}", nick="bob", text=text)
        self.assertEqual(self.record()["text"], text)
        self.assertEqual(self.record()["message"], f"bob: {text}")

    def test_fields_do_not_hide_the_record_s_own(self) -> None:
        """A field named like one of the record's own does not replace it."""
        self.events.log.info("real", message="forged", time="forged", system="forged")
        record = self.record()
        self.assertEqual(record["message"], "real")
        self.assertNotIn("forged", (record["time"], record["system"]))

    def test_what_json_does_not_know_is_shown_as_text(self) -> None:
        """A field of any type is in the record: as what `str` makes of it if JSON has no such type."""
        self.events.log.info("x", error=OSError(22, "Invalid argument"), addr=("::1", 9, 0, 0))
        record = self.record()
        self.assertEqual(record["error"], "[Errno 22] Invalid argument")
        self.assertEqual(record["addr"], ["::1", 9, 0, 0])

    def test_a_failure_has_its_traceback(self) -> None:
        """A failure's traceback is a field of the same line."""
        self.events.log.failure("{what}", failure(), what="it broke")
        record = self.record()
        self.assertEqual((record["message"], record["level"]), ("it broke", "critical"))
        self.assertIn("no such thing", record["traceback"])

    def test_events_without_level_or_namespace(self) -> None:
        """An event that some library made by hand is a record as well."""
        self.events.append({"log_time": 0.0, "log_format": "plain"})
        record = self.record()
        self.assertEqual((record["level"], record["system"], record["message"]), ("info", "-", "plain"))


class ObserverTests(SynchronousTestCase):
    """What is written, and what is left out."""

    def write(self, log_format: str, level: str) -> list[str]:
        """Log one event of each level to an observer of `level`; give the lines that it wrote."""
        out = io.StringIO()
        observe: ILogObserver = observer(out, log_format, level)
        log = Logger("chat.server", observer=observe)
        for each in LEVELS:
            getattr(log, each)("at {each}", each=each)
        return out.getvalue().splitlines()

    def test_events_below_the_level_are_left_out(self) -> None:
        """An observer writes the events of its level and of every level above it."""
        for position, level in enumerate(LEVELS):
            lines = self.write("text", level)
            self.assertEqual([line.rpartition(" ")[2] for line in lines], list(LEVELS[position:]))

    def test_text_and_json(self) -> None:
        """The format is text or json; both write one line for each event."""
        (text,) = self.write("text", "error")
        self.assertTrue(text.endswith("[chat.server#error] at error"))
        (line,) = self.write("json", "error")
        self.assertEqual(json.loads(line)["message"], "at error")
