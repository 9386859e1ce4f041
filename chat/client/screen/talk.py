"""A person's visit at the screen: lines go to the chat, what happens there goes to the model.

What is said here in which words is `show`'s; this module never touches a socket or a terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import NamedTuple

from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from chat.client import show
from chat.client.at_terminal import AtTerminal
from chat.client.happenings import Happening
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.own import own_nicks, own_servers
from chat.client.plain import check_line, says_goodbye
from chat.client.questions import Leave, Questions
from chat.client.screen import orders
from chat.client.screen.app import App, Doings
from chat.client.screen.complete import Known, in_order
from chat.client.screen.layout import Member
from chat.client.screen.leftovers import Leftovers
from chat.client.screen.model import Model
from chat.client.screen.network import Network
from chat.client.screen.scrollback import Look
from chat.client.screen.settings import SettingsError
from chat.client.screen.tell import Teller
from chat.client.screen.unsent import UnsentTexts
from chat.client.screen.windows import PERSON, Window
from chat.client.visit import Destination, Stored, Visit
from chat.client.wishes import Wishes
from chat.commands import COMMANDS, parse_command
from chat.errors import RequestRejected
from chat.local import AtScreen, Local, Switch
from chat.messages import DIRECT, Fetch, Join, Kind, Request, Say, Welcome, is_direct
from chat.orders import Order, Verb
from chat.safety import clean_text
from chat.wire.events import Appeared, InRoom, OutOfRoom, RosterChanged
from chat.wire.sequence import Earlier

PAGE = 100  # entries that are asked for when one scrolls above what is there: some screens
PATIENCE_SECONDS = 3.0  # until more may be asked for, though less has come
_OLDEST = show.remark("nothing older is kept")


class Wanted(NamedTuple):
    """A page of older entries that was asked for: until when, and how many have not come."""

    until: float
    rest: int


class Talk(AtTerminal):
    """One person's visit, at the screen."""

    def __init__(
        self, reactor: AsyncioSelectorReactor, wishes: Wishes, app: App, memory: Path | None
    ) -> None:
        super().__init__(reactor, Visit(reactor, with_roster=True))
        self._wishes = wishes
        self._app = app
        self._model: Model = app.model
        self._memory = memory  # the folder of what is remembered, or None
        self._teller = Teller(app.model)
        self._questions = Questions(app.ask, self.show_remark)
        self._room = wishes.room  # that lines went to last
        self._wanted: dict[str, Wanted] = {}
        self._leftovers: Leftovers | None = None
        self._is_asking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._rosters: dict[str, list[Member]] = {}  # of rooms that are seen, until they change
        self.end = ""  # what is told behind the screen

    async def visit(self, screen: asyncio.Task[None]) -> int:
        """Chat until the person leaves the screen; gives the exit code. Raises what `connect` fails with."""
        try:
            where = await self._destination_or_leave(screen)
            is_left = await self._at(where, screen)
        except Leave:
            is_left = True
        finally:
            self._app.leave()
            await asyncio.wait({screen})  # the terminal is as it was
        screen.result()
        if is_left:
            return EXIT_OK
        if self._problem is not None:
            self._problem.raiseException()
        return EXIT_FAILED

    # --- what is shown

    def show_happening(self, happening: Happening) -> None:
        """Put it into its window."""
        match happening:
            case OutOfRoom(room, ""):
                self._model.windows.close(room)
            case OutOfRoom(room) if self._visit.answers(happening):
                self._teller.put_out(room)
            case RosterChanged(room):
                self._rosters.pop(room, None)
            case InRoom(joined):
                self._rosters.pop(joined.room, None)
                self._teller.happened(happening)
                self._look_back(joined.room)
            case _:
                if not self._visit.hides(happening):
                    self._teller.happened(happening)
                if isinstance(happening, Appeared) and isinstance(happening.shown, Earlier):
                    self._came(happening.room)

    def show_remark(self, text: str) -> None:
        """Put it into the window that is seen."""
        self._tell(show.remark(text))

    def show_answer(self, line: str) -> None:
        """Put it into the window that is seen."""
        self._tell(line, look=Look.ANSWER)

    def show_end(self, text: str) -> None:
        """Keep it until the screen is gone."""
        self.end = show.remark(text)

    def show_delivered(self, nick: str, text: str) -> None:
        """Put it into the person's window."""
        self._tell(show.delivered_line(nick, text), f"{DIRECT}{nick}")

    def show_state(self) -> None:
        """Paint the screen anew."""
        self._model.nick = clean_text(self._client.nick)
        self._app.touch()

    # --- what becomes of lines

    def take_accepted(self, number: int, stored: Stored, /) -> None:
        """Show it as said."""
        self._model.accepted(number, stored.seq)
        if is_direct(stored.room):
            nick = stored.room.removeprefix(DIRECT)
            said, *waits = show.alone_lines(nick, stored.text, waiting=stored.waiting)
            self._tell(said, stored.room, Look.SAID)
            for line in waits:
                self._tell(line, stored.room)

    def take_refused(self, number: int, reason: str, /) -> bool:
        """Show that it was not said, where it stands as pending."""
        return self._model.refused(number, reason)

    def take_lost(self, seq: int, line: str, room: str, /) -> None:
        """Show that it is not said any more."""
        self._model.lost(seq, line, room)

    def keep_unsent(self) -> None:
        """Write them down."""
        if self._leftovers is not None:
            self._leftovers.keep()

    # --- the way through a visit

    async def _destination_or_leave(self, screen: asyncio.Task[None]) -> Destination:
        """Give where to go; raises `Leave` if the person leaves before that is said."""
        asked = asyncio.ensure_future(self._destination())
        await asyncio.wait(
            [asked, asyncio.ensure_future(asyncio.wait({screen}))], return_when=asyncio.FIRST_COMPLETED
        )
        if not asked.done():
            asked.cancel()
            raise Leave
        return asked.result()

    async def _destination(self) -> Destination:
        wishes = self._wishes
        met = own_servers().places() if wishes.place is None else []
        if len(met) > 1:
            self.show_remark(f"servers that you know: {', '.join(met)}")
        nicks = own_nicks()
        place, nick = await self._questions.where_and_who(wishes, met, lambda place: nicks.last(str(place)))
        return Destination(place, nick, wishes.room, wishes.pinned, wishes.link)

    async def _at(self, where: Destination, screen: asyncio.Task[None]) -> bool:
        """Chat; gives whether it was the person who has ended it."""
        self._model.place = str(where.place)
        self._connect(where)
        self._begin(where)
        return await self._stay(screen)

    def _begin(self, where: Destination) -> None:
        """Let lines in."""
        if self._memory is not None:
            store = UnsentTexts(self._memory, str(where.place))
            self._leftovers = Leftovers(self._model, store, self._say, self._app.ask)
        for nick in self._model.settings.ignored:
            self._visit.ignored.add(nick)
        self._model.nick = where.nick
        self._model.network, self._model.members = self._network, self._members
        self._app.ready(Doings(self.typed, self.older, self.again, self.drop, self._known))

    async def stop_asking(self) -> None:
        """Ask for no nick any more, and offer nothing; the person may still look at the screen."""
        for task in self._tasks:
            task.cancel()

    # --- lines

    def typed(self, line: str, is_pasted: bool) -> None:
        """Do what a line says that was typed, or pasted, into the window that is seen."""
        if says_goodbye(line, is_pasted=is_pasted):
            self._app.leave()
            return
        self._model.to_end()  # where the answer will stand
        try:
            text = check_line(line)
            if text:
                self._do(text, self._model.windows.current)
        except RequestRejected as refusal:
            self.show_remark(refusal.text)
        self._app.touch()

    def older(self) -> None:
        """Ask for what was said before what is seen."""
        window = self._model.windows.current
        room = self._client.direct if window.is_person else window.name
        wanted = self._wanted.get(room)
        if (wanted is not None and self._reactor.seconds() < wanted.until) or window.scrollback.is_full:
            return
        if self._visit.has_older(room):
            self._fetch(room, PAGE)
        elif room and window.is_entered and not window.has_oldest:
            window.has_oldest = True
            self._model.on_top(_OLDEST, window.name)
            self._app.touch()

    def again(self) -> None:
        """Say again what was not accepted."""
        own = self._model.take_refused()
        if own is not None:
            try:
                self._say(own.typed, own.window)
            except RequestRejected as refusal:
                self._model.refuse(own, refusal.text)
        self._app.touch()

    def drop(self) -> None:
        """Forget what was not accepted."""
        self._model.take_refused()
        self._app.touch()

    def _do(self, line: str, window: Window) -> None:
        """Do what the screen does by itself; the rest goes to the chat."""
        is_command = line.startswith("/") and not line.startswith("//")
        asked = _parsed(line, window.name) if is_command else None
        match asked:
            case AtScreen("close", _) if self._visit.is_in(window.name):
                self._say("/part", window.name)
            case AtScreen():
                orders.obey(asked, self._model)
                self._app.seen(window.name)
            case Fetch() if not window.is_person:
                self._fetch(asked.room, asked.limit, asked.age)
                self._app.scroll(-1)
            case Order(verb=Verb.SEARCH) if window.is_person:
                orders.search(asked.text, self._model)
            case Say(kind=Kind.ME) if window.is_person:
                raise RequestRejected("KIND", "to one person there is no /me: say it")
            case _ if window.is_person and not isinstance(asked, Say) and _is_about(asked, window.name):
                raise RequestRejected("NO_SUCH_ROOM", f"{line.partition(' ')[0]} is about a room: go there")
            case _:
                self._say(line, window.name)

    def _say(self, line: str, name: str) -> None:
        """Say, or ask, in the window of that name."""
        is_command = line.startswith("/") and not line.startswith("//")
        if name.startswith(PERSON) and not is_command:
            line = f"/msg {name.removeprefix(PERSON)} {line.removeprefix('/')}"
        elif self._visit.is_in(name):
            self._visit.go(name)
        elif not is_command or (not name.startswith(PERSON) and _is_about(_parsed(line, name), name)):
            raise RequestRejected("NOT_IN_ROOM", f"you are not in {name}: /join {name}")
        self._ask(line, lambda number: self._begun(number, line, name))
        self._follow()

    def _begun(self, number: int, line: str, name: str) -> None:
        """Show a text that was typed in the window of that name as pending."""
        typed = self._visit.pending.get(number)
        if typed is None or not typed.says:
            return
        room, says = typed.room, typed.says
        if not room.startswith(PERSON):
            self._model.said(number, room, line)
            return
        self._model.said(number, room, f"/{says}" if says.startswith("/") else says)  # as it is typed there
        if room != name:
            place = self._model.windows.number(room)
            self._tell(f"-> {room.removeprefix(PERSON)}: {says} (window {place})", name, Look.COMING)

    def _review(self) -> None:
        try:
            self._model.settings.ignore(self._visit.ignored.nicks)
        except SettingsError as error:
            self.show_remark(str(error))
        self._follow()
        super()._review()

    def _follow(self) -> None:
        """See the room that lines go to now, if that is another one because of what was typed."""
        if self._visit.room != self._room:
            self._room = self._visit.room
            if self._room:
                self._app.show(self._room)

    # --- older entries

    def _look_back(self, room: str) -> None:
        """Fill a screen, the first time that we are in a room."""
        window = self._model.windows.get(room)
        if (
            window is not None
            and not is_direct(room)
            and room not in self._wanted
            and self._visit.has_older(room)
        ):
            self._fetch(room, PAGE)

    def _fetch(self, room: str, count: int, age: int = 0) -> None:
        self._wanted[room] = Wanted(self._reactor.seconds() + PATIENCE_SECONDS, count)
        self._client.history(room, count, age)

    def _came(self, room: str) -> None:
        wanted = self._wanted.get(room)
        if wanted is not None:
            rest = wanted.rest - 1
            self._wanted[room] = Wanted(wanted.until if rest > 0 else 0.0, rest)

    # --- how things stand

    def _tell(self, line: str, window: str = "", look: Look = Look.REMARK) -> None:
        self._model.tell(clean_text(line), look, window)
        self._app.touch()

    def ask_for_nick(self, refusal: str) -> None:
        """Ask beside the screen, which goes on."""
        if not self._is_asking:  # a refusal comes as an event, and as the answer to the entry
            self._is_asking = True
            self.show_remark(refusal)
            self._start(self._enter_anew())

    async def _enter_anew(self) -> None:
        try:
            nick = await self._questions.nick()
        except Leave:
            self._app.leave()
            return
        self._is_asking = False
        self._enter(nick)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _welcome(self, welcome: Welcome) -> None:
        super()._welcome(welcome)
        if self._leftovers is not None:
            self._start(self._leftovers.watch())

    def _network(self) -> Network:
        health = self._client.health()
        seconds = self._reactor.seconds() - self._since
        return Network(self._link.value, seconds, self._reason, *health)

    def _members(self, room: str) -> list[Member] | None:
        if room in self._rosters:
            return self._rosters[room]
        roster = self._client.roster(room) if room and not room.startswith(PERSON) else None
        if roster is None or not roster.is_known:
            return None
        lines = [line for _, line in sorted(roster.lines.items())]
        members = [
            Member(clean_text(line.nick if line.verified else f"~{line.nick}"), line.away) for line in lines
        ]
        self._rosters[room] = members
        return members

    def _known(self) -> Known:
        window = self._model.windows.current
        commands = sorted(command.name for command in COMMANDS)
        here = [member.nick.removeprefix("~") for member in self._members(window.name) or ()]
        nicks = in_order(window.speakers.latest_first(), here, self._model.nick)
        return Known(commands, nicks, [each.name for each in self._model.windows if not each.is_person])


def _is_about(asked: Request | Local | None, room: str) -> bool:
    """Say whether a command is about this room, into which it does not go."""
    return not isinstance(asked, Join | Switch) and getattr(asked, "room", "") == room != ""


def _parsed(line: str, room: str) -> Request | Local:
    """Give what a command asks for that was typed in the window of this room."""
    return parse_command(line, room, is_client=True)
