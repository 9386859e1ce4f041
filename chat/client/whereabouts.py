"""The rooms that a client's owner wants to be in, and those that it is in.

A session asks again by itself for what is wanted. What it does not say is kept here: whether it will say
anything at all about a room that is left, or joined, once more.
"""

from __future__ import annotations

from chat.messages import Joined
from chat.wire.events import Event, InRoom, OutOfRoom


class Whereabouts:
    """Follows the events of one session."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._inside: dict[str, Joined] = {}
        self._asked: set[str] = set()  # a Join may have left: the server may have us there

    def want(self, room: str, *, is_talking: bool) -> Joined | None:
        """Want to be in a room; give its `Joined` if we are. `is_talking` while the session has a channel."""
        self._wanted.add(room)
        if is_talking:
            self._asked.add(room)
        return self._inside.get(room)

    def unwant(self, room: str) -> bool:
        """Want to be out of a room; say whether `OutOfRoom` will come: else we never were in it."""
        self._wanted.discard(room)
        return room in self._asked

    def connected(self) -> None:
        """Take note of a fresh channel: all that is wanted is asked for."""
        self._asked |= self._wanted

    def lost(self) -> None:
        """Take note that the channel is gone."""
        self._inside.clear()

    def take(self, event: Event) -> None:
        """Take what the session tells."""
        match event:
            case InRoom(joined):
                self._inside[joined.room] = joined
            case OutOfRoom(room, code):
                self._inside.pop(room, None)
                if code:
                    self._wanted.discard(room)
                if room not in self._wanted:  # else the next Join has left already
                    self._asked.discard(room)
            case _:
                pass
