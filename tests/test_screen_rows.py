"""Tests of the screen's cells, and of what is loaded before they are there."""

from __future__ import annotations

import subprocess
import sys

from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Screen, WritePosition
from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.rows import CELLS_KNOWN, ROWS_KNOWN, Rows
from chat.client.screen.text import Row
from chat.client.wishes import is_screen
from tests.client_process import ROOT

LATER = ("twisted", "msgspec", "OpenSSL", "cryptography", "chat.client.protocol", "chat.messages")


class RowsTests(SynchronousTestCase):
    """Rows of ten columns."""

    def setUp(self) -> None:
        """Begin without any."""
        self.rows: list[Row] = []
        self.part = Rows(lambda *_: self.rows)

    def drawn(self, *rows: Row) -> Screen:
        """Give a screen with these rows from its second one on."""
        self.rows = list(rows)
        screen = Screen()
        self.part.write_to_screen(screen, MouseHandlers(), WritePosition(0, 1, 10, 5), "", False, None)
        return screen

    def cells(self, row: Row) -> list[tuple[str, str]]:
        """Give the cells of a row."""
        drawn = self.drawn(row).data_buffer[1]
        return [(drawn[column].char, drawn[column].style) for column in sorted(drawn)]

    def test_cells(self) -> None:
        """Each character has its cell and style, a wide one two cells, and a mark none of its own."""
        self.assertEqual(self.cells([("a", "x"), ("b", "y")]), [("x", "a"), ("y", "b")])
        self.assertEqual(self.cells([("a", "漢!")]), [("漢", "a"), ("", "a"), ("!", "a")])
        self.assertEqual(self.cells([("", "e\u0301x")]), [("e\u0301", ""), ("x", "")])
        self.assertEqual(self.cells([("", "漢\u0301x")]), [("漢\u0301", ""), ("", ""), ("x", "")])
        self.assertEqual(self.cells([("", "\u0301x")]), [("x", "")])

    def test_kept(self) -> None:
        """The cells of a row that was shown before are not made again, wherever it stands now."""
        one, two = [("a", "one")], [("a", "two")]
        before = self.drawn(one, two)
        after = self.drawn([("a", "two")], [("a", "three")])
        self.assertIs(before.data_buffer[2], after.data_buffer[1])

    def test_bounded(self) -> None:
        """Whatever is shown, only so many rows and cells are kept, and what is shown is right."""
        for number in range(ROWS_KNOWN + 5):
            self.assertEqual(self.cells([("", f"{number}")])[0][0], f"{number}"[0])
        for number in range(CELLS_KNOWN // 1_000 + 1):
            for begin in range(0x4E00, 0x4E00 + 1_000, 5):
                text = "".join(map(chr, range(begin, begin + 5)))
                self.assertEqual("".join(char for char, _ in self.cells([(f"s{number}", text)])), text)


class BeginningTests(SynchronousTestCase):
    """Before the first rows."""

    def test_what_is_loaded(self) -> None:
        """The prompt waits neither for Twisted nor for the chat: they are loaded behind it."""
        program = (
            f"import sys, chat.__main__, chat.client.screen.start; print({{*{LATER}}} & {{*sys.modules}})"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
        )
        self.assertEqual(ran.stdout.strip(), "set()")

    def test_who_has_a_screen(self) -> None:
        """A terminal that can do it and is large enough, unless no colours are wanted."""
        able = {"TERM": "xterm"}
        self.assertTrue(is_screen(able, 40, 10))
        self.assertTrue(is_screen({**able, "NO_COLOR": ""}, 300, 100))
        for environ, columns, rows in (
            (able, 39, 10),
            (able, 40, 9),
            ({**able, "NO_COLOR": "1"}, 80, 24),
            ({"TERM": "dumb"}, 80, 24),
            ({}, 80, 24),
        ):
            self.assertFalse(is_screen(environ, columns, rows))
