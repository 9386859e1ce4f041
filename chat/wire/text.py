"""The plain door: lines of text to requests, and everything a member is told to lines.

This module never does I/O and never reads a clock. A plain peer is `nc -u`, a shell script or a client of a
few lines; what it may send and what it is told is written out in docs/protocol.md. One rendered line is one
datagram (those clients read 1,024 bytes and print each datagram as it comes).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from typing import assert_never

import msgspec

from chat.commands import Help, help_lines, parse_command
from chat.errors import RemoteProtocolError, RequestRejected
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    TEXT_BYTES,
    Accepted,
    Broadcast,
    Bye,
    Change,
    Done,
    Entry,
    Hello,
    Kind,
    NamesPage,
    Presence,
    Rejected,
    Reply,
    Request,
    Say,
    Welcome,
)
from chat.safety import clean_text, is_blank

# The one refusal of a nick: a client of Chat-socket-UDP compares the whole datagram with it.
NICK_TAKEN = "nama ini sudah diambil"
GOING_DOWN = "server is going down"
EXIT = "exit"
NC_PROBE = b"X"  # nc -uv sends it five times before anything that was typed

LINES_A_DATAGRAM = 256  # a paste of 200 lines passes; more would hold up everybody else's
RAW_LINE = 4_096  # characters of a line before it is cleaned: room for 900 bytes among much that is removed
NAMES_LINE_BYTES = 900
GRACE_SECONDS = 2.0  # after `exit`, in which a late line does not become a nick
REPEAT_SECONDS = 5.0  # in which a newcomer's nick again means that the answer was lost
DORMANT_SECONDS = 86_400.0  # in which a line brings a silent member back under its nick
NOTICE_SECONDS = 1.0  # between two notices of one kind about a peer's mistakes, or they would be an amplifier
COMMANDS_AT_ONCE = 5  # answered in five seconds: a person types no faster, and answers are long
COMMAND_SECONDS = 5.0

# Two servers that forged datagrams introduce to each other must not talk for ever (CVE-2024-2169). What a
# server says by itself, and nobody else: a member that says it is a server, and is put out. Every newcomer is
# told that it has joined, so that ends such a talk where it begins.
_SERVER_TALK = re.compile(rf"-!- .*|{NICK_TAKEN}|{GOING_DOWN}|\S{{1,64}} has (joined|left) the chat")
# And with what it relays, everything that it sends. A stranger's line of this form gets no answer.
_OWN_VOICE = re.compile(rf"{_SERVER_TALK.pattern}|\* .*|.{{1,64}}: .*|.{{1,64}} has (joined|left) the chat")


def is_own_voice(line: str) -> bool:
    """Say whether `line` is of a form that a server sends by itself."""
    return _OWN_VOICE.fullmatch(line) is not None


def notice(text: str) -> str:
    """Give the line in which the server says `text` to one member. No nick can look like it."""
    return f"-!- {text}"


def joined_line(nick: str) -> str:
    """Give the line that tells of a newcomer, and tells it that it is in."""
    return f"{nick} has joined the chat"


def render(message: Broadcast) -> bytes:
    """Give the line that tells a room of `message`: once for all its plain members, without a line end."""
    match message:
        case Entry(kind=Kind.SAY):
            line = f"{message.nick}: {message.text}"
        case Entry():
            line = f"* {message.nick} {message.text}"
        case Presence(change=Change.JOINED):
            line = joined_line(message.nick)
        case Presence():
            line = f"{message.nick} has left the chat"
        case _:
            assert_never(message)
    return line.encode()


class State(Enum):
    """Where a plain peer stands."""

    STRANGER = auto()  # its next line is its nick
    ENTERING = auto()  # the nick is asked for
    MEMBER = auto()
    DORMANT = auto()  # silent for too long: out, but its next line brings it back
    LEFT = auto()  # said `exit`


# What moves a session where. A pair that is not here is a bug of ours and raises KeyError.
NEXT = {
    (State.STRANGER, "nick"): State.ENTERING,
    (State.ENTERING, "welcome"): State.MEMBER,
    (State.ENTERING, "refused"): State.STRANGER,
    (State.ENTERING, "exit"): State.LEFT,
    (State.ENTERING, "silence"): State.DORMANT,
    (State.MEMBER, "exit"): State.LEFT,
    (State.MEMBER, "silence"): State.DORMANT,
    (State.DORMANT, "line"): State.ENTERING,
    (State.DORMANT, "exit"): State.LEFT,
    (State.DORMANT, "forgotten"): State.STRANGER,
    # one datagram may hold a whole visit: it is read to its `exit` before the nick in it is answered
    (State.LEFT, "welcome"): State.LEFT,
    (State.LEFT, "refused"): State.STRANGER,
    (State.LEFT, "forgotten"): State.STRANGER,
}


class TextSession:
    """One plain peer's side of the conversation, as the server keeps it.

    `client` names the peer in requests; `idle_timeout` is in seconds. Whoever owns the session passes in
    datagrams and the time, and sends what `datagrams_to_send` gives.
    """

    def __init__(self, client: bytes, idle_timeout: float) -> None:
        self.client = client
        self.state = State.STRANGER
        self.line_end = b""  # b"\n" once the peer has sent one: nc needs it, and old clients would show it
        self._idle_timeout = idle_timeout
        self._asked = ""  # the nick as it was typed
        self._nick = ""  # and as it was given
        self._since = 0.0  # when the present state began
        self._heard = 0.0
        self._id = 0
        self._n = 0
        self._noticed: dict[str, float] = {}  # when each kind of mistake was last told: half a dozen kinds
        self._asked_at: deque[float] = deque(maxlen=COMMANDS_AT_ONCE)
        self._outgoing: list[bytes] = []

    def receive_datagram(self, datagram: bytes, now: float) -> list[Request]:
        """Give what the peer asks for, in order.

        Raises `RemoteProtocolError` for what is not UTF-8 (a member has then been told).
        """
        if self.state is State.LEFT or (datagram == NC_PROBE and self.state is State.STRANGER):
            return []
        if datagram.endswith(b"\n"):
            self.line_end = b"\n"
        try:
            text = datagram.decode()
        except UnicodeDecodeError as error:
            self._complain("NOT_UTF8", "that was not UTF-8: nothing of it was passed on", now)
            raise RemoteProtocolError(f"not UTF-8 at byte {error.start}") from None
        requests: list[Request] = []
        lines = text.split("\n", LINES_A_DATAGRAM)
        for raw in lines[:LINES_A_DATAGRAM]:
            if len(raw) > RAW_LINE:
                self._complain("TEXT_TOO_LONG", f"a line was too long: at most {TEXT_BYTES} bytes", now)
                continue
            line = clean_text(raw)
            if not is_blank(line):
                requests += self._line(line, now)
        if len(lines) > LINES_A_DATAGRAM and not lines[-1].isspace() and lines[-1]:
            text = f"at most {LINES_A_DATAGRAM} lines at once: the rest was not passed on"
            self._complain("TOO_MANY_LINES", text, now)
        return requests

    def send(self, message: Reply, now: float) -> None:
        """Queue what a reply looks like in plain text; some say nothing a plain peer needs to hear."""
        match message:
            case Welcome():
                self._nick = message.nick
                self._go("welcome", now)
                self._tell(message.motd.splitlines())
            case Rejected(id=0):
                self._refuse(message, now)
            case Rejected():
                self._tell([message.text])
            case Done():
                self._tell(_result_lines(message.result))
            case Bye():
                self._queue(message.reason)
            case Accepted():
                pass  # the line itself comes back
            case _:
                assert_never(message)

    def datagrams_to_send(self, now: float) -> list[bytes]:  # noqa: ARG002  (one of the five verbs)
        """Give the datagrams that are due, and forget them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: the session can be forgotten."""
        match self.state:
            case State.ENTERING | State.MEMBER:
                return self._heard + self._idle_timeout
            case State.DORMANT:
                return self._since + DORMANT_SECONDS
            case State.LEFT:
                return self._since + GRACE_SECONDS
            case State.STRANGER:
                return None
            case _:
                assert_never(self.state)

    def handle_timeout(self, now: float) -> list[Request]:
        """Do what is due: a silent member is told and leaves; what has lasted long enough is forgotten."""
        deadline = self.next_timeout()
        if deadline is None or now < deadline:
            return []
        if self.state in (State.DORMANT, State.LEFT):
            self._go("forgotten", now)
            return []
        self._tell([f"you were silent for {self._idle_timeout:.0f} s and left: say something to come back"])
        self._go("silence", now)
        return [Bye(f"silent for {self._idle_timeout:.0f} s")]

    # --- a line

    def _line(self, line: str, now: float) -> list[Request]:
        self._heard = now
        if line.strip() == EXIT:
            return self._exit(now)
        match self.state:
            case State.STRANGER:
                return self._enter(line, now)
            case State.DORMANT:
                if _SERVER_TALK.fullmatch(line):
                    return []
                self._go("line", now)
                said = [] if line in (self._asked, self._nick) else self._member_line(line, now)
                return [self._hello(self._nick), *said]
            case State.MEMBER | State.ENTERING:
                if line in (self._asked, self._nick) and now - self._since < REPEAT_SECONDS:
                    self._queue(joined_line(self._nick))  # the first answer was lost
                    return []
                return self._member_line(line, now)
            case State.LEFT:
                return []
            case _:
                assert_never(self.state)

    def _enter(self, line: str, now: float) -> list[Request]:
        if is_own_voice(line):
            return []
        self._asked = self._nick = line
        self._go("nick", now)
        return [self._hello(line)]

    def _exit(self, now: float) -> list[Request]:
        if self.state in (State.STRANGER, State.LEFT):
            return []
        goodbye: list[Request] = [] if self.state is State.DORMANT else [Bye(EXIT)]
        self._go("exit", now)
        return goodbye

    def _member_line(self, line: str, now: float) -> list[Request]:
        if _SERVER_TALK.fullmatch(line):
            self._tell(
                ["you have left: only servers say such a line, and servers must not talk to each other"]
            )
            self._go("exit", now)
            return [Bye("talks like a server")]
        try:
            if not line.startswith("/"):
                return [self._say(Kind.SAY, line)]
            if line.startswith("//"):
                return [self._say(Kind.SAY, line[1:])]
            return self._command(line, now)
        except RequestRejected as refusal:
            self._complain(refusal.code, refusal.text, now)
            return []

    def _command(self, line: str, now: float) -> list[Request]:
        asked = parse_command(line)
        if isinstance(asked, Bye):
            return self._exit(now)
        if isinstance(asked, Say):
            return [self._say(asked.kind, asked.text)]
        if len(self._asked_at) == COMMANDS_AT_ONCE and now - self._asked_at[0] < COMMAND_SECONDS:
            raise RequestRejected("BUSY", "too many commands at once: wait a moment", COMMAND_SECONDS)
        self._asked_at.append(now)
        if isinstance(asked, Help):
            self._tell(help_lines(asked.topic))
            return []
        self._id += 1
        return [msgspec.structs.replace(asked, id=self._id)]

    def _say(self, kind: Kind, text: str) -> Say:
        size = len(text.encode())
        if size > TEXT_BYTES:
            raise RequestRejected(
                "TEXT_TOO_LONG", f"that line has {size} bytes: at most {TEXT_BYTES} are passed on"
            )
        self._id += 1
        self._n += 1
        return Say(self._id, self._n, LOBBY, kind, text)

    def _hello(self, nick: str) -> Hello:
        return Hello(PROTOCOL_VERSION, self.client, nick)

    # --- what the peer is told

    def _refuse(self, refusal: Rejected, now: float) -> None:
        self._go("refused", now)
        self._outgoing.clear()  # whatever the rest of its datagram called for: one answer and nothing more
        if refusal.code.startswith("NICK"):
            self._outgoing.append(NICK_TAKEN.encode())  # to the letter: never with a line end
        else:
            self._tell([refusal.text])

    def _complain(self, code: str, text: str, now: float) -> None:
        """Tell a member of its mistake, and say each kind of it once a second at most."""
        last = self._noticed.get(code, float("-inf"))
        if self.state is not State.STRANGER and now - last >= NOTICE_SECONDS:
            self._noticed[code] = now
            self._tell([text])

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._queue(notice(line))

    def _queue(self, line: str) -> None:
        self._outgoing.append(line.encode() + self.line_end)

    def _go(self, event: str, now: float) -> None:
        self.state = NEXT[self.state, event]
        self._since = now


def _result_lines(result: NamesPage | str) -> list[str]:
    if isinstance(result, NamesPage):
        return _names_lines(result)
    return result.splitlines() or ["there is no message of the day"]


def _names_lines(page: NamesPage) -> list[str]:
    lines = [f"{page.count} here (~ is not verified):"]
    for nick, verified in page.nicks:
        name = nick if verified else f"~{nick}"
        if len(lines[-1].encode()) + len(name.encode()) > NAMES_LINE_BYTES:
            lines.append("")
        lines[-1] = f"{lines[-1]} {name}".strip()
    if page.more:
        lines.append(f"there are more: /names {page.nicks[-1][0]}")
    return lines
