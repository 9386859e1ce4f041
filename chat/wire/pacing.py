"""When frames leave: the first after quiet at once, what follows a write within 20 ms together.

This module never does I/O and reads no clock. Nobody sees 20 ms in a chat; at 150 messages a second it is a
third of the datagrams, of their encryption and of the air time. What fills a datagram does not wait: nothing
would be saved, and who comes back asks for page after page.
"""

from __future__ import annotations

from functools import lru_cache

from chat.wire.frames import MAX_PLAINTEXT, pack

COALESCE_SECONDS = 0.02


@lru_cache(maxsize=64)  # of one turn: all who are in the same rooms are sent the same
def _pack(frames: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(pack(frames))


class Pacer:
    """The frames that one session has to send, and the moment from which on they may leave."""

    __slots__ = ("_ready_at", "frames")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self._ready_at = 0.0

    def is_ready(self, now: float) -> bool:
        """Say whether something may leave."""
        return now >= self._ready_at

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give all frames in as few datagrams as hold them, if it is time or they are many."""
        if now < self._ready_at and not self._is_full():
            return []
        return list(self.take(now))

    def take(self, now: float) -> tuple[bytes, ...]:
        """Give all frames in as few datagrams as hold them, whether it is time or not."""
        if not self.frames:
            return ()
        self._ready_at = now + COALESCE_SECONDS
        frames = tuple(self.frames)
        self.frames.clear()
        return _pack(frames)

    def not_before(self, when: float | None) -> float | None:
        """Give `when`, or the time from which on something may leave if that is later."""
        return None if when is None else max(when, self._ready_at)

    def next_timeout(self) -> float | None:
        """Give the time at which `datagrams_to_send` gives something; None: there is nothing."""
        if not self.frames:
            return None
        return float("-inf") if self._is_full() else self._ready_at

    def _is_full(self) -> bool:
        return sum(map(len, self.frames)) >= MAX_PLAINTEXT
