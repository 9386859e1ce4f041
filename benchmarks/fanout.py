"""What one delivery costs the server: 200 members, 150 messages a second, beside loops that do the least.

Run it with `python -m benchmarks.fanout`; `--help` shows what can be varied. Servers are started on loopback,
each in a process of its own, one after the other and in turn: ours as `twistd udpchat` runs it, with its log
going to a file, once for each door; a loop around `recvfrom` that does nothing but `sendto` every member; and
one that does the same with the text sealed for each member. The same load goes to all of them.

The cost is CPU time (user and system) of the server process alone, divided by the texts that the members
received. Latency is from just before a text is sent until the kernel has it in a member's socket, so it does
not matter how long the load needs to read it. All members are in one process: at 200 of them it has about
one processor to itself. It reads between two texts, and says so if it cannot keep up with the rate, since the
figures would then be those of a slower load. A server that cannot keep up is seen by its latency: what has
come within a second of the one before is late, not lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from benchmarks.members import FramesMember, Member, SilentlyIn, allow_files, bring_in, close
from benchmarks.servers import BARE_DTLS, Server, bare_server, our_server

TEXT_BYTES = 70
QUIET_SECONDS = 1.0  # in which nothing came: then nothing is on its way any more
SLIPPED_SECONDS = 0.05  # that the load may be behind its rate at the end


class Row(NamedTuple):
    """A kind of server, and a kind of member."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    member: Callable[[tuple[str, int], str], Member]


BESIDE = "bare loop"  # the row that all are compared with
ROWS = (
    Row(BESIDE, bare_server, lambda addr, nick: SilentlyIn(addr, nick, is_sealed=False)),
    Row("plain", our_server, lambda addr, nick: Member(addr, nick, is_sealed=False)),
    Row(
        "bare loop, DTLS",
        lambda: bare_server(BARE_DTLS),
        lambda addr, nick: SilentlyIn(addr, nick, is_sealed=True),
    ),
    Row("text in DTLS", our_server, lambda addr, nick: Member(addr, nick, is_sealed=True)),
    Row("frames in DTLS", our_server, FramesMember),
)


class Result(NamedTuple):
    """What one run has measured."""

    cost: float  # us of CPU for each delivery
    lost: float  # the share of deliveries that did not come
    latency: tuple[float, float, float]  # ms: median, 99th percentile, most
    slipped: float  # s that the load was late at the end


class Ears:
    """What the members hear, read a member at a time whenever there is time for it."""

    def __init__(self, members: Sequence[Member], messages: int) -> None:
        self.delays: list[int] = []  # ns
        self.sent = [0] * messages  # ns since 1970
        self._members = members
        self._newest = [-1] * len(members)  # the number of the last text that each has heard
        self._next = 0

    def listen(self) -> None:
        """Read what the next member has. A text that is said again counts once."""
        place = self._next
        for number, came in self._members[place].heard():
            if number > self._newest[place]:
                self._newest[place] = number
                self.delays.append(came - self.sent[number])
        self._next = (place + 1) % len(self._members)

    def listen_until(self, end: float) -> None:
        """Go round the members until that time; sleep when all have been read."""
        while time.monotonic() < end:
            for _ in range(len(self._members)):
                self.listen()
                if time.monotonic() >= end:
                    return
            time.sleep(min(0.001, max(0.0, end - time.monotonic())))


def run(server: Server, row: Row, count: int, messages: int, rate: float) -> Result:
    """Let `count` members come in and say `messages` texts."""
    members = [row.member(server.addr, f"m{number}") for number in range(count)]
    bring_in(members)
    ears = Ears(members, messages)
    ears.listen_until(time.monotonic() + QUIET_SECONDS)
    before = server.cpu_seconds()
    started = time.monotonic()
    for number in range(messages):
        text = f"#{number}#".ljust(TEXT_BYTES, "x")
        ears.sent[number] = time.time_ns()
        members[number % count].say(text)
        ears.listen_until(started + (number + 1) / rate)
    slipped = time.monotonic() - started - messages / rate
    came = -1
    while len(ears.delays) > came:  # a server that is behind gets the time that it needs
        came = len(ears.delays)
        ears.listen_until(time.monotonic() + QUIET_SECONDS)
    used = server.cpu_seconds() - before
    close(members)
    delays = sorted(ears.delays)
    if not delays:
        raise SystemExit(f"{row.name}: nothing was delivered")
    latency = [delays[min(len(delays) - 1, int(part * len(delays)))] / 1e6 for part in (0.5, 0.99, 1)]
    lost = 1 - len(delays) / (messages * count)
    return Result(used / len(delays) * 1e6, lost, (latency[0], latency[1], latency[2]), slipped)


def show(results: dict[str, list[Result]]) -> list[dict[str, object]]:
    """Print the table, of medians; give its rows."""
    columns = ("us/delivery", "ratio", "least", "most", "% lost", "p50 ms", "p99 ms", "max ms")
    print(" " * 16, *(f"{column:>11}" for column in columns))
    rows: list[dict[str, object]] = []
    for row in ROWS:
        runs = results.get(row.name)
        if not runs:
            continue
        ratios = [mine.cost / bare.cost for mine, bare in zip(runs, results[BESIDE], strict=True)]
        figures = [
            statistics.median(run.cost for run in runs),
            statistics.median(ratios),
            min(ratios),
            max(ratios),
            100 * statistics.mean(run.lost for run in runs),
            *(statistics.median(run.latency[place] for run in runs) for place in range(3)),
        ]
        print(f"{row.name:16}", *(f"{figure:11.2f}" for figure in figures))
        rounded = [round(figure, 3) for figure in figures]
        rows.append({"row": row.name, **dict(zip(columns, rounded, strict=True))})
    return rows


def main() -> None:
    """Measure all in turn and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.fanout", description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--rate", type=float, default=150.0, help="texts a second")
    parser.add_argument("--messages", type=int, default=1_500, help="texts in one run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--rows", nargs="+", choices=[row.name for row in ROWS], metavar="ROW", help="these only"
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON, too")
    asked = parser.parse_args()
    allow_files(asked.members)
    results: dict[str, list[Result]] = defaultdict(list)
    for turn in range(asked.runs):
        for row in ROWS:
            if asked.rows and row.name not in (*asked.rows, BESIDE):
                continue
            with row.start() as server:
                result = run(server, row, asked.members, asked.messages, asked.rate)
            results[row.name].append(result)
            late = f", the load was {result.slipped:.1f} s late" if result.slipped > SLIPPED_SECONDS else ""
            print(
                f"run {turn + 1} {row.name:16} {result.cost:6.2f} us, {result.lost:.2%} lost{late}",
                flush=True,
            )
    print(f"\n{asked.members} members, {asked.rate:.0f} texts of {TEXT_BYTES} bytes a second, medians")
    rows = show(results)
    if asked.json:
        print(json.dumps({"members": asked.members, "rate": asked.rate, "rows": rows}))


if __name__ == "__main__":
    main()
