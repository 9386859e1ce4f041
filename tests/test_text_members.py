"""Tests of `chat.wire.text`: what a member says and asks, and what it is told."""

from __future__ import annotations

import re

from chat.errors import RemoteProtocolError
from chat.messages import (
    LOBBY,
    Accepted,
    Bye,
    Done,
    Entry,
    Fetch,
    Fetched,
    Kind,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Pong,
    Rejected,
    RoomLine,
    Rooms,
    RoomsPage,
    Say,
    Topic,
)
from chat.wire.asking import ASKED, COMMAND_SECONDS
from chat.wire.lines import NICK_TAKEN
from chat.wire.text import LINES_A_DATAGRAM
from tests.text_support import Conversation, say


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
            "[lobby] eve has joined the chat",
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
        self.assertEqual(self.tell(RoomsPage(4, (), more=False)), [b"-!- no rooms to list"])

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

    def test_no_command_is_dropped_without_a_word(self) -> None:
        """Whoever types too many is told until when they are refused; then they are done again."""
        start = 0.0
        for pause in (0.05, 0.35, 0.9, 0.99):
            start += 100.0
            now, refused_until, done = start, 0.0, 0
            while now < start + 50.0:
                requests = self.hear(b"/names\n", now=now)
                told = re.findall(rb"not done, nor is any in the next (\d+) s", b"".join(self.said()))
                refused_until = max([refused_until, *(now + int(seconds) for seconds in told)])
                self.assertTrue(requests or now < refused_until, f"{pause=} {now=}")
                done += len(requests)
                now += pause
            self.assertGreaterEqual(done, 35)  # of 50: what is refused does not count

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
