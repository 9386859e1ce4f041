"""What a session that is idle costs the server in memory, and what it takes to come in, at each door.

Run it with `python -m benchmarks.sessions`; `--sessions 1000 5000 10000` shows whether it stays the same. For
each figure a server of its own is started, `twistd udpchat` with its defaults but for `--max-members`; the
members come in, 32 at a time, and then say nothing. Their memory is what the process has in RAM then and did
not have after the first hundred, divided by how many came after those; so are the seconds.

Everybody goes to a room of a hundred, since each newcomer is shown to all others in its room: those with
frames straight there, the others by way of the lobby, as their door wants it. A handshake costs the load as
much as the server: with DTLS a processor each is busy, and `joins/s` is what both do together.
"""

from __future__ import annotations

import argparse
import json
import socket
import time
from collections.abc import Callable, Sequence

from benchmarks.members import Addr, FramesMember, Member, allow_files, bring_in, close
from benchmarks.servers import Server, our_server

FIRST = 100  # that make the server load and allocate what it needs once
ROOM = 100
SETTLE_SECONDS = 2.0  # for what is still on its way
COLUMNS = ("KiB a session", "joins/s", "ms of CPU a join")


class Roomed(Member):
    """One who speaks text and goes on from the lobby to a room."""

    def __init__(self, addr: Addr, number: int, *, is_sealed: bool) -> None:
        super().__init__(addr, f"m{number}", is_sealed=is_sealed)
        self._room = room_of(number)

    def greeting(self) -> bytes:
        """Give a datagram that comes in and goes there."""
        return f"{self.nick}\n/join {self._room}\n/part lobby\n".encode()

    def is_welcome(self, plaintext: bytes) -> bool:
        """Say whether it is in its room."""
        return f"{self.nick} has joined {self._room}".encode() in plaintext


def room_of(number: int) -> str:
    """Give the room of member number so-and-so."""
    return f"room{number // ROOM}"


DOORS: dict[str, Callable[[Addr, int], Member]] = {
    "plain": lambda addr, number: Roomed(addr, number, is_sealed=False),
    "text in DTLS": lambda addr, number: Roomed(addr, number, is_sealed=True),
    "frames in DTLS": lambda addr, number: FramesMember(addr, f"m{number}", room_of(number)),
}


def weigh(server: Server, make: Callable[[Addr, int], Member], sessions: int) -> tuple[float, ...]:
    """Let members come in, and give the figures of `COLUMNS`."""
    members: list[Member] = []
    before, took, used = 0, 0.0, 0.0
    while len(members) < sessions:
        if len(members) == FIRST:
            before, took, used = settled(server), 0.0, server.cpu_seconds()
        places = range(len(members), min(len(members) + FIRST, sessions))
        group = [make(server.addr, place) for place in places]
        begun = time.monotonic()
        bring_in(group)
        took += time.monotonic() - begun
        for member in group:  # or what thousands are told would fill the kernel's memory
            member.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        members += group
    used = server.cpu_seconds() - used
    counted = sessions - FIRST
    after = settled(server)
    close(members)
    return ((after - before) / counted / 1024, counted / took, 1e3 * used / counted)


def settled(server: Server) -> int:
    """Give the server's memory once it has nothing to do."""
    server.settle(SETTLE_SECONDS)
    return server.memory()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each door and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.sessions", description=__doc__.split("\n\n")[0])
    parser.add_argument("--sessions", type=int, nargs="+", default=[1_000], metavar="N", help="more than 100")
    parser.add_argument(
        "--doors", nargs="+", choices=DOORS, default=list(DOORS), metavar="DOOR", help="these only"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON, too")
    asked = parser.parse_args(arguments)
    if min(asked.sessions) <= FIRST:
        parser.error(f"--sessions: more than {FIRST}")
    allow_files(max(asked.sessions))
    print(" " * 24, *(f"{column:>17}" for column in COLUMNS))
    rows = []
    for sessions in asked.sessions:
        for door in asked.doors:
            with our_server(f"--max-members={sessions}", f"--max-plain={sessions}") as server:
                figures = weigh(server, DOORS[door], sessions)
            print(f"{sessions:7,} {door:16}", *(f"{figure:17.1f}" for figure in figures), flush=True)
            named = dict(zip(COLUMNS, (round(figure, 3) for figure in figures), strict=True))
            rows.append({"row": door, "sessions": sessions, **named})
    if asked.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
