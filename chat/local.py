"""Commands that no server is asked for: the door where they are typed does them by itself. Values only."""

from __future__ import annotations

from typing import NamedTuple


class Help(NamedTuple):
    """What can be done here? `topic` is a command's name or ""."""

    topic: str


class SayBack(NamedTuple):
    """Say `text` to who said something to us alone last."""

    text: str


class Switch(NamedTuple):
    """Speak in `room`, one of those that we are in."""

    room: str


class Ignore(NamedTuple):
    """Leave out what `nick` says from now on; "": who is left out?"""

    nick: str


class Unignore(NamedTuple):
    """Leave out no longer what `nick` says."""

    nick: str


class Lag(NamedTuple):
    """How long is the way to the server, and what is lost on it?"""


class AtScreen(NamedTuple):
    """What the full screen of `udpchat` does by itself: the command's name and its argument."""

    name: str
    argument: str


Local = AtScreen | Help | SayBack | Switch | Ignore | Unignore | Lag
