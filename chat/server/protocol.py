"""The server: one socket, a session for each peer, the hub behind them and the store behind the hub.

It carries values between layers that know nothing of each other: datagrams to channels and sessions, requests
to the hub, effects to the store and to sessions, and once a turn everything that is to be sent to the socket.
It holds the clock and reads it once an event.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import assert_never

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chat.errors import StoreError
from chat.hub.effects import Commit, Drop, Effect, Publish, Read, Redact, Seek, Send
from chat.hub.entrance import REPLACED
from chat.hub.hub import Hub
from chat.hub.outside import Outside
from chat.messages import Bye, Entry, Hello, Reply, Request
from chat.server.alarm import Alarm
from chat.server.book import MAX_PEERS, Book
from chat.server.caretaker import Caretaker, Means
from chat.server.chores import BEGAN_ANEW, EXPIRE_SECONDS, LAST_WORDS_SECONDS, SLOT_SECONDS, Chore
from chat.server.counters import Counters
from chat.server.doors import Doors
from chat.server.errands import Errands, Found
from chat.server.gate import Gate
from chat.server.goodbyes import goodbyes
from chat.server.limits import AnswerLimit, FaultLog
from chat.server.lodgings import Lodgings
from chat.server.outbox import Outbox
from chat.server.peer import Addr, AnyPeer, Listener, Peer, PlainPeer, ProvenPeer
from chat.server.port import WRITES_A_TURN, UdpPort
from chat.server.reach import is_out_of_reach, show_error
from chat.server.settings import Settings
from chat.server.talklog import TalkLog
from chat.server.wheel import Wheel
from chat.store.interface import Store
from chat.wire.lines import EXIT
from chat.wire.text import TextSession
from chat.wire.visit import State


class ChatServer(DatagramProtocol):
    """The chat service on a `UdpPort`.

    `clock` runs its timers, `now` gives monotonic seconds, `random` so many bytes that nobody can guess;
    `listener` is the native door (None: it is closed), `wall` gives seconds since 1970, `means` end it all.

    `begun` fires once people are served, and fails with `StoreError` if what was kept cannot be read: then
    nobody ever is.
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
        wall: Callable[[], float] = time.time,
        means: Means | None = None,
    ) -> None:
        self.begun: Deferred[None] = Deferred()
        self._log = Logger()
        self._hub = hub
        self._store = store
        self._settings = settings
        self._clock = clock
        self._now = now
        self._counters = Counters(self._log)
        self._faults = FaultLog(self._log, now, self._counters)
        self._talk = TalkLog(with_text=settings.log_text)
        self._doors = Doors(settings.plain, settings.idle_timeout, listener, self._faults, random, hub.limits)
        self._answers = AnswerLimit()
        self._book = Book(settings.max_members)
        hub.look_outside(Outside(self._book.host, self._counters.all))
        self._gate = Gate(hub.limits, self._book, hub.makes_way)
        self._outbox = Outbox()
        self._wheel: Wheel[AnyPeer | Chore] = Wheel(SLOT_SECONDS)
        self._alarm = Alarm(clock, now, self._wake)
        self._errands = Errands(hub, store, self._faults, clock, self._store_answered)
        self._care = Caretaker(hub, self._errands, self._talk, clock, means or Means())
        self._lodgings = Lodgings(self._book, self._doors, settings.idle_timeout, wall)
        self._busy = False
        self._flushing: IDelayedCall | None = None  # soon: what the store's answers have called for
        self._closed = False

    # --- called by Twisted and by the port

    def startProtocol(self) -> None:
        """Begin: learn where the store stands and who was here, then serve."""
        self.transport.hold()
        self._errands.begin().addCallback(self._serve).addCallbacks(self.begun.callback, self._unreadable)
        self._wheel.schedule(Chore.EXPIRE, self._now() + EXPIRE_SECONDS)
        self._set_alarm()

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Take one datagram: the beginning of every message's way."""
        now = self._now()
        peer = self._book.peers.get(addr)
        if peer is not None and self._doors.is_knock(peer, datagram, now):
            self._knock(datagram, addr, now)
            return
        peer = peer or self._meet(datagram, addr, now)
        if peer is None:
            return
        requests = self._doors.hear(peer, peer.unseal(datagram, now), now)
        self._book.note_form(peer)
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
        self._care.rest()
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None

    def shut_down(self) -> Deferred[None]:
        """Tell everybody that the server goes, stop the timer and close the store."""
        now = self._now()
        self._outbox.hurry()
        self._flush()
        for goodbye in goodbyes(self._hub.everybody(), self._book, comes_back=self._care.comes_back):
            self._perform(goodbye, now)
        self._flush()
        held_back = any(map(self._book.is_native, self._book.members))
        waited = deferLater(self._clock, LAST_WORDS_SECONDS) if held_back else succeed(None)
        return waited.addCallback(self._end)

    # --- beginning and end

    def _serve(self, found: Found) -> None:
        """Take back who was in, and read from the socket: nobody sees that anything has been."""
        now = self._now()
        for peer, requests in self._lodgings.take_back(found, self._hub, self.transport, now):
            self._carry_out(peer, requests, now)
        self._talk.unoperated(self._hub.operator_code())
        self.transport.release()
        self._flush()

    def _unreadable(self, failure: Failure) -> None:
        """Serve nobody: what they said could not be kept. Whoever waits for `begun` ends the program."""
        if not failure.check(StoreError):
            self._log.failure("a bug at the beginning", failure)
        self.begun.errback(failure)

    def _end(self, _: None) -> Deferred[None]:
        now = self._now()
        for peer in self._book.peers.values():
            if isinstance(peer, ProvenPeer):
                peer.channel.close(now)
                self._outbox.put(peer.channel.datagrams_to_send(now), peer)
        self._flush()
        self.stopProtocol()
        return self._errands.finish().addCallback(lambda _: self._store.close())

    # --- peers

    def _meet(self, datagram: bytes, addr: Addr, now: float) -> PlainPeer | None:
        """Give the peer of a stranger that the plain door lets in. The native door takes what is its own."""
        is_native = self._doors.is_native(datagram)
        if not is_native and not self._doors.is_word(datagram, addr):
            return None
        if why := self._hub.bars(addr[0], now):
            self._turn_away(addr, b"" if is_native else datagram, why, now)
            return None
        if not is_native and not self._doors.admits_plain(addr):
            return None
        if addr[1] == 0 or self.transport.is_own(addr):
            self._faults.note("a datagram that nobody can have sent", addr)
        elif self._book.is_full():
            self._faults.note("a datagram", addr, f"ignored: {MAX_PEERS} addresses are known already")
        elif is_native:
            self._knock(datagram, addr, now)
        else:
            peer = self._doors.meet(addr)
            self._book.add(peer)
            return peer
        return None

    def _turn_away(self, addr: Addr, datagram: bytes, why: str, now: float) -> None:
        """Ignore a banned address. Who spoke in the clear is told so once."""
        self._counters.add("a datagram of a banned address")
        answer = self._doors.turn_away(datagram, addr, why)
        if answer and self._answers.allow(addr, now):
            self._doors.told(addr)
            unproven = Peer(addr)
            self._note_source(unproven)
            self._outbox.put((answer,), unproven)

    def _knock(self, datagram: bytes, addr: Addr, now: float) -> None:
        """Let the native door answer an address. Once proved, it is a peer, in place of what was there."""
        known = self._book.peers.get(addr)
        if not isinstance(known, ProvenPeer) and self._book.has_all_channels():
            self._faults.note("a handshake", addr, f"ignored: there are {self._book.max_channels} already")
            return
        peer, answers = self._doors.knock(datagram, addr, now)
        for answer, to in answers:
            unproven = Peer(to)
            if to == addr:
                self._note_source(unproven)
            self._outbox.put((answer,), unproven)
        if peer is not None:
            if known is not None:
                self._lose(known, BEGAN_ANEW, now)
            self._book.add(peer)
            self._note_source(peer)
            self._outbox.look_after(peer)

    def _note_source(self, peer: Peer) -> None:
        spoken_to = self.transport.spoken_to
        if peer.spoken_to != spoken_to:
            peer.spoken_to, peer.source = spoken_to, self.transport.reply_source(peer.addr, spoken_to)

    def _look_after(self, peer: AnyPeer, now: float) -> None:
        """Queue what a session wants to send: lines at once, in their place among others."""
        if isinstance(peer, ProvenPeer):
            self._outbox.look_after(peer)
            if isinstance(peer.session, TextSession):
                peer.collect(now)
                self._book.note_form(peer)
            return
        datagrams = peer.session.datagrams_to_send(now)
        self._book.note_form(peer)
        self._lodgings.note(peer, now)
        when = peer.session.next_timeout()
        if when is not None:
            self._wheel.schedule(peer, when)
        else:
            self._forget(peer)  # it is still, or again, a stranger
            if datagrams and not self._answers.allow(peer.addr, now):
                return
        self._outbox.put(datagrams, peer)

    def _look_after_channel(self, peer: ProvenPeer, now: float) -> None:
        """Queue what a channel has to send. If that was the last, its peer is known no more."""
        if self._book.peers.get(peer.addr) is not peer:
            return
        peer.pass_on(now)
        when = peer.next_timeout()
        if when is None:
            peer.channel.close(now)
        self._outbox.put(peer.channel.datagrams_to_send(now), peer)
        if peer.channel.is_over:
            self._lose(peer, EXIT, now)
        elif when is not None:
            self._wheel.schedule(peer, when)

    def _lose(self, peer: AnyPeer, reason: str, now: float) -> None:
        """Know a peer no more. Who spoke text leaves with it; a native member may come back on another."""
        self._forget(peer)
        if isinstance(peer.session, TextSession):
            self._advance(self._hub.apply(peer.session.member, Bye(reason), now, None, peer.origin), now)

    def _forget(self, peer: AnyPeer) -> None:
        self._book.forget(peer)
        self._wheel.cancel(peer)
        if isinstance(peer, PlainPeer):
            self._lodgings.forget(peer.session.member)

    # --- requests, effects and the store

    def _carry_out(self, peer: AnyPeer, requests: list[Request], now: float) -> None:
        member = None if peer.session is None else peer.session.member
        if requests and member is not None and not self._gate.turns_away(peer, member, requests[0], now):
            seated = self._book.seat(member, peer)
            if isinstance(peer, PlainPeer):
                self._book.wake(peer)
            for request in requests:
                effects = self._hub.apply(member, request, now, peer.key, peer.origin)
                if isinstance(request, Hello):
                    if not self._gate.lets_in(peer, member, seated, effects, now):
                        break
                    if seated is not None:
                        self._tell(seated, Bye(REPLACED), now)  # which ends it: it asks for nothing any more
                self._advance(effects, now)
        self._look_after(peer, now)

    def _tell(self, peer: AnyPeer, message: Reply | Entry, now: float) -> None:
        if peer.session is not None:
            self._outbox.catch_up(peer)
            peer.session.send(message, now)
            self._look_after(peer, now)

    def _advance(self, effects: list[Effect], now: float) -> None:
        """Perform effects, and what follows from the store's answers to them. Never entered twice."""
        self._busy = True
        try:
            following: list[Effect] | None = effects
            while following is not None:
                for effect in following:
                    self._perform(effect, now)
                following = self._errands.next_effects()
        finally:
            self._busy = False

    def _store_answered(self) -> None:
        """Take answers of the store that come by themselves, and send once for all that come together."""
        if not self._busy:
            try:
                self._advance([], self._now())
            except Exception:  # noqa: BLE001  a bug of ours costs one answer: a store that it reached would stop
                self._log.failure("a bug in what follows from an answer of the store")
            if self._flushing is None:
                self._flushing = self._clock.callLater(0, self._flush_soon)

    def _flush_soon(self) -> None:
        self._flushing = None
        self._flush()

    def _perform(self, effect: Effect, now: float) -> None:
        match effect:
            case Send():
                peer = self._book.members.get(effect.member)
                if peer is not None:
                    self._tell(peer, effect.message, now)
            case Publish():
                self._publish(effect, now)
            case Commit() | Read() | Seek() | Redact():
                self._errands.run(effect)
            case Drop():
                self._drop(effect, now)
            case _:
                self._care.perform(effect)

    def _drop(self, drop: Drop, now: float) -> None:
        """Let a member go. A channel of text goes with it; a native session says goodbye by itself."""
        peer = self._book.leave(drop.member)
        if isinstance(peer, PlainPeer):
            peer.session.put_out(now)
            self._look_after(peer, now)  # it is a stranger soon
        elif isinstance(peer, ProvenPeer) and isinstance(peer.session, TextSession):
            peer.pass_on(now)
            peer.channel.close(now)
            self._outbox.look_after(peer)
        self._talk.left(drop)

    def _publish(self, effect: Publish, now: float) -> None:
        message = effect.message
        author = self._book.members.get(effect.author)
        self._talk.published(message, author)
        crowd = self._book.crowd(message.room, effect.members)
        has_own_line = not self._settings.echo and isinstance(message, Entry)
        self._outbox.tell_text(crowd, message, author if has_own_line else None)
        self._outbox.tell_native(crowd, message, now)

    # --- what waits for its time

    def _set_alarm(self) -> None:
        for chore, due in ((Chore.TAILS, self._outbox.next_tail()), (Chore.HUB, self._hub.next_timeout())):
            if due is not None:
                self._wheel.schedule(chore, due)
        when, rooms = self._wheel.next_timeout(), self._outbox.next_rooms()
        if rooms is not None:  # a slot of the wheel would be half of what they wait
            when = rooms if when is None else min(when, rooms)
        if not self._closed:
            self._alarm.set(when)

    def _wake(self) -> None:
        now = self._now()
        for key in self._wheel.due(now):
            try:
                self._time_out(key, now)
            except Exception:  # noqa: BLE001  a bug of ours ends no other time-out
                self._log.failure("a bug in what a timer does")
                self._wheel.schedule(key, now + EXPIRE_SECONDS)
        self._flush()

    def _time_out(self, key: AnyPeer | Chore, now: float) -> None:
        if isinstance(key, Peer) and self._book.peers.get(key.addr) is not key:
            return  # forgotten by what another timer did
        match key:
            case Chore.EXPIRE:
                self._wheel.schedule(key, now + EXPIRE_SECONDS)
                self._advance(self._hub.expire(now), now)
                self._lodgings.tick(self._hub, now)
                self._counters.add_all(self._hub.limits.take_counts())
                self._counters.tick(now)
            case Chore.TAILS:
                self._outbox.repeat_tails(self._book.members, now)
            case Chore.HUB:
                self._advance(self._hub.handle_timeout(now), now)
            case PlainPeer():
                self._carry_out(key, key.session.handle_timeout(now), now)
                if key.session.state is State.OUT:
                    too_many = self._book.fall_dormant(key)
                    if too_many is not None:
                        self._forget(too_many)
            case ProvenPeer():
                requests = self._doors.hear(key, key.channel.handle_timeout(now), now)
                self._carry_out(key, requests + key.handle_timeout(now), now)
            case _:
                assert_never(key)

    # --- writing

    def _flush(self) -> None:
        """Send what this turn has called for, and be woken when something is next due."""
        try:
            self._write_outbox()
            self._errands.remember(self._hub.memos_to_keep() | self._lodgings.memos_to_keep())
        finally:  # a bug in what is written stops no timer
            self._set_alarm()

    def _write_outbox(self) -> None:
        """Write the outbox; then remove those that cannot be written to, and tell the others of it."""
        while not self._closed:
            now = self._now()
            self._outbox.send_rooms(now)
            while (proven := self._outbox.next_proven()) is not None:
                self._look_after_channel(proven, now)
            datagrams, peers = self._outbox.take()
            if not datagrams:
                break
            for peer, error in self.transport.send(datagrams, peers, now):
                self._write_failed(peer, error, now)

    def _write_failed(self, peer: Peer, error: OSError, now: float) -> None:
        known = self._book.peers.get(peer.addr)
        if known is None or known is not peer:
            return
        if is_out_of_reach(known, error, now):
            self._lose(known, f"cannot be sent to: {show_error(error)}", now)
        else:
            self._faults.note("a failed write", known.addr, f"{error.strerror}: counted as loss")
