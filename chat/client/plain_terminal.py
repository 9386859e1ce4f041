"""Terminal mode: questions, the line that is being typed, and above it what the others say.

Every line that is printed has been cleaned by the protocol. prompt_toolkit keeps what is typed and what is
printed apart; this module asks, prints and never touches the socket.
"""

from __future__ import annotations

import asyncio

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from chat.client.address import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    AddressError,
    Place,
    has_port,
    parse_place,
    parse_port,
    resolve,
)
from chat.client.plain import PlainClient, says_goodbye
from chat.errors import RequestRejected
from chat.wire.lines import NICK_TAKEN

PATIENCE_SECONDS = 3.0  # some servers greet nobody: after this the person may type anyway

_NICK = "nick: "
_LINE = "> "


class _Leave(Exception):
    """The person said that this is the end."""


class Terminal:
    """One person's visit. A `place` that is None and a `nick` that is "" are asked for."""

    def __init__(self, reactor: AsyncioSelectorReactor, place: Place | None, nick: str) -> None:
        self._reactor = reactor
        self._place = place
        self._nick = nick
        self._questions: PromptSession[str] = PromptSession()
        self._chat: PromptSession[str] = PromptSession()  # its history holds texts only
        self._settled: asyncio.Future[None] | None = None  # until the last nick has led to something

    async def visit(self) -> int:
        """Ask, chat, leave; gives the exit code. Raises `AddressError`."""
        with patch_stdout():
            try:
                place = self._place or await self._ask_place()
                resolving = resolve(place, self._reactor.nameResolver)
                server = await resolving.asFuture(asyncio.get_running_loop())
                client = PlainClient(server, self._reactor, PATIENCE_SECONDS, self)
                client.open(self._reactor)
                try:
                    await self._talk(client)
                finally:
                    client.leave()
            except (_Leave, EOFError, KeyboardInterrupt):  # exit, Ctrl-D, Ctrl-C
                pass
            except asyncio.CancelledError:  # Ctrl-C while nothing was asked, or another signal: the same wish
                pass
        return 0

    # --- called by the client

    def answered(self) -> None:
        """Let the person type."""
        self._settle()

    def unanswered(self) -> None:
        """Let the person type, who should know what this may mean."""
        print("no answer yet: some servers greet nobody, so just go on (or is no server there?)")
        self._settle()

    def refused(self) -> None:
        """Ask for another nick: after this one, or in the prompt that stands there."""
        print(f"{NICK_TAKEN} (that nick is taken or not allowed here: choose another)")
        self._settle()
        self._chat.app.invalidate()

    def heard(self, line: str) -> None:
        """Show what somebody said."""
        print(line)

    def failed(self, problem: str) -> None:
        """Show what went wrong."""
        print(problem)

    # --- inside

    async def _ask_place(self) -> Place:
        while True:
            try:
                written = await self._ask(f"server [{DEFAULT_HOST}]: ") or DEFAULT_HOST
                place = parse_place(written)
                if has_port(written):
                    return place
                return place._replace(port=await self._ask_port())
            except AddressError as error:
                print(error)

    async def _ask_port(self) -> int:
        while True:
            try:
                return parse_port(await self._ask(f"port [{DEFAULT_PORT}]: ") or str(DEFAULT_PORT))
            except AddressError as error:
                print(error)

    async def _ask(self, question: str) -> str:
        # What Ctrl-C sends while a line is being typed is a key like others; signals are the loop's business.
        answer = (await self._questions.prompt_async(question, handle_sigint=False)).strip()
        if says_goodbye(answer):
            raise _Leave
        return answer

    async def _talk(self, client: PlainClient) -> None:
        nick = self._nick
        while True:
            if client.wants_nick:
                await self._knock(client, nick or await self._ask(_NICK))
                nick = ""
                continue
            line = await self._chat.prompt_async(lambda: self._prompt(client), handle_sigint=False)
            if says_goodbye(line):
                raise _Leave
            if client.wants_nick:  # since a refusal came while the line was being typed
                nick = line.strip()
                continue
            try:
                client.say(line)
            except RequestRejected as refusal:
                print(refusal.text)

    async def _knock(self, client: PlainClient, nick: str) -> None:
        self._settled = asyncio.get_running_loop().create_future()
        try:
            if nick and client.join(nick):
                await self._settled
        except RequestRejected as refusal:
            print(refusal.text)

    def _settle(self) -> None:
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def _prompt(self, client: PlainClient) -> str:
        return _NICK if client.wants_nick else _LINE
