"""Tests of `chat.wire.server_session`: whatever a client repeats is carried out once, and answered alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.errors import RemoteProtocolError
from chat.fields import IN_FLIGHT
from chat.messages import (
    Accepted,
    Bye,
    Done,
    Fetched,
    Hello,
    Join,
    Kind,
    Link,
    Motd,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    Rejected,
    Release,
    Reply,
    Request,
    Rooms,
    Say,
    Topic,
)
from chat.wire.frames import encode_frame
from chat.wire.pacing import COALESCE_SECONDS
from chat.wire.server_session import (
    FETCHED_SECONDS,
    HELLO_SECONDS,
    NEXT,
    REPLIES_KEPT,
    SILENT_SECONDS,
    ServerSession,
    State,
)
from tests.server_session_support import (
    CLIENT,
    FETCH,
    HELLO,
    OTHER,
    TAKEN,
    WELCOME,
    ServerSessionTests,
    datagram,
    entry,
    joined,
)


class HelloTests(ServerSessionTests):
    """Who a session is."""

    def test_hello(self) -> None:
        """The hub hears of it, and the session speaks for a member."""
        self.assertIsNone(self.session.member)
        self.assertEqual(self.ask(HELLO), [HELLO])
        self.assertEqual((self.session.member is None, self.session.state), (False, State.ENTERING))
        self.reply(WELCOME)
        self.assertIs(self.session.state, State.OPEN)
        self.assertEqual(self.told(), [WELCOME])

    def test_repeated(self) -> None:
        """The hub hears of it once. Once there is a Welcome, each repeat has it."""
        self.assertEqual(self.ask(HELLO, HELLO), [HELLO])
        self.assertEqual((self.ask(HELLO), self.told()), ([], []))
        self.reply(WELCOME)
        self.told()
        self.assertEqual((self.ask(HELLO), self.told()), ([], [WELCOME]))

    def test_repeated_with_another_nick(self) -> None:
        """Two refusals of one nick make a client ask for a third: it is told under which it is in."""
        self.open()
        self.assertEqual(self.ask(Hello(1, CLIENT, "ann")), [])
        self.assertEqual(self.told(), [WELCOME])

    def test_another_client(self) -> None:
        """A session is one client's: nothing of such a datagram counts, or is taken for a repeat later."""
        self.open()
        for wrong in ((Join(1, "r"), Hello(1, OTHER, "bob")), (HELLO, Hello(1, OTHER, "bob"))):
            self.assertRaises(RemoteProtocolError, self.ask, *wrong)
        self.assertEqual(self.ask(Join(1, "r")), [Join(1, "r")])
        self.session = ServerSession(self.now, None)
        self.assertRaises(RemoteProtocolError, self.ask, HELLO, Hello(1, OTHER, "bob"))
        self.assertEqual(self.ask(HELLO), [HELLO])

    def test_refused(self) -> None:
        """It may say hello again; what came with the first one was carried out by nobody."""
        self.assertEqual(self.ask(HELLO, Join(1, "r")), [HELLO, Join(1, "r")])
        self.reply(TAKEN)
        self.assertIs(self.session.state, State.NEW)
        self.assertEqual(self.told(), [TAKEN])
        self.assertEqual(self.ask(Join(1, "r")), [])
        again = Hello(1, CLIENT, "rob")
        self.assertEqual(self.ask(again, Join(1, "r")), [again, Join(1, "r")])

    def test_nothing_before(self) -> None:
        """What overtakes the Hello is repeated by its client; the hub does not hear of it."""
        self.assertEqual(self.ask(Join(1, "r"), Ping(2, 0), FETCH, Bye()), [])
        self.assertEqual(self.told(), [])
        self.assertEqual(self.ask(HELLO, Join(1, "r")), [HELLO, Join(1, "r")])

    def test_with_the_hello(self) -> None:
        """What comes with it or right behind it need not wait for the Welcome."""
        self.ask(HELLO)
        self.assertEqual(self.ask(Join(1, "r"), Ping(2, 0)), [Join(1, "r"), Ping(2, 0)])

    def test_rubbish(self) -> None:
        """What is no datagram of a client raises, and changes nothing."""
        for rubbish in (b"", b"\xc1", encode_frame(HELLO), datagram(HELLO)[:-1], b"x" * 2000):
            self.assertRaises(RemoteProtocolError, self.session.receive_datagram, rubbish, 130.0)
        self.assertEqual(self.session.next_timeout(), 100.0 + HELLO_SECONDS)
        self.assertEqual(self.ask(HELLO), [HELLO])

    def test_hello_and_goodbye(self) -> None:
        """Both in one datagram: the hub hears of both, and its answers find the session closed."""
        for answer in (WELCOME, TAKEN):
            self.session = ServerSession(self.now, None)
            self.assertEqual(self.ask(HELLO, Bye("gone")), [HELLO, Bye("gone")])
            self.reply(answer)
            self.assertIs(self.session.state, State.CLOSED)
            self.assertEqual(self.told(), [answer])
            self.assertIsNone(self.session.next_timeout())

    def test_the_table(self) -> None:
        """Whatever is closed stays closed, every state can end, and what is not in the table is a bug."""
        self.assertEqual({NEXT[state, "end"] for state in State}, {State.CLOSED})
        self.assertEqual(
            {after for (state, _), after in NEXT.items() if state is State.CLOSED}, {State.CLOSED}
        )
        self.assertRaises(KeyError, self.reply, WELCOME)


class OnceTests(ServerSessionTests):
    """Requests that change something."""

    def setUp(self) -> None:
        """Let the client in."""
        super().setUp()
        self.open()

    def test_once(self) -> None:
        """A repeat is not carried out again; once there is a reply, it has the same."""
        requests: tuple[tuple[Request, Reply], ...] = (
            (Say(1, 1, "r", Kind.SAY, "hi"), Accepted(1, 1, 11)),
            (Join(2, "r"), joined(2)),
            (Part(3, "r"), Done(3, "")),
            (Release(6), Done(6, "bob")),
            (Link(7), Done(7, "abcd-efgh-ijkl")),
            (Nick(4, "rob"), Rejected(4, "NICK_IN_USE", "rob is taken")),
            (Topic(5, "r", "news"), Done(5, "news")),
        )
        for request, answer in requests:
            self.assertEqual(self.ask(request), [request])
            self.assertEqual((self.ask(request), self.told()), ([], []))
            self.reply(answer)
            self.assertEqual(self.told(), [answer])
            self.assertEqual((self.ask(request), self.told()), ([], [answer]))

    def test_questions(self) -> None:
        """What changes nothing is answered afresh each time; it shares no reply with what has the same id."""
        page = NamesPage("r", (), 0, more=False)
        questions: tuple[tuple[Request, Reply], ...] = (
            (Names(1, "r"), Done(1, page)),
            (Motd(1), Done(1, "hi")),
            (Topic(1, "r"), Done(1, "news")),
            (Ping(1, 7), Pong(1, 7, ())),
            (Rooms(1), Rejected(1, "NO", "no")),
            (FETCH, Fetched(1, "r", 0, 10)),
        )
        for question, answer in questions:
            for _ in range(2):
                self.assertEqual(self.ask(question), [question])
                self.reply(answer)
                self.assertEqual(self.told(), [answer])
        self.assertEqual(self.ask(Join(1, "r")), [Join(1, "r")])

    def test_eight_without_a_reply(self) -> None:
        """More than a client may have in flight wait outside: it will repeat them."""
        joins = [Join(number, "r") for number in range(1, IN_FLIGHT + 3)]
        self.assertEqual(self.ask(*joins), joins[:IN_FLIGHT])
        self.reply(joined(3))
        self.assertEqual(self.ask(*joins), [joins[IN_FLIGHT]])

    def test_replies_are_forgotten(self) -> None:
        """The oldest go, and what is not above them is not carried out again."""
        for number in range(1, REPLIES_KEPT + 2):
            self.ask(Join(number, "r"))
            self.reply(joined(number))
        self.told()
        self.assertEqual((self.ask(Join(1, "r")), self.told()), ([], []))
        self.assertEqual((self.ask(Join(2, "r")), self.told()), ([], [joined(2)]))

    def test_a_late_reply_is_kept(self) -> None:
        """However many went by: a request is not forgotten before its reply, nor right after it."""
        self.ask(Join(1, "r"))
        for number in range(2, 4 * REPLIES_KEPT):
            self.ask(Join(number, "r"))
            self.reply(joined(number))
            self.told()
        self.assertEqual(self.ask(Join(1, "r")), [])
        self.reply(joined(1))
        self.told()
        self.assertEqual((self.ask(Join(1, "r")), self.told()), ([], [joined(1)]))

    def test_as_far_ahead_as_a_client_goes(self) -> None:
        """It goes 64 ids beyond one without a reply: if that one comes last of all, it is carried out."""
        for number in [7, 1, 2, 3, 4, 5, *range(8, 6 + 64)]:
            self.assertEqual(self.ask(Join(number, "r")), [Join(number, "r")])
            self.reply(joined(number))
        self.assertEqual(self.ask(Join(6, "r")), [Join(6, "r")])

    @given(st.lists(st.tuples(st.sampled_from(["ask", "ask", "answer"]), st.integers(0, 30)), max_size=150))
    def test_any_order(self, story: list[tuple[str, int]]) -> None:
        """Each id passes once, whatever order and repeats; whoever asks again has the bytes of before."""
        self.setUp()
        passed, answered = list[int](), set[int]()
        for what, number in [*story, *[("answer", 0)] * IN_FLIGHT]:
            waiting = [each for each in passed if each not in answered]
            if what == "ask":
                came = [each.id for each in self.ask(Join(number + 1, "r")) if isinstance(each, Join)]
                passed += came
                expected = [joined(number + 1)] if number + 1 in answered else []
                self.assertEqual(self.told(), expected)
                self.assertTrue(came or number + 1 in passed or len(waiting) == IN_FLIGHT)
            elif waiting:
                number = waiting[number % len(waiting)]  # noqa: PLW2901
                self.reply(joined(number))
                answered.add(number)
                self.assertEqual(self.told(), [joined(number)])
        self.assertEqual(len(passed), len(set(passed)))
        self.assertEqual(set(passed), answered)


class EndTests(ServerSessionTests):
    """How a session ends, and what it waits for."""

    def test_client_says_goodbye(self) -> None:
        """The hub hears of it once, and of nothing after it; what is queued still leaves."""
        self.open()
        self.assertEqual(self.ask(Ping(1, 0), Bye("gone"), Join(2, "r")), [Ping(1, 0), Bye("gone")])
        self.reply(Pong(1, 0, ()))
        self.assertEqual(self.ask(Bye("gone"), HELLO), [])
        self.assertIsNotNone(self.session.next_timeout())
        self.assertEqual(self.told(), [Pong(1, 0, ())])
        self.assertIsNone(self.session.next_timeout())

    def test_an_answer_after_the_goodbye(self) -> None:
        """A text that was in flight is accepted all the same."""
        self.open()
        self.ask(Say(1, 1, "r", Kind.SAY, "hi"), Bye())
        self.reply(Accepted(1, 1, 11), Bye())
        self.assertEqual(self.told(), [Accepted(1, 1, 11), Bye()])

    def test_server_says_goodbye(self) -> None:
        """In any state: it leaves, and with it the session can be forgotten."""
        for state in ("new", "entering", "open"):
            self.session = ServerSession(self.now, None)
            if state != "new":
                self.ask(HELLO)
            if state == "open":
                self.reply(WELCOME)
            self.told()
            self.reply(Bye("going down", 5.0))
            self.assertIs(self.session.state, State.CLOSED)
            self.assertEqual(self.ask(HELLO), [])
            self.assertEqual(self.told(), [Bye("going down", 5.0)])
            self.assertIsNone(self.session.next_timeout())

    def test_silence(self) -> None:
        """A minute after the last datagram it is over; its member may come back on another session."""
        self.open()
        begin = self.now
        self.now += 30.0
        self.ask(Ping(1, 0))
        self.assertEqual(self.session.next_timeout(), begin + 30.0 + SILENT_SECONDS)
        self.assertEqual(self.session.handle_timeout(begin + 89.9), [])
        self.assertIs(self.session.state, State.OPEN)
        self.assertEqual(self.session.handle_timeout(begin + 90.0), [])
        self.assertIs(self.session.state, State.CLOSED)
        self.assertIsNone(self.session.next_timeout())
        self.assertEqual(self.session.handle_timeout(begin + 1e6), [])

    def test_a_stranger(self) -> None:
        """Who says no Hello is not kept, whatever else it says."""
        self.now = 105.0
        self.ask(Ping(1, 0))
        self.assertEqual(self.session.next_timeout(), 100.0 + HELLO_SECONDS)
        self.session.handle_timeout(110.0)
        self.assertIsNone(self.session.next_timeout())

    def test_a_stranger_that_is_refused(self) -> None:
        """It has a minute for another nick, however many it tries."""
        for nick in ("rob", "bert"):
            self.ask(Hello(1, CLIENT, nick))
            self.reply(TAKEN)
            self.told()
            self.now += 30.0
            self.assertEqual(self.session.next_timeout(), 100.0 + SILENT_SECONDS)
        self.session.handle_timeout(160.0)
        self.assertIsNone(self.session.next_timeout())

    def test_others_keep_no_session_alive(self) -> None:
        """What is told to a client that is silent does not count, and leaves in its time."""
        self.open()
        end = self.now - COALESCE_SECONDS + SILENT_SECONDS
        self.session.tell([encode_frame(entry(1))])
        self.assertTrue((self.session.next_timeout() or 0.0) < end)
        self.now = end - 1.0
        self.assertEqual(self.told(), [entry(1)])
        self.assertEqual(self.session.next_timeout(), end)

    def test_who_is_told(self) -> None:
        """Broadcasts are for those who are in."""
        self.session.tell([encode_frame(entry(1))])
        self.ask(HELLO)
        self.session.tell([encode_frame(entry(2))])
        self.assertEqual(self.told(), [])
        self.reply(WELCOME)
        self.session.tell([encode_frame(entry(3))])
        self.reply(Bye())
        self.session.tell([encode_frame(entry(4))])
        self.assertEqual(self.told(), [WELCOME, entry(3), Bye()])

    def test_pacing(self) -> None:
        """The first frame leaves at once, those of the next 20 ms together, in order."""
        self.ask(HELLO)
        self.reply(WELCOME)
        self.assertEqual(self.session.next_timeout(), 0.0)
        self.assertEqual(len(self.session.datagrams_to_send(self.now)), 1)
        self.reply(entry(1), entry(2))
        self.assertEqual(self.session.datagrams_to_send(self.now + 0.019), [])
        self.assertEqual(self.session.next_timeout(), self.now + COALESCE_SECONDS)
        self.assertEqual(self.told(), [entry(1), entry(2)])

    def test_has_fetched(self) -> None:
        """For a minute after a Fetch, served or not."""
        self.open()
        self.assertFalse(self.session.has_fetched(self.now))
        self.ask(FETCH)
        self.assertTrue(self.session.has_fetched(self.now + FETCHED_SECONDS - 0.1))
        self.assertFalse(self.session.has_fetched(self.now + FETCHED_SECONDS + 0.1))
