"""The network between the server and its clients: each direction of each path with faults of its own.

A client machine is one host with as many ports as it opens; the server is `SERVER`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from tests.simulation.clock import Heap
from tests.simulation.trace import Trace

Addr = tuple[str, int]
SERVER: Addr = ("10.0.0.1", 6789)
LARGEST = 1_200  # bytes of a datagram that every path carries; plain lines are below it as well
NATIVE_FIRST = 0x16
HOLE_SECONDS, HOLE_PERIOD = 2.0, 5.0  # of a path with a black hole


class Fate(Enum):
    """What a test decides about a datagram."""

    PASS = "passed"  # noqa: S105  (no password)
    DROP = "dropped"
    HOLD = "held"


@dataclass
class Path:
    """One direction between two hosts. Times are seconds, the rest probabilities; the default is perfect."""

    delay: float = 0.01
    jitter: float = 0.0  # the mean of what comes on top, exponential
    loss: float = 0.0
    twice: float = 0.0
    late: float = 0.0  # up to `late_most` later than others: it is overtaken
    late_most: float = 0.5
    spoiled: float = 0.0  # one byte is another
    burst: float = 0.0  # a bad time begins, in which 9 of 10 are lost; it ends with 0.2 a datagram
    hole: float | None = None  # where in its period of 5 s a hole of 2 s begins
    blocked: int = 0  # partitions that cut it now
    is_bad: bool = False

    def heal(self) -> None:
        """Take all its faults away."""
        self.loss = self.twice = self.late = self.spoiled = self.burst = 0.0
        self.jitter, self.hole, self.blocked, self.is_bad = min(self.jitter, 0.02), None, 0, False

    def loses(self, now: float, rng: random.Random) -> bool:
        """Say whether the next datagram is lost."""
        if self.blocked or (self.hole is not None and (now + self.hole) % HOLE_PERIOD < HOLE_SECONDS):
            return True
        if self.burst:
            self.is_bad = rng.random() >= 0.2 if self.is_bad else rng.random() < self.burst
            if self.is_bad and rng.random() < 0.9:
                return True
        return bool(self.loss) and rng.random() < self.loss

    def time(self, rng: random.Random) -> float:
        """Give how long the next datagram takes."""
        time = self.delay
        if self.jitter:
            time += rng.expovariate(1 / self.jitter)
        if self.late and rng.random() < self.late:
            time += self.late_most * rng.random()
        return time


class Network:
    """Carries datagrams between bound addresses."""

    def __init__(self, heap: Heap, rng: random.Random, trace: Trace) -> None:
        self.sent = 0
        self.lost = 0
        self.under_way = 0
        self.last_sent = 0.0
        self.rule: Callable[[Addr, Addr, bytes], Fate] = lambda *_: Fate.PASS  # for tests with a script
        self.held: list[tuple[Addr, Addr, bytes]] = []
        self.too_large: list[tuple[Addr, int]] = []  # nobody may ever send such
        self._heap = heap
        self._rng = rng
        self._trace = trace
        self._paths: dict[tuple[str, str], Path] = {}
        self._bound: dict[Addr, Callable[[bytes, Addr], None]] = {}

    def connect(self, host: str, up: Path, down: Path) -> None:
        """Join `host` to the server."""
        self._paths[host, SERVER[0]] = up
        self._paths[SERVER[0], host] = down

    def paths(self, host: str) -> tuple[Path, Path]:
        """Give both directions of a host's path: to the server, and from it."""
        return self._paths[host, SERVER[0]], self._paths[SERVER[0], host]

    def heal(self) -> None:
        """Take the faults of all paths away."""
        for path in self._paths.values():
            path.heal()

    def bind(self, addr: Addr, receive: Callable[[bytes, Addr], None]) -> None:
        """Let `receive` take what comes to `addr`."""
        self._bound[addr] = receive

    def unbind(self, addr: Addr) -> None:
        """Drop what comes to `addr` from now on."""
        self._bound.pop(addr, None)

    def send(self, source: Addr, target: Addr, datagram: bytes) -> None:
        """Take a datagram: it arrives once, twice, late, spoiled or never."""
        self.sent += 1
        self.last_sent = self._heap.now
        fate = self.rule(source, target, datagram)
        if fate is Fate.HOLD:
            self.held.append((source, target, datagram))
        if fate is not Fate.PASS:
            self._trace.datagram(fate.value, source, target, datagram)
            return
        path, rng = self._paths[source[0], target[0]], self._rng
        if len(datagram) > LARGEST:
            self.too_large.append((source, len(datagram)))
        if len(datagram) > LARGEST or path.loses(self._heap.now, rng):
            self.lost += 1
            self._trace.datagram("lost", source, target, datagram)
            return
        self._trace.datagram("sent", source, target, datagram)
        copies = 2 if path.twice and rng.random() < path.twice else 1
        for _ in range(copies):
            copy = datagram
            if path.spoiled and rng.random() < path.spoiled:
                if datagram[0] != NATIVE_FIRST:
                    continue  # a plain one has UDP's checksum alone, so the kernel drops it
                copy = self._spoil(datagram)
            time = self._heap.now + path.time(rng)
            self.under_way += 1
            self._heap.at(time, partial(self._arrives, source, target, copy))

    def release(self) -> None:
        """Let what was held arrive."""
        held, self.held = self.held, []
        for source, target, datagram in held:
            self._arrive(source, target, datagram)

    def _spoil(self, datagram: bytes) -> bytes:
        place = self._rng.randrange(len(datagram))
        other = datagram[place] ^ self._rng.randrange(1, 256)
        return datagram[:place] + bytes((other,)) + datagram[place + 1 :]

    def _arrives(self, source: Addr, target: Addr, datagram: bytes) -> None:
        self.under_way -= 1
        self._arrive(source, target, datagram)

    def _arrive(self, source: Addr, target: Addr, datagram: bytes) -> None:
        receive = self._bound.get(target)
        if receive is not None:
            if self._trace.is_kept:  # what was sent, and the seed, say already when it comes
                self._trace.datagram("came", source, target, datagram)
            receive(datagram, source)
