"""Tests of one window's lines: what is kept, and what of it is seen."""

from __future__ import annotations

import random
import sys

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.scrollback import LINES, SPARE, Line, Look, Scrollback, line_of
from chat.client.screen.text import Row, row_text, wrap

HEIGHT = 5


def line(text: str, seq: int = 0) -> Line:
    """Give a line."""
    return line_of(0, Look.SAID, text, "bob", seq)


class Folded:
    """Wraps lines at so many columns, and counts how often it does."""

    def __init__(self, columns: int = 10) -> None:
        self.columns = columns
        self.count = 0

    def __call__(self, line: Line) -> list[Row]:
        """Wrap one."""
        self.count += 1
        return [[("", text)] for text in wrap(line.text, self.columns)]


class ScrollbackTests(SynchronousTestCase):
    """Ten lines in a window of five rows."""

    def setUp(self) -> None:
        """Put them in."""
        self.back = Scrollback(most=100)
        self.folded = Folded()
        for number in range(10):
            self.back.add(line(f"line {number}"))

    def seen(self, height: int = HEIGHT) -> list[str]:
        """Give the rows that are seen."""
        rows = self.back.view(height, self.folded.columns, self.folded)
        return [row_text(row) for row in rows]

    def scroll(self, rows: int) -> int:
        """Scroll by so many rows; give how many it could not."""
        return self.back.scroll(rows, HEIGHT, self.folded)

    def numbers(self) -> list[int]:
        """Give the numbers of the lines that are seen."""
        return [int(text.split()[-1]) for text in self.seen()]

    def test_the_newest(self) -> None:
        """The newest lines are seen, and new ones push the others up."""
        self.assertEqual(self.numbers(), [5, 6, 7, 8, 9])
        self.back.add(line("line 10"))
        self.assertEqual(self.numbers(), [6, 7, 8, 9, 10])
        self.assertEqual(self.seen(height=20)[0], "line 0")

    def test_a_long_line(self) -> None:
        """Of a line that does not fit its end is seen."""
        self.back.add(line("one two three four five six seven eight nine ten"))
        self.assertEqual(self.seen(3), ["seven", "eight nine", "ten"])

    def test_scrolled(self) -> None:
        """What was scrolled to stays where it is while more is said, which is counted."""
        self.assertEqual(self.scroll(-3), 0)
        self.assertEqual(self.numbers(), [2, 3, 4, 5, 6])
        self.back.add(line("line 10"))
        self.assertEqual((self.numbers(), self.back.unseen), ([2, 3, 4, 5, 6], 1))
        self.assertTrue(self.back.is_scrolled)
        self.assertEqual(self.scroll(2), 0)
        self.assertEqual(self.numbers(), [4, 5, 6, 7, 8])
        self.scroll(5)
        self.assertEqual((self.numbers(), self.back.unseen), ([6, 7, 8, 9, 10], 0))
        self.assertFalse(self.back.is_scrolled)

    def test_the_top(self) -> None:
        """Nobody scrolls above the oldest line, and who tries is told; older ones go above it."""
        self.assertEqual(self.scroll(-50), 45)
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])
        self.back.put_on_top([line("line -2"), line("line -1")])
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])
        self.assertEqual(self.scroll(-1), 0)
        self.assertEqual(self.numbers(), [-1, 0, 1, 2, 3])

    def test_fewer_lines_than_rows(self) -> None:
        """What fits is seen whole; there is nothing to scroll."""
        back = Scrollback()
        self.assertEqual(back.view(HEIGHT, 10, self.folded), [])
        self.assertEqual(back.scroll(-1, HEIGHT, self.folded), 1)
        back.add(line("line 1"))
        self.assertEqual(back.scroll(-1, HEIGHT, self.folded), 1)
        self.assertFalse(back.is_scrolled)
        self.assertEqual(len(back.view(HEIGHT, 10, self.folded)), 1)

    def test_the_end_of_it(self) -> None:
        """What is not accepted stands behind the newest line, whatever is said."""
        self.back.tail = [line("pending 1")]
        self.back.add(line("line 10"))
        self.assertEqual(self.seen(2), ["line 10", "pending 1"])
        self.back.tail = []
        self.assertEqual(self.seen(2), ["line 9", "line 10"])

    def test_the_end_of_it_scrolled(self) -> None:
        """It may be scrolled to and go away: what is left is seen."""
        self.back.tail = [line(f"pending {number}") for number in range(4)]
        self.scroll(-1)
        self.assertEqual(self.seen(2), ["pending 1", "pending 2"])
        self.back.tail = []
        self.assertEqual(self.seen(2), ["line 8", "line 9"])

    def test_another_width(self) -> None:
        """When the width changes everything that is seen is wrapped anew, and the same line is seen last."""
        self.back.add(line("one two three four"))
        self.back.add(line("line 11"))
        self.scroll(-1)
        self.assertEqual(self.seen(2), ["one two", "three four"])
        self.folded.columns = 5
        self.assertEqual(self.seen(2), ["one", "two"])  # its second row is still the last
        self.folded.columns = 40
        self.assertEqual(self.seen(2), ["line 9", "one two three four"])

    def test_wrapped_when_seen(self) -> None:
        """A line is wrapped when it is seen for the first time, and not before."""
        for number in range(50):
            self.back.add(line(f"line {number}"))
        self.seen()
        self.seen()
        self.assertEqual(self.folded.count, HEIGHT)

    def test_the_most(self) -> None:
        """The oldest lines go when there are too many; the numbers of the others stay."""
        self.scroll(-2)
        for number in range(10, 100 + SPARE + 1):
            self.back.add(line(f"line {number}"))
        self.assertEqual(len(self.back), 100)
        self.assertEqual(self.seen(1), [f"line {SPARE + 1}"])  # what was scrolled to has gone
        self.back.to_end()
        self.assertEqual(self.numbers()[-1], 100 + SPARE)
        self.assertTrue(self.back.is_full)
        self.back.put_on_top([line("older")])
        self.assertEqual(len(self.back), 100)

    def test_cleared(self) -> None:
        """Nothing is left, and the next line is the first."""
        self.back.clear()
        self.assertEqual(self.seen(), [])
        self.back.add(line("line 1"))
        self.assertEqual(self.seen(), ["line 1"])

    def test_redacted(self) -> None:
        """The words of an entry that was taken away are not there any more, who said it is."""
        self.back.add(line("bob: secret", seq=7))
        self.back.add(line_of(0, Look.ACTION, "* bob waves", "bob", 8))
        self.folded.columns = 40
        self.assertEqual(self.seen(2), ["bob: secret", "* bob waves"])
        for seq in (7, 8, 9):
            self.back.redact(seq, "(redacted)")
        self.assertEqual(self.seen(2), ["bob: (redacted)", "* bob (redacted)"])

    def test_any_story(self) -> None:
        """Whatever is said, fetched, scrolled and resized: what is seen are neighbours, in their order."""
        chance = random.Random(7)
        oldest, newest = 0, 9
        for _ in range(2_000):
            match chance.randrange(6):
                case 0:
                    newest += 1
                    self.back.add(line(f"line {newest}"))
                case 1 if not self.back.is_full:
                    oldest -= 1
                    self.back.put_on_top([line(f"line {oldest}")])
                case 2:
                    self.folded.columns = chance.choice([8, 10, 40])
                case 3:
                    self.back.to_end()
                case _:
                    self.scroll(chance.randrange(-8, 9))
            seen = [int(text.split()[-1]) for text in self.seen() if text.strip()]
            self.assertEqual(seen, list(range(seen[0], seen[0] + len(seen))))
            self.assertEqual(len(self.seen()), HEIGHT)


class MemoryTests(SynchronousTestCase):
    """As many lines as there may be."""

    def test_memory(self) -> None:
        """100,000 lines of 60 characters take 40 MB at most."""
        back = Scrollback()
        for number in range(LINES):
            back.add(line_of(number, Look.SAID, f"bob: {number:055d}", "bob", number))
        size = sys.getsizeof(back.lines) + sum(
            sys.getsizeof(each) + sum(map(sys.getsizeof, (each.at, each.text, each.seq)))
            for each in back.lines
        )
        self.assertEqual(len(back), LINES)
        self.assertLess(size, 40_000_000)
