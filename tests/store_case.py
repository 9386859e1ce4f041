"""What the tests of stores share: drafts, and a case with a store and everything that it tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chat.messages import LOBBY, Kind
from chat.store.interface import Store
from chat.stored import Appended, AppendResult, Draft, Fact, Heads, Page

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _Case
else:
    _Case = object  # the contract alone is no test case: trial and pytest must not run it

ANN, BOB = b"a" * 16, b"b" * 16
START = 1_700_000_000.0  # seconds since 1970
LARGEST = 1 << 53  # what a JSON number can hold: no position may reach it
KEPT_RESULTS = 16  # results of a client that a repeat can still be answered with
KEPT_ENTRIES = 512  # of a room, at least
HOUR = 3_600.0


def draft(n: int, client: bytes = ANN, room: str = LOBBY, text: str = "", kind: Kind = Kind.SAY) -> Draft:
    """Give a text that names its number unless it is told what to say."""
    return Draft(client, n, room, kind, "ann", verified=False, text=text or f"text {n}")


def drafted(fact: Fact) -> Draft:
    """Give the draft that a fact was made of."""
    entry = fact.entry
    said = entry.room, entry.kind, entry.nick, entry.verified, entry.text
    return Draft(fact.client, fact.n, *said, fact.reader)


class StoreCase(_Case):
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
        heads = self.heads()
        after = max([heads.base, *(room.head for room in heads.rooms.values())])
        self.successResultOf(self.store.subscribe(self.told.append, after))

    def restart(self, later: float = 0.0) -> None:
        """End the store and start it again, when the clock shows so many seconds more."""
        self.successResultOf(self.store.close())
        self.now += later
        self.start()

    def append(self, n: int, last: int, client: bytes = ANN, room: str = LOBBY) -> AppendResult:
        """Append a text."""
        return self.successResultOf(self.store.append(draft(n, client, room), last))

    def read(
        self, after: int | None = None, before: int | None = None, limit: int = 10, room: str = LOBBY
    ) -> Page:
        """Read from a room."""
        return self.successResultOf(self.store.read(room, after, before, limit))

    def set_topic(self, room: str, text: str) -> None:
        """Make `text` the topic of a room ("": it has none)."""
        topic = Draft(ANN, 0, room, Kind.TOPIC, "ann", verified=False, text=text)
        self.assertIsInstance(self.successResultOf(self.store.append(topic, 0)), Appended)

    def topics(self) -> dict[str, str]:
        """Give the topics of all rooms."""
        return {name: room.topic for name, room in self.heads().rooms.items()}

    def remember(self, changes: Mapping[str, bytes | None]) -> None:
        """Remember."""
        self.successResultOf(self.store.remember(changes))

    def remembered(self) -> dict[str, bytes]:
        """Ask what is remembered."""
        return self.successResultOf(self.store.remembered())

    def heads(self) -> Heads:
        """Ask where the store stands."""
        return self.successResultOf(self.store.heads())

    def seqs(self) -> list[int]:
        """Give the positions that the subscriber was told."""
        return [fact.entry.seq for fact in self.told]

    def assert_a_log(self) -> None:
        """Check what was told: positions rise, and each entry names the one before it in its room."""
        self.assertEqual(self.seqs(), sorted(set(self.seqs())))
        newest: dict[str, int] = {}
        for entry in (fact.entry for fact in self.told):
            self.assertLess(entry.seq, LARGEST)
            if entry.room in newest:
                self.assertEqual(entry.seq - entry.back, newest[entry.room])
            newest[entry.room] = entry.seq
