"""Tests of `chat.server.protocol`: what strangers and members do that nobody should."""

from __future__ import annotations

import random

from chat.errors import StoreError
from chat.server.book import MAX_PEERS
from tests.support import ANN, BOB, EVE, NAT, START, BrokenStore, Native, ServerTests, Wire

STRANGER = ("8.8.8.8", 53)


class HostileTests(ServerTests):
    """Whatever comes in, members are not disturbed and strangers are hardly answered."""

    def test_two_servers_do_not_answer_each_other(self) -> None:
        """One forged datagram makes one of them a member of the other, and then it is quiet."""
        one, two = Wire(), Wire()
        addr_one, addr_two = ("10.0.0.8", 6789), ("10.0.0.9", 6789)
        for forged in (b"bob", b"bob\n", b"bob\nhello\n/names\n/help\n/nonsense\n", b"not a nick", b"exit"):
            one.send(addr_two, forged)
            for _ in range(10):
                for datagram in one.take(addr_two):
                    two.send(addr_one, datagram)
                for datagram in two.take(addr_one):
                    one.send(addr_two, datagram)
            self.assertEqual((one.take(addr_two), two.port.written), ([], []))

    def test_two_servers_that_are_members_of_each_other(self) -> None:
        """Two forged datagrams make them that, with a store that fails too; it ends where it begins."""
        for error in (None, StoreError("disk full")):
            store = BrokenStore(lambda: START)
            one, two = Wire(), Wire(store=store)
            addr_one, addr_two = ("10.0.0.8", 6789), ("10.0.0.9", 6789)
            one.send(ANN, b"ann")
            one.send(addr_two, b"bob")
            two.send(addr_one, b"eve")
            store.error = error
            for said in (b"hi", b"/me waves", b"bob: hi", b"eve: hi", b"exit"):
                one.send(ANN, said)
                for _ in range(300):
                    for datagram in one.take(addr_two):
                        two.send(addr_one, datagram)
                    for datagram in two.take(addr_one):
                        one.send(addr_two, datagram)
                    one.clock.advance(0.02)
                    two.clock.advance(0.02)
                self.assertLessEqual(len(one.take(ANN)), 5)
                self.assertEqual((one.take(addr_two), two.port.written), ([], []))

    def test_our_own_address(self) -> None:
        """A datagram forged from the server's own address, or from port 0, is dropped."""
        self.wire.port.own.add(EVE)
        self.wire.send(EVE, b"eve")
        self.wire.send(("10.0.0.9", 0), b"zero")
        self.assertEqual(self.wire.port.written, [])

    def test_refusals_are_limited(self) -> None:
        """An address that has proved nothing gets one answer a second and five a minute."""
        self.enter(ann=ANN)
        for _ in range(600):
            self.wire.send(BOB, b"ann")
            self.wire.clock.advance(0.1)
        self.assertEqual(self.wire.take(BOB), [b"nama ini sudah diambil"] * 5)

    def test_strangers_leave_nothing_behind(self) -> None:
        """Refused, probing or speaking nonsense, 30,000 addresses do not keep later ones out."""
        self.enter(ann=ANN)
        for number in range(MAX_PEERS + 10_000):
            self.wire.send(
                (f"10.2.{number >> 8}.{number & 255}", 9), (b"ann", b"X", b"\xff", b"", b"exit")[number % 5]
            )
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_peers_are_bounded(self) -> None:
        """Addresses that came and left are remembered for 2 s, and never more than 20,000 by both doors."""
        for number in range(MAX_PEERS):
            self.wire.send((f"10.2.{number >> 8}.{number & 255}", 9), b"n%d\nexit" % number)
        self.wire.port.written.clear()
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [])
        self.assertFalse(Native(self.wire, NAT).channel.is_up)
        self.wire.clock.advance(3)
        self.assertTrue(Native(self.wire, NAT).channel.is_up)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_random_datagrams(self) -> None:
        """10,000 of them from strangers and members: nothing is logged as an error, and talk goes on."""
        seed = 6789
        rng = random.Random(seed)
        self.enter(ann=ANN, bob=BOB)
        for _ in range(10_000):
            addr = rng.choice([BOB, (f"10.3.0.{rng.randrange(256)}", 7)])
            self.wire.send(addr, rng.randbytes(rng.choice([0, 1, 3, 20, 1200])))
        self.wire.port.written.clear()
        self.wire.send(ANN, b"still here")
        self.assertEqual(self.wire.take(ANN), [b"ann: still here"], f"seed {seed}")

    def test_hostile_texts_are_clean(self) -> None:
        """What reaches members holds nothing that a terminal would obey."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, "\x1b]0;owned\x07hi\x9b2J \u202egnp\u202c".encode())
        self.assertEqual(self.wire.take(ANN), [b"bob: ]0;ownedhi2J gnp"])

    def test_untrusted_networks(self) -> None:
        """By default a stranger from outside is not served at all."""
        self.wire.send(STRANGER, b"ann")
        self.assertEqual(self.wire.take(STRANGER), [])
