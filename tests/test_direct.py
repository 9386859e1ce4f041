"""Tests of `chat.wire.direct`, and of direct messages in a client's session: frames in, events out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import (
    LOBBY,
    Accepted,
    Broadcast,
    Bye,
    Delivered,
    Done,
    Fetch,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Part,
    Ping,
    Pong,
    Rejected,
    Reply,
    Request,
    Say,
    ShownUpTo,
    Welcome,
)
from chat.wire.client_session import ClientSession
from chat.wire.direct import EARLY, Progress, Receipts
from chat.wire.events import Appeared, Entered, Event, InRoom, NotSaid, OutOfRoom, Said
from chat.wire.frames import decode_requests
from chat.wire.greetings import BYE_SECONDS
from chat.wire.heads import PINGS
from chat.wire.outbox import REMEMBERED
from chat.wire.sequence import Earlier, Lost, NotKept, RoundTrip
from tests.session_support import CLIENT, DEV, ClientSessionTests, entry, joined

LOG = "@" + "a" * 26
OTHER_LOG = "@" + "b" * 26
WELCOME = Welcome("udpchat test", "bob", "", direct=LOG)
DAY = 86_400


def log_joined(number: int, head: int, seen: int, floor: int = 0, room: str = LOG) -> Joined:
    """Give the answer to the Join of a log whose person has been shown it up to `seen`."""
    return Joined(number, room, head, floor, "", 0, 0, seen)


class DirectTests(ClientSessionTests):
    """The log of what is said to us alone."""

    def begin(self, head: int = 10, seen: int = 10, floor: int = 0) -> list[Event]:
        """Be let in, and into the log; give what happens then."""
        self.asked()
        self.tell(WELCOME)
        return self.tell(log_joined(self.only(Join).id, head, seen, floor))

    def tell(self, *messages: Reply | Broadcast) -> list[Event]:
        """Let the server send messages in one datagram; what appears because of them is shown."""
        events = super().tell(*messages)
        for event in events:
            if isinstance(event, Appeared):
                self.session.show(event)
        return events

    def pings(self) -> list[Ping]:
        """Give the Pings that leave now."""
        return [request for request in self.asked() if isinstance(request, Ping)]

    def next_ping(self) -> Ping:
        """Let the time pass until the next Ping leaves."""
        pings: list[Ping] = []
        while not pings:
            self.wait()
            pings = self.pings()
        return pings[0]

    def pong(self, ping: Ping) -> None:
        """Answer a Ping."""
        self.tell(Pong(ping.id, ping.time, ()))

    def test_the_log_is_joined_by_itself(self) -> None:
        """As soon as the server has named it, and on every later channel with the Hello."""
        self.asked()
        self.assertEqual(self.session.direct, "")
        self.assertEqual(self.tell(WELCOME), [Entered(WELCOME)])
        self.assertEqual(self.session.direct, LOG)
        join = self.only(Join)
        self.assertEqual(join.room, LOG)
        reply = log_joined(join.id, 10, 10)
        self.assertEqual(self.tell(reply), [InRoom(reply)])
        self.assertIsNone(self.session.roster(LOG))
        self.session.connected(self.now)
        self.assertEqual([type(request) for request in self.asked()], [Hello, Join])

    def test_who_does_not_read_it_leaves_it_alone(self) -> None:
        """Without `with_direct` nobody joins the log, so all waits for a client that shows it."""
        self.session = ClientSession(CLIENT, "bob", lambda: 0.5, with_direct=False)
        self.session.connected(self.now)
        self.asked()
        self.tell(WELCOME)
        self.assertEqual((self.asked(), self.session.direct), ([], ""))

    def test_what_waits_is_fetched(self) -> None:
        """A client without a range begins at what was shown: what is above comes in order, and once."""
        self.begin(head=12, seen=10)
        self.wait()
        fetch = self.only(Fetch)
        self.assertEqual((fetch.room, fetch.after, fetch.before), (LOG, 10, None))
        first, second = entry(11, room=LOG), entry(12, room=LOG)
        self.assertEqual(self.tell(second), [])
        events = self.tell(first, second, Fetched(fetch.id, LOG, 0, 12))
        self.assertEqual(events, [Appeared(LOG, first), Appeared(LOG, second)])

    def test_a_reconnect_goes_on_where_it_was(self) -> None:
        """Whatever the server says of other clients: what this one has not shown it shows."""
        self.begin()
        self.tell(entry(11, room=LOG))
        self.session.connected(self.now)
        self.asked()
        self.tell(WELCOME, log_joined(1, head=13, seen=13))
        self.wait()
        self.assertEqual(self.only(Fetch).after, 11)

    def test_what_is_not_kept_is_marked(self) -> None:
        """As in any room: nothing is passed over without a word."""
        self.assertIn(Appeared(LOG, NotKept(15)), self.begin(head=20, seen=10, floor=15))

    def test_a_server_that_has_forgotten_the_log(self) -> None:
        """What was shown may be above all that it holds: then everything that comes is new."""
        self.begin(head=10, seen=50)
        self.assertEqual(self.tell(entry(11, room=LOG)), [Appeared(LOG, entry(11, room=LOG))])

    def test_how_far_it_is_shown(self) -> None:
        """A Ping tells it at once, and again until its Pong; then nothing more is told."""
        self.begin()
        self.tell(entry(11, room=LOG))
        (first,) = self.pings()
        self.assertEqual(first.shown, (ShownUpTo(LOG, 11),))
        self.assertEqual(self.pings(), [])
        begin = self.now
        self.wait()
        (second,) = self.pings()
        self.assertEqual(second.shown, first.shown)
        self.assertGreater(second.id, first.id)
        self.assertLess(self.now - begin, 1.0)
        self.pong(first)
        self.assertEqual(self.next_ping().shown, ())

    def test_what_has_appeared_and_is_not_shown(self) -> None:
        """An owner that has left in the middle of what there was to tell has not seen the rest."""
        self.begin(head=12, seen=10)
        for event in super().tell(entry(11, room=LOG), entry(12, room=LOG))[:1]:
            assert isinstance(event, Appeared)
            self.session.show(event)
        self.assertEqual(self.only(Ping).shown, (ShownUpTo(LOG, 11),))

    def test_a_marker_is_shown_too(self) -> None:
        """What is not kept any more need not be waited for; older entries and lost ones say nothing."""
        self.begin(head=20, seen=10, floor=15)
        self.assertEqual(self.only(Ping).shown, (ShownUpTo(LOG, 15),))
        for other in (Lost(3, 99), Earlier(entry(98, room=LOG))):
            self.session.show(Appeared(LOG, other))
        self.assertEqual(self.next_ping().shown, (ShownUpTo(LOG, 15),))

    def test_an_acceptance_does_not_stand_for_a_pong(self) -> None:
        """Other answers say nothing of what was shown: it is told again all the same."""
        self.begin()
        self.tell(entry(11, room=LOG))
        self.pings()
        self.say(room="@ann")
        say = self.only(Say)
        self.tell(Accepted(say.id, say.n, 5))
        begin = self.now
        self.wait()
        self.assertEqual([ping.shown for ping in self.pings()], [(ShownUpTo(LOG, 11),)])
        self.assertLess(self.now - begin, 1.0)

    def test_many_are_told_together(self) -> None:
        """While a Ping has no answer the next one waits, however many messages come."""
        self.begin()
        told: list[Ping] = []
        for seq in range(11, 15):
            self.tell(entry(seq, room=LOG))
            told += self.pings()
        self.assertEqual([ping.shown[0].seq for ping in told], [11])
        self.pong(told[0])
        self.assertEqual([ping.shown for ping in self.pings()], [(ShownUpTo(LOG, 14),)])

    def test_rooms_are_told_to_nobody(self) -> None:
        """How far we have read a room is our own matter."""
        self.session.join(LOBBY, self.now)
        self.asked()
        self.tell(WELCOME, joined(1, 10))
        self.tell(entry(11), log_joined(self.only(Join).id, 10, 10))
        self.assertEqual(self.pings(), [])

    def test_the_goodbye(self) -> None:
        """What was shown last is told in front of each goodbye, in the same datagram."""
        self.begin()
        self.tell(entry(11, room=LOG))
        self.session.leave("exit", self.now)
        said: list[list[Request]] = []
        while self.session.next_timeout() is not None:
            self.wait()
            said += [decode_requests(datagram) for datagram in self.session.datagrams_to_send(self.now)]
        self.assertEqual([[type(each) for each in datagram] for datagram in said], [[Ping, Bye]] * 3)
        self.assertEqual(len(BYE_SECONDS), 3)
        for ping, _ in said:
            assert isinstance(ping, Ping)
            self.assertEqual(ping.shown, (ShownUpTo(LOG, 11),))

    def test_a_goodbye_with_nothing_to_tell(self) -> None:
        """Once the server knows, the goodbye is alone."""
        self.begin()
        self.tell(entry(11, room=LOG))
        self.pong(self.pings()[0])
        self.session.leave("exit", self.now)
        self.assertEqual(self.asked(), [Bye("exit")])

    def test_a_server_that_knows_less_is_told_again(self) -> None:
        """It was killed before it had written down what it was told."""
        self.begin()
        self.tell(entry(11, room=LOG))
        self.pong(self.pings()[0])
        self.session.connected(self.now)
        self.asked()
        self.tell(WELCOME, log_joined(1, head=11, seen=10))
        self.assertEqual([ping.shown for ping in self.pings()], [(ShownUpTo(LOG, 11),)])

    def test_another_log(self) -> None:
        """Linked meanwhile: the new log is joined, and the old one left, without a word if it is refused."""
        self.begin()
        self.session.connected(self.now)
        self.asked()
        self.tell(Welcome("udpchat test", "bob", "", direct=OTHER_LOG))
        self.assertEqual(self.session.direct, OTHER_LOG)
        join = self.only(Join)
        self.assertEqual(join.room, OTHER_LOG)
        refusal = Rejected(1, "NO_SUCH_ROOM", "there is no such room")
        self.assertEqual(self.tell(refusal), [OutOfRoom(LOG, "NO_SUCH_ROOM", "there is no such room")])
        self.tell(log_joined(join.id, 5, 4, room=OTHER_LOG))
        self.assertEqual(list(self.session.logs), [OTHER_LOG])
        self.wait()
        self.assertEqual((self.only(Fetch).room, self.session.logs[OTHER_LOG].h), (OTHER_LOG, 4))

    def test_too_many_rooms(self) -> None:
        """The log is asked for again when a room is left, and on the next channel."""
        self.session.join(DEV, self.now)
        self.asked()
        self.tell(WELCOME, joined(1, 10, DEV))
        refusal = Rejected(self.only(Join).id, "TOO_MANY_ROOMS", "you are in 20 rooms")
        self.assertEqual(self.tell(refusal), [OutOfRoom(LOG, "TOO_MANY_ROOMS", "you are in 20 rooms")])
        self.assertEqual(self.asked(), [])
        self.session.part(DEV, self.now)
        self.tell(Done(self.only(Part).id, ""))
        self.tell(Rejected(self.only(Join).id, "TOO_MANY_ROOMS", "you are in 20 rooms"))
        self.session.connected(self.now)
        self.asked()
        self.tell(WELCOME)
        self.assertEqual(self.only(Join).room, LOG)

    def test_a_room_that_is_no_log(self) -> None:
        """What a server calls so must look like one: else an owner's room would be taken for it."""
        self.asked()
        self.tell(Welcome("udpchat test", "bob", "", direct=LOBBY))
        self.assertEqual((self.asked(), self.session.direct), ([], ""))

    def test_an_old_log_that_still_lets_us_in(self) -> None:
        """It is left as any room is."""
        self.begin()
        self.session.connected(self.now)
        self.asked()
        self.tell(Welcome("udpchat test", "bob", ""), log_joined(1, 10, 10))
        part = self.only(Part)
        self.assertEqual(part.room, LOG)
        self.session.part("@nobody", self.now)
        self.assertEqual(self.session.direct, "")


class TalkTests(ClientSessionTests):
    """What we say to one person."""

    def setUp(self) -> None:
        """Be in."""
        super().setUp()
        self.enter()

    def send(self, text: str = "hi") -> Say:
        """Say something to ann, and give the request."""
        self.say(text, "@ann")
        return self.only(Say)

    def test_it_needs_no_room(self) -> None:
        """It leaves at once, and its acceptance settles it; `waiting` says that ann is not here."""
        say = self.send()
        self.assertEqual((say.room, say.kind), ("@ann", Kind.SAY))
        self.assertEqual(self.tell(Accepted(say.id, 1, 20, waiting=True)), [Said(1, 20, waiting=True)])
        self.assertEqual(self.session.unsettled, 0)

    def test_a_nick_that_nobody_has(self) -> None:
        """The refusal settles it too."""
        say = self.send()
        refusal = Rejected(say.id, "NO_SUCH_NICK", "nobody is called ann")
        self.assertEqual(self.tell(refusal), [NotSaid(1, "NO_SUCH_NICK", "nobody is called ann")])

    def test_a_delivery_is_told_once(self) -> None:
        """And only of what was said to one person."""
        self.session.join(DEV, self.now)
        join = self.only(Join)
        self.tell(joined(join.id, 10, DEV))
        say = self.send()
        self.tell(Accepted(say.id, 1, 20))
        self.assertEqual(self.tell(Delivered(20), Delivered(20), Delivered(7)), [Delivered(20)])
        self.say(room=DEV)
        say = self.only(Say)
        self.assertEqual(self.tell(Accepted(say.id, 2, 21), Delivered(21)), [Said(2, 21)])

    def test_a_delivery_that_overtakes_the_acceptance(self) -> None:
        """It is told behind it."""
        say = self.send()
        self.assertEqual(self.tell(Delivered(20), Delivered(20)), [])
        self.assertEqual(self.tell(Accepted(say.id, 1, 20)), [Said(1, 20), Delivered(20)])
        self.assertEqual(self.tell(Delivered(20)), [])


class LinkTests(ClientSessionTests):
    """A code that says whose key this is."""

    def test_it_is_said_until_we_are_in(self) -> None:
        """In every Hello, a refused one's successor too; on the next channel it is used up."""
        self.session = ClientSession(CLIENT, "bob", lambda: 0.5, link="abcd-efgh-jkmn")
        self.session.connected(self.now)
        self.assertEqual(self.only(Hello).link, "abcd-efgh-jkmn")
        self.tell(Rejected(0, "NICK_IN_USE", "bob is taken"))
        self.session.enter("rob", self.now)
        self.assertEqual(self.only(Hello).link, "abcd-efgh-jkmn")
        self.tell(WELCOME)
        self.session.connected(self.now)
        self.assertEqual(self.only(Hello).link, "")


class ScrollTests(ClientSessionTests):
    """Going back by time."""

    def test_no_older_than(self) -> None:
        """The server says what is young enough; who gets nothing more in three answers asks no more."""
        self.enter(LOBBY)
        self.session.scroll_back(LOBBY, 40, self.now, DAY)
        asked: list[Fetch] = []
        while self.session.logs[LOBBY].next_timeout() is not None and len(asked) < 10:
            self.wait()
            fetch = self.only(Fetch)
            asked.append(fetch)
            if len(asked) == 1:
                self.tell(entry(10))
            self.tell(Fetched(fetch.id, LOBBY, 0, 10))
        self.assertEqual([(fetch.before, fetch.age) for fetch in asked], [(11, DAY)] + [(10, DAY)] * 3)
        self.session.scroll_back(LOBBY, 40, self.now)
        self.wait()
        self.assertEqual(self.only(Fetch).age, 0)


class BoundTests(SynchronousTestCase):
    """What is kept aside has an end."""

    def test_pings(self) -> None:
        """The oldest Pong that may still come is forgotten: the next one says as much."""
        progress = Progress(RoundTrip(lambda: 0.5))
        progress.begin(LOG, 0)
        self.assertFalse(progress.due(0.0))
        for seq in range(1, PINGS + 3):
            progress.show(LOG, seq)
            self.assertEqual(progress.tell(seq, 0.0), (ShownUpTo(LOG, seq),))
        progress.answered(1)
        progress.answered(PINGS + 1)
        self.assertIsNotNone(progress.next_timeout())
        progress.answered(PINGS + 2)
        self.assertEqual((progress.next_timeout(), progress.tell(99, 0.0)), (None, ()))

    def test_receipts(self) -> None:
        """So many texts are waited for, and so many deliveries may come before their text's acceptance."""
        receipts = Receipts()
        for seq in range(EARLY + 1):
            receipts.delivered(seq, is_waiting=True)
        self.assertEqual([receipts.accepted(0), receipts.accepted(EARLY)], [False, True])
        for seq in range(1_000, 1_001 + REMEMBERED):
            receipts.accepted(seq)
        told = [receipts.delivered(seq, is_waiting=False) for seq in (1_000, 1_001)]
        self.assertEqual(told, [False, True])
