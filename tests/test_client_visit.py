"""Tests of what a typed line means: commands and their answers, and the room that is current."""

from __future__ import annotations

import signal

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.client.happenings import Abandoned
from chat.client.loop import EXIT_FAILED, EXIT_OK, EXIT_SIGNAL
from chat.client.script import ANSWER_SECONDS
from chat.client.visit import Answer, Typed, Visit
from chat.errors import RequestRejected
from chat.messages import (
    Change,
    Done,
    Kind,
    Link,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Presence,
    Release,
    Topic,
)
from chat.wire.events import Appeared, Happened, Offered, OutOfRoom
from chat.wire.lines import link_line, released_line
from chat.wire.outbox import REMEMBERED
from chat.wire.sequence import Earlier
from tests.client_support import FakeClient, ScriptCase, entry


class CommandTests(ScriptCase):
    """Commands, their answers, and the room that is current."""

    def setUp(self) -> None:
        """Be in the lobby."""
        super().setUp()
        self.client.let_in()

    def test_answers_are_printed(self) -> None:
        """An answer is printed as people read it, and the visit waits for it."""
        self.feed("/names")
        self.assertEqual(self.client.asked, [Names(0, "lobby")])
        self.not_ended()
        members = (NameLine("ann", True), NameLine("bob", False))
        self.client.asking.pop().callback(Done(1, NamesPage("lobby", members, 2, False)))
        self.assertEqual(self.printed, ["2 here (~ is not verified): ann ~bob"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_help(self) -> None:
        """/help asks nobody; a thousand of them overflow nothing."""
        self.feed(*["/help me"] * 1_000)
        self.assertEqual(self.printed, ["/me <action> - say what you do: * you wave"] * 1_000)
        self.assertEqual(self.code(), EXIT_OK)

    def test_an_unknown_command(self) -> None:
        """What is no command is told, said to nobody, and the code is 1."""
        self.feed("/nosuch x")
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertIn("line 1 not accepted: /nosuch x (unknown command", self.complaints[0])
        self.assertEqual(self.client.said, [])

    def test_a_room_that_does_not_let_us_in(self) -> None:
        """What was meant for it is said nowhere else: not before another command leads to a room."""
        lines = (
            "/join ops",
            "secret",
            "/me nods",
            "/msg bob psst",
            "/switch den",
            "more",
            "/switch lobby",
            "x",
        )
        self.script.receive("".join(f"{line}\n" for line in lines).encode())
        room, joining = self.client.joining.pop()
        joining.errback(RequestRejected("ROOM_KEY", f"{room} has a key"))
        self.assertEqual(self.client.said, [("psst", "@bob", Kind.SAY)])
        self.client.saying.pop().callback(1)
        self.assertEqual(self.client.said[1:], [("x", "lobby", Kind.SAY)])
        self.feed()
        self.client.saying.pop().callback(2)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(
            [complaint.split(" (")[0] for complaint in self.complaints],
            [
                f"line {number} not accepted: {line}"
                for number, line in (
                    (1, "/join ops"), (2, "secret"), (3, "/me nods"), (5, "/switch den"), (6, "more"),
                )
            ],
        )  # fmt: skip
        self.assertIn("line 1 did not lead to where this was meant for", self.complaints[1])

    def test_put_out_of_the_room(self) -> None:
        """What follows was meant for there: it is said nowhere else until a command leads somewhere."""
        self.script.receive(b"/join dev\n")
        self.client.joined()
        self.script.happened(OutOfRoom("dev", "KICKED", "go"))
        self.script.receive(b"for dev\n/switch lobby\nfor all\n")
        self.assertEqual(self.client.said, [("for all", "lobby", Kind.SAY)])
        self.assertEqual(
            self.complaints, ["line 2 not accepted: for dev (you are out of dev, for which this was meant)"]
        )

    def test_a_bad_line_that_leads_to_a_room(self) -> None:
        """It leads nowhere, and what is behind it is said nowhere; what was before it is not concerned."""
        for bad in (b"/join d\xe9v", b"/j " + b"x" * 1_000):
            self.restart()
            self.client.let_in()
            self.script.receive(b"/names\nbefore\n" + bad + b"\nbehind\n")
            self.client.asking.pop().callback(Done(1, NamesPage("lobby", (), 0, False)))
            self.assertEqual(self.client.said, [("before", "lobby", Kind.SAY)])
            self.assertEqual([each[:6] for each in self.complaints], ["line 3", "line 4"])

    def test_a_room_that_opens_late(self) -> None:
        """It is not the one that a later line was to lead to."""
        self.script.receive(b"/join ops\n")
        self.clock.advance(ANSWER_SECONDS)
        self.script.receive(b"/join d e v\n")
        self.client.joined()
        self.script.receive(b"for dev\n")
        self.assertEqual(self.client.said, [])

    def test_a_refused_command(self) -> None:
        """A refusal of a command is told as that of a text is."""
        self.feed("/nick ann")
        self.assertEqual(self.client.asked, [Nick(0, "ann")])
        self.client.asking.pop().errback(RequestRejected("NICK_IN_USE", "ann is taken"))
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints, ["line 1 not accepted: /nick ann (ann is taken)"])

    def test_join(self) -> None:
        """After /join what follows is said there; after /part in the room before."""
        self.feed("/join dev", "one", "/part", "two")
        self.client.joined("tea")
        self.assertEqual(self.printed, ["you are in dev", "the topic of dev: tea"])
        self.store(10)
        self.client.part_now()
        self.assertEqual(self.printed[2:], ["you have left dev: you are in lobby"])
        self.store(11)
        self.assertEqual(self.client.moves, ["join lobby", "join dev", "part dev"])
        self.assertEqual(self.client.said, [("one", "dev", Kind.SAY), ("two", "lobby", Kind.SAY)])
        self.assertEqual(self.code(), EXIT_OK)

    def test_join_with_a_key(self) -> None:
        """The key that a room may ask for is said with the wish to be in it."""
        self.feed("/join dev sesame")
        self.client.joined()
        self.assertEqual(self.client.moves, ["join lobby", "join dev sesame"])

    def test_switch(self) -> None:
        """After /switch what follows is said there; nobody is asked, and a room one is not in is refused."""
        self.feed("/join dev", "/switch lobby", "one", "/switch ops")
        self.client.joined()
        self.store(10)
        self.assertEqual(self.printed, ["you are in dev", "you are in lobby"])
        self.assertEqual(self.client.said, [("one", "lobby", Kind.SAY)])
        self.assertEqual(
            self.complaints, ["line 4 not accepted: /switch ops (you are not in ops: /join ops)"]
        )
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_lag(self) -> None:
        """It says what the client has measured; nobody is asked."""
        self.feed("/lag")
        self.assertEqual(self.printed, ["round trip 23 ms, loss 5%, heard 2 s ago"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_ignore(self) -> None:
        """The answers name whom; history and what was said before leave them out, news of a nick follow."""
        self.script.receive(b"/ignore eve\n/ignore\n/history 2\n")
        renamed = Presence("lobby", "eve", verified=True, change=Change.RENAMED, new_nick="eva")
        self.script.happened(Happened(renamed))
        for seq, nick in ((9, "ann"), (8, "eva")):
            self.script.happened(Appeared("lobby", Earlier(entry("hi", seq, nick=nick))))
        self.clock.advance(0)
        self.feed("/history 1", "/unignore eva")
        self.script.happened(Appeared("lobby", Earlier(entry("hi", 7, nick="eve"))))
        self.clock.advance(0)
        self.assertEqual(
            self.printed,
            [
                "what eve says is left out from now on: /unignore eve",
                "you leave out: eve",
                "ann: hi",
                "eva is left out no longer",
            ],
        )
        self.assertEqual(self.code(), EXIT_OK)

    def test_order(self) -> None:
        """A command waits for the texts before it, and what is behind it for its answer: none overtakes."""
        self.feed("one", "two", "/nick eve", "three")
        self.store(10)
        self.assertEqual(self.client.asked, [])
        self.assertIs(self.flow[-1], False)
        self.store(11)
        self.assertEqual(self.client.asked, [Nick(0, "eve")])
        self.assertEqual(len(self.client.said), 2)
        self.client.asking.pop().callback(Done(1, "eve"))
        self.assertEqual(len(self.client.said), 3)

    def test_a_late_line_holds_up_nobody(self) -> None:
        """What has had no answer for ten seconds is not waited for any longer."""
        self.feed("one", "/names")
        self.clock.advance(ANSWER_SECONDS)
        self.assertEqual(self.client.asked, [Names(0, "lobby")])

    def test_a_room_that_refuses(self) -> None:
        """Where /join is refused the room before is current again for who asks, and the code is 1."""
        self.script.receive(b"/join dev\n")
        self.client.joining.pop()[1].errback(
            RequestRejected("TOO_MANY_ROOMS", "there are 4096 rooms already")
        )
        self.feed("/names")
        self.assertEqual(self.client.asked, [Names(0, "lobby")])
        self.client.asking.pop().callback(Done(1, NamesPage("lobby", (), 0, False)))
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_in_no_room(self) -> None:
        """Put out of the only room: what is said there is refused here, and says how to go on."""
        self.script.happened(OutOfRoom("lobby", "KICKED", "go"))
        self.feed("one")
        self.assertEqual(self.complaints, ["line 1 not accepted: one (you are in no room: /join lobby)"])
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_rooms_that_one_is_in_or_not(self) -> None:
        """/join of a room one is in makes it current; neither that nor /part of another asks anybody."""
        self.feed("/join dev", "/join lobby", "/part nosuch", "one")
        self.client.joined()
        self.assertEqual(self.client.moves, ["join lobby", "join dev"])
        self.assertEqual(self.client.said, [("one", "lobby", Kind.SAY)])
        self.assertEqual(self.printed[1:], ["you are in lobby", "you are not in nosuch: you are in lobby"])

    def test_a_room_that_was_just_asked_for(self) -> None:
        """As long as it has not answered it is asked again, with the other key; refused, it is not ours."""
        visit = Visit(Clock())
        visit.begin(self.client.real, "lobby")
        first, second = visit.ask("/join dev", 1), visit.ask("/join dev sesame", 2)
        self.assertNoResult(second)
        for asked in (first, second):
            refusal = OutOfRoom("dev", "KEY_WRONG", "dev has a key")
            self.assertTrue(visit.answers(refusal))
            self.client.joining.pop()[1].errback(RequestRejected("KEY_WRONG", "dev has a key"))
            self.failureResultOf(asked, RequestRejected)
        self.assertEqual(self.client.moves[-2:], ["join dev", "join dev sesame"])
        self.assertEqual((visit.room, visit.is_in("dev")), ("lobby", False))
        self.assertFalse(visit.answers(refusal))

    def test_motd(self) -> None:
        """A message of the day is asked for to its end, piece by piece."""
        self.feed("/motd")
        for piece in ("grüß\n", "dich", ""):
            self.client.asking.pop().callback(Done(1, piece))
        self.assertEqual(self.client.asked, [Motd(0, 0), Motd(0, 7), Motd(0, 11)])
        self.assertEqual(self.printed, ["grüß", "dich"])

    def test_msg(self) -> None:
        """What is said to one person alone is a text: it keeps its place among the others, and any room's."""
        self.feed("/part", "/msg Bob hello there", "/m bob again", "/names")
        self.client.part_now()
        self.assertEqual(self.client.said, [("hello there", "@Bob", Kind.SAY), ("again", "@bob", Kind.SAY)])
        self.store(10, 11)
        self.assertEqual(self.printed, ["you have left lobby: you are in no room"])
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertIn("line 4 not accepted: /names (you are in no room", self.complaints[0])

    def test_release_and_link(self) -> None:
        """Both are questions, whose answers are lines."""
        self.feed("/release", "/link")
        self.assertEqual(self.client.asked, [Release(0)])
        self.client.asking.pop().callback(Done(1, "bot"))
        self.assertEqual(self.client.asked[1:], [Link(0)])
        self.client.asking.pop().callback(Done(1, "abcd-efgh-jkmn"))
        self.assertEqual(self.printed, [released_line("bot"), link_line("abcd-efgh-jkmn")])
        self.assertEqual(self.code(), EXIT_OK)

    def test_topic(self) -> None:
        """/topic asks, /topic TEXT sets; the room is told of that, so the script is not."""
        self.feed("/topic", "/topic tea")
        self.client.asking.pop().callback(Done(1, ""))
        self.client.asking.pop().callback(Done(2, "tea"))
        self.assertEqual(self.client.asked, [Topic(0, "lobby"), Topic(0, "lobby", "tea")])
        self.assertEqual(self.printed, ["lobby has no topic"])
        self.assertEqual(self.code(), EXIT_OK)

    def test_talk_is_not_printed(self) -> None:
        """Without --follow what others say is nobody's business."""
        self.script.happened(Appeared("lobby", entry("hi")))
        self.assertEqual(self.printed, [])

    def test_broken_output(self) -> None:
        """Where nobody reads the answers (`| head`) the visit ends without a word, as by that signal."""
        self.script.broken()
        self.assertEqual(self.code(), EXIT_SIGNAL + signal.SIGPIPE)
        self.assertEqual(self.complaints, [])


class VisitTests(SynchronousTestCase):
    """A visit without a script, as a person makes it: nothing waits for anything."""

    def setUp(self) -> None:
        """Be in the lobby."""
        self.visit = Visit(Clock())
        self.client = FakeClient(self.visit.happened)
        self.visit.begin(self.client.real, "lobby")
        self.client.let_in()

    def test_rooms(self) -> None:
        """Who has several rooms before the eyes speaks in whichever they like, and knows who is there."""
        visit = Visit(Clock(), with_roster=True)
        client = FakeClient(visit.happened)
        visit.begin(client.real, "lobby")
        client.let_in(head=9, floor=3)
        self.assertEqual((client.rosters, self.client.rosters), ({"lobby": True}, {"lobby": False}))
        visit.ask("/join dev", 1)
        self.assertEqual([visit.is_in(room) for room in ("lobby", "dev", "ops")], [True, True, False])
        visit.go("lobby")
        self.assertEqual(visit.room, "lobby")
        self.assertRaises(RequestRejected, visit.go, "ops")
        self.assertTrue(visit.has_older("lobby"))
        visit.happened(Appeared("lobby", Earlier(entry("hi", seq=4))))
        self.assertFalse(visit.has_older("lobby"))
        self.assertFalse(visit.has_older("ops"))

    def test_in_and_out_at_once(self) -> None:
        """A /part waits for the /join before it, and the next /join for that: each has its answer."""
        outcomes = [self.visit.ask(line, n) for n, line in enumerate(("/join dev", "/part", "/join dev"), 1)]
        self.assertEqual(self.client.moves, ["join lobby", "join dev"])
        self.assertEqual(self.visit.room, "dev")
        self.client.joined()
        self.client.part_now()
        self.client.joined()
        self.assertEqual(
            [self.successResultOf(outcome) for outcome in outcomes],
            [
                Answer(["you are in dev"]),
                Answer(["you have left dev: you are in dev"]),
                Answer(["you are in dev"]),
            ],
        )

    def test_questions_wait_for_their_room(self) -> None:
        """A question about a room is asked once we are in it: else the answer would be that we are not."""
        self.visit.ask("/join dev", 1)
        self.visit.ask("/names", 2)
        self.assertEqual(self.client.asked, [])
        self.client.joined()
        self.assertEqual(self.client.asked, [Names(0, "dev")])

    def test_pending(self) -> None:
        """What has no outcome is known by its number, and whether it says something."""
        self.visit.ask("hello", 5)
        self.visit.ask("/list", 6)
        self.assertEqual(
            self.visit.pending, {5: Typed("hello", "lobby", "hello"), 6: Typed("/list", "lobby", "")}
        )
        self.client.saying.pop().callback(10)
        self.assertEqual(list(self.visit.pending), [6])
        self.assertEqual(self.visit.taken_back(Offered("lobby", 1, 10)), (5, "hello"))
        self.assertEqual(self.visit.taken_back(Offered("lobby", 1, 10)), (0, ""))

    def test_abandoned(self) -> None:
        """What nobody will answer stays pending: somebody has to be told of it."""
        outcome = self.visit.ask("hello", 1)
        self.client.close("the end")
        self.failureResultOf(outcome, Abandoned)
        self.assertEqual(list(self.visit.pending), [1])

    def test_it_remembers_only_so_many(self) -> None:
        """Accepted texts are kept for a while, in case that the server loses them, but not for ever."""
        for n in range(1, REMEMBERED + 2):
            self.visit.ask("hello", n)
            self.client.saying.pop().callback(10 + n)
        self.assertEqual(self.visit.taken_back(Offered("lobby", 1, 11)), (0, ""))
        self.assertEqual(self.visit.taken_back(Offered("lobby", 2, 12)), (2, "hello"))
