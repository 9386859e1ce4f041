"""Tests of Tab."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.complete import Completion, Known, in_order

KNOWN = Known(["join", "jump", "me"], ["bob", "Bea", "eve"], ["lobby", "dev", "books"])


class CompletionTests(SynchronousTestCase):
    """Pressing Tab."""

    def press(self, line: str, times: int = 1, *, back: bool = False) -> str:
        """Give the line after so many presses, the cursor as `|`."""
        completion = Completion()
        text, cursor = line.replace("|", ""), line.index("|")
        for _ in range(times):
            text, cursor = completion.press(text, cursor, KNOWN, back=back)
        return f"{text[:cursor]}|{text[cursor:]}"

    def test_commands(self) -> None:
        """A slash at the beginning of the line begins a command."""
        self.assertEqual(self.press("/m|"), "/me |")
        self.assertEqual(self.press("/J|"), "/join |")
        self.assertEqual(self.press("/j|", 2), "/jump |")
        self.assertEqual(self.press("say /j|"), "say /j|")
        self.assertEqual(self.press("//m|"), "//m|")

    def test_nicks(self) -> None:
        """A nick at the beginning of the line is somebody spoken to, elsewhere a word."""
        self.assertEqual(self.press("b|"), "bob: |")
        self.assertEqual(self.press("hi b|"), "hi bob |")
        self.assertEqual(self.press("@ev|"), "@eve |")
        self.assertEqual(self.press("|"), "bob: |")
        self.assertEqual(self.press("hi |"), "hi |")
        self.assertEqual(self.press("/msg e|"), "/msg eve |")

    def test_rooms(self) -> None:
        """Rooms come behind the nicks, and alone where a command wants one."""
        self.assertEqual(self.press("see l|"), "see lobby |")
        self.assertEqual(self.press("/join b|"), "/join books |")
        self.assertEqual(self.press("/join #d|"), "/join dev |")
        self.assertEqual(self.press("in bo|", 2), "in books |")

    def test_again(self) -> None:
        """Tab again takes the next one, round and round; Shift-Tab goes the other way."""
        self.assertEqual(
            [self.press("b|", times) for times in (1, 2, 3, 4)], ["bob: |", "Bea: |", "books |", "bob: |"]
        )
        self.assertEqual(self.press("b|", back=True), "books |")
        self.assertEqual(self.press("b|", 2, back=True), "Bea: |")

    def test_within_a_line(self) -> None:
        """What stands behind the cursor stays there."""
        self.assertEqual(self.press("hi e|, hello"), "hi eve |, hello")

    def test_nothing(self) -> None:
        """What nobody is called stays as it was."""
        self.assertEqual(self.press("x|"), "x|")

    def test_what_was_typed_in_between(self) -> None:
        """After another key Tab begins anew."""
        completion = Completion()
        line = completion.press("b", 1, KNOWN)[0]
        line += "hello e"
        self.assertEqual(completion.press(line, len(line), KNOWN)[0], "bob: hello eve ")

    def test_order(self) -> None:
        """Who spoke last comes first, then the others by name; never oneself."""
        self.assertEqual(
            in_order(["eve", "ann", "bob"], ["Zoe", "ann", "bob", "adam"], "ann"),
            ["eve", "bob", "adam", "Zoe"],
        )
