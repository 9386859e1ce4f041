"""What the tests of frames share: every frame at its largest, strategies that give any, bytes by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from chat.fields import (
    CODE_BYTES,
    FETCH_LIMIT,
    LINK_BYTES,
    MAX_NUMBER,
    MEMBER_ROOMS,
    MOTD_BYTES,
    NAMES_PAGE,
    REASON_BYTES,
    RESULT_BYTES,
    ROOM_KEY_BYTES,
    ROOMS_PAGE,
    TARGET_BYTES,
    TEXT_BYTES,
    TOPIC_BYTES,
    VERB_BYTES,
    WAIT_SECONDS,
)
from chat.messages import (
    DIRECT,
    Accepted,
    Broadcast,
    Bye,
    Change,
    Delivered,
    Done,
    Entry,
    Fetch,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Link,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Rejected,
    Release,
    Reply,
    Request,
    RoomHead,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    ShownUpTo,
    Topic,
    Turnover,
    Welcome,
    WelcomeLimits,
)
from chat.notices import Notice, Out, Redacted
from chat.orders import Order
from chat.safety import NICK_BYTES, ROOM_BYTES, ROOM_CHARS, clean_text
from chat.wire.frames import (
    decode_replies,
    decode_requests,
    encode_frame,
)

CLIENT = b"0123456789abcdef"
REQUESTS: tuple[Any, ...] = get_args(Request)
REPLIES: tuple[Any, ...] = get_args(Reply | Broadcast)

# --- every frame at its largest. Two-byte letters, so that bytes and not characters are what is counted.

ID = MAX_NUMBER
ROOM = "r" * ROOM_BYTES
NICK = "é" * (NICK_BYTES // 2)
PERSON = DIRECT + NICK
LOG = DIRECT + "a" * (ROOM_BYTES - 1)
TEXT = "é" * (TEXT_BYTES // 2)
TOPIC = "é" * (TOPIC_BYTES // 2)
REASON = "é" * (REASON_BYTES // 2)
ROWS_OF_NICKS = (NameLine(NICK, verified=True, away=True, operator=True),) * (
    RESULT_BYTES // (NICK_BYTES + 6)
)
MOST_NICKS = (NameLine("abcdefghijk", verified=True, away=True, operator=True),) * NAMES_PAGE
ROWS_OF_ROOMS = (RoomLine(ROOM, ID, TOPIC),) * (RESULT_BYTES // (ROOM_BYTES + TOPIC_BYTES + 15))
MOST_ROOMS = (RoomLine("room", 9, "of tests"),) * ROOMS_PAGE

LARGEST: dict[Any, list[Any]] = {
    Hello: [Hello(ID, CLIENT, NICK, "é" * (LINK_BYTES // 2))],
    Say: [Say(ID, ID, to, Kind.SAY, TEXT, ID - 1) for to in (ROOM, PERSON)],
    Names: [Names(ID, ROOM, NICK)],
    Motd: [Motd(ID, ID)],
    Bye: [Bye(REASON, WAIT_SECONDS)],
    Join: [Join(ID, ROOM, "é" * (ROOM_KEY_BYTES // 2))],
    Part: [Part(ID, ROOM)],
    Fetch: [Fetch(ID, ROOM, ID, ID, FETCH_LIMIT, ID)],
    Nick: [Nick(ID, NICK)],
    Rooms: [Rooms(ID, "é" * (ROOM_BYTES // 2))],
    Topic: [Topic(ID, ROOM, TOPIC)],
    Ping: [Ping(ID, ID, (ShownUpTo(ROOM, ID),) * MEMBER_ROOMS)],
    Release: [Release(ID, NICK)],
    Link: [Link(ID)],
    Order: [
        Order(ID, "é" * (VERB_BYTES // 2), ROOM, "é" * (TARGET_BYTES // 2), "é" * (REASON_BYTES // 2), ID),
    ],
    Welcome: [Welcome(REASON, NICK, "é" * (MOTD_BYTES // 2), WelcomeLimits(ID, ID, ID), LOG, is_owned=True)],
    Accepted: [Accepted(ID, ID, ID, waiting=True)],
    Rejected: [Rejected(ID, "é" * (CODE_BYTES // 2), REASON, WAIT_SECONDS)],
    Done: [
        Done(ID, "é" * (RESULT_BYTES // 2)),
        Done(ID, NamesPage(ROOM, ROWS_OF_NICKS, ID, True, ID)),
    ],
    RoomsPage: [RoomsPage(ID, ROWS_OF_ROOMS, True)],
    Entry: [Entry(room, ID, ID, ID, Kind.SAY, NICK, True, TEXT) for room in (ROOM, LOG)],
    Presence: [Presence(ROOM, NICK, True, Change.RENAMED, ID, NICK, operator=True)],
    Turnover: [Turnover(ROOM, ID, ID, ID, ID, ID)],
    Joined: [Joined(ID, ROOM, ID, ID, TOPIC, ID, ID, ID)],
    Fetched: [Fetched(ID, ROOM, ID, ID)],
    Pong: [Pong(ID, ID, (RoomHead(ROOM, ID, ID),) * MEMBER_ROOMS)],
    Delivered: [Delivered(ID)],
    Notice: [Notice(TEXT, ROOM)],
    Out: [Out(ROOM, "é" * (CODE_BYTES // 2), REASON)],
    Redacted: [Redacted(ROOM, ID, NICK)],
}
AT_LIMITS: list[Any] = [frame for frames in LARGEST.values() for frame in frames]
MOST_ROWS: list[Any] = [
    Done(ID, NamesPage(ROOM, MOST_NICKS, ID, True, ID)),
    RoomsPage(ID, MOST_ROOMS, True),
]
FRAMES = AT_LIMITS + MOST_ROWS


# --- any frame


def lines(limit: int) -> st.SearchStrategy[str]:
    """Give clean one-line strings of at most `limit` bytes."""
    text = st.text(max_size=min(limit // 4, 40)).map(clean_text)  # a character has at most four bytes
    fitting = text.filter(lambda line: len(line.encode()) <= limit)  # most do, unless NFC made them longer
    return fitting | st.sampled_from(["é" * (limit // 2), "x" * limit])


numbers = st.integers(0, MAX_NUMBER)
positives = st.integers(1, MAX_NUMBER)
halves = st.integers(1, MAX_NUMBER // 2)  # two of them make a number
named = st.text(ROOM_CHARS, min_size=1, max_size=ROOM_BYTES)
logs = st.text(ROOM_CHARS, max_size=ROOM_BYTES - 1).map(DIRECT.__add__)  # of direct messages
rooms = named | logs
nicks = lines(NICK_BYTES)
people = nicks.map(DIRECT.__add__)
topics = lines(TOPIC_BYTES)
reasons = lines(REASON_BYTES)
paragraphs = st.lists(lines(MOTD_BYTES // 5), max_size=4).map("\n".join)
seconds = st.floats(0, WAIT_SECONDS)
texts = lines(TEXT_BYTES)
kinds = st.sampled_from(Kind)
spoken = st.sampled_from([Kind.SAY, Kind.ME])
says = st.builds(
    lambda say, back: msgspec.structs.replace(say, n=say.n + back, back=back),
    st.builds(
        Say, positives, halves, rooms | people, spoken, texts.map(lambda text: text if text.strip() else "x")
    ),
    st.just(0) | halves,
)
entries = st.builds(
    lambda entry, before: msgspec.structs.replace(entry, seq=before + entry.back),
    st.builds(Entry, rooms, positives, halves, numbers, kinds, nicks, st.booleans(), texts),
    st.just(0) | halves,
)
names_pages = st.builds(
    NamesPage,
    rooms,
    st.lists(st.builds(NameLine, nicks, st.booleans(), st.booleans(), st.booleans()), max_size=12).map(tuple),
    numbers,
    st.booleans(),
    numbers,
)
room_lines = st.builds(RoomLine, rooms, numbers, lines(100))
ANY: dict[Any, st.SearchStrategy[Any]] = {
    Hello: st.builds(Hello, positives, st.binary(min_size=16, max_size=16), nicks, lines(LINK_BYTES)),
    Say: says,
    Names: st.builds(Names, positives, rooms, nicks),
    Motd: st.builds(Motd, positives, numbers),
    Bye: st.builds(Bye, reasons, seconds),
    Join: st.builds(Join, positives, rooms, lines(ROOM_KEY_BYTES)),
    Part: st.builds(Part, positives, rooms),
    Fetch: st.builds(
        Fetch,
        positives,
        rooms,
        st.none() | numbers,
        st.none() | numbers,
        st.integers(1, FETCH_LIMIT),
        numbers,
    ),
    Nick: st.builds(Nick, positives, nicks),
    Rooms: st.builds(Rooms, positives, rooms | st.just("")),
    Topic: st.builds(Topic, positives, rooms, st.none() | topics),
    Ping: st.builds(
        Ping,
        positives,
        numbers,
        st.lists(st.builds(ShownUpTo, rooms, numbers), max_size=MEMBER_ROOMS).map(tuple),
    ),
    Release: st.builds(Release, positives, nicks),
    Link: st.builds(Link, positives),
    Order: st.builds(
        Order, positives, lines(VERB_BYTES), rooms | st.just(""), lines(TARGET_BYTES), reasons, numbers
    ),
    Welcome: st.builds(
        Welcome,
        reasons,
        nicks,
        paragraphs,
        st.builds(WelcomeLimits, numbers, numbers, positives),
        logs | st.just(""),
        st.booleans(),
    ),
    Accepted: st.builds(Accepted, positives, positives, positives, st.booleans()),
    Rejected: st.builds(Rejected, numbers, lines(CODE_BYTES), reasons, seconds),
    Done: st.builds(Done, positives, paragraphs | names_pages),
    RoomsPage: st.builds(RoomsPage, positives, st.lists(room_lines, max_size=6).map(tuple), st.booleans()),
    Entry: entries,
    Presence: st.builds(
        Presence, rooms, nicks, st.booleans(), st.sampled_from(Change), numbers, nicks, st.booleans()
    ),
    Turnover: st.builds(Turnover, rooms, numbers, numbers, numbers, numbers, numbers),
    Joined: st.builds(Joined, positives, rooms, numbers, numbers, topics, numbers, numbers, numbers),
    Fetched: st.builds(Fetched, positives, rooms, numbers, numbers),
    Pong: st.builds(
        Pong,
        positives,
        numbers,
        st.lists(st.builds(RoomHead, rooms, numbers, numbers), max_size=MEMBER_ROOMS).map(tuple),
    ),
    Delivered: st.builds(Delivered, positives),
    Notice: st.builds(Notice, lines(TEXT_BYTES), st.just("") | rooms),
    Out: st.builds(Out, rooms, lines(CODE_BYTES), lines(REASON_BYTES)),
    Redacted: st.builds(Redacted, rooms, positives, lines(NICK_BYTES)),
}
any_request = st.one_of([ANY[kind] for kind in REQUESTS])
any_reply = st.one_of([ANY[kind] for kind in REPLIES])


# --- bytes by hand


def decoder_of(kind: Any) -> Callable[[bytes], list[Any]]:
    """Give the function that reads frames of this type."""
    return decode_requests if kind in REQUESTS else decode_replies


def datagram(*frames: Any) -> bytes:
    """Give the bytes of frames, or of whatever stands in their place."""
    return msgspec.msgpack.encode(list(frames))


def plain(frame: Any) -> list[Any]:
    """Give a frame as the list that goes over the wire: tag, then fields."""
    wire: list[Any] = msgspec.msgpack.decode(encode_frame(frame))
    return wire
