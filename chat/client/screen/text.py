"""Text by the columns that it takes on a terminal: its width, cut, and wrapped. Pure functions.

A character's width is what the terminal library takes it for, one character at a time: what is wrapped here
must stand where the library thinks that it stands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from wcwidth import wcwidth

Fragment = tuple[str, str]  # a style's name, and text
Row = list[Fragment]

JOINER = "\u200d"  # joins letters of some scripts, and emoji to families
ELLIPSIS = "…"
CHARS_KNOWN = 4_096  # widths kept: more characters than any talk uses at a time, a quarter of a megabyte

# What makes one picture of several characters. Terminals do not agree on how wide that is, and a row in which
# they and we do not agree is a broken one.
_PICTURES = re.compile("[\u200d\ufe0e\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAG_A = 0x1F1E6  # the letter A of flags


def steady(text: str) -> str:
    """Give `text` as it has the same width everywhere: a family as its members, a flag as its letters."""
    if text.isascii() or not _PICTURES.search(text):
        return text
    kept: list[str] = []
    for char in text:
        if _FLAG_A <= ord(char) < _FLAG_A + 26:
            kept.append(chr(ord(char) - _FLAG_A + ord("A")))
        elif not _PICTURES.match(char) or (
            char == JOINER and kept and unicodedata.category(kept[-1])[0] in "LM"
        ):
            kept.append(char)
    return "".join(kept)


@lru_cache(CHARS_KNOWN)
def char_width(char: str) -> int:
    """Give how many columns a character takes: 0, 1 or 2."""
    return max(wcwidth(char), 0)


def width(text: str) -> int:
    """Give how many columns `text` takes."""
    if text.isascii():
        return len(text)
    return sum(map(char_width, text))


def clusters(text: str) -> Iterator[str]:
    """Give the pieces of `text` that no line may break: a base with its marks, joined letters."""
    begin = 0
    for index in range(1, len(text)):
        if char_width(text[index]) and text[index - 1] != JOINER:
            yield text[begin:index]
            begin = index
    if text:
        yield text[begin:]


def cut(text: str, columns: int) -> str:
    """Give as much of `text` as fits; what is cut ends in an ellipsis."""
    if width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    return _beginning(text, columns - 1) + ELLIPSIS


def fit(text: str, columns: int) -> str:
    """Give `text` in exactly so many columns."""
    shown = cut(text, columns)
    return shown + " " * (columns - width(shown))


def wrap(text: str, columns: int) -> list[str]:
    """Give the lines that `text` makes of at most so many columns (at least 2), one at least.

    They break at spaces, which go with the break, or within a word that is longer than a line.
    """
    lines: list[str] = []
    line, used = "", 0
    for word in _words(text):
        size = width(word)
        if used + size <= columns or not word.strip():
            line, used = line + word, used + size
            continue
        if line.strip():
            lines.append(line.rstrip())
            line, used = "", 0
        if size > columns:
            *full, line = _broken(word, columns)
            lines += full
            used = width(line)
        else:
            line, used = word, size
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def cut_row(row: Row, columns: int) -> Row:
    """Give a row in exactly so many columns."""
    fitted: Row = []
    left = columns
    for style, text in row:
        shown = text if width(text) <= left else cut(text, left)
        if shown:
            fitted.append((style, shown))
            left -= width(shown)
        if shown != text:
            break
    if left > 0:
        fitted.append(("", " " * left))
    return fitted


def row_text(row: Row) -> str:
    """Give the text of a row."""
    return "".join(text for _, text in row)


def _words(text: str) -> Iterator[str]:
    """Give the words of `text`, and what stands between them."""
    begin = 0
    for index in range(1, len(text)):
        if (text[index] == " ") != (text[index - 1] == " "):
            yield text[begin:index]
            begin = index
    if text:
        yield text[begin:]


def _broken(word: str, columns: int) -> list[str]:
    pieces, piece, used = [], "", 0
    for cluster in clusters(word):
        size = width(cluster)
        if piece and used + size > columns:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + cluster, used + size
    return [*pieces, piece]


def _beginning(text: str, columns: int) -> str:
    kept, used = "", 0
    for cluster in clusters(text):
        used += width(cluster)
        if used > columns:
            break
        kept += cluster
    return kept
