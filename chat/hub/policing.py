"""What operators do to keep a place in order. Whether somebody may is asked when the order is carried out."""

from __future__ import annotations

from typing import cast

from chat.errors import RequestRejected
from chat.fields import REASON_BYTES
from chat.hub.effects import Effect, Reload, Send, ShutDown
from chat.hub.greeting import Greeting
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.pages import beginning
from chat.hub.replies import nobody_there, rejected, reply_to
from chat.hub.roll import Roll
from chat.hub.spans import show_span
from chat.messages import DIRECT, Done, Rejected
from chat.notices import Notice
from chat.orders import BACK, CANCEL, Order


class Policing:
    """Carries out the orders of operators."""

    def __init__(self, roll: Roll, house: House, operators: Operators, greeting: Greeting) -> None:
        self._roll = roll
        self._house = house
        self._operators = operators
        self._greeting = greeting
        self._is_going_down = False

    # --- who is an operator

    def operator(self, member: Member, order: Order) -> list[Effect]:
        """Become the first operator, by the code in the log."""
        person = cast(bytes, member.account)  # or it would have been refused (`MAY`)
        self._operators.claim(person, member.nick.shown, order.text, self._roll.now, self._roll.at)
        return [
            *self._changed(person, None, is_server=True),  # first: who has the answer asks what one may now
            *reply_to(member, Done(order.id, "you are an operator of this server")),
        ]

    def op(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody be an operator, of the room or of the server. Raises `RequestRejected`."""
        whom, account = self._person(order.target)
        if order.room:
            room = self._house.room_of(member, order.room)
            if account in room.charter.operators:
                raise RequestRejected("OPERATOR_ALREADY", f"{whom} is an operator of {room.name} already")
            self._house.charters.promote(room, account)
            return self._appointed(member, order, whom, account, f"an operator of {order.room}")
        self._operators.appoint(account, whom, member.nick.shown, self._roll.at)
        return self._appointed(member, order, whom, account, "an operator of this server")

    def deop(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody be no operator any more, of the room or of the server. Raises `RequestRejected`."""
        whom, account = self._person(order.target)
        if order.room:
            room = self._house.room_of(member, order.room)
            if account not in room.charter.operators:
                raise RequestRejected("NOT_AN_OPERATOR", f"{whom} is no operator of {room.name}")
            self._house.charters.depose(room, account)
            return self._appointed(member, order, whom, account, f"no operator of {room.name} any more")
        self._operators.dismiss(account, whom)
        return self._appointed(member, order, whom, account, "no operator of this server any more")

    # --- words

    def wall(self, member: Member, order: Order) -> list[Effect]:
        """Say something to everybody who is here, wherever they are."""
        told = self._tell_everybody(member, order.text)
        return told + reply_to(member, Done(order.id, f"said to {len(told)}"))

    # --- the server itself

    def reload(self, member: Member, order: Order) -> list[Effect]:
        """Have read again what can be: the answer comes by `reloaded`."""
        return [Reload(member.client, order.id)]

    def reloaded(self, client: bytes, request_id: int, motd: str | RequestRejected) -> list[Effect]:
        """Take the message of the day as it is now, or why it could not be read."""
        reply: Done | Rejected = Done(request_id, "the message of the day was read again")
        if isinstance(motd, RequestRejected):
            reply = rejected(request_id, RequestRejected(motd.code, beginning(motd.text, REASON_BYTES)))
        else:
            self._greeting.motd = motd
        member = self._roll.get(client)
        return [] if member is None else reply_to(member, reply)

    def shut_down(self, member: Member, order: Order) -> list[Effect]:
        """Have the server end, or stay after all, and tell everybody."""
        if order.target == CANCEL:
            if not self._is_going_down:
                raise RequestRejected("NOT_GOING_DOWN", "the server is not going down")
            words, end = "the server stays up", ShutDown(None, comes_back=True)
        else:
            when = f"in {show_span(order.number)}" if order.number else "now"
            back = ", and will be back" if order.target == BACK else ""
            because = f": {order.text}" if order.text else ""
            words = f"the server goes down {when}{back}{because}"
            end = ShutDown(float(order.number), order.target == BACK)
        self._is_going_down = end.seconds is not None
        return [*self._tell_everybody(member, words), *reply_to(member, Done(order.id, words)), end]

    # --- inside

    def _tell_everybody(self, member: Member, text: str) -> list[Effect]:
        words = Notice(f"{member.nick.shown} (operator): {text}")
        return [Send(client, words) for client in self._roll.everybody()]

    def _appointed(self, member: Member, order: Order, whom: str, account: bytes, what: str) -> list[Effect]:
        """Tell who asked, and the person with this account at every door, what that is now."""
        done = reply_to(member, Done(order.id, f"{whom} is {what}"))
        words = Notice(f"you are {what}, says {member.nick.shown}", order.room)
        return done + self._changed(account, words, is_server=not order.room)

    def _changed(self, account: bytes, words: Notice | None, *, is_server: bool) -> list[Effect]:
        """Tell all who are here of a person what they may now, and why."""
        effects: list[Effect] = []
        for each in [each for each in self._roll.all() if each.account == account]:
            effects += [Send(each.client, self._greeting.welcome(each))] if is_server else []
            effects += [Send(each.client, words)] if words is not None else []
        return effects

    def _person(self, nick: str) -> tuple[str, bytes]:
        """Give nick and account of whom a nick belongs to, else of whoever has it now."""
        holder, account = self._roll.person(nick)
        if holder is None and account is None:
            raise nobody_there(DIRECT + nick)
        if account is None:
            raise RequestRejected("NO_KEY", f"{nick} has no key, and operators have")
        return nick if holder is None else holder.nick.shown, account
