"""Tests of the bad network that the lossy tests run over: it does what it says, and the same each time."""

from __future__ import annotations

import socket
import tempfile
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.lossy_proxy import Way, Weather
from tests.proxy_process import Captured, ProxyProcess
from tests.server_process import DEADLINE, RECEIVE_BUFFER

BAD = Weather(loss=0.3, twice=0.2, late=0.1, delay=0.05, late_most=0.2)


def fates(seed: str, weather: Weather, count: int = 10_000) -> tuple[list[list[float]], Counter[str]]:
    """Give what becomes of so many datagrams of one way, and what it has counted."""
    counts: Counter[str] = Counter()
    way = Way(seed, counts)
    return [way.delays(weather) for _ in range(count)], counts


class WayTests(SynchronousTestCase):
    """What becomes of datagrams."""

    def test_the_seed_decides(self) -> None:
        """The same seed gives the same fates to the last digit, another one others."""
        self.assertEqual(fates("1 0 up", BAD), fates("1 0 up", BAD))
        self.assertNotEqual(fates("1 0 up", BAD), fates("1 0 down", BAD))
        self.assertNotEqual(fates("1 0 up", BAD), fates("1 1 up", BAD))

    def test_good_weather(self) -> None:
        """Unless it is told otherwise, each datagram arrives once and at once."""
        self.assertEqual(fates("1 0 up", Weather())[0], [[0.0]] * 10_000)

    def test_always(self) -> None:
        """What always happens happens always: all lost, all doubled, all late but within bounds."""
        self.assertEqual(fates("1 0 up", BAD._replace(loss=1.0))[0], [[]] * 10_000)
        doubled, _ = fates("1 0 up", Weather(twice=1.0, delay=0.05))
        self.assertEqual(doubled, [[0.05, 0.05]] * 10_000)
        late, _ = fates("1 0 up", Weather(late=1.0, delay=0.05, late_most=0.2))
        self.assertTrue(all(0.05 <= delay <= 0.25 for (delay,) in late))
        self.assertGreater(len(set(map(tuple, late))), 9_000)

    def test_as_often_as_it_says(self) -> None:
        """30 % lost, 20 % of the rest doubled, 10 % of the copies late; the counts say what happened."""
        delays, counts = fates("1 0 up", BAD)
        copies = sum(map(len, delays))
        self.assertEqual(counts["came"], 10_000)
        self.assertEqual(counts["lost"], delays.count([]))
        self.assertEqual(counts["doubled"], sum(len(each) == 2 for each in delays))
        self.assertEqual(counts["late"], sum(delay > 0.05 for each in delays for delay in each))
        self.assertLess(abs(counts["lost"] / 10_000 - 0.3), 0.02)
        self.assertLess(abs(counts["doubled"] / 7_000 - 0.2), 0.02)
        self.assertLess(abs(counts["late"] / copies - 0.1), 0.02)

    def test_one_change_changes_nothing_else(self) -> None:
        """Without doubles the same datagrams are lost as with them."""
        with_doubles, without = fates("1 0 up", BAD)[0], fates("1 0 up", BAD._replace(twice=0.0))[0]
        self.assertEqual([each[:1] for each in with_doubles], without)


class ProcessTests(SynchronousTestCase):
    """The proxy itself, between plain sockets."""

    def setUp(self) -> None:
        """Bind a server, which says nothing by itself."""
        self.server = self.bound()

    def bound(self, port: int = 0) -> socket.socket:
        """Give a socket on that port, or on one of its own."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.bind(("127.0.0.1", port))
        made.settimeout(DEADLINE)
        return made

    def proxy(self, weather: Weather | None = None, capture: Path | None = None) -> ProxyProcess:
        """Start one in front of the server."""
        proxy = ProxyProcess(self.server.getsockname()[1], weather, seed=1, capture=capture)
        self.addCleanup(proxy.stop)
        return proxy

    def client(self, proxy: ProxyProcess) -> socket.socket:
        """Give a client of the server behind the proxy."""
        client = self.bound()
        client.connect(("127.0.0.1", proxy.port))
        return client

    def test_both_ways(self) -> None:
        """Clients reach the server from a port each, and its answers find back."""
        proxy = self.proxy()
        clients = [self.client(proxy), self.client(proxy)]
        ports = []
        for number, client in enumerate(clients):
            client.send(b"question %d" % number)
            datagram, addr = self.server.recvfrom(100)
            self.assertEqual(datagram, b"question %d" % number)
            self.server.sendto(b"answer %d" % number, addr)
            ports.append(addr)
        self.assertEqual([client.recv(100) for client in clients], [b"answer 0", b"answer 1"])
        self.assertEqual(len(set(ports)), 2)

    def test_what_arrives_is_what_the_seed_says(self) -> None:
        """Of the first client's datagrams those arrive, as often, that the seed's fates let through."""
        weather = Weather(loss=0.3, twice=0.2)
        proxy = self.proxy(weather)
        client = self.client(proxy)
        delays, counts = fates("1 0 up", weather, 200)
        for number in range(200):
            client.send(b"%d" % number)
        expected = [b"%d" % number for number, copies in enumerate(delays) for _ in copies]
        self.assertEqual([self.server.recv(100) for _ in expected], expected)
        self.assertEqual(proxy.order("stats"), {"clients": 1, "up": dict(counts), "down": {}})

    def test_rebinding(self) -> None:
        """After `rebind` the server sees another port; what it sends to the old one reaches nobody."""
        proxy = self.proxy()
        first, second = self.client(proxy), self.client(proxy)
        before = []
        for client in (first, second):
            client.send(b"before")
            before.append(self.server.recvfrom(100)[1])
        self.assertEqual(proxy.order("rebind 1"), {"rebound": 1})
        for client, old, is_same in ((first, before[0], True), (second, before[1], False)):
            client.send(b"after")
            addr = self.server.recvfrom(100)[1]
            self.assertEqual(addr == old, is_same)
            if client is second:
                self.server.sendto(b"old", old)
            self.server.sendto(b"new", addr)
            self.assertEqual(client.recv(100), b"new")
        self.assertEqual(proxy.order("rebind"), {"rebound": 2})

    def test_darkness_and_calm(self) -> None:
        """In the dark nothing passes; once it is calm everything does, once."""
        proxy = self.proxy(Weather(loss=0.9, twice=0.5))
        client = self.client(proxy)
        proxy.order("dark 1000")
        for _ in range(50):
            client.send(b"nobody hears this")
        self.assertEqual(proxy.order("stats")["up"]["in the dark"], 50)
        self.assertEqual(proxy.order("calm"), {"calm": True})
        client.send(b"but this")
        self.assertEqual(self.server.recv(100), b"but this")
        self.assertEqual(proxy.order("storm"), {"calm": False})
        for _ in range(50):
            client.send(b"nor this")
        self.assertGreater(proxy.order("stats")["up"]["lost"], 25)

    def test_a_server_that_is_down(self) -> None:
        """A server that is not there is one that loses everything; when it is back it is reached."""
        proxy = self.proxy()
        client = self.client(proxy)
        port = self.server.getsockname()[1]
        self.server.close()
        client.send(b"nobody")
        client.send(b"nobody")
        self.assertEqual(proxy.order("stats")["up"]["came"], 2)
        self.server = self.bound(port)
        client.send(b"somebody")
        self.assertEqual(self.server.recv(100), b"somebody")

    def test_the_capture(self) -> None:
        """It has what came, from whom and which way, whatever became of it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        proxy = self.proxy(Weather(loss=1.0), Path(folder.name, "capture"))
        client = self.client(proxy)
        client.send(b"hello")
        self.assertEqual(proxy.captured(), [Captured(0, True, b"hello")])

    def test_orders(self) -> None:
        """What is no order is answered with what are; the end of the input is the end of the proxy."""
        proxy = self.proxy()
        self.assertIn("rebind", proxy.order("reboot")["error"])
        self.assertIn("rebind", proxy.order("dark for a while")["error"])
        proxy.end_input()
        self.assertEqual(proxy.ended(), 0)
        self.assertEqual(proxy.noise, [])
