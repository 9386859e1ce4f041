"""Tests of the screen's state: own texts, who comes and goes, what calls a person, searching."""

from __future__ import annotations

from chat.client.screen.mentions import LATELY_SECONDS
from chat.client.screen.model import FOUND, Call
from chat.client.screen.network import Network
from chat.client.screen.orders import obey, search
from chat.local import AtScreen
from tests.screen_support import TIME, ModelCase, heard


class OwnTexts(ModelCase):
    """What we say, from the key to everybody's screen."""

    def test_accepted_and_shown(self) -> None:
        """A text is pending until it is accepted; then everybody's copy stands there, once."""
        self.model.said(1, "lobby", "hello")
        self.assertEqual(self.said(), ["ann: hello"])
        self.assertEqual(self.model.facts().network.pending, 1)
        self.model.accepted(1, 7)
        self.assertEqual(self.model.facts().network.pending, 0)
        self.assertEqual(self.said(), ["ann: hello"])  # it stays until its copy is here
        self.hear("hello", "ann", seq=7)
        self.assertEqual(self.said(), ["ann: hello"])
        self.assertEqual(self.model.unsettled, [])

    def test_shown_and_accepted(self) -> None:
        """The copy may come before the answer."""
        self.model.said(1, "lobby", "hello")
        self.hear("hello", "ann", seq=7)
        self.model.accepted(1, 7)
        self.assertEqual(self.said(), ["ann: hello"])

    def test_to_one_person(self) -> None:
        """Nobody sends a copy of what is said to one person alone."""
        self.model.said(1, "@bob", "psst")
        self.model.accepted(1, 7)
        self.assertEqual(self.said("@bob"), [])

    def test_shown_and_accepted_late(self) -> None:
        """A text that is shown already stays pending no longer than that, whatever was said behind it."""
        self.model.said(1, "lobby", "hello")
        self.hear("hello", "ann", seq=7)
        for number in range(100):
            self.hear(f"number {number}", seq=8 + number)
        self.model.tell("a remark")
        self.model.accepted(1, 7)
        self.assertEqual(self.said()[-1], "a remark")
        self.assertEqual(self.model.unsettled, [])

    def test_refused(self) -> None:
        """It is marked until it is said again or dropped; what is seen goes first."""
        for number, window in enumerate(("dev", "lobby"), 1):
            self.model.said(number, window, f"hello {window}")
            self.assertTrue(self.model.refused(number, "no"))
        self.assertEqual(self.said(), ["hello lobby (not accepted: no; Alt-R: again, Alt-X: drop)"])
        self.assertEqual([own.typed for own in self.model.unsettled], ["hello dev", "hello lobby"])
        taken = [self.model.take_refused() for _ in range(3)]
        self.assertEqual([own and own.typed for own in taken], ["hello lobby", "hello dev", None])
        self.assertEqual(self.said(), [])
        self.assertFalse(self.model.refused(3, "no text of that number"))
        self.model.accepted(3, 8)

    def test_many_refused(self) -> None:
        """A long paste that was refused stands there whole."""
        for number in range(500):
            self.model.said(number, "lobby", f"line {number}")
        for number in range(500):
            self.assertTrue(self.model.refused(number, "no"))
        self.assertEqual(len(self.said()), 500)
        self.assertEqual([own.typed for own in self.model.unsettled], [f"line {n}" for n in range(500)])

    def test_lost(self) -> None:
        """What the server had accepted and lost may be said again."""
        self.model.said(1, "lobby", "hello")
        self.model.accepted(1, 7)
        self.model.lost(7, "hello", "lobby")
        (text,) = self.said()
        self.assertIn("the server has lost it", text)
        self.model.lost(6, "shown before", "lobby")
        self.assertEqual(len(self.model.unsettled), 2)


class Comings(ModelCase):
    """Who comes and goes."""

    def come(self, nick: str, new: str = "") -> None:
        """Let somebody come, or have another nick."""
        self.model.came_or_went("lobby", nick, f"{nick} is now {new}" if new else f"{nick} has come", new=new)

    def test_smart(self) -> None:
        """Only of those who have spoken lately."""
        self.come("bob")
        self.hear("hi", "bob")
        self.come("bob")
        self.come("eve")
        self.assertEqual(self.said(), ["bob: hi", "bob has come"])
        self.now += LATELY_SECONDS + 1
        self.come("bob")
        self.assertEqual(len(self.said()), 2)

    def test_renamed(self) -> None:
        """Who has spoken is known by the new nick."""
        self.hear("hi", "bob")
        self.come("bob", "rob")
        self.come("rob")
        self.assertEqual(self.said()[1:], ["bob is now rob", "rob has come"])

    def test_all_and_none(self) -> None:
        """Or of everybody, or of nobody."""
        self.settings.set("joins all")
        self.come("eve")
        self.settings.set("joins none")
        self.hear("hi", "bob")
        self.come("bob")
        self.assertEqual(self.said(), ["eve has come", "bob: hi"])

    def test_no_news(self) -> None:
        """That somebody comes makes nothing unread."""
        self.settings.set("joins all")
        self.model.came_or_went("dev", "bob", "bob has come")
        self.assertEqual(self.model.windows.unread, (0, 0))


class Calls(ModelCase):
    """What calls a person to the terminal."""

    def called(self) -> list[Call]:
        """Give the calls, and forget them."""
        calls = list(self.model.calls)
        self.model.calls.clear()
        return calls

    def test_mentions(self) -> None:
        """Unless it is set otherwise: when somebody means us, or speaks to us alone."""
        self.hear("hello")
        self.hear("I am ann", "ann")
        self.assertEqual(self.called(), [])
        self.hear("hello ann")
        self.hear("psst", "bob", "@bob")
        self.assertEqual(self.called(), [Call(True, "bob in lobby", "hello ann"), Call(True, "bob", "psst")])

    def test_an_impostor(self) -> None:
        """Who is called as we are and has shown no key is somebody else."""
        self.hear("I am ann", "~ann")
        self.assertEqual(len(self.called()), 1)

    def test_settings(self) -> None:
        """The bell and notifications have settings of their own."""
        self.settings.set("bell all")
        self.settings.set("notify off")
        self.hear("hello")
        self.hear("hello ann")
        self.assertEqual(self.called(), [Call(True, "", "hello"), Call(True, "", "hello ann")])
        self.settings.set("bell off")
        self.hear("hello ann")
        self.assertEqual(self.called(), [])

    def test_the_past(self) -> None:
        """What was said before we came calls nobody, but names us all the same."""
        self.hear("newer", seq=9)
        self.model.older(heard("hello ann", seq=8))
        self.assertEqual((self.called(), self.said()), ([], ["bob: hello ann", "bob: newer"]))
        self.assertTrue(self.model.windows.current.scrollback.lines[0].is_mention)


class Scrolling(ModelCase):
    """Going up, further than there is anything."""

    def test_the_rest_of_the_way(self) -> None:
        """Who scrolls above what is there gets there when it has come, and no further."""
        for number in range(10, 20):
            self.hear(f"{number}", seq=number)
        self.screen(79, 10)  # seven rows of talk
        self.assertTrue(self.model.scroll(-1))
        self.assertEqual(self.shown(), [10, 16])
        for number in reversed(range(10)):
            self.model.older(heard(f"{number}", seq=number + 1))
        self.assertEqual(self.shown(), [7, 13])
        self.assertFalse(self.model.scroll(-1))
        self.assertEqual(self.shown(), [1, 7])
        self.model.to_end()
        self.assertEqual(self.shown(), [13, 19])

    def test_another_wish(self) -> None:
        """Who has gone back to the newest line meanwhile stays there."""
        for number in range(10, 20):
            self.hear(f"{number}", seq=number)
        self.screen(79, 10)
        self.model.scroll(-2)
        self.model.to_end()
        self.model.older(heard("9", seq=9))
        self.assertEqual(self.shown(), [13, 19])

    def shown(self) -> list[int]:
        """Give the first and the last of the lines on the screen."""
        numbers = [int(row.rpartition(" ")[2]) for row in self.screen(79, 10)[1:-1] if row]
        return [numbers[0], numbers[-1]]


class Orders(ModelCase):
    """What the screen does by itself."""

    def obeyed(self, line: str) -> list[str]:
        """Give what is told because of a line."""
        back = self.model.windows.current.scrollback
        before = len(back)
        name, _, argument = line[1:].partition(" ")
        if name == "search":
            search(argument.strip(), self.model)
        else:
            obey(AtScreen(name, argument), self.model)
        return [line.text for line in back.lines[before:]]

    def test_search(self) -> None:
        """The lines of this window with these words, capitals or not, with their times, the newest last."""
        self.hear("Tea is ready", seq=1)
        self.hear("coffee", seq=2)
        self.hear("no tea for me", "eve", seq=3)
        self.hear("tea elsewhere", window="dev", seq=4)
        self.assertEqual(
            self.obeyed("/search  tea"),
            ["2 of the lines here with 'tea':", f"{TIME} bob: Tea is ready", f"{TIME} eve: no tea for me"],
        )
        self.assertEqual(self.obeyed("/search milk"), ["nothing that is shown here has 'milk' in it"])
        self.assertEqual(self.obeyed("/search"), ["/search: what for? Like this: /search tea"])

    def test_a_long_search(self) -> None:
        """Of many the last ones are shown."""
        for number in range(FOUND + 5):
            self.hear(f"tea {number}", seq=number + 1)
        found = self.obeyed("/search tea")
        self.assertEqual(found[0], f"{FOUND + 5} of the lines here with 'tea', the last {FOUND}:")
        self.assertEqual((len(found), found[-1]), (FOUND + 1, f"{TIME} bob: tea {FOUND + 4}"))

    def test_set(self) -> None:
        """A setting is set, or what is wrong with it told."""
        self.assertEqual(self.obeyed("/set theme light"), ["theme is light (dark, light, mono): the colours"])
        self.assertEqual(self.obeyed("/set theme pink"), ["theme is one of dark, light, mono"])

    def test_clear(self) -> None:
        """The window is empty."""
        self.hear()
        self.assertEqual(self.obeyed("/clear"), [])
        self.assertEqual(self.said(), [])

    def test_close(self) -> None:
        """The window is closed, and the one before is seen."""
        self.model.windows.open("@bob")
        self.model.show("@bob")
        self.obeyed("/close")
        self.assertEqual([window.name for window in self.model.windows], ["lobby"])

    def test_net(self) -> None:
        """The line about the network, in words."""
        self.model.network = lambda: Network("silent", 9.0, "no answer", 0.04, 30, 10, 9.0)
        self.model.said(1, "lobby", "hello")
        self.assertEqual(
            self.obeyed("/net"),
            [
                "chat.example:6789: no answer for 9 s (no answer)",
                "round trip: 40 ms, smoothed over the last answers",
                "loss: 25%: of late 10 repeats for 30 questions; all is repeated until it has its answer",
                "last heard: 9 s ago; while nothing is said we ask every 6 s",
                "pending: 1 text waits to be accepted, and will be said once",
            ],
        )
