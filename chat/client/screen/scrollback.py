"""One window's lines: what was said, as much as fits, and what of it is seen.

A line is wrapped when it is looked at, and not before: 100,000 of them cost what their text costs. This
module does no I/O and reads no clock; its texts are clean.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

from chat.client.screen.text import Row

LINES = 100_000  # of one window: weeks of a busy room, some 30 MB
SPARE = 1_000  # lines above that before the oldest go: to let one go costs as much as to let many go
ROWS_KNOWN = 1_000  # lines whose rows are kept: several screens


class Look(IntEnum):
    """What a line is, and so how it looks."""

    SAID = 0
    ACTION = 1
    ANSWER = 2  # to a command, or the message of the day
    REMARK = 3  # of the client itself
    GAP = 4  # something is missing here
    COMING = 5  # somebody came, went, or has another name
    PENDING = 6  # an own text that is not accepted yet
    REFUSED = 7  # one that was not accepted


class Line(NamedTuple):
    """A line: when (milliseconds since 1970), what, who (as it is shown; "": nobody), which words.

    `text` is the whole line, `nick` with what stands around it; `seq` is an entry's position (0: it is none).
    """

    at: int
    look: Look
    nick: str
    text: str
    seq: int = 0
    is_mention: bool = False


def line_of(
    at: int, look: Look, text: str, nick: str = "", seq: int = 0, *, is_mention: bool = False
) -> Line:
    """Give a line whose nick is kept once, however often it speaks."""
    return Line(at, look, sys.intern(nick), text, seq, is_mention)


class Scrollback:
    """Lines by their numbers, which stay the same when older ones are put on top or fall off.

    `tail` are the lines behind the newest that stay there: own texts which are not accepted. What is seen
    ends with the newest line, or at the line that was scrolled to, whatever comes meanwhile.
    """

    def __init__(self, most: int = LINES) -> None:
        self.tail: list[Line] = []
        self._most = most
        self._lines: list[Line] = []
        self._first = 0  # the number of the oldest
        self._bottom: tuple[int, int] | None = None  # number and row of what is seen last; None: the newest
        self._rows: dict[int, list[Row]] = {}
        self._columns: object = None  # that they were wrapped for
        self._unseen = 0

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def lines(self) -> list[Line]:
        """Give the lines, the oldest first, without the tail. Not to be changed."""
        return self._lines

    @property
    def is_full(self) -> bool:
        """Say whether no older line may be put on top."""
        return len(self._lines) >= self._most

    @property
    def is_scrolled(self) -> bool:
        """Say whether something older than the newest line is seen."""
        return self._bottom is not None

    @property
    def unseen(self) -> int:
        """How many lines have come below what is seen."""
        return self._unseen

    def add(self, line: Line) -> None:
        """Put a line behind the others."""
        self._lines.append(line)
        if self._bottom is not None:
            self._unseen += 1
        if len(self._lines) > self._most + SPARE:
            gone = len(self._lines) - self._most
            del self._lines[:gone]
            self._first += gone
            for number in [number for number in self._rows if number < self._first]:
                del self._rows[number]
            if self._bottom is not None and self._bottom[0] < self._first:
                self._bottom = (self._first, 0)

    def put_on_top(self, lines: Iterable[Line]) -> None:
        """Put older lines, the oldest first, above the others; as many as there is room for."""
        room = self._most - len(self._lines)
        if room > 0:
            fresh = list(lines)[-room:]
            self._lines[:0] = fresh
            self._first -= len(fresh)

    def clear(self) -> None:
        """Forget the lines."""
        self._first += len(self._lines)
        self._lines.clear()
        self._rows.clear()
        self.to_end()

    def redact(self, seq: int, text: str) -> None:
        """Put `text` in the place of what the entry at position `seq` said, if it is here."""
        for index in range(len(self._lines) - 1, -1, -1):
            line = self._lines[index]
            if line.seq == seq:
                begin = line.text[: line.text.find(line.nick) + len(line.nick)]
                said = f"{begin} {text}" if line.look is Look.ACTION else f"{begin}: {text}"
                self._lines[index] = line._replace(text=said, is_mention=False)
                self._rows.pop(self._first + index, None)
                return

    # --- looking

    def to_end(self) -> None:
        """See the newest lines again."""
        self._bottom, self._unseen = None, 0

    def view(self, rows: int, key: object, wrapped: Callable[[Line], list[Row]]) -> list[Row]:
        """Give what is seen, in at most so many rows. `wrapped` gives a line's; they depend on `key` only."""
        if key != self._columns:
            self._columns = key
            self._rows.clear()
        number, row = self._end(wrapped)
        seen: list[Row] = []
        while number >= self._first and len(seen) < rows:
            lines = self._rows_of(number, wrapped)[: row + 1]
            seen[:0] = lines[-(rows - len(seen)) :]
            number -= 1
            row = sys.maxsize - 1  # all of the line before
        return seen

    def scroll(self, rows: int, height: int, wrapped: Callable[[Line], list[Row]]) -> int:
        """Move what is seen by so many rows (up, if negative), in a window of `height` rows.

        Gives how many rows it could not move up, for want of older lines.
        """
        number, row = self._end(wrapped)
        if rows >= 0:
            self._down(number, row, rows, wrapped)
            return 0
        row += rows
        while row < 0 and number > self._first:
            number -= 1
            row += len(self._rows_of(number, wrapped))
        missing = max(-row, 0) + max(self._missing_above(number, max(row, 0), height, wrapped), 0)
        if missing:
            number, row = self._top(height, wrapped)
        self._bottom = (number, max(row, 0))
        self._down(number, max(row, 0), 0, wrapped)
        return min(missing, -rows)

    # --- inside

    def _rows_of(self, number: int, wrapped: Callable[[Line], list[Row]]) -> list[Row]:
        index = number - self._first
        if index >= len(self._lines):
            rest = index - len(self._lines)
            return wrapped(self.tail[rest]) if rest < len(self.tail) else [[]]
        rows = self._rows.get(number)
        if rows is None:
            if len(self._rows) >= ROWS_KNOWN:
                self._rows.clear()
            rows = self._rows[number] = wrapped(self._lines[index])
        return rows

    def _end(self, wrapped: Callable[[Line], list[Row]]) -> tuple[int, int]:
        """Give number and row of what is seen last."""
        last = self._first + len(self._lines) + len(self.tail) - 1
        if self._bottom is None or self._bottom[0] > last:
            return last, len(self._rows_of(last, wrapped)) - 1 if last >= self._first else 0
        number, row = self._bottom
        return number, min(row, len(self._rows_of(number, wrapped)) - 1)

    def _down(self, number: int, row: int, rows: int, wrapped: Callable[[Line], list[Row]]) -> None:
        last = self._first + len(self._lines) + len(self.tail) - 1
        row += rows
        while number < last and row >= len(self._rows_of(number, wrapped)):
            row -= len(self._rows_of(number, wrapped))
            number += 1
        if number >= last and row >= len(self._rows_of(max(last, self._first), wrapped)) - 1:
            self.to_end()
        else:
            self._bottom = (number, row)

    def _missing_above(self, number: int, row: int, height: int, wrapped: Callable[[Line], list[Row]]) -> int:
        """Say how many rows are missing if `height` rows shall end with this one."""
        have = row + 1
        while have < height and number > self._first:
            number -= 1
            have += len(self._rows_of(number, wrapped))
        return height - have

    def _top(self, height: int, wrapped: Callable[[Line], list[Row]]) -> tuple[int, int]:
        """Give number and row of what is seen last when the oldest line is seen first."""
        last = self._first + len(self._lines) + len(self.tail) - 1
        number, row = self._first, height - 1
        while number < last and row >= len(self._rows_of(number, wrapped)):
            row -= len(self._rows_of(number, wrapped))
            number += 1
        return number, min(row, len(self._rows_of(number, wrapped)) - 1)
