"""What programs read: each thing that happens as one JSON object in one line. docs/client.md lists them.

Pure functions. The names in the objects are an interface: events and fields are added, and never changed.
Texts stand in them as they are, but no character that a terminal would obey is written as itself.
"""

from __future__ import annotations

import re

import msgspec

from chat.client.happenings import FirstContact, Happening, LinkChanged
from chat.fingerprints import show_fingerprint
from chat.messages import Change, Entry, Joined, Presence, Turnover, is_direct
from chat.notices import Notice, Redacted
from chat.wire.events import Appeared, Happened, InRoom, OutOfRoom
from chat.wire.sequence import Earlier, Lost, NotKept, Shown


def happening_line(happening: Happening, server: str, nick: str, *, is_ignored: bool = False) -> str:
    """Give the line for `happening`; "" if there is none. `server` is `host:port`, `nick` our own.

    `is_ignored`: people would not be shown it.
    """
    match happening:
        case LinkChanged():
            return state_line(happening, server, nick)
        case FirstContact():
            return server_line(happening)
        case InRoom(joined):
            return joined_line(joined)
        case OutOfRoom():
            return left_line(happening)
        case Appeared(room, shown):
            return shown_line(room, shown, is_ignored=is_ignored)
        case Happened(presence):
            return presence_line(presence)
        case Turnover():
            return turnover_line(happening)
        case Notice():
            return notice_line(happening)
        case Redacted():
            return redacted_line(happening)
        case _:
            return ""


def state_line(changed: LinkChanged, server: str, nick: str) -> str:
    """Tell how we and the server stand with each other."""
    state = changed.state.value
    named = {"nick": nick} if state == "connected" else {}
    return _line("state", state=state, server=server, reason=changed.reason, **named)


def server_line(contact: FirstContact) -> str:
    """Tell that a server was met for the first time, and is known by its key from now on."""
    key = show_fingerprint(contact.fingerprint)
    return _line("server", server=contact.place, fingerprint=key, first=True)


def joined_line(joined: Joined) -> str:
    """Tell that we are in a room, for the first time or again."""
    return _line("joined", room=joined.room, head=joined.head, topic=joined.topic, **_direct(joined.room))


def left_line(left: OutOfRoom) -> str:
    """Tell that we are in a room no more; `code` says why if it was not our wish."""
    return _line("left", room=left.room, code=left.code, text=left.text)


def shown_line(room: str, shown: Shown, *, is_ignored: bool = False) -> str:
    """Tell what comes next in a room: an entry, or that entries are missing here."""
    match shown:
        case Entry():
            return entry_line(shown, is_ignored=is_ignored)
        case Earlier(entry):
            return entry_line(entry, is_earlier=True, is_ignored=is_ignored)
        case Lost(after, upto):
            return _line("gap", room=room, kind="lost", after=after, upto=upto)
        case NotKept(upto):
            return _line("gap", room=room, kind="not kept", after=None, upto=upto)


def entry_line(entry: Entry, *, is_earlier: bool = False, is_ignored: bool = False) -> str:
    """Tell an entry. `is_earlier`: it goes above all that was told of the room before."""
    earlier = {"earlier": True} if is_earlier else {}
    ignored = {"ignored": True} if is_ignored else {}
    return _line(
        "entry",
        room=entry.room,
        seq=entry.seq,
        prev=entry.seq - entry.back,
        at=entry.at,
        kind=entry.kind,
        nick=entry.nick,
        verified=entry.verified,
        text=entry.text,
        **earlier,
        **ignored,
        **_direct(entry.room),
    )


def presence_line(presence: Presence) -> str:
    """Tell who came, went, has another nick, is away or back."""
    renamed = {"new_nick": presence.new_nick} if presence.change is Change.RENAMED else {}
    return _line(
        "presence",
        room=presence.room,
        nick=presence.nick,
        change=presence.change,
        verified=presence.verified,
        **renamed,
    )


def turnover_line(turnover: Turnover) -> str:
    """Tell how many came to a large room, went, or have another nick, and how many are there now."""
    return _line(
        "turnover",
        room=turnover.room,
        joined=turnover.joined,
        left=turnover.left,
        renamed=turnover.renamed,
        count=turnover.count,
    )


def notice_line(told: Notice) -> str:
    """Tell words of the server; `room` is "" if they are about none."""
    return _line("notice", room=told.room, text=told.text)


def redacted_line(redacted: Redacted) -> str:
    """Tell that the text of an entry was taken away by an operator: "(redacted)" stands there now."""
    return _line("redacted", room=redacted.room, seq=redacted.seq, nick=redacted.nick)


def accepted_line(line: int, room: str, seq: int, *, waiting: bool) -> str:
    """Tell that the text in line `line` of the input is stored.

    `waiting`: the one person whom it is for is not here now.
    """
    state = {"waiting": waiting} if is_direct(room) else {}
    return _line("accepted", line=line, room=room, seq=seq, **state)


def delivered_line(line: int, room: str, seq: int) -> str:
    """Tell that the person whom the text in line `line` of the input is for has it."""
    return _line("delivered", line=line, room=room, seq=seq)


def rejected_line(line: int, room: str, code: str, text: str) -> str:
    """Tell that line `line` of the input was refused, or has no answer yet."""
    return _line("rejected", line=line, room=room, code=code, text=text)


def answer_line(line: int, lines: list[str]) -> str:
    """Tell the answer to the command in line `line` of the input."""
    return _line("answer", line=line, lines=lines)


def taken_back_line(line: int, room: str, seq: int) -> str:
    """Tell that the server has lost a text that it had accepted."""
    return _line("taken back", line=line, room=room, seq=seq)


def _direct(room: str) -> dict[str, bool]:
    """Give the field that marks the room in which we find what was said to us alone."""
    return {"direct": True} if is_direct(room) else {}


def _line(event: str, **fields: object) -> str:
    line = msgspec.json.encode({"event": event, **fields}).decode()
    return line if line.isprintable() else _UNPRINTABLE.sub(_escape, line)


# Candidates only: \w is printable, and so is ASCII but for its controls, which JSON escapes by itself.
_UNPRINTABLE = re.compile(r"[^\w\x20-\x7e]")


def _escape(found: re.Match[str]) -> str:
    """Write a character as JSON's escape, if it is no visible one: two of them above U+FFFF."""
    char = found[0]
    if char.isprintable():
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
