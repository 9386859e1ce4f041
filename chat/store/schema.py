"""The tables in a store's SQLite file, and how the file of an earlier release comes to have them.

A file's `user_version` is the number of scripts that it has had. A released script never changes: what is to
be different is a script more at the end. SQLite adds a column behind the others, so that is where `tables`
expects the newest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from chat.errors import StoreError

SCRIPTS = (
    """
    CREATE TABLE run (base INTEGER NOT NULL);
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
        floor INTEGER NOT NULL, head INTEGER NOT NULL, count INTEGER NOT NULL, topic TEXT NOT NULL
    );
    CREATE TABLE entries (
        seq INTEGER PRIMARY KEY, room INTEGER NOT NULL, back INTEGER NOT NULL, at INTEGER NOT NULL,
        kind TEXT NOT NULL, nick TEXT NOT NULL, verified INTEGER NOT NULL, text TEXT NOT NULL,
        client BLOB NOT NULL, n INTEGER NOT NULL, reader BLOB NOT NULL
    );
    CREATE INDEX entries_of_rooms ON entries (room, seq);
    CREATE TABLE clients (
        id BLOB PRIMARY KEY, number INTEGER NOT NULL, used INTEGER NOT NULL, results BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE memos (key TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
    """,
)


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do what is inside as one transaction: all of it, or nothing if something fails."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back already where it could not go on
            connection.execute("ROLLBACK")
        raise


def check_schema(connection: sqlite3.Connection, path: Path, scripts: Sequence[str] = SCRIPTS) -> None:
    """Raise `StoreError` for a file that is not a store's, or of a newer release. Leaves it as it is."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if schema > len(scripts):
        raise StoreError(f"{path} is of a newer udpchat: its schema is {schema}, not {len(scripts)}")
    if not schema and tables:
        raise StoreError(f"{path} is another program's database")


def upgrade(connection: sqlite3.Connection, scripts: Sequence[str] = SCRIPTS) -> None:
    """Give the file what it lacks, in one transaction: it has all of it then, or is as it was.

    Raises `sqlite3.Error`.
    """
    with transaction(connection):
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        for script in scripts[schema:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
