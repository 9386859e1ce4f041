"""What operators do to keep a place in order. Whether somebody may is asked when the order is carried out."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Send
from chat.hub.greeting import Greeting
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.replies import reply_to
from chat.hub.roll import Roll
from chat.messages import Done
from chat.notices import Notice
from chat.orders import Order
from chat.safety import nick_key


class Policing:
    """Carries out the orders of operators."""

    def __init__(self, roll: Roll, operators: Operators, greeting: Greeting) -> None:
        self._roll = roll
        self._operators = operators
        self._greeting = greeting

    # --- who is an operator

    def operator(self, member: Member, order: Order) -> list[Effect]:
        """Become the first operator, by the code in the log."""
        self._operators.claim(member, order.text, self._roll.now, self._roll.at)
        return [
            *reply_to(member, Done(order.id, "you are an operator of this server")),
            *self._changed(member.account),
        ]

    def op(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody be an operator of the server."""
        whom, account = self._person(order.target)
        self._operators.appoint(account, whom, member.nick.shown, self._roll.at)
        told = f"{member.nick.shown} made you an operator of this server"
        done = reply_to(member, Done(order.id, f"{whom} is an operator of this server"))
        return done + self._changed(account, told)

    def deop(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody be no operator of the server any more."""
        whom, account = self._person(order.target)
        self._operators.dismiss(account, whom)
        told = f"{member.nick.shown} took it from you to be an operator of this server"
        done = reply_to(member, Done(order.id, f"{whom} is no operator of this server any more"))
        return done + self._changed(account, told)

    # --- words

    def wall(self, member: Member, order: Order) -> list[Effect]:
        """Say something to everybody who is here, wherever they are."""
        words = Notice(f"{member.nick.shown} (operator): {order.text}")
        everybody = self._roll.everybody()
        return [
            *(Send(client, words) for client in everybody),
            *reply_to(member, Done(order.id, f"said to {len(everybody)}")),
        ]

    # --- inside

    def _changed(self, account: bytes | None, told: str = "") -> list[Effect]:
        """Tell all who are here of a person what they may now, and why."""
        effects: list[Effect] = []
        for each in map(self._roll.get, self._roll.everybody()):
            if each is not None and each.account == account:
                effects.append(Send(each.client, self._greeting.welcome(each)))
                effects += [Send(each.client, Notice(told))] if told else []
        return effects

    def _person(self, nick: str) -> tuple[str, bytes]:
        """Give nick and account of whom a nick belongs to, else of whoever has it now."""
        key = nick_key(nick)
        holder, account = self._roll.holder(key), self._roll.owners.owner(key)
        if account is None and holder is not None:
            account = holder.account
            if account is None:
                raise RequestRejected("NO_KEY", f"{holder.nick.shown} has no key, and operators have")
        if account is None:
            raise RequestRejected("NO_SUCH_NICK", f"nobody here is called {nick}, and nobody owns that nick")
        return nick if holder is None else holder.nick.shown, account
