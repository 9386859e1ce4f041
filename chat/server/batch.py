"""Many datagrams to many peers in one system call: Linux's sendmmsg(2), which Python's socket has not.

A fifth of what a line to 200 members costs is the way into the kernel and Python's reading of each address
as text: here the one is done once, the other never. Where there is no sendmmsg, `find` says so, and datagrams
are written one by one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate

from chat.server.peer import Addr

MOST = 1_024  # messages in one call: the kernel takes no more (UIO_MAXIOV)
LEAST = 4  # below, filling the tables costs more than it saves

_HEADER_WORDS = 8  # of a struct mmsghdr on a 64-bit machine, 64 bytes
_NAME_SIZE = 28  # of a struct sockaddr_in6; the one of IPv4 takes 16 of them
_IN = struct.Struct("=H2s4s20x")  # family, port, address; filled up to the size of the other
_IN6 = struct.Struct("=H2sI16sI")  # family, port, flow info, address, scope id (RFC 3493, section 3.3)
_Call = Callable[[int, int, int, int], int]


def pack_name(addr: Addr) -> bytes:
    """Give an address as the kernel reads it, 28 bytes."""
    port = addr[1].to_bytes(2, "big")
    host = addr[0].partition("%")[0]
    if ":" not in host:
        return _IN.pack(socket.AF_INET, port, socket.inet_aton(host))
    flow, scope = addr[2:] if len(addr) == 4 else (0, 0)
    return _IN6.pack(
        socket.AF_INET6, port, socket.htonl(flow), socket.inet_pton(socket.AF_INET6, host), scope
    )


def find() -> _Call | None:
    """Give the system's sendmmsg; None: there is none, or its tables look otherwise than we fill them."""
    if sys.platform != "linux" or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "sendmmsg", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
    return call


class Batch:
    """The tables of one socket; `call` is what `find` gave."""

    def __init__(self, sock: socket.socket, call: _Call) -> None:
        self._call = call
        self._file = sock.fileno()
        self._names = ctypes.create_string_buffer(MOST * _NAME_SIZE)
        self._vectors = array("Q", bytes(16 * MOST))  # address and size of each datagram
        self._headers = array("Q")
        size = _NAME_SIZE if sock.family == socket.AF_INET6 else 16
        name, vector = ctypes.addressof(self._names), self._vectors.buffer_info()[0]
        for _ in range(MOST):
            self._headers.extend((name, size, vector, 1, 0, 0, 0, 0))
            name += _NAME_SIZE
            vector += 16

    def send(self, datagrams: Sequence[bytes], names: Sequence[bytes]) -> list[tuple[int, OSError]]:
        """Write up to `MOST` datagrams, each to the peer whose name is at its place.

        Gives the places of those that failed, and why.
        """
        count = len(datagrams)
        content = b"".join(datagrams)  # stays where it is until this returns
        sizes = list(map(len, datagrams))
        begin = ctypes.cast(ctypes.c_char_p(content), ctypes.c_void_p).value or 0
        self._vectors[0 : 2 * count : 2] = array("Q", accumulate(sizes[:-1], initial=begin))
        self._vectors[1 : 2 * count : 2] = array("Q", sizes)
        ctypes.memmove(self._names, b"".join(names), count * _NAME_SIZE)
        failed: list[tuple[int, OSError]] = []
        done = 0
        table = self._headers.buffer_info()[0]
        while done < count:
            written = self._call(self._file, table + done * _HEADER_WORDS * 8, count - done, 0)
            if written > 0:
                done += written
                continue
            number = ctypes.get_errno()
            if number != errno.EINTR:
                failed.append((done, OSError(number, os.strerror(number))))
                done += 1
        return failed
