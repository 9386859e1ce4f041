"""Tests of `chat.wire.affairs` and `chat.wire.ignored`: what a door does by itself, and who is left out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.commands import Asker, help_lines
from chat.errors import RequestRejected
from chat.local import AtScreen, Help, Ignore, Lag, SayBack, Switch, Unignore
from chat.messages import LOBBY, Change, Entry, Join, Kind, Presence, Say
from chat.wire.affairs import Affairs
from chat.wire.ignored import LIST_BYTES, MOST_IGNORED, Ignored
from chat.wire.places import Places

ALONE = "@" + "a" * 26  # a log of direct messages


def said(nick: str, room: str = LOBBY, kind: Kind = Kind.SAY) -> Entry:
    """Give something that somebody has said."""
    return Entry(room, 8, 1, 0, kind, nick, verified=False, text="hi")


def presence(nick: str, change: Change, new_nick: str = "") -> Presence:
    """Give what a room is told of somebody."""
    return Presence(LOBBY, nick, verified=False, change=change, version=3, new_nick=new_nick)


class IgnoredTests(SynchronousTestCase):
    """Who is left out, and with what."""

    def test_what_is_left_out(self) -> None:
        """What the person says and does, in rooms and to one alone, however the nick is written."""
        ignored = Ignored(["Bob"])
        for hidden in (said("bob"), said("BOB", kind=Kind.ME), said("\uff22ob", room=ALONE)):
            self.assertTrue(ignored.hides(hidden))
        self.assertTrue(ignored.hides(said("bob"), "bob"))
        for shown in (said("ann"), said("bobby"), said("bob", kind=Kind.TOPIC)):
            self.assertFalse(ignored.hides(shown))
        self.assertFalse(Ignored().hides(said("bob")))

    def test_the_list(self) -> None:
        """Each nick once, in order; taking one out says whether it was in."""
        ignored = Ignored()
        self.assertFalse(ignored)
        for nick in ("Bob", "eve", "BOB"):
            ignored.add(nick)
        self.assertEqual((ignored.nicks, len(ignored)), (("BOB", "eve"), 2))
        self.assertTrue(ignored.remove("bob"))
        self.assertFalse(ignored.remove("bob"))
        self.assertEqual(ignored.nicks, ("eve",))

    def test_the_most(self) -> None:
        """A hundred and no more; one that is in may be named again, and who is renamed is not followed."""
        ignored = Ignored(f"bob{number}" for number in range(MOST_IGNORED))
        self.assertEqual(self.assertRaises(RequestRejected, ignored.add, "eve").code, "IGNORE_LIMIT")
        ignored.add("BOB0")
        ignored.follow(presence("bob0", Change.RENAMED, "rob"))
        self.assertEqual(len(ignored), MOST_IGNORED)
        self.assertFalse(ignored.hides(said("rob")))

    def test_another_nick(self) -> None:
        """Who takes another nick is left out under both; other news change nothing."""
        ignored = Ignored(["bob"])
        for news in (
            presence("bob", Change.LEFT),
            presence("eve", Change.RENAMED, "ann"),
            presence("Bob", Change.RENAMED, "Rob"),
        ):
            ignored.follow(news)
        self.assertEqual(ignored.nicks, ("bob", "Rob"))

    def test_lines(self) -> None:
        """All are named, in lines that fit a datagram."""
        self.assertEqual(Ignored(["bob", "eve"]).lines(), ["you leave out: bob eve"])
        self.assertIn("/ignore bob", Ignored().lines()[0])
        nicks = [f"{number:03}" + "é" * 21 for number in range(MOST_IGNORED)]
        lines = Ignored(nicks).lines()
        self.assertEqual(" ".join(lines).split()[3:], nicks)
        self.assertLessEqual(max(len(line.encode()) for line in lines), LIST_BYTES + 1)


class AffairsTests(SynchronousTestCase):
    """What is done without asking anybody."""

    def setUp(self) -> None:
        """Be in the lobby and in dev."""
        self.places = Places()
        for room in (LOBBY, "dev"):
            self.places.move(Join(1, room))
        self.affairs = Affairs(self.places, Asker())

    def test_who_is_answered(self) -> None:
        """Who said something to us alone last, and is not ignored; before that, nobody."""
        refusal = self.assertRaises(RequestRejected, self.affairs.say_back, SayBack("hi"))
        self.assertEqual(refusal.code, "NO_SUCH_NICK")
        self.affairs.ignored.add("mallory")
        for entry, is_shown in (
            (said("bob", ALONE), True),
            (said("eve", "@"), True),
            (said("ann"), True),
            (said("mallory", ALONE), False),
        ):
            self.assertEqual(self.affairs.takes(entry), is_shown)
        self.assertEqual(self.affairs.say_back(SayBack("hi")), Say(0, 0, "@eve", Kind.SAY, "hi"))

    def test_what_is_told(self) -> None:
        """Each has its answer; help is for who asks."""
        self.assertEqual(self.affairs.do(Help("link"), "ann"), help_lines(Asker(), "link"))
        self.affairs.asker = Asker(has_key=True)
        self.assertEqual(self.affairs.do(Help(""), "ann"), help_lines(Asker(has_key=True)))
        self.assertEqual(self.affairs.do(Switch(LOBBY), "ann"), [f"you are in {LOBBY}"])
        self.assertEqual(self.places.current, LOBBY)
        self.assertIn("bob is left out no longer", self.ignoring("bob"))
        self.assertEqual(self.affairs.do(Unignore("bob"), "ann"), ["bob was not left out"])
        self.assertIn("/ping", self.affairs.do(Lag(), "ann")[0])
        self.assertEqual(
            self.affairs.do(AtScreen("net", ""), "ann"), ["/net works on the full screen of udpchat only"]
        )
        self.assertRaises(TypeError, self.affairs.do, SayBack("hi"), "ann")

    def ignoring(self, nick: str) -> list[str]:
        """Ignore somebody, ask who is ignored, and end it; give the last answer."""
        told = self.affairs.do(Ignore(nick), "ann")
        self.assertEqual(told, [f"what {nick} says is left out from now on: /unignore {nick}"])
        self.assertEqual(self.affairs.do(Ignore(""), "ann"), [f"you leave out: {nick}"])
        return self.affairs.do(Unignore(nick), "ann")

    def test_what_is_refused(self) -> None:
        """Oneself is not ignored, and a room that one is not in has to be joined first."""
        refusal = self.assertRaises(RequestRejected, self.affairs.do, Ignore("\uff21nn"), "ann")
        self.assertEqual(refusal.code, "ARGUMENT_INVALID")
        refusal = self.assertRaises(RequestRejected, self.affairs.do, Switch("ops"), "ann")
        self.assertEqual((refusal.code, refusal.text), ("NOT_IN_ROOM", "you are not in ops: /join ops"))
        self.assertEqual(self.places.current, "dev")
