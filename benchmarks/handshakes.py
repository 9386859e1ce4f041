"""What a DTLS handshake costs the server, from clients with a certificate and without.

Run it with `python -m benchmarks.handshakes`; `--help` shows what can be varied. The server is `twistd
udpchat` with its defaults, and beside it, in turn, a loop around the same listener that does nothing else.
Clients come in, some at a time, and say goodbye as soon as the session is up. The cost is CPU time (user and
system) of the server process alone, divided by the handshakes; a core does as many in a second as the cost
goes into one.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from OpenSSL import SSL

from benchmarks.members import Addr, client_context
from benchmarks.servers import BARE_DTLS, Server, bare_server, our_server
from chat.wire.dtls_client import DtlsClient

BESIDE = "bare loop"  # what it is compared with
SERVERS: tuple[tuple[str, Callable[[], AbstractContextManager[Server]]], ...] = (
    (BESIDE, lambda: bare_server(BARE_DTLS)),
    ("udpchat", our_server),
)
PATIENCE = 60.0  # seconds without a handshake that ends


class Caller:
    """One handshake after the other, each from a socket of its own."""

    def __init__(self, addr: Addr, context: SSL.Context) -> None:
        self._context = context
        self._addr = addr
        self.begin()

    def begin(self) -> None:
        """Begin a handshake."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(self._addr)
        self.socket.setblocking(False)
        self._channel = DtlsClient(self._context, time.monotonic())
        self.send()

    def send(self) -> None:
        """Send what is due."""
        now = time.monotonic()
        self._channel.handle_timeout(now)
        for datagram in self._channel.datagrams_to_send(now):
            self.socket.send(datagram)

    def is_done(self) -> bool:
        """Take what has come; say whether the session is up. It is over then."""
        try:
            while not self._channel.is_up:
                self._channel.receive_datagram(self.socket.recv(65_535), time.monotonic())
                self.send()
        except BlockingIOError:
            return False
        self._channel.close(time.monotonic())
        self.send()
        self.socket.close()
        return True


def run(server: Server, count: int, at_once: int, context: SSL.Context) -> tuple[float, float]:
    """Let `count` handshakes happen; give the server's CPU seconds and the seconds for all of them."""
    callers = [Caller(server.addr, context) for _ in range(at_once)]
    before, started = server.cpu_seconds(), time.monotonic()
    done, last = 0, started
    poll = select.poll()
    by_number = {}
    for caller in callers:
        poll.register(caller.socket.fileno(), select.POLLIN)
        by_number[caller.socket.fileno()] = caller
    while done < count:
        ready = poll.poll(50)
        for number, _ in ready:
            caller = by_number[number]
            if not caller.is_done():
                continue
            done, last = done + 1, time.monotonic()
            poll.unregister(number)
            del by_number[number]
            caller.begin()
            poll.register(caller.socket.fileno(), select.POLLIN)
            by_number[caller.socket.fileno()] = caller
        if not ready:
            for caller in callers:
                caller.send()
            if time.monotonic() > last + PATIENCE:
                raise SystemExit(f"no handshake within {PATIENCE:.0f} s")
    used, took = server.cpu_seconds() - before, time.monotonic() - started
    for caller in callers:
        caller.socket.close()
    return used, took


class Measured(NamedTuple):
    """What the runs with one server and one kind of client have measured."""

    costs: list[float]  # us of CPU for each handshake
    rates: list[float]  # handshakes a second


def show(measured: dict[tuple[str, bool], Measured]) -> list[dict[str, object]]:
    """Print the table, of medians; give its rows."""
    columns = ("us of CPU", "ratio", "a second and core", "a second here")
    print(" " * 30, *(f"{column:>18}" for column in columns))
    rows: list[dict[str, object]] = []
    for (name, with_certificate), each in measured.items():
        cost = statistics.median(each.costs)
        bare = statistics.median(measured[BESIDE, with_certificate].costs)
        figures = (cost, cost / bare, 1e6 / cost, statistics.median(each.rates))
        title = f"{name}, {'with' if with_certificate else 'without'} certificate"
        print(f"{title:30}", *(f"{figure:18.2f}" for figure in figures))
        rounded = [round(figure, 3) for figure in figures]
        rows.append({"row": title, **dict(zip(columns, rounded, strict=True))})
    return rows


def main() -> None:
    """Measure all in turn and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.handshakes", description=__doc__.split("\n\n")[0])
    parser.add_argument("--handshakes", type=int, default=1_000, help="in one run")
    parser.add_argument("--at-once", type=int, default=16, help="clients that are under way at any time")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the table as JSON, too")
    asked = parser.parse_args()
    measured: dict[tuple[str, bool], Measured] = defaultdict(lambda: Measured([], []))
    for _ in range(asked.runs):
        for name, start in SERVERS:
            for with_certificate in (False, True):
                with start() as server:
                    context = client_context(with_certificate=with_certificate)
                    used, took = run(server, asked.handshakes, asked.at_once, context)
                measured[name, with_certificate].costs.append(used / asked.handshakes * 1e6)
                measured[name, with_certificate].rates.append(asked.handshakes / took)
    print(f"{asked.handshakes} handshakes, {asked.at_once} at once, medians of {asked.runs} runs")
    rows = show(measured)
    if asked.json:
        print(json.dumps({"handshakes": asked.handshakes, "at once": asked.at_once, "rows": rows}))


if __name__ == "__main__":
    main()
