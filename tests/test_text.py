"""Tests of `chat.wire.text`: the plain door as a conversation of datagrams."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RemoteProtocolError
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Accepted,
    Bye,
    Done,
    Entry,
    Fetch,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Part,
    Pong,
    Rejected,
    Reply,
    Request,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    Topic,
    Welcome,
)
from chat.wire.lines import NICK_TAKEN, is_own_voice
from chat.wire.text import (
    ASKED,
    COMMAND_SECONDS,
    DORMANT_SECONDS,
    GRACE_SECONDS,
    LINES_A_DATAGRAM,
    NEXT,
    REPEAT_SECONDS,
    State,
    TextSession,
)

CLIENT = b"0123456789abcdef"
IDLE = 1800.0


def enters(nick: str, room: str = LOBBY, request_id: int = 1) -> list[Request]:
    """Give the requests that a nick is."""
    return [Hello(PLAIN_VERSION, CLIENT, nick), Join(request_id, room)]


def say(number: int, text: str, kind: Kind = Kind.SAY, room: str = LOBBY) -> Say:
    """Give the request that a text is, as the n-th one of a session that has asked for nothing else."""
    return Say(number + 1, number, room, kind, text)


def joined(request_id: int, room: str, topic: str = "") -> Joined:
    """Give the reply to a `Join`."""
    return Joined(request_id, room, 0, 0, topic, 1, 1)


# What people type, beside what they say.
TYPED = [
    b"exit", b"bob\n", b"X", b"a\nb", b"/names", b"/join dev", b"/join ops\nhi\n", b"/part", b"/part ops",
    b"/history", b"/topic", b"/nick rob", b"/motd", b"/list", b"/help", b"/help join",
]  # fmt: skip


def answers(request: Request, random: Random) -> list[Reply | Entry]:
    """Give what a hub may say to `request`, each field at its limit where that makes lines long."""
    if isinstance(request, Hello):
        return [Welcome("udpchat", request.nick, "welcome " * 20)]
    if isinstance(request, Bye):
        return []
    if random.random() < 0.2:
        return [Rejected(request.id, "BUSY", "é" * 150, 1.0)]
    entry = Entry(
        "r" * 32, 8, 1, 0, random.choice(list(Kind)), "\U00020000" * 16, verified=False, text="é" * 450
    )
    match request:
        case Join():
            return [joined(request.id, request.room, "é" * 150)]
        case Fetch():
            return [*[entry] * random.randrange(2), Fetched(request.id, request.room, 0, 8)]
        case Rooms():
            return [RoomsPage(request.id, (RoomLine("r" * 32, 5_000, "é" * 40),), more=True)]
        case Names():
            return [
                Done(
                    request.id, NamesPage("r" * 32, (NameLine("é" * 24, False, True),) * 16, 5_000, more=True)
                )
            ]
        case Nick():
            return [Done(request.id, request.nick)]
        case _:
            return [Done(request.id, "é" * 150)]


class Conversation(SynchronousTestCase):
    """A session, and what it said."""

    def setUp(self) -> None:
        """Begin as a stranger."""
        self.session = TextSession(CLIENT, IDLE)

    def hear(self, *datagrams: bytes, now: float = 0.0) -> list[Request]:
        """Let the peer send datagrams; give the requests."""
        return [request for each in datagrams for request in self.session.receive_datagram(each, now)]

    def said(self, now: float = 0.0) -> list[bytes]:
        """Give what the session sends."""
        return self.session.datagrams_to_send(now)

    def enter(self, nick: bytes = b"bob", now: float = 0.0) -> None:
        """Become a member, in the lobby."""
        _, join = self.hear(nick, now=now)
        assert isinstance(join, Join)
        self.tell(Welcome("udpchat", nick.decode().strip(), ""), joined(join.id, LOBBY), now=now)

    def tell(self, *messages: Reply | Entry, now: float = 0.0) -> list[bytes]:
        """Let the hub answer this peer; give what the session sends."""
        for message in messages:
            self.session.send(message, now)
        return self.said(now)


class EnteringTests(Conversation):
    """The first line of an unknown address is its nick."""

    def test_first_line_is_the_nick(self) -> None:
        """With or without a line end, after blank lines too."""
        for first in (b"bob", b"bob\n", b"bob\r\n", b"\n \nbob\n"):
            self.session = TextSession(CLIENT, IDLE)
            self.assertEqual(self.hear(first), enters("bob"))
            self.assertIs(self.session.state, State.ENTERING)

    def test_blank_datagrams_are_ignored(self) -> None:
        """Nothing, white space and line ends are no nick (nc -C sends the line end by itself)."""
        self.assertEqual(self.hear(b"", b" ", b"\r\n", b"\n\n", b"\t", b"\x00\x00"), [])
        self.assertIsNone(self.session.next_timeout())

    def test_probes_of_nc_are_ignored(self) -> None:
        """The one-byte datagram X of `nc -uv` is no nick; with a line end somebody typed it."""
        self.assertEqual(self.hear(b"X", b"X"), [])
        self.assertEqual(self.hear(b"X\n"), enters("X"))

    def test_a_member_may_say_x(self) -> None:
        """Once somebody is in, X is a text like any other."""
        self.enter()
        self.assertEqual(self.hear(b"X"), [say(1, "X")])

    def test_a_whole_visit_in_one_datagram(self) -> None:
        """Several lines are several lines: a nick, a text, and the end."""
        self.assertEqual(
            self.hear(b"bot\nbackup done\nexit\n"), [*enters("bot"), say(1, "backup done"), Bye("exit")]
        )
        self.session.send(Welcome("udpchat", "bot", "hello"), 0)
        self.session.send(joined(1, LOBBY), 0)
        self.assertIs(self.session.state, State.LEFT)
        self.assertEqual(self.said(), [b"-!- hello\n"])

    def test_the_message_of_the_day(self) -> None:
        """It is told once, and not before the room is entered: the joined line comes first."""
        self.hear(b"bob")
        self.assertEqual(self.tell(Welcome("udpchat", "bob", "be nice\nor else")), [])
        self.assertEqual(self.tell(joined(1, LOBBY)), [b"-!- be nice", b"-!- or else"])
        self.assertEqual(self.tell(joined(1, LOBBY)), [])

    def test_a_lobby_that_cannot_be_entered(self) -> None:
        """Who is let in but into no room is told why, and the message of the day."""
        self.hear(b"bob")
        refusal = Rejected(1, "TOO_MANY_ROOMS", "there are 10000 rooms already")
        told = self.tell(Welcome("udpchat", "bob", "be nice"), refusal)
        self.assertEqual(told, [b"-!- be nice", b"-!- there are 10000 rooms already"])
        self.assertEqual(self.session.room, "")

    def test_a_topic_awaits_the_newcomer(self) -> None:
        """What the lobby is about is told to whoever comes in."""
        self.hear(b"bob")
        told = self.tell(Welcome("udpchat", "bob", "hi"), joined(1, LOBBY, "lunch"))
        self.assertEqual(told, [b"-!- hi", b"-!- the topic of lobby: lunch"])

    def test_refused_nick(self) -> None:
        """The answer is those 22 bytes and nothing more, whatever else the datagram held."""
        for code in ("NICK_IN_USE", "NICK_INVALID", "NICK_RESERVED"):
            self.session = TextSession(CLIENT, IDLE)
            self.hear(b"bob\n/help\n" + b"x" * 2000 + b"\nexit\n")
            self.session.send(Rejected(0, code, "no"), 0)
            self.assertEqual(self.said(), [b"nama ini sudah diambil"])
            self.assertIs(self.session.state, State.STRANGER)
            self.assertEqual(self.session.room, LOBBY)
            self.assertEqual(self.hear(b"rob")[0], Hello(PLAIN_VERSION, CLIENT, "rob"))

    def test_refused_for_another_reason(self) -> None:
        """When it is not the nick that is wrong, the peer is told what is."""
        self.hear(b"bob\n")
        self.session.send(Rejected(0, "FULL", "the chat is full"), 0)
        self.assertEqual(self.said(), [b"-!- the chat is full\n"])

    def test_a_stranger_is_not_answered_to_what_is_no_nick(self) -> None:
        """`exit`, our own notices and what is not UTF-8 call for no answer and leave no trace."""
        self.assertEqual(
            self.hear(b"exit", b"alice: hi", b"alice has joined the chat", NICK_TAKEN.encode()), []
        )
        self.assertRaises(RemoteProtocolError, self.hear, b"\xff\xfe")
        self.assertEqual(self.said(), [])
        self.assertIsNone(self.session.next_timeout())

    def test_the_nick_again(self) -> None:
        """Within 5 s a newcomer's nick is a lost answer, told to it alone; later it is a text."""
        self.hear("Ｂｏｂ".encode())
        self.session.send(Welcome("udpchat", "Bob", ""), 10)
        self.assertEqual(self.hear("Ｂｏｂ".encode(), b"Bob", now=10 + REPEAT_SECONDS - 0.1), [])
        self.assertEqual(self.said(), [b"Bob has joined the chat"] * 2)
        self.assertEqual(self.hear(b"Bob", now=10 + REPEAT_SECONDS), [say(1, "Bob")])


class MemberTests(Conversation):
    """A line of a known address is a text, a command or the end."""

    def setUp(self) -> None:
        """Begin as a member."""
        super().setUp()
        self.enter()

    def test_texts_are_numbered_and_clean(self) -> None:
        """Each line is one text, numbered from 1; what a terminal would obey is removed."""
        self.assertEqual(
            self.hear(b"one\ntwo\r\n\n", b"\x1b[31mred"), [say(1, "one"), say(2, "two"), say(3, "[31mred")]
        )

    def test_line_ends_are_mirrored(self) -> None:
        """Who sends line ends gets them (nc needs them), who does not does not (old clients show them)."""
        self.session.send(Rejected(1, "BUSY", "too fast"), 0)
        self.hear(b"\r\n")
        self.session.send(Rejected(1, "BUSY", "too fast"), 0)
        self.assertEqual(self.said(), [b"-!- too fast", b"-!- too fast\n"])

    def test_slashes(self) -> None:
        """One slash is a command, two say a text that begins with one."""
        self.assertEqual(
            self.hear(b"//etc/passwd", b"/me waves", b"/names", b"/motd"),
            [say(1, "/etc/passwd"), say(2, "waves", Kind.ME), Names(4, LOBBY), Motd(5)],
        )

    def test_help_and_mistakes_stay_with_the_typist(self) -> None:
        """Help is answered at once; an unknown command is an error and no text."""
        self.assertEqual(self.hear(b"/help me", b"/fly"), [])
        told = self.said()
        self.assertEqual(told[0], b"-!- /me <action> - say what you do: * you wave")
        self.assertTrue(told[1].startswith(b"-!- unknown command /fly"), told)

    def test_long_texts_are_not_passed_on(self) -> None:
        """900 bytes pass, 901 give one notice, and the lines around them are not affected."""
        requests = self.hear(b"a\n" + "é".encode() * 450 + b"x\n" + b"y" * 900 + b"\n")
        self.assertEqual([request.text for request in requests if isinstance(request, Say)], ["a", "y" * 900])
        self.assertEqual(len(self.said()), 1)

    def test_not_utf8(self) -> None:
        """The member is told once, nothing is passed on, and the fault is the peer's."""
        fault = self.assertRaises(RemoteProtocolError, self.hear, b"caf\xe9\n")
        self.assertEqual(str(fault), "not UTF-8 at byte 3")
        self.assertEqual(len(self.said()), 1)

    def test_notices_of_mistakes_are_limited(self) -> None:
        """A flood of mistakes is not a flood of notices: one a second."""
        for _ in range(100):
            self.assertRaises(RemoteProtocolError, self.hear, b"\xff", now=5)
        self.assertRaises(RemoteProtocolError, self.hear, b"\xff", now=5.9)
        self.assertEqual(len(self.said()), 1)
        self.assertRaises(RemoteProtocolError, self.hear, b"\xff", now=6)
        self.assertEqual(len(self.said()), 1)

    def test_a_huge_paste_is_cut(self) -> None:
        """256 lines of a datagram are taken; the sender is told that there were more."""
        self.assertEqual(len(self.hear(b"x\n" * 300)), LINES_A_DATAGRAM)
        self.assertEqual(len(self.said()), 1)
        self.assertEqual(len(self.hear(b"x\n" * LINES_A_DATAGRAM, now=9)), LINES_A_DATAGRAM)
        self.assertEqual(self.said(), [])
        self.assertEqual(len(self.hear(b"x\n" * LINES_A_DATAGRAM + b"x", now=9)), LINES_A_DATAGRAM)
        self.assertEqual(len(self.said()), 1)

    def test_who_talks_like_a_server(self) -> None:
        """A member that says what only servers say is put out and told so: servers must not talk for ever."""
        for line in (
            "-!- hi",
            NICK_TAKEN,
            "server is going down",
            "eve has joined the chat",
            "eve has left the chat",
        ):
            self.setUp()
            self.assertEqual(
                self.hear(f"hi\n{line}\nmore".encode()), [say(1, "hi"), Bye("talks like a server")]
            )
            self.assertEqual(len(self.said()), 1)
            self.assertEqual(self.hear(b"more"), [])

    def test_who_only_nearly_does(self) -> None:
        """Addressing somebody, quoting somebody and talking of somebody are texts."""
        texts = [
            "bob: hi",
            "alice: bob: hi",
            "* sighs",
            "she has left the chat!",
            "I say bob has left the chat",
        ]
        requests = self.hear(*(text.encode() for text in texts))
        self.assertEqual(requests, [say(number, text) for number, text in enumerate(texts, 1)])

    def test_commands_are_limited(self) -> None:
        """Five commands in five seconds are answered, the next gets one notice; /me is no question."""
        self.assertEqual(len(self.hear(*[b"/names"] * 5, b"/motd", b"/help", b"/me waves")), 6)
        self.assertEqual(len(self.said()), 1)
        self.assertEqual(len(self.hear(b"/names", now=5)), 1)

    def test_huge_lines_cost_nothing(self) -> None:
        """A line far beyond any limit is not even cleaned, and the others of its datagram pass."""
        requests = self.hear(b"a\n" + ("a" + "\u0315" * 8000 + "\u0316" * 8000).encode() + b"\nb\n")
        self.assertEqual(requests, [say(1, "a"), say(2, "b")])
        self.assertEqual(len(self.said()), 1)

    def test_lines_that_nobody_would_see(self) -> None:
        """White space and format characters alone are no text."""
        self.assertEqual(self.hear("\u200b\u200e \u3000".encode()), [])

    def test_kinds_of_mistakes_are_told_apart(self) -> None:
        """Two different mistakes in one second are both told."""
        self.hear(b"/fly\n" + b"x" * 901 + b"\n/fly\n")
        self.assertEqual(len(self.said()), 2)

    def test_replies(self) -> None:
        """Rosters and the message of the day come as notices; an acceptance shows by the line coming back."""
        self.hear(b"/names", b"/motd", b"/motd")
        page = NamesPage(LOBBY, (NameLine("alice", True), NameLine("bob", False)), 2, more=False)
        self.session.send(Done(2, page), 0)
        self.session.send(Done(3, "be nice\nor else"), 0)
        self.session.send(Done(4, ""), 0)
        self.session.send(Accepted(5, 1, 99), 0)
        self.session.send(Pong(6, 0, ()), 0)
        self.session.send(Bye("server is going down"), 0)
        self.assertEqual(
            self.said(),
            [
                b"-!- 2 here (~ is not verified): alice ~bob",
                b"-!- be nice",
                b"-!- or else",
                b"-!- there is no message of the day",
                b"server is going down",
            ],
        )

    def test_the_list_of_rooms(self) -> None:
        """Each room is a line, with its topic if there is one; the last line says how to see more."""
        self.assertEqual(self.hear(b"/list #A"), [Rooms(2, "a")])
        rows = (RoomLine("dev", 3, "tests"), RoomLine(LOBBY, 200, ""))
        self.assertEqual(
            self.tell(RoomsPage(2, rows, more=True)),
            [b"-!- dev (3): tests", b"-!- lobby (200)", b"-!- there are more: /list lobby"],
        )
        self.assertEqual(self.tell(RoomsPage(3, rows[:1], more=False)), [b"-!- dev (3): tests"])
        self.assertEqual(self.tell(RoomsPage(4, (), more=False)), [b"-!- there are no more rooms"])

    def test_asking_for_the_topic(self) -> None:
        """Who asks is told; who sets it is told with everybody else."""
        self.assertEqual(
            self.hear(b"/topic", b"/topic", b"/topic lunch", b"/topic -"),
            [Topic(2, LOBBY), Topic(3, LOBBY), Topic(4, LOBBY, "lunch"), Topic(5, LOBBY, "")],
        )
        told = self.tell(Done(2, "breakfast"), Done(3, ""), Done(4, "lunch"), Done(5, ""))
        self.assertEqual(told, [b"-!- the topic of lobby: breakfast", b"-!- lobby has no topic"])

    def test_another_nick(self) -> None:
        """The room tells of it, so the session need not; a nick that one has already is told."""
        self.assertEqual(self.hear(b"/nick Rob", b"/nick Rob"), [Nick(2, "Rob"), Nick(3, "Rob")])
        self.assertEqual(self.tell(Done(2, "Rob")), [])
        self.assertEqual(self.tell(Done(3, "Rob")), [b"-!- you are Rob already"])

    def test_another_nick_and_nobody_to_tell(self) -> None:
        """Who is in no room hears of its new nick from the session."""
        self.hear(b"/part", b"/nick rob")
        self.assertEqual(
            self.tell(Done(2, ""), Done(3, "rob")),
            [b"-!- you have left lobby: you are in no room", b"-!- you are rob now"],
        )

    def test_the_new_nick_again(self) -> None:
        """Right after joining, a line that is the new nick is that nick again, and the old one a text."""
        self.hear(b"/nick rob")
        self.tell(Done(2, "rob"))
        self.assertEqual(self.hear(b"rob", b"bob", now=1.0), [Say(3, 1, LOBBY, Kind.SAY, "bob")])
        self.assertEqual(self.said(), [b"rob has joined the chat"])

    def test_a_reply_that_nobody_waits_for(self) -> None:
        """What cannot be told apart any more is not shown."""
        self.hear(b"/motd")
        for number in range(ASKED):
            self.hear(b"/names", now=(number + 1) * COMMAND_SECONDS)
        self.assertEqual(self.tell(Done(2, "be nice")), [])

    def test_history(self) -> None:
        """What was said comes as it was said, and its end is not told; nothing is told in words."""
        self.assertEqual(
            self.hear(b"/history", b"/history 3"),
            [Fetch(2, LOBBY, None, None, 20), Fetch(3, LOBBY, None, None, 3)],
        )
        entries = [Entry(LOBBY, n, 1, 0, Kind.ME, "eve", verified=False, text=f"waves {n}") for n in (1, 2)]
        self.assertEqual(self.tell(*entries, Fetched(2, LOBBY, 0, 2)), [b"* eve waves 1", b"* eve waves 2"])
        self.assertEqual(self.tell(Fetched(3, LOBBY, 0, 2)), [b"-!- nothing has been said in lobby"])

    def test_long_rosters_are_several_lines(self) -> None:
        """Every line fits 1,024 bytes, and the last one says how to see more."""
        nicks = tuple(NameLine(f"{number:02}" + "é" * 22, False, away=True) for number in range(64))
        self.session.send(Done(1, NamesPage(LOBBY, nicks, 500, more=True)), 0)
        told = self.said()
        self.assertTrue(all(len(line) <= 1024 for line in told))
        self.assertEqual(b" ".join(told).count(b"~") - 1, 64)
        self.assertEqual(told[-1].decode(), f"-!- there are more: /names {nicks[-1].nick}")


class LeavingTests(Conversation):
    """`exit`, and silence."""

    def test_exit(self) -> None:
        """The line `exit` ends the visit; for 2 s what comes late is ignored, then it would be a nick."""
        self.enter()
        self.assertEqual(self.hear(b"exit\nand one more\n", now=7), [Bye("exit")])
        self.assertEqual(self.hear(b"late", b"\xff", now=8), [])
        self.assertEqual(self.session.handle_timeout(7 + GRACE_SECONDS - 0.1), [])
        self.assertIs(self.session.state, State.LEFT)
        self.assertEqual(self.session.next_timeout(), 7 + GRACE_SECONDS)
        self.assertEqual(self.session.handle_timeout(7 + GRACE_SECONDS), [])
        self.assertIsNone(self.session.next_timeout())

    def test_quit_is_exit(self) -> None:
        """The command does what the word does."""
        self.enter()
        self.assertEqual(self.hear(b"/quit"), [Bye("exit")])
        self.assertIs(self.session.state, State.LEFT)

    def test_silence_and_return(self) -> None:
        """After 30 min one notice and a leave; the next line comes back under the old nick, and is a text."""
        self.enter(now=100)
        self.hear(b"hi", now=200)
        self.assertEqual(self.session.next_timeout(), 200 + IDLE)
        self.assertEqual(self.session.handle_timeout(200 + IDLE), [Bye("silent for 1800 s")])
        self.assertEqual(len(self.said()), 1)
        self.assertEqual(
            self.hear(b"back", now=9000), [*enters("bob", LOBBY, 3), Say(4, 2, LOBBY, Kind.SAY, "back")]
        )
        self.assertIs(self.session.state, State.ENTERING)

    def test_return_by_nick(self) -> None:
        """Whoever comes back by saying its nick says nothing else by it."""
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"bob", now=9000), enters("bob", LOBBY, 2))

    def test_return_under_another_nick(self) -> None:
        """Who has taken another nick meanwhile comes back under that one."""
        self.enter()
        self.hear(b"/nick rob")
        self.tell(Done(2, "rob"))
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"rob", now=9000), enters("rob", LOBBY, 3))

    def test_return_to_a_room(self) -> None:
        """One comes back to where one spoke last, and to no other room; nothing of before is answered."""
        self.enter()
        self.hear(b"/join ops", b"/join dev", b"/motd")
        self.tell(joined(2, "ops"), joined(3, "dev"))
        self.session.handle_timeout(IDLE)
        self.said()
        self.assertEqual(
            self.hear(b"hi", now=9000), [*enters("bob", "dev", 5), Say(6, 1, "dev", Kind.SAY, "hi")]
        )
        self.assertEqual(self.tell(Welcome("udpchat", "bob", ""), joined(5, "dev"), Done(4, "be nice")), [])
        self.assertEqual(self.hear(b"/part", now=9001), [Part(7, "dev")])
        self.assertEqual(self.session.room, "")

    def test_return_from_nowhere(self) -> None:
        """Who was in no room comes back to the lobby."""
        self.enter()
        self.hear(b"/part")
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"bob", now=9000), enters("bob", LOBBY, 3))

    def test_another_server_falls_silent(self) -> None:
        """What only servers say brings nobody back."""
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"server is going down", now=9000), [])
        self.assertIs(self.session.state, State.DORMANT)

    def test_dormant_ends(self) -> None:
        """A day later, or after `exit`, the address is a stranger's again; neither is a second leave."""
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.session.next_timeout(), IDLE + DORMANT_SECONDS)
        self.assertEqual(self.session.handle_timeout(IDLE + DORMANT_SECONDS), [])
        self.assertIsNone(self.session.next_timeout())
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"exit", now=9000), [])
        self.assertIs(self.session.state, State.LEFT)

    def test_silence_before_the_answer(self) -> None:
        """A store that never answers does not hold a session for ever."""
        self.hear(b"bob")
        self.assertEqual(self.session.handle_timeout(IDLE), [Bye("silent for 1800 s")])

    def test_every_transition_is_reached(self) -> None:
        """The table of states has at most five, each of which can be reached from the first."""
        reached = {State.STRANGER}
        for _ in State:
            reached |= {after for (before, _), after in NEXT.items() if before in reached}
        self.assertEqual(reached, set(State))
        self.assertLessEqual(len(State), 5)


class AnyPeerTests(Conversation):
    """Whatever a peer sends, and however it is answered."""

    @given(st.lists(st.binary(max_size=80) | st.sampled_from(TYPED)), st.randoms(use_true_random=False))
    def test_any_bytes(self, datagrams: list[bytes], random: Random) -> None:
        """Any bytes in any order, whatever the answers, give requests or the peer's fault, nothing else."""
        session = TextSession(CLIENT, IDLE)
        for now, datagram in enumerate(datagrams):
            try:
                requests = session.receive_datagram(datagram, float(now))
            except RemoteProtocolError:
                continue
            for request in requests:
                for reply in answers(request, random):
                    session.send(reply, float(now))
            if random.random() < 0.1:
                session.handle_timeout(now + IDLE)
        for line in session.datagrams_to_send(0.0):
            self.assertLessEqual(len(line), 1024)
            self.assertTrue(is_own_voice(line.decode().rstrip("\n")))
