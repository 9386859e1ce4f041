"""The server's UDP socket: what Twisted's own port does, without the traps in it.

Twisted's port counts bytes where it should count datagrams (a flood of empty ones starves every timer), cuts
IPv6 scope ids off, and answers from whatever address the routing table prefers. This one reads at most 64
datagrams a turn, passes addresses on whole, and knows which address each datagram was sent to.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from twisted.internet.udp import Port
from twisted.logger import Logger

from chat.server.batch import LEAST as BATCH_LEAST
from chat.server.batch import MOST as BATCH_MOST
from chat.server.batch import Batch, find, pack_name
from chat.server.peer import Addr, ControlMessage, Peer

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall

_source_of, _name_of = attrgetter("source"), attrgetter("name")  # for loops over all of a room
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104
DATAGRAMS_A_TURN = 64  # about 3 ms of work between two looks at the timers ...
TURN_SECONDS = 0.01  # ... and of datagrams that ask for more no further one is begun after this time
# After it has written much the port rests before it reads again, 0.125 ms for each datagram written: what
# arrives meanwhile is taken in one turn, stored in one commit and written in one go, with everything warm in
# the processor's caches. Nobody sees 25 ms in a chat; with 200 members and 150 messages a second it is half
# of the CPU time. What comes after a quiet while is taken at once, and so is everything where few listen
# (handshakes, repairs, a talk between two).
REST_A_WRITE = 0.000_125
REST_MOST = 0.025
WRITES_A_TURN = 4_000  # about 20 ms: pastes to a large room end a turn before its 64 datagrams do
REST_LEAST = 0.002  # a shorter one costs more than it saves
# A rest until what was read is stored and written is longer by what that takes on a good disk. So it need not
# begin anew then, if half of a rest is left: the reactor wakes up for every timer that was set, even if that
# was cancelled.
REST_AHEAD = 1.25
REST_ENOUGH = 0.5
MAX_DATAGRAM = 65_535  # the largest there can be: Twisted cuts a longer one without a word
RECEIVE_BUFFER = 4 << 20  # the default holds 92 full datagrams; a burst of 3,000 lines needs about 3 MiB
SEND_BUFFER = 1 << 20  # room for a line to 1,000 members while the network card catches up

_SO_RCVBUFFORCE = 33  # Linux: past net.core.rmem_max, for root
_IP_PKTINFO = 8  # Linux; Python names it from 3.12 on
_IN_PKTINFO = struct.Struct("=I4s4s")  # interface, local address, address in the header (ip(7))
_IN6_PKTINFO = struct.Struct("=16sI")  # address, interface (RFC 3542, 6)
_CONTROL_SPACE = socket.CMSG_SPACE(_IN6_PKTINFO.size)


class UdpPort(Port):
    """A bound UDP socket: calls `protocol.datagramReceived(datagram, addr)`, then `protocol.turn_ended()`.

    While `datagramReceived` runs, `spoken_to` tells which local address that datagram was sent to, as bytes
    that mean something to `reply_source` (b"" where the socket is bound to one address and cannot err).
    """

    _log = Logger()

    def __init__(self, port: int, protocol: object, interface: str, reactor: Any) -> None:
        super().__init__(port, protocol, interface, MAX_DATAGRAM, reactor)
        self.spoken_to = b""
        self._written = 0  # datagrams in the turn of reading that is under way
        self._is_reading = False
        self._is_drained = True  # the last turn of reading has left nothing
        self._waking: IDelayedCall | None = None  # the end of a rest
        self._last_rest = 0.0
        self._resting_since: float | None = None  # the first rest behind the last turn of reading
        self._busy_until = 0.0  # until then what is read is followed by a rest
        self._held = False
        self._has_ill = False  # a write has failed at some time: somebody's failure may have to be ended
        self._batch: Batch | None = None  # of the socket, where the system has such a call

    # --- called by Twisted

    def startReading(self) -> None:  # noqa: N802  (Twisted calls it)
        """Read from the socket, unless the protocol is not ready yet."""
        if not self._held:
            super().startReading()

    def createInternetSocket(self) -> socket.socket:
        """Make the socket: dual-stack on `::`, with large buffers and the local address of each datagram."""
        sock: socket.socket = super().createInternetSocket()
        wildcard = self.interface in WILDCARDS
        if self.addressFamily == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not wildcard)
            if wildcard:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif wildcard and sys.platform == "linux":
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._size_receive_buffer(sock)
        call = find()
        self._batch = None if call is None else Batch(sock, call)
        return sock

    def doRead(self) -> None:
        """Take at most 64 datagrams, for 10 ms, from the socket, then let the protocol send what follows."""
        receive = self.socket.recvmsg
        self._is_reading, self._is_drained, self._resting_since = True, False, None
        clock: Any = self.reactor
        end = clock.seconds() + TURN_SECONDS
        for _ in range(DATAGRAMS_A_TURN):
            try:
                datagram, ancillary, _flags, addr = receive(MAX_DATAGRAM, _CONTROL_SPACE)
            except BlockingIOError:
                self._is_drained = True
                break
            except OSError as error:  # an ICMP error: it is about some earlier write
                self._log.debug("reading failed: {error}", error=error)
                continue
            self.spoken_to = ancillary[0][2] if ancillary else b""
            try:
                self.protocol.datagramReceived(datagram, addr)
            except Exception:  # noqa: BLE001  a bug of ours costs one datagram, not the socket
                self._log.failure(
                    "a datagram of {size} bytes from {addr} failed", size=len(datagram), addr=addr
                )
            if self._written >= WRITES_A_TURN or clock.seconds() >= end:
                break
        try:
            self.protocol.turn_ended()
        except Exception:  # noqa: BLE001  as above: Twisted would close the socket
            self._log.failure("sending failed")
        written, self._written, self._is_reading = self._written, 0, False
        self._rest(written)

    def stopListening(self) -> Deferred[None] | None:
        """Let go of the socket; the Deferred fires when that is done."""
        self._held = True
        self._end_rest()
        closed: Deferred[None] | None = super().stopListening()
        return closed

    # --- called by the protocol

    def hold(self) -> None:
        """Leave in the socket what comes, as much as its buffer takes, until `release`."""
        self._held = True
        self.stopReading()

    def release(self) -> None:
        """Read, from what has come first on."""
        self._held = False
        if self.connected:
            self.startReading()

    def send(
        self, datagrams: Sequence[bytes], peers: Sequence[Peer], now: float
    ) -> list[tuple[Peer, OSError]]:
        """Write each datagram to the peer at its place, in order and whatever becomes of the others.

        Gives those that it failed for. The one place where the server writes. Many go to the kernel at once;
        a control message costs 0.4 us and goes by itself, so only those have one who need it.
        """
        if self._is_reading:
            self._written += len(peers)
        else:
            self._rest(len(peers))
        failed: list[tuple[Peer, OSError]] = []
        if self._batch is None or len(peers) < BATCH_LEAST:
            self._send_singly(zip(datagrams, peers, strict=True), failed)
        elif any(map(_source_of, peers)):
            pairs = list(zip(datagrams, peers, strict=True))
            self._send_singly([pair for pair in pairs if pair[1].source], failed)
            plain = [pair for pair in pairs if not pair[1].source]
            self._send_together(self._batch, [pair[0] for pair in plain], [pair[1] for pair in plain], failed)
        else:
            self._send_together(self._batch, datagrams, peers, failed)
        if failed or self._has_ill:
            self._note_failures(peers, failed, now)
        return failed

    def _rest(self, written: int) -> None:
        """Do not read for as long as so many datagrams are worth, unless more wait already.

        What is read soon after a rest is followed by another one, which ends when that was stored, written,
        and rested from: else what comes meanwhile would be a commit and a write of its own. None begins later
        than `REST_MOST` behind the first: whatever is written, others are heard.
        """
        clock: Any = self.reactor
        now = clock.seconds()
        if self._resting_since is not None and now >= self._resting_since + REST_MOST:
            return
        rest = min(REST_MOST, written * REST_A_WRITE)
        if rest >= REST_LEAST:
            self._last_rest, self._busy_until = rest, now + 2 * rest
            if self._rest_left(now) >= REST_ENOUGH * rest:
                return
        elif now < self._busy_until:
            rest = REST_AHEAD * self._last_rest
        if rest < REST_LEAST or not self._is_drained or self._held:
            return
        self._end_rest()
        self.stopReading()
        self._waking = clock.callLater(rest, self.startReading)
        if self._resting_since is None:
            self._resting_since = now

    def _rest_left(self, now: float) -> float:
        waking = self._under_way()
        return 0.0 if waking is None else waking.getTime() - now

    def _end_rest(self) -> None:
        waking = self._under_way()
        if waking is not None:
            waking.cancel()

    def _under_way(self) -> IDelayedCall | None:
        """Give the end of the rest that is under way; None: none is."""
        return self._waking if self._waking is not None and self._waking.active() else None

    def _note_failures(
        self, peers: Iterable[Peer], failed: Iterable[tuple[Peer, OSError]], now: float
    ) -> None:
        """Keep since when each peer cannot be written to: a write that succeeds ends that."""
        self._has_ill = True
        ill = {peer: peer.failing_since for peer, _ in failed}
        for peer in peers:
            peer.failing_since = None
        for peer, since in ill.items():
            peer.failing_since = now if since is None else since

    def _send_singly(self, pairs: Iterable[tuple[bytes, Peer]], failed: list[tuple[Peer, OSError]]) -> None:
        """Write by the socket's own `sendto`: Twisted's `write` checks every address again (3 us)."""
        for datagram, peer in pairs:
            try:
                if peer.source:
                    self.socket.sendmsg((datagram,), peer.source, 0, peer.addr)
                else:
                    self.socket.sendto(datagram, peer.addr)
            except OSError as error:
                failed.append((peer, error))

    def _send_together(
        self,
        batch: Batch,
        datagrams: Sequence[bytes],
        peers: Sequence[Peer],
        failed: list[tuple[Peer, OSError]],
    ) -> None:
        for begin in range(0, len(peers), BATCH_MOST):
            some = peers[begin : begin + BATCH_MOST]
            names = list(map(_name_of, some))
            if not all(names):
                names = [peer.name or _name(peer) for peer in some]
            for place, error in batch.send(datagrams[begin : begin + BATCH_MOST], names):
                failed.append((some[place], error))

    def reply_source(self, addr: Addr, spoken_to: bytes) -> list[ControlMessage]:
        """Give what `send` needs so that an answer to `addr` leaves from the address that was spoken to.

        Empty where the kernel would choose that address anyway: 127.0.1.1 (a stock Debian's own name) and
        second addresses of an interface are the cases where it would not.
        """
        if not spoken_to or self.interface not in WILDCARDS:
            return []
        if self.addressFamily == socket.AF_INET6:
            packed, interface = _IN6_PKTINFO.unpack(spoken_to)
            host = socket.inet_ntop(socket.AF_INET6, packed)
            reply = (
                socket.IPPROTO_IPV6,
                socket.IPV6_PKTINFO,
                _IN6_PKTINFO.pack(packed, _link(addr, interface)),
            )
        else:
            _, packed, _ = _IN_PKTINFO.unpack(spoken_to)
            host = socket.inet_ntop(socket.AF_INET, packed)
            reply = (socket.IPPROTO_IP, _IP_PKTINFO, _IN_PKTINFO.pack(0, packed, bytes(4)))
        # what was sent to a group is answered by one of us, and no datagram may come from a group's address
        return [] if ip_address(host).is_multicast or self._default_source(addr) == host else [reply]

    def can_reach(self, addr: Addr) -> bool:
        """Say whether `addr` has the form of those that this socket reads: another one's may not."""
        return (len(addr) == 4) == (self.addressFamily == socket.AF_INET6)

    def is_own(self, addr: Addr) -> bool:
        """Say whether `addr` is this socket itself, under any address of this machine.

        A forged datagram from there would make the server talk to itself for ever.
        """
        if addr[1] != self._realPortNumber:
            return False
        with self._probe() as probe:
            try:
                probe.bind((addr[0], 0, *addr[2:]))
            except OSError:
                return False
        return True

    # --- inside

    def _probe(self) -> socket.socket:
        probe = socket.socket(self.addressFamily, socket.SOCK_DGRAM)
        if self.addressFamily == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, self.interface not in WILDCARDS)
        return probe

    def _default_source(self, addr: Addr) -> str:
        with self._probe() as probe:
            try:
                probe.connect(addr)  # sends nothing: asks the routing table
            except OSError:
                return ""
            source: Any = probe.getsockname()[0]
            return str(source)

    def _size_receive_buffer(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        granted = (
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        )  # Linux doubles it for its own use
        if granted >= RECEIVE_BUFFER:
            self._log.info("receive buffer: {granted} bytes", granted=granted)
        else:
            self._log.warn(
                "receive buffer: {granted} bytes of the {asked} asked for; raise net.core.rmem_max",
                granted=granted,
                asked=RECEIVE_BUFFER,
            )


def _name(peer: Peer) -> bytes:
    peer.name = pack_name(peer.addr)
    return peer.name


def _link(addr: Addr, interface: int) -> int:
    """Give the interface to answer on: a link-local peer is bound to one, others go where routes lead."""
    return interface if len(addr) == 4 and addr[3] else 0
