"""Tests of `chat.hub.about`: who is away, who somebody is, and who has been shown what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from chat.fields import CROWD
from chat.fingerprints import show_fingerprint
from chat.hub.effects import Send
from chat.hub.hub import Hub
from chat.hub.members import TOLD_AWAY
from chat.hub.rooms import RECENT
from chat.memos import Memos
from chat.messages import (
    LOBBY,
    Accepted,
    Bye,
    Change,
    Done,
    Entry,
    Join,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Presence,
    Rejected,
    Release,
    ShownUpTo,
)
from chat.notices import Notice
from chat.orders import Order
from chat.stored import Heads, RoomHeads
from chat.wire.roster import Roster
from tests.hub_support import ANN, BOB, DEN, START, HubTests, hello, only, refusal, say
from tests.reading_support import KEYS, Chat, log_of


class AboutTests(SynchronousTestCase):
    """Ann and bob have keys, kim and pat have none, and pat speaks text."""

    def setUp(self) -> None:
        """Let all come in."""
        self.chat = Chat()
        for name in ("ann", "bob", "kim", "pat"):
            self.chat.enter(name, LOBBY)

    def line(
        self, name: str, verb: str, room: str = "", target: str = "", text: str = "", number: int = 0
    ) -> str:
        """Give the one answer in words, or the code of the refusal."""
        told = self.chat.ask(name, Order(7, verb, room, target, text, number))
        (answer,) = [each for each in told if isinstance(each, Done | Rejected)]
        return str(answer.result) if isinstance(answer, Done) else str(answer.code)

    def presences(self, name: str) -> list[tuple[str, Change]]:
        """Give what somebody was told of others being away or back."""
        told = [each for each in self.chat.told[name] if isinstance(each, Presence)]
        return [(each.nick, each.change) for each in told if each.change in (Change.AWAY, Change.BACK)]

    def notices(self, name: str) -> list[str]:
        """Give what the server has said to somebody by itself."""
        return [each.text for each in self.chat.told[name] if isinstance(each, Notice)]

    def is_away(self, nick: str) -> bool:
        """Say whether somebody is away in the roster."""
        (page,) = [each.result for each in self.chat.ask("ann", Names(5, LOBBY)) if isinstance(each, Done)]
        assert isinstance(page, NamesPage)
        return next(line.away for line in page.nicks if line.nick == nick)


class AwayTests(AboutTests):
    """`away` and `back`."""

    def test_away_and_back(self) -> None:
        """Rooms are told once each way; what is said meanwhile changes nothing."""
        for name in ("bob", "pat"):
            self.assertEqual(
                self.line(name, "away", text="at tea"), "you are away: at tea (/back when you are here again)"
            )
            self.assertEqual(self.line(name, "away"), "you are away (/back when you are here again)")
            self.chat.say(name, LOBBY, "still here")
            self.assertTrue(self.is_away(name))
            self.assertEqual(self.line(name, "back"), "you are back")
            self.assertEqual(self.line(name, "back"), "you are not away")
            self.assertFalse(self.is_away(name))
        changes = [(name, change) for name in ("bob", "pat") for change in (Change.AWAY, Change.BACK)]
        self.assertEqual(self.presences("ann"), changes)

    def test_who_writes_is_told_once(self) -> None:
        """Each time that somebody is away, whoever writes to them alone hears why."""
        for name in ("bob", "pat"):
            self.line(name, "away", text="at tea")
            for text in ("one", "two"):
                self.assertTrue(
                    any(isinstance(each, Accepted) for each in self.chat.say("ann", f"@{name}", text))
                )
            self.assertEqual(self.notices("ann").count(f"{name} is away: at tea"), 1)
            self.line(name, "away")
            self.chat.say("ann", f"@{name}", "three")
            self.assertEqual(self.notices("ann")[-1], f"{name} is away")
            self.line(name, "back")
            self.chat.say("ann", f"@{name}", "four")
        self.assertEqual(len(self.notices("ann")), 4)
        self.line("bob", "away")
        self.chat.say("bob", "@bob", "to myself")
        self.chat.say("ann", LOBBY, "to all")
        self.assertEqual((self.notices("bob"), len(self.notices("ann"))), ([], 4))

    def test_so_many_are_told(self) -> None:
        """Of thousands who write to somebody who is away so many hear of it, and the rest nothing."""
        self.line("bob", "away")
        for number in range(TOLD_AWAY + 1):
            self.chat.enter(f"k{number}", DEN)
            self.chat.say(f"k{number}", "@bob", "hi")
            self.assertEqual(len(self.notices(f"k{number}")), int(number < TOLD_AWAY))

    def test_it_is_remembered(self) -> None:
        """Through a restart, and a change of nick."""
        self.line("bob", "away", text="at tea")
        self.chat.ask("bob", Nick(8, "rob"))
        self.chat = Chat(self.chat)
        self.assertTrue(self.is_away("rob"))
        self.chat.say("ann", "@rob", "hi")
        self.assertEqual(self.notices("ann"), ["rob is away: at tea"])

    def test_elsewhere_and_under_another_nick(self) -> None:
        """Who is away is away there, too, and rosters that are kept show it: they are told once more."""
        self.chat.ask("ann", Join(1, DEN))
        self.line("bob", "away")
        self.chat.told["ann"].clear()
        self.chat.ask("bob", Join(2, DEN), Nick(3, "rob"))
        roster = Roster()
        roster.restart(0, START)
        roster.due(START)
        self.assertTrue(roster.page("", NamesPage(DEN, (), 0, more=False, version=0), START))
        told = [each for each in self.chat.told["ann"] if isinstance(each, Presence) and each.room == DEN]
        base = told[0].version - 1
        for each in told:
            roster.take(replace(each, version=each.version - base), START)
        self.assertEqual([(line.nick, line.away) for line in roster.lines.values()], [("rob", True)])


class SilenceTests(HubTests):
    """Who is silent, and says that it is away."""

    def test_both(self) -> None:
        """Silence is no news of who is away, nor is the end of it."""
        self.hub.recall(Memos(), self.now, 1_000_000.0)
        self.ask(ANN, Order(7, "away"))
        self.now += 61
        self.ask(BOB, Ping(8, 1))
        self.assertEqual(self.hub.expire(self.now), [])
        self.assertEqual(len(self.ask(ANN, Ping(8, 1))), 1)
        told = self.ask(ANN, Order(9, "back"))
        self.assertEqual(len(told), 2)


class WhoisTests(AboutTests):
    """`whois`."""

    def test_somebody_with_a_key(self) -> None:
        """The key, whose the nick is, since when, the rooms that one may know of, and which one operates."""
        self.chat.ask("bob", Join(3, DEN), Join(3, "attic"), Order(4, "mode", "attic", "+i"))
        key = show_fingerprint(KEYS["bob"])
        lines = [
            f"bob is verified by the key {key}, the nick is theirs",
            "here for 0 s, idle for 0 s, by udpchat",
            f"in @{DEN}, {LOBBY}",
        ]
        self.assertEqual(self.line("kim", "whois", target="BOB"), "\n".join(lines))
        lines[2] = f"in @attic, @{DEN}, {LOBBY}"
        self.assertEqual(self.line("bob", "whois", target="bob"), "\n".join(lines))
        self.chat.ask("bob", Release(8))
        self.assertIn("the nick is nobody's", self.line("kim", "whois", target="bob"))

    def test_somebody_without_one(self) -> None:
        """Anybody may be called so; in text, away, in no room."""
        self.chat.ask("pat", Part(3, LOBBY), Order(4, "away", text="at tea"))
        lines = [
            "~pat is not verified: anybody may be called so",
            "here for 0 s, idle for 0 s, in text",
            "away: at tea",
            "in no room",
        ]
        self.assertEqual(self.line("ann", "whois", target="pat").splitlines(), lines)
        self.chat.ask("pat", Order(4, "away"))
        self.assertIn("\naway\n", self.line("ann", "whois", target="pat"))

    def test_somebody_elsewhere(self) -> None:
        """Who is not here may own the nick all the same; nobody's is refused."""
        self.chat.ask("bob", Bye())
        told = "bob is not here; the nick is somebody's, who had it 0 s ago"
        self.assertEqual(self.line("ann", "whois", target="bob"), told)
        self.assertEqual(self.line("ann", "whois", target="zoe"), "NO_SUCH_NICK")

    def test_somebody_silent(self) -> None:
        """Who is not heard does not answer; how long that is counts from what was asked last."""
        for name in ("ann", "kim"):
            self.chat.perform(self.chat.hub.apply(name.encode().ljust(16, b"."), Ping(5, 1), START + 100.0))
        self.chat.perform(self.chat.hub.expire(START + 100.0))
        told = self.chat.hub.apply(b"ann".ljust(16, b"."), Order(7, "whois", target="bob"), START + 100.0)
        text = str(told)
        self.assertIn("idle for 1 min 40 s", text)
        self.assertIn("away: does not answer", text)

    def test_to_an_operator_of_the_server(self) -> None:
        """The address is told to nobody else."""
        self.chat.hub = Hub(operators=[KEYS["ann"]])
        for name in ("ann", "bob"):
            self.chat.enter(name, LOBBY)
        self.assertTrue(self.line("ann", "whois", target="bob").endswith("\nspeaks from nowhere now"))
        self.assertNotIn("speaks", self.line("bob", "whois", target="ann"))


class SeenTests(AboutTests):
    """`seen`."""

    def setUp(self) -> None:
        """Let somebody say something, and see where it is."""
        super().setUp()
        self.positions = [self.say("one"), self.say("two"), self.say("three")]

    def say(self, text: str) -> int:
        """Let ann say something, and give its position."""
        return next(each.seq for each in self.chat.say("ann", LOBBY, text) if isinstance(each, Accepted))

    def show(self, name: str, seq: int, room: str = LOBBY) -> None:
        """Let a client tell that it has shown a room up to a position."""
        self.chat.ask(name, Ping(9, 1, (ShownUpTo(room, seq),)))

    def test_whom_it_was_shown_to(self) -> None:
        """Who told so, who got text and who did not yet; of who came later nothing is said."""
        one, two, three = self.positions
        self.show("bob", two)
        self.show("kim", three)
        self.show("kim", one)
        self.chat.enter("eve", LOBBY)
        self.show("eve", three)
        self.chat.ask("bob", Order(8, "away"))
        later = "1 came later, or it is not known"
        told = f"shown to 1: ~kim; sent as text to 1: ~pat; not yet to 1: bob (away); {later}"
        self.assertEqual(self.line("ann", "seen", LOBBY), told)
        self.assertEqual(self.line("ann", "seen", LOBBY, number=1), told)
        self.assertEqual(self.line("ann", "seen", LOBBY, number=three), told)
        told = f"shown to 2: bob (away), ~kim; sent as text to 1: ~pat; {later}"
        self.assertEqual(self.line("ann", "seen", LOBBY, number=2), told)
        self.assertEqual(self.line("ann", "seen", LOBBY, number=two), told)

    def test_nothing_is_believed_of_what_is_to_come(self) -> None:
        """A client that says it has shown what nobody has said yet has shown what there is."""
        self.show("bob", 1 << 53)
        self.assertIn("shown to 1: bob", self.line("ann", "seen", LOBBY))
        self.say("four")
        self.assertIn("not yet to 2: bob, ~kim", self.line("ann", "seen", LOBBY))

    def test_who_left_and_came(self) -> None:
        """Nothing of an earlier stay counts."""
        self.show("bob", self.positions[-1])
        self.chat.ask("bob", Part(8, LOBBY), Join(9, LOBBY))
        self.show("bob", self.positions[-1])
        self.assertNotIn("bob", self.line("ann", "seen", LOBBY))

    def test_who_came_in_twice(self) -> None:
        """Whose first answer may be lost has shown nothing from before the second; who told so has."""
        self.show("bob", self.positions[1])
        for name in ("bob", "kim", "pat"):
            self.chat.ask(name, Join(9, LOBBY))
            self.show(name, self.positions[-1])
        told = "shown to 1: bob; sent as text to 1: ~pat; 1 came later, or it is not known"
        self.assertEqual(self.line("ann", "seen", LOBBY), told)

    def test_after_a_restart(self) -> None:
        """Nothing is told of what was said before, which may be lost; what comes then is told as ever."""
        self.show("bob", self.positions[-1])
        self.chat = Chat(self.chat)
        for number in (0, self.positions[-1]):
            self.assertEqual(self.line("ann", "seen", LOBBY, number=number), "NO_SUCH_ENTRY")
        self.show("bob", self.say("four"))
        self.assertIn("shown to 1: bob", self.line("ann", "seen", LOBBY))

    def test_what_there_is_not(self) -> None:
        """Nothing said, too long ago, a position that is none or in no room of one's own."""
        self.chat.ask("ann", Join(8, DEN))
        self.assertEqual(self.line("ann", "seen", DEN), "NO_SUCH_ENTRY")
        for number in (4, RECENT, RECENT + 1, 1_000_000, self.positions[-1] + 1):
            self.assertEqual(self.line("ann", "seen", LOBBY, number=number), "NO_SUCH_ENTRY")
        self.assertEqual(self.line("bob", "seen", DEN), "NOT_IN_ROOM")
        self.assertEqual(self.line("ann", "seen", log_of("ann")), "NO_SUCH_ROOM")

    def test_alone(self) -> None:
        """Where nobody else is, that is the answer."""
        self.chat.ask("ann", Join(8, DEN))
        self.chat.say("ann", DEN, "hello?")
        self.assertEqual(self.line("ann", "seen", DEN), f"nobody else is in {DEN}")

    def test_many(self) -> None:
        """Names as far as they fit, and in a large room only how many; an answer has a limit."""
        for number in range(20):
            self.chat.enter(f"k{number}", LOBBY, nick=f"{number:02}" + "é" * 22)
        self.say("four")
        told = self.line("ann", "seen", LOBBY)
        self.assertIn("not yet to 22: ", told)
        self.assertIn(" more; ", told.replace("not yet", "; not yet") + "; ")
        self.assertLess(len(told.encode()), 1_024)
        for number in range(20, CROWD):
            self.chat.enter(f"k{number}", LOBBY)
        later = f"{CROWD - 20} came later, or it is not known"
        self.assertEqual(self.line("ann", "seen", LOBBY), f"sent as text to 1; not yet to 22; {later}")


class LostTailTests(HubTests):
    """A server that was started again with less than it had."""

    def test_what_was_lost(self) -> None:
        """Nobody is said to have been shown what stood between the newest that was kept and the new run."""
        self.hub = Hub()
        self.hub.restore(Heads(2_000_000, {LOBBY: RoomHeads(0, 1_000_005)}))
        self.enter("ann", ANN)
        self.enter("Bob", BOB)
        self.seq = 2_000_000
        self.store(self.unknown(self.ask(ANN, say(1))))
        self.ask(BOB, Ping(7, 1, (ShownUpTo(LOBBY, 2_000_001),)))
        told = only(self.ask(ANN, Order(8, "seen", LOBBY, number=2_000_001)), Send).message
        self.assertEqual(told, Done(8, "shown to 1: ~Bob"))
        lost = self.ask(ANN, Order(9, "seen", LOBBY, number=1_000_009))
        self.assertEqual(refusal(lost), (9, "NO_SUCH_ENTRY", 0.0))


NAMES = ("bob", "kim", "eve")
STEPS = st.lists(
    st.tuples(st.sampled_from(["say", "show", "part", "join", "bye"]), st.sampled_from(NAMES)), max_size=30
)


class SeenLawTests(AboutTests):
    """Whatever happens, nobody is said to have been shown what they were not."""

    @given(STEPS)
    def test_never_what_was_not_shown(self, steps: list[tuple[str, str]]) -> None:
        """A client shows what it is told, now and then, in the rooms that it is in, and says how far."""
        self.setUp()
        has_shown: dict[str, set[int]] = {name: set() for name in NAMES}
        for what, name in steps:
            self.step(what, name, has_shown[name])
            entries = [each.seq for each in self.chat.told["ann"] if isinstance(each, Entry)]
            for back, seq in enumerate(reversed(entries), 1):
                told = self.line("ann", "seen", LOBBY, number=back).partition(";")[0]
                shown = told.partition(": ")[2] if told.startswith("shown") else ""
                for each in NAMES:
                    self.assertTrue(each not in shown or seq in has_shown[each], (each, told))

    def step(self, what: str, name: str, has_shown: set[int]) -> None:
        """Let somebody do something."""
        match what:
            case "say":
                self.chat.say("ann", LOBBY, "hi")
            case "show":
                got = [each.seq for each in self.chat.told[name] if isinstance(each, Entry)]
                has_shown.update(got)
                self.chat.ask(name, Ping(9, 1, (ShownUpTo(LOBBY, max(got, default=0)),)))
            case "part":
                self.chat.ask(name, Part(8, LOBBY))
            case "bye":
                self.chat.ask(name, Bye())
                self.chat.told[name].clear()
                has_shown.clear()  # another program, which has shown nothing yet
            case _:
                self.chat.ask(name, hello(name, name.encode().ljust(16, b".")), Join(8, LOBBY))
