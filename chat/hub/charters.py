"""What rooms are beside their logs: who operates each, who may come in and speak. No I/O, no clock.

All of that is one value, the room's charter, and is remembered whenever it changes: so it outlives members
and restarts. People stand in it by their accounts. Who has no key operates a room, or is invited to it, as
long as they are there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.hub.members import NOBODY, Member
from chat.hub.notebook import Notebook
from chat.hub.rooms import PUBLIC, Room
from chat.memos import Charter
from chat.messages import LOBBY

OPERATORS = 32  # of one room, 34 bytes each: more than a room needs to be kept in order
INVITED = 128  # to one room, 34 bytes each: four kilobytes, and for more people there are keys
OWN_ROOMS = 20  # that one account has made and nobody else operates: as many as it can be in
UNUSED_SECONDS = 30 * 86_400.0  # without a member: as long as a nick is its owner's
LOOK_SECONDS = 3_600.0  # between two looks for such rooms: all 10,000 take eight milliseconds


class Charters:
    """Changes the charters of rooms, and remembers them. Whoever `may_all` may all in every room."""

    def __init__(self, notebook: Notebook, may_all: Callable[[Member], bool]) -> None:
        self._notebook = notebook
        self._may_all = may_all
        self._own: Counter[bytes] = Counter()  # rooms that an account operates, by account

    # --- who operates a room

    def operates(self, room: Room, member: Member) -> bool:
        """Say whether a member may keep `room` in order."""
        return room.is_operated_by(member) or self._may_all(member)

    def check_operator(self, room: Room, member: Member, what: str) -> None:
        """Raise `RequestRejected` if `member` may not do `what` in `room`, for that takes an operator."""
        if not self.operates(room, member):
            raise RequestRejected("NOT_OPERATOR", f"only operators of {room.name} may {what}")

    def found(self, room: Room, member: Member) -> None:
        """Let `member`, who has made `room`, operate it: for good if it has a key and not too many rooms."""
        if member.account is None or self._own[member.account] >= OWN_ROOMS:
            room.founder = member.client
        else:
            self.amend(room, operators=(member.account,))

    def promote(self, room: Room, account: bytes) -> None:
        """Let the person with this account operate `room`. Raises `RequestRejected` if too many do."""
        operators = room.charter.operators
        if account in operators:
            return
        if len(operators) >= OPERATORS:
            raise RequestRejected("TOO_MANY_OPERATORS", f"{OPERATORS} operate {room.name} already")
        self.amend(room, operators=(*operators, account))

    def depose(self, room: Room, account: bytes) -> None:
        """Let the person with this account operate `room` no more, unless nobody else does.

        The lobby may be without one, as it began. Raises `RequestRejected`.
        """
        operators = tuple(each for each in room.charter.operators if each != account)
        if not operators and room.charter.operators and room.name != LOBBY:
            raise RequestRejected("LAST_OPERATOR", f"nobody else operates {room.name}: /op somebody first")
        self.amend(room, operators=operators)

    def own(self, account: bytes) -> int:
        """Give how many rooms an account operates that nobody else does."""
        return self._own[account]

    # --- who is invited

    def invite(self, room: Room, client: bytes, account: bytes | None) -> None:
        """Let somebody join `room` whatever it is: by the account, without one (None) the member `client`.

        Raises `RequestRejected` if too many are invited.
        """
        if account in room.charter.invited or (account is None and client in room.guests):
            return
        if len(room.charter.invited) + len(room.guests) >= INVITED:
            text = f"{INVITED} are invited to {room.name} already: give it a key, /mode +k KEY"
            raise RequestRejected("TOO_MANY_INVITED", text)
        if account is None:
            room.guests |= {client}
        else:
            self.amend(room, invited=(*room.charter.invited, account))

    def disinvite(self, room: Room, member: Member) -> None:
        """Let `member` come back to `room` as anybody may: it has left by its own will, or was put out."""
        room.guests = room.guests - {member.client} or NOBODY
        invited = room.charter.invited
        if member.account is not None and member.account in invited:
            self.amend(room, invited=tuple(each for each in invited if each != member.account))

    # --- changes

    def amend(self, room: Room, **changes: Any) -> None:
        """Change the charter of `room`, and remember it."""
        before = room.charter
        room.charter = replace(before, **changes)
        self._count(before, -1)
        self._count(room.charter, 1)
        if room.count and before.operators != room.charter.operators:
            room.version += 1  # whoever keeps the roster misses a change, and reads it again
        if room.has_charter:
            self._notebook.write(room.name, room.charter)
        else:
            self._notebook.strike(room.name, Charter)

    def dissolve(self, room: Room) -> None:
        """Let `room` be everybody's."""
        self.amend(room, **{name: getattr(PUBLIC, name) for name in PUBLIC.__struct_fields__})

    def recall(self, room: Room, charter: Charter) -> None:
        """Take over what was remembered of a room."""
        room.charter = charter
        self._count(charter, 1)

    def adopt(self, rooms: Iterable[Room], key: bytes, account: bytes) -> None:
        """Let what `key` was by itself in `rooms` be its owner's: it was linked to `account`."""
        for room in rooms:
            for field in ("operators", "invited"):
                people: tuple[bytes, ...] = getattr(room.charter, field)
                if key in people:
                    named = dict.fromkeys(account if each == key else each for each in people)
                    self.amend(room, **{field: tuple(named)})

    def _count(self, charter: Charter, by: int) -> None:
        if len(charter.operators) == 1:
            (account,) = charter.operators
            self._own[account] += by
            if not self._own[account]:
                del self._own[account]
