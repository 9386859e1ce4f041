"""What members ask that takes no turn: answered at once, or as soon as the store has read it.

Who may read what is decided here, when it is asked, and again when the store has answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, assert_never

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.fields import FETCH_LIMIT, RESULT_BYTES
from chat.hub.direct import Direct
from chat.hub.effects import Effect, Read, Send
from chat.hub.greeting import Greeting
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.owners import no_key
from chat.hub.pages import ANSWER_BYTES, beginning, entry_size, fetched_entries, names_page, rooms_page
from chat.hub.replies import reply_to, store_failed
from chat.hub.roll import Roll
from chat.limits import Limit, Limits
from chat.messages import Done, Entry, Fetch, Fetched, Link, Motd, Names, Ping, Pong, Release, Rooms, Topic
from chat.safety import nick_key
from chat.stored import Page

Look = Names | Motd | Rooms | Topic | Ping | Fetch | Release | Link  # what takes no turn


# Entries that are read, encoded and written at once where more are asked for: about a millisecond, so that
# one who fetches without an end holds up nobody's text.
STEP = 32


class _Reading(NamedTuple):
    """Who asked the store for what; entries before `since` (ms since 1970) are left out.

    Of a long answer `fetch` is what is left to send, and `size` how many bytes that may be.
    """

    client: bytes
    fetch: Fetch
    since: int
    size: int = ANSWER_BYTES

    @property
    def is_long(self) -> bool:
        """Say whether it takes several steps: what goes on behind the last entry that was sent."""
        fetch = self.fetch
        return bool(fetch.id) and fetch.after is not None and fetch.limit > STEP and not self.since

    def beyond(self, entries: list[Entry]) -> _Reading | None:
        """Give what is left when `entries` are sent; None: there is no more, or it does not fit."""
        if not self.is_long or len(entries) < STEP:
            return None
        fetch = replace(self.fetch, after=entries[-1].seq, limit=self.fetch.limit - STEP)
        return self._replace(fetch=fetch, size=self.size - sum(map(entry_size, entries)))


class Looks:
    """Answers questions of members on the roll about rooms of the house.

    `tokens` are not given out twice.
    """

    def __init__(
        self,
        roll: Roll,
        house: House,
        direct: Direct,
        greeting: Greeting,
        tokens: Iterator[int],
        limits: Limits,
    ) -> None:
        self._roll = roll
        self._house = house
        self._direct = direct
        self._greeting = greeting
        self._limits = limits
        self._reads: dict[int, _Reading] = {}  # at most one a member and room; all are answered
        self._unread: set[bytes] = set()  # whose logs are to be read again: of text members, and some gone
        self._tokens = tokens

    # --- the store's answers

    def answered(self, token: int, page: Page) -> list[Effect]:
        """Send what the store has read to who asked for it, if it is still in the room."""
        reading = self._reads.pop(token)
        client, fetch, since, size = reading
        member = self._roll.get(client)
        if member is None or not member.end_read(fetch.room, token):
            return []
        if not fetch.id:
            return self._hand_over(member, page)
        if fetch.room not in member.rooms:
            return []
        room = self._house.room_of(member, fetch.room)
        room.trim(page.floor)
        entries = fetched_entries(page, room.head, fetch, since, size)
        sent: list[Effect] = [Send(client, entry) for entry in entries]
        rest = reading.beyond(entries)
        if rest is not None:
            return sent + self._read(member, rest)
        return [*sent, Send(client, Fetched(fetch.id, room.name, room.floor, room.head))]

    def failed(self, token: int) -> list[Effect]:
        """Tell who asked that the store could not read; a native client repeats its question by itself."""
        client, fetch, *_ = self._reads.pop(token)
        member = self._roll.get(client)
        if member is None or not member.end_read(fetch.room, token) or not member.is_plain:
            return []
        if fetch.id:
            return [Send(client, store_failed(fetch.id))]
        self._unread.add(client)
        return []

    # --- what waits for a text member

    def catch_up(self, member: Member) -> list[Effect]:
        """Send a text member what waits for it; it is in its log once it has all of that."""
        log = self._house.open(member.log)
        seen = self._direct.seen(log.name, log.head)
        if log.name in member.rooms or log.name in member.reading:
            return []
        if seen >= log.head:
            return self._house.let_in(member, log, self._roll.now)
        fetch = Fetch(0, log.name, after=seen, before=None, limit=FETCH_LIMIT)
        return self._read(member, _Reading(member.client, fetch, 0))

    def try_again(self) -> list[Effect]:
        """Read what waits for text members of whom the store could not; else they would hear nothing more."""
        unread, self._unread = self._unread, set()
        members = filter(None, map(self._roll.get, unread))
        return [effect for member in members for effect in self.catch_up(member)]

    def _hand_over(self, member: Member, page: Page) -> list[Effect]:
        log = self._house.open(member.log)
        log.trim(page.floor)
        entries = [entry for entry in page.entries if entry.seq <= log.head]
        told: list[Effect] = [Send(member.client, entry) for entry in entries]
        # What it lacks up to there is not kept any more; what came since the page was read is read now.
        upto = entries[-1].seq if entries else min(log.head, page.head)
        return told + self._direct.shown(log, upto) + self.catch_up(member)

    # --- questions

    def look(self, member: Member, request: Look) -> list[Effect]:
        """Answer, or ask the store first. Raises `RequestRejected`."""
        match request:
            case Names():
                room = self._house.room_of(member, request.room)
                return reply_to(member, Done(request.id, names_page(room, request.after)))
            case Motd():
                page = beginning(self._greeting.motd, RESULT_BYTES, request.after)
                return reply_to(member, Done(request.id, self._greeting.motd if member.is_plain else page))
            case Rooms():
                return [Send(member.client, rooms_page(request.id, self._house.all(), request.after, member))]
            case Topic():
                return reply_to(member, Done(request.id, self._house.room_of(member, request.room).topic))
            case Ping():
                return self._pong(member, request)
            case Fetch():
                return self._fetch(member, request)
            case Release():
                nick = nick_key(request.nick) if request.nick else member.nick.key
                return reply_to(member, Done(request.id, self._roll.owners.release(nick, member.account)))
            case Link():
                if member.account is None:
                    raise no_key()
                return reply_to(
                    member, Done(request.id, self._roll.owners.offer(member.account, self._roll.now))
                )
            case _:
                assert_never(request)

    def _fetch(self, member: Member, fetch: Fetch) -> list[Effect]:
        """Ask the store, unless an answer for this room is out: a native client repeats what is ignored."""
        self._house.room_of(member, fetch.room)
        if fetch.room in member.reading:
            if member.is_plain:
                raise RequestRejected("BUSY", "one question after the other: the answer is under way", 1.0)
            return []
        if member.is_plain:  # a native client's session has been paid
            self._limits.spend(Limit.FETCHES, member.purses, self._roll.now, fetch.limit)
        since = int((self._roll.at - fetch.age) * 1000) if fetch.age else 0
        return self._read(member, _Reading(member.client, fetch, since))

    def _read(self, member: Member, reading: _Reading) -> list[Effect]:
        token = next(self._tokens)
        self._reads[token] = reading
        fetch = reading.fetch
        member.reading[fetch.room] = token
        return [Read(token, replace(fetch, limit=STEP) if reading.is_long else fetch)]

    def _pong(self, member: Member, ping: Ping) -> list[Effect]:
        effects: list[Effect] = []
        for shown in ping.shown:
            if shown.room not in member.rooms:
                continue
            room = self._house.room_of(member, shown.room)
            member.shown[room.name] = max(member.shown.get(room.name, 0), min(shown.seq, room.head))
            if room.is_direct:
                effects += self._direct.shown(room, shown.seq)
        told: list[Effect] = [Send(member.client, out) for out in member.told_again(self._roll.now)]
        heads = tuple(room.where() for room in self._house.rooms_of(member))
        return [*told, Send(member.client, Pong(ping.id, ping.time, heads)), *effects]
