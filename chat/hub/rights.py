"""Who may give which order: asked when it is carried out, so that nobody has a right that was taken away."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.owners import no_key
from chat.orders import MAY, Order, Who


class Rights:
    """What `MAY` says, of members in rooms of the house. An operator of the server may all in every room."""

    def __init__(self, operators: Operators, house: House) -> None:
        self._operators = operators
        self._house = house

    def check(self, member: Member, order: Order) -> None:
        """Raise `RequestRejected` if an order takes a key, or an operator, and this is none."""
        who = MAY.get(order.verb)  # type: ignore[call-overload]
        if who is Who.ROOM_OPERATOR and order.room:
            room = self._house.room_of(member, order.room)
            self._house.charters.check_operator(room, member, f"/{order.verb}")
        elif who in (Who.OPERATOR, Who.ROOM_OPERATOR) and not self._operators.is_operator(member):
            raise RequestRejected("NOT_OPERATOR", f"only operators may /{order.verb}")
        elif who is Who.KEY and member.key is None:
            raise no_key()
