"""Tests of `chat.wire.dtls_client`: the key that a server must have, and what it learns if it has another."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls_channel import fingerprint, make_context
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_records import ALERT, HANDSHAKE, split
from tests.dtls_support import NED, Door, client_context, pair, to_and_fro

RIGHT, WRONG = fingerprint(pair("server")[1]), fingerprint(pair("eve")[1])
CERTIFICATE, KEY_EXCHANGE = 11, 16  # kinds of handshake messages (RFC 5246, section 7.4)


class Listening:
    """A client whose datagrams are written down before they are carried."""

    def __init__(self, client: DtlsClient) -> None:
        self.client = client
        self.datagrams: list[bytes] = []

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give what the client sends."""
        datagrams = self.client.datagrams_to_send(now)
        self.datagrams += datagrams
        return datagrams

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Let the client have a datagram."""
        return self.client.receive_datagram(datagram, now)

    @property
    def records(self) -> list[tuple[int, int]]:
        """Give the type of each record that left, and of the handshake message in it."""
        return [(record[0], record[13]) for datagram in self.datagrams for record in split(datagram)]


class ExpectedKeyTests(SynchronousTestCase):
    """A client that knows its server."""

    def shake_hands(self, expected: bytes | None, context: SSL.Context | None = None) -> Listening:
        """Give a client after its handshake with the server."""
        self.door = Door()
        listening = Listening(DtlsClient(context or client_context(), 0.0, expected))
        to_and_fro(listening, self.door)  # type: ignore[arg-type]
        return listening

    def test_the_right_one(self) -> None:
        """A server with the expected key is spoken to, and sees our certificate."""
        listening = self.shake_hands(RIGHT)
        self.assertTrue(listening.client.is_up)
        self.assertEqual(listening.client.offered_fingerprint, RIGHT)
        self.assertEqual(self.door.channels[NED].peer_fingerprint, fingerprint(pair("client")[1]))
        self.assertIn((HANDSHAKE, CERTIFICATE), listening.records)

    def test_a_wrong_one(self) -> None:
        """With another key the handshake ends there: but for the alert, nothing leaves after the hello."""
        listening = self.shake_hands(WRONG)
        self.assertTrue(listening.client.is_over)
        self.assertFalse(listening.client.is_up)
        self.assertEqual(listening.client.offered_fingerprint, RIGHT)
        self.assertIsNone(listening.client.peer_fingerprint)
        self.assertEqual([kind for kind, _ in listening.records], [HANDSHAKE, HANDSHAKE, ALERT])
        self.assertNotIn((HANDSHAKE, CERTIFICATE), listening.records)
        certificate = x509.load_pem_x509_certificate(pair("client")[1]).public_bytes(Encoding.DER)
        sent = b"".join(listening.datagrams)
        self.assertFalse(any(certificate[at : at + 16] in sent for at in range(len(certificate) - 16)))

    def test_any(self) -> None:
        """Where none is expected any is taken."""
        client = self.shake_hands(None).client
        self.assertTrue(client.is_up)
        self.assertEqual((client.peer_fingerprint, client.offered_fingerprint), (RIGHT, RIGHT))

    def test_nobody(self) -> None:
        """A client without a key comes in, shows no certificate, and is nobody to the server."""
        listening = self.shake_hands(None, make_context(None, None))
        self.assertEqual(listening.client.peer_fingerprint, RIGHT)
        self.assertIsNone(self.door.channels[NED].peer_fingerprint)
        (shown,) = [
            record
            for datagram in listening.datagrams
            for record in split(datagram)
            if (record[0], record[13]) == (HANDSHAKE, CERTIFICATE)
        ]
        self.assertEqual(shown[25:], bytes(3))  # a list of no certificates


class OddCertificateTests(SynchronousTestCase):
    """Servers, and clients, whose certificates are not like ours."""

    def other_end(self, key: bytes, *certificates: x509.Certificate | bytes) -> SSL.Connection:
        """Give an end that is not ours, with whatever certificates; the first is its own."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for number, each in enumerate(certificates):
            path = Path(folder.name) / f"{number}"
            path.write_bytes(each if isinstance(each, bytes) else each.public_bytes(Encoding.DER))
            if number == 0:
                context.use_certificate_file(str(path), crypto.FILETYPE_ASN1)
            else:
                context.add_extra_chain_cert(x509.load_der_x509_certificate(path.read_bytes()))
        path = Path(folder.name) / "key"
        path.write_bytes(key)
        context.use_privatekey_file(str(path))
        other = SSL.Connection(context)
        other.set_ciphertext_mtu(1_200)
        return other

    def shake_hands(self, server: SSL.Connection, expected: bytes | None) -> DtlsClient:
        """Give a client after its handshake with such a server."""
        server.set_accept_state()
        client = DtlsClient(client_context(), 0.0, expected)
        while datagrams := client.datagrams_to_send(0.0):
            for datagram in datagrams:
                server.bio_write(datagram)
                with contextlib.suppress(SSL.Error):
                    server.do_handshake()
            with contextlib.suppress(SSL.Error):
                client.receive_datagram(server.bio_read(16_384), 0.0)
        return client

    def test_a_chain(self) -> None:
        """Of a chain of certificates the first one counts, which is the server's own."""
        authority = load_pem_private_key(pair("authority")[0], None)
        key = load_pem_private_key(pair("server")[0], None)
        assert isinstance(authority, ec.EllipticCurvePrivateKey)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        above = x509.load_pem_x509_certificate(pair("authority")[1])
        own = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(above.subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(above.not_valid_before_utc)
            .not_valid_after(above.not_valid_after_utc)
            .sign(authority, hashes.SHA256())
        )
        for expected, is_up in ((RIGHT, True), (fingerprint(pair("authority")[1]), False)):
            client = self.shake_hands(self.other_end(pair("server")[0], own, above), expected)
            self.assertIs(client.is_up, is_up)
            self.assertEqual(client.offered_fingerprint, RIGHT)

    def test_a_version_that_cannot_be(self) -> None:
        """A certificate that OpenSSL takes and nobody can name raises nothing: who has it stays out."""
        key, certificate = pair("server")
        odd = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
        odd = odd.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020104"), 1)
        client = self.shake_hands(self.other_end(key, odd), None)
        self.assertTrue(client.is_over)
        self.assertIsNone(client.offered_fingerprint)
        door, other = Door(), self.other_end(key, odd)
        other.set_connect_state()
        with contextlib.suppress(SSL.Error):
            while True:
                with contextlib.suppress(SSL.WantReadError):
                    other.do_handshake()
                for answer, _ in door.receive(other.bio_read(16_384), NED, 0.0):
                    other.bio_write(answer)
        self.assertEqual(door.made, [NED])
        self.assertEqual(door.channels, {})
