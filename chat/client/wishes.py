"""What a person has said on the command line, and which kind of terminal there is. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chat.client.address import Place

LEAST_COLUMNS, LEAST_ROWS = 40, 10  # of a screen: with less there is no room for what is said
_NO_SCREENS = ("", "dumb", "unknown")


class Wishes(NamedTuple):
    """What a person has said on the command line; None and "" are asked for."""

    place: Place | None
    nick: str
    room: str
    pinned: bytes | None
    link: str = ""


def is_screen(environ: Mapping[str, str], columns: int, rows: int) -> bool:
    """Say whether a terminal can be, and is wanted as, a full screen: NO_COLOR wants plain lines."""
    is_able = environ.get("TERM", "") not in _NO_SCREENS and not environ.get("NO_COLOR")
    return is_able and columns >= LEAST_COLUMNS and rows >= LEAST_ROWS
