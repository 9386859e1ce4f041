"""The rooms of one client's session, by name: those its owner wants, and the log of what is said to it alone.

This module never does I/O and reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from chat.messages import (
    Fetch,
    Join,
    Joined,
    Names,
    Part,
    Pong,
    Presence,
    Rejected,
    Reply,
    Turnover,
    is_direct,
)
from chat.notices import Out, Redacted
from chat.wire.events import Event, Happened, InRoom, OutOfRoom, PutOff, RosterChanged
from chat.wire.room import Room
from chat.wire.roster import Roster
from chat.wire.sequence import RoomLog, RoundTrip, Shown


class Rooms:
    """Rooms outlive channels. `direct` names the log of direct messages ("": there is none)."""

    def __init__(self, round_trip: RoundTrip, random: Callable[[], float]) -> None:
        self.direct = ""
        self._round_trip = round_trip
        self._random = random
        self._rooms: dict[str, Room] = {}

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def get(self, name: str) -> Room | None:
        """Give the room; None: we never wanted to be in it."""
        return self._rooms.get(name)

    @property
    def logs(self) -> dict[str, RoomLog]:
        """The rooms' logs, by name."""
        return {name: room.log for name, room in self._rooms.items()}

    def join(self, name: str, *, with_roster: bool = False, key: str = "") -> None:
        """Want to be in a room, and say this key from now on ("": as before)."""
        room = self._rooms.setdefault(name, Room(name, RoomLog(self._round_trip, self._random)))
        room.is_wanted = True
        room.key = key or room.key
        if with_roster and room.roster is None:
            room.roster = Roster()
            if room.is_in:  # no Joined comes that would begin it: it is read at once
                room.roster.restart(0, 0.0)

    def part(self, name: str) -> None:
        """Want to be out of a room."""
        if name in self._rooms:
            self._rooms[name].is_wanted = False

    def follow(self, direct: str) -> None:
        """Want to be in the log of direct messages that the server names, and out of the one before it."""
        before, self.direct = self.direct, direct if is_direct(direct) else ""
        if before != self.direct:
            self.part(before)
            self._forget(before)
        self._follow()

    def restart(self) -> None:
        """Take note of a fresh channel."""
        for room in self._rooms.values():
            room.restart()

    def due(self, now: float, talking: set[str]) -> Iterable[Join | Part | Names]:
        """Give what is to be asked now, without ids. In `talking` are the rooms with texts of ours."""
        for name, room in self._rooms.items():
            asked = room.due(now, is_talking=name in talking)
            if asked is not None:
                yield asked
            after = room.names_due(now)
            if after is not None:
                yield Names(1, name, after)

    def fetches_due(self, now: float, next_id: Callable[[], int]) -> list[Fetch]:
        """Give the Fetches that are to be sent now, for the first time or once more."""
        fetches = [room.fetch_due(now, next_id) for room in self._rooms.values()]
        return [fetch for fetch in fetches if fetch is not None]

    def next_timeouts(self) -> list[float | None]:
        """Give the times at which something is due."""
        return [room.next_timeout() for room in self._rooms.values()]

    def may_say(self, name: str) -> bool:
        """Say whether a text for `name`, a room or somebody's nick, may leave once we are let in."""
        room = self._rooms.get(name)
        return room is None or room.may_say()

    def moved(self, request: Join | Part, reply: Reply, now: float) -> tuple[Event | None, list[Shown]]:
        """Take the answer to a Join or Part: what its owner is told, and what is shown because of it."""
        room = self._rooms[request.room]
        if isinstance(reply, Joined):
            return InRoom(reply), room.joined(reply, now)
        if not isinstance(reply, Rejected):
            room.left()
            self._follow()
            out = OutOfRoom(room.name, "", "")
        elif room.refused(reply, now):
            out = OutOfRoom(room.name, reply.code, reply.text)
        else:
            return (PutOff(room.name, reply) if reply.retry_after else None), []
        self._forget(room.name)
        return out, []

    def current(self, name: str) -> Room | None:
        """Give a room unless it is over: what comes from there is late then. A next visit fetches it."""
        room = self._rooms.get(name)
        return None if room is None or room.is_over else room

    def happened(self, news: Presence | Turnover | Redacted | Out, now: float) -> list[Event]:
        """Take what became of a room, of who is in it or of us there; give what its owner is told."""
        room = self.current(news.room)
        if room is None:
            return []
        match news:
            case Out():
                return [OutOfRoom(news.room, news.code, news.text)] if room.put_out() else []
            case Redacted():
                room.log.redact(news.seq)
                return [news]
            case Turnover():
                if room.roster is not None:
                    room.roster.heard(news.version, now)
                return [news]
            case Presence():
                is_changed = room.roster is not None and room.roster.take(news, now)
                return [Happened(news), *([RosterChanged(news.room)] if is_changed else [])]
            case _:
                assert_never(news)

    def fetch_refused(self, refusal: Rejected, now: float) -> None:
        """Take the refusal of a request, if it was a Fetch."""
        for room in self._rooms.values():
            room.fetch_refused(refusal, now)

    def pong(self, pong: Pong, asked_at: float, now: float) -> None:
        """Take what a Pong says, whose Ping was sent at `asked_at`."""
        heads = {head.room: head for head in pong.rooms}
        for name, room in self._rooms.items():
            room.pong(heads.get(name), asked_at, now)

    def _follow(self) -> None:
        """Ask for our log, again if there were too many rooms: now there is one less, or another server."""
        if self.direct:
            self.join(self.direct)

    def _forget(self, name: str) -> None:
        """Keep no log of direct messages that is not ours any more: a server may name many."""
        room = self._rooms.get(name)
        if room is not None and room.is_direct and name != self.direct and room.is_over:
            del self._rooms[name]
