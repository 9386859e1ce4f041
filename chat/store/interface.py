"""What every store promises. Hub and sessions never see a store: the server carries between them.

A store is a log: `append` gives a draft its position, and the one subscriber is told of every entry in the
order of positions, whoever appended it. Every method returns a Deferred, in memory too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred

from chat.messages import AppendResult, Draft, Fact, Page

READ_LIMIT = 256  # entries in one answer: about a quarter of a megabyte at most


class Store(Protocol):
    """The interface of a store."""

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Give `draft` the next position, in one transaction with its client's number.

        `Repeat` if the client's stored number is at or above the draft's, `Stale` if it is another than
        `last`; nothing is written then. Fails with `StoreError`.
        """

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """Give the entries between two positions, both exclusive, in ascending order.

        With `after` the oldest first, at most `limit`; with `before` alone the newest.
        """

    def heads(self) -> Deferred[dict[str, tuple[int, int]]]:
        """Give (floor, head) of every room; what comes later is what `subscribe` tells."""

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """Call `callback` with every fact above position `after`, in order, from now on."""

    def close(self) -> Deferred[None]:
        """Finish what is under way and let go of everything."""
