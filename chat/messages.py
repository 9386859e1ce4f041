"""The vocabulary: what members ask, what they are told, and what hub and store say to each other.

Immutable values without behaviour; the codecs in `chat.wire` turn them into bytes and back. Requests carry
an `id` that rises by one per session and ties a reply to them. Sizes are bytes of UTF-8.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

PROTOCOL_VERSION = 1
LOBBY = "lobby"

TEXT_BYTES = 900  # a rendered line stays below the 1,024 bytes that the oldest clients read
ROOM_BYTES = 32
MOTD_BYTES = 512  # of the message of the day in Welcome; the rest is what Motd asks for
NAMES_PAGE = 64  # nicks in one page of a roster: at most 64 * (64 + 4) bytes, a few plain lines


class Kind(StrEnum):
    """How a text is meant: said, or done ("* bob waves")."""

    SAY = "say"
    ME = "me"


class Change(StrEnum):
    """What became of a member in a room."""

    JOINED = "joined"
    LEFT = "left"


class _Message(msgspec.Struct, frozen=True, array_like=True):
    pass


# --- requests


class Hello(_Message, frozen=True, tag=1):
    """Let me in as `nick`. `client` is 16 random bytes that this client keeps while it runs."""

    version: int
    client: bytes
    nick: str


class Say(_Message, frozen=True, tag=2):
    """Put `text` into `room`. `n` counts this client's texts from 1 and makes a repeat harmless."""

    id: int
    n: int
    room: str
    kind: Kind
    text: str


class Names(_Message, frozen=True, tag=3):
    """Who is in `room`? A page of nicks in the order of their keys, those behind `after` ("": all)."""

    id: int
    room: str
    after: str = ""


class Motd(_Message, frozen=True, tag=4):
    """The whole message of the day."""

    id: int


class Bye(_Message, frozen=True, tag=5):
    """The end of a session, said by either side."""

    reason: str = ""


Request = Hello | Say | Names | Motd | Bye


# --- replies, and what members are told unasked


class Welcome(_Message, frozen=True, tag=32):
    """You are in, as `nick`. `motd` holds the first 512 bytes of the message of the day."""

    server: str
    nick: str
    motd: str


class Accepted(_Message, frozen=True, tag=33):
    """Text number `n` is stored at position `seq`."""

    id: int
    n: int
    seq: int


class Rejected(_Message, frozen=True, tag=34):
    """The request is refused: `code` for programs, `text` for people, `retry_after` in seconds (0: never)."""

    id: int
    code: str
    text: str
    retry_after: float = 0.0


class NamesPage(_Message, frozen=True, tag=35):
    """A page of a roster: (nick, verified) pairs; `count` is the whole room's, `more`: pages follow."""

    room: str
    nicks: tuple[tuple[str, bool], ...]
    count: int
    more: bool


class Done(_Message, frozen=True, tag=36):
    """The request is done; `result` is what it asked for."""

    id: int
    result: NamesPage | str


class Entry(_Message, frozen=True, tag=37):
    """One thing said in a room, at its place in the room's log.

    `seq` rises over the whole store and is never given out twice; `seq - back` is the entry before it in
    its room (0: there is none). `at` is milliseconds since 1970 by the server's clock.
    """

    room: str
    seq: int
    back: int
    at: int
    kind: Kind
    nick: str
    verified: bool
    text: str


class Presence(_Message, frozen=True, tag=38):
    """Somebody came or went. Best effort: never stored, never repeated."""

    room: str
    nick: str
    verified: bool
    change: Change


Reply = Welcome | Accepted | Rejected | Done | Bye
Broadcast = Entry | Presence


# --- between hub and store


class Draft(msgspec.Struct, frozen=True):
    """An entry before the store has given it a position; `client` and `n` name it for ever."""

    client: bytes
    n: int
    room: str
    kind: Kind
    nick: str
    verified: bool
    text: str


class Fact(msgspec.Struct, frozen=True):
    """An entry that the store holds, and whose it was: what a store's subscriber is told."""

    client: bytes
    n: int
    entry: Entry


class Appended(msgspec.Struct, frozen=True):
    """The draft is stored; the subscriber is told (and tells everybody else)."""

    seq: int


class Repeat(msgspec.Struct, frozen=True):
    """This number was appended before: at `seq`, or refused or too old to tell (0)."""

    seq: int


class Stale(msgspec.Struct, frozen=True):
    """Nothing written: the client's stored number is `number`, not the one the caller believed."""

    number: int


AppendResult = Appended | Repeat | Stale


class Page(msgspec.Struct, frozen=True):
    """A stretch of a room's log: its floor (newest not kept), its head (newest), entries in order."""

    floor: int
    head: int
    entries: tuple[Entry, ...]
