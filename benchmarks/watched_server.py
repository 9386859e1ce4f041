"""The server, watched from inside: how long its reactor did nothing but one thing.

Run as `python -m benchmarks.watched_server OPTION ...` with udpchat's options, it prints its port as JSON.
SIGUSR1 begins the watch, and SIGTERM ends it and the server: the longest pause is printed. A timer that wants
to be called every few milliseconds measures it, as any other timer or datagram would have waited as long.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import IO, Any

from benchmarks.servers import Server

EVERY_SECONDS = 0.002


class Watch:
    """How late a timer of `clock` ever was; `longest` is in seconds."""

    def __init__(self, clock: Any) -> None:
        self.longest = 0.0
        self._clock = clock
        self._due = 0.0

    def begin(self) -> None:
        """Forget what was, and watch from now on."""
        is_on, self.longest = bool(self._due), 0.0
        self._due = time.monotonic() + EVERY_SECONDS
        if not is_on:
            self._clock.callLater(EVERY_SECONDS, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._due)
        self._due = now + EVERY_SECONDS
        self._clock.callLater(EVERY_SECONDS, self._look)


class Watched(Server):
    """A watched server, and what it prints."""

    def __init__(self, process: Popen[bytes], out: IO[bytes]) -> None:
        super().__init__(process, json.loads(out.readline())["port"])
        self.process = process
        self._out = out

    def begin(self) -> None:
        """Watch from now on."""
        self.process.send_signal(signal.SIGUSR1)

    def end(self) -> float:
        """End it; give the longest pause since the watch began, in seconds."""
        self.process.terminate()
        return float(json.loads(self._out.readline())["longest"])


@contextmanager
def watched_server(*options: str) -> Iterator[Watched]:
    """Run a watched server on a port of its own."""
    command = [sys.executable, "-m", "benchmarks.watched_server", "--port=0", "--interface=127.0.0.1"]
    with Popen([*command, *options], stdout=PIPE) as process:
        try:
            assert process.stdout is not None
            yield Watched(process, process.stdout)
        finally:
            process.kill()


def main() -> None:
    """Serve, watch, and tell."""
    from twisted.internet import reactor
    from twisted.logger import ILogObserver, globalLogBeginner
    from zope.interface import implementer

    from chat.server.options import Options
    from chat.server.tap import makeService

    clock: Any = reactor
    watch = Watch(clock)

    @implementer(ILogObserver)
    def log(event: dict[str, Any]) -> None:
        if "port" in event and "listens on" in event["log_format"]:
            print(json.dumps({"port": event["port"]}), flush=True)

    async def end() -> None:
        print(json.dumps({"longest": watch.longest}), flush=True)
        await service.stopService()

    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    options = Options()
    options.parseOptions(sys.argv[1:])
    service = makeService(options)
    signal.signal(signal.SIGUSR1, lambda *_: clock.callFromThread(watch.begin))
    clock.callWhenRunning(service.startService)
    clock.addSystemEventTrigger("before", "shutdown", lambda: _deferred(end()))
    clock.run()


def _deferred(coroutine: Any) -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(coroutine)


if __name__ == "__main__":
    main()
