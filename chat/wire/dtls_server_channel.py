"""The server's end of one DTLS session: OpenSSL shakes hands, then the records are ours.

This module never does I/O. Time is an argument (but see `chat.wire.dtls_channel` for a handshake's repeats).
Its law is that of `DtlsChannel`, and: no record of the client's is ever opened by OpenSSL and by us.

    a handshake   OpenSSL reads and writes. What the client says already is dropped: it cannot know that we
                  are who it means.
    up            The keys are there. What the client says, and its alerts, we open; OpenSSL is kept to repeat
                  our last flight, which may be lost, and seals what we say.
    ours          The client has said something, so it has our last flight. OpenSSL's connection is let go,
                  and with it 70 KiB; what is left of a handshake on the way is ignored.
    over
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from OpenSSL import SSL

from chat.wire.dtls_channel import DtlsChannel, check_length
from chat.wire.dtls_keys import Keys, record_keys
from chat.wire.dtls_records import (
    ALERT,
    APPLICATION,
    MAX_INCOMING,
    client_hello,
    client_random,
    is_one_sealed,
    is_sealed,
    number,
    renumber,
    split,
)
from chat.wire.dtls_seal import KeyLimits, Opener, Sealer

LIVELY_SECONDS = 20.0  # a client that lives is heard more often: it pings after 6 s, give or take 10 %
_OURS: Final = frozenset({ALERT, APPLICATION})
_CLOSE_NOTIFY: Final = b"\x01\x00"
_FATAL: Final = b"\x02"  # an alert's first byte
# OpenSSL counts its records from 1 on behind every cookie. A second challenge has that number too, so who got
# one would take the ServerHello for a copy, and wait for its repeat. The number is to be that of the
# ClientHello that is answered (RFC 6347, 4.2.1), which no challenge had.
_FIRST_NUMBER = 1
_HEAD = 21  # bytes of a record up to the end of a nonce


class ServerChannel(DtlsChannel):
    """The session with a peer that has proved its address; `DtlsListener` makes it.

    `hello` is the ClientHello, one record, that proved it.

    It is over when its key has sealed, or failed to open, as many records as `limits` has.
    """

    __slots__ = (
        "__weakref__", "_ahead", "_heard_at", "_keys", "_limits", "_opener", "_random", "_sealer", "_written",
    )  # fmt: skip

    def __init__(self, connection: SSL.Connection, hello: bytes, now: float, limits: KeyLimits) -> None:
        self._random = client_random(hello)
        self._ahead = max(number(hello) - _FIRST_NUMBER, 0)
        self._heard_at = now
        self._limits = limits
        self._written = b""  # the head of the last record that OpenSSL has sealed
        self._keys: Keys | None = None  # ours, until they are used
        self._opener: Opener | None = None
        self._sealer: Sealer | None = None
        super().__init__(connection, now)

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram from the peer's address held; rubbish holds none."""
        if len(datagram) > MAX_INCOMING:
            return []
        if self._opener is not None and is_one_sealed(datagram):  # nearly all
            plaintext = self._open(datagram, now)
            return [plaintext] if plaintext else []
        records = split(datagram)
        if self._opener is None:
            rest = b"".join(record for record in records if record[0] != APPLICATION)
            return super().receive_datagram(rest, now)
        if self._connection is not None:
            rest = b"".join(record for record in records if record[0] not in _OURS)
            super().receive_datagram(rest, now)
        ours = (self._open(record, now) for record in records if record[0] in _OURS)
        return [plaintext for plaintext in ours if plaintext]

    def send(self, plaintext: bytes, now: float) -> None:
        """Queue a plaintext of 1 to 1,163 bytes, which is one datagram; without a session it is lost.

        Raises `ValueError` if it is empty or too long: whoever made it ignored the limit.
        """
        sealer = self._sealer
        if sealer is None:
            super().send(plaintext, now)
            return
        check_length(plaintext)
        if not sealer.is_spent:
            self._outgoing.append(sealer.seal(plaintext))
        if sealer.is_spent:
            self.close(now)

    @staticmethod
    def seal_each(channels: Iterable[ServerChannel], plaintexts: Iterable[bytes]) -> list[bytes]:
        """Give the datagram of each channel that says the plaintext at its place: many are told at once.

        b"": `send` has to do it. Nothing may be queued in any of them.
        """
        return Sealer.seal_each([channel._sealer for channel in channels], plaintexts)  # noqa: SLF001

    def close(self, now: float) -> None:
        """Queue a goodbye behind what is queued already, if there is a session; it is over."""
        if self._sealer is not None:
            self._outgoing.append(self._sealer.seal(_CLOSE_NOTIFY, ALERT))
        super().close(now)

    def yields_to(self, datagram: bytes, now: float) -> bool:
        """Say whether the listener should be asked about a datagram from this channel's address.

        Then a handshake other than this channel's begins there, and nothing that the peer has sealed came for
        20 s: it may have started again. If the listener makes a channel of it, that takes this one's place.
        """
        if datagram[:1] != b"\x16" or not (self.is_over or now - self._heard_at >= LIVELY_SECONDS):
            return False
        hello = client_hello(datagram)
        return hello is not None and client_random(hello) != self._random

    def give_up(self) -> None:
        """End at once and without a word: the place is needed."""
        self._outgoing.clear()
        self._end()

    def _open(self, record: bytes, now: float) -> bytes:
        """Give what a record says; nothing if it is forged, or an alert, which is obeyed."""
        opener = self._opener
        if opener is None:  # what stood before it in the datagram was the end
            return b""
        plaintext = opener.open(record)
        if plaintext is None:
            if opener.forged >= self._limits.forged:
                self.close(now)
            return b""
        if record[0] == ALERT:
            if plaintext == _CLOSE_NOTIFY or plaintext[:1] == _FATAL:
                self._end()
            return b""
        self._heard_at = now
        if self._keys is not None:
            self._sealer = Sealer(self._keys, self._written, self._limits.sealed)
            self._keys = self._connection = None
        return plaintext

    def _come_up(self, connection: SSL.Connection) -> None:
        super()._come_up(connection)
        if self.is_up:
            suite = cast("str", connection.get_cipher_name())
            secrets = connection.master_key(), connection.client_random(), connection.server_random()
            theirs, self._keys = record_keys(suite, *cast("tuple[bytes, bytes, bytes]", secrets))
            self._opener = Opener(theirs)

    def _drain(self, connection: SSL.Connection) -> None:
        queued = len(self._outgoing)
        super()._drain(connection)
        written = [renumber(datagram, self._ahead) for datagram in self._outgoing[queued:]]
        self._outgoing[queued:] = written
        for datagram in written:
            for record in filter(is_sealed, split(datagram)):
                self._written = record[:_HEAD]

    def _end(self) -> None:
        super()._end()
        self._keys = self._opener = self._sealer = None
