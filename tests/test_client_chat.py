"""Tests of `chat.client.protocol`: how a program gets in, what it asks for, and what it is told."""

from __future__ import annotations

import sys

from twisted.internet.defer import CancelledError

from chat.client.address import AddressError
from chat.client.happenings import Abandoned, Link, LinkChanged
from chat.errors import RequestRejected
from chat.messages import Done, Kind, Motd, Names, NamesPage, Nick, Ping, Rooms, RoomsPage, Topic
from chat.wire.events import Appeared, Entered, InRoom, OutOfRoom, Refused, Said
from chat.wire.sequence import Earlier
from tests.client_network import Host, NetworkTestCase, Person


class EnteringTests(NetworkTestCase):
    """From nowhere to a `Welcome`."""

    def setUp(self) -> None:
        """Start a server."""
        super().setUp()
        self.host = Host(self.network)

    def test_let_in(self) -> None:
        """`connect` fires with the Welcome, for everybody who asked, and at once for who asks later."""
        ann = Person(self, "ann")
        self.assertIs(ann.client.state, Link.CONNECTING)
        entering = [ann.client.connect(), ann.client.connect()]
        self.network.run()
        welcome = self.successResultOf(entering[0])
        self.assertEqual(welcome.nick, "ann")
        self.assertEqual(self.successResultOf(entering[1]), welcome)
        self.assertEqual(self.successResultOf(ann.client.connect()), welcome)
        self.assertIs(ann.client.state, Link.CONNECTED)
        self.assertEqual(len(ann.reactor.open_ports), 1)

    def test_a_nick_that_is_taken(self) -> None:
        """A refused nick fails with its code; `enter` tries another one, on the same channel."""
        self.enter("ann")
        eve = Person(self, "eve")
        entering = eve.client.enter("ann")
        self.network.run()
        self.assertEqual(self.failureResultOf(entering, RequestRejected).value.code, "NICK_OWNED")
        self.assertIs(eve.client.state, Link.CONNECTING)
        self.assertEqual(len(eve.told(Refused)), 1)
        entering = eve.client.enter("eve")
        self.network.run()
        self.assertEqual(self.successResultOf(entering).nick, "eve")
        self.assertEqual(eve.client.nick, "eve")
        self.assertEqual(len(eve.reactor.ports), 1)

    def test_a_long_time_to_think(self) -> None:
        """Who thinks of another nick when the server has closed the channel already comes in all the same."""
        self.enter("ann")
        eve = Person(self, "ann", identity_name="eve")
        entering = eve.client.connect()
        self.network.run(200.0)
        self.failureResultOf(entering, RequestRejected)
        self.assertEqual(len(eve.told(Refused)), 1)
        self.assertEqual(eve.reactor.open_ports, [])
        entering = eve.client.enter("eve")
        self.network.run(10.0)
        self.assertEqual(self.successResultOf(entering).nick, "eve")

    def test_what_cannot_be_a_nick(self) -> None:
        """A nick that cannot be sent is refused without a server."""
        for nick in ("x" * 65, "\udcff"):
            entering = Person(self, nick, identity_name="ann").client.connect()
            self.assertEqual(self.failureResultOf(entering, RequestRejected).value.code, "NICK_INVALID")
        self.assertEqual(self.network.sent, [])

    def test_a_full_chat(self) -> None:
        """A refusal that names a time is no answer: after that time the client asks again."""
        self.host.kill()
        self.host.start(max_members=1)
        bob = self.enter("bob")
        ann = Person(self, "ann")
        entering = ann.client.connect()
        self.network.run(1.0)
        self.assertNoResult(entering)
        self.assertEqual(ann.told(LinkChanged)[-1].reason, "the chat is full: try again later")
        bob.client.leave()
        self.network.run(50.0)
        self.assertNoResult(entering)
        self.network.run(10.0)
        self.assertEqual(self.successResultOf(entering).nick, "ann")

    def test_a_server_that_comes_later(self) -> None:
        """Where nobody answers the client says so once, and goes on."""
        self.host.kill()
        ann = Person(self, "ann")
        entering = ann.client.connect()
        joining = ann.client.join("lobby")
        saying = ann.client.say("at last")
        self.network.run(60.0)
        self.assertNoResult(entering)
        self.assertEqual(
            ann.told(LinkChanged), [LinkChanged(Link.CONNECTING, "no answer from chat.example:6789")]
        )
        self.host.start()
        self.network.run(15.0)
        self.successResultOf(entering)
        self.successResultOf(joining)
        self.successResultOf(saying)
        self.assertEqual(ann.texts, ["at last"])

    def test_no_host(self) -> None:
        """A host that nobody knows is the end; one that cannot be is refused before."""
        ann = Person(self, "ann", place="nowhere.example")
        entering, saying = ann.client.connect(), ann.client.say("hello")
        self.network.run()
        self.failureResultOf(entering, AddressError)
        self.failureResultOf(saying, Abandoned)
        self.assertIn("nowhere.example", self.successResultOf(ann.client.closed))
        self.assertIs(ann.client.state, Link.CLOSED)
        self.assertRaises(AddressError, Person, self, "ann", place="no host")


class ChatTestCase(NetworkTestCase):
    """Has a server, and Ann in its lobby."""

    def setUp(self) -> None:
        """Let Ann in."""
        super().setUp()
        self.host = Host(self.network)
        self.ann = self.enter("ann")


class SayingTests(ChatTestCase):
    """Texts."""

    def test_said_and_heard(self) -> None:
        """A text's Deferred fires with its position; everybody hears it there, its sender too."""
        bob = self.enter("bob")
        saying = self.ann.client.say("hello")
        self.assertEqual(self.ann.client.unsettled, 1)
        self.network.run()
        position = self.successResultOf(saying)
        self.assertEqual(self.ann.client.unsettled, 0)
        for person in (self.ann, bob):
            (entry,) = person.heard
            self.assertEqual((entry.seq, entry.nick, entry.text), (position, "ann", "hello"))
            self.assertEqual(person.told(Appeared), [Appeared("lobby", entry)])

    def test_order(self) -> None:
        """A hundred texts are said in the order of their calls, and each Deferred has its own position."""
        bob = self.enter("bob")
        sayings = [self.ann.client.say(f"{number}") for number in range(100)]
        self.network.run(3.0)
        positions = [self.successResultOf(saying) for saying in sayings]
        self.assertEqual(bob.texts, [f"{number}" for number in range(100)])
        self.assertEqual([entry.seq for entry in bob.heard], positions)

    def test_kinds(self) -> None:
        """A text can be something that one does; it goes into the room that was named."""
        self.ann.client.join("dev")
        self.ann.client.say("waves", "dev", Kind.ME)
        self.network.run()
        (entry,) = self.ann.heard
        self.assertEqual((entry.room, entry.kind, entry.text), ("dev", Kind.ME, "waves"))

    def test_one_line(self) -> None:
        """A text is one clean line: line ends become spaces, what moves a cursor goes."""
        self.ann.client.say("one\r\ntwo\x1b[2J")
        self.network.run()
        self.assertEqual(self.ann.texts, ["one two[2J"])

    def test_what_cannot_be_said(self) -> None:
        """What no server can take is refused at once, in the Deferred, and is not sent."""
        say = self.ann.client.say
        for saying, code in (
            (say("x" * 901), "TEXT_TOO_LONG"),
            (say("é" * 451), "TEXT_TOO_LONG"),
            (say(" \n\t"), "TEXT_EMPTY"),
            (say("\udcff"), "TEXT_EMPTY"),
            (say("hello", "No Such"), "ROOM_INVALID"),
            (say("hello", kind=Kind.TOPIC), "KIND"),
        ):
            self.assertEqual(self.failureResultOf(saying, RequestRejected).value.code, code)
        self.assertEqual(self.ann.client.unsettled, 0)

    def test_refused(self) -> None:
        """What the server refuses fails with its code."""
        saying = self.ann.client.say("hello", "elsewhere")
        self.network.run()
        self.assertEqual(self.failureResultOf(saying, RequestRejected).value.code, "NOT_IN_ROOM")

    def test_too_much(self) -> None:
        """While 1,000 texts have no answer another one is refused."""
        self.host.kill()
        sayings = [self.ann.client.say("x") for _ in range(1_000)]
        refused = self.failureResultOf(self.ann.client.say("x"), RequestRejected).value
        self.assertEqual((refused.code, refused.retry_after), ("BUSY", 1.0))
        self.assertNoResult(sayings[-1])
        for saying in sayings:
            saying.addErrback(lambda _: None)

    def test_cancelled(self) -> None:
        """Who does not want to know may cancel; the text is said, and the others have their answers."""
        sayings = [self.ann.client.say(text) for text in ("one", "two")]
        sayings[0].cancel()
        self.failureResultOf(sayings[0], CancelledError)
        self.network.run()
        self.successResultOf(sayings[1])
        self.assertEqual(self.ann.texts, ["one", "two"])


class RoomTests(ChatTestCase):
    """Coming and going."""

    def test_join(self) -> None:
        """A Join's Deferred says where the room stands; asked once more, it says it again."""
        joined = self.ann.client.join("dev")
        self.network.run()
        where = self.successResultOf(joined)
        self.assertEqual(where.room, "dev")
        self.assertEqual(self.successResultOf(self.ann.client.join("dev")), where)

    def test_part(self) -> None:
        """A Part's Deferred fires when we are out; of a room in which we never were, at once."""
        parted = self.ann.client.part("lobby")
        self.assertNoResult(parted)
        self.network.run()
        self.assertIsNone(self.successResultOf(parted))
        self.assertEqual(self.ann.told(OutOfRoom), [OutOfRoom("lobby", "", "")])
        self.assertIsNone(self.successResultOf(self.ann.client.part("lobby")))
        self.assertIsNone(self.successResultOf(self.ann.client.part("dev")))

    def test_there_and_back(self) -> None:
        """Who changes the mind hears that the first wish is abandoned."""
        parted = self.ann.client.part("lobby")
        joined = self.ann.client.join("lobby")
        self.failureResultOf(parted, Abandoned)
        self.network.run()
        self.successResultOf(joined)
        joining = self.ann.client.join("dev")
        parted = self.ann.client.part("dev")
        self.failureResultOf(joining, Abandoned)
        self.network.run()
        self.assertIsNone(self.successResultOf(parted))
        self.ann.client.say("still here")
        self.network.run()
        self.assertEqual(self.ann.texts, ["still here"])

    def test_refused(self) -> None:
        """Who is not let in hears why: from the server, or at once if no room can be called so."""
        for number in range(18):  # beside the lobby, and the log of direct messages
            self.ann.client.join(f"room{number}")
        self.network.run(2.0)
        joining = self.ann.client.join("one-too-many")
        self.network.run()
        self.assertEqual(self.failureResultOf(joining, RequestRejected).value.code, "TOO_MANY_ROOMS")
        joining = self.ann.client.join("No Such")
        self.assertEqual(self.failureResultOf(joining, RequestRejected).value.code, "ROOM_INVALID")

    def test_what_cannot_be_a_key(self) -> None:
        """A key that no server can take is refused at once: asked for ever, it would hold up all else."""
        for key in ("k" * 33, "k" * 5_000, "\udcff"):
            joining = self.ann.client.join("dev", key=key)
            self.assertEqual(self.failureResultOf(joining, RequestRejected).value.code, "ROOM_KEY")
        saying = self.ann.client.say("still here")
        self.network.run()
        self.successResultOf(saying)

    def test_roster(self) -> None:
        """A room that was joined with its roster says who is there; others have none."""
        self.ann.client.join("dev", with_roster=True)
        self.enter("bob", "dev")
        roster = self.ann.client.roster("dev")
        assert roster is not None
        self.assertTrue(roster.is_known)
        self.assertEqual([line.nick for line in roster.lines.values()], ["ann", "bob"])
        self.assertIsNone(self.ann.client.roster("lobby"))
        self.assertIsNone(self.ann.client.roster("nowhere"))

    def test_a_roster_later(self) -> None:
        """Who joins a room with its roster that was joined without it knows who is there, too."""
        self.enter("bob")
        self.assertIsNone(self.ann.client.roster("lobby"))
        self.successResultOf(self.ann.client.join("lobby", with_roster=True))
        self.network.run()
        roster = self.ann.client.roster("lobby")
        assert roster is not None
        self.assertEqual(sorted(roster.lines), ["ann", "bob"])
        self.enter("carl")
        self.assertEqual(sorted(roster.lines), ["ann", "bob", "carl"])

    def test_health(self) -> None:
        """How the way to the server does is told: how long an answer takes, and when anything came last."""
        health = self.ann.client.health()
        self.assertIsNotNone(health.round_trip)
        self.assertEqual(health.repeated, 0)
        assert health.heard is not None
        self.assertLess(health.heard, 10.0)

    def test_history(self) -> None:
        """Entries from before we came are told as earlier ones, and not heard."""
        for text in ("one", "two", "three"):
            self.ann.client.say(text)
        self.network.run()
        bob = self.enter("bob")
        bob.client.history("lobby", 2)
        self.network.run()
        shown = [each.shown for each in bob.told(Appeared)]
        self.assertEqual([each.entry.text for each in shown if isinstance(each, Earlier)], ["three", "two"])
        self.assertEqual(bob.heard, [])
        self.assertRaises(RequestRejected, bob.client.history, "nowhere", 1)

    def test_what_cannot_be_history(self) -> None:
        """Numbers that no server is asked for are refused at once, and what is said then goes on."""
        for count, age in ((0, 0), (-1, 0), (2, -1), (2, 2**53 + 1), (2, 2**70)):
            self.assertRaises(RequestRejected, self.ann.client.history, "lobby", count, age)
        saying = self.ann.client.say("still here")
        self.network.run()
        self.successResultOf(saying)


class QuestionTests(ChatTestCase):
    """Whatever else is asked."""

    def test_answers(self) -> None:
        """Each question has its own answer, whatever id it was given."""
        ask = self.ann.client.ask
        asked = [ask(question) for question in (Names(7, "lobby"), Rooms(7), Motd(0), Topic(7, "lobby"))]
        self.network.run()
        names, rooms, motd, topic = [self.successResultOf(each) for each in asked]
        assert isinstance(names, Done)
        assert isinstance(names.result, NamesPage)
        assert isinstance(rooms, RoomsPage)
        self.assertEqual([line.nick for line in names.result.nicks], ["ann"])
        self.assertEqual([room.room for room in rooms.rooms], ["lobby"])
        self.assertEqual([each.result for each in (motd, topic) if isinstance(each, Done)], ["", ""])

    def test_changes(self) -> None:
        """Changes are made in the order of the calls; the same one twice is answered twice."""
        ask = self.ann.client.ask
        asked = [ask(Nick(1, nick)) for nick in ("amy", "ada", "amy")]
        self.network.run()
        results = [self.successResultOf(each) for each in asked]
        self.assertEqual([each.result for each in results if isinstance(each, Done)], ["amy", "ada", "amy"])
        self.assertEqual(self.ann.client.nick, "amy")

    def test_refused(self) -> None:
        """A question that the server refuses fails with its code and text."""
        self.enter("bob")
        asking = self.ann.client.ask(Nick(1, "bob"))
        self.network.run()
        refused = self.failureResultOf(asking, RequestRejected).value
        self.assertEqual((refused.code, refused.text), ("NICK_IN_USE", "bob is taken"))

    def test_what_cannot_be_asked(self) -> None:
        """What no server can take is refused at once; what has a method of its own is an error of ours."""
        ask = self.ann.client.ask
        for question in (Topic(1, "lobby", "x" * 301), Names(1, "No Such"), Nick(1, "\udcff")):
            self.failureResultOf(ask(question), RequestRejected)
        self.assertRaises(TypeError, ask, Ping(1, 0))

    def test_too_much(self) -> None:
        """While 100 questions have no answer another one is refused."""
        self.host.kill()
        asked = [self.ann.client.ask(Rooms(1)) for _ in range(100)]
        refused = self.ann.client.ask(Rooms(1))
        self.assertEqual(self.failureResultOf(refused, RequestRejected).value.code, "BUSY")
        for each in asked:
            each.addErrback(lambda _: None)


class TellingTests(ChatTestCase):
    """What a program is told, and what it may do then."""

    def test_order(self) -> None:
        """Everything is told in the order in which it happens, and before the Deferreds fire."""
        order: list[object] = []
        self.ann.on_happened = lambda happening: order.append(type(happening))
        self.ann.client.say("hello").addCallback(order.append)
        self.network.run()
        position = self.ann.heard[0].seq
        self.assertEqual(order[-2:], [Said, position])
        told = [type(each) for each in self.ann.happened]
        self.assertEqual([kind for kind in told if kind in (Entered, LinkChanged, InRoom)], [
            Entered, LinkChanged, InRoom, InRoom,
        ])  # fmt: skip

    def test_an_answer_at_once(self) -> None:
        """Whoever is told may call any method then: what it asks for leaves together, when all is told."""
        echo = self.enter("echo")
        echo.on_heard = lambda entry: entry.nick == "ann" and echo.client.say(entry.text.upper())
        self.network.run(5.0)
        before = len(self.sent_by(echo))
        for number in range(8):
            self.ann.client.say(f"text {number}")
        self.network.run(0.1)
        shouted = [text for text in self.ann.texts if text.isupper()]
        self.assertEqual(shouted, [f"TEXT {number}" for number in range(8)])
        self.assertLessEqual(len(self.sent_by(echo)) - before, 2)

    def test_leaving_at_once(self) -> None:
        """Who leaves in the middle of what is told is told nothing more but that."""
        bob = self.enter("bob")
        bob.on_heard = lambda entry: entry.text == "3" and bob.client.leave()
        for number in range(8):
            self.ann.client.say(f"{number}")
        self.network.run(1.0)
        self.assertEqual(bob.texts, ["0", "1", "2", "3"])
        self.assertEqual(bob.happened[-1], LinkChanged(Link.CLOSED, "exit"))

    def test_a_program_that_fails(self) -> None:
        """What a program raises when it is told something is logged, and costs nothing else."""
        self.ann.on_heard = lambda entry: 1 // int(entry.text)
        self.check_nothing_is_lost_for(ZeroDivisionError)

    def test_a_program_that_would_exit(self) -> None:
        """That holds for `sys.exit`, too, which no reactor lets through: nothing is left untold for it."""
        self.ann.on_heard = lambda entry: sys.exit(entry.text) if entry.text == "0" else None
        self.check_nothing_is_lost_for(SystemExit)

    def check_nothing_is_lost_for(self, error: type[BaseException]) -> None:
        """Say three texts, of which the second is answered by an error: that is logged, and all are heard."""
        saying = [self.ann.client.say(text) for text in "101"]
        self.network.run()
        self.assertEqual(len(self.flushLoggedErrors(error)), 1)
        self.assertEqual(self.ann.texts, ["1", "0", "1"])
        for each in saying:
            self.successResultOf(each)
