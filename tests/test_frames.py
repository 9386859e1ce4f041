"""Tests of `chat.wire.frames`: the native door's datagrams, byte by byte and with any bytes at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RemoteProtocolError
from chat.messages import (
    CODE_BYTES,
    FETCH_LIMIT,
    LOBBY,
    MAX_NUMBER,
    MEMBER_ROOMS,
    MOTD_BYTES,
    NAMES_PAGE,
    REASON_BYTES,
    RESULT_BYTES,
    ROOM_BYTES,
    ROOM_CHARS,
    ROOMS_PAGE,
    TEXT_BYTES,
    TOPIC_BYTES,
    WAIT_SECONDS,
    Accepted,
    Broadcast,
    Bye,
    Change,
    Done,
    Entry,
    Fetch,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Limits,
    Motd,
    Names,
    NamesPage,
    NativeReply,
    NativeRequest,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Rejected,
    RoomHead,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    Topic,
    Welcome,
)
from chat.safety import NICK_BYTES, clean_text
from chat.wire.frames import (
    MAX_PLAINTEXT,
    SHORT_ARRAY,
    decode_replies,
    decode_requests,
    encode_frame,
    join_frames,
    pack,
)

CLIENT = b"0123456789abcdef"
REQUESTS: tuple[Any, ...] = get_args(NativeRequest)
REPLIES: tuple[Any, ...] = get_args(NativeReply | Broadcast)
PROTOCOL = Path(__file__).parent.parent / "docs" / "protocol.md"

# --- every frame at its largest. Two-byte letters, so that bytes and not characters are what is counted.

ID = MAX_NUMBER
ROOM = "r" * ROOM_BYTES
NICK = "é" * (NICK_BYTES // 2)
TEXT = "é" * (TEXT_BYTES // 2)
TOPIC = "é" * (TOPIC_BYTES // 2)
REASON = "é" * (REASON_BYTES // 2)
ROWS_OF_NICKS = tuple((NICK, True) for _ in range(RESULT_BYTES // (NICK_BYTES + 4)))
ROWS_OF_ROOMS = tuple(
    RoomLine(ROOM, ID, TOPIC) for _ in range(RESULT_BYTES // (ROOM_BYTES + TOPIC_BYTES + 15))
)

LARGEST: dict[Any, list[Any]] = {
    Hello: [Hello(ID, CLIENT, NICK)],
    Say: [Say(ID, ID, ROOM, Kind.SAY, TEXT, ID - 1)],
    Names: [Names(ID, ROOM, NICK)],
    Motd: [Motd(ID)],
    Bye: [Bye(REASON, WAIT_SECONDS)],
    Join: [Join(ID, ROOM)],
    Part: [Part(ID, ROOM)],
    Fetch: [Fetch(ID, ROOM, ID, ID, FETCH_LIMIT)],
    Nick: [Nick(ID, NICK)],
    Rooms: [Rooms(ID, "é" * (ROOM_BYTES // 2))],
    Topic: [Topic(ID, ROOM, TOPIC)],
    Ping: [Ping(ID, ID)],
    Welcome: [Welcome(REASON, NICK, "é" * (MOTD_BYTES // 2), ID, Limits(ID, ID, ID))],
    Accepted: [Accepted(ID, ID, ID)],
    Rejected: [Rejected(ID, "é" * (CODE_BYTES // 2), REASON, WAIT_SECONDS)],
    Done: [
        Done(ID, "é" * (RESULT_BYTES // 2)),
        Done(ID, NamesPage(ROOM, ROWS_OF_NICKS, ID, True, ID)),
        Done(ID, NamesPage(ROOM, (("abcdefghijkl", True),) * NAMES_PAGE, ID, True, ID)),
    ],
    RoomsPage: [
        RoomsPage(ID, ROWS_OF_ROOMS, True),
        RoomsPage(ID, (RoomLine("room", 9, "topic"),) * ROOMS_PAGE, True),
    ],
    Entry: [Entry(ROOM, ID, ID, ID, Kind.SAY, NICK, True, TEXT)],
    Presence: [Presence(ROOM, NICK, True, Change.RENAMED, ID, NICK)],
    Joined: [Joined(ID, ROOM, ID, ID, TOPIC, ID, ID)],
    Fetched: [Fetched(ID, ROOM, ID, ID)],
    Pong: [Pong(ID, ID, tuple(RoomHead(ROOM, ID, ID) for _ in range(MEMBER_ROOMS)))],
}
FRAMES: list[Any] = [frame for frames in LARGEST.values() for frame in frames]


# --- any frame


def lines(limit: int, least: int = 0) -> st.SearchStrategy[str]:
    """Give clean one-line strings of at most `limit` bytes."""
    text = st.text(max_size=40).map(clean_text) | st.just("é" * (limit // 2)) | st.just("x" * limit)
    return text.filter(lambda line: len(line.encode()) <= limit and len(line.strip()) >= least)


numbers = st.integers(0, MAX_NUMBER)
positives = st.integers(1, MAX_NUMBER)
rooms = st.text(ROOM_CHARS, min_size=1, max_size=ROOM_BYTES)
nicks = lines(NICK_BYTES)
topics = lines(TOPIC_BYTES)
reasons = lines(REASON_BYTES)
paragraphs = st.lists(st.text(max_size=20).map(clean_text), max_size=4).map("\n".join)
seconds = st.floats(0, WAIT_SECONDS)
says = positives.flatmap(
    lambda n: st.builds(
        Say, positives, st.just(n), rooms, st.sampled_from(Kind), lines(TEXT_BYTES, 1), st.integers(0, n - 1)
    )
)
entries = positives.flatmap(
    lambda seq: st.builds(
        Entry,
        rooms,
        st.just(seq),
        st.integers(1, seq),
        numbers,
        st.sampled_from(Kind),
        nicks,
        st.booleans(),
        lines(TEXT_BYTES),
    )
)
names_pages = st.builds(
    NamesPage,
    rooms,
    st.lists(st.tuples(nicks, st.booleans()), max_size=12).map(tuple),
    numbers,
    st.booleans(),
    numbers,
)
room_lines = st.builds(RoomLine, rooms, numbers, lines(100))
ANY: dict[Any, st.SearchStrategy[Any]] = {
    Hello: st.builds(Hello, numbers, st.binary(min_size=16, max_size=16), nicks),
    Say: says,
    Names: st.builds(Names, positives, rooms, nicks),
    Motd: st.builds(Motd, positives),
    Bye: st.builds(Bye, reasons, seconds),
    Join: st.builds(Join, positives, rooms),
    Part: st.builds(Part, positives, rooms),
    Fetch: st.builds(
        Fetch, positives, rooms, st.none() | numbers, st.none() | numbers, st.integers(1, FETCH_LIMIT)
    ),
    Nick: st.builds(Nick, positives, nicks),
    Rooms: st.builds(Rooms, positives, rooms | st.just("")),
    Topic: st.builds(Topic, positives, rooms, topics),
    Ping: st.builds(Ping, positives, numbers),
    Welcome: st.builds(
        Welcome, reasons, nicks, paragraphs, numbers, st.builds(Limits, numbers, numbers, positives)
    ),
    Accepted: st.builds(Accepted, positives, positives, positives),
    Rejected: st.builds(Rejected, numbers, lines(CODE_BYTES), reasons, seconds),
    Done: st.builds(Done, positives, paragraphs | names_pages),
    RoomsPage: st.builds(RoomsPage, positives, st.lists(room_lines, max_size=6).map(tuple), st.booleans()),
    Entry: entries,
    Presence: st.builds(Presence, rooms, nicks, st.booleans(), st.sampled_from(Change), numbers, nicks),
    Joined: st.builds(Joined, positives, rooms, numbers, numbers, topics, numbers, numbers),
    Fetched: st.builds(Fetched, positives, rooms, numbers, numbers),
    Pong: st.builds(
        Pong,
        positives,
        numbers,
        st.lists(st.builds(RoomHead, rooms, numbers, numbers), max_size=MEMBER_ROOMS).map(tuple),
    ),
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
    built: list[Any] = msgspec.to_builtins(frame, builtin_types=(bytes,))
    return built


def places(value: list[Any], path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Give the path to everything in nested lists."""
    for place, each in enumerate(value):
        yield (*path, place)
        if isinstance(each, list):
            yield from places(each, (*path, place))


def at(value: Any, path: tuple[int, ...]) -> Any:
    """Give what stands at `path`."""
    for place in path:
        value = value[place]
    return value


def with_other(value: list[Any], path: tuple[int, ...], other: Any) -> list[Any]:
    """Give a copy of nested lists with `other` at `path`."""
    copy = list(value)
    copy[path[0]] = other if len(path) == 1 else with_other(copy[path[0]], path[1:], other)
    return copy


def spoiled(value: Any) -> list[Any]:
    """Give what may not stand where `value`, which is at its limit, may."""
    match value:
        case bool():
            return [1, "yes", None]
        case int():
            return [-1, value + 1 if value in (MAX_NUMBER, FETCH_LIMIT) else -1, 1.0, True, "1", [1]]
        case float():
            return [-0.5, WAIT_SECONDS + 1, float("nan"), float("inf"), True, "1", None]
        case Kind() | Change():
            return ["shout", "", 1, None]
        case str():
            return [value + "x", "x" * (len(value.encode()) + 1), b"bytes", 1, None]
        case bytes():
            return [value + b"x", value[1:], "0123456789abcdef", 1, None]
        case _:
            return [5, None, {}]


def examples() -> list[bytes]:
    """Give the datagrams of docs/protocol.md."""
    blocks = re.findall(r"```hex\n(.*?)```", PROTOCOL.read_text(encoding="utf-8"), re.DOTALL)
    return [
        b"".join(bytes.fromhex(line.partition("|")[0]) for line in block.splitlines()) for block in blocks
    ]


class VocabularyTests(SynchronousTestCase):
    """Every frame is here, in the documents, and within a datagram."""

    def test_no_frame_is_forgotten(self) -> None:
        """The tables of this module have every type that can be sent; no two types share a tag."""
        self.assertEqual(set(LARGEST), {*REQUESTS, *REPLIES})
        self.assertEqual(set(ANY), {*REQUESTS, *REPLIES})
        tags = [kind.__struct_config__.tag for kind in {*REQUESTS, *REPLIES, NamesPage}]
        self.assertEqual(len(tags), len(set(tags)))

    def test_every_frame_fits(self) -> None:
        """With all its fields at their limits a frame fits one datagram, and comes back as it was."""
        for frame in FRAMES:
            packed = pack([encode_frame(frame)])
            self.assertEqual(len(packed), 1, frame)
            self.assertLessEqual(len(packed[0]), MAX_PLAINTEXT, frame)
            self.assertEqual(decoder_of(type(frame))(packed[0]), [frame])

    def test_smallest(self) -> None:
        """Every field with a default may be left out."""
        self.assertEqual(
            decode_requests(datagram([5], [3, 1, LOBBY], [10, 1], [2, 1, 1, LOBBY, "me", "waves"])),
            [Bye(), Names(1, LOBBY), Rooms(1), Say(1, 1, LOBBY, Kind.ME, "waves")],
        )
        self.assertEqual(
            decode_replies(
                datagram([32, "s", "bob", ""], [34, 0, "FULL", ""], [38, LOBBY, "bob", False, "left"])
            ),
            [
                Welcome("s", "bob", ""),
                Rejected(0, "FULL", ""),
                Presence(LOBBY, "bob", verified=False, change=Change.LEFT),
            ],
        )

    def test_documents_name_every_frame(self) -> None:
        """docs/protocol.md has each frame's tag and its fields in their order."""
        rows = re.findall(
            r"^\| (\d+) \| (\w+) \| (.*) \|$", PROTOCOL.read_text(encoding="utf-8"), re.MULTILINE
        )
        written = [(int(tag), name, re.sub(r" = (\[.*?\]|[^,]*)", "", fields)) for tag, name, fields in rows]
        self.assertCountEqual(
            written,
            [
                (kind.__struct_config__.tag, kind.__name__, ", ".join(kind.__struct_fields__))
                for kind in (*REQUESTS, *REPLIES)
            ],
        )

    def test_examples_of_the_documents(self) -> None:
        """The bytes in docs/protocol.md are what is sent, and say what stands beside them."""
        client = bytes.fromhex("00112233445566778899aabbccddeeff")
        begins: list[NativeRequest] = [Hello(1, client, "bob"), Join(1, LOBBY)]
        told = Entry(LOBBY, 1775952560390147, 2, 1734328672300, Kind.SAY, "alice", True, "hellö")
        first, second = examples()
        self.assertEqual(decode_requests(first), begins)
        self.assertEqual(decode_replies(second), [told])
        self.assertEqual(pack([encode_frame(frame) for frame in begins]), [first])
        self.assertEqual(pack([encode_frame(told)]), [second])


class PackingTests(SynchronousTestCase):
    """Frames that were encoded once make datagrams, in their order."""

    @given(st.lists(any_reply, min_size=1, max_size=20))
    def test_joining_is_encoding_together(self, frames: list[Any]) -> None:
        """A datagram of joined frames is, to the byte, the list of messages encoded at once."""
        self.assertEqual(join_frames([encode_frame(frame) for frame in frames]), datagram(*frames))

    def test_long_arrays(self) -> None:
        """From 16 frames on the head of the array is longer."""
        for count in (1, SHORT_ARRAY, SHORT_ARRAY + 1, 300):
            self.assertEqual(join_frames([encode_frame(Motd(1))] * count), datagram(*[Motd(1)] * count))

    @given(st.lists(st.integers(1, 120)), st.integers(121, 400))
    def test_packing(self, sizes: list[int], limit: int) -> None:
        """Nothing is lost, doubled or moved, no datagram is too long, none has room for one more."""
        frames = [b"\xc4" + bytes([size - 2]) + bytes(size - 2) if size > 1 else b"\x07" for size in sizes]
        datagrams = pack(frames, limit)
        parts = [msgspec.msgpack.decode(each, type=list[msgspec.Raw]) for each in datagrams]
        self.assertEqual([bytes(frame) for part in parts for frame in part], frames)
        self.assertTrue(all(part and len(each) <= limit for part, each in zip(parts, datagrams, strict=True)))
        for part, following in pairwise(parts):
            self.assertGreater(len(join_frames([bytes(each) for each in (*part, following[0])])), limit)

    def test_exact_fit(self) -> None:
        """A datagram may have exactly as many bytes as the limit, with a head of either length."""
        for count, head in ((1, 1), (SHORT_ARRAY, 1), (SHORT_ARRAY + 1, 3), (100, 3)):
            frames = [b"\xa2ab"] * count
            self.assertEqual(len(pack(frames, 3 * count + head)), 1)
            if count > 1:
                self.assertEqual(len(pack(frames, 3 * count + head - 1)), 2)

    def test_frames_that_fit_nowhere(self) -> None:
        """A frame that is larger than a datagram is a bug of ours, wherever it stands."""
        for frames in ([bytes(MAX_PLAINTEXT)], [b"\xc0", bytes(MAX_PLAINTEXT)]):
            self.assertRaises(ValueError, pack, frames)
        self.assertEqual(len(pack([bytes(MAX_PLAINTEXT - 1)])), 1)
        self.assertEqual(pack([]), [])


class DecodingTests(SynchronousTestCase):
    """Whatever is valid comes back as it was; whatever is not costs the datagram."""

    def refused(self, content: bytes) -> None:
        """Expect the peer's fault from both sides' decoders, in a line for the log."""
        for decode in (decode_requests, decode_replies):
            fault = self.assertRaises(RemoteProtocolError, decode, content)
            self.assertRegex(str(fault), r"^[\x20-\x7e]{1,80}$")

    @given(st.lists(any_request, min_size=1, max_size=20))
    def test_requests_come_back(self, requests: list[Any]) -> None:
        """Every request, alone or with others, in any order."""
        packed = pack([encode_frame(request) for request in requests])
        self.assertEqual([request for each in packed for request in decode_requests(each)], requests)

    @given(st.lists(any_reply, min_size=1, max_size=20))
    def test_replies_come_back(self, replies: list[Any]) -> None:
        """Every reply and whatever members are told unasked."""
        packed = pack([encode_frame(reply) for reply in replies])
        self.assertEqual([reply for each in packed for reply in decode_replies(each)], replies)

    def test_every_constraint(self) -> None:
        """One field of one frame that breaks a rule: nothing of the datagram counts."""
        for frame in FRAMES:
            decode, wire = decoder_of(type(frame)), plain(frame)
            for path in places(wire):
                if path == (0,):  # another tag is another frame
                    continue
                for other in spoiled(self.typed(frame, path)):
                    if other is None and isinstance(frame, Fetch) and path in ((3,), (4,)):
                        continue  # there is no such bound
                    content = datagram(plain(Bye()), with_other(wire, path, other))
                    try:
                        decode(content)
                    except RemoteProtocolError:
                        continue
                    self.fail(f"{other!r} at {path} of {frame}")

    def test_what_counts_from_one(self) -> None:
        """Ids (but for that of a refused Hello), numbers, positions of entries and limits are not 0."""
        positive = {"id", "n", "seq", "limit"}
        for frame in FRAMES:
            for place, name in enumerate(frame.__struct_fields__, 1):
                if name in positive or (name == "back" and isinstance(frame, Entry)):
                    content = datagram(with_other(plain(frame), (place,), 0))
                    if isinstance(frame, Rejected):
                        self.assertEqual(len(decode_replies(content)), 1)
                    else:
                        self.assertRaises(RemoteProtocolError, decoder_of(type(frame)), content)
        self.assertRaises(
            RemoteProtocolError, decode_replies, datagram([32, "s", "bob", "", 0, [900, 20, 0]])
        )

    def typed(self, frame: Any, path: tuple[int, ...]) -> Any:
        """Give what stands at `path` of the frame, with enums as enums."""
        value = at(plain(frame), path)
        if isinstance(value, str) and value in (*Kind, *Change):
            return Kind(value) if value in list(Kind) else Change(value)
        return value

    def test_missing_fields(self) -> None:
        """A frame that ends before its last field without a default is refused."""
        for frame in FRAMES:
            kind = type(frame)
            needed = 1 + len(kind.__struct_fields__) - len(kind.__struct_defaults__)
            for length in range(needed):
                self.assertRaises(RemoteProtocolError, decoder_of(kind), datagram(plain(frame)[:length]))

    def test_lists_have_limits(self) -> None:
        """One row more than a page may have is refused, and so is a row that is none."""
        for frame in FRAMES:
            wire = plain(frame)
            for path in places(wire):
                rows = at(wire, path)
                if not isinstance(rows, list) or len(rows) not in (NAMES_PAGE, MEMBER_ROOMS):
                    continue
                others: list[Any] = [[*rows, rows[0]], [[]], [5], [None]]
                for other in others:
                    content = datagram(with_other(wire, path, other))
                    self.assertLessEqual(len(content), MAX_PLAINTEXT)
                    self.assertRaises(RemoteProtocolError, decoder_of(type(frame)), content)

    def test_names_of_rooms(self) -> None:
        """Lower-case letters, digits and -_. in any order; nothing else, wherever a room stands."""
        for room in ("a", "0", "-", "...", "a-b_c.9", ROOM):
            self.assertEqual(decode_requests(datagram([6, 1, room])), [Join(1, room)])
        for room in ("", "Lobby", "a b", "a/b", "@bob", "#a", "caf\u00e9", "a\n", "\u0430", ROOM + "r"):
            self.assertRaises(RemoteProtocolError, decode_requests, datagram([6, 1, room]))
            for frame in (
                [36, 1, [35, room, [], 0, False]],
                [41, 1, 1, [["a", 1, 1], [room, 1, 1]]],
                [42, 1, [[room, 1, ""]], False],
            ):
                self.assertRaises(RemoteProtocolError, decode_replies, datagram(frame))

    def test_one_field_against_another(self) -> None:
        """A text or an entry comes behind one with a number of 0 or more."""
        say, entry = (
            plain(Say(1, 5, LOBBY, Kind.SAY, "hi")),
            plain(Entry(LOBBY, 5, 5, 0, Kind.SAY, "a", False, "")),
        )
        self.assertEqual(len(decode_requests(datagram(with_other(say, (6,), 4)))), 1)
        self.assertRaises(RemoteProtocolError, decode_requests, datagram(with_other(say, (6,), 5)))
        self.assertEqual(len(decode_replies(datagram(entry))), 1)
        self.assertRaises(RemoteProtocolError, decode_replies, datagram(with_other(entry, (3,), 6)))
        self.assertRaises(RemoteProtocolError, decode_replies, datagram(with_other(entry, (3,), 0)))

    def test_what_comes_in_is_clean(self) -> None:
        """Nothing that a terminal would obey, from either side; lines stay where there may be lines."""
        dirty, clean = "a\x1b[2J\u202eb\ne\u0301", "a[2Jb\u00e9"
        self.assertEqual(
            decode_requests(datagram([1, 1, CLIENT, dirty], [2, 1, 1, LOBBY, "say", dirty], [9, 2, dirty])),
            [Hello(1, CLIENT, clean), Say(1, 1, LOBBY, Kind.SAY, clean), Nick(2, clean)],
        )
        rows = "a[2Jb\n\u00e9"
        self.assertEqual(
            decode_replies(
                datagram(
                    [32, dirty, dirty, dirty],
                    [36, 1, dirty],
                    [36, 1, [35, LOBBY, [[dirty, True]], 1, False]],
                    [42, 1, [[LOBBY, 1, dirty]], False],
                    [37, LOBBY, 1, 1, 0, "me", dirty, True, dirty],
                    [38, LOBBY, dirty, True, "renamed", 1, dirty],
                )
            ),
            [
                Welcome(clean, clean, rows),
                Done(1, rows),
                Done(1, NamesPage(LOBBY, ((clean, True),), 1, more=False)),
                RoomsPage(1, (RoomLine(LOBBY, 1, clean),), more=False),
                Entry(LOBBY, 1, 1, 0, Kind.ME, clean, True, clean),
                Presence(LOBBY, clean, True, Change.RENAMED, 1, clean),
            ],
        )

    def test_what_cleaning_makes_longer(self) -> None:
        """NFC has characters that take more bytes than before: what is left must be within the limit too."""
        note = "\U0001d160"  # 4 bytes, 12 in NFC
        self.assertEqual(len(clean_text(note).encode()), 12)
        self.assertEqual(len(decode_requests(datagram([9, 1, note * 5]))), 1)
        self.assertRaises(RemoteProtocolError, decode_requests, datagram([9, 1, note * 6]))

    def test_texts_that_say_nothing(self) -> None:
        """A text of which no more than white space is left is refused; an entry may be empty (redacted)."""
        for text in ("", " ", "\x00", "\u3000\n"):
            self.assertRaises(RemoteProtocolError, decode_requests, datagram([2, 1, 1, LOBBY, "say", text]))
            decode_replies(datagram([37, LOBBY, 1, 1, 0, "say", "bob", True, text]))

    def test_fields_of_the_future(self) -> None:
        """What stands behind the fields that are known is skipped, whatever it is."""
        for frame in FRAMES:
            if len(encode_frame(frame)) < 900:
                wire = [*plain(frame), 1, None, {"a": [1.5, b"x"]}, "\x1b"]
                self.assertEqual(decoder_of(type(frame))(datagram(wire)), [frame])

    def test_frames_of_the_future(self) -> None:
        """A frame with an unknown tag is skipped, the others count; so is one of the other side."""
        unknown = ([99], [0, {"a": None}], [-1, 2], [2**64 - 1], [37, 1, 2, 3])
        content = datagram(unknown[0], plain(Motd(1)), *unknown[1:], plain(Join(2, LOBBY)))
        self.assertEqual(decode_requests(content), [Motd(1), Join(2, LOBBY)])
        self.assertEqual(decode_requests(datagram(*unknown)), [])
        self.assertEqual(decode_replies(datagram(plain(Bye()), plain(Ping(1, 2)))), [Bye()])
        self.assertRaises(RemoteProtocolError, decode_requests, datagram([99], [6, 1, "Lobby"]))
        self.assertRaises(RemoteProtocolError, decode_requests, datagram([99], [6, 0, "lobby"]))

    def test_what_is_no_datagram(self) -> None:
        """Nothing, no array, no frame, a frame without a tag, with another kind of tag, and what follows."""
        contents: list[Any] = [None, 5, -5, 1.5, True, "lobby", b"lobby", {}, {"a": [5]}, []]
        for content in contents:
            self.refused(msgspec.msgpack.encode(content))
        frames: list[Any] = [
            None,
            5,
            1.5,
            True,
            "lobby",
            b"",
            {},
            {5: 5},
            [],
            [None],
            ["5"],
            [5.0],
            [True],
            [[5]],
        ]
        for frame in frames:
            self.refused(datagram(plain(Bye()), frame))
            self.refused(datagram([99], frame))
        self.refused(b"")
        self.refused(datagram([5]) + b"\x00")
        self.refused(datagram([99]) + b"\x90")

    def test_faults_quote_nobody(self) -> None:
        """What is told of a fault goes into a log: it holds the place and nothing that the peer wrote."""
        for content, told in (
            (datagram([5, "", "shout - at `me`"]), "no such frame: `$[2]`"),
            (datagram([5], [2, 1, 1, LOBBY, "shout - at `me`", ""]), "no such frame: `$[4]`"),
            (datagram([99], [2, 1, 1, LOBBY, "shout", ""]), "no such frame: `$[4]`"),
            (datagram(5), "no such frame: Expected `array`, got `int`"),
            (b"\x05", "no such frame: Expected `array`, got `int`"),
            (b"\x91\x92\x05\xa1\xff", "not msgpack"),
        ):
            self.assertEqual(str(self.assertRaises(RemoteProtocolError, decode_requests, content)), told)

    def test_malice(self) -> None:
        """Lengths that are not there, depth, bytes that msgpack does not know, strings that are not UTF-8."""
        for content in (
            b"\xdd\xff\xff\xff\xff",
            b"\xdc\xff\xff\x91\x05",
            b"\x91\xdd\xff\xff\xff\xff\x05",
            b"\x91\x92\x05\xdb\xff\xff\xff\xff",
            b"\x91\x92\x05\xc6\xff\xff\xff\xff",
            b"\x91\xdf\xff\xff\xff\xff",
            b"\xc1",
            b"\x91\xc1",
            b"\x91\x92\x05\xc1",
            b"\x91\x92\x05\xa1\xff",
            b"\x91\x92\x05\xa3\xed\xa0\x80",
            b"\x91\x92\x05\xd4\xff\x00",
            b"\x91" * MAX_PLAINTEXT,
            b"\x81" * MAX_PLAINTEXT,
            b"\xdd\x00\x00\x00\x00",
        ):
            self.refused(content)
        self.refused(datagram([5, "x" * 200], *[[5]] * 500))  # more than a datagram may have

    def test_depth(self) -> None:
        """A frame as deep as a datagram is long is the peer's fault, or skipped where the stack is large."""
        for head in (b"\x91\x94\x05\xa0\x00", b"\x91\x92\x63"):
            for nest in (b"\x91", b"\x81\x00"):
                content = head + nest * ((MAX_PLAINTEXT - len(head) - 1) // len(nest)) + b"\x00"
                try:
                    self.assertLessEqual(len(decode_requests(content)), 1)
                except RemoteProtocolError as fault:
                    self.assertEqual(str(fault), "nested too deep")

    @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"\x91\x98\x25" + tail))
    def test_any_bytes(self, content: bytes) -> None:
        """Any bytes give frames or the peer's fault, and nothing else."""
        for decode in (decode_requests, decode_replies):
            self.total(decode, content)

    @given(
        st.lists(any_request | any_reply, min_size=1, max_size=4),
        st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ird"), st.integers(0, 255)), max_size=4),
    )
    def test_mutated_datagrams(self, frames: list[Any], edits: list[tuple[int, str, int]]) -> None:
        """Valid datagrams with a few bytes inserted, replaced or deleted do not get past the rules."""
        content = bytearray(join_frames([encode_frame(frame) for frame in frames]))
        for where, edit, byte in edits:
            place = where % max(1, len(content))
            content[place : place + (edit != "i")] = b"" if edit == "d" else bytes([byte])
        for decode in (decode_requests, decode_replies):
            self.total(decode, bytes(content))

    def total(self, decode: Callable[[bytes], list[Any]], content: bytes) -> None:
        """Decode; what comes out can be sent on, and comes out again as it is."""
        try:
            frames = decode(content)
        except RemoteProtocolError:
            return
        for frame in frames:
            (sent,) = pack([encode_frame(frame)])
            self.assertEqual(decode(sent), [frame])
