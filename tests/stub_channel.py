"""Stands where DTLS will stand: sessions, replay windows, alerts and 37 bytes, but nothing is encrypted.

    16 fe  type  session or random (8)  number (8)  filler (14)  plaintext  CRC-32 (4)

As in DTLS a spoiled, repeated or very old datagram is dropped without a word, a session that an address does
not have any more is told so by an alert once a second, and the first flight is repeated after 1, 2 and 4 s.
Who has a key says so in the first flight, and is believed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

from chat.server.peer import Addr

MINE = b"\x16\xfe"
LIMIT = 1_163  # bytes of a plaintext: 1,200 less the overhead
WINDOW = 64  # numbers below the newest that may still come, each once (RFC 6347, 4.1.2.6)
HELLO_AGAIN = (1.0, 2.0, 4.0)  # seconds after a hello in which it is repeated
ALERT_SECONDS = 1.0
LIVELY_SECONDS = 20.0  # without a plaintext, after which another hello may begin anew

HELLO, WELCOME, TEXT, ALERT, GOODBYE = 1, 2, 3, 4, 5
_HEAD = struct.Struct("!2sB8sQ14s")
_FILLER = b"\xfe\xfd" * 7  # so that a spoiled beginning makes no line of text of it
_SUM = struct.Struct("!I")
OVERHEAD = _HEAD.size + _SUM.size


def seal(kind: int, session: bytes, number: int, plaintext: bytes = b"") -> bytes:
    """Give a datagram."""
    body = _HEAD.pack(MINE, kind, session, number, _FILLER) + plaintext
    return body + _SUM.pack(zlib.crc32(body))


def open_sealed(datagram: bytes) -> tuple[int, bytes, int, bytes] | None:
    """Give type, session, number and plaintext of a datagram; None: it is not one, or was spoiled."""
    if len(datagram) < OVERHEAD or datagram[:2] != MINE:
        return None
    body = datagram[:-4]
    if zlib.crc32(body) != _SUM.unpack(datagram[-4:])[0]:
        return None
    _, kind, session, number, _ = _HEAD.unpack_from(body)
    return kind, session, number, body[_HEAD.size :]


class _Window:
    """Which numbers have come (RFC 6347, section 4.1.2.6)."""

    def __init__(self) -> None:
        self._newest = -1
        self._seen = 0  # bit i: newest - i has come

    def is_new(self, number: int) -> bool:
        """Say whether `number` comes for the first time and is not too old; take note of it."""
        if number > self._newest:
            self._seen = (self._seen << (number - self._newest) | 1) & ((1 << WINDOW) - 1)
            self._newest = number
            return True
        bit = 1 << (self._newest - number)
        if self._newest - number >= WINDOW or self._seen & bit:
            return False
        self._seen |= bit
        return True


class _End:
    """What both ends of a channel share once they have a session."""

    def __init__(self) -> None:
        self.session = b""  # eight bytes that the server chose
        self._number = 0
        self._window = _Window()
        self._outgoing: list[bytes] = []

    def send(self, plaintext: bytes, now: float) -> None:  # noqa: ARG002  (the Channel's verb)
        """Queue a plaintext. Raises `ValueError` if it is too long: whoever made it ignored the limit."""
        if len(plaintext) > LIMIT:
            raise ValueError(f"{len(plaintext)} bytes of plaintext: at most {LIMIT}")
        self._seal(TEXT, plaintext)

    def datagrams_to_send(self, now: float) -> list[bytes]:  # noqa: ARG002
        """Give the datagrams that are due, and forget them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def close(self, now: float) -> None:  # noqa: ARG002
        """Queue a goodbye."""
        self._seal(GOODBYE)

    def _seal(self, kind: int, plaintext: bytes = b"") -> None:
        self._outgoing.append(seal(kind, self.session, self._number, plaintext))
        self._number += 1


class StubChannel(_End):
    """The client's end. `random` is eight bytes of its own, `key` the fingerprint of what it holds (b"":
    nothing); the handshake begins at once.

    `is_up` once there is a session; `is_over` when the other end said goodbye; `is_doubted` when that did not
    know the session: who looks takes it back.
    """

    def __init__(self, random: bytes, now: float, key: bytes = b"") -> None:
        super().__init__()
        self.is_up = False
        self.is_over = False
        self.is_doubted = False
        self._random = random
        self._key = key
        self._waits = list(HELLO_AGAIN)
        self._due: float | None = now

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:  # noqa: ARG002
        """Give the plaintexts that a datagram held."""
        opened = open_sealed(datagram)
        if opened is None:
            return []
        kind, session, number, plaintext = opened
        if kind == WELCOME and not self.is_up and plaintext == self._random:
            self.session, self.is_up, self._due = session, True, None
        elif kind == ALERT and self.is_up and session == self.session:
            self.is_doubted = True
        elif not self.is_up or session != self.session:
            pass
        elif kind == TEXT and self._window.is_new(number):
            return [plaintext]
        elif kind == GOODBYE:
            self.is_over = True
        return []

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: nothing waits for a time."""
        return self._due

    def handle_timeout(self, now: float) -> list[bytes]:
        """Send the hello, for the first time or again."""
        if self._due is not None and now >= self._due:
            self._outgoing.append(seal(HELLO, self._random, 0, self._key))
            self._due = now + self._waits.pop(0) if self._waits else None
        return []


class ServerEnd(_End):
    """The server's end of one channel; `key` is the client's (b"": it has none)."""

    def __init__(
        self,
        session: bytes,
        random: bytes,
        key: bytes,
        now: float,
        doubt: Callable[[bytes, float], bytes | None],
    ) -> None:
        super().__init__()
        self.session = session
        self.is_up = True
        self.is_over = False
        self.peer_fingerprint = key or None
        self._random = random
        self._heard_at = now
        self._doubt = doubt
        self._welcome()

    def receive_datagram(self, datagram: bytes, now: float) -> list[bytes]:
        """Give the plaintexts that a datagram held."""
        opened = open_sealed(datagram)
        if opened is None or self.is_over:
            return []
        kind, session, number, plaintext = opened
        if kind == HELLO and session == self._random:
            self._welcome()  # the first was lost
        elif session == self.session and kind in (TEXT, GOODBYE) and self._window.is_new(number):
            self._heard_at = now
            if kind == TEXT:
                return [plaintext]
            self._end()
        elif kind == TEXT and session != self.session and (alert := self._doubt(session, now)):
            self._outgoing.append(alert)
        return []

    def yields_to(self, datagram: bytes, now: float) -> bool:
        """Say whether it is another hello, and this end is over or was not heard for 20 s."""
        opened = open_sealed(datagram)
        is_other = opened is not None and opened[0] == HELLO and opened[1] != self._random
        return is_other and (self.is_over or now - self._heard_at >= LIVELY_SECONDS)

    def send(self, plaintext: bytes, now: float) -> None:
        """Queue a plaintext; once it is over, it is lost."""
        if not self.is_over:
            super().send(plaintext, now)

    @staticmethod
    def seal_each(channels: Sequence[ServerEnd], plaintexts: Sequence[bytes]) -> list[bytes]:
        """Give each channel's datagram of the plaintext at its place; b"": it is over."""
        sealed: list[bytes] = []
        for channel, plaintext in zip(channels, plaintexts, strict=True):
            assert not channel.datagrams_to_send(0.0), "something queued is overtaken"
            channel.send(plaintext, 0.0)
            sealed.append(b"".join(channel.datagrams_to_send(0.0)))
        return sealed

    def close(self, now: float) -> None:
        """Queue a goodbye; it is over."""
        if not self.is_over:
            super().close(now)
        self._end()

    def _end(self) -> None:
        self.is_up, self.is_over = False, True

    def next_timeout(self) -> float | None:
        """Give None: the client repeats."""
        return None

    def handle_timeout(self, now: float) -> list[bytes]:  # noqa: ARG002
        """Give nothing."""
        return []

    def _welcome(self) -> None:
        self._outgoing.append(seal(WELCOME, self.session, 0, self._random))


class StubListener:
    """Gives a channel to every hello. `random` gives so many bytes, for the sessions' names."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._alerted: dict[Addr, float] = {}
        self._outgoing: list[tuple[bytes, Addr]] = []

    def is_mine(self, datagram: bytes) -> bool:
        """Say by its first bytes whether a datagram is for this door."""
        return datagram[:2] == MINE

    def receive_datagram(self, datagram: bytes, addr: Addr, now: float) -> ServerEnd | None:
        """Give a new channel for a hello; tell an address of a session that is not here."""
        opened = open_sealed(datagram)
        if opened is None:
            return None
        kind, session, _, key = opened
        if kind == HELLO:
            return ServerEnd(
                self._random(8), session, key, now, lambda session, now: self._alert(addr, session, now)
            )
        if kind == TEXT and (alert := self._alert(addr, session, now)):
            self._outgoing.append((alert, addr))
        return None

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Addr]]:  # noqa: ARG002
        """Give the alerts, and forget them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _alert(self, addr: Addr, session: bytes, now: float) -> bytes | None:
        if now - self._alerted.get(addr, float("-inf")) < ALERT_SECONDS:
            return None
        self._alerted[addr] = now
        return seal(ALERT, session, 0)
