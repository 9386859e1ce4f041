"""Tests of `chat.client.whereabouts`: what a session will say about a room."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.whereabouts import Whereabouts
from chat.messages import Joined
from chat.wire.events import InRoom, OutOfRoom

DEV = Joined(1, "dev", 0, 0, "", 0, 1)


class WhereaboutsTests(SynchronousTestCase):
    """One room, and what becomes of it."""

    def setUp(self) -> None:
        """Be nowhere."""
        self.rooms = Whereabouts()

    def test_never_asked(self) -> None:
        """A room that was wanted while there was no channel, and is not any more, needs no leaving."""
        self.rooms.want("dev", is_talking=False)
        self.assertFalse(self.rooms.unwant("dev"))
        self.rooms.connected()
        self.assertFalse(self.rooms.unwant("dev"))

    def test_asked(self) -> None:
        """One for which a Join may have left is left with a word of the server's, now or on a new channel."""
        self.rooms.want("dev", is_talking=True)
        self.rooms.want("lobby", is_talking=False)
        self.rooms.connected()
        self.rooms.lost()
        self.assertTrue(self.rooms.unwant("dev"))
        self.assertTrue(self.rooms.unwant("lobby"))

    def test_inside(self) -> None:
        """Who is in a room knows its `Joined`, until the channel or the room is lost."""
        self.assertIsNone(self.rooms.want("dev", is_talking=True))
        self.rooms.take(InRoom(DEV))
        self.assertEqual(self.rooms.want("dev", is_talking=True), DEV)
        self.rooms.lost()
        self.assertIsNone(self.rooms.want("dev", is_talking=True))
        self.rooms.take(InRoom(DEV))
        self.rooms.take(OutOfRoom("dev", "", ""))
        self.assertIsNone(self.rooms.want("dev", is_talking=True))

    def test_refused(self) -> None:
        """A room that we are not let into is wanted no more."""
        self.rooms.want("dev", is_talking=True)
        self.rooms.take(OutOfRoom("dev", "TOO_MANY_ROOMS", "leave one first"))
        self.rooms.connected()
        self.assertFalse(self.rooms.unwant("dev"))

    def test_there_and_back(self) -> None:
        """Out of a room that is wanted again, the next Join is on its way."""
        self.rooms.want("dev", is_talking=True)
        self.rooms.unwant("dev")
        self.rooms.want("dev", is_talking=True)
        self.rooms.take(OutOfRoom("dev", "", ""))
        self.assertTrue(self.rooms.unwant("dev"))
