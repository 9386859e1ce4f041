"""Whether the other side is there: when a client pings, and when it takes its path for lost.

This module never does I/O and reads no clock. A path is judged by what comes back, not by what is sent; and
what others say in a room keeps it no more alive than silence does, because the server must hear of us too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chat.wire.sequence import RoundTrip

# Without an answer: so short that the silent, too, are back 10 s after their server was killed and started
# again; and a quarter of what most NATs keep a UDP mapping for (RFC 4787, REQ-5).
QUIET_SECONDS = 6.0
QUIET_JITTER = 0.1  # up or down, or the clients of a server that was restarted would ping together for ever
WORRIED_SECONDS = 1.5  # while datagrams are lost: so late a quiet room's lost last entry is heard of
WORRY_SECONDS = 60.0  # so long after the last loss
REPEAT_MOST = 0.5  # between pings without an answer, so that a dozen of them decide
DEAD_SECONDS = 6.0  # asked and nothing heard at all: at 30 % loss each way once in 3,000 pings
PROBES = 3  # unanswered ones, once there is a reason for suspicion
COUNTED = 128  # questions and repeats: then both counts are halved, so that they tell of late


class Health(NamedTuple):
    """How a channel does, for people. Of late `asked` questions needed `repeated` repeats.

    `round_trip` and `heard` (how long ago anything came) are seconds; None: nothing has come yet.
    """

    round_trip: float | None
    asked: int
    repeated: int
    heard: float | None


class Pulse:
    """The liveness of one channel after the other."""

    def __init__(self, round_trip: RoundTrip, random: Callable[[], float]) -> None:
        self._round_trip = round_trip
        self._random = random
        self._asked: float | None = None  # the first datagram sent since something was heard
        self._due = 0.0  # when the next ping leaves
        self._pings = 0  # sent since the last answer
        self._worried_until = float("-inf")
        self._is_suspect = False
        self._heard_at: float | None = None
        self._counts = 0, 0  # questions, repeats

    def restart(self, now: float) -> None:
        """Begin with a fresh channel."""
        self._asked, self._is_suspect = None, False
        self._counts = 0, 0
        self.answered(now)

    def sent(self, now: float) -> None:
        """Take note that a datagram was sent which wants an answer."""
        if self._asked is None:
            self._asked = now

    def heard(self, now: float) -> None:
        """Take note that anything has come."""
        self._asked, self._is_suspect, self._heard_at = None, False, now

    def count(self, asked: int, repeated: int) -> None:
        """Take note of questions that were sent, for the first time and once more."""
        asked, repeated = asked + self._counts[0], repeated + self._counts[1]
        self._counts = (asked, repeated) if asked + repeated < COUNTED else (asked // 2, repeated // 2)

    def health(self, now: float) -> Health:
        """Give how the channel does."""
        heard = None if self._heard_at is None else max(now - self._heard_at, 0.0)
        return Health(self._round_trip.smoothed, *self._counts, heard)

    def answered(self, now: float) -> None:
        """Take note that what was asked has been answered: the server hears us."""
        self._pings = 0
        quiet = QUIET_SECONDS * (1 + QUIET_JITTER * (2 * self._random() - 1))
        self._due = now + (WORRIED_SECONDS if now < self._worried_until else quiet)

    def worry(self, now: float) -> None:
        """Take note that something was lost."""
        self._worried_until = now + WORRY_SECONDS
        self._due = min(self._due, now + WORRIED_SECONDS)

    def measure(self, now: float) -> None:
        """Ping at once: its Pong tells how long the path is."""
        self._due = now

    def suspect(self, now: float) -> None:
        """Ping at once, and judge by the next three: there is reason to think that the path is gone."""
        if self._is_suspect:
            return  # each ping may be answered by a reason: they must not begin anew
        self._is_suspect, self._asked = True, None
        self._pings, self._due = 0, now

    def due(self, now: float) -> bool:
        """Say whether a ping shall leave now."""
        if now < self._due or self.is_dead(now):
            return False
        wait = self._round_trip.wait(self._pings, REPEAT_MOST)
        if self._is_suspect:  # a busy machine measures seconds; three pings are few enough for any path
            wait = min(wait, max(REPEAT_MOST, self._round_trip.smoothed or 0.0))
        self._due = now + wait
        self.count(not self._pings, bool(self._pings))
        self._pings += 1
        return True

    def is_dead(self, now: float) -> bool:
        """Say whether to give the channel up."""
        if self._is_suspect and self._pings >= PROBES and now >= self._due:
            return True
        return self._asked is not None and now >= self._asked + DEAD_SECONDS

    def dead_at(self) -> float | None:
        """Give the time at which silence will have lasted too long; None: nothing was asked."""
        return None if self._asked is None else self._asked + DEAD_SECONDS

    def next_timeout(self) -> float:
        """Give the time at which `due` or `is_dead` has an answer."""
        return self._due if self._asked is None else min(self._due, self._asked + DEAD_SECONDS)
