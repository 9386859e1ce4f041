"""Standard input and output as a reactor reads and writes them, and the lines that a program's input has.

Other programs may share both: they stay as blocking as they were found. Input is read no faster than it is
wanted, and output is written no faster than it is read.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from chat.client.plain import check_line
from chat.errors import RequestRejected
from chat.fields import TEXT_BYTES

READ_BYTES = 4_096  # of input at once
LINE_BYTES = 16_384  # of input kept of one line: too long to send anyway, but not too long to hold
WRITE_BYTES = select.PIPE_BUF  # of output at once: a pipe that can be written to takes so many without a wait
UNREAD_BYTES = 1 << 20  # of output that nobody reads yet: an evening's talk; whoever writes more waits


class InputLines:
    """Pieces of input, put together to lines. Of a huge one is kept as much as shows that it is huge."""

    def __init__(self) -> None:
        self._rest = b""

    def receive(self, received: bytes) -> list[bytes]:
        """Give the lines that are whole now."""
        *lines, rest = (self._rest + received).split(b"\n")
        self._rest = rest[: LINE_BYTES + 1]
        return lines

    def end(self) -> list[bytes]:
        """Give the last line, if it has no line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def read_line(raw: bytes) -> str:
    """Give what a line of input says: clean, "" if it is blank.

    Raises `RequestRejected` for what cannot be sent.
    """
    if len(raw) > LINE_BYTES:
        raise RequestRejected("TEXT_TOO_LONG", f"too long, not sent: at most {TEXT_BYTES} bytes fit")
    try:
        return check_line(raw.decode())
    except UnicodeDecodeError:
        raise RequestRejected("NOT_UTF8", "not UTF-8, not sent") from None


@implementer(IReadDescriptor)
class StandardInput:
    """Standard input, read as far as it is wanted. Unlike Twisted's, it stays as blocking as others left it.

    `start` names who gets the bytes and who hears of the end.
    """

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._reactor = reactor
        self._received: Callable[[bytes], None]
        self._ended: Callable[[], None]
        self._open = False

    def start(self, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """Begin to read."""
        self._received, self._ended = received, ended
        self._open = True
        self.flow(wanted=True)

    def flow(self, wanted: bool) -> None:
        """Read on, or leave the input where it is. Does nothing before `start` and after the end."""
        if self._open and wanted:
            self._reactor.addReader(self)
        else:
            self._reactor.removeReader(self)

    def fileno(self) -> int:
        """Give the descriptor of standard input."""
        return 0

    def logPrefix(self) -> str:
        """Name this in Twisted's own log lines."""
        return "stdin"

    def doRead(self) -> None:
        """Take what is there. What cannot be read has ended."""
        try:
            received = os.read(self.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if received:
            self._received(received)
            return
        self._open = False
        self.flow(wanted=False)
        self._ended()

    def connectionLost(self, reason: Failure) -> None:
        """Nothing hangs on it."""


@implementer(IWriteDescriptor)
class StandardOutput:
    """Standard output, a line at a time, written as soon as somebody reads it.

    `broken` fires when nobody will: what is written after that is lost. Nobody waits for a reader once a
    signal has come: it means the end.
    """

    def __init__(self, reactor: IReactorFDSet) -> None:
        self.broken: Deferred[None] = Deferred()
        self._reactor = reactor
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._drained: list[Deferred[None]] = []
        self._is_interrupted = False

    def write(self, line: str) -> None:
        """Write a line: soon, but if nobody reads what was written before, only when somebody does."""
        if self.broken.called:
            return
        encoded = line.encode() + b"\n"
        self._lines.append(encoded)
        self._size += len(encoded)
        while self._size > UNREAD_BYTES and not self._is_interrupted:
            if _wait_for_reader(self.fileno()):
                self.doWrite()
            else:
                self._is_interrupted = True
        if self._lines:
            self._reactor.addWriter(self)

    def drained(self) -> Deferred[None]:
        """Give a Deferred that fires when all is written, or nobody will ever read it."""
        drained: Deferred[None] = Deferred()
        self._drained.append(drained)
        self._review()
        return drained

    def fileno(self) -> int:
        """Give the descriptor of standard output."""
        return 1

    def logPrefix(self) -> str:
        """Name this in Twisted's own log lines."""
        return "stdout"

    def doWrite(self) -> None:  # noqa: N802  (Twisted's name)
        """Write what is next: whole lines, if they are no longer than a pipe takes at once."""
        piece = self._lines.popleft()
        while self._lines and len(piece) + len(self._lines[0]) <= WRITE_BYTES:
            piece += self._lines.popleft()
        try:
            written = os.write(self.fileno(), piece[:WRITE_BYTES])
        except BlockingIOError:
            self._lines.appendleft(piece)
        except OSError:
            self._lines.clear()
            self._size = 0
            self.broken.callback(None)
        else:
            self._size -= written
            if written < len(piece):
                self._lines.appendleft(piece[written:])
        self._review()

    def connectionLost(self, reason: Failure) -> None:
        """Nothing hangs on it."""

    def _review(self) -> None:
        if self._lines:
            return
        self._reactor.removeWriter(self)
        drained, self._drained = self._drained, []
        for each in drained:
            each.callback(None)


def _wait_for_reader(output: int) -> bool:
    """Wait until `output` can be written to; False: a signal came first, and the reactor has to hear of it.

    The wait alone would go on behind a handler that raises nothing (PEP 475).
    """
    bell, rope = socket.socketpair()
    with bell, rope:
        rope.setblocking(False)
        before = signal.set_wakeup_fd(rope.fileno())
        try:
            rung, _, _ = select.select([bell], [output], [])
        finally:
            signal.set_wakeup_fd(before)
    return not rung
