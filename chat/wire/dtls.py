"""The server's end of DTLS: strangers prove where they are, then each has a channel.

This module never does I/O. Time is an argument (but see `chat.wire.dtls_channel` for a handshake's repeats),
randomness comes with the cookies' secret. Its law: for a peer that has not returned a cookie there is no
state, and fewer bytes leave than came; nothing that anybody sends raises.

    ClientHello ->                    listener: one OpenSSL connection for all strangers
                <- HelloVerifyRequest with a cookie, which only the address's owner sees (RFC 6347, 4.2.1)
    ClientHello, cookie ->            the listener's connection becomes the channel's, and it gets a new one
                <- ServerHello ...    from here on the channel's matter
"""

from __future__ import annotations

import hmac
from collections import deque
from contextlib import suppress
from weakref import ref

from OpenSSL import SSL

from chat.limits import CAPS, NO_LIMITS, Limits
from chat.wire.dtls_channel import make_context
from chat.wire.dtls_records import (
    MAX_DATAGRAM,
    UNKNOWN_SESSION,
    client_hello,
    is_dtls,
    is_sealed,
    split,
)
from chat.wire.dtls_seal import KeyLimits
from chat.wire.dtls_server_channel import ServerChannel

Addr = tuple[str, int] | tuple[str, int, int, int]  # as chat.server.peer has it

COOKIE_SECONDS = 30.0  # one tick; a cookie is good for this and the next: 30 to 60 s
_COOKIE_BYTES = 20  # of the HMAC: makes the answer 48 bytes, a quarter of the usual ClientHello
MAX_HELLO = 4_096  # bytes of a ClientHello: of ours and of openssl's some 200
# In progress at once, those that never end included, if no other number is given. More than the clients that
# come back after a restart at 500 a second have on the way; each takes some 60 to 70 KiB.
MAX_HANDSHAKES = CAPS.half_open
# So long nobody is given up for a newcomer: else, of more clients than can be served at once, each would end
# what another has begun, and nobody would come in. Longer, and a few who never go on could keep others out.
FAIR_SECONDS = 1.0
FULL_SECONDS = 0.05  # between two looks at all of them, which take 50 us each
ALERT_SECONDS = 1.0  # between two alerts to one address
# In all. After a restart each client's next ping calls for one, and who gets none notices 6 s later: 6,000
# silent clients send 1,000 a second. An alert is 15 bytes for 30 or more.
ALERTS_A_SECOND = 1_000
_KEY_LIMITS = KeyLimits()


class DtlsListener:
    """Takes what unknown addresses send until they have proved where they are; then they have a channel.

    `key` and `certificate` are PEM (P-256); `secret` is 32 bytes that nobody can guess, new for each start.
    `key_limits` say how long a session's keys are good for, `limits` how many handshakes there may be at
    once, and from one address. Raises `ValueError` if key and certificate are none, or do not fit.
    """

    def __init__(
        self,
        key: bytes,
        certificate: bytes,
        secret: bytes,
        key_limits: KeyLimits = _KEY_LIMITS,
        limits: Limits | None = None,
    ) -> None:
        self._key_limits = key_limits
        self._limits = limits or Limits(NO_LIMITS)
        self._most = self._limits.caps.half_open
        self._cookies = _Cookies(secret)
        self._context = make_context(key, certificate)
        self._context.set_cookie_generate_callback(lambda _: self._cookies.make())
        self._context.set_cookie_verify_callback(lambda _, cookie: self._cookies.is_good(cookie))
        self._connection = self._listen()
        self._alerts = _AlertLimit()
        # When each began, the oldest first: at most MAX_HANDSHAKES.
        self._handshakes: deque[tuple[float, ref[ServerChannel]]] = deque()
        self._full_until = float("-inf")
        self._outgoing: list[tuple[bytes, Addr]] = []

    def is_mine(self, datagram: bytes) -> bool:
        """Say by its first bytes whether a stranger's datagram is for this door and not the plain one."""
        return is_dtls(datagram)

    def receive_datagram(self, datagram: bytes, addr: Addr, now: float) -> ServerChannel | None:
        """Give the channel that this datagram has proved; None: the handshake goes on, or it was rubbish.

        A channel has datagrams to send from its first moment, and holds no plaintext yet.
        """
        if len(datagram) > MAX_HELLO:
            return None
        hello = client_hello(datagram)
        if hello is None:
            if any(map(is_sealed, split(datagram))) and self._alerts.allow(addr, now):
                self._outgoing.append((UNKNOWN_SESSION, addr))
            return None
        if not self._has_room(now):
            return None  # it comes again after a second
        connection = self._connection
        self._cookies.turn_to(addr, now)
        connection.bio_write(hello)
        try:
            connection.DTLSv1_listen()
        except SSL.Error:  # no good cookie, or rubbish: then there is no answer. The next one begins afresh
            self._answer(connection, addr)
            return None
        self._connection = self._listen()
        if not self._limits.admits(addr[0], now):
            return None  # as above
        channel = ServerChannel(connection, hello, now, self._key_limits)
        self._handshakes.append((now, ref(channel)))
        return channel

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Addr]]:  # noqa: ARG002
        """Give the answers to unproven peers, and forget them: fewer bytes than they have sent."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _listen(self) -> SSL.Connection:
        connection = SSL.Connection(self._context)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(MAX_DATAGRAM)
        return connection

    def _answer(self, connection: SSL.Connection, addr: Addr) -> None:
        """Queue the challenge, 48 bytes for the 59 that any ClientHello has at least."""
        with suppress(SSL.WantReadError):  # it was not worth one
            self._outgoing.append((connection.bio_read(MAX_HELLO), addr))

    def _has_room(self, now: float) -> bool:
        """Say whether another handshake may begin. Of too many, one that has had its time makes room."""
        if len(self._handshakes) < self._most:
            return True
        if now < self._full_until:
            self._limits.count("too many half-open handshakes")
            return False
        going_on = [
            (at, channel)
            for at, known in self._handshakes
            if (channel := known()) is not None and not channel.is_up and not channel.is_over
        ]
        if len(going_on) == self._most:
            at, oldest = going_on.pop(0)
            self._limits.count("too many half-open handshakes")
            if now < at + FAIR_SECONDS:
                self._full_until = now + FULL_SECONDS
                return False
            oldest.give_up()
        self._handshakes = deque((at, ref(channel)) for at, channel in going_on)
        return True


class _Cookies:
    """What an address must send back. OpenSSL asks in a callback that is told nothing: first `turn_to`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._address = b""
        self._tick = 0

    def turn_to(self, addr: Addr, now: float) -> None:
        """Speak of this address at this time from now on."""
        scope = addr[3] if len(addr) == 4 else 0
        self._address = f"{addr[0]}%{scope}:{addr[1]}".encode()
        self._tick = int(now // COOKIE_SECONDS)

    def make(self) -> bytes:
        """Give the address's cookie."""
        return self._cookie(self._tick)

    def is_good(self, cookie: bytes) -> bool:
        """Say whether it is the address's, of this tick or the one before."""
        return any(hmac.compare_digest(cookie, self._cookie(self._tick - age)) for age in (0, 1))

    def _cookie(self, tick: int) -> bytes:
        content = b"%d %s" % (tick, self._address)
        return hmac.digest(self._secret, content, "sha256")[:_COOKIE_BYTES]


class _AlertLimit:
    """Who is told that its session is not known: each address once a second, 1,000 a second in all."""

    def __init__(self) -> None:
        self._told: dict[Addr, float] = {}  # at most ALERTS_A_SECOND, the oldest first

    def allow(self, addr: Addr, now: float) -> bool:
        """Say whether this address may be told now; then it has been."""
        while self._told:
            oldest = next(iter(self._told))
            if now - self._told[oldest] < ALERT_SECONDS:
                break
            del self._told[oldest]
        if addr in self._told or len(self._told) >= ALERTS_A_SECOND:
            return False
        self._told[addr] = now
        return True
