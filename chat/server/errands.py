"""What the hub wants of the store, and the answers on their way back to it, in the order in which they came.

A store answers whenever it likes: at once, inside the call (memory), or in a later turn (a disk). Its law:
the hub hears of an answer only when its owner asks for the next one, so that it finishes one thing before it
begins another, and the same road is taken whichever store it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chat.errors import StoreError
from chat.hub.effects import Commit, Effect, Read, Redact, Seek
from chat.hub.hub import Hub
from chat.memos import Memo, Memos, decode_memos
from chat.server.limits import FaultLog
from chat.server.memory import Memory
from chat.store.interface import Store
from chat.stored import Fact, Heads

_Token = TypeVar("_Token", bytes, int)
_Answer = TypeVar("_Answer")


class Found(NamedTuple):
    """What a store had kept: the newest position, and memos."""

    newest: int
    memos: Memos


class Errands:
    """Carries between `hub` and `store`; calls `answered` when `next_effects` has something to give.

    That raises nothing: it would get into the store. `clock` runs the timers of what is written behind.
    """

    def __init__(
        self,
        hub: Hub,
        store: Store,
        faults: FaultLog,
        clock: IReactorTime,
        answered: Callable[[], None],
    ) -> None:
        self._log = Logger()
        self._hub = hub
        self._store = store
        self._faults = faults
        self._answered = answered
        self._memory = Memory(store, faults, clock)
        self._verdicts: deque[Callable[[], list[Effect]]] = deque()  # at most one a member and one a fact

    def begin(self) -> Deferred[Found]:
        """Let the hub learn where the store stands, and hear of every entry from there on; give the rest.

        Fails with `StoreError` if the store, or a memo, cannot be read.
        """
        return self._store.heads().addCallback(self._restore)

    def run(self, errand: Commit | Read | Seek | Redact) -> None:
        """Ask the store."""
        if isinstance(errand, Commit):
            answer = self._store.append(errand.draft, errand.last)
            self._await(answer, self._hub.appended, errand.token)
        elif isinstance(errand, Seek):
            found = self._store.search(errand.room, errand.words, errand.before, errand.limit)
            self._await(found, self._hub.found, errand.token)
        elif isinstance(errand, Redact):
            redacted = self._store.redact(errand.room, errand.seq)
            self._await(redacted, self._hub.redacted, errand.token)
        else:
            fetch = errand.fetch
            page = self._store.read(fetch.room, fetch.after, fetch.before, fetch.limit)
            self._await(page, self._hub.answered, errand.token)

    def remember(self, changes: Mapping[str, Memo | None]) -> None:
        """Let the store remember what a turn has called for, when it has time for it."""
        self._memory.keep(changes)

    def finish(self) -> Deferred[None]:
        """Let the store remember what is left, or what of it can be in a few seconds: before it is closed."""
        return self._memory.finish()

    def conclude(self, verdict: Callable[[], list[Effect]]) -> None:
        """Let the hub hear by `verdict` what else came of something it wanted done, in its turn."""
        self._verdict(verdict)

    def next_effects(self) -> list[Effect] | None:
        """Let the hub hear the oldest answer, and give what it wants done; None: it has heard all."""
        return self._verdicts.popleft()() if self._verdicts else None

    def _restore(self, heads: Heads) -> Deferred[Found]:
        self._hub.restore(heads)
        newest = max([heads.base, *(room.head for room in heads.rooms.values())])
        return self._store.remembered().addCallback(self._recall, newest)

    def _recall(self, kept: dict[str, bytes], newest: int) -> Deferred[Found]:
        found = Found(newest, decode_memos(kept))
        self._memory.found(kept)
        return self._store.subscribe(self._stored, found.newest).addCallback(lambda _: found)

    def _await(
        self,
        answer: Deferred[_Answer],
        verb: Callable[[_Token, _Answer], list[Effect]],
        token: _Token,
    ) -> None:
        """Let the hub hear by `verb` what the store answers, or that it has failed."""
        answer.addCallbacks(self._done, self._failed, (verb, token), {}, (token,), {})

    def _done(self, answer: _Answer, verb: Callable[[_Token, _Answer], list[Effect]], token: _Token) -> None:
        self._verdict(partial(verb, token, answer))

    def _stored(self, fact: Fact) -> None:
        self._verdict(partial(self._hub.committed, fact))

    def _failed(self, failure: Failure, token: bytes | int) -> None:
        if not failure.check(StoreError):
            self._log.failure("the store failed in a way it should not", failure)
        else:
            self._faults.note("a failure of the store", None, failure.getErrorMessage())
        self._verdict(partial(self._hub.failed, token))

    def _verdict(self, verdict: Callable[[], list[Effect]]) -> None:
        self._verdicts.append(verdict)
        self._answered()
