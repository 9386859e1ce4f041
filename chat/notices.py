"""What a server tells members unasked, by its own will or an operator's: words, and deeds."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chat.fields import CODE_BYTES, Message, NickLine, Positive, ReasonLine, RoomName, TextLine
from chat.safety import ROOM_BYTES

REDACTED = "(redacted)"  # the text of an entry whose own was taken away


class Notice(Message, frozen=True, tag=45):
    """Words of the server; `room` is the one that they are about ("": none). Best effort, never repeated."""

    text: TextLine
    room: Annotated[str, Meta(max_length=ROOM_BYTES)] = ""


class Out(Message, frozen=True, tag=46):
    """You are in `room` no more: `code` for programs, `text` for people. Do not join it by yourself.

    It comes once more before each `Pong` of the next minute, as long as you are out.
    """

    room: RoomName
    code: Annotated[str, Meta(max_length=CODE_BYTES)]
    text: ReasonLine


class Redacted(Message, frozen=True, tag=47):
    """An operator took away what `nick` had said at position `seq` of `room`: "(redacted)" stands there now.

    Best effort: whoever fetches the entry finds it so.
    """

    room: RoomName
    seq: Positive
    nick: NickLine
