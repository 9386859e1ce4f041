"""A server that stops at a point of one text's way, for whoever wants to kill it just there.

Run as `python -m tests.stopping_server STATE PORT POINT`. It says when it is ready; when somebody says "stop
here" it goes as far as POINT, and says so where nobody else can see it:

- "before commit": the text is with the thread that writes, and nothing of it is on the disk;
- "after commit": it is on the disk, and nobody has heard of it;
- "before reply": everybody hears of it but who said it. That is the first who ever spoke to the server.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chat.hub.hub import Hub
from chat.identity import load_identity
from chat.limits import NO_LIMITS, Limits
from chat.server.options import KEY_FILE
from chat.server.peer import Addr, Peer
from chat.server.port import UdpPort
from chat.server.protocol import ChatServer
from chat.server.settings import Settings
from chat.server.storage import STORE_FILE, Worker
from chat.store.sqlite import SqliteStore
from chat.wire.dtls import DtlsListener

TEXT = "stop here"


class Author:
    """Who says the text, as far as it matters: where from, and whether its reply is held back by now."""

    def __init__(self) -> None:
        self.addr: Addr | None = None
        self.waits = False


class StoppingWriter:
    """The thread that writes, which stops at `point`."""

    def __init__(self, point: str, author: Author) -> None:
        self._point = point
        self._author = author
        self._thread = Worker("writer", reactor)
        self._thread.start()

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Call a function in the thread."""
        return self._thread(self._work, function, *arguments)

    def _work(self, function: Callable[..., Any], *arguments: Any) -> object:
        drafts = arguments[0] if arguments and isinstance(arguments[0], list) else []
        is_it = any(draft.text == TEXT for draft, _ in drafts)
        if is_it:
            self._reach("before commit")
        result = function(*arguments)
        if is_it:
            self._reach("after commit")
            self._author.waits = True
        return result

    def _reach(self, point: str) -> None:
        if point == self._point:
            print(json.dumps({"point": point}), flush=True)
            Event().wait()  # to be killed


class NotingServer(ChatServer):
    """A server that notes who spoke to it first."""

    author: Author

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Take a datagram."""
        self.author.addr = self.author.addr or addr
        super().datagramReceived(datagram, addr)


class WithholdingPort(UdpPort):
    """A port that writes nothing to the author while it waits."""

    author: Author

    def send(
        self, datagrams: Sequence[bytes], peers: Sequence[Peer], now: float
    ) -> list[tuple[Peer, OSError]]:
        """Write to all but the author."""
        if self.author.waits:
            kept = [n for n, peer in enumerate(peers) if peer.addr != self.author.addr]
            datagrams, peers = [datagrams[n] for n in kept], [peers[n] for n in kept]
        return super().send(datagrams, peers, now)


def main(state: Path, number: int, point: str) -> None:
    """Serve until killed."""
    author = Author()
    reader = Worker("reader", reactor)
    reader.start()
    clock: Any = reactor
    store = SqliteStore(
        state / STORE_FILE, time.time, StoppingWriter(point, author), reader, partial(clock.callLater, 0)
    )
    identity = load_identity(state / KEY_FILE, "udpchat")
    listener = DtlsListener(identity.key, identity.certificate, os.urandom(32))
    server = NotingServer(Hub("", limits=Limits(NO_LIMITS)), store, Settings(), clock, listener=listener)
    port = WithholdingPort(number, server, "127.0.0.1", reactor)
    server.author = port.author = author
    port.startListening()
    print(json.dumps({"port": port.getHost().port}), flush=True)
    clock.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
