"""What one delivery costs the server: our doors beside loops that do the least, and beside other chats.

Run it with `python -m benchmarks.fanout`; `--help` shows what can be varied. Servers are started on loopback,
each in a process of its own, one after the other and in turn: ours as `twistd udpchat` runs it, with its log
going to a file, once for each door; a loop around `recvfrom` that does nothing but `sendto` every member; one
that does the same with the text sealed for each member; and those of `benchmarks.others` that are installed.
The same load goes to all of them, in two forms:

- paced: so many texts a second (`--rate`), one member after the other;
- a burst: all members say their share of `--burst-texts` as fast as they can. One who speaks frames has at
  most 8 texts without an answer, as the protocol wants; all others send all at once. Whoever speaks frames
  and lacks a text when nothing comes any more fetches it, and the server's time for that counts. It is the
  load's own small code that fetches, not the project's client, which would be too slow 200 times.

The cost is CPU time (user and system) of the server process alone, with its threads and children, divided by
the texts that members received. Latency is from just before a text is sent (in a burst: given to the member)
until the kernel has it in a member's socket, so it does not matter how long the load needs to read it; what a
member reads from a TCP socket at once has the time of the last of it.

All members are in one process: at 200 of them it has about one processor to itself. It reads between two
texts, and says so if it cannot keep up with the rate, since the figures would then be those of a slower load.
A server that cannot keep up is seen by its latency: what has come within a second of the one before is late,
not lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import others
from benchmarks.members import FramesMember, Member, SilentlyIn, Speaker, allow_files, bring_in, close
from benchmarks.picture import bars
from benchmarks.servers import BARE_DTLS, Server, bare_server, commit_seconds, our_server
from chat.limits import CAPS, RATES, Limit

TEXT_BYTES = 70
QUIET_SECONDS = 1.0  # in which nothing came: then nothing is on its way any more
SLIPPED_SECONDS = 0.05  # that the load may be behind its rate at the end
SHARES = (0.5, 0.99, 1)  # of latencies: the median, the 99th percentile, the most
COMMITS = 50  # in each turn, to know the disk
REPAIRS = 20  # pages that one member fetches at most
OUR_MOST = 5_000  # members without an option


class Load(NamedTuple):
    """What members do: so many, so many texts (`rate` 0: at once), until it is silent."""

    members: int
    texts: int
    rate: float
    quiet: float = QUIET_SECONDS

    @property
    def is_too_fast(self) -> bool:
        """Say whether our limit on lines has to be lifted."""
        lines = RATES[Limit.LINES]
        if not self.rate:
            return self.texts > lines.burst * self.members
        return self.rate > lines.each_second * self.members

    @property
    def title(self) -> str:
        """Say it."""
        how = f"{self.rate:g} texts a second" if self.rate else f"a burst of {self.texts:,}"
        lifted = ", ours with --limit=lines=0" if self.is_too_fast else ""
        return f"{self.members} members, {how}, {TEXT_BYTES} bytes each{lifted}"


def ours(load: Load) -> AbstractContextManager[Server]:
    """Run our server, for more than its default of members, and of lines a second, if need be."""
    many = [f"--max-members={load.members}"] if load.members > OUR_MOST else []
    plain = [f"--max-plain={load.members}"] if load.members > CAPS.plain else []
    return our_server(*many, *plain, *(["--limit=lines=0"] if load.is_too_fast else []))


class Row(NamedTuple):
    """A kind of server, and a kind of member."""

    name: str
    start: Callable[[Load], AbstractContextManager[Server]]
    member: Callable[[tuple[str, int], str], Speaker]
    echoes: bool = True  # a sender gets its own texts
    program: str = ""  # that has to be installed


BARE = "bare loop"  # the rows that all are compared with
OTHER = "ngIRCd"
ROWS = (
    Row(BARE, lambda _: bare_server(), lambda addr, nick: SilentlyIn(addr, nick, is_sealed=False)),
    Row("plain", ours, lambda addr, nick: Member(addr, nick, is_sealed=False)),
    Row(
        "plain, no line ends",
        ours,
        lambda addr, nick: Member(addr, nick, is_sealed=False, line_end=b""),
    ),
    Row(
        "bare loop, DTLS",
        lambda _: bare_server(BARE_DTLS),
        lambda addr, nick: SilentlyIn(addr, nick, is_sealed=True),
    ),
    Row("text in DTLS", ours, lambda addr, nick: Member(addr, nick, is_sealed=True)),
    Row("frames in DTLS", ours, FramesMember),
    Row(OTHER, lambda _: others.ngircd(), others.Irc, echoes=False, program="ngircd"),
    Row("InspIRCd", lambda _: others.inspircd(), others.Irc, echoes=False, program="inspircd"),
    Row("NATS", lambda _: others.nats(), others.Nats, program="nats-server"),
    Row("mosquitto", lambda _: others.mosquitto(), others.Mqtt, program="mosquitto"),
)
COLUMNS = (
    "us/delivery",
    "x bare",
    "least",
    "most",
    "x ngIRCd",
    "% lost",
    "p50 ms",
    "p99 ms",
    "max ms",
    "MiB",
)


class Result(NamedTuple):
    """What one run has measured."""

    cost: float  # us of CPU for each delivery
    lost: float  # the share of deliveries that did not come
    latency: tuple[float, float, float]  # ms: median, 99th percentile, most
    memory: float  # MiB
    slipped: float  # s that the load was late at the end
    repaired: int  # pages that were fetched


class Ears:
    """What the members hear, read a member at a time whenever there is time for it."""

    def __init__(self, members: Sequence[Speaker], texts: int, quiet: float = QUIET_SECONDS) -> None:
        self.quiet = quiet
        self.delays: list[int] = []  # ns
        self.sent = [0] * texts  # ns since 1970
        self._members = members
        self._has = [bytearray(texts) for _ in members]  # which texts each has heard
        self._next = 0

    def listen(self) -> None:
        """Read what the next member has. A text that comes again counts once."""
        place = self._next
        has = self._has[place]
        for number, came in self._members[place].heard():
            if not has[number]:
                has[number] = 1
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

    def listen_till_quiet(self) -> None:
        """Go round until nothing comes any more: a server that is behind gets the time that it needs."""
        came = -1
        while len(self.delays) > came:
            came = len(self.delays)
            self.listen_until(time.monotonic() + self.quiet)

    def repair(self) -> int:
        """Let those fetch who lack something and can; give how many pages were asked for."""
        pages = 0
        for _ in range(REPAIRS):
            lacking = [
                member
                for member, has in zip(self._members, self._has, strict=True)
                if isinstance(member, FramesMember) and not all(has)
            ]
            for member in lacking:
                member.repair()
            pages += len(lacking)
            if lacking:
                self.listen_until(time.monotonic() + self.quiet)
        return pages


def pace(members: Sequence[Speaker], ears: Ears, load: Load) -> float:
    """Say the texts at their rate; give the seconds that we were late in the end."""
    started = time.monotonic()
    for number in range(load.texts):
        ears.sent[number] = time.time_ns()
        members[number % len(members)].say(text_of(number))
        ears.listen_until(started + (number + 1) / load.rate)
    return time.monotonic() - started - load.texts / load.rate


def burst(members: Sequence[Speaker], ears: Ears, load: Load) -> float:
    """Let each member say its share at once."""
    for place, member in enumerate(members):
        numbers = range(place, load.texts, len(members))
        now = time.time_ns()
        for number in numbers:
            ears.sent[number] = now
        member.say_all([text_of(number) for number in numbers])
    return 0.0


def text_of(number: int) -> str:
    """Give text number so-and-so."""
    return f"#{number}#".ljust(TEXT_BYTES, "x")


def run(server: Server, row: Row, load: Load) -> Result:
    """Let members come in and talk."""
    members = [row.member(server.addr, f"m{number}") for number in range(load.members)]
    bring_in(members)
    ears = Ears(members, load.texts, load.quiet)
    ears.listen_until(time.monotonic() + load.quiet)
    before = server.cpu_seconds()
    slipped = (pace if load.rate else burst)(members, ears, load)
    ears.listen_till_quiet()
    repaired = 0 if load.rate else ears.repair()
    used = server.cpu_seconds() - before
    memory = server.memory() / 2**20
    close(members)
    delays = ears.delays
    if not delays:
        raise SystemExit(f"{row.name}: nothing was delivered")
    latency = [part(delays, share) / 1e6 for share in SHARES]
    lost = 1 - len(delays) / (load.texts * (load.members - (not row.echoes)))
    cost = used / len(delays) * 1e6
    return Result(cost, lost, (latency[0], latency[1], latency[2]), memory, slipped, repaired)


def measure(row: Row, load: Load, turn: int) -> Result:
    """Measure one row once, and print what came of it."""
    with row.start(load) as server:
        result = run(server, row, load)
    notes = [f"{result.cost:6.2f} us", f"{result.lost:.2%} lost"]
    if result.slipped > SLIPPED_SECONDS:
        notes.append(f"the load was {result.slipped:.1f} s late")
    if result.repaired:
        notes.append(f"{result.repaired} pages fetched")
    print(f"run {turn + 1} {row.name:16} {', '.join(notes)}", flush=True)
    return result


def table(results: dict[str, list[Result]]) -> list[dict[str, Any]]:
    """Give the rows of the table: medians, and the ratios of each run to what was measured beside it."""
    rows: list[dict[str, Any]] = []
    for name, runs in results.items():
        ratios = ratio(runs, results[BARE])
        beside = ratio(runs, results.get(OTHER, []))
        figures = (
            statistics.median(run.cost for run in runs),
            statistics.median(ratios),
            min(ratios),
            max(ratios),
            statistics.median(beside) if beside else None,
            100 * statistics.mean(run.lost for run in runs),
            *(statistics.median(run.latency[place] for run in runs) for place in range(3)),
            statistics.median(run.memory for run in runs),
        )
        rounded = [None if figure is None else round(figure, 3) for figure in figures]
        rows.append({"row": name, **dict(zip(COLUMNS, rounded, strict=True))})
    return rows


def ratio(mine: Sequence[Result], theirs: Sequence[Result]) -> list[float]:
    """Give how many times theirs mine cost, turn by turn."""
    return [one.cost / other.cost for one, other in zip(mine, theirs, strict=False)]


def part(figures: Sequence[float], share: float) -> float:
    """Give the figure below which so large a share of them is."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(load: Load, rows: Sequence[dict[str, Any]], disk: Sequence[float]) -> None:
    """Print the table, and what one commit takes on this `disk`: ours shows nobody what is not stored."""
    print(f"\n{load.title}, medians")
    print(" " * 16, *(f"{column:>11}" for column in COLUMNS))
    for row in rows:
        figures = ("-" if row[column] is None else f"{row[column]:.2f}" for column in COLUMNS)
        print(f"{row['row']:16}", *(f"{figure:>11}" for figure in figures))
    p50, p99, most = disk
    print(f"one commit on this disk: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {most:.2f} ms\n", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks.fanout", description=__doc__.split("\n\n")[0])
    names = [row.name for row in ROWS]
    parser.add_argument("--members", type=int, nargs="+", default=[200], metavar="N")
    parser.add_argument("--rate", type=float, default=150.0, help="texts a second")
    parser.add_argument("--messages", type=int, default=1_500, help="texts in one paced run")
    parser.add_argument("--burst-texts", type=int, default=3_000, help="texts in one burst")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--paced", action="store_true", help="no burst")
    only.add_argument("--burst", action="store_true", help="a burst only")
    parser.add_argument(
        "--quiet", type=float, default=QUIET_SECONDS, help="seconds of silence that end a run"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--rows", nargs="+", choices=names, metavar="ROW", help=f"these and the bare loop only, of {names}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables and all runs as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the costs as SVG")
    return parser.parse_args(arguments)


def chosen(asked: argparse.Namespace) -> list[Row]:
    """Give the rows to be measured; say which cannot be."""
    rows = [row for row in ROWS if not asked.rows or row.name in (*asked.rows, BARE)]
    for row in rows:
        if row.program and others.path_of(row.program) is None:
            print(f"{row.name}: left out, there is no {row.program} here")
    return [row for row in rows if not row.program or others.path_of(row.program) is not None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all in turn and print the tables."""
    asked = parse(arguments)
    allow_files(max(asked.members))
    rows = chosen(asked)
    tables = []
    for members in asked.members:
        loads = [] if asked.burst else [Load(members, asked.messages, asked.rate, asked.quiet)]
        loads += [] if asked.paced else [Load(members, asked.burst_texts, 0.0, asked.quiet)]
        for load in loads:
            results: dict[str, list[Result]] = defaultdict(list)
            commits: list[float] = []
            for turn in range(asked.runs):
                commits += commit_seconds(COMMITS)
                for row in rows:
                    results[row.name].append(measure(row, load, turn))
            disk = [round(1000 * part(commits, share), 3) for share in SHARES]
            table_of_load = {"title": load.title, "rows": table(results), "runs": results, "commit ms": disk}
            tables.append({**load._asdict(), **table_of_load})
            show(load, tables[-1]["rows"], disk)
            if asked.json:  # what was measured is kept if the next load is interrupted
                asked.json.write_text(json.dumps(tables, indent=1))
    if asked.plot:
        groups = [(each["title"], [(row["row"], row[COLUMNS[0]]) for row in each["rows"]]) for each in tables]
        asked.plot.write_text(bars("us of CPU per delivery", groups))


if __name__ == "__main__":
    main()
