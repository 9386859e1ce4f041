"""Tests of `chat.store.sqlite` and `chat.store.tables`: the contract of every store, and what is theirs."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

from twisted.internet.defer import maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.notices import REDACTED
from chat.store.interface import KEPT_ROOMS, Store
from chat.store.schema import SCRIPTS
from chat.store.sqlite import BATCH, PAGE, TOLD_AT_ONCE, WAITING, SqliteStore
from chat.store.tables import Tables
from chat.stored import Appended, Repeat, Stale
from tests.sqlite_support import SqliteTestCase
from tests.store_case import BOB, START, draft
from tests.store_contract import StoreContract


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

    def test_what_was_redacted_stays_so(self) -> None:
        """After a restart the text is not there, and a repeat of it is one still."""
        result = self.append(1, 0)
        assert isinstance(result, Appended)
        self.redact(result.seq)
        self.restart(1.0)
        self.assertEqual([entry.text for entry in self.read().entries], [REDACTED])
        self.assertEqual(self.append(1, 0), Repeat(result.seq))


class GroupCommitTests(SqliteTestCase):
    """What comes while the disk is busy is written together."""

    def test_one_commit_for_many(self) -> None:
        """While one commit is under way all others wait, and go together in the next; none is forgotten."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(1, bytes(16)), 0)]
        self.turn()
        answers += [store.append(draft(1, bytes([n]) * 16), 0) for n in range(1, TOLD_AT_ONCE)]
        self.turn()
        self.assertEqual(len(writer.waiting), 1)
        writer.work()
        self.successResultOf(answers[0])
        self.assertEqual([answer.called for answer in answers[1:]], [False] * (TOLD_AT_ONCE - 1))
        writer.work()
        self.assertEqual(writer.waiting, [])
        results = [self.successResultOf(answer) for answer in answers[1:]]
        self.assertEqual([type(result) for result in results], [Appended] * (TOLD_AT_ONCE - 1))

    def test_one_commit_for_a_turn(self) -> None:
        """What comes in one turn of the reactor goes together, though the disk has nothing else to do."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(1, bytes([n]) * 16), 0) for n in range(3)]
        self.assertEqual(writer.waiting, [])
        self.turn()
        self.assertEqual(writer.work(), 1)
        for answer in answers:
            self.successResultOf(answer)

    def test_told_by_turns(self) -> None:
        """Many facts are told in several turns of the reactor, each before its author has the answer."""
        store, writer, _ = self.open_slowly()
        heard: list[int] = []
        subscribing = store.subscribe(lambda fact: heard.append(fact.client[0]), 0)
        writer.work()
        self.successResultOf(subscribing)
        answers = [store.append(draft(1, bytes([n]) * 16), 0) for n in range(2 * TOLD_AT_ONCE + 2)]
        self.turn()
        writer.work()
        self.assertEqual(heard, list(range(TOLD_AT_ONCE)))
        self.assertEqual([answer.called for answer in answers].count(True), TOLD_AT_ONCE)
        self.turn()
        self.assertEqual(heard, list(range(2 * TOLD_AT_ONCE)))
        self.turn()
        self.assertEqual(heard, list(range(2 * TOLD_AT_ONCE + 2)))
        for answer in answers:
            self.successResultOf(answer)

    def test_bounds(self) -> None:
        """A batch has a bound, and what waits has one: beyond it the answer is a refusal, at once."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(0), 0)]
        self.turn()
        answers += [store.append(draft(0), 0) for _ in range(WAITING)]
        self.failureResultOf(store.append(draft(0), 0), StoreError)
        batches = 0
        while writer.work():
            batches += 1
            while self.later:
                self.turn()
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
        self.turn()
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


class FaultTests(SqliteTestCase):
    """A disk that fails: what is accepted is stored, and nothing else."""

    def test_a_failed_commit(self) -> None:
        """Nothing of it is written, all of it is told so, and the next one finds things as they were."""
        store, writer, _ = self.open_slowly()
        answers = [store.append(draft(1), 0)]
        self.turn()
        writer.work()
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'full'); END")
        answers += [store.append(draft(2), 1)]
        self.turn()
        writer.work()
        failure = self.failureResultOf(answers[1], StoreError)
        self.assertIn("full", failure.getErrorMessage())
        self.assertIn(str(self.path), failure.getErrorMessage())
        other.execute("DROP TRIGGER full")
        other.close()
        answers += [store.append(draft(2), 1), store.append(draft(1), 0)]
        self.turn()
        while writer.work():
            pass
        first, again = self.successResultOf(answers[0]), self.successResultOf(answers[2])
        assert isinstance(first, Appended)
        assert isinstance(again, Appended)
        self.assertLess(first.seq, again.seq)
        self.assertEqual(self.successResultOf(answers[3]), Repeat(first.seq))

    def test_a_failed_memo(self) -> None:
        """All of what is to be remembered at once is, or nothing; texts and later memos pass."""
        store = self.open()
        self.successResultOf(store.remember({"a": b"1", "b": b"1"}))
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON memos WHEN new.key = 'z'"
            " BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        failing = store.remember({"a": None, "b": b"2", "c": b"2", "z": b"2"})
        self.assertIn("full", self.failureResultOf(failing, StoreError).getErrorMessage())
        self.assertEqual(self.successResultOf(store.remembered()), {"a": b"1", "b": b"1"})
        self.assertIsInstance(self.successResultOf(store.append(draft(1), 0)), Appended)
        other.execute("DROP TRIGGER full")
        other.close()
        self.successResultOf(store.remember({"a": None, "z": b"2"}))
        self.assertEqual(self.successResultOf(store.remembered()), {"b": b"1", "z": b"2"})

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

    def test_a_file_that_is_removed(self) -> None:
        """What is written to a file without a name would be lost: nothing is accepted until it has one."""
        store = self.open()
        aside = self.path.with_name("aside.db")
        self.path.rename(aside)
        for _ in range(2):  # nothing is there, then another file
            for failing in (store.append(draft(1), 0), store.remember({"a": b"1"})):
                self.assertIn("removed or replaced", str(self.failureResultOf(failing, StoreError).value))
            self.path.touch()
        aside.rename(self.path)
        self.assertIsInstance(self.successResultOf(store.append(draft(1), 0)), Appended)

    def test_a_file_that_is_replaced(self) -> None:
        """A copy that was put in its place can be served by who does what the refusal says."""
        tables = Tables(self.path, START)
        tables.append([(draft(1), 0)], START)
        copy = self.path.with_name("copy.db")
        other = sqlite3.connect(self.path)
        self.addCleanup(other.close)
        other.execute("VACUUM INTO ?", (str(copy),))
        for n in range(2, 100):
            tables.append([(draft(n, text="x" * 500), n - 1)], START)
        copy.replace(self.path)
        with self.assertRaisesRegex(StoreError, "stop the server and remove chat.db-wal before"):
            tables.append([(draft(100), 99)], START)
        tables.close()
        self.path.with_name("chat.db-wal").unlink()
        tables = Tables(self.path, START)
        self.addCleanup(tables.close)
        self.assertEqual([fact.n for fact in tables.facts(0, 10)], [1])

    def test_files_that_are_none_of_ours(self) -> None:
        """No database, another program's, a newer release's, a folder: each is refused and left as it was."""
        for name, make, word in (
            ("text", lambda path: path.write_bytes(b"dear diary, today " * 100), "not a database"),
            ("other", _make_other, "another program"),
            ("newer", _make_newer, "newer"),
            ("folder", lambda path: path.mkdir(), "is no file"),
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
        with self.assertRaisesRegex(StoreError, "there is no folder .*nowhere$"):
            self.open()

    def test_nobody_elses_business(self) -> None:
        """Only the owner may read the file and what lies beside it, whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0))
        store = self.open()
        self.successResultOf(store.append(draft(1), 0))
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.path.parent.iterdir()}
        self.assertEqual(modes, {f"chat.db{end}": 0o600 for end in ("", "-wal", "-shm", ".lock")})

    def test_a_link(self) -> None:
        """Where a link leads the file is made, as private as any; a link to itself is refused."""
        self.addCleanup(os.umask, os.umask(0))
        real = self.path.with_name("elsewhere.db")
        self.path.symlink_to(real)
        self.successResultOf(self.open().close())
        self.assertEqual(real.stat().st_mode & 0o777, 0o600)
        self.path.unlink()
        self.path.symlink_to(self.path)
        with self.assertRaisesRegex(StoreError, "a link that leads to itself"):
            self.open()

    def test_no_file(self) -> None:
        """What is there and is no file is refused, and nothing is made beside it."""
        os.mkfifo(self.path)
        with self.assertRaisesRegex(StoreError, "is no file"):
            self.open()
        self.assertEqual([each.name for each in self.path.parent.iterdir()], [self.path.name])

    def test_two_servers(self) -> None:
        """A second server on one file is refused until the first one has let go."""
        first = self.open()
        with self.assertRaisesRegex(StoreError, "another server"):
            self.open()
        real, self.path = self.path, self.path.with_name("other.db")
        self.path.symlink_to(real)
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


def _make_other(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()


def _make_newer(path: Path) -> None:
    Tables(path, START).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(SCRIPTS) + 1}")
    newer.execute("PRAGMA journal_mode = DELETE")
    newer.commit()
    newer.close()
