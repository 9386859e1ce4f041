"""Orders: what members ask to be done or told by a word. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable

from chat import __version__
from chat.errors import RequestRejected
from chat.fields import RESULT_BYTES
from chat.hub.about import About
from chat.hub.banning import Banning
from chat.hub.effects import Acted, Effect
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.outside import Outside
from chat.hub.pages import beginning
from chat.hub.policing import Policing
from chat.hub.redactions import Redactions
from chat.hub.replies import reply_to
from chat.hub.rights import Rights
from chat.hub.roll import Roll
from chat.hub.roommodes import RoomModes
from chat.hub.searches import Searches
from chat.hub.silencing import Silencing
from chat.hub.spans import show_span
from chat.messages import Done
from chat.orders import MAY, Order, Verb, Who

_LOGGED = {Verb.OPERATOR} | {verb for verb, who in MAY.items() if who in (Who.OPERATOR, Who.ROOM_OPERATOR)}


class Orders:
    """Carries out orders of members on the roll: a table of what each verb does."""

    def __init__(
        self,
        roll: Roll,
        operators: Operators,
        rights: Rights,
        policing: Policing,
        banning: Banning,
        searches: Searches,
        modes: RoomModes,
        redactions: Redactions,
        silencing: Silencing,
        about: About,
    ) -> None:
        self.outside = Outside()
        self._roll = roll
        self._operators = operators
        self._rights = rights
        self._about = about
        self._table: dict[str, Callable[[Member, Order], list[Effect]]] = {
            Verb.INVITE: modes.invite,
            Verb.MODE: modes.mode,
            Verb.AWAY: about.away,
            Verb.BACK: about.back,
            Verb.WHOIS: self._whois,
            Verb.SEEN: about.seen,
            Verb.UPTIME: self._uptime,
            Verb.VERSION: self._version,
            Verb.PING: self._ping,
            Verb.OPERATOR: policing.operator,
            Verb.OP: policing.op,
            Verb.DEOP: policing.deop,
            Verb.WALL: policing.wall,
            Verb.RELOAD: policing.reload,
            Verb.SHUTDOWN: policing.shut_down,
            Verb.SEARCH: searches.begin,
            Verb.REDACT: redactions.begin,
            Verb.KICK: banning.kick,
            Verb.MUTE: silencing.mute,
            Verb.UNMUTE: silencing.unmute,
            Verb.BAN: banning.ban,
            Verb.UNBAN: banning.unban,
            Verb.BANNED: banning.banned,
        }

    def carry_out(self, member: Member, order: Order) -> list[Effect]:
        """Do what an order says. Raises `RequestRejected`."""
        act = self._table.get(order.verb)
        if act is None:
            raise RequestRejected("UNKNOWN_COMMAND", f"this server knows no order {order.verb!r}")
        self._rights.check(member, order)
        nick = member.nick.shown
        effects = act(member, order)
        if order.verb in _LOGGED:
            text = "" if order.verb == Verb.OPERATOR else order.text  # that is a code
            effects.append(Acted(nick, member.key, order.verb, order.room, order.target, text, order.number))
        return effects

    def _uptime(self, member: Member, order: Order) -> list[Effect]:
        seconds = int(self._roll.now - self._roll.began)
        text = f"up for {show_span(seconds)}, {len(self._roll.everybody())} here"
        counters = self.outside.counters() if self._operators.is_operator(member) else {}
        counted = "".join(f"\n{name}={counters[name]}" for name in sorted(counters))
        return reply_to(member, Done(order.id, beginning(text + counted, RESULT_BYTES)))

    def _version(self, member: Member, order: Order) -> list[Effect]:
        return reply_to(member, Done(order.id, f"udpchat {__version__}"))

    def _whois(self, member: Member, order: Order) -> list[Effect]:
        host = self.outside.host if self._operators.is_operator(member) else None
        return self._about.whois(member, order, host)

    def _ping(self, member: Member, order: Order) -> list[Effect]:
        return reply_to(member, Done(order.id, "pong"))
