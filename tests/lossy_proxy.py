"""A bad network on the loopback: a proxy in a process of its own between UDP clients and one server.

`python -m tests.lossy_proxy --to 127.0.0.1:6789 --loss 0.3 --twice 0.2 --late 0.2 --delay 0.05` prints its
port, and whoever sends there speaks to that server over a path that loses, doubles, overtakes and delays.
Each client (an address) has its own socket towards the server, as behind a NAT. A datagram's fate depends on
the seed, on which client it is (in the order in which they came), on the direction and on how many went
before it, and on nothing else.

It takes orders on its standard input and ends when that ends. All that it prints is JSON, a line for each:

    {"port": 40213}                  when it is ready
    rebind [N]      {"rebound": 5}   all clients, or client N (from 0), have a new port towards the server
    dark SECONDS    {"dark": 20.0}   what comes so long is lost, both ways
    calm            {"calm": true}   nothing is lost, doubled or overtaken any more; the delay stays
    storm           {"calm": false}  the weather is again what the command line says
    stats           {"clients": 5, "up": {"came": 912, "lost": 270, ...}, "down": {...}}
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, NamedTuple

Addr = tuple[str, int]

UP, DOWN = "up", "down"  # to the server, and from it
DATAGRAMS_A_TURN = 64  # of one socket, before the others have their turn
RECEIVE_BUFFER = 1 << 20  # it must lose nothing that it was not told to


class Weather(NamedTuple):
    """What a path does, each way. Times are in seconds, the rest are probabilities; the default is perfect.

    What is late comes up to `late_most` after `delay`, so it is overtaken.
    """

    loss: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    delay: float = 0.0
    late_most: float = 0.1


class Way:
    """One direction of one client's path; `seed` decides what becomes of its datagrams."""

    def __init__(self, seed: str, counts: Counter[str]) -> None:
        self._dice = random.Random(seed)
        self._counts = counts

    def delays(self, weather: Weather) -> list[float]:
        """Give after how many seconds each copy of the next datagram arrives; none: it is lost."""
        dice = [self._dice.random() for _ in range(6)]  # as many in any weather
        self._counts["came"] += 1
        if dice[0] < weather.loss:
            self._counts["lost"] += 1
            return []
        is_doubled = dice[1] < weather.twice
        self._counts["doubled"] += is_doubled
        delays = []
        for is_late, share in (dice[2:4], dice[4:6])[: 1 + is_doubled]:
            self._counts["late"] += is_late < weather.late
            delays.append(weather.delay + (weather.late_most * share if is_late < weather.late else 0.0))
        return delays


class Client:
    """An address that has sent something, and its socket towards the server."""

    def __init__(self, number: int, addr: Addr, seed: int, counts: dict[str, Counter[str]]) -> None:
        self.number = number
        self.addr = addr
        self.ways = {name: Way(f"{seed} {number} {name}", counts[name]) for name in (UP, DOWN)}
        self.socket: socket.socket | None = None


class Proxy:
    """The proxy on one port; `capture` gets a line for every datagram that comes, with its client and way."""

    def __init__(
        self, listen: int, server: Addr, weather: Weather, seed: int, capture: IO[str] | None
    ) -> None:
        self._server = server
        self._storm = self._weather = weather
        self._seed = seed
        self._capture = capture
        self._counts: dict[str, Counter[str]] = {UP: Counter(), DOWN: Counter()}
        self._clients: dict[Addr, Client] = {}
        self._air: list[tuple[float, int, Client, str, bytes]] = []  # when, in which order, whose, which way
        self._order = count()
        self._dark_until = 0.0
        self._selector = selectors.PollSelector()  # epoll would not take a file for standard input
        self._socket = _socket()
        self._socket.bind(("127.0.0.1", listen))
        self.port: int = self._socket.getsockname()[1]
        self._watch(self._socket, self._from_clients)

    def run(self, orders: int) -> None:
        """Carry datagrams until the file descriptor `orders` has come to its end."""
        rest = b""
        self._selector.register(orders, selectors.EVENT_READ)
        while True:
            wait = max(0.0, self._air[0][0] - time.monotonic()) if self._air else None
            ready = {key.fd: key.data for key, _ in self._selector.select(wait)}
            for read in filter(None, ready.values()):
                read()
            self._deliver(time.monotonic())
            if orders in ready:  # last: what was sent before an order has come by now
                received = os.read(orders, 4_096)
                if not received:
                    return
                *lines, rest = (rest + received).split(b"\n")
                for line in lines:
                    print(json.dumps(self._obey(line.decode().split())), flush=True)

    def _obey(self, order: list[str]) -> dict[str, object]:
        match order:
            case ["rebind", *number] if all(map(str.isdigit, number)):
                chosen = [one for one in self._clients.values() if not number or one.number == int(number[0])]
                for client in chosen:
                    self._open(client)
                return {"rebound": len(chosen)}
            case ["dark", seconds] if seconds.replace(".", "").isdigit():
                self._dark_until = time.monotonic() + float(seconds)
                return {"dark": float(seconds)}
            case ["calm"]:
                self._weather = self._weather._replace(loss=0.0, twice=0.0, late=0.0)
                self._dark_until = 0.0
                return {"calm": True}
            case ["storm"]:
                self._weather = self._storm
                return {"calm": False}
            case ["stats"]:
                return {"clients": len(self._clients), **self._counts}
            case _:
                return {"error": "orders: rebind [N], dark SECONDS, calm, storm, stats"}

    def _from_clients(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            try:
                datagram, addr = self._socket.recvfrom(65_535)
            except OSError:  # nothing more, or a client's port is closed
                return
            client = self._clients.get(addr)
            if client is None:
                client = self._clients[addr] = Client(len(self._clients), addr, self._seed, self._counts)
                self._open(client)
            self._take(client, UP, datagram)

    def _from_server(self, client: Client) -> None:
        assert client.socket is not None
        for _ in range(DATAGRAMS_A_TURN):
            try:
                datagram = client.socket.recv(65_535)
            except OSError:  # nothing more, or the server is down
                return
            self._take(client, DOWN, datagram)

    def _take(self, client: Client, way: str, datagram: bytes) -> None:
        if self._capture is not None:
            print(client.number, way, datagram.hex(), file=self._capture, flush=True)
        now = time.monotonic()
        delays = client.ways[way].delays(self._weather)
        if now < self._dark_until:
            self._counts[way]["in the dark"] += 1
            return
        for delay in delays:
            heapq.heappush(self._air, (now + delay, next(self._order), client, way, datagram))

    def _deliver(self, now: float) -> None:
        while self._air and self._air[0][0] <= now:
            _, _, client, way, datagram = heapq.heappop(self._air)
            with suppress(OSError):  # who is not there gets nothing
                if way == DOWN:
                    self._socket.sendto(datagram, client.addr)
                elif client.socket is not None:
                    client.socket.send(datagram)

    def _open(self, client: Client) -> None:
        """Give the client a socket towards the server, instead of any that it had."""
        old, client.socket = client.socket, _socket()
        client.socket.connect(self._server)  # before the old one is closed, or it could get the same port
        self._watch(client.socket, lambda: self._from_server(client))
        if old is not None:
            self._selector.unregister(old)
            old.close()

    def _watch(self, watched: socket.socket, read: Callable[[], None]) -> None:
        self._selector.register(watched, selectors.EVENT_READ, read)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    made.setblocking(False)
    return made


def main() -> None:
    """Run what the command line asks for."""
    assert __doc__ is not None
    options = argparse.ArgumentParser("python -m tests.lossy_proxy", description=__doc__.split("\n\n")[0])
    options.add_argument("--listen", type=int, default=0, metavar="PORT", help="0: a free one")
    options.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    options.add_argument("--seed", type=int, default=1)
    for name, default in Weather()._asdict().items():
        options.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    options.add_argument("--capture", type=Path, metavar="FILE", help="gets all that comes: client, way, hex")
    asked = options.parse_args()
    host, _, port = asked.to.rpartition(":")
    weather = Weather(**{name: getattr(asked, name) for name in Weather._fields})
    capture = None if asked.capture is None else asked.capture.open("a")
    proxy = Proxy(asked.listen, (host, int(port)), weather, asked.seed, capture)
    print(json.dumps({"port": proxy.port}), flush=True)
    proxy.run(sys.stdin.fileno())


if __name__ == "__main__":
    main()
