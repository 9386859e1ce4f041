"""Who is meant, who has spoken lately, and what a terminal is told of it. Pure; `now` is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from chat.client.screen.text import cut

LATELY_SECONDS = (
    1_200.0  # who spoke within twenty minutes is in the talk: the coming and going of that one is news
)
SPEAKERS = 500  # of a room, the last: more speak nowhere within twenty minutes
TITLE_COLUMNS = 60  # of a terminal's title: window managers show less

_OSC, _END = "\x1b]", "\x07"


@lru_cache(64)  # own nicks of one run
def _pattern(nick: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(nick)}(?![\w-])", re.IGNORECASE)


def is_mention(text: str, nick: str) -> bool:
    """Say whether `text` names `nick`, as a word of its own."""
    return bool(nick) and _pattern(nick).search(text) is not None


class Speakers:
    """Who has spoken in a room, the last one last."""

    def __init__(self) -> None:
        self._spoke: dict[str, float] = {}

    def spoke(self, nick: str, now: float) -> None:
        """Take note that somebody speaks."""
        self._spoke.pop(nick, None)
        self._spoke[nick] = now
        if len(self._spoke) > SPEAKERS:
            del self._spoke[next(iter(self._spoke))]

    def renamed(self, nick: str, new: str) -> None:
        """Take note that somebody has another nick."""
        if nick in self._spoke:
            self._spoke = {new if name == nick else name: at for name, at in self._spoke.items()}

    def is_news(self, nick: str, now: float) -> bool:
        """Say whether somebody has spoken lately, so that it is news when that one comes or goes."""
        return now - self._spoke.get(nick, float("-inf")) <= LATELY_SECONDS

    def latest_first(self) -> list[str]:
        """Give the nicks, whoever spoke last first."""
        return list(reversed(self._spoke))


def title(room: str, place: str, unread: int, mentions: int) -> str:
    """Give the terminal's title."""
    counts = f"({mentions}!/{unread}) " if mentions else f"({unread}) " if unread else ""
    return cut(f"{counts}{room or 'udpchat'} - {place}" if place else f"{counts}udpchat", TITLE_COLUMNS)


def notification(environ: Mapping[str, str], summary: str, text: str) -> str:
    """Give what makes the terminal show a notification; "": it is not known to have any.

    Texts are clean: what ends the sequence, or begins another one, is in none of them.
    """
    program, terminal = environ.get("TERM_PROGRAM", ""), environ.get("TERM", "")
    if program in ("iTerm.app", "WezTerm", "ghostty") or "ConEmuPID" in environ:
        return f"{_OSC}9;{summary}: {text}{_END}"
    if terminal.startswith(("foot", "rxvt-unicode")):
        parts = (part.replace(";", ",") for part in (summary, text))
        return f"{_OSC}777;notify;{';'.join(parts)}{_END}"
    if terminal == "xterm-kitty":
        return f"{_OSC}99;;{summary}: {text}\x1b\\"
    return ""
