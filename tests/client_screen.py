"""A person in front of the full screen: what is on it, row by row, and which keys are pressed."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.internet.defer import Deferred

from tests.client_terminal import COLUMNS, ROWS, Person, SecureTerminalCase

UP, DOWN, PAGE_UP, PAGE_DOWN, TAB = b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~", b"\t"
PASTE = b"\x1b[200~%b\x1b[201~"
BESIDE = "│"


def alt(key: str) -> bytes:
    """Give what a terminal sends for Alt and a key."""
    return b"\x1b" + key.encode()


def ctrl(key: str) -> bytes:
    """Give what a terminal sends for Ctrl and a letter."""
    return bytes([ord(key) & 0x1F])


def timeless(row: str) -> str:
    """Give a row with each time of the day as `hh:mm`, and each round trip as `N ms`."""
    return re.sub(r"\b\d+ ms\b", "N ms", re.sub(r"\b\d\d:\d\d\b", "hh:mm", row))


class Onlooker:
    """What somebody at a screen sees."""

    def __init__(self, person: Person) -> None:
        self.person = person

    @property
    def typed(self) -> str:
        """Give the row where one types."""
        return self.person.rows()[-1]

    @property
    def network(self) -> str:
        """Give the row above it."""
        return timeless(self.person.rows()[-2])

    def line(self, typed: str) -> Deferred[None]:
        """Wait until this stands where one types."""
        return self.person.until(lambda: self.typed == typed)

    def line_ends(self, typed: str) -> Deferred[None]:
        """Wait until what is typed ends so."""
        return self.person.until(lambda: self.typed.endswith(typed))

    def ends(self, said: str) -> Deferred[None]:
        """Wait until what is said last ends so."""
        return self.person.until(lambda: "".join(self.said()[-1:]).endswith(said))

    def other_than(self, said: list[str]) -> Deferred[None]:
        """Wait until something else is seen."""
        return self.person.until(lambda: self.said() != said)

    def said(self) -> list[str]:
        """Give what is said, without its times, and what stands beside it; the newest last."""
        rows = [row.split(BESIDE) for row in self.person.rows()[1:-2]]
        middles = [row[1] if len(row) > 1 else row[0] for row in rows]
        return [re.sub(r"^\d\d:\d\d ", "", row).strip() for row in middles if row.strip()]

    def times(self) -> list[str]:
        """Give the rows that begin with a time, of a screen with a list of rooms."""
        return [row for row in self.person.rows()[1:-2] if re.match(r"\d\d:\d\d ", row.partition(BESIDE)[2])]

    def rooms(self) -> list[str]:
        """Give the list of rooms."""
        return [
            row.partition(BESIDE)[0].rstrip()
            for row in self.person.rows()[1:-2]
            if row.partition(BESIDE)[0].strip()
        ]

    def members(self) -> list[str]:
        """Give the roster."""
        return [
            row.split(BESIDE)[2].strip()
            for row in self.person.rows()[1:-2]
            if row.count(BESIDE) == 2 and row.split(BESIDE)[2].strip()
        ]


class ScreenCase(SecureTerminalCase):
    """A person at the full screen, in a room that no other test is in."""

    def at_screen(
        self,
        *arguments: str,
        home: Path | None = None,
        size: tuple[int, int] = (COLUMNS, ROWS),
        **environ: str,
    ) -> tuple[Person, Onlooker]:
        """Sit somebody down who knows the server."""
        home = home or self.met()
        for name, folder in (("DATA", home), ("STATE", home / "state"), ("CONFIG", home / "config")):
            environ[f"XDG_{name}_HOME"] = str(folder)
        environ = {"TERM": "xterm-256color", "NO_COLOR": "", **environ}
        person = self.sit_down(*arguments, environ=environ, size=size)
        return person, Onlooker(person)

    async def enter(
        self, nick: str, home: Path | None = None, size: tuple[int, int] = (COLUMNS, ROWS), **environ: str
    ) -> tuple[Person, Onlooker]:
        """Sit somebody down, and wait until the room is there."""
        arguments = (self.address, "--nick", nick, "--room", self.room)
        person, screen = self.at_screen(*arguments, home=home, size=size, **environ)
        await person.until(
            lambda: f"you are in {self.room}" in screen.said() and "connected" in screen.network
        )
        return person, screen
