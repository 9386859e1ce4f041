"""Who was not heard for a while. Its cost is that of those whose state changes, however many there are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

AWAY_SECONDS = 60.0  # four pings of a native client were lost, or it sleeps
GONE_SECONDS = 600.0  # a laptop that was shut for a short walk comes back as if nothing had been


class Silence:
    """When each native member was last heard: two lists, in each the longest silent first."""

    def __init__(self) -> None:
        self._awake: OrderedDict[bytes, float] = OrderedDict()
        self._away: OrderedDict[bytes, float] = OrderedDict()

    def hear(self, client: bytes, now: float) -> None:
        """Note that `client` was heard, and so is not away."""
        self._awake[client] = now
        self._awake.move_to_end(client)
        self._away.pop(client, None)

    def resume(self, client: bytes, now: float, *, is_away: bool) -> None:
        """Wait for somebody who was here before a restart."""
        (self._away if is_away else self._awake)[client] = now

    def forget(self, client: bytes) -> None:
        """Wait for `client` no more."""
        self._awake.pop(client, None)
        self._away.pop(client, None)

    def take_away(self, now: float) -> Iterator[bytes]:
        """Give those who are away from now on, once each."""
        for client, heard in _taken(self._awake, now - AWAY_SECONDS):
            self._away[client] = heard
            yield client

    def take_gone(self, now: float) -> Iterator[bytes]:
        """Give those who have been away for too long, and forget them."""
        for client, _ in _taken(self._away, now - GONE_SECONDS):
            yield client


def _taken(heard: OrderedDict[bytes, float], limit: float) -> Iterator[tuple[bytes, float]]:
    while heard:
        client, since = next(iter(heard.items()))
        if since > limit:
            return
        del heard[client]
        yield client, since
