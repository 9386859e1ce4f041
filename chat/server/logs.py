"""Log lines for people and for programs.

Text goes in as fields and never as a format; what members wrote was cleaned when it came in, so one event is
one line (a traceback, which is a bug of ours, is the exception).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TextIO

import msgspec
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    formatEventAsClassicLogText,
)
from twisted.python.logfile import LogFile

LEVELS = ("debug", "info", "warn", "error")
FORMATS = ("text", "json")

# What Twisted's own logging adds to an event beside the fields that its author gave.
_NOT_FIELDS = frozenset({"format", "isError", "message", "system", "time", "failure", "why"})


def format_json(event: LogEvent) -> str:
    """Give `event` as one JSON object and a line end: time, level, system, message, then the event's fields."""
    record: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], timezone.utc).isoformat(timespec="milliseconds"),
        "level": event["log_level"].name if "log_level" in event else "info",
        "system": event.get("log_namespace") or "-",
        "message": formatEvent(event),
    }
    if "log_failure" in event:
        record["traceback"] = event["log_failure"].getTraceback()
    for key, value in event.items():
        if not key.startswith("log_") and key not in _NOT_FIELDS and key not in record:
            record[key] = value
    return msgspec.json.encode(record, enc_hook=str).decode() + "\n"


def observer(out: TextIO, log_format: str, level: str) -> ILogObserver:
    """Give an observer that writes events of at least `level` to `out`, as text or as JSON lines."""
    write = formatEventAsClassicLogText if log_format == "text" else format_json
    least = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(level))
    return FilteringLogObserver(FileLogObserver(out, write), [least])


def twistd_observer(twistd: Mapping[str, Any], log_format: str, level: str) -> ILogObserver:
    """Open the log where twistd's own options say, and give the observer that writes it.

    Standard output with `--nodaemon`, else `--logfile` (twistd.log), rotated on SIGUSR1 as twistd does it.
    """
    name = twistd.get("logfile") or ("-" if twistd["nodaemon"] else "twistd.log")
    if name == "-":
        if not twistd["nodaemon"]:
            raise SystemExit("udpchat: a daemon cannot log to standard output: give --logfile FILE or -n")
        return observer(sys.stdout, log_format, level)
    log_file = LogFile.fromFullPath(name)

    def rotate(*_: object) -> None:
        from twisted.internet import reactor

        reactor.callFromThread(log_file.rotate)  # type: ignore[attr-defined]

    signal.signal(signal.SIGUSR1, rotate)
    return observer(log_file, log_format, level)
