"""Tests of `chat.store.tables`: what is forgotten, when, and in steps of which size."""

from __future__ import annotations

import sqlite3

from chat.messages import LOBBY, Kind
from chat.store.interface import EMPTY_ROOMS, READ_LIMIT
from chat.store.sqlite import CLIENT_DAYS, SqliteStore
from chat.store.tables import LOOKED_AT, TRIM_AT_ONCE, Tables
from chat.stored import Appended, Draft, Page, RoomHeads, Stale
from chat.wire.sequence import NotKept, RoomLog, RoundTrip
from tests.room_log_support import middle
from tests.sqlite_support import DAY, SqliteTestCase
from tests.store_case import ANN, BOB, draft


class ForgettingRoomsTests(SqliteTestCase):
    """Rooms of which nothing is kept are forgotten at a start, once they are many."""

    def prepare(self, empty: int) -> int:
        """Leave a file with so many rooms without anything, one with an entry, one with a topic.

        Gives the newest position in one of the empty ones.
        """
        tables = Tables(self.path, self.now)
        topic = Draft(ANN, 0, "about tea", Kind.TOPIC, "ann", verified=False, text="tea")
        gone = [(draft(0, room=f"r{number}"), 0) for number in range(empty)]
        outcomes = tables.append([(topic, 0), *gone], self.now)
        tables.append([(draft(0, room="kept"), 0)], self.now)
        tables.close()
        trimmed = sqlite3.connect(self.path)  # as trimming does, in one commit instead of a thousand
        trimmed.execute("DELETE FROM entries WHERE room != (SELECT id FROM rooms WHERE name = 'kept')")
        trimmed.execute("UPDATE rooms SET floor = head, count = 0 WHERE name != 'kept'")
        trimmed.commit()
        trimmed.close()
        newest = outcomes[-1][1]
        assert newest is not None
        return newest.entry.seq

    def test_a_few_are_kept(self) -> None:
        """Up to a thousand empty rooms stay as they are: nobody who is in one sees a marker."""
        self.prepare(EMPTY_ROOMS)
        store = self.open()
        heads = self.successResultOf(store.heads())
        self.assertEqual(len(heads.rooms), EMPTY_ROOMS + 2)
        for number in (0, EMPTY_ROOMS - 1):
            room = heads.rooms[f"r{number}"]
            self.assertEqual(room.floor, room.head)
            self.assertLess(heads.base, room.head)

    def test_many_are_forgotten(self) -> None:
        """Then the base is the newest that one of them had: nobody has seen a position above it in them."""
        newest = self.prepare(EMPTY_ROOMS + 1)
        store = self.open()
        heads = self.successResultOf(store.heads())
        self.assertEqual(set(heads.rooms), {"kept", "about tea"})
        self.assertEqual(heads.rooms["about tea"].topic, "tea")
        self.assertEqual(heads.base, newest)
        for room in ("r0", f"r{EMPTY_ROOMS}", "never heard of"):
            self.assertEqual(self.successResultOf(store.read(room, None, None, 9)), Page(newest, newest, ()))

    def test_who_still_knows_them(self) -> None:
        """A client that was in one sees at most one marker, "not kept", and then what is said next."""
        newest = self.prepare(EMPTY_ROOMS + 1)
        store = self.open()
        joined = self.successResultOf(store.read("r5", None, None, 1))
        self.assertIsInstance(self.successResultOf(store.append(draft(0, room="r5"), 0)), Appended)
        (entry,) = self.successResultOf(store.read("r5", None, None, 1)).entries
        for known, marker in ((newest - 7, [NotKept(newest)]), (newest, [])):
            log = RoomLog(RoundTrip(middle), middle)
            log.joining()
            log.joined(known, known, 0.0)
            log.joining()
            self.assertEqual(log.joined(joined.head, joined.floor, 1.0), marker)
            self.assertEqual(log.receive(entry, 1.0), [entry])
            self.assertIsNone(log.next_timeout())

    def test_their_positions_never_come_again(self) -> None:
        """Whatever the clock says: what is said there next is above all and follows the base."""
        newest = self.prepare(EMPTY_ROOMS + 1)
        seqs = [newest]
        for number, later in enumerate((-365 * DAY, 0.0, 0.0, 366 * DAY)):
            self.now += later
            store = self.open()
            self.assertEqual(self.successResultOf(store.heads()).base, newest)
            result = self.successResultOf(store.append(draft(0, room=f"r{number}"), 0))
            assert isinstance(result, Appended)
            seqs.append(result.seq)
            page = self.successResultOf(store.read(f"r{number}", newest, None, 9))
            self.assertEqual((page.floor, page.head), (newest, result.seq))
            self.assertEqual([entry.seq - entry.back for entry in page.entries], [newest])
            self.successResultOf(store.close())
        self.assertEqual(seqs, sorted(set(seqs)))


class TidyTests(SqliteTestCase):
    """Entries and clients are forgotten by count and by age, the oldest first."""

    def fill(self, store: SqliteStore, count: int, room: str = LOBBY, first: int = 1) -> None:
        """Say so many texts."""
        for n in range(first, first + count):
            self.successResultOf(store.append(draft(n, room=room), n - 1))

    def fill_at_once(self, count: int) -> None:
        """Write so many texts to the file, in one commit."""
        tables = Tables(self.path, self.now)
        tables.append([(draft(0, text=f"{n}"), 0) for n in range(count)], self.now)
        tables.close()

    def tidy(self, store: SqliteStore) -> int:
        """Tidy up; give in how many steps."""
        steps = 1
        while self.successResultOf(store.tidy()):
            steps += 1
        return steps

    def test_by_count(self) -> None:
        """Of each room the newest are kept; the floor is the newest that is not, and survives a restart."""
        store = self.open(entries=10)
        self.fill(store, 25)
        self.fill(store, 5, "small", 26)
        whole = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual(page.entries, whole[-10:])
        self.assertEqual((page.floor, page.head), (whole[-11].seq, whole[-1].seq))
        self.assertEqual(len(self.successResultOf(store.read("small", 0, None, READ_LIMIT)).entries), 5)
        self.successResultOf(store.close())
        store = self.open()
        self.assertEqual(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)), page)
        self.assertEqual(self.successResultOf(store.heads()).rooms[LOBBY], RoomHeads(page.floor, page.head))
        told: list[int] = []
        self.successResultOf(store.subscribe(lambda fact: told.append(fact.floor), page.head - 1))
        self.assertEqual(told[0], page.floor)

    def test_by_age(self) -> None:
        """What is older than so many days goes, though it is little; a room may become empty."""
        store = self.open(days=2.0)
        self.fill(store, 5)
        self.now += 1.5 * DAY
        self.fill(store, 3, first=6)
        self.now += DAY
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual([entry.text for entry in page.entries], ["text 6", "text 7", "text 8"])
        self.now += 2 * DAY
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual((page.entries, page.floor), ((), page.head))
        self.fill(store, 1, first=9)
        (entry,) = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries
        self.assertEqual(entry.seq - entry.back, page.head)

    def test_a_clock_that_was_ahead(self) -> None:
        """A text from its future keeps none alive that was said behind it."""
        store = self.open(days=1.0)
        self.now += 400 * DAY
        self.fill(store, 1)
        self.now -= 400 * DAY
        self.fill(store, 3, first=2)
        self.tidy(store)
        self.assertEqual(len(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries), 4)
        self.now += 2 * DAY
        self.fill(store, 1, first=5)
        self.tidy(store)
        page = self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT))
        self.assertEqual([entry.text for entry in page.entries], ["text 5"])

    def test_in_steps(self) -> None:
        """A step forgets a bounded number, so that no append waits long for it."""
        self.fill_at_once(2 * TRIM_AT_ONCE + 11)
        store = self.open(entries=1)
        self.assertEqual(self.tidy(store), 4)
        self.assertEqual(len(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries), 1)

    def test_old_and_many(self) -> None:
        """Age and count together: the bound of a step holds for both."""
        self.fill_at_once(2 * TRIM_AT_ONCE + 100)
        store = self.open(entries=2 * TRIM_AT_ONCE, days=1.0)
        self.now += 2 * DAY
        self.assertEqual(self.tidy(store), 4)
        self.assertEqual(self.successResultOf(store.read(LOBBY, 0, None, READ_LIMIT)).entries, ())

    def test_many_rooms(self) -> None:
        """A step looks at a bounded number of rooms, and all of them get their turn."""
        tables = Tables(self.path, self.now)
        self.addCleanup(tables.close)
        tables.append([(draft(0, room=f"r{number}"), 0) for number in range(2 * LOOKED_AT + 1)], self.now)

        def steps() -> int:
            count = 1
            while tables.trim(1, self.now, 1.0, 30.0):
                count += 1
            return count

        self.assertEqual(steps(), 3)
        for room in ("r0", f"r{LOOKED_AT}", f"r{2 * LOOKED_AT}"):
            tables.append([(draft(0, room=room), 0)], self.now)
        self.assertEqual(steps(), 3 + 3)
        counts = {room: len(tables.read(room, 0, None, 9, 0).entries) for room in tables.heads().rooms}
        self.assertEqual(set(counts.values()), {1})

    def test_clients(self) -> None:
        """A client's number is forgotten after 30 days without a text, not before."""
        store = self.open(days=1_000.0)
        self.fill(store, 3)
        self.now += (CLIENT_DAYS - 1) * DAY
        self.successResultOf(store.append(draft(1, BOB), 0))
        self.tidy(store)
        self.assertEqual(self.successResultOf(store.append(draft(5, ANN), 9)), Stale(3))
        self.now += 2 * DAY
        self.tidy(store)
        self.assertEqual(self.successResultOf(store.append(draft(5, ANN), 9)), Stale(0))
        self.assertEqual(self.successResultOf(store.append(draft(5, BOB), 9)), Stale(1))
