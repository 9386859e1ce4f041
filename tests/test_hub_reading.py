"""Tests of `chat.hub`: topics, what members look up, and who is silent."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase

from chat.fields import MEMBER_ROOMS, NAMES_PAGE, RESULT_BYTES, ROOMS_PAGE
from chat.hub.effects import Commit, Drop, Effect, Publish, Read, Send
from chat.hub.looks import STEP
from chat.hub.pages import ANSWER_BYTES, ENTRY_BYTES, LISTED_TOPIC_BYTES, NAME_ROW_BYTES, ROOM_ROW_BYTES
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Bye,
    Change,
    Done,
    Entry,
    Fetch,
    Fetched,
    Join,
    Kind,
    NameLine,
    Names,
    NamesPage,
    Part,
    Ping,
    RoomLine,
    Rooms,
    RoomsPage,
    Topic,
)
from chat.stored import Draft, Fact, Page
from chat.wire.frames import MAX_PLAINTEXT, encode_frame
from tests.hub_support import (
    ANN,
    BOB,
    DEN,
    EVE,
    HubTests,
    entry,
    hello,
    only,
    presence,
    refusal,
    say,
)


class TopicTests(HubTests):
    """What a room is about."""

    def test_a_new_topic(self) -> None:
        """It is stored as an entry without a number, then shown to the room, then confirmed."""
        commit = only(self.ask(ANN, Topic(2, LOBBY, "bears")), Commit)
        self.assertEqual(commit.last, 0)
        self.assertEqual(commit.draft, Draft(ANN, 0, LOBBY, Kind.TOPIC, "ann", verified=False, text="bears"))
        self.assertEqual(self.ask(BOB, Topic(2, LOBBY)), [Send(BOB, Done(2, ""))])
        fact = self.fact(commit.draft)
        self.assertEqual(
            self.hub.committed(fact),
            [Publish((ANN, BOB), fact.entry, ANN), Send(ANN, Done(2, "bears"))],
        )
        self.assertEqual(self.ask(BOB, Topic(3, LOBBY)), [Send(BOB, Done(3, "bears"))])

    def test_no_topic(self) -> None:
        """An empty one takes the topic away; one that it has already is confirmed and not stored."""
        self.store(self.ask(ANN, Topic(2, LOBBY, "bears")))
        self.assertEqual(self.ask(BOB, Topic(2, LOBBY, "bears")), [Send(BOB, Done(2, "bears"))])
        self.store(self.ask(ANN, Topic(3, LOBBY, "")))
        self.assertEqual(self.ask(BOB, Topic(3, LOBBY)), [Send(BOB, Done(3, ""))])
        self.assertEqual(self.ask(BOB, Topic(4, LOBBY, "")), [Send(BOB, Done(4, ""))])

    def test_not_in_the_room(self) -> None:
        """Only who is in the room asks for its topic or changes it."""
        self.ask(BOB, Join(2, DEN))
        self.assertEqual(refusal(self.ask(ANN, Topic(3, DEN))), (3, "NOT_IN_ROOM", 0.0))
        self.assertEqual(refusal(self.ask(ANN, Topic(4, DEN, "bears"))), (4, "NOT_IN_ROOM", 0.0))

    def test_somebody_elses_topic(self) -> None:
        """A topic that is stored meanwhile, by whomever, does not confirm one's own."""
        self.ask(ANN, Topic(2, LOBBY, "bears"))
        for client in (ANN, EVE):
            fact = Fact(client, 0, entry(9, "cats", kind=Kind.TOPIC), 0)
            self.assertEqual(self.hub.committed(fact), [Publish((ANN, BOB), fact.entry, client)])
        self.assertEqual(self.ask(BOB, Topic(2, LOBBY)), [Send(BOB, Done(2, "cats"))])

    def test_a_failed_topic(self) -> None:
        """The store could not take it: the member is told to try again, and what waited goes on."""
        commit = only(self.ask(ANN, Topic(2, LOBBY, "bears")), Commit)
        self.assertEqual(self.ask(ANN, Part(3, LOBBY)), [])
        effects = self.hub.failed(commit.token)
        self.assertEqual(refusal(effects[:1]), (2, "STORE_FAILED", 1.0))
        self.assertEqual(effects[2:], [Send(ANN, Done(3, ""))])
        self.assertEqual(self.ask(BOB, Topic(2, LOBBY)), [Send(BOB, Done(2, ""))])


class PageTests(HubTests):
    """Lists come in pages, each within the bytes of one datagram."""

    def names(self, after: str) -> NamesPage:
        """Ask for the members of the lobby."""
        done = only(self.ask(ANN, Names(3, LOBBY, after)), Send).message
        assert isinstance(done, Done)
        assert isinstance(done.result, NamesPage)
        self.assertLessEqual(len(encode_frame(done)), MAX_PLAINTEXT)
        return done.result

    def rooms(self, after: str) -> RoomsPage:
        """Ask for the rooms."""
        page = only(self.ask(ANN, Rooms(3, after)), Send).message
        assert isinstance(page, RoomsPage)
        self.assertLessEqual(len(encode_frame(page)), MAX_PLAINTEXT)
        return page

    def test_names(self) -> None:
        """The members of a room are listed in the order of their keys, with who is away."""
        self.enter("eve", EVE, DEN)
        self.now += 60.0
        self.ask(ANN, Ping(1, 1))
        self.hub.expire(self.now)
        page = NamesPage(
            LOBBY, (NameLine("ann", False), NameLine("Bob", False, away=True)), 2, more=False, version=3
        )
        self.assertEqual(self.ask(ANN, Names(3, LOBBY)), [Send(ANN, Done(3, page))])
        self.assertEqual(refusal(self.ask(ANN, Names(4, DEN))), (4, "NOT_IN_ROOM", 0.0))

    def test_pages_of_names(self) -> None:
        """A page has at most 64 rows and 1,024 bytes; together they list everybody once."""
        for width, first in ((4, NAMES_PAGE), (24, RESULT_BYTES // (24 + NAME_ROW_BYTES))):
            nicks = [f"{width}{n:02}".ljust(width, "x") for n in range(NAMES_PAGE)]
            for nick in nicks:
                self.enter(nick, nick[:4].encode() * 4)
            page = self.names("")
            self.assertEqual(len(page.nicks), first)
            seen = [row.nick for row in page.nicks]
            while page.more:
                page = self.names(seen[-1])
                seen += [row.nick for row in page.nicks]
            self.assertEqual(seen, [*nicks, "ann", "Bob"])
            for nick in nicks:
                self.ask(nick[:4].encode() * 4, Bye())

    def test_rooms(self) -> None:
        """Rooms with members or a topic are listed by name, topics cut to 80 bytes of whole characters."""
        self.ask(ANN, Join(2, DEN), Join(3, "attic"))
        self.store(self.ask(ANN, Topic(4, DEN, "x" + "é" * 100)))
        self.store(self.ask(ANN, say(1, room="attic")))
        self.ask(ANN, Part(5, DEN), Part(6, "attic"))
        rows = (RoomLine(DEN, 0, "x" + "é" * 39), RoomLine(LOBBY, 2, ""))
        self.assertEqual(self.ask(BOB, Rooms(3)), [Send(BOB, RoomsPage(3, rows, more=False))])
        self.assertEqual(self.ask(BOB, Rooms(3, DEN)), [Send(BOB, RoomsPage(3, rows[1:], more=False))])

    def test_pages_of_rooms(self) -> None:
        """A page has at most 64 rows and 1,024 bytes; together they list every room once."""
        names = [first + second for first in "abcde" for second in ascii_lowercase[:MEMBER_ROOMS]]
        for first in "abcde":
            self.enter(first * 3, first.upper().encode() * 16, *(name for name in names if name[0] == first))
        topic = "t" * 300
        for in_page in (ROOMS_PAGE, RESULT_BYTES // (2 + LISTED_TOPIC_BYTES + ROOM_ROW_BYTES)):
            page = self.rooms("")
            self.assertEqual(len(page.rooms), in_page)
            seen = [row.room for row in page.rooms]
            while page.more:
                page = self.rooms(seen[-1])
                seen += [row.room for row in page.rooms]
            self.assertEqual(seen, [*names, LOBBY])
            for name in names:
                self.hub.committed(Fact(EVE, 0, entry(1, topic, name, Kind.TOPIC), 0))


class FetchTests(HubTests):
    """Entries are read from the store and given to who may see them."""

    def setUp(self) -> None:
        """Let something be said: entry 1."""
        super().setUp()
        self.store(self.ask(BOB, say(1)))

    def fetch(
        self, after: int | None = 0, before: int | None = None, client: bytes = ANN, number: int = 7
    ) -> Read:
        """Give the one read that a member asks for."""
        return only(self.ask(client, Fetch(number, LOBBY, after, before, 256)), Read)

    def test_a_fetch(self) -> None:
        """The store is asked; its entries are sent in order, then the end of the answer."""
        self.store(self.ask(BOB, say(2)))
        read = self.fetch()
        self.assertEqual(read.fetch, Fetch(7, LOBBY, 0, None, STEP))
        page = Page(0, 2, (entry(1), entry(2)))
        self.assertEqual(
            self.hub.answered(read.token, page),
            [Send(ANN, entry(1)), Send(ANN, entry(2)), Send(ANN, Fetched(7, LOBBY, floor=0, head=2))],
        )

    def test_not_in_the_room(self) -> None:
        """Only who is in a room reads in it; who leaves while a read is out gets nothing."""
        self.assertEqual(refusal(self.ask(ANN, Fetch(7, DEN, 0, None, 9))), (7, "NOT_IN_ROOM", 0.0))
        read = self.fetch()
        self.ask(ANN, Part(8, LOBBY))
        self.assertEqual(self.hub.answered(read.token, Page(0, 1, (entry(1),))), [])
        self.ask(ANN, Join(9, LOBBY))
        read = self.fetch()
        self.ask(ANN, Bye())
        self.assertEqual(self.hub.answered(read.token, Page(0, 1, (entry(1),))), [])

    def test_one_read_for_each_room(self) -> None:
        """A second fetch in the same room is ignored until the first is answered; rooms do not wait."""
        self.ask(ANN, Join(2, DEN))
        read = self.fetch()
        self.assertEqual(self.ask(ANN, Fetch(8, LOBBY, 0, None, 9)), [])
        self.assertEqual(len(self.ask(ANN, Fetch(9, DEN, 0, None, 9))), 1)
        self.fetch(client=BOB)
        self.hub.answered(read.token, Page(0, 1, ()))
        self.fetch()

    def test_a_plain_member_s_second_question(self) -> None:
        """It is refused in words while the first is not answered: nobody repeats it."""
        self.enter("eve", EVE, version=PLAIN_VERSION)
        self.fetch(client=EVE)
        self.assertEqual(refusal(self.ask(EVE, Fetch(8, LOBBY, 0, None, 9))), (8, "BUSY", 1.0))

    def test_what_is_not_shown_yet(self) -> None:
        """Entries, head and floor of a store that is ahead of its facts are not told before those."""
        read = self.fetch()
        page = Page(5, 9, (entry(1), entry(9)))
        self.assertEqual(
            self.hub.answered(read.token, page),
            [Send(ANN, entry(1)), Send(ANN, Fetched(7, LOBBY, floor=1, head=1))],
        )

    def test_the_floor_rises(self) -> None:
        """What a fact or a page says is not kept any more is not offered again, and never comes back."""
        self.hub.committed(Fact(EVE, 1, entry(9), floor=4))
        for floor, known in ((6, 6), (2, 6)):
            effects = self.hub.answered(self.fetch().token, Page(floor, 9, ()))
            self.assertEqual(effects, [Send(ANN, Fetched(7, LOBBY, floor=known, head=9))])

    def steps(self, read: Read, entries: tuple[Entry, ...]) -> Iterator[list[Effect]]:
        """Answer from `entries` as a store does, as long as the hub reads on; give what each leads to."""
        while True:
            after, before, limit = read.fetch.after, read.fetch.before, read.fetch.limit
            found = [one for one in entries if (after or 0) < one.seq < (before or 101)]
            page = found[:limit] if after is not None else found[-limit:]
            effects = self.hub.answered(read.token, Page(0, 100, tuple(page)))
            yield effects
            if not effects or not isinstance(effects[-1], Read):
                break
            read = effects[-1]

    def test_a_long_answer(self) -> None:
        """48 KiB are sent in all: what follows `after` from its beginning, what is `before` from its end."""
        fits = ANSWER_BYTES // (ENTRY_BYTES + 900)
        entries = tuple(entry(n, "é" * 450) for n in range(1, 101))
        self.hub.committed(Fact(EVE, 1, entry(100), floor=0))
        for after, before, sent in (
            (0, None, entries[:fits]),
            (0, 101, entries[:fits]),
            (None, 101, entries[-fits:]),
            (None, None, entries[-fits:]),
        ):
            *steps, last = self.steps(self.fetch(after, before), entries)
            effects = [effect for step in steps for effect in step[:-1]] + last
            self.assertEqual(effects[:-1], [Send(ANN, one) for one in sent])
            self.assertEqual(effects[-1], Send(ANN, Fetched(7, LOBBY, floor=0, head=100)))

    def test_in_steps(self) -> None:
        """A few are read and sent at once, until there are as many as were asked for, or no more."""
        entries = tuple(map(entry, range(1, 101)))
        self.hub.committed(Fact(EVE, 1, entry(100), floor=0))
        for after, limit, sizes in ((0, 256, [32, 32, 32, 4]), (4, 256, [32, 32, 32, 0]), (0, 40, [32, 8])):
            (read,) = self.ask(ANN, Fetch(7, LOBBY, after, None, limit))
            assert isinstance(read, Read)
            steps = list(self.steps(read, entries))
            self.assertEqual([len(step) - 1 for step in steps], sizes)
            sent = [effect for step in steps for effect in step if isinstance(effect, Send)]
            self.assertEqual(sent[:-1], [Send(ANN, one) for one in entries[after : after + limit]])

    def test_leaving_between_steps(self) -> None:
        """Who leaves the room is sent no more of it, and may ask in another one at once."""
        self.hub.committed(Fact(EVE, 1, entry(100), floor=0))
        steps = self.steps(self.fetch(), tuple(map(entry, range(1, 101))))
        next(steps)
        self.ask(ANN, Part(8, LOBBY))
        self.assertEqual(list(steps), [[]])
        self.ask(ANN, Join(9, LOBBY))
        self.fetch()

    def test_a_new_session_forgets_reads(self) -> None:
        """What the session before has asked for is not sent into the new one, which may ask at once."""
        read = self.fetch()
        self.ask(ANN, hello("ann"))
        again = self.fetch(number=1)
        self.assertEqual(self.hub.answered(read.token, Page(0, 1, ())), [])
        self.assertEqual(len(self.hub.answered(again.token, Page(0, 1, ()))), 1)

    def test_a_failed_read(self) -> None:
        """A plain member is told; a native client asks again by itself."""
        read = self.fetch()
        self.assertEqual(self.hub.failed(read.token), [])
        self.fetch()
        self.enter("eve", EVE, version=PLAIN_VERSION)
        read = self.fetch(client=EVE)
        self.assertEqual(refusal(self.hub.failed(read.token)), (7, "STORE_FAILED", 1.0))
        read = self.fetch(client=EVE)
        self.ask(EVE, Bye())
        self.assertEqual(self.hub.failed(read.token), [])
        self.enter("eve", EVE, version=PLAIN_VERSION)
        read = self.fetch(client=EVE)
        self.ask(EVE, hello("eve", EVE, PLAIN_VERSION))
        self.assertEqual(self.hub.failed(read.token), [])


class SilenceTests(HubTests):
    """Native members who are not heard are away, then gone."""

    def test_away_and_back(self) -> None:
        """After a minute each of the member's rooms sees it away, once; at its next word, back."""
        self.ask(ANN, Join(2, DEN))
        self.now += 59.0
        self.ask(BOB, Ping(1, 1))
        self.assertEqual(self.hub.expire(self.now), [])
        self.now += 1.0
        self.assertEqual(
            self.hub.expire(self.now),
            [
                Publish((ANN, BOB), presence("ann", Change.AWAY, 3), ANN),
                Publish((ANN,), presence("ann", Change.AWAY, 2, DEN), ANN),
            ],
        )
        self.assertEqual(self.hub.expire(self.now), [])
        effects = self.ask(ANN, Ping(3, 5))
        self.assertEqual(
            effects[:2],
            [
                Publish((ANN, BOB), presence("ann", Change.BACK, 4), ANN),
                Publish((ANN,), presence("ann", Change.BACK, 3, DEN), ANN),
            ],
        )
        self.assertEqual(len(effects), 3)
        self.assertEqual(len(self.ask(ANN, Ping(4, 5))), 1)

    def test_a_new_session_is_heard(self) -> None:
        """Who was away and comes in again is back."""
        self.now += 60.0
        self.hub.expire(self.now)
        effects = self.ask(ANN, hello("ann"))
        self.assertEqual(effects[1:], [Publish((ANN, BOB), presence("ann", Change.BACK, 5), ANN)])

    def test_gone(self) -> None:
        """After ten minutes it leaves, whether it was away or nobody has looked since."""
        for steps in ((60.0, 540.0), (600.0,)):
            effects: list[Effect] = []
            for step in steps:
                self.now += step
                self.ask(BOB, Ping(1, 1))
                effects = self.hub.expire(self.now)
            self.assertIn(Drop(ANN, "ann", verified=False, reason="silent for 600 s"), effects)
            self.assertEqual(self.hub.everybody(), (BOB,))
            self.assertEqual(self.hub.expire(self.now + 59.0), [])
            self.enter("ann", ANN)

    def test_gone_while_the_store_works(self) -> None:
        """Its text is shown all the same when it is stored; answers for the one who is gone go nowhere."""
        commit = only(self.ask(ANN, say(1)), Commit)
        self.now += 600.0
        self.ask(BOB, Ping(1, 1))
        self.hub.expire(self.now)
        fact = self.fact(commit.draft)
        self.assertEqual(self.hub.committed(fact), [Publish((BOB,), fact.entry, ANN)])
        self.assertEqual(self.hub.failed(commit.token), [])

    def test_plain_members_may_be_silent(self) -> None:
        """A plain member is neither away nor gone: its session knows when it was silent for too long."""
        self.enter("eve", EVE, version=PLAIN_VERSION)
        self.hub.expire(self.now + 10_000.0)
        self.assertEqual(self.hub.everybody(), (EVE,))
        self.assertEqual(len(self.ask(EVE, Ping(1, 1))), 1)
