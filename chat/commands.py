"""The commands people type, as data: one table for every door, and `/help` made from it.

A line that begins with one slash is a command; two slashes say a text that begins with one. A command
gives a request; the ids and numbers in it are filled in by the session that asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chat import typed
from chat.errors import RequestRejected
from chat.local import Help, Lag, Local
from chat.messages import LOBBY, Bye, Motd, Request
from chat.orders import Verb, Who
from chat.typed import HISTORY, MAX_HISTORY, NO_TOPIC


class Command(NamedTuple):
    """One row: `arguments` is shown as it stands; `make` gives the request for (argument, current room).

    `who` may use it. `is_clients`: no other door than the program `udpchat` knows it.
    """

    name: str
    aliases: tuple[str, ...]
    arguments: str
    help: str
    make: Callable[[str, str], Request | Local]
    who: Who = Who.ANYBODY
    is_clients: bool = False

    def asked(self, argument: str, room: str, *, is_client: bool) -> Request | Local:
        """Give what is asked for at a door. Raises `RequestRejected`."""
        if self.is_clients and not is_client:
            text = f"/{self.name} is of udpchat: this door does not know it"
            raise RequestRejected("UNKNOWN_COMMAND", text)
        return self.make(argument, room)


class Asker(NamedTuple):
    """Who asks for help: with a key or without, a server's operator or not, in `udpchat` or elsewhere.

    Whether somebody is an operator of the room is known to the server only.
    """

    has_key: bool = False
    is_operator: bool = False
    is_client: bool = False

    def may(self, command: Command) -> bool:
        """Say whether a command is of use to them, as far as this door knows."""
        if command.is_clients and not self.is_client:
            return False
        match command.who:
            case Who.KEY:
                return self.has_key
            case Who.OPERATOR:
                return self.is_operator
            case _:
                return True


COMMANDS = (
    Command("help", ("?",), "[command]", "what you can do here", lambda name, _: Help(name)),
    Command("nick", (), "<nick>", "be called something else", typed.nick),
    Command("me", (), "<action>", "say what you do: * you wave", typed.me),
    Command(
        "msg", ("m",), "<nick> <text>", "say something to one person alone, who need not be here", typed.msg
    ),
    Command("reply", ("r",), "<text>", "say something to who said something to you alone last", typed.reply),
    Command("ignore", (), "[nick]", "leave out what somebody says, or tell who is left out", typed.ignore),
    Command("unignore", (), "<nick>", "leave out no longer what somebody says", typed.unignore),
    Command("switch", ("s",), "<room>", "speak in another of the rooms that you are in", typed.switch),
    Command("join", ("j",), "<room> [key]", "go into a room, and speak there from now on", typed.join),
    Command("part", ("leave",), "[room]", "leave this room, or another", typed.part),
    Command("names", ("who", "users"), "[after]", "who is here", typed.names),
    Command("list", ("rooms",), "[after]", "which rooms there are", typed.rooms),
    Command(
        "topic",
        (),
        "[text]",
        f"what this room is about; with a text: make it that ({NO_TOPIC}: nothing)",
        typed.topic,
    ),
    Command("away", (), "[text]", "be away until you say /back; who writes to you alone is told", typed.away),
    Command("back", (), "", "be here again", typed.order(Verb.BACK)),
    Command("whois", (), "<nick>", "who somebody is, and in which rooms", typed.whois),
    Command(
        "seen", (), "[number]", "who has been shown the last line here, or the one so many before", typed.seen
    ),
    Command("invite", (), "<nick> [room]", "let somebody into this room, or another", typed.invite),
    Command(
        "mode",
        (),
        "[room] [mode [key]]",
        "what a room is; make it +i private, +k with a key, +v for verified nicks, +t topic by operators",
        typed.mode,
    ),
    Command(
        "history",
        (),
        "[number or age]",
        f"what was said here last: {HISTORY} lines, or up to {MAX_HISTORY}; 90m, 2h, 3d: what is no older",
        typed.history,
    ),
    Command(
        "search",
        (),
        "[words]",
        "what was said here with all these words, newest first; again without: what is older",
        typed.search,
    ),
    Command(
        "release",
        (),
        "[nick]",
        "let your nick, or another of yours, belong to nobody",
        typed.release,
        Who.KEY,
    ),
    Command("link", (), "", "a code with which another device of yours comes in as you", typed.link, Who.KEY),
    Command("motd", (), "", "the message of the day", lambda *_: Motd(0)),
    Command(
        "uptime", (), "", "how long the server has been up, and how many are here", typed.order(Verb.UPTIME)
    ),
    Command("ping", (), "", "pong, says the server", typed.order(Verb.PING)),
    Command("lag", (), "", "how long the way to the server is, and what is lost on it", lambda *_: Lag()),
    Command("version", (), "", "what the server is", typed.order(Verb.VERSION)),
    Command(
        "operator",
        (),
        "<code>",
        "operate this server, by the code in its log: for the first one to do so",
        typed.operator,
        Who.KEY,
    ),
    Command(
        "op",
        (),
        "<nick> [server]",
        "let somebody operate this room, or the server",
        typed.op,
        Who.ROOM_OPERATOR,
    ),
    Command(
        "deop",
        (),
        "<nick> [server]",
        "let somebody operate this room, or the server, no more",
        typed.deop,
        Who.ROOM_OPERATOR,
    ),
    Command(
        "mute",
        (),
        "<nick> [time] [reason]",
        "let somebody say nothing, in this room: for an hour, or 10m, 2h, 3d, forever",
        typed.mute,
        Who.ROOM_OPERATOR,
    ),
    Command("unmute", (), "<nick>", "let somebody speak again", typed.unmute, Who.ROOM_OPERATOR),
    Command("kick", (), "<nick> [reason]", "put somebody out of this room", typed.kick, Who.ROOM_OPERATOR),
    Command(
        "redact",
        (),
        "<nick or position> [number]",
        "take away what somebody has said here: their newest line, or their third newest",
        typed.redact,
        Who.ROOM_OPERATOR,
    ),
    Command(
        "ban",
        (),
        "<nick, key or address> [time] [reason]",
        "keep somebody out: for a day, or 90m, 2h, 3d, forever",
        typed.ban,
        Who.OPERATOR,
    ),
    Command("unban", (), "<nick, key or address>", "keep somebody out no more", typed.unban, Who.OPERATOR),
    Command("banned", (), "[after]", "who is kept out, until when and why", typed.banned, Who.OPERATOR),
    Command("reload", (), "", "read the message of the day again", typed.order(Verb.RELOAD), Who.OPERATOR),
    Command(
        "shutdown",
        (),
        "[seconds] [back] [reason]",
        "end the server, now or then; back: it will be here again; /shutdown cancel: it stays up",
        typed.shutdown,
        Who.OPERATOR,
    ),
    Command("wall", (), "<text>", "say something to everybody who is here", typed.wall, Who.OPERATOR),
    *(
        Command(name, (), arguments, f"{what} (full screen)", typed.at_screen(name), is_clients=True)
        for name, arguments, what in (
            ("set", "[name] [value]", "your settings: all, one, or make one something else"),
            ("net", "", "what the line about the network says, in words"),
            ("clear", "", "empty this window"),
            ("close", "", "close this window; a room's: leave it"),
        )
    ),
    Command("quit", ("exit", "bye"), "", "leave (the word exit does the same)", lambda *_: Bye("exit")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
# What stands behind the help of those that not everybody may use.
_FOR = {Who.KEY: " (with a key)", Who.ROOM_OPERATOR: " (room operators)", Who.OPERATOR: " (operators)"}


def parse_command(line: str, room: str = LOBBY, *, is_client: bool = False) -> Request | Local:
    """Give what the command line (a slash first) asks for; `room` is where it was typed ("": in none).

    `is_client`: typed in `udpchat`. Raises `RequestRejected` naming the fault or the missing piece.
    """
    name, _, argument = line[1:].partition(" ")
    command = _BY_NAME.get(name.lower())
    if command is None:
        raise RequestRejected("UNKNOWN_COMMAND", f"unknown command /{name[:32]}: /help lists what there is")
    return command.asked(argument.strip(), room, is_client=is_client)


def is_for(line: str, name: str) -> bool:
    """Say whether the line asks for the command `name`, by whatever alias."""
    command = _BY_NAME.get(line[1:].partition(" ")[0].lower()) if line.startswith("/") else None
    return command is not None and command.name == name


def help_lines(asker: Asker, topic: str = "") -> list[str]:
    """Give the answer to `/help`: what the asker may use; or to `/help topic`: that, whoever may use it."""
    if not topic:
        usages = [usage(command, asker) for command in COMMANDS if asker.may(command)]
        return [*usages, "//text says a text that begins with /"]
    command = _BY_NAME.get(topic.removeprefix("/").lower())
    if command is None:
        return [f"there is no command /{topic.removeprefix('/')[:32]}: /help lists what there is"]
    aliases = ", ".join(f"/{alias}" for alias in command.aliases)
    return [usage(command, asker)] + ([f"the same: {aliases}"] if aliases else [])


def usage(command: Command, asker: Asker) -> str:
    """Give a command's line; whom it is for, unless the asker is known to be one of those."""
    whom = ""
    if command.is_clients and not asker.is_client:
        whom = " (udpchat only)"
    elif not asker.may(command) or (command.who is Who.ROOM_OPERATOR and not asker.is_operator):
        whom = _FOR[command.who]
    return f"{f'/{command.name} {command.arguments}'.strip()} - {command.help}{whom}"
