"""The server's address book: every peer by its address, by the member that it speaks for, and by room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from chat.server.peer import Addr, AnyPeer, NativePeer, PlainPeer

MAX_PEERS = 20_000  # sessions of any state, about 1 KiB each
MAX_DORMANT = 10_000  # of them those that are out but may come back within a day


class Crowd:
    """The peers behind `members` of one room, sorted by what each of them is sent."""

    __slots__ = ("members", "native", "plain")

    def __init__(self, room: str, members: tuple[bytes, ...], peers: Mapping[bytes, AnyPeer]) -> None:
        groups: dict[tuple[bytes, bool], list[PlainPeer]] = {}
        self.members = members
        self.native: dict[NativePeer, None] = {}
        for member in members:
            peer = peers.get(member)  # a member outlives its session: it may have none now
            if isinstance(peer, PlainPeer):
                session = peer.session
                groups.setdefault((session.line_end, session.room != room), []).append(peer)
            elif peer is not None:
                self.native[peer] = None
        # How their lines end, whether the room's name stands before them, and who they are.
        self.plain = [(line_end, is_marked, alike) for (line_end, is_marked), alike in groups.items()]


class Book:
    """Who is known. `peers` and `members` are there to be read; the methods change them."""

    def __init__(self) -> None:
        self.peers: dict[Addr, AnyPeer] = {}
        self.members: dict[bytes, AnyPeer] = {}  # those that the hub may name, by client id
        self._dormant: OrderedDict[PlainPeer, None] = OrderedDict()  # the longest silent first
        self._crowds: dict[str, Crowd] = {}  # as many and as large as the rosters of the hub's rooms

    def is_full(self) -> bool:
        """Say whether no peer more can be known."""
        return len(self.peers) >= MAX_PEERS

    def add(self, peer: AnyPeer) -> None:
        """Know a peer from now on."""
        self.peers[peer.addr] = peer

    def forget(self, peer: AnyPeer) -> None:
        """Know a peer no more. Its member, if it has one, is without a session then."""
        if self.peers.get(peer.addr) is peer:
            del self.peers[peer.addr]
        self._leave_seat(peer)
        if isinstance(peer, PlainPeer):
            self._dormant.pop(peer, None)

    def seat(self, client: bytes, peer: AnyPeer) -> AnyPeer | None:
        """Let what `client` is told go to `peer`; give the one whose place it takes."""
        seated = self.members.get(client)
        if seated is peer:
            return None
        self._leave_seat(peer)  # refused, it may come in under another id
        self.members[client] = peer
        peer.seat = client
        self._crowds.clear()
        return seated

    def unseat(self, client: bytes) -> None:
        """Let nobody be told what `client` is told."""
        if self.members.pop(client, None) is not None:
            self._crowds.clear()

    def fall_dormant(self, peer: PlainPeer) -> PlainPeer | None:
        """Note that a peer is out and may come back; give the longest silent one if too many are."""
        self._dormant[peer] = None
        return next(iter(self._dormant)) if len(self._dormant) > MAX_DORMANT else None

    def wake(self, peer: PlainPeer) -> None:
        """Note that a peer which may have been dormant has spoken."""
        self._dormant.pop(peer, None)

    def note_form(self, peer: PlainPeer) -> None:
        """See whether lines go to this peer in another form from now on."""
        form = peer.session.line_end, peer.session.room
        if peer.form != form:
            peer.form = form
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

    def _leave_seat(self, peer: AnyPeer) -> None:
        if peer.seat is not None and self.members.get(peer.seat) is peer:
            self.unseat(peer.seat)
