"""Tests of `chat.wire.places`: where a plain peer is, while requests are under way."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import MEMBER_ROOMS
from chat.messages import LOBBY, Join, Part
from chat.wire.places import Places


class PlacesTests(SynchronousTestCase):
    """The room that one joined last is current, unless it refuses."""

    def setUp(self) -> None:
        """Be in the lobby and in dev."""
        self.places = Places()
        self.places.begin(LOBBY)
        for room in (LOBBY, "dev"):
            self.places.move(Join(1, room))

    def test_beginning(self) -> None:
        """Whoever comes in anew is nowhere yet, and has an entrance."""
        self.places.begin("ops")
        self.assertEqual((self.places.entrance, self.places.current), ("ops", ""))
        self.assertNotIn("ops", self.places)

    def test_resuming(self) -> None:
        """Who was in some rooms is in them, and speaks in the one that is named, if it is one of them."""
        for current, expected in (("dev", "dev"), ("ops", "ops"), ("tea", "ops"), ("", "ops")):
            places = Places()
            places.resume(["dev", LOBBY, "ops"], current)
            self.assertEqual((places.current, places.entrance), (expected, ""))
            for room in ("dev", LOBBY, "ops"):
                self.assertIsNotNone(places.move(Part(1, room)))
        places.resume([], "tea")
        self.assertEqual(places.current, "")

    def test_moving(self) -> None:
        """A request tells where its room stood; one that had no place tells that."""
        self.assertEqual(self.places.move(Join(2, LOBBY)), 0)
        self.assertEqual(self.places.current, LOBBY)
        self.assertIn("dev", self.places)
        self.assertEqual(self.places.move(Part(3, LOBBY)), 1)
        self.assertEqual(self.places.current, "dev")
        self.assertIsNone(self.places.move(Part(4, LOBBY)))
        self.assertIsNone(self.places.move(Join(5, "ops")))
        self.assertEqual(self.places.current, "ops")

    def test_switching(self) -> None:
        """Any of the rooms can be the one that is spoken in, and no other."""
        self.places.switch(LOBBY)
        self.assertEqual(self.places.current, LOBBY)
        self.assertEqual(self.places.move(Part(2, LOBBY)), 1)
        refusal = self.assertRaises(RequestRejected, self.places.switch, LOBBY)
        self.assertEqual((refusal.code, self.places.current), ("NOT_IN_ROOM", "dev"))

    def test_refusals(self) -> None:
        """What was refused is as it was; what was left meanwhile stays left."""
        for request in (Join(2, LOBBY), Part(2, "dev"), Join(2, "ops"), Part(2, "ops")):
            self.places.undo(request, self.places.move(request))
            self.assertEqual(self.places.current, "dev")
        place = self.places.move(Join(3, "ops"))
        self.places.move(Part(4, "ops"))
        self.places.undo(Join(3, "ops"), place)
        self.assertEqual(self.places.current, "dev")

    def test_the_most(self) -> None:
        """Beyond 20 rooms none is joined, and nothing has moved."""
        for number in range(2, MEMBER_ROOMS):
            self.places.move(Join(1, f"room-{number}"))
        self.assertRaises(RequestRejected, self.places.move, Join(2, "one-more"))
        self.assertEqual(self.places.current, f"room-{MEMBER_ROOMS - 1}")
        self.assertEqual(self.places.move(Join(3, LOBBY)), 0)
