"""DTLS over links that lose, double and reorder, under floods of rubbish, and what an idle session costs."""

from __future__ import annotations

import gc
import heapq
import os
import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chat.wire.dtls import Addr
from chat.wire.dtls_client import DtlsClient
from tests.client_process import the_reactor
from tests.dtls_support import EVE, NED, Door, connected, new_client, proving, to_and_fro
from tests.test_dtls_channel import spoil

FUZZ = 20_000
PATIENCE = 120.0  # seconds, on a machine that has other things to do


class Link:
    """One client and a server's door, with what is on the way between them. Times are the caller's."""

    def __init__(self, seed: int, loss: float, door: Door, now: float) -> None:
        self._rng = random.Random(seed)
        self._loss = loss
        self._door = door
        self._ports = count(1)
        self._order = count()
        self._seed = seed
        self._air: list[
            tuple[float, int, bool, Addr, bytes]
        ] = []  # when, order, to the server, client, datagram
        self.attempts = 0
        self.begin(now)

    def begin(self, now: float) -> None:
        """Begin an attempt, from an address that was not there before."""
        self.attempts += 1
        self.client: DtlsClient = new_client(now)
        self.addr: Addr = (f"10.1.0.{self._seed}", next(self._ports))

    def turn(self, now: float) -> None:
        """Do what is due: deliver, and put on the way what both ends send."""
        self.client.handle_timeout(now)
        if self.client.is_over:
            self.begin(now)
        self._throw(True, self.addr, self.client.datagrams_to_send(now), now)
        for addr, channel in list(self._door.channels.items()):
            if addr[0] == self.addr[0]:
                channel.handle_timeout(now)
                self._throw(False, addr, [answer for answer, _ in self._door.collect(addr, now)], now)
        while self._air and self._air[0][0] <= now:
            _, _, is_up, addr, datagram = heapq.heappop(self._air)
            if is_up:
                answers = self._door.receive(datagram, addr, now)
                self._throw(False, addr, [answer for answer, _ in answers], now)
            elif addr == self.addr:
                self.client.receive_datagram(datagram, now)
                self._throw(True, addr, self.client.datagrams_to_send(now), now)

    def next_timeout(self) -> float:
        """Give the time of the next `turn` that has something to do, while a handshake is under way."""
        ends = [channel for addr, channel in self._door.channels.items() if addr[0] == self.addr[0]]
        times = [self.client.next_timeout(), *(end.next_timeout() for end in ends)]
        times += [when for when, *_ in self._air[:1]]
        return min(time for time in times if time is not None)

    def is_up(self) -> bool:
        """Say whether both ends have shaken hands."""
        return self.client.is_up and self._door.channels[self.addr].is_up

    def is_idle(self) -> bool:
        """Say whether nothing is on the way."""
        return not self._air

    def _throw(self, is_up: bool, addr: Addr, datagrams: list[bytes], now: float) -> None:
        for datagram in datagrams:
            for _ in range(1 + (self._rng.random() < 0.2)):
                if self._rng.random() >= self._loss:
                    late = self._rng.uniform(0.01, 0.2) if self._rng.random() < 0.3 else 0.005
                    heapq.heappush(self._air, (now + late, next(self._order), is_up, addr, datagram))


class LinkTests(SynchronousTestCase):
    """Handshakes on bad links."""

    def test_doubled_and_reordered(self) -> None:
        """As long as nothing is lost, every handshake succeeds without a repeat and makes one session."""
        for seed in range(100):
            door = Door()
            link = Link(seed, 0.0, door, 0.0)
            now = 0.0
            while not link.is_idle() or not now:
                link.turn(now)
                now += 0.005
            self.assertTrue(link.client.is_up, f"seed {seed}")
            self.assertTrue(door.channels[link.addr].is_up, f"seed {seed}")
            self.assertEqual(door.made, [link.addr], f"seed {seed}")


class LossTests(TestCase):
    """Handshakes of which datagrams are lost, on the real clock: OpenSSL decides by it when to repeat."""

    timeout = 2 * PATIENCE

    async def test_lost(self) -> None:
        """At 20 % loss each way all handshakes succeed; none makes two sessions, lost flights or not.

        All links run at once, so it takes as long as the unluckiest of them.
        """
        door = Door()
        begin = time.monotonic()
        links = [Link(seed, 0.2, door, begin) for seed in range(24)]
        while waiting := [link for link in links if not link.is_up()]:
            now = time.monotonic()
            if now - begin > PATIENCE:
                self.fail(f"seeds {[seed for seed, link in enumerate(links) if not link.client.is_up]}")
            for link in links:
                link.turn(now)
            times = [link.next_timeout() for link in waiting if not link.is_up()]
            await deferLater(the_reactor(), max(0.0, min(times, default=now) - time.monotonic()))
        self.assertEqual(len(set(door.made)), len(door.made))
        self.assertLessEqual(len(door.made), sum(link.attempts for link in links))


class FuzzTests(SynchronousTestCase):
    """Rubbish, and what is nearly right."""

    def rubbish(self, seed: int) -> list[bytes]:
        """Give datagrams: noise, headers with noise, and spoiled ones of real handshakes and sessions."""
        rng = random.Random(seed)
        models = self.models()
        datagrams = []
        for _ in range(FUZZ):
            choice = rng.random()
            if choice < 0.2:
                datagrams.append(rng.randbytes(rng.randrange(80)))
            elif choice < 0.5:
                body = rng.randbytes(rng.choice((0, 1, 2, 16, 26, 48, 200, 1_200)))
                head = bytes([rng.randrange(19, 25), 0xFE, rng.choice((0xFD, 0xFF)), 0, rng.randrange(3)])
                datagrams.append(head + rng.randbytes(6) + len(body).to_bytes(2) + body)
            else:
                datagrams.append(spoil(rng, rng.choice(models)))
        return datagrams

    def models(self) -> list[bytes]:
        """Give all datagrams of a handshake and of a talk."""
        door, client = Door(), new_client()
        seen = []
        for _ in range(4):
            for datagram in client.datagrams_to_send(0.0):
                answers = [answer for answer, _ in door.receive(datagram, NED, 0.0)]
                seen += [datagram, *answers]
                for answer in answers:
                    client.receive_datagram(answer, 0.0)
        client.send(b"hello", 0.0)
        door.channels[NED].send(b"hello" * 40, 0.0)
        return seen + client.datagrams_to_send(0.0) + door.channels[NED].datagrams_to_send(0.0)

    def test_strangers(self) -> None:
        """20,000 datagrams from strangers: nothing raises, no channel, each answer shorter than what came."""
        door = Door()
        before = memory()
        for number, datagram in enumerate(self.rubbish(1)):
            answers = door.receive(datagram, ("10.66.0.1", number), number / 1_000)
            self.assertLess(sum(len(answer) for answer, _ in answers), len(datagram) + (not answers))
        self.assertEqual(door.made, [])
        client = new_client(now := FUZZ / 1_000)
        to_and_fro(client, door, now=now)
        self.assertTrue(client.is_up)
        print(f"\n{FUZZ} fuzz datagrams to a listener: {memory() - before} KiB more memory")

    def test_a_session(self) -> None:
        """20,000 datagrams that seem to come from the other end, at both ends: a session is not disturbed."""
        client, channel, door = connected()
        for number, datagram in enumerate(self.rubbish(2)):
            self.assertEqual(channel.receive_datagram(datagram, 0.0), [])
            self.assertEqual(client.receive_datagram(datagram, 0.0), [])
            if number % 1_000 == 0:
                client.send(b"%d" % number, 0.0)
                channel.send(b"%d" % number, 0.0)
                self.assertEqual(to_and_fro(client, door), [b"%d" % number])
        self.assertEqual(
            [plaintext for plaintext, _ in door.heard], [b"%d" % n for n in range(0, FUZZ, 1_000)]
        )

    def test_captures(self) -> None:
        """All that both ends ever sent, sent again in any order: a session takes none of it twice."""
        door, client = Door(), new_client()
        up: list[bytes] = []
        down: list[bytes] = []
        for turn in range(8):
            if client.is_up:
                client.send(b"%d" % turn, 0.0)
            for datagram in client.datagrams_to_send(0.0):
                up.append(datagram)
                down += (answers := [answer for answer, _ in door.receive(datagram, NED, 0.0)])
                for answer in answers:
                    client.receive_datagram(answer, 0.0)
        heard = list(door.heard)
        rng = random.Random(3)
        for datagram in rng.choices(up + down, k=500):
            door.receive(datagram, NED, 0.0)
            client.receive_datagram(datagram, 0.0)
        client.send(b"still here", 0.0)
        to_and_fro(client, door)
        self.assertEqual(door.heard, [*heard, (b"still here", NED)])
        self.assertEqual(door.made, [NED])


class CostTests(SynchronousTestCase):
    """What sessions and strangers cost. Printed: memory is not the same everywhere."""

    def test_memory(self) -> None:
        """An idle session's, and a handshake's that stops half way: in a process where nothing was before."""
        program = "from tests.test_dtls_links import weigh; weigh()"
        root = Path(__file__).parent.parent
        weighed = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
        print(f"\n{weighed.stdout.decode()}", end="")
        self.assertIn(b"KiB", weighed.stdout)

    def test_amplification(self) -> None:
        """A capture of ClientHellos, replayed from 1,000 forged addresses: less than a third comes out."""
        door = Door()
        (hello,) = new_client().datagrams_to_send(0.0)
        _, proof = proving(door, EVE)
        came = left = 0
        for number in range(1_000):
            for datagram in (hello, proof):
                answers = door.receive(datagram, ("10.4.0.1", number), 0.0)
                came += len(datagram)
                left += sum(len(answer) for answer, _ in answers)
        self.assertLess(left, came / 3)
        self.assertEqual(door.made, [])


def weigh() -> None:
    """Print what 500 sessions and 300 handshakes half way add to the memory of this process."""
    door = Door()
    for number in range(100):
        come_in(door, ("10.3.0.1", number))
    before = memory()
    for number in range(500):
        come_in(door, ("10.3.0.2", number))
    idle = (memory() - before) / 500
    before = memory()
    for number in range(300):
        _, proof = proving(door, ("10.3.0.3", number))
        door.receive(proof, ("10.3.0.3", number), 0.0)
    print(f"memory: {idle:.0f} KiB an idle session, {(memory() - before) / 300:.0f} KiB half way")


def come_in(door: Door, addr: Addr) -> None:
    """Let a client come up, and say something."""
    client = new_client()
    to_and_fro(client, door, addr)
    client.send(b"hello", 0.0)
    to_and_fro(client, door, addr)


def memory() -> int:
    """Give this process's resident memory in KiB, where the system tells."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1_024 if statm.exists() else 0
