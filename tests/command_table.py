"""What comes of each command, as data: who types it, what they are told, and what another member sees.

The words are the same at every door. Where they are not, the row says why not. In the words `{nick}` is the
typist's, `{me}` the same as rosters show it (with a sign before it if no key stands behind it), and `…` is
whatever it may be. A server's operator can't come in by the plain door, where nobody can show a key: there
the row's member counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# Who types: somebody in the lobby, somebody in no room, the operator of the room that they type in, and the
# server's operator, in the lobby. Wes, who speaks plain text, is in the same room, and in the lobby.
MEMBER, OUTSIDER, OWNER, OPERATOR = "member", "outsider", "owner", "operator"
ROLES = (MEMBER, OUTSIDER, OWNER, OPERATOR)
PLAIN, NATIVE = "plain", "native"

NO_ROOM = "you are in no room: /join lobby"
NO_KEY = "that takes a key, and you came without one: udpchat has one for you"
WITHOUT_KEY = "in the clear nobody can show a key"


class Told(NamedTuple):
    """What the typist is told, and what Wes sees, line by line."""

    answers: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class Except(NamedTuple):
    """Why another door says something else, and what: for the roles that are in it, or for all ("").

    `seen` is what Wes sees, if that is something else, too.
    """

    why: str
    answers: Mapping[str, tuple[str, ...]]
    seen: Mapping[str, tuple[str, ...]] = {}


class Row(NamedTuple):
    """One line. `before` is typed before it: by Wes, where a line begins with `wes:`."""

    typed: str
    told: Mapping[str, Told]
    before: tuple[str, ...] = ()
    but: Mapping[str, Except] = {}


def _all(*answers: str, seen: tuple[str, ...] = (), **others: Told) -> dict[str, Told]:
    """Give what everybody is told, and `others` of it."""
    return dict.fromkeys(ROLES, Told(answers, seen)) | others


def _in_a_room(*answers: str, seen: tuple[str, ...] = (), **others: Told) -> dict[str, Told]:
    """Give what everybody is told who is in a room; who is in none is told that."""
    return _all(*answers, seen=seen, outsider=Told((NO_ROOM,))) | others


def _operators(verb: str, *, server: Told, room: Told, outsider: str = NO_ROOM) -> dict[str, Told]:
    """Give what comes of a room operators' command."""
    refused = Told((f"only operators of lobby may /{verb}",))
    return {MEMBER: refused, OUTSIDER: Told((outsider,)), OWNER: room, OPERATOR: server}


def _server(verb: str, *answers: str, seen: tuple[str, ...] = ()) -> dict[str, Told]:
    """Give what comes of a server operators' command."""
    refused = Told((f"only operators may /{verb}",))
    return _all(operator=Told(answers, seen)) | dict.fromkeys((MEMBER, OUTSIDER, OWNER), refused)


_KEYLESS = {PLAIN: Except(WITHOUT_KEY, {"": (NO_KEY,)})}
_SAID = "a client shows what was said, where text has a notice"
_SCREEN = "in lines, too, udpchat knows what it is"
_LEFT = ("{nick} has left the chat",)
_LEFT_DEN = ("[lobby] {nick} has left the chat", "{nick} has left den")

TABLE = (
    Row("/help me", _all("/me <action> - say what you do: * you wave")),
    Row("/help nosuch", _all("there is no command /nosuch: /help lists what there is")),
    Row(
        "/nick tea",
        _all(
            seen=("{nick} is now tea",),
            outsider=Told(("you are tea now",)),
            owner=Told((), ("[lobby] {nick} is now tea", "{nick} is now tea")),
        ),
        but={NATIVE: Except("a script that shows no room would hear nothing", {"": ("you are tea now",)})},
    ),
    Row("/nick wes", _all("wes is taken")),
    Row("/me waves", _in_a_room(seen=("* {nick} waves",))),
    Row(
        "/msg wes psst",
        _all("said to wes alone", seen=("{nick} -> you: psst",)),
        but={NATIVE: Except(_SAID, {"": ("-> wes: psst",)})},
    ),
    Row("/msg nobody psst", _all("nobody here is called nobody, and nobody owns that nick")),
    Row(
        "/reply hello",
        _all("said to wes alone", seen=("{nick} -> you: hello",)),
        before=("wes:/msg {nick} psst",),
        but={NATIVE: Except(_SAID, {"": ("-> wes: hello",)})},
    ),
    Row(
        "/reply hello",
        _all("nobody has said anything to you alone: /msg bob hello says something to bob"),
    ),
    Row("/ignore wes", _all("what wes says is left out from now on: /unignore wes")),
    Row("/ignore", _all("you leave out: wes"), before=("/ignore wes",)),
    Row("/ignore {nick}", _all("/ignore: that is you")),
    Row("/unignore wes", _all("wes is left out no longer"), before=("/ignore wes",)),
    Row("/unignore wes", _all("wes was not left out")),
    Row("/switch lobby", _all("you are in lobby", outsider=Told(("you are not in lobby: /join lobby",)))),
    Row(
        "/join ops",
        _all(),
        but={NATIVE: Except("a script that shows no room would hear nothing", {"": ("you are in ops",)})},
    ),
    Row(
        "/join lobby",
        _all("you are in lobby", outsider=Told((), ("{nick} has joined the chat",))),
        but={NATIVE: Except("as for any room", {OUTSIDER: ("you are in lobby",)})},
    ),
    Row(
        "/part",
        _in_a_room(
            "you have left lobby: you are in no room",
            seen=_LEFT,
            owner=Told(("you have left den: you are in lobby",), ("{nick} has left den",)),
        ),
    ),
    Row(
        "/part ops",
        _all("you are not in ops: you are in …", outsider=Told(("you are not in ops: you are in no room",))),
    ),
    Row(
        "/names",
        _in_a_room(
            "2 here (~ is not verified): {me} ~wes",
            owner=Told(("2 in den (~ is not verified, @ is an operator): @{me} ~wes",)),
        ),
    ),
    Row("/list", _all("lobby (2)", outsider=Told(("lobby (1)",)), owner=Told(("den (2)", "lobby (2)")))),
    Row("/topic", _in_a_room("lobby has no topic", owner=Told(("den has no topic",)))),
    Row("/topic tea", _in_a_room(seen=("* {nick} set the topic: tea",))),
    Row("/away lunch", _all("you are away: lunch (/back when you are here again)")),
    Row("/back", _all("you are back"), before=("/away lunch",)),
    Row(
        "/whois wes",
        _all(
            "~wes is not verified: anybody may be called so",
            "here for … idle for … in text",
            "in …",
            operator=Told(
                (
                    "~wes is not verified: anybody may be called so",
                    "here for … idle for … in text",
                    "in lobby",
                    "speaks from …",
                )
            ),
        ),
    ),
    Row("/seen", _in_a_room("sent as text to 1: ~wes"), before=("hello",)),
    Row("/invite wes", _in_a_room("wes is in lobby already", owner=Told(("wes is in den already",)))),
    Row(
        "/mode",
        _in_a_room(
            "lobby: open to everybody",
            "operators here: none",
            owner=Told(("den: open to everybody", "operators here: {nick}")),
        ),
    ),
    Row(
        "/mode +v",
        _in_a_room(
            "only operators of lobby may change what it is",
            owner=Told(("{nick} lets only …",), ("{nick} lets only …",)),
            operator=Told(("{nick} lets only …",), ("{nick} lets only …",)),
        ),
        but={PLAIN: Except("who has no key would shut themselves up", {OWNER: (NO_KEY,)}, {OWNER: ()})},
    ),
    Row(
        "/history",
        _in_a_room(),
        before=("hello",),
        but={
            NATIVE: Except(
                "history is what is above the lines on the screen, and this one is there",
                {
                    MEMBER: ("nothing older is kept of lobby",),
                    OWNER: ("nothing older is kept of den",),
                    OPERATOR: ("nothing older is kept of lobby",),
                },
            )
        },
    ),
    Row("/search HELL", _in_a_room("2023-11-14 22:13Z {me}: hello"), before=("hello",)),
    Row("/search", _in_a_room("/search: for what? Like this: /search deploy failed")),
    Row(
        "/release",
        _all("{nick} is not yours any more: anybody may take it when nobody has it"),
        but=_KEYLESS,
    ),
    Row(
        "/link",
        _all("another device of yours can come in as you, once, within ten minutes: udpchat --link …"),
        but=_KEYLESS,
    ),
    Row("/motd", _all("be nice")),
    Row("/uptime", _all("up for … s, 2 here")),
    Row("/ping", _all("pong")),
    Row(
        "/lag",
        _all("nothing measures the way to you here: /ping, and see how long the pong takes"),
        but={NATIVE: Except("it is measured there", {"": ("round trip 20 ms, loss 0%, heard 0 s ago",)})},
    ),
    Row("/version", _all("udpchat …")),
    Row("/operator abc", _all("there is no code any more: an operator can /op you"), but=_KEYLESS),
    *[
        Row(
            f"/{verb} wes",
            _operators(
                verb,
                server=Told(("wes has no key, and operators have",)),
                room=Told(("wes has no key, and operators have",)),
            ),
        )
        for verb in ("op", "deop")
    ],
    Row(
        "/mute wes",
        _operators(
            "mute",
            server=Told(("wes is muted until …",), ("you are muted until …",)),
            room=Told(("wes is muted in den until …",), ("you are muted in den until …",)),
            outsider="only operators may /mute",
        ),
    ),
    Row(
        "/unmute wes",
        _operators(
            "unmute",
            server=Told(("wes may speak again",), ("{nick} lets you speak again",)),
            room=Told(("wes may speak again",), ("{nick} lets you speak again",)),
            outsider="only operators may /unmute",
        ),
        before=("/mute wes",),
    ),
    Row(
        "/kick wes noise",
        _operators(
            "kick",
            server=Told(("wes is out of lobby",), ("you are out of lobby: kicked by {nick}: noise",)),
            room=Told(("wes is out of den",), ("you are out of den: kicked by {nick}: noise",)),
        ),
    ),
    Row(
        "/redact wes",
        _operators(
            "redact",
            server=Told(("what wes said was redacted",), ("what wes said was redacted",)),
            room=Told(("what wes said was redacted",), ("what wes said was redacted",)),
        ),
        before=("wes:hi",),
    ),
    Row(
        "/ban wes 2h noise",
        _server(
            "ban", "wes is banned until … by {nick}: noise", seen=("you are banned until … by {nick}: noise",)
        ),
    ),
    Row("/unban wes", _server("unban", "wes is banned no more"), before=("/ban wes 2h",)),
    Row("/banned", _server("banned", "nobody is banned or muted")),
    Row(
        "/wall hear ye",
        _server("wall", "{nick} (operator): hear ye", "said to 2", seen=("{nick} (operator): hear ye",)),
    ),
    Row("/reload", _server("reload", "this server was started without a file that could be read again")),
    Row(
        "/shutdown 30 update",
        _server(
            "shutdown",
            "{nick} (operator): the server goes down in 30 s: update",
            "the server goes down in 30 s: update",
            seen=("{nick} (operator): the server goes down in 30 s: update",),
        ),
    ),
    *[
        Row(
            f"/{name}",
            _all(f"/{name} is of udpchat: this door does not know it"),
            but={NATIVE: Except(_SCREEN, {"": (f"/{name} works on the full screen of udpchat only",)})},
        )
        for name in ("set", "net", "clear", "close")
    ],
    Row("/quit", _all(seen=_LEFT, outsider=Told(), owner=Told((), _LEFT_DEN))),
    Row("/nosuch", _all("unknown command /nosuch: /help lists what there is")),
)
