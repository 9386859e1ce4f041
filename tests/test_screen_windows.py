"""Tests of the windows: what is unread, where to go, who is meant."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.mentions import (
    LATELY_SECONDS,
    SPEAKERS,
    Speakers,
    is_mention,
    notification,
    title,
)
from chat.client.screen.scrollback import Line, Look, line_of
from chat.client.screen.windows import PERSONS, Windows


def line(*, is_mention: bool = False) -> Line:
    """Give a line."""
    return line_of(0, Look.SAID, "bob: hi", "bob", is_mention=is_mention)


class WindowsTests(SynchronousTestCase):
    """The windows lobby, dev and @bob, of which the first is seen."""

    def setUp(self) -> None:
        """Open them."""
        self.windows = Windows("lobby")
        self.windows.open("dev")
        self.windows.open("@bob")

    def add(self, name: str, *, is_mention: bool = False) -> None:
        """Let something be said."""
        self.windows.add(name, line(is_mention=is_mention), is_news=True)

    def test_unread(self) -> None:
        """What is said where one does not look is counted until one does, and what of it is for us."""
        self.add("lobby")
        self.add("dev")
        self.add("dev", is_mention=True)
        self.add("@bob")
        self.windows.add("dev", line())  # somebody came: no news
        self.assertEqual([(each.unread, each.mentions) for each in self.windows], [(0, 0), (2, 1), (1, 1)])
        self.assertEqual(self.windows.unread, (3, 2))
        self.windows.show("dev")
        self.assertEqual(self.windows.unread, (1, 1))

    def test_numbers(self) -> None:
        """A window's number is its place in the order in which they were opened."""
        self.assertEqual([self.windows.at(number) for number in (0, 1, 3, 4)], [None, "lobby", "@bob", None])

    def test_beside(self) -> None:
        """The next one and the one before, round and round."""
        self.assertEqual((self.windows.beside(1), self.windows.beside(-1)), ("dev", "@bob"))
        self.windows.show("@bob")
        self.assertEqual(self.windows.beside(1), "lobby")

    def test_next_active(self) -> None:
        """First where somebody means us, then where anything is unread, from here on."""
        self.assertIsNone(self.windows.next_active())
        self.add("dev")
        self.assertEqual(self.windows.next_active(), "dev")
        self.add("@bob")
        self.assertEqual(self.windows.next_active(), "@bob")
        self.windows.show("@bob")
        self.assertEqual(self.windows.next_active(), "dev")

    def test_close(self) -> None:
        """Whoever closes what is seen sees the one before; the last one stays."""
        self.windows.show("dev")
        self.windows.show("@bob")
        self.windows.close("@bob")
        self.assertEqual(self.windows.current.name, "dev")
        self.windows.close("dev")
        self.assertEqual(self.windows.current.name, "lobby")
        self.windows.close("lobby")
        self.windows.close("nowhere")
        self.assertEqual([each.name for each in self.windows], ["lobby"])

    def test_many_persons(self) -> None:
        """Beyond 100 persons the oldest window without news makes room, else the oldest."""
        for number in range(PERSONS - 1):
            self.add(f"@p{number}")
        self.assertEqual(len(self.windows), PERSONS + 2)
        self.windows.open("@eve")  # @bob holds nothing unread
        self.assertIsNone(self.windows.get("@bob"))
        self.add("@eve")
        self.windows.open("@tom")
        self.assertIsNone(self.windows.get("@p0"))
        self.assertEqual(len(self.windows), PERSONS + 2)


class MentionTests(SynchronousTestCase):
    """Who is meant."""

    def test_mention(self) -> None:
        """A nick that stands as a word of its own, however it is written; not as a part of another one."""
        for text in ("ann: hi", "hi Ann", "(ann)", "thanks, ann.", "@ann", "ANN!"):
            self.assertTrue(is_mention(text, "ann"), text)
        for text in ("anna", "joann", "ann-marie", "x.ann", "", "nobody"):
            self.assertFalse(is_mention(text, "ann"), text)
        self.assertTrue(is_mention("привет Аня", "аня"))
        self.assertFalse(is_mention("anything", ""))

    def test_speakers(self) -> None:
        """Who spoke lately is known by the nick of now, the last one first."""
        speakers = Speakers()
        for number, nick in enumerate(("bob", "eve", "bob")):
            speakers.spoke(nick, 100.0 + number)
        self.assertEqual(speakers.latest_first(), ["bob", "eve"])
        speakers.renamed("bob", "rob")
        speakers.renamed("nobody", "somebody")
        self.assertEqual(speakers.latest_first(), ["rob", "eve"])
        self.assertTrue(speakers.is_news("eve", 101.0 + LATELY_SECONDS))
        self.assertFalse(speakers.is_news("eve", 101.1 + LATELY_SECONDS))
        self.assertFalse(speakers.is_news("bob", 102.0))

    def test_many_speakers(self) -> None:
        """Only the last ones are remembered."""
        speakers = Speakers()
        for number in range(SPEAKERS + 1):
            speakers.spoke(f"p{number}", 100.0)
        self.assertEqual(len(speakers.latest_first()), SPEAKERS)
        self.assertFalse(speakers.is_news("p0", 100.0))


class CallingTests(SynchronousTestCase):
    """What the terminal is told."""

    def test_title(self) -> None:
        """The title says where one is, and what is unread; it is never long."""
        self.assertEqual(title("dev", "chat.example:6789", 0, 0), "dev - chat.example:6789")
        self.assertEqual(title("dev", "chat.example:6789", 3, 0), "(3) dev - chat.example:6789")
        self.assertEqual(title("dev", "chat.example:6789", 3, 1), "(1!/3) dev - chat.example:6789")
        self.assertEqual(title("", "", 0, 0), "udpchat")
        self.assertLessEqual(len(title("dev", "x" * 200, 0, 0)), 60)

    def test_notification(self) -> None:
        """Each terminal has a sequence of its own, and who is not known to have one is told nothing."""
        told = [
            ({"TERM_PROGRAM": "iTerm.app"}, "\x1b]9;bob: a;b\x07"),
            ({"TERM_PROGRAM": "WezTerm", "TERM": "xterm-256color"}, "\x1b]9;bob: a;b\x07"),
            ({"TERM": "foot-extra"}, "\x1b]777;notify;bob;a,b\x07"),
            ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;bob;a,b\x07"),
            ({"TERM": "xterm-kitty"}, "\x1b]99;;bob: a;b\x1b\\"),
            ({"TERM": "xterm"}, ""),
            ({}, ""),
        ]
        for environ, expected in told:
            self.assertEqual(notification(environ, "bob", "a;b"), expected)
