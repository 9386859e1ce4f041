"""Who may read what, through a whole server: somebody at every door, and whatever comes out there.

What was said is looked for in the plaintexts themselves, so that no way of telling it is overlooked.
"""

from __future__ import annotations

from chat.fields import FETCH_LIMIT
from chat.hub.owners import log_name
from chat.messages import (
    DIRECT,
    LOBBY,
    PROTOCOL_VERSION,
    Done,
    Fetch,
    Hello,
    Join,
    Link,
    Names,
    Ping,
    Reply,
    Request,
    Rooms,
    ShownUpTo,
    Topic,
)
from chat.store.memory import MemoryStore
from chat.wire.frames import decode_replies
from tests.support import START, Caller, Native, Sealed, ServerTests, Wire

DEN = "den"
NATIVE = ("sam", "ann", "phone", "eve", "kim")  # phone is linked to ann's key
SEALED = ("tess", "tex")  # who speak text in DTLS
PLAIN = "pat"
KEYS = {nick: nick.encode() * 8 for nick in ("ann", "phone", "eve", "tess")}
LOGS = {nick: log_name(KEYS["ann" if nick == "phone" else nick]) for nick in KEYS}
ADDRS = {nick: ("10.0.0.9", 9_000 + number) for number, nick in enumerate((*NATIVE, *SEALED, PLAIN))}

# Each word is said in its place by sam, and found nowhere else. Only sam and ann are in the den.
SAID = {
    "to-all": LOBBY,
    "to-the-den": DEN,
    "to-ann": "@ann",
    "to-eve": "@eve",
    "to-kim": "@kim",
    "to-tess": "@tess",
    "to-tex": "@tex",
    "to-pat": "@pat",
}
# Who is told what unasked; what asking for everything finds; what it finds after a restart.
READERS = {
    "sam": ("to-all to-the-den", "to-all to-the-den", "to-all to-the-den"),
    "ann": ("to-all to-the-den to-ann", "to-all to-the-den to-ann", "to-all to-the-den to-ann"),
    "phone": ("to-all to-ann", "to-all to-ann", "to-all to-ann"),
    "eve": ("to-all to-eve", "to-all to-eve", "to-all to-eve"),
    "kim": ("to-all to-kim", "to-all", "to-all"),
    "tess": ("to-all to-tess", "to-all", "to-all"),
    "tex": ("to-all to-tex", "to-all", "to-all"),
    "pat": ("to-all to-pat", "to-all", "to-all"),
}


class DoorsTests(ServerTests):
    """One server, and members at all its doors."""

    def setUp(self) -> None:
        """Let everybody come in."""
        self.store = MemoryStore(lambda: START)
        self.begin(START)

    def begin(self, at: float, *, is_again: bool = False) -> None:
        """Start a server on the store; those who were in are in again, the others come in."""
        self.wire = Wire(store=self.store, ahead=at)
        self.callers: dict[str, Caller] = {}
        self.natives: dict[str, Native] = {}
        self.heard = dict.fromkeys(ADDRS, b"")
        for nick in NATIVE:
            code = self.code() if nick == "phone" and not is_again else ""
            self.callers[nick] = self.natives[nick] = Native(
                self.wire, ADDRS[nick], client=nick.encode().ljust(16, b"."), key=KEYS.get(nick, b"")
            )
            rooms = [
                LOBBY,
                *([DEN] if nick in ("sam", "ann") else ()),
                *([LOGS[nick]] if nick in LOGS else ()),
            ]
            native = self.natives[nick]
            hello = Hello(PROTOCOL_VERSION, native.client, nick, code)
            self.ask(nick, hello, *(Join(native.next_id(), room) for room in rooms))
        for nick in SEALED:
            sealed = self.callers[nick] = Sealed(self.wire, ADDRS[nick], key=KEYS.get(nick, b""))
            sealed.send_raw(nick.encode())
        if not is_again:
            self.wire.send(ADDRS[PLAIN], PLAIN.encode())
        self.listen()

    def code(self) -> str:
        """Give a code that links another key to ann's."""
        replies = self.ask("ann", Link(self.natives["ann"].next_id()))
        (code,) = (str(reply.result) for reply in replies if isinstance(reply, Done))
        return code

    def ask(self, nick: str, *requests: Request) -> list[Reply]:
        """Let a native member ask, and give the replies."""
        self.listen()
        before = len(self.heard[nick])
        self.natives[nick].send(*requests)
        self.listen()
        told = self.heard[nick][before:].split(b"\n\n\n")
        return [reply for plaintext in told if plaintext for reply in decode_replies(plaintext)]  # type: ignore[misc]

    def listen(self, seconds: float = 0.1) -> None:
        """Let some time pass, and note what reaches everybody."""
        for _ in range(round(seconds / 0.1)):
            self.wire.clock.advance(0.1)
            for nick, caller in self.callers.items():
                self.heard[nick] += b"".join(plain + b"\n\n\n" for plain in caller.take_raw())
            self.heard[PLAIN] += b"".join(plain + b"\n\n\n" for plain in self.wire.take(ADDRS[PLAIN]))

    def say_everything(self) -> None:
        """Let sam say each word in its place, and wait until nothing of it is repeated any more."""
        for word, room in SAID.items():
            self.natives["sam"].say(word, room)
            self.listen()
        self.listen(4.0)

    def ask_everything(self) -> None:
        """Let everybody ask for all that there is, in all ways; forget what they were told before."""
        self.heard = dict.fromkeys(ADDRS, b"")
        for native in self.natives.values():
            native.send(Rooms(native.next_id()), Ping(native.next_id(), 1), Names(native.next_id(), LOBBY))
        self.listen()
        self.assert_no_log_is_named()
        logs = [DIRECT, *LOGS.values()]
        for native in self.natives.values():
            for room in (LOBBY, DEN, *logs):
                for after, before in ((None, None), (0, None), (None, 1 << 53)):
                    native.send(Fetch(native.next_id(), room, after, before, FETCH_LIMIT))
                    self.listen()
                number = native.next_id()
                native.send(Names(number, room), Topic(number, room), Rooms(number))
                native.send(Ping(number, 1, (ShownUpTo(room, 1 << 53),)))
                if room in logs:
                    native.send(Join(native.next_id(), room))
                self.listen()
        questions = ["/history 40", "/history 2h", "/list", "/names", "/topic"]
        questions += [f"{command} {log}" for log in logs for command in ("/join", "/names", "/part")]
        for question in questions:
            for nick in SEALED:
                self.callers[nick].send_raw(question.encode())
            self.wire.send(ADDRS[PLAIN], question.encode())
            self.listen(2.0)  # five commands in five seconds are answered

    def assert_heard(self, column: int) -> None:
        """Hold what everybody was told since against the table, and look for names of logs."""
        for nick, expected in READERS.items():
            found = [word for word in SAID if word.encode() in self.heard[nick]]
            self.assertEqual(found, [word for word in SAID if word in expected[column].split()], nick)

    def assert_no_log_is_named(self) -> None:
        """Nobody was told the name of a log that is not theirs."""
        for nick, heard in self.heard.items():
            for log in {*LOGS.values(), log_name(KEYS["phone"])} - {LOGS.get(nick, "")}:
                self.assertNotIn(log.encode(), heard, nick)

    def test_unasked(self) -> None:
        """What is said reaches who it is for and nobody else, also when it is repeated."""
        self.say_everything()
        self.assert_heard(0)
        self.assert_no_log_is_named()

    def test_asking(self) -> None:
        """Who asks finds what is for them and is kept; what those got who have no log is not."""
        self.say_everything()
        self.ask_everything()
        self.assert_heard(1)

    def test_after_a_restart(self) -> None:
        """The same when the server was killed meanwhile; nothing is told once more unasked."""
        self.say_everything()
        self.store = MemoryStore(lambda: START + 60.0, contents=self.store.contents)
        self.begin(START + 60.0, is_again=True)
        self.listen(4.0)
        self.assert_no_log_is_named()
        self.assertEqual(
            {word for word in SAID for heard in self.heard.values() if word.encode() in heard}, set()
        )
        self.ask_everything()
        self.assert_heard(2)
