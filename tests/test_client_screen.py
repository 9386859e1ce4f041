"""Tests of the full screen: a pseudo-terminal, pyte for the screen on it, and a real server."""

from __future__ import annotations

from itertools import islice

from twisted.internet.task import LoopingCall

from chat.identity import KnownServers, parse_fingerprint
from tests.client_screen import DOWN, PAGE_DOWN, PAGE_UP, PASTE, TAB, UP, ScreenCase, alt, ctrl, timeless
from tests.client_terminal import CTRL_C, CTRL_D, ENTER

OTHER_KEY = f"SHA256:{'A' * 43}"


class ScreenTests(ScreenCase):
    """What is on the screen."""

    async def test_large(self) -> None:
        """120 x 20: rooms, what is said with time and nick, who is there, the network, the line."""
        ann, bob = self.nick("Ann"), self.nick("Bob")
        person, screen = await self.enter(ann, size=(120, 20))
        client = self.script(bob, "--room", self.room, "--follow", home=self.met())
        client.transport.writeToChild(0, f"hello {ann}\n/me has 漢字 and e\u0301\n".encode())
        person.type(f"hi {bob}".encode() + ENTER)
        await person.until(lambda: len(screen.members()) == 2 and f"{ann}: hi {bob}" in screen.said())
        await person.until(lambda: f"* {bob} has 漢字 and é" in screen.said())
        rows = [timeless(row) for row in person.rows()]
        self.assertEqual(rows[0], f" {self.room}".ljust(112) + " 2 here")
        self.assertEqual(rows[1], f"1 {self.room}".ljust(16) + "│" + " " * 84 + f"│ {ann}")
        self.assertEqual(rows[2], " " * 16 + "│" + " " * 84 + f"│ {bob}")
        self.assertEqual(rows[-2:], [f" {ann} | connected N ms", ">"])
        said = [row.split("│")[1].rstrip() for row in rows[1:-2]]
        self.assertIn(f"hh:mm {bob}: hello {ann}", said)
        self.assertIn(f"hh:mm * {bob} has 漢字 and é", said)
        self.assertNotIn(f"{bob} has joined {self.room}", "".join(said))  # nobody who has spoken
        await self.leave(person, CTRL_D)

    async def test_small(self) -> None:
        """40 x 10: the topic, six rows of talk, the network, the line."""
        nick = self.nick()
        person, screen = await self.enter(nick, size=(40, 10))
        person.type(b"/topic tea" + ENTER + b"one two three four five seventeen eight" + ENTER)
        await person.until(lambda: screen.said()[-1:] == ["seventeen eight"])
        await person.until(lambda: "1 pending" not in screen.network)
        rows = [timeless(row) for row in person.rows()]
        self.assertEqual(rows[0], f" {self.room}: tea".ljust(32) + " 1 here")
        self.assertEqual(
            rows[-6:],
            [
                f"hh:mm you are in {self.room}",
                f"hh:mm * {nick} set the topic: tea",
                f"hh:mm {nick}: one two three four five",
                "      seventeen eight",
                " connected N ms",
                ">",
            ],
        )
        await self.leave(person, b"exit" + ENTER)
        self.has_left(nick)

    async def test_typing_while_much_is_said(self) -> None:
        """While 50 lines a second come in, and the window changes its size, each key does what it does."""
        person, screen = await self.enter(self.nick(), size=(100, 24))
        talk = self.script(self.ann, "--room", self.room, "--follow", home=self.met())
        numbers = iter(range(300))

        def say() -> None:
            lines = [b"line %d\n" % number for number in islice(numbers, 5)]
            if lines:
                talk.transport.writeToChild(0, b"".join(lines))
            else:
                saying.stop()

        saying = LoopingCall(say)
        self.addCleanup(lambda: saying.stop() if saying.running else None)
        saying.start(0.1)
        await person.until(lambda: any("line" in row for row in screen.said()))
        line = ""
        sizes = [(120, 40), (40, 10), (80, 24), (60, 12)]
        for number, char in enumerate("a line that is typed, one key after the other"):
            if number % 10 == 5:
                person.resize(*sizes[number // 10 % 4])
            person.type(char.encode())
            line += char
            await screen.line_ends(line[-35:].rstrip())
        person.type(ctrl("u") + b"done" + ENTER)
        await person.until(
            lambda: any(row.endswith(": done") for row in screen.said()) and screen.typed == ">"
        )
        await person.until(lambda: any(row.endswith("line 299") for row in screen.said()))
        await self.leave(person, CTRL_C)


class KeyTests(ScreenCase):
    """What the keys do."""

    async def test_editing(self) -> None:
        """Ctrl-A, E, K, U and W move and cut as everywhere."""
        person, screen = await self.enter(self.nick())
        for keys, expected in (
            (b"two three" + ctrl("a") + b"one ", "> one two three"),
            (ctrl("e") + b" four", "> one two three four"),
            (ctrl("w"), "> one two three"),
            (ctrl("a") + ctrl("k") + b"x", "> x"),
            (ctrl("u"), ">"),
            (b"ab" + CTRL_D, "> ab"),
        ):
            person.type(keys)
            await screen.line(expected)
        await self.leave(person, ctrl("u") + CTRL_D)

    async def test_history(self) -> None:
        """Up brings back what was typed, and so does Ctrl-R; also what was typed in an earlier run."""
        home, nick = self.met(), self.nick()
        person, screen = await self.enter(nick, home)
        person.type(b"first thing" + ENTER + b"second" + ENTER)
        await person.until(lambda: screen.said()[-2:] == [f"{nick}: first thing", f"{nick}: second"])
        await self.leave(person, CTRL_D)
        person, screen = await self.enter(nick, home)
        person.type(UP)
        await screen.line("> second")
        person.type(UP)
        await screen.line("> first thing")
        person.type(DOWN + DOWN)
        await screen.line(">")
        person.type(ctrl("r") + b"fir")
        await person.until(lambda: "first thing" in screen.typed)
        person.type(ENTER + ENTER)
        await person.until(lambda: screen.typed == ">" and screen.said()[-1] == f"{nick}: first thing")
        await self.leave(person, CTRL_D)

    async def test_tab(self) -> None:
        """Commands, then whoever spoke last, then rooms."""
        person, screen = await self.enter(self.nick(), size=(120, 24))
        await self.other("hi")
        await person.until(lambda: f"{self.ann}: hi" in screen.said())
        for keys, expected in (
            (b"/hel" + TAB, "> /help"),
            (ctrl("u") + TAB, f"> {self.ann}:"),
            (ctrl("u") + b"see " + self.room[:3].encode() + TAB, f"> see {self.room}"),
        ):
            person.type(keys)
            await screen.line(expected)
        await self.leave(person, CTRL_C)

    async def test_windows(self) -> None:
        """Alt and a number, Ctrl-N, Ctrl-P, and Alt-A to where something is unread, mentions first."""
        nick, dev = self.nick(), self.nick("dev")
        person, screen = await self.enter(nick)
        person.type(f"/join {dev}".encode() + ENTER)
        await person.until(lambda: person.rows()[0] == f" {dev}")
        person.type(b"a draft" + alt("1"))
        await person.until(lambda: person.rows()[0].startswith(f" {self.room}") and screen.typed == ">")
        person.type(ctrl("n"))
        await person.until(lambda: person.rows()[0].startswith(f" {dev}") and screen.typed == "> a draft")
        person.type(ctrl("u"))
        await self.other("hello", f"/msg {nick} psst")
        await person.until(lambda: len(screen.rooms()) == 3)
        self.assertEqual(
            [" ".join(row.split()) for row in screen.rooms()],
            [f"1 {self.room} 1", f"2 {dev}", f"3 @{self.ann} 1!"],
        )
        await person.until(lambda: person.title == f"(1!/2) {dev} - {self.address}")
        self.assertEqual(person.rings, 1)
        person.type(alt("a"))
        await person.until(lambda: screen.said()[-1:] == [f"{self.ann} -> you: psst"])
        person.type(alt("a"))
        await person.until(lambda: person.rows()[0].startswith(f" {self.room}"))
        await person.until(lambda: person.title == f"{self.room} - {self.address}")
        person.type(ctrl("p") + ctrl("p") + b"in dev" + ENTER)
        await person.until(lambda: screen.said()[-1:] == [f"{nick}: in dev"])
        self.assertTrue(
            person.rows()[0].startswith(f" @{self.ann}") or person.rows()[0].startswith(f" {dev}")
        )
        await self.leave(person, CTRL_C)

    async def test_paste(self) -> None:
        """A paste of several lines is said line by line, and only if one says so; one line is just typed."""
        nick = self.nick()
        person, screen = await self.enter(nick)
        person.type(b"so: " + PASTE % b"just one\n")
        await screen.line("> so: just one")
        person.type(ctrl("u") + b"half" + PASTE % b" one\n\ntwo\nthree")
        await screen.line('say 3 lines, from " one" on? y/n:')
        person.type(b"n" + ENTER)
        await screen.line("> half")
        person.type(PASTE % b" one\r\ntwo\rthree")
        await person.until(lambda: screen.typed.startswith("say 3 lines"))
        person.type(b"y" + ENTER)
        await person.until(
            lambda: screen.said()[-3:] == [f"{nick}: half one", f"{nick}: two", f"{nick}: three"]
        )
        await self.leave(person, CTRL_C)

    async def test_scrolling(self) -> None:
        """PgUp shows what was said before one came, as far back as the server keeps it; PgDn comes back."""
        await self.other(*(f"number {number}" for number in range(250)))
        person, screen = await self.enter(self.nick())
        await person.until(lambda: any("number 249" in row for row in screen.said()))
        while f"{self.ann}: number 0" not in screen.said():
            before = screen.said()
            person.type(PAGE_UP)
            await screen.other_than(before)
        self.assertIn(f"{self.ann}: number 0", screen.said())
        self.assertIn("PgDn: newer", screen.network)
        for _ in range(40):
            person.type(PAGE_DOWN)
        await person.until(
            lambda: f"you are in {self.room}" in screen.said() and "PgDn" not in screen.network
        )
        person.type(PAGE_UP)
        await person.until(lambda: "PgDn: newer" in screen.network)
        person.type(b"/ping" + ENTER)  # what is typed brings back the end, where the answer stands
        await person.until(lambda: screen.said()[-1] == "pong" and "PgDn" not in screen.network)
        await self.leave(person, CTRL_C)

    async def test_said_elsewhere(self) -> None:
        """What is said to one person stands in a window of its own; where it was typed stands which one."""
        eve = self.nick("eve")
        await self.follower(eve).joined()
        person, screen = await self.enter(self.nick())
        person.type(f"/msg {eve} hello".encode() + ENTER)
        await screen.ends(f"-> {eve}: hello (window 2)")
        person.type(alt("2"))
        await screen.ends(f"-> {eve}: hello")
        await self.leave(person, CTRL_D)

    async def test_said_back(self) -> None:
        """What is said to who said something last stands there, too; what is about rooms is not for there."""
        nick = self.nick()
        person, screen = await self.enter(nick)
        await self.other(f"/msg {nick} psst")
        await person.until(lambda: len(screen.rooms()) == 2)
        person.type(b"/r only" + ENTER + b"/reply two words" + ENTER)
        await person.until(lambda: f"-> {self.ann}: two words (window 2)" in screen.said())
        person.type(alt("2"))
        await person.until(lambda: f"-> {self.ann}: two words" in screen.said())
        self.assertIn(f"-> {self.ann}: only", screen.said())
        person.type(b"/me waves" + ENTER)
        await screen.ends("-- to one person there is no /me: say it --")
        person.type(b"/topic tea" + ENTER)
        await screen.ends("-- /topic is about a room: go there --")
        person.type(b"/part" + ENTER)
        await screen.ends("-- /part is about a room: go there --")
        await self.leave(person, CTRL_D)

    async def test_a_room_that_is_not_for_us(self) -> None:
        """That it does not let us in is told once."""
        club = f"{self.room}club"
        founder = self.script(self.ann, "--room", club, home=self.met())
        self.feed(founder, b"/mode +i")
        self.assertEqual(await founder.ended, 0)
        person, screen = await self.enter(self.nick())
        person.type(f"/join {club}".encode() + ENTER)
        await person.until(lambda: any("not accepted" in row for row in screen.said()))
        person.type(b"/ping" + ENTER)
        await screen.ends("pong")
        self.assertEqual([row for row in screen.said() if "you are out" in row], [])
        self.assertNotIn(club, "".join(screen.rooms()))
        await self.leave(person, CTRL_D)


class NetworkTests(ScreenCase):
    """A server that comes and goes."""

    async def test_a_restart(self) -> None:
        """What is typed while there is no server stands there dimmed, is counted, and is said once, later."""
        state = f"--state={self.folder()}"
        self.serve(state)
        nick = self.nick()
        person, screen = await self.enter(nick, size=(100, 20))
        self.server.stop()
        await person.until(lambda: "no answer for" in screen.network and "last heard" in screen.network)
        person.type(b"hello" + ENTER)
        await person.until(lambda: "1 pending" in screen.network and screen.said()[-1] == f"… {nick}: hello")
        self.assertIn("808080", person.colours(-3))
        person.type(b"/net" + ENTER)
        await person.until(lambda: any("1 text waits to be accepted" in row for row in screen.said()))
        self.serve(state, f"--port={self.server.port}")
        await person.until(lambda: f"{nick}: hello" in screen.said() and "pending" not in screen.network)
        self.assertEqual(len([row for row in screen.said() if row.endswith("hello")]), 1)
        await self.leave(person, CTRL_D)

    async def test_what_is_not_accepted(self) -> None:
        """It is marked with the reason; Alt-R says it again, Alt-X drops it."""
        person, screen = await self.enter(self.nick(), size=(150, 20))
        nobody = self.nick("nobody")
        person.type(f"/msg {nobody} hello".encode() + ENTER + alt("1"))
        person.type(f"/msg {nobody} hello".encode() + ENTER)
        await person.until(lambda: "2 not accepted" in screen.network)
        person.type(ctrl("n"))
        await person.until(lambda: screen.said()[-1].startswith("! hello (not accepted: "))
        person.type(alt("x"))
        await person.until(lambda: "1 not accepted" in screen.network)
        await self.follower(nobody).joined()
        person.type(alt("r"))
        await person.until(lambda: screen.said()[:1] == [f"-> {nobody}: hello"])
        self.assertNotIn("not accepted", screen.network)
        await self.leave(person, CTRL_D)

    async def test_unsent(self) -> None:
        """What was not accepted when the program ended, however it did, is offered at the next start."""
        state, home = f"--state={self.folder()}", self.folder()
        self.serve(state)
        KnownServers(home / "udpchat" / "known_servers").add(self.address, parse_fingerprint(self.key()))
        nick = self.nick()
        person, screen = await self.enter(nick, home)
        self.server.stop()
        await person.until(lambda: "no answer for" in screen.network)
        person.type(b"first" + ENTER + b"second" + ENTER)
        kept = home / "state" / "udpchat" / "client"
        await person.until(lambda: any(b"second" in file.read_bytes() for file in kept.glob("unsent-*.json")))
        await person.kill()  # it has no time to write anything now
        self.serve(state, f"--port={self.server.port}")
        person, screen = await self.enter(nick, home)
        await screen.line("send them, drop them, or ask later? s/d/l:")
        person.type(b"l" + ENTER)
        await screen.line(">")
        await self.leave(person, CTRL_D)
        person, screen = await self.enter(nick, home)
        await screen.line("send them, drop them, or ask later? s/d/l:")
        self.assertIn(f"-- {self.room}: second --", screen.said())
        person.type(b"s" + ENTER)
        await person.until(lambda: screen.said()[-2:] == [f"{nick}: first", f"{nick}: second"])
        await person.until(lambda: "pending" not in screen.network)
        await self.leave(person, CTRL_D)
        person, screen = await self.enter(nick, home)
        await screen.line(">")
        self.assertNotIn("not accepted when you left", "".join(screen.said()))
        await self.leave(person, CTRL_D)
