"""How long it takes until what was accepted is shown: a checker that measures, and the runs it measures."""

from __future__ import annotations

import random
from dataclasses import replace

from chat.messages import Entry, Joined
from chat.stored import Fact
from chat.wire.pulse import QUIET_SECONDS
from chat.wire.sequence import Shown
from tests.checker import Checker, Text
from tests.simulation.network import Path
from tests.simulation.scenario import Parts, Scenario
from tests.simulation.world import World

WARM_SECONDS = 6.0  # in which everybody is in; what is said before is not measured


class Stopwatch(Checker):
    """Also notes when each entry was stored, and when each program showed it. `world` has the time."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.seconds: list[float] = []  # of each (entry, program) that was shown
        self.answers: list[float] = []  # of each text, from being typed until its answer
        self.joins: list[float] = []  # of each program's first room, from its beginning
        self._began: dict[str, float] = {}
        self._in_since: dict[str, float] = {}
        self._asked_at: dict[tuple[bytes, int], float] = {}
        self._stored_at: dict[tuple[str, int], float] = {}

    def stored(self, fact: Fact) -> None:
        """Note when an entry was stored."""
        super().stored(fact)
        self._stored_at[fact.entry.room, fact.entry.seq] = self._now()

    def appeared(self, name: str, room: str, shown: Shown) -> None:
        """Note how long it took."""
        super().appeared(name, room, shown)
        if isinstance(shown, Entry):
            stored_at = self._stored_at[room, shown.seq]
            if stored_at > max(WARM_SECONDS, self._in_since[name]):
                self.seconds.append(self._now() - stored_at)

    def wants(self, name: str, room: str) -> None:
        """Note when a program began."""
        super().wants(name, room)
        self._began.setdefault(name, self._now())

    def in_room(self, name: str, joined: Joined) -> None:
        """Note since when a program is in a room: what was said before cannot be shown sooner."""
        super().in_room(name, joined)
        if name not in self._in_since:
            self._in_since[name] = self._now()
            self.joins.append(self._now() - self._began[name])

    def asked(self, name: str, client: bytes, n: int, text: Text) -> None:
        """Note when a text was typed."""
        super().asked(name, client, n, text)
        self._asked_at[client, n] = self._now()

    def said(self, name: str, client: bytes, n: int, seq: int) -> None:
        """Note how long its answer took."""
        super().said(name, client, n, seq)
        self.answers.append(self._now() - self._asked_at[client, n])

    def _now(self) -> float:
        return self.world.heap.now if self.world else 0.0


def measure(seed: int, scenario: Scenario, parts: Parts | None = None) -> Stopwatch:
    """Run a seed of the scenario; give what was measured. All that was accepted must have been shown."""
    checker = Stopwatch()
    world = World(seed, scenario, parts, checker=checker)
    checker.world = world
    world.run()
    return checker


def last_words(seed: int) -> list[float]:
    """Give the seconds until the last entry of a quiet room is shown, if its first copy reaches nobody."""
    silent = replace(lossy(loss=0.0, twice=0.0, late=0.0), pause=1e9)
    checker = Stopwatch()
    world = checker.world = World(seed, silent, checker=checker)

    def speak() -> None:
        paths = [world.network.paths(program.host)[1] for program in world.programs]
        for path in paths:
            path.blocked += 1
        world.programs[0].say("lobby")
        world.heap.at(world.heap.now + 0.2, world.network.heal)

    world.heap.at(2.4 * QUIET_SECONDS, speak)  # all have pinged for the second time, and will not for a while
    world.run()
    return checker.seconds


def share(seconds: list[float], part: float) -> float:
    """Give the time within which that part of all was shown."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def lossy(loss: float, twice: float, late: float) -> Scenario:
    """Give a talk of seven over paths with round trips of 100 ms that lose, double and reorder datagrams.

    What is overtaken comes up to 0.1 s later, so much as a round trip: more would be another path.
    """

    def path(rng: random.Random) -> Path:  # noqa: ARG001  (all are alike)
        return Path(delay=0.045, jitter=0.005, loss=loss, twice=twice, late=late, late_most=0.1)

    return Scenario(plains=0, rooms=("lobby",), path=path, pause=4.0, only_talk=True)
