"""Tests of `chat.wire.dtls_keys`: known answers. `test_dtls_server_channel` has OpenSSL's live ones."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls_keys import Keys, pseudorandom, record_keys

MASTER, CLIENT, SERVER = bytes(range(48)), bytes(range(100, 132)), bytes(range(200, 232))

key = bytes.fromhex


class KeyTests(SynchronousTestCase):
    """Keys out of secrets.

    The answers are of `openssl kdf -keylen N -kdfopt digest:SHA2-256 -kdfopt hexsecret:...
    -kdfopt hexseed:... TLS1-PRF`, the seed being label, server's and client's random.
    """

    def test_pseudorandom(self) -> None:
        """The vector for SHA-256 that everybody checks with, and any prefix of it."""
        secret = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
        seed = b"test label" + bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
        answer = bytes.fromhex(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0"
            "22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
        )
        for length in (0, 1, 31, 32, 33, 100):
            self.assertEqual(pseudorandom("sha256", secret, seed, length), answer[:length])

    def test_aes_128(self) -> None:
        """Two keys of 16 bytes, then two salts of 4, the client's first."""
        client, server = record_keys("ECDHE-ECDSA-AES128-GCM-SHA256", MASTER, CLIENT, SERVER)
        self.assertEqual(client, Keys(AESGCM, key("de62d3ee5dc8b42d2f657afce5c1a5bd"), key("5f352e46")))
        self.assertEqual(server, Keys(AESGCM, key("07033d2a02facf4db7c22ce88bf3cca3"), key("b91ee32d")))

    def test_aes_256(self) -> None:
        """Keys of 32 bytes, by SHA-384."""
        client, server = record_keys("ECDHE-ECDSA-AES256-GCM-SHA384", MASTER, CLIENT, SERVER)
        self.assertEqual(
            client,
            Keys(
                AESGCM,
                key("2df9d6055794d3c919f265a64be20e36531b6c808ce08bd7d5d8e219524579d0"),
                key("e8534ed7"),
            ),
        )
        self.assertEqual(
            server,
            Keys(
                AESGCM,
                key("1f4ccfad325acca3ca0b05d6db158d68c6eb35277fe2e12273c0cccee39a4e53"),
                key("6aaad589"),
            ),
        )

    def test_chacha(self) -> None:
        """Keys of 32 bytes, and 12 for the nonces."""
        client, server = record_keys("ECDHE-ECDSA-CHACHA20-POLY1305", MASTER, CLIENT, SERVER)
        self.assertEqual(
            client,
            Keys(
                ChaCha20Poly1305,
                key("de62d3ee5dc8b42d2f657afce5c1a5bd07033d2a02facf4db7c22ce88bf3cca3"),
                key("15997d79a841d73916832493"),
            ),
        )
        self.assertEqual(
            server,
            Keys(
                ChaCha20Poly1305,
                key("5f352e46b91ee32d419c4f53c604599625ee4e7a5eb33026440c206cf046931b"),
                key("177294f30b8d166c80af4fdb"),
            ),
        )

    def test_other_suites(self) -> None:
        """What is not one of the three is not sealed by us."""
        self.assertRaises(KeyError, record_keys, "ECDHE-ECDSA-AES128-SHA256", MASTER, CLIENT, SERVER)
