"""Log lines for people and for programs.

Text goes in as fields and never as a format; what members wrote was cleaned when it came in, so one event is
one line (a traceback, which is a bug of ours, is the exception).

What a turn of the reactor says is written at its end in one go: in a busy talk that is many lines.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO, TextIO, cast

import msgspec
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.logfile import LogFile
from twisted.python.threadable import isInIOThread
from zope.interface import implementer

from chat.private import make_private

LEVELS = ("debug", "info", "warn", "error")
FORMATS = ("text", "json")
_RANK = {LogLevel.levelWithName(name): rank for rank, name in enumerate((*LEVELS, "critical"))}
_INFO = _RANK[LogLevel.info]

# What Twisted's own logging adds to an event beside the fields that its author gave.
_NOT_FIELDS = frozenset({"format", "isError", "level", "message", "system", "time", "failure", "why"})
_encode = msgspec.json.Encoder(enc_hook=str).encode


def format_text(event: LogEvent) -> str:
    """Give `event` as a line for people, in the form of Twisted's own logs."""
    said = _message(event) + _traceback(event)
    lines = said.rstrip().replace("\n", "\n\t")  # what stands at the beginning of a line is ours
    return f"{_time(event)} [{_system(event)}#{_level(event)}] {lines}\n"


def format_json(event: LogEvent) -> str:
    """Give `event` as one line of JSON: time, level, system, message, then the event's own fields."""
    record: dict[str, Any] = {
        "time": _time(event),
        "level": _level(event),
        "system": _system(event),
        "message": _message(event),
    }
    if "log_failure" in event:
        record["traceback"] = _traceback(event)
    record |= {k: value for k, value in event.items() if k[:4] != "log_" and k not in _NOT_FIELDS}
    return _encode(record).decode() + "\n"


def _time(event: LogEvent) -> str:
    second, milliseconds = divmod(int(event["log_time"] * 1000), 1000)
    return f"{_second(second)}.{milliseconds:03}+00:00"


@lru_cache(maxsize=2)  # of what happens now
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


def _level(event: LogEvent) -> str:
    return event["log_level"].name if "log_level" in event else "info"


def _system(event: LogEvent) -> str:
    return event.get("log_namespace") or "-"


def _message(event: LogEvent) -> str:
    """Give what the event says. Our own formats name plain fields, for which this is ten times as fast."""
    if (event.get("log_namespace") or "").startswith("chat."):
        return str(event["log_format"]).format_map(event)
    return formatEvent(event)


def _traceback(event: LogEvent) -> str:
    return f"\n{event['log_failure'].getTraceback()}" if "log_failure" in event else ""


def running_reactor() -> IReactorTime | None:
    """Give the reactor if it runs, in this thread."""
    reactor: Any = sys.modules.get("twisted.internet.reactor")  # to import it would choose one
    return reactor if reactor is not None and reactor.running and isInIOThread() else None


@implementer(ILogObserver)
class Observer:
    """Writes events of at least `level` to `out`, as text or as JSON lines: those of one turn together.

    What is a warning or worse is written at once, and so is everything while no `reactor` runs.
    """

    def __init__(
        self,
        out: TextIO,
        log_format: str,
        level: str,
        reactor: Callable[[], IReactorTime | None] = running_reactor,
    ) -> None:
        if isinstance(out, TextIOWrapper) and log_format == "json":
            out.reconfigure(encoding="utf-8")  # which JSON is (RFC 8259, section 8.1)
        elif isinstance(out, TextIOWrapper):
            out.reconfigure(errors="backslashreplace")  # what members say need not fit the locale
        self._out = out
        self._format = format_text if log_format == "text" else format_json
        self._least = LEVELS.index(level)
        self._reactor = reactor
        self._lines: deque[str] = deque()  # as many as one turn says
        self._flushing: IDelayedCall | None = None
        self._is_writing = False
        self._lock = RLock()  # other threads log, too, and so do handlers of signals, whatever they interrupt

    def __call__(self, event: LogEvent) -> None:
        """Take an event."""
        rank = _RANK.get(event.get("log_level", LogLevel.info), 0)
        if rank < self._least:
            return
        self._lines.append(self._format(event))
        reactor = self._reactor()
        if rank > _INFO or reactor is None:
            self.flush()
        elif self._flushing is None or not self._flushing.active():
            self._flushing = reactor.callLater(0, self.flush)

    def flush(self) -> None:
        """Write what has been said. If that fails, there is nobody who could be told."""
        with self._lock:
            if self._is_writing:  # and is interrupted by us: it goes on with our lines
                return
            self._is_writing = True
            try:
                while self._lines:
                    self._out.write("".join(self._lines.popleft() for _ in range(len(self._lines))))
                    self._out.flush()
            except OSError:
                pass
            finally:
                self._is_writing = False


class TwistdLog(LogFile):
    """The file of `--logfile`: it can be moved away or emptied, as logrotate does, while it is written."""

    def _openFile(self) -> None:  # noqa: N802  (Twisted's name)
        make_private(Path(self.path))  # it has what is said, and how one becomes the operator
        super()._openFile()
        self._file: BinaryIO
        descriptor = self._file.fileno()
        # behind what is there: to go on at the old place in a file that was emptied leaves a hole
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)

    def rotate(self) -> None:
        """Begin a new file; where somebody has moved the old one that is all there is to do."""
        try:
            is_there = os.path.samestat(Path(self.path).stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            is_there = False
        except OSError:  # the user of --uid may not look into its folder, but what is open can be written
            return
        if is_there:
            super().rotate()
        elif os.access(self.path if Path(self.path).exists() else self.directory, os.R_OK | os.W_OK):
            self.reopen()


def twistd_observer(twistd: Mapping[str, Any], log_format: str, level: str) -> ILogObserver:
    """Open the log where twistd's own options say, and give the observer that writes it.

    Standard output with `--nodaemon`, else `--logfile` (twistd.log), rotated on SIGUSR1 as twistd does it.
    """
    name = twistd.get("logfile") or ("-" if twistd["nodaemon"] else "twistd.log")
    if name == "-" and not twistd["nodaemon"]:
        raise SystemExit("udpchat: a daemon cannot log to standard output: give --logfile FILE or -n")
    out = sys.stdout if name == "-" else _open(name)
    if isinstance(out, TwistdLog):

        def rotate(*_: object) -> None:
            from twisted.internet import reactor

            reactor.callFromThread(out.rotate)  # type: ignore[attr-defined]

        signal.signal(signal.SIGUSR1, rotate)
    elif signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # there is nothing to rotate, and no reason to end
    return Observer(out, log_format, level)


def _open(name: str) -> TextIO:
    """Open the log, or end the program with a line. What is no file (/dev/null, a pipe) is never rotated."""
    path = Path(os.path.realpath(name))  # of a link (/dev/stdout) what it leads to is made, and moved
    try:
        if path.exists() and not path.is_file():
            return path.open("a", encoding="utf-8")
        return cast(TextIO, TwistdLog.fromFullPath(str(path)))
    except OSError as error:
        raise SystemExit(f"udpchat: cannot write the log {path}: {error.strerror or error}") from None
