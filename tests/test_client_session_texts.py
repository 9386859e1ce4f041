"""Tests of `chat.wire.client_session`: what is said and asked, and whether anybody hears it."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.fields import CROWD
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Change,
    Done,
    Hello,
    Join,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Ping,
    Pong,
    Presence,
    Rejected,
    Request,
    Rooms,
    RoomsPage,
    Say,
    Topic,
    Turnover,
)
from chat.wire.asked import ASKED
from chat.wire.client_state import NUMBER_REUSED
from chat.wire.events import (
    Answered,
    Appeared,
    Event,
    Happened,
    NotSaid,
    NumberReused,
    Offered,
    PathLost,
    PutOff,
    RosterChanged,
    Said,
)
from chat.wire.outbox import NUMBERS_OPEN
from chat.wire.pulse import DEAD_SECONDS, PROBES, QUIET_SECONDS
from chat.wire.sequence import Lost
from tests.session_support import DEV, WELCOME, ClientSessionTests, entry, joined


class TextTests(ClientSessionTests):
    """Saying things exactly once."""

    def test_a_text_waits_for_its_room(self) -> None:
        """It leaves once we are in; one for a room that we do not want to be in is the server's to refuse."""
        self.session.join(LOBBY, self.now)
        self.say()
        self.assertEqual([type(request) for request in self.asked()], [Hello, Join])
        self.tell(WELCOME, joined(1, 10))
        say = self.only(Say)
        self.assertEqual((say.n, say.back), (1, 0))
        self.assertEqual(self.tell(Accepted(say.id, 1, 11)), [Said(1, 11)])
        self.say(room=DEV)
        say = self.only(Say)
        refusal = Rejected(say.id, "NOT_IN_ROOM", "you are not in dev")
        self.assertEqual(self.tell(refusal, refusal), [NotSaid(2, "NOT_IN_ROOM", "you are not in dev")])
        self.say(room=DEV)
        say = self.only(Say)
        self.assertEqual(self.tell(Accepted(say.id, say.n, 12)), [Said(3, 12)])

    def test_what_comes_before(self) -> None:
        """Each text names the newest before it without an answer."""
        self.enter(LOBBY)
        for _ in range(3):
            self.say()
        first, second, third = self.asked()
        assert isinstance(first, Say)
        assert isinstance(second, Say)
        assert isinstance(third, Say)
        self.assertEqual([say.back for say in (first, second, third)], [0, 1, 1])
        self.tell(Accepted(second.id, 2, 12), Accepted(third.id, 3, 13))
        self.say()
        self.assertEqual(self.only(Say).back, 3)

    def test_numbers_stay_close_together(self) -> None:
        """No text is sent whose number is 16 above the oldest that has no answer."""
        self.enter(LOBBY)
        for _ in range(2 * NUMBERS_OPEN):
            self.say()
        sent: list[int] = []
        while says := [request for request in self.asked() if isinstance(request, Say)]:
            sent += [say.n for say in says]
            self.tell(*(Accepted(say.id, say.n, 10 + say.n) for say in says if say.n > 1))
        self.assertEqual(sent, list(range(1, NUMBERS_OPEN + 1)))
        self.assertEqual(self.session.unsettled, NUMBERS_OPEN + 1)

    def test_later(self) -> None:
        """A refusal that names a time settles nothing: the text is sent again then, past the window."""
        self.enter(LOBBY)
        for _ in range(9):
            self.say()
        first = self.asked()[0]
        assert isinstance(first, Say)
        later = Rejected(first.id, "STORE_FAILED", "later", 0.5)
        self.assertEqual(self.tell(later), [PutOff(LOBBY, later)])
        self.assertEqual([request for request in self.asked() if isinstance(request, Say)], [])
        again: list[Say] = []
        while not again:
            self.wait()
            again = [r for r in self.asked() if isinstance(r, Say) and r.n == 1]
        self.assertGreater(again[0].id, first.id)
        self.assertEqual(self.tell(Accepted(again[0].id, 1, 11)), [Said(1, 11)])

    def test_an_own_text_that_was_lost(self) -> None:
        """What the server accepted and then lost is offered again; what was shown is not."""
        self.enter(LOBBY)
        self.say("one")
        self.say("two")
        one, two = self.asked()
        assert isinstance(one, Say)
        assert isinstance(two, Say)
        self.tell(Accepted(one.id, 1, 11), Accepted(two.id, 2, 12), entry(11))
        events = self.tell(entry(1 << 20, (1 << 20) - 11))
        self.assertIn(Offered(LOBBY, 2, 12), events)
        self.assertIn(Appeared(LOBBY, Lost(11, 12)), events)
        self.assertEqual([event for event in events if isinstance(event, Offered)], [Offered(LOBBY, 2, 12)])

    def test_a_number_that_was_used(self) -> None:
        """The owner gives a new client id; the texts are numbered anew and said on the next channel."""
        self.enter(LOBBY)
        self.say("one")
        say = self.only(Say)
        self.tell(Accepted(say.id, 1, 11))
        self.say("two")
        say = self.only(Say)
        self.assertEqual(self.tell(Rejected(say.id, NUMBER_REUSED, "used")), [NumberReused()])
        self.assertEqual(self.session.renew(b"d" * 16, self.now), {2: 1})
        self.only(Bye)
        self.session.connected(self.now)
        hello, join = self.asked()
        self.assertEqual(hello, Hello(PROTOCOL_VERSION, b"d" * 16, "bob"))
        self.tell(WELCOME, joined(join.id, 11))  # type: ignore[union-attr]
        self.assertEqual(self.only(Say).n, 1)

    def test_an_answer_of_another_kind(self) -> None:
        """What is no answer to a text settles nothing."""
        self.enter(LOBBY)
        self.say()
        say = self.only(Say)
        self.assertEqual(self.tell(Done(say.id, "")), [])
        self.assertEqual(self.session.unsettled, 1)


class AskingTests(ClientSessionTests):
    """Everything else that is asked."""

    def test_answers(self) -> None:
        """A request brings its reply."""
        self.enter(LOBBY)
        for request, reply in (
            (Rooms(1), RoomsPage(0, (), more=False)),
            (Motd(1), Done(0, "be nice")),
            (Topic(1, LOBBY), Done(0, "cakes")),
            (Names(1, LOBBY), Done(0, NamesPage(LOBBY, (), 0, more=False))),
            (Names(1, DEV), Done(0, NamesPage(DEV, (), 0, more=False))),
        ):
            self.session.ask(request, self.now)
            (asked,) = self.asked()
            answer = type(reply)(asked.id, *(getattr(reply, name) for name in reply.__struct_fields__[1:]))  # type: ignore[union-attr]
            self.assertEqual(self.tell(answer), [Answered(asked, answer)])

    def test_one_change_at_a_time(self) -> None:
        """A nick or topic waits for the answer to the one before; a new channel begins with the oldest."""
        self.enter(LOBBY)
        for change in (Nick(1, "rob"), Topic(1, LOBBY, "cakes"), Topic(1, LOBBY, "tarts")):
            self.session.ask(change, self.now)
        self.session.ask(Rooms(1), self.now)
        self.assertEqual([type(request) for request in self.asked()], [Nick, Rooms])
        self.session.connected(self.now)
        self.asked()
        self.tell(WELCOME)
        (nick,) = self.asked()
        assert isinstance(nick, Nick)
        self.tell(Done(nick.id, "rob"))
        self.assertEqual(self.asked(), [])
        self.tell(joined(1, 10))
        self.assertEqual(self.only(Topic).text, "cakes")

    def test_reads_are_asked_again_on_a_new_channel(self) -> None:
        """What has no answer is asked once more."""
        self.enter(LOBBY)
        self.session.ask(Rooms(1, "x"), self.now)
        self.asked()
        self.session.connected(self.now)
        self.assertEqual(self.only(Rooms).after, "x")

    def test_what_concerns_a_room_waits_for_it(self) -> None:
        """Asked before we are in, or on a new channel, it would be refused; where we shall not be, it is."""
        self.session.join(LOBBY, self.now)
        for question in (Names(1, LOBBY), Topic(1, LOBBY), Topic(1, DEV), Motd(1)):
            self.session.ask(question, self.now)
        self.session.connected(self.now)
        self.assertEqual([type(request) for request in self.asked()], [Hello, Join, Motd])
        self.tell(WELCOME)
        self.assertEqual(self.only(Topic).room, DEV)
        self.tell(joined(1, 10))
        self.assertEqual([type(request) for request in self.asked()], [Names, Topic])
        self.session.connected(self.now)
        self.assertEqual([type(request) for request in self.asked()], [Hello, Join, Motd])
        self.tell(WELCOME, joined(1, 10))
        self.assertEqual([type(request) for request in self.asked()], [Topic, Names, Topic])

    def test_asking_too_much(self) -> None:
        """A hundred requests wait; the next is refused, and nothing else suffers."""
        self.enter(LOBBY)
        for _ in range(ASKED):
            self.session.ask(Rooms(1), self.now)
        with self.assertRaises(RequestRejected):
            self.session.ask(Rooms(1), self.now)
        self.say()

    def test_rosters(self) -> None:
        """A room that was joined with its roster has one, kept up to date."""
        self.session.join(LOBBY, self.now, with_roster=True)
        self.session.join(LOBBY, self.now, with_roster=True)
        self.session.join(DEV, self.now)
        self.asked()
        self.tell(WELCOME, joined(1, 10, version=5), joined(2, 10, DEV))
        names = self.only(Names)
        page = NamesPage(LOBBY, (NameLine("ann", verified=False),), 1, more=False, version=5)
        self.assertIn(RosterChanged(LOBBY), self.tell(Done(names.id, page)))
        roster = self.session.roster(LOBBY)
        assert roster is not None
        self.assertEqual(list(roster.lines), ["ann"])
        came = Presence(LOBBY, "eve", verified=False, change=Change.JOINED, version=6)
        self.assertEqual(self.tell(came), [Happened(came), RosterChanged(LOBBY)])
        other = Presence(DEV, "eve", verified=False, change=Change.JOINED, version=6)
        self.assertEqual(self.tell(other), [Happened(other)])
        self.assertEqual(self.tell(Presence("else", "eve", verified=False, change=Change.LEFT)), [])
        self.assertIsNone(self.session.roster(DEV))

    def test_large_rooms(self) -> None:
        """How many came and went is told of each room of ours; who keeps its roster reads that again."""
        self.session.join(LOBBY, self.now, with_roster=True)
        self.session.join(DEV, self.now)
        self.asked()
        self.tell(WELCOME, joined(1, 10, version=5), joined(2, 10, DEV))
        page = NamesPage(LOBBY, (NameLine("ann", verified=False),), CROWD + 1, more=False, version=5)
        self.tell(Done(self.only(Names).id, page))
        for room in (LOBBY, DEV):
            turnover = Turnover(room, 2, 1, 0, CROWD + 2, 8)
            self.assertEqual(self.tell(turnover), [turnover])
        self.assertEqual(self.tell(Turnover("else", 2, 1, 0, CROWD + 2, 8)), [])
        self.now += 2.0
        self.session.handle_timeout(self.now)
        self.assertEqual(self.only(Names).room, LOBBY)


class LivenessTests(ClientSessionTests):
    """Whether the server is there."""

    def test_a_quiet_session_pings(self) -> None:
        """After 6 s without an answer, though others talk all the time."""
        self.enter(LOBBY)
        begin = self.now
        seq = 10
        pings: list[Request] = []
        while not pings:
            self.now += 1
            seq += 1
            self.tell(entry(seq))
            pings = [request for request in self.asked() if isinstance(request, Ping)]
        self.assertLess(abs(self.now - begin - QUIET_SECONDS), 2.5)

    def test_suspicion(self) -> None:
        """Three pings without an answer, a few round trips apart: the path is lost. An answer clears it."""
        self.enter()
        begin = self.now
        self.session.suspect(self.now)
        ping = self.only(Ping)
        self.tell(Pong(ping.id, ping.time, ()))
        self.assertEqual(self.asked(), [])
        self.session.suspect(self.now)
        events: list[Event] = []
        pings = 0
        while not events:
            pings += len(self.asked())
            events = self.wait()
        self.assertEqual((events, pings), ([PathLost()], PROBES))
        self.assertLess(self.now - begin, DEAD_SECONDS)
        self.session.suspect(self.now)
        self.assertIsNone(self.session.next_timeout())
