"""Commands that no server is asked for: the door where they are typed does them by itself. Values only."""

from __future__ import annotations

from typing import NamedTuple


class Help(NamedTuple):
    """What can be done here? `topic` is a command's name or ""."""

    topic: str


Local = Help
