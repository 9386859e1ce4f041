"""What the tests of a room's log share: entries, a room that was joined, a short word for what is wanted."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.fields import FETCH_LIMIT
from chat.messages import Entry, Kind
from chat.wire.sequence import RoomLog, RoundTrip, Shown, Wanted

RUN = 1 << 20  # what lies between the positions of two runs at least


def middle() -> float:
    """Stand in for chance: no jitter up or down."""
    return 0.5


def entry(seq: int, prev: int | None = None) -> Entry:
    """Give the entry at `seq`, by default right behind the one before it."""
    return Entry(
        "r", seq, 1 if prev is None else seq - prev, 0, Kind.SAY, "ann", verified=True, text=str(seq)
    )


def gap(after: int, *, is_repeat: bool = False) -> Wanted:
    """Give what repairs a gap."""
    return Wanted(after, None, FETCH_LIMIT, is_repeat)


class RoomLogTests(SynchronousTestCase):
    """A room that was joined with its head at 10 (and 4 not kept any more)."""

    def setUp(self) -> None:
        """Join."""
        self.round_trip = RoundTrip(middle)
        self.log = RoomLog(self.round_trip, middle)
        self.log.joining()
        self.assertEqual(self.log.joined(10, 4, 0.0), [])

    def hear(self, *entries: Entry, now: float = 0.0) -> list[Shown]:
        """Let entries come in; give what is shown."""
        return [shown for each in entries for shown in self.log.receive(each, now)]

    def ask(self, now: float = 0.0) -> tuple[Wanted | None, float]:
        """Let the time come at which something is due; give what, and when."""
        due = self.log.next_timeout()
        assert due is not None
        if due > now:
            self.assertIsNone(self.log.due(due - 0.001))
        due = max(due, now)
        return self.log.due(due), due

    def rejoin(self, head: int, floor: int = 4) -> list[Shown]:
        """Join once more, as a new session does."""
        self.log.joining()
        return self.log.joined(head, floor, 0.0)
