"""A client's first and last words: when to say them, and when once more.

This module never does I/O and reads no clock.
"""

from __future__ import annotations

from chat.wire.sequence import RoundTrip

HELLO_REPEAT_MOST = 1.0  # between Hellos: six of them decide whether a fresh channel carries anything
BYE_SECONDS = (0.0, 0.1, 0.3)  # a goodbye has no answer: it is said three times


class Greeting:
    """When a Hello is due. `sent` is when the last one left, `count` how many have."""

    def __init__(self, round_trip: RoundTrip) -> None:
        self.sent = 0.0
        self.count = 0
        self._round_trip = round_trip
        self._at = 0.0

    def begin(self, now: float) -> None:
        """Say hello from now on, until there is an answer."""
        self._at, self.count = now, 0

    def is_due(self, now: float) -> bool:
        """Say whether a Hello is to be sent now; then it has been."""
        if self._at > now:
            return False
        self.sent, self._at = now, now + self._round_trip.wait(self.count, HELLO_REPEAT_MOST)
        self.count += 1
        return True

    def next_timeout(self) -> float:
        """Give the time at which the next one is due."""
        return self._at


class Goodbye:
    """When the last words are due."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._frames: list[bytes] = []

    def begin(self, frames: list[bytes], now: float) -> None:
        """Say `frames` from now on, and nothing else."""
        self._frames = frames
        self._times = [now + seconds for seconds in BYE_SECONDS]

    def take_back(self) -> None:
        """Say them no more."""
        self._times.clear()

    def due(self, now: float) -> list[bytes]:
        """Give what is to be said now."""
        if not self._times or self._times[0] > now:
            return []
        self._times = [time for time in self._times if time > now]
        return self._frames

    def next_timeout(self) -> float | None:
        """Give the time at which something is due; None: all is said."""
        return self._times[0] if self._times else None
