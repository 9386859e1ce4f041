"""The native door: messages to frames and back. What goes into DTLS, and what comes out of it.

This module never does I/O, never reads a clock and knows no session. Its laws: any bytes give messages or
`RemoteProtocolError`, and what a message holds is within the limits of `chat.messages` and clean (as
`chat.safety.clean_text` has it) whichever side decoded it; so no layer above looks again.

A datagram is one msgpack array of 1 to 1,163 bytes, its elements are frames. A frame is a msgpack array too:
the tag (an integer that names the type), then the fields in the order of the class in `chat.messages`.

    92                                  array of 2 frames
       94 01 01 c4 10 {16 bytes} a3 62 6f 62    Hello(version 1, client, nick "bob")
       93 06 01 a5 6c 6f 62 62 79               Join(id 1, room "lobby")

Whole numbers are msgpack integers (0 .. 2^53), seconds are doubles, strings are `str`, byte strings `bin`,
truth is `c3` and `c2`, what is not there `c0`; kinds and changes are strings. Fields behind those that a
reader knows are skipped, and so is a frame with a tag that it does not know; whatever else is not in the
vocabulary costs the whole datagram. docs/protocol.md has every frame, and this example to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from chat.errors import RemoteProtocolError
from chat.fields import RESULT_BYTES
from chat.messages import (
    DIRECT,
    Broadcast,
    Done,
    Entry,
    Kind,
    NameLine,
    NamesPage,
    Ping,
    Pong,
    Reply,
    Request,
    RoomHead,
    RoomLine,
    RoomsPage,
    Say,
    ShownUpTo,
    is_direct,
)
from chat.safety import NICK_BYTES, ROOM_BYTES, ROOM_CHARS, clean_text

# A datagram has 1,200 bytes, which QUIC too asks of every path (RFC 9000, section 14). A DTLS 1.2 record
# takes 13 of them for its header (RFC 6347, section 4.1), 8 for the nonce and 16 for the tag (RFC 5288, 3).
MAX_PLAINTEXT = 1_163
SHORT_ARRAY = 15  # elements of an array whose head is one byte; that of a longer one has three (msgpack)

_PARAGRAPHS = frozenset({"motd"})  # the fields that have lines; all other strings are one

_Message = TypeVar("_Message", bound=msgspec.Struct)


# --- messages to bytes

_ENCODER = msgspec.msgpack.Encoder()


def encode_frame(message: Request | Reply | Broadcast) -> bytes:
    """Give the frame that says `message`; done once, however many members it goes to: 0.1 to 0.3 us."""
    return _ENCODER.encode(message)


def join_frames(frames: Sequence[bytes]) -> bytes:
    """Give the datagram that holds `frames` (at least one) as they stand. Nothing is encoded again."""
    count = len(frames)
    head = bytes((0x90 | count,)) if count <= SHORT_ARRAY else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(frames)


def pack(frames: Sequence[bytes], limit: int = MAX_PLAINTEXT) -> list[bytes]:
    """Give datagrams of at most `limit` bytes that hold `frames` in their order, each as full as can be.

    Raises `ValueError` for a frame that fits no datagram: whoever made it ignored a limit.
    """
    datagrams: list[bytes] = []
    begin = size = 0
    for end, frame in enumerate(frames):
        size += len(frame)
        if size + (1 if end - begin < SHORT_ARRAY else 3) > limit:
            if begin < end:
                datagrams.append(join_frames(frames[begin:end]))
            begin, size = end, len(frame)
            if size + 1 > limit:
                raise ValueError(f"a frame of {size} bytes fits no datagram of {limit}")
    if frames:
        datagrams.append(join_frames(frames[begin:]))
    return datagrams


# --- bytes to messages


class _Tagged(msgspec.Struct, array_like=True):
    """The beginning of any frame, known or not."""

    tag: int


class _Direction:
    """What one side reads: a decoder for a whole datagram, one for a frame by itself, the tags they know."""

    def __init__(self, vocabulary: Any) -> None:
        self.datagram: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[vocabulary])
        self.frame: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(vocabulary)
        self.tags = frozenset(frame.__struct_config__.tag for frame in get_args(vocabulary))


_REQUESTS = _Direction(Request)
_REPLIES = _Direction(Reply | Broadcast)
_RAW = msgspec.msgpack.Decoder(list[msgspec.Raw])
_TAGGED = msgspec.msgpack.Decoder(_Tagged)


def decode_requests(datagram: bytes) -> list[Request]:
    """Give what a client asks for in `datagram`, in order; frames of unknown types are left out.

    Raises `RemoteProtocolError` if any known frame breaks a rule: then nothing of the datagram counts. Of
    eight in a datagram a `Say` of 70 ASCII letters costs 1.1 us, a `Ping` 0.4; one that comes alone 0.4 more,
    and each frame of a datagram with an unknown one 0.6 more.
    """
    return _decode(datagram, _REQUESTS)


def decode_replies(datagram: bytes) -> list[Reply | Broadcast]:
    """Give what a server says in `datagram`, as `decode_requests` does; of eight an `Entry` costs 1.3 us."""
    return _decode(datagram, _REPLIES)


def _decode(datagram: bytes, direction: _Direction) -> list[Any]:
    if len(datagram) > MAX_PLAINTEXT:
        raise RemoteProtocolError(f"{len(datagram)} bytes: a datagram has at most {MAX_PLAINTEXT}")
    try:
        try:
            frames = direction.datagram.decode(datagram)
        except msgspec.ValidationError:
            frames = _known_frames(datagram, direction)
        else:
            if not frames:
                raise RemoteProtocolError("a datagram without a frame")
    except msgspec.ValidationError as fault:
        _, _, place = str(fault).rpartition(" - at ")  # what stands before it may quote the peer
        raise RemoteProtocolError(f"no such frame: {place}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RemoteProtocolError("not msgpack") from None
    except RecursionError:  # pragma: no cover  (tested by Python 3.11; later ones go deeper than a datagram)
        raise RemoteProtocolError("nested too deep") from None
    return [_checked(frame) for frame in frames]


def _known_frames(datagram: bytes, direction: _Direction) -> list[Any]:
    """Give the frames of the datagram one by one, without those whose tag is unknown."""
    return [
        direction.frame.decode(frame)
        for frame in _RAW.decode(datagram)
        if _TAGGED.decode(frame).tag in direction.tags
    ]


# --- what a decoder cannot say: bytes of UTF-8, clean text, names of rooms, one field against another


def _checked(message: _Message) -> _Message:
    """Give the message with clean strings, or raise `RemoteProtocolError` for what no annotation can say."""
    has_room, lines, law = _RULES[type(message)]
    if has_room and message.room.removeprefix(DIRECT).strip(ROOM_CHARS):  # type: ignore[attr-defined]
        raise RemoteProtocolError("a room's name has a-z, 0-9 and -_. only, a log's an @ before them")
    for name, limit in lines:
        text = getattr(message, name)
        if text is not None and not (text.isascii() and text.isprintable()):
            clean = _clean_lines if name in _PARAGRAPHS else clean_text
            message = msgspec.structs.replace(message, **{name: _limited(text, clean(text), limit)})
    return message if law is None else law(message)


def _limited(text: str, clean: str, limit: int) -> str:
    """Give `clean`, or raise: NFC can be longer than what it was made from, so both count."""
    if len(text.encode()) > limit or len(clean.encode()) > limit:
        raise RemoteProtocolError(f"a string of more than {limit} bytes")
    return clean


def _clean_lines(text: str) -> str:
    return "\n".join(map(clean_text, text.split("\n")))


def _say(say: Say) -> Say:
    room = say.room
    if is_direct(room):
        if not (room.isascii() and room.isprintable()):
            nick = room.removeprefix(DIRECT)
            say = msgspec.structs.replace(say, room=DIRECT + _limited(nick, clean_text(nick), NICK_BYTES))
    elif len(room) > ROOM_BYTES or room.strip(ROOM_CHARS):
        raise RemoteProtocolError("a text is for a room, or for @ and a nick")
    if say.back >= say.n:
        raise RemoteProtocolError("a text behind one that cannot be")
    if not say.text or say.text.isspace():
        raise RemoteProtocolError("a text that says nothing")
    if say.kind is Kind.TOPIC:
        raise RemoteProtocolError("a topic has a request of its own")
    return say


def _entry(entry: Entry) -> Entry:
    if entry.back > entry.seq:
        raise RemoteProtocolError("an entry behind one that cannot be")
    return entry


def _done(done: Done) -> Done:
    result = done.result
    if isinstance(result, NamesPage):
        return msgspec.structs.replace(done, result=_checked(result))
    return msgspec.structs.replace(done, result=_limited(result, _clean_lines(result), RESULT_BYTES))


def _names(page: NamesPage) -> NamesPage:
    return msgspec.structs.replace(page, nicks=tuple(map(_checked, page.nicks)))


def _rooms(message: Any) -> Any:
    return msgspec.structs.replace(message, rooms=tuple(map(_checked, message.rooms)))


def _shown(ping: Ping) -> Ping:
    return msgspec.structs.replace(ping, shown=tuple(map(_checked, ping.shown))) if ping.shown else ping


class _Rule(NamedTuple):
    """What `_checked` does with one type: is there a room, (field, bytes) of other strings, and the rest."""

    has_room: bool
    lines: tuple[tuple[str, int], ...]
    law: Callable[[Any], Any] | None


_LAWS: dict[Any, Callable[[Any], Any]] = {
    Say: _say,
    Entry: _entry,
    Done: _done,
    NamesPage: _names,
    RoomsPage: _rooms,
    Pong: _rooms,
    Ping: _shown,
}


def _rule(kind: Any) -> _Rule:
    """Read the rule out of the class: each string that has a limit in characters has the same in bytes."""
    described: Any = msgspec.inspect.type_info(kind)
    limits: dict[str, int] = {
        field.name: string.max_length or 0
        for field in described.fields
        if isinstance(string := _unless_none(field.type), msgspec.inspect.StrType)
    }
    has_room = limits.pop("room", 0) == ROOM_BYTES  # a Say's may be a person
    return _Rule(has_room, tuple(limits.items()), _LAWS.get(kind))


def _unless_none(described: Any) -> Any:
    """Give what a field holds if it is not None."""
    if isinstance(described, msgspec.inspect.UnionType) and described.includes_none:
        return described.types[0]
    return described


_RULES = {
    kind: _rule(kind)
    for kind in (*get_args(Request | Reply | Broadcast), NamesPage, NameLine, RoomLine, RoomHead, ShownUpTo)
}
