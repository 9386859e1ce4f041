"""What a field of a message may hold: the limits, and the types that a decoder checks them by.

Sizes are bytes of UTF-8. What an annotation constrains is checked when bytes are decoded, not when our own
code makes a value.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from chat.safety import NICK_BYTES, ROOM_BYTES

MAX_NUMBER = 1 << 53  # the largest that a double holds exactly, so that clients in any language can count
CLIENT_BYTES = 16  # random ones: nobody meets or guesses another's
TEXT_BYTES = 900  # a rendered line stays below the 1,024 bytes that the oldest clients read
TOPIC_BYTES = 300  # three lines of a terminal; `Joined` with it is a third of a datagram
MOTD_BYTES = 512  # of the message of the day in Welcome; the rest is what Motd asks for
CODE_BYTES = 32  # of a refusal: a few capital words
VERB_BYTES = 16  # of an order's verb
TARGET_BYTES = 128  # of whom or what an order is about: a nick, an address, a key's fingerprint
REASON_BYTES = 300  # of what a refusal or a goodbye says to people: one line
NAMES_PAGE = 64  # nicks in one page of a roster: at most 64 * (64 + 4) bytes, a few plain lines
ROOMS_PAGE = 64  # rooms in one page of the list of rooms
RESULT_BYTES = 1_024  # of a page's rows or of another result, as frames write them: it fits one datagram
FETCH_LIMIT = 256  # entries in one answer: half of what a room keeps in memory
IN_FLIGHT = 8  # requests of one session without a reply: RFC 8085 wants a window, QUIC begins with 10
MEMBER_ROOMS = 20  # that one is in: a Pong names them all in one datagram, up to 53 bytes each
CROWD = 50  # members: in a larger room nobody reads who comes and goes, and to tell all of all is quadratic
ROOM_KEY_BYTES = 32  # of the key of a room: people tell it to each other
LINK_BYTES = 32  # of a code that links another key to an owner: more than the 14 that this release makes
WAIT_SECONDS = 86_400.0  # that a server may ask for: after a day people have given up anyway

# What a field may hold. The limit of a string stands in characters here, which costs nothing while decoding;
# frames.py applies the same number to its bytes.
Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
Positive = Annotated[int, Meta(ge=1, le=MAX_NUMBER)]
Seconds = Annotated[float, Meta(ge=0.0, le=WAIT_SECONDS)]
ClientId = Annotated[bytes, Meta(min_length=CLIENT_BYTES, max_length=CLIENT_BYTES)]
RoomName = Annotated[str, Meta(min_length=1, max_length=ROOM_BYTES)]  # what check_room takes
Target = Annotated[str, Meta(min_length=1, max_length=1 + NICK_BYTES)]  # a room's name, or "@" and a nick
NickLine = Annotated[str, Meta(max_length=NICK_BYTES)]
LinkLine = Annotated[str, Meta(max_length=LINK_BYTES)]
TextLine = Annotated[str, Meta(max_length=TEXT_BYTES)]
TopicLine = Annotated[str, Meta(max_length=TOPIC_BYTES)]
ReasonLine = Annotated[str, Meta(max_length=REASON_BYTES)]


# gc=False: what holds nothing but texts and numbers is in no cycle, and a collector need not look at it.
class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A request or a reply: an immutable value, written as an array of its fields."""
