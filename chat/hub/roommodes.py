"""What rooms are made to be by their operators: private, with a key, for those with names of their own.

No I/O, no clock. Whoever is not in a room is told the same of it whether there is such a room or not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chat.errors import RequestRejected
from chat.fields import CROWD, ROOM_KEY_BYTES
from chat.hub.charters import INVITED
from chat.hub.effects import Effect, Send
from chat.hub.house import House
from chat.hub.members import NOBODY, Member
from chat.hub.owners import no_key
from chat.hub.replies import nobody_there, reply_to
from chat.hub.roll import Roll
from chat.hub.rooms import Room, no_such_room
from chat.messages import DIRECT, LOBBY, Done, is_direct
from chat.notices import Notice
from chat.orders import Order

NAMED = 10  # operators in the answer to who they are: 640 bytes of the 1,024 that it may have


class _Mode(NamedTuple):
    """What a letter behind a sign changes, and how the room is told."""

    changes: dict[str, Any]
    told: str
    closes: bool = False


_MODES = {
    "+i": _Mode({"is_private": True}, "made {room} private: who comes in is invited", closes=True),
    "-i": _Mode({"is_private": False}, "lets everybody know of {room}"),
    "+k": _Mode({}, "gave {room} a key", closes=True),
    "-k": _Mode({"key": ""}, "took the key of {room} away"),
    "+v": _Mode({"is_for_owners": True}, "lets only those speak in {room} whose nick belongs to their key"),
    "-v": _Mode({"is_for_owners": False}, "lets everybody speak in {room}"),
    "+t": _Mode({"is_locked": True}, "lets only operators make the topic of {room}"),
    "-t": _Mode({"is_locked": False}, "lets everybody make the topic of {room}"),
}


class RoomModes:
    """Shows and changes what rooms of the house are, and invites to them."""

    def __init__(self, roll: Roll, house: House) -> None:
        self._roll = roll
        self._house = house

    # --- who may say something

    def barred(self, member: Member, name: str) -> RequestRejected | None:
        """Give why `member` may not say anything in a room, or to one person ("@" and more); None: it may."""
        muted = self._roll.mutes.refusal(member, name, self._roll.at)
        if muted is not None or is_direct(name):
            return muted
        if name not in member.rooms:
            return nobody_there(name)
        room = self._house.room_of(member, name)
        if not room.charter.is_for_owners or self._roll.owns_its_nick(member):
            return None
        text = f"in {name} only those speak whose nick belongs to their key"
        return RequestRejected("NOT_VERIFIED", f"{text}: come in with udpchat, under a nick of your own")

    def check_topic(self, member: Member, room: Room) -> None:
        """Raise `RequestRejected` if `member` may not make the topic of `room`."""
        refusal = self.barred(member, room.name)
        if refusal is not None:
            raise refusal
        if room.charter.is_locked:
            self._house.charters.check_operator(room, member, "make its topic")

    # --- orders

    def mode(self, member: Member, order: Order) -> list[Effect]:
        """Say what a room is, or change it. Raises `RequestRejected`."""
        room = self._room(member, order.room)
        if not order.target:
            return reply_to(member, Done(order.id, self._shown(room, member)))
        self._house.charters.check_operator(room, member, "change what it is")
        if member.account is None:  # what lasts takes somebody who comes back
            raise no_key()
        mode = _MODES.get(order.target)
        if mode is None:
            raise RequestRejected("MODE_INVALID", f"there is no mode {order.target[:8]!r}: /help mode")
        if mode.closes:
            self._close(room)
        changes = {"key": _key(order.text)} if order.target == "+k" else mode.changes
        if all(getattr(room.charter, name) == value for name, value in changes.items()):
            return reply_to(member, Done(order.id, f"it is so already\n{self._shown(room, member)}"))
        self._house.charters.amend(room, **changes)
        told = f"{member.nick.shown} {mode.told.format(room=room.name)}"
        return reply_to(member, Done(order.id, told)) + self._tell(room, told, member)

    def invite(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody into a room, and tell them. Raises `RequestRejected`."""
        room = self._room(member, order.room)
        if room.has_doors:
            self._house.charters.check_operator(room, member, "invite to it")
        guest, account = self._roll.person(order.target)
        if guest is None and account is None:
            raise nobody_there(DIRECT + order.target)
        if guest is not None and room.name in guest.rooms:
            raise RequestRejected("IN_ROOM", f"{guest.nick.shown} is in {room.name} already")
        if room.has_doors:
            self._forget_guests(room)
            self._house.charters.invite(room, b"" if guest is None else guest.client, account)
        if guest is None:
            text = f"{order.target} is not here, and may join {room.name} later"
            return reply_to(member, Done(order.id, text))
        sign = "" if member.is_verified else "~"
        text = f"{sign}{member.nick.shown} invites you to {room.name}: /join {room.name}"
        told = reply_to(member, Done(order.id, f"{guest.nick.shown} is invited to {room.name}"))
        return [*told, Send(guest.client, Notice(text))]

    # --- inside

    def _room(self, member: Member, name: str) -> Room:
        room = self._house.room_of(member, name)
        if room.is_direct:
            raise no_such_room()
        return room

    def _close(self, room: Room) -> None:
        """Let those who are in a room come back, as many as may be invited: it will have a door."""
        if room.name == LOBBY:
            raise RequestRejected("MODE_INVALID", f"everybody comes in by {LOBBY}: it has no door")
        if room.has_doors:
            return
        self._forget_guests(room)
        for member in filter(None, map(self._roll.get, room.everybody)):
            if not room.is_invited(member):
                if len(room.charter.invited) + len(room.guests) >= INVITED:
                    return
                self._house.charters.invite(room, member.client, member.account)

    def _forget_guests(self, room: Room) -> None:
        """Let those be invited no more who had no key and have gone."""
        room.guests = frozenset(filter(self._roll.get, room.guests)) or NOBODY

    def _shown(self, room: Room, member: Member) -> str:
        """Say what a room is, and who of those in it operate it."""
        charter = room.charter
        key = f"with the key {charter.key}" if self._house.charters.operates(room, member) else "with a key"
        modes = [
            "private (+i)" if charter.is_private else "",
            f"{key} (+k)" if charter.key else "",
            "only those speak whose nick belongs to their key (+v)" if charter.is_for_owners else "",
            "operators make its topic (+t)" if charter.is_locked else "",
        ]
        shown = ", ".join(filter(None, modes)) or "open to everybody"
        names = room.operators_here()
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"{room.name}: {shown}\noperators here: {', '.join(names[:NAMED]) or 'none'}{more}"

    def _tell(self, room: Room, text: str, author: Member) -> list[Effect]:
        """Tell the others in a room; in a large one nobody: that would be a flood."""
        if room.count > CROWD:
            return []
        return [Send(client, Notice(text, room.name)) for client in room.everybody if client != author.client]


def _key(key: str) -> str:
    if not key or " " in key or len(key.encode()) > ROOM_KEY_BYTES:
        raise RequestRejected("MODE_INVALID", f"a key has 1 to {ROOM_KEY_BYTES} bytes and no blanks")
    return key
