"""DTLS with somebody else's client: `openssl s_client` over a real socket on loopback."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.dtls_support import Door

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

    def test_chacha(self) -> None:
        """So does one that has no hardware for AES."""
        self.talk("-quiet", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305")

    def talk(self, *options: str) -> None:
        """Let s_client say something, hear it back, and go."""
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
            output = client.stdout.fileno()
            self.serve(output, lambda: b"HELLO FROM OPENSSL\n" in self.printed)
            (channel,) = self.door.channels.values()
            self.assertIsNone(channel.peer_fingerprint)
            client.stdin.close()
            self.serve(output, lambda: channel.is_over)
        self.assertEqual(self.door.channels, {})

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
