"""Tests of `chat.safety`."""

from __future__ import annotations

import sys
import unicodedata
from types import FrameType

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.safety import (
    MARKS_A_BASE,
    NICK_BYTES,
    NICK_CHARS,
    ROOM_BYTES,
    ROOM_CHARS,
    check_nick,
    check_room,
    clean_line,
    clean_text,
    is_blank,
    nick_key,
)

# What people and attackers write: letters of many scripts, marks that stand alone or melt into a letter or
# fall apart in NFC, emoji with their joiners, dashes, wide spaces, and what is removed; in towers too.
CHARS = (
    "a\u00e9e\u0301\u0436\u3042\u304b\u3099\u0915\u0958\u0e19\u0e49\u0634\U0001f469\u200d\U0001f680"
    "\U0001f3fd\u2764\ufe0f\u2014\u2026\u0315\u0316\u0344\u20d0\U0001d165\U0001d15e\U000e0100\u3000"
    "\u1161\u11a8\ud7b0\u3164\u200b\u2060\xad"
    "\xa0 \t\n\x1b\x9b\u2028\u202e\u2066\u200f\ud800\u0378\uffff\ue000"
)
SNIPPETS = st.builds(str.__mul__, st.sampled_from(CHARS), st.sampled_from([1, 1, 1, 1, 5, 31]))

NO_ROOM = frozenset(map(chr, (*range(0x1160, 0x1200), 0x3164, *range(0xD7B0, 0xD7FC), 0xFFA0)))
BIDI = frozenset({"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"})


def removed(char: str) -> bool:
    """Say whether `char` is one of those that no text has."""
    category = unicodedata.category(char)
    return category in ("Cc", "Zl", "Zp", "Cs", "Cn") or unicodedata.bidirectional(char) in BIDI


def without_towers(text: str, most: int) -> str:
    """Give `text` without the marks that follow `most` others."""
    kept = ""
    marks = 0
    for char in text:
        is_mark, is_base = unicodedata.category(char).startswith("M"), char not in NO_ROOM
        marks = marks + 1 if is_mark else 0 if is_base and unicodedata.category(char) != "Cf" else marks
        kept += "" if is_mark and marks > most else char
    return kept


def plainly_cleaned(text: str) -> str:
    """Do what `clean_text` promises, one character after the other."""
    kept = "".join(char for char in text.replace("\t", " ") if not removed(char))
    return without_towers(unicodedata.normalize("NFC", without_towers(kept, 30)), MARKS_A_BASE)


class CleanTextTests(SynchronousTestCase):
    """What people write becomes one line that any terminal can show."""

    def test_plain_text_is_untouched(self) -> None:
        """Text without anything dangerous comes back as it was, in every script."""
        for text in ("hello, world", "héllo", "привет", "こんにちは", "👩\u200d🚀 go", "a b  c"):
            self.assertEqual(clean_text(text), text)

    def test_terminal_controls_are_removed(self) -> None:
        """No escape sequence survives: not C0, not C1, not DEL, not a line or paragraph separator."""
        hostile = "a\x1b[2Jb\x07c\x9b31md\x7fe\u2028f\u2029g\x00h\r\n"
        self.assertEqual(clean_text(hostile), "a[2Jbc31mdefgh")

    def test_a_tab_becomes_a_space(self) -> None:
        """Words that a tab kept apart stay apart."""
        self.assertEqual(clean_text("one\ttwo"), "one two")

    def test_bidi_controls_are_removed(self) -> None:
        """Nothing that reorders the rest of the line survives, the marks that languages need do."""
        self.assertEqual(clean_text("abc\u202e\u2066def\u2069\u202c\u200f"), "abcdef\u200f")

    def test_surrogates_and_unassigned_are_removed(self) -> None:
        """What no font can draw, and no UTF-8 can carry, is removed."""
        self.assertEqual(clean_text("a\ud800b\u0378c\uffffd"), "abcd")

    def test_marks_are_limited(self) -> None:
        """A tower of combining marks is cut to four on each base."""
        self.assertEqual(clean_text("a" + "\u0315" * 50 + "b\u0315"), "a" + "\u0315" * 4 + "b\u0315")

    def test_what_takes_no_room_among_marks(self) -> None:
        """Is no new base: a tower is as high with it. It stays, for it may mean something elsewhere."""
        for char in "\u200b\u200d\u2060\u00ad\u1161\u11a8":
            piece = "\u0323\u0301" + char
            self.assertEqual(clean_text("x" + piece * 3), "x" + piece * 2 + char, ascii(char))
        self.assertEqual(clean_text("한국어 \u1112\u1161\u11ab"), "한국어 한")

    def test_the_beginning_of_a_line(self) -> None:
        """A mark there would go to the line above: it stands on a space."""
        for line in ("", "hi", " hi", "é", "日本"):
            self.assertEqual(clean_line(line), line)
        for line in ("\u0301bob", "\u0903", "\u200b\u0301x", "\x1b\u0301"):
            self.assertEqual(clean_line(line), f" {clean_text(line)}")
            self.assertEqual(clean_line(clean_line(line)), clean_line(line))

    def test_a_tower_costs_nothing(self) -> None:
        """Marks that normalising would sort for seconds are cut before it."""
        self.assertEqual(len(clean_text("a" + "\u0315" * 30_000 + "\u0316" * 30_000)), 5)

    def test_every_character(self) -> None:
        """Of all that there are, those are removed that no text has, and no mark gets past the limit."""
        planes = (0, 1, 2, 3, 14)  # the others have no characters yet, or nobody's but their users'
        characters = [chr(plane << 16 | code) for plane in planes for code in range(1 << 16)]
        for first in range(0, len(characters), 1024):
            text = "a".join(characters[first : first + 1024])
            self.assertEqual(clean_text(text), plainly_cleaned(text))
        for mark in (char for char in characters if unicodedata.category(char).startswith("M")):
            tower = "a" + mark * 40
            self.assertEqual(clean_text(tower), plainly_cleaned(tower), ascii(mark))

    @given(st.lists(SNIPPETS).map("".join))
    def test_the_quick_way_is_the_plain_way(self, text: str) -> None:
        """The short cuts for usual texts change nothing."""
        self.assertEqual(clean_text(text), plainly_cleaned(text))

    def test_blank(self) -> None:
        """White space and format characters are nothing to see; anything else is something."""
        for text in ("", " ", "\u3000", "\u200b\u200e"):
            self.assertTrue(is_blank(text))
        self.assertFalse(is_blank(" x "))

    def test_result_is_normalised(self) -> None:
        """What looks the same is the same (NFC), also where a removed character stood in between."""
        self.assertEqual(clean_text("e\u0301"), "é")
        self.assertEqual(clean_text("e\x00\u0301"), "é")

    @given(st.text())
    def test_any_text_is_made_safe(self, text: str) -> None:
        """Whatever goes in, what comes out is printable UTF-8 in one line, and clean already."""
        cleaned = clean_text(text)
        cleaned.encode()
        self.assertEqual(clean_text(cleaned), cleaned)
        self.assertEqual(unicodedata.normalize("NFC", cleaned), cleaned)
        marks = 0
        for char in cleaned:
            category = unicodedata.category(char)
            self.assertNotIn(category, ("Cc", "Cs", "Cn", "Zl", "Zp"))
            marks = marks + 1 if category.startswith("M") else 0
            self.assertLessEqual(marks, MARKS_A_BASE)


class CheckNickTests(SynchronousTestCase):
    """Nicks are readable, short, and cannot be mistaken for one another."""

    def rejected(self, nick: str) -> str:
        """Give the code with which `nick` is refused."""
        return str(self.assertRaises(RequestRejected, check_nick, nick).code)

    def test_one_nick_in_many_forms(self) -> None:
        """Case, width and composition make no second nick (RFC 8266)."""
        keys = {check_nick(nick).key for nick in ("Bob", "BOB", "bob", "\uff22\uff4f\uff42", " bob ")}
        self.assertEqual(keys, {"bob"})
        self.assertEqual(check_nick("Rene\u0301").key, check_nick("ren\u00e9").key)

    def test_what_looks_the_same_is_the_same(self) -> None:
        """A nick is compared as it is shown: the lunate sigma is shown as the other one."""
        self.assertEqual(
            check_nick("\u03a3\u03bf\u03c6\u03b9\u03b1"), check_nick("\u03f9\u03bf\u03c6\u03b9\u03b1")
        )

    def test_looking_up(self) -> None:
        """Any text has a key to look for, that of the nick where it is one."""
        self.assertEqual(nick_key("Ｂｏｂ"), "bob")
        self.assertEqual(nick_key("No Nick\x00"), "no nick\x00")

    def test_what_no_nick_can_be_is_not_prepared(self) -> None:
        """Preparing is slow for some: a datagram with hundreds of such nicks would hold up everybody."""
        calls: list[str] = []

        def note(_: FrameType, event: str, __: object) -> None:
            calls.append(event)

        for text in ("\ufdfa" * 48, "\ufdfa" * 2, "\u30fb" * 23 + "\u30a2", "\u0660" * 48):
            calls.clear()
            sys.setprofile(note)
            try:
                self.rejected(text)
                nick_key(text)
            finally:
                sys.setprofile(None)
            self.assertLess(len(calls), 400, ascii(text))

    def test_a_huge_nick_costs_nothing(self) -> None:
        """What is far too long is refused before it is prepared."""
        self.assertEqual(self.rejected("\u0660" * 20_000), "NICK_INVALID")

    def test_shown_as_it_was_chosen(self) -> None:
        """The case that somebody chose is kept for showing."""
        self.assertEqual(check_nick("Bob_the-2nd.x").shown, "Bob_the-2nd.x")

    def test_every_script_has_nicks(self) -> None:
        """Letters, marks and digits of any script are allowed."""
        for nick in ("иван", "山田", "कमल", "مريم", "3com", "ßeta"):
            self.assertEqual(check_nick(nick).shown, nick)

    def test_what_is_no_nick(self) -> None:
        """Spaces, colons, slashes, controls, invisible characters and emptiness are refused."""
        bad = (
            "",
            " ",
            "a b",
            "a:b",
            "/help",
            "*",
            "a\x1bb",
            "a\u200db",
            "a\u202eb",
            "a\U00016fe4",  # a mark that draws nothing
            "<b>",
            "☃",
            "a\nb",
            "½",
        )
        for nick in bad:
            self.assertEqual(self.rejected(nick), "NICK_INVALID", nick)

    def test_first_character_is_a_letter_or_digit(self) -> None:
        """A nick that begins with punctuation or a mark would melt into what stands before it."""
        for nick in ("-bob", ".bob", "_bob", "\u0301bob"):
            self.assertEqual(self.rejected(nick), "NICK_INVALID", nick)

    def test_sizes(self) -> None:
        """24 characters and 64 bytes are the most."""
        self.assertEqual(check_nick("x" * NICK_CHARS).shown, "x" * NICK_CHARS)
        self.assertEqual(self.rejected("x" * (NICK_CHARS + 1)), "NICK_INVALID")
        wide = "\U00020000" * (NICK_BYTES // 4)
        self.assertEqual(check_nick(wide).shown, wide)
        self.assertEqual(self.rejected(wide + "\U00020000"), "NICK_INVALID")

    def test_reserved(self) -> None:
        """Names that speak for the server, and the word that leaves, are nobody's, in any case."""
        for nick in ("server", "Admin", "EXIT", "\uff52oot"):
            self.assertEqual(self.rejected(nick), "NICK_RESERVED", nick)

    @given(st.text(max_size=40))
    def test_any_text_is_a_nick_or_refused(self, text: str) -> None:
        """Whatever is asked for, the answer is a clean nick within its limits, or a refusal."""
        try:
            nick = check_nick(text)
        except RequestRejected:
            return
        self.assertEqual(clean_text(nick.shown), nick.shown)
        self.assertLessEqual(len(nick.shown.encode()), NICK_BYTES)
        self.assertEqual(check_nick(nick.shown), nick)


class CheckRoomTests(SynchronousTestCase):
    """A room's name can be spelled in one way only."""

    def test_rooms(self) -> None:
        """Small letters, digits and -_. in any order, 1 to 32 of them: given back as they stand."""
        for name in ("lobby", "a", "3", "..", "-", "dev-ops_2.0", "x" * ROOM_BYTES, ROOM_CHARS[-ROOM_BYTES:]):
            self.assertEqual(check_room(name), name)

    def test_what_is_no_room(self) -> None:
        """Anything else is refused, and the refusal says what is allowed."""
        for name in (
            "",
            "x" * (ROOM_BYTES + 1),
            "Dev",
            "#dev",
            "a b",
            "büro",
            "a\n",
            "a/b",
            "\u0441ore",
            "①",
        ):
            refusal = self.assertRaises(RequestRejected, check_room, name)
            self.assertEqual(refusal.code, "ROOM_INVALID")
            self.assertEqual(refusal.text, "a room's name has 1 to 32 of a-z, 0-9 and -_. only")
