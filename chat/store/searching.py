"""Searching a room's entries in an SQLite file: by words, in steps that are short whatever is found.

What SQLite makes small is ASCII. So it chooses among texts of that, many times faster than Python could; all
others are looked at here. It does so with `instr`: LIKE tries a word anew at each place letter by letter, so
that one of 300 times nearly the same letter, in a room full of that, took a second for each step, in which
nobody else could read. There is no index of words: it would be written with every text, and a room of 10,000
entries is looked through in 15 ms of CPU time without one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from chat.store.interface import LOOKED_AT, holds

Row = tuple[object, ...]

_ROOM = "SELECT id FROM rooms WHERE name = ?"
_LOW = "SELECT seq FROM entries WHERE room = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_MAYBE = """
    SELECT seq, back, at, kind, nick, verified, text FROM entries
    WHERE room = ? AND seq < ? AND seq >= ?
        AND (instr(lower(text), ?) OR length(text) <> length(CAST(text AS BLOB)))
    ORDER BY seq DESC
"""
_ABOVE_ALL = 1 << 62  # every position


def search(
    connection: sqlite3.Connection, room: str, words: Sequence[str], before: int | None, limit: int
) -> tuple[list[Row], int]:
    """Give the rows that hold all (folded) words, the newest first, and where to go on (0: nowhere)."""
    found = connection.execute(_ROOM, (room,)).fetchone()
    if found is None:
        return [], 0
    number, below = found[0], _ABOVE_ALL if before is None else before
    low = connection.execute(_LOW, (number, below, LOOKED_AT - 1)).fetchone()
    lowest = 0 if low is None else low[0]
    longest = max(words, key=len, default="")
    rows: list[Row] = []
    for row in connection.execute(_MAYBE, (number, below, lowest, longest)):
        if holds(row[-1], words):
            rows.append(row)
            if len(rows) == limit:
                return rows, row[0]
    return rows, lowest
