"""Taking away what somebody has said: the line is looked for, its text replaced, and the room told of it.

No I/O, no clock. The entry keeps its place, so nothing of what follows it changes. Who may is asked when the
order is carried out, and again when the store has found the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.fields import FETCH_LIMIT
from chat.hub.effects import Effect, Publish, Read, Redact
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.replies import rejected, reply_to, store_failed
from chat.hub.rights import Rights
from chat.hub.roll import Roll
from chat.messages import Done, Entry, Fetch
from chat.notices import REDACTED, Redacted
from chat.orders import Order
from chat.safety import nick_key
from chat.stored import Found, Page

NEWEST = 64  # redactions that are remembered: more than in the second that an answer of the store may take
_Read = TypeVar("_Read", Page, Found)
_READING = "/redact"  # in the place of a room's name, which it cannot be


class _Redaction(NamedTuple):
    """One under way: whose order it is, and which line is meant, once it is found."""

    client: bytes
    order: Order
    entry: Entry | None = None


class Redactions:
    """What members on the roll want taken away in rooms of the house. `tokens` are not given out twice."""

    def __init__(self, roll: Roll, house: House, rights: Rights, tokens: Iterator[int]) -> None:
        self._roll = roll
        self._house = house
        self._rights = rights
        self._tokens = tokens
        self._under_way: dict[int, _Redaction] = {}  # one a member, and of those who have gone meanwhile
        self._newest: dict[int, None] = {}  # positions that were redacted last, at most NEWEST

    def __contains__(self, token: object) -> bool:
        return token in self._under_way

    def begin(self, member: Member, order: Order) -> list[Effect]:
        """Look for the line: a nick's newest but so many, or the one at a position. Raises."""
        room = self._house.room_of(member, order.room)
        if room.is_direct:
            raise RequestRejected("NO_SUCH_ROOM", "what is said to one alone is theirs")
        if _READING in member.reading:
            raise RequestRejected("BUSY", "one line after the other: the one before is looked for", 1.0)
        if order.target:
            fetch = Fetch(1, room.name, after=None, before=None, limit=FETCH_LIMIT)
        else:
            fetch = Fetch(1, room.name, after=max(order.number, 1) - 1, before=order.number + 1, limit=1)
        return [Read(self._next(member, _Redaction(member.client, order)), fetch)]

    def answered(self, token: int, page: Page) -> list[Effect]:
        """Take the entries in which the line should be, and have its text replaced."""
        redaction = self._under_way.pop(token)
        member, order = self._asker(token, redaction), redaction.order
        if member is None:
            return []
        try:
            self._rights.check(member, order)
            entry = _line(page, order, self._house.room_of(member, order.room).head)
        except RequestRejected as refusal:
            return reply_to(member, rejected(order.id, refusal))
        token = self._next(member, redaction._replace(entry=entry))
        return [Redact(token, order.room, entry.seq)]

    def redacted(self, token: int, is_done: bool) -> list[Effect]:
        """Tell the room that a text is taken away, and who asked for it; if it was still kept."""
        redaction = self._under_way.pop(token)
        member, order, entry = self._asker(token, redaction), redaction.order, redaction.entry
        room = self._house.get(order.room)
        told: list[Effect] = []
        if is_done and room is not None and entry is not None:
            self._newest[entry.seq] = None
            if len(self._newest) > NEWEST:
                del self._newest[next(iter(self._newest))]
            told = [Publish(room.everybody, Redacted(room.name, entry.seq, entry.nick), b"")]
        if member is None:
            return told
        if not is_done:
            return reply_to(member, rejected(order.id, _nothing_there(order)))
        return told + reply_to(member, Done(order.id, ""))

    def clean(self, read: _Read) -> _Read:
        """Give what the store has read, maybe before it took some of the texts away."""
        newest = self._newest
        if not any(each.seq in newest for each in read.entries):
            return read
        entries = (replace(each, text=REDACTED) if each.seq in newest else each for each in read.entries)
        return replace(read, entries=tuple(entries))

    def failed(self, token: int) -> list[Effect]:
        """Tell who asked that the store could not do it."""
        redaction = self._under_way.pop(token)
        member = self._asker(token, redaction)
        return [] if member is None else reply_to(member, store_failed(redaction.order.id))

    def _next(self, member: Member, redaction: _Redaction) -> int:
        token = next(self._tokens)
        self._under_way[token] = redaction
        member.reading[_READING] = token
        return token

    def _asker(self, token: int, redaction: _Redaction) -> Member | None:
        """Give who waits for this; None: nobody does, for it was asked in an earlier session."""
        member = self._roll.get(redaction.client)
        return member if member is not None and member.end_read(_READING, token) else None


def _line(page: Page, order: Order, head: int) -> Entry:
    """Find the line that an order means, or raise `RequestRejected`. Above `head` nobody was told of any."""
    key = nick_key(order.target)
    count = max(order.number, 1) if order.target else 1
    for entry in reversed(page.entries):
        is_there = entry.seq <= head and entry.text != REDACTED
        is_meant = is_there and (not key or nick_key(entry.nick) == key)
        count -= is_meant
        if is_meant and not count:
            return entry
    raise _nothing_there(order)


def _nothing_there(order: Order) -> RequestRejected:
    if not order.target:
        return RequestRejected("NO_SUCH_LINE", f"nothing is kept at that position of {order.room}")
    lines = "line" if order.number <= 1 else f"{order.number} lines"
    text = f"no {lines} of {order.target} among the newest {FETCH_LIMIT} of {order.room}"
    return RequestRejected("NO_SUCH_LINE", text)
