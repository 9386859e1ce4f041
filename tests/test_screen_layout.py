"""Tests of what stands where on a screen: screens as people see them, written out."""

from __future__ import annotations

from chat.client.screen.layout import Member
from chat.client.screen.network import Network
from chat.client.screen.scrollback import Look
from chat.client.screen.text import Row
from chat.client.screen.theme import colours, nick_style
from tests.screen_support import AT, TIME, ModelCase

SIZES = ((40, 10), (41, 11), (79, 24), (80, 24), (99, 30), (100, 30), (120, 40), (300, 100))


class LayoutTests(ModelCase):
    """Screens of several sizes."""

    def setUp(self) -> None:
        """Let ann be connected, and have said hello."""
        super().setUp()
        self.network = Network("connected", 12.0, "", 0.023, 50, 0, 1.0)
        self.model.network = lambda: self.network
        self.model.members = lambda room: None if room.startswith("@") else self.members
        self.members = [Member("ann"), Member("~bob"), Member("eve", is_away=True)]
        self.hear("hello", "ann", seq=1)

    def styles(self, columns: int, rows: int, word: str) -> list[str]:
        """Give the styles of the pieces of the screen that are just this word."""
        pieces = [piece for row in self.model.rows(columns, rows) for piece in row]
        return [style for style, text in pieces if text.strip() == word]

    def test_small(self) -> None:
        """40 x 10: the topic, what is said, and how things stand. One room needs no list."""
        self.model.windows.current.topic = "tea, and how to make it properly for everybody"
        self.hear("hi ann, did you see the game yesterday evening?", "~bob", seq=2)
        self.assertEqual(
            self.screen(40, 10),
            [
                " lobby: tea, and how to make it… 3 here",
                *[""] * 4,
                f"{TIME} ann: hello",
                f"{TIME} ~bob: hi ann, did you see the game",
                "      yesterday evening?",
                " connected 23 ms",
            ],
        )

    def test_small_with_rooms(self) -> None:
        """With more than one room a row names them, with their numbers and what is unread there."""
        self.hear(window="dev", seq=2)
        self.hear("ann?", window="ops", seq=3)
        self.hear(window="@bob", seq=4)
        self.assertEqual(
            self.screen(40, 10)[-3:],
            [f"{TIME} ann: hello", "1:lobby 2:dev(1) 3:ops(1!) 4:@bob(1!)", " connected 23 ms"],
        )
        self.assertEqual(self.styles(40, 10, "1:lobby"), ["class:here"])
        self.assertEqual(self.styles(40, 10, "2:dev(1)"), ["class:unread"])
        self.assertEqual(self.styles(40, 10, "3:ops(1!)"), ["class:meant"])

    def test_large(self) -> None:
        """120 x 12: the rooms on the left, who is there on the right."""
        self.hear("bob here: 漢字 and a family 👩\u200d👩\u200d👧 in one row", "~bob", seq=2)
        self.hear(window="dev", seq=3)
        middle = 120 - 17 - 19

        def row(rooms: str, said: str, member: str) -> str:
            wide = sum(char in "漢字👩👧" for char in said)
            return f"{rooms:16}│{said:{middle - wide}}│{f' {member}' if member else '':18}".rstrip()

        self.assertEqual(
            self.screen(120, 12),
            [
                f"{' lobby':112} 3 here",
                row("1 lobby", "", "ann"),
                row("2 dev          1", "", "~bob"),
                *[row("", "", "eve")],
                *[row("", "", "")] * 4,
                row("", f"{TIME} ann: hello", ""),
                row("", f"{TIME} ~bob: bob here: 漢字 and a family 👩👩👧 in one row", ""),
                " ann | connected 23 ms",
            ],
        )

    def test_every_size(self) -> None:
        """Every row of every screen has the screen's width, whatever is said there."""
        for number in range(30):
            self.hear(f"{'漢字 ' * number}{'x' * number} 👍🏽 e\u0301", "bob", f"room-{number}", number + 2)
            self.hear(f"{'漢字 ' * number}{'x' * number}", "~Ünalü", "lobby", number + 2)
        for columns, rows in SIZES:
            self.screen(columns, rows)
            self.model.show("room-29")
            self.screen(columns, rows)
            self.model.show("lobby")

    def test_colours(self) -> None:
        """A nick has its colour in the text and in the roster, and the same in every run."""
        style = nick_style("ann")
        self.assertEqual(style, nick_style("~Ann"))
        self.assertEqual(style, "class:nick3")
        self.assertEqual(self.styles(120, 12, "ann"), [style, style])
        for theme in ("dark", "light", "mono"):
            names = set(colours(theme))
            for each in (row for row in self.model.rows(120, 12)):
                self.assertLessEqual(set(classes(each)), names)

    def test_a_mention(self) -> None:
        """What names us is marked."""
        self.hear("ann, hi", seq=2)
        self.assertEqual(self.styles(120, 12, ": ann, hi"), ["class:mention"])

    def test_pending(self) -> None:
        """An own text is dim until it is accepted, with a sign in place of the time; it is the last line."""
        self.model.said(1, "lobby", "are you there?")
        self.hear("later", seq=2)
        self.assertEqual(
            self.screen(79, 10)[-3:],
            [f"{TIME} bob: later", "    … ann: are you there?", " connected 23 ms | 1 pending"],
        )
        self.assertEqual(self.styles(79, 10, "ann: are you there?"), ["class:pending"])
        self.settings.set("time off")
        self.assertEqual(self.screen(79, 10)[-3:-1], ["bob: later", "… ann: are you there?"])

    def test_refused(self) -> None:
        """One that was not accepted is marked, says why, and what can be done."""
        self.model.said(1, "lobby", "hello")
        self.model.refused(1, "you are not in lobby")
        self.assertEqual(
            self.screen(120, 12)[-2:],
            [
                f"{'':16}│    ! hello (not accepted: you are not in lobby; Alt-R: again, Alt-X: drop){'':9}│",
                " ann | connected 23 ms | 1 not accepted",
            ],
        )

    def test_looks(self) -> None:
        """What the client says, answers, and gaps look like what they are."""
        for look, style in ((Look.ANSWER, "answer"), (Look.REMARK, "remark"), (Look.GAP, "gap")):
            self.model.tell(f"this is {style}", look)
            self.assertEqual(self.styles(79, 10, f"this is {style}"), [f"class:{style}"])

    def test_scrolled(self) -> None:
        """Whoever has scrolled up sees what there is below."""
        for number in range(30):
            self.hear(f"number {number}", seq=number + 2)
        self.screen(79, 10)
        self.assertFalse(self.model.scroll(-1))
        self.assertEqual(self.screen(79, 10)[-2], f"{TIME} bob: number 23")
        self.assertTrue(self.screen(79, 10)[-1].endswith(" PgDn: newer"))
        self.hear("more", seq=40)
        self.assertEqual(self.screen(79, 10)[-2], f"{TIME} bob: number 23")
        self.assertTrue(self.screen(79, 10)[-1].endswith(" 1 new below, PgDn"))
        self.model.scroll(5)
        self.assertEqual(self.screen(79, 10)[-2:], [f"{TIME} bob: more", " connected 23 ms"])

    def test_many_rooms(self) -> None:
        """The list of rooms shows where one is, though it is longer than the screen."""
        for number in range(20):
            self.model.windows.open(f"room-{number}")
        self.model.show("room-19")
        shown = [row[:16].rstrip() for row in self.screen(120, 10)[1:-1]]
        self.assertEqual(shown[-1], "  room-19")
        self.assertEqual(len(shown), 7)

    def test_a_long_row_of_rooms(self) -> None:
        """The row of rooms shows where one is, too, with its number and what is unread beside it."""
        for number in range(20):
            self.model.windows.open(f"room-{number}")
        self.hear(window="room-8", seq=2)
        self.model.show("room-9")
        self.assertEqual(self.screen(40, 10)[-2], "9:room-7 10:room-8(1) 11:room-9 12:room…")
        self.assertEqual(self.styles(40, 10, "11:room-9"), ["class:here"])
        self.model.show("room-0")
        self.assertEqual(self.screen(40, 10)[-2][:24], "1:lobby 2:room-0 3:room-")

    def test_many_members(self) -> None:
        """A roster that is longer than the screen says how many more there are."""
        self.members = [Member(f"p{number:02}") for number in range(20)]
        shown = [row.rpartition("│")[2].strip() for row in self.screen(120, 10)[1:-1]]
        self.assertEqual(shown, [*(f"p{number:02}" for number in range(6)), "and 14 more"])

    def test_one_person(self) -> None:
        """A person's window has no roster."""
        self.hear("psst", "bob", "@bob", seq=2)
        self.model.show("@bob")
        self.assertEqual(self.screen(120, 10)[0], " @bob")
        self.assertEqual(self.screen(120, 10)[-2], f"{'':16}│{TIME} bob: psst")

    def test_times(self) -> None:
        """The time is as it was set: with seconds, or not at all."""
        self.settings.set("time seconds")
        self.assertRegex(self.screen(79, 10)[-2], r"^\d\d:\d\d:\d\d ann: hello$")
        self.settings.set("time off")
        self.assertEqual(self.screen(79, 10)[-2], "ann: hello")
        self.assertTrue(AT)


def classes(row: Row) -> list[str]:
    """Give the names of the styles in a row."""
    return [style.removeprefix("class:") for style, _ in row if style]
