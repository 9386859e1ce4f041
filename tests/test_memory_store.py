"""Tests of `chat.store.memory` against what `chat.store.interface` promises."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.messages import LOBBY, Appended, AppendResult, Draft, Fact, Kind, Page, Repeat, Stale
from chat.store.interface import READ_LIMIT
from chat.store.memory import KEPT_CLIENTS, KEPT_ENTRIES, KEPT_RESULTS, KEPT_ROOMS, MemoryStore

ANN, BOB = b"a" * 16, b"b" * 16
START = 1_700_000_000.0


class MemoryStoreTests(SynchronousTestCase):
    """A store, and everything that its subscriber is told."""

    def setUp(self) -> None:
        """Make an empty store and listen to it."""
        self.now = START
        self.store = MemoryStore(lambda: self.now)
        self.base = int(START * 1000) << 10
        self.told: list[Fact] = []
        self.successResultOf(self.store.subscribe(self.told.append, 0))

    def append(self, n: int, last: int, client: bytes = ANN, room: str = LOBBY) -> AppendResult:
        """Append a text that names its number."""
        draft = Draft(client, n, room, Kind.SAY, "ann", verified=False, text=f"text {n}")
        return self.successResultOf(self.store.append(draft, last))

    def read(self, after: int | None = None, before: int | None = None, limit: int = 10) -> Page:
        """Read from the lobby."""
        return self.successResultOf(self.store.read(LOBBY, after, before, limit))

    def texts(self, page: Page) -> list[str]:
        """Give the texts of a page."""
        return [entry.text for entry in page.entries]

    def test_positions(self) -> None:
        """Positions rise over the whole store; each entry names the one before it in its room."""
        self.append(1, 0)
        self.append(1, 0, BOB, "other")
        self.append(2, 1)
        first, other, second = (fact.entry for fact in self.told)
        self.assertEqual([first.seq, other.seq, second.seq], [self.base + 1, self.base + 2, self.base + 3])
        self.assertEqual(first.seq - first.back, self.base)
        self.assertEqual(second.seq - second.back, first.seq)
        self.assertEqual(first.at, int(START * 1000))

    def test_a_run_of_positions_fits_and_rises(self) -> None:
        """A restart a millisecond later begins above everything before, and far below 2^53."""
        for n in range(1, 1000):
            self.append(n, n - 1)
        later = MemoryStore(lambda: START + 0.001)
        draft = Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="hi")
        result = self.successResultOf(later.append(draft, 0))
        assert isinstance(result, Appended)
        self.assertGreater(result.seq, self.told[-1].entry.seq)
        self.assertLess(result.seq, 1 << 53)

    def test_the_subscriber_is_told_before_the_answer(self) -> None:
        """Each fact carries whose it is, in the order of positions."""
        result = self.append(1, 0)
        (fact,) = self.told
        self.assertEqual((fact.client, fact.n), (ANN, 1))
        self.assertEqual(result, Appended(fact.entry.seq))

    def test_repeats(self) -> None:
        """The same number again writes nothing and tells where it went; of very old ones no more."""
        first = self.append(1, 0)
        assert isinstance(first, Appended)
        self.assertEqual(self.append(1, 0), Repeat(first.seq))
        for n in range(2, KEPT_RESULTS + 2):
            self.append(n, n - 1)
        self.assertEqual(self.append(1, 0), Repeat(0))
        self.assertEqual(len(self.told), KEPT_RESULTS + 1)

    def test_a_number_is_passed_over(self) -> None:
        """Numbers may skip (a refused text has one), as long as the caller knows the newest stored."""
        self.append(1, 0)
        self.assertIsInstance(self.append(5, 1), Appended)
        self.assertEqual(self.append(3, 1), Repeat(0))

    def test_stale(self) -> None:
        """A caller that believes another number is told the stored one, and nothing is written."""
        self.append(4, 0)
        self.assertEqual(self.append(6, 5), Stale(4))
        self.assertEqual(len(self.told), 1)

    def test_reading_at_both_ends(self) -> None:
        """Both bounds are exclusive; after: the oldest first; before: the newest; always ascending."""
        for n in range(1, 7):
            self.append(n, n - 1)
        one, three, six = self.base + 1, self.base + 3, self.base + 6
        self.assertEqual(self.texts(self.read(after=one, limit=2)), ["text 2", "text 3"])
        self.assertEqual(self.texts(self.read(before=six, limit=2)), ["text 4", "text 5"])
        self.assertEqual(self.texts(self.read(after=one, before=three)), ["text 2"])
        self.assertEqual(self.texts(self.read(limit=2)), ["text 5", "text 6"])
        self.assertEqual(self.texts(self.read(before=six, limit=0)), [])
        page = self.read(after=six)
        self.assertEqual((page.floor, page.head, page.entries), (self.base, six, ()))

    def test_trimming(self) -> None:
        """The newest entries are kept; the floor is the newest that is not."""
        for n in range(1, KEPT_ENTRIES + 4):
            self.append(n, n - 1)
        page = self.read(after=0, limit=10_000)
        self.assertEqual(page.floor, self.base + 3)
        self.assertEqual(len(page.entries), READ_LIMIT)
        self.assertEqual(page.entries[0].seq, page.floor + 1)

    def test_heads(self) -> None:
        """Every room's floor and head; a room that nobody spoke in is as old as the run."""
        self.assertEqual(self.successResultOf(self.store.heads()), {})
        page = self.read()
        self.assertEqual((page.floor, page.head), (self.base, self.base))
        self.append(1, 0)
        self.assertEqual(self.successResultOf(self.store.heads()), {LOBBY: (self.base, self.base + 1)})

    def test_subscribing_late(self) -> None:
        """A subscriber is first told of what is above the position it names, over all rooms, in order."""
        for n in range(1, 5):
            self.append(n, n - 1, room=LOBBY if n % 2 else "other")
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, self.base + 1))
        self.assertEqual([fact.n for fact in late], [2, 3, 4])
        self.append(5, 4)
        self.assertEqual(late[-1].n, 5)

    def test_bounds(self) -> None:
        """Rooms are refused beyond their number; clients are forgotten, the longest unused first."""
        for number in range(KEPT_ROOMS):
            self.append(number + 1, number, room=f"room {number}")
        draft = Draft(ANN, KEPT_ROOMS + 1, "one more", Kind.SAY, "ann", verified=False, text="hi")
        self.failureResultOf(self.store.append(draft, KEPT_ROOMS), StoreError)
        for number in range(KEPT_CLIENTS):
            self.append(1, 0, client=number.to_bytes(16, "big"), room="room 0")
        self.assertIsInstance(self.append(1, 0, room="room 0"), Appended)

    def test_closed(self) -> None:
        """A closed store takes nothing and tells nobody."""
        self.successResultOf(self.store.close())
        draft = Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="hi")
        self.failureResultOf(self.store.append(draft, 0), StoreError)
        self.assertEqual(self.told, [])
