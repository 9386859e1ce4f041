"""Terminal mode: the line that is being typed, above it what is said, below it how things stand.

A text appears above when the server has stored it, as the entry that everybody sees; until then the toolbar
counts it. This module prints what `chat.client.show` gives, and never touches a socket.
"""

from __future__ import annotations

import asyncio
import contextlib

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.python.failure import Failure

from chat.client import show
from chat.client.happenings import Abandoned, Happening, Link, LinkChanged
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.own import own_nicks
from chat.client.plain import check_line, says_goodbye
from chat.client.protocol import ChatClient
from chat.client.questions import Leave, at_prompt
from chat.client.visit import SETTLE_SECONDS, Answer, Destination, Outcome, Visit
from chat.client.wishes import Wishes
from chat.errors import RequestRejected
from chat.messages import DIRECT, Delivered, Welcome, is_direct
from chat.typed import HISTORY
from chat.wire.events import Offered, Refused
from chat.wire.lines import notice

REFRESH_SECONDS = 1.0  # of the toolbar, which counts seconds
SHOWN_CHARS = 40  # of the oldest text that is not accepted yet: the toolbar is one line

_LINE = "> "
_STYLE = Style.from_dict({"bottom-toolbar": "noreverse"})
_DIM = "ansibrightblack"


class _Interrupted(Exception):
    """Something else has to be asked before the line that is being typed is finished."""


def toolbar(room: str, link: Link, seconds: float, pending: list[str]) -> StyleAndTextTuples:
    """Give the line below the prompt: the current room, the link (for `seconds` now), what is pending."""
    how = {
        Link.CONNECTING: f"connecting for {seconds:.0f} s" if seconds >= 1 else "connecting",
        Link.CONNECTED: "connected",
        Link.SILENT: f"no answer for {seconds:.0f} s",
        Link.CLOSED: "closed",
    }[link]
    shown: StyleAndTextTuples = [("", f"{room or 'in no room'} | {how}")]
    if pending:
        oldest = pending[0] if len(pending[0]) <= SHOWN_CHARS else f"{pending[0][: SHOWN_CHARS - 1]}…"
        shown.append((_DIM, f" | not accepted yet: {len(pending)}, the oldest: {oldest}"))
    return shown


class Terminal:
    """One person's visit."""

    def __init__(self, reactor: AsyncioSelectorReactor, wishes: Wishes) -> None:
        self._reactor = reactor
        self._wishes = wishes
        self._questions = at_prompt()
        self._chat: PromptSession[str] = PromptSession(  # its history holds what was typed into the chat only
            _LINE,
            erase_when_done=True,
            bottom_toolbar=self._toolbar,
            refresh_interval=REFRESH_SECONDS,
            reserve_space_for_menu=0,
            style=_STYLE,
        )
        self._visit = Visit(reactor, history=HISTORY)
        self._client: ChatClient
        self._link = Link.CONNECTING
        self._since = reactor.seconds()  # the link is so
        self._refusal = ""  # of the last nick
        self._lines = 0
        self._is_here = True  # the person is
        self._problem: Failure | None = None  # that keeps us out for good
        self._over = asyncio.Event()  # for whatever reason, but the person's wish
        self._settled = asyncio.Event()  # no line is without an outcome

    async def visit(self) -> int:
        """Ask, chat, leave; gives the exit code. Raises what `ChatClient.connect` fails with."""
        with patch_stdout():
            try:
                await self._at(await self._destination())
            except (Leave, EOFError, KeyboardInterrupt):  # exit, Ctrl-D, Ctrl-C (to a question)
                return EXIT_OK
        if self._problem is not None:
            self._problem.raiseException()
        return EXIT_FAILED

    # --- called by the client

    def happened(self, happening: Happening) -> None:
        """Show it."""
        self._visit.happened(happening)
        match happening:
            case LinkChanged():
                self._link_changed(happening)
            case Refused(rejected) if rejected.code.startswith(show.NICK_CODES):
                self._refused(show.refusal_text(rejected.code, rejected.text))
            case Delivered():
                told = self._visit.delivered(happening)
                if told is not None and told[1].waiting:
                    print(show.delivered_line(told[1].room.removeprefix(DIRECT), told[1].text))
            case Offered():
                _, line = self._visit.taken_back(happening)
                print(show.taken_back_line(happening.room, line))
            case _:
                self._show(happening)

    def _show(self, happening: Happening) -> None:
        if self._visit.hides(happening) or self._visit.answers(happening):
            return
        if self._visit.is_first_unread(happening):
            print(show.remark(show.WAITING))
        line = show.happening_line(happening, self._visit.room)
        if line:
            print(line)

    # --- inside: the way through a visit

    async def _destination(self) -> Destination:
        wishes = self._wishes
        place, nick = await self._questions.where_and_who(wishes)
        return Destination(place, nick, wishes.room, wishes.pinned, wishes.link)

    async def _at(self, where: Destination) -> None:
        self._client = client = ChatClient(
            self._reactor,
            where.place,
            where.nick,
            pinned=where.pinned,
            link=where.link,
            happened=self.happened,
        )
        client.closed.addCallbacks(self._closed, self._failed)
        self._visit.begin(client, where.room).addCallbacks(self._answered, self._rejected, errbackArgs=("",))
        client.connect().addCallbacks(self._welcome, self._failed)
        talking = asyncio.ensure_future(self._talk())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({talking, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_here = False
            talking.cancel()
            over.cancel()
            await asyncio.wait({talking})  # the terminal is as it was
            await self._leave()
        if not talking.cancelled():
            talking.result()

    async def _talk(self) -> None:
        try:
            await self._read_lines()
        except KeyboardInterrupt:  # Ctrl-C; out of a task of its own it would end the loop
            raise Leave from None

    async def _read_lines(self) -> None:
        draft = ""
        while True:
            if self._refusal:
                print(show.remark(self._refusal))
                nick = await self._questions.nick()
                self._refusal = ""
                self._client.enter(nick).addCallbacks(self._welcome, self._failed)
            try:
                line = await self._chat.prompt_async(default=draft, handle_sigint=False)
            except _Interrupted:
                draft = self._chat.default_buffer.text
                continue
            draft = ""
            for each in line.splitlines():  # a paste has several
                self._line(each)

    async def _leave(self) -> None:
        if self._visit.pending and self._client.state is Link.CONNECTED:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), SETTLE_SECONDS)
        for typed in self._visit.pending.values():
            if typed.is_text:
                print(f"not sent: {typed.line}")
        self._visit.stop()
        await self._client.leave().asFuture(asyncio.get_running_loop())

    # --- inside: lines

    def _line(self, line: str) -> None:
        if says_goodbye(line):
            raise Leave
        try:
            text = check_line(line)
        except RequestRejected as refusal:
            print(show.remark(refusal.text))
            return
        if text:
            self._lines += 1
            self._settled.clear()
            self._visit.ask(text, self._lines).addCallbacks(
                self._answered, self._rejected, errbackArgs=(text,)
            )

    def _answered(self, outcome: Outcome) -> None:
        if isinstance(outcome, Answer):
            for line in outcome.lines:
                print(notice(line))
        elif is_direct(outcome.room):  # what is said in a room appears there
            nick = outcome.room.removeprefix(DIRECT)
            for line in show.alone_lines(nick, outcome.text, waiting=outcome.waiting):
                print(line)
        self._review()

    def _rejected(self, failure: Failure, line: str) -> None:
        if failure.trap(RequestRejected, Abandoned) is RequestRejected:
            refused = f"{line} ({failure.getErrorMessage()})" if line else failure.getErrorMessage()
            print(show.remark(f"not accepted: {refused}"))
        self._review()

    def _review(self) -> None:
        if not self._visit.pending:
            self._settled.set()
        self._chat.app.invalidate()

    # --- inside: how things stand

    def _closed(self, reason: str) -> None:
        if self._is_here and self._problem is None:  # else the person, or our caller, knows why
            print(show.remark(f"the end: {reason}"))
        self._over.set()

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, RequestRejected) and error.code.startswith(show.NICK_CODES):
            self._refused(show.refusal_text(error.code, error.text))
        elif not failure.check(Abandoned):
            self._problem = self._problem or failure
            self._over.set()

    def _refused(self, text: str) -> None:
        self._refusal = text
        app = self._chat.app
        if app.future is not None and not app.future.done():
            app.exit(exception=_Interrupted())

    def _link_changed(self, changed: LinkChanged) -> None:
        text = show.link_text(changed, self._link, str(self._client.place), self._client.nick)
        if text:
            print(show.remark(text))
        if changed.state is not self._link:
            self._link, self._since = changed.state, self._reactor.seconds()
        self._chat.app.invalidate()

    def _welcome(self, welcome: Welcome) -> None:
        lines = show.welcome_lines(welcome)
        if welcome.is_owned and own_nicks().add(str(self._client.place), welcome.nick):
            lines += show.owned_lines(welcome.nick)
        for line in lines:
            print(notice(line))

    def _toolbar(self) -> StyleAndTextTuples:
        texts = [typed.line for typed in self._visit.pending.values()]
        return toolbar(self._visit.room, self._link, self._reactor.seconds() - self._since, texts)
