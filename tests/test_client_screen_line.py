"""Tests of the line that one types on the full screen, and of the terminal around it: a pseudo-terminal."""

from __future__ import annotations

import signal

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

    async def test_ctrl_z(self) -> None:
        """Ctrl-Z gives the terminal to the shell; what was being typed is there again afterwards."""
        person, screen = await self.enter(self.nick())
        person.type(b"half")
        await screen.line("> half")
        person.type(ctrl("z"))  # there is no shell here, so that the system does not stop anybody
        await person.until(lambda: b"\x1b[?1049h" in person.out.partition(b"\x1b[?1049l")[2])
        person.type(b" a line")
        await screen.line("> half a line")
        await self.leave(person, ctrl("u") + CTRL_D)

    async def test_stopped(self) -> None:
        """Stopped from outside, the screen has the terminal again when it goes on, as keys need it."""
        person, screen = await self.enter(self.nick())
        person.type(b"half")
        await screen.line("> half")
        person.transport.signalProcess("STOP")
        person.cook()
        begun = len(person.out)
        person.transport.signalProcess(signal.SIGCONT)
        await person.until(lambda: b"\x1b[?1049h" in person.out[begun:])
        person.type(b" a line")
        await screen.line("> half a line")
        await self.leave(person, ctrl("u") + CTRL_D)

    async def test_exit_in_a_paste(self) -> None:
        """A paste in which a line is `exit`, as in many a shell script, is said to its end, too."""
        nick = self.nick()
        person, screen = await self.enter(nick)
        person.type(PASTE % b"if x\n exit\nfi")
        await person.until(lambda: screen.typed.startswith("say 3 lines"))
        person.type(b"y" + ENTER)
        await person.until(
            lambda: (
                [row.split() for row in screen.said()[-3:]]
                == [[f"{nick}:", *words.split()] for words in ("if x", "exit", "fi")]
            )
        )
        await self.leave(person, b"exit" + ENTER)
