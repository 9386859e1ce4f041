"""Tests of `chat.wire.text`: the plain door as a conversation of datagrams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RemoteProtocolError, RequestRejected
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Change,
    Done,
    Entry,
    Hello,
    Kind,
    Motd,
    Names,
    NamesPage,
    Presence,
    Rejected,
    Request,
    Say,
    Welcome,
)
from chat.safety import check_nick
from chat.wire.text import (
    DORMANT_SECONDS,
    GRACE_SECONDS,
    LINES_A_DATAGRAM,
    NEXT,
    NICK_TAKEN,
    REPEAT_SECONDS,
    State,
    TextSession,
    is_own_voice,
    notice,
    render,
)

CLIENT = b"0123456789abcdef"
IDLE = 1800.0


def hello(nick: str) -> Hello:
    """Give the request that a nick is."""
    return Hello(PROTOCOL_VERSION, CLIENT, nick)


def say(number: int, text: str, kind: Kind = Kind.SAY) -> Say:
    """Give the request that a text is, as the n-th one of its session."""
    return Say(number, number, LOBBY, kind, text)


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
        """Become a member."""
        self.hear(nick, now=now)
        self.session.send(Welcome("udpchat", nick.decode().strip(), ""), now)
        self.said()


class EnteringTests(Conversation):
    """The first line of an unknown address is its nick."""

    def test_first_line_is_the_nick(self) -> None:
        """With or without a line end, after blank lines too."""
        for first in (b"bob", b"bob\n", b"bob\r\n", b"\n \nbob\n"):
            self.session = TextSession(CLIENT, IDLE)
            self.assertEqual(self.hear(first), [hello("bob")])
            self.assertIs(self.session.state, State.ENTERING)

    def test_blank_datagrams_are_ignored(self) -> None:
        """Nothing, white space and line ends are no nick (nc -C sends the line end by itself)."""
        self.assertEqual(self.hear(b"", b" ", b"\r\n", b"\n\n", b"\t", b"\x00\x00"), [])
        self.assertIsNone(self.session.next_timeout())

    def test_probes_of_nc_are_ignored(self) -> None:
        """The one-byte datagram X of `nc -uv` is no nick; with a line end somebody typed it."""
        self.assertEqual(self.hear(b"X", b"X"), [])
        self.assertEqual(self.hear(b"X\n"), [hello("X")])

    def test_a_member_may_say_x(self) -> None:
        """Once somebody is in, X is a text like any other."""
        self.enter()
        self.assertEqual(self.hear(b"X"), [say(1, "X")])

    def test_a_whole_visit_in_one_datagram(self) -> None:
        """Several lines are several lines: a nick, a text, and the end."""
        self.assertEqual(
            self.hear(b"bot\nbackup done\nexit\n"), [hello("bot"), say(1, "backup done"), Bye("exit")]
        )
        self.session.send(Welcome("udpchat", "bot", "hello"), 0)
        self.assertIs(self.session.state, State.LEFT)
        self.assertEqual(self.said(), [b"-!- hello\n"])

    def test_refused_nick(self) -> None:
        """The answer is those 22 bytes and nothing more, whatever else the datagram held."""
        for code in ("NICK_IN_USE", "NICK_INVALID", "NICK_RESERVED"):
            self.session = TextSession(CLIENT, IDLE)
            self.hear(b"bob\n/help\n" + b"x" * 2000 + b"\nexit\n")
            self.session.send(Rejected(0, code, "no"), 0)
            self.assertEqual(self.said(), [b"nama ini sudah diambil"])
            self.assertIs(self.session.state, State.STRANGER)
            self.assertEqual(self.hear(b"rob"), [hello("rob")])

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
            [say(1, "/etc/passwd"), say(2, "waves", Kind.ME), Names(3, LOBBY), Motd(4)],
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
        page = NamesPage(LOBBY, (("alice", True), ("bob", False)), 2, more=False)
        self.session.send(Done(1, page), 0)
        self.session.send(Done(2, "be nice\nor else"), 0)
        self.session.send(Done(3, ""), 0)
        self.session.send(Accepted(4, 1, 99), 0)
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

    def test_long_rosters_are_several_lines(self) -> None:
        """Every line fits 1,024 bytes, and the last one says how to see more."""
        nicks = tuple((f"{number:02}" + "é" * 22, False) for number in range(64))
        self.session.send(Done(1, NamesPage(LOBBY, nicks, 500, more=True)), 0)
        told = self.said()
        self.assertTrue(all(len(line) <= 1024 for line in told))
        self.assertEqual(b" ".join(told).count(b"~") - 1, 64)
        self.assertEqual(told[-1].decode(), f"-!- there are more: /names {nicks[-1][0]}")


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
        self.assertEqual(self.hear(b"back", now=9000), [hello("bob"), say(2, "back")])
        self.assertIs(self.session.state, State.ENTERING)

    def test_return_by_nick(self) -> None:
        """Whoever comes back by saying its nick says nothing else by it."""
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"bob", now=9000), [hello("bob")])

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


class RenderingTests(SynchronousTestCase):
    """What members are told fits one datagram and cannot be taken for a nick."""

    def test_lines(self) -> None:
        """The forms are those of the two programs, to the letter."""
        entry = Entry(LOBBY, 8, 1, 0, Kind.SAY, "bob", verified=False, text="hi")
        action = Entry(LOBBY, 8, 1, 0, Kind.ME, "bob", verified=False, text="waves")
        self.assertEqual(render(entry), b"bob: hi")
        self.assertEqual(render(action), b"* bob waves")
        for change, line in (
            (Change.JOINED, b"bob has joined the chat"),
            (Change.LEFT, b"bob has left the chat"),
        ):
            self.assertEqual(render(Presence(LOBBY, "bob", verified=False, change=change)), line)

    def test_the_longest_line_fits(self) -> None:
        """The longest nick and the longest text make less than the 1,024 bytes that old clients read."""
        entry = Entry(LOBBY, 8, 1, 0, Kind.ME, "\U00020000" * 16, verified=False, text="x" * 900)
        self.assertLess(len(render(entry)) + 1, 1024)

    @given(st.from_regex(r"\w{1,24}", fullmatch=True), st.text(min_size=1), st.sampled_from(Kind))
    def test_our_own_voice_is_known(self, nick: str, text: str, kind: Kind) -> None:
        """Whatever a server sends, another server knows it for that and takes it for no nick."""
        text = text.replace("\n", "")
        lines = [
            render(Entry(LOBBY, 8, 1, 0, kind, nick, verified=False, text=text)).decode(errors="replace"),
            render(Presence(LOBBY, nick, verified=False, change=Change.JOINED)).decode(),
            render(Presence(LOBBY, nick, verified=False, change=Change.LEFT)).decode(),
            notice(text),
            NICK_TAKEN,
            "server is going down",
        ]
        for line in lines:
            self.assertTrue(is_own_voice(line), line)
            self.assertRaises(RequestRejected, check_nick, line)

    @given(st.lists(st.binary(max_size=80) | st.sampled_from([b"exit", b"/names", b"bob\n", b"X", b"a\nb"])))
    def test_any_bytes(self, datagrams: list[bytes]) -> None:
        """Any bytes in any order give requests or the peer's fault, and nothing else."""
        session = TextSession(CLIENT, IDLE)
        for now, datagram in enumerate(datagrams):
            try:
                requests = session.receive_datagram(datagram, float(now))
            except RemoteProtocolError:
                continue
            for request in requests:
                if isinstance(request, Hello):
                    session.send(Welcome("udpchat", request.nick, ""), float(now))
        for line in session.datagrams_to_send(0.0):
            self.assertTrue(is_own_voice(line.decode().rstrip("\n")))
