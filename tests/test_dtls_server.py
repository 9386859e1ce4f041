"""Tests of `chat.server.protocol` with real DTLS at both ends, on a network in memory: who attacks it."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from chat.messages import Entry
from chat.server.book import MAX_PEERS
from chat.server.settings import Settings
from chat.wire.dtls import MAX_HANDSHAKES, Addr, DtlsListener
from chat.wire.dtls_channel import ATTEMPT_SECONDS, make_context
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_records import UNKNOWN_SESSION
from chat.wire.dtls_server_channel import ServerChannel
from tests.dtls_support import SECRET, new_client, pair
from tests.support import ANN, BOB, NAT, NED, Native, Sealed, ServerTests, Wire, only, texts
from tests.test_dtls_links import memory
from tests.test_dtls_records import message, record

# What anybody can write who knows both addresses: alerts, a challenge, handshake messages, seals of no key.
FORGERIES = [
    UNKNOWN_SESSION,
    UNKNOWN_SESSION[:13] + b"\x01\x00",  # "I close", unsealed
    message(3, b"\xfe\xff\x14" + bytes(20)),  # HelloVerifyRequest
    message(0, b""),
    message(1, bytes(90)),
    message(20, bytes(12)),
    record(20, 0, b"\x01"),
    *(record(kind, 1, bytes(40)) for kind in (20, 21, 22, 23)),
    b"exit",
]
HALF_WAY = 2_000  # five times what is kept; `stop_half_way(10_000)` takes 10 s and 33 MiB, these 31
HALF_WAY_KIB = 40 * 1_024


class CountedListener(DtlsListener):
    """A listener that counts the channels it gives."""

    def __init__(self) -> None:
        super().__init__(*pair("server"), SECRET)
        self.made: list[Addr] = []

    def receive_datagram(self, datagram: bytes, addr: Addr, now: float) -> ServerChannel | None:
        """Count."""
        channel = super().receive_datagram(datagram, addr, now)
        if channel is not None:
            self.made.append(addr)
        return channel


class DtlsServerTests(ServerTests):
    """A server with a real listener."""

    def setUp(self) -> None:
        """Start it."""
        self.listener = CountedListener()
        self.wire = Wire(self.settings, listener=self.listener)

    def native(self, addr: Addr, nick: str = "") -> Native:
        """Give a native client that is in, if it has a nick."""
        return Native(self.wire, addr, nick, channel=new_client(self.now()))

    def sealed(self, addr: Addr, nick: bytes = b"") -> Sealed:
        """Give somebody who speaks text and has no key, and is in if there is a nick."""
        client = Sealed(self.wire, addr, DtlsClient(make_context(None, None), self.now()))
        if nick:
            client.say(nick)
            client.take()
        return client

    def now(self) -> float:
        """Give the time."""
        return self.wire.clock.seconds()

    def prove(self, addr: Addr) -> tuple[DtlsClient, bytes]:
        """Give a client at `addr` that has its cookie, and its proof, which has not been sent."""
        client = new_client(self.now())
        self.wire.send(addr, *client.datagrams_to_send(self.now()))
        (challenge,) = self.wire.take(addr)
        client.receive_datagram(challenge, self.now())
        (proof,) = client.datagrams_to_send(self.now())
        return client, proof


class TalkTests(DtlsServerTests):
    """Three doors, one room."""

    def test_a_talk(self) -> None:
        """Each says something, all see it; only the client with a certificate is verified."""
        self.wire.send(ANN, b"ann")
        nat, ned = self.native(NAT, "nat"), self.sealed(NED, b"ned\n")
        self.wire.port.written.clear()
        self.wire.send(ANN, b"one")
        nat.say("two")
        ned.say(b"three\n")
        self.assertEqual(self.wire.take(ANN), [b"ann: one", b"nat: two", b"ned: three"])
        self.assertEqual(b"".join(ned.take()), b"ann: one\nnat: two\nned: three\n")
        told = nat.take_all()
        self.assertEqual(texts(told), ["one", "two", "three"])
        self.assertEqual([entry.verified for entry in only(Entry, told)], [False, True, False])

    def test_both_goodbyes(self) -> None:
        """`exit` is answered by the channel's own goodbye, and that goodbye is an `exit`."""
        self.wire.send(ANN, b"ann")
        ned, eve = self.sealed(NED, b"ned"), self.sealed(NAT, b"eve")
        self.wire.port.written.clear()
        ned.say(b"exit")
        ned.take()
        self.assertTrue(ned.channel.is_over)
        eve.close()
        self.assertEqual(self.wire.take(ANN), [b"ned has left the chat", b"eve has left the chat"])

    def test_going_down(self) -> None:
        """All hear it, and their channels end."""
        nat, ned = self.native(NAT, "nat"), self.sealed(NED, b"ned")
        done = self.wire.server.shut_down()
        self.wire.clock.advance(0.1)
        self.successResultOf(done)
        nat.take()
        self.assertEqual(ned.take()[-1], b"server is going down")
        self.assertTrue(nat.channel.is_over)
        self.assertTrue(ned.channel.is_over)


class UnprovenTests(DtlsServerTests):
    """Who has not shown that its address is its own."""

    def test_nothing_is_kept_and_little_is_sent(self) -> None:
        """More strangers than peers can be known, with no cookie or another's: fewer bytes go than come."""
        (hello,) = new_client().datagrams_to_send(0.0)
        _, proof = self.prove(NED)
        for number in range(MAX_PEERS + 50):
            addr, sent = (f"8.8.{number >> 8}.{number & 255}", 7), (hello, proof)[number % 2]
            self.wire.send(addr, sent)
            self.assertLess(sum(map(len, self.wire.take(addr))), len(sent))
        self.assertEqual(self.listener.made, [])
        self.assertEqual(self.wire.port.written, [])
        nat = self.native(NAT, "nat")
        nat.say("hi")
        self.assertEqual(texts(nat.take_all()), ["hi"])

    def test_a_plain_member_is_not_disturbed(self) -> None:
        """Forged hellos, proofs of others and records of no session: it stays who it is, and is heard."""
        self.enter(ann=ANN, bob=BOB)
        (hello,) = new_client().datagrams_to_send(0.0)
        _, proof = self.prove(NED)
        for forged in (hello, proof, record(23, 1, bytes(40)), *FORGERIES[:-1]):
            self.wire.send(BOB, forged)
        self.wire.take(BOB)
        self.wire.send(ANN, b"hi")
        self.wire.send(BOB, b"ho")
        self.assertEqual(self.wire.take(BOB), [b"ann: hi", b"bob: ho"])
        self.assertEqual(self.wire.take(ANN), [b"ann: hi", b"bob: ho"])
        self.assertEqual(self.listener.made, [])

    def test_a_plain_member_with_a_proof(self) -> None:
        """With its own it is another program at the same address: the plain member has left at once."""
        self.enter(ann=ANN, bob=BOB)
        bob, proof = self.prove(BOB)
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.send(BOB, proof)
        self.assertEqual(self.wire.take(ANN), [b"bob has left the chat"])
        self.wire.send(BOB, b"bob")  # the handshake is not complete, and no line is a nick any more
        self.assertEqual(self.wire.take(ANN), [])
        self.assertFalse(bob.is_over)


class HandshakeTests(DtlsServerTests):
    """Handshakes that do not go well."""

    def test_half_way(self) -> None:
        """A client that proves its address and stops is given up after 10 s; then it is a stranger's."""
        self.enter(ann=ANN)
        _, proof = self.prove(BOB)
        self.wire.send(BOB, proof)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.clock.pump([0.5] * int(2 * ATTEMPT_SECONDS + 2))
        self.wire.take(BOB)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_a_forged_record_costs_the_attempt(self) -> None:
        """And no more: the address is forgotten at once, and the next attempt from there succeeds."""
        _, proof = self.prove(NAT)
        self.wire.send(NAT, proof)
        self.wire.take(NAT)
        forged = record(22, 0, bytes([20]) + b"\0\0\x0c" + b"\0\2" + bytes(3) + b"\0\0\x0c" + bytes(12))
        self.wire.send(NAT, forged)
        self.wire.take(NAT)
        nat = self.native(NAT, "nat")
        nat.say("hi")
        self.assertEqual(texts(nat.take_all()), ["hi"])
        self.assertEqual(self.listener.made, [NAT, NAT])

    def test_a_lost_flight(self) -> None:
        """The client repeats its proof: that makes no second session; the late flight completes the first."""
        client, proof = self.prove(NAT)
        self.wire.send(NAT, proof)
        lost = self.wire.take(NAT)
        for _ in range(5):
            self.wire.clock.advance(0.5)
            self.wire.send(NAT, proof)
        self.assertEqual(self.listener.made, [NAT])
        for datagram in lost:
            client.receive_datagram(datagram, self.now())
        nat = Native(self.wire, NAT, "nat", channel=client)
        nat.say("hi")
        self.assertEqual(texts(nat.take_all()), ["hi"])
        self.assertEqual(self.listener.made, [NAT])

    def test_many_half_way(self) -> None:
        """Any number, at a server in another process, cost less than 40 MiB and leave nobody behind."""
        program = f"from tests.test_dtls_server import stop_half_way; stop_half_way({HALF_WAY})"
        root = Path(__file__).parent.parent
        weighed = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True)
        print(f"\n{weighed.stdout.decode()}", end="")
        self.assertLess(int(weighed.stdout.split()[0]), HALF_WAY_KIB)


class EstablishedTests(DtlsServerTests):
    """Sessions that are up: nothing that others write changes anything."""

    def test_forgeries(self) -> None:
        """Unsealed alerts and challenges, handshake messages, seals of no key: to both ends of both kinds."""
        self.enter(ann=ANN)
        nat, ned = self.native(NAT, "nat"), self.sealed(NED, b"ned")
        self.wire.port.written.clear()
        for forged in FORGERIES:
            self.wire.send(NAT, forged)
            self.wire.send(NED, forged)
            nat.channel.receive_datagram(forged, self.now())
            ned.channel.receive_datagram(forged, self.now())
        self.assertEqual(self.wire.port.written, [])
        nat.say("one")
        ned.say(b"two")
        self.assertEqual(texts(nat.take_all()), ["one", "two"])
        self.assertEqual(ned.take(), [b"nat: one", b"ned: two"])
        self.assertEqual(self.listener.made, [NAT, NED])

    def test_captures(self) -> None:
        """All that ever came, in any order, at once and when all was quiet: nobody says it again."""
        self.enter(ann=ANN)
        captured = Capture(self.wire)
        nat, ned = self.native(NAT, "nat"), self.sealed(NED, b"ned")
        nat.say("one")
        ned.say(b"two")
        self.wire.clock.advance(3)  # nothing is said again any more
        nat.take()
        ned.take()
        self.wire.port.written.clear()
        rng = random.Random(5)
        for wait in (0, 25):
            self.wire.clock.advance(wait)
            for datagram, addr in rng.choices(captured.sent, k=300):
                self.wire.send(addr, datagram)
            self.wire.clock.advance(1)
            self.assertEqual(self.wire.port.written, [])
        nat.say("three")
        ned.say(b"four")
        self.assertEqual(texts(nat.take_all()), ["three", "four"])
        self.assertEqual(self.wire.take(ANN), [b"nat: three", b"ned: four"])
        self.assertEqual(self.listener.made, [NAT, NED])

    def test_a_proof_from_where_somebody_is(self) -> None:
        """A lively channel yields to none, not even with a good cookie; one quiet for 20 s does."""
        self.enter(ann=ANN)
        ned = self.sealed(NED, b"ned")
        self.assertFalse(self.sealed(NED).channel.is_up)
        ned.say(b"still here")
        self.assertEqual(self.wire.take(ANN)[-1], b"ned: still here")
        self.wire.clock.advance(20)
        self.assertTrue(self.sealed(NED).channel.is_up)
        self.assertEqual(self.wire.take(ANN), [b"ned has left the chat"])
        ned.say(b"too late")
        self.assertEqual(self.wire.take(ANN), [])

    def test_an_unknown_session(self) -> None:
        """After a restart of the server a client is told, once a second, that it has none any more."""
        nat = self.native(NAT, "nat")
        after = Wire(listener=CountedListener())
        nat.channel.send(b"\x91\x93\x0c\x01\x01", 0.0)
        (sealed,) = nat.channel.datagrams_to_send(0.0)
        after.send(NAT, sealed, sealed)
        self.assertEqual(after.take(NAT), [UNKNOWN_SESSION])


class Capture:
    """Keeps what is sent to a server, with where it comes from."""

    def __init__(self, wire: Wire) -> None:
        self.sent: list[tuple[bytes, Addr]] = []
        receive = wire.server.datagramReceived

        def keep(datagram: bytes, addr: Addr) -> None:
            self.sent.append((datagram, addr))
            receive(datagram, addr)

        wire.server.datagramReceived = keep  # type: ignore[method-assign]


class ClosedTests(DtlsServerTests):
    """--plain off closes nothing but the plain door."""

    settings = Settings(plain="off")

    def test_text_in_a_channel(self) -> None:
        """Is served, from anywhere."""
        far = self.sealed(("8.8.8.8", 1))
        far.say(b"far")
        self.assertEqual(far.take(), [b"far has joined the chat"])


def proof_of(hello: bytes, challenge: bytes) -> bytes:
    """Give the ClientHello that returns a challenge's cookie, as OpenSSL would (RFC 6347, section 4.2.1)."""
    cookie = challenge[28:]
    body = hello[25:60] + bytes([len(cookie)]) + cookie + hello[61:]  # version, random, no session; the rest
    size = len(body).to_bytes(3)
    content = hello[13:14] + size + b"\0\1" + bytes(3) + size + body
    return hello[:5] + (1).to_bytes(6) + len(content).to_bytes(2) + content


def stop_half_way(count: int) -> None:
    """Print how many KiB a server has more while so many handshakes stop half way, and afterwards.

    They come at 500 a second from as many addresses: more than may begin in a second. Fails if one of them
    is still known in the end.
    """
    tests = DtlsServerTests()
    tests.setUp()
    tests.native(NAT, "nat")
    (hello,) = new_client().datagrams_to_send(0.0)
    addrs: list[Addr] = [(f"10.1.{number >> 8}.{number & 255}", 4000) for number in range(count)]
    before, most = memory(), 0
    for number, addr in enumerate(addrs):
        tests.wire.send(addr, hello)
        for challenge in tests.wire.take(addr):
            tests.wire.send(addr, proof_of(hello, challenge))
        tests.wire.take(addr)
        tests.wire.clock.advance(1 / 500)
        if number % 500 == 499:
            most = max(most, memory() - before)
    assert len(tests.listener.made) > 2 * MAX_HANDSHAKES
    tests.wire.clock.pump([0.5] * int(2 * ATTEMPT_SECONDS + 2))
    print(f"{most} KiB more at most, {memory() - before} KiB in the end: {count} handshakes half way")
    tests.wire.port.written.clear()
    for addr in addrs:
        tests.wire.send(addr, b"nat")  # a nick, from a stranger: it is refused, at most 100 times a second
        tests.wire.clock.advance(1 / 50)
    assert {to for _, to in tests.wire.port.written}.issuperset(addrs)
