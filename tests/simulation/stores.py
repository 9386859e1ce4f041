"""The disk under the server, and the store on it: as slow, unreliable and forgetful as a run wants it."""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from chat.errors import StoreError
from chat.store.interface import READ_LIMIT
from chat.store.memory import Contents, MemoryStore
from chat.stored import AppendResult, Draft, Fact, Found, Heads, Page
from tests.checker import Checker
from tests.simulation.clock import MachineClock

STALL, STALL_SECONDS = 0.03, 3.0  # how often a slow disk takes so long
SLOW_SECONDS = 0.05  # and how long it takes else, on average
FAILING = 0.1  # of appends or reads
SNAPSHOT = 0.15  # how often, of all entries, what a power cut leaves is up to date


class Disk:
    """What outlives a server. `kind` says what a crash leaves of it, `wall` is the wall clock."""

    def __init__(
        self, kind: str, kept: int, wall: Callable[[], float], checker: Checker, rng: random.Random
    ) -> None:
        self.faults: frozenset[str] = frozenset()
        self.rng = rng
        self.checker = checker
        self._kind = kind
        self.kept = kept
        self.wall = wall
        self._store: MemoryStore | None = None
        self._snapshot: Contents | None = None
        self._lost_above: int | None = None  # positions that the last crash took; None: none

    def open(self, clock: MachineClock) -> SlowStore:
        """Give the store as a server that starts now finds it."""
        before = self._store
        contents = None if before is None or self._kind == "keeps nothing" else before.contents
        if self._kind == "loses the tail" and self._lost_above is not None:
            contents = copy.deepcopy(self._snapshot)
        self._store = self.make(contents)
        self.look()
        self._lost_above = None
        return SlowStore(self, self._store, clock)

    def make(self, contents: Contents | None) -> MemoryStore:
        """Give a new run of the store on `contents`."""
        return MemoryStore(self.wall, self.kept, contents)

    def crash(self) -> None:
        """Take the power away: what the kind of disk keeps is what is found later."""
        if self._kind == "keeps nothing":
            self._lost_above = 0
        elif self._kind == "loses the tail":
            self._lost_above = -1 if self._snapshot is None else self._snapshot.newest

    def fate(self, draft: Draft) -> tuple[bool, bool]:  # noqa: ARG002  (what a test looks at)
        """Say whether an append shall fail, and whether it is written."""
        fails = "failing appends" in self.faults and self.rng.random() < FAILING
        return fails, not fails or self.rng.random() < 0.3

    def wrote(self) -> None:
        """Take note that the store has an entry more."""
        if self._kind == "loses the tail" and self.rng.random() < SNAPSHOT:
            self.snapshot()

    def snapshot(self) -> None:
        """Let a crash leave what there is now."""
        if self._store is not None:
            contents = self._store.contents
            unchanging = {id(fact): fact for room in contents.rooms.values() for fact in room.facts}
            self._snapshot = copy.deepcopy(contents, dict(unchanging))

    def look(self) -> None:
        """Show the checker everything that the store holds."""
        if self._store is None:
            return
        heads: list[Heads] = []
        self._store.heads().addCallback(heads.append)
        held: dict[str, list[int]] = {}
        for room, stands in heads[0].rooms.items():
            after, held[room] = stands.floor, []
            while after < stands.head:
                pages: list[Page] = []
                self._store.read(room, after, None, READ_LIMIT).addCallback(pages.append)
                held[room] += [entry.seq for entry in pages[0].entries]
                after = held[room][-1]
        self.checker.opened(heads[0], held, self._lost_above)


class SlowStore:
    """A `Store` that does to its server what a disk and a network can do to it, and writes in order."""

    def __init__(self, disk: Disk, store: MemoryStore, clock: MachineClock) -> None:
        self._disk = disk
        self._store = store
        self._clock = clock
        self._callback: Callable[[Fact], None] | None = None
        self._ready_at = 0.0  # when everything asked so far is done
        self._facts: deque[Fact] = deque()  # written, and not told yet
        self._closed = False

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """See `Store.append`: fails before it has written, or after, if the run wants it."""
        fails, writes = self._disk.fate(draft)
        answer: Deferred[AppendResult] = Deferred()

        def write() -> None:
            result = self._store.append(draft, last) if writes else None
            self._later(lambda: self._finish(None if fails else result, answer))

        self._later(write)
        return answer

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """See `Store.read`."""
        rng, faults = self._disk.rng, self._disk.faults
        fails = "failing reads" in faults and rng.random() < FAILING
        answer: Deferred[Page] = Deferred()
        found = self._store.read(room, after, before, limit)

        def tell() -> None:
            if fails:
                answer.errback(Failure(StoreError("the disk failed")))
            else:
                found.chainDeferred(answer)

        if "slow" in faults:
            self._clock.callLater(self._time(), tell)
        else:
            tell()
        return answer

    def search(self, room: str, words: Sequence[str], before: int | None, limit: int) -> Deferred[Found]:
        """See `Store.search`."""
        return self._store.search(room, words, before, limit)

    def redact(self, room: str, seq: int) -> Deferred[bool]:
        """See `Store.redact`."""
        self._disk.checker.redacted(room, seq)
        return self._store.redact(room, seq)

    def heads(self) -> Deferred[Heads]:
        """See `Store.heads`."""
        found = self._store.heads()
        if "slow" in self._disk.faults:
            answer: Deferred[Heads] = Deferred()
            self._clock.callLater(self._time(), lambda: found.chainDeferred(answer))
            return answer
        return found

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """See `Store.subscribe`."""
        old: list[Fact] = []
        self._store.subscribe(old.append, after).addCallback(
            lambda _: self._store.subscribe(self._wrote, 1 << 53)
        )
        self._callback = callback
        for fact in old:
            callback(fact)
        return succeed(None)

    def remember(self, changes: Mapping[str, bytes | None]) -> Deferred[None]:
        """See `Store.remember`: it fails and takes its time as an append does."""
        rng, faults = self._disk.rng, self._disk.faults
        fails = "failing appends" in faults and rng.random() < FAILING
        kept, done = dict(changes), Deferred[None]()

        def write() -> None:
            if fails:
                done.errback(Failure(StoreError("the disk failed")))
            else:
                self._store.remember(kept).chainDeferred(done)

        self._later(write)
        return done

    def remembered(self) -> Deferred[dict[str, bytes]]:
        """See `Store.remembered`."""
        return self._store.remembered()

    def close(self) -> Deferred[None]:
        """See `Store.close`."""
        done: Deferred[None] = Deferred()
        self._later(lambda: self._store.close().chainDeferred(done))
        return done

    def _wrote(self, fact: Fact) -> None:
        self._disk.checker.stored(fact)
        self._disk.wrote()
        self._facts.append(fact)

    def _finish(self, result: Deferred[AppendResult] | None, answer: Deferred[AppendResult]) -> None:
        while self._facts and self._callback is not None:
            self._callback(self._facts.popleft())
        if result is None:
            answer.errback(Failure(StoreError("the disk failed")))
        else:
            result.chainDeferred(answer)

    def _time(self) -> float:
        rng = self._disk.rng
        return STALL_SECONDS * rng.random() if rng.random() < STALL else rng.expovariate(1 / SLOW_SECONDS)

    def _later(self, step: Callable[[], object]) -> None:
        """Take a step behind all that were asked for before."""
        now = self._clock.seconds()
        if "slow" in self._disk.faults:
            self._ready_at = max(self._ready_at, now + self._time() / 2)
        if self._ready_at <= now:
            step()
        else:
            self._clock.at(self._ready_at, step)
