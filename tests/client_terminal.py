"""A person at a client: a pseudo-terminal, and pyte for the screen on it."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Callable
from pathlib import Path

import pyte
from twisted.internet.defer import Deferred

from chat.wire.lines import owned_line
from tests.client_process import ClientProcess, ProcessCase, SecureCase

COLUMNS, ROWS = 80, 24
CTRL_C, CTRL_D, ENTER = b"\x03", b"\x04", b"\r"


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as a terminal does, and counts how often it rings."""

    def __init__(self, answer: Callable[[bytes], object], columns: int, rows: int) -> None:
        self.rings = 0
        super().__init__(columns, rows)
        self._answer = answer

    def bell(self, *_: object) -> None:
        """Ring."""
        self.rings += 1

    def write_process_input(self, data: str) -> None:
        """Answer."""
        self._answer(data.encode())


class Person(ClientProcess):
    """Somebody at a terminal: sees a screen, types."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        super().__init__()
        self._screen = _Screen(self.type, columns, rows)
        self._terminal = -1  # its outer side
        self._stream = pyte.ByteStream(self._screen)

    def spawn(self, *arguments: str, environ: dict[str, str] | None = None, **keywords: object) -> None:
        """Start the client in a terminal of the screen's size."""
        outer, inner = pty.openpty()
        self._terminal = outer
        termios.tcsetwinsize(inner, (self._screen.lines, self._screen.columns))
        terminal = outer, inner, os.ttyname(inner)
        super().spawn(*arguments, environ=environ, usePTY=terminal, **keywords)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        self.transport.write(keys)

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal's window another size."""
        self._screen.resize(rows, columns)
        termios.tcsetwinsize(self._terminal, (rows, columns))

    def cook(self) -> None:
        """Make the terminal as shells have it, which give keys away by whole lines."""
        attributes = termios.tcgetattr(self._terminal)
        attributes[3] |= termios.ICANON | termios.ECHO | termios.ISIG
        termios.tcsetattr(self._terminal, termios.TCSANOW, attributes)

    @property
    def emulated(self) -> pyte.Screen:
        """Give the terminal emulator's screen."""
        return self._screen

    @property
    def rings(self) -> int:
        """How often the bell rang."""
        return self._screen.rings

    @property
    def title(self) -> str:
        """Give the terminal's title."""
        return str(self._screen.title)

    def rows(self) -> list[str]:
        """Give all rows of the screen."""
        return [row.rstrip() for row in self._screen.display]

    def colours(self, row: int) -> set[str]:
        """Name the colours in a row."""
        return {str(cell.fg) for cell in self._screen.buffer[row % self._screen.lines].values()}

    def lines(self) -> list[str]:
        """Give the lines on the screen that are not blank."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def bar(self) -> str:
        """Give the last of them, where the toolbar is."""
        return "".join(self.lines()[-1:])

    def outReceived(self, data: bytes) -> None:
        """Show it."""
        self._stream.feed(data)
        super().outReceived(data)

    def sees(self, *last: str) -> Deferred[None]:
        """Wait until these are the last lines on the screen."""
        return self.until(lambda: self.lines()[-len(last) :] == list(last))

    def asked(self, told: str, prompt: str) -> Deferred[None]:
        """Wait until a line with these words stands above this prompt."""
        return self.until(lambda: self.lines()[-1:] == [prompt] and told in "".join(self.lines()[-2:-1]))


class TerminalCase(ProcessCase):
    """A person in front of the client."""

    def sit_down(
        self, *arguments: str, environ: dict[str, str] | None = None, size: tuple[int, int] = (COLUMNS, ROWS)
    ) -> Person:
        """Start the client in a terminal."""
        person = Person(*size)
        person.spawn(*arguments, environ=environ)
        self.addCleanup(person.kill)
        return person


class SecureTerminalCase(TerminalCase, SecureCase):
    """A person at the client, in a room that no other test is in."""

    def setUp(self) -> None:
        """Choose the room."""
        super().setUp()
        self.room = self.nick("room")
        self.ann = self.nick("ann")
        self.bar = f"{self.room} | connected"

    def at_home(self, *arguments: str, home: Path | None = None, **environ: str) -> Person:
        """Sit somebody down with keys of one's own, who knows the server, and reads line by line."""
        environ["XDG_DATA_HOME"] = str(home or self.met())
        return self.sit_down("--line-mode", *arguments, environ=environ)

    async def come_in(self, nick: str, home: Path | None = None, *, is_new: bool = True) -> Person:
        """Sit somebody down and wait until the room is there; who `is_new` hears whose the nick is."""
        person = self.at_home(self.address, "--nick", nick, "--room", self.room, home=home)
        await person.sees(
            f"-- connected to {self.address} as {nick} --",
            *([f"-!- {owned_line(nick)}"] if is_new else []),
            f"{nick} has joined {self.room}",
            f"-!- you are in {self.room}",
            ">",
            self.bar,
        )
        return person

    async def other(self, *lines: str) -> None:
        """Let somebody else say something in the same room."""
        client: ClientProcess = self.script(self.ann, "--room", self.room, home=self.met())
        self.feed(client, "\n".join(lines).encode())
        await self.check(client, 0)

    async def leave(self, person: Person, keys: bytes, code: int = 0) -> None:
        """Press keys; the process must end well."""
        person.type(keys)
        self.assertEqual(await person.ended, code)
        self.assertNotIn(b"Traceback", person.out)
