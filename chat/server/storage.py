"""The server's store, made of what was asked for: the threads in which it works, and its tidying up.

A daemon has to fork before there are threads, an open database or a locked file: make a `Storage` when the
service starts, never before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from chat.errors import StoreError
from chat.server.limits import FaultLog
from chat.store.interface import Store
from chat.store.memory import MemoryStore
from chat.store.sqlite import SqliteStore

STORE_FILE = "chat.db"  # in the state directory
MEMORY = "memory:"
SQLITE = "sqlite:"
TIDY_SECONDS = 60.0  # between two looks at what is too much or too old
TIDY_ON_SECONDS = 0.05  # between two steps of one: a step takes some 20 ms, and appends come in between


class Storage:
    """A store and all that belongs to it. Raises `StoreError` if its file cannot be used.

    `path` is the SQLite file, None keeps everything in memory. Until `start` the store works in the caller's
    thread.
    """

    def __init__(self, path: Path | None, entries: int, days: float, reactor: Any) -> None:
        self._threads: tuple[Worker, ...] = ()
        self._tidying: Tidying | None = None
        self.store: Store
        if path is None:
            self.store = MemoryStore(time.time)
            return
        writer, reader = Worker("udpchat writer", reactor), Worker("udpchat reader", reactor)
        later = partial(reactor.callLater, 0)
        store = SqliteStore(path, time.time, writer, reader, later, entries, days)
        self._threads = writer, reader
        self._tidying = Tidying(store.tidy, IReactorTime(reactor))
        self.store = store

    def start(self) -> None:
        """Let the store work in its threads from now on, and be tidied up."""
        for thread in self._threads:
            thread.start()
        if self._tidying is not None:
            self._tidying.start()

    def rest(self) -> None:
        """Tidy up no more: for before the store is closed."""
        if self._tidying is not None:
            self._tidying.stop()

    def stop(self) -> None:
        """End the threads: for after the store was closed, when they have nothing to do."""
        for thread in self._threads:
            thread.stop()


class Worker:
    """A thread that does what it is called with, in order. Before `start` the caller's thread does it."""

    def __init__(self, name: str, reactor: Any) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, name)

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """Call `function`; the Deferred fires in the reactor's thread."""
        if not self._pool.started:
            return maybeDeferred(function, *arguments)
        return deferToThreadPool(self._reactor, self._pool, function, *arguments)

    def start(self) -> None:
        """Begin the thread."""
        self._pool.start()

    def stop(self) -> None:
        """End the thread, once it has done what it was asked to."""
        if self._pool.started:
            self._pool.stop()


class Tidying:
    """Calls `tidy` for as long as it runs: soon again while there is more to forget, else once a minute."""

    def __init__(self, tidy: Callable[[], Deferred[bool]], clock: IReactorTime) -> None:
        self._log = Logger()
        self._tidy = tidy
        self._clock = clock
        self._faults = FaultLog(self._log, clock.seconds)
        self._next: IDelayedCall | None = None
        self._is_on = False

    def start(self) -> None:
        """Begin, with a step soon: what became too old while no server ran goes first."""
        self._is_on = True
        self._wait(TIDY_ON_SECONDS)

    def stop(self) -> None:
        """Begin no further step."""
        self._is_on = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _wait(self, seconds: float) -> None:
        if self._is_on:
            self._next = self._clock.callLater(seconds, self._step)

    def _step(self) -> None:
        self._next = None
        self._tidy().addCallbacks(self._tidied, self._failed).addErrback(self._broken)

    def _tidied(self, has_more: bool) -> None:
        self._wait(TIDY_ON_SECONDS if has_more else TIDY_SECONDS)

    def _failed(self, failure: Failure) -> None:
        self._wait(TIDY_SECONDS)
        failure.trap(StoreError)
        if self._is_on:
            self._faults.note("the store cannot be tidied up", None, failure.getErrorMessage())

    def _broken(self, failure: Failure) -> None:
        self._log.failure("a bug in tidying up", failure)
