"""Plain text: lines to requests, and everything a member is told to lines.

This module never does I/O and never reads a clock. Who speaks it is `nc -u`, a shell script, a client of a
few lines, or the same inside DTLS (`openssl s_client`, "sealed"); what it may send and what it is told is
written out in docs/protocol.md. One rendered line is one datagram (those clients read 1,024 bytes and print
each datagram as it comes).
"""

from __future__ import annotations

from typing import assert_never

from chat.commands import Asker, is_for, parse_command
from chat.errors import RemoteProtocolError, RequestRejected
from chat.fields import MEMBER_ROOMS, TEXT_BYTES
from chat.limits import SLOWED
from chat.local import Local, SayBack
from chat.memos import Lodging, Seat
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Accepted,
    Broadcast,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Nick,
    Part,
    Pong,
    Presence,
    Rejected,
    Reply,
    Request,
    RoomsPage,
    Say,
    Welcome,
)
from chat.notices import Notice, Out
from chat.safety import clean_text, is_blank
from chat.typed import check_current
from chat.wire.affairs import Affairs
from chat.wire.asking import TOLD_BUSY, Asking
from chat.wire.ignored import Ignored
from chat.wire.lines import (
    EXIT,
    NICK_TAKEN,
    is_own_voice,
    is_server_talk,
    joined_line,
    out_line,
    rooms_lines,
)
from chat.wire.places import Places
from chat.wire.told import Told
from chat.wire.visit import ENTER_SECONDS, State, Visit

NC_PROBE = b"X"  # nc -uv sends it five times before anything that was typed

LINES_A_DATAGRAM = 256  # a paste of 200 lines passes; more would hold up everybody else's
RAW_LINE = 4_096  # characters of a line before it is cleaned: room for 900 bytes among much that is removed
REPEAT_SECONDS = 5.0  # in which a newcomer's nick again means that the answer was lost
CONFIRM_SECONDS = 1.0  # between two answers to that: a datagram may hold it often, from a forged address


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
        self._idle_timeout = idle_timeout
        self._asked = ""  # the nick as it was typed
        self._nick = ""  # and as it was given
        self._visit = Visit(idle_timeout, sealed_at)
        self._places = Places()
        self._affairs = Affairs(self._places, Asker())
        self._asking = Asking()
        self._told = Told()
        self._confirmed = float("-inf")  # when it was told last, once more, that it is in
        self._is_misplaced = False  # a /join was refused: what follows it was not meant for this room

    @property
    def state(self) -> State:
        """Say where the peer stands."""
        return self._visit.state

    @property
    def line_end(self) -> bytes:
        """Give what stands behind each line: b"\\n" once the peer has sent one.

        `nc` needs it, and old clients would show it.
        """
        return self._told.line_end

    @line_end.setter
    def line_end(self, line_end: bytes) -> None:
        self._told.line_end = line_end

    @property
    def room(self) -> str:
        """Name the room whose lines the peer gets without a mark; "": it is in none.

        That is the one that it speaks in; for a newcomer first the one that it comes in by, whatever else its
        datagram holds: its joined line is never marked.
        """
        return self._places.entrance or self._places.current

    @property
    def ignored(self) -> Ignored:
        """Say whom the peer does not hear."""
        return self._affairs.ignored

    @property
    def heard(self) -> float:
        """Give the time at which a line of the peer came last."""
        return self._visit.heard

    @property
    def habits(self) -> tuple[bytes, str, str, tuple[str, ...]]:
        """Give line end, nick as it was typed, room that it speaks in, and whom it ignores: see `Lodging`."""
        return self.line_end, self._asked, self._places.current, self.ignored.nicks

    def resume(self, seat: Seat, lodging: Lodging, heard: float, number: int) -> list[Request]:
        """Go on, as a new session, where the one before a restart was; give what is to be asked again.

        That is a room it had asked to be let into. `heard` is by the clock of now; `number` is above those of
        all its texts.
        """
        self.line_end, self._asked, self._nick = lodging.line_end, lodging.asked, seat.nick
        self._asking.go_on(number)
        self._visit.resume(heard)
        self._places.resume(seat.rooms, lodging.room)
        self._affairs.ignored = Ignored(lodging.ignored)
        is_short = lodging.room not in ("", *seat.rooms) and len(seat.rooms) < MEMBER_ROOMS
        return [self._ask(Join(0, lodging.room))] if is_short else []

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

        An entry is one that the peer has asked for, or one that was said to it alone; what is said in a room
        now comes to all of that at once.
        """
        match message:
            case Welcome():
                self._welcome(message, now)
            case Rejected():
                self._rejected(message, now)
            case Joined():
                asked = self._asking.answered(message.id)
                self._places.entrance = ""
                self._told.joined(message, was_in=asked is not None and asked.place is not None)
            case Accepted():
                self._told.accepted(self._asking.accepted(message.id), waiting=message.waiting)
            case Done() | Fetched() | RoomsPage():
                self._answered(message)
            case Entry():
                self._told.entry(message, self.room, is_hidden=not self._affairs.takes(message))
            case Bye():
                self._told.put(message.reason.encode())
            case Notice() | Out():
                self._announced(message)
            case Pong() | Delivered():
                pass  # who speaks plain text has no way to ping, and was told where its text is
            case _:
                assert_never(message)

    def takes(self, message: Broadcast, key: str) -> bool:
        """Take note of what the peer's room, or it alone, is told; say whether the peer is told of it.

        That is asked for those who ignore somebody, and for what is said to one alone; `key` is that of the
        nick which it is about.
        """
        match message:
            case Entry():
                return self._affairs.takes(message, key)
            case Presence():
                self.ignored.follow(message)
                return True
            case _:
                return True

    def put_out(self, now: float) -> None:
        """Learn that the peer is out of the chat, by no will of its own: it is a stranger in a moment."""
        if self.state in (State.ENTERING, State.MEMBER):
            self._places.entrance = ""
            self._visit.go("exit", now)

    def datagrams_to_send(self, now: float) -> list[bytes]:  # noqa: ARG002  (one of the five verbs)
        """Give the datagrams that are due, and forget them. A newcomer gets its joined line before them."""
        if self._places.entrance:
            return []
        return self._told.take()

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
            self._told.notices([f"you did not come in within {ENTER_SECONDS:.0f} s"])
            self._visit.go("silence", now)
            return []
        hint = "" if self._visit.is_sealed else ": say something to come back"
        self._told.notices([f"you were silent for {self._idle_timeout:.0f} s and left{hint}"])
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
                    if now >= self._confirmed + CONFIRM_SECONDS:  # the first answer was lost
                        self._confirmed = now
                        self._told.put(joined_line(self._nick).encode())
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
            self._told.notices(
                ["you have left: only servers say such a line, and servers must not talk to each other"]
            )
            self._visit.go("exit", now)
            return [Bye("talks like a server")]
        try:
            if not line.startswith("/"):
                return [self._say(line)]
            if line.startswith("//"):
                return [self._say(line[1:])]
            return self._command(line, now)
        except RequestRejected as refusal:
            if refusal.code != TOLD_BUSY:
                self._complain(refusal.code, refusal.text, now)
            self._is_misplaced = is_for(line, "join") or is_for(line, "switch")
            return []

    def _command(self, line: str, now: float) -> list[Request]:
        asked = parse_command(line, self._places.current)
        if isinstance(asked, Bye):
            return self._exit(now)
        if isinstance(asked, SayBack):
            asked = self._affairs.say_back(asked)
        if isinstance(asked, Say):
            return [self._asking.say(asked.room, asked.kind, asked.text)]
        self._asking.take_turn(now)
        if isinstance(asked, Local):
            self._told.notices(self._affairs.do(asked, self._nick))
            return []
        return [self._ask(asked)]

    def _say(self, text: str) -> Say:
        return self._asking.say(check_current(self._places.current), Kind.SAY, text)

    def _hello(self, room: str) -> list[Request]:
        """Begin anew, in one room: nobody answers what was asked before."""
        self._places.begin(room)
        self._asking.forget()
        return [Hello(PLAIN_VERSION, self.member, self._nick), self._ask(Join(0, room))]

    def _ask(self, request: Request) -> Request:
        place = self._places.move(request) if isinstance(request, Join | Part) else None
        return self._asking.ask(request, place)

    # --- replies

    def _refuse(self, refusal: Rejected, now: float) -> None:
        self._visit.go("refused", now)
        self._places.entrance = ""
        self._told.take()  # whatever the rest of its datagram called for: one answer and nothing more
        if refusal.code.startswith("NICK"):
            # To the letter, never with a line end: a client compares the datagram. In a channel none does,
            # and there it would be one line with the next.
            self._told.put(NICK_TAKEN.encode(), None if self._visit.is_sealed else b"")
        else:
            self._told.notices([refusal.text])

    def _welcome(self, welcome: Welcome, now: float) -> None:
        self._nick = welcome.nick
        self._affairs.asker = Asker(has_key=bool(welcome.direct), is_operator=welcome.is_operator)
        if self.state is not State.MEMBER:  # else only what it may has changed
            self._told.welcome(welcome)
            self._visit.go("welcome", now)

    def _rejected(self, refusal: Rejected, now: float) -> None:
        if not refusal.id:
            self._refuse(refusal, now)
            return
        if refusal.code == SLOWED:  # which settles nothing: what was asked is answered later
            self._told.notices([refusal.text])
            return
        asked = self._asking.answered(refusal.id)
        if asked is not None and isinstance(asked.request, Join | Part):
            self._places.undo(asked.request, asked.place)
        self._places.entrance = ""
        self._told.notices([refusal.text])

    def _answered(self, reply: Done | Fetched | RoomsPage) -> None:
        asked = self._asking.answered(reply.id)
        match reply:
            case Fetched():
                self._told.fetched(reply, asked)
            case RoomsPage():
                self._told.notices(rooms_lines(reply))
            case Done(result=str(nick)) if asked is not None and isinstance(asked.request, Nick):
                self._renamed(nick)
            case Done():
                self._told.done(reply.result, asked, self._places.current)
            case _:
                assert_never(reply)

    def _announced(self, message: Notice | Out) -> None:
        if isinstance(message, Out):
            self._places.move(Part(0, message.room))
            message = Notice(out_line(message))
        self._told.notice(message, self.room)

    def _renamed(self, nick: str) -> None:
        if nick == self._nick:
            self._told.notices([f"you are {nick} already"])
        elif not self._places.current:  # where nobody is told of it
            self._told.notices([f"you are {nick} now"])
        self._asked = self._nick = nick

    def _complain(self, code: str, text: str, now: float) -> None:
        """Tell a member of its mistake."""
        if self.state is not State.STRANGER:
            self._told.mistake(code, text, now)
