"""A person at a client: a pseudo-terminal, and pyte for the screen on it."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Callable

import pyte
from twisted.internet.defer import Deferred

from tests.client_process import ClientProcess, ProcessCase

COLUMNS, ROWS = 80, 24
CTRL_C, CTRL_D, ENTER = b"\x03", b"\x04", b"\r"


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as a terminal does."""

    def __init__(self, answer: Callable[[bytes], object]) -> None:
        super().__init__(COLUMNS, ROWS)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        """Answer."""
        self._answer(data.encode())


class Person(ClientProcess):
    """Somebody at a terminal: sees a screen, types."""

    def __init__(self) -> None:
        super().__init__()
        self._screen = _Screen(self.type)
        self._stream = pyte.ByteStream(self._screen)

    def spawn(self, *arguments: str, environ: dict[str, str] | None = None, **keywords: object) -> None:
        """Start the client in a terminal of 80 columns."""
        outer, inner = pty.openpty()
        termios.tcsetwinsize(inner, (ROWS, COLUMNS))
        terminal = outer, inner, os.ttyname(inner)
        super().spawn(*arguments, environ=environ, usePTY=terminal, **keywords)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        self.transport.write(keys)

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

    def sit_down(self, *arguments: str, environ: dict[str, str] | None = None) -> Person:
        """Start the client in a terminal."""
        person = Person()
        person.spawn(*arguments, environ=environ)
        self.addCleanup(person.kill)
        return person
