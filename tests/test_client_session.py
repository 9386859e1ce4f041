"""Tests of `chat.wire.client_session`: a scripted server's frames in, requests and events out."""

from __future__ import annotations

from chat.errors import RemoteProtocolError
from chat.limits import TOO_FAST
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Change,
    Done,
    Fetch,
    Fetched,
    Hello,
    Join,
    Kind,
    Motd,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Rejected,
    RoomHead,
    Say,
    Welcome,
)
from chat.wire.client_state import State
from chat.wire.events import (
    Answered,
    Appeared,
    Ended,
    Entered,
    Event,
    InRoom,
    OutOfRoom,
    PathLost,
    PutOff,
    Refused,
)
from chat.wire.frames import decode_requests
from chat.wire.greetings import BYE_SECONDS
from chat.wire.sequence import Earlier
from tests.session_support import CLIENT, DEV, WELCOME, ClientSessionTests, entry, joined


class EnteringTests(ClientSessionTests):
    """Coming in, on the first channel and on others."""

    def test_hello_and_joins_leave_together(self) -> None:
        """What is wanted is asked for in one datagram with the Hello."""
        self.session.join(LOBBY, self.now)
        hello = Hello(PROTOCOL_VERSION, CLIENT, "bob")
        self.assertEqual(self.asked(), [hello, Join(1, LOBBY)])
        self.assertEqual(self.tell(WELCOME, joined(1, 10)), [Entered(WELCOME), InRoom(joined(1, 10))])
        self.assertIs(self.session.state, State.OPEN)

    def test_hello_is_repeated(self) -> None:
        """Until the answer comes, and that counts once. A Ping then tells how long the path is."""
        self.asked()
        self.assertEqual(self.session.datagrams_to_send(self.now), [])  # what was written holds back the next
        self.assertEqual(self.wait(), [])
        self.only(Hello)
        self.assertEqual(self.tell(WELCOME, WELCOME), [Entered(WELCOME)])
        ping = self.only(Ping)
        self.tell(Pong(ping.id, ping.time, ()))
        self.assertEqual(self.asked(), [])
        self.session.connected(self.now)
        self.asked()
        self.wait()
        self.only(Hello)
        self.assertEqual(self.tell(WELCOME), [Entered(WELCOME)])
        self.assertEqual(self.asked(), [])  # it is known already

    def test_a_nick_that_is_taken(self) -> None:
        """The owner is told once, and tries another; nothing is sent meanwhile."""
        self.asked()
        refusal = Rejected(0, "NICK_IN_USE", "bob is taken")
        self.assertEqual(self.tell(refusal, refusal), [Refused(refusal)])
        self.assertIsNone(self.session.next_timeout())
        self.assertEqual((self.asked(), self.session.handle_timeout(self.now)), ([], []))
        self.session.enter("rob", self.now)
        self.assertEqual(self.only(Hello).nick, "rob")
        welcome = Welcome("udpchat test", "rob", "")
        self.assertEqual(self.tell(welcome), [Entered(welcome)])

    def test_the_path_is_lost(self) -> None:
        """After 6 s of silence: a fresh channel begins with the same Hello and Join."""
        self.enter(LOBBY)
        self.say()
        events: list[Event] = []
        while not events:
            self.asked()
            events = self.wait()
        self.assertEqual(events, [PathLost()])
        self.assertIsNone(self.session.next_timeout())
        self.assertEqual((self.tell(WELCOME), self.asked()), ([], []))
        self.session.connected(self.now)
        self.assertEqual(self.asked(), [Hello(PROTOCOL_VERSION, CLIENT, "bob"), Join(1, LOBBY)])
        self.tell(WELCOME, joined(1, 10))
        self.assertEqual(self.only(Say).n, 1)

    def test_health(self) -> None:
        """What was repeated, and when anything came last, is told; a fresh channel counts anew."""
        self.enter(LOBBY)
        self.say()
        self.asked()
        before = self.session.health(self.now)
        self.assertEqual(
            (before.repeated, self.session.health(self.now + 3).heard), (0, 3.0 + (before.heard or 0))
        )
        self.wait()
        self.only(Say)
        self.assertEqual(self.session.health(self.now).repeated, 1)
        self.session.connected(self.now)
        self.assertEqual(self.session.health(self.now)[1:3], (0, 0))

    def test_who_has_another_nick_keeps_it(self) -> None:
        """The nick that the server gave is asked for on the next channel."""
        self.enter()
        self.session.ask(Nick(1, "rob"), self.now)
        request = self.only(Nick)
        reply = Done(request.id, "Rob")
        self.assertEqual(self.tell(reply), [Answered(request, reply)])
        self.session.connected(self.now)
        self.assertEqual(self.only(Hello).nick, "Rob")

    def test_rubbish(self) -> None:
        """What no server sends is the other side's fault."""
        with self.assertRaises(RemoteProtocolError):
            self.session.receive_datagram(b"\x00", self.now)

    def test_the_end(self) -> None:
        """A server's goodbye ends the session, and a later channel begins it again."""
        self.enter(LOBBY)
        self.assertEqual(self.tell(Bye("server is going down", 5.0)), [Ended("server is going down", 5.0)])
        self.assertIsNone(self.session.next_timeout())
        self.session.connected(self.now)
        self.assertEqual(len(self.asked()), 2)

    def test_leaving(self) -> None:
        """A goodbye has no answer: it is said three times, and then nothing more."""
        self.enter(LOBBY)
        self.session.leave("exit", self.now)
        said = []
        while self.session.next_timeout() is not None:
            self.wait()
            said += [r for d in self.session.datagrams_to_send(self.now) for r in decode_requests(d)]
        self.assertEqual(said, [Bye("exit")] * len(BYE_SECONDS))
        self.assertEqual(self.tell(entry(11)), [])


class KeyTests(ClientSessionTests):
    """The key of a room."""

    def test_it_is_said_again(self) -> None:
        """With each Join of the room, on whatever channel, until there is another."""
        self.session.join(DEV, self.now, key="sesame")
        self.asked()
        self.session.join(DEV, self.now)
        self.assertEqual(self.tell(Welcome("udpchat", "bob", "")), [Entered(Welcome("udpchat", "bob", ""))])
        self.session.leave("", self.now)
        self.session.connected(self.now + 1)
        self.now += 1
        self.assertEqual(self.only(Join), Join(1, DEV, "sesame"))
        self.session.join(DEV, self.now, key="tahini")
        self.session.leave("", self.now)
        self.now += 1
        self.session.connected(self.now)
        self.assertEqual(self.only(Join), Join(1, DEV, "tahini"))


class RoomTests(ClientSessionTests):
    """Following rooms."""

    def test_entries_in_order(self) -> None:
        """What comes out of order is shown in order; what comes twice, once; other rooms are not ours."""
        self.enter(LOBBY)
        self.assertEqual(self.tell(entry(12), entry(5, room=DEV)), [])
        self.assertEqual(
            self.tell(entry(11), entry(12)), [Appeared(LOBBY, entry(11)), Appeared(LOBBY, entry(12))]
        )

    def test_a_gap_is_fetched(self) -> None:
        """Once, repeated under its id until it is answered; a second end of an answer counts nothing."""
        self.enter(LOBBY)
        self.tell(entry(12))
        self.wait()
        fetch = self.only(Fetch)
        self.assertEqual((fetch.room, fetch.after, fetch.before), (LOBBY, 10, None))
        self.wait()
        self.assertEqual(self.only(Fetch).id, fetch.id)
        end = Fetched(fetch.id, LOBBY, 0, 12)
        self.assertEqual(len(self.tell(entry(11), end)), 2)
        self.assertEqual(self.tell(end, Fetched(9, DEV, 0, 12)), [])

    def test_what_is_still_missing_is_asked_for_anew(self) -> None:
        """An answer that was lost on the way gives another Fetch, with another id."""
        self.enter(LOBBY)
        self.tell(entry(12))
        self.wait()
        first = self.only(Fetch)
        self.tell(Fetched(first.id, LOBBY, 0, 12))
        self.wait()
        self.assertGreater(self.only(Fetch).id, first.id)

    def test_the_next_page_is_asked_for_at_once(self) -> None:
        """An answer ended before the room did: nothing holds the next Fetch back, not the pacer either."""
        self.enter(LOBBY)
        self.tell(entry(14))
        self.wait()
        page = Fetched(self.only(Fetch).id, LOBBY, 0, 14)
        self.tell(entry(11), entry(12), page)
        self.assertEqual(self.session.next_timeout(), self.now)
        (datagram,) = self.session.datagrams_to_send(self.now)
        (fetch,) = decode_requests(datagram)
        assert isinstance(fetch, Fetch)
        self.assertEqual((fetch.after, fetch.id > page.id), (12, True))
        self.assertEqual(self.session.datagrams_to_send(self.now), [])

    def test_a_fetch_that_is_refused(self) -> None:
        """We are not in the room: we join once more."""
        self.enter(LOBBY)
        self.tell(entry(12))
        self.wait()
        fetch = self.only(Fetch)
        self.tell(Rejected(fetch.id, "NOT_IN_ROOM", "you are not in lobby"))
        self.assertEqual(self.only(Join).room, LOBBY)
        self.assertEqual(self.tell(Done(77, "")), [])

    def test_a_question_that_is_too_fast(self) -> None:
        """It is asked again by itself, and so is a change: one is out at a time all the while."""
        self.enter(LOBBY)
        self.session.ask(Nick(1, "bo"), self.now)
        self.session.ask(Nick(1, "bobby"), self.now)
        nick = self.only(Nick)
        later = Rejected(nick.id, TOO_FAST, "wait", 3.0)
        self.assertEqual(self.tell(later), [PutOff("", later)])
        self.assertEqual(self.asked(), [])
        begin = self.now
        self.wait()
        again = self.only(Nick)
        self.assertGreater(self.now, begin + 2.9)
        self.assertEqual((again.nick, again.id > nick.id), ("bo", True))
        self.assertEqual(self.tell(Done(again.id, "bo")), [Answered(again, Done(again.id, "bo"))])
        self.assertEqual(self.only(Nick).nick, "bobby")

    def test_what_waits_outlives_a_channel(self) -> None:
        """What was put off is asked at once on the next one."""
        self.enter(LOBBY)
        self.session.ask(Motd(1), self.now)
        self.tell(Rejected(self.only(Motd).id, TOO_FAST, "wait", 300.0))
        self.session.connected(self.now)
        self.only(Motd)

    def test_a_fetch_that_is_too_fast(self) -> None:
        """It is asked anew after the time that was named; the room stays as it is."""
        self.enter(LOBBY)
        self.tell(entry(12))
        self.wait()
        fetch = self.only(Fetch)
        self.tell(Rejected(fetch.id, TOO_FAST, "wait", 2.0))
        self.now += 1.9
        self.assertNotIn(Fetch, [type(each) for each in self.asked()])
        self.now += 0.1
        self.assertGreater(self.only(Fetch).id, fetch.id)

    def test_a_join_that_is_refused(self) -> None:
        """For good: the owner is told. For a while: it is asked again."""
        self.session.join(LOBBY, self.now)
        self.session.join(DEV, self.now)
        self.asked()
        later = Rejected(1, "FULL", "later", 3.0)
        events = self.tell(WELCOME, later, Rejected(2, "ROOM_INVALID", "never so"))
        refused = OutOfRoom(DEV, "ROOM_INVALID", "never so")
        self.assertEqual(events, [Entered(WELCOME), PutOff(LOBBY, later), refused])
        self.assertEqual(self.asked(), [])
        begin = self.now
        self.wait()
        self.assertEqual(self.only(Join).room, LOBBY)
        self.assertGreater(self.now, begin + 2.9)

    def test_parting(self) -> None:
        """A Part waits for the texts that were said in the room; a Join after it waits for the Part."""
        self.enter(LOBBY, DEV)
        self.say()
        self.session.part(LOBBY, self.now)
        self.session.part("unknown", self.now)
        say = self.only(Say)
        self.tell(Accepted(say.id, say.n, 11), entry(11))
        part = self.only(Part)
        self.session.join(LOBBY, self.now)
        self.assertEqual(self.asked(), [])
        self.assertEqual(self.tell(Done(part.id, "")), [OutOfRoom(LOBBY, "", "")])
        self.assertEqual(self.only(Join).room, LOBBY)

    def test_late_news_of_a_room_that_was_left(self) -> None:
        """Nobody is told of it; what was said there is fetched at the next visit."""
        self.enter(LOBBY, DEV)
        self.session.part(DEV, self.now)
        part = self.only(Part)
        self.tell(Done(part.id, ""))
        late = entry(11, room=DEV)
        gone = Presence(DEV, "ann", verified=True, change=Change.LEFT, version=2)
        self.assertEqual(self.tell(late, gone), [])
        self.session.join(DEV, self.now)
        join = self.only(Join)
        self.tell(joined(join.id, 11, DEV))
        self.wait()
        fetch = self.only(Fetch)
        self.assertEqual(fetch.room, DEV)
        self.assertIn(Appeared(DEV, late), self.tell(late))

    def test_a_part_that_is_refused(self) -> None:
        """The room is left all the same, as soon as the server lets us."""
        self.enter(LOBBY)
        self.session.part(LOBBY, self.now)
        part = self.only(Part)
        later = Rejected(part.id, "BUSY", "later", 2.0)
        self.assertEqual(self.tell(later), [PutOff(LOBBY, later)])
        begin = self.now
        self.wait()
        self.assertGreater(self.only(Part).id, part.id)
        self.assertGreater(self.now, begin + 1.9)

    def test_a_text_behind_a_part(self) -> None:
        """Who leaves a room and comes back at once speaks in it once it is back."""
        self.enter(LOBBY)
        self.session.part(LOBBY, self.now)
        part = self.only(Part)
        self.session.join(LOBBY, self.now)
        self.session.say(LOBBY, Kind.SAY, "back again", self.now)
        self.assertEqual(self.asked(), [])
        self.tell(Done(part.id, ""))
        join = self.only(Join)
        self.tell(joined(join.id, 10))
        self.assertEqual(self.only(Say).text, "back again")

    def test_a_text_for_a_room_that_was_parted(self) -> None:
        """After a reconnect a room with an unsettled text is joined again, and left once it is settled."""
        self.enter(LOBBY)
        self.session.say(LOBBY, Kind.SAY, "bye", self.now)
        self.only(Say)
        self.session.part(LOBBY, self.now)
        self.session.connected(self.now)
        self.assertEqual([type(request) for request in self.asked()], [Hello, Join])
        self.tell(WELCOME, joined(1, 10))
        say = self.only(Say)
        self.tell(Accepted(say.id, say.n, 11), entry(11))
        self.only(Part)

    def test_scrolling_back(self) -> None:
        """What was said before we came goes on top."""
        self.enter(LOBBY)
        self.session.scroll_back(LOBBY, 2, self.now)
        self.wait()
        fetch = self.only(Fetch)
        self.assertEqual((fetch.after, fetch.before, fetch.limit), (None, 11, 2))
        self.assertEqual(
            self.tell(entry(9), entry(10), Fetched(fetch.id, LOBBY, 0, 10)),
            [Appeared(LOBBY, Earlier(entry(10))), Appeared(LOBBY, Earlier(entry(9)))],
        )
        self.assertEqual(self.session.logs[LOBBY].p, 8)

    def test_a_pong_tells_heads(self) -> None:
        """A lost last entry is noticed; a room that is not listed is joined again, not one just joined."""
        self.enter(LOBBY, DEV)
        self.session.suspect(self.now)
        ping = self.only(Ping)
        self.session.join("new", self.now)
        self.tell(joined(self.only(Join).id, 5, "new"))
        self.tell(Pong(ping.id, ping.time, (RoomHead(LOBBY, 12, 0),)))
        self.assertEqual(self.only(Join).room, DEV)
        self.wait()
        self.assertEqual(self.only(Fetch).after, 10)
