"""The one timer that the server has with the reactor."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SOONEST = 0.001  # seconds: a reactor's clock may be a hair behind ours, and would ring again at once for ever


class Alarm:
    """Calls `ring` when it is time. `now` is the clock that times are by; the reactor may have another."""

    def __init__(self, clock: IReactorTime, now: Callable[[], float], ring: Callable[[], None]) -> None:
        self._clock = clock
        self._now = now
        self._ring = ring
        self._call: IDelayedCall | None = None
        self._when = 0.0

    def set(self, when: float | None) -> None:
        """Ring at `when` at the latest: sooner if it was set to sooner, which does no harm."""
        if when is None or (self._call is not None and self._when <= when):
            return
        self.stop()
        self._when = when
        self._call = self._clock.callLater(max(SOONEST, when - self._now()), self._rings)

    def stop(self) -> None:
        """Do not ring."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _rings(self) -> None:
        self._call = None
        self._ring()
