"""A store in one SQLite file: what it accepted outlives kill -9 and power loss.

The reactor never waits for the disk: one thread writes, another reads. Appends that come while one commit is
under way make the next one together (group commit), so the disk is waited for once for all of them.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from chat.errors import StoreError
from chat.private import make_private
from chat.store.tables import Tables
from chat.stored import AppendResult, Draft, Fact, Found, Heads, Page

WAITING = 4_096  # drafts that are not under way yet: 4 MiB at most, two seconds of a slow disk
BATCH = 256  # drafts in one commit: more saves the disk nothing
TOLD_AT_ONCE = 16  # facts: to 200 members each, some 15 ms in which nothing else happens
PAGE = 1_000  # facts read at once for who subscribes late
KEEP_ENTRIES = 10_000  # of a room
KEEP_DAYS = 30.0
CLIENT_DAYS = 30.0  # for which the number of a client that says nothing is known (docs/protocol.md)

# Runs a function, given with its arguments, after those given before; fires in the reactor's thread.
Thread = Callable[..., Deferred[Any]]
_Outcome = AppendResult | StoreError | Failure


class SqliteStore:
    """The `Store` in the file at `path`.

    `clock` gives seconds since 1970, `writer` and `reader` are a thread each, `later` calls back in another
    turn of the reactor. Of each room it keeps the newest `entries` that are not older than `days`, as far as
    `tidy` is called. Raises `StoreError` if the file cannot be used, or another server uses it.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float],
        writer: Thread,
        reader: Thread,
        later: Callable[[Callable[[], None]], object],
        entries: int = KEEP_ENTRIES,
        days: float = KEEP_DAYS,
    ) -> None:
        self._clock = clock
        self._writer = writer
        self._reader = reader
        self._later = later
        self._keep = entries, days
        self._lock = _lock(path)
        # what people say is for its owner; at the end of a link, where SQLite would make it for everybody
        make_private(Path(os.path.realpath(path)))
        try:
            self._tables = Tables(path, clock())
            self._view = Tables(path, clock(), is_reader=True)
        except BaseException:
            os.close(self._lock)
            raise
        self._waiting: deque[tuple[Draft, int, Deferred[AppendResult]]] = deque()
        self._written: deque[tuple[_Outcome, Fact | None, Deferred[AppendResult]]] = deque()
        self._is_writing = False
        self._is_telling = False
        self._subscriber: Callable[[Fact], None] | None = None
        self._told = 0  # the newest position that a subscriber has heard of
        self._closing: Deferred[None] | None = None

    # --- the interface

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """See `Store.append`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        if len(self._waiting) >= WAITING:
            return fail(StoreError(f"{WAITING} texts wait for the disk"))
        answer: Deferred[AppendResult] = Deferred()
        self._waiting.append((draft, last, answer))
        if not self._is_writing:  # what else this turn brings goes into the same commit
            self._is_writing = True
            self._later(self._write)
        return answer

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """See `Store.read`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._reader(self._view.read, room, after, before, limit, self._tables.base)

    def search(self, room: str, words: Sequence[str], before: int | None, limit: int) -> Deferred[Found]:
        """See `Store.search`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._reader(self._view.search, room, tuple(words), before, limit)

    def redact(self, room: str, seq: int) -> Deferred[bool]:
        """See `Store.redact`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._writer(self._tables.redact, room, seq)

    def heads(self) -> Deferred[Heads]:
        """See `Store.heads`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._writer(self._tables.heads)

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """See `Store.subscribe`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        self._subscriber = None
        return self._catch_up(callback, after)

    def remember(self, changes: Mapping[str, bytes | None]) -> Deferred[None]:
        """See `Store.remember`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._writer(self._tables.remember, dict(changes))

    def remembered(self) -> Deferred[dict[str, bytes]]:
        """See `Store.remembered`."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        return self._writer(self._tables.remembered)

    def close(self) -> Deferred[None]:
        """See `Store.close`."""
        if self._closing is None:
            self._closing = Deferred()
            self._subscriber = None
            self._close_if_done()
        return self._closing

    def tidy(self) -> Deferred[bool]:
        """Forget what is too much or too old, 250 entries at most. True: there is more of it."""
        if self._closing is not None:
            return fail(StoreError("the store is closed"))
        entries, days = self._keep
        return self._writer(self._tables.trim, entries, self._clock(), days, CLIENT_DAYS)

    # --- inside

    def _catch_up(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        return self._writer(self._tables.facts, after, PAGE).addCallback(self._caught_up, callback)

    def _caught_up(self, facts: list[Fact], callback: Callable[[Fact], None]) -> Deferred[None] | None:
        for fact in facts:
            self._told = fact.entry.seq
            callback(fact)
        if len(facts) == PAGE:
            return self._catch_up(callback, self._told)
        if self._closing is None:
            self._subscriber = callback
        return None

    def _write(self) -> None:
        self._is_writing = bool(self._waiting)
        if not self._waiting:
            self._close_if_done()
            return
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        drafts = [(draft, last) for draft, last, _ in batch]
        answers = [answer for _, _, answer in batch]
        writing = self._writer(self._tables.append, drafts, self._clock())
        writing.addCallbacks(self._wrote, self._failed, (answers,), {}, (answers,), {})

    def _wrote(
        self,
        outcomes: list[tuple[AppendResult | StoreError, Fact | None]],
        answers: list[Deferred[AppendResult]],
    ) -> None:
        for (result, fact), answer in zip(outcomes, answers, strict=True):
            self._written.append((result, fact, answer))
        self._go_on()

    def _failed(self, failure: Failure, answers: list[Deferred[AppendResult]]) -> None:
        for answer in answers:
            self._written.append((failure, None, answer))
        self._go_on()

    def _go_on(self) -> None:
        self._write()
        if not self._is_telling:
            self._tell()

    def _tell(self) -> None:
        """Tell of some of what was written; of the rest in another turn, so that others have theirs."""
        self._is_telling = True
        for _ in range(min(TOLD_AT_ONCE, len(self._written))):
            result, fact, answer = self._written.popleft()
            if fact is not None and self._subscriber is not None and fact.entry.seq > self._told:
                self._told = fact.entry.seq
                self._subscriber(fact)
            if isinstance(result, StoreError | Failure):
                answer.errback(result)
            else:
                answer.callback(result)
        if self._written:
            self._later(self._tell)
        else:
            self._is_telling = False
            self._close_if_done()

    def _close_if_done(self) -> None:
        is_idle = not (self._is_writing or self._is_telling or self._written)
        if self._closing is None or self._closing.called or not is_idle:
            return
        closing = self._writer(self._tables.close).addCallback(lambda _: self._reader(self._view.close))
        closing.addBoth(self._closed)

    def _closed(self, outcome: Failure | None) -> None:
        os.close(self._lock)
        if self._closing is not None:
            self._closing.callback(None) if outcome is None else self._closing.errback(outcome)


def _lock(path: Path) -> int:
    """Give a file that is locked while it is open: two servers on one store would give positions twice."""
    try:
        real = path.resolve()  # by whatever name it is called
    except (OSError, RuntimeError):  # a link to itself, for which Python 3.13 raises nothing
        real = path
    lock = real.with_name(f"{real.name}.lock")
    try:
        if real.is_symlink():
            raise StoreError(f"{path} is a link that leads to itself")
        if real.exists() and not real.is_file():
            raise StoreError(f"{path} is no file")
        opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no folder {path.parent}") from None
    except OSError as error:
        raise StoreError(f"{lock}: {error.strerror}") from None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise StoreError(f"{path} is used by another server") from None
    return opened
