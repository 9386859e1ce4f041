"""Whom somebody does not want to hear: their nicks, and what of a room's news is left out because of them.

This module never does I/O and reads no clock. What people say is left out, in rooms and to one alone; that
they come and go is not, nor what they make the topic, for that is the room's.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.errors import RequestRejected
from chat.messages import Change, Entry, Kind, Presence
from chat.safety import nick_key

MOST_IGNORED = 100  # 6 KiB with the longest nicks; who has more enemies is in the wrong room
LIST_BYTES = 900  # of nicks in one line


class Ignored:
    """The nicks, as they were typed, by the key that nicks are compared by.

    Who changes the nick where we see it is left out under the new one too.
    """

    def __init__(self, nicks: Iterable[str] = ()) -> None:
        self._nicks = {nick_key(nick): nick for nick in nicks}

    def __len__(self) -> int:
        return len(self._nicks)

    @property
    def nicks(self) -> tuple[str, ...]:
        """The nicks, in the order in which they were added."""
        return tuple(self._nicks.values())

    def add(self, nick: str) -> None:
        """Leave out `nick`. Raises `RequestRejected` if that are too many."""
        key = nick_key(nick)
        if len(self._nicks) >= MOST_IGNORED and key not in self._nicks:
            text = f"you leave out {MOST_IGNORED} people already: /unignore one of them first"
            raise RequestRejected("IGNORE_LIMIT", text)
        self._nicks[key] = nick

    def remove(self, nick: str) -> bool:
        """Leave out `nick` no longer; False: it was not left out."""
        return self._nicks.pop(nick_key(nick), None) is not None

    def hides(self, entry: Entry, key: str = "") -> bool:
        """Say whether `entry` is left out. `key` is that of its nick, if somebody has made it already."""
        if not self._nicks or entry.kind is Kind.TOPIC:
            return False
        return (key or nick_key(entry.nick)) in self._nicks

    def follow(self, presence: Presence) -> None:
        """Take note of who has another nick: if that one is left out, then under both, if there is room."""
        is_renamed = presence.change is Change.RENAMED and nick_key(presence.nick) in self._nicks
        if is_renamed and len(self._nicks) < MOST_IGNORED:
            self._nicks[nick_key(presence.new_nick)] = presence.new_nick

    def lines(self) -> list[str]:
        """Say who is left out."""
        if not self._nicks:
            return ["you leave out nobody: /ignore bob leaves out what bob says"]
        lines = ["you leave out:"]
        for nick in self._nicks.values():
            if len(lines[-1].encode()) + len(nick.encode()) > LIST_BYTES:
                lines.append("")
            lines[-1] = f"{lines[-1]} {nick}".strip()
        return lines
