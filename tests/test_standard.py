"""Tests of standard input and output, and of the lines that input has."""

from __future__ import annotations

import contextlib
import os
import signal
from threading import Thread
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorFDSet
from twisted.trial.unittest import SynchronousTestCase

from chat.client.standard import (
    LINE_BYTES,
    UNREAD_BYTES,
    InputLines,
    StandardInput,
    StandardOutput,
    read_line,
)
from chat.errors import RequestRejected


class LinesTests(SynchronousTestCase):
    """Lines out of pieces."""

    @given(st.lists(st.binary(max_size=20)))
    def test_any_pieces(self, pieces: list[bytes]) -> None:
        """However input is cut into pieces, its lines are the same."""
        lines = InputLines()
        got = [line for piece in pieces for line in lines.receive(piece)] + lines.end()
        *whole, rest = b"".join(pieces).split(b"\n")
        self.assertEqual(got, [*whole, rest] if rest else whole)

    def test_a_huge_line(self) -> None:
        """Of a line without end no more is kept than shows that it is too long, and that is what is said."""
        lines = InputLines()
        for _ in range(100):
            lines.receive(b"x" * LINE_BYTES)
        (line,) = lines.receive(b"\n")
        self.assertLess(len(line), 2 * LINE_BYTES)
        self.assertEqual(self.refused(line), "TEXT_TOO_LONG")

    def test_texts(self) -> None:
        """A line is clean text of at most 900 bytes; a blank one is nothing; what is no text is refused."""
        self.assertEqual(read_line(b"gr\xc3\xbc\xc3\x9f\x1b[2J dich\r"), "grüß[2J dich")
        self.assertEqual(read_line(b" \t "), "")
        self.assertEqual(self.refused(b"\xff"), "NOT_UTF8")
        self.assertEqual(self.refused(b"x" * 901), "TEXT_TOO_LONG")

    def refused(self, line: bytes) -> str:
        """Give the code of the refusal."""
        refusal: RequestRejected = self.assertRaises(RequestRejected, read_line, line)
        return refusal.code


class _Reactor:
    """Knows who wants to read and who wants to write."""

    def __init__(self) -> None:
        self.wanting: set[object] = set()
        self.addReader = self.addWriter = self.wanting.add
        self.removeReader = self.removeWriter = self.wanting.discard

    @property
    def real(self) -> IReactorFDSet:
        """This, for those who want a real one."""
        return cast(IReactorFDSet, self)


class _Input(StandardInput):
    def __init__(self, reactor: IReactorFDSet, descriptor: int) -> None:
        super().__init__(reactor)
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


class _Output(StandardOutput):
    def __init__(self, reactor: IReactorFDSet, descriptor: int) -> None:
        super().__init__(reactor)
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor


class PipeCase(SynchronousTestCase):
    """A pipe and a reactor that a test runs."""

    def setUp(self) -> None:
        """Make them."""
        self.reactor = _Reactor()
        self.reading, self.writing = os.pipe()
        self.open = {self.reading, self.writing}
        self.addCleanup(self.close_all)

    def close_all(self) -> None:
        """Close what is open."""
        for descriptor in set(self.open):
            self.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close one end."""
        self.open.remove(descriptor)
        os.close(descriptor)


class InputTests(PipeCase):
    """Reading."""

    def setUp(self) -> None:
        """Begin to read."""
        super().setUp()
        self.got: list[bytes] = []
        self.ends: list[None] = []
        self.source = _Input(self.reactor.real, self.reading)
        self.source.start(self.got.append, lambda: self.ends.append(None))

    def test_to_the_end(self) -> None:
        """What is there is taken, and the end is told once."""
        os.write(self.writing, b"hello")
        self.source.doRead()
        self.close(self.writing)
        self.source.doRead()
        self.assertEqual((self.got, self.ends), ([b"hello"], [None]))
        self.assertEqual(self.reactor.wanting, set())
        self.source.flow(wanted=True)
        self.assertEqual(self.reactor.wanting, set())

    def test_left_where_it_is(self) -> None:
        """What is not wanted stays in the pipe, for others too."""
        self.source.flow(wanted=False)
        self.assertEqual(self.reactor.wanting, set())
        self.source.flow(wanted=True)
        self.assertEqual(self.reactor.wanting, {self.source})

    def test_nothing_there(self) -> None:
        """Somebody else made it non-blocking, and nothing is there: that is no end."""
        os.set_blocking(self.reading, False)
        self.source.doRead()
        self.assertEqual((self.got, self.ends), ([], []))

    def test_what_cannot_be_read(self) -> None:
        """What cannot be read has ended."""
        self.close(self.reading)
        self.source.doRead()
        self.assertEqual(self.ends, [None])


class OutputTests(PipeCase):
    """Writing."""

    def setUp(self) -> None:
        """Begin to write."""
        super().setUp()
        self.out = _Output(self.reactor.real, self.writing)

    def test_lines(self) -> None:
        """Lines come out as they went in, in one piece, and then there is nothing to do."""
        self.out.write("grüß")
        self.out.write("dich")
        drained = self.out.drained()
        self.assertNoResult(drained)
        self.out.doWrite()
        self.assertEqual(os.read(self.reading, 99), "grüß\ndich\n".encode())
        self.assertEqual(self.reactor.wanting, set())
        self.successResultOf(drained)
        self.successResultOf(self.out.drained())

    def test_nobody_reads_yet(self) -> None:
        """What the pipe does not take waits; nothing is lost, doubled or out of order."""
        os.set_blocking(self.writing, False)
        lines = [f"{n} {'x' * 5_000}" for n in range(50)]
        for line in lines:
            self.out.write(line)
        read = b""
        while self.reactor.wanting:
            for _ in range(40):  # more than a pipe takes
                if self.reactor.wanting:
                    self.out.doWrite()
            read += os.read(self.reading, 3_000)
        os.set_blocking(self.reading, False)
        while len(read) < sum(len(line) + 1 for line in lines):
            read += os.read(self.reading, 65_536)
        self.assertEqual(read.decode().splitlines(), lines)

    def test_a_slow_reader(self) -> None:
        """Who writes more than a megabyte that nobody has read waits until somebody has read some of it."""
        self.out.write("x" * (UNREAD_BYTES - 1))
        reader = Thread(target=os.read, args=(self.reading, 4_096))
        reader.start()
        self.out.write("y")
        reader.join()
        self.assertEqual(self.reactor.wanting, {self.out})

    def test_interrupted(self) -> None:
        """A signal ends that wait and all others: whoever handles it is not to wait for a reader."""
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, lambda *_: None))
        os.set_blocking(self.writing, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.writing, b"x" * 4_096)
        self.out.write("x" * (UNREAD_BYTES - 1))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0.0)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # one of them comes while it waits
        self.out.write("y")
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        self.out.write("z")
        self.assertEqual(self.reactor.wanting, {self.out})

    def test_nobody_will_read(self) -> None:
        """A broken pipe is told once; after it everything is dropped, and nobody waits for it."""
        self.close(self.reading)
        self.out.write("one")
        drained = self.out.drained()
        self.assertNoResult(self.out.broken)
        self.out.doWrite()
        self.successResultOf(self.out.broken)
        self.successResultOf(drained)
        self.out.write("two")
        self.assertEqual(self.reactor.wanting, set())
