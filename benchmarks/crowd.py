"""Clients of the project's own, many in one process.

Run as `python -m benchmarks.crowd PORT FINGERPRINT FIRST COUNT`. Each is a `ChatClient` with a key and a
socket of its own, in a room of a hundred. Whenever one is let into its room a line is printed: its number and
the time (monotonic seconds). They come in some at a time, and live until standard input ends.
"""

from __future__ import annotations

import select
import sys
import time
from typing import Any

from benchmarks.members import allow_files, new_identity
from benchmarks.sessions import room_of
from chat.client.happenings import Happening
from chat.client.protocol import ChatClient
from chat.identity import KnownServers, parse_fingerprint
from chat.wire.events import InRoom

AT_ONCE = 16  # that come in together for the first time


class Crowd:
    """So many clients, from `first` on."""

    def __init__(self, reactor: Any, port: int, pinned: bytes, known: KnownServers, numbers: range) -> None:
        self._reactor = reactor
        self._place = f"127.0.0.1:{port}"
        self._pinned, self._known = pinned, known
        self._numbers = iter(numbers)
        self._is_counted: set[int] = set()

    def begin(self) -> None:
        """Let the first come in; each brings in another one."""
        for _ in range(AT_ONCE):
            self._bring_one()
        self._look()

    def _bring_one(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            return

        def happened(what: Happening) -> None:
            if isinstance(what, InRoom) and what.joined.room == room_of(number):
                print(number, time.monotonic(), flush=True)
                if number not in self._is_counted:
                    self._is_counted.add(number)
                    self._bring_one()

        client = ChatClient(
            self._reactor,
            self._place,
            f"m{number}",
            identity=new_identity(),
            known=self._known,
            pinned=self._pinned,
            happened=happened,
        )
        client.enter(f"m{number}")
        client.join(room_of(number))

    def _look(self) -> None:
        """End when standard input does."""
        if select.select([sys.stdin], [], [], 0)[0]:
            self._reactor.stop()
        else:
            self._reactor.callLater(0.5, self._look)


def main() -> None:
    """Run until standard input ends."""
    import tempfile
    from pathlib import Path

    from twisted.internet import reactor

    clock: Any = reactor
    port, fingerprint, first, count = sys.argv[1:]
    numbers = range(int(first), int(first) + int(count))
    allow_files(len(numbers))
    with tempfile.TemporaryDirectory() as folder:
        known = KnownServers(Path(folder, "known"))
        crowd = Crowd(clock, int(port), parse_fingerprint(fingerprint), known, numbers)
        clock.callWhenRunning(crowd.begin)
        clock.run()


if __name__ == "__main__":
    main()
