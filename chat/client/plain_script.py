"""Script mode: the lines of standard input go out, and the exit code says what became of them.

Nothing is printed on standard output, and every problem is one line on standard error. UDP confirms nothing,
but a server that echoes does: a line is confirmed when it comes back. At most eight lines wait for that, so a
large file overruns nobody's socket buffer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chat.client.address import Place, Server
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.plain import PlainClient, State, says_goodbye
from chat.client.resolve import resolve
from chat.client.standard import InputLines, StandardInput, read_line
from chat.commands import parse_command
from chat.errors import RequestRejected
from chat.messages import Kind, Say
from chat.wire.lines import joined_line

GREETING_SECONDS = 1.0  # some servers greet nobody: after this the lines go out anyway
ANSWER_SECONDS = 3.0  # after the nick: whoever has said nothing by then is not there
ECHO_SECONDS = 1.0  # a line that is not back by then no longer holds up the next one
CONFIRM_SECONDS = 3.0  # a line that is not back by then counts as not confirmed
WINDOW = 8  # lines on their way: 8 KiB at most, far below any socket's buffer
PACE_SECONDS = 0.05  # between lines that nothing confirms: 20 lines a second
WAITING_LINES = 64  # read ahead of the window; then input is left where it is

EXIT_NOT_CONFIRMED = 3  # 2 is for a wrong command line

_JOINED = joined_line("")  # what follows the nick

# What a line says, whoever says it and however it is rendered.
Saying = tuple[Kind, str]


def sayings(line: str) -> frozenset[Saying]:
    """Give the forms in which a server that echoes may bring `line` back; none for a command.

    A server without commands relays the slash and all, one with commands does not.
    """
    plain = (Kind.SAY, line.strip())
    if not line.startswith("/"):
        return frozenset({plain})
    if line.startswith("//"):
        return frozenset({plain, (Kind.SAY, line[1:].strip())})
    try:
        asked = parse_command(line)
    except RequestRejected:
        return frozenset()
    return frozenset({plain, (asked.kind, asked.text)}) if isinstance(asked, Say) else frozenset()


def saying_of(heard: str, nick: str) -> Saying | None:
    """Give what the line `heard` says if `nick` says it."""
    for kind, prefix in ((Kind.SAY, f"{nick}:"), (Kind.ME, f"* {nick} ")):
        if heard.startswith(prefix):
            return kind, heard.removeprefix(prefix).strip()
    return None


class _Sent(NamedTuple):
    sayings: frozenset[Saying]
    at: float


class Window:
    """The lines that have not come back, and when the next one may follow. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.not_confirmed = 0  # lines that were given up
        self._sent: deque[_Sent] = deque()  # at most 60: 20 a second, each for 3 s
        self._sent_at = self._echoed_at = float("-inf")
        self._pause = 0.0  # to be kept after the last line

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, sayings: frozenset[Saying], now: float) -> None:
        """Note that a line was sent. One that never comes back (no sayings) is followed at a slow pace."""
        self._sent_at = now
        self._pause = 0.0 if sayings else PACE_SECONDS
        if sayings:
            self._sent.append(_Sent(sayings, now))

    def confirm(self, saying: Saying, now: float) -> bool:
        """Take the oldest line that says this out of the window; False: there is none."""
        for sent in self._sent:
            if saying in sent.sayings:
                self._sent.remove(sent)
                self._echoed_at = now
                return True
        return False

    def expire(self, now: float) -> None:
        """Give up the lines that have not come back for three seconds."""
        while self._sent and now >= self._sent[0].at + CONFIRM_SECONDS:
            self._sent.popleft()
            self.not_confirmed += 1

    def opens_at(self, now: float) -> float:
        """Give the time at which one more line may be sent, as things stand at `now`."""
        if not self._echoes(now):
            return self._sent_at + PACE_SECONDS
        if len(self._sent) >= WINDOW and now < self._echoed_at + ECHO_SECONDS:  # it passes them on slowly
            return self._echoed_at + ECHO_SECONDS
        young = [sent for sent in self._sent if now < sent.at + ECHO_SECONDS]
        if len(young) >= WINDOW:
            return young[0].at + ECHO_SECONDS
        return self._sent_at + self._pause

    def next_timeout(self) -> float | None:
        """Give the time at which `expire` has something to do."""
        return self._sent[0].at + CONFIRM_SECONDS if self._sent else None

    def _echoes(self, now: float) -> bool:
        """Tell a server that does not echo from a lost line: after a lost one, others come back."""
        if not self._sent or now < self._sent[0].at + ECHO_SECONDS:
            return True
        return self._echoed_at >= self._sent[0].at


class Script:
    """One visit of a program: joins, sends its lines, leaves. `done` fires with the exit code.

    `nick` has passed `check_nick`. `complain` takes one line for people at a time, `flow` whether more
    input is wanted.
    """

    def __init__(
        self,
        server: Server,
        nick: str,
        clock: IReactorTime,
        complain: Callable[[str], None],
        flow: Callable[[bool], None],
    ) -> None:
        self.done: Deferred[int] = Deferred()
        self.client = PlainClient(server, clock, GREETING_SECONDS, self)
        self._clock = clock
        self._complain = complain
        self._flow = flow
        self._input = InputLines()
        self._nick = nick
        self._nicks = {nick}  # ours: as it was asked for, and as it was given
        self._greeted = False
        self._window = Window()
        self._queue: deque[str] = deque()  # 64, and what one read brings on top
        self._lines = 0
        self._ended = False
        self._failed = False
        self._timer: IDelayedCall | None = None
        self._deadline: IDelayedCall | None = None

    def start(self) -> None:
        """Knock. The client's socket is open."""
        self._deadline = self._clock.callLater(ANSWER_SECONDS, self._give_up)
        if not self.client.join(self._nick):
            self._finish(EXIT_FAILED)

    def stop(self) -> None:
        """End the visit here and now, without an exit code: somebody is in a hurry."""
        for call in (self._timer, self._deadline):
            if call is not None and call.active():
                call.cancel()
        self.client.leave()

    # --- called by the client

    def answered(self) -> None:
        """There is a server: begin, or go on."""
        self._pump()

    def unanswered(self) -> None:
        """Begin anyway: some servers greet nobody."""
        self._pump()

    def refused(self) -> None:
        """Nobody is here to choose another nick: end."""
        self._complain(f"the nick {self._nick} is taken or not allowed there: choose another with --nick")
        self._finish(EXIT_FAILED)

    def heard(self, line: str) -> None:
        """See whether this is one of our lines coming back."""
        if not self._greeted and line.endswith(_JOINED):
            self._greeted = True  # a server greets the newcomer with its own nick; later ones are others
            self._nicks.add(line.removesuffix(_JOINED))
        for nick in self._nicks:
            saying = saying_of(line, nick)
            if saying is not None and self._window.confirm(saying, self._clock.seconds()):
                self._pump()
                return

    def failed(self, problem: str) -> None:
        """Say it; the lines that can be sent still are."""
        self._failed = True
        self._complain(problem)

    # --- called by the input

    def receive(self, received: bytes) -> None:
        """Take a piece of the input: what is whole in it is sent as soon as it may be."""
        for line in self._input.receive(received):
            self._line(line)

    def end(self) -> None:
        """Take the end of the input: a last line without a line end is a line too."""
        for line in self._input.end():
            self._line(line)
        self._ended = True
        self._pump()

    # --- inside

    def _line(self, raw: bytes) -> None:
        if self._ended or self.done.called:
            return
        self._lines += 1
        try:
            text = read_line(raw)
        except RequestRejected as refusal:
            self.failed(f"line {self._lines}: {refusal.text}")
        else:
            if says_goodbye(text):
                self._ended = True
                self._pump()
            elif text:
                self._queue.append(text)
                self._pump()

    def _pump(self, due: float = 0.0) -> None:
        """Send what may be sent, and come back when more may. `due` is when this was to be called."""
        if self.done.called:
            return
        now = max(due, self._clock.seconds())  # a timer may fire a hair too early
        self._window.expire(now)
        while self._queue and self.client.state is State.INSIDE and self._window.opens_at(now) <= now:
            text = self._queue.popleft()
            said = self.client.say(text)
            self._window.add(sayings(text) if said else frozenset(), now)
        self._flow(len(self._queue) < WAITING_LINES)
        if self._ended and self.client.answered and not self._queue and not self._window:
            self._finish_well()
        else:
            self._schedule(now)

    def _schedule(self, now: float) -> None:
        times = [self._window.next_timeout()]
        if self._queue and self.client.state is State.INSIDE:
            times.append(self._window.opens_at(now))
        due = min((time for time in times if time is not None), default=None)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if due is not None:
            self._timer = self._clock.callLater(max(0.0, due - now), self._pump, due)

    def _give_up(self) -> None:
        if not self.client.answered:
            self._complain(
                f"no answer from {self.client.server.place} within {ANSWER_SECONDS:.0f} s: is a server there?"
            )
            self._finish(EXIT_FAILED)

    def _finish_well(self) -> None:
        if self._window.not_confirmed:
            self._complain("sent, not confirmed")
        if self._failed:
            self._finish(EXIT_FAILED)
        else:
            self._finish(EXIT_NOT_CONFIRMED if self._window.not_confirmed else EXIT_OK)

    def _finish(self, code: int) -> None:
        self.stop()
        if not self.done.called:
            self.done.callback(code)


async def run_script(
    reactor: AsyncioSelectorReactor, place: Place, nick: str, complain: Callable[[str], None]
) -> int:
    """Carry standard input to the chat at `place`; gives the exit code. Raises `AddressError`."""
    server = await resolve(place, reactor.nameResolver)
    source = StandardInput(reactor)
    script = Script(server, nick, reactor, complain, source.flow)
    script.client.open(reactor)
    try:
        script.start()
        source.start(script.receive, script.end)
        return await script.done
    finally:
        script.stop()
