"""Tests of `chat.store.sqlite` and `chat.store.tables`: the contract of every store, and what is theirs."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.messages import LOBBY
from chat.store.interface import KEPT_ROOMS, READ_LIMIT, Store
from chat.store.sqlite import BATCH, CLIENT_DAYS, PAGE, TOLD_AT_ONCE, WAITING, SqliteStore
from chat.store.tables import SCHEMA, TRIM_AT_ONCE, Tables
from chat.stored import Appended, Repeat, Stale
from tests.store_contract import ANN, BOB, START, StoreContract, draft

DAY = 86_400.0


class _Thread:
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


class _Case(SynchronousTestCase):
    """A folder, a clock, and stores in one file of that folder."""

    def setUp(self) -> None:
        """Make the folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "chat.db"
        self.now = START
        self.later: list[Callable[[], None]] = []

    def open(self, **keep: Any) -> SqliteStore:
        """Open a store that does everything at once."""
        return SqliteStore(
            self.path, lambda: self.now, maybeDeferred, maybeDeferred, lambda call: call(), **keep
        )

    def open_slowly(self) -> tuple[SqliteStore, _Thread, _Thread]:
        """Open a store whose threads wait to be told to work."""
        writer, reader = _Thread(), _Thread()
        return (
            SqliteStore(self.path, lambda: self.now, writer, reader, self.later.append),
            writer,
            reader,
        )


class SqliteStoreTests(StoreContract, SynchronousTestCase):
    """The SQLite store keeps the contract, over restarts too."""

    def setUp(self) -> None:
        """Choose a file."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "chat.db"
        super().setUp()

    def make(self) -> Store:
        """Make one on the file of this test."""
        return SqliteStore(self.path, lambda: self.now, maybeDeferred, maybeDeferred, lambda call: call())


class GroupCommitTests(_Case):
    """What comes while the disk is busy is written together."""

    def test_one_commit_for_many(self) -> None:
        """While one commit is under way all others wait, and go together in the next; none is forgotten."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(1, bytes([n]) * 16), 0) for n in range(TOLD_AT_ONCE)]
        self.assertEqual(len(writer.waiting), 1)
        writer.work()
        self.successResultOf(answers[0])
        self.assertEqual([answer.called for answer in answers[1:]], [False] * (TOLD_AT_ONCE - 1))
        writer.work()
        self.assertEqual(writer.waiting, [])
        results = [self.successResultOf(answer) for answer in answers[1:]]
        self.assertEqual([type(result) for result in results], [Appended] * (TOLD_AT_ONCE - 1))

    def test_told_by_turns(self) -> None:
        """Many facts are told in several turns of the reactor, each before its author has the answer."""
        store, writer, _ = self.open_slowly()
        heard: list[int] = []
        subscribing = store.subscribe(lambda fact: heard.append(fact.client[0]), 0)
        writer.work()
        self.successResultOf(subscribing)
        answers = [store.append(draft(1, bytes([n]) * 16), 0) for n in range(2 * TOLD_AT_ONCE + 2)]
        writer.work()
        writer.work()
        self.assertEqual(heard, list(range(TOLD_AT_ONCE + 1)))
        self.assertEqual([answer.called for answer in answers].count(True), TOLD_AT_ONCE + 1)
        for _ in range(2):
            if self.later:
                self.later.pop()()
        self.assertEqual(heard, list(range(2 * TOLD_AT_ONCE + 2)))
        for answer in answers:
            self.successResultOf(answer)

    def test_bounds(self) -> None:
        """A batch has a bound, and what waits has one: beyond it the answer is a refusal, at once."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(0), 0) for _ in range(1 + WAITING)]
        self.failureResultOf(store.append(draft(0), 0), StoreError)
        batches = 0
        while writer.work():
            batches += 1
            while self.later:
                self.later.pop()()
        self.assertEqual(batches, 1 + WAITING // BATCH)
        for answer in answers:
            self.successResultOf(answer)

    def test_closing_finishes(self) -> None:
        """What was taken before the end is written and answered; then another server may have the file."""
        store, writer, reader = self.open_slowly()
        answers = [store.append(draft(1, bytes([n]) * 16), 0) for n in range(3)]
        closing = store.close()
        self.assertIs(store.close(), closing)
        self.failureResultOf(store.append(draft(1), 0), StoreError)
        self.failureResultOf(store.tidy(), StoreError)
        self.assertNoResult(closing)
        while writer.work() + reader.work():
            pass
        for answer in answers:
            self.successResultOf(answer)
        self.successResultOf(closing)
        self.successResultOf(self.open().close())

    def test_subscribing_while_others_write(self) -> None:
        """A subscriber hears of each fact once, whether it was read for it or written meanwhile."""
        store, writer, _ = self.open_slowly()
        for n in range(1, PAGE + 10):
            store.append(draft(n), n - 1)
            writer.work()
        heard: list[int] = []
        store.subscribe(lambda fact: heard.append(fact.n), 0)
        for n in range(PAGE + 10, PAGE + 20):
            store.append(draft(n), n - 1)
        while writer.work() or self.later:
            while self.later:
                self.later.pop()()
        self.assertEqual(heard, list(range(1, PAGE + 20)))


class FaultTests(_Case):
    """A disk that fails: what is accepted is stored, and nothing else."""

    def test_a_failed_commit(self) -> None:
        """Nothing of it is written, all of it is told so, and the next one finds things as they were."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(1), 0)]
        writer.work()
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END")
        answers += [store.append(draft(2), 1)]
        writer.work()
        failure = self.failureResultOf(answers[1], StoreError)
        self.assertIn("full", failure.getErrorMessage())
        self.assertIn(str(self.path), failure.getErrorMessage())
        other.execute("DROP TRIGGER full")
        other.close()
        answers += [store.append(draft(2), 1), store.append(draft(1), 0)]
        while writer.work():
            pass
        first, again = self.successResultOf(answers[0]), self.successResultOf(answers[2])
        assert isinstance(first, Appended)
        assert isinstance(again, Appended)
        self.assertLess(first.seq, again.seq)
        self.assertEqual(self.successResultOf(answers[3]), Repeat(first.seq))

    def test_locked_by_another_program(self) -> None:
        """Whoever holds the file locked makes a commit fail, in the end; later ones pass."""
        tables = Tables(self.path, START, patience=0.0)
        self.addCleanup(tables.close)
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        with self.assertRaisesRegex(StoreError, "locked"):
            tables.append([(draft(1), 0)], START)
        other.execute("COMMIT")
        ((result, _),) = tables.append([(draft(1), 0)], START)
        self.assertIsInstance(result, Appended)

    def test_files_that_are_none_of_ours(self) -> None:
        """No database, another program's, a newer release's, a folder: each is refused and left as it was."""
        for name, make, word in (
            ("text", lambda path: path.write_bytes(b"dear diary, today " * 100), "not a database"),
            ("other", _make_other, "another program"),
            ("newer", _make_newer, "newer"),
            ("folder", lambda path: path.mkdir(), "unable to open"),
        ):
            path = self.path.with_name(name)
            make(path)
            before = path.read_bytes() if path.is_file() else b""
            self.path = path
            with self.assertRaisesRegex(StoreError, word):
                self.open()
            self.assertEqual(path.read_bytes() if path.is_file() else b"", before)

    def test_no_such_folder(self) -> None:
        """A folder that is not there is named."""
        self.path = self.path.parent / "nowhere" / "chat.db"
        with self.assertRaisesRegex(StoreError, "nowhere"):
            self.open()

    def test_nobody_elses_business(self) -> None:
        """Only the owner may read the file and what lies beside it, whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0))
        store = self.open()
        self.successResultOf(store.append(draft(1), 0))
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.path.parent.iterdir()}
        self.assertEqual(modes, {f"chat.db{end}": 0o600 for end in ("", "-wal", "-shm", ".lock")})

    def test_two_servers(self) -> None:
        """A second server on one file is refused until the first one has let go."""
        first = self.open()
        with self.assertRaisesRegex(StoreError, "another server"):
            self.open()
        self.successResultOf(first.close())
        self.successResultOf(self.open().close())

    def test_too_many_rooms(self) -> None:
        """A room too many is refused alone: what else is in its commit is written."""
        tables = Tables(self.path, START)
        self.addCleanup(tables.close)
        tables.append([(draft(0, room=f"r{n}"), 0) for n in range(KEPT_ROOMS)], START)
        outcomes = tables.append([(draft(1, room="more"), 0), (draft(1, BOB, room="r1"), 0)], START)
        self.assertIsInstance(outcomes[0][0], StoreError)
        self.assertIsInstance(outcomes[1][0], Appended)
        self.assertIsInstance(tables.append([(draft(1), 0)], START)[0][0], StoreError)
        self.assertEqual(tables.append([(draft(2, room="r0"), 1)], START)[0][0], Stale(0))


class TidyTests(_Case):
    """Entries and clients are forgotten by count and by age, the oldest first."""

    def fill(self, store: SqliteStore, count: int, room: str = LOBBY, first: int = 1) -> None:
        """Say so many texts."""
        for n in range(first, first + count):
            self.successResultOf(store.append(draft(n, room=room), n - 1))

    def fill_at_once(self, count: int) -> None:
        """Write so many texts to the file, in one commit."""
        tables = Tables(self.path, self.now)
        tables.append([(draft(0, text=f"{n}"), 0) for n in range(count)], self.now)
        tables.close()

    def tidy(self, store: SqliteStore) -> int:
        """Tidy up; give in how many steps."""
        steps = 1
        while self.successResultOf(store.tidy()):
            steps += 1
        return steps

    def test_by_count(self) -> None:
        """Of each room the newest are kept; the floor is the newest that is not, and survives a restart."""
        store = self.open(entries=10)
        self.fill(store, 25)
        self.fill(store, 5, "small", 26)
        whole = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual(page.entries, whole[-10:])
        self.assertEqual((page.floor, page.head), (whole[-11].seq, whole[-1].seq))
        self.assertEqual(len(self.successResultOf(store.read("small", 0, None, READ_LIMIT)).entries), 5)
        self.successResultOf(store.close())
        store = self.open()
        self.assertEqual(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)), page)
        self.assertEqual(self.successResultOf(store.heads()).rooms[LOBBY], (page.floor, page.head))
        told: list[int] = []
        self.successResultOf(store.subscribe(lambda fact: told.append(fact.floor), page.head - 1))
        self.assertEqual(told[0], page.floor)

    def test_by_age(self) -> None:
        """What is older than so many days goes, though it is little; a room may become empty."""
        store = self.open(days=2.0)
        self.fill(store, 5)
        self.now += 1.5 * DAY
        self.fill(store, 3, first=6)
        self.now += DAY
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual([entry.text for entry in page.entries], ["text 6", "text 7", "text 8"])
        self.now += 2 * DAY
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual((page.entries, page.floor), ((), page.head))
        self.fill(store, 1, first=9)
        (entry,) = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries
        self.assertEqual(entry.seq - entry.back, page.head)

    def test_in_steps(self) -> None:
        """A step forgets a bounded number, so that no append waits long for it."""
        self.fill_at_once(2 * TRIM_AT_ONCE + 11)
        store = self.open(entries=1)
        self.assertEqual(self.tidy(store), 4)
        self.assertEqual(len(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries), 1)

    def test_old_and_many(self) -> None:
        """Age and count together: the bound of a step holds for both."""
        self.fill_at_once(2 * TRIM_AT_ONCE + 100)
        store = self.open(entries=2 * TRIM_AT_ONCE, days=1.0)
        self.now += 2 * DAY
        self.assertEqual(self.tidy(store), 4)
        self.assertEqual(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries, ())

    def test_clients(self) -> None:
        """A client's number is forgotten after 30 days without a text, not before."""
        store = self.open(days=1_000.0)
        self.fill(store, 3)
        self.now += (CLIENT_DAYS - 1) * DAY
        self.successResultOf(store.append(draft(1, BOB), 0))
        self.tidy(store)
        self.assertEqual(self.successResultOf(store.append(draft(5, ANN), 9)), Stale(3))
        self.now += 2 * DAY
        self.tidy(store)
        self.assertEqual(self.successResultOf(store.append(draft(5, ANN), 9)), Stale(0))
        self.assertEqual(self.successResultOf(store.append(draft(5, BOB), 9)), Stale(1))


def _make_other(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()


def _make_newer(path: Path) -> None:
    Tables(path, START).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    newer.execute("PRAGMA journal_mode = DELETE")
    newer.commit()
    newer.close()
