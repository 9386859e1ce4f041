"""DTLS with somebody else's client and server: `openssl s_client` and `s_server`, on loopback sockets."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chat.wire.dtls_channel import fingerprint
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_keys import SUITES
from tests.dtls_support import Door, client_context, pair

PATIENCE = 60.0  # seconds, on a machine that has other things to do


class OpensslTests(SynchronousTestCase):
    """A server of a few lines: a socket, and a door behind it that says in capitals what it is told."""

    def setUp(self) -> None:
        """Bind a socket."""
        if shutil.which("openssl") is None:
            raise SkipTest("openssl is not installed")
        self.door = Door()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.printed = b""

    def test_a_talk(self) -> None:
        """It comes in, is heard, hears, and says goodbye when its input ends; it has no key, so is nobody."""
        self.talk("-quiet")

    def test_small_datagrams(self) -> None:
        """So does one that is told that its path takes 500 bytes."""
        self.talk("-quiet", "-mtu", "500")

    def test_suites(self) -> None:
        """So does one that knows only one of the suites, whichever that is."""
        for suite in SUITES:
            self.printed = b""
            self.talk("-quiet", "-cipher", suite)

    def test_our_goodbye(self) -> None:
        """When the server says goodbye, sealed by us, it understands and ends."""
        with self.client("-quiet") as client:
            assert client.stdout is not None
            output = client.stdout.fileno()
            self.serve(output, lambda: b"HELLO FROM OPENSSL\n" in self.printed)
            now = time.monotonic()
            ((addr, channel),) = self.door.channels.items()
            channel.close(now)
            for goodbye, to in self.door.collect(addr, now):
                self.socket.sendto(goodbye, to)
            self.serve(output, lambda: client.poll() is not None)

    def talk(self, *options: str) -> None:
        """Let s_client say something, hear it back, say more, hear that, and go."""
        with self.client(*options) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            output = client.stdout.fileno()
            self.serve(output, lambda: b"HELLO FROM OPENSSL\n" in self.printed)
            (channel,) = self.door.channels.values()
            self.assertIsNone(channel.peer_fingerprint)
            client.stdin.write(b"and again\n")
            client.stdin.flush()
            self.serve(output, lambda: b"AND AGAIN\n" in self.printed)
            client.stdin.close()
            self.serve(output, lambda: channel.is_over)
        self.assertEqual(self.door.channels, {})

    @contextmanager
    def client(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run s_client, which says its first line."""
        port = self.socket.getsockname()[1]
        client = subprocess.Popen(
            ["openssl", "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", *options, "-no_ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        assert client.stdin is not None
        assert client.stdout is not None
        with closing(client.stdout), closing(client.stdin):
            client.stdin.write(b"hello from openssl\n")
            client.stdin.flush()
            yield client

    def serve(self, output: int, is_done: Callable[[], bool]) -> None:
        """Serve, and read what the client prints, until it is done."""
        end = time.monotonic() + PATIENCE
        while not is_done():
            now = time.monotonic()
            self.assertLess(now, end, f"it has printed {self.printed!r}")
            ready, _, _ = select.select([self.socket.fileno(), output], [], [], 0.1)
            if output in ready:
                self.printed += os.read(output, 4_096)
            if self.socket.fileno() in ready:
                datagram, addr = self.socket.recvfrom(65_536)
                for answer, to in self.door.receive(datagram, addr, now):
                    self.socket.sendto(answer, to)
            for addr, channel in list(self.door.channels.items()):
                channel.handle_timeout(now)
                while self.door.heard:
                    channel.send(self.door.heard.pop(0)[0].upper(), now)
                for answer, to in self.door.collect(addr, now):
                    self.socket.sendto(answer, to)


class OpensslServerTests(SynchronousTestCase):
    """A client of a few lines, and a server that is not ours: it shows what it hears, says what it reads."""

    def setUp(self) -> None:
        """Start it on a port that was free a moment ago."""
        if shutil.which("openssl") is None:
            raise SkipTest("openssl is not installed")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "server.pem"
        path.write_bytes(b"".join(pair("server")))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.addr = ("127.0.0.1", free_port())
        self.server = subprocess.Popen(
            ["openssl", "s_server", "-dtls1_2", "-listen", "-accept", f"127.0.0.1:{self.addr[1]}",
             "-cert", str(path), "-key", str(path), "-verify", "1", "-quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(self.server.communicate)
        self.addCleanup(self.server.kill)
        self.printed = b""
        self.heard: list[bytes] = []

    def test_a_talk(self) -> None:
        """With the expected key it is up, both hear each other, and the server learns of our goodbye."""
        client = self.come_up(fingerprint(pair("server")[1]))
        assert self.server.stdin is not None
        client.send(b"hello from us\n", time.monotonic())
        self.carry(client, lambda: b"hello from us\n" in self.printed)
        self.server.stdin.write(b"hello from openssl\n")
        self.server.stdin.flush()
        self.carry(client, lambda: b"hello from openssl\n" in b"".join(self.heard))
        client.close(time.monotonic())
        self.carry(client, lambda: client.is_over)

    def test_a_wrong_key(self) -> None:
        """With another key than expected it is over, and the key that was shown is told."""
        client = self.come_up(fingerprint(pair("eve")[1]))
        self.assertFalse(client.is_up)
        self.assertEqual(client.offered_fingerprint, fingerprint(pair("server")[1]))

    def come_up(self, expected: bytes) -> DtlsClient:
        """Give a client once the server has shown its key; the server may still be starting."""
        client = DtlsClient(client_context(), time.monotonic(), expected)
        self.carry(client, lambda: client.is_up or client.is_over)
        return self.come_up(expected) if client.offered_fingerprint is None else client

    def carry(self, client: DtlsClient, is_done: Callable[[], object]) -> None:
        """Carry datagrams both ways, and read what the server prints, until it is done."""
        assert self.server.stdout is not None
        output = self.server.stdout.fileno()
        end = time.monotonic() + PATIENCE
        while True:
            now = time.monotonic()
            client.handle_timeout(now)
            for datagram in client.datagrams_to_send(now):
                self.socket.sendto(datagram, self.addr)
            if is_done():
                return
            self.assertLess(now, end, f"it has printed {self.printed!r}")
            ready, _, _ = select.select([self.socket.fileno(), output], [], [], 0.1)
            if output in ready:
                self.printed += os.read(output, 4_096)
            if self.socket.fileno() in ready:
                self.heard += client.receive_datagram(self.socket.recv(65_536), now)


def free_port() -> int:
    """Give a port that nobody has, as far as one can know."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
