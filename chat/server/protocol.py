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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import TypeVar, assert_never

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chat.errors import RemoteProtocolError, StoreError
from chat.hub.effects import Commit, Drop, Effect, Publish, Read, Send
from chat.hub.hub import Hub
from chat.messages import Bye, Entry, Fact, Heads, Request
from chat.server.alarm import Alarm
from chat.server.book import MAX_PEERS, Book
from chat.server.limits import AnswerLimit, Door, FaultLog
from chat.server.outbox import Outbox
from chat.server.peer import Addr, AnyPeer, Listener, NativePeer, Peer, PlainPeer
from chat.server.port import WRITES_A_TURN, UdpPort
from chat.server.talklog import TalkLog
from chat.server.wheel import Wheel
from chat.store.interface import Store
from chat.wire.lines import GOING_DOWN
from chat.wire.server_session import ServerSession
from chat.wire.text import State, TextSession

IDLE_SECONDS = 1_800.0  # nc says nothing when it ends: after half an hour a silent peer is taken for gone
SLOT_SECONDS = 0.01  # how late a time-out may be: half of what sessions hold frames back for
EXPIRE_SECONDS = 1.0  # between two looks at who has gone silent, which is a matter of minutes
UNREACHABLE_SECONDS = (
    60.0  # of nothing but failed writes; a shorter time would let a flapping link empty a room
)
LAST_WORDS_SECONDS = 0.05  # for what sessions hold back when the server goes: more than 20 ms and a slot
RETURNS_A_SECOND = 500.0  # of native members after a restart: 12 % of a core for their handshakes
REPLACED = "replaced by another session"

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


_Token = TypeVar("_Token", bytes, int)
_Answer = TypeVar("_Answer")


class Chore(Enum):
    """What waits for its time, beside the peers."""

    EXPIRE = auto()  # of members that are silent
    TAILS = auto()


class ChatServer(DatagramProtocol):
    """The chat service on a `UdpPort`.

    `clock` runs its timer, `now` gives monotonic seconds, `random` so many bytes that nobody can guess;
    `listener` is the native door (None: it is closed).
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
        listener: Listener | None = None,
    ) -> None:
        self._log = Logger()
        self._hub = hub
        self._store = store
        self._settings = settings
        self._clock = clock
        self._now = now
        self._random = random
        self._listener = listener
        self._faults = FaultLog(self._log, now)
        self._talk = TalkLog(with_text=settings.log_text)
        self._door = Door(settings.plain, self._faults)
        self._answers = AnswerLimit()
        self._book = Book()
        self._outbox = Outbox()
        self._wheel: Wheel[AnyPeer | Chore] = Wheel(SLOT_SECONDS)
        self._alarm = Alarm(clock, now, self._wake)
        self._verdicts: deque[Callable[[], list[Effect]]] = deque()  # of the store, for the hub, in order
        self._busy = False
        self._closed = False

    # --- called by Twisted and by the port

    def startProtocol(self) -> None:
        """Begin: learn where the store stands, listen to it, then serve."""
        self.transport.hold()
        self._store.heads().addCallback(self._restore).addCallback(self._serve).addErrback(
            self._broken, "the store cannot be read: nobody is served"
        )
        self._wheel.schedule(Chore.EXPIRE, self._now() + EXPIRE_SECONDS)
        self._set_alarm()

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Take one datagram: the beginning of every message's way."""
        now = self._now()
        peer = self._book.peers.get(addr) or self._meet(datagram, addr, now)
        if peer is None:
            return
        if isinstance(peer, PlainPeer):
            requests = self._read(peer, (datagram,), now)
            self._book.note_form(peer)
        else:
            requests = self._read(peer, peer.channel.receive_datagram(datagram, now), now)
        if requests:  # asks the kernel: not for what will not be answered
            self._note_source(peer)
        self._carry_out(peer, requests, now)
        if self._outbox.queued >= WRITES_A_TURN:
            self._flush()

    def turn_ended(self) -> None:
        """Send what this turn's datagrams called for."""
        self._flush()

    def stopProtocol(self) -> None:
        """Send nothing more: the port is closed, whatever a store still answers."""
        self._closed = True
        self._alarm.stop()

    def shut_down(self) -> Deferred[None]:
        """Tell everybody that the server goes, stop the timer and close the store."""
        now = self._now()
        natives = 0
        for member in self._hub.everybody():
            goodbye = Bye(GOING_DOWN)
            if isinstance(self._book.members.get(member), NativePeer):
                goodbye = Bye(GOING_DOWN, reconnect_after=1 + natives / RETURNS_A_SECOND)
                natives += 1
            self._perform(Send(member, goodbye), now)
        self._flush()
        held_back = any(isinstance(peer, NativePeer) for peer in self._book.members.values())
        waited = deferLater(self._clock, LAST_WORDS_SECONDS) if held_back else succeed(None)
        return waited.addCallback(self._end)

    # --- beginning and end

    def _restore(self, heads: Heads) -> Deferred[None]:
        self._hub.restore(heads)
        newest = max((head for _, head in heads.rooms.values()), default=heads.base)
        return self._store.subscribe(self._stored, max(newest, heads.base))

    def _serve(self, _: None) -> None:
        self.transport.release()

    def _end(self, _: None) -> Deferred[None]:
        now = self._now()
        for peer in self._book.peers.values():
            if isinstance(peer, NativePeer):
                peer.channel.close(now)
                self._outbox.look_after(peer)
        self._flush()
        self.stopProtocol()
        return self._store.close()

    # --- peers

    def _meet(self, datagram: bytes, addr: Addr, now: float) -> PlainPeer | None:
        """Give the peer of a stranger that the plain door lets in. The native door takes what is its own."""
        listener = self._listener
        if listener is not None and not listener.is_mine(datagram):
            listener = None
        if listener is None and not self._door.admits_plain(addr):
            return None
        if addr[1] == 0 or self.transport.is_own(addr):
            self._faults.note("a datagram that nobody can have sent", addr)
        elif self._book.is_full():
            self._faults.note("a datagram", addr, f"ignored: {MAX_PEERS} addresses are known already")
        elif listener is not None:
            self._knock(listener, datagram, addr, now)
        else:
            peer = PlainPeer(addr, TextSession(self._random(16), self._settings.idle_timeout))
            self._book.add(peer)
            return peer
        return None

    def _knock(self, listener: Listener, datagram: bytes, addr: Addr, now: float) -> None:
        """Let the listener answer an address that has not proved itself; once it has, it is a peer."""
        channel = listener.receive_datagram(datagram, addr, now)
        for answer, to in listener.datagrams_to_send(now):
            unproven = Peer(to)
            if to == addr:
                self._note_source(unproven)
            self._outbox.put((answer,), unproven)
        if channel is not None:
            peer = NativePeer(addr, ServerSession(now), channel)
            self._book.add(peer)
            self._note_source(peer)
            self._outbox.look_after(peer)

    def _note_source(self, peer: Peer) -> None:
        spoken_to = self.transport.spoken_to
        if peer.spoken_to != spoken_to:
            peer.spoken_to, peer.source = spoken_to, self.transport.reply_source(peer.addr, spoken_to)

    def _read(self, peer: AnyPeer, plaintexts: Iterable[bytes], now: float) -> list[Request]:
        """Give what a peer asks for. What no peer may say costs the rest of its datagram, and is counted."""
        requests: list[Request] = []
        try:
            for plaintext in plaintexts:
                requests += peer.session.receive_datagram(plaintext, now)
        except RemoteProtocolError as fault:
            self._faults.note("a bad datagram", peer.addr, str(fault))
        return requests

    def _look_after(self, peer: AnyPeer, now: float) -> None:
        """Queue what a session wants to send: a plain one's lines at once, in their place among others."""
        if isinstance(peer, NativePeer):
            self._outbox.look_after(peer)
            return
        datagrams = peer.session.datagrams_to_send(now)
        self._book.note_form(peer)
        when = peer.session.next_timeout()
        if when is not None:
            self._wheel.schedule(peer, when)
        else:
            self._forget(peer)  # it is still, or again, a stranger
            if datagrams and not self._answers.allow(peer.addr, now):
                return
        self._outbox.put(datagrams, peer)

    def _look_after_native(self, peer: NativePeer, now: float) -> None:
        if self._book.peers.get(peer.addr) is not peer:
            return
        session, channel = peer.session, peer.channel
        for plaintext in session.datagrams_to_send(now):
            channel.send(plaintext, now)
        when = session.next_timeout()
        if when is None:  # its member stays, and may come back on another session
            channel.close(now)
            self._forget(peer)
        else:
            again = channel.next_timeout()
            self._wheel.schedule(peer, when if again is None else min(when, again))
        self._outbox.put(channel.datagrams_to_send(now), peer)

    def _forget(self, peer: AnyPeer) -> None:
        self._book.forget(peer)
        self._wheel.cancel(peer)

    # --- requests, effects and the store

    def _carry_out(self, peer: AnyPeer, requests: list[Request], now: float) -> None:
        client = peer.session.client
        if requests and client is not None:
            replaced = self._book.seat(client, peer)
            if replaced is not None:
                replaced.session.send(Bye(REPLACED), now)  # which ends it: it asks for nothing any more
                self._look_after(replaced, now)
            if isinstance(peer, PlainPeer):
                self._book.wake(peer)
            for request in requests:
                self._advance(self._hub.apply(client, request, now), now)
        self._look_after(peer, now)

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
                peer = self._book.members.get(effect.member)
                if peer is not None:
                    peer.session.send(effect.message, now)
                    self._look_after(peer, now)
            case Publish():
                self._publish(effect, now)
            case Commit():
                self._await(self._store.append(effect.draft, effect.last), self._hub.appended, effect.token)
            case Read(token, fetch):
                page = self._store.read(fetch.room, fetch.after, fetch.before, fetch.limit)
                self._await(page, self._hub.answered, token)
            case Drop():
                self._book.unseat(effect.member)
                self._talk.left(effect)
            case _:
                assert_never(effect)

    def _await(
        self,
        answer: Deferred[_Answer],
        verb: Callable[[_Token, _Answer], list[Effect]],
        token: _Token,
    ) -> None:
        """Let the hub hear by `verb` what the store answers, or that it has failed."""
        answer.addCallbacks(self._answered, self._store_failed, (verb, token), {}, (token,), {}).addErrback(
            self._broken, "the store's answer could not be taken"
        )

    def _answered(
        self, answer: _Answer, verb: Callable[[_Token, _Answer], list[Effect]], token: _Token
    ) -> None:
        self._verdict(partial(verb, token, answer))

    def _stored(self, fact: Fact) -> None:
        self._verdict(partial(self._hub.committed, fact))

    def _store_failed(self, failure: Failure, token: bytes | int) -> None:
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

    def _publish(self, effect: Publish, now: float) -> None:
        message = effect.message
        author = self._book.members.get(effect.author)
        self._talk.published(message, author)
        crowd = self._book.crowd(message.room, effect.members)
        has_own_line = not self._settings.echo and isinstance(message, Entry)
        self._outbox.tell_plain(crowd, message, author if has_own_line else None)
        self._outbox.tell_native(crowd, message, now)

    # --- what waits for its time

    def _set_alarm(self) -> None:
        tail = self._outbox.next_tail()
        if tail is not None:
            self._wheel.schedule(Chore.TAILS, tail)
        if not self._closed:
            self._alarm.set(self._wheel.next_timeout())

    def _wake(self) -> None:
        now = self._now()
        for key in self._wheel.due(now):
            try:
                self._time_out(key, now)
            except Exception:  # noqa: BLE001  a bug of ours ends no other time-out
                self._log.failure("a bug in what a timer does")
                self._wheel.schedule(key, now + EXPIRE_SECONDS)
        try:
            self._flush()
        finally:
            self._set_alarm()

    def _time_out(self, key: AnyPeer | Chore, now: float) -> None:
        if isinstance(key, Peer) and self._book.peers.get(key.addr) is not key:
            return  # forgotten by what another timer did
        match key:
            case Chore.EXPIRE:
                self._wheel.schedule(key, now + EXPIRE_SECONDS)
                self._advance(self._hub.expire(now), now)
            case Chore.TAILS:
                self._outbox.repeat_tails(self._book.members, now)
            case PlainPeer():
                self._carry_out(key, key.session.handle_timeout(now), now)
                if key.session.state is State.DORMANT:
                    too_many = self._book.fall_dormant(key)
                    if too_many is not None:
                        self._forget(too_many)
            case NativePeer():
                requests = self._read(key, key.channel.handle_timeout(now), now)
                self._carry_out(key, requests + key.session.handle_timeout(now), now)
            case _:
                assert_never(key)

    # --- writing

    def _flush(self) -> None:
        """Write the outbox; then remove those that cannot be written to, and tell the others of it."""
        while not self._closed:
            now = self._now()
            while (native := self._outbox.next_native()) is not None:
                self._look_after_native(native, now)
            outbox = self._outbox.take()
            if not outbox:
                break
            failed: list[tuple[Peer, OSError]] = []
            for datagram, peers in outbox:
                failed += self.transport.send(datagram, peers, now)
            for peer, error in failed:
                self._write_failed(peer, error, now)
        self._set_alarm()

    def _write_failed(self, peer: Peer, error: OSError, now: float) -> None:
        known = self._book.peers.get(peer.addr)
        if known is None or known is not peer:
            return
        hopeless = error.errno in _HOPELESS
        if hopeless and known.source:  # our own address is what went away: leave the choice to the kernel
            known.source, hopeless = [], False
        since = now if known.failing_since is None else known.failing_since
        if not hopeless and now - since < UNREACHABLE_SECONDS:
            self._faults.note("a failed write", known.addr, f"{error.strerror}: counted as loss")
            return
        self._forget(known)
        if isinstance(known, PlainPeer):  # a native member may come back from elsewhere
            name = errno.errorcode.get(error.errno or 0, "?")
            goodbye = Bye(f"cannot be sent to: {name} {error.strerror}")
            self._advance(self._hub.apply(known.session.client, goodbye, now), now)
