"""Tests of `chat.hub.tallies`: a large room is told how many come and go, each of them once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.fields import CROWD
from chat.hub.effects import Effect, Publish, Send
from chat.hub.hub import Hub
from chat.hub.tallies import TELL_SECONDS
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Bye,
    Change,
    Done,
    Hello,
    Join,
    Joined,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Turnover,
)
from tests.hub_support import ANN, BOB, DEN, EVE, START, HubTests, hello, only, presence


def client(number: int) -> bytes:
    """Name one of many."""
    return b"%016d" % number


def turnover(effects: list[Effect]) -> Turnover:
    """Give what the one effect tells, which must be a turnover."""
    told = only(effects, Publish).message
    assert isinstance(told, Turnover), told
    return told


class LargeRoomTests(HubTests):
    """A lobby with as many members as are told of each other, ann and bob among them."""

    def setUp(self) -> None:
        """Let them come in."""
        super().setUp()
        for number in range(CROWD - 2):
            self.enter(f"m{number}", client(number))
        self.version = CROWD

    def come(self, nick: str = "eve", name: bytes = EVE) -> list[Effect]:
        """Let one more come into the lobby."""
        self.ask(name, hello(nick, name))
        return self.ask(name, Join(1, LOBBY))

    def wait(self) -> list[Effect]:
        """Let the time come at which something is told."""
        when = self.hub.next_timeout()
        assert when is not None
        self.assertEqual(self.hub.handle_timeout(when - 0.001), [])
        self.now = when
        return self.hub.handle_timeout(when)

    def test_fifty_are_told_of_each_other(self) -> None:
        """Up to that size each change is told to all by name, at once, and nothing waits."""
        told = [effect for effect in self.ask(ANN, Nick(2, "anna")) if isinstance(effect, Publish)]
        self.assertEqual([len(each.members) for each in told], [CROWD])
        self.assertEqual(told[0].message, presence("ann", Change.RENAMED, CROWD + 1, new_nick="anna"))
        self.assertIsNone(self.hub.next_timeout())

    def test_a_newcomer(self) -> None:
        """The next one is told of itself, and where it is, as in any room; the others hear nothing yet."""
        joined = Joined(1, LOBBY, 0, 0, "", CROWD + 1, CROWD + 1)
        self.assertEqual(
            self.come(),
            [Publish((EVE,), presence("eve", Change.JOINED, CROWD + 1), EVE), Send(EVE, joined)],
        )
        self.assertEqual(self.hub.next_timeout(), START + TELL_SECONDS)

    def test_told_together(self) -> None:
        """Two seconds after the first change all who are there are told how many there were."""
        self.come()
        for number in range(10):
            self.now += 0.1
            self.come(f"x{number}", client(100 + number))
        self.ask(client(0), Part(2, LOBBY))
        self.ask(client(1), Bye())
        self.ask(EVE, Nick(2, "eva"))
        told = self.wait()
        self.assertEqual(self.now, START + TELL_SECONDS)
        self.assertEqual(turnover(told), Turnover(LOBBY, 11, 2, 1, CROWD + 9, CROWD + 14))
        self.assertEqual((len(only(told, Publish).members), only(told, Publish).author), (CROWD + 9, b""))
        self.assertIn(EVE, only(told, Publish).members)
        self.assertIsNone(self.hub.next_timeout())

    def test_whom_it_is_about(self) -> None:
        """Who is renamed reads it at once; of who leaves nobody does, but the log."""
        self.come()
        self.assertEqual(
            self.ask(EVE, Nick(2, "eva")),
            [
                Publish((EVE,), presence("eve", Change.RENAMED, CROWD + 2, new_nick="eva"), EVE),
                Send(EVE, Done(2, "eva")),
            ],
        )
        self.assertEqual(
            self.ask(BOB, Part(2, LOBBY)),
            [Publish((), presence("Bob", Change.LEFT, CROWD + 3), BOB), Send(BOB, Done(2, ""))],
        )

    def test_who_is_away(self) -> None:
        """Nobody is told who is away or back, and nothing waits for that; the roster's version counts it."""
        self.come()
        self.wait()
        self.now += 59.0
        self.ask(ANN, Ping(2, 0))
        self.now += 2.0
        self.assertEqual(self.hub.expire(self.now), [])
        effects = self.ask(EVE, Ping(3, 0))
        pong = only(effects, Send).message
        assert isinstance(pong, Pong)
        self.assertEqual(pong.rooms[0].version, CROWD + 1 + CROWD + 1)  # all but ann were away, eve is back
        self.assertIsNone(self.hub.next_timeout())

    def test_a_room_that_shrinks(self) -> None:
        """What was counted is told, and what comes until then with it; only then each is told again."""
        self.come()
        self.now += 1.0
        self.assertEqual(only(self.ask(EVE, Bye())[1:], Publish).members, ())
        self.ask(BOB, Nick(2, "rob"))
        self.assertEqual(turnover(self.wait()), Turnover(LOBBY, 1, 1, 1, CROWD, CROWD + 3))
        told = only(self.ask(client(0), Bye())[1:], Publish)
        self.assertEqual((len(told.members), told.message), (
            CROWD - 1, presence("m0", Change.LEFT, CROWD + 4)
        ))  # fmt: skip
        self.assertIsNone(self.hub.next_timeout())

    def test_nobody_is_left(self) -> None:
        """A room without members is told nothing, and forgotten with what was counted in it."""
        everybody = self.hub.everybody()
        self.come()
        for each in (*everybody, EVE):
            self.ask(each, Part(2, LOBBY))
        self.assertIsNone(self.hub.next_timeout())
        told = [effect for effect in self.ask(ANN, Join(3, LOBBY)) if isinstance(effect, Publish)]
        self.assertEqual(told, [Publish((ANN,), presence("ann", Change.JOINED, 2 * CROWD + 3), ANN)])

    def test_each_room_by_itself(self) -> None:
        """Two large rooms are told each when its time comes, and each what became of it."""
        for each in self.hub.everybody():
            self.ask(each, Join(2, DEN))
        self.come()
        self.now += 0.5
        self.ask(EVE, Join(2, DEN), Part(3, LOBBY))
        self.assertEqual(turnover(self.wait()), Turnover(LOBBY, 1, 1, 0, CROWD, CROWD + 2))
        self.assertEqual(self.now, START + TELL_SECONDS)
        self.assertEqual(turnover(self.wait()), Turnover(DEN, 1, 0, 0, CROWD + 1, CROWD + 1))
        self.assertEqual(self.now, START + 0.5 + TELL_SECONDS)

    def test_both_at_once(self) -> None:
        """A timer that is late finds all that is due."""
        for each in self.hub.everybody():
            self.ask(each, Join(2, DEN))
        self.come()
        self.ask(EVE, Join(2, DEN))
        self.assertEqual(len(self.hub.handle_timeout(self.now + 10.0)), 2)

    def test_thousands(self) -> None:
        """2,000 who come and go within 10 s are told five times at most, in few words each time."""
        self.come()
        self.wait()
        notices: list[Publish] = []
        words = 0  # to one member each
        for number in range(2_000):
            due = self.hub.next_timeout()
            if due is not None and due <= self.now:
                notices.append(only(self.hub.handle_timeout(self.now), Publish))
            some = client(1_000 + number // 2)
            effects = self.ask(some, Bye()) if number % 2 else self.come(f"x{number}", some)
            words += sum(len(effect.members) for effect in effects if isinstance(effect, Publish))
            self.now += 10.0 / 2_000
        self.assertLessEqual(len(notices), 5)
        self.assertEqual(words, 1_000)
        told = [each.message for each in [*notices, only(self.wait(), Publish)]]
        joined = sum(each.joined for each in told if isinstance(each, Turnover))
        left = sum(each.left for each in told if isinstance(each, Turnover))
        self.assertEqual((joined, left), (1_000, 1_000))


# --- any order


class Watched:
    """A hub whose rooms are large soon, and somebody in the lobby who counts what is told there."""

    def __init__(self, crowd: int) -> None:
        self.hub = Hub(crowd=crowd)
        self.now = START
        self.told: Counter[Change] = Counter()
        self.happened: Counter[Change] = Counter()
        self.waiting: list[float] = []  # since when each change that is to be told is not
        self.count = 1
        self.version = 1  # of what was told last
        self.hub.apply(ANN, Hello(PLAIN_VERSION, ANN, "ann"), START)  # who types nothing is not away
        self.hub.apply(ANN, Join(1, LOBBY), START)

    def nicks(self) -> set[str]:
        """Give who is in the lobby."""
        done = only(self.hub.apply(ANN, Names(1, LOBBY), self.now), Send).message
        assert isinstance(done, Done)
        assert isinstance(done.result, NamesPage)
        return {line.nick for line in done.result.nicks}

    def act(self, what: str, number: int) -> None:
        """Let one thing happen, and hold what is told against it."""
        name, before = client(number % 6), self.nicks()
        match what:
            case "join":
                self.take(self.hub.apply(name, Hello(PROTOCOL_VERSION, name, f"m{number % 6}"), self.now))
                effects = self.hub.apply(name, Join(1, LOBBY), self.now)
            case "part":
                effects = self.hub.apply(name, Part(2, LOBBY), self.now)
            case "leave":
                effects = self.hub.apply(name, Bye(), self.now)
            case "rename":
                effects = self.hub.apply(name, Nick(3, f"n{number}"), self.now)
            case "ping":
                effects = self.hub.apply(name, Ping(4, 0), self.now)
            case _:
                effects = self.wait({"moment": number / 50, "minute": 61.0, "long": 700.0}[what])
        came, gone = self.nicks() - before, before - self.nicks()
        happened = Counter({Change.JOINED: len(came), Change.LEFT: len(gone)})
        if what == "rename":
            happened = Counter({Change.RENAMED: len(came)})
        self.happened += happened
        self.waiting += [self.now] * happened.total()
        self.take(effects)
        self.check()

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass. What is to be told then is told when it is due."""
        until = self.now + seconds
        while (due := self.hub.next_timeout()) is not None and due <= until:
            self.now = due
            self.take(self.hub.handle_timeout(due))
        self.now = until
        return self.hub.expire(until)

    def take(self, effects: list[Effect]) -> None:
        """Read what the one who watches is told of others."""
        for effect in effects:
            if not isinstance(effect, Publish) or ANN not in effect.members:
                continue
            told = effect.message
            assert isinstance(told, Presence | Turnover)
            if isinstance(told, Presence):
                self.told[told.change] += 1
                self.count += {Change.JOINED: 1, Change.LEFT: -1}.get(told.change, 0)
            else:
                self.told += Counter(
                    {Change.JOINED: told.joined, Change.LEFT: told.left, Change.RENAMED: told.renamed}
                )
                self.count += told.joined - told.left
                assert told.count == self.count == len(self.nicks())
                assert self.waiting[0] >= self.now - TELL_SECONDS
            assert self.version < told.version, "told twice, or too late"
            self.version = told.version
            self.waiting.clear()

    def check(self) -> None:
        """Nothing is told that did not happen; what happened was told, or waits for its time."""
        told = Counter({change: self.told[change] for change in self.happened})
        if self.hub.next_timeout() is None:
            assert told == self.happened, (told, self.happened)
            assert self.count == len(self.nicks())
        else:
            assert told < self.happened, (told, self.happened)


ACTS = ("join", "join", "join", "part", "leave", "rename", "ping", "moment", "moment", "minute", "long")


class AnyOrderTests(SynchronousTestCase):
    """Whoever comes, goes, is renamed or falls silent, in rooms that grow and shrink."""

    @given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 60)), max_size=60))
    def test_the_sums_are_right(self, crowd: int, story: list[tuple[str, int]]) -> None:
        """Each change is told once: by name or in a count, two seconds after it at the latest, in order."""
        watched = Watched(crowd)
        for what, number in story:
            watched.act(what, number)
        watched.act("moment", 100)
        self.assertIsNone(watched.hub.next_timeout())
