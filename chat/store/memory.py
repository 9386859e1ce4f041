"""A store that keeps the newest entries of each room in memory and forgets everything when it ends."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed

from chat.errors import StoreError
from chat.messages import Appended, AppendResult, Draft, Entry, Fact, Page, Repeat, Stale
from chat.store.interface import READ_LIMIT

KEPT_ENTRIES = 512  # a room: what members who missed something ask for; about half a megabyte at most
KEPT_ROOMS = 10_000
KEPT_CLIENTS = 20_000  # numbers of clients, the longest unused forgotten first
KEPT_RESULTS = 16  # a client: more than the 8 requests that one may have in flight
RUN_BITS = 10  # positions in a millisecond before a run could meet the one that a restart begins


class _Room:
    """A room's newest entries. `floor` is the newest that is not kept, `head` the newest of all."""

    def __init__(self, base: int) -> None:
        self.floor = base
        self.head = base
        self.facts: deque[Fact] = deque()


class _Client:
    """A client's newest number, and where its newest texts went."""

    def __init__(self) -> None:
        self.number = 0
        self.results: OrderedDict[int, int] = OrderedDict()


class MemoryStore:
    """The `Store` for tests and for servers without a disk. `clock` gives seconds since 1970.

    Its run of positions begins at `milliseconds << 10`: above every earlier one as long as the clock is not
    set back and no server appends a million entries a second. What came before the run is not kept, so its
    base is the floor of every room.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._base = int(clock() * 1000) << RUN_BITS
        self._seq = self._base
        self._rooms: dict[str, _Room] = {}
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()
        self._subscriber: Callable[[Fact], None] | None = None
        self._closed = False

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """See `Store.append`."""
        if self._closed:
            return fail(StoreError("the store is closed"))
        room = self._rooms.get(draft.room)
        if room is None:
            if len(self._rooms) >= KEPT_ROOMS:
                return fail(StoreError("there are too many rooms"))
            room = self._rooms[draft.room] = _Room(self._base)
        client = self._client(draft.client)
        if draft.n <= client.number:
            return succeed(Repeat(client.results.get(draft.n, 0)))
        if client.number != last:
            return succeed(Stale(client.number))
        fact = self._write(room, draft)
        client.number = draft.n
        client.results[draft.n] = fact.entry.seq
        if len(client.results) > KEPT_RESULTS:
            client.results.popitem(last=False)
        if self._subscriber is not None:
            self._subscriber(fact)
        return succeed(Appended(fact.entry.seq))

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """See `Store.read`."""
        kept = self._rooms.get(room)
        if kept is None:
            return succeed(Page(self._base, self._base, ()))
        low = -1 if after is None else after
        found = [
            fact.entry
            for fact in kept.facts
            if low < fact.entry.seq and (before is None or fact.entry.seq < before)
        ]
        limit = min(limit, READ_LIMIT)
        entries = found[:limit] if after is not None else found[max(0, len(found) - limit) :]
        return succeed(Page(kept.floor, kept.head, tuple(entries)))

    def heads(self) -> Deferred[dict[str, tuple[int, int]]]:
        """See `Store.heads`."""
        return succeed({name: (room.floor, room.head) for name, room in self._rooms.items()})

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """See `Store.subscribe`."""
        facts = [fact for room in self._rooms.values() for fact in room.facts if fact.entry.seq > after]
        for fact in sorted(facts, key=lambda fact: fact.entry.seq):
            callback(fact)
        self._subscriber = callback
        return succeed(None)

    def close(self) -> Deferred[None]:
        """See `Store.close`."""
        self._closed = True
        self._subscriber = None
        return succeed(None)

    def _client(self, client_id: bytes) -> _Client:
        client = self._clients.setdefault(client_id, _Client())
        self._clients.move_to_end(client_id)
        if len(self._clients) > KEPT_CLIENTS:
            self._clients.popitem(last=False)
        return client

    def _write(self, room: _Room, draft: Draft) -> Fact:
        self._seq += 1
        entry = Entry(
            room=draft.room,
            seq=self._seq,
            back=self._seq - room.head,
            at=int(self._clock() * 1000),
            kind=draft.kind,
            nick=draft.nick,
            verified=draft.verified,
            text=draft.text,
        )
        fact = Fact(draft.client, draft.n, entry)
        room.head = entry.seq
        room.facts.append(fact)
        if len(room.facts) > KEPT_ENTRIES:
            room.floor = room.facts.popleft().entry.seq
        return fact
