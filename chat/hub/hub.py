"""The hub: who is here, what each may do, and what everybody is told of it.

No I/O, no clock, no addresses. Every verb is a plain function of what it is given and of the members it
knows, and returns effects. What a member says is shown to nobody before the store has it: `apply` asks for a
commit, `committed` (called with the store's facts, in the store's order) publishes.
"""

from __future__ import annotations

from collections import deque
from typing import assert_never

from chat import __version__
from chat.errors import RequestRejected
from chat.hub.effects import Commit, Drop, Effect, Publish, Send
from chat.messages import (
    LOBBY,
    MOTD_BYTES,
    NAMES_PAGE,
    Accepted,
    Appended,
    AppendResult,
    Bye,
    Change,
    Done,
    Draft,
    Fact,
    Hello,
    Motd,
    Names,
    NamesPage,
    Presence,
    Rejected,
    Repeat,
    Request,
    Say,
    Stale,
    Welcome,
)
from chat.safety import Nick, check_nick, nick_key

MAX_MEMBERS = 5_000  # a message to all of them is 5,000 datagrams: about 20 ms of one core
WAITING_LINES = 64  # of one member behind its append in flight: a paste passes, memory stays bounded


class _Member:
    """One member, from its `Hello` until it is dropped."""

    __slots__ = ("in_flight", "last", "nick", "overflowed", "waiting")

    def __init__(self, nick: Nick) -> None:
        self.nick = nick
        self.last = 0  # the newest number of this client that the store has
        self.in_flight: tuple[Say, Draft] | None = None
        self.waiting: deque[Say | Bye] = deque()  # at most WAITING_LINES, in the order they were asked
        self.overflowed = False


class Hub:
    """The chat, with its one room. `motd` is shown to everybody who comes in."""

    def __init__(self, motd: str = "", max_members: int = MAX_MEMBERS) -> None:
        self._motd = motd
        self._max_members = max_members
        self._members: dict[bytes, _Member] = {}
        self._nicks: dict[str, bytes] = {}  # by the key that nicks are compared by
        self._everybody: tuple[bytes, ...] = ()  # made once a join, shared by every Publish until the next

    # --- the verbs

    def apply(self, member_id: bytes, request: Request) -> list[Effect]:
        """Carry out a request of a member, or put it behind what that member asked before.

        Whoever is not in the chat can only say `Hello`; anything else of a stranger is ignored (the rest of
        a datagram whose nick was refused, or what was under way when its sender was dropped).
        """
        if isinstance(request, Hello):
            try:
                return self._enter(member_id, request)
            except RequestRejected as refusal:
                return [Send(member_id, _rejected(0, refusal))]
        member = self._members.get(member_id)
        if member is None:
            return []
        match request:
            case Names():
                return [Send(member_id, Done(request.id, self._names(request.after)))]
            case Motd():
                return [Send(member_id, Done(request.id, self._motd))]
            case Say() | Bye():
                return self._in_turn(member_id, member, request)
            case _:
                assert_never(request)

    def committed(self, fact: Fact) -> list[Effect]:
        """Tell the room of an entry that the store holds, and its author that it was accepted."""
        effects: list[Effect] = [Publish(self._everybody, fact.entry, fact.client)]
        member = self._members.get(fact.client)
        if member is None or member.in_flight is None or member.in_flight[1].n != fact.n:
            return effects
        effects.append(Send(fact.client, Accepted(member.in_flight[0].id, fact.n, fact.entry.seq)))
        return effects + self._settle(fact.client, member, fact.n)

    def appended(self, token: bytes, result: AppendResult) -> list[Effect]:
        """Take the store's answer to a commit where no fact follows: the number was known, or is another."""
        member = self._members.get(token)
        if member is None or member.in_flight is None:
            return []
        say, draft = member.in_flight
        match result:
            case Appended():
                return []
            case Repeat(seq=0):
                effects: list[Effect] = [
                    Send(token, Rejected(say.id, "NUMBER_REUSED", "not said: its number was used"))
                ]
            case Repeat(seq=seq):
                effects = [Send(token, Accepted(say.id, say.n, seq))]
            case Stale(number=number):
                member.last = number
                return [Commit(token, draft, number)]
            case _:
                assert_never(result)
        return effects + self._settle(token, member, max(member.last, say.n))

    def failed(self, token: bytes) -> list[Effect]:
        """Tell the author of a commit that the store could not take it; nobody else has seen anything."""
        member = self._members.get(token)
        if member is None or member.in_flight is None:
            return []
        say, _ = member.in_flight
        refusal = Rejected(say.id, "STORE_FAILED", "not said, the store failed: try again", 1.0)
        return [Send(token, refusal), *self._settle(token, member, member.last)]

    def everybody(self) -> tuple[bytes, ...]:
        """Give all members, in the order in which they came."""
        return self._everybody

    # --- coming and going

    def _enter(self, member_id: bytes, hello: Hello) -> list[Effect]:
        member = self._members.get(member_id)
        if member is not None:
            return self._enter_again(member_id, member)
        nick = check_nick(hello.nick)
        if nick.key in self._nicks:
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        if len(self._members) >= self._max_members:
            raise RequestRejected("FULL", "the chat is full: try again later", 60.0)
        self._members[member_id] = _Member(nick)
        self._nicks[nick.key] = member_id
        self._everybody = tuple(self._members)
        joined = Presence(LOBBY, nick.shown, verified=False, change=Change.JOINED)
        return [Publish(self._everybody, joined, member_id), Send(member_id, self._welcome(nick))]

    def _enter_again(self, member_id: bytes, member: _Member) -> list[Effect]:
        """Take back a leave that still waits behind an append: nobody has heard of it."""
        if not (member.waiting and isinstance(member.waiting[-1], Bye)):
            raise RequestRejected("ALREADY_HERE", "you are in the chat already")
        member.waiting.pop()
        return [Send(member_id, self._welcome(member.nick))]

    def _welcome(self, nick: Nick) -> Welcome:
        motd = self._motd.encode()[:MOTD_BYTES].decode(errors="ignore")
        return Welcome(f"udpchat {__version__}", nick.shown, motd)

    def _leave(self, member_id: bytes, member: _Member, reason: str) -> list[Effect]:
        del self._members[member_id], self._nicks[member.nick.key]
        self._everybody = tuple(self._members)
        left = Presence(LOBBY, member.nick.shown, verified=False, change=Change.LEFT)
        return [Drop(member_id, member.nick.shown, reason), Publish(self._everybody, left, member_id)]

    # --- one member's requests, in order

    def _in_turn(self, member_id: bytes, member: _Member, request: Say | Bye) -> list[Effect]:
        if member.in_flight is None:
            return self._start(member_id, member, request)
        if isinstance(request, Bye) or len(member.waiting) < WAITING_LINES:
            member.waiting.append(request)
            return []
        if member.overflowed:
            return []
        member.overflowed = True
        text = f"too fast: {WAITING_LINES} lines are waiting, the rest was not passed on"
        return [Send(member_id, Rejected(request.id, "BUSY", text, 1.0))]

    def _start(self, member_id: bytes, member: _Member, request: Say | Bye) -> list[Effect]:
        if isinstance(request, Bye):
            return self._leave(member_id, member, request.reason)
        draft = Draft(
            client=member_id,
            n=request.n,
            room=request.room,
            kind=request.kind,
            nick=member.nick.shown,
            verified=False,
            text=request.text,
        )
        member.in_flight = request, draft
        return [Commit(member_id, draft, member.last)]

    def _settle(self, member_id: bytes, member: _Member, last: int) -> list[Effect]:
        member.last, member.in_flight = last, None
        if not member.waiting:
            member.overflowed = False
            return []
        return self._start(member_id, member, member.waiting.popleft())

    def _names(self, after: str) -> NamesPage:
        behind = nick_key(after)
        keys = sorted(key for key in self._nicks if key > behind)
        nicks = (self._members[self._nicks[key]].nick.shown for key in keys[:NAMES_PAGE])
        page = tuple((nick, False) for nick in nicks)
        return NamesPage(LOBBY, page, len(self._members), more=len(keys) > NAMES_PAGE)


def _rejected(request_id: int, refusal: RequestRejected) -> Rejected:
    return Rejected(request_id, refusal.code, refusal.text, refusal.retry_after)
