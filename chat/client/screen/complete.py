"""Tab: what the word before the cursor may become. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

ROOM_COMMANDS = ("join", "j", "part", "leave", "list", "rooms")  # whose argument is a room
AFTER_NICK = ": "  # behind a nick at the beginning of a line


class Known(NamedTuple):
    """What may be completed: commands (without a slash), nicks in the order in which to offer them, rooms."""

    commands: Sequence[str]
    nicks: Sequence[str]
    rooms: Sequence[str]


class Completion:
    """The word that is being completed. Tab again, with nothing typed in between, takes the next one."""

    def __init__(self) -> None:
        self._line = ""  # that Tab has made
        self._head = self._tail = ""
        self._choices: list[str] = []
        self._index = 0

    def press(self, line: str, cursor: int, known: Known, *, back: bool = False) -> tuple[str, int]:
        """Give the line, and where the cursor is in it, after Tab (`back`: Shift-Tab)."""
        if not (self._choices and line == self._line):
            head, tail = line[:cursor], line[cursor:]
            begin = head.rfind(" ") + 1
            self._head, self._tail = head[:begin], tail
            self._choices = choices(head, known)
            self._index = 0
            if not self._choices:
                return line, cursor
            self._index = len(self._choices) - 1 if back else 0
        else:
            self._index = (self._index + (-1 if back else 1)) % len(self._choices)
        made = self._head + self._choices[self._index]
        self._line = made + self._tail
        return self._line, len(made)


def choices(head: str, known: Known) -> list[str]:
    """Give what the last word of `head` may be, each with what stands behind it."""
    begin = head.rfind(" ") + 1
    word, is_first = head[begin:], begin == 0
    if is_first and word.startswith("/") and not word.startswith("//"):
        return [f"/{name} " for name in _beginning(known.commands, word[1:])]
    command = head[1:].partition(" ")[0].lower() if head.startswith("/") and not is_first else ""
    if command in ROOM_COMMANDS:
        return [f"{name} " for name in _beginning(known.rooms, word.removeprefix("#"))]
    if not word:
        return [] if not is_first else [nick + AFTER_NICK for nick in known.nicks]
    sign = "@" if word.startswith("@") else ""
    behind = AFTER_NICK if is_first and not sign else " "
    nicks = [f"{sign}{nick}{behind}" for nick in _beginning(known.nicks, word.removeprefix("@"))]
    rooms = [f"{name} " for name in _beginning(known.rooms, word.removeprefix("#"))]
    return nicks + rooms


def in_order(spoke: Iterable[str], here: Iterable[str], own: str) -> list[str]:
    """Give nicks as Tab offers them: who spoke last first, then the others by name, never oneself."""
    first = [nick for nick in dict.fromkeys(spoke) if nick != own]
    rest = sorted({nick for nick in here if nick != own} - set(first), key=str.casefold)
    return first + rest


def _beginning(names: Iterable[str], begin: str) -> list[str]:
    return [name for name in names if name.casefold().startswith(begin.casefold())]
