"""Tests of `python -m chat --plain` in a terminal: a pseudo-terminal, and pyte for the screen on it."""

from __future__ import annotations

from tests.bare_servers import EchoingServer, SilentServer
from tests.client_process import PlainCase
from tests.client_terminal import CTRL_C, CTRL_D, ENTER, Person, TerminalCase

TAKEN = "nama ini sudah diambil"


class EchoingTests(TerminalCase, PlainCase):
    """At a server like Chat-socket-UDP's."""

    def setUp(self) -> None:
        """Serve."""
        self.server = EchoingServer()
        self.address = self.serve(self.server)

    def watched(self, *arguments: str) -> Person:
        """Sit somebody down who also notices what reaches the server."""
        person = self.sit_down(*arguments)
        self.server.watch = person.look
        return person

    async def leave(self, person: Person, keys: bytes) -> None:
        """Press keys; the server must hear `exit`, and the process must end well."""
        person.type(keys)
        await person.until(lambda: self.server.received[-1] == "exit")
        self.assertEqual(await person.ended, 0)
        self.assertNotIn(b"Traceback", person.out)

    async def test_asks_for_everything(self) -> None:
        """Address, port and nick are asked for, defaults shown; a bad port and a taken nick again."""
        self.server.names["127.0.0.1", 9] = "bob"
        person = self.watched("--plain")
        await person.sees("server [127.0.0.1]:")
        person.type(ENTER)
        await person.sees("server [127.0.0.1]:", "port [6789]:")
        person.type(b"70000" + ENTER)
        await person.asked("from 1 to 65535", "port [6789]:")
        person.type(self.address.partition(":")[2].encode() + ENTER)
        await person.sees("nick:")
        person.type(b"bob" + ENTER)
        await person.asked(TAKEN, "nick:")
        person.type(b"eve" + ENTER)
        await person.sees("eve has joined the chat", ">")
        person.type(b"hello" + ENTER)
        await person.sees("> hello", "eve: hello", ">")
        self.assertEqual(self.server.received, ["bob", "eve", "hello"])
        await self.leave(person, b"exit" + ENTER)

    async def test_an_address_with_a_port(self) -> None:
        """Whoever types HOST:PORT is not asked for the port; words for leaving leave from any question."""
        person = self.watched("--plain")
        await person.sees("server [127.0.0.1]:")
        person.type(self.address.encode() + ENTER)
        await person.sees(f"server [127.0.0.1]: {self.address}", "nick:")
        person.type(b"/quit" + ENTER)
        self.assertEqual(await person.ended, 0)
        self.assertEqual(self.server.received, [])

    async def test_incoming_lines_leave_the_typed_line_alone(self) -> None:
        """A line that comes in while one is typed is shown above it; the typed one goes on where it was."""
        person = self.watched("--plain", self.address, "--nick", "eve")
        await person.sees("eve has joined the chat", ">")
        person.type(b"half a li")
        await person.sees("eve has joined the chat", "> half a li")
        self.server.tell_all("ann: \x1b[2Jhello\nann: again")
        await person.sees("eve has joined the chat", "ann: [2Jhello", "ann: again", "> half a li")
        person.type(b"ne" + ENTER)
        await person.sees("> half a line", "eve: half a line", ">")
        await self.leave(person, b"/quit" + ENTER)

    async def test_ctrl_c(self) -> None:
        """Ctrl-C leaves, whatever is half typed."""
        person = self.watched("--plain", self.address, "--nick", "eve")
        await person.sees("eve has joined the chat", ">")
        person.type(b"half")
        await person.sees("eve has joined the chat", "> half")
        await self.leave(person, CTRL_C)

    async def test_ctrl_d(self) -> None:
        """Ctrl-D on an empty line leaves."""
        person = self.watched("--plain", self.address, "--nick", "eve")
        await person.sees("eve has joined the chat", ">")
        await self.leave(person, CTRL_D)

    async def test_a_given_nick_that_is_taken(self) -> None:
        """A nick from the command line that is refused is asked for, too."""
        self.server.names["127.0.0.1", 9] = "bob"
        person = self.watched("--plain", self.address, "--nick", "bob")
        await person.asked(TAKEN, "nick:")
        person.type(ENTER)
        person.type(b"eve" + ENTER)
        await person.sees("eve has joined the chat", ">")
        await self.leave(person, CTRL_D)

    async def test_a_late_refusal(self) -> None:
        """A server that forgot everybody and refuses: the line that stands there becomes the nick's."""
        person = self.watched("--plain", self.address, "--nick", "eve")
        await person.sees("eve has joined the chat", ">")
        self.server.tell_all(TAKEN)
        await person.asked(TAKEN, "nick:")
        self.server.names.clear()
        person.type(b"fay" + ENTER)
        await person.sees("fay has joined the chat", ">")
        await self.leave(person, CTRL_D)

    async def test_too_long(self) -> None:
        """A text of more than 900 bytes is not sent, and one line says so."""
        person = self.watched("--plain", self.address, "--nick", "eve")
        await person.sees("eve has joined the chat", ">")
        person.type(b"x" * 901 + ENTER)
        await person.asked("at most 900", ">")
        self.assertEqual(self.server.received, ["eve"])
        await self.leave(person, CTRL_D)


class SilentTests(TerminalCase, PlainCase):
    """At a server like UDP-Socket-Programming's."""

    async def test_goes_on_unanswered(self) -> None:
        """Where nobody is greeted one line says so, and the person may type; `exit` removes."""
        server = SilentServer()
        person = self.sit_down("--plain", self.serve(server), "--nick", "eve")
        server.watch = person.look
        await person.asked("no answer yet", ">")
        person.type(b"hello" + ENTER + b"exit" + ENTER)
        await person.until(lambda: not server.names)
        self.assertEqual(server.received, ["eve", "hello", "exit"])
        self.assertEqual(await person.ended, 0)

    async def test_ctrl_c_while_waiting(self) -> None:
        """Ctrl-C leaves while the answer is waited for, too."""
        server = SilentServer()
        person = self.sit_down("--plain", self.serve(server), "--nick", "eve")
        server.watch = person.look
        await person.until(lambda: server.received == ["eve"])
        person.type(CTRL_C)
        await person.until(lambda: server.received == ["eve", "exit"])
        self.assertEqual(await person.ended, 0)
        self.assertNotIn(b"Traceback", person.out)
