"""The server's address book: every peer by its address, by the member that it speaks for, and by room."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import TypeVar

from chat.messages import is_direct
from chat.server.peer import Addr, AnyPeer, PlainPeer, ProvenPeer
from chat.wire.server_session import ServerSession
from chat.wire.text import TextSession

MAX_PEERS = 20_000  # sessions of any state, about 1 KiB each without a channel
# Channels beyond those of members: who is coming in. 6 KiB each, 78 until it has spoken.
ENTERING = 1_000
MAX_DORMANT = 10_000  # of them those that are out but may come back within a day


_Text = TypeVar("_Text", PlainPeer, ProvenPeer)
# How their lines end, whether the room's name stands before them, whether each has to be asked if it wants to
# be told (it ignores somebody, or the room is its own), and who they are.
Alike = tuple[bytes, bool, bool, list[_Text]]


class Crowd:
    """The peers behind `members` of one room, sorted by what each of them is sent.

    Lines go to those in `plain` and in `sealed`, frames to those in `native`.
    """

    __slots__ = ("members", "native", "plain", "sealed")

    def __init__(self, room: str, members: tuple[bytes, ...], peers: Mapping[bytes, AnyPeer]) -> None:
        plain: list[tuple[TextSession, PlainPeer]] = []
        sealed: list[tuple[TextSession, ProvenPeer]] = []
        self.members = members
        self.native: dict[ProvenPeer, None] = {}
        for member in members:
            peer = peers.get(member)  # a member outlives its session: it may have none now
            if isinstance(peer, PlainPeer):
                plain.append((peer.session, peer))
            elif peer is not None:
                session = peer.session
                if isinstance(session, TextSession):
                    sealed.append((session, peer))
                elif session is not None:
                    self.native[peer] = None
        self.plain = _alike(room, plain)
        self.sealed = _alike(room, sealed)


def _alike(room: str, peers: list[tuple[TextSession, _Text]]) -> list[Alike[_Text]]:
    groups: dict[tuple[bytes, bool, bool], list[_Text]] = {}
    for session, peer in peers:
        is_asked = bool(session.ignored) or is_direct(room)
        groups.setdefault((session.line_end, session.room != room, is_asked), []).append(peer)
    return [(end, is_marked, is_asked, alike) for (end, is_marked, is_asked), alike in groups.items()]


class Book:
    """Who is known. `peers` and `members` are there to be read; the methods change them."""

    def __init__(self, max_members: int) -> None:
        self.max_channels = max_members + ENTERING
        self.peers: dict[Addr, AnyPeer] = {}
        self._channels = 0  # of the peers
        self.members: dict[bytes, AnyPeer] = {}  # those that the hub may name
        self.plain_seats = 0  # how many of them speak in the clear
        self._homes: dict[bytes, str] = {}  # the host that each member has come in from last
        self._lodged: Counter[str] = Counter()  # how many each host has
        self._dormant: OrderedDict[PlainPeer, None] = OrderedDict()  # the longest silent first
        self._crowds: dict[str, Crowd] = {}  # as many and as large as the rosters of the hub's rooms

    def is_full(self) -> bool:
        """Say whether no peer more can be known."""
        return len(self.peers) >= MAX_PEERS

    def has_all_channels(self) -> bool:
        """Say whether no peer more with a channel can be known."""
        return self._channels >= self.max_channels

    def add(self, peer: AnyPeer) -> None:
        """Know a peer from now on; nobody is known at its address."""
        self.peers[peer.addr] = peer
        self._channels += isinstance(peer, ProvenPeer)

    def forget(self, peer: AnyPeer) -> None:
        """Know a peer no more. Its member, if it has one, is without a session then."""
        if self.peers.get(peer.addr) is peer:
            del self.peers[peer.addr]
            self._channels -= isinstance(peer, ProvenPeer)
        self._leave_seat(peer)
        if isinstance(peer, PlainPeer):
            self._dormant.pop(peer, None)

    def seat(self, member: bytes, peer: AnyPeer) -> AnyPeer | None:
        """Let what `member` is told go to `peer`; give the one whose place it takes."""
        seated = self.members.get(member)
        if seated is peer:
            return None
        self._leave_seat(peer)
        if seated is not None:
            self.unseat(member)
        self.plain_seats += isinstance(peer, PlainPeer)
        self.members[member] = peer
        peer.seat = member
        self._crowds.clear()
        return seated

    def unseat(self, member: bytes) -> AnyPeer | None:
        """Let nobody be told what `member` is told; give the one that was."""
        peer = self.members.pop(member, None)
        if peer is not None:
            peer.seat = None
            self.plain_seats -= isinstance(peer, PlainPeer)
            self._crowds.clear()
        return peer

    def give_back(self, member: bytes, seated: AnyPeer | None) -> None:
        """Let all be as it was before `seat`, which gave `seated`: the hub has not let the newer peer in."""
        self.unseat(member)
        if seated is not None:
            self.seat(member, seated)

    def lodge(self, member: bytes) -> None:
        """Count a member for the host of its peer until it leaves, whether it has a session or not."""
        host = self.members[member].addr[0]
        if self._homes.get(member) != host:
            self._move_out(member)
            self._homes[member] = host
            self._lodged[host] += 1

    def leave(self, member: bytes) -> AnyPeer | None:
        """Know a member no more; give the peer that it had."""
        self._move_out(member)
        return self.unseat(member)

    def is_native(self, member: bytes) -> bool:
        """Say whether a member speaks frames now."""
        peer = self.members.get(member)
        return peer is not None and isinstance(peer.session, ServerSession)

    def host(self, member: bytes) -> str:
        """Give the numeric address from which a member speaks now; "": from none."""
        peer = self.members.get(member)
        return "" if peer is None else peer.addr[0]

    def is_at(self, member: bytes, host: str) -> bool:
        """Say whether a member has come in from this host last."""
        return self._homes.get(member) == host

    def lodged_at(self, host: str) -> int:
        """Say how many members have come in from this host last."""
        return self._lodged[host]

    def fall_dormant(self, peer: PlainPeer) -> PlainPeer | None:
        """Note that a peer is out and may come back; give the longest silent one if too many are."""
        self._dormant[peer] = None
        return next(iter(self._dormant)) if len(self._dormant) > MAX_DORMANT else None

    def wake(self, peer: PlainPeer) -> None:
        """Note that a peer which may have been dormant has spoken."""
        self._dormant.pop(peer, None)

    def note_form(self, peer: AnyPeer) -> None:
        """See whether lines go to this peer in another form from now on."""
        session = peer.session
        if not isinstance(session, TextSession):
            return
        form = session.line_end, session.room, bool(session.ignored)
        if peer.form != form:
            peer.form = form
            if peer.seat is not None:  # else it is in no crowd
                self._crowds.clear()

    def crowd(self, room: str, members: tuple[bytes, ...]) -> Crowd:
        """Give the peers of `members`: made once and used until one of them comes, goes or changes its form.

        The hub makes a new tuple whenever a room's roster changes, and then only.
        """
        crowd = self._crowds.get(room)
        if crowd is None or crowd.members is not members:
            crowd = Crowd(room, members, self.members)
            if members:
                self._crowds[room] = crowd
            else:
                self._crowds.pop(room, None)
        return crowd

    def _move_out(self, member: bytes) -> None:
        host = self._homes.pop(member, None)
        if host is not None:
            self._lodged[host] -= 1
            if not self._lodged[host]:
                del self._lodged[host]

    def _leave_seat(self, peer: AnyPeer) -> None:
        if peer.seat is not None:
            self.unseat(peer.seat)
