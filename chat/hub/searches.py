"""Searching what was said in a room: the store looks through it step by step, and a page is put into words.

No I/O, no clock. A search that has more to look through is remembered with its member, so that saying it
again without words goes on where it stopped. Who may read is asked before each step and at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from chat.errors import RequestRejected
from chat.fields import RESULT_BYTES
from chat.hub.effects import Effect, Seek
from chat.hub.house import House
from chat.hub.members import Member, Searched
from chat.hub.replies import not_in, rejected, reply_to, store_failed
from chat.hub.roll import Roll
from chat.messages import Done, Entry, Kind
from chat.orders import Order
from chat.stored import Found

PAGE = 20  # entries found: a screen of a terminal
STEPS = 4  # of the store for one answer: 20,000 entries, twice what a room keeps unless it is told otherwise
AT_ONCE = 8  # searches under way: each takes a tenth of a second of the thread that reads
EXCERPT = 160  # characters of a text that are shown: two lines of a terminal
BEFORE_MATCH = 40  # of them before the first word that was found
MORE = "more: /search"
_MORE_BYTES = 80  # of the line that says what else there is


class _Search(NamedTuple):
    """One under way: what was asked, what is found, and how often the store was asked."""

    client: bytes
    order: int
    what: Searched
    entries: tuple[Entry, ...] = ()
    steps: int = 0


class Searches:
    """The searches of members on the roll in rooms of the house. `tokens` are not given out twice."""

    def __init__(self, roll: Roll, house: House, tokens: Iterator[int]) -> None:
        self._roll = roll
        self._house = house
        self._tokens = tokens
        self._under_way: dict[int, _Search] = {}  # at most AT_ONCE, and those whose asker has gone meanwhile

    def __contains__(self, token: object) -> bool:
        return token in self._under_way

    def begin(self, member: Member, order: Order) -> list[Effect]:
        """Search for the words of an order; without words go on with the search before. Raises."""
        room = self._house.room_of(member, order.room)
        words = tuple(sorted(set(order.text.casefold().split())))
        what = Searched(room.name, words)
        if not words:
            if member.searched is None or member.searched.room != room.name:
                text = "/search: for what? Like this: /search deploy failed"
                raise RequestRejected("ARGUMENT_MISSING", text)
            what = member.searched
        if what.before == 0:
            return reply_to(member, Done(order.id, f"nothing older is kept of {room.name}"))
        if member.searching or len(self._under_way) >= AT_ONCE:
            raise RequestRejected("BUSY", "a search is under way: wait for its answer", 1.0)
        return self._step(member, _Search(member.client, order.id, what))

    def found(self, token: int, found: Found, clean: Callable[[Found], Found]) -> list[Effect]:
        """Take what the store has found in one step: go on, or answer. `clean` redacts what was since."""
        search = self._under_way.pop(token)
        member = self._roll.get(search.client)
        if member is None or member.searching != token:
            return []
        member.searching = 0
        room = self._house.get(search.what.room)
        if room is None or room.name not in member.rooms:
            return reply_to(member, rejected(search.order, not_in(search.what.room)))
        news = tuple(entry for entry in found.entries if entry.seq <= room.head)
        search = search._replace(
            entries=clean(Found(search.entries + news, found.before)).entries,
            what=search.what._replace(before=found.before),
            steps=search.steps + 1,
        )
        if found.before and len(search.entries) < PAGE and search.steps < STEPS:
            return self._step(member, search)
        return self._answer(member, search)

    def failed(self, token: int) -> list[Effect]:
        """Tell who asked that the store could not search."""
        search = self._under_way.pop(token)
        member = self._roll.get(search.client)
        if member is None or member.searching != token:
            return []
        member.searching = 0
        return reply_to(member, store_failed(search.order))

    def _step(self, member: Member, search: _Search) -> list[Effect]:
        token = next(self._tokens)
        self._under_way[token] = search
        member.searching = token
        what = search.what
        return [Seek(token, what.room, what.words, what.before, PAGE - len(search.entries))]

    def _answer(self, member: Member, search: _Search) -> list[Effect]:
        lines, shown = _page(search.entries, search.what.words)
        what = search.what
        if shown < len(search.entries):
            what = what._replace(before=search.entries[shown - 1].seq)
        member.searched = what
        if what.before:
            lines.append(MORE if lines else f"nothing in the newest of it; {MORE} looks at what is older")
        elif not lines:
            lines.append(f"nothing that is kept of {what.room} has that in it")
        return reply_to(member, Done(search.order, "\n".join(lines)))


def _page(entries: tuple[Entry, ...], words: tuple[str, ...]) -> tuple[list[str], int]:
    """Give the lines of as many entries as fit an answer, and how many that are."""
    lines: list[str] = []
    size = _MORE_BYTES
    for entry in entries:
        line = _line(entry, words)
        size += len(line.encode()) + 1
        if size > RESULT_BYTES:
            break
        lines.append(line)
    return lines, len(lines)


def _line(entry: Entry, words: tuple[str, ...]) -> str:
    """Give when, who and what of one entry; the time is UTC, as no other is everybody's."""
    at = datetime.fromtimestamp(entry.at / 1000, UTC)
    nick = entry.nick if entry.verified else f"~{entry.nick}"
    colon = ":" if entry.kind is Kind.SAY else ""
    set_topic = "set the topic: " if entry.kind is Kind.TOPIC else ""
    action = "" if entry.kind is Kind.SAY else "* "
    return f"{at:%Y-%m-%d %H:%MZ} {action}{nick}{colon} {set_topic}{_excerpt(entry.text, words)}"


def _excerpt(text: str, words: tuple[str, ...]) -> str:
    """Give a piece of a text that has the first of the words in it."""
    if len(text) <= EXCERPT:
        return text
    folded = text.casefold()
    # folding makes some texts longer: then the piece begins a little late, and never behind the end
    first = min((folded.find(word) for word in words if word in folded), default=0)
    begin = max(0, min(first - BEFORE_MATCH, len(text) - EXCERPT))
    piece = text[begin : begin + EXCERPT]
    return f"{'…' if begin else ''}{piece}{'…' if begin + EXCERPT < len(text) else ''}"
