"""How far a client has shown its rooms, on the way to the server: with a Ping that is sent anyway.

This module never does I/O and reads no clock. A room is named until a Pong says that the server knows: who
has nothing new to show sends nothing more. Of the log of direct messages `chat.wire.direct` tells, at once.
"""

from __future__ import annotations

from chat.messages import ShownUpTo

PINGS = 16  # whose Pongs may still come: 8 s of repeats, and a path is given up after six


class Heads:
    """The newest position shown of each room, and the newest that the server knows."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}  # as many as the client's rooms
        self._known: dict[str, int] = {}
        self._pings: dict[int, tuple[ShownUpTo, ...]] = {}  # what each of the newest has told, by its id

    def restart(self) -> None:
        """Take note of a fresh channel: it may lead to a server that has forgotten everything."""
        self._known.clear()
        self._pings.clear()

    def show(self, room: str, upto: int) -> None:
        """Take note that a room was shown up to a position."""
        self._shown[room] = max(self._shown.get(room, 0), upto)

    def joined(self, room: str) -> None:
        """Take note that we are in a room: the server knows nothing of an earlier stay."""
        self._known.pop(room, None)

    def tell(self, ping: int, most: int) -> tuple[ShownUpTo, ...]:
        """Give what the Ping with this id tells, of at most `most` rooms."""
        news = [room for room, upto in self._shown.items() if upto > self._known.get(room, 0)]
        told = tuple(ShownUpTo(room, self._shown[room]) for room in news[:most])
        if told:
            self._pings[ping] = told
            if len(self._pings) > PINGS:
                del self._pings[min(self._pings)]
        return told

    def answered(self, ping: int) -> None:
        """Take note that the server has the Ping with this id."""
        for told in self._pings.pop(ping, ()):
            self._known[told.room] = max(self._known.get(told.room, 0), told.seq)
