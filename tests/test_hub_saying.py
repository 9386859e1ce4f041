"""Tests of `chat.hub`: what is said, in the order of one member, exactly once."""

from __future__ import annotations

from chat.hub.effects import Commit, Drop, Effect, Publish, Send
from chat.hub.members import PARKED, UNKNOWN, WAITING_LINES
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Accepted,
    Bye,
    Change,
    Done,
    Join,
    Kind,
    Nick,
    Part,
    Request,
    Say,
    Topic,
)
from chat.stored import Appended, Draft, Fact, Repeat, Stale
from tests.hub_support import ANN, BOB, DEN, EVE, HubTests, entry, hello, only, presence, refusal, say


class SayingTests(HubTests):
    """One member's texts, and whatever else it asks that changes something."""

    def commit(self, *requests: Request, client: bytes = ANN) -> Commit:
        """Give the one commit that comes of these requests."""
        return only(self.ask(client, *requests), Commit)

    def stored(self, commit: Commit) -> list[Effect]:
        """Store a commit's draft, and give what comes of that."""
        return self.hub.committed(self.fact(commit.draft))

    def texts_stored(self, effects: list[Effect]) -> list[str]:
        """Store what is committed, one after the other, and give the texts in that order."""
        texts = []
        while commits := [effect for effect in effects if isinstance(effect, Commit)]:
            (commit,) = commits
            texts.append(commit.draft.text)
            effects = self.stored(commit)
        return texts

    # --- the way of a text

    def test_nothing_is_shown_before_it_is_stored(self) -> None:
        """A text gives a commit and nothing else; the fact gives the rest, the author's answer last."""
        commit = self.commit(say(1))
        self.assertEqual(commit.draft, Draft(ANN, 1, LOBBY, Kind.SAY, "ann", verified=False, text="hi"))
        self.assertEqual(commit.last, 0)
        fact = self.fact(commit.draft)
        self.assertEqual(
            self.hub.committed(fact), [Publish((ANN, BOB), fact.entry, ANN), Send(ANN, Accepted(1, 1, 1))]
        )
        self.assertEqual(self.hub.appended(commit.token, Appended(1)), [])

    def test_appended_says_nothing(self) -> None:
        """That an append is done is told by its fact, not by the store's answer to it."""
        commit = self.commit(say(1))
        self.assertEqual(self.hub.appended(commit.token, Appended(1)), [])
        self.assertEqual(self.stored(commit)[1], Send(ANN, Accepted(1, 1, 1)))

    def test_only_into_a_room_that_one_is_in(self) -> None:
        """A text into another room is refused, and so is a topic that comes as a text: both are settled."""
        self.ask(BOB, Join(2, DEN))
        self.assertEqual(refusal(self.unknown(self.ask(ANN, say(1, room=DEN)))), (1, "NOT_IN_ROOM", 0.0))
        topic = Say(2, 2, LOBBY, Kind.TOPIC, "bears", back=1)
        self.assertEqual(refusal(self.ask(ANN, topic)), (2, "KIND", 0.0))
        self.assertEqual(self.commit(say(3, back=1)).last, 0)

    def test_what_was_stored_is_never_refused(self) -> None:
        """The repeat of a text from before a restart is accepted, though its author is not in the room now.

        Nothing is written for it: the store is only asked whether it has the text, and only the first time.
        """
        commit = only(self.ask(ANN, say(7, room=DEN)), Commit)
        self.assertEqual(commit.last, UNKNOWN)
        self.assertEqual(self.hub.appended(commit.token, Repeat(5)), [Send(ANN, Accepted(7, 7, 5))])
        self.assertEqual(refusal(self.ask(ANN, say(8, room=DEN))), (8, "NOT_IN_ROOM", 0.0))

    def test_a_store_that_cannot_say_whether(self) -> None:
        """Whoever asks is told to ask again."""
        commit = only(self.ask(ANN, say(7, room=DEN)), Commit)
        self.assertEqual(refusal(self.hub.failed(commit.token)), (7, "STORE_FAILED", 1.0))
        self.assertEqual(only(self.ask(ANN, say(7, room=DEN)), Commit).last, UNKNOWN)

    def test_a_topic_tells_no_number(self) -> None:
        """A topic has no number: what the store's is stays unknown."""
        self.store(self.ask(ANN, Topic(1, LOBBY, "bears")))
        self.assertEqual(only(self.ask(ANN, say(7, room=DEN)), Commit).last, UNKNOWN)

    def test_a_text_before_its_join(self) -> None:
        """A text that overtakes its Join is refused, and holds up nothing that comes later."""
        early, later = say(1, room=DEN), say(2, "two", back=1, room=DEN)
        self.assertEqual(refusal(self.unknown(self.ask(ANN, early))), (1, "NOT_IN_ROOM", 0.0))
        self.ask(ANN, Join(2, DEN))
        self.assertEqual(self.commit(later).draft.text, "two")

    def test_another_server_wrote_it(self) -> None:
        """An entry of somebody who is not here is shown to all in its room."""
        fact = Fact(EVE, 9, entry(1, nick="eve"), 0)
        self.assertEqual(self.hub.committed(fact), [Publish((ANN, BOB), fact.entry, EVE)])

    # --- one append in flight

    def test_one_append_in_flight(self) -> None:
        """What a member asks meanwhile waits, whatever it changes, and follows in order; others go on."""
        first = self.commit(say(1, "one"))
        waiting = (
            Nick(2, "anna"),
            Join(3, DEN),
            say(4, "two"),
            Part(5, DEN),
            Topic(6, LOBBY, "bears"),
            Bye(),
        )
        self.assertEqual(self.ask(ANN, *waiting), [])
        self.commit(say(1, "others do not wait"), client=BOB)
        effects = self.stored(first)
        self.assertEqual([type(effect) for effect in effects[2:]], [Publish, Send, Publish, Send, Commit])
        self.assertEqual(effects[3], Send(ANN, Done(2, "anna")))
        commit = only(effects[-1:], Commit)
        self.assertEqual((commit.draft.text, commit.draft.nick, commit.last), ("two", "anna", 1))
        effects = self.stored(commit)
        self.assertEqual(
            effects[2:4], [Publish((), presence("anna", Change.LEFT, 2, DEN), ANN), Send(ANN, Done(5, ""))]
        )
        effects = self.stored(only(effects[4:], Commit))
        dropped = Drop(ANN, "anna", verified=False, reason="")
        self.assertEqual(effects[1:3], [Send(ANN, Done(6, "bears")), dropped])

    def test_reads_do_not_wait(self) -> None:
        """What changes nothing is answered while an append is in flight."""
        self.commit(say(1))
        self.assertEqual(self.ask(ANN, Topic(2, LOBBY)), [Send(ANN, Done(2, ""))])

    def test_a_plain_paste(self) -> None:
        """64 lines wait; the rest is refused with one notice, and `exit` waits all the same, once."""
        self.enter("eve", EVE, version=PLAIN_VERSION)
        for start in (1, 1_001):
            commit = self.commit(say(start), client=EVE)
            told = self.ask(EVE, *(say(n) for n in range(start + 1, start + 100)))
            self.assertEqual(refusal(told), (start + WAITING_LINES + 1, "BUSY", 1.0))
            join = self.ask(EVE, Join(7, DEN))  # whoever asks it must not think that it is in
            self.assertEqual(refusal(join), (7, "BUSY", 1.0))
            if start == 1:
                self.assertEqual(len(self.texts_stored([commit])), 1 + WAITING_LINES)
        self.assertEqual(self.ask(EVE, Bye("exit"), say(5_000), Bye("again")), [])
        for _ in range(WAITING_LINES):
            effects = self.stored(commit)
            commit = only(effects[2:], Commit)
        effects = self.stored(commit)
        self.assertEqual(effects[2], Drop(EVE, "eve", verified=False, reason="exit"))
        self.assertEqual(len(effects), 4)

    def test_a_native_client_that_asks_too_much(self) -> None:
        """Each request that does not fit is refused for now: its session waits for a reply."""
        self.commit(say(1))
        told = self.ask(ANN, *(say(n) for n in range(2, WAITING_LINES + 5)))
        self.assertEqual([refusal([one])[0] for one in told], [WAITING_LINES + n for n in (2, 3, 4)])

    # --- the store's answers

    def test_a_failed_append(self) -> None:
        """The author is told to try again, nobody sees anything, and the next text goes its way."""
        commit = self.commit(say(1, "one"), say(2, "two"))
        effects = self.hub.failed(commit.token)
        self.assertEqual(refusal(effects[:1]), (1, "STORE_FAILED", 1.0))
        second = only(effects[1:], Commit)
        self.assertEqual((second.draft.n, second.last), (2, 0))

    def test_a_failed_append_with_a_later_text_behind_it(self) -> None:
        """A text that comes behind the failed one waits until that is said again."""
        commit = self.commit(say(1, "one"), say(2, "two", back=1), say(3, "three", back=1))
        self.assertEqual(refusal(self.hub.failed(commit.token)), (1, "STORE_FAILED", 1.0))
        self.assertEqual(self.texts_stored(self.ask(ANN, say(1, "one"))), ["one", "two", "three"])

    def test_a_stale_number(self) -> None:
        """If the store knows another number of this client, the commit is tried again from there."""
        commit = self.commit(say(5))
        again = only(self.hub.appended(commit.token, Stale(4)), Commit)
        self.assertEqual((again.draft, again.last), (commit.draft, 4))
        self.assertEqual(self.hub.appended(commit.token, Stale(3)), [])
        forgotten = only(self.hub.appended(again.token, Stale(0)), Commit)
        self.assertEqual(forgotten.last, 0)

    def test_a_stale_number_settles(self) -> None:
        """Texts up to the store's number are settled: one that waited for such a one may go."""
        self.assertEqual(self.ask(ANN, say(6, "six", back=2)), [])
        commit = self.commit(say(5, "five"))
        again = only(self.hub.appended(commit.token, Stale(4)), Commit)
        effects = self.hub.failed(again.token)
        self.assertEqual(self.texts_stored(effects[1:]), ["six"])

    def test_a_repeat_that_was_stored(self) -> None:
        """It is accepted with the position that it has, and shown to nobody twice."""
        commit = self.commit(say(1))
        self.assertEqual(self.hub.appended(commit.token, Repeat(77)), [Send(ANN, Accepted(1, 1, 77))])
        self.assertEqual(self.commit(say(2, back=1)).last, 1)

    def test_a_repeat_with_another_text(self) -> None:
        """A number that the store has another text for is refused, and settled."""
        commit = self.commit(say(1))
        told = self.hub.appended(commit.token, Repeat(77, is_same=False))
        self.assertEqual(refusal(told), (1, "NUMBER_REUSED", 0.0))
        self.assertEqual(self.commit(say(2, back=1)).last, 1)

    def test_a_repeat_that_was_refused(self) -> None:
        """A number below the store's without a result was refused: it stays so, and is settled."""
        commit = self.commit(say(1))
        self.assertEqual(refusal(self.hub.appended(commit.token, Repeat(0))), (1, "REFUSED", 0.0))
        self.assertEqual(self.commit(say(2, back=1)).last, 1)

    def test_late_answers(self) -> None:
        """An answer to an earlier commit says nothing of the one in flight, nor does one for nobody."""
        old = self.commit(say(1, "one"))
        self.stored(old)
        self.commit(say(2, "two"))
        for token in (old.token, EVE + old.token[16:]):
            for result in (Repeat(1), Repeat(0), Stale(9), Appended(1)):
                self.assertEqual(self.hub.appended(token, result), [])
            self.assertEqual(self.hub.failed(token), [])

    def test_a_fact_before_its_answer(self) -> None:
        """Another server has stored this text: it is accepted, and that of the store is not needed."""
        commit = self.commit(say(1, "one"), say(2, "two"))
        effects = self.hub.committed(Fact(ANN, 1, entry(5, "one"), 0))
        self.assertEqual(effects[1], Send(ANN, Accepted(1, 1, 5)))
        self.assertEqual(only(effects[2:], Commit).last, 1)
        self.assertEqual(self.hub.appended(commit.token, Repeat(5)), [])

    def test_a_fact_of_another_text_with_this_number(self) -> None:
        """It is not this text that is accepted: the store will say that its number was used."""
        for fact in (entry(5, "other"), entry(6, "one", room=DEN), entry(7, "one", kind=Kind.ME)):
            commit = self.commit(say(fact.seq, "one"))
            self.assertEqual(len(self.hub.committed(Fact(ANN, fact.seq, fact, 0))), 1)
            self.assertEqual(len(self.hub.appended(commit.token, Repeat(fact.seq, is_same=False))), 1)

    def test_a_fact_settles(self) -> None:
        """A text that was stored elsewhere meanwhile lets those go that waited for it."""
        self.assertEqual(self.ask(ANN, say(2, "two", back=1)), [])
        effects = self.hub.committed(Fact(ANN, 1, entry(5, "one"), 0))
        commit = only(effects[1:], Commit)
        self.assertEqual((commit.draft.text, commit.last), ("two", 1))

    # --- texts that come early

    def test_a_text_that_overtook(self) -> None:
        """A text waits for the one before it, and goes before whatever came later."""
        self.assertEqual(self.ask(ANN, say(3, "three", back=1), say(2, "two", back=1)), [])
        self.ask(ANN, Join(2, DEN))
        commit = self.commit(say(1, "one"), say(4, "den", room=DEN), Part(5, DEN), Bye())
        self.assertEqual(self.texts_stored([commit]), ["one", "two", "three", "den"])
        self.assertEqual(self.hub.everybody(), (BOB,))

    def test_texts_that_may_go_at_once(self) -> None:
        """The one with the lowest number goes first."""
        self.assertEqual(self.ask(ANN, say(5, "five", back=4), say(3, "three", back=2)), [])
        self.assertEqual(self.ask(ANN, say(4, "four", back=3)), [])
        self.assertEqual(self.texts_stored(self.ask(ANN, say(1, "one"))), ["one", "three", "four", "five"])

    def test_texts_that_come_together(self) -> None:
        """Each names the one before it, which has no answer yet: their order holds, also before a Part."""
        commit = self.commit(say(1, "one"), say(2, "two", back=1), say(3, "three", back=1), Part(4, LOBBY))
        self.assertEqual(self.texts_stored([commit]), ["one", "two", "three"])

    def test_an_answer_that_is_known(self) -> None:
        """A text behind one that the client has an answer to waits for nothing, as after a restart."""
        self.assertEqual(self.texts_stored(self.ask(ANN, say(7, "seven"))), ["seven"])

    def test_too_many_early_texts(self) -> None:
        """64 are kept; then the one with the highest number is refused for now."""
        early = [say(n, back=1) for n in range(2, PARKED + 2)]
        self.assertEqual(self.ask(ANN, *early), [])
        self.assertEqual(refusal(self.ask(ANN, say(500, back=1))), (500, "BUSY", 1.0))
        self.assertEqual(len(self.texts_stored(self.ask(ANN, say(1)))), PARKED + 1)
        early = [say(n, back=1) for n in range(1_001, 1_001 + PARKED)]
        self.assertEqual(self.ask(ANN, *early), [])
        self.assertEqual(refusal(self.ask(ANN, say(900, back=1))), (1_000 + PARKED, "BUSY", 1.0))
        self.ask(ANN, hello("ann"))
        self.assertEqual(self.ask(ANN, Say(1, 800, LOBBY, Kind.SAY, "hi", back=1)), [])

    # --- repeats of what has no answer yet

    def test_a_repeat_takes_over(self) -> None:
        """A repeat of a text in flight, waiting or parked is not another text: its id gets the answer."""
        commit = self.commit(say(1), say(2), say(4, back=1))
        for n, back in ((1, 0), (2, 1), (4, 2)):
            self.assertEqual(self.ask(ANN, Say(n + 10, n, LOBBY, Kind.SAY, "hi", back)), [])
        for n in (1, 2, 4):
            effects = self.stored(commit)
            self.assertEqual(effects[1], Send(ANN, Accepted(n + 10, n, self.seq)))
            if n < 4:
                commit = only(effects[2:], Commit)

    def test_a_repeat_that_may_go(self) -> None:
        """A repeat of a parked text that comes behind a settled one now takes its turn."""
        self.assertEqual(self.ask(ANN, say(3, back=1)), [])
        self.assertEqual(self.commit(say(3)).draft.n, 3)

    def test_another_text_with_a_number_in_use(self) -> None:
        """Another text, kind or room with the number of one without an answer is refused."""
        self.commit(say(1), say(2), say(4, back=1))
        for n in (1, 2, 4):
            for other in (
                Say(9, n, LOBBY, Kind.SAY, "ho"),
                Say(9, n, LOBBY, Kind.ME, "hi"),
                Say(9, n, DEN, Kind.SAY, "hi"),
            ):
                self.assertEqual(refusal(self.ask(ANN, other)), (9, "NUMBER_REUSED", 0.0))

    def test_a_repeat_of_a_refused_text(self) -> None:
        """The store never heard of it: until a later text is stored it may be said after all."""
        self.unknown(self.ask(ANN, say(1, "one", room=DEN)))
        self.ask(ANN, Join(2, DEN))
        self.assertEqual(self.texts_stored(self.ask(ANN, say(1, "one", room=DEN))), ["one"])

    # --- a new session

    def test_answers_to_the_session_before(self) -> None:
        """What a new session has not asked for is done, and answered to nobody."""
        commit = self.commit(
            say(1), say(2, "two"), Join(3, DEN), Part(4, DEN), Nick(5, "bob"), say(7, back=1)
        )
        self.ask(ANN, hello("ann"))
        effects = self.stored(commit)
        self.assertEqual([type(effect) for effect in effects], [Publish, Commit])
        effects = self.hub.failed(only(effects[1:], Commit).token)
        self.assertEqual([type(effect) for effect in effects], [Publish, Publish])

    def test_a_new_session_asks_again(self) -> None:
        """The repeat of what waits or is in flight gives it an id of the new session."""
        commit = self.commit(say(1), say(2))
        self.ask(ANN, hello("ann"), Say(5, 1, LOBBY, Kind.SAY, "hi"), Say(6, 2, LOBBY, Kind.SAY, "hi"))
        effects = self.stored(commit)
        self.assertEqual(effects[1], Send(ANN, Accepted(5, 1, 1)))
        self.assertEqual(self.stored(only(effects[2:], Commit))[1], Send(ANN, Accepted(6, 2, 2)))

    def test_a_topic_of_the_session_before(self) -> None:
        """A topic that is stored after its session ended is shown, and confirmed to nobody."""
        commit = self.commit(Topic(2, LOBBY, "bears"))
        self.ask(ANN, hello("ann"))
        self.assertEqual(len(self.stored(commit)), 1)

    def test_a_goodbye_is_taken_back(self) -> None:
        """Who comes in while its leave waits stays, with what it said before, and nobody heard of it."""
        self.enter("eve", EVE, version=PLAIN_VERSION)
        commit = self.commit(say(1, "one"), say(2, "two"), Bye("exit"), client=EVE)
        self.assertEqual(len(self.ask(EVE, hello("eve", EVE, PLAIN_VERSION))), 1)
        self.ask(EVE, say(3, "three"))
        self.assertEqual(self.texts_stored([commit]), ["one", "two", "three"])
        self.assertIn(EVE, self.hub.everybody())
