"""A store that keeps the newest entries of each room in memory and forgets everything when it ends."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed

from chat.errors import StoreError
from chat.messages import Entry, Kind
from chat.notices import REDACTED
from chat.store.interface import KEPT_RESULTS, KEPT_ROOMS, LOOKED_AT, READ_LIMIT, begin_run, holds, said
from chat.stored import Appended, AppendResult, Draft, Fact, Found, Heads, Page, Repeat, RoomHeads, Stale

KEPT_ENTRIES = 512  # a room: what members who missed something ask for; about half a megabyte at most
KEPT_IN_ALL = 100_000  # over all rooms: a tenth of a gigabyte, however many rooms there are
KEPT_CLIENTS = 20_000  # numbers of clients, the longest unused forgotten first


class _Room:
    """A room's newest entries. `floor` is the newest that is not kept, `head` the newest of all."""

    def __init__(self, base: int) -> None:
        self.floor = base
        self.head = base
        self.topic = ""
        self.facts: deque[Fact] = deque()


class _Result(NamedTuple):
    """Where a text went, and a hash of it: the text itself may be long gone from its room."""

    seq: int
    what: int


class _Client:
    """A client's newest number, and what became of its newest texts."""

    def __init__(self) -> None:
        self.number = 0
        self.results: OrderedDict[int, _Result] = OrderedDict()


class Contents:
    """What a `MemoryStore` holds: rooms, clients, the newest position, and the base of its first run."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.newest = base
        self.count = 0  # of the entries in all rooms
        self.rooms: dict[str, _Room] = {}
        self.filled: OrderedDict[str, _Room] = OrderedDict()  # those with entries, the quietest first
        self.clients: OrderedDict[bytes, _Client] = OrderedDict()
        self.memos: dict[str, bytes] = {}  # whoever remembers bounds them


class MemoryStore:
    """The `Store` for tests and for servers without a disk. `clock` gives seconds since 1970.

    It keeps `kept` entries of each room (at least 1). What came before its run is not kept, so the base of
    the run is floor and head of every room in which nobody spoke. Nothing tells it where an earlier run
    ended: if the clock was set back meanwhile, or stood still, it gives positions out once more.

    `contents` are those of a store that has ended: this one begins its run above them, as if both had one
    disk. So tests can have a server whose store outlives it.
    """

    def __init__(
        self, clock: Callable[[], float], kept: int = KEPT_ENTRIES, contents: Contents | None = None
    ) -> None:
        self.contents = Contents(begin_run(clock(), 0)) if contents is None else contents
        if contents is not None:
            contents.newest = begin_run(clock(), contents.newest)
        self._clock = clock
        self._kept = min(kept, KEPT_IN_ALL)
        self._subscriber: Callable[[Fact], None] | None = None
        self._closed = False

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """See `Store.append`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        rooms = self.contents.rooms
        if draft.room not in rooms and len(rooms) >= KEPT_ROOMS:
            return fail(StoreError("there are too many rooms"))
        if draft.n == 0:
            return succeed(Appended(self._write(draft).seq))
        client = self._client(draft.client)
        what = hash(said(draft))
        if draft.n <= client.number:
            known = client.results.get(draft.n)
            return succeed(Repeat(0) if known is None else Repeat(known.seq, known.what == what))
        if client.number != last:
            return succeed(Stale(client.number))
        client.number = draft.n
        client.results[draft.n] = _Result(self.contents.newest + 1, what)
        if len(client.results) > KEPT_RESULTS:
            client.results.popitem(last=False)
        return succeed(Appended(self._write(draft).seq))

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """See `Store.read`. What is asked for most stands at the end, so the search begins there."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        kept = self.contents.rooms.get(room)
        if kept is None:
            return succeed(Page(self.contents.base, self.contents.base, ()))
        limit = min(limit, READ_LIMIT)
        found: list[Entry] = []
        for fact in reversed(kept.facts):
            seq = fact.entry.seq
            if (after is not None and seq <= after) or (after is None and len(found) == limit):
                break
            if before is None or seq < before:
                found.append(fact.entry)
        found.reverse()
        return succeed(Page(kept.floor, kept.head, tuple(found[:limit])))

    def search(self, room: str, words: Sequence[str], before: int | None, limit: int) -> Deferred[Found]:
        """See `Store.search`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        kept = self.contents.rooms.get(room)
        found: list[Entry] = []
        looked = 0
        for fact in reversed(kept.facts if kept is not None else ()):
            entry = fact.entry
            if before is not None and entry.seq >= before:
                continue
            looked += 1
            if holds(entry.text, words):
                found.append(entry)
            if len(found) == limit or looked == LOOKED_AT:
                return succeed(Found(tuple(found), entry.seq))
        return succeed(Found(tuple(found), 0))

    def redact(self, room: str, seq: int) -> Deferred[bool]:
        """See `Store.redact`. What is redacted was mostly said just now, so the search begins at the end."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        kept = self.contents.rooms.get(room)
        facts: deque[Fact] = deque() if kept is None else kept.facts
        for place in range(len(facts) - 1, -1, -1):
            fact = facts[place]
            if fact.entry.seq == seq:
                facts[place] = replace(fact, entry=replace(fact.entry, text=REDACTED))
                return succeed(True)
        return succeed(False)

    def heads(self) -> Deferred[Heads]:
        """See `Store.heads`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        rooms = self.contents.rooms.items()
        heads = {name: RoomHeads(room.floor, room.head, room.topic) for name, room in rooms}
        return succeed(Heads(self.contents.base, heads))

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """See `Store.subscribe`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        rooms = self.contents.rooms.values()
        facts = [fact for room in rooms for fact in room.facts if fact.entry.seq > after]
        for fact in sorted(facts, key=lambda fact: fact.entry.seq):
            callback(fact)
        self._subscriber = callback
        return succeed(None)

    def remember(self, changes: Mapping[str, bytes | None]) -> Deferred[None]:
        """See `Store.remember`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        for key, content in changes.items():
            if content is None:
                self.contents.memos.pop(key, None)
            else:
                self.contents.memos[key] = content
        return succeed(None)

    def remembered(self) -> Deferred[dict[str, bytes]]:
        """See `Store.remembered`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        return succeed(dict(self.contents.memos))

    def close(self) -> Deferred[None]:
        """See `Store.close`."""
        self._closed = True
        self._subscriber = None
        return succeed(None)

    def _client(self, client_id: bytes) -> _Client:
        clients = self.contents.clients
        client = clients.setdefault(client_id, _Client())
        clients.move_to_end(client_id)
        if len(clients) > KEPT_CLIENTS:
            clients.popitem(last=False)
        return client

    def _write(self, draft: Draft) -> Entry:
        contents = self.contents
        room = contents.rooms.setdefault(draft.room, _Room(contents.base))
        contents.filled[draft.room] = room
        contents.filled.move_to_end(draft.room)
        contents.newest += 1
        entry = Entry(
            room=draft.room,
            seq=contents.newest,
            back=contents.newest - room.head,
            at=int(self._clock() * 1000),
            kind=draft.kind,
            nick=draft.nick,
            verified=draft.verified,
            text=draft.text,
        )
        if len(room.facts) >= self._kept:
            self._trim(room, len(room.facts) - self._kept + 1)
        elif contents.count >= KEPT_IN_ALL:
            _, quietest = contents.filled.popitem(last=False)
            self._trim(quietest, len(quietest.facts))
        fact = Fact(draft.client, draft.n, entry, room.floor, draft.reader)
        room.head = entry.seq
        if entry.kind is Kind.TOPIC:
            room.topic = entry.text
        room.facts.append(fact)
        contents.count += 1
        if self._subscriber is not None:
            self._subscriber(fact)
        return entry

    def _trim(self, room: _Room, count: int) -> None:
        for _ in range(count):
            room.floor = room.facts.popleft().entry.seq
        self.contents.count -= count
