"""Tests of `chat.store.memory`: the contract of every store, and what is this one's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.messages import LOBBY
from chat.store.interface import KEPT_ROOMS, RUN_BITS, RUN_STEP, Store, begin_run
from chat.store.memory import KEPT_CLIENTS, KEPT_ENTRIES, KEPT_IN_ALL, Contents, MemoryStore
from chat.stored import Appended, Fact, Heads, Page, RoomHeads
from tests.store_case import ANN, BOB, HOUR, LARGEST, START, draft
from tests.store_contract import StoreContract


class RunTests(SynchronousTestCase):
    """Where a run of positions begins, for every store alike."""

    def test_the_clock_decides(self) -> None:
        """Usually it is the time: two starts are apart without anything being known of the first."""
        self.assertEqual(begin_run(START, 0), int(START * 1000) << RUN_BITS)
        self.assertLess(begin_run(START, 0) + (1 << RUN_BITS) - 1, begin_run(START + 0.0015, 0))

    @given(st.floats(0, 8.7e9), st.integers(0, LARGEST - 2 * RUN_STEP))
    def test_above_everything_kept(self, at: float, newest: int) -> None:
        """Whatever the clock says, a run is above what is kept, and below 2^53."""
        self.assertLess(newest, begin_run(at, newest))
        self.assertLess(begin_run(at, newest), LARGEST)


class MemoryStoreTests(StoreContract, SynchronousTestCase):
    """The memory store keeps the contract, and nothing beyond its own end."""

    def make(self) -> Store:
        """Make one."""
        return MemoryStore(lambda: self.now)

    def test_the_base_of_a_run(self) -> None:
        """What came before the run is not kept: its base is the floor and head of every room."""
        base = int(START * 1000) << RUN_BITS
        self.assertEqual(self.heads(), Heads(base, {}))
        self.assertEqual(self.read(), Page(base, base, ()))
        self.assertEqual(self.append(1, 0), Appended(base + 1))

    def test_a_clock_that_cannot_be_trusted(self) -> None:
        """It knows no earlier run: set back or standing still, the clock leads it into one."""
        self.append(1, 0)
        self.restart(0.0)
        self.append(1, 0)
        self.restart(-HOUR)
        self.append(1, 0)
        first, second, third = self.seqs()
        self.assertEqual(first, second)
        self.assertLess(third, first)

    def test_what_was_accepted_is_kept(self) -> None:
        """Nothing is: no entry, no room, no number."""
        self.append(1, 0)
        before = self.heads().base
        self.restart(1.0)
        base = self.heads().base
        self.assertLess(before, base)
        self.assertEqual(self.heads(), Heads(base, {}))
        self.assertEqual(self.read(), Page(base, base, ()))
        self.assertIsInstance(self.append(1, 0), Appended)

    def test_topics_and_memos_are_kept(self) -> None:
        """They are not."""
        self.set_topic(LOBBY, "tea")
        self.remember({"a": b"1"})
        self.restart(1.0)
        self.assertEqual((self.topics(), self.remembered()), ({}, {}))

    def test_whom_it_is_for_is_kept(self) -> None:
        """No fact is told after a restart."""
        self.append(1, 0)
        self.restart(1.0)
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, 0))
        self.assertEqual(late, [])

    def test_the_first_entry_of_a_run(self) -> None:
        """It names the base of its run: everything before that is not kept."""
        self.append(1, 0)
        self.restart(1.0)
        base = self.heads().base
        self.append(2, 0)
        self.append(3, 2, room="other")
        self.assertEqual([fact.entry.seq - fact.entry.back for fact in self.told[1:]], [base, base])
        self.assertEqual(self.read().floor, base)

    def test_kept_entries(self) -> None:
        """512 entries of a room are kept, or as many as one says."""
        for n in range(1, KEPT_ENTRIES + 4):
            self.append(n, n - 1)
        self.assertEqual(self.read().floor, self.seqs()[2])
        for kept in (1, 3):
            store = MemoryStore(lambda: self.now, kept=kept)
            for n in range(1, 8):
                self.successResultOf(store.append(draft(n), n - 1))
            page = self.successResultOf(store.read(LOBBY, 0, None, 100))
            self.assertEqual(
                [entry.text for entry in page.entries], [f"text {8 - i}" for i in range(kept, 0, -1)]
            )
            self.assertEqual(page.floor, page.entries[0].seq - page.entries[0].back)

    def test_entries_kept_in_all(self) -> None:
        """Beyond their number the room in which nobody has spoken for longest loses what it has, no other."""
        rooms = [f"room-{number}" for number in range(KEPT_IN_ALL // 500)]
        for number, room in enumerate(rooms):
            for n in range(number * 500, number * 500 + 500):
                self.append(n + 1, n, room=room)
        self.append(1, 0, BOB, rooms[0])
        for room, kept in ((rooms[0], 256), (rooms[1], 0), (rooms[2], 256)):
            self.assertEqual(len(self.read(limit=256, room=room).entries), kept)
        emptied = self.read(room=rooms[1])
        self.assertEqual(emptied.floor, emptied.head)
        self.assertEqual(self.heads().rooms[rooms[1]], RoomHeads(emptied.head, emptied.head))
        self.append(2, 1, BOB, rooms[1])
        entry = self.told[-1].entry
        self.assertEqual(self.read(room=rooms[1]), Page(emptied.floor, entry.seq, (entry,)))
        self.assertEqual(entry.seq - entry.back, emptied.head)

    def test_bounds(self) -> None:
        """Rooms are refused beyond their number; clients are forgotten, the longest unused first."""
        for number in range(KEPT_ROOMS):
            self.append(number + 1, number, room=f"room {number}")
        refused = self.store.append(draft(KEPT_ROOMS + 1, room="one more"), KEPT_ROOMS)
        self.failureResultOf(refused, StoreError)
        for number in range(KEPT_CLIENTS):
            self.append(1, 0, client=number.to_bytes(16, "big"), room="room 0")
        self.assertIsInstance(self.append(1, 0, client=ANN, room="room 0"), Appended)


class SucceedingStoreTests(StoreContract, SynchronousTestCase):
    """A memory store that is given what its predecessor held is as durable as one with a disk."""

    contents: Contents | None

    def setUp(self) -> None:
        """Begin with nothing."""
        self.contents = None
        super().setUp()

    def make(self) -> Store:
        """Make one that goes on where the last one ended."""
        store = MemoryStore(lambda: self.now, contents=self.contents)
        self.contents = store.contents
        return store

    def test_fewer_are_kept(self) -> None:
        """A successor that keeps less trims a room when the next entry comes."""
        for n in range(1, 10):
            self.append(n, n - 1)
        store = MemoryStore(lambda: self.now, kept=2, contents=self.contents)
        self.successResultOf(store.append(draft(10), 9))
        page = self.successResultOf(store.read(LOBBY, None, None, 100))
        self.assertEqual([entry.text for entry in page.entries], ["text 9", "text 10"])
        self.assertEqual(page.floor, page.entries[0].seq - page.entries[0].back)
