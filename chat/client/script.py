"""Script mode: the lines of standard input are said or asked, and the exit code says what became of them.

Answers go to standard output, problems to standard error, a line each. A line counts as accepted when the
server has stored it; one that has no answer within ten seconds is told, once, whatever becomes of it later.
A server that says that we are too fast has answered: the lines are said again when it wants them.
A command waits for the lines before it, and those behind it wait for its answer.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from chat.client import json_lines, show
from chat.client.happenings import Abandoned, FirstContact, Happening, Link, LinkChanged
from chat.client.loop import EXIT_FAILED, EXIT_OK, EXIT_SIGNAL
from chat.client.plain import says_goodbye
from chat.client.protocol import ChatClient
from chat.client.standard import InputLines, StandardInput, StandardOutput, read_line
from chat.client.visit import Answer, Destination, Outcome, Stored, Visit, is_text
from chat.commands import is_for
from chat.errors import RequestRejected
from chat.limits import TOO_FAST
from chat.messages import DIRECT, Delivered, is_direct
from chat.wire.events import Offered, OutOfRoom, PutOff

ANSWER_SECONDS = 10.0  # for a line, and for being let in: whoever started the script wants to know by then
OPEN_LINES = 64  # without an outcome; then input is left where it is
_ANSWER = f"{ANSWER_SECONDS:.0f} s"


class PeoplesLines:
    """What a script prints for people: answers, and with `is_following` what is said."""

    def __init__(self, write: Callable[[str], None], visit: Visit, *, is_following: bool) -> None:
        self._write = write
        self._visit = visit
        self._is_following = is_following

    def happened(self, happening: Happening) -> None:
        """Print what is said, and who comes and goes."""
        is_told = not (self._visit.hides(happening) or self._visit.answers(happening))
        is_told = is_told and not isinstance(happening, FirstContact)
        if self._is_following and is_told:
            if self._visit.is_first_unread(happening):
                self._write(show.remark(show.WAITING))
            line = show.happening_line(happening, self._visit.room)
            if line:
                self._write(line)

    def settled(self, number: int, outcome: Outcome) -> None:  # noqa: ARG002  (programs want the number)
        """Print the answer to a command, or what was said to one person: no room shows that."""
        lines: list[str] = []
        if isinstance(outcome, Answer):
            lines = outcome.lines
        elif self._is_following and is_direct(outcome.room):
            lines = show.alone_lines(outcome.room.removeprefix(DIRECT), outcome.text, waiting=outcome.waiting)
        for line in lines:
            self._write(line)

    def delivered(self, number: int, stored: Stored) -> None:  # noqa: ARG002  (programs want the number)
        """Print that what waited for somebody has arrived."""
        if self._is_following and stored.waiting:
            self._write(show.delivered_line(stored.room.removeprefix(DIRECT), stored.text))

    def rejected(self, number: int, room: str, refusal: RequestRejected) -> None:
        """Print nothing: problems stand on standard error."""

    def taken_back(self, number: int, offered: Offered) -> None:
        """Print nothing."""


class JsonLines:
    """What a script prints for programs: everything, as JSON."""

    def __init__(self, write: Callable[[str], None], visit: Visit, server: str) -> None:
        self._write = write
        self._visit = visit
        self._server = server

    def happened(self, happening: Happening) -> None:
        """Print what happens, if programs are told of such a thing."""
        if self._visit.answers(happening):
            return
        is_ignored = self._visit.hides(happening)
        line = json_lines.happening_line(
            happening, self._server, self._visit.client.nick, is_ignored=is_ignored
        )
        if line:
            self._write(line)

    def settled(self, number: int, outcome: Outcome) -> None:
        """Print what became of an input line."""
        if isinstance(outcome, Answer):
            self._write(json_lines.answer_line(number, outcome.lines))
        else:
            room, seq = outcome.room, outcome.seq
            self._write(json_lines.accepted_line(number, room, seq, waiting=outcome.waiting))

    def delivered(self, number: int, stored: Stored) -> None:
        """Print that a text has arrived at the person whom it is for."""
        self._write(json_lines.delivered_line(number, stored.room, stored.seq))

    def rejected(self, number: int, room: str, refusal: RequestRejected) -> None:
        """Print why an input line was not accepted."""
        self._write(json_lines.rejected_line(number, room, refusal.code, refusal.text))

    def taken_back(self, number: int, offered: Offered) -> None:
        """Print that an accepted line was lost."""
        self._write(json_lines.taken_back_line(number, offered.room, offered.seq))


class Script:
    """One visit of a program: comes in, says and asks its lines, leaves. `done` fires with the exit code.

    `happened` is to be the client's. `complain` takes one line for people at a time, `write` one for
    standard output, `flow` whether more input is wanted.
    """

    def __init__(
        self,
        destination: Destination,
        clock: IReactorTime,
        complain: Callable[[str], None],
        write: Callable[[str], None],
        flow: Callable[[bool], None],
        *,
        is_json: bool = False,
        is_following: bool = False,
    ) -> None:
        self.done: Deferred[int] = Deferred()
        self._destination = destination
        self._clock = clock
        self._complain = complain
        self._flow = flow
        self._is_following = is_following
        self._visit = Visit(clock)
        self._print = (
            JsonLines(write, self._visit, str(destination.place))
            if is_json
            else PeoplesLines(write, self._visit, is_following=is_following)
        )
        self._input = InputLines()
        self._count = 0  # of the lines of the input
        self._queue: deque[tuple[int, str]] = deque()  # of one read: what may not go yet
        self._timers: dict[int, IDelayedCall] = {}  # of the lines that still have time
        self._asked = 0  # the number of the line that went last, if it is a command
        self._begun = 0  # the number of the line that went last
        # Behind which line texts are meant for a room that we are not in, and why.
        self._astray: tuple[int, str] | None = None
        self._deadline: IDelayedCall | None = None
        self._link, self._reason = Link.CONNECTING, ""
        self._is_pumping = False
        self._is_in = False
        self._has_ended = False  # the input has
        self._has_gone = False  # it said goodbye
        self._has_failed = False

    def start(self, client: ChatClient) -> None:
        """Begin."""
        self._deadline = self._clock.callLater(ANSWER_SECONDS, self._give_up)
        self._visit.begin(client, self._destination.room).addCallbacks(self._entered, self._kept_out)
        self._print.happened(LinkChanged(self._link, self._reason))
        client.connect().addErrback(self._refused)
        # behind it: the client may be over already, and `connect` knows why
        client.closed.addCallbacks(self._closed, self._fail)

    def stop(self) -> None:
        """End the visit here and now: what has no outcome is told, but nothing more is asked."""
        self._flow(False)
        self._visit.stop()
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        for number in list(self._timers):
            self._give_up_line(number, RequestRejected("ABANDONED", "no answer before the end"))
        while self._queue:
            number, line = self._queue.popleft()
            self._tell(
                number, line, self._visit.room, RequestRejected("ABANDONED", "not sent before the end")
            )

    def broken(self) -> None:
        """End the visit: nobody reads what is printed any more, as when `| head` has read enough."""
        self._finish(EXIT_SIGNAL + signal.SIGPIPE)

    # --- called by the client

    def happened(self, happening: Happening) -> None:
        """Take note, and print what is to be printed."""
        room = self._visit.room
        self._visit.happened(happening)
        if isinstance(happening, OutOfRoom) and happening.room == room and self._visit.room not in ("", room):
            self._astray = self._begun, f"you are out of {room}, for which this was meant"
        self._print.happened(happening)
        match happening:
            case FirstContact():
                self._complain(show.contact_text(happening))
            case LinkChanged():
                self._link_changed(happening)
            case PutOff(_, refusal) if refusal.code == TOO_FAST:
                self._put_off(refusal.retry_after)
            case Offered():
                number, line = self._visit.taken_back(happening)
                self._has_failed = True
                self._complain(f"line {number}, accepted before, was lost by the server: {line}")
                self._print.taken_back(number, happening)
            case Delivered():
                told = self._visit.delivered(happening)
                if told is not None:
                    self._print.delivered(*told)
            case _:
                pass

    def _link_changed(self, changed: LinkChanged) -> None:
        """Keep what may explain a failure, and tell whoever follows why it is so quiet."""
        before, self._link, self._reason = self._link, changed.state, changed.reason
        is_news = Link.SILENT in (before, changed.state) and changed.state is not Link.CLOSED
        if self._is_following and is_news:
            place, nick = str(self._destination.place), self._visit.client.nick
            self._complain(show.link_text(changed, before, place, nick))

    def _put_off(self, seconds: float) -> None:
        """Give all lines their time anew: the server is there, and has told when it takes the next one."""
        for timer in self._timers.values():
            timer.reset(seconds + ANSWER_SECONDS)

    # --- called by the input

    def receive(self, received: bytes) -> None:
        """Take a piece of the input: what is whole in it is said or asked as soon as it may be."""
        for line in self._input.receive(received):
            self._line(line)
        self._pump()

    def end(self) -> None:
        """Take the end of the input: a last line without a line end is a line too."""
        for line in self._input.end():
            self._line(line)
        self._has_ended = True
        self._pump()

    # --- coming in

    def _entered(self, _: Answer) -> None:
        self._is_in = True
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._pump()

    def _kept_out(self, failure: Failure) -> None:
        refusal = failure.trap(RequestRejected, Abandoned)
        if refusal is RequestRejected and not self.done.called:
            self._complain(f"cannot go into {self._destination.room}: {failure.getErrorMessage()}")
            self._finish(EXIT_FAILED)

    def _refused(self, failure: Failure) -> None:
        refusal = failure.value
        if isinstance(refusal, RequestRejected):
            is_nick = refusal.code.startswith(show.NICK_CODES)
            what = f"the nick {self._destination.nick} is refused" if is_nick else "refused"
            self._complain(f"{what}: {show.refusal_text(refusal.code, refusal.text)}")
            self._finish(EXIT_FAILED)
        elif not failure.check(Abandoned):
            self._fail(failure)

    def _give_up(self) -> None:
        reason = self._reason or f"no answer from {self._destination.place}: is a server there?"
        self._complain(f"not let in within {_ANSWER}: {reason}")
        self._finish(EXIT_FAILED)

    def _closed(self, reason: str) -> None:
        if not self.done.called:
            self._complain(f"the server has ended this visit: {reason}")
            self._finish(EXIT_FAILED)

    def _fail(self, failure: Failure) -> None:
        if not self.done.called:
            self.stop()
            self.done.errback(failure)

    # --- lines

    def _line(self, raw: bytes) -> None:
        if self._has_gone or self.done.called:
            return
        self._count += 1
        try:
            line = read_line(raw)
        except RequestRejected as refusal:
            self._has_failed = True
            self._lose_way(self._count, raw.decode(errors="replace").strip())
            self._complain(f"line {self._count}: {refusal.text}")
            self._print.rejected(self._count, self._visit.room, refusal)
            return
        if says_goodbye(line):
            self._has_gone = self._has_ended = True
        elif line:
            self._queue.append((self._count, line))

    def _pump(self) -> None:
        """Say and ask what may be, and end when there is nothing more to come."""
        if self._is_pumping:
            return  # some lines have their outcome at once
        self._is_pumping = True
        while self._queue and self._may_go(self._queue[0][1]):
            number, line = self._queue.popleft()
            room = self._visit.target(line)
            self._begun = number
            if self._astray and number > self._astray[0] and is_text(line) and not is_direct(room):
                self._tell(number, line, room, RequestRejected("NOT_IN_ROOM", self._astray[1]))
                continue
            self._asked = 0 if is_text(line) else number
            self._timers[number] = self._clock.callLater(ANSWER_SECONDS, self._late, number)
            self._visit.ask(line, number).addCallbacks(
                self._settled, self._failed, (number, line), errbackArgs=(number, line, room)
            )
        self._is_pumping = False
        if not self.done.called:
            is_full = self._queue or len(self._visit.pending) >= OPEN_LINES
            self._flow(not is_full and not self._has_gone)
            self._end_if_over()

    def _lose_way(self, number: int, line: str) -> None:
        """Note that a line was refused: if it leads to a room, texts behind it are not for where we are."""
        if _is_move(line) and not (self._astray and self._astray[0] > number):
            self._astray = number, f"line {number} did not lead to where this was meant for"

    def _may_go(self, line: str) -> bool:
        """Texts go beside each other in their order; a command goes alone, or it could overtake them."""
        if len(self._visit.pending) >= OPEN_LINES or self.done.called:
            return False
        return self._asked not in self._timers and (is_text(line) or not self._timers)

    def _end_if_over(self) -> None:
        stays = self._is_following and not self._has_gone
        if not self._is_in or self._timers or stays:
            return
        if len(self._visit.pending) >= OPEN_LINES:  # and each of them is late
            if self._queue or not self._has_ended:
                self._complain("there is no answer: the rest of the input was not read")
        elif not self._has_ended:
            return
        self._finish(EXIT_FAILED if self._has_failed else EXIT_OK)

    def _settled(self, outcome: Outcome, number: int, line: str) -> None:
        self._stop_timer(number)
        if _is_move(line) and self._astray and number >= self._astray[0]:
            self._astray = None
        self._print.settled(number, outcome)
        self._pump()

    def _failed(self, failure: Failure, number: int, line: str, room: str) -> None:
        if failure.check(Abandoned):
            return  # `stop` tells of it, if it was not told of before
        had_time = self._stop_timer(number)
        refusal = failure.value
        if not isinstance(refusal, RequestRejected):
            self._fail(failure)
            return
        if had_time:
            self._tell(number, line, room, refusal)
        self._pump()

    def _late(self, number: int) -> None:
        self._give_up_line(number, RequestRejected("NO_ANSWER", f"no answer within {_ANSWER}"))
        self._pump()

    def _give_up_line(self, number: int, reason: RequestRejected) -> None:
        self._stop_timer(number)
        typed = self._visit.pending[number]
        self._tell(number, typed.line, typed.room, reason)

    def _stop_timer(self, number: int) -> bool:
        """Say whether the line still had time: else it was told of already."""
        timer = self._timers.pop(number, None)
        if timer is not None and timer.active():
            timer.cancel()
        return timer is not None

    def _tell(self, number: int, line: str, room: str, refusal: RequestRejected) -> None:
        self._has_failed = True
        self._lose_way(number, line)
        self._complain(f"line {number} not accepted: {line} ({refusal.text})")
        self._print.rejected(number, room, refusal)

    def _finish(self, code: int) -> None:
        if not self.done.called:
            self.stop()
            self.done.callback(code)


def _is_move(line: str) -> bool:
    """Say whether a line leads those behind it to a room."""
    return is_for(line, "join") or is_for(line, "switch")


async def run_script(
    reactor: AsyncioSelectorReactor,
    destination: Destination,
    complain: Callable[[str], None],
    *,
    is_json: bool,
    is_following: bool,
) -> int:
    """Carry standard input into the chat; gives the exit code.

    Raises what `ChatClient.connect` fails with, but for a refused nick.
    """
    source = StandardInput(reactor)
    out = StandardOutput(reactor)
    script = Script(
        destination,
        reactor,
        complain,
        out.write,
        source.flow,
        is_json=is_json,
        is_following=is_following,
    )
    client = ChatClient(
        reactor,
        destination.place,
        destination.nick,
        pinned=destination.pinned,
        link=destination.link,
        with_direct=is_json or is_following,  # else nobody would see what comes, and it would not wait
        happened=script.happened,
    )
    out.broken.addCallback(lambda _: script.broken())
    try:
        script.start(client)
        source.start(script.receive, script.end)
        code = await script.done
    finally:
        script.stop()
        await client.leave()
    await out.drained()
    return code
