"""What is typed behind a command's name, and the request that it makes.

Pure functions of the argument and of the room where it was typed ("": in none). Each raises
`RequestRejected` naming the fault or the missing piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from chat.errors import RequestRejected
from chat.fields import CODE_BYTES, MAX_NUMBER, REASON_BYTES, ROOM_KEY_BYTES, TARGET_BYTES, TOPIC_BYTES
from chat.local import AtScreen, Ignore, Local, SayBack, Switch, Unignore
from chat.messages import (
    DIRECT,
    LOBBY,
    Fetch,
    Join,
    Kind,
    Link,
    Names,
    Nick,
    Part,
    Release,
    Request,
    Rooms,
    Say,
    Topic,
)
from chat.networks import find_network
from chat.orders import BACK, CANCEL, FOREVER, SERVER, Order, Verb
from chat.safety import NICK_BYTES, check_nick, check_room, is_blank

HISTORY = 20  # entries that `/history` asks for: a screen of a terminal
MAX_HISTORY = 40  # two screens; of 900 bytes 48 fit one answer of a server
MAX_AGE = 30 * 86_400  # seconds that `/history` looks back: a nick that nobody used for so long is free, too
MAX_WAIT = 86_400  # seconds that `/shutdown` waits: who means next week writes it down elsewhere
NO_TOPIC = "-"  # in place of a topic: there shall be none

_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_POSITION = re.compile(r"[1-9][0-9]{6,15}")  # longer than people count, and as long as positions are
_LINE = re.compile(r"[1-9][0-9]{0,14}|[1-8][0-9]{15}")  # its number, or its position
_AGE = re.compile(r"([1-9][0-9]{0,8})([mhd])", re.IGNORECASE)
_LIKE_A_NUMBER = re.compile(r"[+-]?[0-9]")
_LIKE_AN_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+)+(/.*)?")
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
_MODES = {"private": "i", "key": "k", "verified": "v", "topic": "t"}  # what people may say for the letters


# --- pieces


def check_current(room: str) -> str:
    """Give the room that somebody is in, or raise `RequestRejected` if it is "": there is none."""
    if not room:
        raise RequestRejected("NOT_IN_ROOM", f"you are in no room: /join {LOBBY}")
    return room


def given(argument: str, question: str) -> str:
    """Give what is there, or refuse with `question`: nobody would see anything of it."""
    if is_blank(argument):
        raise RequestRejected("ARGUMENT_MISSING", question)
    return argument


def named(name: str) -> str:
    """Give the room that people mean: IRC's sign before it and capitals in it are habits."""
    return check_room(name.removeprefix("#").lower())


def _unsigned(name: str) -> str:
    """Give a name without the signs that chats put before it, ours too: they are a habit."""
    return name.removeprefix(DIRECT).removeprefix("~")


def person(name: str) -> str:
    """Give the nick of somebody else."""
    try:
        return check_nick(_unsigned(name)).shown
    except RequestRejected as refusal:
        text = f"there can be nobody called {name[:32]}: {refusal.text}"
        raise RequestRejected("NO_SUCH_NICK", text) from None


def room_key(key: str) -> str:
    """Give the key of a room, as people tell it to each other: one word."""
    if " " in key or len(key.encode()) > ROOM_KEY_BYTES:
        text = f"a room's key is one word of at most {ROOM_KEY_BYTES} bytes"
        raise RequestRejected("ARGUMENT_INVALID", text)
    return key


def seconds(age: str) -> int | None:
    """Give a time like 90m, 2h or 3d in seconds; None: that is no time."""
    found = _AGE.fullmatch(age)
    return None if found is None else int(found[1]) * _UNITS[found[2].lower()]


def reason(text: str) -> str:
    """Give words that an order may bear, or refuse more of them."""
    size = len(text.encode())
    if size > REASON_BYTES:
        raise RequestRejected("TEXT_TOO_LONG", f"those words have {size} bytes: at most {REASON_BYTES} fit")
    return text


# --- commands


def order(verb: Verb) -> Callable[[str, str], Order]:
    """Give how the order is made that needs nothing but its verb."""
    return lambda *_: Order(0, verb)


def wall(text: str, _: str) -> Order:
    """Say something to everybody who is here."""
    given(text, "/wall: what do you say to everybody? Like this: /wall the server is down at 8")
    return Order(0, Verb.WALL, text=reason(text))


def kick(argument: str, room: str) -> Order:
    """Put somebody out of the room."""
    name, _, why = given(argument, "/kick: whom? Like this: /kick bob be nice").partition(" ")
    return Order(0, Verb.KICK, check_current(room), person(name), reason(why.strip()))


def mute(argument: str, room: str) -> Order:
    """Let somebody say nothing for a time."""
    example = "Like this: /mute bob 10m be nice (m, h, d, or forever)"
    name, _, rest = given(argument, f"/mute: whom? {example}").partition(" ")
    lasting, why = _lasting(rest.strip(), f"/mute: for how long? {example}")
    return Order(0, Verb.MUTE, room, person(name), reason(why), lasting)


def unmute(argument: str, room: str) -> Order:
    """Let somebody speak again."""
    return Order(0, Verb.UNMUTE, room, person(given(argument, "/unmute: whom? Like this: /unmute bob")))


def redact(argument: str, room: str) -> Order:
    """Take away what somebody has said here."""
    example = "Like this: /redact bob, or /redact bob 3 for the third newest"
    whom, _, which = given(argument, f"/redact: whose line? {example}").partition(" ")
    if _POSITION.fullmatch(whom) and not which:
        return Order(0, Verb.REDACT, check_current(room), number=min(int(whom), MAX_NUMBER))
    which = which.strip()
    if which and not _COUNT.fullmatch(which):
        raise RequestRejected("ARGUMENT_INVALID", f"/redact: which line? {example}")
    return Order(0, Verb.REDACT, check_current(room), person(whom), number=int(which or 1))


def ban(argument: str, _: str) -> Order:
    """Keep somebody out for a time."""
    example = "Like this: /ban bob 2h be nice (m, h, d, or forever), or /ban 192.0.2.0/24"
    whom, _, rest = given(argument, f"/ban: whom? {example}").partition(" ")
    lasting, why = _lasting(rest.strip(), f"/ban: for how long? {example}")
    if _LIKE_AN_ADDRESS.fullmatch(whom) and find_network(whom) is None:
        raise RequestRejected("ARGUMENT_INVALID", f"{whom} is no address; as a nick: /ban @{whom}. {example}")
    return Order(0, Verb.BAN, target=_target(whom), text=reason(why), number=lasting)


def unban(argument: str, _: str) -> Order:
    """Keep somebody out no more."""
    return Order(0, Verb.UNBAN, target=_target(given(argument, "/unban: whom? Like this: /unban bob")))


def banned(after: str, _: str) -> Order:
    """List who is banned."""
    return Order(0, Verb.BANNED, target=_target(after))


def _target(text: str) -> str:
    if len(text.encode()) > TARGET_BYTES:
        raise RequestRejected("ARGUMENT_INVALID", f"at most {TARGET_BYTES} bytes name somebody")
    return _unsigned(text)


def _lasting(argument: str, question: str) -> tuple[int, str]:
    """Give how long something shall last, in seconds (0: that is not said), and the rest.

    What looks like a time and is none is refused with `question`: it is not meant as words.
    """
    first, _, rest = argument.partition(" ")
    if first.lower() == "forever":
        return FOREVER, rest.strip()
    lasting = seconds(first)
    if lasting is None and _LIKE_A_NUMBER.match(first):
        raise RequestRejected("ARGUMENT_INVALID", question)
    return (0, argument) if lasting is None else (min(lasting, FOREVER), rest.strip())


def shutdown(argument: str, _: str) -> Order:
    """End the server, or let it stay up after all."""
    question = (
        "/shutdown: when? Like this: /shutdown, /shutdown 30 a new disk, /shutdown 5m, /shutdown cancel"
    )
    first, _, rest = argument.partition(" ")
    if first.lower() == CANCEL:
        if rest.strip():
            raise RequestRejected("ARGUMENT_INVALID", question)
        return Order(0, Verb.SHUTDOWN, target=CANCEL)
    lasting = 0
    if _LIKE_A_NUMBER.match(first):
        wait = int(first) if _COUNT.fullmatch(first) else seconds(first)
        if wait is None:
            raise RequestRejected("ARGUMENT_INVALID", question)
        lasting, argument = wait, rest.strip()
    if lasting > MAX_WAIT:
        raise RequestRejected("ARGUMENT_INVALID", f"/shutdown: in at most {MAX_WAIT} seconds")
    first, _, rest = argument.partition(" ")
    if first.lower() == BACK:
        if _LIKE_A_NUMBER.match(rest.strip()):  # the time stands before it
            raise RequestRejected("ARGUMENT_INVALID", question)
        return Order(0, Verb.SHUTDOWN, target=BACK, text=reason(rest.strip()), number=lasting)
    return Order(0, Verb.SHUTDOWN, text=reason(argument), number=lasting)


def operator(code: str, _: str) -> Order:
    """Become the first operator."""
    given(code, "/operator: which code? The server's log has one as long as nobody operates it")
    if len(code) > CODE_BYTES:
        raise RequestRejected("CODE_INVALID", "that is not the code that the server's log has")
    return Order(0, Verb.OPERATOR, text=code)


def op(argument: str, room: str) -> Order:
    """Make somebody an operator of the room, or of the server."""
    return _appointing(Verb.OP, argument, room)


def deop(argument: str, room: str) -> Order:
    """Let somebody be no operator of the room, or of the server, any more."""
    return _appointing(Verb.DEOP, argument, room)


def _appointing(verb: Verb, argument: str, room: str) -> Order:
    example = f"Like this: /{verb} bob, or /{verb} bob {SERVER}"
    name, _, what = given(argument, f"/{verb}: whom? {example}").partition(" ")
    what = what.strip().lower()
    if what not in ("", SERVER):
        raise RequestRejected("ARGUMENT_INVALID", f"/{verb}: of the room, or of the server? {example}")
    return Order(0, verb, "" if what else check_current(room), person(name))


def msg(argument: str, _: str) -> Request:
    """Say something to one person alone."""
    name, _, text = given(argument, "/msg: who to? Like this: /msg bob hello").partition(" ")
    nick = person(name)
    text = given(text.strip(), f"/msg: what do you say to {nick}? Like this: /msg {nick} hello")
    return Say(0, 0, DIRECT + nick, Kind.SAY, text)


def reply(argument: str, _: str) -> Local:
    """Say something to who said something to oneself alone last."""
    return SayBack(given(argument, "/reply: what do you say? Like this: /reply hello"))


def ignore(argument: str, _: str) -> Local:
    """Leave somebody out, or ask who is."""
    return Ignore(person(argument) if argument else "")


def unignore(argument: str, _: str) -> Local:
    """Leave somebody out no longer."""
    return Unignore(person(given(argument, "/unignore: whom? Like this: /unignore bob")))


def search(words: str, room: str) -> Request:
    """Search what was said in the room; without words: go on with the search before."""
    if len(words.encode()) > REASON_BYTES:
        raise RequestRejected("ARGUMENT_INVALID", f"/search: at most {REASON_BYTES} bytes of words")
    return Order(0, Verb.SEARCH, check_current(room), text=words)


def release(argument: str, _: str) -> Request:
    """Let a nick be nobody's."""
    return Release(0, person(argument) if argument else "")


def link(argument: str, _: str) -> Request:
    """Ask for a code; who types one here means the command line of another device."""
    if argument:
        text = "/link makes a code; who has one comes in with it: udpchat --link CODE HOST"
        raise RequestRejected("ARGUMENT_INVALID", text)
    return Link(0)


def nick(argument: str, _: str) -> Request:
    """Be called something else."""
    asked = given(argument, "/nick: which nick? Like this: /nick bob")
    return Nick(0, check_nick(asked).shown)


def me(argument: str, room: str) -> Request:
    """Say what one does."""
    action = given(argument, "/me: what do you do? Like this: /me waves")
    return Say(0, 0, check_current(room), Kind.ME, action)


def join(argument: str, _: str) -> Request:
    """Go into a room, which may have a key."""
    name, _, key = given(argument, "/join: which room? Like this: /join dev").partition(" ")
    return Join(0, named(name), room_key(key.strip()))


def at_screen(name: str) -> Callable[[str, str], Local]:
    """Give how the command of that name is made which the full screen does by itself."""
    return lambda argument, _: AtScreen(name, argument)


def switch(argument: str, _: str) -> Local:
    """Speak in another room."""
    return Switch(named(given(argument, "/switch: to which room? Like this: /switch dev")))


def part(argument: str, room: str) -> Request:
    """Leave a room."""
    return Part(0, named(argument) if argument else check_current(room))


def names(after: str, room: str) -> Request:
    """Ask who is in the room."""
    if len(after.encode()) > NICK_BYTES:
        raise RequestRejected("ARGUMENT_INVALID", "/names: behind which nick? Like this: /names bob")
    return Names(0, check_current(room), after)


def rooms(after: str, _: str) -> Request:
    """Ask which rooms there are."""
    return Rooms(0, named(after) if after else "")


def topic(text: str, room: str) -> Request:
    """Ask for the topic, make it another, or take it away."""
    size = len(text.encode())
    if size > TOPIC_BYTES:
        raise RequestRejected("TOPIC_TOO_LONG", f"that topic has {size} bytes: at most {TOPIC_BYTES} fit")
    if is_blank(text):
        return Topic(0, check_current(room))
    return Topic(0, check_current(room), "" if text == NO_TOPIC else text)


def mode(argument: str, room: str) -> Order:
    """Ask what a room is, or change it: IRC's letters or words behind a sign."""
    first, _, rest = argument.partition(" ")
    if first and first[0] not in "+-":
        room, (first, _, rest) = named(first), rest.strip().partition(" ")
    check_current(room)
    if not first:
        return Order(0, Verb.MODE, room)
    letter = _MODES.get(first[1:], first[1:])
    if first[0] not in "+-" or letter not in _MODES.values():
        question = "/mode: what shall it be? +i (private), +k KEY, +v (verified), +t (topic); - takes it away"
        raise RequestRejected("ARGUMENT_INVALID", question)
    if first[0] + letter != "+k":
        if rest.strip() and letter != "k":  # IRC names the key that is taken away, too
            raise RequestRejected("ARGUMENT_INVALID", "/mode: one at a time. Like this: /mode +i")
        return Order(0, Verb.MODE, room, first[0] + letter)
    key = room_key(given(rest.strip(), "/mode +k: which key? Like this: /mode +k sesame"))
    return Order(0, Verb.MODE, room, "+k", key)


def invite(argument: str, room: str) -> Order:
    """Let somebody into a room."""
    name, _, where = given(argument, "/invite: whom? Like this: /invite bob").partition(" ")
    return Order(0, Verb.INVITE, named(where.strip()) if where else check_current(room), person(name))


def away(text: str, _: str) -> Order:
    """Be away, and maybe say why."""
    return Order(0, Verb.AWAY, text="" if is_blank(text) else reason(text))


def whois(argument: str, _: str) -> Order:
    """Ask who somebody is."""
    return Order(0, Verb.WHOIS, target=person(given(argument, "/whois: who? Like this: /whois bob")))


def seen(argument: str, room: str) -> Order:
    """Ask who has been shown a line of the room."""
    if argument and not _LINE.fullmatch(argument):
        question = "/seen: which line? Like this: /seen (the last), /seen 2 (the one before), or a position"
        raise RequestRejected("ARGUMENT_INVALID", question)
    return Order(0, Verb.SEEN, check_current(room), number=int(argument) if argument else 0)


def history(argument: str, room: str) -> Request:
    """Ask for what was said last: so many lines, or what is no older."""
    age = seconds(argument)
    if age is not None:
        at_most = min(age, MAX_AGE)
        return Fetch(0, check_current(room), after=None, before=None, limit=MAX_HISTORY, age=at_most)
    if argument and not _COUNT.fullmatch(argument):
        question = "/history: how many lines, or since when? Like this: /history 20, or /history 2h (m, h, d)"
        raise RequestRejected("ARGUMENT_INVALID", question)
    count = min(int(argument), MAX_HISTORY) if argument else HISTORY
    return Fetch(0, check_current(room), after=None, before=None, limit=count)
