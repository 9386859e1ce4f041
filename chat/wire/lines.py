"""How the plain door puts what it says: each thing that a member is told, as a line of text.

Pure functions and the words that clients compare with. A line is a datagram; texts with line ends may
share one. With its mark and line end a line has at most 1,024 bytes. docs/protocol.md lists the forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from chat.messages import (
    LOBBY,
    Broadcast,
    Change,
    Entry,
    Kind,
    NamesPage,
    Presence,
    RoomsPage,
    Turnover,
    is_direct,
)
from chat.notices import Out, Redacted

# The one refusal of a nick: a client of Chat-socket-UDP compares the whole datagram with it.
NICK_TAKEN = "nama ini sudah diambil"
GOING_DOWN = "server is going down"
EXIT = "exit"

LINES_BYTES = 1_024  # of a datagram in the clear: what the oldest clients read
NAMES_LINE_BYTES = 900

# Two servers that forged datagrams introduce to each other must not talk for ever (CVE-2024-2169). What a
# server says by itself, and no person: a member that says it is a server, and is put out. Every newcomer is
# told that it has joined the chat, so that ends such a talk where it begins, in whatever room the forged
# member speaks. The same said of other rooms is not in here: people do say that somebody has left town.
_SERVER_TALK = re.compile(
    rf"(\[\S{{1,32}}\] )?(-!- .*|\S{{1,64}} has (joined|left) the chat)|{NICK_TAKEN}|{GOING_DOWN}"
)
# And with what it relays, everything that it sends. A stranger's line of this form gets no answer.
_OWN_VOICE = re.compile(
    rf"{_SERVER_TALK.pattern}|\* .*|.{{1,64}}: .*|\[\S{{1,32}}\] .*"
    r"|.{1,64} has (joined|left) (the chat|\S{1,32})|.{1,64} is now .{1,64}"
)


def is_server_talk(line: str) -> bool:
    """Say whether `line` is what a server says by itself and no person would."""
    return _SERVER_TALK.fullmatch(line) is not None


def is_own_voice(line: str) -> bool:
    """Say whether `line` is of a form that a server sends, by itself or for somebody."""
    return _OWN_VOICE.fullmatch(line) is not None


def notice(text: str) -> str:
    """Give the line in which the server says `text` to one member. No nick can look like it."""
    return f"-!- {text}"


def out_line(out: Out) -> str:
    """Give the text of the notice that somebody is in a room no more, and why."""
    return f"you are out of {out.room}: {out.text}"


def joined_line(nick: str) -> str:
    """Give the line that tells of a newcomer, and tells it that it is in."""
    return f"{nick} has joined the chat"


def render(message: Broadcast) -> bytes:
    """Give the line that tells a room of `message`, without mark and line end: made once for all its members.

    b"" for what plain peers are not told.
    """
    match message:
        case Entry():
            line = _entry_line(message)
        case Presence():
            line = _presence_line(message)
        case Turnover():
            line = _turnover_line(message)
        case Redacted():
            line = notice(f"what {message.nick} said was redacted")
        case _:
            assert_never(message)
    return line.encode()


def join_lines(lines: Iterable[bytes], limit: int) -> list[bytes]:
    """Give plaintexts of at most `limit` bytes that hold `lines`: what has no line end stands by itself."""
    joined: list[bytes] = []
    for line in lines:
        is_whole = joined and joined[-1].endswith(b"\n") and line.endswith(b"\n")
        if is_whole and len(joined[-1]) + len(line) <= limit:
            joined[-1] += line
        else:
            joined.append(line)
    return joined


def mark(line: bytes, room: str) -> bytes:
    """Give `line` for those to whom `room` is another than the one that they speak in.

    What was said to one person alone bears no mark: it is in no room.
    """
    return line if is_direct(room) else b"[%b] %b" % (room.encode(), line)


def _entry_line(entry: Entry) -> str:
    if is_direct(entry.room):
        return alone_line(entry.nick, entry.text)
    match entry.kind:
        case Kind.SAY:
            return f"{entry.nick}: {entry.text}"
        case Kind.ME:
            return f"* {entry.nick} {entry.text}"
        case Kind.TOPIC if entry.text:
            return f"* {entry.nick} set the topic: {entry.text}"
        case Kind.TOPIC:
            return f"* {entry.nick} took the topic away"
        case _:
            assert_never(entry.kind)


def alone_line(nick: str, text: str) -> str:
    """Give the line of what `nick` has said to its reader alone.

    Nothing that is said in a room looks like it: the first word of that is no nick (`bob:`, `*`, `[dev]`),
    and the second word of what the server tells of somebody is no arrow. Actions have no such line, for
    anybody may do in a room what reads `* bob -> you ...`.
    """
    return f"{nick} -> you: {text}"


def _presence_line(presence: Presence) -> str:
    nick, room = presence.nick, presence.room
    match presence.change:
        case Change.JOINED:
            return joined_line(nick) if room == LOBBY else f"{nick} has joined {room}"
        case Change.LEFT:
            return f"{nick} has left the chat" if room == LOBBY else f"{nick} has left {room}"
        case Change.RENAMED:
            return f"{nick} is now {presence.new_nick}"
        case Change.AWAY | Change.BACK:
            return ""
        case _:
            assert_never(presence.change)


def _turnover_line(turnover: Turnover) -> str:
    """Give the line of a large room. No action looks like it: a nick has no colon in it."""
    counts = (turnover.joined, "joined"), (turnover.left, "left"), (turnover.renamed, "renamed")
    return f"* {turnover.room}: " + ", ".join(f"{count} {what}" for count, what in counts if count)


def names_lines(page: NamesPage) -> list[str]:
    """Give the texts of the notices that show a page of a roster."""
    place = "here" if page.room == LOBBY else f"in {page.room}"
    if not page.nicks:
        return [f"{page.count} {place}, nobody behind that nick"]
    signs = ", @ is an operator" if any(member.operator for member in page.nicks) else ""
    lines = [f"{page.count} {place} (~ is not verified{signs}):"]
    for member in page.nicks:
        sign = ("@" if member.operator else "") + ("" if member.verified else "~")
        name = f"{sign}{member.nick} (away)" if member.away else f"{sign}{member.nick}"
        if len(lines[-1].encode()) + len(name.encode()) > NAMES_LINE_BYTES:
            lines.append("")
        lines[-1] = f"{lines[-1]} {name}".strip()
    if page.more:
        lines.append(f"there are more: /names {page.nicks[-1].nick}")
    return lines


def rooms_lines(page: RoomsPage) -> list[str]:
    """Give the texts of the notices that show a page of the list of rooms."""
    if not page.rooms:
        return ["no rooms to list"]
    lines = [
        f"{line.room} ({line.count}): {line.topic}" if line.topic else f"{line.room} ({line.count})"
        for line in page.rooms
    ]
    if page.more:
        lines.append(f"there are more: /list {page.rooms[-1].room}")
    return lines


def topic_line(room: str, topic: str) -> str:
    """Give the text of the notice that says what `room` is about."""
    return f"the topic of {room}: {topic}" if topic else f"{room} has no topic"


def owned_line(nick: str) -> str:
    """Give the text of the notice that `nick` belongs to who has it."""
    return f"{nick} is yours: nobody else can be called so (/release gives it up)"


def released_line(nick: str) -> str:
    """Give the text of the notice that `nick` belongs to nobody any more."""
    return f"{nick} is not yours any more: anybody may take it when nobody has it"


def link_line(code: str) -> str:
    """Give the text of the notice that says with which code another device comes in."""
    return f"another device of yours can come in as you, once, within ten minutes: udpchat --link {code}"


def told_alone_line(nick: str, *, waiting: bool) -> str:
    """Give the text of the notice that something was said to `nick` alone, or waits for that."""
    return f"{nick} is not here: that waits for {nick}" if waiting else f"said to {nick} alone"
