"""Tests of `chat.server.storage`: the threads of a store, and its tidying up."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chat.errors import StoreError
from chat.messages import LOBBY
from chat.server.storage import STORE_FILE, TIDY_ON_SECONDS, TIDY_SECONDS, Storage, Tidying, Worker
from chat.store.memory import MemoryStore
from chat.stored import Appended
from tests.client_process import the_reactor
from tests.server_process import DEADLINE
from tests.store_case import draft


class TidyingTests(SynchronousTestCase):
    """When a store is tidied up."""

    def setUp(self) -> None:
        """Make a clock and a store that is asked to tidy up; watch the log."""
        self.clock = Clock()
        self.asked: list[Deferred[bool]] = []
        self.tidying = Tidying(self.tidy, self.clock)
        self.events: list[LogEvent] = []
        watch: Any = self.events.append
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def tidy(self) -> Deferred[bool]:
        """Begin a step, which ends when the test says so."""
        self.asked.append(Deferred())
        return self.asked[-1]

    def test_step_by_step(self) -> None:
        """Soon after the start; soon again while there is more; then once a minute. Steps never overlap."""
        self.tidying.start()
        self.clock.advance(TIDY_ON_SECONDS)
        self.clock.advance(10 * TIDY_SECONDS)
        self.assertEqual(len(self.asked), 1)
        self.asked[0].callback(True)
        self.clock.advance(TIDY_ON_SECONDS)
        self.assertEqual(len(self.asked), 2)
        self.asked[1].callback(False)
        self.clock.advance(TIDY_SECONDS - 1)
        self.assertEqual(len(self.asked), 2)
        self.clock.advance(1)
        self.assertEqual(len(self.asked), 3)

    def test_a_failure(self) -> None:
        """A failure is told in one line, and tried again in a minute."""
        self.tidying.start()
        for seconds in (TIDY_ON_SECONDS, TIDY_SECONDS):
            self.clock.advance(seconds)
            self.asked[-1].errback(StoreError("the disk is full"))
        self.assertEqual(len(self.asked), 2)
        details = [event["detail"] for event in self.events if "fault" in event]
        self.assertEqual(details, ["the disk is full"] * 2)
        self.clock.advance(TIDY_SECONDS)
        self.assertEqual(len(self.asked), 3)

    def test_a_bug(self) -> None:
        """What is no failure of the store is logged as a bug, and tidying goes on."""
        self.tidying.start()
        self.clock.advance(TIDY_ON_SECONDS)
        self.asked[0].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.clock.advance(TIDY_SECONDS)
        self.assertEqual(len(self.asked), 2)

    def test_the_end(self) -> None:
        """After the end no step begins, and what becomes of the last one interests nobody."""
        self.tidying.start()
        self.tidying.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.tidying.start()
        self.clock.advance(TIDY_ON_SECONDS)
        self.tidying.stop()
        self.asked[0].errback(StoreError("the store is closed"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual([event for event in self.events if "fault" in event], [])


class WorkerTests(TestCase):
    """A thread of a store."""

    timeout = DEADLINE

    def fail_plainly(self) -> None:
        """Fail as stores do."""
        raise StoreError("no disk")

    @inlineCallbacks
    def test_where_it_works(self) -> Generator[Deferred[Any], Any, None]:
        """Before the start and after the end in the caller's thread, at once; between them in one other."""
        worker = Worker("worker", the_reactor())
        here = threading.get_ident()
        self.assertEqual(self.successResultOf(worker(threading.get_ident)), here)
        self.failureResultOf(worker(self.fail_plainly), StoreError)
        worker.start()
        try:
            there = set()
            for _ in range(3):
                there.add((yield worker(threading.get_ident)))
            yield self.assertFailure(worker(self.fail_plainly), StoreError)
        finally:
            worker.stop()
        self.assertEqual(len(there), 1)
        self.assertNotIn(here, there)
        self.assertEqual(self.successResultOf(worker(threading.get_ident)), here)
        worker.stop()


class StorageTests(TestCase):
    """A store and what belongs to it."""

    timeout = DEADLINE

    def test_memory(self) -> None:
        """Without a file the store is in memory, and needs neither threads nor tidying up."""
        before = threading.active_count()
        storage = Storage(None, 1, 1, the_reactor())
        storage.start()
        self.assertIsInstance(storage.store, MemoryStore)
        self.assertEqual(threading.active_count(), before)
        storage.rest()
        storage.stop()

    @inlineCallbacks
    def test_a_life(self) -> Generator[Deferred[Any], Any, None]:
        """It opens at once, forgets what is too much, and leaves neither threads nor calls behind."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, STORE_FILE)
        before = threading.active_count()
        storage = Storage(path, 2, 1, the_reactor())
        self.assertEqual(threading.active_count(), before)
        storage.start()
        for n in range(1, 5):
            appended = yield storage.store.append(draft(n), n - 1)
            self.assertIsInstance(appended, Appended)
        page = yield storage.store.read(LOBBY, 0, None, 9)
        while len(page.entries) > 2:  # it is tidied up soon
            page = yield storage.store.read(LOBBY, 0, None, 9)
        self.assertEqual([entry.text for entry in page.entries], ["text 3", "text 4"])
        storage.rest()
        yield storage.store.close()
        storage.stop()
        self.assertEqual(threading.active_count(), before)

    def test_a_file_that_cannot_be_used(self) -> None:
        """The error is there at once, and names the file."""
        with self.assertRaisesRegex(StoreError, "/dev/null/chat.db.lock: Not a directory"):
            Storage(Path("/dev/null", STORE_FILE), 1, 1, the_reactor())
