"""The race for a channel: handshakes beside each other, each on a socket of its own, until one is up.

This module reads no clock; its sockets are `Path`s. Its law: before a server has shown the expected key
nothing of the user's goes to it. That it showed another one may be a forgery, for anybody can write the first
records of a handshake: only one that runs to its end proves it, and is made without the user's certificate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chat.client.address import AddressError, Place, Server
from chat.client.path import Path, Reactor
from chat.client.resolve import resolve_all
from chat.identity import Identity
from chat.wire.dtls_channel import ATTEMPT_SECONDS, make_context
from chat.wire.dtls_client import DtlsClient

SECOND_SECONDS = 3.0  # after the first: at 30 % loss one handshake in four takes longer
# The same to another address: localhost is ::1 first, and many a server has IPv4 only (RFC 8305, section 5,
# waits as long for TCP).
OTHER_SECONDS = 0.25
AT_ONCE = 5  # attempts in a minute that begin because one ended early: each may be a forger's work
AT_ONCE_SECONDS = 60.0
PAUSE_FIRST, PAUSE_MOST = 1.0, 10.0  # when all have failed, doubling
PAUSE_JITTER = 0.1  # up or down: whom one outage stopped shall not come back together


class Won(NamedTuple):
    """A channel is up; the race is over."""

    path: Path


class WrongKey(NamedTuple):
    """The server has proved that its key is another one than expected; the race is over."""

    expected: bytes
    offered: bytes


class NoHost(NamedTuple):
    """There is no such host; the race is over."""

    error: AddressError


class Unanswered(NamedTuple):
    """All attempts have failed; after a pause there will be others. `problem` is for people."""

    problem: str


Outcome = Won | WrongKey | NoHost | Unanswered


class _Planned(NamedTuple):
    at: float
    server: Server | None = None  # None: the next in turn, and a second one soon after it
    is_proof: bool = False


class Race:
    """The attempts of one client at the server at `place`. `begin` starts them, the verbs give the outcome.

    `expected` is the fingerprint of the server's key (None: any). `heard` is called with what comes for an
    attempt: pass it to `receive_datagram`; `found` when the resolver has answered: look at `next_timeout`.
    """

    def __init__(
        self,
        reactor: Reactor,
        place: Place,
        identity: Identity,
        expected: bytes | None,
        heard: Callable[[Path, bytes], None],
        found: Callable[[], None],
        random: Callable[[], float],
    ) -> None:
        self.expected = expected
        self._reactor = reactor
        self._place = place
        self._own = make_context(identity.key, identity.certificate)
        self._nobody = make_context(None, None)
        self._heard, self._found = heard, found
        self._random = random
        self._servers: list[Server] = []  # empty until the resolver has answered
        self._no_host: AddressError | None = None
        self._planned: list[_Planned] = []  # at most two, and one for each that is going on
        self._going: dict[Path, bool] = {}  # and whether it is to prove a wrong key
        self._closing: set[Deferred[None]] = set()  # until the reactor's next turn
        self._turn = 0
        self._pause = PAUSE_FIRST
        self._at_once: deque[float] = deque(maxlen=AT_ONCE)
        self._problem = ""

    @property
    def is_on(self) -> bool:
        """Say whether there is an attempt, or will be one by itself."""
        return bool(self._planned or self._going)

    def begin(self, at: float) -> None:
        """Try from `at` on, until an attempt has won. The resolver is asked anew: servers move."""
        self._pause = PAUSE_FIRST
        self._begin_round(at)

    def begin_again(self, now: float) -> None:
        """Try again after an end that anybody can have caused: at once, but five times a minute at most."""
        self._pause = PAUSE_FIRST
        self._begin_round(self._next_at_once(now))

    def close(self, path: Path, now: float) -> None:
        """Close a path, one that has won too; `stop` tells when its socket is closed."""
        closing = path.close(now)
        self._closing.add(closing)
        closing.addCallback(lambda _: self._closing.discard(closing))

    def stop(self, now: float) -> list[Deferred[None]]:
        """Give all attempts up; the Deferreds fire when all sockets that there ever were are closed."""
        self._planned.clear()
        going, self._going = self._going, {}
        for path in going:
            self.close(path, now)
        return list(self._closing)

    def receive_datagram(self, path: Path, datagram: bytes, now: float) -> Outcome | None:
        """Take a datagram for one of the attempts; give what has come of them."""
        if path not in self._going:
            return None
        path.channel.receive_datagram(datagram, now)
        return self._review(now)

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: nothing waits for a time."""
        if not self._servers and self._no_host is None:
            return None
        times = [planned.at for planned in self._planned]
        times += [due for path in self._going if (due := path.channel.next_timeout()) is not None]
        return min(times, default=None)

    def handle_timeout(self, now: float) -> Outcome | None:
        """Begin the attempts that are due, repeat what others wait for; give what has come of them."""
        due = [planned for planned in self._planned if planned.at <= now]
        if not self._servers:
            if not due or self._no_host is None:
                return None
            self._planned.clear()
            return NoHost(self._no_host)
        self._planned = [planned for planned in self._planned if planned.at > now]
        for planned in due:
            if planned.server is None:
                self._start(self._next_server(), now)
                wait = OTHER_SECONDS if len(self._servers) > 1 else SECOND_SECONDS
                self._planned.append(_Planned(now + wait, self._next_server()))
            else:
                self._start(planned.server, now, is_proof=planned.is_proof)
        for path in self._going:
            path.channel.handle_timeout(now)
        return self._review(now) if due or self._going else None

    # --- inside

    def _begin_round(self, at: float) -> None:
        self._planned = [_Planned(at)]
        resolve_all(self._place, self._reactor.nameResolver).addCallbacks(self._located, self._not_located)

    def _located(self, servers: list[Server]) -> None:
        self._servers = servers
        self._found()

    def _not_located(self, failure: Failure) -> None:
        failure.trap(AddressError)
        self._no_host = AddressError(failure.getErrorMessage())  # unless there are addresses from before
        self._found()

    def _next_server(self) -> Server:
        self._turn += 1
        return self._servers[(self._turn - 1) % len(self._servers)]

    def _next_at_once(self, now: float) -> float:
        times = self._at_once
        at = max(now, times[0] + AT_ONCE_SECONDS) if len(times) == AT_ONCE else now
        times.append(at)
        return at

    def _start(self, server: Server, now: float, *, is_proof: bool = False) -> None:
        channel = DtlsClient(self._nobody, now) if is_proof else DtlsClient(self._own, now, self.expected)
        try:
            path = Path(self._reactor, server, channel, now, self._heard)
        except OSError as error:
            self._problem = f"cannot open a socket: {error.strerror or error}"
        else:
            self._problem = f"no answer from {self._place}"
            self._going[path] = is_proof

    def _review(self, now: float) -> Outcome | None:
        """Look at all attempts: who has won, who has failed, and what is to be done about it."""
        for path in list(self._going):
            path.flush(now)
            if path.channel.is_up:
                outcome = self._arrived(path, now)
                if outcome is not None:
                    self.stop(now)
                    return outcome
            elif path.channel.is_over:
                self._failed(path, now)
        if self.is_on:
            return None
        self._begin_round(now + self._pause * (1 + PAUSE_JITTER * (2 * self._random() - 1)))
        self._pause = min(2 * self._pause, PAUSE_MOST)
        return Unanswered(self._problem)

    def _arrived(self, path: Path, now: float) -> Outcome | None:
        is_proof = self._going[path]
        key = path.channel.peer_fingerprint
        if key is not None and self.expected is not None and key != self.expected:
            return WrongKey(self.expected, key)
        del self._going[path]
        if not is_proof:
            return Won(path)
        self.close(path, now)  # the server is who it should be: what showed another key was forged
        self._planned.append(_Planned(self._next_at_once(now), path.server))
        return None

    def _failed(self, path: Path, now: float) -> None:
        """Take note of an attempt that is over: another takes its place, unless its time was up."""
        is_proof = self._going.pop(path)
        self.close(path, now)
        is_wrong = not is_proof and None not in (self.expected, path.channel.offered_fingerprint)
        is_wrong = is_wrong and path.channel.offered_fingerprint != self.expected
        if is_wrong or now < path.begun + ATTEMPT_SECONDS:
            self._problem = f"every attempt to reach {self._place} is broken off"
            self._planned.append(_Planned(self._next_at_once(now), path.server, is_wrong))
