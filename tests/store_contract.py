"""What every store promises, as tests: a store's own test case inherits them and says how to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.errors import StoreError
from chat.messages import LOBBY, Appended, AppendResult, Draft, Fact, Kind, Page, Repeat, Stale
from chat.store.interface import READ_LIMIT, Store

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _Case
else:
    _Case = object  # the contract alone is no test case: trial and pytest must not run it

ANN, BOB = b"a" * 16, b"b" * 16
START = 1_700_000_000.0  # seconds since 1970
LARGEST = 1 << 53  # what a JSON number can hold: no position may reach it
KEPT_RESULTS = 16  # results of a client that a repeat can still be answered with
KEPT_ENTRIES = 512  # of a room, at least


def draft(n: int, client: bytes = ANN, room: str = LOBBY) -> Draft:
    """Give a text that names its number."""
    return Draft(client, n, room, Kind.SAY, "ann", verified=False, text=f"text {n}")


class StoreContract(_Case):
    """A store, and everything that its subscriber is told. `self.now` is the store's wall clock."""

    now: float
    store: Store
    told: list[Fact]

    def make(self) -> Store:
        """Make a store as a server's start does, with whatever the one before has left."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Start a store and listen to it."""
        self.now = START
        self.told = []
        self.start()

    def start(self) -> None:
        """Start a store, and listen from where it says that it stands."""
        self.store = self.make()
        heads = self.successResultOf(self.store.heads())
        after = max((head for _, head in heads.values()), default=0)
        self.successResultOf(self.store.subscribe(self.told.append, after))

    def append(self, n: int, last: int, client: bytes = ANN, room: str = LOBBY) -> AppendResult:
        """Append a text."""
        return self.successResultOf(self.store.append(draft(n, client, room), last))

    def read(self, after: int | None = None, before: int | None = None, limit: int = 10) -> Page:
        """Read from the lobby."""
        return self.successResultOf(self.store.read(LOBBY, after, before, limit))

    def seqs(self) -> list[int]:
        """Give the positions that the subscriber was told."""
        return [fact.entry.seq for fact in self.told]

    def test_positions(self) -> None:
        """Positions rise over the whole store; each entry names the one before it in its room."""
        self.append(1, 0)
        self.append(1, 0, BOB, "other")
        self.append(2, 1)
        first, other, second = (fact.entry for fact in self.told)
        self.assertLess(first.seq, other.seq)
        self.assertLess(other.seq, second.seq)
        self.assertEqual(second.seq - second.back, first.seq)
        self.assertEqual(first.seq - first.back, self.read().floor)
        self.assertEqual(first.at, int(START * 1000))
        self.assertLess(second.seq, LARGEST)

    def test_whose_it_is(self) -> None:
        """A fact carries its client and number, and the answer names the position that was told."""
        result = self.append(1, 0)
        (fact,) = self.told
        self.assertEqual((fact.client, fact.n, fact.entry.text), (ANN, 1, "text 1"))
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
        self.assertEqual(self.append(6, 0), Stale(4))
        self.assertEqual(len(self.told), 1)

    def test_concurrent_appends(self) -> None:
        """Appends that do not wait for one another get positions in the order they were asked in."""
        waiting = [self.store.append(draft(1, bytes([number]) * 16), 0) for number in range(100)]
        results = [self.successResultOf(each) for each in waiting]
        self.assertEqual([fact.client[0] for fact in self.told], list(range(100)))
        self.assertEqual(results, [Appended(seq) for seq in self.seqs()])
        self.assertEqual(self.seqs(), sorted(set(self.seqs())))

    def test_the_same_number_twice_at_once(self) -> None:
        """Of two appends of one number, one is written and the other is its repeat."""
        one, two = self.store.append(draft(1), 0), self.store.append(draft(1), 0)
        first, second = self.successResultOf(one), self.successResultOf(two)
        assert isinstance(first, Appended)
        self.assertEqual(second, Repeat(first.seq))

    def test_reading_at_both_ends(self) -> None:
        """Both bounds are exclusive; after: the oldest first; before: the newest; always ascending."""
        for n in range(1, 7):
            self.append(n, n - 1)
        one, _, three, *_, six = self.seqs()
        for page, texts in (
            (self.read(after=one, limit=2), [2, 3]),
            (self.read(before=six, limit=2), [4, 5]),
            (self.read(after=one, before=three), [2]),
            (self.read(limit=2), [5, 6]),
            (self.read(before=six, limit=0), []),
            (self.read(after=six), []),
        ):
            self.assertEqual([entry.text for entry in page.entries], [f"text {n}" for n in texts])
            self.assertEqual(page.head, six)

    def test_trimming(self) -> None:
        """The newest entries are kept; the floor is the newest that is not, and what is read follows it."""
        for n in range(1, KEPT_ENTRIES + 100):
            self.append(n, n - 1)
        page = self.read(after=0, limit=10_000)
        self.assertLessEqual(len(page.entries), READ_LIMIT)
        self.assertEqual(page.entries[0].seq - page.entries[0].back, page.floor)
        self.assertEqual(page.head, self.seqs()[-1])

    def test_heads(self) -> None:
        """Every room's floor and head; a room in which nobody spoke is empty at one place."""
        page = self.read()
        self.assertEqual(page.floor, page.head)
        self.append(1, 0)
        self.assertEqual(self.successResultOf(self.store.heads())[LOBBY], (page.floor, self.seqs()[0]))

    def test_subscribing_late(self) -> None:
        """A subscriber is first told of what is above the position it names, over all rooms, in order."""
        for n in range(1, 5):
            self.append(n, n - 1, room=LOBBY if n % 2 else "other")
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, self.seqs()[0]))
        self.assertEqual([fact.n for fact in late], [2, 3, 4])
        self.append(5, 4)
        self.assertEqual(late[-1].n, 5)

    def test_restarts(self) -> None:
        """A start begins a new run, above all others, a millisecond after it ended; twice in a row."""
        for run in range(3):
            for n in range(1, 500):
                self.append(n, n - 1, bytes([run]) * 16)
            self.successResultOf(self.store.close())
            self.now += 0.0015  # a float so large is exact to a quarter of a microsecond only
            self.start()
        self.assertEqual(len(self.told), 3 * 499)
        self.assertEqual(self.seqs(), sorted(set(self.seqs())))

    def test_closed(self) -> None:
        """A closed store takes nothing and tells nobody."""
        self.successResultOf(self.store.close())
        self.failureResultOf(self.store.append(draft(1), 0), StoreError)
        self.assertEqual(self.told, [])
