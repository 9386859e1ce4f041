"""Plain text: lines to requests, and everything a member is told to lines.

This module never does I/O and never reads a clock. Who speaks it is `nc -u`, a shell script, a client of a
few lines, or the same inside DTLS (`openssl s_client`, "sealed"); what it may send and what it is told is
written out in docs/protocol.md. One rendered line is one datagram (those clients read 1,024 bytes and print
each datagram as it comes).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, assert_never

import msgspec

from chat.commands import Help, check_current, help_lines, is_for, parse_command
from chat.errors import RemoteProtocolError, RequestRejected
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    TEXT_BYTES,
    Accepted,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Motd,
    NamesPage,
    Nick,
    Part,
    Pong,
    Rejected,
    Reply,
    Request,
    RoomsPage,
    Say,
    Topic,
    Welcome,
)
from chat.safety import clean_text, is_blank
from chat.wire.lines import (
    EXIT,
    NICK_TAKEN,
    is_own_voice,
    is_server_talk,
    joined_line,
    mark,
    names_lines,
    notice,
    render,
    rooms_lines,
    topic_line,
)
from chat.wire.places import Places
from chat.wire.visit import ENTER_SECONDS, State, Visit

NC_PROBE = b"X"  # nc -uv sends it five times before anything that was typed

LINES_A_DATAGRAM = 256  # a paste of 200 lines passes; more would hold up everybody else's
RAW_LINE = 4_096  # characters of a line before it is cleaned: room for 900 bytes among much that is removed
REPEAT_SECONDS = 5.0  # in which a newcomer's nick again means that the answer was lost
NOTICE_SECONDS = 1.0  # between two notices of one kind about a peer's mistakes, or they would be an amplifier
COMMANDS_AT_ONCE = 5  # answered in five seconds: a person types no faster, and answers are long
COMMAND_SECONDS = 5.0
ASKED = 64  # requests whose answers are told apart: as many as wait in the hub for one member


class _Asked(NamedTuple):
    """A request without a reply, and the place that its room had among the peer's (None: it had none)."""

    request: Request
    place: int | None


class TextSession:
    """One text peer's side of the conversation, as the server keeps it.

    `member` names the peer in requests; `idle_timeout` is in seconds; `sealed_at` is now for a peer behind a
    channel: whom it is from is proved then, so none of the rules against forged datagrams is for it. Whoever
    owns the session passes in datagrams and the time, and sends what `datagrams_to_send` gives. What all of a
    room are told does not go through here: it is one line for all who have the same `line_end`, with a mark
    for those whose `room` is another. Both can change with each datagram and each reply.
    """

    def __init__(self, member: bytes, idle_timeout: float, sealed_at: float | None = None) -> None:
        self.member = member
        self.line_end = b""  # b"\n" once the peer has sent one: nc needs it, and old clients would show it
        self._idle_timeout = idle_timeout
        self._asked = ""  # the nick as it was typed
        self._nick = ""  # and as it was given
        self._visit = Visit(idle_timeout, sealed_at)
        self._id = 0
        self._n = 0
        self._places = Places()
        self._motd = ""  # until the joined line is out: a newcomer gets that first
        self._waiting: dict[int, _Asked] = {}  # by id, at most ASKED
        self._recalled: set[str] = set()  # rooms of which entries came since the last answer to `/history`
        self._is_misplaced = False  # a /join was refused: what follows it was not meant for this room
        self._noticed: dict[str, float] = {}  # when each kind of mistake was last told: half a dozen kinds
        self._asked_at: deque[float] = deque(maxlen=COMMANDS_AT_ONCE)
        self._outgoing: list[bytes] = []

    @property
    def state(self) -> State:
        """Say where the peer stands."""
        return self._visit.state

    @property
    def room(self) -> str:
        """Name the room whose lines the peer gets without a mark; "": it is in none.

        That is the one that it speaks in; for a newcomer first the one that it comes in by, whatever else its
        datagram holds: its joined line is never marked.
        """
        return self._places.entrance or self._places.current

    def receive_datagram(self, datagram: bytes, now: float) -> list[Request]:
        """Give what the peer asks for, in order.

        Raises `RemoteProtocolError` for what is not UTF-8 (a member has then been told).
        """
        is_probe = datagram == NC_PROBE and self.state is State.STRANGER and not self._visit.is_sealed
        if self.state is State.LEFT or is_probe:
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
        self._is_misplaced = False
        for raw in lines[:LINES_A_DATAGRAM]:
            if self._is_misplaced and not is_blank(raw):
                self._complain("MISPLACED", "the rest was not said: it was meant for another room", now)
                return requests
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

    def send(self, message: Reply | Entry, now: float) -> None:
        """Queue what a reply looks like in plain text; some say nothing a plain peer needs to hear.

        An entry is one that the peer has asked for; what is said now comes to all of a room at once.
        """
        match message:
            case Welcome():
                self._nick = message.nick
                self._motd = message.motd
                self._visit.go("welcome", now)
            case Rejected():
                self._rejected(message, now)
            case Joined():
                self._joined(message)
            case Done():
                self._done(message)
            case RoomsPage():
                self._waiting.pop(message.id, None)
                self._tell(rooms_lines(message))
            case Entry():
                self._recall(message)
            case Fetched():
                self._recalled_all(message)
            case Bye():
                self._queue(message.reason)
            case Accepted() | Pong() | Delivered():
                pass  # the line itself comes back; who speaks plain text has no way to ping
            case _:
                assert_never(message)

    def datagrams_to_send(self, now: float) -> list[bytes]:  # noqa: ARG002  (one of the five verbs)
        """Give the datagrams that are due, and forget them. A newcomer gets its joined line before them."""
        if self._places.entrance:
            return []
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: the session can be forgotten."""
        return self._visit.next_timeout()

    def handle_timeout(self, now: float) -> list[Request]:
        """Do what is due: a silent member is told and leaves; what has lasted long enough is forgotten."""
        deadline = self.next_timeout()
        if deadline is None or now < deadline:
            return []
        if self.state in (State.OUT, State.LEFT):
            self._visit.go("forgotten", now)
            return []
        if self.state is State.STRANGER:
            self._tell([f"you did not come in within {ENTER_SECONDS:.0f} s"])
            self._visit.go("silence", now)
            return []
        hint = "" if self._visit.is_sealed else ": say something to come back"
        self._tell([f"you were silent for {self._idle_timeout:.0f} s and left{hint}"])
        self._places.entrance = ""
        self._visit.go("silence", now)
        return [Bye(f"silent for {self._idle_timeout:.0f} s")]

    # --- a line

    def _line(self, line: str, now: float) -> list[Request]:
        if self._visit.is_over:
            return []
        self._visit.heard = now
        if line.strip() == EXIT:
            return self._exit(now)
        match self.state:
            case State.STRANGER:
                return self._enter(line, now)
            case State.OUT:
                if is_server_talk(line):
                    return []
                self._visit.go("line", now)
                return self._return(line, now)
            case State.MEMBER | State.ENTERING:
                if line in (self._asked, self._nick) and now - self._visit.since < REPEAT_SECONDS:
                    self._queue(joined_line(self._nick))  # the first answer was lost
                    return []
                return self._member_line(line, now)
            case State.LEFT:
                return []
            case _:
                assert_never(self.state)

    def _enter(self, line: str, now: float) -> list[Request]:
        if is_own_voice(line) and not self._visit.is_sealed:
            return []
        self._asked = self._nick = line
        self._visit.go("nick", now)
        return self._hello(LOBBY)

    def _return(self, line: str, now: float) -> list[Request]:
        requests = self._hello(self.room or LOBBY)
        if line not in (self._asked, self._nick):
            requests += self._member_line(line, now)
        return [] if self.state is State.LEFT else requests  # who comes back to say /quit need not come

    def _exit(self, now: float) -> list[Request]:
        if self.state is State.LEFT or (self.state is State.STRANGER and not self._visit.is_sealed):
            return []
        is_in = self.state in (State.ENTERING, State.MEMBER)
        self._visit.go("exit", now)
        return [Bye(EXIT)] if is_in else []

    def _member_line(self, line: str, now: float) -> list[Request]:
        if is_server_talk(line) and not self._visit.is_sealed:
            self._tell(
                ["you have left: only servers say such a line, and servers must not talk to each other"]
            )
            self._visit.go("exit", now)
            return [Bye("talks like a server")]
        try:
            if not line.startswith("/"):
                return [self._say(Kind.SAY, line)]
            if line.startswith("//"):
                return [self._say(Kind.SAY, line[1:])]
            return self._command(line, now)
        except RequestRejected as refusal:
            self._complain(refusal.code, refusal.text, now)
            self._is_misplaced = is_for(line, "join")
            return []

    def _command(self, line: str, now: float) -> list[Request]:
        asked = parse_command(line, self._places.current)
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
        return [self._ask(asked)]

    def _say(self, kind: Kind, text: str) -> Say:
        size = len(text.encode())
        if size > TEXT_BYTES:
            raise RequestRejected(
                "TEXT_TOO_LONG", f"that line has {size} bytes: at most {TEXT_BYTES} are passed on"
            )
        room = check_current(self._places.current)
        self._id += 1
        self._n += 1
        return Say(self._id, self._n, room, kind, text)

    def _hello(self, room: str) -> list[Request]:
        """Begin anew, in one room: nobody answers what was asked before."""
        self._places.begin(room)
        self._waiting.clear()
        return [Hello(PLAIN_VERSION, self.member, self._nick), self._ask(Join(0, room))]

    def _ask(self, request: Request) -> Request:
        place = self._places.move(request) if isinstance(request, Join | Part) else None
        self._id += 1
        asked = msgspec.structs.replace(request, id=self._id)
        self._waiting[self._id] = _Asked(asked, place)
        if len(self._waiting) > ASKED:
            del self._waiting[next(iter(self._waiting))]
        return asked

    def _undo(self, request_id: int) -> None:
        asked = self._waiting.pop(request_id, None)
        if asked is not None and isinstance(asked.request, Join | Part):
            self._places.undo(asked.request, asked.place)

    # --- what the peer is told

    def _refuse(self, refusal: Rejected, now: float) -> None:
        self._visit.go("refused", now)
        self._places.entrance = ""
        self._outgoing.clear()  # whatever the rest of its datagram called for: one answer and nothing more
        if refusal.code.startswith("NICK"):
            # To the letter, never with a line end: a client compares the datagram. In a channel none does,
            # and there it would be one line with the next.
            self._outgoing.append(NICK_TAKEN.encode() + (self.line_end if self._visit.is_sealed else b""))
        else:
            self._tell([refusal.text])

    def _rejected(self, refusal: Rejected, now: float) -> None:
        if not refusal.id:
            self._refuse(refusal, now)
            return
        self._undo(refusal.id)
        self._places.entrance = ""
        self._tell_motd()
        self._tell([refusal.text])

    def _recall(self, entry: Entry) -> None:
        self._recalled.add(entry.room)
        line = render(entry)
        self._put(line if entry.room == self.room else mark(line, entry.room))

    def _recalled_all(self, fetched: Fetched) -> None:
        self._waiting.pop(fetched.id, None)
        if fetched.room not in self._recalled:
            self._tell([f"nothing has been said in {fetched.room}"])
        self._recalled.discard(fetched.room)

    def _joined(self, joined: Joined) -> None:
        asked = self._waiting.pop(joined.id, None)
        self._places.entrance = ""
        self._tell_motd()
        if asked is not None and asked.place is not None:  # it was in: nobody is told of it
            self._tell([f"you are in {joined.room}"])
        if joined.topic:
            self._tell([topic_line(joined.room, joined.topic)])

    def _done(self, done: Done) -> None:
        asked = self._waiting.pop(done.id, None)
        request, result = None if asked is None else asked.request, done.result
        if isinstance(result, NamesPage):
            self._tell(names_lines(result))
            return
        match request:
            case Nick():
                self._renamed(result)
            case Part():
                current = self._places.current
                place = f"you are in {current}" if current else "you are in no room"
                was_in = asked is not None and asked.place is not None
                left = f"you have left {request.room}" if was_in else f"you are not in {request.room}"
                self._tell([f"{left}: {place}"])
            case Topic(text=None):
                self._tell([topic_line(request.room, result)])
            case Motd():
                self._tell(result.splitlines() or ["there is no message of the day"])
            case _:
                pass  # a new topic is told to the room; or nobody waits for this any more

    def _renamed(self, nick: str) -> None:
        if nick == self._nick:
            self._tell([f"you are {nick} already"])
        elif not self._places.current:  # where nobody is told of it
            self._tell([f"you are {nick} now"])
        self._asked = self._nick = nick

    def _complain(self, code: str, text: str, now: float) -> None:
        """Tell a member of its mistake, and say each kind of it once a second at most."""
        last = self._noticed.get(code, float("-inf"))
        if self.state is not State.STRANGER and now - last >= NOTICE_SECONDS:
            self._noticed[code] = now
            self._tell([text])

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._queue(notice(line))

    def _tell_motd(self) -> None:
        motd, self._motd = self._motd, ""
        self._tell(motd.splitlines())

    def _queue(self, line: str) -> None:
        self._put(line.encode())

    def _put(self, line: bytes) -> None:
        self._outgoing.append(line + self.line_end)
