"""What a person is asked before a chat begins: where the server is, and who they want to be."""

from __future__ import annotations

from prompt_toolkit import PromptSession

from chat.client.address import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    AddressError,
    Place,
    has_port,
    parse_place,
    parse_port,
)
from chat.client.plain import says_goodbye

NICK = "nick: "


class Leave(Exception):
    """The person said that this is the end."""


class Questions:
    """Asks, with a default in brackets. Whoever answers with a word for leaving raises `Leave`."""

    def __init__(self) -> None:
        self._session: PromptSession[str] = PromptSession()  # whose history holds no texts

    async def ask(self, question: str) -> str:
        """Give the answer, "" if it is blank."""
        # What Ctrl-C sends while a line is being typed is a key like others; signals are the loop's business.
        answer = (await self._session.prompt_async(question, handle_sigint=False)).strip()
        if says_goodbye(answer):
            raise Leave
        return answer

    async def nick(self, default: str = "") -> str:
        """Ask for a nick until there is one."""
        question = f"nick [{default}]: " if default else NICK
        while True:
            nick = await self.ask(question) or default
            if nick:
                return nick

    async def place(self) -> Place:
        """Ask for a server until there can be one; whoever names its port is not asked for that."""
        while True:
            try:
                written = await self.ask(f"server [{DEFAULT_HOST}]: ") or DEFAULT_HOST
                place = parse_place(written)
                if has_port(written):
                    return place
                return place._replace(port=await self._port())
            except AddressError as error:
                print(error)

    async def _port(self) -> int:
        while True:
            try:
                return parse_port(await self.ask(f"port [{DEFAULT_PORT}]: ") or str(DEFAULT_PORT))
            except AddressError as error:
                print(error)
