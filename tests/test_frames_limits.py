"""Tests of `chat.wire.frames`: what a field may hold, which fields must be there, and what is made clean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RemoteProtocolError
from chat.fields import FETCH_LIMIT, MAX_NUMBER, MEMBER_ROOMS, NAMES_PAGE, WAIT_SECONDS
from chat.messages import (
    LOBBY,
    Bye,
    Change,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Kind,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Ping,
    Pong,
    Presence,
    Rejected,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    ShownUpTo,
    Topic,
    Welcome,
)
from chat.safety import clean_text
from chat.wire.frames import (
    MAX_PLAINTEXT,
    decode_replies,
    decode_requests,
)
from tests.sample_frames import (
    AT_LIMITS,
    CLIENT,
    FRAMES,
    LOG,
    PERSON,
    ROOM,
    datagram,
    decoder_of,
    plain,
)


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


# What may be nil: a Fetch without a bound, a Topic that only asks.
NILS = {(Fetch, (3,)), (Fetch, (4,)), (Topic, (3,))}


class FieldTests(SynchronousTestCase):
    """A field that breaks a rule costs the datagram; what may stay is clean."""

    def test_every_constraint(self) -> None:
        """One field of one frame that breaks a rule: nothing of the datagram counts."""
        for frame in AT_LIMITS:
            decode, wire = decoder_of(type(frame)), plain(frame)
            for path in places(wire):
                if path == (0,):  # another tag is another frame
                    continue
                for other in spoiled(self.typed(frame, path)):
                    if other is None and (type(frame), path) in NILS:
                        continue
                    content = datagram(plain(Bye()), with_other(wire, path, other))
                    self.assertLessEqual(len(content), MAX_PLAINTEXT)
                    try:
                        decode(content)
                    except RemoteProtocolError:
                        continue
                    self.fail(f"{other!r} at {path} of {frame}")

    def test_what_counts_from_one(self) -> None:
        """Ids (but for that of a refused Hello), numbers, positions, limits, a Hello's version: not 0."""
        positive = {"id", "n", "seq", "limit"}
        others = {(Entry, "back"), (Hello, "version")}
        for frame in FRAMES:
            for place, name in enumerate(frame.__struct_fields__, 1):
                if name in positive or (type(frame), name) in others:
                    content = datagram(with_other(plain(frame), (place,), 0))
                    if isinstance(frame, Rejected):
                        self.assertEqual(len(decode_replies(content)), 1)
                    else:
                        self.assertRaises(RemoteProtocolError, decoder_of(type(frame)), content)
        without_requests = datagram([32, "s", "bob", "", 0, [900, 20, 0]])
        self.assertRaises(RemoteProtocolError, decode_replies, without_requests)

    def typed(self, frame: Any, path: tuple[int, ...]) -> Any:
        """Give what stands at `path` of the frame, with enums as enums."""
        value = at(plain(frame), path)
        if isinstance(value, str) and value in (*Kind, *Change):
            return Kind(value) if value in list(Kind) else Change(value)
        return value

    def test_versions_of_the_future(self) -> None:
        """A Hello of any version but 0 is read, so that its client can be told what the server speaks."""
        for version in (1, 2, MAX_NUMBER):
            hello = Hello(version, CLIENT, "bob")
            self.assertEqual(decode_requests(datagram([1, version, CLIENT, "bob"])), [hello])

    def test_topics(self) -> None:
        """A topic is made, taken away and asked for by a request of its own, and never by a Say."""
        for wire, text in (["tea"], "tea"), ([""], ""), ([None], None), ([], None):
            self.assertEqual(decode_requests(datagram([11, 1, LOBBY, *wire])), [Topic(1, LOBBY, text)])
        self.assertRaises(RemoteProtocolError, decode_requests, datagram([2, 1, 1, LOBBY, "topic", "tea"]))
        for text in ("tea", ""):
            (entry,) = decode_replies(datagram([37, LOBBY, 1, 1, 0, "topic", "bob", True, text]))
            self.assertEqual(entry, Entry(LOBBY, 1, 1, 0, Kind.TOPIC, "bob", True, text))

    def test_missing_fields(self) -> None:
        """A frame that ends before its last field without a default is refused."""
        for frame in FRAMES:
            kind = type(frame)
            needed = 1 + len(kind.__struct_fields__) - len(kind.__struct_defaults__)
            for length in range(needed):
                self.assertRaises(RemoteProtocolError, decoder_of(kind), datagram(plain(frame)[:length]))

    def test_lists_have_limits(self) -> None:
        """One row more than a page may have is refused, and so is a row that is none."""
        found = set()
        for frame in FRAMES:
            wire = plain(frame)
            for path in places(wire):
                rows = at(wire, path)
                if not isinstance(rows, list) or len(rows) not in (NAMES_PAGE, MEMBER_ROOMS):
                    continue
                found.add(type(frame))
                others: list[Any] = [[*rows, rows[0]], [[]], [5], [None]]
                for other in others:
                    content = datagram(with_other(wire, path, other))
                    self.assertLessEqual(len(content), MAX_PLAINTEXT)
                    self.assertRaises(RemoteProtocolError, decoder_of(type(frame)), content)
        self.assertEqual(found, {Done, RoomsPage, Ping, Pong})

    def test_names_of_rooms(self) -> None:
        """Lower-case letters, digits and -_. in any order, perhaps behind an @; nothing else anywhere."""
        for room in ("a", "0", "-", "...", "a-b_c.9", ROOM, "@", "@a", "@-", LOG):
            self.assertEqual(decode_requests(datagram([6, 1, room])), [Join(1, room)])
            self.assertEqual(
                decode_requests(datagram([12, 1, 2, [["a", 3], [room, 4]]])),
                [Ping(1, 2, (ShownUpTo("a", 3), ShownUpTo(room, 4)))],
            )
        rooms = ("", "Lobby", "a b", "a/b", "#a", "caf\u00e9", "a\n", "\u0430", ROOM + "r")
        for room in (*rooms, "@Bob", "@@", "@@a", "a@", "a@b", "@caf\u00e9", "@\n", LOG + "a"):
            self.assertRaises(RemoteProtocolError, decode_requests, datagram([6, 1, room]))
            self.assertRaises(
                RemoteProtocolError, decode_requests, datagram([12, 1, 2, [["a", 3], [room, 4]]])
            )
            for frame in (
                [36, 1, [35, room, [], 0, False]],
                [41, 1, 1, [["a", 1, 1], [room, 1, 1]]],
                [42, 1, [[room, 1, ""]], False],
            ):
                self.assertRaises(RemoteProtocolError, decode_replies, datagram(frame))

    def test_whom_a_text_is_for(self) -> None:
        """A room by its name to the letter, or @ and a nick as anybody writes it, cleaned as nicks are."""
        for wire, room in (
            ("lobby", "lobby"),
            (ROOM, ROOM),
            ("@bob", "@bob"),
            ("@Bob Smith", "@Bob Smith"),
            ("@caf\u00e9", "@caf\u00e9"),
            ("@cafe\u0301", "@caf\u00e9"),
            ("@b\x1b[2Jo\u202eb\n", "@b[2Job"),
            ("@\x00lobby", "@lobby"),
            ("@@bob", "@@bob"),
            ("@", "@"),  # nobody: the hub knows no such nick
            ("@\x00", "@"),
            (PERSON, PERSON),
            ("@" + "x" * 64, "@" + "x" * 64),
            ("@" + "\U0001d160" * 5, "@" + clean_text("\U0001d160" * 5)),
        ):
            self.assertEqual(
                decode_requests(datagram([2, 1, 1, wire, "say", "hi"])), [Say(1, 1, room, Kind.SAY, "hi")]
            )
        for wire in (
            "",
            "Bob",
            "\x00@bob",
            "lob\x00by",
            "\u00e9",
            "a@b",
            ROOM + "r",
            "r" * 65,
            PERSON + "x",
            "@" + "\x00" * 65,
            "@" + "\u00e9" * 33,
            "@" + "\U0001d160" * 6,
        ):
            self.assertRaises(RemoteProtocolError, decode_requests, datagram([2, 1, 1, wire, "say", "hi"]))

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
        self.assertEqual(
            decode_requests(
                datagram([3, 1, LOBBY, dirty], [5, dirty], [10, 1, dirty], [11, 1, LOBBY, dirty])
            ),
            [Names(1, LOBBY, clean), Bye(clean), Rooms(1, clean), Topic(1, LOBBY, clean)],
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
                Done(1, NamesPage(LOBBY, (NameLine(clean, verified=True),), 1, more=False)),
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
        fits, grows = (datagram([36, 1, [35, LOBBY, [[note * count, True]], 1, False]]) for count in (5, 6))
        self.assertEqual(len(decode_replies(fits)), 1)
        self.assertRaises(RemoteProtocolError, decode_replies, grows)

    def test_texts_that_say_nothing(self) -> None:
        """A text of which no more than white space is left is refused; an entry may be empty (redacted)."""
        for text in ("", " ", "\x00", "\u3000\n"):
            self.assertRaises(RemoteProtocolError, decode_requests, datagram([2, 1, 1, LOBBY, "say", text]))
            decode_replies(datagram([37, LOBBY, 1, 1, 0, "say", "bob", True, text]))
