"""The server: one socket, a session for each peer, the hub behind them and the store behind the hub.

It carries values between layers that know nothing of each other: datagrams to sessions, requests to the hub,
effects to the store and to sessions, and once a turn everything that is to be sent to the socket. It holds
the clock and reads it once an event.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chat.errors import RemoteProtocolError, StoreError
from chat.hub.effects import Commit, Drop, Effect, Publish, Send
from chat.hub.hub import Hub
from chat.messages import AppendResult, Broadcast, Bye, Change, Entry, Fact, Kind, Request
from chat.server.limits import AnswerLimit, FaultLog, is_trusted
from chat.server.peer import Addr, Peer, show_addr
from chat.server.port import WRITES_A_TURN, UdpPort
from chat.store.interface import Store
from chat.wire.text import GOING_DOWN, State, TextSession, render

IDLE_SECONDS = 1_800.0  # nc says nothing when it ends: after half an hour a silent peer is taken for gone
TICK_SECONDS = 1.0  # how late a time-out may be
MAX_PEERS = 20_000  # sessions of any state, about 1 KiB each
MAX_DORMANT = 10_000  # of them those that are out but may come back within a day
UNREACHABLE_SECONDS = (
    60.0  # of nothing but failed writes; a shorter time would let a flapping link empty a room
)

# A write that fails so can never succeed: the address is wrong, forbidden or of another family. All other
# errors are loss: the queue or the network is what failed, not the peer.
_HOPELESS = frozenset({errno.EINVAL, errno.EACCES, errno.EAFNOSUPPORT, socket.EAI_ADDRFAMILY})


@dataclass(frozen=True)
class Settings:
    """What the operator chose. `plain` is trusted, all or off; `idle_timeout` is in seconds."""

    plain: str = "trusted"
    echo: bool = True
    log_text: bool = True
    idle_timeout: float = IDLE_SECONDS


_Crowd = tuple[tuple[bytes, ...], list[tuple[bytes, list[Peer]]]]
_NOBODY: _Crowd = ((), [])


class ChatServer(DatagramProtocol):
    """The chat service on a `UdpPort`.

    `clock` runs its timer, `now` gives monotonic seconds, `random` so many bytes that nobody can guess.
    """

    noisy = False
    transport: UdpPort

    def __init__(
        self,
        hub: Hub,
        store: Store,
        settings: Settings,
        clock: IReactorTime,
        now: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._log = Logger()
        self._hub = hub
        self._store = store
        self._settings = settings
        self._now = now
        self._random = random
        self._faults = FaultLog(self._log, now)
        self._answers = AnswerLimit()
        self._peers: dict[Addr, Peer] = {}
        self._members: dict[bytes, Peer] = {}  # the peers that the hub may name, by their client id
        self._verdicts: deque[Callable[[], list[Effect]]] = deque()  # of the store, for the hub, in order
        self._busy = False
        self._closed = False
        self._outbox: list[tuple[bytes, list[Peer]]] = []
        self._queued = 0  # datagrams in the outbox, counted once for each peer
        self._crowd = _NOBODY  # the members of the last Publish, and their peers by the line end they want
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = clock

    # --- called by Twisted and by the port

    def startProtocol(self) -> None:
        """Begin: listen to the store, then serve."""
        self._store.heads().addCallback(
            lambda heads: self._store.subscribe(
                self._stored, max((head for _, head in heads.values()), default=0)
            )
        ).addErrback(self._broken, "subscribing to the store failed")
        self._start_ticking()

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Take one datagram: the beginning of every message's way."""
        now = self._now()
        peer = self._peers.get(addr) or self._admit(addr)
        if peer is None:
            return
        session = peer.session
        line_end = session.line_end
        requests: list[Request] = []
        try:
            requests = session.receive_datagram(datagram, now)
        except RemoteProtocolError as fault:
            self._faults.note("a bad datagram", addr, str(fault))
        if session.line_end != line_end:
            self._crowd = _NOBODY
        spoken_to = self.transport.spoken_to
        if requests and peer.spoken_to != spoken_to:  # asks the kernel: not for what will not be answered
            peer.spoken_to, peer.source = spoken_to, self.transport.reply_source(addr, spoken_to)
        self._carry_out(peer, requests, now)
        if self._queued >= WRITES_A_TURN:
            self._flush()

    def turn_ended(self) -> None:
        """Send what this turn's datagrams called for."""
        self._flush()

    def stopProtocol(self) -> None:
        """Send nothing more: the port is closed, whatever a store still answers."""
        self._closed = True

    def shut_down(self) -> Deferred[None]:
        """Tell everybody that the server goes, stop the timer and close the store."""
        now = self._now()
        for member in self._hub.everybody():
            self._perform(Send(member, Bye(GOING_DOWN)), now)
        self._flush()
        if self._ticks.running:
            self._ticks.stop()
        return self._store.close()

    def _start_ticking(self) -> None:
        self._ticks.start(TICK_SECONDS, now=False).addErrback(self._tick_failed)

    def _tick_failed(self, failure: Failure) -> None:
        self._broken(failure, "a bug in what the timer does")
        self._start_ticking()  # it must not end every time-out there will be

    # --- peers

    def _admit(self, addr: Addr) -> Peer | None:
        if self._settings.plain == "off":
            self._faults.note("a plain datagram", addr, "ignored: the plain door is closed (--plain off)")
        elif self._settings.plain == "trusted" and not is_trusted(addr[0]):
            self._faults.note(
                "a plain datagram", addr, "ignored: not from a trusted network (--plain trusted)"
            )
        elif addr[1] == 0 or self.transport.is_own(addr):
            self._faults.note("a datagram that nobody can have sent", addr)
        elif len(self._peers) >= MAX_PEERS:
            self._faults.note("a datagram", addr, f"ignored: {MAX_PEERS} addresses are known already")
        else:
            peer = Peer(addr, TextSession(self._random(16), self._settings.idle_timeout))
            self._peers[addr] = peer
            return peer
        return None

    def _collect(self, peer: Peer, now: float) -> None:
        """Take what the session wants to send; forget the peer if it is still, or again, a stranger."""
        session = peer.session
        datagrams = session.datagrams_to_send(now)
        if session.next_timeout() is None:
            self._peers.pop(peer.addr, None)
            if self._members.pop(session.client, None) is not None:
                self._crowd = _NOBODY
            if datagrams and not self._answers.allow(peer.addr, now):
                return
        self._outbox += [(datagram, [peer]) for datagram in datagrams]
        self._queued += len(datagrams)

    def _tick(self) -> None:
        now = self._now()
        dormant = []
        for peer in list(self._peers.values()):
            deadline = peer.session.next_timeout()
            if deadline is not None and deadline <= now:
                self._carry_out(peer, peer.session.handle_timeout(now), now)
            if peer.session.state is State.DORMANT:
                dormant.append((peer.session.next_timeout() or now, peer.addr))
        for _, addr in sorted(dormant)[: max(0, len(dormant) - MAX_DORMANT)]:
            del self._peers[addr]
        self._flush()

    # --- requests, effects and the store

    def _carry_out(self, peer: Peer, requests: list[Request], now: float) -> None:
        client = peer.session.client
        if requests:
            self._members[client] = peer
        for request in requests:
            self._advance(self._hub.apply(client, request), now)
        self._collect(peer, now)

    def _advance(self, effects: list[Effect], now: float) -> None:
        """Perform effects, and what follows from the store's answers to them. Never entered twice.

        A store calls back whenever it likes: at once, inside `append` (memory), or in a later turn (a disk).
        Either way its answer waits here, so that the hub finishes one thing before it hears of the next.
        """
        self._busy = True
        try:
            for effect in effects:
                self._perform(effect, now)
            while self._verdicts:
                for effect in self._verdicts.popleft()():
                    self._perform(effect, now)
        finally:
            self._busy = False

    def _perform(self, effect: Effect, now: float) -> None:
        match effect:
            case Send():
                peer = self._members.get(effect.member)
                if peer is not None:
                    peer.session.send(effect.message, now)
                    self._collect(peer, now)
            case Publish():
                self._publish(effect)
            case Commit():
                self._store.append(effect.draft, effect.last).addCallbacks(
                    self._appended, self._not_appended, (effect.token,), {}, (effect.token,), {}
                ).addErrback(self._broken, "the store's answer could not be taken")
            case Drop():
                self._members.pop(effect.member, None)
                self._log.info("{nick} left: {reason}", event="left", nick=effect.nick, reason=effect.reason)
            case _:
                assert_never(effect)

    def _stored(self, fact: Fact) -> None:
        self._verdict(partial(self._hub.committed, fact))

    def _appended(self, result: AppendResult, token: bytes) -> None:
        self._verdict(partial(self._hub.appended, token, result))

    def _not_appended(self, failure: Failure, token: bytes) -> None:
        if not failure.check(StoreError):
            self._log.failure("the store failed in a way it should not", failure)
        else:
            self._faults.note("a failure of the store", None, failure.getErrorMessage())
        self._verdict(partial(self._hub.failed, token))

    def _verdict(self, verdict: Callable[[], list[Effect]]) -> None:
        self._verdicts.append(verdict)
        if not self._busy:
            self._advance([], self._now())
            self._flush()

    def _broken(self, failure: Failure, what: str) -> None:
        self._log.failure("{what}", failure, what=what)

    # --- telling members

    def _publish(self, effect: Publish) -> None:
        message = effect.message
        self._note_message(message, effect.author)
        line = render(message)
        silent = None
        if not self._settings.echo and isinstance(message, Entry):
            silent = self._members.get(effect.author)
        for line_end, peers in self._groups(effect.members):
            told = peers if silent is None else [peer for peer in peers if peer is not silent]
            self._outbox.append((line + line_end, told))
            self._queued += len(told)

    def _groups(self, members: tuple[bytes, ...]) -> list[tuple[bytes, list[Peer]]]:
        if self._crowd[0] is not members:
            peers = [self._members[member] for member in members if member in self._members]
            self._crowd = (
                members,
                [
                    (line_end, alike)
                    for line_end in (b"", b"\n")
                    if (alike := [peer for peer in peers if peer.session.line_end == line_end])
                ],
            )
        return self._crowd[1]

    def _note_message(self, message: Broadcast, author: bytes) -> None:
        """Log what was said, and who came. (Who leaves is logged with the reason, where it is known.)"""
        mark = "" if message.verified else "~"
        if isinstance(message, Entry):
            text = message.text if self._settings.log_text else "(not logged)"
            self._log.info(
                "{mark}{nick}: {text}" if message.kind is Kind.SAY else "* {mark}{nick} {text}",
                event="said",
                mark=mark,
                nick=message.nick,
                text=text,
                room=message.room,
                seq=message.seq,
                kind=message.kind,
            )
        elif message.change is Change.JOINED:
            self._log.info(
                "{mark}{nick} joined from {addr}",
                event="joined",
                mark=mark,
                nick=message.nick,
                addr=show_addr(self._members[author].addr),
            )

    def _flush(self) -> None:
        """Write the outbox; then remove those that cannot be written to, and tell the others of it."""
        while self._outbox:
            outbox, self._outbox = self._outbox, []
            if self._closed:
                return
            now = self._now()
            self._queued = 0
            failed: list[tuple[Peer, OSError]] = []
            for datagram, peers in outbox:
                failed += self.transport.send(datagram, peers, now)
            for peer, error in failed:
                self._write_failed(peer, error, now)

    def _write_failed(self, peer: Peer, error: OSError, now: float) -> None:
        if self._peers.get(peer.addr) is not peer:
            return
        hopeless = error.errno in _HOPELESS
        if hopeless and peer.source:  # our own address is what went away: leave the choice to the kernel
            peer.source, hopeless = [], False
        since = now if peer.failing_since is None else peer.failing_since
        if not hopeless and now - since < UNREACHABLE_SECONDS:
            self._faults.note("a failed write", peer.addr, f"{error.strerror}: counted as loss")
            return
        session = self._peers.pop(peer.addr).session
        self._members.pop(session.client, None)
        self._crowd = _NOBODY
        name = errno.errorcode.get(error.errno or 0, "?")
        self._advance(
            self._hub.apply(session.client, Bye(f"cannot be sent to: {name} {error.strerror}")), now
        )
