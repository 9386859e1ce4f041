"""The rooms of one plain peer, as they will be once all that it has asked for is done.

Pure: who owns it tells it what is asked and what is refused. A room is current at once, for the next line of
the same paste.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.errors import RequestRejected
from chat.fields import MEMBER_ROOMS
from chat.messages import Join, Part


class Places:
    """What a peer is in or asks to be in, at most MEMBER_ROOMS; the last one is current.

    `entrance` is the room that a newcomer comes in by, until it is in; then "".
    """

    def __init__(self) -> None:
        self.entrance = ""
        self._rooms: list[str] = []

    @property
    def current(self) -> str:
        """Name the room in which the peer speaks; "": it is in none."""
        return self._rooms[-1] if self._rooms else ""

    def __contains__(self, room: object) -> bool:
        return room in self._rooms

    def begin(self, room: str) -> None:
        """Forget them all: the peer comes in, by `room`."""
        self._rooms.clear()
        self.entrance = room

    def resume(self, rooms: Iterable[str], current: str) -> None:
        """Be in `rooms` from the beginning, and speak in `current` if it is one of them."""
        self._rooms = sorted(rooms, key=current.__eq__)

    def move(self, request: Join | Part) -> int | None:
        """Do what `request` will have done; give the place that its room had (None: it had none).

        Raises `RequestRejected` if there are too many.
        """
        place = self._rooms.index(request.room) if request.room in self._rooms else None
        if place is not None:
            del self._rooms[place]
        if isinstance(request, Join):
            if len(self._rooms) >= MEMBER_ROOMS:
                raise RequestRejected("TOO_MANY_ROOMS", f"you are in {MEMBER_ROOMS} rooms: leave one first")
            self._rooms.append(request.room)
        return place

    def switch(self, room: str) -> None:
        """Speak in `room`, one of them. Raises `RequestRejected` if it is none."""
        if room not in self._rooms:
            raise RequestRejected("NOT_IN_ROOM", f"you are not in {room}: /join {room}")
        self._rooms.remove(room)
        self._rooms.append(room)

    def undo(self, request: Join | Part, place: int | None) -> None:
        """Learn that `request`, for which `move` gave `place`, was refused."""
        if request.room in self._rooms:
            self._rooms.remove(request.room)
        if place is not None:
            self._rooms.insert(place, request.room)
