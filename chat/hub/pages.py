"""Answers to those who look around, cut to what may be sent at once. Pure functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from heapq import nsmallest
from itertools import accumulate

from chat.fields import NAMES_PAGE, RESULT_BYTES, ROOMS_PAGE
from chat.hub.members import Member
from chat.hub.rooms import Room
from chat.messages import Entry, Fetch, NameLine, NamesPage, RoomLine, RoomsPage
from chat.safety import nick_key
from chat.stored import Page

ANSWER_BYTES = 48 * 1024  # of the entries that answer one Fetch: about 45 datagrams, no more than a burst
ENTRY_BYTES = 120  # of an entry's frame beside its text, at most about that
LISTED_TOPIC_BYTES = 80  # of a topic in the list of rooms: one line of a terminal
NAME_ROW_BYTES = 7  # of a row beside its nick: msgpack's heads of row and nick, three booleans
ROOM_ROW_BYTES = 12  # of a row beside its name and topic: the heads of row, name and topic, a number


def beginning(text: str, size: int, after: int = 0) -> str:
    """Give the whole characters in the `size` bytes of `text` behind its first `after` bytes."""
    return text.encode()[after : after + size].decode(errors="ignore")


def names_page(room: Room, after: str) -> NamesPage:
    """Give the members of `room` whose nicks' keys are behind that of the nick `after` ("": all)."""
    found = room.listed(nick_key(after), NAMES_PAGE + 1)
    sizes = (len(member.nick.shown.encode()) + NAME_ROW_BYTES for member in found[:NAMES_PAGE])
    count = _fitting(sizes, RESULT_BYTES)
    rows = tuple(
        NameLine(m.nick.shown, m.is_verified, m.is_away, operator=room.is_operated_by(m))
        for m in found[:count]
    )
    return NamesPage(room.name, rows, room.count, more=count < len(found), version=room.version)


def rooms_page(request_id: int, rooms: Iterable[Room], after: str, member: Member) -> RoomsPage:
    """Give the rooms with members or a topic whose names are behind `after`, in the order of names.

    Of private ones those that `member` is in.
    """
    found = nsmallest(
        ROOMS_PAGE + 1,
        (
            room
            for room in rooms
            if room.name > after
            and (room.count or room.topic)
            and not room.is_direct
            and room.is_shown_to(member)
        ),
        key=lambda room: room.name,
    )
    rows = tuple(RoomLine(room.name, room.count, beginning(room.topic, LISTED_TOPIC_BYTES)) for room in found)
    sizes = (len(row.room) + len(row.topic.encode()) + ROOM_ROW_BYTES for row in rows[:ROOMS_PAGE])
    count = _fitting(sizes, RESULT_BYTES)
    return RoomsPage(request_id, rows[:count], more=count < len(found))


def fetched_entries(
    page: Page, head: int, fetch: Fetch, since: int = 0, size: int = ANSWER_BYTES
) -> list[Entry]:
    """Give what of `page` answers `fetch`: up to `head`, and at most `size` bytes of it.

    Entries before `since` (milliseconds since 1970) are too old.

    What is left out is at the far end from where the asker stands, so that no hole is in what it gets.
    """
    entries = [entry for entry in page.entries if entry.seq <= head and entry.at >= since]
    sizes = list(map(entry_size, entries))
    if fetch.after is not None:
        return entries[: _fitting(sizes, size)]
    return entries[len(entries) - _fitting(reversed(sizes), size) :]


def entry_size(entry: Entry) -> int:
    """Give how many bytes an entry takes of an answer, at most."""
    return len(entry.text.encode()) + ENTRY_BYTES


def _fitting(sizes: Iterable[int], size: int) -> int:
    """Give how many of `sizes`, from the first on, add up to `size` at most."""
    return bisect_right(list(accumulate(sizes)), size)
