"""Terminal mode: the line that is being typed, above it what is said, below it how things stand.

A text appears above when the server has stored it, as the entry that everybody sees; until then the toolbar
counts it. This module prints what `chat.client.show` gives, and never touches a socket.
"""

from __future__ import annotations

import asyncio

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from chat.client import show
from chat.client.at_terminal import AtTerminal
from chat.client.happenings import Happening, Link
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.plain import check_line, says_goodbye
from chat.client.questions import Leave, at_prompt
from chat.client.shell import terminal_again
from chat.client.visit import Destination, Stored, Visit, is_text
from chat.client.wishes import Wishes
from chat.errors import RequestRejected
from chat.messages import DIRECT, is_direct
from chat.typed import HISTORY
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


class Terminal(AtTerminal):
    """One person's visit, in lines."""

    def __init__(self, reactor: AsyncioSelectorReactor, wishes: Wishes) -> None:
        super().__init__(reactor, Visit(reactor, history=HISTORY))
        self._wishes = wishes
        self._questions = at_prompt()
        self._chat: PromptSession[str] = PromptSession(  # its history holds what was typed into the chat only
            _LINE,
            erase_when_done=True,
            bottom_toolbar=self._toolbar,
            refresh_interval=REFRESH_SECONDS,
            reserve_space_for_menu=0,
            enable_suspend=True,
            style=_STYLE,
        )
        self._talking: asyncio.Task[None]
        self._refusal = ""  # of the last nick
        self._meant_for = ""  # the room that we are put out of, if something was being typed then

    async def visit(self) -> int:
        """Ask, chat, leave; gives the exit code. Raises what `ChatClient.connect` fails with."""
        with patch_stdout(), terminal_again():
            try:
                self._connect(await self._destination())
                self._talking = asyncio.ensure_future(self._talk())
                await self._stay(self._talking)
                if not self._talking.cancelled():
                    self._talking.result()
            except (Leave, EOFError, KeyboardInterrupt):  # exit, Ctrl-D, Ctrl-C (to a question)
                return EXIT_OK
        if self._problem is not None:
            self._problem.raiseException()
        return EXIT_FAILED

    def happened(self, happening: Happening) -> None:
        """Show it. If it is that we are put out of a room, what is being typed was meant for there."""
        room = self._visit.room
        super().happened(happening)
        if self._visit.room != room and self._chat.default_buffer.text:
            self._meant_for = self._meant_for or room

    # --- what is shown

    def show_happening(self, happening: Happening) -> None:
        """Print what is said of it."""
        if self._visit.hides(happening) or self._visit.answers(happening):
            return
        if self._visit.is_first_unread(happening):
            self.show_remark(show.WAITING)
        line = show.happening_line(happening, self._visit.room)
        if line:
            print(line)

    def show_remark(self, text: str) -> None:
        """Print it."""
        print(show.remark(text))

    def show_answer(self, line: str) -> None:
        """Print it."""
        print(notice(line))

    def show_end(self, text: str) -> None:
        """Print it."""
        self.show_remark(text)

    def show_delivered(self, nick: str, text: str) -> None:
        """Print it."""
        print(show.delivered_line(nick, text))

    def show_state(self) -> None:
        """Print the toolbar anew."""
        self._chat.app.invalidate()

    # --- what becomes of lines

    def take_accepted(self, _: int, stored: Stored, /) -> None:
        """Print what was said to one person; what is said in a room appears there."""
        if is_direct(stored.room):
            nick = stored.room.removeprefix(DIRECT)
            for line in show.alone_lines(nick, stored.text, waiting=stored.waiting):
                print(line)

    def take_refused(self, _: int, __: str, /) -> bool:
        """Leave it to be said."""
        return False

    def take_lost(self, _: int, line: str, room: str, /) -> None:
        """Print it."""
        print(show.taken_back_line(room, line))

    def keep_unsent(self) -> None:
        """Print them."""
        for typed in self._visit.pending.values():
            if typed.says:
                print(f"not sent: {typed.line}")

    # --- what is asked and typed

    async def _destination(self) -> Destination:
        wishes = self._wishes
        place, nick = await self._questions.where_and_who(wishes)
        return Destination(place, nick, wishes.room, wishes.pinned, wishes.link)

    def ask_for_nick(self, refusal: str) -> None:
        """Ask before the next line; the one that is being typed stays."""
        self._refusal = refusal
        app = self._chat.app
        if app.future is not None and not app.future.done():
            app.exit(exception=_Interrupted())

    async def stop_asking(self) -> None:
        """Leave the terminal as it was."""
        self._talking.cancel()
        await asyncio.wait({self._talking})

    async def _talk(self) -> None:
        try:
            await self._read_lines()
        except KeyboardInterrupt:  # Ctrl-C; out of a task of its own it would end the loop
            raise Leave from None

    async def _read_lines(self) -> None:
        draft = ""
        while True:
            if self._refusal:
                self.show_remark(self._refusal)
                nick = await self._questions.nick()
                self._refusal = ""
                self._enter(nick)
            try:
                line = await self._chat.prompt_async(default=draft, handle_sigint=False)
            except _Interrupted:
                draft = self._chat.default_buffer.text
                continue
            lines = line.splitlines()
            draft = line if self._is_astray(lines) else ""
            for each in () if draft else lines:
                self._line(each, is_pasted=len(lines) > 1)

    def _is_astray(self, lines: list[str]) -> bool:
        """Say whether these were meant for a room that we are not in any more, once: then they are wanted."""
        (room, now), self._meant_for = (self._meant_for, self._visit.room), ""
        here = [line for line in lines if is_text(line) and not is_direct(self._visit.target(line))]
        if not room or not now or not here or says_goodbye(lines[0]):
            return False
        self.show_remark(f"you are out of {room}, for which this was meant: Enter says it in {now}")
        return True

    def _line(self, line: str, *, is_pasted: bool) -> None:
        if says_goodbye(line, is_pasted=is_pasted):
            raise Leave
        try:
            text = check_line(line)
        except RequestRejected as refusal:
            self.show_remark(refusal.text)
            return
        if text:
            self._ask(text)

    def _toolbar(self) -> StyleAndTextTuples:
        texts = [typed.line for typed in self._visit.pending.values()]
        return toolbar(self._visit.room, self._link, self._reactor.seconds() - self._since, texts)
