"""The commands people type, as data: one table for every door, and `/help` made from it.

A line that begins with one slash is a command; two slashes say a text that begins with one. A command
gives a request; the ids and numbers in it are filled in by the session that asks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from chat.errors import RequestRejected
from chat.fields import TOPIC_BYTES
from chat.messages import (
    DIRECT,
    LOBBY,
    Bye,
    Fetch,
    Join,
    Kind,
    Link,
    Motd,
    Names,
    Nick,
    Part,
    Release,
    Request,
    Rooms,
    Say,
    Topic,
)
from chat.orders import Order, Verb
from chat.safety import NICK_BYTES, check_nick, check_room, is_blank

HISTORY = 20  # entries that `/history` asks for: a screen of a terminal
MAX_HISTORY = 40  # two screens; of 900 bytes 48 fit one answer of a server
MAX_AGE = 30 * 86_400  # seconds that `/history` looks back: a nick that nobody used for so long is free, too
NO_TOPIC = "-"  # in place of a topic: there shall be none

_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_AGE = re.compile(r"([1-9][0-9]{0,8})([mhd])", re.IGNORECASE)
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}


class Help(NamedTuple):
    """Not a request: the door answers it from this table. `topic` is a command's name or ""."""

    topic: str


class Command(NamedTuple):
    """One row: `arguments` is shown as it stands; `make` gives the request for (argument, current room)."""

    name: str
    aliases: tuple[str, ...]
    arguments: str
    help: str
    make: Callable[[str, str], Request | Help]


def check_current(room: str) -> str:
    """Give the room that somebody is in, or raise `RequestRejected` if it is "": there is none."""
    if not room:
        raise RequestRejected("NOT_IN_ROOM", f"you are in no room: /join {LOBBY}")
    return room


def _given(argument: str, question: str) -> str:
    if is_blank(argument):
        raise RequestRejected("ARGUMENT_MISSING", question)
    return argument


def _named(name: str) -> str:
    """Give the room that people mean: IRC's sign before it and capitals in it are habits."""
    return check_room(name.removeprefix("#").lower())


def _person(name: str) -> str:
    """Give the nick of somebody else; the sign that other chats put before it is a habit."""
    try:
        return check_nick(name.removeprefix(DIRECT)).shown
    except RequestRejected as refusal:
        text = f"there can be nobody called {name[:32]}: {refusal.text}"
        raise RequestRejected("NO_SUCH_NICK", text) from None


def _msg(argument: str, _: str) -> Request:
    name, _, text = _given(argument, "/msg: who to? Like this: /msg bob hello").partition(" ")
    nick = _person(name)
    text = _given(text.strip(), f"/msg: what do you say to {nick}? Like this: /msg {nick} hello")
    return Say(0, 0, DIRECT + nick, Kind.SAY, text)


def _release(argument: str, _: str) -> Request:
    return Release(0, _person(argument) if argument else "")


def _link(argument: str, _: str) -> Request:
    if argument:
        text = "/link makes a code; who has one comes in with it: udpchat --link CODE HOST"
        raise RequestRejected("ARGUMENT_INVALID", text)
    return Link(0)


def _nick(argument: str, _: str) -> Request:
    nick = _given(argument, "/nick: which nick? Like this: /nick bob")
    return Nick(0, check_nick(nick).shown)


def _me(argument: str, room: str) -> Request:
    action = _given(argument, "/me: what do you do? Like this: /me waves")
    return Say(0, 0, check_current(room), Kind.ME, action)


def _join(argument: str, _: str) -> Request:
    return Join(0, _named(_given(argument, "/join: which room? Like this: /join dev")))


def _part(argument: str, room: str) -> Request:
    return Part(0, _named(argument) if argument else check_current(room))


def _names(after: str, room: str) -> Request:
    if len(after.encode()) > NICK_BYTES:
        raise RequestRejected("ARGUMENT_INVALID", "/names: behind which nick? Like this: /names bob")
    return Names(0, check_current(room), after)


def _list(after: str, _: str) -> Request:
    return Rooms(0, _named(after) if after else "")


def _topic(text: str, room: str) -> Request:
    size = len(text.encode())
    if size > TOPIC_BYTES:
        raise RequestRejected("TOPIC_TOO_LONG", f"that topic has {size} bytes: at most {TOPIC_BYTES} fit")
    if is_blank(text):
        return Topic(0, check_current(room))
    return Topic(0, check_current(room), "" if text == NO_TOPIC else text)


def _order(verb: Verb) -> Callable[[str, str], Order]:
    """Give how the order is made that needs nothing but its verb."""
    return lambda *_: Order(0, verb)


def _history(argument: str, room: str) -> Request:
    age = _AGE.fullmatch(argument)
    if age is not None:
        seconds = min(int(age[1]) * _UNITS[age[2].lower()], MAX_AGE)
        return Fetch(0, check_current(room), after=None, before=None, limit=MAX_HISTORY, age=seconds)
    if argument and not _COUNT.fullmatch(argument):
        question = "/history: how many lines, or since when? Like this: /history 20, or /history 2h (m, h, d)"
        raise RequestRejected("ARGUMENT_INVALID", question)
    count = min(int(argument), MAX_HISTORY) if argument else HISTORY
    return Fetch(0, check_current(room), after=None, before=None, limit=count)


COMMANDS = (
    Command("help", ("?",), "[command]", "what you can do here", lambda name, _: Help(name)),
    Command("nick", (), "<nick>", "be called something else", _nick),
    Command("me", (), "<action>", "say what you do: * you wave", _me),
    Command("msg", ("m",), "<nick> <text>", "say something to one person alone, who need not be here", _msg),
    Command("join", ("j",), "<room>", "go into a room, and speak there from now on", _join),
    Command("part", ("leave",), "[room]", "leave this room, or another", _part),
    Command("names", ("who", "users"), "[after]", "who is here", _names),
    Command("list", ("rooms",), "[after]", "which rooms there are", _list),
    Command(
        "topic",
        (),
        "[text]",
        f"what this room is about; with a text: make it that ({NO_TOPIC}: nothing)",
        _topic,
    ),
    Command(
        "history",
        (),
        "[number or age]",
        f"what was said here last: {HISTORY} lines, or up to {MAX_HISTORY}; 90m, 2h, 3d: what is no older",
        _history,
    ),
    Command("release", (), "[nick]", "let your nick, or another of yours, belong to nobody", _release),
    Command("link", (), "", "a code with which another device of yours comes in as you", _link),
    Command("motd", (), "", "the message of the day", lambda *_: Motd(0)),
    Command("uptime", (), "", "how long the server has been up, and how many are here", _order(Verb.UPTIME)),
    Command("version", (), "", "what the server is", _order(Verb.VERSION)),
    Command("quit", ("exit", "bye"), "", "leave (the word exit does the same)", lambda *_: Bye("exit")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}


def parse_command(line: str, room: str = LOBBY) -> Request | Help:
    """Give what the command line (a slash first) asks for; `room` is where it was typed ("": in none).

    Raises `RequestRejected` naming the fault or the missing piece.
    """
    name, _, argument = line[1:].partition(" ")
    command = _BY_NAME.get(name.lower())
    if command is None:
        raise RequestRejected("UNKNOWN_COMMAND", f"unknown command /{name[:32]}: /help lists what there is")
    return command.make(argument.strip(), room)


def is_for(line: str, name: str) -> bool:
    """Say whether the line asks for the command `name`, by whatever alias."""
    command = _BY_NAME.get(line[1:].partition(" ")[0].lower()) if line.startswith("/") else None
    return command is not None and command.name == name


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
