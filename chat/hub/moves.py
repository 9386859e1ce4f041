"""Members on the move: into rooms, out of them, under another nick, to another person. No I/O, no clock."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.fields import MEMBER_ROOMS
from chat.hub.direct import Direct
from chat.hub.effects import Effect
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.owners import log_name, no_key
from chat.hub.pace import Pace
from chat.hub.replies import reply_to
from chat.hub.roll import Roll
from chat.limits import Limit
from chat.messages import Change, Done, Join, Joined, Nick, Part
from chat.safety import check_nick


class Moves:
    """Moves members of the roll through the house, and tells rooms of it. Each raises `RequestRejected`."""

    def __init__(self, roll: Roll, house: House, direct: Direct, pace: Pace) -> None:
        self._roll = roll
        self._house = house
        self._direct = direct
        self._pace = pace

    def join(self, member: Member, join: Join) -> list[Effect]:
        """Let a member into a room, or tell it again that it is in."""
        if join.room in member.rooms:
            # If its first Joined was lost, a native client shows only what comes from now on.
            if not member.is_plain and not member.shown.get(join.room):
                member.entered[join.room] = self._house.room_of(member, join.room).head
            return reply_to(member, self._joined(member, join))
        member.check_join(join.room, self._roll.now)
        if len(member.rooms) >= MEMBER_ROOMS:
            raise RequestRejected("TOO_MANY_ROOMS", f"you are in {MEMBER_ROOMS} rooms: leave one first")
        is_new = self._house.is_new(join.room)
        self._pace.pay(member, Limit.NEW_ROOMS if is_new else Limit.JOINS, self._roll.now)
        room = self._house.find(member, join.room, join.key)
        if is_new:
            self._roll.mutes.clear(room.name)
        told = self._house.let_in(member, room, self._roll.now)
        self._roll.note(member)
        return told + reply_to(member, self._joined(member, join))

    def part(self, member: Member, part: Part) -> list[Effect]:
        """Let a member out of a room, whether it was in or not. It is not invited there any more."""
        done = reply_to(member, Done(part.id, ""))
        room = self._house.get(part.room)
        if room is not None:
            self._house.charters.disinvite(room, member)
        if part.room not in member.rooms:
            return done
        told = self._house.let_out(member, part.room, self._roll.now)
        self._roll.note(member)
        return told + done

    def rename(self, member: Member, request: Nick) -> list[Effect]:
        """Let a member have another nick, if that is free."""
        nick = check_nick(request.nick)
        self._roll.mutes.check_rename(member, self._roll.at)
        if self._roll.holder(nick.key) not in (None, member):
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        self._roll.check(nick, member.key, member)
        told: list[Effect] = []
        if nick != member.nick:
            self._pace.pay(member, Limit.RENAMES, self._roll.now)
            told = self._house.tell(member, Change.RENAMED, self._roll.now, nick.shown)
            rooms = self._house.rooms_of(member)
            for room in rooms:
                room.unlist(member)
            self._roll.rename(member, nick)
            for room in rooms:
                room.list_again(member)
            if member.is_away:  # which who keeps a roster knows of the nick before
                told += self._house.tell(member, Change.AWAY, self._roll.now)
        return told + reply_to(member, Done(request.id, nick.shown))

    def link(self, code: str, key: bytes | None, now: float) -> None:
        """Let `key` be the person's to whom `code` was given, with all that it has by itself."""
        if key is None:
            raise no_key()
        self._roll.bans.check_keys((self._roll.owners.account(key), key), self._roll.at)
        is_linked = self._roll.owners.account(key) != key
        log = self._house.get(log_name(key))
        if not is_linked and log is not None and log.head > self._direct.seen(log.name, log.head):
            raise RequestRejected(
                "LINK_UNREAD", "direct messages wait for this key: read them without --link"
            )
        self._roll.owners.link(code, key, now)
        if not is_linked:  # else its rooms are the person's already, and whoever repeats it is no work
            self._house.charters.adopt(self._house.all(), key, self._roll.owners.account(key))

    def _joined(self, member: Member, join: Join) -> Joined:
        room = self._house.room_of(member, join.room)
        return room.joined(join.id, self._direct.seen(room.name, room.head) if room.is_direct else 0)
