"""Tests of `chat.wire.heads`: how far rooms were shown is told until the server knows, and then no more."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.fields import MEMBER_ROOMS
from chat.messages import LOBBY, Ping, Pong, ShownUpTo
from chat.wire.direct import Progress
from chat.wire.events import Appeared
from chat.wire.heads import PINGS, Heads
from chat.wire.sequence import Lost, NotKept, RoundTrip
from tests.session_support import ClientSessionTests, entry

LOG = "@" + "a" * 26


class HeadsTests(SynchronousTestCase):
    """The rooms of one client."""

    def setUp(self) -> None:
        """Know nothing."""
        self.heads = Heads()

    def test_until_it_is_known(self) -> None:
        """Each Ping names what no Pong has confirmed; what is shown meanwhile goes with the next."""
        self.assertEqual(self.heads.tell(1, 20), ())
        self.heads.show(LOBBY, 7)
        for ping in (2, 3):
            self.assertEqual(self.heads.tell(ping, 20), (ShownUpTo(LOBBY, 7),))
        self.heads.show(LOBBY, 9)
        self.heads.show(LOBBY, 8)
        self.heads.answered(3)
        self.assertEqual(self.heads.tell(4, 20), (ShownUpTo(LOBBY, 9),))
        self.heads.answered(4)
        self.heads.answered(2)
        self.heads.answered(99)
        self.assertEqual(self.heads.tell(5, 20), ())

    def test_a_fresh_start(self) -> None:
        """On a fresh channel, and in a room that is joined again, the server is told anew."""
        for forget in (self.heads.restart, lambda: self.heads.joined(LOBBY)):
            self.heads.show(LOBBY, 7)
            self.heads.tell(1, 20)
            self.heads.answered(1)
            self.assertEqual(self.heads.tell(2, 20), ())
            forget()
            self.assertEqual(self.heads.tell(3, 20), (ShownUpTo(LOBBY, 7),))

    def test_bounds(self) -> None:
        """A Ping names so many rooms and no more, the others are next; old Pings are forgotten."""
        for number in range(5):
            self.heads.show(f"r{number}", 7)
        told = [each.room for each in self.heads.tell(1, 3)]
        self.heads.answered(1)
        told += [each.room for each in self.heads.tell(2, 3)]
        self.assertEqual(sorted(told), [f"r{number}" for number in range(5)])
        for ping in range(3, 4 + PINGS):
            self.heads.tell(ping, 3)
        self.heads.answered(2)
        self.assertEqual(len(self.heads.tell(99, 3)), 2)

    def test_beside_the_log(self) -> None:
        """With the log of direct messages it is one Ping, of 20 rooms at most."""
        progress = Progress(RoundTrip(lambda: 0.5))
        progress.begin(LOG, 0)
        for number in range(MEMBER_ROOMS):
            progress.show(f"r{number}", 7)
        self.assertFalse(progress.due(0.0))
        progress.show(LOG, 3)
        progress.show("@another", 3)
        told = progress.tell(1, 0.0)
        self.assertEqual((told[0], len(told)), (ShownUpTo(LOG, 3), MEMBER_ROOMS))
        progress.answered(1)
        self.assertEqual(len(progress.tell(2, 0.0)), 1)


class SessionTests(ClientSessionTests):
    """What a session tells its server."""

    def test_what_was_shown(self) -> None:
        """What has appeared counts once its owner is shown it, markers too, unless it was lost."""
        self.enter(LOBBY)
        for event in self.tell(entry(11), entry(12)):
            assert isinstance(event, Appeared)
            if event.shown == entry(11):
                self.session.show(event)
        self.assertEqual(self.next_ping().shown, (ShownUpTo(LOBBY, 11),))
        self.session.show(Appeared(LOBBY, Lost(11, 15)))
        self.session.show(Appeared(LOBBY, NotKept(14)))
        ping = self.next_ping()
        self.assertEqual(ping.shown, (ShownUpTo(LOBBY, 14),))
        self.tell(Pong(ping.id, ping.time, ()))
        self.assertEqual(self.next_ping().shown, ())

    def next_ping(self) -> Ping:
        """Let the time pass until the next Ping leaves."""
        pings: list[Ping] = []
        while not pings:
            self.wait()
            pings = [request for request in self.asked() if isinstance(request, Ping)]
        return pings[0]
