"""Tests of `python -m chat --plain` as a process without a terminal, against real servers on the loopback."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred

from tests.bare_servers import BareServer, EchoingServer, SilentServer
from tests.client_process import PlainCase


class ExitCodeTests(PlainCase):
    """What a shell script sees."""

    async def test_confirmed(self) -> None:
        """`echo hello | udpchat --plain HOST --nick bot`: 0, not a word, and the server knows of the exit."""
        server = EchoingServer()
        client = self.script(server)
        self.feed(client, "grüß dich\n".encode())
        await self.check(client, 0)
        self.assertEqual(server.received[:2], ["bot", "grüß dich"])

    async def test_not_confirmed(self) -> None:
        """A server that answers but does not echo: 3."""
        server = SilentServer()
        server.watch = lambda: server.send("ann: hi", next(iter(server.names), ("127.0.0.1", 9)))
        client = self.script(server)
        self.feed(client, b"hello\n")
        await self.check(client, 3, "udpchat: sent, not confirmed\n")

    async def test_unanswered(self) -> None:
        """Nobody answers: 1 and one line; who may have listened all the same hears the exit."""
        server = SilentServer()
        gone = _when(server, lambda: "exit" in server.received)
        client = self.script(server)
        self.feed(client, b"hello\n")
        self.assertEqual(await client.ended, 1)
        self.assertEqual(client.errors.count(b"\n"), 1)
        self.assertIn(b"no answer from 127.0.0.1:", client.errors)
        await gone
        self.assertEqual(server.received, ["bot", "hello", "exit"])

    async def test_refused(self) -> None:
        """A nick that is taken: 1 and one line."""
        server = EchoingServer()
        server.names["127.0.0.1", 9] = "bot"
        client = self.script(server)
        self.feed(client, b"hello\n")
        self.assertEqual(await client.ended, 1)
        self.assertEqual(client.errors.count(b"\n"), 1)
        self.assertEqual(server.received, ["bot"])

    async def test_no_such_host(self) -> None:
        """A name that nobody knows: 1 and one line."""
        client = self.start("--plain", "no-such-host.invalid", "--nick", "bot")
        self.assertEqual(await client.ended, 1)
        self.assertIn(b"no-such-host.invalid", client.errors)
        self.assertEqual(client.errors.count(b"\n"), 1)

    async def test_interrupted(self) -> None:
        """Ctrl-C: `exit` is said, and the code is 130; kill: 143."""
        for name, number in (("INT", signal.SIGINT), ("TERM", signal.SIGTERM)):
            server = EchoingServer()
            inside = _when(server, lambda server=server: "hello" in server.received)  # type: ignore[misc]
            client = self.script(server)
            client.transport.writeToChild(0, b"hello\n")
            await inside
            gone = _when(server, lambda server=server: "exit" in server.received)  # type: ignore[misc]
            client.transport.signalProcess(name)
            await self.check(client, 128 + number)
            await gone


class UsageTests(PlainCase):
    """What is settled before anything is sent."""

    async def wrong(self, *arguments: str) -> str:
        """Run it with these arguments; give the last line of the complaint."""
        client = self.start(*arguments)
        self.assertEqual(await client.ended, 2)
        self.assertNotIn(b"Traceback", client.errors)
        self.assertEqual(client.out, b"")
        return client.errors.decode().splitlines()[-1]

    async def test_nothing_of_the_secure_client(self) -> None:
        """What only the secure client can do is refused, not ignored: a key would not be checked."""
        for option in (
            "--json",
            "--follow",
            "--room=dev",
            "--link=abcd-efgh-jkmn",
            f"--fingerprint=SHA256:{'A' * 43}",
            "--fingerprint",
        ):
            self.assertIn(
                "--plain knows no", await self.wrong("127.0.0.1", "--nick", "bot", "--plain", option)
            )

    async def test_no_questions_to_a_pipe(self) -> None:
        """Without a terminal HOST and --nick must be given: nobody is there to be asked."""
        self.assertIn("--nick", await self.wrong("--plain", "127.0.0.1"))
        self.assertIn("HOST", await self.wrong("--plain", "--nick", "bot"))

    async def test_bad_values(self) -> None:
        """A bad port, address or nick names what is allowed."""
        self.assertIn("from 1 to 65535", await self.wrong("--plain", "localhost:0", "--nick", "bot"))
        self.assertIn("[::1]", await self.wrong("--plain", "[::1", "--nick", "bot"))
        self.assertIn("64 bytes", await self.wrong("--plain", "localhost", "--nick", "x" * 65))


class InputTests(PlainCase):
    """Every kind of standard input."""

    async def test_file(self) -> None:
        """A regular file is read to its end, though epoll would not watch it."""
        lines = [f"line {n}" for n in range(1_000)]
        server = EchoingServer()
        with tempfile.TemporaryFile() as file:
            file.write("\n".join(lines).encode())
            file.seek(0)
            client = self.script(server, childFDs={0: file.fileno(), 1: "r", 2: "r"})
        await self.check(client, 0)
        self.assertEqual(server.received[1:1001], lines)

    async def test_null_device(self) -> None:
        """The null device is an empty input."""
        with Path(os.devnull).open() as file:
            client = self.script(EchoingServer(), childFDs={0: file.fileno(), 1: "r", 2: "r"})
        await self.check(client, 0)

    async def test_no_input(self) -> None:
        """A closed standard input is an empty one."""
        await self.check(self.script(EchoingServer(), childFDs={1: "r", 2: "r"}), 0)

    async def test_streaming(self) -> None:
        """Lines of an open input go out as they come (`tail -f log | udpchat ...`)."""
        server = EchoingServer()
        client = self.script(server)
        for text in ("one", "two"):
            arrived = _when(server, lambda text=text: text in server.received)  # type: ignore[misc]
            client.transport.writeToChild(0, f"{text}\n".encode())
            await arrived
        client.transport.closeChildFD(0)
        await self.check(client, 0)

    async def test_a_shared_input_stays_blocking(self) -> None:
        """Programs that share the input find it as it was: not switched to non-blocking."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.close(writing)
        client = self.script(EchoingServer(), childFDs={0: reading, 1: "r", 2: "r"})
        await self.check(client, 0)
        self.assertTrue(os.get_blocking(reading))


def _when(server: BareServer, condition: Callable[[], bool]) -> Deferred[None]:
    """Give a Deferred that fires when a datagram to the server has made the condition true."""
    happened: Deferred[None] = Deferred()

    def look() -> None:
        if condition() and not happened.called:
            happened.callback(None)

    server.watch = look
    return happened
