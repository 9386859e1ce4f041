"""The client on real sockets and Twisted's own reactor, against a server in the same process."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.trial.unittest import SkipTest, TestCase

from chat.client.happenings import Link
from chat.client.protocol import ChatClient
from chat.client.trust import ServerKeyChanged
from chat.hub.hub import Hub
from chat.identity import KnownServers
from chat.limits import NO_LIMITS, Limits
from chat.messages import Entry
from chat.server.port import UdpPort
from chat.server.protocol import ChatServer
from chat.server.settings import Settings
from chat.store.memory import MemoryStore
from chat.wire.dtls import DtlsListener
from tests.client_network import identity
from tests.dtls_support import pair


def real_reactor() -> Any:
    """Give the reactor that trial runs."""
    from twisted.internet import reactor

    return reactor


class Ears:
    """Hears entries; `wait` fires when there are enough of them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._enough: list[tuple[int, Deferred[None]]] = []

    def hear(self, entry: Entry) -> None:
        """Take an entry."""
        self.texts.append(entry.text)
        for count, enough in self._enough:
            if count == len(self.texts):
                enough.callback(None)

    def wait(self, count: int) -> Deferred[None]:
        """Give a Deferred that fires with the entry that makes it so many."""
        enough: Deferred[None] = Deferred()
        self._enough.append((count, enough))
        return enough


class LoopbackTests(TestCase):
    """A server on a port that the kernel chose, and clients that leave at the end."""

    timeout = 120  # seconds; nothing here waits for a time

    def setUp(self) -> None:
        """Make a file for known servers."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.known = KnownServers(Path(folder.name) / "known_servers")

    def serve(self, name: str = "server", port: int = 0) -> tuple[UdpPort, int]:
        """Start a server; give its socket and its port."""
        listener = DtlsListener(*pair(name), os.urandom(32))
        server = ChatServer(
            Hub(limits=Limits(NO_LIMITS)),
            MemoryStore(time.time),
            Settings(),
            real_reactor(),
            listener=listener,
        )
        opened = UdpPort(port, server, "127.0.0.1", real_reactor())
        opened.startListening()
        self.addCleanup(opened.stopListening)
        return opened, opened.getHost().port

    def client(self, place: str, nick: str, heard: Callable[[Entry], None] = lambda _: None) -> ChatClient:
        """Give a client that leaves at the test's end."""
        client = ChatClient(
            real_reactor(), place, nick, identity=identity(nick), known=self.known, heard=heard
        )
        self.addCleanup(client.leave)
        return client

    async def test_a_talk(self) -> None:
        """Two come in, are heard by each other in one order, and leave."""
        _, port = self.serve()
        ears = Ears(), Ears()
        ann = self.client(f"127.0.0.1:{port}", "ann", ears[0].hear)
        bob = self.client(f"127.0.0.1:{port}", "bob", ears[1].hear)
        for each in (ann, bob):
            await each.connect()
            await each.join("lobby")
        all_heard = gatherResults([each.wait(20) for each in ears])
        positions = await gatherResults(
            [ann.say(f"{n}") for n in range(10)] + [bob.say(f"{n}") for n in range(10)]
        )
        await all_heard
        self.assertEqual(len(set(positions)), 20)
        self.assertEqual(ears[0].texts, ears[1].texts)
        await ann.leave("tired")
        self.assertEqual(await ann.closed, "tired")
        self.assertIs(ann.state, Link.CLOSED)

    async def test_restart(self) -> None:
        """What is said while the server is away is said to the next one."""
        before, port = self.serve()
        ears = Ears()
        ann = self.client(f"127.0.0.1:{port}", "ann", ears.hear)
        await ann.connect()
        await ann.join("lobby")
        await maybeDeferred(before.stopListening)
        before.protocol.stopProtocol()
        saying = ann.say("hello")
        self.serve(port=port)
        await saying
        self.assertEqual(ears.texts, ["hello"])

    async def test_localhost(self) -> None:
        """A name is looked up; where it has addresses at which no server is, another one is found."""
        _, port = self.serve()
        try:
            socket.getaddrinfo("localhost", port, socket.AF_INET)
        except OSError as error:
            raise SkipTest("this machine has no localhost") from error
        welcome = await self.client(f"localhost:{port}", "ann").connect()
        self.assertEqual(welcome.nick, "ann")

    async def test_a_changed_key(self) -> None:
        """A server with another key than the one that was met is not spoken to."""
        before, port = self.serve()
        ann = self.client(f"127.0.0.1:{port}", "ann")
        await ann.connect()
        await ann.leave()
        await maybeDeferred(before.stopListening)
        self.serve("eve", port)
        ann = self.client(f"127.0.0.1:{port}", "ann")
        with self.assertRaises(ServerKeyChanged):
            await ann.connect()
        with self.assertRaises(ServerKeyChanged):
            await ann.closed
