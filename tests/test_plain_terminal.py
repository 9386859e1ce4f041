"""Tests of `python -m chat --plain` in a terminal: a pseudo-terminal, and pyte for the screen on it."""

from __future__ import annotations

import os
import pty
import termios
from collections.abc import Callable

import pyte
from twisted.internet.defer import Deferred

from tests.bare_servers import EchoingServer, SilentServer
from tests.test_client_process import ClientProcess, ProcessCase

COLUMNS, ROWS = 80, 24
CTRL_C, CTRL_D, ENTER = b"\x03", b"\x04", b"\r"
TAKEN = "nama ini sudah diambil"


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as a terminal does."""

    def __init__(self, answer: Callable[[bytes], object]) -> None:
        super().__init__(COLUMNS, ROWS)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        """Answer."""
        self._answer(data.encode())


class Person(ClientProcess):
    """Somebody at a terminal: sees a screen, types."""

    def __init__(self) -> None:
        super().__init__()
        self._screen = _Screen(self.type)
        self._stream = pyte.ByteStream(self._screen)
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def spawn(self, *arguments: str, **keywords: object) -> None:
        """Start the client in a terminal of 80 columns."""
        outer, inner = pty.openpty()
        termios.tcsetwinsize(inner, (ROWS, COLUMNS))
        super().spawn(*arguments, usePTY=(outer, inner, os.ttyname(inner)), **keywords)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        self.transport.write(keys)

    def lines(self) -> list[str]:
        """Give the lines on the screen that are not blank."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def outReceived(self, data: bytes) -> None:
        """Show it."""
        super().outReceived(data)
        self._stream.feed(data)
        self.look()

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Give a Deferred that fires when the condition is true, which is tried at each `look`."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self.look()
        return waiting

    def sees(self, *last: str) -> Deferred[None]:
        """Wait until these are the last lines on the screen."""
        return self.until(lambda: self.lines()[-len(last) :] == list(last))

    def asked(self, told: str, prompt: str) -> Deferred[None]:
        """Wait until a line with these words stands above this prompt."""
        return self.until(lambda: self.lines()[-1:] == [prompt] and told in "".join(self.lines()[-2:-1]))

    def look(self) -> None:
        """Try what is waited for."""
        due = [pair for pair in self._waiting if pair[0]()]
        self._waiting = [pair for pair in self._waiting if pair not in due]
        for _, waiting in due:
            waiting.callback(None)


class TerminalCase(ProcessCase):
    """A person in front of the client."""

    def sit_down(self, *arguments: str) -> Person:
        """Start the client in a terminal."""
        person = Person()
        person.spawn(*arguments)
        self.addCleanup(person.kill)
        return person


class EchoingTests(TerminalCase):
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


class SilentTests(TerminalCase):
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
