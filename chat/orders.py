"""What members ask to be done or told by a word: the verbs of an `Order`, and who may say each.

One frame carries all of them, so a new verb needs no new frame: a server that does not know it refuses it,
and a client shows the lines of the answer as they come.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto
from typing import Annotated

from msgspec import Meta

from chat.fields import REASON_BYTES, TARGET_BYTES, VERB_BYTES, Message, Number, Positive
from chat.safety import ROOM_BYTES

BACK, CANCEL = "back", "cancel"  # behind /shutdown: a server will be here again; or: it stays up after all
FOREVER = 10 * 366 * 86_400  # seconds: what is to last so long or longer has no end
SERVER = "server"  # beside a nick in /op and /deop: an operator of the server, not of the room


class Verb(StrEnum):
    """What shall be done, or told."""

    AWAY = "away"
    BACK = "back"
    INVITE = "invite"
    MODE = "mode"
    SEEN = "seen"
    WHOIS = "whois"
    UPTIME = "uptime"
    VERSION = "version"
    PING = "ping"
    OPERATOR = "operator"
    OP = "op"
    DEOP = "deop"
    WALL = "wall"
    RELOAD = "reload"
    SHUTDOWN = "shutdown"
    SEARCH = "search"
    KICK = "kick"
    REDACT = "redact"
    MUTE = "mute"
    UNMUTE = "unmute"
    BAN = "ban"
    UNBAN = "unban"
    BANNED = "banned"


class Who(Enum):
    """Who may say something."""

    ANYBODY = auto()
    KEY = auto()  # who has a key
    ROOM_OPERATOR = auto()  # an operator of the room, or of the server; only these where no room is named
    OPERATOR = auto()  # of the server


MAY = {
    Verb.AWAY: Who.ANYBODY,
    Verb.BACK: Who.ANYBODY,
    Verb.SEEN: Who.ANYBODY,
    Verb.WHOIS: Who.ANYBODY,
    Verb.INVITE: Who.ANYBODY,  # to a room with a door its operators
    Verb.MODE: Who.ANYBODY,  # to ask what it is; to change it its operators
    Verb.UPTIME: Who.ANYBODY,
    Verb.VERSION: Who.ANYBODY,
    Verb.PING: Who.ANYBODY,
    Verb.OPERATOR: Who.KEY,
    Verb.OP: Who.ROOM_OPERATOR,
    Verb.DEOP: Who.ROOM_OPERATOR,
    Verb.WALL: Who.OPERATOR,
    Verb.RELOAD: Who.OPERATOR,
    Verb.SHUTDOWN: Who.OPERATOR,
    Verb.SEARCH: Who.ANYBODY,
    Verb.KICK: Who.ROOM_OPERATOR,
    Verb.REDACT: Who.ROOM_OPERATOR,
    Verb.MUTE: Who.ROOM_OPERATOR,
    Verb.UNMUTE: Who.ROOM_OPERATOR,
    Verb.BAN: Who.OPERATOR,
    Verb.UNBAN: Who.OPERATOR,
    Verb.BANNED: Who.OPERATOR,
}


class Order(Message, frozen=True, tag=15):
    """Do what `verb` says, or tell me what it asks for.

    What the other fields mean stands with each verb in docs/protocol.md: `room` where, `target` whom or what,
    `text` the words, `number` seconds or a position ("" and 0: not given).
    """

    id: Positive
    verb: Annotated[str, Meta(max_length=VERB_BYTES)]
    room: Annotated[str, Meta(max_length=ROOM_BYTES)] = ""
    target: Annotated[str, Meta(max_length=TARGET_BYTES)] = ""
    text: Annotated[str, Meta(max_length=REASON_BYTES)] = ""
    number: Number = 0
