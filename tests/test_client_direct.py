"""Tests of direct messages in the client: what a line means, what is printed, and a library's view of it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.client import show
from chat.client.loop import EXIT_FAILED
from chat.client.own import NICKS_BYTES, OwnedNicks
from chat.client.visit import LATE_SECONDS, Answer, Stored, Visit, is_text
from chat.errors import RequestRejected
from chat.messages import Delivered, Done, Joined, Kind, Link, Release
from chat.typed import HISTORY, MAX_HISTORY
from chat.wire.events import Appeared, InRoom, Said
from chat.wire.sequence import Earlier
from tests.client_network import Host, NetworkTestCase, Person
from tests.client_support import FakeClient, ScriptCase, entry

LOG = "@" + "a" * 26
JOINED = Joined(3, LOG, 20, 0, "", 0, 1, 17)


class VisitTests(SynchronousTestCase):
    """A visit without a script."""

    def setUp(self) -> None:
        """Be in the lobby."""
        self.visit, self.client = self.begin(0)

    def begin(self, history: int) -> tuple[Visit, FakeClient]:
        """Give a visit, and its client, that is let into the lobby."""
        self.clock = Clock()
        visit = Visit(self.clock, history=history)
        client = FakeClient(visit.happened)
        self.entered = visit.begin(client.real, "lobby")
        client.let_in()
        return visit, client

    def test_waiting(self) -> None:
        """The outcome of a text says whether its reader is away, and who and what it was."""
        outcomes = [self.visit.ask(f"/msg bob {text}", n) for n, text in enumerate(("one", "two"), 1)]
        for n, is_waiting in ((1, True), (2, False)):
            self.client.happened(Said(n, 10 + n, is_waiting))
            self.client.saying.pop(0).callback(10 + n)
        self.assertEqual(
            [self.successResultOf(outcome) for outcome in outcomes],
            [Stored("@bob", 11, "one", waiting=True), Stored("@bob", 12, "two", waiting=False)],
        )

    def test_delivered(self) -> None:
        """A delivery is known by the line that it belongs to, once."""
        self.visit.ask("/msg bob hi", 4)
        self.assertEqual(self.visit.pending[4].room, "@bob")
        self.client.saying.pop().callback(11)
        self.assertEqual(self.visit.delivered(Delivered(11)), (4, Stored("@bob", 11, "hi")))
        self.assertIsNone(self.visit.delivered(Delivered(11)))

    def test_delivered_late(self) -> None:
        """What its reader has only after seconds had to wait, whether the server knew that or not."""
        for seconds, is_late in ((LATE_SECONDS - 0.5, False), (LATE_SECONDS, True)):
            self.visit.ask("/msg bob hi", 4)
            self.client.saying.pop().callback(11)
            self.clock.advance(seconds)
            told = self.visit.delivered(Delivered(11))
            self.assertEqual(told, (4, Stored("@bob", 11, "hi", waiting=is_late)))

    def test_target(self) -> None:
        """What a line is for is known before it is asked; a bad one is for the room it was typed in."""
        targets = [self.visit.target(line) for line in ("hi", "/msg bob hi", "/names", "/msg")]
        self.assertEqual(targets, ["lobby", "@bob", "lobby", "lobby"])

    def test_answering(self) -> None:
        """/reply goes to who said something to us alone last; before that it is refused, and no text."""
        self.assertEqual(self.visit.target("/reply hi"), "lobby")
        refusal = self.failureResultOf(self.visit.ask("/reply hi", 1), RequestRejected)
        self.assertEqual(refusal.value.code, "NO_SUCH_NICK")
        for nick in ("ann", "eve"):
            self.client.happened(Appeared(LOG, entry("hi", room=LOG, nick=nick)))
        self.assertEqual(self.visit.target("/reply hi"), "@eve")
        self.visit.ask("/reply hi", 2)
        self.assertEqual((self.client.said, self.visit.pending[2].room), ([("hi", "@eve", Kind.SAY)], "@eve"))
        self.assertTrue(is_text("/r hi"))

    def test_what_waited(self) -> None:
        """The first entry up to where the log stood when we came is known as such, once a visit."""
        entries = [Appeared(LOG, entry("hi", seq, room=LOG)) for seq in (18, 20, 21)]
        self.assertFalse(self.visit.is_first_unread(entries[0]))
        self.client.happened(InRoom(JOINED))
        self.assertFalse(self.visit.is_first_unread(Appeared("lobby", entry("hi", 18))))
        self.assertEqual([self.visit.is_first_unread(each) for each in entries], [True, False, False])
        self.client.happened(InRoom(JOINED))
        self.assertFalse(self.visit.is_first_unread(entries[1]))

    def test_nothing_waited(self) -> None:
        """What is said after we came did not wait."""
        self.client.happened(InRoom(JOINED))
        self.assertFalse(self.visit.is_first_unread(Appeared(LOG, entry("hi", 21, room=LOG))))

    def test_a_room_as_it_was(self) -> None:
        """Who wants that is shown what was said last, in every room, the first time only."""
        self.visit, self.client = self.begin(HISTORY)
        self.assertNoResult(self.entered)
        self.assertEqual(self.client.histories, [("lobby", HISTORY)])
        self.client.happened(Appeared("lobby", Earlier(entry("two", 2))))
        self.client.happened(Appeared("lobby", Earlier(entry("one", 1))))
        lines = ["you are in lobby", "said in lobby before:", "ann: one", "ann: two"]
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(self.entered), Answer(lines))
        self.visit.ask("/part", 1)
        self.client.part_now()
        again = self.visit.ask("/join lobby", 2)
        self.client.joined()
        self.assertEqual(self.successResultOf(again), Answer(["you are in lobby"]))

    def test_a_new_room(self) -> None:
        """Where nothing was said nobody is asked."""
        self.visit, self.client = self.begin(HISTORY)
        outcome = self.visit.ask("/join dev", 1)
        self.client.joined(head=5, floor=5)
        self.assertEqual(self.successResultOf(outcome), Answer(["you are in dev"]))
        self.assertEqual(self.client.histories, [("lobby", HISTORY)])

    def test_no_older_than(self) -> None:
        """`/history 2h` asks for what is young enough."""
        self.visit.ask("/history 2h", 1)
        self.assertEqual((self.client.histories, self.client.ages), ([("lobby", MAX_HISTORY)], [7_200]))


class PeopleTests(ScriptCase):
    """With --follow."""

    is_following = True

    def setUp(self) -> None:
        """Be in the lobby."""
        super().setUp()
        self.client.let_in()

    def test_what_comes(self) -> None:
        """What was waiting is introduced by one line; it looks the same in whatever room one is."""
        self.script.happened(InRoom(JOINED))
        for seq in (18, 20, 21):
            self.script.happened(Appeared(LOG, entry(f"text {seq}", seq, room=LOG)))
        self.assertEqual(
            self.printed,
            [show.remark(show.WAITING), "ann -> you: text 18", "ann -> you: text 20", "ann -> you: text 21"],
        )

    def test_who_is_ignored(self) -> None:
        """Nothing that one says is shown, what waited for us included; the others' is."""
        self.script.receive(b"/ignore ann\n")
        self.script.happened(InRoom(JOINED))
        for shown in (entry("one", 18, room=LOG), entry("two", 19, room=LOG, nick="eve"), entry("three")):
            self.script.happened(Appeared(shown.room, shown))
        self.assertEqual(self.printed[1:], [show.remark(show.WAITING), "eve -> you: two"])

    def test_what_is_said(self) -> None:
        """It is shown when it is accepted; if it waits that is said, and when it has arrived."""
        self.feed("/msg bob one", "/msg bob two")
        self.script.happened(Said(1, 11))
        self.store(11)
        self.script.happened(Said(2, 12, waiting=True))
        self.store(12)
        for seq in (11, 12, 13):
            self.script.happened(Delivered(seq))
        self.assertEqual(
            self.printed,
            [
                "-> bob: one",
                "-> bob: two",
                "-- bob is not here: that waits for bob --",
                show.delivered_line("bob", "two"),
            ],
        )


class QuietTests(ScriptCase):
    """A script that prints answers only."""

    def test_what_is_said(self) -> None:
        """Nothing is printed of a text: accepted is accepted. A refusal names the line."""
        self.client.let_in()
        self.feed("/msg bob one", "/msg eve two")
        self.script.happened(Said(1, 11, waiting=True))
        self.store(11)
        self.client.refuse("NO_SUCH_NICK", "nobody is called eve")
        self.assertEqual(self.printed, [])
        self.assertEqual(self.complaints, ["line 2 not accepted: /msg eve two (nobody is called eve)"])
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_a_nick_that_belongs_to_somebody(self) -> None:
        """What to do is said where it happens."""
        self.feed("hello")
        text = "bot belongs to somebody else: take another nick"
        self.client.entering.pop().errback(RequestRejected("NICK_OWNED", text))
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertIn(show.MINE, self.complaints[0])


class JsonTests(ScriptCase):
    """With --json."""

    is_json = True

    def test_a_talk(self) -> None:
        """Accepted with what waits, delivered, and refused, each for the person that it was for."""
        self.client.let_in()
        self.feed("/msg bob one", "/msg eve two", "three")
        self.script.happened(Said(1, 11, waiting=True))
        self.store(11)
        self.script.happened(Delivered(11))
        self.script.happened(Delivered(11))
        self.client.refuse("NO_SUCH_NICK", "nobody is called eve")
        self.store(12)
        self.assertEqual(self.code(), EXIT_FAILED)
        accepted, delivered, rejected, other = self.objects()[-4:]
        self.assertEqual(
            accepted, {"event": "accepted", "line": 1, "room": "@bob", "seq": 11, "waiting": True}
        )
        self.assertEqual(delivered, {"event": "delivered", "line": 1, "room": "@bob", "seq": 11})
        self.assertEqual((rejected["line"], rejected["room"]), (2, "@eve"))
        self.assertNotIn("waiting", other)

    def test_late(self) -> None:
        """A text without an answer is told as one for that person."""
        self.client.let_in()
        self.feed("/msg bob one")
        self.clock.advance(10)
        self.assertEqual((self.objects()[-1]["code"], self.objects()[-1]["room"]), ("NO_ANSWER", "@bob"))
        self.assertEqual(self.code(), EXIT_FAILED)


class OwnedNicksTests(SynchronousTestCase):
    """The nicks that somebody was told of."""

    def setUp(self) -> None:
        """Make a place for them."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "owned_nicks"

    def test_news_once(self) -> None:
        """Each nick at each server is news once, for later programs too."""
        first = OwnedNicks(self.path)
        told = [first.add("here:1", "ann"), first.add("here:1", "ann"), first.add("there:1", "ann")]
        self.assertEqual(told, [True, False, True])
        self.assertFalse(OwnedNicks(self.path).add("here:1", "ann"))
        self.assertTrue(OwnedNicks(self.path).add("here:1", "an"))
        self.assertEqual([first.last(place) for place in ("here:1", "here:2", "here:")], ["an", "", ""])

    def test_what_cannot_be_written(self) -> None:
        """Nobody is told at each start because a file cannot be written, or is full."""
        self.assertFalse(OwnedNicks(self.path / "nowhere").add("here:1", "ann"))
        self.path.write_bytes(b"x" * NICKS_BYTES)
        self.assertFalse(OwnedNicks(self.path).add("here:1", "ann"))
        self.assertEqual(self.path.stat().st_size, NICKS_BYTES)


class LibraryTests(NetworkTestCase):
    """`ChatClient` at a real server, on a network in memory."""

    def setUp(self) -> None:
        """Let Ann in; Bob has been there."""
        super().setUp()
        self.host = Host(self.network)
        self.ann = self.enter("ann")
        self.quit(self.enter("bob"))

    def quit(self, person: Person) -> None:
        """Let somebody leave politely, at once."""
        leaving = person.client.leave()
        self.network.run(1.0)
        self.successResultOf(leaving)

    def send(self, *texts: str, to: str = "@bob") -> list[int]:
        """Let Ann say something to one person."""
        saying = [self.ann.client.say(text, to) for text in texts]
        self.network.run()
        return [self.successResultOf(each) for each in saying]

    def test_what_waits(self) -> None:
        """It comes when its reader comes, in order and once; its sender hears of both."""
        positions = self.send("one", "two")
        self.assertEqual([said.waiting for said in self.ann.told(Said)], [True, True])
        bob = self.enter("bob")
        self.assertEqual(bob.texts, ["one", "two"])
        self.assertEqual({each.room for each in bob.heard}, {bob.client.direct})
        self.assertEqual([each.seq for each in self.ann.told(Delivered)], positions)
        self.quit(bob)
        self.assertEqual(self.enter("bob").texts, [])
        self.assertEqual(self.ann.texts, [])

    def test_who_leaves_at_once(self) -> None:
        """The goodbye says what was shown: that does not come again, and what came with it does."""
        self.send("one", "two", "three")
        bob = Person(self, "bob")
        bob.on_heard = lambda entry: entry.text == "two" and bob.client.leave()
        bob.client.connect()
        self.network.run(2.0)
        self.assertEqual(bob.texts, ["one", "two"])
        self.assertEqual(len(self.ann.told(Delivered)), 2)
        self.assertEqual(self.enter("bob").texts, ["three"])

    def test_who_is_here(self) -> None:
        """Nothing waits then; nobody else hears it."""
        bob, eve = self.enter("bob"), self.enter("eve")
        self.send("one")
        self.assertEqual((bob.texts, eve.texts, self.ann.texts), (["one"], [], []))
        self.assertEqual([said.waiting for said in self.ann.told(Said)], [False])
        self.assertEqual(len(self.ann.told(Delivered)), 1)

    def test_an_outage(self) -> None:
        """What is said while the reader's path is gone comes when it is back, once."""
        bob = self.enter("bob")
        self.network.is_lost = lambda sent: bob.reactor.host in (sent.source[0], sent.target[0])
        self.send("one")
        self.network.run(20.0)
        self.network.is_lost = lambda _: False
        self.network.run(20.0)
        self.assertEqual(bob.texts, ["one"])

    def test_who_does_not_read(self) -> None:
        """Without `with_direct` all waits for a program that shows it."""
        quiet = self.enter("bob", with_direct=False)
        self.send("one")
        self.assertEqual((quiet.texts, quiet.client.direct), ([], ""))
        self.assertTrue(self.ann.told(Said)[0].waiting)
        self.quit(quiet)
        self.assertEqual(self.enter("bob").texts, ["one"])

    def test_another_device(self) -> None:
        """A key that says the code is the same person: the nick, and what is said to it; for one time."""
        bob = self.enter("bob")
        asking = bob.client.ask(Link(1))
        self.network.run()
        reply = self.successResultOf(asking)
        assert isinstance(reply, Done)
        assert isinstance(reply.result, str)
        self.quit(bob)
        phone = self.enter("bob", identity_name="phone", link=reply.result)
        self.send("one")
        self.assertEqual(phone.texts, ["one"])
        self.assertEqual(phone.client.direct, bob.client.direct)
        eve = Person(self, "eve", link=reply.result)
        entering = eve.client.connect()
        self.network.run()
        self.assertEqual(self.failureResultOf(entering, RequestRejected).value.code, "LINK_INVALID")

    def test_a_nick_that_is_given_up(self) -> None:
        """`Release` frees it for others, once nobody has it."""
        asking = self.ann.client.ask(Release(1))
        self.network.run()
        self.assertEqual(self.successResultOf(asking).result, "ann")  # type: ignore[union-attr]
        self.quit(self.ann)
        self.assertEqual(self.enter("ann", identity_name="eve").client.nick, "ann")

    def test_nobody(self) -> None:
        """A nick that nobody has, or can have, is refused."""
        for nick, code in (
            ("nobody", "NO_SUCH_NICK"),
            ("no such nick", "NICK_INVALID"),
            ("", "NICK_INVALID"),
        ):
            saying = self.ann.client.say("hi", f"@{nick}")
            self.network.run()
            self.assertEqual(self.failureResultOf(saying, RequestRejected).value.code, code)

    def test_a_code_that_can_be_none(self) -> None:
        """It is refused before anything is sent."""
        bob = Person(self, "bob", link="x" * 99)
        refused = self.failureResultOf(bob.client.connect(), RequestRejected).value
        self.assertEqual((refused.code, self.sent_by(bob)), ("LINK_INVALID", []))

    def test_order(self) -> None:
        """Texts to rooms and to people keep the order in which they were said."""
        bob = self.enter("bob")
        for number in range(12):
            self.ann.client.say(f"{number}", "@bob" if number % 2 else "lobby", Kind.SAY)
        self.network.run(2.0)
        seqs = {each.text: each.seq for each in bob.heard}
        self.assertEqual(sorted(seqs, key=seqs.__getitem__), [f"{number}" for number in range(12)])
