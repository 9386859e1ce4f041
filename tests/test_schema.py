"""Tests of `chat.store.schema`: a file of an earlier release gets what it lacks, all of it or nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.store.schema import SCRIPTS, check_schema, upgrade
from chat.store.tables import Tables
from tests.store_case import START

OLD = ("CREATE TABLE run (base INTEGER); CREATE TABLE texts (text TEXT); INSERT INTO run VALUES (7);",)
NEXT = (*OLD, "ALTER TABLE texts ADD COLUMN tone TEXT NOT NULL DEFAULT 'calm'; UPDATE run SET base = 8;")
LATEST = (*NEXT, "CREATE TABLE tones (tone TEXT); INSERT INTO tones SELECT DISTINCT tone FROM texts;")


class UpgradeTests(SynchronousTestCase):
    """Scripts bring a file from whatever schema it has to the newest."""

    def setUp(self) -> None:
        """Begin with an empty file."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "chat.db"
        self.connection = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.connection.close)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Give the rows of a query."""
        return self.connection.execute(statement).fetchall()

    def schema(self) -> list[tuple[object, ...]]:
        """Give everything that the file has by name."""
        return [*self.ask("SELECT sql FROM sqlite_master ORDER BY name"), *self.ask("PRAGMA user_version")]

    def test_from_any_release(self) -> None:
        """A new file and those of all earlier releases end with the same tables; what they had is there."""
        upgrade(self.connection, LATEST)
        fresh = self.schema()
        self.assertEqual(fresh[-1], (3,))
        for earlier in (OLD, NEXT, LATEST):
            self.connection.close()
            self.path.unlink()
            self.connection = sqlite3.connect(self.path, isolation_level=None)
            upgrade(self.connection, earlier)
            self.assertEqual(self.ask("PRAGMA user_version"), [(len(earlier),)])
            self.connection.execute("INSERT INTO texts (text) VALUES ('said before')")
            upgrade(self.connection, LATEST)
            self.assertEqual(self.schema(), fresh)
            self.assertEqual(self.ask("SELECT text, tone FROM texts"), [("said before", "calm")])
            self.assertEqual(self.ask("SELECT base FROM run"), [(8,)])

    def test_once(self) -> None:
        """A file that has a script does not get it again."""
        upgrade(self.connection, NEXT)
        self.connection.execute("UPDATE run SET base = 99")
        upgrade(self.connection, NEXT)
        self.assertEqual(self.ask("SELECT base FROM run"), [(99,)])

    def test_all_or_nothing(self) -> None:
        """A script that fails leaves the file as it was, those before it undone, too."""
        upgrade(self.connection, OLD)
        before = self.schema()
        failing = (*NEXT, "CREATE TABLE more (x); INSERT INTO nowhere VALUES (1);")
        self.assertRaises(sqlite3.OperationalError, upgrade, self.connection, failing)
        self.assertEqual(self.schema(), before)
        self.assertEqual(self.ask("SELECT base FROM run"), [(7,)])
        upgrade(self.connection, LATEST)
        self.assertEqual(self.ask("SELECT base FROM run"), [(8,)])

    def test_whose_file_it_is(self) -> None:
        """An empty file and earlier schemas pass; a newer one and another program's do not, in one line."""
        check_schema(self.connection, self.path, NEXT)
        upgrade(self.connection, OLD)
        check_schema(self.connection, self.path, NEXT)
        upgrade(self.connection, LATEST)
        check_schema(self.connection, self.path, LATEST)
        newer = self.assertRaises(StoreError, check_schema, self.connection, self.path, NEXT)
        self.assertEqual(str(newer), f"{self.path} is of a newer udpchat: its schema is 3, not 2")
        self.connection.execute("PRAGMA user_version = 0")
        other = self.assertRaises(StoreError, check_schema, self.connection, self.path, NEXT)
        self.assertEqual(str(other), f"{self.path} is another program's database")

    def test_what_a_store_does(self) -> None:
        """Opening a file makes the tables of this release, and finds them made."""
        for _ in range(2):
            Tables(self.path, START).close()
            self.assertEqual(self.ask("PRAGMA user_version"), [(len(SCRIPTS),)])
