"""Text that is safe to relay and to print, and names that cannot be mistaken for one another.

Applied where text enters (both codecs) and again in the client before anything reaches a terminal. Pure
functions; every result is a fixed point: cleaning it again changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import precis_i18n  # type: ignore[import-untyped, unused-ignore]

from chat.errors import RequestRejected

ROOM_BYTES = 32
ROOM_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789-_."  # nothing that two people could spell in two ways
NICK_CHARS = 24  # fits beside a message on an 80 column terminal
NICK_BYTES = 64  # 24 characters of most scripts; keeps a rendered line within 1,024 bytes
MAX_ASKED_NICK = 2 * NICK_CHARS  # before it is looked at: normalising may join characters
MARKS_A_BASE = 4  # no living script needs more, and a tower of marks covers the lines above

# Normalising sorts runs of marks, in quadratic time: UAX #15, section 13 (Stream-Safe Text) allows 30.
_MARKS_TO_SORT = 30

# Finds more than four marks in a row, what takes no room among them, and other things: neither is in \w or
# \s, in ASCII, among the dashes, quotes and signs of U+2010 to U+20CF, or among the emoji of U+1F000.
_MAYBE_MARKS = re.compile(
    rf"[^\x00-\x7f\w\s\u2010-\u205f\u2070-\u20cf\U0001f000-\U0001ffff]{{{MARKS_A_BASE + 1}}}"
)
# Letters that take no room: Hangul's vowels and finals, which go into the cell before them, and its fillers.
_NO_ROOM = re.compile("[\u1160-\u11ff\u3164\ud7b0-\ud7fb\uffa0]")

# Categories that move the cursor, break the line or mean nothing: controls (C0, C1, escape sequences begin
# with one), line and paragraph separators, surrogates, unassigned code points.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs", "Cn"})
# Embeddings, overrides and isolates reorder what follows them on the screen (UAX #9, section 2).
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NICK_PUNCTUATION = frozenset("_-.")
_UNDRAWN = frozenset("\U00016fe4\U00011a47\U00011a99")  # marks that draw nothing: nobody would see them

# Names that a reader would take for the server's own voice or for a command.
RESERVED_NICKS = frozenset(
    {"admin", "administrator", "all", "everyone", "exit", "here", "moderator", "operator", "quit", "root",
     "server", "system", "udpchat", "you"}
)  # fmt: skip

_SHOWN = precis_i18n.get_profile("NicknameCasePreserved")
_COMPARED = precis_i18n.get_profile("NicknameCaseMapped")


class Nick(NamedTuple):
    """A nick as it is shown, and the key by which two nicks are the same (RFC 8266)."""

    shown: str
    key: str


def clean_text(text: str) -> str:
    """Give `text` as one line of NFC that can be printed on any terminal.

    A tab becomes a space; other control characters, separators, surrogates, unassigned code points, bidi
    controls and the fifth and later combining marks of a base are removed.
    """
    if text.isascii() and text.isprintable():  # nearly every line: 0.1 us instead of 2
        return text
    kept = _limit_marks(_without_unsafe(text), _MARKS_TO_SORT)
    return _limit_marks(unicodedata.normalize("NFC", kept), MARKS_A_BASE)


def clean_line(text: str) -> str:
    """Give `text` clean, as a line of its own: what it begins with changes nothing on the line above.

    A mark without a base goes to the last cell that was written; here it has a space to stand on.
    """
    line = clean_text(text)
    return f" {line}" if line and not line[0].isascii() and _joins(line[0]) else line


def _joins(char: str) -> bool:
    category = unicodedata.category(char)
    return category == "Cf" or category[0] == "M" or _NO_ROOM.match(char) is not None


def is_blank(text: str) -> bool:
    """Say whether nobody would see anything of `text`: white space and format characters only."""
    return all(char.isspace() or unicodedata.category(char) == "Cf" for char in text)


def nick_key(text: str) -> str:
    """Give the key that `text` would have among nicks, for looking one up; never refuses."""
    try:
        _check_characters(text[:MAX_ASKED_NICK])
        return str(_COMPARED.enforce(text[:MAX_ASKED_NICK]))
    except (RequestRejected, UnicodeEncodeError):
        return text.casefold()


def _without_unsafe(text: str) -> str:
    if text.isprintable():  # of what is not, most is harmless: wide spaces, joiners of letters and emoji
        return text
    removed: dict[int, str | None] = {
        ord(char): None
        for char in set(text)
        if not char.isprintable()
        and (unicodedata.category(char) in _UNSAFE_CATEGORIES or char in _BIDI_CONTROLS)
    }
    if not removed:
        return text
    return text.translate(removed | {ord("\t"): " "})


def _limit_marks(text: str, most: int) -> str:
    if _MAYBE_MARKS.search(text) is None and _NO_ROOM.search(text) is None:
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        if category[0] == "M":
            marks += 1
            if marks > most:
                continue
        elif category != "Cf" and not _NO_ROOM.match(char):  # those take no room: they are no base either
            marks = 0
        kept.append(char)
    return "".join(kept)


def check_room(name: str) -> str:
    """Give `name` as it stands if a room may be called so, or raise `RequestRejected` saying what may."""
    if not 1 <= len(name) <= ROOM_BYTES or name.strip(ROOM_CHARS):
        raise RequestRejected("ROOM_INVALID", f"a room's name has 1 to {ROOM_BYTES} of a-z, 0-9 and -_. only")
    return name


def check_nick(text: str) -> Nick:
    """Give the nick that `text` asks for, or raise `RequestRejected` saying what is wrong with it.

    Letters, marks, digits and `_-.` only, a letter or digit first, at most 24 characters and 64 bytes of
    UTF-8; prepared and compared by RFC 8266, so that Bob, BOB and full-width Bob are one nick.
    """
    _check_characters(text)
    try:
        shown = _SHOWN.enforce(text)
        key = _COMPARED.enforce(shown)  # of what is shown: some characters fold to what they do not look like
    except UnicodeEncodeError:
        raise RequestRejected("NICK_INVALID", "a nick has letters, digits and _-. only") from None
    if len(shown.encode()) > NICK_BYTES:
        raise RequestRejected("NICK_INVALID", f"a nick has at most {NICK_CHARS} characters")
    if not shown[0].isalnum() or clean_text(shown) != shown:
        raise RequestRejected("NICK_INVALID", "a nick begins with a letter or a digit")
    if key in RESERVED_NICKS:
        raise RequestRejected("NICK_RESERVED", f"{shown} is reserved")
    return Nick(shown, key)


def _check_characters(text: str) -> None:
    """Raise `RequestRejected` for what no preparation makes a nick of.

    Preparing looks at each character several times, at some of them together with all others, and U+FDFA
    becomes 18. So only what can be one is prepared: a datagram may hold some hundred lines with a nick each.
    """
    if len(text) > MAX_ASKED_NICK:
        raise RequestRejected("NICK_INVALID", f"a nick has at most {NICK_CHARS} characters")
    plain = unicodedata.normalize("NFKC", text).strip()
    if len(plain) > NICK_CHARS:
        raise RequestRejected("NICK_INVALID", f"a nick has at most {NICK_CHARS} characters")
    if not all(char in _NICK_PUNCTUATION or _is_word(char) for char in plain):
        raise RequestRejected("NICK_INVALID", "a nick has letters, digits and _-. only")


def _is_word(char: str) -> bool:
    category = unicodedata.category(char)
    return (category == "Nd" or category[0] in "LM") and char not in _UNDRAWN
