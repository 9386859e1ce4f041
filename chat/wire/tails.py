"""The tails of rooms: a room's last entry is said again, for those who would not miss what they never saw.

This module never does I/O and never reads a clock. A receiver notices a gap by what comes after it, and
nothing comes after the last entry before a quiet while: so the server repeats that one entry. Whoever has
lost it has it then; whoever lost others before it sees the gap and fetches them. Nobody acknowledges
anything, and nothing is kept for each member.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

# After the entry, in seconds. The first repeat goes to everybody: in a talk that goes on the next entry is
# there before it. The others go to members that have fetched lately, whose path loses things, and each comes
# a round trip of a bad path after the one before. Modelled at 30 % loss and 100 ms: the last entry of a quiet
# room is everywhere within 1.05 s (99th percentile); with one announcement of the head instead it was 8.5 s.
REPEATS = (0.25, 0.5, 1.0, 2.0)


class TailRepeat(NamedTuple):
    """A frame that `members` are to be sent again; `only_recent_fetchers`: of them who fetched lately."""

    frame: bytes
    members: tuple[bytes, ...]
    only_recent_fetchers: bool


class _Tail:
    """A room's last entry, when it was said, and which repeat comes next."""

    __slots__ = ("at", "frame", "members", "step")

    def __init__(self, frame: bytes, members: tuple[bytes, ...], at: float) -> None:
        self.frame = frame
        self.members = members
        self.at = at
        self.step = 0


class Tails:
    """What is to be repeated, in all rooms: one entry each at most, for two seconds.

    Every call costs the same however many rooms there are.
    """

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}
        # The rooms whose next repeat is the first, the second ...: each in the order of their entries' times.
        self._steps: tuple[OrderedDict[str, None], ...] = tuple(OrderedDict() for _ in REPEATS)

    def entry(self, room: str, frame: bytes, members: tuple[bytes, ...], now: float) -> None:
        """Note that `frame` is now the last entry of `room`; the one before it needs no more repeats."""
        before = self._tails.get(room)
        if before is not None:
            del self._steps[before.step][room]
        self._tails[room] = _Tail(frame, members, now)
        self._steps[0][room] = None

    def forget(self, room: str) -> None:
        """Repeat nothing of `room` any more: what was said there is not to be read any more."""
        tail = self._tails.pop(room, None)
        if tail is not None:
            del self._steps[tail.step][room]

    def due(self, now: float) -> list[TailRepeat]:
        """Give what is to be repeated now. A repeat whose time was slept through is left out for the next."""
        repeats: list[TailRepeat] = []
        for step in reversed(range(len(REPEATS))):  # so that what moves on is not looked at again
            rooms = self._steps[step]
            while rooms:
                room = next(iter(rooms))
                tail = self._tails[room]
                if now < tail.at + REPEATS[step]:
                    break
                repeats.append(TailRepeat(tail.frame, tail.members, only_recent_fetchers=step > 0))
                del rooms[room]
                self._go_on(room, tail, now)
        return repeats

    def next_timeout(self) -> float | None:
        """Give the time at which `due` has something to give; None: nothing is to be repeated."""
        if not self._tails:
            return None
        times = [
            self._tails[next(iter(rooms))].at + delay
            for rooms, delay in zip(self._steps, REPEATS, strict=True)
            if rooms
        ]
        return min(times)

    def _go_on(self, room: str, tail: _Tail, now: float) -> None:
        for step in range(tail.step + 1, len(REPEATS)):
            if now < tail.at + REPEATS[step]:
                tail.step = step
                self._steps[step][room] = None
                return
        del self._tails[room]
