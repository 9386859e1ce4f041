"""What a native client's session tells its owner: values, in the order in which they happened."""

from __future__ import annotations

from typing import NamedTuple

from chat.messages import Delivered, Joined, Presence, Rejected, Reply, Request, Turnover, Welcome
from chat.notices import Notice, Redacted
from chat.wire.sequence import Shown


class Entered(NamedTuple):
    """The server has let us in."""

    welcome: Welcome


class Rights(NamedTuple):
    """The server says again who we are: whether we operate it now."""

    is_operator: bool


class Refused(NamedTuple):
    """The server has not let us in: `ClientSession.enter` with another nick tries again."""

    rejected: Rejected


class Appeared(NamedTuple):
    """What comes next in a room: an entry, or a marker where entries are missing."""

    room: str
    shown: Shown


class Said(NamedTuple):
    """Text number `n` is stored at position `seq`. `waiting`: whom it was said to alone is not here now."""

    n: int
    seq: int
    waiting: bool = False


class NotSaid(NamedTuple):
    """Text number `n` is refused: `code` for programs, `text` for people."""

    n: int
    code: str
    text: str


class PutOff(NamedTuple):
    """The server wants something later: it is asked again, in `refusal.retry_after` seconds, by itself.

    `room` is that of a text, or the one that shall be joined; "" for anything else.
    """

    room: str
    refusal: Rejected


class Offered(NamedTuple):
    """Text number `n`, once accepted at position `seq` of `room`, was lost by the server: say it again?"""

    room: str
    n: int
    seq: int


class InRoom(NamedTuple):
    """We are in a room, for the first time or again."""

    joined: Joined


class OutOfRoom(NamedTuple):
    """We are in a room no more, or were not let in (then `code` says why)."""

    room: str
    code: str
    text: str


class Happened(NamedTuple):
    """Somebody came, went, has another nick, is away or back."""

    presence: Presence


class RosterChanged(NamedTuple):
    """Who is in a room is known, or has changed."""

    room: str


class Answered(NamedTuple):
    """A request has its reply."""

    request: Request
    reply: Reply


class NumberReused(NamedTuple):
    """The server knows our client id with other texts: call `ClientSession.renew` with a new one."""


class PathLost(NamedTuple):
    """Nothing comes back: make a new channel, from a new socket, and call `connected`."""


class Ended(NamedTuple):
    """The server has ended the session. Come back after so many seconds; 0: not by yourself."""

    reason: str
    reconnect_after: float


Event = (
    Entered
    | Rights
    | Refused
    | Appeared
    | Said
    | Delivered
    | NotSaid
    | PutOff
    | Offered
    | InRoom
    | OutOfRoom
    | Happened
    | Turnover
    | Redacted
    | Notice
    | RosterChanged
    | Answered
    | NumberReused
    | PathLost
    | Ended
)
