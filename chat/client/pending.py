"""What a client's owner waits for: Deferreds, and the events that settle them.

Its law: each fires once, and whoever holds one may cancel it without harm: it keeps its place among the
others until it would have fired, and then nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Generic, ParamSpec, TypeVar

import msgspec
from twisted.internet.defer import Deferred, fail

from chat.errors import ChatError, RequestRejected
from chat.messages import Joined, Rejected, Reply, Request, Welcome
from chat.wire.events import Answered, Event, InRoom, NotSaid, OutOfRoom, Said

K = TypeVar("K")
P = ParamSpec("P")
T = TypeVar("T")


def deferred(method: Callable[P, Deferred[T]]) -> Callable[P, Deferred[T]]:
    """Let what a method raises on purpose come by the Deferred that it would have given."""

    @wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        try:
            return method(*args, **kwargs)
        except ChatError:
            return fail()

    return called


class Waiting(Generic[K, T]):
    """Deferreds by what they wait for, the oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[K, list[Deferred[T]]] = {}

    def add(self, key: K) -> Deferred[T]:
        """Give one more Deferred that waits for `key`."""
        waiting: Deferred[T] = Deferred()
        self._waiting.setdefault(key, []).append(waiting)
        return waiting

    def fire(self, key: K, value: T) -> None:
        """Let all that wait for `key` have it."""
        for waiting in self._waiting.pop(key, []):
            waiting.callback(value)

    def fail(self, key: K, error: Exception) -> None:
        """Tell all that wait for `key` that it will not come."""
        for waiting in self._waiting.pop(key, []):
            waiting.errback(error)

    def fail_all(self, error: Exception) -> None:
        """Tell all that nothing will come."""
        for key in list(self._waiting):
            self.fail(key, error)

    def move(self, key: K, others: Waiting[K, T]) -> None:
        """Let all that wait for `key` wait among others, which nobody waits among for it."""
        if key in self._waiting:
            others._waiting[key] = self._waiting.pop(key)

    def take_first(self, key: K) -> Deferred[T] | None:
        """Give the one that has waited longest for `key`; it is its taker's to fire."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return None
        first, *others = waiting
        if others:
            self._waiting[key] = others
        return first

    def rename(self, names: dict[K, K]) -> None:
        """Let those that waited for a key wait for its new name."""
        self._waiting = {names[key]: waiting for key, waiting in self._waiting.items()}


class Pending:
    """All that one client's owner waits for.

    `questions` wait by the request with the id 1. Those that are the same are answered in the order in which
    they were asked, and whichever answer comes is one to all of them: they need not be told apart.
    """

    def __init__(self) -> None:
        self.entries: Waiting[None, Welcome] = Waiting()
        self.joins: Waiting[str, Joined] = Waiting()
        self.parts: Waiting[str, None] = Waiting()
        self.texts: Waiting[int, int] = Waiting()
        self.questions: Waiting[Request, Reply] = Waiting()

    def aside(self, event: Event) -> Pending:
        """Give those for whom this event may be an answer: who asks for its room from now on is not."""
        if not isinstance(event, OutOfRoom):
            return self
        waiting = Pending()
        self.parts.move(event.room, waiting.parts)
        if event.code:
            self.joins.move(event.room, waiting.joins)
        return waiting

    def settle(self, event: Event) -> None:
        """Let those have their answer for whom this event is one."""
        match event:
            case Said():
                self.texts.fire(event.n, event.seq)
            case NotSaid():
                self.texts.fail(event.n, RequestRejected(event.code, event.text))
            case InRoom():
                self.joins.fire(event.joined.room, event.joined)
            case OutOfRoom():
                self.parts.fire(event.room, None)
                if event.code:
                    self.joins.fail(event.room, RequestRejected(event.code, event.text))
            case Answered():
                self._answer(event)
            case _:
                pass

    def close(self, error: ChatError) -> None:
        """Tell all that nothing will come any more."""
        self.entries.fail_all(error)
        self.joins.fail_all(error)
        self.parts.fail_all(error)
        self.texts.fail_all(error)
        self.questions.fail_all(error)

    def _answer(self, event: Answered) -> None:
        asked = self.questions.take_first(msgspec.structs.replace(event.request, id=1))
        if asked is None:
            return  # the session asks for names too
        if isinstance(event.reply, Rejected):
            refusal = event.reply
            asked.errback(RequestRejected(refusal.code, refusal.text, refusal.retry_after))
        else:
            asked.callback(event.reply)
