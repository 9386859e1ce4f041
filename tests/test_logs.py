"""Tests of `chat.server.logs`: what an event looks like to people and to programs."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chat.server.logs import (
    LEVELS,
    Observer,
    TwistdLog,
    format_json,
    format_text,
    running_reactor,
    twistd_observer,
)
from tests.client_process import the_reactor

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
    """What is written, what is left out, and when."""

    def setUp(self) -> None:
        """Log to `out`, in the turns of a reactor that runs."""
        self.out = io.StringIO()
        self.clock = Clock()
        self.log = Logger("chat.server", observer=Observer(self.out, "text", "info", lambda: self.clock))

    def said(self) -> list[str]:
        """Give what has been written, without what stands before it."""
        return [line.rpartition(" ")[2] for line in self.out.getvalue().splitlines()]

    def test_a_turn_is_written_at_its_end(self) -> None:
        """What one turn says is written together, by one call; then the next turn's."""
        for turn in range(2):
            self.log.info("one")
            self.log.info("two")
            self.assertEqual((len(self.clock.calls), len(self.said())), (1, 2 * turn))
            self.clock.advance(0)
        self.assertEqual(self.said(), ["one", "two"] * 2)

    def test_a_warning_does_not_wait(self) -> None:
        """Nor does what was said before it: a program that is killed next has said it."""
        self.log.info("one")
        self.log.error("two")
        self.assertEqual(self.said(), ["one", "two"])
        self.clock.advance(0)
        self.assertEqual(self.said(), ["one", "two"])

    def test_without_a_reactor(self) -> None:
        """Each line is written at once where none runs, and by other threads."""
        log = Logger("chat.server", observer=Observer(self.out, "text", "info", lambda: None))
        log.info("one")
        self.assertEqual(self.said(), ["one"])

    def test_interrupted(self) -> None:
        """A signal's handler may log while a line is being written: nothing is lost, and nobody waits."""
        out = Interrupted()
        log = out.log = Logger("chat.server", observer=Observer(out, "text", "info", lambda: None))
        log.info("one")
        said = [line.rpartition(" ")[2] for line in out.getvalue().splitlines()]
        self.assertEqual(said, ["one", "interrupted"])

    def test_a_full_disk(self) -> None:
        """A log that cannot be written ends nothing, and goes on when it can."""
        with Path("/dev/full").open("w") as full:
            log = Logger("chat.server", observer=Observer(full, "text", "info", lambda: self.clock))
            log.error("one")
            with contextlib.suppress(OSError):
                full.close()
        self.log.error("two")
        self.assertEqual(self.said(), ["two"])

    def test_a_locale_that_has_not_every_character(self) -> None:
        """Then text has its number in its place, and JSON is UTF-8 all the same: no line is left out."""
        for log_format, said in (("text", "gr\\xfc\\xdfe \\u20ac"), ("json", "grüße €")):
            written = io.BytesIO()
            out = io.TextIOWrapper(written, encoding="ascii")
            log = Logger("chat.server", observer=Observer(out, log_format, "info", lambda: None))
            log.info("{text}", text="grüße €")
            self.assertIn(said, written.getvalue().decode())

    def write(self, log_format: str, level: str) -> list[str]:
        """Log one event of each level to an observer of `level`; give the lines that it wrote."""
        out = io.StringIO()
        observe = Observer(out, log_format, level, lambda: None)
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


class TwistdLogTests(SynchronousTestCase):
    """The log in a file, and others who move it."""

    def setUp(self) -> None:
        """Choose a file, and keep what is done to signals to this test."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "chat.log"
        self.options = {"nodaemon": True, "logfile": str(self.path)}

    def open(self) -> TwistdLog:
        """Open it."""
        log: TwistdLog = TwistdLog.fromFullPath(str(self.path))
        self.addCleanup(log.close)
        return log

    def test_rotated(self) -> None:
        """It begins a new file, and the old one has a number."""
        log = self.open()
        log.write("one\n")
        log.rotate()
        log.write("two\n")
        self.assertEqual(self.path.with_name("chat.log.1").read_text(), "one\n")
        self.assertEqual(self.path.read_text(), "two\n")

    def test_moved_away(self) -> None:
        """Where somebody has moved it, or put another in its place, what follows goes into the new one."""
        log = self.open()
        for number, makes_new in enumerate((False, True)):
            log.write(f"before {number}\n")
            moved = self.path.rename(self.path.with_name(f"moved.{number}"))
            if makes_new:
                self.path.touch()
            log.rotate()
            log.write(f"after {number}\n")
            self.assertTrue(moved.read_text().endswith(f"before {number}\n"))
            self.assertEqual(self.path.read_text(), f"after {number}\n")
        self.assertEqual(list(self.path.parent.glob("chat.log.*")), [])

    def test_emptied(self) -> None:
        """Where somebody has copied and emptied it, it begins anew, without a hole."""
        log = self.open()
        log.write("one\n")
        os.truncate(self.path, 0)
        log.write("two\n")
        self.assertEqual(self.path.read_bytes(), b"two\n")

    def test_a_folder_that_is_closed(self) -> None:
        """Where nobody can say what is there by now it goes on as it is: no line is lost."""
        self.path = self.path.parent / "folder" / "chat.log"
        self.path.parent.mkdir()
        log = self.open()
        moved = self.path.parent.rename(self.path.parent.with_name("moved"))
        self.path.parent.touch()  # what is looked up below a file fails, for root, too
        log.write("x" * 1_000_000)
        log.write("two\n")
        self.assertTrue((moved / "chat.log").read_text().endswith("xtwo\n"))

    def test_who_may_read_it(self) -> None:
        """Its owner alone, whatever the umask is; a file that was made for others stays theirs."""
        self.addCleanup(os.umask, os.umask(0))
        for mode in (0o600, 0o640):
            if mode != 0o600:
                self.path.chmod(mode)
            self.open().rotate()
            for path in (self.path, self.path.with_name("chat.log.1")):
                self.assertEqual(path.stat().st_mode & 0o777, mode)

    def test_a_link(self) -> None:
        """What a link leads to is for its owner alone and is rotated; the link stays."""
        link = self.path.with_name("link.log")
        link.symlink_to(self.path)
        self.options["logfile"] = str(link)
        self.addCleanup(os.umask, os.umask(0))
        log = Logger("chat.server", observer=twistd_observer(self.options, "text", "info"))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        for text in ("x" * 1_000_000, "two"):
            log.error(text)
        self.assertTrue(link.is_symlink())
        self.assertTrue(link.read_text().endswith("two\n"))
        self.assertTrue(self.path.with_name("chat.log.1").is_file())

    def test_what_cannot_be_written(self) -> None:
        """Where there can be no log the program ends with a line."""
        self.options["logfile"] = str(self.path / "chat.log")
        self.path.touch()
        with self.assertRaisesRegex(SystemExit, "cannot write the log .*chat.log: Not a directory"):
            twistd_observer(self.options, "text", "info")

    def test_what_is_no_file(self) -> None:
        """A device or a pipe is written to, and never moved."""
        os.mkfifo(self.path)
        reading = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reading)
        observe = twistd_observer(self.options, "text", "info")
        Logger("chat.server", observer=observe).error("x" * 2_000)
        self.assertEqual(len(os.read(reading, 1)), 1)
        self.assertNotEqual(signal.getsignal(signal.SIGUSR1), signal.SIG_DFL)
        self.assertTrue(self.path.is_fifo())


class Interrupted(io.StringIO):
    """A file whose first write is interrupted by a signal, of which `log` is told."""

    log: Logger | None = None

    def write(self, text: str) -> int:
        """Write it."""
        log, self.log = self.log, None
        if log is not None:
            log.info("interrupted")
        return super().write(text)


class RunningReactorTests(TestCase):
    """When there is a reactor that writes the log at the end of its turns."""

    timeout = 60

    async def test_in_its_thread(self) -> None:
        """It is there as soon as it runs."""
        await deferLater(the_reactor(), 0)
        self.assertIs(running_reactor(), the_reactor())

    async def test_in_another_thread(self) -> None:
        """It is not there for others, who write by themselves."""
        self.assertIsNone(await deferToThread(running_reactor))
