"""All rooms: those with members, entries or a charter, and logs of direct messages. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from chat.errors import RequestRejected
from chat.hub.charters import LOOK_SECONDS, OWN_ROOMS, UNUSED_SECONDS, Charters
from chat.hub.effects import Effect, Publish
from chat.hub.members import Member
from chat.hub.notebook import Notebook
from chat.hub.replies import not_in
from chat.hub.rooms import Room, no_such_room
from chat.hub.tallies import Tallies
from chat.limits import Limits
from chat.memos import Charter
from chat.messages import LOBBY, Change, Turnover, is_direct
from chat.safety import check_room
from chat.stored import Heads

ROOMS_SECONDS = 60.0  # until one more may be had, at the soonest: a room without texts goes with its members


class House:
    """The rooms, by name. Nobody is told who comes into a log of direct messages, or goes.

    Rooms with more than `crowd` members are told now and then how many came and went, not who. Whoever
    `may_all` is no stranger to any.
    """

    def __init__(
        self, crowd: int, notebook: Notebook, may_all: Callable[[Member], bool], limits: Limits
    ) -> None:
        self.charters = Charters(notebook, may_all)
        self._rooms: dict[str, Room] = {}
        self._tallies = Tallies(crowd)
        self._limits = limits
        self._public = 0  # of the rooms
        self._base = 0
        self._version = 0  # a new room's roster begins above every one that was forgotten
        self._undated: set[str] = set()  # of the rooms, whose charters do not say when they were used last
        self._look_at = 0.0  # when to look next for rooms that nobody uses

    def restore(self, heads: Heads) -> None:
        """Take over where the store stands."""
        self._base = self._version = heads.base
        for name, stands in heads.rooms.items():
            room = self._rooms[name] = Room(name, stands.floor, stands.head, self._version, has_entries=True)
            room.topic = stands.topic
            self._public += not room.is_direct

    def recall(self, charters: Mapping[str, Charter]) -> None:
        """Take over what was remembered of rooms, after `restore`."""
        for name, charter in charters.items():
            self.charters.recall(self.open(name), charter)
            if not charter.used:  # the server was killed within the second
                self._undated.add(name)

    # --- looking

    def all(self) -> Iterable[Room]:
        """Give every room."""
        return self._rooms.values()

    def get(self, name: str) -> Room | None:
        """Give a room; None: there is none of that name."""
        return self._rooms.get(name)

    def is_new(self, name: str) -> bool:
        """Say whether somebody would make a room who joined this one. The lobby is always there."""
        return not (name in self._rooms or name == LOBBY or is_direct(name))

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

    def find(self, member: Member, name: str, key: str = "") -> Room:
        """Give the room that `member`, who says `key`, may join by this name; made, and its own, if need be.

        Raises `RequestRejected`.
        """
        known = self._rooms.get(name)
        if is_direct(name):
            if name != member.log:  # the same answer whether there is such a log or not
                raise no_such_room()
        elif known is not None:
            if not self.charters.operates(known, member):
                known.check_entry(member, key)
        else:
            check_room(name)
            return self._found(member, name)
        return self.open(name)

    def find_again(self, member: Member, name: str) -> Room:
        """Give the room that `member` was in before a restart. Raises `RequestRejected`.

        Who has made it is not known any more, if it has no charter: it is nobody's then.
        """
        return self.find(member, name) if is_direct(name) else self.open(check_room(name))

    def _found(self, member: Member, name: str) -> Room:
        if name == LOBBY:  # where everybody comes in
            return self.open(name)
        most = self._limits.caps.rooms  # logs are not counted: they are as many as owners of nicks
        if self._public >= most and not self._clear_one(None):
            self._limits.count("too many rooms")
            text = f"there are {most} rooms already: join one of them, or try again later"
            raise RequestRejected("TOO_MANY_ROOMS", text, ROOMS_SECONDS)
        if member.account is not None and self.charters.own(member.account) >= OWN_ROOMS:
            self._clear_one(member.account)
        room = self.open(name)
        self.charters.found(room, member)
        self._undated.add(name)
        return room

    # --- coming and going

    def put(self, member: Member, room: Room) -> None:
        """Let `member` be in a room, and tell nobody: it was before a restart."""
        room.add(member)
        member.rooms.append(room.name)
        member.entered[room.name] = room.head

    def let_in(self, member: Member, room: Room, now: float) -> list[Effect]:
        """Let `member` into a room, and tell everybody there."""
        self.put(member, room)
        told = self._tell(room, member, Change.JOINED, now)
        return told + self._tell(room, member, Change.AWAY, now) if member.is_away else told

    def let_out(self, member: Member, name: str, now: float) -> list[Effect]:
        """Let `member` out of a room, and tell the others."""
        room = self._rooms[name]
        member.rooms.remove(name)
        del member.entered[name]
        member.shown.pop(name, None)
        room.remove(member)
        told = self._tell(room, member, Change.LEFT, now)
        if not room.count:
            self._tallies.forget(name)  # there is nobody to tell
            self._undated.add(name)
            self._forget(room)
        return told

    # --- rooms that nobody uses

    def expire(self, at: float) -> None:
        """Make rooms everybody's that nobody was in for 30 days; `at` is in seconds since 1970.

        But never what was said behind a door: who has a key to a private room finds it as it was.
        """
        for name in self._undated:
            room = self._rooms.get(name)
            if room is not None and room.has_charter:
                self.charters.amend(room, used=int(at))
        self._undated.clear()
        if at < self._look_at:
            return
        self._look_at = at + LOOK_SECONDS
        for room in list(self._rooms.values()):
            is_old = room.has_charter and not room.count and room.charter.used <= at - UNUSED_SECONDS
            if is_old and not (room.has_doors and room.has_entries):
                self.charters.dissolve(room)
                self._forget(room)

    def redate(self, dates: range, by: int) -> None:
        """Let rooms that were used last at one of `dates` be so many seconds later: the clock was set."""
        for room in self._rooms.values():
            if room.has_charter and room.charter.used in dates:
                self.charters.amend(room, used=room.charter.used + by)
        self._look_at = 0.0

    def _clear_one(self, owner: bytes | None) -> bool:
        """Forget the room that was not used for longest of those in which nobody is and nothing was said.

        Of those that the account `owner` alone operates; None: of all.
        """
        unused = (
            room
            for room in self._rooms.values()
            if not (room.count or room.has_entries or room.is_direct)
            and (owner is None or room.charter.operators == (owner,))
        )
        oldest = min(unused, key=lambda room: room.charter.used, default=None)
        if oldest is None:
            return False
        self.charters.dissolve(oldest)
        self._forget(oldest)
        return True

    def _forget(self, room: Room) -> None:
        if room.count or room.has_entries or room.has_charter:
            return
        self._version = max(self._version, room.version)
        self._public -= not room.is_direct
        del self._rooms[room.name]

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
