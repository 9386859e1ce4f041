"""What one turn has to send: rendered and encoded once for everybody, in the order in which it came up.

A plain peer's lines stand here as datagrams, in their place among what others are told; texts of one room
that come up one behind the other share one, for a peer that ends its own lines. What a room is told leaves
for all who have a channel together, at most every 20 ms: what came meanwhile shares datagrams, and one timer
serves them all. Until then a sealed peer's lines wait at the peer, and frames here, once for a room: all who
are sent nothing else share the packing, and are sealed for in one loop. An answer does not wait. It comes
behind what its peer was told before, and takes that along: `catch_up` puts it into the peer's session.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from operator import not_
from typing import TypeVar

from chat.messages import Broadcast, Entry, is_direct
from chat.notices import Redacted
from chat.safety import nick_key
from chat.server.book import Crowd
from chat.server.peer import AnyPeer, Peer, PlainPeer, ProvenPeer
from chat.server.port import WRITES_A_TURN
from chat.wire.frames import encode_frame, pack
from chat.wire.lines import LINES_BYTES, mark, render
from chat.wire.pacing import COALESCE_SECONDS
from chat.wire.server_session import ServerSession
from chat.wire.tails import Tails
from chat.wire.text import TextSession

_Text = TypeVar("_Text", PlainPeer, ProvenPeer)


class _Frames:
    """What the native peers of a room were told and were not sent yet, and how much of it sessions have."""

    __slots__ = ("all", "passed")

    def __init__(self) -> None:
        self.all: list[bytes] = []
        self.passed: dict[ProvenPeer, int] = {}

    def pass_to(self, peer: ProvenPeer) -> None:
        """Let the session of `peer` have what it lacks."""
        peer.tell(self.all[self.passed.get(peer, 0) :])
        self.passed[peer] = len(self.all)


class Outbox:
    """The datagrams to write, the channels to look after, and the entries that are said again.

    `queued` counts what will be written, once for each peer: who reads from the socket stops to write when it
    is large.
    """

    def __init__(self) -> None:
        self.queued = 0
        self._datagrams: list[bytes] = []
        self._peers: list[Peer] = []  # whom each of them goes to
        self._proven: dict[ProvenPeer, None] = {}
        self._frames: defaultdict[Crowd, _Frames] = defaultdict(_Frames)
        self._told: dict[ProvenPeer, None] = {}  # whose lines, or session, hold what rooms were told
        self._rooms_at = 0.0  # from when on that may leave
        self._tails = Tails()
        # Of the last crowd that was told: by group, where its newest datagrams begin, and what is in each.
        self._crowd: Crowd | None = None
        self._shared: dict[int, tuple[int, bytes]] = {}

    def put(self, datagrams: Collection[bytes], peer: Peer) -> None:
        """Queue datagrams for one peer."""
        if not datagrams:
            return
        self._crowd = None  # what its room is told next comes behind
        self._datagrams += datagrams
        self._peers += [peer] * len(datagrams)
        self.queued += len(datagrams)

    def look_after(self, peer: ProvenPeer) -> None:
        """Note that the session of `peer`, or its channel, may have something to send."""
        self._proven[peer] = None

    def tell_text(self, crowd: Crowd, message: Broadcast, silent: AnyPeer | None) -> None:
        """Give the line that tells of `message` to all of its room who speak text, but to `silent`.

        What somebody says to themselves alone they are told all the same: no room shows that it is out.
        """
        line = render(message) if crowd.plain or crowd.sealed else b""
        if not line:
            return
        if is_direct(message.room):
            silent = None
        if crowd is not self._crowd:
            self._crowd, self._shared = crowd, {}
        for number, (line_end, is_marked, is_asked, peers) in enumerate(crowd.plain):
            told = peers if silent is None else [peer for peer in peers if peer is not silent]
            told = _takers(told, message) if is_asked else told
            datagram = (mark(line, message.room) if is_marked else line) + line_end
            if line_end and len(told) == len(peers) and isinstance(message, Entry):
                self._share(number, datagram, told)
            else:
                self._shared.pop(number, None)
                self._tell_plain(datagram, told)
        for line_end, is_marked, is_asked, proven in crowd.sealed:
            plaintext = (mark(line, message.room) if is_marked else line) + line_end
            for peer in _takers(proven, message) if is_asked else proven:
                if peer is not silent:
                    peer.lines.append(plaintext)
                    self._told[peer] = None
            self.queued += len(proven)

    def _share(self, number: int, line: bytes, peers: list[PlainPeer]) -> None:
        """Give a line to a whole group, in the datagram with the last one if there is room."""
        begin, lines = self._shared.get(number, (0, b""))
        if lines and len(lines) + len(line) <= LINES_BYTES:
            self._datagrams[begin : begin + len(peers)] = [lines + line] * len(peers)
            self._shared[number] = begin, lines + line
        else:
            self._shared[number] = len(self._datagrams), line
            self._tell_plain(line, peers)

    def _tell_plain(self, datagram: bytes, peers: list[PlainPeer]) -> None:
        self._datagrams += [datagram] * len(peers)
        self._peers += peers
        self.queued += len(peers)

    def tell_native(self, crowd: Crowd, message: Broadcast, now: float) -> None:
        """Give the frame that tells of `message` to all native peers of its room. An entry is its tail."""
        if isinstance(message, Redacted):
            self._tails.forget(message.room)  # its last entry may be that one, as it was
        if not crowd.native:
            return
        frame = encode_frame(message)
        self._frames[crowd].all.append(frame)
        self.queued += len(crowd.native)
        if isinstance(message, Entry):
            self._tails.entry(message.room, frame, crowd.members, now)

    def catch_up(self, peer: AnyPeer) -> None:
        """Put what a native peer was told into its session: an answer follows."""
        if not isinstance(peer, ProvenPeer):
            return
        for crowd, frames in self._frames.items():
            if peer in crowd.native:
                frames.pass_to(peer)
                self._told[peer] = None

    def next_tail(self) -> float | None:
        """Give the time at which `repeat_tails` has something to do."""
        return self._tails.next_timeout()

    def repeat_tails(self, peers: Mapping[bytes, AnyPeer], now: float) -> None:
        """Say the last entries of quiet rooms again. As text each entry goes out once, come what may."""
        for frame, members, only_recent_fetchers in self._tails.due(now):
            for member in members:
                peer = peers.get(member)
                if not isinstance(peer, ProvenPeer) or not isinstance(peer.session, ServerSession):
                    continue
                if not only_recent_fetchers or peer.session.has_fetched(now):
                    peer.session.tell((frame,))
                    self._told[peer] = None

    def next_proven(self) -> ProvenPeer | None:
        """Give one of the peers to look after, and forget it; None: there is none."""
        if not self._proven:
            return None
        return self._proven.popitem()[0]

    def next_rooms(self) -> float | None:
        """Give the time at which `send_rooms` has something to do."""
        return self._rooms_at if self._told or self._frames else None

    def hurry(self) -> None:
        """Let what rooms were told leave with the next `send_rooms`: what follows is a goodbye."""
        self._rooms_at = 0.0

    def send_rooms(self, now: float) -> None:
        """Queue what rooms were told, for those who have a channel.

        If it is time, or if that has become much: it shall be written before the turn goes on.
        """
        if self.next_rooms() is None or (now < self._rooms_at and self.queued < WRITES_A_TURN):
            return
        self._rooms_at = now + COALESCE_SECONDS
        rooms, self._frames = self._frames, defaultdict(_Frames)
        apart = {*_in_several(rooms), *self._told, *self._proven}
        plaintexts: list[bytes] = []
        peers: list[ProvenPeer] = []
        for crowd, frames in rooms.items():
            alike = self._alike(crowd, frames, apart)
            for plaintext in pack(frames.all) if alike else ():
                plaintexts += [plaintext] * len(alike)
                peers += alike
        told, self._told = self._told, {}
        for peer in told:
            if peer not in self._proven and peer.seat is not None:  # it has an answer, too, or has left
                taken = peer.take(now)
                plaintexts += taken
                peers += [peer] * len(taken)
        self._seal(plaintexts, peers, now)

    def _alike(self, crowd: Crowd, frames: _Frames, apart: set[ProvenPeer]) -> list[ProvenPeer]:
        """Give those who are sent what their room was told and nothing else; no session is asked.

        The sessions of all others, who are `apart` or are waiting, have it then, behind what they had.
        """
        alike: list[ProvenPeer] = []
        for peer in crowd.native:
            if peer.is_waiting or peer in apart:
                frames.pass_to(peer)
                self._told[peer] = None
            elif peer.seat is not None:  # else its member has left
                alike.append(peer)
        return alike

    def _seal(self, plaintexts: Sequence[bytes], peers: Sequence[ProvenPeer], now: float) -> None:
        """Queue what is said to the peer at its place, in the order of each."""
        if not peers:
            return
        channels = [peer.channel for peer in peers]
        sealed = channels[0].seal_each(channels, plaintexts)
        self._datagrams += filter(None, sealed)
        self._peers += compress(peers, sealed)
        if not all(sealed):
            for peer, plaintext in compress(zip(peers, plaintexts, strict=True), map(not_, sealed)):
                peer.channel.send(plaintext, now)
                self._proven[peer] = None

    def take(self) -> tuple[list[bytes], list[Peer]]:
        """Give the datagrams in their order and, at the same places, whom they go to; and forget them."""
        taken = self._datagrams, self._peers
        self._crowd = None
        self._datagrams, self._peers = [], []
        self.queued = 0
        return taken


def _in_several(crowds: Collection[Crowd]) -> set[ProvenPeer]:
    """Give the native peers that are in more than one of them."""
    seen: set[ProvenPeer] = set()
    several: set[ProvenPeer] = set()
    for crowd in crowds if len(crowds) > 1 else ():
        several |= crowd.native.keys() & seen
        seen |= crowd.native.keys()
    return several


def _takers(peers: list[_Text], message: Broadcast) -> list[_Text]:
    """Give those of `peers` who want to be told, when each of them has to be asked."""
    key = nick_key(message.nick) if isinstance(message, Entry) else ""
    return [
        peer for peer in peers if isinstance(peer.session, TextSession) and peer.session.takes(message, key)
    ]
