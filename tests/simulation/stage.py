"""A simulation whose script a test writes: it says who speaks when, and which datagrams do not arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chat.messages import Entry, Turnover
from chat.stored import Draft
from chat.wire.frames import decode_replies, decode_requests
from chat.wire.sequence import Shown
from tests.checker import Checker
from tests.simulation.native import Program
from tests.simulation.network import SERVER, Addr, Fate, Path
from tests.simulation.scenario import Parts, Scenario
from tests.simulation.stores import Disk
from tests.simulation.world import World, bugs
from tests.stub_channel import TEXT, open_sealed


class ScriptedDisk(Disk):
    """Fails when it is told to, and keeps what it is told to."""

    failing: int = 0  # so many of the next appends fail, before they are written

    def fate(self, draft: Draft) -> tuple[bool, bool]:  # noqa: ARG002
        """Say whether the next append fails."""
        self.failing -= 1
        return self.failing >= 0, self.failing < 0

    def wrote(self) -> None:
        """Take no snapshots by itself."""


class Screens(Checker):
    """Also keeps what each program showed, and what it told of large rooms."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, list[Shown]] = {}
        self.turnovers: dict[str, list[Turnover]] = {}

    def appeared(self, name: str, room: str, shown: Shown) -> None:
        """Keep it."""
        super().appeared(name, room, shown)
        self.shown.setdefault(name, []).append(shown)

    def turned_over(self, name: str, turnover: Turnover) -> None:
        """Keep it."""
        super().turned_over(name, turnover)
        self.turnovers.setdefault(name, []).append(turnover)


class Stage(World):
    """Clients that do what a test says, on a perfect network but for what the test takes out of it."""

    def __init__(self, disk: str = "keeps all") -> None:
        self.screens = Screens()
        scenario = Scenario(disk=disk, plains=0, natives=0, is_scripted=True)
        super().__init__(0, scenario, Parts(disk=ScriptedDisk), checker=self.screens, is_traced=True)
        self._begin()

    @property
    def scripted_disk(self) -> ScriptedDisk:
        """The disk."""
        assert isinstance(self.disk, ScriptedDisk)
        return self.disk

    def client(self, room: str = "lobby") -> Program:
        """Let a client come, and into a room."""
        number = len(self.programs)
        host = f"10.0.1.{number}"
        self.network.connect(host, Path(), Path())
        program = self._program(host, number, 1)
        self.programs.append(program)
        program.join(room)
        program.connect()
        self.let(1.0)
        return program

    def let(self, seconds: float) -> None:
        """Let time pass, in which the product must have no bug."""
        with bugs() as found:
            self.heap.run_until(self.heap.now + seconds)
        assert not found, found

    def end(self) -> None:
        """Let everything arrive from now on, and check that it comes to its end."""
        self.network.rule = lambda *_: Fate.PASS
        self._calm_down()
        self.let(30.0)
        self._finish()

    def take_out(self, fate: Fate, host: str, is_it: Callable[[Any], bool]) -> None:
        """Drop or hold, from now on, datagrams to or from `host` that have a frame such as `is_it` says."""

        def rule(source: Addr, target: Addr, datagram: bytes) -> Fate:
            opened = open_sealed(datagram)
            if opened is None or opened[0] != TEXT or host not in (source[0], target[0]):
                return Fate.PASS
            frames: list[Any] = [*(decode_requests if target == SERVER else decode_replies)(opened[3])]
            return fate if any(is_it(frame) for frame in frames) else Fate.PASS

        self.network.rule = rule

    def texts(self, program: Program) -> list[str]:
        """Give what a program shows: texts, and the names of markers."""
        return [
            shown.text if isinstance(shown, Entry) else type(shown).__name__
            for shown in self.screens.shown.get(program.name, [])
        ]

    def log(self) -> list[str]:
        """Give the texts that the store holds of the lobby."""
        return [self.screens.entries["lobby", seq].text for seq in self.screens.held.get("lobby", [])]


def is_a(kind: type, **fields: object) -> Callable[[Any], bool]:
    """Give what says whether a frame is of a kind, with these values in it."""
    return lambda frame: (
        isinstance(frame, kind) and all(getattr(frame, name) == value for name, value in fields.items())
    )
