"""Terminal mode: questions, the line that is being typed, and above it what the others say.

Every line that is printed has been cleaned by the protocol. prompt_toolkit keeps what is typed and what is
printed apart; this module asks, prints and never touches the socket.
"""

from __future__ import annotations

import asyncio

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from chat.client.address import Place
from chat.client.plain import PlainClient, says_goodbye
from chat.client.questions import NICK, Leave, at_prompt
from chat.client.resolve import resolve
from chat.client.shell import terminal_again
from chat.errors import RequestRejected
from chat.wire.lines import NICK_TAKEN

PATIENCE_SECONDS = 3.0  # some servers greet nobody: after this the person may type anyway

_LINE = "> "


class Terminal:
    """One person's visit. A `place` that is None and a `nick` that is "" are asked for."""

    def __init__(self, reactor: AsyncioSelectorReactor, place: Place | None, nick: str) -> None:
        self._reactor = reactor
        self._place = place
        self._nick = nick
        self._questions = at_prompt()
        self._chat: PromptSession[str] = PromptSession(enable_suspend=True)  # its history holds texts only
        self._settled: asyncio.Future[None] | None = None  # until the last nick has led to something

    async def visit(self) -> int:
        """Ask, chat, leave; gives the exit code. Raises `AddressError`."""
        with patch_stdout(), terminal_again():
            try:
                place = self._place or await self._questions.place()
                resolving = resolve(place, self._reactor.nameResolver)
                server = await resolving.asFuture(asyncio.get_running_loop())
                client = PlainClient(server, self._reactor, PATIENCE_SECONDS, self)
                client.open(self._reactor)
                try:
                    await self._talk(client)
                finally:
                    client.leave()
            except (Leave, EOFError, KeyboardInterrupt):  # exit, Ctrl-D, Ctrl-C
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

    async def _talk(self, client: PlainClient) -> None:
        nick = self._nick
        while True:
            if client.wants_nick:
                await self._knock(client, nick or await self._questions.ask(NICK))
                nick = ""
                continue
            line = await self._chat.prompt_async(lambda: self._prompt(client), handle_sigint=False)
            if says_goodbye(line):
                raise Leave
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
        return NICK if client.wants_nick else _LINE
