"""Tests of `chat.wire.dtls_channel` and `chat.wire.dtls_client`: the session, and who is at its other end."""

from __future__ import annotations

import contextlib
import random
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls import DtlsListener
from chat.wire.dtls_channel import (
    ATTEMPT_SECONDS,
    DtlsChannel,
    fingerprint,
    make_context,
)
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_records import MAX_DATAGRAM, UNKNOWN_SESSION
from chat.wire.frames import MAX_PLAINTEXT
from tests.dtls_support import (
    NED,
    SECRET,
    Door,
    client_context,
    connected,
    key_pem,
    make_certificate,
    new_client,
    pair,
    proving,
    to_and_fro,
)
from tests.test_dtls_records import message, record


def rsa_key(exponent: int) -> rsa.RSAPrivateKey:
    """Give a key with this exponent, a prime."""
    numbers = rsa.generate_private_key(65_537, 2_048).private_numbers()
    p, q = numbers.p, numbers.q
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


class SlowKeyTests(SynchronousTestCase):
    """Who may choose what we have to compute."""

    def test_exponents(self) -> None:
        """A key of RSA is taken, but none that was made so that it takes long to check what it has signed."""
        for exponent, is_taken in ((65_537, True), ((1 << 61) - 1, False)):
            key = rsa_key(exponent)
            door, client = Door(), DtlsClient(make_context(key_pem(key), make_certificate(key)), 0.0)
            to_and_fro(client, door)
            channel = door.channels.get(NED)
            self.assertEqual(channel is not None and channel.is_up, is_taken, exponent)


class SessionTests(SynchronousTestCase):
    """A session that is up."""

    def setUp(self) -> None:
        """Bring both ends together."""
        self.client, self.channel, self.door = connected()

    def test_both_ways(self) -> None:
        """Plaintexts pass both ways, each as one datagram."""
        self.assertTrue(self.client.is_up)
        self.assertTrue(self.channel.is_up)
        self.client.send(b"up", 1.0)
        self.channel.send(b"down", 1.0)
        (up,), (down,) = self.client.datagrams_to_send(1.0), self.channel.datagrams_to_send(1.0)
        self.assertEqual(self.channel.receive_datagram(up, 1.0), [b"up"])
        self.assertEqual(self.client.receive_datagram(down, 1.0), [b"down"])
        self.assertEqual(self.client.datagrams_to_send(1.0), [])
        self.assertIsNone(self.client.next_timeout())
        self.assertIsNone(self.channel.next_timeout())

    def test_sizes(self) -> None:
        """Every plaintext of 1,163 bytes fits a datagram of 1,200; longer ones, and none, are refused."""
        for sender, receiver in ((self.client, self.channel), (self.channel, self.client)):
            for size in (1, 2, 1_000, MAX_PLAINTEXT):
                sender.send(bytes(size), 0.0)
                (datagram,) = sender.datagrams_to_send(0.0)
                self.assertLessEqual(len(datagram), MAX_DATAGRAM)
                self.assertEqual(receiver.receive_datagram(datagram, 0.0), [bytes(size)])
            for bad in (b"", bytes(MAX_PLAINTEXT + 1)):
                self.assertRaises(ValueError, sender.send, bad, 0.0)

    def test_replays(self) -> None:
        """Each datagram counts once, in any order within 64; what is older than that not at all."""
        for number in range(100):
            self.client.send(b"%d" % number, 0.0)
        datagrams = self.client.datagrams_to_send(0.0)
        order = [*range(50, 100), *range(50)]
        got = [self.channel.receive_datagram(datagrams[number], 0.0) for number in order]
        taken = [int(plaintexts[0]) for plaintexts in got if plaintexts]
        self.assertEqual(taken, [*range(50, 100), *range(36, 50)])
        self.assertFalse(any(self.channel.receive_datagram(datagram, 0.0) for datagram in datagrams))

    def test_several_records(self) -> None:
        """Records that share a datagram are all read; what is forged between them is skipped."""
        self.client.send(b"one", 0.0)
        self.client.send(b"two", 0.0)
        one, two = self.client.datagrams_to_send(0.0)
        forged = (
            record(23, 1, bytes(30)) + UNKNOWN_SESSION + record(22, 0, bytes(40)) + record(23, 2, bytes(30))
        )
        self.assertEqual(self.channel.receive_datagram(one + forged + two, 0.0), [b"one", b"two"])

    def test_goodbye(self) -> None:
        """Who closes says so behind what it said before; the other end is over, and nothing raises then."""
        self.client.send(b"last words", 0.0)
        self.client.close(0.0)
        words, goodbye = self.client.datagrams_to_send(0.0)
        self.assertTrue(self.client.is_over)
        self.assertEqual(self.channel.receive_datagram(words, 0.0), [b"last words"])
        self.assertEqual(self.channel.receive_datagram(goodbye, 0.0), [])
        for end in (self.client, self.channel):
            self.assertTrue(end.is_over)
            self.assertFalse(end.is_up)
            end.send(b"too late", 0.0)
            end.close(0.0)
            self.assertEqual(end.receive_datagram(words, 0.0), [])
            self.assertEqual(end.handle_timeout(100.0), [])
            self.assertEqual(end.datagrams_to_send(0.0), [])
            self.assertIsNone(end.next_timeout())

    def test_forgeries(self) -> None:
        """Neither bare alerts, handshake messages, HelloVerifyRequests nor forged seals end a session."""
        close_notify = UNKNOWN_SESSION[:13] + b"\x01\x00"
        challenge = message(3, b"\xfe\xff\x14" + bytes(20))
        forgeries = [UNKNOWN_SESSION, close_notify, challenge, message(0, b""), message(1, bytes(90)),
                     message(20, bytes(12)), record(20, 0, b"\x01"), *(record(kind, 1, bytes(40)) for kind in
                     (20, 21, 22, 23))]  # fmt: skip
        for end in (self.client, self.channel):
            for forgery in forgeries:
                self.assertEqual(end.receive_datagram(forgery, 0.0), [])
                self.assertEqual(end.datagrams_to_send(0.0), [])
        self.assertTrue(self.client.is_doubted)
        self.client.send(b"unmoved", 0.0)
        self.channel.send(b"so am I", 0.0)
        self.assertEqual(to_and_fro(self.client, self.door), [b"so am I"])
        self.assertEqual(self.door.heard, [(b"unmoved", NED)])

    def test_too_long(self) -> None:
        """A datagram that OpenSSL could not read in one go is dropped, and the next one is read."""
        self.client.send(b"hello", 0.0)
        (datagram,) = self.client.datagrams_to_send(0.0)
        self.assertEqual(self.channel.receive_datagram(record(23, 1, bytes(20_000)), 0.0), [])
        self.assertEqual(self.channel.receive_datagram(record(23, 1, bytes(16_371)), 0.0), [])
        self.assertEqual(self.channel.receive_datagram(datagram, 0.0), [b"hello"])

    def test_large_records(self) -> None:
        """Another client may seal more at once than ours: a record of 8 KB is one plaintext."""
        door = Door()
        other = SSL.Connection(make_context(*pair("client")))
        other.set_connect_state()
        other.set_ciphertext_mtu(1_400)
        addr = ("10.0.0.2", 1)
        while not (channel := door.channels.get(addr)) or not channel.is_up:
            with contextlib.suppress(SSL.WantReadError):
                other.do_handshake()
            for answer, _ in door.receive(other.bio_read(16_384), addr, 0.0):
                other.bio_write(answer)
        other.send(b"x" * 8_000)
        door.receive(other.bio_read(16_384), addr, 0.0)
        self.assertEqual(door.heard, [(b"x" * 8_000, addr)])


class AttemptTests(SynchronousTestCase):
    """Before there is a session."""

    def test_nothing_is_said(self) -> None:
        """A plaintext before the session is lost, not sent in the clear."""
        client = new_client()
        client.datagrams_to_send(0.0)
        client.send(b"secret", 0.0)
        self.assertEqual(client.datagrams_to_send(0.0), [])
        client.close(0.0)
        self.assertEqual(client.datagrams_to_send(0.0), [])
        self.assertTrue(client.is_over)

    def test_no_answer(self) -> None:
        """An attempt is over after 10 s. (Repeats are OpenSSL's, by its own clock: here no time passes.)"""
        client = new_client(100.0)
        now = 100.0
        while (when := client.next_timeout()) is not None:
            self.assertLessEqual(now, when)
            now = when
            client.handle_timeout(now - 0.001)
            client.handle_timeout(now)
        self.assertEqual(now, 100.0 + ATTEMPT_SECONDS)
        self.assertTrue(client.is_over)

    def test_a_stuck_cookie(self) -> None:
        """A forged challenge costs the attempt: OpenSSL returns its cookie for ever. Another one succeeds."""
        door, client = Door(), new_client()
        client.datagrams_to_send(0.0)
        client.receive_datagram(message(3, b"\xfe\xff\x14" + bytes(20)), 0.0)
        to_and_fro(client, door)
        self.assertFalse(client.is_up)
        again = new_client()
        to_and_fro(again, door)
        self.assertTrue(again.is_up)

    def test_rubbish_in_a_handshake(self) -> None:
        """Whatever comes between the flights of a handshake, nothing raises; it succeeds, or it is over."""
        for seed in range(60):
            rng = random.Random(seed)
            door, client = Door(), new_client()
            while datagrams := client.datagrams_to_send(0.0):
                for datagram in datagrams:
                    for answer, _ in door.receive(datagram, NED, 0.0):
                        client.receive_datagram(spoil(rng, answer), 0.0)
                        client.receive_datagram(answer, 0.0)
                    door.receive(spoil(rng, datagram), NED, 0.0)
            client.send(b"x", 0.0)
            client.close(0.0)

    def test_long_certificates(self) -> None:
        """A certificate that fills several datagrams is sent in fragments of whole records."""
        key = ec.generate_private_key(ec.SECP256R1())
        listener = DtlsListener(key_pem(key), make_certificate(key, padding=4_000), SECRET)
        door = Door(listener)
        client, proof = proving(door)
        flight = [answer for answer, _ in door.receive(proof, NED, 0.0)]
        self.assertGreater(len(flight), 3)
        self.assertLessEqual(max(map(len, flight)), MAX_DATAGRAM)
        for answer in reversed(flight):
            client.receive_datagram(answer, 0.0)
        to_and_fro(client, door)
        self.assertTrue(client.is_up)


class Failing(SSL.Connection):
    """A connection that is up at once, and then fails as often as it is told."""

    def __init__(self, failures: int) -> None:
        super().__init__(client_context())
        self.set_connect_state()
        self.failures = failures

    def do_handshake(self) -> None:
        """Succeed."""

    def recv(self, bufsiz: int, flags: int | None = None) -> bytes:  # noqa: ARG002
        """Fail, or find nothing."""
        self.failures -= 1
        raise SSL.Error if self.failures >= 0 else SSL.WantReadError


class Nameless(Failing):
    """A connection whose other end has a key that OpenSSL can check and `cryptography` does not know."""

    def get_peer_certificate(self, **_: Any) -> Any:
        """Fail as `cryptography` does."""
        raise UnsupportedAlgorithm("a curve of its own")


class ErrorTests(SynchronousTestCase):
    """OpenSSL says that something failed, and not whether that is the end."""

    def test_an_error_that_passes(self) -> None:
        """One error ends nothing: it may be a record's, or have been left by another connection."""
        channel = DtlsChannel(Failing(1), 0.0)
        self.assertEqual(channel.receive_datagram(record(22, 1, bytes(40)), 0.0), [])
        self.assertTrue(channel.is_up)

    def test_an_error_that_stays(self) -> None:
        """One that comes again at once ends the session."""
        channel = DtlsChannel(Failing(2), 0.0)
        self.assertEqual(channel.receive_datagram(record(22, 1, bytes(40)), 0.0), [])
        self.assertTrue(channel.is_over)

    def test_a_connection_that_cannot_write(self) -> None:
        """What cannot be sealed is lost, and nothing raises."""
        channel = DtlsChannel(Failing(0), 0.0)
        channel.send(b"hello", 0.0)
        channel.datagrams_to_send(0.0)
        channel.close(0.0)
        self.assertTrue(channel.is_over)


class IdentityTests(SynchronousTestCase):
    """Who is at the other end."""

    def test_both_know_each_other(self) -> None:
        """Each end learns the other's key's fingerprint; certificates that ran out are no matter."""
        client, channel, _ = connected()
        self.assertEqual(client.peer_fingerprint, fingerprint(pair("server")[1]))
        self.assertEqual(channel.peer_fingerprint, fingerprint(pair("client")[1]))
        self.assertEqual(len(fingerprint(pair("client")[1])), 32)

    def test_a_new_certificate(self) -> None:
        """One made anew for the same key has the same fingerprint; another key has another."""
        key = ec.generate_private_key(ec.SECP256R1())
        old, new = make_certificate(key, "old"), make_certificate(key, "new")
        self.assertNotEqual(old, new)
        self.assertEqual(fingerprint(old), fingerprint(new))
        self.assertNotEqual(fingerprint(old), fingerprint(pair("server")[1]))
        self.assertRaises(ValueError, fingerprint, b"rubbish")

    def test_a_key_that_is_not_its_own(self) -> None:
        """Nobody comes in with somebody else's certificate and another key."""
        _, certificate = pair("server")
        key, _ = pair("client")
        self.assertRaises(ValueError, make_context, key, certificate)

    def test_no_certificate(self) -> None:
        """A client without one comes in, and is nobody."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        door, client = Door(), DtlsClient(context, 0.0)
        to_and_fro(client, door)
        self.assertTrue(client.is_up)
        self.assertIsNone(door.channels[NED].peer_fingerprint)

    def test_a_key_of_an_unusual_kind(self) -> None:
        """One that cannot sign is none for us; who has one that nobody can name does not come in."""
        key = x25519.X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.assertRaises(ValueError, make_context, key, pair("server")[1])
        channel = DtlsChannel(Nameless(0), 0.0)
        self.assertEqual(channel.receive_datagram(record(22, 1, bytes(40)), 0.0), [])
        self.assertTrue(channel.is_over)
        self.assertFalse(channel.is_up)

    def test_weak_ciphers(self) -> None:
        """A client that has no modern cipher is refused."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.set_cipher_list(b"ECDHE-ECDSA-AES128-SHA256")
        door, client = Door(), DtlsClient(context, 0.0)
        to_and_fro(client, door)
        self.assertFalse(client.is_up)
        self.assertEqual(door.channels, {})


def spoil(rng: random.Random, datagram: bytes) -> bytes:
    """Give a datagram that is like this one, with some bytes that are not."""
    spoiled = bytearray(datagram)
    for _ in range(rng.randrange(1, 4)):
        spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
    return bytes(spoiled[: rng.randrange(1, len(spoiled) + 1)] if rng.random() < 0.2 else spoiled)
