"""Tests of `chat.server.errands`: what the hub asks of the store, and how it hears the answers."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.hub.effects import Commit, Effect, Publish, Read, Seek, Send
from chat.hub.hub import Hub
from chat.memos import Reader, Seat, memo_key
from chat.messages import LOBBY, Accepted, Done, Fetch, Fetched, Join, Kind, Rejected
from chat.orders import Order
from chat.server.errands import Errands
from chat.server.limits import FaultLog
from chat.store.memory import MemoryStore
from chat.stored import Draft, Heads
from tests.hub_support import ANN, BOB, START, hello, say
from tests.support import BrokenStore, SlowStore


class ErrandsTests(SynchronousTestCase):
    """A hub with two members in its lobby, and a store."""

    def begin(self, store: MemoryStore) -> None:
        """Let both come in."""
        self.hub, self.rings = Hub(), 0
        faults = FaultLog(Logger(), lambda: 0.0)
        self.errands = Errands(self.hub, store, faults, Clock(), self.ring)
        self.found = self.successResultOf(self.errands.begin())
        for nick, client in (("ann", ANN), ("bob", BOB)):
            self.hub.apply(client, hello(nick, client), START)
            self.hub.apply(client, Join(1, LOBBY), START)

    def ring(self) -> None:
        """Count."""
        self.rings += 1

    def ask(self, client: bytes, number: int) -> None:
        """Let a member say something, as the first it ever said."""
        for effect in self.hub.apply(client, say(number), START):
            assert isinstance(effect, Commit)
            self.errands.run(effect)

    def hear(self) -> list[Effect]:
        """Let the hub hear all answers, and do what it wants of the store; give the rest."""
        told: list[Effect] = []
        while (effects := self.errands.next_effects()) is not None:
            for effect in effects:
                if isinstance(effect, Commit | Read):
                    self.errands.run(effect)
                else:
                    told.append(effect)
        return told

    def test_an_answer_waits_until_it_is_asked_for(self) -> None:
        """A store that answers at once does not reach into the hub: its owner is told that there is one."""
        self.begin(MemoryStore(lambda: START))
        self.assertIsNone(self.errands.next_effects())
        self.ask(ANN, 1)
        self.assertGreater(self.rings, 0)
        shown, accepted = self.hear()
        assert isinstance(shown, Publish)
        assert isinstance(accepted, Send)
        self.assertIsInstance(accepted.message, Accepted)
        self.assertIsNone(self.errands.next_effects())

    def test_a_search(self) -> None:
        """Is carried to the store and back, as often as it takes."""
        self.begin(MemoryStore(lambda: START))
        self.ask(ANN, 1)
        self.hear()
        for words, result in (("hi", "1970-01-01 00:16Z ~ann: hi"), ("ho", "nothing that is kept of lobby")):
            (seek,) = self.hub.apply(ANN, Order(2, "search", LOBBY, text=words), START)
            assert isinstance(seek, Seek)
            self.errands.run(seek)
            (answer,) = self.hear()
            assert isinstance(answer, Send)
            assert isinstance(answer.message, Done)
            self.assertIn(result, str(answer.message.result))

    def test_a_late_answer(self) -> None:
        """Comes when it comes, and in the order of the store."""
        store = SlowStore()
        self.begin(store)
        self.ask(ANN, 1)
        self.ask(BOB, 1)
        self.assertEqual((self.rings, self.hear()), (0, []))
        for _ in range(2):
            store.go_on()
        told = self.hear()
        self.assertEqual([effect.author for effect in told if isinstance(effect, Publish)], [ANN, BOB])

    def test_reading(self) -> None:
        """What was asked for comes with its end."""
        self.begin(MemoryStore(lambda: START))
        self.ask(ANN, 1)
        self.hear()
        (read,) = self.hub.apply(BOB, Fetch(5, LOBBY, None, None, 10), START)
        assert isinstance(read, Read)
        self.errands.run(read)
        entry, end = self.hear()
        assert isinstance(end, Send)
        self.assertIsInstance(end.message, Fetched)
        self.assertEqual((entry.member, end.member), (BOB, BOB))  # type: ignore[union-attr]

    def test_a_failure(self) -> None:
        """The hub hears of it; one that no store may have is logged with its traceback too."""
        for error, logged in ((StoreError("disk full"), 0), (ZeroDivisionError("a bug"), 1)):
            store = BrokenStore(lambda: START)
            self.begin(store)
            store.error = error
            self.ask(ANN, 1)
            (told,) = self.hear()
            assert isinstance(told, Send)
            self.assertIsInstance(told.message, Rejected)
            self.assertEqual(len(self.flushLoggedErrors(type(error))), logged)

    def test_what_is_to_be_remembered(self) -> None:
        """It is there at the next start, as one change; nothing waits for it but the end."""
        store = MemoryStore(lambda: START)
        self.begin(store)
        seat = Seat("ann", None, is_plain=True, is_away=False, rooms=[LOBBY])
        self.errands.remember({memo_key(Seat, ANN): seat, memo_key(Reader, "@log"): Reader(5)})
        self.errands.remember({memo_key(Reader, "@log"): None})
        self.assertIsNone(self.successResultOf(self.errands.finish()))
        self.begin(store)
        self.assertEqual((self.found.memos.seats, self.found.memos.readers), ({ANN: seat}, {}))

    def test_what_cannot_be_read(self) -> None:
        """A memo that is none fails the beginning, and says under which key it is."""
        store = MemoryStore(lambda: START)
        store.remember({"seat:00": b"rubbish"})
        errands = Errands(Hub(), store, FaultLog(Logger(), lambda: 0.0), Clock(), self.fail)
        self.assertIn("seat:00", self.failureResultOf(errands.begin(), StoreError).getErrorMessage())

    def test_what_was_there_before(self) -> None:
        """The hub begins where the store stands, and hears of what comes after."""
        store = MemoryStore(lambda: START)
        self.successResultOf(
            store.append(Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="old"), 0)
        )
        self.begin(store)
        self.assertEqual(self.hear(), [])
        heads = self.successResultOf(store.heads())
        assert isinstance(heads, Heads)
        (answer,) = [
            effect for effect in self.hub.apply(ANN, Join(2, LOBBY), START) if isinstance(effect, Send)
        ]
        self.assertEqual(answer.message.head, heads.rooms[LOBBY].head)  # type: ignore[union-attr]
        self.assertEqual(self.found.newest, heads.rooms[LOBBY].head)
