"""What every store promises. Hub and sessions never see a store: the server carries between them.

A store is a log: `append` gives a draft its position, and the one subscriber is told of every entry in the
order of positions, whoever appended it. Every method returns a Deferred, in memory too, which fails with
`StoreError` once the store is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from chat.messages import DIRECT, is_direct
from chat.stored import AppendResult, Draft, Fact, Found, Heads, Page

READ_LIMIT = 256  # entries in one answer: about a quarter of a megabyte at most
KEPT_ROOMS = 60_000  # the hub makes 10,000 for everybody, and one for each owner of a nick
EMPTY_ROOMS = 1_000  # of which nothing is kept: when there are more at a start, all of those are forgotten
KEPT_RESULTS = 16  # of a client: more than the 8 requests that one may have in flight
LOOKED_AT = 5_000  # entries in one step of a search: some 10 ms of the thread that reads
RUN_BITS = 10  # positions in a millisecond before a run could meet the one that a restart begins
RUN_STEP = 1 << 20  # between two runs that the clock does not keep apart: it stood still, or was set back


def begin_run(at: float, newest: int) -> int:
    """Give the position behind which a run begins: every start of a store begins one.

    `at` is seconds since 1970, `newest` the newest position that is kept (0: none). Stays below 2^53 until
    the year 2248, so that clients in any language can count it.
    """
    return max(int(at * 1000) << RUN_BITS, (newest // RUN_STEP + 1) * RUN_STEP)


def said(draft: Draft) -> tuple[str, str, str]:
    """Give what makes a draft the same text as another: see `Repeat`."""
    return DIRECT if is_direct(draft.room) else draft.room, draft.kind, draft.text


def holds(text: str, words: Iterable[str]) -> bool:
    """Say whether all `words`, which are folded (`str.casefold`), are in `text`, capitals or not."""
    folded = text.casefold()
    return all(word in folded for word in words)


class Store(Protocol):
    """The interface of a store."""

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Give `draft` the next position, in one transaction with its client's number.

        `Repeat` if the client's stored number is at or above the draft's, `Stale` if it is another than
        `last`; nothing is written then. A draft without a number (0) is written at once. Fails with
        `StoreError`.
        """

    def read(self, room: str, after: int | None, before: int | None, limit: int) -> Deferred[Page]:
        """Give the entries between two positions, both exclusive, in ascending order.

        With `after` the oldest, at most `limit`; else the newest. A room in which nobody spoke is empty.
        """

    def search(self, room: str, words: Sequence[str], before: int | None, limit: int) -> Deferred[Found]:
        """Give the newest entries below position `before` (None: of all) that hold all `words`.

        Words are folded. At most `limit`, out of 5,000 that it looks at: `Found` says where to go on.
        """

    def redact(self, room: str, seq: int) -> Deferred[bool]:
        """Put `REDACTED` in the place of a text; all else of its entry stays. False: it is not kept.

        What became of it, and so what a repeat of it is told, does not change. No subscriber is told.
        """

    def heads(self) -> Deferred[Heads]:
        """Tell where every room stands; what comes later is what `subscribe` tells."""

    def subscribe(self, callback: Callable[[Fact], None], after: int) -> Deferred[None]:
        """Call `callback` with every kept fact above position `after`, in order, and then with each new one.

        It hears of a fact before whoever appended it has its answer.
        """

    def remember(self, changes: Mapping[str, bytes | None]) -> Deferred[None]:
        """Keep each value under its key, in the place of an earlier one (None: keep none), all or nothing."""

    def remembered(self) -> Deferred[dict[str, bytes]]:
        """Give all that is kept so."""

    def close(self) -> Deferred[None]:
        """Finish what is under way and let go of everything."""
