"""What people read: each thing that happens, and each answer, as lines of text.

Pure functions. They put things as the plain door does, where that has words for them; what the client says
by itself stands between dashes, as no nick can begin. A server is not trusted with a terminal: whatever came
from it is cleaned here once more. Who has shown no key is marked with `~`.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from chat.client.happenings import FirstContact, Happening, Link, LinkChanged
from chat.fields import MOTD_BYTES
from chat.fingerprints import show_fingerprint
from chat.messages import (
    Change,
    Done,
    Entry,
    Fetch,
    Joined,
    Motd,
    NameLine,
    NamesPage,
    Nick,
    Presence,
    Release,
    Reply,
    Request,
    RoomsPage,
    Topic,
    Turnover,
    Welcome,
    is_direct,
)
from chat.messages import (
    Link as LinkRequest,
)
from chat.notices import Notice, Redacted
from chat.orders import Order
from chat.safety import clean_line
from chat.wire.events import Appeared, Happened, OutOfRoom
from chat.wire.lines import (
    link_line,
    mark,
    names_lines,
    notice,
    owned_line,
    released_line,
    render,
    rooms_lines,
    told_alone_line,
    topic_line,
)
from chat.wire.pulse import Health
from chat.wire.sequence import Earlier, Lost, NotKept, Shown

_M = TypeVar("_M", Entry, Presence, NameLine)

NICK_CODES = "NICK_"  # how the codes of refusals begin that another nick would mend
MAX_UTF8 = 4  # bytes of a character: a message that is cut ends so close before its limit
NICK_OWNED = "NICK_OWNED"
MINE = "take another nick; if it is yours, say /link where you use it, and come in here with --link CODE"
WAITING = "said to you alone while you were away:"
TOO_MANY_ROOMS = "TOO_MANY_ROOMS"
CROWDED = "you are in too many rooms: what is said to you alone waits until you /part from one"
LOST_ALONE = "something was lost that was said to you alone"
NOT_KEPT_ALONE = "what was said to you alone before is not kept any more"
LOST = "something was lost here"
NOT_KEPT = "what was said before is not kept any more"
TRYING = "still trying; what you type is kept"
NO_ANSWER = "no answer from the server"


def remark(text: str) -> str:
    """Give the line in which the client itself says `text`."""
    return f"-- {clean_line(text)} --"


def happening_line(happening: Happening, current: str) -> str:
    """Give the line that tells of `happening` to somebody who speaks in the room `current`.

    "" for what is told in another way: as the answer to what was typed, or by `link_text`.
    """
    match happening:
        case Appeared(room, shown):
            return shown_line(room, shown, current)
        case Happened(presence):
            return presence_line(presence, current)
        case Turnover():
            return turnover_line(happening, current)
        case Notice():
            return notice_line(happening, current)
        case Redacted():
            return _placed(render(happening).decode(), happening.room, current)
        case OutOfRoom(room, code, text) if code:
            if is_direct(room):  # or it is ours no more, and another one is
                return remark(CROWDED) if code == TOO_MANY_ROOMS else ""
            return remark(f"you are out of {room}: {text}")
        case FirstContact():
            return remark(contact_text(happening))
        case _:
            return ""


def shown_line(room: str, shown: Shown, current: str) -> str:
    """Give the line of what comes next in a room; "" for what was scrolled back to."""
    match shown:
        case Entry():
            return entry_line(shown, current)
        case Lost():
            return _placed(remark(LOST_ALONE if is_direct(room) else LOST), room, current)
        case NotKept():
            return _placed(remark(NOT_KEPT_ALONE if is_direct(room) else NOT_KEPT), room, current)
        case Earlier():
            return ""


def entry_line(entry: Entry, current: str) -> str:
    """Give the line of one entry."""
    return _placed(render(signed(entry)).decode(), entry.room, current)


def signed(said: _M) -> _M:
    """Give the same with a nick that shows whether a key stands behind it."""
    return said if said.verified else msgspec.structs.replace(said, nick=f"~{said.nick}")


def alone_lines(nick: str, text: str, *, waiting: bool) -> list[str]:
    """Give the lines of what we have said to `nick` alone. Nobody's nick begins as they do."""
    lines = [clean_line(f"-> {nick}: {text}")]
    return [*lines, remark(told_alone_line(nick, waiting=True))] if waiting else lines


def delivered_line(nick: str, text: str) -> str:
    """Give the line that tells that `nick`, who was not here, has read what we said."""
    return remark(f"{nick} has it now: {text}")


def presence_line(presence: Presence, current: str) -> str:
    """Give the line that tells who came, went, has another nick, is away or back."""
    named = signed(presence)
    match presence.change:
        case Change.AWAY:
            line = f"{named.nick} is away"
        case Change.BACK:
            line = f"{named.nick} is back"
        case Change.RENAMED:
            renamed = msgspec.structs.replace(presence, nick=presence.new_nick)
            line = render(msgspec.structs.replace(named, new_nick=signed(renamed).nick)).decode()
        case _:
            line = render(named).decode()
    return _placed(line, presence.room, current)


def turnover_line(turnover: Turnover, current: str) -> str:
    """Give the line that tells how many came to a large room and went."""
    return _placed(render(turnover).decode(), turnover.room, current)


def notice_line(told: Notice, current: str) -> str:
    """Give the line of words of the server, which may be about another room than the current one."""
    return _placed(notice(told.text), told.room or current, current)


def link_text(changed: LinkChanged, before: Link, place: str, nick: str) -> str:
    """Say how the client (as `nick`) and the server at `place` stand with each other; "": no need to."""
    match changed.state:
        case Link.CONNECTING:
            text = f"{changed.reason}: {TRYING}" if changed.reason else ""
        case Link.CONNECTED:
            text = "connected again" if before is Link.SILENT else f"connected to {place} as {nick}"
        case Link.SILENT:
            text = f"{changed.reason or NO_ANSWER}: {TRYING}"
        case Link.CLOSED:
            text = ""  # the end has its own words
    return clean_line(text)


def contact_text(contact: FirstContact) -> str:
    """Say which key a server has that was never met before."""
    key = show_fingerprint(contact.fingerprint)
    return clean_line(f"new server {contact.place}, trusted with its key {key}")


def refusal_text(code: str, text: str) -> str:
    """Say why we were not let in, and what to do about it, where the server cannot know that."""
    if code == NICK_OWNED:
        text = f"{text.partition(':')[0]}: {MINE}"
    return clean_line(text)


def taken_back_line(room: str, text: str) -> str:
    """Give the line that tells of an own text that the server had accepted, and lost."""
    return remark(f"the server has lost what you said in {room}, say it again if you like: {text}")


def answer_lines(request: Request, reply: Reply) -> list[str]:
    """Give the answer to a request as people read it; no line for what the room is told anyway."""
    lines: list[str] = []
    match request, reply:
        case _, Done(result=NamesPage() as page):
            lines = names_lines(page)
        case _, RoomsPage() as page:
            lines = rooms_lines(page)
        case Topic(text=None), Done(result=str() as topic):
            lines = [topic_line(request.room, topic)]
        case Nick(), Done(result=str() as nick):
            lines = [f"you are {nick} now"]
        case Release(), Done(result=str() as nick):
            lines = [released_line(nick)]
        case LinkRequest(), Done(result=str() as code):
            lines = [link_line(code)]
        case Order(), Done(result=str() as told):
            lines = told.splitlines()
        case Motd(), Done(result=str() as motd):
            return motd_lines(motd) or ["there is no message of the day"]
        case _:
            pass
    return [clean_line(line) for line in lines]


def motd_lines(motd: str) -> list[str]:
    """Give the lines of a message of the day."""
    return [clean_line(line) for line in motd.splitlines()]


def welcome_lines(welcome: Welcome) -> list[str]:
    """Give the message of the day as a newcomer sees it: its beginning, if it is long."""
    lines = motd_lines(welcome.motd)
    if len(welcome.motd.encode()) > MOTD_BYTES - MAX_UTF8:
        lines.append("... (/motd shows all of it)")
    return lines


def owned_lines(nick: str) -> list[str]:
    """Give what is told to somebody whose nick has become theirs."""
    return [clean_line(owned_line(nick))]


def joined_lines(joined: Joined) -> list[str]:
    """Give the answer to somebody who has gone into a room."""
    lines = [f"you are in {joined.room}"]
    if joined.topic:
        lines.append(topic_line(joined.room, joined.topic))
    return [clean_line(line) for line in lines]


def parted_lines(room: str, current: str, *, was_in: bool = True) -> list[str]:
    """Give the answer to somebody who has left `room`, or was not in it, and speaks in `current` now.

    "" is in no room.
    """
    left = f"you have left {room}" if was_in else f"you are not in {room}"
    return [f"{left}: you are in {current or 'no room'}"]


def lag_lines(health: Health) -> list[str]:
    """Say how long the way to the server is, and what is lost on it."""
    if health.round_trip is None:
        return ["nobody has measured the way to the server yet"]
    loss = health.repeated / max(health.asked + health.repeated, 1)
    heard = "" if health.heard is None else f", heard {health.heard:.0f} s ago"
    return [f"round trip {health.round_trip * 1000:.0f} ms, loss {loss:.0%}{heard}"]


def earlier_lines(fetch: Fetch, entries: list[Entry]) -> list[str]:
    """Give the answer to somebody who wants to know what was said before; the oldest comes first."""
    nothing = f"nothing older {'was said in that time in' if fetch.age else 'is kept of'} {fetch.room}"
    return [entry_line(entry, fetch.room) for entry in entries] or [nothing]


def before_lines(room: str, entries: list[Entry]) -> list[str]:
    """Give what somebody is shown who comes into a room: what was said last, if anything was."""
    lines = [entry_line(entry, room) for entry in entries]
    return [f"said in {room} before:", *lines] if lines else []


def _placed(line: str, room: str, current: str) -> str:
    return clean_line(line if room == current else mark(line.encode(), room).decode())
