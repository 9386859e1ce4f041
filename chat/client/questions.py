"""What a person is asked before a chat begins: where the server is, and who they want to be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from chat.client.address import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    AddressError,
    Place,
    has_port,
    parse_place,
    parse_port,
)
from chat.client.own import login_nick
from chat.client.plain import says_goodbye
from chat.client.wishes import Wishes

NICK = "nick: "


class Leave(Exception):
    """The person said that this is the end."""


class Questions:
    """Asks, with a default in brackets. Whoever answers with a word for leaving raises `Leave`.

    `prompt` asks one question, and `tell` says something before it.
    """

    def __init__(self, prompt: Callable[[str], Awaitable[str]], tell: Callable[[str], None] = print) -> None:
        self._prompt = prompt
        self._tell = tell

    async def ask(self, question: str) -> str:
        """Give the answer, "" if it is blank."""
        answer = (await self._prompt(question)).strip()
        if says_goodbye(answer):
            raise Leave
        return answer

    async def where_and_who(
        self, wishes: Wishes, met: Sequence[str] = (), own: Callable[[Place], str] = lambda _: ""
    ) -> tuple[Place, str]:
        """Give the server and the nick: what was said on the command line, else what is asked for.

        Offered are the last of the servers that were `met`, and the `own` nick there, or the login name. Who
        has named a server is not asked for a nick if the login name is one.
        """
        if wishes.place is not None:
            return wishes.place, wishes.nick or login_nick() or await self.nick()
        place = await self.place(met)
        return place, wishes.nick or await self.nick(own(place) or login_nick())

    async def nick(self, default: str = "") -> str:
        """Ask for a nick until there is one."""
        question = f"nick [{default}]: " if default else NICK
        while True:
            nick = await self.ask(question) or default
            if nick:
                return nick

    async def place(self, met: Sequence[str] = ()) -> Place:
        """Ask for a server until there can be one; whoever names its port is not asked for that.

        Of those that were `met`, the last one is offered.
        """
        default = met[-1] if met else DEFAULT_HOST
        while True:
            try:
                written = await self.ask(f"server [{default}]: ") or default
                place = parse_place(written)
                if has_port(written):
                    return place
                return place._replace(port=await self._port())
            except AddressError as error:
                self._tell(str(error))

    async def _port(self) -> int:
        while True:
            try:
                return parse_port(await self.ask(f"port [{DEFAULT_PORT}]: ") or str(DEFAULT_PORT))
            except AddressError as error:
                self._tell(str(error))


def at_prompt() -> Questions:
    """Give questions that are asked line by line."""
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession(enable_suspend=True)  # whose history holds no texts

    async def prompt(question: str) -> str:
        # What Ctrl-C sends while a line is being typed is a key like others; signals are the loop's business.
        return await session.prompt_async(question, handle_sigint=False)

    return Questions(prompt)
