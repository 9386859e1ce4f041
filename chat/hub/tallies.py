"""How many came and went in large rooms, until that is told. No I/O; time is an argument.

To tell each of n members of n who come is quadratic: 10,000 who go into one room would be 50 million frames.
So what comes within two seconds is told as one thing. Its law: what was counted is told once, before all that
becomes of the room later, however large it is by then; unless nobody is left in it.
"""

from __future__ import annotations

from chat.hub.rooms import Room
from chat.messages import Change

TELL_SECONDS = 2.0  # after the first change: soon enough to be news, and thirty datagrams a minute at most


class Tally:
    """What has become of one room since it was told last; `due` is when it shall be told."""

    __slots__ = ("due", "joined", "left", "renamed")

    def __init__(self, due: float) -> None:
        self.due = due
        self.joined = self.left = self.renamed = 0


class Tallies:
    """The tallies of rooms with more than `crowd` members."""

    def __init__(self, crowd: int) -> None:
        self._crowd = crowd
        self._tallies: dict[str, Tally] = {}  # by room, of large ones; the first is due first

    def takes(self, room: Room) -> bool:
        """Say whether what becomes of `room` now is counted instead of told.

        In a room that was large just now, too, until its tally is told: that somebody has left comes behind
        that somebody came.
        """
        return room.count > self._crowd or room.name in self._tallies

    def add(self, room: Room, change: Change, now: float) -> bool:
        """Count a change, and say whether it will be told: who is away shows in the roster only."""
        if change in (Change.AWAY, Change.BACK):
            return False
        tally = self._tallies.get(room.name)
        if tally is None:
            tally = self._tallies[room.name] = Tally(now + TELL_SECONDS)
        tally.joined += change is Change.JOINED
        tally.left += change is Change.LEFT
        tally.renamed += change is Change.RENAMED
        return True

    def forget(self, room: str) -> None:
        """Tell a room nothing of what was counted."""
        self._tallies.pop(room, None)

    def next_timeout(self) -> float | None:
        """Give the time at which `due` gives something; None: nothing is counted."""
        return next((tally.due for tally in self._tallies.values()), None)

    def due(self, now: float) -> list[tuple[str, Tally]]:
        """Give the tallies whose time has come, by room, and forget them."""
        due: list[tuple[str, Tally]] = []
        while self._tallies:
            name, tally = next(iter(self._tallies.items()))
            if tally.due > now:
                break
            due.append((name, tally))
            del self._tallies[name]
        return due
