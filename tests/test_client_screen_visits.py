"""Tests of how the full screen begins and ends: the first start, settings, the ways out."""

from __future__ import annotations

import signal

from chat.identity import KnownServers, parse_fingerprint
from tests.client_process import ROOT
from tests.client_screen import PASTE, ScreenCase
from tests.client_terminal import CTRL_C, CTRL_D, ENTER

OTHER_KEY = f"SHA256:{'A' * 43}"


class ComingAndGoingTests(ScreenCase):
    """The first start, settings, and the ways out."""

    async def test_the_first_start(self) -> None:
        """The server and the nick are asked for; what was found is offered; the new server's key is shown."""
        nick = self.nick()
        home = self.folder()
        KnownServers(home / "udpchat" / "known_servers").add("old.example:6789", bytes(32))
        person, screen = self.at_screen("--room", self.room, home=home, LOGNAME=nick)
        await screen.line("server [old.example:6789]:")
        person.type(self.address.encode() + ENTER)
        await screen.line(f"nick [{nick}]:")
        person.type(ENTER)
        await person.until(lambda: f"you are in {self.room}" in screen.said())
        self.assertIn(f"-- new server {self.address}, trusted with its key", "".join(screen.said()))
        await self.leave(person, CTRL_D)
        person, screen = self.at_screen("--room", self.room, home=home, LOGNAME="other")
        await screen.line(f"server [{self.address}]:")
        person.type(ENTER)
        await screen.line(f"nick [{nick}]:")
        await self.leave(person, CTRL_C)

    async def test_typed_ahead(self) -> None:
        """What is typed before the chat is there is said when it is."""
        nick = self.nick()
        person, screen = self.at_screen(self.address, "--nick", nick, "--room", self.room)
        person.type(b"early" + ENTER)
        await person.until(lambda: f"{nick}: early" in screen.said() and "pending" not in screen.network)
        await self.leave(person, CTRL_D)

    async def test_pasted_ahead(self) -> None:
        """So is what is pasted then, to its end: a line `exit` in it ends nothing."""
        nick = self.nick()
        person, screen = self.at_screen(self.address, "--nick", nick, "--room", self.room)
        person.type(PASTE % b"one\nexit\nthree" + b"y" + ENTER)
        said = [f"{nick}: {word}" for word in ("one", "exit", "three")]
        await person.until(lambda: screen.said()[-3:] == said and "pending" not in screen.network)
        await self.leave(person, CTRL_D)

    async def test_a_refused_nick(self) -> None:
        """Another one is asked for; what was half typed stands there again afterwards."""
        nick = self.nick()
        await self.follower(nick).joined()
        person, screen = self.at_screen(self.address, "--nick", nick, "--room", self.room)
        await screen.line("nick:")
        self.assertIn("belongs to somebody else", "".join(screen.said()))
        person.type(f"{nick}b".encode() + ENTER)
        await person.until(lambda: f"you are in {self.room}" in screen.said())
        await self.leave(person, CTRL_D)

    async def test_settings(self) -> None:
        """What was set holds at the next start, and so does whom one ignores."""
        home, nick = self.met(), self.nick()
        person, screen = await self.enter(nick, home)
        person.type(b"/set time off" + ENTER + f"/ignore {self.ann}".encode() + ENTER)
        await person.until(lambda: f"what {self.ann} says is left out from now on" in "".join(screen.said()))
        await person.until(lambda: not screen.times())
        await self.leave(person, CTRL_D)
        person, screen = await self.enter(nick, home)
        await self.other("hello")
        eve = self.script(self.nick("eve"), "--room", self.room, home=self.met())
        self.feed(eve, b"done")
        await person.until(lambda: any(row.endswith(": done") for row in screen.said()))
        self.assertNotIn("hello", "".join(screen.said()))
        self.assertEqual(screen.times(), [])
        await self.leave(person, CTRL_D)

    async def test_called(self) -> None:
        """Who is meant hears the bell and gets a notification, where the terminal has such."""
        nick = self.nick()
        person, screen = await self.enter(nick, TERM_PROGRAM="WezTerm")
        await self.other(f"hello {nick}")
        await person.until(lambda: f"{self.ann}: hello {nick}" in screen.said())
        self.assertEqual(person.rings, 1)
        self.assertIn(f"\x1b]9;{self.ann} in {self.room}: hello {nick}\x07".encode(), person.out)
        await self.leave(person, CTRL_D)

    async def test_another_key(self) -> None:
        """A server with another key than the known one: 2, with both keys, behind the screen."""
        home = self.folder()
        KnownServers(home / "udpchat" / "known_servers").add(self.address, parse_fingerprint(OTHER_KEY))
        person, _ = self.at_screen(self.address, "--nick", self.nick(), home=home)
        self.assertEqual(await person.ended, 2)
        shown = "".join(person.rows())
        self.assertIn(OTHER_KEY[:30], shown)

    async def test_terminated(self) -> None:
        """A signal ends the visit politely, with its code, and the terminal is as it was."""
        nick = self.nick()
        person, _ = await self.enter(nick)
        person.transport.signalProcess("TERM")
        self.assertEqual(await person.ended, 128 + signal.SIGTERM)
        self.assertIn(b"\x1b[?1049l", person.out)
        self.has_left(nick)

    async def test_terminated_at_once(self) -> None:
        """So does one that comes with the first frame, when the chat is not loaded yet."""
        for name, number in (("TERM", signal.SIGTERM), ("INT", signal.SIGINT)):
            person, _ = self.at_screen(self.address, "--nick", self.nick())
            await person.until(lambda person=person: b"\x1b[?1049h" in person.out)  # type: ignore[misc]
            person.transport.signalProcess(name)
            self.assertEqual(await person.ended, 128 + number)
            self.assertIn(b"\x1b[?1049l", person.out)

    async def test_plain_lines(self) -> None:
        """NO_COLOR, a terminal that can do nothing or is too small, and --line-mode get plain lines."""
        ways: list[tuple[tuple[int, int], list[str], dict[str, str]]] = [
            ((80, 24), ["--line-mode"], {}),
            ((80, 24), [], {"NO_COLOR": "1"}),
            ((80, 24), [], {"TERM": "dumb"}),
            ((39, 24), [], {}),
            ((80, 9), [], {}),
        ]
        for size, arguments, environ in ways:
            where = (self.address, "--nick", self.nick(), "--room", self.room)
            person, _ = self.at_screen(*where, *arguments, size=size, home=None, **environ)
            await person.until(lambda person=person: b"you are in" in person.out)  # type: ignore[misc]
            self.assertNotIn(b"\x1b[?1049h", person.out)
            await self.leave(person, b"exit" + ENTER)

    async def test_without_the_extra(self) -> None:
        """Who has not installed what a terminal needs is told what to install, in one line."""
        folder = self.folder()
        (folder / "sitecustomize.py").write_text("import sys; sys.modules['prompt_toolkit'] = None\n")
        person, _ = self.at_screen(self.address, PYTHONPATH=f"{folder}:{ROOT}")
        self.assertEqual(await person.ended, 1)
        self.assertIn("install udpchat[terminal]", "".join(person.rows()))
