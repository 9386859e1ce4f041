"""The commands people type, as data: one table for every door, and `/help` made from it.

A line that begins with one slash is a command; two slashes say a text that begins with one. A command
gives a request; the ids and numbers in it are filled in by the session that asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chat.errors import RequestRejected
from chat.messages import LOBBY, Bye, Kind, Motd, Names, Request, Say


class Help(NamedTuple):
    """Not a request: the door answers it from this table. `topic` is a command's name or ""."""

    topic: str


class Command(NamedTuple):
    """One row: `arguments` is shown as it stands; `make` gives the request for the argument text."""

    name: str
    aliases: tuple[str, ...]
    arguments: str
    help: str
    make: Callable[[str], Request | Help]


def _me(text: str) -> Request:
    if not text:
        raise RequestRejected("ARGUMENT_MISSING", "/me: what do you do? Like this: /me waves")
    return Say(0, 0, LOBBY, Kind.ME, text)


COMMANDS = (
    Command("help", ("?",), "[command]", "what you can do here", Help),
    Command("me", (), "<action>", "say what you do: * you wave", _me),
    Command("motd", (), "", "the message of the day", lambda _: Motd(0)),
    Command("names", ("who", "users"), "[after]", "who is here", lambda after: Names(0, LOBBY, after)),
    Command("quit", ("exit", "bye"), "", "leave (the word exit does the same)", lambda _: Bye("exit")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def parse_command(line: str) -> Request | Help:
    """Give what the command line (a slash first) asks for, or raise `RequestRejected` naming the fault."""
    name, _, argument = line[1:].partition(" ")
    command = _BY_NAME.get(name.lower())
    if command is None:
        raise RequestRejected("UNKNOWN_COMMAND", f"unknown command /{name[:32]}: /help lists what there is")
    return command.make(argument.strip())


def help_lines(topic: str = "") -> list[str]:
    """Give the answer to `/help` (every command), or to `/help topic` (that one, with its aliases)."""
    if not topic:
        return [_usage(command) for command in COMMANDS] + ["//text says a text that begins with /"]
    command = _BY_NAME.get(topic.removeprefix("/").lower())
    if command is None:
        return [f"there is no command /{topic.removeprefix('/')[:32]}: /help lists what there is"]
    aliases = ", ".join(f"/{alias}" for alias in command.aliases)
    return [_usage(command)] + ([f"the same: {aliases}"] if aliases else [])


def _usage(command: Command) -> str:
    return f"{f'/{command.name} {command.arguments}'.strip()} - {command.help}"
