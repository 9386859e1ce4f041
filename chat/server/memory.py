"""What is to be remembered, on its way to the store: written behind, the newest of each thing.

Nobody waits for it. While one lot is being written the next gathers, so a store that is slow writes more at
once and not more often. Its law: what was to be remembered first is never written after what came later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chat.errors import StoreError
from chat.memos import Memo, encode_memo
from chat.server.limits import FaultLog
from chat.store.interface import Store

AGAIN_SECONDS = 1.0  # after a failure of the store: a full or locked disk is not mended sooner
FINISH_SECONDS = 5.0  # for the last of it: more than a busy disk takes, and a dead one must not keep us


class Memory:
    """Writes memos to `store`. `clock` runs its timers."""

    def __init__(self, store: Store, faults: FaultLog, clock: IReactorTime) -> None:
        self._log = Logger()
        self._store = store
        self._faults = faults
        self._clock = clock
        # All by key, so at most as many as there are members, owners, keys and logs. What is struck before it
        # was ever written is no page, or all who come and go while the disk is full would be two each.
        self._pages: dict[str, bytes | None] = {}
        self._kept: set[str] = set()  # what the store has
        self._under_way: dict[str, bytes | None] = {}
        self._again: IDelayedCall | None = None
        self._limit: IDelayedCall | None = None
        self._finished: Deferred[None] | None = None
        self._is_over = False

    def found(self, keys: Iterable[str]) -> None:
        """Learn what the store has: once, before anything else."""
        self._kept.update(keys)

    def keep(self, changes: Mapping[str, Memo | None]) -> None:
        """Remember each memo under its key (None: none any more), all of them or none; a later one counts."""
        for key, memo in changes.items():
            if memo is not None:
                self._pages[key] = encode_memo(memo)
            elif key in self._kept or key in self._under_way:
                self._pages[key] = None
            else:
                self._pages.pop(key, None)
        self._write()

    def finish(self) -> Deferred[None]:
        """Write what is left, and nothing more. Fires when that is done, or the store had time enough."""
        finished = self._finished = Deferred[None]()
        self._limit = self._clock.callLater(FINISH_SECONDS, self._give_up)
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._go_on()
        return finished

    def _write(self) -> None:
        """Write what has gathered, unless something is being written: then it is next."""
        if not self._pages or self._under_way or self._again is not None or self._is_over:
            return
        self._under_way, self._pages = self._pages, {}
        written = self._store.remember(self._under_way)
        written.addCallbacks(self._written, self._failed).addErrback(self._broken)

    def _written(self, _: None) -> None:
        pages, self._under_way = self._under_way, {}
        self._kept.update(key for key, content in pages.items() if content is not None)
        self._kept.difference_update(key for key, content in pages.items() if content is None)
        self._go_on()

    def _failed(self, failure: Failure) -> None:
        pages, self._under_way = self._under_way, {}
        if not failure.check(StoreError):  # a bug: the same pages would only find it again, each second
            self._log.failure("the store failed in a way it should not", failure)
            self._go_on()
            return
        self._faults.note("something is not remembered yet", None, failure.getErrorMessage())
        self._pages = pages | self._pages
        if not self._is_over:
            self._again = self._clock.callLater(AGAIN_SECONDS, self._write_again)

    def _write_again(self) -> None:
        self._again = None
        self._go_on()

    def _go_on(self) -> None:
        self._write()
        if self._finished is not None and not self._pages and not self._under_way:
            self._end(self._finished)

    def _give_up(self) -> None:
        self._log.warn(
            "the store did not answer for {seconds:.0f} s: the next start knows less of who was here",
            seconds=FINISH_SECONDS,
        )
        if self._finished is not None:
            self._end(self._finished)

    def _end(self, finished: Deferred[None]) -> None:
        self._is_over, self._finished = True, None
        for call in (self._limit, self._again):
            if call is not None and call.active():
                call.cancel()
        finished.callback(None)

    def _broken(self, failure: Failure) -> None:
        self._log.failure("a bug in what is remembered", failure)
