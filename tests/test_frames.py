"""Tests of `chat.wire.frames`: the native door's datagrams, byte by byte and with any bytes at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RemoteProtocolError
from chat.fields import RESULT_BYTES
from chat.messages import (
    LOBBY,
    Accepted,
    Bye,
    Change,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Joined,
    Kind,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Ping,
    Pong,
    Presence,
    Rejected,
    Release,
    Request,
    RoomHead,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    Topic,
    Welcome,
    WelcomeLimits,
)
from chat.wire.frames import (
    MAX_PLAINTEXT,
    SHORT_ARRAY,
    decode_replies,
    decode_requests,
    encode_frame,
    join_frames,
    pack,
)
from tests.sample_frames import (
    ANY,
    FRAMES,
    LARGEST,
    MOST_NICKS,
    MOST_ROOMS,
    REPLIES,
    REQUESTS,
    ROWS_OF_NICKS,
    ROWS_OF_ROOMS,
    any_reply,
    any_request,
    datagram,
    decoder_of,
    plain,
)

PROTOCOL = Path(__file__).parent.parent / "docs" / "protocol.md"


def examples() -> list[bytes]:
    """Give the datagrams of docs/protocol.md."""
    blocks = re.findall(r"```hex\n(.*?)```", PROTOCOL.read_text(encoding="utf-8"), re.DOTALL)
    return [
        b"".join(bytes.fromhex(line.partition("|")[0]) for line in block.splitlines()) for block in blocks
    ]


class VocabularyTests(SynchronousTestCase):
    """Every frame is here, in the documents, and within a datagram."""

    def test_no_frame_is_forgotten(self) -> None:
        """The tables of the samples have every type that can be sent; no two types share a tag."""
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

    def test_pages_are_full(self) -> None:
        """The pages among the largest frames hold as many bytes of rows as a page may, or no row more."""
        for rows in (ROWS_OF_NICKS, ROWS_OF_ROOMS, MOST_NICKS, MOST_ROOMS):
            row = len(msgspec.msgpack.encode(rows[0]))
            self.assertEqual(len(rows), RESULT_BYTES // row)

    def test_smallest(self) -> None:
        """Every field with a default may be left out."""
        self.assertEqual(
            decode_requests(
                datagram([5], [3, 1, LOBBY], [4, 1], [10, 1], [11, 1, LOBBY], [12, 1, 2], [13, 1])
            ),
            [Bye(), Names(1, LOBBY), Motd(1), Rooms(1), Topic(1, LOBBY), Ping(1, 2), Release(1)],
        )
        self.assertEqual(
            decode_requests(datagram([2, 1, 1, LOBBY, "me", "waves"])),
            [Say(1, 1, LOBBY, Kind.ME, "waves")],
        )
        self.assertEqual(
            decode_replies(datagram([36, 1, [35, LOBBY, [["bob", True]], 1, False]])),
            [Done(1, NamesPage(LOBBY, (NameLine("bob", verified=True),), 1, more=False))],
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

    def test_frames_without_what_came_later(self) -> None:
        """Frames as they were written before they had their last fields, to the byte, are still read."""
        client = bytes.fromhex("00112233445566778899aabbccddeeff")
        asked = (
            "93"
            "940101c41000112233445566778899aabbccddeeffa3626f62"
            "9608 01 a56c6f626279 c0 07 10"
            "930c02ce00010000"
        )
        self.assertEqual(
            decode_requests(bytes.fromhex(asked)),
            [Hello(1, client, "bob"), Fetch(1, LOBBY, None, 7, 16), Ping(2, 65_536)],
        )
        told = "939520 a173 a3626f62 a0 93cd0384140894 21 01 02 0398 27 01 a56c6f626279 05 04 a0 02 01"
        self.assertEqual(
            decode_replies(bytes.fromhex(told)),
            [Welcome("s", "bob", ""), Accepted(1, 2, 3), Joined(1, LOBBY, 5, 4, "", 2, 1)],
        )

    def test_every_kind_and_change(self) -> None:
        """Members are told of texts and topics, of who comes, goes, is renamed, away or back."""
        for kind in ("say", "me", "topic"):
            (entry,) = decode_replies(datagram([37, LOBBY, 5, 5, 0, kind, "bob", True, "hi"]))
            self.assertEqual(entry, Entry(LOBBY, 5, 5, 0, Kind(kind), "bob", True, "hi"))
        for change in ("joined", "left", "renamed", "away", "back"):
            (presence,) = decode_replies(datagram([38, LOBBY, "bob", True, change]))
            self.assertEqual(presence, Presence(LOBBY, "bob", True, Change(change)))
        self.assertEqual((len(Kind), len(Change)), (3, 5))

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
        begins: list[Request] = [Hello(1, client, "bob"), Join(1, LOBBY), Say(2, 1, "@alice", Kind.SAY, "hi")]
        told = Entry(LOBBY, 1775952560390147, 2, 1734328672300, Kind.SAY, "alice", True, "hellö")
        first, second = examples()
        self.assertEqual(decode_requests(first), begins)
        self.assertEqual(decode_replies(second), [told])
        self.assertEqual(pack([encode_frame(frame) for frame in begins]), [first])
        self.assertEqual(pack([encode_frame(told)]), [second])


class PackingTests(SynchronousTestCase):
    """Frames that were encoded once make datagrams, in their order."""

    @given(st.lists(any_reply, min_size=1, max_size=6))
    def test_joining_is_encoding_together(self, frames: list[Any]) -> None:
        """A datagram of joined frames is, to the byte, the list of messages encoded at once."""
        self.assertEqual(join_frames([encode_frame(frame) for frame in frames]), datagram(*frames))

    def test_long_arrays(self) -> None:
        """From 16 frames on the head of the array is longer."""
        for count in (1, SHORT_ARRAY, SHORT_ARRAY + 1, 300):
            self.assertEqual(join_frames([encode_frame(Motd(1))] * count), datagram(*[Motd(1)] * count))
        self.assertEqual(join_frames([encode_frame(frame) for frame in FRAMES]), datagram(*FRAMES))

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

    def test_fields_of_the_future(self) -> None:
        """What stands behind the fields that are known is skipped, whatever it is."""
        for frame in FRAMES:
            if len(encode_frame(frame)) < 900:
                wire = [*plain(frame), 1, None, {"a": [1.5, b"x"]}, "\x1b"]
                self.assertEqual(decoder_of(type(frame))(datagram(wire)), [frame])

    def test_fields_of_the_future_in_rows(self) -> None:
        """So it is inside a page, a Pong and the limits of a Welcome."""
        more = [None, {"a": 1}]
        page = [35, LOBBY, [["bob", True, True, False, *more], ["eve", False]], 2, False, 7, *more]
        self.assertEqual(
            decode_replies(
                datagram(
                    [36, 1, page],
                    [41, 1, 2, [[LOBBY, 3, 4, *more]]],
                    [42, 1, [[LOBBY, 3, "tea", *more]], True],
                    [32, "s", "bob", "", [900, 20, 8, *more]],
                )
            ),
            [
                Done(1, NamesPage(LOBBY, (NameLine("bob", True, True), NameLine("eve", False)), 2, False, 7)),
                Pong(1, 2, (RoomHead(LOBBY, 3, 4),)),
                RoomsPage(1, (RoomLine(LOBBY, 3, "tea"),), more=True),
                Welcome("s", "bob", "", WelcomeLimits(900, 20, 8)),
            ],
        )

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
