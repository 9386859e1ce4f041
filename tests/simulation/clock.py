"""Virtual time: one heap of calls for the whole simulation, and a view of it for each machine."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Call:
    """One call to come. It has what Twisted asks of an `IDelayedCall`."""

    __slots__ = ("_call", "_machine", "_time")

    def __init__(self, time: float, call: Callable[[], object], machine: MachineClock | None) -> None:
        self._time = time
        self._call: Callable[[], object] | None = call
        self._machine = machine

    def cancel(self) -> None:
        """Never call it."""
        self._call = None

    def active(self) -> bool:
        """Say whether it is still to come."""
        return self._call is not None

    def getTime(self) -> float:  # noqa: N802  (IDelayedCall)
        """Give its time by the clock that it was asked of."""
        return self._time + (self._machine.offset if self._machine else 0.0)

    def run(self) -> None:
        """Call it, unless it was cancelled or its machine is down."""
        call, self._call = self._call, None
        if call is not None and not (self._machine and self._machine.is_dead):
            call()


class Heap:
    """The time of the simulation in seconds from its beginning. Calls for one instant run in their order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.count = 0  # calls made so far
        self._heap: list[tuple[float, int, Call | Callable[[], object]]] = []
        self._number = 0

    def at(self, time: float, call: Call | Callable[[], object]) -> None:
        """Run `call` at `time`, or at once if that is past."""
        self._number += 1
        heapq.heappush(self._heap, (time, self._number, call))

    def run_until(self, end: float) -> None:
        """Let the time pass to `end`."""
        heap = self._heap
        while heap and heap[0][0] <= end:
            time, _, call = heapq.heappop(heap)
            self.now = max(self.now, time)
            self.count += 1
            if isinstance(call, Call):
                call.run()
            else:
                call()
        self.now = max(self.now, end)


class MachineClock:
    """The monotonic clock of one machine since it was booted: the part of `IReactorTime` that is used."""

    def __init__(self, heap: Heap, offset: float) -> None:
        self.offset = offset
        self.is_dead = False  # nothing that was asked of it is called any more
        self._heap = heap

    def seconds(self) -> float:
        """Give the time by this machine."""
        return self._heap.now + self.offset

    def callLater(self, delay: float, call: Callable[..., object], *args: Any, **kwargs: Any) -> Call:  # noqa: N802
        """Run `call` after `delay` seconds, if the machine lives by then."""
        time = self._heap.now + delay
        later = Call(time, lambda: call(*args, **kwargs), self)
        self._heap.at(time, later)
        return later

    def at(self, time: float, call: Callable[[], object]) -> Call:
        """Run `call` when this machine's clock says `time`."""
        later = Call(time - self.offset, call, self)
        self._heap.at(time - self.offset, later)
        return later
