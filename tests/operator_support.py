"""What the tests of operators share: a hub with Olga, who operates it, beside Ann and Bob."""

from __future__ import annotations

from chat.hub.effects import Acted, Effect, Send
from chat.hub.hub import Hub
from chat.limits import NO_LIMITS, Limits
from chat.memos import Memos
from chat.messages import LOBBY, PROTOCOL_VERSION, Done, Hello, Join, Part, Rejected, Reply
from chat.orders import Order, Verb
from tests.hub_support import ANN, BOB, HubTests

OLGA, KIM = b"o" * 16, b"m" * 16
OLGAS, KIMS, OTHER = b"O" * 32, b"K" * 32, b"X" * 32  # keys
EPOCH = 1_700_000_000.0  # seconds since 1970 when the hub's clock shows 0


class OperatorTests(HubTests):
    """Ann and Bob, who have no keys; Kim, who has one; and Olga, whose key was named at the start."""

    def setUp(self) -> None:
        """Let all of them into the lobby."""
        super().setUp()
        self.begin(Hub(operators=[OLGAS], limits=Limits(NO_LIMITS)))

    def begin(self, hub: Hub, memos: Memos | None = None) -> None:
        """Begin anew with another hub."""
        self.hub = hub
        self.hub.recall(memos or Memos(), self.now, EPOCH + self.now)
        self.come("ann", ANN)
        self.come("Bob", BOB)
        self.come("kim", KIM, KIMS)
        self.come("olga", OLGA, OLGAS)

    def come(self, nick: str, client: bytes, key: bytes | None = None, *rooms: str) -> list[Effect]:
        """Let somebody come in, and into rooms (the lobby, if none is named); give what comes of it."""
        effects = self.hub.apply(client, Hello(PROTOCOL_VERSION, client, nick), self.now, key)
        for room in rooms or (LOBBY,):
            self.ask(client, Join(1, room))
        return effects

    def hello(self, nick: str, client: bytes) -> Hello:
        """Give the request to come in."""
        return Hello(PROTOCOL_VERSION, client, nick)

    def part(self, room: str) -> Part:
        """Give the request to leave a room."""
        return Part(9, room)

    def order(
        self, client: bytes, verb: Verb, room: str = "", target: str = "", text: str = "", number: int = 0
    ) -> list[Effect]:
        """Let somebody give an order."""
        return self.ask(client, Order(7, verb, room, target, text, number))

    def told(self, effects: list[Effect], client: bytes) -> list[Reply]:
        """Give what a member is told by effects."""
        return [each.message for each in effects if isinstance(each, Send) and each.member == client]  # type: ignore[misc]

    def answer(self, effects: list[Effect], client: bytes = OLGA) -> str:
        """Give the lines that answer an order."""
        (done,) = [each for each in self.told(effects, client) if isinstance(each, Done)]
        assert isinstance(done.result, str)
        return done.result

    def refused(self, effects: list[Effect], client: bytes) -> tuple[str, str]:
        """Give code and text of the refusal of an order, of which nothing else may come."""
        (message,) = self.told(effects, client)
        assert isinstance(message, Rejected), message
        self.assertEqual(len(effects), 1, effects)
        return message.code, message.text

    def logged(self, effects: list[Effect]) -> Acted:
        """Give what the log hears of an order."""
        (acted,) = [each for each in effects if isinstance(each, Acted)]
        return acted
