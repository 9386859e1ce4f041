"""What a session that is idle costs the server in memory, at each of its doors.

Run it with `python -m benchmarks.sessions`; `--sessions 5000` shows whether the cost stays the same. For each
door a server of its own is started, `twistd udpchat` with its defaults; the members come in and then say
nothing. Their memory is what the process has in RAM then and did not have after the first hundred, divided by
how many came after those. Members at the doors for text are all in the lobby, where each sees the others
come, so that takes a while for thousands; those with frames are spread over rooms of a hundred.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from collections.abc import Callable

from benchmarks.members import FramesMember, Member, allow_files, bring_in, close
from benchmarks.servers import Server, our_server
from chat.hub.hub import MAX_MEMBERS

FIRST = 100  # that make the server load and allocate what it needs once
ROOM = 100
SETTLE_SECONDS = 2.0  # for what is still on its way

DOORS: dict[str, Callable[[tuple[str, int], int], Member]] = {
    "plain": lambda addr, number: Member(addr, f"m{number}", is_sealed=False),
    "text in DTLS": lambda addr, number: Member(addr, f"m{number}", is_sealed=True),
    "frames in DTLS": lambda addr, number: FramesMember(addr, f"m{number}", f"room{number // ROOM}"),
}


def weigh(
    server: Server, make: Callable[[tuple[str, int], int], Member], sessions: int
) -> tuple[float, float]:
    """Give the KiB for each session, and the seconds that it took all of them to come in."""
    begun = time.monotonic()
    members: list[Member] = []
    before = 0
    while len(members) < sessions:
        if len(members) == FIRST:
            before = settled(server)
        group = [
            make(server.addr, len(members) + place) for place in range(min(FIRST, sessions - len(members)))
        ]
        bring_in(group)
        for member in group:  # or what thousands are told would fill the kernel's memory
            member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        members += group
    took = time.monotonic() - begun
    after = settled(server)
    close(members)
    return (after - before) / (sessions - FIRST) / 1024, took


def settled(server: Server) -> int:
    """Give the server's memory once it has nothing to do."""
    used = -1.0
    while server.cpu_seconds() - used > 0.1 * SETTLE_SECONDS:
        used = server.cpu_seconds()
        time.sleep(SETTLE_SECONDS)
    return server.memory()


def main() -> None:
    """Measure each door and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.sessions", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=1_000, help="at most as many as the hub has members")
    parser.add_argument(
        "--doors", nargs="+", choices=DOORS, default=list(DOORS), metavar="DOOR", help="these only"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON, too")
    asked = parser.parse_args()
    if not FIRST < asked.sessions <= MAX_MEMBERS:
        parser.error(f"--sessions: from {FIRST + 1} to {MAX_MEMBERS}")
    allow_files(asked.sessions)
    columns = ("KiB a session", "seconds to come in")
    print(f"{asked.sessions} idle sessions")
    print(" " * 16, *(f"{column:>19}" for column in columns))
    rows = []
    for door in asked.doors:
        with our_server() as server:
            figures = weigh(server, DOORS[door], asked.sessions)
        print(f"{door:16}", *(f"{figure:19.1f}" for figure in figures), flush=True)
        rows.append(
            {"row": door, **dict(zip(columns, (round(figure, 2) for figure in figures), strict=True))}
        )
    if asked.json:
        print(json.dumps({"sessions": asked.sessions, "rows": rows}))


if __name__ == "__main__":
    main()
