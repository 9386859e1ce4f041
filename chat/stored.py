"""What hub and store say to each other: drafts and facts, and where a store stands.

Immutable values without behaviour. Positions are those of `chat.messages.Entry`.
"""

from __future__ import annotations

import msgspec

from chat.messages import Entry, Kind


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An entry before the store has given it a position; `client` and `n` name it for ever.

    `n` is 0 for what has no number (a topic): it is written whatever was written before. `reader` is the one
    member whom it is for, in the log that those share who have none of their own (b"": everybody in `room`).
    """

    client: bytes
    n: int
    room: str
    kind: Kind
    nick: str
    verified: bool
    text: str
    reader: bytes = b""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """An entry that the store holds, whose it was and whom it is for: what a store's subscriber is told.

    `floor` is the newest position of the room that is not kept any more.
    """

    client: bytes
    n: int
    entry: Entry
    floor: int
    reader: bytes = b""


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The draft is stored; the subscriber is told (and tells everybody else)."""

    seq: int


class Repeat(msgspec.Struct, frozen=True, gc=False):
    """This number is not above the client's stored one: it was appended at `seq`, or never was (0).

    `is_same` says whether the draft was this one (room, kind and text), and not another with its number. All
    logs of direct messages are one room for that: a nick may belong to somebody else by now.
    """

    seq: int
    is_same: bool = True


class Stale(msgspec.Struct, frozen=True, gc=False):
    """Nothing written: the client's stored number is `number`, not the one the caller believed."""

    number: int


AppendResult = Appended | Repeat | Stale


class Page(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a room's log: its floor (newest not kept), its head (newest), entries in order."""

    floor: int
    head: int
    entries: tuple[Entry, ...]


class Found(msgspec.Struct, frozen=True, gc=False):
    """Entries that a search has found, the newest first.

    Only those from position `before` on were looked at: older ones are to be searched from there (0: nothing
    older is kept).
    """

    entries: tuple[Entry, ...]
    before: int


class RoomHeads(msgspec.Struct, frozen=True):
    """Where a room stands: the newest position that is not kept, the newest of all, and its topic."""

    floor: int
    head: int
    topic: str = ""


class Heads(msgspec.Struct, frozen=True):
    """Where a store stands; `base` is floor and head of a room without entries."""

    base: int
    rooms: dict[str, RoomHeads]
