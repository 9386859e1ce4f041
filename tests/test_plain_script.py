"""Tests of script mode: what is sent when, and which exit code comes of it."""

from __future__ import annotations

import errno

from twisted.internet.task import Clock

from chat.client.address import Place, Server
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.plain_script import (
    EXIT_NOT_CONFIRMED,
    WAITING_LINES,
    WINDOW,
    Script,
    saying_of,
    sayings,
)
from chat.client.standard import LINE_BYTES
from chat.messages import Kind
from tests.bare_servers import Addr, BareServer, Cable, EchoingServer, SilentServer
from tests.client_support import EndingCase

SERVER = Server(Place("chat.example", 6789), Cable.server_addr)
OTHER = ("127.0.0.1", 40_001)


class _ForgetfulServer(EchoingServer):
    """Loses the text 2."""

    def say(self, text: str, addr: Addr) -> None:
        """Relay the others."""
        if text != "2":
            super().say(text, addr)


class ScriptCase(EndingCase):
    """A script with the nick `bot` on a cable to a server."""

    script: Script

    def plug(self, server: BareServer | None, nick: str = "bot") -> None:
        """Put the script on the cable."""
        self.clock = Clock()
        self.complaints: list[str] = []
        self.flow: list[bool] = []
        self.script = Script(SERVER, nick, self.clock, self.complaints.append, self.flow.append)
        self.cable = Cable(self.script.client, server)
        self.script.start()

    def run_for(self, seconds: float) -> None:
        """Let time pass in small steps, and datagrams arrive."""
        for _ in range(round(seconds * 100)):
            self.cable.deliver()
            self.clock.advance(0.01)
        self.cable.deliver()

    def texts(self) -> list[str]:
        """Give what was sent after the nick."""
        return self.cable.sent[1:]


class EchoingTests(ScriptCase):
    """With a server that echoes, as ours does."""

    def setUp(self) -> None:
        """Plug in the stand-in for Chat-socket-UDP."""
        self.server = EchoingServer()
        self.plug(self.server)

    def test_confirmed(self) -> None:
        """A line that came back: exit said, code 0, no complaint and no wait."""
        self.script.receive(b"hello\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.cable.sent, ["bot", "hello", "exit"])
        self.assertEqual(self.code(), EXIT_OK)
        self.assertEqual(self.complaints, [])

    def test_a_last_line_without_an_end(self) -> None:
        """A line that the input ends in the middle of is a line."""
        self.script.receive(b"hel")
        self.script.receive(b"lo")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), ["hello", "exit"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_nothing_to_send(self) -> None:
        """An empty input: in, greeted, out, code 0."""
        self.script.end()
        self.not_ended()
        self.cable.deliver()
        self.assertEqual(self.cable.sent, ["bot", "exit"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_lines_wait_for_the_greeting(self) -> None:
        """Nothing follows the nick before the server has answered."""
        self.script.receive(b"hello\n")
        self.assertEqual(self.cable.sent, ["bot"])

    def test_streaming(self) -> None:
        """Lines go out as they come in, however long the input stays open."""
        self.run_for(10)
        self.script.receive(b"one\n")
        self.cable.deliver()
        self.run_for(3_600 / 100)
        self.script.receive(b"two\n")
        self.cable.deliver()
        self.assertEqual(self.texts(), ["one", "two"])
        self.not_ended()

    def test_window(self) -> None:
        """At most eight lines are on their way; each that comes back lets the next one go."""
        self.cable.deliver()
        self.script.receive(b"".join(b"%d\n" % n for n in range(20)))
        self.assertEqual(len(self.texts()), WINDOW)
        self.script.client.datagramReceived(b"bot: 0", Cable.server_addr)
        self.assertEqual(len(self.texts()), WINDOW + 1)
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), [*map(str, range(20)), "exit"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_the_input_waits(self) -> None:
        """A large file is read no faster than it can be sent."""
        self.script.receive(b"x\n" * (WAITING_LINES + WINDOW))
        self.assertIs(self.flow[-1], False)
        self.cable.deliver()
        self.assertIs(self.flow[-1], True)

    def test_a_line_that_is_lost(self) -> None:
        """A lost line holds up nobody for more than a second, and the code says that it is not confirmed."""
        self.plug(_ForgetfulServer())
        self.cable.deliver()
        self.script.receive(b"".join(b"%d\n" % n for n in range(100)))
        self.script.end()
        self.run_for(1.0)
        self.assertEqual(self.texts(), [str(n) for n in range(100)])
        self.run_for(2.1)
        self.assertEqual(self.code(), EXIT_NOT_CONFIRMED)
        self.assertEqual(self.complaints, ["sent, not confirmed"])

    def test_refused(self) -> None:
        """A taken nick ends the visit with one line and code 1; nothing of the input is sent."""
        server = EchoingServer()
        server.names[OTHER] = "bot"
        self.plug(server)
        self.script.receive(b"hello\n")
        self.cable.deliver()
        self.assertEqual(self.cable.sent, ["bot"])
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(len(self.complaints), 1)
        self.assertIn("bot", self.complaints[0])
        self.script.receive(b"more\n")
        self.script.end()
        self.assertEqual(self.cable.sent, ["bot"])

    def test_exit_line(self) -> None:
        """The line `exit` ends the visit; what follows it is not sent."""
        self.script.receive(b"one\nexit\ntwo\n")
        self.cable.deliver()
        self.assertEqual(self.texts(), ["one", "exit"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_commands(self) -> None:
        """A command needs no confirmation: it has no echo where commands are known."""
        self.script.receive(b"/names\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), ["/names", "exit"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_commands_are_paced(self) -> None:
        """What nothing confirms is sent at 20 lines a second."""
        self.cable.deliver()
        self.script.receive(b"/names\n" * 100)
        self.assertEqual(len(self.texts()), 1)
        self.run_for(1)
        self.assertIn(len(self.texts()), range(16, 22))

    def test_blank_lines(self) -> None:
        """Blank lines are skipped, though counted."""
        self.script.receive(b"\n  \r\n\nhello\r\n\xff\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), ["hello", "exit"])
        self.assertEqual(self.complaints, ["line 5: not UTF-8, not sent"])

    def test_bad_lines(self) -> None:
        """A bad line is named and left out, the others are sent, and the code is 1."""
        self.script.receive(b"one\n\xff\n" + b"x" * 901 + b"\ntwo\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), ["one", "two", "exit"])
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual([text.split(":")[0] for text in self.complaints], ["line 2", "line 3"])

    def test_a_line_without_end(self) -> None:
        """A huge line is refused, though neither held as a whole nor cut down to something that fits."""
        for _ in range(100):
            self.script.receive(b"\x1b" * LINE_BYTES)
        self.script.receive(b"x\ntwo\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.texts(), ["two", "exit"])
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(len(self.complaints), 1)

    def test_a_text_that_cannot_be_sent(self) -> None:
        """A failed write is one line and code 1; what can be sent is sent."""
        self.cable.deliver()
        self.cable.broken = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.script.receive(b"one\n")
        self.cable.broken = None
        self.script.receive(b"two\n")
        self.script.end()
        self.run_for(1)
        self.assertEqual(self.texts(), ["two", "exit"])
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(len(self.complaints), 1)

    def test_stop(self) -> None:
        """Who is interrupted says `exit` and leaves no timer behind."""
        self.script.receive(b"hello\n")
        self.cable.deliver()
        self.script.stop()
        self.assertEqual(self.texts(), ["hello", "exit"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SilentTests(ScriptCase):
    """With a server that greets nobody and relays to the others only."""

    def setUp(self) -> None:
        """Plug in the stand-in for UDP-Socket-Programming."""
        self.server = SilentServer()
        self.plug(self.server)

    def talk(self) -> None:
        """Let somebody else say something."""
        self.server.names[OTHER] = "ann"
        self.server.say("hello", OTHER)

    def test_sent_not_confirmed(self) -> None:
        """The server answers (others talk) but does not echo: code 3 and the agreed words."""
        self.script.receive(b"hello\n")
        self.script.end()
        self.run_for(1.5)
        self.assertEqual(self.cable.sent, ["bot", "hello"])
        self.talk()
        self.run_for(3)
        self.assertEqual(self.cable.sent, ["bot", "hello", "exit"])
        self.assertEqual(self.code(), EXIT_NOT_CONFIRMED)
        self.assertEqual(self.complaints, ["sent, not confirmed"])
        self.assertEqual(self.server.names, {OTHER: "ann"})

    def test_no_greeting(self) -> None:
        """A second after the nick the lines go out anyway, and the nick is not repeated."""
        self.script.receive(b"hello\n")
        self.run_for(0.9)
        self.assertEqual(self.cable.sent, ["bot"])
        self.run_for(0.2)
        self.assertEqual(self.cable.sent, ["bot", "hello"])

    def test_nobody_answers(self) -> None:
        """Nothing for three seconds after the nick: one line, code 1, and `exit` for who may listen."""
        self.script.receive(b"hello\n")
        self.script.end()
        self.run_for(2.9)
        self.not_ended()
        self.run_for(0.2)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.cable.sent, ["bot", "hello", "exit"])
        self.assertEqual(self.server.names, {})
        self.assertEqual(len(self.complaints), 1)
        self.assertIn("chat.example:6789", self.complaints[0])

    def test_nobody_answers_an_open_input(self) -> None:
        """Nobody there is found out while the input is still open, too."""
        self.run_for(3.1)
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_nothing_to_send(self) -> None:
        """An empty input waits for the greeting as long as for any answer."""
        self.script.end()
        self.run_for(2.9)
        self.not_ended()
        self.run_for(0.2)
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_pace(self) -> None:
        """Eight lines at once, then, as nothing comes back, 20 a second; each is sent once."""
        self.run_for(1.1)
        self.talk()
        self.script.receive(b"".join(b"%d\n" % n for n in range(60)))
        self.script.end()
        self.assertEqual(len(self.texts()), WINDOW)
        self.run_for(0.9)
        self.assertEqual(len(self.texts()), WINDOW)
        self.run_for(1.1)
        self.assertIn(len(self.texts()), range(WINDOW + 16, WINDOW + 22))
        self.run_for(10)
        self.assertEqual(self.texts(), [*map(str, range(60)), "exit"])
        self.assertEqual(self.code(), EXIT_NOT_CONFIRMED)


class NobodyTests(ScriptCase):
    """With nothing at the other end."""

    def test_unanswered(self) -> None:
        """An unanswered visit ends after three seconds with code 1."""
        self.plug(None)
        self.script.receive(b"hello\n")
        self.script.end()
        self.run_for(3.1)
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_a_nick_that_cannot_be_sent(self) -> None:
        """Where not even the nick can be sent the visit ends at once, with the reason as its one line."""
        self.plug(None)
        self.script.stop()
        clock, complaints = Clock(), list[str]()
        script = Script(SERVER, "bot", clock, complaints.append, lambda _: None)
        cable = Cable(script.client)
        cable.broken = OSError(errno.ENETUNREACH, "Network is unreachable")
        script.start()
        self.assertEqual(self.successResultOf(script.done), EXIT_FAILED)
        self.assertEqual(complaints, ["cannot send to chat.example:6789: Network is unreachable"])
        self.assertEqual(clock.getDelayedCalls(), [])


class _OurServer(EchoingServer):
    """Renders as our server does: a nick is normalised, commands are known."""

    def enter(self, name: str, addr: Addr) -> None:
        """Give the nick as it is shown."""
        super().enter(name.replace("\uff22", "B"), addr)

    def say(self, text: str, addr: Addr) -> None:
        """Know /me and //."""
        name = self.names[addr]
        if text.startswith("/me "):
            self.tell_all(f"* {name} {text.removeprefix('/me ')}")
        elif text.startswith("//"):
            self.tell_all(f"{name}: {text[1:]}")
        else:
            super().say(text, addr)


class EchoTests(ScriptCase):
    """Which line is an echo of which."""

    def test_a_normalised_nick(self) -> None:
        """The nick as the server shows it is learnt from the first greeting."""
        self.plug(_OurServer(), "\uff22ob")
        self.script.receive(b"hello\n/me waves  \n//names\n")
        self.script.end()
        self.cable.deliver()
        self.assertEqual(self.code(), EXIT_OK)

    def test_another_newcomer(self) -> None:
        """Only the first greeting tells our nick: who joins later and says the same confirms nothing."""
        self.plug(None)
        for line in ("bot has joined the chat", "ann has joined the chat"):
            self.script.client.datagramReceived(line.encode(), Cable.server_addr)
        self.script.receive(b"hello\n")
        self.script.end()
        self.script.client.datagramReceived(b"ann: hello", Cable.server_addr)
        self.not_ended()
        self.script.client.datagramReceived(b"bot: hello", Cable.server_addr)
        self.assertEqual(self.code(), EXIT_OK)

    def test_sayings(self) -> None:
        """A line comes back as it is, or as what its slash means; a command does not come back."""
        self.assertEqual(sayings("hello "), {(Kind.SAY, "hello")})
        self.assertEqual(sayings("/me waves"), {(Kind.SAY, "/me waves"), (Kind.ME, "waves")})
        self.assertEqual(sayings("//x"), {(Kind.SAY, "//x"), (Kind.SAY, "/x")})
        for command in ("/names", "/help", "/nosuch", "/me"):
            self.assertEqual(sayings(command), frozenset())

    def test_saying_of(self) -> None:
        """Only a line of that very nick is heard as said by it."""
        self.assertEqual(saying_of("bot: a: b ", "bot"), (Kind.SAY, "a: b"))
        self.assertEqual(saying_of("* bot waves", "bot"), (Kind.ME, "waves"))
        for line in ("bo: a", "botty: a", "* botty waves", "a bot: a", "bot has joined the chat"):
            self.assertIsNone(saying_of(line, "bot"))
