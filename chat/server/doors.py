"""The two doors of the one port: who is let in by which, and what a peer's first word makes of it.

A plain datagram has no proof of its sender, so only those are served from whose networks a forged one comes
from somebody on the premises. The native door asks for a proof of the address before it keeps anything, and
is open to everybody. Its law: what cannot be a DTLS record never gets there, and what is one is never a line.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from chat.errors import RemoteProtocolError
from chat.limits import Limits
from chat.messages import Request
from chat.safety import clean_text, is_blank
from chat.server.limits import FaultLog, is_trusted
from chat.server.peer import Addr, AnyPeer, Listener, PlainPeer, ProvenPeer
from chat.wire.lines import EXIT, is_own_voice, notice
from chat.wire.server_session import ServerSession
from chat.wire.text import NC_PROBE, RAW_LINE, TextSession

TURNED_AWAY = 1_000  # banned hosts of which we know that they were told: the oldest may be told again
_MEMBER_BYTES = 16  # of a text member's name in the hub, which nobody guesses


class Doors:
    """Makes peers and their sessions. `plain` is trusted, all or off; without a listener nobody is native.

    `idle_timeout` is in seconds, `random` gives so many bytes that nobody can guess. `limits` are for what is
    read through the native door.
    """

    def __init__(
        self,
        plain: str,
        idle_timeout: float,
        listener: Listener | None,
        faults: FaultLog,
        random: Callable[[int], bytes],
        limits: Limits,
    ) -> None:
        self._plain = plain
        self._idle_timeout = idle_timeout
        self._listener = listener
        self._faults = faults
        self._random = random
        self._told: OrderedDict[str, None] = OrderedDict()  # which banned hosts have had an answer
        self._limits = limits

    def is_native(self, datagram: bytes) -> bool:
        """Say whether the native door takes a stranger's datagram."""
        return self._listener is not None and self._listener.is_mine(datagram)

    def is_word(self, datagram: bytes, addr: Addr) -> bool:
        """Say whether something can come of a stranger's plain datagram, and count it if not.

        Before anything is made for it: rubbish comes in floods.
        """
        try:
            return bool(datagram.decode().strip())
        except UnicodeDecodeError as error:
            self._faults.note("a bad datagram", addr, f"not UTF-8 at byte {error.start}")
            return False

    def admits_plain(self, addr: Addr) -> bool:
        """Say whether a stranger's plain datagram is taken, and log why not."""
        if self.is_open_to(addr):
            return True
        closed, far = "the plain door is closed (--plain off)", "not from a trusted network (--plain trusted)"
        why = closed if self._plain == "off" else far
        self._faults.note("a plain datagram", addr, f"ignored: {why}")
        return False

    def turn_away(self, datagram: bytes, addr: Addr, why: str) -> bytes:
        """Give what a banned address is told that has sent a plain datagram: the reason, or b"".

        That is nothing for who was told already (`told`), and for what no stranger has an answer to.
        """
        if addr[1] == 0 or addr[0] in self._told or datagram == NC_PROBE or not self.is_open_to(addr):
            return b""
        try:
            line = clean_text(datagram.decode()[:RAW_LINE])
        except UnicodeDecodeError:
            return b""
        return b"" if is_blank(line) or is_own_voice(line) or line == EXIT else notice(why).encode()

    def told(self, addr: Addr) -> None:
        """Note that somebody at a banned address was told why."""
        self._told[addr[0]] = None
        if len(self._told) > TURNED_AWAY:
            self._told.popitem(last=False)

    def is_open_to(self, addr: Addr) -> bool:
        """Say whether somebody at `addr` may be a plain member."""
        return self._plain == "all" or (self._plain == "trusted" and is_trusted(addr[0]))

    def is_knock(self, peer: AnyPeer, datagram: bytes, now: float) -> bool:
        """Say whether a datagram from a known address is for the native door, as a stranger's would be.

        A plain peer may have taken another program on the same port. Until that has proved its address
        nothing becomes of the peer: whoever forges a handshake has one answer of 48 bytes sent there, and
        could as well forge a line.
        """
        if isinstance(peer, PlainPeer):
            return self.is_native(datagram)
        return peer.channel.yields_to(datagram, now)

    def knock(
        self, datagram: bytes, addr: Addr, now: float
    ) -> tuple[ProvenPeer | None, list[tuple[bytes, Addr]]]:
        """Give the peer whose address this datagram has proved (None: not yet), and what to answer."""
        if self._listener is None:
            return None, []
        channel = self._listener.receive_datagram(datagram, addr, now)
        answers = self._listener.datagrams_to_send(now)
        if channel is None:
            return None, answers
        peer = ProvenPeer(addr, channel, now)
        peer.origin = self._limits.origin(addr[0])
        return peer, answers

    def meet(self, addr: Addr, member: bytes = b"") -> PlainPeer:
        """Give the peer that a stranger at the plain door is, or `member`, who was in before a restart."""
        peer = PlainPeer(addr, TextSession(member or self._random(_MEMBER_BYTES), self._idle_timeout))
        if member:  # it says no hello
            peer.origin = self._limits.origin(addr[0])
        return peer

    def hear(self, peer: AnyPeer, plaintexts: Iterable[bytes], now: float) -> list[Request]:
        """Give what a peer asks for. What no peer may say costs the rest of its datagram, and is counted."""
        requests: list[Request] = []
        try:
            for plaintext in plaintexts:
                requests += self.listen(peer, plaintext, now).receive_datagram(plaintext, now)
        except RemoteProtocolError as fault:
            self._faults.note("a bad datagram", peer.addr, str(fault))
        return requests

    def listen(self, peer: AnyPeer, word: bytes, now: float) -> ServerSession | TextSession:
        """Give the session that hears what a peer says; behind a channel the first word decides which.

        A msgpack array of up to 15 frames begins with 0x90 to 0x9f, and no text in UTF-8 does.
        """
        if isinstance(peer, PlainPeer):
            return peer.session
        if peer.session is not None:
            return peer.session
        if b"\x90" <= word[:1] <= b"\x9f":
            peer.session = ServerSession(now, peer.key, self._limits, peer.origin)
        else:
            peer.session = TextSession(self._random(_MEMBER_BYTES), self._idle_timeout, now)
        return peer.session
