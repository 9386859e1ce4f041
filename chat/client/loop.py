"""The one reactor of a client process: an asyncio loop (prompt_toolkit needs one) with Twisted on top.

It is installed before anything can import `twisted.internet.reactor`, and it runs for one visit.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
import time
from collections.abc import Callable

from twisted.internet import defer
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.main import installReactor
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import provider

# What ends a visit from outside: Ctrl-C, kill, and the end of the terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2  # as argparse has it
EXIT_SIGNAL = 128  # and the signal's number: what a shell says of a program that a signal ended


class _MonotonicReactor(AsyncioSelectorReactor):
    """Twisted's asyncio reactor on a clock that nobody sets: else a stepped clock would stop the timers."""

    def seconds(self) -> float:
        """Give monotonic seconds."""
        return time.monotonic()


def install(loop: asyncio.AbstractEventLoop | None = None) -> AsyncioSelectorReactor:
    """Make and install the process's reactor, on a loop of its own or on this one."""
    if loop is None:
        # select(2): epoll watches neither a regular file nor the null device, and both may be standard input
        loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        asyncio.set_event_loop(loop)
    reactor = _MonotonicReactor(loop)
    installReactor(reactor)
    return reactor


def complain_of_warnings(complain: Callable[[str], None]) -> None:
    """Let people see what is logged as a warning or worse; a bug of ours with all that is known of it."""

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.warn:
            complain(formatEvent(event))
        if "log_failure" in event:
            complain(event["log_failure"].getTraceback())

    globalLogBeginner.beginLoggingTo([observe], redirectStandardIO=False)


def run(reactor: AsyncioSelectorReactor, visit: Callable[[], Deferred[int]]) -> int:
    """Run the reactor until the visit is over; gives its exit code, or 128 + the signal that ended it.

    A signal cancels the visit, which then cleans up behind itself. What else goes wrong in it is raised here.
    """
    codes: list[int] = []
    failures: list[Failure] = []
    signals: list[int] = []

    def begin() -> None:
        """Begin the visit, and let a signal cancel it."""
        visiting = visit()

        def interrupt(number: int, _: object) -> None:
            signals.append(number)
            reactor.callFromThread(visiting.cancel)

        for number in _SIGNALS:
            # what nohup, or `... &` in a script, wants ignored stays so
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, interrupt)
        visiting.addCallbacks(codes.append, failures.append).addCallback(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
    for failure in failures:
        if not (signals and failure.check(defer.CancelledError, asyncio.CancelledError)):
            failure.raiseException()
    return codes[0] if codes else EXIT_SIGNAL + signals[0]
