"""Tests of `chat.hub`: requests and facts in, effects out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.hub.effects import Commit, Drop, Effect, Publish, Send
from chat.hub.hub import WAITING_LINES, Hub
from chat.messages import (
    LOBBY,
    MOTD_BYTES,
    NAMES_PAGE,
    PROTOCOL_VERSION,
    Accepted,
    Appended,
    Bye,
    Change,
    Done,
    Draft,
    Entry,
    Fact,
    Hello,
    Kind,
    Motd,
    Names,
    NamesPage,
    Presence,
    Rejected,
    Repeat,
    Say,
    Stale,
    Welcome,
)

ANN, BOB, EVE = b"a" * 16, b"b" * 16, b"e" * 16


def hello(nick: str, client: bytes = ANN) -> Hello:
    """Give the request to come in."""
    return Hello(PROTOCOL_VERSION, client, nick)


def say(number: int, text: str) -> Say:
    """Give the request to say something, with the same id and number."""
    return Say(number, number, LOBBY, Kind.SAY, text)


def presence(nick: str, change: Change) -> Presence:
    """Give what the room is told of a plain member."""
    return Presence(LOBBY, nick, verified=False, change=change)


class HubTests(SynchronousTestCase):
    """A hub with Ann and Bob in it."""

    def setUp(self) -> None:
        """Let both come in."""
        self.hub = Hub()
        self.hub.apply(ANN, hello("ann", ANN))
        self.hub.apply(BOB, hello("Bob", BOB))
        self.seq = 0

    def fact(self, draft: Draft) -> Fact:
        """Give what a store would say of a draft."""
        self.seq += 1
        entry = Entry(draft.room, self.seq, 1, 0, draft.kind, draft.nick, draft.verified, draft.text)
        return Fact(draft.client, draft.n, entry)

    def commit(self, effects: list[Effect]) -> Commit:
        """Give the one effect, which must be a commit."""
        (effect,) = effects
        assert isinstance(effect, Commit)
        return effect


class ComingAndGoingTests(HubTests):
    """Who is here, under which nick."""

    def test_coming_in(self) -> None:
        """Everybody is told, the newcomer too, and it before anything else."""
        hub = Hub("be nice")
        self.assertEqual(
            hub.apply(ANN, hello("ann")),
            [
                Publish((ANN,), presence("ann", Change.JOINED), ANN),
                Send(ANN, Welcome("udpchat 0.1.0", "ann", "be nice")),
            ],
        )
        publish = hub.apply(BOB, hello("bob", BOB))[0]
        assert isinstance(publish, Publish)
        self.assertEqual(publish.members, (ANN, BOB))
        self.assertEqual(hub.everybody(), (ANN, BOB))

    def test_a_nick_is_taken_in_every_form(self) -> None:
        """A second Bob, however it is written, is refused, and nobody is told."""
        for nick in ("bob", "BOB", "Ｂｏｂ"):
            (refusal,) = self.hub.apply(EVE, hello(nick, EVE))
            assert isinstance(refusal, Send)
            assert isinstance(refusal.message, Rejected)
            self.assertEqual((refusal.message.id, refusal.message.code), (0, "NICK_IN_USE"))

    def test_a_second_hello(self) -> None:
        """Whoever is in cannot come in again, unless its leave still waits: then nobody hears of that."""
        (refusal,) = self.hub.apply(ANN, hello("other"))
        assert isinstance(refusal, Send)
        assert isinstance(refusal.message, Rejected)
        self.assertEqual(refusal.message.code, "ALREADY_HERE")
        commit = self.commit(self.hub.apply(ANN, say(1, "slow")))
        self.hub.apply(ANN, Bye("silent"))
        self.assertEqual(self.hub.apply(ANN, hello("ann")), [Send(ANN, Welcome("udpchat 0.1.0", "ann", ""))])
        self.assertEqual(len(self.hub.committed(self.fact(commit.draft))), 2)

    def test_leaving_frees_the_nick(self) -> None:
        """The rest is told, and the nick can be had again."""
        self.assertEqual(
            self.hub.apply(ANN, Bye("exit")),
            [Drop(ANN, "ann", "exit"), Publish((BOB,), presence("ann", Change.LEFT), ANN)],
        )
        self.assertEqual(len(self.hub.apply(EVE, hello("ann", EVE))), 2)

    def test_a_full_chat(self) -> None:
        """Beyond the limit newcomers are told to try again later."""
        hub = Hub(max_members=1)
        hub.apply(ANN, hello("ann"))
        (refusal,) = hub.apply(BOB, hello("bob", BOB))
        assert isinstance(refusal, Send)
        assert isinstance(refusal.message, Rejected)
        self.assertEqual(refusal.message.code, "FULL")
        self.assertGreater(refusal.message.retry_after, 0)

    def test_strangers_are_ignored(self) -> None:
        """Who is not in the chat can do nothing in it."""
        for request in (say(1, "hi"), Names(1, LOBBY), Motd(1), Bye("exit")):
            self.assertEqual(self.hub.apply(EVE, request), [])

    def test_motd(self) -> None:
        """The welcome carries 512 bytes of whole characters; the rest is asked for."""
        motd = "é" * 400
        hub = Hub(motd)
        welcome = hub.apply(ANN, hello("ann"))[1]
        assert isinstance(welcome, Send)
        assert isinstance(welcome.message, Welcome)
        self.assertEqual(welcome.message.motd, "é" * (MOTD_BYTES // 2))
        self.assertEqual(hub.apply(ANN, Motd(7)), [Send(ANN, Done(7, motd))])

    def test_names(self) -> None:
        """Everybody is listed, in pages, in the order of their keys."""
        answer = Done(3, NamesPage(LOBBY, (("ann", False), ("Bob", False)), 2, more=False))
        self.assertEqual(self.hub.apply(ANN, Names(3, LOBBY)), [Send(ANN, answer)])
        for number in range(NAMES_PAGE):
            self.hub.apply(number.to_bytes(16, "big"), hello(f"x{number:02}", number.to_bytes(16, "big")))
        seen: list[str] = []
        more = True
        while more:
            (effect,) = self.hub.apply(ANN, Names(4, LOBBY, seen[-1] if seen else ""))
            assert isinstance(effect, Send)
            assert isinstance(effect.message, Done)
            assert isinstance(effect.message.result, NamesPage)
            seen += [nick for nick, _ in effect.message.result.nicks]
            more = effect.message.result.more
        self.assertEqual(seen, ["ann", "Bob", *(f"x{number:02}" for number in range(NAMES_PAGE))])


class SayingTests(HubTests):
    """What is said is stored first, shown in the store's order, and one member's lines keep theirs."""

    def test_nothing_is_shown_before_it_is_stored(self) -> None:
        """A text gives a commit and nothing else; the fact gives the rest, the author's answer last."""
        commit = self.commit(self.hub.apply(ANN, say(1, "hi")))
        self.assertEqual(commit.draft, Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="hi"))
        self.assertEqual(commit.last, 0)
        fact = self.fact(commit.draft)
        self.assertEqual(
            self.hub.committed(fact),
            [Publish((ANN, BOB), fact.entry, ANN), Send(ANN, Accepted(1, 1, fact.entry.seq))],
        )
        self.assertEqual(self.hub.appended(commit.token, Appended(fact.entry.seq)), [])

    def test_one_append_in_flight(self) -> None:
        """What a member says meanwhile waits, `exit` too, and follows in order."""
        first = self.commit(self.hub.apply(ANN, say(1, "one")))
        for request in (say(2, "two"), Bye("exit")):
            self.assertEqual(self.hub.apply(ANN, request), [])
        other = self.commit(self.hub.apply(BOB, say(1, "others do not wait")))
        effects = self.hub.committed(self.fact(first.draft))
        second = self.commit(effects[2:])
        self.assertEqual((second.draft.text, second.last), ("two", 1))
        self.hub.committed(self.fact(other.draft))
        effects = self.hub.committed(self.fact(second.draft))
        self.assertEqual(effects[2], Drop(ANN, "ann", "exit"))

    def test_waiting_lines_are_bounded(self) -> None:
        """64 lines wait; the rest is refused with one notice, and `exit` waits all the same."""
        commit = self.commit(self.hub.apply(ANN, say(1, "x")))
        refusals = [effect for number in range(2, 200) for effect in self.hub.apply(ANN, say(number, "x"))]
        (refusal,) = refusals
        assert isinstance(refusal, Send)
        assert isinstance(refusal.message, Rejected)
        self.assertEqual(refusal.message.code, "BUSY")
        self.assertEqual(self.hub.apply(ANN, Bye("exit")), [])
        stored = 0
        effects: list[Effect] = [commit]
        while isinstance(effects[-1], Commit):
            effects = self.hub.committed(self.fact(effects[-1].draft))
            stored += 1
        self.assertEqual(stored, 1 + WAITING_LINES)
        self.assertEqual(effects[-2], Drop(ANN, "ann", "exit"))

    def test_another_notice_after_the_queue_was_empty(self) -> None:
        """Whoever is too fast again is told again."""
        for start in (1, 1001):
            effects = self.hub.apply(ANN, say(start, "x"))
            told = [e for n in range(start + 1, start + 100) for e in self.hub.apply(ANN, say(n, "x"))]
            self.assertEqual(len(told), 1)
            while effects and isinstance(effects[-1], Commit):
                effects = self.hub.committed(self.fact(effects[-1].draft))

    def test_a_failed_append(self) -> None:
        """The author is told, nobody sees anything, and the next line goes its way."""
        commit = self.commit(self.hub.apply(ANN, say(1, "one")))
        self.hub.apply(ANN, say(2, "two"))
        effects = self.hub.failed(commit.token)
        refusal = effects[0]
        assert isinstance(refusal, Send)
        assert isinstance(refusal.message, Rejected)
        self.assertEqual(refusal.message.code, "STORE_FAILED")
        second = self.commit(effects[1:])
        self.assertEqual((second.draft.n, second.last), (2, 0))

    def test_another_server_wrote_it(self) -> None:
        """An entry of somebody who is not here is shown to all who are."""
        fact = self.fact(Draft(EVE, 9, LOBBY, Kind.SAY, "eve", verified=True, text="from afar"))
        self.assertEqual(self.hub.committed(fact), [Publish((ANN, BOB), fact.entry, EVE)])

    def test_a_stale_number(self) -> None:
        """If the store knows a newer number of this client, the commit is tried again from there."""
        commit = self.commit(self.hub.apply(ANN, say(5, "hi")))
        again = self.commit(self.hub.appended(commit.token, Stale(4)))
        self.assertEqual((again.draft, again.last), (commit.draft, 4))

    def test_a_repeated_number(self) -> None:
        """What was stored before is accepted again with its position, and shown to nobody twice."""
        commit = self.commit(self.hub.apply(ANN, say(1, "hi")))
        self.assertEqual(self.hub.appended(commit.token, Repeat(77)), [Send(ANN, Accepted(1, 1, 77))])
        commit = self.commit(self.hub.apply(ANN, say(2, "ho")))
        (refusal,) = self.hub.appended(commit.token, Repeat(0))
        assert isinstance(refusal, Send)
        assert isinstance(refusal.message, Rejected)
        self.assertEqual(refusal.message.code, "NUMBER_REUSED")

    def test_answers_for_who_is_gone(self) -> None:
        """The store's late answers for a member that is not here, or waits for none, change nothing."""
        self.assertEqual(self.hub.appended(EVE, Stale(4)), [])
        self.assertEqual(self.hub.failed(EVE), [])
        self.assertEqual(self.hub.appended(ANN, Stale(4)), [])
        self.assertEqual(self.hub.failed(ANN), [])
        commit = self.commit(self.hub.apply(ANN, say(2, "hi")))
        late = self.fact(Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="an older one"))
        self.assertEqual(self.hub.committed(late), [Publish((ANN, BOB), late.entry, ANN)])
        self.assertEqual(len(self.hub.committed(self.fact(commit.draft))), 2)
