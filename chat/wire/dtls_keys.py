"""The keys of a DTLS 1.2 session's records, out of what its handshake has agreed on.

This module never does I/O and knows no connection: bytes in, bytes out. The three cipher suites are those of
`chat.wire.dtls_channel`; all are authenticated encryption, so there are no keys for a MAC, and the extension
for encrypt-then-MAC has no meaning (RFC 7366, section 3). Whether the master secret is the extended one (RFC
7627) is a matter of the handshake: what comes after it is the same.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

_GCM_SALT = 4  # bytes of a nonce that its record does not show; it shows the other 8 (RFC 5288)
_CHACHA_IV = 12  # all of it is made of the sequence number and this (RFC 7905)


class Keys(NamedTuple):
    """What one end seals its records with: `iv` is the part of the nonce that is secret, 4 or 12 bytes."""

    cipher: type[AESGCM | ChaCha20Poly1305]
    key: bytes
    iv: bytes


class _Suite(NamedTuple):
    digest: str
    cipher: type[AESGCM | ChaCha20Poly1305]
    key_bytes: int
    iv_bytes: int


# By the names that OpenSSL has for them (RFC 5289, section 3.2; RFC 7905, section 2).
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": _Suite("sha256", AESGCM, 16, _GCM_SALT),
    "ECDHE-ECDSA-AES256-GCM-SHA384": _Suite("sha384", AESGCM, 32, _GCM_SALT),
    "ECDHE-ECDSA-CHACHA20-POLY1305": _Suite("sha256", ChaCha20Poly1305, 32, _CHACHA_IV),
}


def record_keys(suite: str, master: bytes, client_random: bytes, server_random: bytes) -> tuple[Keys, Keys]:
    """Give the keys of what the client seals and of what the server seals (RFC 5246, section 6.3).

    Raises `KeyError` for a suite that is not one of `SUITES`.
    """
    digest, cipher, key_bytes, iv_bytes = SUITES[suite]
    seed = b"key expansion" + server_random + client_random
    block = pseudorandom(digest, master, seed, 2 * (key_bytes + iv_bytes))
    ivs = 2 * key_bytes
    client = Keys(cipher, block[:key_bytes], block[ivs : ivs + iv_bytes])
    server = Keys(cipher, block[key_bytes:ivs], block[ivs + iv_bytes :])
    return client, server


def pseudorandom(digest: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """Give so many bytes of TLS 1.2's pseudorandom function; `seed` begins with the label (section 5)."""
    content = b""
    link = seed
    while len(content) < length:
        link = hmac.digest(secret, link, digest)
        content += hmac.digest(secret, link + seed, digest)
    return content[:length]
