"""What members tell of themselves and ask of each other: who is away, who somebody is, who has seen what.

No I/O, no clock. Nothing is told of rooms that the asker may not know of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chat.errors import RequestRejected
from chat.fields import CROWD, RESULT_BYTES
from chat.fingerprints import show_fingerprint
from chat.hub.effects import Effect
from chat.hub.house import House
from chat.hub.members import NOBODY, Member
from chat.hub.pages import beginning
from chat.hub.replies import nobody_there, reply_to
from chat.hub.roll import Roll
from chat.hub.rooms import RECENT, Room, no_such_room
from chat.hub.spans import show_span
from chat.messages import DIRECT, Change, Done
from chat.orders import Order
from chat.safety import nick_key

POSITIONS_FROM = 1_000_000  # what is asked for by a number above it is a position: all are, since 2001
LIST_BYTES = 240  # of one of the four lists in the answer to who has seen something


class About:
    """Answers members on the roll about each other, and about rooms of the house."""

    def __init__(self, roll: Roll, house: House) -> None:
        self._roll = roll
        self._house = house

    # --- away

    def away(self, member: Member, order: Order) -> list[Effect]:
        """Show a member as away until it says `back`, whatever else it says."""
        was_away = member.is_away
        member.away, member.told_away = order.text, NOBODY
        self._roll.note(member)
        told = [] if was_away else self._house.tell(member, Change.AWAY, self._roll.now)
        why = f": {order.text}" if order.text else ""
        return told + reply_to(member, Done(order.id, f"you are away{why} (/back when you are here again)"))

    def back(self, member: Member, order: Order) -> list[Effect]:
        """Show a member as away no more."""
        if member.away is None:
            return reply_to(member, Done(order.id, "you are not away"))
        member.away, member.told_away = None, NOBODY
        self._roll.note(member)
        told = self._house.tell(member, Change.BACK, self._roll.now)
        return told + reply_to(member, Done(order.id, "you are back"))

    # --- who somebody is

    def whois(self, member: Member, order: Order, host: Callable[[bytes], str] | None) -> list[Effect]:
        """Say who has a nick; `host` gives the address of a member, for whom that is no secret."""
        nick = nick_key(order.target)
        whom = self._roll.holder(nick)
        if whom is None:
            used = self._roll.owners.used(nick)
            if used is None:
                raise nobody_there(DIRECT + order.target)
            ago = show_span(max(0, int(self._roll.at) - used))
            text = f"{order.target} is not here; the nick is somebody's, who had it {ago} ago"
            return reply_to(member, Done(order.id, text))
        lines = self._lines(whom, member)
        if host is not None:
            lines.append(f"speaks from {host(whom.client) or 'nowhere now'}")
        return reply_to(member, Done(order.id, beginning("\n".join(lines), RESULT_BYTES)))

    def _lines(self, whom: Member, asker: Member) -> list[str]:
        nick, now = whom.nick.shown, self._roll.now
        if whom.key is None:
            who = f"~{nick} is not verified: anybody may be called so"
        else:
            owns = "the nick is theirs" if self._roll.owns_its_nick(whom) else "the nick is nobody's"
            who = f"{nick} is verified by the key {show_fingerprint(whom.account or whom.key)}, {owns}"
        door = "in text" if whom.is_plain else "by udpchat"
        here = show_span(max(0, int(self._roll.at) - whom.since))
        idle = show_span(int(now - whom.spoke))
        lines = [who, f"here for {here}, idle for {idle}, {door}"]
        if whom.away is not None:
            lines.append(f"away: {whom.away}" if whom.away else "away")
        elif whom.is_away:
            lines.append("away: does not answer")
        rooms = [room for room in self._house.rooms_of(whom) if room.is_shown_to(asker)]
        rooms = [room for room in rooms if not room.is_direct]
        rooms.sort(key=lambda room: room.name)
        names = [("@" if room.is_operated_by(whom) else "") + room.name for room in rooms]
        lines.append(f"in {', '.join(names) or 'no room'}")
        return lines

    # --- who has seen what

    def seen(self, member: Member, order: Order) -> list[Effect]:
        """Say to whom an entry of a room was shown: the last one, or another by its number or position."""
        room = self._house.room_of(member, order.room)
        if room.is_direct:
            raise no_such_room()
        seq = self._position(room, order.number)
        others = [each for each in map(self._roll.get, room.everybody) if each not in (None, member)]
        return reply_to(member, Done(order.id, _seen_by(room, seq, filter(None, others))))

    def _position(self, room: Room, number: int) -> int:
        if number < POSITIONS_FROM:
            count = number or 1
            if count <= len(room.recent):
                return room.recent[-count]
            if number > RECENT:
                text = f"/seen counts back to {RECENT}; older lines have positions, which --json tells"
                raise RequestRejected("NO_SUCH_ENTRY", text)
        elif room.first and max(room.first, room.floor + 1) <= number <= room.head:
            return number
        text = f"no such line of {room.name} is kept, or was said since the server began"
        raise RequestRejected("NO_SUCH_ENTRY", text)


def _seen_by(room: Room, seq: int, members: Iterable[Member]) -> str:
    """Say which of `members` have shown `seq`. Text may be lost, and nobody confirms it: it was sent."""
    shown: list[str] = []
    sent: list[str] = []
    waits: list[str] = []
    later = 0
    for member in members:
        sign = "" if member.is_verified else "~"
        name = f"{sign}{member.nick.shown}{' (away)' if member.is_away else ''}"
        if member.entered.get(room.name, room.head) >= seq:
            later += 1
        elif member.is_plain:
            sent.append(name)
        else:
            (shown if member.shown.get(room.name, 0) >= seq else waits).append(name)
    lists = (("shown to", shown), ("sent as text to", sent), ("not yet to", waits))
    is_large = room.count > CROWD
    parts = [_part(what, names, is_large=is_large) for what, names in lists if names]
    if later:
        parts.append(f"{later} came later, or it is not known")
    return "; ".join(parts) or f"nobody else is in {room.name}"


def _part(what: str, names: list[str], *, is_large: bool) -> str:
    if is_large:
        return f"{what} {len(names)}"
    fitting: list[str] = []
    size = 0
    for name in names:
        size += len(name.encode()) + 2
        if size > LIST_BYTES:
            break
        fitting.append(name)
    more = f" and {len(names) - len(fitting)} more" if len(fitting) < len(names) else ""
    return f"{what} {len(names)}: {', '.join(fitting)}{more}"
