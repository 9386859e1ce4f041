"""Tests of the line that one types on the full screen, and of the terminal around it: a pseudo-terminal."""

from __future__ import annotations

from tests.client_screen import PASTE, ScreenCase, ctrl
from tests.client_terminal import CTRL_D, ENTER

LONG = b"word " * 40  # more than the screen is wide


class LineTests(ScreenCase):
    """The last row."""

    async def test_the_prompt_comes_back(self) -> None:
        """What stands before the line is seen again once the line fits behind it; so is a question."""
        person, screen = await self.enter(self.nick())
        person.type(LONG)
        await screen.line_ends("word")
        person.type(ctrl("u"))
        await screen.line(">")
        person.type(LONG + ENTER + b"short")
        await screen.line("> short")
        person.type(ctrl("u") + LONG + PASTE % b"one\ntwo")
        await screen.line('say 2 lines, from "one" on? y/n:')
        person.type(b"n" + ENTER + ctrl("a"))
        await person.until(lambda: screen.typed.startswith("> word"))
        await self.leave(person, ctrl("k") + CTRL_D)
