"""Tests of `chat.server.memory`: what is remembered is written behind, whatever the store does."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.memos import Device, Reader, decode_memos, memo_key
from chat.server.limits import FaultLog
from chat.server.memory import AGAIN_SECONDS, FINISH_SECONDS, Memory
from chat.store.memory import MemoryStore


class SlowMemory(MemoryStore):
    """A store that remembers, or fails to, when the test says."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.asked: list[tuple[Mapping[str, bytes | None], Deferred[None]]] = []

    def remember(self, changes: Mapping[str, bytes | None]) -> Deferred[None]:
        """Wait."""
        answer: Deferred[None] = Deferred()
        self.asked.append((changes, answer))
        return answer

    def go_on(self, error: Exception | None = None) -> None:
        """Do what was asked first, or fail with `error`."""
        changes, answer = self.asked.pop(0)
        if error is not None:
            answer.errback(Failure(error))
        else:
            super().remember(changes).chainDeferred(answer)

    def kept(self) -> dict[str, int]:
        """Give what is kept of logs, by name."""
        return {name: reader.seen for name, reader in decode_memos(self.contents.memos).readers.items()}


class MemoryTests(SynchronousTestCase):
    """The memory over a store that takes its time."""

    def setUp(self) -> None:
        """Begin."""
        self.lines = 0
        self.clock = Clock()
        self.store = SlowMemory()
        faults = FaultLog(Logger(observer=self.count), self.clock.seconds)  # type: ignore[arg-type]
        self.memory = Memory(self.store, faults, self.clock)

    def count(self, _: object) -> None:
        """Count what is logged of faults."""
        self.lines += 1

    def put(self, **seen: int | None) -> None:
        """Have something remembered, or forgotten (None)."""
        self.memory.keep(
            {f"reader:{name}": None if upto is None else Reader(upto) for name, upto in seen.items()}
        )

    def test_nothing(self) -> None:
        """Without anything to remember the store is asked for nothing, at the end either."""
        self.memory.keep({})
        self.successResultOf(self.memory.finish())
        self.assertEqual((self.store.asked, self.clock.getDelayedCalls()), ([], []))

    def test_one_at_a_time(self) -> None:
        """While one lot is being written the next gathers, the newest under each key, and follows at once."""
        self.put(a=1, b=1)
        for upto in (2, 3):
            self.put(a=upto, b=None, c=upto)
        self.assertEqual(len(self.store.asked), 1)
        self.store.go_on()
        self.assertEqual((self.store.kept(), len(self.store.asked)), ({"a": 1, "b": 1}, 1))
        self.store.go_on()
        self.assertEqual((self.store.kept(), self.store.asked), ({"a": 3, "c": 3}, []))

    def test_a_failure(self) -> None:
        """It is noted and tried again a second later, with what has come since in the place of what was."""
        self.put(a=1, b=1)
        self.put(a=2)
        self.store.go_on(StoreError("disk full"))
        self.put(c=1)
        self.assertEqual((self.store.asked, self.lines), ([], 1))
        self.clock.advance(AGAIN_SECONDS)
        self.store.go_on()
        self.assertEqual(self.store.kept(), {"a": 2, "b": 1, "c": 1})

    def test_a_long_failure(self) -> None:
        """It is tried once a second and logged once in ten, and nothing is lost by it."""
        self.put(a=1)
        for _ in range(10):
            self.store.go_on(StoreError("disk full"))
            self.clock.advance(AGAIN_SECONDS)
        self.assertEqual((self.lines, len(self.store.asked)), (1, 1))
        self.store.go_on()
        self.assertEqual((self.store.kept(), self.clock.getDelayedCalls()), ({"a": 1}, []))

    def test_coming_and_going(self) -> None:
        """What is struck before the store ever had it is nothing to write, however long the store fails."""
        self.memory.found(["reader:old"])
        self.put(a=1)
        self.store.go_on(StoreError("disk full"))
        for _ in range(100):
            self.put(b=1, c=1)
            self.put(b=None, c=None)
        self.put(a=None, old=None, d=1)
        self.clock.advance(AGAIN_SECONDS)
        ((changes, _),) = self.store.asked
        self.assertEqual(set(changes), {"reader:old", "reader:d"})
        self.put(d=None)  # it may be written by now
        self.store.go_on()
        self.store.go_on()
        self.put(d=None, old=None)
        self.assertEqual((self.store.kept(), self.store.asked), ({}, []))

    def test_a_bug_in_a_store(self) -> None:
        """What a store chokes on is not given to it again; what came after it is."""
        self.put(a=1)
        self.put(b=1)
        self.store.go_on(ZeroDivisionError("a bug"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.store.go_on()
        self.assertEqual(self.store.kept(), {"b": 1})

    def test_the_end(self) -> None:
        """It comes when what was under way and what waited behind it are written."""
        self.put(a=1)
        self.put(a=2)
        end = self.memory.finish()
        self.store.go_on()
        self.assertNoResult(end)
        self.store.go_on()
        self.successResultOf(end)
        self.assertEqual((self.store.kept(), self.clock.getDelayedCalls()), ({"a": 2}, []))

    def test_the_end_of_a_failing_store(self) -> None:
        """What failed is tried at once, and again while there is time; then it is given up, with one line."""
        self.put(a=1)
        self.store.go_on(StoreError("disk full"))
        end = self.memory.finish()
        self.store.go_on(StoreError("disk full"))
        for _ in range(int(FINISH_SECONDS / AGAIN_SECONDS) - 1):
            self.clock.advance(AGAIN_SECONDS)
            self.store.go_on(StoreError("disk full"))
            self.assertNoResult(end)
        self.clock.advance(AGAIN_SECONDS)
        self.successResultOf(end)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_end_of_a_dead_disk(self) -> None:
        """A store that never answers keeps nobody; what it says later leads to nothing more."""
        for error in (None, StoreError("closed"), ZeroDivisionError("a bug")):
            self.setUp()
            self.put(a=1)
            self.put(b=1)
            end = self.memory.finish()
            self.clock.advance(FINISH_SECONDS)
            self.successResultOf(end)
            self.store.go_on(error)
            self.put(c=1)
            self.assertEqual((self.store.asked, self.clock.getDelayedCalls()), ([], []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_store_that_recovers_at_the_end(self) -> None:
        """The end comes as soon as it is written."""
        self.put(a=1)
        end = self.memory.finish()
        self.store.go_on(StoreError("locked"))
        self.clock.advance(AGAIN_SECONDS)
        self.assertNoResult(end)
        self.store.go_on()
        self.successResultOf(end)
        self.assertEqual((self.store.kept(), self.clock.getDelayedCalls()), ({"a": 1}, []))

    def test_any_memo(self) -> None:
        """What is written is what is read at the next start."""
        self.memory.keep({memo_key(Device, b"k"): Device(b"someone")})
        self.store.go_on()
        self.assertEqual(decode_memos(self.store.contents.memos).devices, {b"k": Device(b"someone")})
