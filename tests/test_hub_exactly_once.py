"""Tests of `chat.hub` with a store: what restarts, losses and repeats leave of what was said."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chat.hub.effects import Commit, Effect, Send
from chat.hub.hub import Hub
from chat.limits import NO_LIMITS, Limits
from chat.messages import LOBBY, Accepted, Entry, Join, Joined, Kind, Rejected, Reply, Request, Say
from chat.store.memory import MemoryStore
from chat.stored import Fact
from tests.hub_support import ANN, DEN, START, hello, say

T = TypeVar("T")


def result_of(deferred: Deferred[T]) -> T:
    """Give what a store in memory answers at once."""
    results: list[T] = []
    deferred.addCallback(results.append)
    return results[0]


class Server:
    """A hub on a store, and what a server does between them; Ann is in the lobby."""

    def __init__(self, store: MemoryStore) -> None:
        self.hub = Hub(limits=Limits(NO_LIMITS))
        self.store = store
        self.facts: list[Fact] = []
        self.commits: deque[Commit] = deque()
        self.replies: list[Reply | Entry] = []
        heads = result_of(store.heads())
        self.hub.restore(heads)
        newest = max((room.head for room in heads.rooms.values()), default=0)
        result_of(store.subscribe(self.facts.append, newest))
        self.connect()

    def connect(self) -> None:
        """Let Ann come in, with a new session if she is here; what the one before was sent is lost."""
        self.take(hello("ann"), Join(99, LOBBY))
        self.replies.clear()

    def silence(self) -> None:
        """Let Ann be silent until she is gone, whatever the store still has of hers, and come again."""
        self._perform(self.hub.expire(START + 600.0))
        self.connect()

    def take(self, *requests: Request) -> None:
        """Let Ann ask."""
        for request in requests:
            self._perform(self.hub.apply(ANN, request, START))

    def append(self) -> None:
        """Let the store take what it was asked first."""
        commit = self.commits.popleft()
        result = result_of(self.store.append(commit.draft, commit.last))
        while self.facts:
            self._perform(self.hub.committed(self.facts.pop(0)))
        self._perform(self.hub.appended(commit.token, result))

    def fail(self) -> None:
        """Let the store fail at what it was asked first."""
        self._perform(self.hub.failed(self.commits.popleft().token))

    def settle(self) -> list[Reply | Entry]:
        """Let the store take everything, and give what Ann was told since the last time."""
        while self.commits:
            self.append()
        replies, self.replies = self.replies, []
        return replies

    def _perform(self, effects: list[Effect]) -> None:
        self.commits += [effect for effect in effects if isinstance(effect, Commit)]
        self.replies += [effect.message for effect in effects if isinstance(effect, Send)]


def texts(store: MemoryStore) -> list[str]:
    """Give what the lobby's log says."""
    return [stored.text for stored in result_of(store.read(LOBBY, 0, None, 256)).entries]


class RestartTests(SynchronousTestCase):
    """Repeats across a restart of the hub, on a store that forgets or remembers."""

    def setUp(self) -> None:
        """Start a server."""
        self.store = MemoryStore(lambda: START)
        self.server = Server(self.store)

    def test_an_answered_text_is_lost(self) -> None:
        """A text behind an unanswered one below an answered one does not wait for the answered one.

        1 has no answer, 2 has one, the server restarts with nothing: 3 waits for 1 and not for 2.
        """
        self.server.take(say(1, "1"), say(2, "2", back=1))
        self.server.settle()
        store = MemoryStore(lambda: START + 1)
        server = Server(store)
        server.take(say(3, "3", back=2))
        self.assertEqual(server.settle(), [])
        server.take(say(1, "1"))
        self.assertEqual([type(reply) for reply in server.settle()], [Accepted, Accepted])
        self.assertEqual(texts(store), ["1", "3"])

    def test_a_refused_text_stays_refused(self) -> None:
        """Its answer was lost, later ones were accepted, the hub restarts: the repeat is refused again."""
        refused = say(1, "1", room=DEN)
        self.server.take(refused, say(2, "2", back=1), say(3, "3", back=2))
        self.server.settle()
        server = Server(self.store)
        server.take(Join(1, DEN), say(4, "4", back=3))
        server.settle()
        server.take(refused)
        codes = [reply.code for reply in server.settle() if isinstance(reply, Rejected)]
        self.assertEqual(codes, ["REFUSED"])
        self.assertEqual(texts(self.store), ["2", "3", "4"])

    def test_an_accepted_text_stays_accepted(self) -> None:
        """The repeat of a text whose answer was lost gets the same answer from the next hub."""
        self.server.take(say(1, "1"), say(2, "2", back=1))
        first = self.server.settle()
        server = Server(self.store)
        server.take(say(2, "2", back=1), say(1, "1"))
        self.assertEqual(sorted(map(str, server.settle())), sorted(map(str, first)))
        self.assertEqual(texts(self.store), ["1", "2"])

    def test_another_text_after_a_restart(self) -> None:
        """A number that the store has another text for is refused."""
        self.server.take(say(1, "1"))
        self.server.settle()
        server = Server(self.store)
        server.take(say(1, "another"))
        (told,) = server.settle()
        assert isinstance(told, Rejected)
        self.assertEqual(told.code, "NUMBER_REUSED")


class Client:
    """Ann's program: it says 1, 2 … `count`, each until it has an answer."""

    def __init__(self, count: int) -> None:
        self.unanswered = set(range(1, count + 1))
        self.asked: dict[int, int] = {}  # numbers by id
        self.under_way: list[Say] = []

    def send(self, n: int) -> None:
        """Say text `n` (once more)."""
        request_id = len(self.asked) + 1
        self.asked[request_id] = n
        back = n - max((other for other in self.unanswered if other < n), default=n)
        self.under_way.append(Say(request_id, n, LOBBY, Kind.SAY, str(n), back))

    def hear(self, reply: Reply | Entry) -> None:
        """Take an answer: it must be to what was asked, and refuse for now at most."""
        match reply:
            case Accepted():
                assert self.asked[reply.id] == reply.n
                self.unanswered.discard(reply.n)
            case Rejected():
                assert reply.id in self.asked, reply
                assert reply.retry_after > 0, reply
            case _:
                assert isinstance(reply, Joined), reply


STEPS = ["send", "arrive", "arrive again", "store", "fail", "hear", "lose", "reconnect", "gone", "restart"]
USUAL = ["send", "arrive", "store"] * 3


class ExactlyOnceTests(SynchronousTestCase):
    """Whatever network, store and restarts do to a client that keeps the rules."""

    @given(
        st.integers(1, 10),
        st.lists(st.tuples(st.sampled_from(STEPS + USUAL), st.integers(0, 99)), max_size=80),
    )
    def test_in_order_and_once(self, count: int, steps: list[tuple[str, int]]) -> None:
        """Every text is stored once, in the order of numbers, and every text gets its answer."""
        store = MemoryStore(lambda: START)
        server, client = Server(store), Client(count)
        for step, choice in steps:
            self.network(server, client, step, choice)
            server = self.server_side(server, client, step, choice)
        for _ in range(count + 1):
            for n in sorted(client.unanswered):
                client.send(n)
            while client.under_way:
                server.take(client.under_way.pop())
            for reply in server.settle():
                client.hear(reply)
        self.assertEqual(client.unanswered, set())
        self.assertEqual(texts(store), [str(n) for n in range(1, count + 1)])

    def network(self, server: Server, client: Client, step: str, choice: int) -> None:
        """Let a text or an answer be sent, arrive, or be lost; `choice` says which."""
        match step:
            case "send" if client.unanswered:
                client.send(sorted(client.unanswered)[choice % len(client.unanswered)])
            case "arrive" if client.under_way:
                server.take(client.under_way.pop(choice % len(client.under_way)))
            case "arrive again" if client.under_way:
                server.take(client.under_way[choice % len(client.under_way)])
            case "hear" if server.replies:
                client.hear(server.replies.pop(choice % len(server.replies)))
            case "lose" if server.replies:
                server.replies.pop(choice % len(server.replies))

    def server_side(self, server: Server, client: Client, step: str, choice: int) -> Server:
        """Let the store answer, or a session or the server end. Gives the server that now runs."""
        if server.commits and step in ("store", "fail"):
            if step == "store":
                server.append()
            else:
                server.fail()
        if step in ("reconnect", "gone", "restart"):
            client.under_way.clear()
        if step == "reconnect":
            server.connect()
        elif step == "gone":
            server.silence()
        elif step == "restart":
            if server.commits and choice % 2:
                server.append()  # and nobody heard of it
            return Server(server.store)
        return server
