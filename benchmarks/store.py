"""How many texts a second the server accepts when each is on the disk first, and what a million of them cost.

Run it with `python -m benchmarks.store`; `--help` shows what can be varied. Three measurements:

- the store alone, as the server uses it: so many senders, each of which waits for its answer before it says
  the next text;
- the whole server, with members who speak frames in DTLS from one other process, eight texts in flight each.
  Each is in a room of its own, for in one room of 200 the deliveries would be measured, 400,000 a second, and
  not the disk. Beside it the same server with `--store memory:`;
- a server with 1,000,000 entries in 100 rooms beside one with 1,000: seconds until it listens, from when its
  process began; from a Join and a Fetch of the newest 256 entries until all is there; memory.

The longest pause is how late a timer ever was that wanted to be called every 2 ms: a datagram waited as long.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.members import FramesMember, allow_files, bring_in, close
from benchmarks.servers import Server, our_server
from benchmarks.watched_server import Watch, watched_server
from chat.messages import (
    PROTOCOL_VERSION,
    Accepted,
    Fetch,
    Fetched,
    Hello,
    Join,
    Kind,
    Request,
    Say,
)
from chat.server.storage import STORE_FILE, Storage
from chat.store.tables import Tables
from chat.stored import AppendResult, Draft
from chat.wire.frames import decode_replies, encode_frame, join_frames

TEXT = "x" * 70
ROOM = 1  # members in one
IN_FLIGHT = 8  # texts of one member: as many as the hub lets wait
FILL_AT_ONCE = 1_000
FILL_ROOMS = 100
NEWEST = 256
JOINS = 20
KEEP = "--keep-entries=1000000"  # nothing is tidied away meanwhile

Figures = dict[str, float]


def store_alone(path: Path, senders: int, seconds: float) -> Figures:
    """Let senders append to a store in its threads."""
    from twisted.internet import reactor

    clock: Any = reactor
    storage = Storage(path, 1_000_000, 30, reactor)
    storage.start()
    watch = Watch(clock)
    done = 0

    def say(sender: int, n: int) -> None:
        client = sender.to_bytes(16, "big")
        draft = Draft(client, n, f"room{sender // ROOM}", Kind.SAY, "nick", verified=False, text=TEXT)
        storage.store.append(draft, n - 1).addCallback(said, sender, n)

    def said(_: AppendResult, sender: int, n: int) -> None:
        nonlocal done
        done += 1
        say(sender, n + 1)

    storage.store.subscribe(lambda _: None, 0)
    for sender in range(senders):
        clock.callWhenRunning(say, sender, 1)
    clock.callWhenRunning(watch.begin)
    clock.callLater(seconds, clock.stop)
    clock.run()
    accepted = done  # what is under way is written, and not counted
    storage.rest()
    storage.stop()
    return {"entries/s": accepted / seconds, "longest pause ms": 1e3 * watch.longest}


class Sender(FramesMember):
    """A member who says as many texts as were accepted since it last looked, in one datagram."""

    def __init__(self, addr: tuple[str, int], number: int) -> None:
        super().__init__(addr, f"m{number}", f"room{number // ROOM}")
        self.accepted = 0
        self._next = 1

    def talk(self, count: int) -> None:
        """Say so many texts."""
        says = [
            encode_frame(Say(1 + n, n, self._room, Kind.SAY, TEXT))
            for n in range(self._next, self._next + count)
        ]
        self._next += count
        self.send(join_frames(says))

    def listen(self) -> None:
        """Read what has come."""
        replies = [reply for plaintext, _ in self.read() for reply in decode_replies(plaintext)]
        count = sum(isinstance(reply, Accepted) for reply in replies)
        if count:
            self.accepted += count
            self.talk(count)


def whole_server(store: str, senders: int, seconds: float) -> Figures:
    """Let members of a whole server talk."""
    with (
        tempfile.TemporaryDirectory() as folder,
        watched_server(f"--state={folder}", f"--store={store}", KEEP, "--limit=lines=0") as server,
    ):
        members = [Sender(server.addr, number) for number in range(senders)]
        bring_in(members)
        by_number = {member.socket.fileno(): member for member in members}
        poll = select.poll()
        for number in by_number:
            poll.register(number, select.POLLIN)
        for member in members:
            member.talk(IN_FLIGHT)
        server.begin()
        used, begun = server.cpu_seconds(), time.monotonic()
        while time.monotonic() < begun + seconds:
            for number, _ in poll.poll(100):
                by_number[number].listen()
        used, took = server.cpu_seconds() - used, time.monotonic() - begun
        pause = server.end()
        close(members)
    accepted = sum(member.accepted for member in members)
    return {
        "entries/s": accepted / took,
        "us of CPU for each": 1e6 * used / max(accepted, 1),
        "longest pause ms": 1e3 * pause,
    }


def fill(path: Path, count: int) -> None:
    """Write so many entries, of 200 people in a hundred rooms."""
    at = time.time()
    tables = Tables(path, at)
    for begin in range(0, count, FILL_AT_ONCE):
        drafts = [
            Draft(bytes(16), 0, f"room{n % FILL_ROOMS}", Kind.SAY, f"m{n % 200}", verified=False, text=TEXT)
            for n in range(begin, min(begin + FILL_AT_ONCE, count))
        ]
        tables.append([(draft, 0) for draft in drafts], at)
    tables.close()


class Reader(FramesMember):
    """A member who wants a room's newest entries with its first words."""

    def __init__(self, addr: tuple[str, int], nick: str, room: str) -> None:
        super().__init__(addr, nick, room)
        self._words: list[Request] = [Hello(PROTOCOL_VERSION, self._client, nick), Join(1, room)]
        self._words += [Fetch(2, room, None, None, NEWEST)]
        self.asked = 0.0

    def greeting(self) -> bytes:
        """Give a datagram of Hello, Join and Fetch."""
        self.asked = time.monotonic()
        return join_frames([encode_frame(word) for word in self._words])

    def is_welcome(self, plaintext: bytes) -> bool:
        """Say whether all that was asked for is there."""
        return any(isinstance(reply, Fetched) for reply in decode_replies(plaintext))


@contextmanager
def timed_server(folder: Path) -> Iterator[tuple[Server, float]]:
    """Run a server with what is in `folder`; the seconds are those until it listened."""
    begun = time.monotonic()
    with our_server(KEEP, f"--store=sqlite:{folder / STORE_FILE}") as server:
        yield server, time.monotonic() - begun


def with_entries(count: int) -> Figures:
    """Start a server on a file with so many entries, and let people come in."""
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name, STORE_FILE), count)
        size = Path(name, STORE_FILE).stat().st_size
        with timed_server(Path(name)) as (server, started):
            waits = []
            readers = []
            for number in range(JOINS):
                reader = Reader(server.addr, f"m{number}", f"room{number * FILL_ROOMS // JOINS}")
                bring_in([reader])
                waits.append(time.monotonic() - reader.asked)
                readers.append(reader)
            memory = server.memory()
            close(readers)
    return {
        "start s": started,
        "join ms, median": 1e3 * statistics.median(waits),
        "join ms, most": 1e3 * max(waits),
        "memory MiB": memory / 2**20,
        "file MiB": size / 2**20,
    }


def show(what: str, figures: Figures) -> dict[str, Any]:
    """Print a row; give it for JSON."""
    shown = ", ".join(f"{name} {figure:,.1f}" for name, figure in figures.items())
    print(f"{what:24} {shown}", flush=True)
    return {"row": what, **{name: round(figure, 3) for name, figure in figures.items()}}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all and print the rows."""
    parser = argparse.ArgumentParser("python -m benchmarks.store", description=__doc__.split("\n\n")[0])
    parser.add_argument("--senders", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="of talk in each measurement")
    parser.add_argument("--entries", type=int, default=1_000_000, help="in the large file")
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured [default: where temporary files go]"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, too")
    asked = parser.parse_args(arguments)
    if asked.folder:
        tempfile.tempdir = os.fspath(asked.folder)
    allow_files(asked.senders)
    with tempfile.TemporaryDirectory() as name:
        figures = store_alone(Path(name, STORE_FILE), asked.senders, asked.seconds)
        rows = [show("the store alone", figures)]
    rows += [
        show(f"server, {store}", whole_server(store, asked.senders, asked.seconds))
        for store in ("sqlite:", "memory:")
    ]
    rows += [show(f"{count:,} entries", with_entries(count)) for count in (1_000, asked.entries)]
    if asked.json:
        print(json.dumps({"senders": asked.senders, "rows": rows}))


if __name__ == "__main__":
    main()
