"""Rooms that are not everybody's, who is away, and who has seen what: `ChatClient`s at a real server."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from chat.client.happenings import Happening
from chat.errors import RequestRejected
from chat.messages import Done, Joined
from chat.notices import Notice
from chat.orders import Order
from chat.wire.events import InRoom, OutOfRoom
from tests.client_network import Host, NetworkTestCase, Person

DEN = "den"


class RoomTests(NetworkTestCase):
    """Ann has made the den."""

    def setUp(self) -> None:
        """Let her."""
        super().setUp()
        self.host = Host(self.network)
        self.ann = self.enter("ann", DEN)
        self.bob = self.enter("bob")

    def order(self, person: Person, verb: str, target: str = "", text: str = "") -> str:
        """Give what comes of an order about the den."""
        asking = person.client.ask(Order(1, verb, DEN, target, text))
        self.network.run()
        done = self.successResultOf(asking)
        assert isinstance(done, Done)
        return str(done.result)

    def join(self, person: Person, key: str = "") -> Deferred[Joined]:
        """Let somebody ask to be let into the den."""
        joining = person.client.join(DEN, key=key)
        self.network.run()
        return joining

    def refused(self, joining: Deferred[Joined]) -> str:
        """Give the code with which somebody was not let in."""
        refusal = self.failureResultOf(joining, RequestRejected).value
        return str(refusal.code)

    def test_with_a_key(self) -> None:
        """Who knows it is let in."""
        self.order(self.ann, "mode", "+k", "sesame")
        self.assertEqual(self.refused(self.join(self.bob)), "ROOM_KEY")
        self.assertEqual(self.refused(self.join(self.bob, "tahini")), "ROOM_KEY")
        self.successResultOf(self.join(self.bob, "sesame"))

    def test_with_a_key_at_once(self) -> None:
        """Who asks again, with the key, when it is told of a refusal waits for the answer to that."""
        self.order(self.ann, "mode", "+k", "sesame")
        again: list[Deferred[Joined]] = []

        def happened(what: Happening) -> None:
            if isinstance(what, OutOfRoom):
                again.append(self.bob.client.join(DEN, key="sesame"))

        self.bob.on_happened = happened
        self.assertEqual(self.refused(self.join(self.bob)), "ROOM_KEY")
        (joining,) = again
        joined = self.successResultOf(joining)
        self.assertEqual(joined.room, DEN)
        self.assertEqual(self.successResultOf(self.join(self.bob)), joined)

    def test_back_at_once(self) -> None:
        """Who comes back when it is told that it was put out is in when the server says so, not before."""
        self.successResultOf(self.join(self.bob))
        again: list[Deferred[Joined]] = []

        def happened(what: Happening) -> None:
            if isinstance(what, OutOfRoom):
                again.append(self.bob.client.join(DEN))
                self.assertNoResult(again[-1])

        self.bob.on_happened = happened
        self.order(self.ann, "kick", "bob")
        (joining,) = again
        joined = self.successResultOf(joining)
        self.assertEqual(self.bob.told(InRoom)[-1].joined, joined)

    def test_invited(self) -> None:
        """Who is invited hears of it at once, and may come in."""
        self.order(self.ann, "mode", "+i")
        self.assertEqual(self.refused(self.join(self.bob)), "NO_SUCH_ROOM")
        self.order(self.ann, "invite", "bob")
        (notice,) = self.bob.told(Notice)
        self.assertEqual(notice.text, f"ann invites you to {DEN}: /join {DEN}")
        self.successResultOf(self.join(self.bob))

    def test_seen(self) -> None:
        """What a client has shown it tells with its next ping, and not before it was there."""
        self.successResultOf(self.join(self.bob))
        self.network.is_lost = lambda sent: sent.target[0] == self.bob.reactor.host
        saying = self.ann.client.say("one", DEN)
        self.network.run()
        self.successResultOf(saying)
        self.assertEqual(self.order(self.ann, "seen"), "not yet to 1: bob")
        self.network.is_lost = lambda _: False
        self.network.run(15.0)
        self.assertEqual(self.bob.texts, ["one"])
        self.assertEqual(self.order(self.ann, "seen"), "shown to 1: bob")

    def test_away(self) -> None:
        """Who writes to somebody who is away is told so."""
        self.order(self.bob, "away", text="at tea")
        saying = self.ann.client.say("hi", "@bob")
        self.network.run()
        self.successResultOf(saying)
        self.assertEqual([notice.text for notice in self.ann.told(Notice)], ["bob is away: at tea"])
        self.assertIn("away: at tea", self.order(self.ann, "whois", "bob"))
