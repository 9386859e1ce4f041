"""The vocabulary: what members ask and what they are told.

Immutable values without behaviour; the codecs in `chat.wire` turn them into bytes and back. Requests carry
an `id` that rises by one per session and ties a reply to them. Sizes are bytes of UTF-8.

The fields stand in the order in which `chat.wire.frames` writes them. A released field keeps its place, its
type and its tag; new ones go to the end, with a default, and who does not know them ignores them. What an
annotation constrains is checked when bytes are decoded, not when our own code makes a value.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from chat.fields import (
    CODE_BYTES,
    FETCH_LIMIT,
    IN_FLIGHT,
    MEMBER_ROOMS,
    MOTD_BYTES,
    NAMES_PAGE,
    RESULT_BYTES,
    ROOM_KEY_BYTES,
    ROOMS_PAGE,
    TEXT_BYTES,
    ClientId,
    LinkLine,
    Message,
    NickLine,
    Number,
    Positive,
    ReasonLine,
    RoomName,
    Seconds,
    Target,
    TextLine,
    TopicLine,
)
from chat.notices import Notice, Out, Redacted
from chat.orders import Order
from chat.safety import ROOM_BYTES

PROTOCOL_VERSION = 1
PLAIN_VERSION = 0  # which no frame can name: the plain door says its Hello with it
LOBBY = "lobby"
DIRECT = "@"  # what the name of a log of direct messages begins with, and the place of a text to one person


class Kind(StrEnum):
    """How a text is meant: said, done ("* bob waves"), or made the room's topic ("": it has none)."""

    SAY = "say"
    ME = "me"
    TOPIC = "topic"


class Change(StrEnum):
    """What became of a member in a room."""

    JOINED = "joined"
    LEFT = "left"
    RENAMED = "renamed"
    AWAY = "away"  # not heard for a minute
    BACK = "back"


# --- requests


class Hello(Message, frozen=True, tag=1):
    """Let me in as `nick`. `client` is 16 random bytes that this client keeps while it runs.

    `link` is the code that `Link` gave to another key ("": none): this key shall belong to the same person.
    """

    version: Positive
    client: ClientId
    nick: NickLine
    link: LinkLine = ""


class Say(Message, frozen=True, tag=2):
    """Put `text` into `room`; "@bob" is no room: it is said to bob alone, who need not be here.

    `n` counts this client's texts from 1 and makes a repeat harmless. `n - back` is the newest number below
    `n` that this client has no answer to yet (`back` 0: there is none); the server takes this text when that
    one is settled.
    """

    id: Positive
    n: Positive
    room: Target
    kind: Kind
    text: TextLine
    back: Number = 0


class Names(Message, frozen=True, tag=3):
    """Who is in `room`? A page of nicks in the order of their keys, those behind `after` ("": all)."""

    id: Positive
    room: RoomName
    after: NickLine = ""


class Motd(Message, frozen=True, tag=4):
    """The message of the day behind its first `after` bytes: as much as one answer holds, "" at the end."""

    id: Positive
    after: Number = 0


class Bye(Message, frozen=True, tag=5):
    """The end of a session, said by either side.

    A server asks with `reconnect_after` that its client comes back in so many seconds (0: not by itself).
    """

    reason: ReasonLine = ""
    reconnect_after: Seconds = 0.0


class Join(Message, frozen=True, tag=6):
    """Let me into `room`. Who is in it already is told of it again and shown to nobody.

    `key` is what the room may ask for ("": none).
    """

    id: Positive
    room: RoomName
    key: Annotated[str, Meta(max_length=ROOM_KEY_BYTES)] = ""


class Part(Message, frozen=True, tag=7):
    """Let me out of `room`."""

    id: Positive
    room: RoomName


class Fetch(Message, frozen=True, tag=8):
    """The entries of `room` between two positions, both exclusive (None: that side is open).

    With `after` the oldest `limit` of them, else the newest, in ascending order both ways: filling a gap and
    scrolling back are one request. `age` leaves out what is older, in seconds (0: nothing).
    """

    id: Positive
    room: RoomName
    after: Number | None
    before: Number | None
    limit: Annotated[int, Meta(ge=1, le=FETCH_LIMIT)]
    age: Number = 0


class Nick(Message, frozen=True, tag=9):
    """Call me `nick` from now on."""

    id: Positive
    nick: NickLine


class Rooms(Message, frozen=True, tag=10):
    """Which rooms are there? A page in the order of their names, those behind `after` ("": all)."""

    id: Positive
    after: Annotated[str, Meta(max_length=ROOM_BYTES)] = ""


class Topic(Message, frozen=True, tag=11):
    """Make `text` the topic of `room` ("": it has none). None only asks what it is."""

    id: Positive
    room: RoomName
    text: TopicLine | None = None


class ShownUpTo(msgspec.Struct, frozen=True, array_like=True):
    """How far a client has shown a room: everything up to `seq` that is kept."""

    room: RoomName
    seq: Number


class Ping(Message, frozen=True, tag=12):
    """Are you there? `time` is whatever the client likes to have back; the server does not read it.

    `shown` says how far the client has shown rooms; of a log of direct messages that is what was delivered.
    """

    id: Positive
    time: Number
    shown: Annotated[tuple[ShownUpTo, ...], Meta(max_length=MEMBER_ROOMS)] = ()


class Release(Message, frozen=True, tag=13):
    """My nick shall belong to me no more; I keep using it until I leave. `nick` "" is the one I have."""

    id: Positive
    nick: NickLine = ""


class Link(Message, frozen=True, tag=14):
    """Give me a code with which another key of mine may come in (`Hello.link`): once, within ten minutes."""

    id: Positive


Request = (
    Hello
    | Say
    | Names
    | Motd
    | Bye
    | Join
    | Part
    | Fetch
    | Nick
    | Rooms
    | Topic
    | Ping
    | Release
    | Link
    | Order
)


# --- replies, and what members are told unasked


class WelcomeLimits(msgspec.Struct, frozen=True, array_like=True):
    """What this server takes: bytes of a text, rooms a member is in, requests without a reply."""

    text: Number = TEXT_BYTES
    rooms: Number = MEMBER_ROOMS
    in_flight: Positive = IN_FLIGHT


class Welcome(Message, frozen=True, tag=32):
    """You are in, as `nick`. `motd` holds the first 512 bytes of the message of the day.

    `direct` is the room in which you find what was said to you alone ("": you have none, for want of a key).
    `is_owned` says that the nick belongs to you: nobody without a key of yours can have it. `is_operator`: of
    the server; when that changes during a session, this comes once more.
    """

    server: ReasonLine
    nick: NickLine
    motd: Annotated[str, Meta(max_length=MOTD_BYTES)]
    limits: WelcomeLimits = WelcomeLimits()
    direct: Annotated[str, Meta(max_length=ROOM_BYTES)] = ""
    is_owned: bool = False
    is_operator: bool = False


class Accepted(Message, frozen=True, tag=33):
    """Text number `n` is stored at position `seq`. `waiting`: whom it was said to alone is not here now."""

    id: Positive
    n: Positive
    seq: Positive
    waiting: bool = False


class Rejected(Message, frozen=True, tag=34):
    """The request is refused: `code` for programs, `text` for people, `retry_after` in seconds (0: never).

    `id` is 0 if it was the `Hello`.
    """

    id: Number
    code: Annotated[str, Meta(max_length=CODE_BYTES)]
    text: ReasonLine
    retry_after: Seconds = 0.0


class NameLine(msgspec.Struct, frozen=True, array_like=True):
    """One member in a roster. `operator`: it may keep the room in order."""

    nick: NickLine
    verified: bool
    away: bool = False
    operator: bool = False


class NamesPage(Message, frozen=True, tag=35):
    """A page of a roster in the order of the nicks' keys; `count` is the whole room's, `more`: pages follow.

    `version` is the roster's: `Presence` above it is not in this page yet. Its rows are at most 1,024 bytes.
    """

    room: RoomName
    nicks: Annotated[tuple[NameLine, ...], Meta(max_length=NAMES_PAGE)]
    count: Number
    more: bool
    version: Number = 0


class Done(Message, frozen=True, tag=36):
    """The request is done; `result` is what it asked for (in a frame at most 1,024 bytes of it).

    A page for `Names`, the message for `Motd`, the nick or topic as it now is for `Nick` and `Topic`, the
    nick for `Release`, the code for `Link`, lines for people for an `Order`, "" for `Part`.
    """

    id: Positive
    result: NamesPage | Annotated[str, Meta(max_length=RESULT_BYTES)]


class Entry(Message, frozen=True, tag=37):
    """One thing said in a room, at its place in the room's log.

    `seq` rises over the whole store and is never given out twice; `seq - back` is the entry before it in
    its room (0: there is none). `at` is milliseconds since 1970 by the server's clock.
    """

    room: RoomName
    seq: Positive
    back: Positive
    at: Number
    kind: Kind
    nick: NickLine
    verified: bool
    text: TextLine


class Presence(Message, frozen=True, tag=38):
    """Somebody came, went or has another nick. Best effort: never stored, never repeated.

    In a room with more than 50 members it goes to nobody but whom it is about.

    `version` counts the changes of the room's roster, so that one that was lost is noticed; `new_nick` is ""
    unless the change is `RENAMED`. `operator`: it may keep the room in order.
    """

    room: RoomName
    nick: NickLine
    verified: bool
    change: Change
    version: Number = 0
    new_nick: NickLine = ""
    operator: bool = False


class Turnover(Message, frozen=True, tag=44):
    """So many came, went or have another nick since this was told last, in a room with more than 50 members.

    Best effort, as `Presence`, in whose place it stands there. `count` members are in the room now, and
    `version` is its roster's: who keeps that reads it again.
    """

    room: RoomName
    joined: Number
    left: Number
    renamed: Number
    count: Number
    version: Number


class Joined(Message, frozen=True, tag=39):
    """You are in `room`: its newest position and the newest not kept, its topic, its roster's version.

    `seen`, in a log of direct messages: up to here a client of this person has shown them already.
    """

    id: Positive
    room: RoomName
    head: Number
    floor: Number
    topic: TopicLine
    version: Number
    count: Number
    seen: Number = 0


class Fetched(Message, frozen=True, tag=40):
    """The entries that were fetched have been sent; some may be late or lost. Positions as in `Joined`."""

    id: Positive
    room: RoomName
    floor: Number
    head: Number


class RoomHead(msgspec.Struct, frozen=True, array_like=True):
    """Where a room stands: its newest position and its roster's version."""

    room: RoomName
    head: Number
    version: Number


class Pong(Message, frozen=True, tag=41):
    """I am here. `time` is that of the `Ping`; `rooms` are all that this session is in."""

    id: Positive
    time: Number
    rooms: Annotated[tuple[RoomHead, ...], Meta(max_length=MEMBER_ROOMS)]


class RoomLine(msgspec.Struct, frozen=True, array_like=True):
    """One room in the list of rooms; `count` members are in it."""

    room: RoomName
    count: Number
    topic: TopicLine


class RoomsPage(Message, frozen=True, tag=42):
    """A page of the list of rooms, for `Rooms`; `more`: pages follow. Its rows are at most 1,024 bytes."""

    id: Positive
    rooms: Annotated[tuple[RoomLine, ...], Meta(max_length=ROOMS_PAGE)]
    more: bool


class Delivered(Message, frozen=True, tag=43):
    """Whom you said the text at position `seq` to has it on the screen. Best effort, never repeated."""

    seq: Positive


Reply = (
    Welcome
    | Accepted
    | Rejected
    | Done
    | Bye
    | Joined
    | Fetched
    | Pong
    | RoomsPage
    | Delivered
    | Notice
    | Out
)
Broadcast = Entry | Presence | Turnover | Redacted


def is_direct(room: str) -> bool:
    """Say whether `room` names one person, or a log of what was said to one person alone."""
    return room.startswith(DIRECT)
