"""Tests of which window what happens goes to, and in which words."""

from __future__ import annotations

from chat.client.happenings import FirstContact
from chat.client.screen.scrollback import Look
from chat.client.screen.tell import Teller
from chat.messages import Change, Entry, Joined, Kind, Presence, Turnover
from chat.notices import Notice, Redacted
from chat.wire.events import Appeared, Happened, InRoom, OutOfRoom, RosterChanged
from chat.wire.sequence import Earlier, Lost, NotKept
from tests.screen_support import AT, ModelCase

OWN_LOG = "@qhu2tjlzbsxq34mkhg7ayofwve"


def entry(
    text: str = "hi", room: str = "lobby", nick: str = "bob", seq: int = 1, kind: Kind = Kind.SAY
) -> Entry:
    """Give an entry of somebody who has shown a key."""
    return Entry(room, seq, 1, AT, kind, nick, verified=True, text=text)


class TellerTests(ModelCase):
    """Somebody called ann is told."""

    def setUp(self) -> None:
        """Begin."""
        super().setUp()
        self.teller = Teller(self.model)

    def appear(self, said: Entry) -> None:
        """Let an entry appear."""
        self.teller.happened(Appeared(said.room, said))

    def windows(self) -> list[str]:
        """Name the windows."""
        return [window.name for window in self.model.windows]

    def test_entries(self) -> None:
        """What is said goes to its room's window, in the words that it has everywhere."""
        self.appear(entry("hello"))
        self.appear(Entry("dev", 2, 1, AT, Kind.ME, "eve", verified=False, text="waves"))
        self.assertEqual((self.said(), self.said("dev")), (["bob: hello"], ["* ~eve waves"]))
        (line,) = self.model.windows.open("dev").scrollback.lines
        self.assertEqual((line.nick, line.look, line.seq, line.at), ("~eve", Look.ACTION, 2, AT))

    def test_to_us_alone(self) -> None:
        """What is said to us alone goes to the window of who has said it."""
        self.appear(entry("psst", OWN_LOG))
        self.assertEqual(self.said("@bob"), ["bob -> you: psst"])
        self.assertEqual(self.windows(), ["lobby", "@bob"])

    def test_earlier(self) -> None:
        """What was said before goes above the rest."""
        self.appear(entry("newest", seq=9))
        for seq in (8, 7):
            self.teller.happened(Appeared("lobby", Earlier(entry(f"number {seq}", seq=seq))))
        self.assertEqual(self.said(), ["bob: number 7", "bob: number 8", "bob: newest"])

    def test_gaps(self) -> None:
        """Where something is missing there is a mark, where it is missing."""
        self.appear(entry())
        self.teller.happened(Appeared("lobby", Lost(1, 5)))
        self.teller.happened(Appeared("dev", NotKept(5)))
        self.teller.happened(Appeared(OWN_LOG, NotKept(5)))
        self.assertEqual(
            self.said(),
            [
                "bob: hi",
                "-- something was lost here --",
                "-- what was said to you alone before is not kept any more --",
            ],
        )
        self.assertEqual(self.said("dev"), ["-- what was said before is not kept any more --"])
        self.assertIs(self.model.windows.current.scrollback.lines[1].look, Look.GAP)

    def test_topics(self) -> None:
        """A room's topic is the one that it has when we come in, or that somebody makes."""
        self.teller.happened(InRoom(Joined(1, "dev", 9, 0, "tea", 0, 1)))
        self.teller.happened(InRoom(Joined(1, OWN_LOG, 9, 0, "", 0, 1)))
        self.assertEqual(self.windows(), ["lobby", "dev"])
        self.assertEqual(self.model.windows.open("dev").topic, "tea")
        self.appear(entry("coffee", "dev", kind=Kind.TOPIC))
        self.assertEqual(self.model.windows.open("dev").topic, "coffee")
        self.assertEqual(self.said("dev"), ["* bob set the topic: coffee"])

    def test_out_of_a_room(self) -> None:
        """Why we are in a room no more stands in its window; where we never were there is none."""
        self.teller.happened(InRoom(Joined(1, "dev", 9, 0, "", 0, 1)))
        self.teller.happened(OutOfRoom("dev", "KICKED", "bob has put you out"))
        self.model.windows.open("ops")
        self.teller.happened(OutOfRoom("ops", "BANNED", "you may not come in"))
        self.assertEqual(self.said("dev"), ["-- you are out of dev: bob has put you out --"])
        self.assertTrue(self.model.windows.open("dev").is_left)
        self.assertEqual(self.windows(), ["lobby", "dev"])
        self.assertEqual(self.said(), ["-- you are out of ops: you may not come in --"])

    def test_presence(self) -> None:
        """Who comes, goes and is called otherwise, in the words that it has everywhere."""
        self.settings.set("joins all")
        for change, new in (
            (Change.JOINED, ""),
            (Change.RENAMED, "rob"),
            (Change.LEFT, ""),
            (Change.AWAY, ""),
        ):
            told = Presence("dev", "bob", verified=False, change=change, new_nick=new)
            self.teller.happened(Happened(told))
        self.assertEqual(self.said("dev"), ["~bob has joined dev", "~bob is now ~rob", "~bob has left dev"])

    def test_crowds(self) -> None:
        """How many come and go is told to those who want to know of everybody."""
        turnover = Turnover("dev", 3, 1, 0, 4711, 1)
        self.teller.happened(turnover)
        self.assertEqual(self.said("dev"), [])
        self.settings.set("joins all")
        self.teller.happened(turnover)
        self.assertEqual(self.said("dev"), ["* dev: 3 joined, 1 left"])

    def test_the_server(self) -> None:
        """Words of the server, in the room that they are about; and its key."""
        self.teller.happened(Notice("going down at noon"))
        self.teller.happened(Notice("be kind", "dev"))
        self.teller.happened(FirstContact("chat.example:6789", bytes(32)))
        self.assertEqual(self.said("dev"), ["-!- be kind"])
        self.assertEqual(self.said()[0], "-!- going down at noon")
        self.assertIn("new server chat.example:6789", self.said()[1])

    def test_redacted(self) -> None:
        """What was taken away is not there any more, and that is told."""
        self.appear(entry("a secret", seq=7))
        self.teller.happened(Redacted("lobby", 7, "bob"))
        self.assertEqual(self.said()[0], "bob: (redacted)")
        self.assertEqual(len(self.said()), 2)
        self.assertNotIn("secret", "".join(self.said()))

    def test_the_rest(self) -> None:
        """What is shown in another way makes no line."""
        self.teller.happened(RosterChanged("lobby"))
        self.assertEqual(self.said(), [])

    def test_a_hostile_server(self) -> None:
        """Nothing that came from a server can do anything to a terminal."""
        bad = "\x1b]0;x\x07\x9b31m\u202e"
        self.teller.happened(InRoom(Joined(1, "dev", 9, 0, f"tea{bad}", 0, 1)))
        self.appear(entry(f"hello{bad}", "dev", f"bob{bad}"))
        self.appear(entry(f"hello{bad}", OWN_LOG, f"bob{bad}"))
        self.teller.happened(Happened(Presence("dev", f"bob{bad}", False, Change.RENAMED, 1, f"rob{bad}")))
        self.settings.set("notify all")
        self.appear(entry(f"hello{bad}", "dev", f"bob{bad}"))
        for columns in (40, 120):
            for name in self.windows():
                self.model.show(name)
                shown = "".join(self.screen(columns, 10))
                self.assertTrue(shown.replace("│", "").isprintable(), ascii(shown))
        for call in self.model.calls:
            self.assertTrue((call.summary + call.text).isprintable())
