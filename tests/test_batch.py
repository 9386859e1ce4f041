"""Tests of `chat.server.batch`: what the kernel is handed at once arrives as if each had been sent alone."""

from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Callable
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from chat.server.batch import MOST, Batch, find, pack_name


class BatchTests(SynchronousTestCase):
    """A batch on a socket of loopback."""

    def batch(self, host: str = "127.0.0.1") -> Batch:
        """Give one, or skip where the system has no such call."""
        call = find()
        if call is None:
            raise SkipTest("no sendmmsg here")
        return Batch(self.bound(host), call)

    def bound(self, host: str = "127.0.0.1") -> socket.socket:
        """Give a socket."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind((host, 0))
        sock.setblocking(False)
        return sock

    def received(self, sock: socket.socket) -> list[bytes]:
        """Give all that has come."""
        found = []
        while True:
            try:
                found.append(sock.recv(2_000))
            except BlockingIOError:
                return found

    def check_each(self, host: str) -> None:
        """Send each of ten sockets datagrams of its own, of all sizes."""
        batch = self.batch(host)
        readers = [self.bound(host) for _ in range(10)]
        datagrams = [bytes((number,)) * (number * 100 + turn) for turn in (0, 1) for number in range(10)]
        names = [pack_name(reader.getsockname()) for reader in readers] * 2
        self.assertEqual(batch.send(datagrams, names), [])
        for number, reader in enumerate(readers):
            self.assertEqual(self.received(reader), [datagrams[number], datagrams[number + 10]])

    def test_ipv4(self) -> None:
        """Each peer gets its own, in order, an empty one too."""
        self.check_each("127.0.0.1")

    def test_ipv6(self) -> None:
        """As with IPv4."""
        try:
            self.bound("::1")
        except OSError:
            raise SkipTest("no IPv6 here") from None
        self.check_each("::1")

    def test_used_again(self) -> None:
        """Nothing of an earlier, longer batch is left in the tables."""
        batch, reader = self.batch(), self.bound()
        name = pack_name(reader.getsockname())
        batch.send([b"x" * 500] * 100, [name] * 100)
        self.received(reader)
        batch.send([b"a", b"bc", b"def"], [name] * 3)
        self.assertEqual(self.received(reader), [b"a", b"bc", b"def"])

    def test_the_most(self) -> None:
        """As many as the kernel takes in one call."""
        batch, reader = self.batch(), self.bound()
        datagrams = [b"%d" % number for number in range(MOST)]
        self.assertEqual(batch.send(datagrams, [pack_name(reader.getsockname())] * MOST), [])
        self.assertEqual(self.received(reader)[:100], datagrams[:100])

    def test_failures(self) -> None:
        """What cannot be written is named by its place, wherever it stands, and all else is written."""
        batch, reader = self.batch(), self.bound()
        well = pack_name(reader.getsockname())
        no_port, broadcast = pack_name(("127.0.0.1", 0)), pack_name(("255.255.255.255", 9))
        family = pack_name(("::1", 9, 0, 0))
        names = [no_port, well, broadcast, well, family]
        failed = batch.send([b"0", b"1", b"2", b"3", b"4"], names)
        numbers = [(place, error.errno) for place, error in failed]
        self.assertEqual(numbers[:2], [(0, errno.EINVAL), (2, errno.EACCES)])
        self.assertEqual(numbers[2][0], 4)
        self.assertEqual(self.received(reader), [b"1", b"3"])

    def test_too_long(self) -> None:
        """A datagram that is none is a failure of its own."""
        batch, reader = self.batch(), self.bound()
        name = pack_name(reader.getsockname())
        ((place, error),) = batch.send([b"a", b"x" * 70_000, b"b"], [name] * 3)
        self.assertEqual((place, error.errno), (1, errno.EMSGSIZE))
        self.assertEqual(self.received(reader), [b"a", b"b"])

    def test_interrupted(self) -> None:
        """A call that a signal has cut short is made again."""
        calls: list[int] = []

        def call(_: int, __: int, count: int, ___: int) -> int:
            calls.append(count)
            if len(calls) == 1:
                ctypes.set_errno(errno.EINTR)
                return -1
            return 2

        interrupted: Callable[[int, int, int, int], int] = call
        batch = Batch(self.bound(), interrupted)
        self.assertEqual(batch.send([b"a"] * 4, [pack_name(("127.0.0.1", 9))] * 4), [])
        self.assertEqual(calls, [4, 4, 2])
