"""What a person's visit is at every terminal, whether lines or a screen show it.

It goes to a server, asks what is typed, and takes in how that ends; the words are `show`'s. Where they stand
is for `chat.client.terminal` and `chat.client.screen.talk` to say.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chat.client import show
from chat.client.happenings import Abandoned, Happening, Link, LinkChanged
from chat.client.own import own_nicks
from chat.client.protocol import ChatClient
from chat.client.visit import SETTLE_SECONDS, Answer, Destination, Outcome, Stored, Visit
from chat.errors import RequestRejected
from chat.messages import DIRECT, Delivered, Welcome
from chat.safety import clean_text
from chat.wire.events import Offered, Refused


class AtTerminal(ABC):
    """One person's visit. Where the kinds of terminal differ, each has its own method."""

    def __init__(self, reactor: AsyncioSelectorReactor, visit: Visit) -> None:
        self._reactor = reactor
        self._visit = visit
        self._client: ChatClient
        self._link, self._since, self._reason = Link.CONNECTING, reactor.seconds(), ""
        self._lines = 0
        self._is_here = True  # the person is
        self._problem: Failure | None = None  # that keeps us out for good
        self._over = asyncio.Event()  # for whatever reason, but the person's wish
        self._settled = asyncio.Event()  # no line is without an outcome

    # --- where they differ

    @abstractmethod
    def show_happening(self, happening: Happening) -> None:
        """Show what has happened in the chat, unless it changes nothing that one sees."""

    @abstractmethod
    def show_remark(self, text: str) -> None:
        """Show what the client itself says."""

    @abstractmethod
    def show_answer(self, line: str) -> None:
        """Show a line of what the person asked for."""

    @abstractmethod
    def show_end(self, text: str) -> None:
        """Show why the chat is over."""

    @abstractmethod
    def show_delivered(self, nick: str, text: str) -> None:
        """Show that what waited for somebody has arrived."""

    @abstractmethod
    def show_state(self) -> None:
        """Show how things stand now."""

    @abstractmethod
    def take_accepted(self, number: int, stored: Stored, /) -> None:
        """Take in that the line of that number was accepted."""

    @abstractmethod
    def take_refused(self, number: int, reason: str, /) -> bool:
        """Take in that the line of that number was not accepted. False: that has to be said."""

    @abstractmethod
    def take_lost(self, seq: int, line: str, room: str, /) -> None:
        """Take in that the server has lost an accepted line."""

    @abstractmethod
    def ask_for_nick(self, refusal: str) -> None:
        """Ask for another nick, and enter with it."""

    @abstractmethod
    async def stop_asking(self) -> None:
        """Let nothing more be typed."""

    @abstractmethod
    def keep_unsent(self) -> None:
        """Do what is left to do for lines without an outcome."""

    # --- called by the client

    def happened(self, happening: Happening) -> None:
        """Show it."""
        self._visit.happened(happening)
        match happening:
            case LinkChanged():
                self._link_changed(happening)
            case Refused(rejected) if rejected.code.startswith(show.NICK_CODES):
                self.ask_for_nick(show.refusal_text(rejected.code, rejected.text))
            case Delivered():
                told = self._visit.delivered(happening)
                if told is not None and told[1].waiting:
                    self.show_delivered(told[1].room.removeprefix(DIRECT), told[1].text)
            case Offered():
                _, line = self._visit.taken_back(happening)
                self.take_lost(happening.seq, line, happening.room)
            case _:
                self.show_happening(happening)
        self.show_state()

    # --- the way through a visit

    def _connect(self, where: Destination) -> None:
        self._client = client = ChatClient(
            self._reactor,
            where.place,
            where.nick,
            pinned=where.pinned,
            link=where.link,
            happened=self.happened,
        )
        client.closed.addCallbacks(self._closed, self._failed)
        self._visit.begin(client, where.room).addCallbacks(
            self._answered, self._rejected, (0,), errbackArgs=(0, "")
        )
        self._await_welcome(client.connect())

    async def _stay(self, person: asyncio.Task[None]) -> bool:
        """Chat until `person` is done, which is their wish, or the chat is over; then leave. True: it was."""
        over = asyncio.ensure_future(self._over.wait())
        waiting: set[asyncio.Task[Any]] = {person, over}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return person.done()
        finally:
            self._is_here = False
            over.cancel()
            await self.stop_asking()
            if self._visit.pending and self._client.state is Link.CONNECTED:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), SETTLE_SECONDS)
            self.keep_unsent()
            self._visit.stop()
            await self._client.leave().asFuture(asyncio.get_running_loop())

    def _enter(self, nick: str) -> None:
        self._await_welcome(self._client.enter(nick))

    def _await_welcome(self, entering: Deferred[Welcome]) -> None:
        entering.addCallbacks(self._welcome, self._failed)

    # --- lines

    def _ask(self, line: str, begun: Callable[[int], None] | None = None) -> None:
        """Ask what a line says; `begun` is told its number before anything comes of it."""
        self._lines += 1
        number = self._lines
        self._settled.clear()
        asking = self._visit.ask(line, number)
        if begun is not None:
            begun(number)
        asking.addCallbacks(self._answered, self._rejected, (number,), errbackArgs=(number, line))

    def _answered(self, outcome: Outcome, number: int) -> None:
        if isinstance(outcome, Answer):
            for line in outcome.lines:
                self.show_answer(line)
        else:
            self.take_accepted(number, outcome)
        self._review()

    def _rejected(self, failure: Failure, number: int, line: str) -> None:
        if failure.trap(RequestRejected, Abandoned) is RequestRejected:
            reason = clean_text(failure.getErrorMessage())
            if not self.take_refused(number, reason):
                self.show_remark(f"not accepted: {f'{line} ({reason})' if line else reason}")
        self._review()

    def _review(self) -> None:
        if not self._visit.pending:
            self._settled.set()
        self.show_state()

    # --- how things stand

    def _welcome(self, welcome: Welcome) -> None:
        lines = show.welcome_lines(welcome)
        if welcome.is_owned and own_nicks().add(str(self._client.place), welcome.nick):
            lines += show.owned_lines(welcome.nick)
        for line in lines:
            self.show_answer(line)

    def _link_changed(self, changed: LinkChanged) -> None:
        text = show.link_text(changed, self._link, str(self._client.place), self._client.nick)
        if text:
            self.show_remark(text)
        if changed.state is not self._link:
            self._link, self._since = changed.state, self._reactor.seconds()
        self._reason = clean_text(changed.reason)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, RequestRejected) and error.code.startswith(show.NICK_CODES):
            self.ask_for_nick(show.refusal_text(error.code, error.text))
        elif not failure.check(Abandoned):
            self._problem = self._problem or failure
            self._over.set()

    def _closed(self, reason: str) -> None:
        if self._is_here and self._problem is None:  # else the person, or our caller, knows why
            self.show_end(f"the end: {reason}")
        self._over.set()
