"""What the tests of the hub share: a hub with two members, and a store that does what a test says."""

from __future__ import annotations

from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from chat.hub.effects import Commit, Effect, Send
from chat.hub.hub import Hub
from chat.limits import NO_LIMITS, Limits
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Change,
    Entry,
    Hello,
    Join,
    Kind,
    Presence,
    Rejected,
    Request,
    Say,
)
from chat.stored import Draft, Fact, Stale

ANN, BOB, EVE = b"a" * 16, b"b" * 16, b"e" * 16
START = 1_000.0  # where the tests' clock begins
DEN = "den"

E = TypeVar("E")


def hello(nick: str, client: bytes = ANN, version: int = PROTOCOL_VERSION) -> Hello:
    """Give the request to come in."""
    return Hello(version, client, nick)


def say(number: int, text: str = "hi", back: int = 0, room: str = LOBBY) -> Say:
    """Give the request to say something, with its number for an id."""
    return Say(number, number, room, Kind.SAY, text, back)


def presence(nick: str, change: Change, version: int, room: str = LOBBY, new_nick: str = "") -> Presence:
    """Give what a room is told of a member without a key, who has made the room unless it is the lobby."""
    is_operator = room != LOBBY and change is not Change.LEFT
    return Presence(
        room,
        nick,
        verified=False,
        change=change,
        version=version,
        new_nick=new_nick,
        operator=is_operator,
    )


def entry(seq: int, text: str = "hi", room: str = LOBBY, kind: Kind = Kind.SAY, nick: str = "ann") -> Entry:
    """Give an entry as a store would."""
    return Entry(room, seq, 1, 0, kind, nick, verified=False, text=text)


def only(effects: list[Effect], kind: type[E]) -> E:
    """Give the one effect, which must be of this kind."""
    (effect,) = effects
    assert isinstance(effect, kind), effect
    return effect


def refusal(effects: list[Effect]) -> tuple[int, str, float]:
    """Give id, code and "retry after" of the one effect, which must tell of a refusal."""
    message = only(effects, Send).message
    assert isinstance(message, Rejected), message
    return message.id, message.code, message.retry_after


class HubTests(SynchronousTestCase):
    """A hub without limits, Ann and Bob, who are native, in its lobby, and the time in the test's hands."""

    def setUp(self) -> None:
        """Let both come in."""
        self.hub = Hub(limits=Limits(NO_LIMITS))
        self.now = START
        self.seq = 0
        self.enter("ann", ANN)
        self.enter("Bob", BOB)

    def ask(self, client: bytes, *requests: Request) -> list[Effect]:
        """Give what comes of requests of one member."""
        return [effect for request in requests for effect in self.hub.apply(client, request, self.now)]

    def enter(self, nick: str, client: bytes, *rooms: str, version: int = PROTOCOL_VERSION) -> None:
        """Let somebody come in, and into rooms (the lobby, if none is named)."""
        self.ask(client, hello(nick, client, version))
        for room in rooms or (LOBBY,):
            self.ask(client, Join(1, room))

    def fact(self, draft: Draft, floor: int = 0) -> Fact:
        """Give what a store would say of a draft."""
        self.seq += 1
        stored = entry(self.seq, draft.text, draft.room, draft.kind, draft.nick)
        return Fact(draft.client, draft.n, stored, floor)

    def unknown(self, effects: list[Effect]) -> list[Effect]:
        """Let the store say that it has nothing of the client whose text may be a repeat."""
        return self.hub.appended(only(effects, Commit).token, Stale(0))

    def store(self, effects: list[Effect]) -> list[Effect]:
        """Store the one draft, and give what comes of that."""
        return self.hub.committed(self.fact(only(effects, Commit).draft))
