"""How long one text takes to reach the last of thousands, beside as many bare calls of `sendto`.

Run it with `python -m benchmarks.reach`. The members of our server speak frames in DTLS and are all in one
room; those of the bare loop (`benchmarks.servers`) are as many sockets. In each case one of them says a text,
nobody reads meanwhile, and the kernel notes when it has come to each. What counts is the last, from just
before the text was sent.

How long it takes until all are there is printed, too, and what that costs: each comes into the room as soon
as it has shaken hands, and all who are there are told how many come. They read nothing, and say now and then
that they are there.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from benchmarks.members import Addr, FramesMember, Member, SilentlyIn, allow_files, bring_in, close
from benchmarks.servers import Server, bare_server, our_server

GROUP = 100
TEXT_BYTES = 70
BUFFER = 1 << 16  # bytes of a member's socket while a text is on its way: more than what comes with it
REST_SECONDS = 3.0  # between two texts: the last entry of a room is said again for 2 s
PATIENCE = 300.0
ALIVE_SECONDS = 25.0  # between two signs of life: after 60 s of silence a server gives a session up


class Row(NamedTuple):
    """A kind of server, and a kind of member."""

    name: str
    start: Callable[[int], AbstractContextManager[Server]]
    member: Callable[[Addr, str], Member]


ROWS = (
    Row("bare sendto", lambda _: bare_server(), lambda addr, nick: SilentlyIn(addr, nick, is_sealed=False)),
    Row("frames in DTLS", lambda count: our_server(f"--max-members={count}"), FramesMember),
)
COLUMNS = ("ms to the last", "x bare", "least ms", "most ms", "ms of CPU", "% lost")


class Reached(NamedTuple):
    """What became of one text."""

    seconds: float  # until the last had it
    used: float  # s of the server's CPU
    lost: float  # the share of members that did not get it


def gather(row: Row, addr: Addr, count: int) -> list[Member]:
    """Let so many come in. What they are told meanwhile nobody reads, so the kernel shall not keep it."""
    members: list[Member] = []
    silent: deque[tuple[float, list[Member]]] = deque()  # since when, the longest silent first
    while len(members) < count:
        places = range(len(members), min(len(members) + GROUP, count))
        group = [row.member(addr, f"m{place}") for place in places]
        bring_in(group)
        buffer(group, 0)
        members += group
        silent.append((time.monotonic(), group))
        while silent[0][0] < time.monotonic() - ALIVE_SECONDS:
            group = silent.popleft()[1]
            wake(group)
            silent.append((time.monotonic(), group))
    return members


def wake(members: Sequence[Member]) -> None:
    """Let all show that they are there."""
    for member in members:
        member.ping()


def buffer(members: Sequence[Member], size: int) -> None:
    """Let the kernel keep so much for each."""
    for member in members:
        member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def drain(members: Sequence[Member]) -> None:
    """Read what has come, and forget it."""
    for member in members:
        for _ in member.heard():
            pass


def say_once(server: Server, members: Sequence[Member], number: int, rest: float) -> Reached:
    """Let one member say a text, and wait until all have it."""
    wake(members)
    time.sleep(rest)
    drain(members)
    used, begun = server.cpu_seconds(), time.time_ns()
    members[number].say(f"#{number}#".ljust(TEXT_BYTES, "x"))
    time.sleep(rest / 2)
    used = server.cpu_seconds() - used
    came: dict[int, int] = {}
    deadline = time.monotonic() + PATIENCE
    while len(came) < len(members) and time.monotonic() < deadline:
        for place, member in enumerate(members):
            for text, at in member.heard():
                if text == number:
                    came.setdefault(place, at)
    if not came:
        raise SystemExit("nobody has heard the text")
    return Reached((max(came.values()) - begun) / 1e9, used, 1 - len(came) / len(members))


def measure(row: Row, count: int, texts: int, rest: float) -> list[Reached]:
    """Measure one row."""
    with row.start(count) as server:
        begun, used = time.monotonic(), server.cpu_seconds()
        members = gather(row, server.addr, count)
        seconds, used = time.monotonic() - begun, server.cpu_seconds() - used
        print(f"{row.name}: {count} came in within {seconds:.0f} s ({used:.1f} s of CPU)", flush=True)
        server.settle(rest)  # it has told everybody who is there
        drain(members)
        buffer(members, BUFFER)
        reached = [say_once(server, members, number, rest) for number in range(texts)]
        close(members)
    return reached


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.reach", description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--texts", type=int, default=5)
    parser.add_argument("--rest", type=float, default=REST_SECONDS, help="seconds between two texts")
    parser.add_argument("--json", action="store_true", help="print the table as JSON, too")
    asked = parser.parse_args(arguments)
    allow_files(asked.members)
    results = {row.name: measure(row, asked.members, asked.texts, asked.rest) for row in ROWS}
    bare = statistics.median(each.seconds for each in results[ROWS[0].name])
    print(f"\none text to {asked.members:,} members, medians of {asked.texts}")
    print(" " * 16, *(f"{column:>15}" for column in COLUMNS))
    rows = []
    for name, reached in results.items():
        seconds = [each.seconds for each in reached]
        figures = [1e3 * statistics.median(seconds), statistics.median(seconds) / bare]
        figures += [1e3 * min(seconds), 1e3 * max(seconds)]
        figures += [1e3 * statistics.median(each.used for each in reached)]
        figures += [100 * statistics.mean(each.lost for each in reached)]
        print(f"{name:16}", *(f"{figure:15.2f}" for figure in figures))
        rounded = (round(figure, 3) for figure in figures)
        rows.append({"row": name, "members": asked.members, **dict(zip(COLUMNS, rounded, strict=True))})
    if asked.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
