"""Tests of `chat.hub`: what is said to one person alone, here or not."""

from __future__ import annotations

from chat.fields import FETCH_LIMIT
from chat.hub.direct import SENDERS
from chat.hub.effects import Commit, Effect, Publish, Read, Send
from chat.hub.hub import Hub
from chat.hub.members import UNKNOWN
from chat.hub.owners import log_name
from chat.memos import Memos, Owner, Reader, memo_key
from chat.messages import (
    DIRECT,
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Joined,
    Kind,
    Link,
    Names,
    Nick,
    Ping,
    Pong,
    Release,
    RoomHead,
    Rooms,
    RoomsPage,
    Say,
    ShownUpTo,
    Topic,
    Welcome,
)
from chat.stored import Draft, Fact, Heads, Page, Repeat, RoomHeads, Stale
from tests.hub_support import ANN, BOB, EVE, HubTests, entry, only, refusal, say

KEY, OTHER = b"k" * 32, b"o" * 32
NEW = b"n" * 16
LOG = log_name(KEY)


class DirectTests(HubTests):
    """Eve owns her nick; Ann and Bob have no keys."""

    def setUp(self) -> None:
        """Let her come in, and into her log."""
        super().setUp()
        self.say_hello("eve", EVE, KEY)
        self.ask(EVE, Join(1, LOBBY), Join(2, LOG))

    def say_hello(
        self, nick: str, client: bytes, key: bytes | None, version: int = PROTOCOL_VERSION
    ) -> list[Effect]:
        """Let somebody come in."""
        return self.hub.apply(client, Hello(version, client, nick), self.now, key)

    def fact(self, draft: Draft, floor: int = 0) -> Fact:
        """Give what a store would say of a draft, its reader too."""
        fact = super().fact(draft, floor)
        return Fact(fact.client, fact.n, fact.entry, fact.floor, draft.reader)

    def to(self, nick: str, number: int = 1, client: bytes = ANN, text: str = "hi") -> list[Effect]:
        """Give what comes of a text to one person."""
        effects = self.ask(client, say(number, text, room=f"@{nick}"))
        if effects and isinstance(effects[0], Commit) and effects[0].last == UNKNOWN:
            return self.unknown(effects)
        return effects

    def told(self, effects: list[Effect]) -> list[object]:
        """Store the one draft, and give what members are told of it."""
        return [e.message for e in self.store(effects) if isinstance(e, Send | Publish)]


class SayingTests(DirectTests):
    """Where a text to one person goes."""

    def test_to_an_owner(self) -> None:
        """Into its log, in whatever spelling of the nick, and its clients there are told."""
        for number, nick in enumerate(("eve", "EVE", "Ｅｖｅ"), 1):
            commit = only(self.to(nick, number), Commit)
            self.assertEqual(
                commit.draft, Draft(ANN, number, LOG, Kind.SAY, "ann", verified=False, text="hi")
            )
            published, accepted = self.store([commit])
            self.assertEqual(published, Publish((EVE,), entry(number, room=LOG), ANN))
            self.assertEqual(accepted, Send(ANN, Accepted(number, number, number, waiting=False)))

    def test_to_an_absent_owner(self) -> None:
        """It waits, and its sender is told so."""
        self.ask(EVE, Bye())
        self.assertEqual(self.told(self.to("eve")), [Accepted(1, 1, 1, waiting=True)])

    def test_to_an_owner_by_another_nick(self) -> None:
        """Whoever is the owner gets it, whatever it is called now."""
        self.ask(EVE, Nick(3, "eva"))
        self.assertEqual(only(self.to("eve"), Commit).draft.room, LOG)

    def test_to_who_has_a_key(self) -> None:
        """Its log is its own, though it owns the nick no more."""
        self.ask(EVE, Release(3))
        self.assertEqual(only(self.to("eve"), Commit).draft.room, LOG)

    def test_to_who_has_no_key(self) -> None:
        """Into the log that nobody reads, for one reader, who is sent it and nobody else."""
        commit = only(self.to("bob"), Commit)
        self.assertEqual((commit.draft.room, commit.draft.reader), (DIRECT, BOB))
        self.assertEqual(
            self.store([commit]),
            [Send(BOB, entry(1, room=DIRECT)), Send(ANN, Accepted(1, 1, 1, waiting=False))],
        )

    def test_who_has_gone_meanwhile(self) -> None:
        """Nobody is told what was for somebody without a key; not who has taken the nick either."""
        commit = self.to("bob")
        self.ask(BOB, Bye())
        self.say_hello("bob", NEW, None)
        self.assertEqual(self.store(commit), [Send(ANN, Accepted(1, 1, 1, waiting=False))])

    def test_to_nobody(self) -> None:
        """A nick that nobody has or owns."""
        self.assertEqual(refusal(self.to("carl")), (1, "NO_SUCH_NICK", 0.0))
        self.assertEqual(refusal(self.to("carl", 2)), (2, "NO_SUCH_NICK", 0.0))

    def test_to_a_log_by_its_name(self) -> None:
        """The name of a log is no nick: nobody says something there past its owner's nick."""
        self.assertEqual(refusal(self.to(LOG[1:])), (1, "NO_SUCH_NICK", 0.0))

    def test_only_said(self) -> None:
        """There are no actions to one person."""
        effects = self.ask(ANN, Say(1, 1, "@eve", Kind.ME, "waves"))
        self.assertEqual(refusal(effects), (1, "KIND", 0.0))

    def test_in_order(self) -> None:
        """Texts to one person and to rooms have one order, that of their numbers."""
        first = self.to("eve")
        self.assertEqual(self.ask(ANN, say(2, back=1)), [])
        *_, second = self.store(first)
        self.assertEqual(only([second], Commit).draft.room, LOBBY)


class RepeatTests(DirectTests):
    """Texts to one person are said once."""

    def test_stored_before_a_restart(self) -> None:
        """A repeat is accepted, though nobody has the nick any more."""
        (asked,) = self.ask(ANN, say(7, room="@carl"))
        assert isinstance(asked, Commit)
        self.assertEqual((asked.last, asked.draft.room), (UNKNOWN, "@carl"))
        told = self.hub.appended(asked.token, Repeat(55))
        self.assertEqual(told, [Send(ANN, Accepted(7, 7, 55))])

    def test_repeated_while_it_waits(self) -> None:
        """The answer to a repeat says what is true now."""
        self.ask(EVE, Bye())
        commit = only(self.to("eve"), Commit)
        told = self.hub.appended(commit.token, Repeat(55))
        self.assertEqual(told, [Send(ANN, Accepted(1, 1, 55))])  # no entry of the log is known here
        self.store(self.to("eve", 2))
        commit = only(self.to("eve", 3), Commit)
        told = self.hub.appended(commit.token, Repeat(56))
        self.assertEqual(told, [Send(ANN, Accepted(3, 3, 56, waiting=True))])

    def test_unknown_to_the_store(self) -> None:
        """Then the refusal is the truth."""
        (asked,) = self.ask(ANN, say(7, room="@carl"))
        assert isinstance(asked, Commit)
        self.assertEqual(refusal(self.hub.appended(asked.token, Stale(0))), (7, "NO_SUCH_NICK", 0.0))


class ReadingTests(DirectTests):
    """Who reads a log, and what becomes of what was read."""

    def test_only_its_owner_joins(self) -> None:
        """Others hear the same of every log, whether there is one or not; the shared one is nobody's."""
        self.store(self.to("eve"))
        self.say_hello("carl", NEW, OTHER)
        for client in (ANN, NEW):
            for room in (LOG, log_name(b"x" * 32), DIRECT, "@eve"):
                self.assertEqual(refusal(self.ask(client, Join(3, room))), (3, "NO_SUCH_ROOM", 0.0))

    def test_only_its_owner_fetches(self) -> None:
        """And asks anything else of it."""
        self.store(self.to("eve"))
        for request in (Fetch(3, LOG, 0, None, 5), Names(3, LOG), Topic(3, LOG), Topic(3, LOG, "x")):
            self.assertEqual(refusal(self.ask(ANN, request)), (3, "NOT_IN_ROOM", 0.0))
        self.assertEqual(only(self.ask(EVE, Fetch(3, LOG, 0, None, 5)), Read).fetch.room, LOG)

    def test_nothing_shows(self) -> None:
        """Nobody is told who joins a log; it has no topic and is in no list."""
        self.say_hello("carl", NEW, OTHER)
        (joined,) = self.ask(NEW, Join(3, log_name(OTHER)))
        self.assertEqual(joined, Send(NEW, Joined(3, log_name(OTHER), 0, 0, "", 0, 1)))
        self.assertEqual(refusal(self.ask(NEW, Topic(4, log_name(OTHER), "x"))), (4, "NO_SUCH_ROOM", 0.0))
        page = only(self.ask(ANN, Rooms(5)), Send).message
        assert isinstance(page, RoomsPage)
        self.assertEqual([line.room for line in page.rooms], [LOBBY])
        self.assertEqual(len(self.ask(NEW, Nick(6, "karl"))), 1)

    def test_where_a_visit_begins(self) -> None:
        """Behind what was shown: what is above waits, across a restart too."""
        self.ask(EVE, Bye())
        self.store(self.to("eve"))
        self.store(self.to("eve", 2))
        self.say_hello("eve", NEW, KEY)
        self.assertEqual(self.ask(NEW, Join(3, LOG)), [Send(NEW, Joined(3, LOG, 2, 0, "", 0, 1, seen=0))])
        self.ask(NEW, Ping(4, 0, (ShownUpTo(LOG, 1),)))
        self.assertEqual(self.hub.memos_to_keep()[memo_key(Reader, LOG)], Reader(1))
        hub = Hub()
        hub.restore(Heads(0, {LOG: RoomHeads(0, 2)}))
        readers = {LOG: Reader(1), log_name(OTHER): Reader(9)}
        hub.recall(Memos(owners={"eve": Owner("eve", KEY, 0)}, readers=readers), 0.0, 0.0)
        self.assertEqual(hub.memos_to_keep(), {memo_key(Reader, log_name(OTHER)): None})
        hub.apply(NEW, Hello(PROTOCOL_VERSION, NEW, "eve"), 0.0, KEY)
        joined = only(hub.apply(NEW, Join(3, LOG), 0.0), Send)
        self.assertEqual(joined.message, Joined(3, LOG, 2, 0, "", 0, 1, seen=1))

    def test_delivered(self) -> None:
        """Each sender that is still here hears once that its text was shown, whenever that is."""
        self.say_hello("carl", NEW, OTHER)
        self.store(self.to("eve", 1, ANN))
        self.store(self.to("eve", 1, NEW))
        self.store(self.to("eve", 1, BOB))
        self.ask(BOB, Bye())
        pong = Pong(9, 7, (RoomHead(LOBBY, 0, 4), RoomHead(LOG, 3, 0)))
        told = self.ask(EVE, Ping(9, 7, (ShownUpTo(LOG, 3), ShownUpTo(LOBBY, 3))))
        self.assertEqual(told, [Send(EVE, pong), Send(ANN, Delivered(1)), Send(NEW, Delivered(2))])
        self.assertEqual(self.ask(EVE, Ping(9, 7, (ShownUpTo(LOG, 3),))), [Send(EVE, pong)])

    def test_what_nobody_can_have_shown(self) -> None:
        """Neither what is not there yet, nor another's log."""
        self.store(self.to("eve"))
        self.say_hello("carl", NEW, OTHER)
        self.assertEqual(len(self.ask(NEW, Ping(1, 0, (ShownUpTo(LOG, 1),)))), 1)
        self.ask(EVE, Ping(1, 0, (ShownUpTo(LOG, 1 << 50),)))
        self.assertEqual(self.hub.memos_to_keep()[memo_key(Reader, LOG)], Reader(1))

    def test_so_many_senders(self) -> None:
        """Of more than 256 texts that wait the oldest are not told of."""
        for number in range(1, SENDERS + 3):
            self.store(self.to("eve", number))
        told = self.ask(EVE, Ping(1, 0, (ShownUpTo(LOG, SENDERS + 2),)))
        self.assertEqual(told[1], Send(ANN, Delivered(3)))
        self.assertEqual(len(told), 1 + SENDERS)


class TextReaderTests(DirectTests):
    """Who speaks text behind a channel, with a key, has a log too, and is in it by itself."""

    def setUp(self) -> None:
        """Let two texts wait for Eve, who then comes by `openssl s_client`."""
        super().setUp()
        self.ask(EVE, Bye())
        self.store(self.to("eve"))
        self.store(self.to("eve", 2))
        self.read = only(self.say_hello("eve", NEW, KEY, PLAIN_VERSION)[1:], Read)

    def answer(self, *seqs: int) -> list[Effect]:
        """Let the store answer."""
        entries = tuple(entry(seq, room=LOG) for seq in seqs)
        return self.hub.answered(self.read.token, Page(0, 2, entries))

    def test_what_waits(self) -> None:
        """It is sent, counts as shown, and the senders hear of it; what comes later is sent at once."""
        self.assertEqual(self.read.fetch, Fetch(0, LOG, 0, None, FETCH_LIMIT))
        self.assertEqual(
            self.answer(1, 2),
            [
                Send(NEW, entry(1, room=LOG)),
                Send(NEW, entry(2, room=LOG)),
                Send(ANN, Delivered(1)),
                Send(ANN, Delivered(2)),
            ],
        )
        published, delivered, accepted = self.store(self.to("eve", 3))
        self.assertEqual(published, Publish((NEW,), entry(3, room=LOG), ANN))
        self.assertEqual((delivered, accepted), (Send(ANN, Delivered(3)), Send(ANN, Accepted(3, 3, 3))))

    def test_in_pages(self) -> None:
        """What one answer does not hold is asked for behind it."""
        *_, again = self.answer(1)
        assert isinstance(again, Read)
        self.assertEqual(again.fetch.after, 1)

    def test_while_it_is_read(self) -> None:
        """What is said meanwhile comes behind what waits, and once."""
        accepted = self.store(self.to("eve", 3))
        self.assertEqual(accepted, [Send(ANN, Accepted(3, 3, 3, waiting=True))])
        *_, again = self.answer(1, 2)
        assert isinstance(again, Read)
        self.assertEqual(again.fetch.after, 2)
        told = self.hub.answered(again.token, Page(0, 3, (entry(3, room=LOG),)))
        self.assertEqual(told, [Send(NEW, entry(3, room=LOG)), Send(ANN, Delivered(3))])

    def test_nothing_is_kept_of_it(self) -> None:
        """Trimmed away meanwhile: then there is nothing to wait for."""
        page = Page(2, 2, ())
        self.hub.answered(self.read.token, page)
        self.assertIsInstance(self.store(self.to("eve", 3))[0], Publish)

    def test_nothing_is_kept_but_one_comes(self) -> None:
        """What is said between such a page and its answer is read, and counts as shown only then."""
        self.store(self.to("eve", 3))
        told = self.hub.answered(self.read.token, Page(2, 2, ()))
        self.assertEqual([each.fetch.after for each in told if isinstance(each, Read)], [2])

    def test_a_repeated_hello(self) -> None:
        """Whoever is in its log is sent nothing again."""
        self.answer(1, 2)
        self.assertEqual(len(self.say_hello("eve", NEW, KEY, PLAIN_VERSION)), 1)

    def test_the_store_fails(self) -> None:
        """It waits until the next visit."""
        self.assertEqual(self.hub.failed(self.read.token), [])
        self.ask(NEW, Bye())
        again = only(self.say_hello("eve", EVE, KEY, PLAIN_VERSION)[1:], Read)
        self.assertEqual(again.fetch.after, 0)

    def test_the_store_is_well_again(self) -> None:
        """It is read soon, and what is said then is sent at once: nobody is deaf for a whole visit."""
        self.hub.failed(self.read.token)
        self.read = only(self.hub.expire(self.now), Read)
        self.assertEqual(self.hub.expire(self.now), [])
        self.assertEqual(len(self.answer(1, 2)), 4)
        self.assertEqual(self.store(self.to("eve", 3))[0], Publish((NEW,), entry(3, room=LOG), ANN))

    def test_gone_before_the_store_is_well(self) -> None:
        """Nothing is read for who has left."""
        self.hub.failed(self.read.token)
        self.ask(NEW, Bye())
        self.assertEqual(self.hub.expire(self.now), [])

    def test_gone_meanwhile(self) -> None:
        """Who has left is sent nothing, and it waits on."""
        self.ask(NEW, Bye())
        self.assertEqual(self.answer(1, 2), [])

    def test_a_session_that_begins_anew(self) -> None:
        """Is asked for afresh; the answer to the one before is nobody's."""
        again = only(self.say_hello("eve", NEW, KEY, PLAIN_VERSION)[1:], Read)
        self.assertEqual(self.answer(1, 2), [])
        self.read = again
        self.assertEqual(len(self.answer(1, 2)), 4)


class LinkTests(DirectTests):
    """A key whose own log has something unread."""

    def test_unread(self) -> None:
        """Is not linked before it was read: nobody could read it afterwards."""
        self.say_hello("carl", NEW, OTHER)
        self.store(self.to("carl"))
        hello = Hello(PROTOCOL_VERSION, NEW, "carl", "aaaa-aaaa-aaaa")
        self.assertEqual(refusal(self.hub.apply(NEW, hello, self.now, OTHER)), (0, "LINK_UNREAD", 0.0))

    def test_unread_of_the_person(self) -> None:
        """What waits for the person does not keep a key out that says its code once more."""
        (given,) = self.ask(EVE, Link(3))
        assert isinstance(given, Send)
        assert isinstance(given.message, Done)
        assert isinstance(given.message.result, str)
        self.ask(EVE, Bye())
        self.store(self.to("eve"))
        for client in (NEW, b"m" * 16):
            hello = Hello(PROTOCOL_VERSION, client, "eve", given.message.result)
            *_, welcome = self.hub.apply(client, hello, self.now, OTHER)
            assert isinstance(welcome, Send)
            assert isinstance(welcome.message, Welcome)
            self.assertEqual(welcome.message.direct, LOG)


class AgeTests(DirectTests):
    """`Fetch.age`: only what is young enough."""

    def test_age(self) -> None:
        """Entries are held against the wall clock of when it was asked."""
        self.hub.recall(Memos(), self.now, 1_000_000.0)
        read = only(self.ask(ANN, Fetch(3, LOBBY, None, None, 9, age=60)), Read)
        entries = tuple(
            Entry(LOBBY, seq, 1, at, Kind.SAY, "ann", verified=False, text="x")
            for seq, at in ((1, 999_939_999), (2, 999_940_000), (3, 1_000_000_000))
        )
        self.hub.committed(Fact(ANN, 0, entries[-1], 0))
        sent = self.hub.answered(read.token, Page(0, 3, entries))
        self.assertEqual([e.message for e in sent if isinstance(e, Send)][:-1], list(entries[1:]))
