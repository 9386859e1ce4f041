"""Tests of `chat.memos`: what is remembered comes back as it was; anything else is refused in one line."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.fields import MAX_NUMBER
from chat.memos import (
    Charter,
    Device,
    Lodging,
    Memo,
    Memos,
    Owner,
    Reader,
    Seat,
    decode_memos,
    encode_memo,
    memo_key,
)

numbers = st.integers(0, MAX_NUMBER)
words = st.text(max_size=40)  # whatever a key may hold: colons, any script
ids = st.binary(max_size=40)
ports = st.integers(0, 65_535)
addresses = st.tuples(ports) | st.tuples(ports, numbers, ports)
KINDS: dict[type[Memo], tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    Owner: (words, st.builds(Owner, words, ids, numbers)),
    Device: (ids, st.builds(Device, ids)),
    Reader: (words, st.builds(Reader, numbers)),
    Seat: (ids, st.builds(Seat, words, st.none() | ids, st.booleans(), st.booleans(), st.lists(words))),
    Charter: (
        words,
        st.builds(
            Charter,
            st.lists(ids, max_size=3).map(tuple),
            st.lists(ids, max_size=3).map(tuple),
            st.booleans(),
            words,
            st.booleans(),
            st.booleans(),
            numbers,
        ),
    ),
    Lodging: (
        ids,
        st.builds(
            Lodging,
            words,
            st.tuples(ports) | st.tuples(ports, numbers, ports),
            ids,
            ids,
            words,
            words,
            numbers,
        ),
    ),
}
any_memo = st.one_of(
    [st.tuples(st.just(kind), about, memo) for kind, (about, memo) in KINDS.items()],
)
OWNER = encode_memo(Owner("bob", b"key", 5))


def about(memos: Memos, kind: type[Memo]) -> dict[Any, Any]:
    """Give what is remembered of one kind."""
    found: dict[type[Memo], dict[Any, Any]] = {
        Owner: memos.owners,
        Device: memos.devices,
        Reader: memos.readers,
        Seat: memos.seats,
        Lodging: memos.lodgings,
        Charter: memos.charters,
    }
    return found[kind]


class MemosTests(SynchronousTestCase):
    """Memos to bytes and back."""

    @given(st.lists(any_memo, max_size=8))
    def test_they_come_back(self, remembered: list[tuple[type[Memo], Any, Memo]]) -> None:
        """Each under what it is about, in whatever company; the newest under a key is the only one."""
        kept = {memo_key(kind, who): encode_memo(memo) for kind, who, memo in remembered}
        memos = decode_memos(kept)
        for kind in KINDS:
            expected = {who: memo for each, who, memo in remembered if each is kind}
            self.assertEqual(about(memos, kind), expected)

    def test_keys(self) -> None:
        """What a memo is of and what it is about, in a form that stays: files are full of them."""
        self.assertEqual(memo_key(Owner, "caf\u00e9"), "owner:caf\u00e9")
        self.assertEqual(memo_key(Reader, "@abc"), "reader:@abc")
        self.assertEqual(memo_key(Device, b"\x00\xff"), "device:00ff")
        self.assertEqual(memo_key(Seat, b"ab"), "seat:6162")
        self.assertEqual(memo_key(Lodging, b"ab"), "lodging:6162")
        self.assertEqual(memo_key(Charter, "dev"), "room:dev")

    def test_bytes(self) -> None:
        """So do the memos themselves: these bytes are in files already."""
        seat = Seat("bob", None, is_plain=True, is_away=False, rooms=["lobby"], away="tea", since=7)
        charter = Charter((b"key",), (), is_private=True, key="key", is_locked=True, used=7)
        lodging = Lodging("::1", (6789, 0, 2), b"\x01", b"\n", "Bob", "lobby", 7, ("eve",))
        for memo, written in (
            (Owner("bob", b"key", 5), "93 a3626f62 c4036b6579 05"),
            (Device(b"key"), "91 c4036b6579"),
            (Reader(5), "91 05"),
            (seat, "97 a3626f62 c0 c3 c2 91a56c6f626279 a374656107"),
            (charter, "97 91c4036b6579 90 c3 a36b6579 c2 c3 07"),
            (lodging, "98 a33a3a31 93cd1a850002 c40101 c4010a a3426f62 a56c6f626279 07 91a3657665"),
        ):
            self.assertEqual(encode_memo(memo).hex(), written.replace(" ", ""))
        self.assertEqual(decode_memos({"seat:6162": encode_memo(seat)}).seats, {b"ab": seat})
        self.assertEqual(lodging.addr, ("::1", 6789, 0, 2))

    def test_of_the_past(self) -> None:
        """A field less is one that earlier releases did not write."""
        written = bytes.fromhex("97 a33a3a31 93cd1a850002 c40101 c4010a a3426f62 a56c6f626279 07")
        memos = decode_memos({"lodging:6162": written})
        self.assertEqual(memos.lodgings[b"ab"].ignored, ())

    def test_of_the_future(self) -> None:
        """A field more is skipped, a kind that is not known is left alone."""
        longer = msgspec.msgpack.encode(["bob", b"key", 5, {"more": [1, None]}])
        memos = decode_memos({"owner:bob": longer, "badge:bob": b"\xc1", "nothing": b"", "": b"", ":": b""})
        self.assertEqual(memos, Memos(owners={"bob": Owner("bob", b"key", 5)}))

    def test_unreadable(self) -> None:
        """What cannot be a memo is named in one line, and nothing is made of the rest."""
        for key, content in (
            ("owner:bob", b""),
            ("owner:bob", OWNER[:-1]),
            ("owner:bob", OWNER + b"\x00"),
            ("owner:bob", msgspec.msgpack.encode(["bob", "key", 5])),
            ("owner:bob", msgspec.msgpack.encode(["bob", b"key"])),
            ("owner:bob", b"\x93\xa1\xff\xc4\x00\x05"),
            ("owner:b\nob", b"\xc1"),
            ("device:xyz", encode_memo(Device(b"key"))),
            ("seat:6", encode_memo(Seat("bob", None, is_plain=True, is_away=False, rooms=[]))),
            ("lodging:61", msgspec.msgpack.encode(["::1", [1, 2], b"", b"", "", "", 0])),
        ):
            fault = self.assertRaises(StoreError, decode_memos, {"owner:eve": OWNER, key: content})
            self.assertIn(repr(key), str(fault))
            self.assertNotIn("\n", str(fault))

    @given(st.sampled_from([*KINDS]), words, st.binary(max_size=60) | st.just(OWNER))
    def test_any_bytes(self, kind: type[Memo], who: str, content: bytes) -> None:
        """Any key with any bytes gives memos or the store's fault."""
        try:
            memos = decode_memos({memo_key(kind, "").partition(":")[0] + f":{who}": content})
        except StoreError:
            return
        (memo,) = about(memos, kind).values()
        self.assertEqual(msgspec.msgpack.decode(encode_memo(memo), type=kind), memo)
