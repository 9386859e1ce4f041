"""One run: a server, its clients, the network between them, and what befalls them, all from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.logger import Logger, LogLevel

from chat.errors import RemoteProtocolError
from chat.wire.frames import decode_replies, decode_requests
from tests.checker import Checker, Violation, log_of
from tests.simulation.clock import Heap
from tests.simulation.native import Program
from tests.simulation.network import Network
from tests.simulation.plain import PlainClient
from tests.simulation.scenario import Parts, Scenario, draw, draw_path
from tests.simulation.server import ServerMachine
from tests.simulation.trace import Trace
from tests.stub_channel import TEXT, open_sealed

START = 1_700_000_000.0  # what the wall clock says at the beginning
HOUR = 3_600.0
STILL_SECONDS = 0.1  # with nothing sent: more than sessions hold frames back for
NEWS_SECONDS = 10.0  # to wait for such a moment at most: pings alone leave many
DOINGS = (
    "say",
    "say",
    "say",
    "say",
    "say",
    "say",
    "tell",
    "tell",
    "part",
    "join",
    "topic",
    "nick",
    "names",
    "rooms",
    "back",
)


class Failed(AssertionError):
    """A run broke a guarantee, or the product had a bug that it logged or raised."""


def read(datagram: bytes) -> str:
    """Give a datagram as people read it."""
    opened = open_sealed(datagram)
    if opened is None:
        return repr(datagram)
    kind, session, number, plaintext = opened
    if kind != TEXT:
        return f"{('', 'HELLO', 'WELCOME', '', 'ALERT', 'GOODBYE')[kind]} {session.hex()}"
    shown: list[Any] = []
    for decode in (decode_requests, decode_replies):
        try:
            shown += decode(plaintext)
        except RemoteProtocolError:
            shown.append("?")
    return f"{session.hex()[:4]} {number}: " + " ".join(map(str, shown))


@contextmanager
def bugs() -> Iterator[list[str]]:
    """Give the list of what the product logs as a bug of its own; nothing else is logged meanwhile."""
    found: list[str] = []
    emit = Logger.emit

    def listen(_: Logger, level: Any, template: str | None = None, **fields: Any) -> None:
        if level is LogLevel.critical or "log_failure" in fields:
            failure = fields.get("log_failure")
            found.append(f"{template} {failure.getTraceback() if failure else fields}")

    Logger.emit = listen  # type: ignore[method-assign,assignment]
    try:
        yield found
    finally:
        Logger.emit = emit  # type: ignore[method-assign]


class World:
    """One run. `run` raises `Failed` with what is wrong."""

    def __init__(
        self,
        seed: int,
        scenario: Scenario | None = None,
        parts: Parts | None = None,
        *,
        is_traced: bool = False,
        checker: Checker | None = None,
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.heap = Heap()
        self.trace = Trace(self.heap, read, is_traced)
        self.checker = checker or Checker()
        self.parts = parts or Parts()
        self.scenario = scenario or draw(self.rng)
        self.network = Network(self.heap, self.rng, self.trace)
        self.is_calm = False
        self.wall_offset = 0.0
        self.disk = self.parts.disk(self.scenario.disk, self.scenario.kept, self.wall, self.checker, self.rng)
        self.server = ServerMachine(self)
        self.programs: list[Program] = []
        self._runs: dict[str, list[str]] = {}  # the programs that began with a nick
        self.plains: list[PlainClient] = []

    def wall(self) -> float:
        """Give the wall clock's time."""
        return START + self.wall_offset + self.heap.now

    def note(self, who: str, what: str) -> None:
        """Take note of an event."""
        self.trace.note(who, what)

    def run(self) -> None:
        """Run from beginning to end."""
        with bugs() as found:
            try:
                self._begin()
                self.heap.run_until(self.scenario.seconds)
                self._calm_down()
                self.heap.run_until(self.scenario.seconds + self.scenario.calm)
                self._let_news_arrive()
                self._finish()
            except Violation as violation:
                raise self.failed(str(violation)) from violation
            except Exception as error:
                raise self.failed(f"{type(error).__name__}: {error}") from error
            if found:
                raise self.failed("\n".join(found))

    def failed(self, what: str) -> Failed:
        """Give the error that says what went wrong, and how to see it again."""
        return Failed(
            f"{what}\n  seed {self.seed}, at {self.heap.now:.3f} s: {self.scenario}\n"
            f"  again: python -m tests.simulation --seed {self.seed} --trace"
        )

    # --- the beginning

    def _begin(self) -> None:
        scenario, rng = self.scenario, self.rng
        self.disk.faults = scenario.faults
        self.server.start()
        if scenario.is_scripted:
            return
        for number in range(scenario.natives + scenario.plains):
            host = f"10.0.1.{number}"
            paths = [
                scenario.path(rng) if scenario.path else draw_path(scenario.faults, rng) for _ in range(2)
            ]
            self.network.connect(host, paths[0], paths[1])
            start = 2 * rng.random()
            if number < scenario.natives:
                self.programs.append(self._program(host, number, 1))
                self.heap.at(start, lambda number=number: self._arrive(number))  # type: ignore[misc]
                self._again(start + rng.random(), lambda number=number: self._act(number))  # type: ignore[misc]
            else:
                plain = PlainClient(self, host, number)
                self.plains.append(plain)
                self.heap.at(start, plain.start)
                self._again(start + 1, plain.act)
        for fault in sorted(scenario.faults):
            if fault in _FAULTS:
                pause = _FAULTS[fault][0]
                self._again(pause * rng.random(), lambda fault=fault: _FAULTS[fault][1](self), pause)  # type: ignore[misc]

    def _program(self, host: str, number: int, run: int) -> Program:
        key = host.encode().ljust(32, b".") if number % 2 else b""  # who has one owns its nick
        nick = f"native{number}"
        if key:
            self.checker.readers[f"@{nick}"] = log_of(key)
        self._runs.setdefault(nick, []).append(f"c{number}.{run}")
        return Program(self, host, f"c{number}.{run}", nick, 10_000 + 1_000 * run, key)

    def called(self, nick: str) -> set[str]:
        """Give the programs that may ever have been called so: they begin so, and put letters behind it."""
        return {name for first, names in self._runs.items() if nick.startswith(first) for name in names}

    def _again(self, at: float, act: Callable[[], object], pause: float | None = None) -> None:
        """Do something at random moments until the calm."""

        def go() -> None:
            if not self.is_calm:
                act()
                self.heap.at(self.heap.now + self.rng.expovariate(1 / (pause or self.scenario.pause)), go)

        self.heap.at(at, go)

    # --- what clients do

    def _arrive(self, number: int) -> None:
        program = self.programs[number]
        for room in self.rng.sample(
            self.scenario.rooms, self.rng.randint(1, min(3, len(self.scenario.rooms)))
        ):
            program.join(room)
        program.connect()

    def _act(self, number: int) -> None:
        program, rng = self.programs[number], self.rng
        if program.is_asleep or program.has_left:
            return
        rooms = sorted(program.wanted)
        what = "say" if self.scenario.only_talk else rng.choice(DOINGS)
        if what == "join" or not rooms:
            program.join(rng.choice(self.scenario.rooms))
        elif what == "part":
            if rng.random() < 0.5:
                program.part(rng.choice(rooms))
        elif what == "say":
            room = rng.choice(rooms)
            for _ in range(rng.choice((1, 1, 1, 2, 5))):
                program.say(room if rng.random() < 0.8 else rng.choice(self.scenario.rooms))
        elif what == "tell":
            for _ in range(rng.choice((1, 1, 2, 5))):
                program.say(rng.choice(sorted(self.checker.readers)))
        else:
            program.ask(what, rng.choice(rooms))

    # --- what befalls them

    def kill(self) -> None:
        """Kill the server; it is back some time later."""
        self.server.kill()
        self.heap.at(self.heap.now + self.rng.choice((0.1, 0.5, 3.0)), self.server.start)

    def restart(self) -> None:
        """Restart the server gracefully."""
        self.server.restart()

    def step(self) -> None:
        """Set the wall clock; never back where positions would be given out twice by a store's own law."""
        back = -HOUR if self.scenario.disk == "keeps all" else 0.0
        self.wall_offset += self.rng.choice((back, HOUR))
        self.note("wall", f"is {self.wall_offset:+} s off")

    def cut(self) -> None:
        """Cut a path, in one direction or both, for up to eight seconds."""
        rng = self.rng
        clients: list[Program | PlainClient] = [*self.programs, *self.plains]
        host = rng.choice(clients).host
        up, down = self.network.paths(host)
        cut = rng.choice(([up], [down], [up, down]))
        for path in cut:
            path.blocked += 1
        self.note(host, f"is cut off, {len(cut)}")

        def mend() -> None:
            for path in cut:
                path.blocked = max(path.blocked - 1, 0)

        self.heap.at(self.heap.now + rng.choice((0.5, 3.0, 8.0)) * rng.random(), mend)

    def sleep(self) -> None:
        """Let a client sleep."""
        program = self._anybody()
        if program is not None and not program.is_asleep:
            self.note(program.name, "sleeps")
            program.sleep()
            self.heap.at(self.heap.now + 1 + self.scenario.sleep_most * self.rng.random(), program.wake)

    def roam(self) -> None:
        """Give a client another address."""
        program = self._anybody()
        if program is not None:
            self.note(program.name, "has another address")
            program.move()

    def reconnect(self) -> None:
        """Let a client make a new channel without need."""
        program = self._anybody()
        if program is not None and not program.is_asleep:
            program.connect()

    def quit(self) -> None:
        """End a program; its user starts it again."""
        program = self._anybody()
        if program is None:
            return
        self.note(program.name, "ends")
        program.quit(politely=self.rng.random() < 0.5)
        number = self.programs.index(program)
        run = int(program.name.partition(".")[2]) + 1
        self.heap.at(self.heap.now + 1 + self.rng.random(), lambda: self._next_run(number, run))

    def _next_run(self, number: int, run: int) -> None:
        self.programs[number] = self._program(self.programs[number].host, number, run)
        self._arrive(number)

    def _anybody(self) -> Program | None:
        running = [program for program in self.programs if program.is_started and not program.has_left]
        return self.rng.choice(running) if running else None

    # --- the end

    def _calm_down(self) -> None:
        self.note("world", "is calm")
        self.is_calm = True
        self.network.heal()
        self.disk.faults = frozenset()
        self.server.start()
        for program in self.programs:
            program.wake()

    def _let_news_arrive(self) -> None:
        """Run on while something is under way: the server may have told of a change at the last moment.

        That somebody is away in a large room is told to nobody: a ping each brings it about that all know. A
        room has more members than there are programs: who was killed may be in for a while yet.
        """
        latest = self.heap.now + NEWS_SECONDS
        shown = [lines for room in self.scenario.rooms for lines in self._rosters(room).values()]
        is_crowd = any(len(lines) > self.scenario.crowd for lines in shown)
        while self.heap.now < latest and not (self._is_still() and (self._agree() or not is_crowd)):
            self.heap.run_until(self.heap.now + STILL_SECONDS)

    def _agree(self) -> bool:
        return all(
            len({tuple(lines) for lines in self._rosters(room).values()}) <= 1 for room in self.scenario.rooms
        )

    def _rosters(self, room: str) -> dict[str, list[tuple[str, bool]]]:
        """Give what the programs that are in a room show of who else is, as far as they do."""
        there = [program for program in self.programs if not program.has_left and room in program.wanted]
        rosters = {program.name: program.roster(room) for program in there}
        return {name: lines for name, lines in rosters.items() if lines is not None}

    def _is_still(self) -> bool:
        network = self.network
        rosters = [
            roster
            for program in self.programs
            for room in program.wanted
            if (roster := program.session.roster(room)) is not None
        ]
        return (
            not network.under_way
            and network.last_sent <= self.heap.now - STILL_SECONDS
            and all(roster.next_timeout() is None for roster in rosters)
        )

    def _finish(self) -> None:
        if self.network.too_large:
            raise Violation("P3", f"datagrams that are too large: {self.network.too_large}")
        self.disk.look()
        running = [program for program in self.programs if not program.has_left]
        for program in running:
            if not program.is_in:
                raise Violation("N7", f"at the end {program.name} is not connected")
            self.checker.finished(program.name, program.reading)
            for room in sorted(program.reading):
                if program.session.logs[room].next_timeout() is not None:
                    raise Violation("N6", f"at the end {program.name} still wants something of {room}")
        for room in self.scenario.rooms:
            there = [program for program in running if room in program.wanted]
            nicks = {program.session.nick for program in there}
            self.checker.rosters(room, nicks, self._rosters(room))


_FAULTS: dict[str, tuple[float, Callable[[World], None]]] = {  # the mean seconds between two, and what it is
    "cut": (6.0, World.cut),
    "kill": (15.0, World.kill),
    "graceful": (20.0, World.restart),
    "sleep": (8.0, World.sleep),
    "roam": (6.0, World.roam),
    "reconnect": (6.0, World.reconnect),
    "quit": (10.0, World.quit),
    "step": (10.0, World.step),
}
