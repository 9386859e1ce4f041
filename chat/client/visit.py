"""One visit at a `ChatClient`: the rooms somebody is in, and what a typed line means there.

People and scripts type the same lines. This module knows neither terminals nor files, and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from chat.client.address import Place
from chat.client.happenings import Abandoned, Happening, Link
from chat.client.protocol import ChatClient
from chat.client.show import (
    answer_lines,
    before_lines,
    earlier_lines,
    joined_lines,
    lag_lines,
    parted_lines,
)
from chat.commands import Asker, is_for, parse_command
from chat.errors import RequestRejected
from chat.local import Lag, Local, SayBack
from chat.messages import (
    Delivered,
    Done,
    Entry,
    Fetch,
    Join,
    Joined,
    Kind,
    Motd,
    Names,
    Part,
    Request,
    Say,
    Topic,
    Welcome,
    is_direct,
)
from chat.typed import check_current
from chat.wire.affairs import Affairs
from chat.wire.events import Appeared, Entered, Happened, InRoom, Offered, OutOfRoom, Rights, Said
from chat.wire.ignored import Ignored
from chat.wire.outbox import REMEMBERED
from chat.wire.places import Places
from chat.wire.sequence import Earlier

T = TypeVar("T")

MOTD_BYTES = 65_536  # of a message of the day that is asked for to its end: more than a server has
# Nobody says that no more of the older entries will come. The first come after some repeats of the question,
# and the rest of an answer behind them.
FIRST_SECONDS = 3.0
QUIET_SECONDS = 1.0
# Between acceptance and delivery of what is said to one person, from which on it is news that it has arrived:
# their client slept, or lost it. Else it is there as soon as we see that it was accepted.
LATE_SECONDS = 2.0
SETTLE_SECONDS = 0.5  # at leaving, for a text that was just typed: whoever leaves is gone within a second


class Destination(NamedTuple):
    """Where a visit goes: the server (`pinned`: the key it must have), the nick, the first room.

    `link` is the code that another key of the same person was given ("": none).
    """

    place: Place
    nick: str
    room: str
    pinned: bytes | None = None
    link: str = ""


class Stored(NamedTuple):
    """What became of a text: it has this position in this room, or was said to one person alone ("@bob").

    `waiting`: that person is not here now.
    """

    room: str
    seq: int
    text: str
    waiting: bool = False


class Answer(NamedTuple):
    """What became of a command: lines for people, maybe none."""

    lines: list[str]


class Typed(NamedTuple):
    """A line, and what it is for: the room that was current when it was typed, or "@" and a nick.

    `says` is what it says there; "": nothing.
    """

    line: str
    room: str
    says: str


Outcome = Stored | Answer
_TEXTS = ("me", "msg", "reply")  # the commands that say something


def is_text(line: str) -> bool:
    """Say whether a line says something, in its room or to one person: two slashes say a text with one."""
    return not line.startswith("/") or line.startswith("//") or any(is_for(line, name) for name in _TEXTS)


def parse_line(line: str, room: str) -> Request | Local:
    """Give what a line asks for; `room` is where it was typed ("": in none). Raises `RequestRejected`."""
    if line.startswith("/") and not line.startswith("//"):
        return parse_command(line, room, is_client=True)
    return Say(1, 1, check_current(room), Kind.SAY, line.removeprefix("/"))


class Visit:
    """Somebody's rooms and questions. `pending` are the lines without an outcome, by the caller's numbers.

    `happened` wants to be told everything that the client tells, before anybody else acts on it. Who comes
    into a room for the first time is shown the last `history` entries of it. `with_roster`: it is known who
    is in each.
    """

    def __init__(self, clock: IReactorTime, *, history: int = 0, with_roster: bool = False) -> None:
        self.client: ChatClient
        self.pending: dict[int, Typed] = {}
        self._clock = clock
        self._history = history
        self._with_roster = with_roster
        self._places = Places()
        self._affairs = Affairs(self._places, Asker(has_key=True, is_client=True))
        self._moves: dict[str, Deferred[None]] = {}  # the last Join or Part of a room, while it has no answer
        self._recalls: dict[str, _Recall] = {}
        self._floors: dict[str, int] = {}  # the newest positions that rooms do not keep any more
        self._oldest: dict[str, int] = {}  # the positions before those that were shown first
        # By position: number, outcome, line, and when it was accepted.
        self._stored: dict[int, tuple[int, Stored, str, float]] = {}
        self._said: Said | None = None  # the newest
        self._known: set[str] = set()  # the rooms whose last entries were shown
        self._unread = 0  # what was said to us alone up to here was waiting when we came; 0: it is told

    @property
    def room(self) -> str:
        """Name the room in which what is typed now is said; "": there is none."""
        return self._places.current

    @property
    def ignored(self) -> Ignored:
        """Say whom somebody does not hear."""
        return self._affairs.ignored

    def begin(self, client: ChatClient, room: str) -> Deferred[Answer]:
        """Go into the first room; fails with `RequestRejected`."""
        self.client = client
        return Deferred.fromCoroutine(self._join(Join(1, room)))

    def ask(self, line: str, number: int) -> Deferred[Outcome]:
        """Do what `line` says, which is clean, not blank and no goodbye; `number` names it in `pending`.

        Fails with `RequestRejected`; and with `Abandoned`, then the line stays in `pending`.
        """
        room = self.room
        try:
            asked = self._parse(line)
        except RequestRejected:
            return fail()
        self.pending[number] = (
            Typed(line, asked.room, asked.text) if isinstance(asked, Say) else Typed(line, room, "")
        )
        return Deferred.fromCoroutine(self._do(asked)).addBoth(self._settled, number)

    def happened(self, happening: Happening) -> None:
        """Take note of what the client tells."""
        match happening:
            case Entered(Welcome(is_operator=is_operator)) | Rights(is_operator):
                self._affairs.asker = self._affairs.asker._replace(is_operator=is_operator)
            case Said():
                self._said = happening
            case InRoom(joined):
                if is_direct(joined.room) and joined.room not in self._oldest:
                    self._unread = joined.head
                self._floors[joined.room] = joined.floor
                self._oldest.setdefault(joined.room, max(joined.head, joined.floor))
            case Appeared(room, Earlier(entry)):
                self._oldest[room] = entry.seq - entry.back
                if room in self._recalls:
                    self._recalls[room].add(entry, is_last=not self.has_older(room))
            case Appeared(_, Entry() as entry):
                self._affairs.takes(entry)
            case Happened(presence):
                self.ignored.follow(presence)
            case OutOfRoom(room, code) if code and room not in self._moves:
                self._places.move(Part(1, room))
            case _:
                pass

    def is_in(self, room: str) -> bool:
        """Say whether we are in a room, or shall be."""
        return room in self._places

    def go(self, room: str) -> None:
        """Speak in a room that we are in from now on. Raises `RequestRejected` if we are not."""
        self._places.switch(room)

    def has_older(self, room: str) -> bool:
        """Say whether something that was not shown may be kept of a room, as far as we know."""
        return room in self._oldest and self._oldest[room] > self._floors[room]

    def target(self, line: str) -> str:
        """Give what `line` is for, were it typed now: the current room, or "@" and a nick."""
        try:
            asked = self._parse(line)
        except RequestRejected:
            return self.room
        return asked.room if isinstance(asked, Say) else self.room

    def taken_back(self, offered: Offered) -> tuple[int, str]:
        """Give number and line of an accepted text that the server has lost; (0, "") if it is long ago."""
        number, _, line, _ = self._stored.pop(offered.seq, (0, None, "", 0.0))
        return number, line

    def delivered(self, delivered: Delivered) -> tuple[int, Stored] | None:
        """Give number and outcome of the line that its reader has now; None if it is long ago.

        What took long did wait, though the server had thought that its reader was there.
        """
        told = self._stored.pop(delivered.seq, None)
        if told is None:
            return None
        number, stored, _, accepted_at = told
        is_late = self._clock.seconds() - accepted_at >= LATE_SECONDS
        return number, stored._replace(waiting=stored.waiting or is_late)

    def hides(self, happening: Happening) -> bool:
        """Say whether it is not to be shown: somebody has said it who is ignored."""
        match happening:
            case Appeared(_, Entry() as entry) | Appeared(_, Earlier(entry)):
                return self.ignored.hides(entry)
            case _:
                return False

    def answers(self, happening: Happening) -> bool:
        """Say whether what was typed has this as its answer, which says why: a room does not let us in."""
        match happening:
            case OutOfRoom(room, code) if code:
                return room in self._moves
            case _:
                return False

    def is_first_unread(self, happening: Happening) -> bool:
        """Say whether this is the first of what was said to us alone before we came."""
        match happening:
            case Appeared(room, Entry(seq=seq)) if is_direct(room) and seq <= self._unread:
                self._unread = 0
                return True
            case _:
                return False

    def stop(self) -> None:
        """Wait for nothing any more."""
        for recall in self._recalls.values():
            recall.stop()

    # --- inside

    def _parse(self, line: str) -> Request | Local:
        asked = parse_line(line, self.room)
        return self._affairs.say_back(asked) if isinstance(asked, SayBack) else asked

    def _settled(self, outcome: Outcome | Failure, number: int) -> Outcome | Failure:
        if isinstance(outcome, Failure) and outcome.check(Abandoned):
            return outcome
        typed = self.pending.pop(number)
        if isinstance(outcome, Stored):
            self._stored[outcome.seq] = number, outcome, typed.line, self._clock.seconds()
            if len(self._stored) > REMEMBERED:
                del self._stored[next(iter(self._stored))]
        return outcome

    async def _do(self, asked: Request | Local) -> Outcome:
        if isinstance(asked, Lag):
            return Answer(lag_lines(self.client.health()))
        if isinstance(asked, Local):
            return Answer(self._affairs.do(asked, self.client.nick))
        match asked:
            case Say():
                seq = await self.client.say(asked.text, asked.room, asked.kind)
                said = self._said  # which has just come: it is what was waited for
                is_waiting = said is not None and said.seq == seq and said.waiting
                return Stored(asked.room, seq, asked.text, is_waiting)
            case Join():
                return await self._join(asked)
            case Part():
                return await self._part(asked)
            case Fetch():
                return await self._recall(asked)
            case Motd():
                return await self._motd(asked)
            case Names() | Topic():
                await self._in_turn(asked.room, self._enter)
                return Answer(answer_lines(asked, await self.client.ask(asked)))
            case _:
                return Answer(answer_lines(asked, await self.client.ask(asked)))

    async def _join(self, join: Join) -> Answer:
        place = self._places.move(join)
        if join.room in self._moves:  # not in yet, and this key may open what the other does not
            place = None
        if place is not None:
            return Answer([f"you are in {join.room}"])
        try:
            joined = await self._in_turn(join.room, partial(self._enter, key=join.key))
        except RequestRejected:
            self._places.undo(join, place)
            raise
        return Answer([*joined_lines(joined), *await self._before(join.room)])

    async def _part(self, part: Part) -> Answer:
        if self._places.move(part) is None:
            return Answer(parted_lines(part.room, self.room, was_in=False))
        await self._in_turn(part.room, self.client.part)
        return Answer(parted_lines(part.room, self.room))

    def _enter(self, room: str, key: str = "") -> Deferred[Joined]:
        return self.client.join(room, with_roster=self._with_roster, key=key)

    async def _in_turn(self, room: str, move: Callable[[str], Deferred[T]]) -> T:
        """Join or leave a room when what was asked before is done: else a client abandons that."""
        before, done = self._moves.get(room), Deferred[None]()
        self._moves[room] = done
        try:
            if before is not None:
                await before
            return await move(room)
        finally:
            if self._moves[room] is done:
                del self._moves[room]
            done.callback(None)

    async def _motd(self, asked: Motd) -> Answer:
        """Ask for all of it: an answer holds 1,024 bytes."""
        motd, size = "", 0
        while size < MOTD_BYTES:
            reply = await self.client.ask(Motd(asked.id, size))
            piece = reply.result if isinstance(reply, Done) and isinstance(reply.result, str) else ""
            if not piece:
                break
            motd += piece
            size += len(piece.encode())
        return Answer(answer_lines(asked, Done(1, motd)))

    async def _before(self, room: str) -> list[str]:
        """Give what was said in a room that was just gone into, if it is the first time."""
        if not self._history or room in self._known or room in self._recalls:
            return []
        self._known.add(room)
        fetch = Fetch(1, room, after=None, before=None, limit=self._history)
        entries = await self._older(fetch)
        return before_lines(room, [entry for entry in entries if not self.ignored.hides(entry)])

    async def _recall(self, fetch: Fetch) -> Answer:
        await self._in_turn(fetch.room, self._enter)
        entries = await self._older(fetch)
        shown = [entry for entry in entries if not self.ignored.hides(entry)]
        return Answer(earlier_lines(fetch, shown) if shown or not entries else [])

    async def _older(self, fetch: Fetch) -> list[Entry]:
        """Give entries of a room that we are in, above those that were shown."""
        if fetch.room in self._recalls:
            raise RequestRejected("BUSY", "one question after the other: the answer is under way", 1.0)
        if not self.has_older(fetch.room):
            return []
        recall = self._recalls[fetch.room] = _Recall(fetch.limit, self._clock, self.client)
        try:
            self.client.history(fetch.room, fetch.limit, fetch.age)
            recall.start()
            return await recall.done
        finally:
            del self._recalls[fetch.room]


class _Recall:
    """The older entries that `/history` asked for. `done` fires with them when no more are expected."""

    def __init__(self, count: int, clock: IReactorTime, client: ChatClient) -> None:
        self.done: Deferred[list[Entry]] = Deferred()
        self._entries: list[Entry] = []
        self._count = count
        self._clock = clock
        self._client = client
        self._timer: IDelayedCall | None = None
        self._is_whole = False

    def start(self) -> None:
        """Wait for the first."""
        self._timer = self._clock.callLater(FIRST_SECONDS, self._lose_patience)

    def add(self, entry: Entry, *, is_last: bool) -> None:
        """Take the one before those that came. `is_last`: none is before it."""
        if self._is_whole or self._timer is None or not self._timer.active():
            return
        self._entries.insert(0, entry)
        self._is_whole = len(self._entries) == self._count or is_last
        if self._is_whole:  # once everybody has been told of this one
            self._timer.cancel()
            self._timer = self._clock.callLater(0, self.done.callback, self._entries)
        else:
            self._timer.reset(QUIET_SECONDS)

    def stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _lose_patience(self) -> None:
        if self._client.state is Link.CONNECTED:
            self.done.callback(self._entries)
        else:  # no time to lose patience: what was asked is asked again when there is a server
            self.start()
