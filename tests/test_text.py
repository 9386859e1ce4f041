"""Tests of `chat.wire.text`: how a plain peer comes, goes and comes back, and whatever else it sends."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chat.errors import RemoteProtocolError
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Accepted,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetch,
    Fetched,
    Hello,
    Join,
    Kind,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Part,
    Rejected,
    Release,
    Reply,
    Request,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    Welcome,
)
from chat.wire.lines import NICK_TAKEN, is_own_voice
from chat.wire.text import REPEAT_SECONDS, TextSession
from chat.wire.visit import DORMANT_SECONDS, GRACE_SECONDS, State
from tests.text_support import CLIENT, IDLE, Conversation, enters, joined, say

# What people type, beside what they say.
TYPED = [
    b"exit", b"bob\n", b"X", b"a\nb", b"/names", b"/join dev", b"/join ops\nhi\n", b"/part", b"/part ops",
    b"/history", b"/topic", b"/nick rob", b"/motd", b"/list", b"/help", b"/help join", b"/msg",
    b"/history 2h", b"/msg bob hi", b"/msg \xf0\xa0\x80\x80 hi\n/m bob hi\n/msg server hi", b"/release",
    b"/release bob", b"/link",
]  # fmt: skip


def answers(request: Request, random: Random) -> list[Reply | Entry]:
    """Give what a hub may say to `request`, each field at its limit where that makes lines long."""
    if isinstance(request, Hello):
        return [Welcome("udpchat", request.nick, "welcome " * 20, is_owned=random.random() < 0.5)]
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
        case Nick() | Release():
            return [Done(request.id, request.nick or "\U00020000" * 16)]
        case Say():
            alone = structs.replace(entry, room="@" + "a" * 26, kind=Kind.SAY)
            return [alone, Accepted(request.id, request.n, 9, waiting=random.random() < 0.5), Delivered(9)]
        case _:
            return [Done(request.id, "é" * 150)]


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

    def test_the_joined_line_comes_first(self) -> None:
        """What else the first datagram calls for waits for it, and no room that it names takes its place."""
        self.hear(b"bob\n/fly\nbob\n/join dev\n")
        self.assertEqual(self.said(), [])
        self.assertEqual((self.tell(Welcome("udpchat", "bob", "")), self.session.room), ([], LOBBY))
        told = self.tell(joined(1, LOBBY))
        self.assertEqual(told[1:], [b"bob has joined the chat\n"])
        self.assertTrue(told[0].startswith(b"-!- unknown command /fly"), told)
        self.assertEqual(self.session.room, "dev")

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
        self.tell(Welcome("udpchat", "Bob", ""), joined(1, LOBBY), now=10)
        for now in (12.0, 10 + REPEAT_SECONDS - 0.1):
            self.assertEqual(self.hear("Ｂｏｂ".encode(), *[b"Bob"] * 200, now=now), [])
            self.assertEqual(self.said(), [b"Bob has joined the chat"])  # once: it may be a forged address
        self.assertEqual(self.hear(b"Bob", now=10 + REPEAT_SECONDS), [say(1, "Bob")])


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

    def test_coming_back_to_leave(self) -> None:
        """Whoever fell silent and says /quit is out, as with `exit`: nobody sees it come and go."""
        self.enter()
        self.session.handle_timeout(IDLE)
        self.assertEqual(self.hear(b"/quit", now=9000), [])
        self.assertIs(self.session.state, State.LEFT)

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
        self.assertIs(self.session.state, State.OUT)

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
