"""A client comes back and has missed thousands of texts: how long until it has shown them all.

Run it with `python -m benchmarks.catch_up`. The client is the project's own (`ChatClient`). It is in a room
when its server is stopped, the texts are written into the server's file, and the server is started again: to
the client they were said while it was away. Time counts from when it is let in again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.members import new_identity
from benchmarks.servers import Server, cpu_seconds, our_server
from chat.client.happenings import Happening
from chat.client.protocol import ChatClient
from chat.identity import KnownServers, load_identity
from chat.messages import LOBBY, Entry, Kind
from chat.server.storage import STORE_FILE
from chat.store.tables import Tables
from chat.stored import Draft
from chat.wire.events import Entered

AT_ONCE = 1_000
TEXT = "x" * 70
PATIENCE = 120.0  # seconds


class Return:
    """A client, what it has heard, and the server's being away."""

    def __init__(self, reactor: Any, folder: Path, stack: ExitStack, missed: int) -> None:
        self.seconds = 0.0  # from being let in until all was shown
        self.used = 0.0  # s of the server's CPU until then
        self._reactor, self._stack, self._missed = reactor, stack, missed
        self._state = folder / "state"
        self._keep = f"--keep-entries={missed + 10}"
        self._server = self._serve("--port=0")
        self._heard = 0
        self._entered = 0.0
        self._is_away = False
        pinned = load_identity(self._state / "server.pem", "server").fingerprint
        self._client = ChatClient(
            reactor,
            f"127.0.0.1:{self._server.addr[1]}",
            "reader",
            identity=new_identity(),
            known=KnownServers(folder / "known"),
            pinned=pinned,
            heard=self._hear,
            happened=self._happen,
        )

    def begin(self) -> None:
        """Come in and say a text: whoever has seen one knows where it stands."""
        self._reactor.callLater(PATIENCE, self._reactor.stop)
        self._client.enter("reader")
        self._client.join(LOBBY)
        self._client.say("here I am")

    def _serve(self, port: str) -> Server:
        return self._stack.enter_context(our_server(f"--state={self._state}", self._keep, port))

    def _hear(self, _: Entry) -> None:
        if not self._is_away:
            self._is_away = True
            self._reactor.callLater(0, self._leave)
            return
        self._heard += 1
        if self._heard == self._missed:
            self.seconds = time.monotonic() - self._entered
            self.used = cpu_seconds(self._server.pid) - self.used
            self._reactor.stop()

    def _leave(self) -> None:
        """Stop the server, write what the client misses, start it again. The client sleeps meanwhile."""
        port = self._server.addr[1]
        self._server.kill()
        fill(self._state / STORE_FILE, self._missed)
        self._server = self._serve(f"--port={port}")

    def _happen(self, what: Happening) -> None:
        if self._is_away and isinstance(what, Entered):
            self._entered = time.monotonic()
            self.used = cpu_seconds(self._server.pid)


def fill(path: Path, count: int) -> None:
    """Write so many entries into the lobby."""
    at = time.time()
    tables = Tables(path, at)
    for begin in range(0, count, AT_ONCE):
        places = range(begin, min(begin + AT_ONCE, count))
        drafts = [
            Draft(bytes(16), 0, LOBBY, Kind.SAY, f"m{n % 200}", verified=False, text=TEXT) for n in places
        ]
        tables.append([(draft, 0) for draft in drafts], at)
    tables.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print. A reactor runs once, so each run is a process of its own."""
    parser = argparse.ArgumentParser("python -m benchmarks.catch_up", description=__doc__.split("\n\n")[0])
    parser.add_argument("--missed", type=int, default=10_000, help="texts")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, too")
    asked = parser.parse_args(arguments)
    runs = [once(asked.missed) for _ in range(asked.runs)]
    seconds = [run[0] for run in runs]
    used = statistics.median(run[1] for run in runs)
    middle = statistics.median(seconds)
    print(
        f"{asked.missed:,} missed texts: {middle:.2f} s until all are shown "
        f"({min(seconds):.2f} to {max(seconds):.2f}), {used:.2f} s of the server's CPU"
    )
    if asked.json:
        print(json.dumps({"missed": asked.missed, "seconds": seconds}))


def once(missed: int) -> tuple[float, float]:
    """Measure once; give the seconds, and the server's CPU seconds."""
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(missed, sender))
    process.start()
    seconds, used = receiver.recv()
    process.join()
    return seconds, used


def measure(missed: int, sender: Any) -> None:
    """Measure in this process, and tell the other end of a pipe."""
    from twisted.internet import reactor

    clock: Any = reactor
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        one = Return(clock, Path(folder), stack, missed)
        clock.callWhenRunning(one.begin)
        clock.run()
        sender.send((one.seconds or float("inf"), one.used))


if __name__ == "__main__":
    main()
