"""What the tests on loopback sockets share beside server processes: a test case that cleans up."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.server_process import (
    Address,
    Peer,
    ServerProcess,
    shared_server,
)

GOING_DOWN = b"server is going down"


class LoopbackTestCase(SynchronousTestCase):
    """Servers and peers that are gone at a test's end, and logs without a traceback."""

    def start(self, *options: str) -> ServerProcess:
        """Start a server of this test's own, on 127.0.0.1 unless the options say otherwise."""
        server = ServerProcess("--interface=127.0.0.1", *options)
        self.addCleanup(lambda: self.assertEqual(server.faults(), []))
        self.addCleanup(server.stop)
        return server

    def shared(self) -> Address:
        """Give the address of the server that tests share."""
        server = shared_server()
        self.addCleanup(lambda: self.assertEqual(server.faults(), []))
        return "127.0.0.1", server.port

    def join(self, address: Address, nick: str = "", line_end: bytes = b"") -> Peer:
        """Give a peer, a member if `nick` is given, which leaves at the test's end."""
        peer = Peer(address, nick, line_end)
        self.addCleanup(peer.leave)
        return peer

    def folder(self) -> Path:
        """Give a folder that is gone at the test's end."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)
