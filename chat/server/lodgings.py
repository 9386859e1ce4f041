"""Plain members who outlive their server: where each speaks from is remembered, and they are taken back.

A program of a few lines says its nick once and then only listens: it cannot notice that its server was
killed. So what the server knows of it is remembered beside what the hub knows (its seat), and both are taken
back together. Its law: it does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from chat.hub.hub import Hub
from chat.hub.notebook import Notebook
from chat.memos import Lodging, Memo, Memos, Seat
from chat.messages import Request
from chat.server.book import Book
from chat.server.doors import Doors
from chat.server.errands import Found
from chat.server.peer import Addr, PlainPeer
from chat.server.port import UdpPort
from chat.store.interface import begin_run
from chat.wire.visit import State

REFRESH = 0.1  # of the idle timeout: whoever talks costs a write each three minutes, not one a line
STEP_SECONDS = 10.0  # of the wall clock against ours: it was set, or the machine has slept


class _Kept(NamedTuple):
    """What is remembered of a member, and when it was heard by the clock of now."""

    lodging: Lodging
    heard: float

    def still_says(self, habits: tuple[bytes, bytes, str, str, tuple[str, ...]], heard: float) -> bool:
        """Say whether it is what would be remembered now, of somebody heard not much later than `heard`."""
        lodging = self.lodging
        return self.heard > heard and habits == (
            lodging.spoken_to,
            lodging.line_end,
            lodging.asked,
            lodging.room,
            lodging.ignored,
        )


class Lodgings:
    """Where plain members speak from. `idle_timeout` is in seconds, `wall` gives seconds since 1970."""

    def __init__(self, book: Book, doors: Doors, idle_timeout: float, wall: Callable[[], float]) -> None:
        self._book = book
        self._doors = doors
        self._idle_timeout = idle_timeout
        self._wall = wall
        self._notebook = Notebook()
        self._ahead: float | None = None  # how far the wall clock is ahead of ours
        self._kept: dict[bytes, _Kept] = {}  # by member: of the hub's those that are plain

    # --- what is to be remembered

    def note(self, peer: PlainPeer, now: float) -> None:
        """See whether something is to be remembered now that `peer` has spoken, or was answered."""
        session = peer.session
        if session.state is not State.MEMBER:
            self.forget(session.member)
            return
        line_end, asked, room, ignored = session.habits
        kept = self._kept.get(session.member)
        habits = peer.spoken_to, line_end, asked, room, ignored
        if kept is not None and kept.still_says(habits, session.heard - REFRESH * self._idle_timeout):
            return
        host, *numbers = peer.addr
        at = int(self._wall() - now + session.heard)
        lodging = Lodging(host, tuple(numbers), peer.spoken_to, line_end, asked, room, at, ignored)
        self._keep(session.member, lodging, session.heard)

    def forget(self, member: bytes) -> None:
        """Remember nothing any more of a member that is out."""
        if self._kept.pop(member, None) is not None:
            self._notebook.strike(member, Lodging)

    def tick(self, hub: Hub, now: float) -> None:
        """See, once a second or so, whether the wall clock was set: then all is dated anew, by `hub`, too."""
        ahead = self._wall() - now
        if self._ahead is not None and abs(ahead - self._ahead) < STEP_SECONDS:
            return
        if self._ahead is not None:
            hub.set_clock(now, now + ahead)
        self._ahead = ahead
        for member, (lodging, heard) in list(self._kept.items()):
            self._keep(member, replace(lodging, heard=int(heard + ahead)), heard)

    def memos_to_keep(self) -> dict[str, Memo | None]:
        """Give what is to be remembered and has changed since this was last asked, by its key."""
        return self._notebook.take()

    # --- after a restart

    def take_back(
        self, found: Found, hub: Hub, port: UdpPort, now: float
    ) -> list[tuple[PlainPeer, list[Request]]]:
        """Let `hub` have back who was in, and give the peers of those that are plain, in their seats.

        With each comes what it still has to ask. Silence counts while no server ran.
        """
        memos, at = found.memos, self._wall()
        self._ahead = at - now
        good = self._still_good(memos, port, at)
        hub.recall(replace(memos, seats=self._seats(memos, good)), now, at)
        there = set(hub.everybody())
        # Above those of all its texts: each that was stored has had a position, and they began below these.
        # No clock has a say in it: after one that was set back texts would have the numbers of earlier ones.
        number = begin_run(0.0, found.newest)
        peers: list[tuple[PlainPeer, list[Request]]] = []
        for member, lodging in memos.lodgings.items():
            if member not in good or member not in there:
                self._notebook.strike(member, Lodging)
                continue
            peer = self._seat_again(member, lodging, port)
            heard = now - max(0.0, at - lodging.heard)
            peers.append((peer, peer.session.resume(memos.seats[member], lodging, heard, number)))
        return peers

    def _seats(self, memos: Memos, good: set[bytes]) -> dict[bytes, Seat]:
        """Give the seats that somebody may have again; nobody has the others any more."""
        seats = dict(memos.seats)
        for member, seat in memos.seats.items():
            if seat.is_plain and member not in good:
                del seats[member]
                self._notebook.strike(member, Seat)
        return seats

    def _still_good(self, memos: Memos, port: UdpPort, at: float) -> set[bytes]:
        """Give the plain members that are in. Who was heard in the future was heard now.

        The doors may be others than they were. Of two at one address it is the one that was heard last.
        """
        by_addr: dict[Addr, bytes] = {}
        for member, lodging in sorted(memos.lodgings.items(), key=lambda item: item[1].heard):
            seat, addr = memos.seats.get(member), lodging.addr
            if seat is None or not seat.is_plain or at - lodging.heard >= self._idle_timeout:
                continue
            if self._doors.is_open_to(addr) and port.can_reach(addr) and not port.is_own(addr):
                by_addr[addr] = member
        return set(by_addr.values())

    def _seat_again(self, member: bytes, lodging: Lodging, port: UdpPort) -> PlainPeer:
        peer = self._doors.meet(lodging.addr, member)
        peer.spoken_to = lodging.spoken_to
        peer.source = port.reply_source(peer.addr, peer.spoken_to)
        self._book.add(peer)
        self._book.seat(member, peer)
        self._book.lodge(member)
        return peer

    def _keep(self, member: bytes, lodging: Lodging, heard: float) -> None:
        self._kept[member] = _Kept(lodging, heard)
        self._notebook.write(member, lodging)
