"""Tests of `chat.server`: the wall clock is set while the server runs, or between two servers."""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from chat.server.settings import Settings
from chat.store.memory import MemoryStore
from tests.support import ANN, START, Wire


class ClockTests(SynchronousTestCase):
    """What people say is numbered and dated."""

    def test_numbers_after_a_clock_was_set_back(self) -> None:
        """No text is taken for an earlier one, though a server is ready later than its store has begun."""
        store = MemoryStore(lambda: START)
        for opened, ready in ((START, START), (START + 100.2, START + 100.5), (START - 1_000, START - 1_000)):
            store = MemoryStore(partial(float, opened), contents=store.contents)
            wire = Wire(Settings(plain="all"), store=store, ahead=ready)
            if opened == START:
                wire.send(ANN, b"ann\n")
            wire.send(ANN, b"hello\n")
            self.assertEqual(wire.take(ANN)[-1:], [b"ann: hello\n"])

    def test_what_was_said_by_a_clock_that_was_set(self) -> None:
        """What is not older than an hour is so by the clock as it is now."""
        wire = Wire(Settings(plain="all"))
        wire.send(ANN, b"ann")
        wire.clock.advance(2)
        wire.ahead -= 100_000.0
        wire.clock.advance(2)
        wire.send(ANN, b"hello")
        wire.take(ANN)
        wire.send(ANN, b"/history 1h")
        self.assertEqual(wire.take(ANN), [b"ann: hello"])
