"""The client's end of DTLS: one attempt at a session with a server, and the session that comes of it.

This module never does I/O. Time is an argument (but see `chat.wire.dtls_channel` for a handshake's repeats).
Its law is that of `DtlsChannel`, and: to a server with another key than the expected one goes nothing that
says who the client is.
"""

from __future__ import annotations

from OpenSSL import SSL, crypto

from chat.wire.dtls_channel import NAMELESS, DtlsChannel, key_fingerprint
from chat.wire.dtls_records import MAX_DATAGRAM


class DtlsClient(DtlsChannel):
    """A handshake that begins at once, then the session. `context` is of `make_context`: it holds who we are.

    `expected` is the fingerprint that the server's key must have, or the handshake ends before our
    certificate leaves; None: any key is taken, and its owner looks at `peer_fingerprint`.
    `offered_fingerprint` is that of the certificate which the server showed, None before. Anybody can show
    any certificate: only a handshake that has come up proves that its server holds the key.

    It takes one socket, for OpenSSL returns to a server that has been restarted the cookie of the one before:
    whoever tries again makes another, on another socket.

    `is_doubted` when an alert came that says that the server does not know this session; whoever looks takes
    it back. Anybody may have sent it, so nothing ends: once up, its owner asks the server for a sign of life;
    before that it may begin another attempt beside this one.
    """

    __slots__ = ("_expected", "is_doubted", "offered_fingerprint")

    def __init__(self, context: SSL.Context, now: float, expected: bytes | None = None) -> None:
        self.is_doubted = False
        self.offered_fingerprint: bytes | None = None
        self._expected = expected
        connection = SSL.Connection(context)
        connection.set_connect_state()
        connection.set_ciphertext_mtu(MAX_DATAGRAM)
        # OpenSSL asks while it reads the server's certificate, and writes its own when it has read all.
        connection.set_verify(SSL.VERIFY_PEER, self._is_expected)
        super().__init__(connection, now)

    def _hear_alert(self) -> None:
        self.is_doubted = True

    def _is_expected(self, _: SSL.Connection, shown: crypto.X509, __: int, depth: int, ___: int) -> bool:
        """Say whether a certificate is good: the server's own is at depth 0, behind it others may stand."""
        if depth:
            return True
        try:
            self.offered_fingerprint = key_fingerprint(shown.to_cryptography())
        except NAMELESS:
            return False
        return self._expected in (None, self.offered_fingerprint)
