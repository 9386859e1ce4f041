"""What the tests of the screen's models share: a model, the time in the test's hands, and rows as text."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.layout import stamp_text
from chat.client.screen.model import Heard, Model
from chat.client.screen.settings import Settings
from chat.client.screen.text import row_text, width

AT = 1_700_000_000_000  # of everything that is said, unless a test wants another time
TIME = stamp_text(AT, "minutes")  # as the machine's clock is set


def heard(text: str = "hi", nick: str = "bob", window: str = "lobby", seq: int = 1, *, at: int = AT) -> Heard:
    """Give something that somebody says."""
    return Heard(window, at, seq, nick, f"{nick}: {text}", text, is_action=False)


class ModelCase(SynchronousTestCase):
    """A screen of somebody called ann, in the lobby."""

    def setUp(self) -> None:
        """Begin, with nothing said."""
        self.now = 1_000.0
        self.settings = Settings()
        self.model = Model("lobby", self.settings, lambda: self.now, lambda: AT / 1000)
        self.model.nick, self.model.place = "ann", "chat.example:6789"

    def hear(self, text: str = "hi", nick: str = "bob", window: str = "lobby", seq: int = 1) -> None:
        """Let somebody say something."""
        self.model.heard(heard(text, nick, window, seq))

    def screen(self, columns: int, rows: int) -> list[str]:
        """Give the rows of the screen as text, each of which must have the screen's width."""
        made = [row_text(row) for row in self.model.rows(columns, rows)]
        self.assertEqual({width(row) for row in made}, {columns})
        self.assertEqual(len(made), rows - 1)
        return [row.rstrip() for row in made]

    def said(self, window: str = "lobby") -> list[str]:
        """Give the lines of a window, with what is pending there."""
        back = self.model.windows.open(window).scrollback
        return [line.text for line in (*back.lines, *back.tail)]
