"""What the tests of the SQLite store share: a folder, a clock, and threads that do as they are told."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from chat.store.sqlite import SqliteStore
from tests.store_case import START

DAY = 86_400.0


class HeldThread:
    """A thread that does nothing until it is told to: then what it was asked, in order."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        """Keep it for later."""
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, lambda: function(*arguments)))
        return done

    def work(self) -> int:
        """Do what was asked so far; give how much that was."""
        waiting, self.waiting = self.waiting, []
        for done, act in waiting:
            maybeDeferred(act).chainDeferred(done)
        return len(waiting)


class SqliteTestCase(SynchronousTestCase):
    """A folder, a clock, and stores in one file of that folder."""

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "chat.db"
        self.now = START
        self.later: list[Callable[[], None]] = []

    def turn(self) -> None:
        """Let a turn of the reactor begin: what was left for later is done, and what that leaves is not."""
        later = self.later[:]
        self.later.clear()
        for call in later:
            call()

    def open(self, **keep: Any) -> SqliteStore:
        """Open a store that does everything at once."""
        return SqliteStore(
            self.path, lambda: self.now, maybeDeferred, maybeDeferred, lambda call: call(), **keep
        )

    def open_slowly(self) -> tuple[SqliteStore, HeldThread, HeldThread]:
        """Open a store whose threads wait to be told to work."""
        writer, reader = HeldThread(), HeldThread()
        return (
            SqliteStore(self.path, lambda: self.now, writer, reader, self.later.append),
            writer,
            reader,
        )
