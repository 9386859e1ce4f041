"""Tests of the service of `chat.server.tap`, from its start to its end on a real socket."""

from __future__ import annotations

import io
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from chat.fingerprints import show_fingerprint
from chat.identity import load_identity
from chat.server.options import KEY_FILE
from chat.server.storage import STORE_FILE
from chat.server.tap import ChatService, makeService
from tests.dtls_support import new_client
from tests.server_process import DEADLINE
from tests.test_tap import parse


class ServiceTests(TestCase):
    """The service in this process, on the reactor that trial runs."""

    timeout = DEADLINE

    def setUp(self) -> None:
        """Put the reactor on the clock that the service chooses, and back afterwards; watch the log."""
        from twisted.internet import reactor

        clock: Any = reactor
        self.addCleanup(setattr, clock, "seconds", clock.seconds)
        clock.seconds = time.monotonic
        for signum in (signal.SIGHUP, signal.SIGINT):
            self.addCleanup(signal.signal, signum, signal.getsignal(signum))
        self.events: list[LogEvent] = []
        watch: Any = self.events.append
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def service(self, *arguments: str) -> ChatService:
        """Make a service on 127.0.0.1, which is stopped at the test's end."""
        service = makeService(parse("--interface=127.0.0.1", "--store=memory:", *arguments))
        self.addCleanup(self.stop, service)
        return service

    def stop(self, service: ChatService) -> Deferred[None] | None:
        """Stop a service that runs."""
        return service.stopService() if service.running else None

    def listening(self) -> list[int]:
        """Give the port of every time that a service has said that it listens."""
        return [event["port"] for event in self.events if "listens on" in str(event.get("log_format"))]

    def client(self, port: int) -> socket.socket:
        """Give a socket that speaks to `port`."""
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(DEADLINE)
        client.connect(("127.0.0.1", port))
        return client

    def read(self, client: socket.socket) -> Deferred[bytes]:
        """Give the next datagram, while the reactor runs."""
        return deferToThread(client.recv, 65_535)

    def assert_free(self, port: int) -> None:
        """Assert that nothing listens on `port`."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", port))

    async def test_a_life(self) -> None:
        """It starts, answers, says good-bye to its members when it is stopped, and frees the port."""
        service = self.service("--port=0")
        self.assertTrue(IService.providedBy(service))
        service.startService()
        (port,) = self.listening()
        plain, terminal, stranger = (self.client(port) for _ in range(3))
        stranger.send(b"\n")
        plain.send(b"ann")
        self.assertEqual(await self.read(plain), b"ann has joined the chat")
        terminal.send(b"ben\n")
        self.assertEqual(await self.read(terminal), b"ben has joined the chat\n")
        self.assertEqual(await self.read(plain), b"ben has joined the chat")
        await maybeDeferred(service.stopService)
        self.assertEqual(plain.recv(100), b"server is going down")
        self.assertEqual(terminal.recv(100), b"server is going down\n")
        for client in (plain, terminal, stranger):
            client.setblocking(False)
            with self.assertRaises(BlockingIOError):
                client.recv(100)
        self.assert_free(port)

    async def test_the_servers_key(self) -> None:
        """A client finds the key that is in the state directory; both lines at the start name it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.service("--port=0", f"--state={folder.name}").startService()
        (port,) = self.listening()
        client, dtls = self.client(port), new_client()
        while not dtls.is_up:
            for datagram in dtls.datagrams_to_send(0.0):
                client.send(datagram)
            dtls.receive_datagram(await self.read(client), 0.0)
            self.assertFalse(dtls.is_over)
        identity = load_identity(Path(folder.name, KEY_FILE), "x")
        self.assertEqual(dtls.peer_fingerprint, identity.fingerprint)
        said = [event for event in self.events if "fingerprint" in event]
        self.assertEqual([e["fingerprint"] for e in said], [show_fingerprint(identity.fingerprint)] * 2)
        self.assertTrue(all(event["log_namespace"] == "chat.server.tap.ChatService" for event in said))

    @inlineCallbacks
    def test_the_chat_is_kept(self) -> Generator[Deferred[Any], Any, None]:
        """What was said before a server ended is there when it runs again, and so is who was in."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        service = self.service("--port=0", f"--state={folder.name}", "--store=sqlite:")
        names = []
        for nick, said in ((b"ann", b"hello"), (b"bob", b"/history 1")):
            service.startService()
            client = self.client(self.listening()[-1])
            client.send(nick)
            self.assertEqual((yield self.read(client)), nick + b" has joined the chat")
            client.send(said)
            heard = yield self.read(client)
            self.assertTrue(heard.endswith(b"ann: hello"), heard)
            client.send(b"/names")
            names.append((yield self.read(client)))
            yield service.stopService()
        self.assertEqual(
            names, [b"-!- 1 here (~ is not verified): ~ann", b"-!- 2 here (~ is not verified): ~ann ~bob"]
        )
        kept = [event["kept"] for event in self.events if "kept" in event]
        self.assertEqual(kept, [f"in {folder.name}/{STORE_FILE}"] * 2)

    @inlineCallbacks
    def test_a_store_in_use(self) -> Generator[Deferred[Any], Any, None]:
        """A second server on one store ends with one line that says so; it binds nothing."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        options = ("--port=0", f"--state={folder.name}", "--store=sqlite:")
        first = self.service(*options)
        first.startService()
        said = io.StringIO()
        self.patch(sys, "__stderr__", said)
        second = makeService(parse(*options))
        self.assertEqual(self.assertRaises(SystemExit, second.startService).code, 1)
        self.assertEqual(
            said.getvalue(),
            f"udpchat: {folder.name}/{STORE_FILE} is used by another server"
            " (another file: --store sqlite:FILE; none: --store memory:)\n",
        )
        self.assertEqual(len(self.listening()), 1)
        yield first.stopService()
        self.service(*options).startService()

    def test_nothing_is_bound_before_the_start(self) -> None:
        """Making the service opens no socket."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            self.service(f"--port={other.getsockname()[1]}")
        self.assertEqual(self.listening(), [])

    def test_both_starts_bind_once(self) -> None:
        """twistd calls both starts, twist only the second: either way there is one socket."""
        service = self.service("--port=0")
        service.privilegedStartService()
        service.startService()
        self.assertEqual(len(self.listening()), 1)

    @inlineCallbacks
    def test_starting_again(self) -> Generator[Deferred[None], None, None]:
        """A service that was stopped can be stopped once more, and started once more."""
        service = self.service("--port=0")
        for _ in range(2):
            service.startService()
            yield service.stopService()
        yield service.stopService()
        self.assertEqual(len(self.listening()), 2)

    def test_stopping_what_never_started(self) -> None:
        """A service that never listened can be stopped."""
        self.assertIsNone(self.successResultOf(self.service("--port=0").stopService()))

    def test_a_port_in_use(self) -> None:
        """A port in use ends the program with one line that says which, why and what to do.

        The store that had been opened is let go of.
        """
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            said = io.StringIO()
            self.patch(sys, "__stderr__", said)
            service = makeService(parse("--interface=127.0.0.1", f"--port={port}", f"--state={folder.name}"))
            self.assertEqual(self.assertRaises(SystemExit, service.startService).code, 1)
        self.assertEqual(
            said.getvalue(),
            f"udpchat: cannot listen on 127.0.0.1 port {port}: Address already in use"
            " (something listens there already; choose another port with --port)\n",
        )
        self.service("--port=0", f"--state={folder.name}", "--store=sqlite:").startService()

    def test_an_address_that_is_not_ours(self) -> None:
        """An address of another machine ends the program with a line that names the option."""
        said = io.StringIO()
        self.patch(sys, "__stderr__", said)
        service = makeService(
            parse("--interface=192.0.2.1", "--port=0", "--store=memory:")
        )  # RFC 5737: nobody's
        self.assertEqual(self.assertRaises(SystemExit, service.startService).code, 1)
        self.assertIn("192.0.2.1 port 0", said.getvalue())
        self.assertIn("--interface", said.getvalue())

    def test_what_is_said_at_the_start(self) -> None:
        """Where it listens, and what is unusual about who may join, are said in the log."""
        for plain, level in (("all", "warn"), ("off", "info")):
            self.service("--port=0", f"--plain={plain}").startService()
            said = [e for e in self.events if f"--plain {plain}" in str(e.get("log_format"))]
            self.assertEqual([event["log_level"].name for event in said], [level])
        self.assertEqual(len(self.listening()), 2)
