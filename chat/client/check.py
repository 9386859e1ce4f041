"""What no server can take is refused here: it would cost the datagram, and be repeated for ever."""

from __future__ import annotations

import msgspec

from chat.errors import RemoteProtocolError, RequestRejected
from chat.fields import CLIENT_BYTES, FETCH_LIMIT, REASON_BYTES, TEXT_BYTES
from chat.messages import (
    DIRECT,
    PROTOCOL_VERSION,
    Fetch,
    Hello,
    Join,
    Kind,
    Link,
    Motd,
    Names,
    Nick,
    Release,
    Request,
    Rooms,
    Topic,
    is_direct,
)
from chat.orders import Order
from chat.safety import check_nick, check_room, clean_text, is_blank
from chat.wire.frames import decode_requests, encode_frame, join_frames


def check_text(text: str, room: str, kind: Kind) -> str:
    """Give the one clean line that is said for `text`: its line ends become spaces.

    Raises `RequestRejected` if nothing is left of it, or more than 900 bytes; if no room, or nobody ("@bob"),
    can be called so; and for a topic.
    """
    if is_direct(room):
        check_nick(room.removeprefix(DIRECT))
    else:
        check_room(room)
    if kind is Kind.TOPIC:
        raise RequestRejected("KIND", "a topic has a request of its own")
    line = _one_line(text)
    if is_blank(line):
        raise RequestRejected("TEXT_EMPTY", "nothing was said: the text is blank")
    size = len(line.encode())
    if size > TEXT_BYTES:
        raise RequestRejected("TEXT_TOO_LONG", f"that text has {size} bytes: at most {TEXT_BYTES} fit")
    return line


def fit_reason(reason: str) -> str:
    """Give as much of a goodbye's reason as a server takes: one clean line of 300 bytes."""
    return _one_line(reason).encode()[:REASON_BYTES].decode(errors="ignore")


def check_entry(nick: str, link: str = "") -> None:
    """Raise `RequestRejected` for a nick or code that no server can be told; the rest is for it to say."""
    hello = Hello(PROTOCOL_VERSION, bytes(CLIENT_BYTES), nick)
    _check(hello, "NICK_INVALID", "that cannot be a nick")
    if link:
        check_code(link)


def check_code(link: str) -> str:
    """Give a code without the space around it. Raises `RequestRejected` for what can be none."""
    code, problem = link.strip(), "that is no code: /link on your other device gives one like abcd-efgh-jkmn"
    if not code:
        raise RequestRejected("LINK_INVALID", problem)
    _check(Hello(PROTOCOL_VERSION, bytes(CLIENT_BYTES), "", code), "LINK_INVALID", problem)
    return code


def check_join(room: str, key: str) -> None:
    """Raise `RequestRejected` if no room can be called so, or none can have that key."""
    check_room(room)
    _check(Join(1, room, key), "ROOM_KEY", f"{room}: that cannot be a room's key")


def check_history(room: str, count: int, age: int) -> None:
    """Raise `RequestRejected` for a number of entries, or an age, that no server is asked for."""
    fetch = Fetch(1, room, None, 1, min(count, FETCH_LIMIT), age)
    _check(fetch, "ARGUMENT_INVALID", "history: a number from 1 on, and an age in whole seconds")


def check_question(request: Request) -> Request:
    """Give a request as `ChatClient.ask` sends it, with the id 1.

    Raises `RequestRejected` if it breaks a rule, `TypeError` if it is none of those that can be asked so.
    """
    if not isinstance(request, Names | Rooms | Motd | Topic | Nick | Release | Link | Order):
        raise TypeError(f"{type(request).__name__} is not asked like this")
    if isinstance(request, Names | Topic):
        check_room(request.room)
    request = msgspec.structs.replace(request, id=1)
    what = type(request).__name__.lower()
    _check(request, "ARGUMENT_INVALID", f"{what}: too long, or nothing that can be sent")
    return request


def _one_line(text: str) -> str:
    return clean_text(" ".join(text.splitlines()))


def _check(request: Request, code: str, text: str) -> None:
    try:
        decode_requests(join_frames([encode_frame(request)]))
    except (RemoteProtocolError, UnicodeEncodeError, OverflowError):
        raise RequestRejected(code, text) from None
