"""The hub: who is here, what each may do, and what everybody is told of it.

No I/O, no clock, no addresses. Every verb is a plain function of what it is given and of the members and
rooms it knows, and returns effects. What a member says is shown to nobody before the store has it: `apply`
asks for a commit, `committed` (called with the store's facts, in the store's order) publishes.
"""

from __future__ import annotations

from typing import assert_never

from chat import __version__
from chat.errors import RequestRejected
from chat.hub.effects import Commit, Drop, Effect, Publish, Read, Send
from chat.hub.members import UNKNOWN, Member, Turn, is_of
from chat.hub.pages import beginning, fetched_entries, names_page, rooms_page
from chat.hub.replies import draft_of, not_in, rejected, repeated, reply_to, store_failed
from chat.hub.rooms import MAX_ROOMS, Room
from chat.hub.silence import GONE_SECONDS, Silence
from chat.messages import (
    LOBBY,
    MEMBER_ROOMS,
    MOTD_BYTES,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    RESULT_BYTES,
    Accepted,
    Bye,
    Change,
    Done,
    Fetch,
    Fetched,
    Hello,
    Join,
    Kind,
    Link,
    Motd,
    Names,
    Nick,
    Part,
    Ping,
    Pong,
    Release,
    Request,
    Rooms,
    Say,
    Topic,
    Welcome,
)
from chat.safety import Nick as CheckedNick
from chat.safety import check_nick, check_room
from chat.stored import Appended, AppendResult, Draft, Fact, Heads, Page, Repeat, Stale

MAX_MEMBERS = 5_000  # a message to all of them is 5,000 datagrams: about 20 ms of one core
REPLACED = "replaced by another session"  # what an older session or member of the same person is told
TOKEN_BYTES = 8  # of the count that makes a commit's token another than every earlier one

_Look = Names | Motd | Rooms | Topic | Ping | Fetch | Release | Link  # what changes nothing, and so is answered at once


class Hub:
    """The chat. `motd` is shown to everybody who comes in.

    `now` is in seconds and never goes back; where it starts does not matter.
    """

    def __init__(self, motd: str = "", max_members: int = MAX_MEMBERS) -> None:
        self._motd = motd
        self._max_members = max_members
        self._members: dict[bytes, Member] = {}
        self._nicks: dict[str, bytes] = {}  # by the key that nicks are compared by
        self._rooms: dict[str, Room] = {}  # those with members or entries; MAX_ROOMS bounds what a Join adds
        self._base = 0
        self._version = 0  # a new room's roster begins above every one that was forgotten
        self._silence = Silence()  # of the native members
        self._reads: dict[int, tuple[bytes, Fetch]] = {}  # at most one a member and room; all are answered
        self._tokens = 0

    # --- the verbs

    def restore(self, heads: Heads) -> None:
        """Take over where the store stands: once, before anything else."""
        self._base = self._version = heads.base
        for name, room in heads.rooms.items():
            self._rooms[name] = Room(name, room.floor, room.head, self._version, has_entries=True)
            self._rooms[name].topic = room.topic

    def apply(self, member_id: bytes, request: Request, now: float, key: bytes | None = None) -> list[Effect]:
        """Carry out a request of a member, or put it behind what that member asked before.

        `key` is the fingerprint of the key that the member has shown that it holds (None: it has not); it
        counts with a `Hello`. Whoever is not in the chat can only say `Hello`; anything else of a stranger is
        ignored (the rest of a datagram whose nick was refused, or what was under way when its sender was
        dropped).
        """
        if isinstance(request, Hello):
            try:
                return self._enter(member_id, request, now, key)
            except RequestRejected as refusal:
                return [Send(member_id, rejected(0, refusal))]
        member = self._members.get(member_id)
        if member is None:
            return []
        effects = self._hear(member, now)
        match request:
            case Say() | Join() | Part() | Nick() | Bye() | Topic(text=str()):
                refused = member.queue(request)
                return effects + (self._go_on(member) if refused is None else reply_to(member, refused))
        try:
            return effects + self._look(member, request)
        except RequestRejected as refusal:
            return [*effects, Send(member_id, rejected(request.id, refusal))]

    def committed(self, fact: Fact) -> list[Effect]:
        """Tell the room of an entry that the store holds, and its author that it was accepted."""
        entry, client = fact.entry, fact.client
        room = self._rooms.get(entry.room) or self._open(entry.room)
        room.take(fact)
        effects: list[Effect] = [Publish(room.everybody, entry, client)]
        member = self._members.get(client)
        if member is None:
            return effects
        member.know_stored(fact.n)
        commit = member.in_flight
        if commit is not None and is_of(commit.draft, fact):
            asking = member.finish(commit)
            if fact.n:
                effects += reply_to(member, Accepted(asking, fact.n, entry.seq))
            else:
                effects += reply_to(member, Done(asking, entry.text))
        return effects + self._go_on(member)

    def appended(self, token: bytes, result: AppendResult) -> list[Effect]:
        """Take the store's answer to a commit where no fact follows: the number was known, or is another.

        A late one, to a commit whose fact has come or whose member has gone since, changes nothing.
        """
        member = self._members.get(token[:-TOKEN_BYTES])
        if member is None or member.in_flight is None or member.in_flight.token != token:
            return []
        commit = member.in_flight
        match result:
            case Appended():
                return []
            case Stale():
                member.know_stale(result.number)
                if commit.last == UNKNOWN:
                    member.refuse(commit.draft.n)
                    refusal = rejected(member.finish(commit), not_in(commit.draft.room))
                    return reply_to(member, refusal) + self._go_on(member)
                return self._commit(member, commit.draft)
            case Repeat():
                member.know_stored(commit.draft.n)
                reply = repeated(member.finish(commit), commit.draft.n, result)
                return reply_to(member, reply) + self._go_on(member)
            case _:
                assert_never(result)

    def answered(self, token: int, page: Page) -> list[Effect]:
        """Send what the store has read to who asked for it, if it is still in the room."""
        client, fetch = self._reads.pop(token)
        member = self._members.get(client)
        if member is None or not member.end_read(fetch.room, token) or fetch.room not in member.rooms:
            return []
        room = self._rooms[fetch.room]
        room.trim(page.floor)
        sent: list[Effect] = [Send(client, entry) for entry in fetched_entries(page, room.head, fetch)]
        return [*sent, Send(client, Fetched(fetch.id, room.name, room.floor, room.head))]

    def failed(self, token: bytes | int) -> list[Effect]:
        """Tell who asked that the store could not do it; nobody else has seen anything.

        A native client repeats a `Fetch` by itself, so it is told nothing.
        """
        if isinstance(token, int):
            client, fetch = self._reads.pop(token)
            member = self._members.get(client)
            if member is None or not member.end_read(fetch.room, token) or not member.is_plain:
                return []
            return [Send(client, store_failed(fetch.id))]
        member = self._members.get(token[:-TOKEN_BYTES])
        if member is None or member.in_flight is None or member.in_flight.token != token:
            return []
        asking = member.finish(member.in_flight)
        return reply_to(member, store_failed(asking)) + self._go_on(member)

    def expire(self, now: float) -> list[Effect]:
        """Show who was not heard for a minute as away, and let go of who was silent for ten.

        Native members only: they ping, a plain one has nothing to say until somebody types.
        """
        effects: list[Effect] = []
        for client in self._silence.take_away(now):
            member = self._members[client]
            member.is_away = True
            effects += self._tell_rooms(member, Change.AWAY)
        for client in self._silence.take_gone(now):
            effects += self._leave(self._members[client], f"silent for {GONE_SECONDS:.0f} s")
        return effects

    def everybody(self) -> tuple[bytes, ...]:
        """Give all members of the chat, in the order in which they came."""
        return tuple(self._members)

    # --- coming and going

    def _enter(self, client: bytes, hello: Hello, now: float, key: bytes | None) -> list[Effect]:
        if hello.version not in (PLAIN_VERSION, PROTOCOL_VERSION):
            raise RequestRejected("VERSION", f"this server speaks version {PROTOCOL_VERSION}")
        effects: list[Effect] = []
        member = self._members.get(client)
        if member is not None:
            member.begin_session()
        else:
            nick = check_nick(hello.nick)
            effects += self._make_way(nick, key)
            member = self._admit(Member(client, nick, key, is_plain=hello.version == PLAIN_VERSION))
        return [*effects, Send(client, self._welcome(member)), *self._hear(member, now)]

    def _make_way(self, nick: CheckedNick, key: bytes | None) -> list[Effect]:
        """See that a nick is free: who has it already leaves if it is the same person, known by the key.

        So a program that was killed, or is left running elsewhere, does not keep its owner out.
        """
        holder = self._nicks.get(nick.key)
        if holder is None:
            return []
        member = self._members[holder]
        if key is None or member.key != key:
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        return [Send(holder, Bye(REPLACED)), *self._leave(member, REPLACED)]

    def _admit(self, member: Member) -> Member:
        if len(self._members) >= self._max_members:
            raise RequestRejected("FULL", "the chat is full: try again later", 60.0)
        self._members[member.client] = member
        self._nicks[member.nick.key] = member.client
        return member

    def _welcome(self, member: Member) -> Welcome:
        motd = self._motd if member.is_plain else beginning(self._motd, MOTD_BYTES)
        return Welcome(f"udpchat {__version__}", member.nick.shown, motd)

    def _leave(self, member: Member, reason: str) -> list[Effect]:
        client = member.client
        del self._members[client], self._nicks[member.nick.key]
        self._silence.forget(client)
        effects: list[Effect] = [Drop(client, member.nick.shown, member.is_verified, reason)]
        return effects + [self._take_out(member, self._rooms[name]) for name in member.rooms]

    def _hear(self, member: Member, now: float) -> list[Effect]:
        """Note that a native member was heard; if it was away, its rooms see that it is back."""
        if member.is_plain:
            return []
        self._silence.hear(member.client, now)
        if not member.is_away:
            return []
        member.is_away = False
        return self._tell_rooms(member, Change.BACK)

    def _tell_rooms(self, member: Member, change: Change, new_nick: str = "") -> list[Effect]:
        return [self._rooms[name].presence(member, change, new_nick) for name in member.rooms]

    # --- what changes something: one member's requests, in order

    def _go_on(self, member: Member) -> list[Effect]:
        """Carry out what waits, as far as it needs no answer of the store."""
        effects: list[Effect] = []
        while member.in_flight is None and (request := member.next_turn()) is not None:
            effects += self._take_turn(member, request)
        return effects

    def _take_turn(self, member: Member, request: Turn) -> list[Effect]:
        if isinstance(request, Bye):
            return self._leave(member, request.reason)
        try:
            match request:
                case Say():
                    return self._say(member, request)
                case Join():
                    return self._join(member, request)
                case Part():
                    return self._part(member, request)
                case Nick():
                    return self._rename(member, request)
                case Topic():
                    return self._set_topic(member, request)
                case _:
                    assert_never(request)
        except RequestRejected as refusal:
            if isinstance(request, Say):
                member.refuse(request.n)
            return reply_to(member, rejected(request.id, refusal))

    def _say(self, member: Member, say: Say) -> list[Effect]:
        if member.is_early(say):
            busy = member.park(say)
            return [] if busy is None else reply_to(member, busy)
        if say.kind is Kind.TOPIC:
            raise RequestRejected("KIND", "a topic has a request of its own")
        draft = draft_of(member, say.n, say.room, say.kind, say.text)
        if say.room in member.rooms:
            member.asking = say.id
            return self._commit(member, draft)
        if member.last == UNKNOWN:  # it may be a repeat of what was said, and stored, before a restart
            member.asking = say.id
            return self._ask_store(member, draft, UNKNOWN)
        raise not_in(say.room)

    def _set_topic(self, member: Member, topic: Topic) -> list[Effect]:
        text = topic.text or ""
        if self._room_of(member, topic.room).topic == text:
            return reply_to(member, Done(topic.id, text))
        member.asking = topic.id
        return self._commit(member, draft_of(member, 0, topic.room, Kind.TOPIC, text))

    def _commit(self, member: Member, draft: Draft) -> list[Effect]:
        return self._ask_store(member, draft, max(member.last, 0) if draft.n else 0)

    def _ask_store(self, member: Member, draft: Draft, last: int) -> list[Effect]:
        """Ask for `draft` to be stored. Each asking has a token of its own: answers may come late.

        No store's number is `UNKNOWN`: with that as `last` it only says whether it has the text.
        """
        token = member.client + self._next_token().to_bytes(TOKEN_BYTES, "big")
        member.in_flight = Commit(token, draft, last)
        return [member.in_flight]

    def _next_token(self) -> int:
        self._tokens += 1
        return self._tokens

    def _join(self, member: Member, join: Join) -> list[Effect]:
        if join.room in member.rooms:
            return reply_to(member, self._rooms[join.room].joined(join.id))
        if len(member.rooms) >= MEMBER_ROOMS:
            raise RequestRejected("TOO_MANY_ROOMS", f"you are in {MEMBER_ROOMS} rooms: leave one first")
        room = self._rooms.get(join.room) or self._found(join.room)
        room.add(member)
        member.rooms.append(room.name)
        return [room.presence(member, Change.JOINED), *reply_to(member, room.joined(join.id))]

    def _part(self, member: Member, part: Part) -> list[Effect]:
        done = reply_to(member, Done(part.id, ""))
        if part.room not in member.rooms:
            return done
        member.rooms.remove(part.room)
        return [self._take_out(member, self._rooms[part.room]), *done]

    def _rename(self, member: Member, request: Nick) -> list[Effect]:
        nick = check_nick(request.nick)
        if self._nicks.get(nick.key, member.client) != member.client:
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        told: list[Effect] = []
        if nick != member.nick:
            told = self._tell_rooms(member, Change.RENAMED, nick.shown)
            rooms = [self._rooms[name] for name in member.rooms]
            for room in rooms:
                room.unlist(member)
            del self._nicks[member.nick.key]
            self._nicks[nick.key] = member.client
            member.nick = nick
            for room in rooms:
                room.list_again(member)
        return told + reply_to(member, Done(request.id, nick.shown))

    # --- rooms

    def _room_of(self, member: Member, name: str) -> Room:
        if name not in member.rooms:
            raise not_in(name)
        return self._rooms[name]

    def _found(self, name: str) -> Room:
        check_room(name)
        if len(self._rooms) >= MAX_ROOMS and name != LOBBY:  # where everybody comes in
            raise RequestRejected("TOO_MANY_ROOMS", f"there are {MAX_ROOMS} rooms already")
        return self._open(name)

    def _open(self, name: str) -> Room:
        room = self._rooms[name] = Room(name, self._base, self._base, self._version)
        return room

    def _take_out(self, member: Member, room: Room) -> Effect:
        room.remove(member)
        if not room.count and not room.has_entries:
            self._version = max(self._version, room.version)
            del self._rooms[room.name]
        return room.presence(member, Change.LEFT)

    # --- what changes nothing

    def _look(self, member: Member, request: _Look) -> list[Effect]:
        match request:
            case Names():
                room = self._room_of(member, request.room)
                return reply_to(member, Done(request.id, names_page(room, request.after)))
            case Motd():
                page = beginning(self._motd, RESULT_BYTES, request.after)
                return reply_to(member, Done(request.id, self._motd if member.is_plain else page))
            case Rooms():
                return [Send(member.client, rooms_page(request.id, self._rooms.values(), request.after))]
            case Topic():
                return reply_to(member, Done(request.id, self._room_of(member, request.room).topic))
            case Ping():
                heads = tuple(self._rooms[name].where() for name in member.rooms)
                return [Send(member.client, Pong(request.id, request.time, heads))]
            case Fetch():
                return self._fetch(member, request)
            case Release() | Link():
                raise RequestRejected("NO_KEY", "nothing belongs to you here")
            case _:
                assert_never(request)

    def _fetch(self, member: Member, fetch: Fetch) -> list[Effect]:
        """Ask the store, unless an answer for this room is out: a native client repeats what is ignored."""
        self._room_of(member, fetch.room)
        if fetch.room in member.reading:
            if member.is_plain:
                raise RequestRejected("BUSY", "one question after the other: the answer is under way", 1.0)
            return []
        token = self._next_token()
        self._reads[token] = member.client, fetch
        member.reading[fetch.room] = token
        return [Read(token, fetch)]
