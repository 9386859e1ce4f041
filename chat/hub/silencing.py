"""The orders that let somebody say nothing for a time, and speak again. No I/O, no clock."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Send
from chat.hub.members import Member
from chat.hub.mutes import muted, name_muted
from chat.hub.operators import Operators
from chat.hub.replies import reply_to
from chat.hub.roll import Roll
from chat.hub.terms import why
from chat.memos import Mute
from chat.messages import Done
from chat.notices import Notice
from chat.orders import FOREVER, Order
from chat.safety import nick_key

MUTE_SECONDS = 3_600  # of a mute of which nobody says how long


class Silencing:
    """Carries out these orders. What an operator of the server says counts everywhere."""

    def __init__(self, roll: Roll, operators: Operators) -> None:
        self._roll = roll
        self._operators = operators

    def mute(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody say nothing for a time, in the room or everywhere. Raises `RequestRejected`."""
        place = self._place(member, order)
        holder, account = self._roll.person(order.target)
        nick = order.target if holder is None else holder.nick.shown
        if account is not None and self._operators.is_operators(account):
            raise RequestRejected("IS_OPERATOR", f"{nick} operates this server: /deop first")
        at = int(self._roll.at)
        seconds = order.number or MUTE_SECONDS
        mute = Mute(nick, member.nick.shown, at, 0 if seconds >= FOREVER else at + seconds, order.text)
        self._roll.mutes.add(place, name_muted(nick_key(nick), account), mute)
        told: list[Effect] = []  # who is elsewhere need not read what a strange room's operator thinks
        if holder is not None and (not place or place in holder.rooms):
            told = [Send(holder.client, Notice(why(muted("you are", place), mute), place))]
        return told + reply_to(member, Done(order.id, why(muted(f"{nick} is", place), mute)))

    def unmute(self, member: Member, order: Order) -> list[Effect]:
        """Let somebody speak again. Raises `RequestRejected`."""
        holder, account = self._roll.person(order.target)
        nick = order.target if holder is None else holder.nick.shown
        mutes = self._roll.mutes
        places = {self._place(member, order), order.room}
        known = [(place, who) for place in places for who in mutes.known(place, nick, account)]
        if not known:
            raise RequestRejected("NOT_MUTED", f"{nick} is not muted here")
        for place, who in known:
            mutes.remove(place, who)
        told: list[Effect] = []
        if holder is not None and (not order.room or order.room in holder.rooms):
            told = [Send(holder.client, Notice(f"{member.nick.shown} lets you speak again", order.room))]
        return told + reply_to(member, Done(order.id, f"{nick} may speak again"))

    def _place(self, member: Member, order: Order) -> str:
        return "" if self._operators.is_operator(member) else order.room
