"""One wheel of timers for everything that a server waits for.

Pure: who owns it passes in the time (seconds), and keeps one timer of its reactor for `next_timeout`. Timers
are lazy: what is put off again and again, as every deadline of a busy peer is, is scheduled once, and its
owner looks when it fires whether it is due. (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels",
1987; a heap of the slots in use stands for the wheel's ticking, so that a quiet one costs nothing.)
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

SLACK = 64  # slots whose keys have all gone elsewhere, before they are swept out: a heap this small is cheap

K = TypeVar("K", bound=Hashable)


class Wheel(Generic[K]):
    """Timers by key, one for each key. They fire in slots of `slot_seconds`: so late at most, never early.

    Every method costs the same however many timers there are, but for what the heap of slots takes.
    """

    def __init__(self, slot_seconds: float) -> None:
        self._seconds = slot_seconds
        self._slot_of: dict[K, int] = {}
        self._slots: dict[int, dict[K, None]] = {}  # never an empty one
        self._order: list[int] = []  # a heap of all slots in use, and of some that are not any more

    def schedule(self, key: K, when: float) -> None:
        """Let `key` fire at `when`, or at the earlier time at which it fires already."""
        present = self._slot_of.get(key)
        if present is not None and present * self._seconds <= when:
            return  # the usual case: it was put off
        slot = math.ceil(when / self._seconds)
        if slot * self._seconds < when:  # the division was rounded down
            slot += 1
        if present is not None:
            if present <= slot:
                return
            self._leave(key, present)
        self._slot_of[key] = slot
        keys = self._slots.get(slot)
        if keys is None:
            keys = self._slots[slot] = {}
            heappush(self._order, slot)
        keys[key] = None

    def cancel(self, key: K) -> None:
        """Let `key` not fire."""
        slot = self._slot_of.pop(key, None)
        if slot is not None:
            self._leave(key, slot)

    def due(self, now: float) -> list[K]:
        """Give the keys whose time has come, each once, in the order of time (to a slot), and forget them."""
        keys: list[K] = []
        while self._order and self._order[0] * self._seconds <= now:
            keys += self._slots.pop(heappop(self._order), ())
        for key in keys:
            del self._slot_of[key]
        return keys

    def next_timeout(self) -> float | None:
        """Give the time at which `due` has something to give; None: nothing is scheduled."""
        while self._order and self._order[0] not in self._slots:
            heappop(self._order)
        return self._order[0] * self._seconds if self._order else None

    def _leave(self, key: K, slot: int) -> None:
        keys = self._slots[slot]
        del keys[key]
        if keys:
            return
        del self._slots[slot]
        if len(self._order) > 2 * len(self._slots) + SLACK:
            self._order = list(self._slots)
            heapify(self._order)
