"""What one run is made of: drawn from its seed, or chosen by a test."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from chat.fields import CROWD
from chat.hub.hub import Hub
from chat.server.protocol import ChatServer
from chat.wire.client_session import ClientSession
from tests.simulation.network import Path
from tests.simulation.stores import Disk

# What may go wrong. A run has a random part of it (Groce and others, "Swarm Testing", 2012): faults hide each
# other, and a run with all of them would hardly ever get anywhere.
PATH_FAULTS = ("loss", "burst", "twice", "late", "spoiled", "hole", "jitter")
FAULTS = (
    *PATH_FAULTS,
    "cut",  # partitions of one direction or both
    "kill",
    "graceful",
    "slow",
    "failing appends",
    "failing reads",
    "sleep",
    "roam",
    "reconnect",  # a client that makes a new channel although the old one is well
    "quit",  # a program ends, another begins with a new client id
    "step",  # of the wall clock
)
DISKS = ("keeps all", "keeps all", "keeps all", "keeps nothing", "loses the tail")


@dataclass(frozen=True)
class Scenario:
    """One run: `seconds` with faults, then `calm` ones in which everything must come to its end."""

    seconds: float = 40.0
    calm: float = 30.0
    natives: int = 7
    plains: int = 3
    rooms: tuple[str, ...] = ("lobby", "tea", "work", "a-1")
    faults: frozenset[str] = frozenset()
    disk: str = "keeps all"
    kept: int = 512  # entries a room
    crowd: int = CROWD  # members, in larger rooms than which nobody is told who comes and goes
    pause: float = 3.0  # the mean between two things that one user does
    path: Callable[[random.Random], Path] | None = None  # None: drawn by the faults
    sleep_most: float = 20.0
    only_talk: bool = False  # nobody parts, renames, scrolls or changes a topic
    is_scripted: bool = False  # nobody does anything by himself

    @property
    def keeps_memos(self) -> bool:
        """Whether a restart finds all that was to be remembered, and nobody silent for an hour."""
        return self.disk == "keeps all" and not self.faults & {"slow", "failing appends", "step"}


@dataclass
class Parts:
    """What a run is built of: the product, unless a test puts a broken part in."""

    hub: Callable[..., Hub] = Hub
    server: type[ChatServer] = ChatServer
    client: type[ClientSession] = ClientSession
    disk: type[Disk] = Disk
    notes: dict[str, int] = field(default_factory=dict)  # what happened how often, over all runs


def draw(rng: random.Random) -> Scenario:
    """Draw a scenario."""
    share = rng.choice((0.15, 0.3, 0.6))
    faults = frozenset(fault for fault in FAULTS if rng.random() < share)
    disk = rng.choice(DISKS)
    is_long = rng.random() < 0.05  # so quiet and long that members are away, and sessions are forgotten
    return Scenario(
        seconds=180.0 if is_long else 40.0,
        sleep_most=100.0 if is_long else 20.0,
        faults=faults,
        disk=disk,
        # what a disk has trimmed because of entries that it lost then would be there again
        kept=512 if disk == "loses the tail" else rng.choice((512, 512, 40, 8)),
        pause=20.0 if is_long else rng.choice((1.5, 3.0, 6.0)),
        crowd=rng.choice((CROWD, 2, 4)),
    )


def draw_path(faults: frozenset[str], rng: random.Random) -> Path:
    """Draw one direction of one host's path."""
    path = Path(delay=rng.choice((0.0005, 0.02, 0.1)))
    if "jitter" in faults:
        path.jitter = rng.choice((0.005, 0.05))
    if "loss" in faults:
        path.loss = rng.choice((0.01, 0.1, 0.3))
    if "burst" in faults:
        path.burst = rng.choice((0.0, 0.02))
    if "twice" in faults:
        path.twice = rng.choice((0.05, 0.2))
    if "late" in faults:
        path.late = rng.choice((0.02, 0.2))
    if "spoiled" in faults:
        path.spoiled = rng.choice((0.0, 0.05))
    if "hole" in faults and rng.random() < 0.3:
        path.hole = 5 * rng.random()
    return path
