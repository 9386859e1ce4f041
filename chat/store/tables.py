"""A store's tables in one SQLite file: what is asked of them, in plain functions that wait for the disk.

Whoever owns a `Tables` calls it from one thread at a time. Nothing here knows of Deferreds or of who is
subscribed. What is written is written in transactions, and is on the disk when `append` returns: the journal
is SQLite's write-ahead log, synchronous=FULL (https://sqlite.org/wal.html, https://sqlite.org/pragma.html).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from chat.errors import StoreError
from chat.messages import Entry, Kind
from chat.notices import REDACTED
from chat.store.interface import EMPTY_ROOMS, KEPT_RESULTS, KEPT_ROOMS, READ_LIMIT, begin_run, said
from chat.store.schema import check_schema, transaction, upgrade
from chat.store.searching import search
from chat.stored import Appended, AppendResult, Draft, Fact, Found, Heads, Page, Repeat, RoomHeads, Stale

BUSY_SECONDS = 5.0  # to wait for another program that has the file locked (a backup, somebody's sqlite3)
WAL_PAGES = 1_000  # of 4 KiB, after which SQLite copies them into the file: its own default
SWEEP_SECONDS = 3_600.0  # between two looks at all clients: an index would be written with every text
CLIENTS = 8_192  # whose numbers are known without asking the file: 3 KiB each
TRIM_AT_ONCE = 250  # entries: some 20 ms of a file with a million, in which appends wait
LOOKED_AT = 1_000  # rooms, in one step of trimming: some 10 ms in which appends wait

_ENTRY = "seq, back, at, kind, nick, verified, text"


class _Room(msgspec.Struct):
    id: int
    floor: int
    head: int
    count: int  # of the entries that are kept
    topic: str


class _Result(msgspec.Struct, array_like=True):
    """Where a text went, and a hash of it: the text itself may be long gone from its room."""

    n: int
    seq: int
    what: bytes


_Results = list[_Result]
_decode_results = msgspec.msgpack.Decoder(_Results).decode
_encode_results = msgspec.msgpack.Encoder().encode


class _Client(NamedTuple):
    """A client's newest number, and what became of its newest texts."""

    number: int
    results: _Results


class _Change:
    """What one transaction writes: rooms and clients as they will be, and rows of entries."""

    def __init__(self, at: int) -> None:
        self.rooms: dict[str, _Room] = {}
        self.clients: dict[bytes, _Client] = {}
        self.entries: list[tuple[object, ...]] = []
        self.made = 0  # of the rooms
        self._at = at

    def client_rows(self) -> list[tuple[object, ...]]:
        """Give the rows of the clients, one each however much they said."""
        return [
            (client, known.number, self._at, _encode_results(known.results))
            for client, known in self.clients.items()
        ]


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `StoreError`, which names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error


class Tables:
    """The tables in the file at `path`, made if there are none. `at` is the time, in seconds since 1970.

    With `is_reader` they are only read, beside another `Tables` of this process that writes. Another program
    may have the file locked for `patience` seconds. Raises `StoreError` for a file that cannot be used: no
    database, another program's, of a newer release.
    """

    def __init__(
        self, path: Path, at: float, *, is_reader: bool = False, patience: float = BUSY_SECONDS
    ) -> None:
        self._path = path
        self._rooms: dict[str, _Room] = {}
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()  # those that spoke last
        self._swept_at = float("-inf")  # when clients were last looked through
        self._to_trim: list[str] = []  # rooms that trimming has still to look at, before it begins again
        with told_plainly(path):
            # a pool's thread may be another than the one that opens: calls never overlap all the same
            self._connection = sqlite3.connect(
                path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=64
            )
            try:
                self._prepare(at, is_reader)
            except BaseException:
                self._connection.close()
                raise
        self._is_reader = is_reader
        self._file = _which(path)

    def _prepare(self, at: float, is_reader: bool) -> None:
        ask = self._connection.execute
        if is_reader:
            ask("PRAGMA query_only = ON")
            return
        check_schema(self._connection, self._path)
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = FULL")
        ask(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        upgrade(self._connection)
        with transaction(self._connection):
            if ask("SELECT base FROM run").fetchone() is None:
                ask("INSERT INTO run VALUES (?)", (begin_run(at, 0),))
            self._forget_rooms()
        (self.base,) = ask("SELECT base FROM run").fetchone()
        for name, *fields in ask("SELECT name, id, floor, head, count, topic FROM rooms"):
            self._rooms[name] = _Room(*fields)
        # of the entries themselves too: a file whose newest cannot be read is not to be served
        (newest,) = ask("SELECT coalesce(max(seq), 0) FROM entries").fetchone()
        heads = (room.head for room in self._rooms.values())
        self._newest = begin_run(at, max([self.base, newest, *heads]))

    def _forget_rooms(self) -> None:
        """Forget rooms of which nothing is kept, if they have become many.

        Then no position in a room that has no entry is known below the newest of theirs, and whoever was in
        one is told that something there is not kept any more. That is rare; rooms that nobody remembers
        would take the place of others for ever.
        """
        ask = self._connection.execute
        empty = "FROM rooms WHERE count = 0 AND topic = ''"
        count, newest = ask(f"SELECT count(*), ifnull(max(head), 0) {empty}").fetchone()
        if count > EMPTY_ROOMS:
            ask("UPDATE run SET base = max(base, ?)", (newest,))
            ask(f"DELETE {empty}")

    def close(self) -> None:
        """Let go of the file."""
        with told_plainly(self._path):
            self._connection.close()

    # --- writing

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Do what is inside as one transaction, in the file of that name: what goes into one that somebody
        removed is lost at the end."""
        if _which(self._path) != self._file:
            # what we have in the -wal does not fit another file: opened beside it, it would break that one
            todo = f"put it back, or stop the server and remove {self._path.name}-wal before the next start"
            raise StoreError(f"{self._path} was removed or replaced while the server ran: {todo}")
        with transaction(self._connection):
            yield

    def append(
        self, drafts: Sequence[tuple[Draft, int]], at: float
    ) -> list[tuple[AppendResult | StoreError, Fact | None]]:
        """Write drafts, each with the number that its caller believes to be the client's last, all at once.

        Gives what `Store.append` answers for each (or fails with), and the fact if one was written. Raises
        `StoreError` if the disk takes nothing: then nothing of it was written.
        """
        with told_plainly(self._path):
            change = _Change(int(at))
            write = self._connection.executemany
            with self._writing():
                outcomes = [self._append(draft, last, at, change) for draft, last in drafts]
                write("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", change.entries)
                write("INSERT OR REPLACE INTO clients VALUES (?, ?, ?, ?)", change.client_rows())
                write(
                    "UPDATE rooms SET head = ?, count = ?, topic = ? WHERE id = ?",
                    [(room.head, room.count, room.topic, room.id) for room in change.rooms.values()],
                )
            self._rooms |= change.rooms
            for client, known in change.clients.items():
                self._clients[client] = known
                self._clients.move_to_end(client)
            while len(self._clients) > CLIENTS:
                self._clients.popitem(last=False)
            return outcomes

    def _append(
        self, draft: Draft, last: int, at: float, change: _Change
    ) -> tuple[AppendResult | StoreError, Fact | None]:
        known: _Client | None = None
        what = b""
        if draft.n:
            known = change.clients.get(draft.client) or self._client(draft.client)
            what = _hash(draft)
            if draft.n <= known.number:
                result = next((result for result in known.results if result.n == draft.n), None)
                return Repeat(0) if result is None else Repeat(result.seq, result.what == what), None
            if known.number != last:
                return Stale(known.number), None
        room = change.rooms.get(draft.room) or self._touch(draft.room, change)
        if room is None:
            return StoreError("there are too many rooms"), None
        fact = self._write(draft, room, int(at * 1000), change)
        if known is not None:
            results = [*known.results[1 - KEPT_RESULTS :], _Result(draft.n, fact.entry.seq, what)]
            change.clients[draft.client] = _Client(draft.n, results)
        return Appended(fact.entry.seq), fact

    def _client(self, client: bytes) -> _Client:
        known = self._clients.get(client)
        if known is not None:
            return known
        ask = "SELECT number, results FROM clients WHERE id = ?"
        row = self._connection.execute(ask, (client,)).fetchone()
        return _Client(0, []) if row is None else _Client(row[0], _decode_results(row[1]))

    def _touch(self, name: str, change: _Change) -> _Room | None:
        """Give a copy of a room, to be changed in this transaction; None: it would be one too many."""
        known = self._rooms.get(name)
        if known is not None:
            room = replace(known)
        elif len(self._rooms) + change.made >= KEPT_ROOMS:
            return None
        else:
            made = self._connection.execute(
                "INSERT INTO rooms (name, floor, head, count, topic) VALUES (?, ?, ?, 0, '')",
                (name, self.base, self.base),
            )
            room = _Room(made.lastrowid or 0, self.base, self.base, 0, "")
            change.made += 1
        change.rooms[name] = room
        return room

    def _write(self, draft: Draft, room: _Room, at: int, change: _Change) -> Fact:
        self._newest += 1  # and never back, whatever becomes of the transaction
        entry = Entry(
            room=draft.room,
            seq=self._newest,
            back=self._newest - room.head,
            at=at,
            kind=draft.kind,
            nick=draft.nick,
            verified=draft.verified,
            text=draft.text,
        )
        change.entries.append(
            (
                entry.seq, room.id, entry.back, at, draft.kind.value, draft.nick, draft.verified, draft.text,
                draft.client, draft.n, draft.reader,
            )
        )  # fmt: skip
        room.head = entry.seq
        room.count += 1
        if draft.kind is Kind.TOPIC:
            room.topic = draft.text
        return Fact(draft.client, draft.n, entry, room.floor, draft.reader)

    # --- reading

    def read(self, room: str, after: int | None, before: int | None, limit: int, base: int) -> Page:
        """Give what `Store.read` promises; `base` is floor and head of a room in which nobody spoke."""
        limit = min(limit, READ_LIMIT)
        ask = self._connection.execute
        with told_plainly(self._path), transaction(self._connection, "DEFERRED"):
            found = ask("SELECT id, floor, head FROM rooms WHERE name = ?", (room,)).fetchone()
            if found is None:
                return Page(base, base, ())
            number, floor, head = found
            order = "DESC" if after is None else "ASC"
            rows = ask(
                f"SELECT {_ENTRY} FROM entries WHERE room = ? AND seq > ? AND seq < ?"  # noqa: S608  (constants)
                f" ORDER BY seq {order} LIMIT ?",
                (number, -1 if after is None else after, head + 1 if before is None else before, limit),
            ).fetchall()
        if after is None:
            rows.reverse()
        return Page(floor, head, tuple(_entry(room, row) for row in rows))

    def search(self, room: str, words: Sequence[str], before: int | None, limit: int) -> Found:
        """Give what `Store.search` promises."""
        with told_plainly(self._path), transaction(self._connection, "DEFERRED"):
            rows, older = search(self._connection, room, words, before, limit)
        return Found(tuple(_entry(room, row) for row in rows), older)

    def redact(self, room: str, seq: int) -> bool:
        """Do what `Store.redact` promises."""
        known = self._rooms.get(room)
        if known is None:
            return False
        with told_plainly(self._path), self._writing():
            changed = self._connection.execute(
                "UPDATE entries SET text = ? WHERE seq = ? AND room = ?", (REDACTED, seq, known.id)
            )
        return changed.rowcount > 0

    def heads(self) -> Heads:
        """Give what `Store.heads` promises."""
        rooms = self._rooms.items()
        return Heads(self.base, {name: RoomHeads(room.floor, room.head, room.topic) for name, room in rooms})

    def facts(self, after: int, limit: int) -> list[Fact]:
        """Give the kept facts above a position, over all rooms, in order."""
        names = {room.id: name for name, room in self._rooms.items()}
        with told_plainly(self._path):
            rows = self._connection.execute(
                f"SELECT {_ENTRY}, room, client, n, reader FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
                (after, limit),
            ).fetchall()
        facts = []
        for *entry, room, client, n, reader in rows:
            name = names[room]
            facts.append(Fact(client, n, _entry(name, entry), self._rooms[name].floor, reader))
        return facts

    # --- memos

    def remember(self, changes: Mapping[str, bytes | None]) -> None:
        """Do what `Store.remember` promises."""
        gone = [(key,) for key, content in changes.items() if content is None]
        kept = [(key, content) for key, content in changes.items() if content is not None]
        with told_plainly(self._path), self._writing():
            self._connection.executemany("DELETE FROM memos WHERE key = ?", gone)
            self._connection.executemany("INSERT OR REPLACE INTO memos VALUES (?, ?)", kept)

    def remembered(self) -> dict[str, bytes]:
        """Give what `Store.remembered` promises."""
        with told_plainly(self._path):
            return dict(self._connection.execute("SELECT key, content FROM memos").fetchall())

    # --- forgetting

    def trim(self, entries: int, at: float, days: float, client_days: float) -> bool:
        """Forget one room's oldest entries beyond `entries` or older than `days`: at most 250 of them.

        Clients that have said nothing for `client_days` are forgotten with their numbers. Says whether there
        is more to forget, or to look at.
        """
        oldest = int((at - days * 86_400) * 1000)
        self._to_trim = self._to_trim or list(self._rooms)
        with told_plainly(self._path):
            if at >= self._swept_at + SWEEP_SECONDS:
                self._swept_at = at
                silent = int(at - client_days * 86_400)
                if self._connection.execute("DELETE FROM clients WHERE used < ?", (silent,)).rowcount:
                    self._clients.clear()
            for name in self._to_trim[: -LOOKED_AT - 1 : -1]:
                room = self._rooms[name]
                excess = min(self._excess(room, entries, oldest, int(at * 1000)), TRIM_AT_ONCE)
                if excess > 0:
                    self._forget(room, excess)
                    return True
                self._to_trim.pop()
        return bool(self._to_trim)

    def _excess(self, room: _Room, entries: int, oldest: int, now: int) -> int:
        """Give how many of a room's entries are too many or too old.

        What was said before something that is too old is so, too, whatever the clock showed then.
        """
        ask = self._connection.execute
        too_many = max(room.count - entries, 0)
        first = ask(
            "SELECT at FROM entries WHERE room = ? ORDER BY seq LIMIT 1 OFFSET ?", (room.id, too_many)
        ).fetchone()
        if first is None or oldest <= first[0] <= now:
            return too_many
        rows = ask(
            "SELECT at FROM entries WHERE room = ? ORDER BY seq LIMIT ? OFFSET ?",
            (room.id, TRIM_AT_ONCE, too_many),
        )
        old = [number for number, (at,) in enumerate(rows, 1) if at < oldest]
        return too_many + max(old, default=0)

    def _forget(self, room: _Room, count: int) -> None:
        (floor,) = self._connection.execute(
            "SELECT seq FROM entries WHERE room = ? ORDER BY seq LIMIT 1 OFFSET ?", (room.id, count - 1)
        ).fetchone()
        with transaction(self._connection):
            self._connection.execute("DELETE FROM entries WHERE room = ? AND seq <= ?", (room.id, floor))
            self._connection.execute(
                "UPDATE rooms SET floor = ?, count = ? WHERE id = ?", (floor, room.count - count, room.id)
            )
        room.floor = floor
        room.count -= count


def _entry(room: str, row: Sequence[object]) -> Entry:
    seq, back, at, kind, nick, verified, text = row
    return Entry(room, seq, back, at, Kind(kind), nick, bool(verified), text)  # type: ignore[arg-type]


def _hash(draft: Draft) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(said(draft)), digest_size=8).digest()


def _which(path: Path) -> tuple[int, int] | None:
    """Give what tells the file at `path` from another that is put there; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
