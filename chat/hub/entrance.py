"""The way in and out: who is let in under which nick, and who makes way. No I/O, no clock."""

from __future__ import annotations

from contextlib import suppress

from chat.errors import RequestRejected
from chat.fields import MEMBER_ROOMS
from chat.hub.effects import Drop, Effect, Send
from chat.hub.greeting import Greeting
from chat.hub.house import House
from chat.hub.looks import Looks
from chat.hub.members import Member
from chat.hub.moves import Moves
from chat.hub.outside import Outside
from chat.hub.roll import Roll
from chat.memos import Seat
from chat.messages import PLAIN_VERSION, PROTOCOL_VERSION, Bye, Hello
from chat.safety import Nick as CheckedNick
from chat.safety import check_nick, nick_key

REPLACED = "replaced by another session"  # what an older session or member of the same person is told


class Entrance:
    """Lets people onto the roll and off it."""

    def __init__(self, roll: Roll, house: House, looks: Looks, greeting: Greeting, moves: Moves) -> None:
        self.outside = Outside()
        self._roll = roll
        self._house = house
        self._looks = looks
        self._greeting = greeting
        self._moves = moves

    def enter(self, client: bytes, hello: Hello, now: float, key: bytes | None) -> list[Effect]:
        """Let somebody in, or go on with a member whose session begins anew. Raises `RequestRejected`."""
        if hello.version not in (PLAIN_VERSION, PROTOCOL_VERSION):
            raise RequestRejected("VERSION", f"this server speaks version {PROTOCOL_VERSION}")
        self._roll.bans.check_host(self.outside.host(client), self._roll.at)
        if hello.link:
            self._moves.link(hello.link, key, now)
        effects: list[Effect] = []
        member = self._roll.get(client)
        if member is not None:
            member.begin_session()
        else:
            nick = check_nick(hello.nick)
            account = self._roll.check(nick, key)
            effects += self._make_way(nick, key)
            is_plain = hello.version == PLAIN_VERSION
            member = self._roll.admit(Member(client, nick, key, account, is_plain=is_plain))
            self._roll.note(member)
            effects += self._send_away(member) if account != key else []
        effects += [Send(client, self._greeting.welcome(member)), *self.hear(member, now)]
        return effects + self._looks.catch_up(member) if member.is_plain and member.log else effects

    def makes_way(self, nick: str, key: bytes | None) -> bytes | None:
        """Give who leaves when somebody comes in under this nick with this key; None: nobody does."""
        holder = self._roll.holder(nick_key(nick))
        return holder.client if holder is not None and self._is_same(holder, key) else None

    def seat(self, client: bytes, seat: Seat, now: float) -> None:
        """Let somebody be here who was before a restart, in the same rooms as far as they may be joined."""
        member = self._roll.admit_again(client, seat, now)
        for name in seat.rooms[:MEMBER_ROOMS]:
            with suppress(RequestRejected):
                self._house.put(member, self._house.find_again(member, name))
        self._roll.note(member)

    def leave(self, member: Member, reason: str) -> list[Effect]:
        """Let a member go, and tell its rooms."""
        self._roll.remove(member)
        effects: list[Effect] = [Drop(member.client, member.nick.shown, member.is_verified, reason)]
        for name in list(member.rooms):
            effects += self._house.let_out(member, name, self._roll.now)
        return effects

    def hear(self, member: Member, now: float) -> list[Effect]:
        """Note that a member was heard; who was away is back."""
        change = self._roll.hear(member, now)
        return [] if change is None else self._house.tell(member, change, now)

    # --- inside

    def _is_same(self, member: Member, key: bytes | None) -> bool:
        """Say whether `member` is the person who holds `key`, as whom it is here by now or before a link."""
        return key is not None and (member.key == key or member.account == self._roll.owners.account(key))

    def _make_way(self, nick: CheckedNick, key: bytes | None) -> list[Effect]:
        """See that a nick is free: who has it already leaves if it is the same person, known by the key.

        So a program that was killed, or is left running elsewhere, does not keep its owner out.
        """
        member = self._roll.holder(nick.key)
        if member is None:
            return []
        if not self._is_same(member, key):
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        return self._replace(member)

    def _send_away(self, linked: Member) -> list[Effect]:
        """Let go of who is here by the key of `linked` as whom that key stood for before it was linked."""
        same_key = [each for each in self._roll.all() if each.key == linked.key]
        stale = [each for each in same_key if each.account != linked.account]
        return [effect for member in stale for effect in self._replace(member)]

    def _replace(self, member: Member) -> list[Effect]:
        return [Send(member.client, Bye(REPLACED)), *self.leave(member, REPLACED)]
