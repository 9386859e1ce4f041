"""What the tests of whole client programs share: clients in processes of their own."""

from __future__ import annotations

import contextlib  # not its name `suppress`: trial takes a module attribute of that name for its own
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IPushProducer
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from chat.identity import KnownServers, parse_fingerprint
from tests.bare_servers import BareServer
from tests.server_process import ServerProcess, shared_server

ROOT = Path(__file__).parent.parent
DEADLINE = 120.0  # seconds: far more than any of this takes, so that a slow machine fails nothing


def the_reactor() -> Any:
    """Give the reactor that runs the tests."""
    from twisted.internet import reactor

    return reactor


class ClientProcess(ProcessProtocol):
    """A client in a process of its own.

    `gone` fires with the exit code, and `ended` too, once all output is there.
    """

    transport: IProcessTransport

    def __init__(self) -> None:
        self.out = b""
        self.errors = b""
        self.gone: Deferred[int] = Deferred()
        self.ended: Deferred[int] = Deferred()
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def spawn(self, *arguments: str, environ: dict[str, str] | None = None, **keywords: object) -> None:
        """Start it with these arguments; `environ` goes on top of the environment."""
        the_reactor().spawnProcess(
            self,
            sys.executable,
            [sys.executable, "-m", "chat", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", **(environ or {})},
            path=str(ROOT),
            **keywords,
        )

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Give a Deferred that fires when the condition is true, which is tried at each `look`."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self.look()
        return waiting

    def look(self) -> None:
        """Try what is waited for."""
        due = [pair for pair in self._waiting if pair[0]()]
        self._waiting = [pair for pair in self._waiting if pair not in due]
        for _, waiting in due:
            waiting.callback(None)

    def look_away(self) -> None:
        """Read nothing that it prints from now on."""
        cast(IPushProducer, self.transport).pauseProducing()

    def look_again(self) -> None:
        """Read on."""
        cast(IPushProducer, self.transport).resumeProducing()

    def joined(self) -> Deferred[None]:
        """Wait until a client with --json is in its room."""
        return self.until(lambda: re.search(rb'"joined","room":"[^@]', self.out) is not None)

    def outReceived(self, data: bytes) -> None:
        """Keep it."""
        self.out += data
        self.look()

    def errReceived(self, data: bytes) -> None:
        """Keep it."""
        self.errors += data

    def processExited(self, reason: Failure) -> None:  # noqa: N802  (Twisted's name)
        """Tell the exit code."""
        self.gone.callback(_code(reason))

    def processEnded(self, reason: Failure) -> None:
        """Tell the exit code."""
        self.ended.callback(_code(reason))

    def kill(self) -> Deferred[int]:
        """Make sure that it does not outlive its test."""
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        return self.ended


def _code(reason: Failure) -> int:
    ending = cast(ProcessDone | ProcessTerminated, reason.value)
    return cast(int, ending.exitCode)


class ProcessCase(TestCase):
    """Clients in processes of their own."""

    timeout = DEADLINE

    def start(
        self, *arguments: str, environ: dict[str, str] | None = None, **keywords: object
    ) -> ClientProcess:
        """Start a client; it is killed at the end if it has not ended."""
        client = ClientProcess()
        client.spawn(*arguments, environ=environ, **keywords)
        self.addCleanup(client.kill)
        return client

    def feed(self, client: ClientProcess, text: bytes) -> None:
        """Give it its whole input through a pipe."""
        client.transport.writeToChild(0, text)
        client.transport.closeChildFD(0)

    async def check(self, client: ClientProcess, code: int, errors: str = "") -> None:
        """Wait for its end; check the exit code and that nothing else was printed."""
        self.assertEqual((await client.ended, client.errors.decode(), client.out), (code, errors, b""))


class SecureCase(ProcessCase):
    """A real server that tests share, so every nick is used once; people with keys of their own."""

    _nicks = itertools.count(1)

    def setUp(self) -> None:
        """Find the server."""
        self.server = shared_server()
        self.address = f"127.0.0.1:{self.server.port}"
        self.addCleanup(lambda: self.assertEqual(self.server.faults(), []))

    def nick(self, name: str = "bot") -> str:
        """Give a nick, or the name of a room, that no other test has."""
        return f"{name}{next(self._nicks)}"

    def folder(self) -> Path:
        """Give a home for keys that is gone at the test's end: whoever lives there has met nobody."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def met(self) -> Path:
        """Give a home of somebody who has met the server."""
        home = self.folder()
        KnownServers(home / "udpchat" / "known_servers").add(self.address, parse_fingerprint(self.key()))
        return home

    def key(self) -> str:
        """Give the fingerprint of the server's key."""
        return str(self.server.wait_for(lambda record: "fingerprint" in record)["fingerprint"])

    def serve(self, *options: str) -> None:
        """Start a server of this test's own, which takes the shared one's place."""
        self.server = server = ServerProcess("--interface=127.0.0.1", *options)
        self.address = f"127.0.0.1:{server.port}"
        self.addCleanup(lambda: self.assertEqual(server.faults(), []))
        self.addCleanup(server.stop)

    def has_left(self, nick: str) -> None:
        """Wait until the server knows that somebody has left politely, who has ended."""
        self.server.wait_for(lambda record: record["message"] == f"{nick} left: exit")

    def script(self, nick: str, *arguments: str, home: Path, **keywords: object) -> ClientProcess:
        """Start a script at the shared server, with the keys in `home`."""
        environ = {"XDG_DATA_HOME": str(home)}
        return self.start(self.address, "--nick", nick, *arguments, environ=environ, **keywords)

    def follower(self, nick: str, home: Path | None = None) -> ClientProcess:
        """Start somebody who stays, and prints JSON."""
        return self.script(nick, "--json", "--follow", home=home or self.met())


class PlainCase(ProcessCase):
    """A server in this process, clients in others."""

    def serve(self, server: BareServer) -> str:
        """Put the server on a port of its own; gives its address."""
        port = the_reactor().listenUDP(0, server, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"127.0.0.1:{port.getHost().port}"

    def script(self, server: BareServer, **keywords: object) -> ClientProcess:
        """Start a script with the nick `bot` against the server."""
        return self.start("--plain", self.serve(server), "--nick", "bot", environ=None, **keywords)
