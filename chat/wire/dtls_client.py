"""The client's end of DTLS: one attempt at a session with a server, and the session that comes of it.

This module never does I/O. Time is an argument (but see `chat.wire.dtls_channel` for a handshake's repeats).
Its law is that of `DtlsChannel`. Whom it speaks to is its owner's matter: before a word is said the owner
compares `peer_fingerprint` with the server's that it knows.
"""

from __future__ import annotations

from OpenSSL import SSL

from chat.wire.dtls_channel import DtlsChannel
from chat.wire.dtls_records import MAX_DATAGRAM


class DtlsClient(DtlsChannel):
    """A handshake that begins at once, then the session. `context` is of `make_context`: it holds who we are.

    It takes one socket, for OpenSSL returns to a server that has been restarted the cookie of the one before:
    whoever tries again makes another, on another socket.

    `is_doubted` when an alert came that says that the server does not know this session; whoever looks takes
    it back. Anybody may have sent it, so nothing ends: once up, its owner asks the server for a sign of life;
    before that it may begin another attempt beside this one.
    """

    __slots__ = ("is_doubted",)

    def __init__(self, context: SSL.Context, now: float) -> None:
        self.is_doubted = False
        connection = SSL.Connection(context)
        connection.set_connect_state()
        connection.set_ciphertext_mtu(MAX_DATAGRAM)
        super().__init__(connection, now)

    def _hear_alert(self) -> None:
        self.is_doubted = True
