"""Tests of `chat.wire.text`: what is said to one person alone, and whom a nick belongs to."""

from __future__ import annotations

from msgspec import structs

from chat.fields import TEXT_BYTES
from chat.messages import (
    LOBBY,
    Accepted,
    Change,
    Delivered,
    Done,
    Entry,
    Fetch,
    Fetched,
    Kind,
    Link,
    Presence,
    Rejected,
    Release,
    Say,
    Turnover,
    Welcome,
)
from chat.wire.asking import COMMANDS_AT_ONCE, SAID_ALONE
from chat.wire.lines import NICK_TAKEN
from chat.wire.text import LINES_A_DATAGRAM, TextSession
from tests.text_support import CLIENT, IDLE, Conversation, enters, joined, say

ALONE = "@" + "a" * 26  # somebody's log


def direct(text: str, room: str = ALONE) -> Entry:
    """Give what eve said to the peer alone."""
    return Entry(room, 8, 1, 0, Kind.SAY, "eve", verified=True, text=text)


class SayingTests(Conversation):
    """Who says something to one person alone is told what became of it."""

    def setUp(self) -> None:
        """Begin as a member, in the lobby."""
        super().setUp()
        self.enter(b"ann\n")

    def test_texts_are_texts(self) -> None:
        """They count with those to rooms, as many as one likes, and need no room."""
        self.assertEqual(
            self.hear(b"/msg bob hi\nhello\n/me waves"),
            [say(1, "hi", room="@bob"), say(2, "hello"), say(3, "waves", Kind.ME)],
        )
        self.assertEqual(len(self.hear(b"/m bob hi\n" * 2 * COMMANDS_AT_ONCE)), 2 * COMMANDS_AT_ONCE)
        self.said()
        self.hear(b"/part")
        (said,) = self.hear(b"/msg bob hi")
        self.assertIsInstance(said, Say)
        self.assertEqual(self.said(), [])

    def test_said_or_waiting(self) -> None:
        """The notice names the reader, and says if it is not here. What was said in the room has none."""
        self.hear(b"/msg Bob hi\n/msg eve hi\nhi\n")
        self.assertEqual(
            self.tell(Accepted(2, 1, 90), Accepted(3, 2, 91, waiting=True), Accepted(4, 3, 92)),
            [b"-!- said to Bob alone\n", b"-!- eve is not here: that waits for eve\n"],
        )
        self.assertEqual(self.tell(Accepted(2, 1, 90), Delivered(91)), [])

    def test_refused(self) -> None:
        """The notice says why, and another answer to the same text is none."""
        self.hear(b"/msg bob hi")
        self.assertEqual(
            self.tell(Rejected(2, "NO_SUCH_NICK", "nobody is called bob")), [b"-!- nobody is called bob\n"]
        )
        self.assertEqual(self.tell(Accepted(2, 1, 90)), [])

    def test_mistakes(self) -> None:
        """What is missing or cannot be is told at once; nobody is asked, and the lines behind it pass."""
        too_long = "/msg bob " + "x" * (TEXT_BYTES + 1)
        self.assertEqual(
            self.hear(b"/msg\n/msg a!b psst\nhi\n", too_long.encode(), b"/msg bob " + b"x" * TEXT_BYTES),
            [say(1, "hi"), say(2, "x" * TEXT_BYTES, room="@bob")],
        )
        self.assertEqual(
            self.said(),
            [
                b"-!- /msg: who to? Like this: /msg bob hello\n",
                b"-!- there can be nobody called a!b: a nick has letters, digits and _-. only\n",
                b"-!- that line has 901 bytes: at most 900 are passed on\n",
            ],
        )

    def test_a_paste(self) -> None:
        """All that one datagram can hold is told apart, whoever it is for."""
        lines = b"".join(b"/msg b%d hi\n" % number for number in range(LINES_A_DATAGRAM))
        texts = [each for each in self.hear(lines) if isinstance(each, Say)]
        told = self.tell(*[Accepted(text.id, text.n, 90 + text.n) for text in texts])
        self.assertEqual(told, [b"-!- said to b%d alone\n" % number for number in range(LINES_A_DATAGRAM)])

    def test_pastes_that_are_too_much(self) -> None:
        """Of what the hub drops without a word nothing is left once it has taken what came behind it."""
        for _ in range(2):
            self.hear(b"/msg bob hi\n" * LINES_A_DATAGRAM)
        lost = 2 * LINES_A_DATAGRAM
        self.assertEqual(self.tell(Accepted(lost + 1, lost, 90)), [])  # of those that are not known any more
        self.assertEqual(len(self.hear(b"/msg eve hi\n" * LINES_A_DATAGRAM)), LINES_A_DATAGRAM)
        self.assertEqual(self.tell(Accepted(lost + 2, lost + 1, 91)), [b"-!- said to eve alone\n"])
        self.assertGreater(lost, SAID_ALONE)

    def test_a_visit_in_one_datagram(self) -> None:
        """A script hears what became of its message, though it has left by then."""
        self.session = TextSession(CLIENT, IDLE)
        _, _, said, _ = self.hear(b"bot\n/msg ann backup failed\nexit\n")
        self.assertEqual(said, say(1, "backup failed", room="@ann"))
        told = self.tell(Welcome("udpchat", "bot", ""), joined(1, LOBBY), Accepted(2, 1, 90, waiting=True))
        self.assertEqual(told, [b"-!- ann is not here: that waits for ann\n"])

    def test_coming_back(self) -> None:
        """Nobody answers what was said before one fell silent: the numbers may be another's by then."""
        self.hear(b"/msg bob hi")
        self.session.handle_timeout(IDLE)
        self.assertEqual(
            self.hear(b"hi", now=IDLE + 1), [*enters("ann", LOBBY, 3), Say(4, 2, LOBBY, Kind.SAY, "hi")]
        )
        self.tell(Welcome("udpchat", "ann", ""), joined(3, LOBBY))
        self.assertEqual(self.tell(Accepted(2, 1, 90)), [])


class ReadingTests(Conversation):
    """What is said to the peer alone is a line of its own, whatever room it is in."""

    def test_one_line(self) -> None:
        """The room's name, which nobody needs to know, is not in it."""
        self.enter(b"ann")
        for room in ("@", ALONE):
            self.assertEqual(self.tell(direct("psst", room)), [b"eve -> you: psst"])

    def test_not_an_answer(self) -> None:
        """Who asked what was said in the room is told that it was nothing, whatever came between."""
        self.enter(b"ann")
        self.hear(b"/history 90m")
        told = self.tell(direct("psst"), Fetched(2, LOBBY, 0, 0))
        self.assertEqual(told, [b"eve -> you: psst", b"-!- nothing has been said in lobby in that time"])

    def test_answering(self) -> None:
        """/reply goes to who said something to the peer alone last, however that came; else it is refused."""
        self.enter(b"ann")
        self.assertEqual(self.hear(b"/reply hi"), [])
        self.assertIn(b"nobody has said anything to you alone", self.said()[0])
        self.tell(direct("psst", "@"))
        self.assertEqual(self.hear(b"/r hi"), [say(1, "hi", room="@eve")])
        self.assertTrue(self.session.takes(structs.replace(direct("psst"), nick="Bob"), "bob"))
        self.assertEqual(self.hear(b"/reply ho"), [Say(3, 2, "@Bob", Kind.SAY, "ho")])

    def test_who_is_ignored(self) -> None:
        """What one says to the peer alone is not shown, nor in /history; that is not "nothing"."""
        self.enter(b"ann")
        self.assertEqual(self.hear(b"/ignore Eve", b"/history"), [Fetch(2, LOBBY, None, None, 20)])
        self.assertEqual(self.said(), [b"-!- what Eve says is left out from now on: /unignore Eve"])
        said = structs.replace(direct("hi"), room=LOBBY)
        self.assertEqual(self.tell(direct("psst"), said, Fetched(2, LOBBY, 0, 8)), [])
        self.assertEqual(self.hear(b"/unignore eve\n"), [])
        self.assertEqual(
            self.tell(direct("psst")), [b"-!- eve is left out no longer\n", b"eve -> you: psst\n"]
        )

    def test_what_a_room_is_told(self) -> None:
        """Who is ignored comes and goes as before, and is followed from one nick to another."""
        self.enter(b"ann")
        self.hear(b"/ignore eve")
        said = structs.replace(direct("hi"), room=LOBBY)
        renamed = Presence(LOBBY, "eve", verified=True, change=Change.RENAMED, new_nick="eva")
        for message, key, is_told in (
            (said, "eve", False),
            (structs.replace(said, nick="eva"), "eva", True),
            (renamed, "", True),
            (Turnover(LOBBY, 1, 0, 0, 60, 9), "", True),
            (structs.replace(said, nick="eva"), "eva", False),
        ):
            self.assertEqual(self.session.takes(message, key), is_told, message)

    def test_what_has_waited(self) -> None:
        """It comes behind the joined line, the notice whose nick it is, and the message of the day."""
        self.session = TextSession(CLIENT, IDLE, 0.0)
        self.hear(b"ann")
        welcome = Welcome("udpchat", "ann", "be nice", direct=ALONE, is_owned=True)
        self.assertEqual(self.tell(welcome, direct("one"), direct("two")), [])
        self.assertEqual(
            self.tell(joined(1, LOBBY)),
            [
                b"-!- ann is yours: nobody else can be called so (/release gives it up)",
                b"-!- be nice",
                b"eve -> you: one",
                b"eve -> you: two",
            ],
        )


class OwningTests(Conversation):
    """Nicks belong to people who have a key."""

    def test_no_key(self) -> None:
        """Who has none hears the hub's refusal, for either question."""
        self.enter(b"ann")
        self.assertEqual(
            self.hear(b"/release", b"/release bob", b"/link"),
            [Release(2, ""), Release(3, "bob"), Link(4)],
        )
        refusal = "nothing belongs to you here"
        told = self.tell(*[Rejected(number, "NO_KEY", refusal) for number in (2, 3, 4)])
        self.assertEqual(told, [b"-!- " + refusal.encode()] * 3)

    def test_given_up(self) -> None:
        """The notice says which nick."""
        self.enter(b"ann")
        self.hear(b"/release")
        told = self.tell(Done(2, "ann"))
        self.assertEqual(told, [b"-!- ann is not yours any more: anybody may take it when nobody has it"])

    def test_another_device(self) -> None:
        """The notice says the code and what to do with it."""
        self.enter(b"ann")
        self.hear(b"/link")
        (told,) = self.tell(Done(2, "abcd-efgh-jkmn"))
        self.assertIn(b"within ten minutes: udpchat --link abcd-efgh-jkmn", told)

    def test_a_nick_that_is_somebodys(self) -> None:
        """The old clients know one answer to a nick that they cannot have, so it is that one."""
        for code in ("NICK_OWNED", "NICK_LIMIT"):
            self.session = TextSession(CLIENT, IDLE)
            self.hear(b"ann\n/msg bob hi\n")
            self.assertEqual(self.tell(Rejected(0, code, "ann belongs to somebody")), [NICK_TAKEN.encode()])
            self.assertEqual(self.hear(b"rob\n")[0], enters("rob")[0])

    def test_history_of_an_age(self) -> None:
        """It is asked for as it was typed, and its lines come as those of any /history do."""
        self.enter(b"ann")
        self.assertEqual(self.hear(b"/history 2h"), [Fetch(2, LOBBY, None, None, 40, age=7_200)])
        said = Entry(LOBBY, 8, 1, 0, Kind.SAY, "eve", verified=False, text="hi")
        self.assertEqual(self.tell(said, Fetched(2, LOBBY, 0, 8)), [b"eve: hi"])
