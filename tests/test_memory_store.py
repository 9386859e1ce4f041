"""Tests of `chat.store.memory`: the contract of every store, and what is this one's own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.messages import Appended
from chat.store.interface import Store
from chat.store.memory import KEPT_CLIENTS, KEPT_ENTRIES, KEPT_ROOMS, MemoryStore
from tests.store_contract import ANN, START, StoreContract, draft


class MemoryStoreTests(StoreContract, SynchronousTestCase):
    """The memory store keeps the contract, and nothing beyond its own end."""

    def make(self) -> Store:
        """Make one."""
        return MemoryStore(lambda: self.now)

    def test_the_base_of_a_run(self) -> None:
        """What came before the run is not kept: its base is the floor and head of every room."""
        base = int(START * 1000) << 10
        page = self.read()
        self.assertEqual((page.floor, page.head, page.entries), (base, base, ()))
        self.assertEqual(self.append(1, 0), Appended(base + 1))

    def test_kept_entries(self) -> None:
        """512 entries of a room are kept."""
        for n in range(1, KEPT_ENTRIES + 4):
            self.append(n, n - 1)
        self.assertEqual(self.read().floor, self.seqs()[2])

    def test_bounds(self) -> None:
        """Rooms are refused beyond their number; clients are forgotten, the longest unused first."""
        for number in range(KEPT_ROOMS):
            self.append(number + 1, number, room=f"room {number}")
        refused = self.store.append(draft(KEPT_ROOMS + 1, room="one more"), KEPT_ROOMS)
        self.failureResultOf(refused, StoreError)
        for number in range(KEPT_CLIENTS):
            self.append(1, 0, client=number.to_bytes(16, "big"), room="room 0")
        self.assertIsInstance(self.append(1, 0, client=ANN, room="room 0"), Appended)
