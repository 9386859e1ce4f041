"""Tests of `chat.wire.lines`: what members of the plain door are told, to the letter."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import LINK_BYTES, MAX_NUMBER, NAMES_PAGE, REASON_BYTES, ROOMS_PAGE, TEXT_BYTES, TOPIC_BYTES
from chat.messages import (
    LOBBY,
    Change,
    Entry,
    Kind,
    NameLine,
    NamesPage,
    Presence,
    RoomLine,
    RoomsPage,
    Turnover,
)
from chat.notices import Out, Redacted
from chat.safety import NICK_BYTES, ROOM_BYTES, ROOM_CHARS, check_nick
from chat.wire.lines import (
    GOING_DOWN,
    NICK_TAKEN,
    is_own_voice,
    is_server_talk,
    join_lines,
    joined_line,
    link_line,
    mark,
    names_lines,
    notice,
    out_line,
    owned_line,
    released_line,
    render,
    rooms_lines,
    told_alone_line,
    topic_line,
)

LONGEST_NICK = "\U00020000" * (NICK_BYTES // 4)
LONGEST_ROOM = "r" * ROOM_BYTES
ALONE = "@" + "a" * 26  # a log of direct messages
MOST = 1_024  # bytes that the oldest clients read, with mark and line end

# As docs/protocol.md has it: a nick begins with a letter or digit and holds no blank and no colon.
DIRECT_LINE = re.compile(r"([^\W_][^\s:]*) -> you: ")
NICK_LETTERS = "ab\u05d0\u0301\u00e9-_.019"
ARROWS = (" -> you: ", "-> you: ", "ann -> you: ", "> you: ")


def entry(kind: Kind = Kind.SAY, nick: str = "bob", text: str = "hi", room: str = LOBBY) -> Entry:
    """Give something said."""
    return Entry(room, 8, 1, 0, kind, nick, verified=False, text=text)


def presence(change: Change, nick: str = "bob", room: str = LOBBY, new_nick: str = "rob") -> Presence:
    """Give something that became of a member."""
    return Presence(room, nick, verified=False, change=change, version=1, new_nick=new_nick)


class RenderingTests(SynchronousTestCase):
    """What members are told fits one datagram and cannot be taken for a nick."""

    def test_what_is_said(self) -> None:
        """Texts and actions have the forms of the two programs; topics read like actions."""
        for said, line in (
            (entry(Kind.SAY), b"bob: hi"),
            (entry(Kind.ME, text="waves"), b"* bob waves"),
            (entry(Kind.TOPIC, text="lunch: at one"), b"* bob set the topic: lunch: at one"),
            (entry(Kind.TOPIC, text=""), b"* bob took the topic away"),
            (entry(Kind.SAY, room="dev"), b"bob: hi"),
        ):
            self.assertEqual(render(said), line)

    def test_who_comes_and_goes(self) -> None:
        """The lobby keeps the words of the old programs, other rooms say their name; away is not told."""
        for happened, line in (
            (presence(Change.JOINED), b"bob has joined the chat"),
            (presence(Change.LEFT), b"bob has left the chat"),
            (presence(Change.JOINED, room="dev"), b"bob has joined dev"),
            (presence(Change.LEFT, room="dev"), b"bob has left dev"),
            (presence(Change.RENAMED), b"bob is now rob"),
            (presence(Change.RENAMED, room="dev"), b"bob is now rob"),
            (presence(Change.AWAY), b""),
            (presence(Change.BACK), b""),
        ):
            self.assertEqual(render(happened), line)
        self.assertEqual(joined_line("bob").encode(), render(presence(Change.JOINED)))

    def test_large_rooms(self) -> None:
        """So many came, went and were renamed, if any did. No action reads so: nicks have no colon."""
        for turnover, line in (
            (Turnover(LOBBY, 12, 3, 0, 4_711, 20), b"* lobby: 12 joined, 3 left"),
            (Turnover("dev", 0, 1, 0, 50, 20), b"* dev: 1 left"),
            (Turnover("dev", 1, 0, 2, 60, 20), b"* dev: 1 joined, 2 renamed"),
        ):
            self.assertEqual(render(turnover), line)
            self.assertTrue(is_own_voice(line.decode()))
        self.assertRaises(RequestRejected, check_nick, "lobby:")

    def test_what_was_taken_away(self) -> None:
        """Everybody is told whose line it was, in words that only a server says, with a mark too."""
        line = render(Redacted("dev", 7, "bob"))
        self.assertEqual(line, b"-!- what bob said was redacted")
        for said in (line, mark(line, "dev")):
            self.assertTrue(is_server_talk(said.decode()))

    def test_marks(self) -> None:
        """A line of another room than the current one bears that room's name."""
        self.assertEqual(mark(b"bob: hi", "dev"), b"[dev] bob: hi")

    def test_what_is_said_to_one_alone(self) -> None:
        """Direct messages have one form, in whatever log they are kept, and never a mark with its name."""
        for room in ("@", ALONE):
            line = render(entry(room=room))
            self.assertEqual(line, b"bob -> you: hi")
            self.assertEqual(mark(line, room), line)

    def test_the_longest_lines_fit(self) -> None:
        """With all fields at their limits, a mark and a line end, every line is what old clients can read."""
        room = LONGEST_ROOM
        lines = [render(presence(change, LONGEST_NICK, room, LONGEST_NICK)) for change in Change]
        lines.append(render(Redacted(room, MAX_NUMBER, LONGEST_NICK)))
        lines.append(notice("é" * (TEXT_BYTES // 2)).encode())
        lines.append(notice(out_line(Out(room, "KICKED", "é" * (REASON_BYTES // 2)))).encode())
        lines.append(render(Turnover(room, *[MAX_NUMBER] * 5)))
        for kind, size in ((Kind.SAY, TEXT_BYTES), (Kind.ME, TEXT_BYTES), (Kind.TOPIC, TOPIC_BYTES)):
            lines.append(render(entry(kind, LONGEST_NICK, "é" * (size // 2), room)))
            lines.append(render(entry(kind, LONGEST_NICK, "é" * (size // 2), ALONE)))
        for line in lines:
            self.assertLessEqual(len(mark(line, room)) + 1, MOST)
        names = NamesPage(room, (NameLine(LONGEST_NICK, False, away=True),) * NAMES_PAGE, 5_000, more=True)
        rooms = RoomsPage(1, (RoomLine(room, 5_000, "é" * (TOPIC_BYTES // 2)),) * ROOMS_PAGE, more=True)
        topic = topic_line(room, "é" * (TOPIC_BYTES // 2))
        for text in (
            *names_lines(names),
            *rooms_lines(rooms),
            topic,
            owned_line(LONGEST_NICK),
            released_line(LONGEST_NICK),
            link_line("é" * (LINK_BYTES // 2)),
            told_alone_line(LONGEST_NICK, waiting=False),
            told_alone_line(LONGEST_NICK, waiting=True),
            "é" * (REASON_BYTES // 2),
            "x" * TEXT_BYTES,
        ):
            self.assertLessEqual(len(notice(text).encode()) + 1, MOST)


class AnswerTests(SynchronousTestCase):
    """Rosters, lists of rooms and topics as people read them."""

    def test_rosters(self) -> None:
        """Who is not verified has a sign before the nick, who is away a word behind it."""
        nicks = (NameLine("alice", True), NameLine("bob", False, away=True), NameLine("eve", True, away=True))
        self.assertEqual(
            names_lines(NamesPage(LOBBY, nicks, 3, more=False)),
            ["3 here (~ is not verified): alice ~bob (away) eve (away)"],
        )

    def test_rosters_of_other_rooms(self) -> None:
        """They say which room it is, and how to see more."""
        self.assertEqual(
            names_lines(NamesPage("dev", (NameLine("bob", False),), 70, more=True)),
            ["70 in dev (~ is not verified): ~bob", "there are more: /names bob"],
        )

    def test_operators_in_rosters(self) -> None:
        """They are marked as in IRC, and the mark is explained where there is one."""
        nicks = NameLine("ann", True, operator=True), NameLine("bob", False, away=True, operator=True)
        self.assertEqual(
            names_lines(NamesPage("dev", nicks, 2, more=False)),
            ["2 in dev (~ is not verified, @ is an operator): @ann @~bob (away)"],
        )

    def test_rosters_of_nobody(self) -> None:
        """Behind the last nick there is nobody, which is said in words."""
        self.assertEqual(
            names_lines(NamesPage("dev", (), 2, more=False)), ["2 in dev, nobody behind that nick"]
        )

    def test_long_rosters(self) -> None:
        """A roster that fits no line is several, and nobody is left out or cut."""
        nicks = tuple(NameLine(f"{number:02}" + "é" * 22, False) for number in range(NAMES_PAGE))
        lines = names_lines(NamesPage(LOBBY, nicks, 500, more=False))
        self.assertGreater(len(lines), 2)
        self.assertEqual(" ".join(lines).split()[-NAMES_PAGE:], [f"~{line.nick}" for line in nicks])

    def test_rooms(self) -> None:
        """A room is a line, with its topic if it has one."""
        rows = (RoomLine("dev", 3, "tests"), RoomLine(LOBBY, 200, ""))
        self.assertEqual(rooms_lines(RoomsPage(1, rows, more=False)), ["dev (3): tests", "lobby (200)"])
        self.assertEqual(rooms_lines(RoomsPage(1, rows, more=True))[-1], "there are more: /list lobby")
        self.assertEqual(rooms_lines(RoomsPage(1, (), more=False)), ["no rooms to list"])

    def test_topics(self) -> None:
        """A topic, or that there is none."""
        self.assertEqual(topic_line("dev", "tests"), "the topic of dev: tests")
        self.assertEqual(topic_line("dev", ""), "dev has no topic")


class VoiceTests(SynchronousTestCase):
    """A server knows another one by what it says."""

    @given(
        st.from_regex(r"\w{1,24}", fullmatch=True),
        st.text(min_size=1),
        st.text(ROOM_CHARS, min_size=1, max_size=ROOM_BYTES) | st.just(LOBBY),
    )
    def test_our_own_voice_is_known(self, nick: str, text: str, room: str) -> None:
        """Whatever a server sends, another server knows it for that and takes it for no nick."""
        text = text.replace("\n", "")
        told = [render(entry(kind, nick, text, room)) for kind in Kind]
        told += [render(entry(Kind.TOPIC, nick, "", room))]
        told += [
            render(presence(change, nick, room)) for change in (Change.JOINED, Change.LEFT, Change.RENAMED)
        ]
        told += [mark(line, room) for line in told]
        told += [render(entry(Kind.SAY, nick, text, ALONE))]
        lines = [line.decode(errors="replace") for line in told]
        for line in [*lines, notice(text), NICK_TAKEN, GOING_DOWN]:
            self.assertTrue(is_own_voice(line), line)
            self.assertRaises(RequestRejected, check_nick, line)

    @given(
        st.text(NICK_LETTERS, min_size=1, max_size=24) | st.from_regex(r"[\w.-]{1,24}", fullmatch=True),
        st.text() | st.builds("{}{}{}".format, st.sampled_from(ARROWS), st.text(), st.text()),
        st.text(ROOM_CHARS, min_size=1, max_size=ROOM_BYTES) | st.just(LOBBY),
    )
    def test_no_room_speaks_to_one_alone(self, asked: str, text: str, room: str) -> None:
        """Whatever a member is called and says, no line of a room is a line of a direct message."""
        try:
            nick = check_nick(asked).shown
        except RequestRejected:
            return
        text = text.replace("\n", "")
        told = [render(entry(kind, nick, text, room)) for kind in Kind]
        told += [render(presence(change, nick, room, new_nick=nick)) for change in Change]
        told += [mark(line, room) for line in told]
        lines = [line.decode(errors="replace") for line in told]
        for line in [*lines, notice(text), NICK_TAKEN, GOING_DOWN]:
            self.assertIsNone(DIRECT_LINE.match(line), line)
        match = DIRECT_LINE.match(render(entry(Kind.SAY, nick, text, ALONE)).decode(errors="replace"))
        self.assertEqual(match and match[1], nick)

    def test_two_servers_and_a_direct_message(self) -> None:
        """What was said to another server alone makes no member of the first, and puts nobody out.

        It is no server talk, for people do quote it, and it need not be: it is said to members only, and no
        server becomes a member of another, for the first line that it is told is server talk.
        """
        line = render(entry(room=ALONE)).decode()
        self.assertTrue(is_own_voice(line))
        self.assertFalse(is_server_talk(line))
        self.assertTrue(is_server_talk(notice(told_alone_line("bob", waiting=False))))
        self.assertTrue(is_server_talk(joined_line("bob")))

    def test_what_no_person_says(self) -> None:
        """Notices, and the few lines in which a server speaks for itself."""
        for line in (
            "-!- hi",
            NICK_TAKEN,
            GOING_DOWN,
            "eve has joined the chat",
            "eve has left the chat",
            "[lobby] eve has joined the chat",
            "[lobby] eve has left the chat",
        ):
            self.assertTrue(is_server_talk(line), line)

    def test_what_a_person_may_say(self) -> None:
        """Talk of somebody who is now away or has left town puts nobody out."""
        for line in (
            "she has left town",
            "bob has joined us",
            "lunch is now ready",
            "[dev] is quiet",
            "[dev] bob has joined us",
            "* sighs",
            "bob: hi",
        ):
            self.assertFalse(is_server_talk(line), line)


class JoinTests(SynchronousTestCase):
    """Lines that leave together in one record."""

    def test_with_line_ends(self) -> None:
        """As many as fit, in order."""
        self.assertEqual(join_lines([b"a\n", b"bc\n", b"d\n", b"efgh\n"], 5), [b"a\nbc\n", b"d\n", b"efgh\n"])

    def test_without(self) -> None:
        """What has no line end would be one line with its neighbour: it stands by itself."""
        self.assertEqual(
            join_lines([b"a", b"b\n", b"c", b"d\n", b"e\n"], 99), [b"a", b"b\n", b"c", b"d\ne\n"]
        )

    @given(
        st.lists(
            st.sampled_from([b"", b"\n"]).flatmap(
                lambda end: st.binary(min_size=1, max_size=9).map(
                    lambda line: line.replace(b"\n", b"") + b"x" + end
                )
            )
        )
    )
    def test_nothing_is_lost(self, lines: list[bytes]) -> None:
        """All lines come, in their order, in plaintexts that fit."""
        joined = join_lines(lines, 12)
        self.assertEqual(b"".join(joined), b"".join(lines))
        self.assertLessEqual(max(map(len, joined), default=0), 12)
        self.assertFalse(any(b"\n" in plaintext and not plaintext.endswith(b"\n") for plaintext in joined))
