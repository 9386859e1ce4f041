"""Time in the client: a clock that goes on while the machine sleeps, one that does not, and the one timer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall

from chat.client.path import Reactor

SLEPT_SECONDS = 1.0  # so much between two events is no rounding: a closed lid, a suspended virtual machine


def boot_seconds() -> float:
    """Give seconds that nobody sets and that go on in sleep, where the system has such a clock (Linux)."""
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SleepWatch:
    """Notices that the machine has slept. `awake` gives seconds that do not go on in sleep."""

    def __init__(self, now: float, awake: Callable[[], float]) -> None:
        self._awake = awake
        self._ahead = now - awake()

    def has_slept(self, now: float) -> bool:
        """Say whether the machine has slept since this was last asked."""
        before, self._ahead = self._ahead, now - self._awake()
        return self._ahead - before > SLEPT_SECONDS


class Timer:
    """Calls `wake` when the earliest of what was asked for is due."""

    def __init__(self, reactor: Reactor, wake: Callable[[], object]) -> None:
        self._reactor = reactor
        self._wake = wake
        self._call: IDelayedCall | None = None

    def set(self, times: Iterable[float | None], now: float) -> None:
        """Wake at the earliest of `times`, and forget what was asked for before."""
        self.stop()
        due = min((time for time in times if time is not None), default=None)
        if due is not None:
            self._call = self._reactor.callLater(max(0.0, due - now), self._wake)

    def stop(self) -> None:
        """Do not wake."""
        if self._call is not None and self._call.active():
            self._call.cancel()
