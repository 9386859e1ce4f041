"""Tests of /history in a script: its answer comes entry by entry."""

from __future__ import annotations

from twisted.internet.task import Clock

from chat.client.happenings import Link as LinkState
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.script import ANSWER_SECONDS
from chat.client.visit import FIRST_SECONDS, QUIET_SECONDS, Visit
from chat.errors import RequestRejected
from chat.messages import Entry
from chat.wire.events import Appeared
from chat.wire.sequence import Earlier
from tests.client_support import FakeClient, ScriptCase, entry


class HistoryTests(ScriptCase):
    """/history, whose answer comes entry by entry and has no end."""

    def setUp(self) -> None:
        """Be in the lobby, and ask for three entries."""
        super().setUp()
        self.client.let_in()
        self.feed("/history 3")

    def earlier(self, *entries: Entry) -> None:
        """Let older entries come, the newest first."""
        for each in entries:
            self.script.happened(Appeared("lobby", Earlier(each)))
        self.clock.advance(0)

    def test_all(self) -> None:
        """With as many entries as were asked for the answer is whole: the oldest is printed first."""
        self.assertEqual(self.client.histories, [("lobby", 3)])
        self.earlier(entry("three", 9), entry("two", 8), entry("one", 7))
        self.assertEqual(self.printed, ["ann: one", "ann: two", "ann: three"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_behind_the_last(self) -> None:
        """Whoever is told of each entry is told of the last one, too, before there is an answer."""
        for seq in (9, 8, 7, 6):
            self.script.happened(Appeared("lobby", Earlier(entry(f"{seq}", seq))))
            self.assertEqual(self.printed, [])
        self.clock.advance(0)
        self.assertEqual(self.printed, ["ann: 7", "ann: 8", "ann: 9"])

    def test_the_beginning(self) -> None:
        """Nothing is before a room's first entry."""
        self.earlier(entry("two", 2), entry("one", 1))
        self.assertEqual(self.printed, ["ann: one", "ann: two"])

    def test_an_empty_room(self) -> None:
        """Where we know that nothing is above us nobody is asked."""
        self.restart()
        self.client.let_in(head=7, floor=7)
        self.feed("/history")
        self.assertEqual(self.printed, ["nothing older is kept of lobby"])
        self.assertEqual(self.client.histories, [])

    def test_no_more(self) -> None:
        """What is not kept does not come: a second of silence ends the answer."""
        self.earlier(entry("two", 8))
        self.clock.advance(QUIET_SECONDS)
        self.assertEqual(self.printed, ["ann: two"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_none(self) -> None:
        """Where nothing is kept, three seconds of silence are the answer, and it is said in words."""
        self.clock.advance(FIRST_SECONDS)
        self.assertEqual(self.printed, ["nothing older is kept of lobby"])

    def test_a_silent_server(self) -> None:
        """As long as the server is silent its silence means nothing: the line is late like any other."""
        self.client.change(LinkState.SILENT)
        for _ in range(int(ANSWER_SECONDS)):
            self.clock.advance(1)
        self.assertEqual(self.printed, [])
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_one_at_a_time(self) -> None:
        """A second /history while the first is out is refused, as at the plain door."""
        visit = Visit(Clock())
        client = FakeClient(visit.happened)
        visit.begin(client.real, "lobby")
        client.let_in()
        visit.ask("/history", 1)
        refused = self.failureResultOf(visit.ask("/history", 2), RequestRejected)
        self.assertEqual(refused.value.code, "BUSY")
