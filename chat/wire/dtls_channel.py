"""One DTLS session over OpenSSL's memory BIOs: what both ends of it have in common.

This module never does I/O. Time is an argument, with one exception: when a handshake's flight is to be
repeated (after 1, 2, 4 s) OpenSSL decides by its own wall clock, and a channel only asks it how long that is
from `now` on. Its law: nothing that a peer or a stranger sends raises, or ends a session that is up, except
what the peer itself has sealed with the session's keys.

What OpenSSL asks of whoever uses memory BIOs:

- A BIO forgets where datagrams end. So one datagram goes in and is read to its end before the next; what
  comes out is cut at the records' headers and packed anew.
- What is forged in epoch 0 must not reach it: alerts never (it obeys them), nothing once a session is up.
- After an error it may or may not go on. Asked a second time, it says.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, InvalidVersion, load_pem_x509_certificate
from OpenSSL import SSL, crypto

from chat.wire.dtls_records import (
    MAX_DATAGRAM,
    MAX_INCOMING,
    is_bare_alert,
    is_of_handshake,
    is_one_sealed,
    is_sealed,
    pack,
    split,
)
from chat.wire.frames import MAX_PLAINTEXT

ATTEMPT_SECONDS = 10.0  # for a handshake from its first datagram: OpenSSL repeats after 1, 3 and 7 s
# Of an RSA key: everybody's is 65,537. To check a signature takes time in proportion: with one as long as the
# key, of 3,072 bits, ten times the CPU of a whole handshake, and for each of a chain of certificates again.
MAX_EXPONENT_BITS = 32
TIMER_SECONDS = 0.02  # at least, between two looks at OpenSSL's timer: its clock and ours are not the same

# What `cryptography` raises for a certificate that OpenSSL takes: a curve of its own, a version 5 ...
NAMELESS: Final = (ValueError, UnsupportedAlgorithm, InvalidVersion)

# Authenticated encryption with forward secrecy only (RFC 9325, section 4.2); 37 or 29 bytes a record.
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
_DTLS_1_2 = 0xFEFD  # pyOpenSSL has no name for it
_OPTIONS = (
    SSL.OP_NO_QUERY_MTU  # a memory BIO has none, and asking it breaks the handshake
    | SSL.OP_NO_RENEGOTIATION
    | SSL.OP_NO_COMPRESSION
    | SSL.OP_NO_TICKET
    | SSL.OP_CIPHER_SERVER_PREFERENCE
)
_READ = 4_096  # bytes taken from a BIO at once


def make_context(key: bytes | None, certificate: bytes | None) -> SSL.Context:
    """Give what an end's sessions share: DTLS 1.2, a P-256 key and its certificate (both PEM).

    None is for a client that says nothing of who it is. Whatever certificate the other end has is taken:
    OpenSSL checks that it holds the key, and whose key that is, its owner decides by `fingerprint`. Raises
    `ValueError` if they are no key and certificate that fit.
    """
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_max_proto_version(_DTLS_1_2)
    context.set_options(_OPTIONS)
    # OpenSSL keeps no buffers for a session that is idle.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"udpchat")
    context.set_cipher_list(_CIPHERS)
    context.set_verify(SSL.VERIFY_PEER, _take_any)
    # Nobody's word for a certificate counts, so what stands behind the first is not looked at.
    context.set_verify_depth(0)
    if key is not None and certificate is not None:
        _use(context, key, certificate)
    return context


def _use(context: SSL.Context, key: bytes, certificate: bytes) -> None:
    try:
        private = load_pem_private_key(key, password=None)
        if not isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey):
            raise TypeError("a key that no client can check")
        context.use_privatekey(private)
        context.use_certificate(load_pem_x509_certificate(certificate))
        context.check_privatekey()
    except (SSL.Error, TypeError, *NAMELESS) as error:
        raise ValueError("no private key and certificate that fit each other") from error


def fingerprint(certificate: bytes) -> bytes:
    """Give the identity of a certificate's holder (PEM): see `DtlsChannel.peer_fingerprint`.

    Raises `ValueError` if it is none.
    """
    return key_fingerprint(load_pem_x509_certificate(certificate))


def key_fingerprint(certificate: Certificate) -> bytes:
    """Give the same of a certificate that was read already. Raises what is `NAMELESS`."""
    key = certificate.public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def _take_any(_: SSL.Connection, shown: crypto.X509, __: int, ___: int, ____: int) -> bool:
    """Take every certificate but one with a key that was made to be slow: OpenSSL asks before it uses it."""
    try:
        key = shown.to_cryptography().public_key()
    except NAMELESS:
        return True
    return not isinstance(key, RSAPublicKey) or key.public_numbers().e.bit_length() <= MAX_EXPONENT_BITS


def check_length(plaintext: bytes) -> None:
    """Raise `ValueError` if a plaintext is none, or too long for a datagram."""
    if not 0 < len(plaintext) <= MAX_PLAINTEXT:
        raise ValueError(f"{len(plaintext)} bytes of plaintext: 1 to {MAX_PLAINTEXT}")


class DtlsChannel:
    """One end's session with a peer at one address.

    `is_up` as long as plaintexts pass. `is_over` once they never will (again): the handshake failed or took
    more than 10 s, the peer said goodbye, or `close` was called; what is queued then is still to be sent.

    `peer_fingerprint`, once it is up, is the SHA-256 of the peer's public key (as SubjectPublicKeyInfo, RFC
    7469 section 2.4), 32 bytes; None: it has shown no certificate. Of the key and not the certificate, so
    that one made anew (because it has run out, or names another host) leaves its holder who it was.
    """

    __slots__ = (
        "_connection", "_due", "_give_up_at", "_outgoing", "is_over", "is_up", "peer_fingerprint",
    )  # fmt: skip

    def __init__(self, connection: SSL.Connection, now: float) -> None:
        self.is_up = False
        self.is_over = False
        self.peer_fingerprint: bytes | None = None
        self._connection: SSL.Connection | None = connection
        self._outgoing: list[bytes] = []
        self._give_up_at = now + ATTEMPT_SECONDS
        self._due: float | None = None
        self._shake_hands(connection, now)

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram from the peer's address held; rubbish holds none."""
        connection = self._connection
        if connection is None or len(datagram) > MAX_INCOMING:
            return []
        if self.is_up and len(datagram) <= _READ and is_one_sealed(datagram):
            connection.bio_write(datagram)
            return self._read_one(connection)
        records = split(datagram)
        if any(map(is_bare_alert, records)):
            self._hear_alert()
        is_wanted = is_sealed if self.is_up else is_of_handshake
        wanted = b"".join(record for record in records if is_wanted(record))
        if not wanted:
            return []
        connection.bio_write(wanted)
        if not self.is_up:
            self._shake_hands(connection, now)
        plaintexts = self._read(connection) if self.is_up else []
        self._drain(connection)
        return plaintexts

    def send(self, plaintext: bytes, now: float) -> None:  # noqa: ARG002  (the Channel's verb)
        """Queue a plaintext of 1 to 1,163 bytes, which is one datagram; without a session it is lost.

        Raises `ValueError` if it is empty or too long: whoever made it ignored the limit.
        """
        check_length(plaintext)
        connection = self._connection
        if connection is not None and self.is_up:
            with suppress(SSL.Error):  # it has failed, and will say so when it is read
                connection.send(plaintext)
            self._drain(connection)

    def datagrams_to_send(self, now: float) -> list[bytes]:  # noqa: ARG002
        """Give the datagrams that are due, and forget them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: nothing waits for a time."""
        return self._due

    def handle_timeout(self, now: float) -> list[bytes]:
        """Repeat what the handshake waits for, or give it up; gives nothing."""
        connection = self._connection
        if connection is None or self._due is None or now < self._due:
            return []
        if now >= self._give_up_at:
            self._end()
            return []
        with suppress(SSL.Error):  # it will not repeat any more: what comes is still taken
            connection.DTLSv1_handle_timeout()
        self._drain(connection)
        self._schedule(connection, now)
        return []

    def close(self, now: float) -> None:  # noqa: ARG002
        """Queue a goodbye behind what is queued already, if there is a session; it is over."""
        connection = self._connection
        if connection is not None and self.is_up:
            with suppress(SSL.Error):  # the peer has ended it
                connection.shutdown()
            self._drain(connection)
        self._end()

    def _hear_alert(self) -> None:
        """Take notice of an alert that anybody can have written. It is not obeyed."""

    def _shake_hands(self, connection: SSL.Connection, now: float) -> None:
        for _ in range(2):  # an error may be a record's, and passed; one that comes again is the end
            try:
                connection.do_handshake()
            except SSL.WantReadError:
                self._drain(connection)
                self._schedule(connection, now)
                return
            except SSL.Error:
                self._drain(connection)
            else:
                self._come_up(connection)
                return
        self._end()

    def _come_up(self, connection: SSL.Connection) -> None:
        self._drain(connection)
        try:
            certificate = connection.get_peer_certificate(as_cryptography=True)
            if certificate is not None:
                self.peer_fingerprint = key_fingerprint(certificate)
        except NAMELESS:  # a key that OpenSSL can check and nobody else can name
            self._end()
            return
        self.is_up = True
        self._due = None

    def _schedule(self, connection: SSL.Connection, now: float) -> None:
        seconds = connection.DTLSv1_get_timeout()
        wait = ATTEMPT_SECONDS if seconds is None else max(seconds, TIMER_SECONDS)
        self._due = min(self._give_up_at, now + wait)

    def _read_one(self, connection: SSL.Connection) -> list[bytes]:
        """Give the plaintext of one record. To look for a second one would double the cost."""
        with suppress(SSL.Error):  # forged, repeated or too old
            return [connection.recv(_READ)]
        return []

    def _read(self, connection: SSL.Connection) -> list[bytes]:
        plaintexts: list[bytes] = []
        has_failed = False
        while True:
            try:
                plaintexts.append(connection.recv(MAX_INCOMING))
            except SSL.WantReadError:
                return plaintexts
            except SSL.ZeroReturnError:
                break
            except SSL.Error:
                if has_failed:
                    break
                has_failed = True
        self._end()
        return plaintexts

    def _drain(self, connection: SSL.Connection) -> None:
        """Queue all that OpenSSL has written, in datagrams of whole records."""
        content = b""
        while len(content) % _READ == 0:
            try:
                content += connection.bio_read(_READ)
            except SSL.WantReadError:
                break
        if content:
            self._outgoing += [content] if len(content) <= MAX_DATAGRAM else pack(split(content))

    def _end(self) -> None:
        self.is_up = False
        self.is_over = True
        self._connection = None  # and with it the memory
        self._due = None
