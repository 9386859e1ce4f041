"""All rooms: those with members or entries, and the logs of direct messages among them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Publish
from chat.hub.members import Member
from chat.hub.replies import not_in
from chat.hub.rooms import Room
from chat.hub.tallies import Tallies
from chat.messages import LOBBY, Change, Turnover, is_direct
from chat.safety import check_room
from chat.stored import Heads

MAX_ROOMS = 10_000  # for everybody, half a kilobyte each; logs are as many as owners of nicks


class House:
    """The rooms, by name. Nobody is told who comes into a log of direct messages, or goes.

    Rooms with more than `crowd` members are told now and then how many came and went, not who.
    """

    def __init__(self, crowd: int) -> None:
        self._rooms: dict[str, Room] = {}
        self._tallies = Tallies(crowd)
        self._public = 0  # of the rooms
        self._base = 0
        self._version = 0  # a new room's roster begins above every one that was forgotten

    def restore(self, heads: Heads) -> None:
        """Take over where the store stands."""
        self._base = self._version = heads.base
        for name, stands in heads.rooms.items():
            room = self._rooms[name] = Room(name, stands.floor, stands.head, self._version, has_entries=True)
            room.topic = stands.topic
            self._public += not room.is_direct

    # --- looking

    def all(self) -> Iterable[Room]:
        """Give every room."""
        return self._rooms.values()

    def get(self, name: str) -> Room | None:
        """Give a room; None: there is none of that name."""
        return self._rooms.get(name)

    def rooms_of(self, member: Member) -> list[Room]:
        """Give the rooms that `member` is in."""
        return [self._rooms[name] for name in member.rooms]

    def room_of(self, member: Member, name: str) -> Room:
        """Give a room that `member` is in, or raise `RequestRejected`."""
        if name not in member.rooms:
            raise not_in(name)
        return self._rooms[name]

    # --- opening and closing

    def open(self, name: str) -> Room:
        """Give a room, made if there is none: whether there may be one was asked before."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, self._base, self._base, self._version)
            self._public += not room.is_direct
        return room

    def find(self, member: Member, name: str) -> Room:
        """Give the room that `member` may join by this name, made if there is none."""
        if is_direct(name):
            if name != member.log:  # the same answer whether there is such a log or not
                raise RequestRejected("NO_SUCH_ROOM", "there is no such room for you")
        elif name not in self._rooms:
            check_room(name)
            if self._public >= MAX_ROOMS and name != LOBBY:  # where everybody comes in
                raise RequestRejected("TOO_MANY_ROOMS", f"there are {MAX_ROOMS} rooms already")
        return self.open(name)

    # --- coming and going

    def put(self, member: Member, room: Room) -> None:
        """Let `member` be in a room, and tell nobody: it was before a restart."""
        room.add(member)
        member.rooms.append(room.name)

    def let_in(self, member: Member, room: Room, now: float) -> list[Effect]:
        """Let `member` into a room, and tell everybody there."""
        self.put(member, room)
        return self._tell(room, member, Change.JOINED, now)

    def let_out(self, member: Member, name: str, now: float) -> list[Effect]:
        """Let `member` out of a room, and tell the others."""
        room = self._rooms[name]
        member.rooms.remove(name)
        room.remove(member)
        told = self._tell(room, member, Change.LEFT, now)
        if not room.count:
            self._tallies.forget(name)  # there is nobody to tell
            if not room.has_entries:
                self._version = max(self._version, room.version)
                self._public -= not room.is_direct
                del self._rooms[name]
        return told

    def tell(self, member: Member, change: Change, now: float, new_nick: str = "") -> list[Effect]:
        """Tell the rooms that `member` is in of something that has become of it."""
        told: list[Effect] = []
        for room in self.rooms_of(member):
            told += self._tell(room, member, change, now, new_nick)
        return told

    def _tell(
        self, room: Room, member: Member, change: Change, now: float, new_nick: str = ""
    ) -> list[Effect]:
        """Tell a room of a change, or count it, and tell only whom it is about."""
        if room.is_direct:
            return []
        told = room.presence(member, change, new_nick)
        if not self._tallies.takes(room):
            return [Publish(room.everybody, told, member.client)]
        if not self._tallies.add(room, change, now):
            return []
        alone = () if change is Change.LEFT else (member.client,)
        return [Publish(alone, told, member.client)]

    # --- what is told now and then

    def next_timeout(self) -> float | None:
        """Give the time at which `tell_turnover` has something to tell; None: it never will, as it is now."""
        return self._tallies.next_timeout()

    def tell_turnover(self, now: float) -> list[Effect]:
        """Tell large rooms what came together, those whose time it is."""
        told: list[Effect] = []
        for name, tally in self._tallies.due(now):
            room = self._rooms[name]
            turnover = Turnover(name, tally.joined, tally.left, tally.renamed, room.count, room.version)
            told.append(Publish(room.everybody, turnover, b""))
        return told
