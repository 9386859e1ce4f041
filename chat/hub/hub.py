"""The hub: who is here, what each may do, and what everybody is told of it.

No I/O, no clock, no addresses. Every verb is a plain function of what it is given and of the members and
rooms it knows, and returns effects. What a member says is shown to nobody before the store has it: `apply`
asks for a commit, `committed` (called with the store's facts, in the store's order) publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import count
from secrets import token_bytes
from typing import assert_never

from chat.errors import RequestRejected
from chat.fields import CROWD
from chat.hub.about import About
from chat.hub.banning import Banning
from chat.hub.direct import Direct
from chat.hub.effects import Commit, Effect, Publish, Send
from chat.hub.entrance import Entrance
from chat.hub.greeting import Greeting
from chat.hub.house import House
from chat.hub.looks import Looks
from chat.hub.members import UNKNOWN, Member, Turn, is_of
from chat.hub.moves import Moves
from chat.hub.notebook import Notebook
from chat.hub.operators import Operators
from chat.hub.orders import Orders
from chat.hub.outside import Outside
from chat.hub.pace import Pace
from chat.hub.policing import Policing
from chat.hub.redactions import Redactions
from chat.hub.replies import draft_of, nobody_there, rejected, repeated, reply_to, store_failed
from chat.hub.rights import Rights
from chat.hub.roll import Roll
from chat.hub.roommodes import RoomModes
from chat.hub.searches import Searches
from chat.hub.silence import GONE_SECONDS
from chat.hub.silencing import Silencing
from chat.limits import NOWHERE, Limit, Limits, Purses
from chat.memos import Memo, Memos, Seat
from chat.messages import (
    Accepted,
    Bye,
    Change,
    Done,
    Hello,
    Join,
    Kind,
    Nick,
    Part,
    Request,
    Say,
    Topic,
    is_direct,
)
from chat.orders import Order
from chat.stored import Appended, AppendResult, Draft, Fact, Found, Heads, Page, Repeat, Stale

MAX_MEMBERS = 5_000  # a message to all of them is 5,000 datagrams: about 20 ms of one core
TOKEN_BYTES = 8  # of the count that makes a commit's token another than every earlier one


class Hub:
    """The chat. `motd` is shown to everybody who comes in, `random` gives bytes that nobody can guess.

    Rooms with more than `crowd` members are told how many come and go, not who. Whose keys have the
    fingerprints `operators` may do everything. `limits` are the rates and caps for what is asked: one object
    for all of a server, since it counts.

    `now` is in seconds and never goes back; where it starts does not matter.
    """

    def __init__(
        self,
        motd: str = "",
        max_members: int = MAX_MEMBERS,
        random: Callable[[int], bytes] = token_bytes,
        crowd: int = CROWD,
        operators: Collection[bytes] = (),
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._notebook = Notebook()
        self._roll = Roll(max_members, self._notebook, random, self.limits)
        self._operators = Operators(self._notebook, self._roll.owners, operators, random)
        self._house = House(crowd, self._notebook, self._operators.is_operator, self.limits)
        self._direct = Direct(self._notebook, self._roll, self._house)
        tokens = count(1)  # of what the store is asked to read
        searches = self._searches = Searches(self._roll, self._house, tokens)
        self._greeting = Greeting(self._roll, self._operators, motd)
        self._looks = Looks(self._roll, self._house, self._direct, self._greeting, tokens, self.limits)
        rights = Rights(self._operators, self._house)
        self._policing = Policing(self._roll, self._house, self._operators, self._greeting)
        redactions = self._redactions = Redactions(self._roll, self._house, rights, tokens)
        silencing = Silencing(self._roll, self._operators)
        modes = self._modes = RoomModes(self._roll, self._house)
        self._pace = Pace(self.limits)
        self._moves = Moves(self._roll, self._house, self._direct, self._pace)
        self._entrance = Entrance(self._roll, self._house, self._looks, self._greeting, self._moves)
        banning = self._banning = Banning(self._roll, self._house, self._operators, self._entrance.leave)
        self._orders = Orders(
            self._roll,
            self._operators,
            rights,
            self._policing,
            banning,
            searches,
            modes,
            redactions,
            silencing,
            About(self._roll, self._house),
        )
        self._tokens = 0  # of what the store was asked to keep

    # --- the verbs

    def restore(self, heads: Heads) -> None:
        """Take over where the store stands: once, before anything else."""
        self._house.restore(heads)

    def recall(self, memos: Memos, now: float, at: float) -> None:
        """Take over what was remembered, after `restore`; `at` is `now` in seconds since 1970.

        Members are here again, each of them silent since now.
        """
        self._roll.set_clock(now, at)
        self._roll.owners.recall(memos.owners, memos.devices)
        self._operators.recall(memos.operators)
        self._roll.bans.recall(memos.bans)
        self._roll.mutes.recall(memos.mutes)
        self._house.recall(memos.charters)
        self._direct.recall(
            memos.readers, {log.name: log.floor for log in self._house.all() if log.is_direct}
        )
        for client, seat in memos.seats.items():
            try:
                self._entrance.seat(client, seat, now)
            except RequestRejected:  # rules have changed, or the owner's devices have
                self._notebook.strike(client, Seat)

    def set_clock(self, now: float, at: float) -> None:
        """Learn that the wall clock was set: `now` is `at` in seconds since 1970.

        What was dated since the beginning is dated anew: else the next start would take it for older than it
        is, or younger, and give away nicks and rooms that are in use.
        """
        self._house.redate(*self._roll.reset_clock(now, at))

    def look_outside(self, outside: Outside) -> None:
        """Learn whom to ask for what is not known here."""
        self._orders.outside = self._banning.outside = self._entrance.outside = outside

    def operator_code(self) -> str:
        """Give a code with which somebody can become the first operator; "": there is one. After `recall`."""
        return self._operators.offer()

    def bars(self, host: str, now: float) -> str:
        """Say why nobody at an address may come in; "": anybody may. Costs nothing where none is banned."""
        self._roll.look(now)
        return self._roll.bans.bars(host, self._roll.at)

    def makes_way(self, nick: str, key: bytes | None) -> bytes | None:
        """Give who leaves when somebody comes in under this nick with this key; None: nobody does."""
        return self._entrance.makes_way(nick, key)

    def memos_to_keep(self) -> dict[str, Memo | None]:
        """Give what is to be remembered and has changed since this was last asked, by its key."""
        return self._notebook.take()

    def apply(
        self,
        member_id: bytes,
        request: Request,
        now: float,
        key: bytes | None = None,
        origin: Purses = NOWHERE,
    ) -> list[Effect]:
        """Carry out a request of a member, or put it behind what that member asked before.

        `key` is the fingerprint of the key that the member has shown that it holds (None: it has not); it
        counts with a `Hello`. `origin` are the purses of the address that it speaks from. Whoever is not in
        the chat can only say `Hello`; anything else of a stranger is ignored (the rest of a datagram whose
        nick was refused, or what was under way when its sender was dropped).
        """
        self._roll.look(now)
        if isinstance(request, Hello):
            try:
                return self._entrance.enter(member_id, request, now, key)
            except RequestRejected as refusal:
                return [Send(member_id, rejected(0, refusal))]
        member = self._roll.get(member_id)
        if member is None:
            return []
        member.speak_from(origin)
        effects = self._entrance.hear(member, now)
        match request:
            case Say() | Join() | Part() | Nick() | Bye() | Order() | Topic(text=str()):
                member.spoke = now
                refused = member.queue(request)
                return effects + (self._go_on(member) if refused is None else reply_to(member, refused))
        try:
            return effects + self._looks.look(member, request)
        except RequestRejected as refusal:
            return [*effects, Send(member_id, rejected(request.id, refusal))]

    def committed(self, fact: Fact) -> list[Effect]:
        """Tell the room of an entry that the store holds, and its author that it was accepted."""
        entry, client = fact.entry, fact.client
        room = self._house.open(entry.room)
        if room.is_direct and not room.has_entries:
            self._direct.begin(room.name, room.head)
        room.take(fact)
        effects: list[Effect] = [Publish(room.everybody, entry, client)]
        if room.is_direct:
            effects = self._direct.deliver(room, fact)
        member = self._roll.get(client)
        if member is None:
            return effects
        member.know_stored(fact.n)
        commit = member.in_flight
        if commit is not None and is_of(commit.draft, fact):
            asking = member.finish(commit)
            if fact.n:
                waiting = self._direct.is_waiting(entry.room)
                effects += reply_to(member, Accepted(asking, fact.n, entry.seq, waiting))
                effects += self._direct.absence(room, fact) if room.is_direct else []
            else:
                effects += reply_to(member, Done(asking, entry.text))
        return effects + self._go_on(member)

    def appended(self, token: bytes, result: AppendResult) -> list[Effect]:
        """Take the store's answer to a commit where no fact follows: the number was known, or is another.

        A late one, to a commit whose fact has come or whose member has gone since, changes nothing.
        """
        member = self._roll.get(token[:-TOKEN_BYTES])
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
                    target = commit.draft.room
                    refusal = self._modes.barred(member, target) or nobody_there(target)
                    answer = rejected(member.finish(commit), refusal)
                    return reply_to(member, answer) + self._go_on(member)
                return self._commit(member, commit.draft)
            case Repeat():
                member.know_stored(commit.draft.n)
                waiting = self._direct.is_waiting(commit.draft.room)
                reply = repeated(member.finish(commit), commit.draft.n, result, waiting=waiting)
                return reply_to(member, reply) + self._go_on(member)
            case _:
                assert_never(result)

    def answered(self, token: int, page: Page) -> list[Effect]:
        """Send what the store has read to who asked for it, if it is still in the room."""
        asker = self._redactions if token in self._redactions else self._looks
        return asker.answered(token, self._redactions.clean(page))

    def redacted(self, token: int, is_done: bool) -> list[Effect]:
        """Tell of a text that the store has taken away, or does not keep any more."""
        return self._redactions.redacted(token, is_done)

    def found(self, token: int, found: Found) -> list[Effect]:
        """Go on with a search of which the store has made one step, or answer it."""
        return self._searches.found(token, found, self._redactions.clean)

    def failed(self, token: bytes | int) -> list[Effect]:
        """Tell who asked that the store could not do it; nobody else has seen anything.

        A native client repeats a `Fetch` by itself, so it is told nothing.
        """
        if isinstance(token, int):
            askers = self._searches, self._redactions
            return next((each for each in askers if token in each), self._looks).failed(token)
        member = self._roll.get(token[:-TOKEN_BYTES])
        if member is None or member.in_flight is None or member.in_flight.token != token:
            return []
        asking = member.finish(member.in_flight)
        return reply_to(member, store_failed(asking)) + self._go_on(member)

    def reloaded(self, member: bytes, request_id: int, motd: str | RequestRejected) -> list[Effect]:
        """Take what was read again for a member, or why it could not be."""
        return self._policing.reloaded(member, request_id, motd)

    def expire(self, now: float) -> list[Effect]:
        """Show who was not heard for a minute as away, and let go of who was silent for ten.

        Native members only: they ping, a plain one has nothing to say until somebody types. Nicks that were
        not used for long are nobody's again. What the store could not read for somebody is asked for again.
        """
        effects: list[Effect] = []
        self._roll.look(now)
        for member in self._roll.take_away(now):
            effects += self._house.tell(member, Change.AWAY, now)
        for member in self._roll.take_gone(now):
            effects += self._entrance.leave(member, f"silent for {GONE_SECONDS:.0f} s")
        self._roll.expire_nicks()
        self._roll.bans.expire(self._roll.at)
        self._house.expire(self._roll.at)
        self._roll.mutes.expire(self._roll.at, self._house.is_new)
        return effects + self._looks.try_again()

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` has something to do; None: nothing waits for that."""
        times = self._house.next_timeout(), self._pace.next_timeout()
        return min((when for when in times if when is not None), default=None)

    def handle_timeout(self, now: float) -> list[Effect]:
        """Tell large rooms how many came and went; go on with those whose limit lets them again."""
        self._roll.look(now)
        effects = self._house.tell_turnover(now)
        for client in self._pace.due(now):
            member = self._roll.get(client)
            if member is not None:
                member.is_held = False
                effects += self._go_on(member)
        return effects

    def everybody(self) -> tuple[bytes, ...]:
        """Give all members of the chat, in the order in which they came."""
        return self._roll.everybody()

    # --- what changes something: one member's requests, in order

    def _go_on(self, member: Member) -> list[Effect]:
        """Carry out what waits, as far as it needs no answer of the store."""
        effects: list[Effect] = []
        while member.in_flight is None and (request := member.next_turn()) is not None:
            effects += self._take_turn(member, request)
        return effects

    def _take_turn(self, member: Member, request: Turn) -> list[Effect]:
        if isinstance(request, Bye):
            return self._entrance.leave(member, request.reason)
        try:
            match request:
                case Say():
                    return self._say(member, request)
                case Join():
                    return self._moves.join(member, request)
                case Part():
                    return self._moves.part(member, request)
                case Nick():
                    return self._moves.rename(member, request)
                case Topic():
                    return self._set_topic(member, request)
                case Order():
                    self._pace.pay(member, Limit.LINES, self._roll.now)  # others may be told of it
                    return self._orders.carry_out(member, request)
                case _:
                    assert_never(request)
        except RequestRejected as refusal:
            return self._pace.refused(member, request, refusal, self._roll.now)

    def _say(self, member: Member, say: Say) -> list[Effect]:
        is_early = member.is_early(say)
        self._pace.pay(member, Limit.LINES, self._roll.now, member.ahead(say), only_look=is_early)
        if is_early:
            busy = member.park(say)
            return [] if busy is None else reply_to(member, busy)
        if say.kind is Kind.TOPIC:
            raise RequestRejected("KIND", "a topic has a request of its own")
        target: tuple[str, bytes] | None = None
        refusal = self._modes.barred(member, say.room)
        if refusal is None:
            target = self._direct.target(say) if is_direct(say.room) else (say.room, b"")
        if target is not None:
            member.asking = say.id
            room, reader = target
            return self._commit(member, draft_of(member, say.n, room, say.kind, say.text, reader))
        # It may be a repeat of what was said, and stored, before a restart or when the member still might.
        if member.last == UNKNOWN or say.n <= member.last:
            member.asking = say.id
            return self._ask_store(member, draft_of(member, say.n, say.room, say.kind, say.text), UNKNOWN)
        raise refusal or nobody_there(say.room)

    def _set_topic(self, member: Member, topic: Topic) -> list[Effect]:
        text = topic.text or ""
        room = self._house.room_of(member, topic.room)
        if room.is_direct:
            raise RequestRejected("NO_SUCH_ROOM", "direct messages have no topic")
        self._modes.check_topic(member, room)
        if room.topic == text:
            return reply_to(member, Done(topic.id, text))
        self._pace.pay(member, Limit.LINES, self._roll.now)
        member.asking = topic.id
        return self._commit(member, draft_of(member, 0, topic.room, Kind.TOPIC, text))

    def _commit(self, member: Member, draft: Draft) -> list[Effect]:
        return self._ask_store(member, draft, max(member.last, 0) if draft.n else 0)

    def _ask_store(self, member: Member, draft: Draft, last: int) -> list[Effect]:
        """Ask for `draft` to be stored. Each asking has a token of its own: answers may come late.

        No store's number is `UNKNOWN`: with that as `last` it only says whether it has the text.
        """
        self._tokens += 1
        token = member.client + self._tokens.to_bytes(TOKEN_BYTES, "big")
        member.in_flight = Commit(token, draft, last)
        return [member.in_flight]
