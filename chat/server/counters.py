"""What a server has refused, dropped or put right since it began: a number for each kind.

Whoever notices something counts it here by a name of its own. Operators see the numbers in `/uptime`, and
once a minute, when one has moved, the log has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from twisted.logger import Logger

LOG_SECONDS = 60.0  # between two log lines of counters: a flood is one line a minute


class Counters:
    """Numbers by name. Names are words of the program and never of a peer, so there are few."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._counts: dict[str, int] = {}
        self._logged: dict[str, int] = {}  # as they were in the last line
        self._logged_at = float("-inf")

    def add(self, name: str, count: int = 1) -> None:
        """Count `count` more of `name`, which is a fixed phrase."""
        self._counts[name] = self._counts.get(name, 0) + count

    def add_all(self, counts: Iterable[tuple[str, int]]) -> None:
        """Count what others have counted: so many more of each name."""
        for name, count in counts:
            self.add(name, count)

    def all(self) -> Mapping[str, int]:
        """Give every number that is not 0, by name: a view that goes on counting."""
        return MappingProxyType(self._counts)

    def tick(self, now: float) -> None:
        """Log the numbers that have moved since the last line, if that is a minute ago."""
        if self._counts == self._logged or now - self._logged_at < LOG_SECONDS:
            return
        moved = {name: count for name, count in self._counts.items() if count != self._logged.get(name)}
        self._logged, self._logged_at = dict(self._counts), now
        self._log.info("counted: {counted}", event="counted", counted=show_counts(moved), counters=moved)


def show_counts(counts: Mapping[str, int]) -> str:
    """Give numbers as people read them, in the order of their names: `bans=2, lines too fast=31`."""
    return ", ".join(f"{name}={counts[name]}" for name in sorted(counts))
