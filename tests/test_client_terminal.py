"""Tests of `python -m chat` in a terminal: a pseudo-terminal, pyte for the screen, and a real server."""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from chat.client.happenings import Link
from chat.client.terminal import toolbar
from chat.identity import KnownServers, parse_fingerprint
from chat.wire.lines import owned_line
from tests.client_terminal import CTRL_C, CTRL_D, ENTER, SecureTerminalCase

UP = b"\x1b[A"
PASTE = b"\x1b[200~%b\x1b[201~"
OTHER_KEY = f"SHA256:{'A' * 43}"


class ToolbarTests(SynchronousTestCase):
    """The line below the prompt."""

    def text(self, link: Link, seconds: float = 0.0, *pending: str, room: str = "lobby") -> str:
        """Give what stands in it."""
        return "".join(part[1] for part in toolbar(room, link, seconds, list(pending)))

    def test_link(self) -> None:
        """It says how things stand with the server, and for how long it has been so if that is bad."""
        self.assertEqual(self.text(Link.CONNECTING), "lobby | connecting")
        self.assertEqual(self.text(Link.CONNECTING, 7.4), "lobby | connecting for 7 s")
        self.assertEqual(self.text(Link.CONNECTED, 7.4), "lobby | connected")
        self.assertEqual(self.text(Link.SILENT, 7.4), "lobby | no answer for 7 s")
        self.assertEqual(self.text(Link.CLOSED), "lobby | closed")
        self.assertEqual(self.text(Link.CONNECTED, room=""), "in no room | connected")

    def test_pending(self) -> None:
        """It counts what is not accepted yet and shows the oldest, cut to what fits."""
        self.assertEqual(
            self.text(Link.CONNECTED, 0, "one", "two"),
            "lobby | connected | not accepted yet: 2, the oldest: one",
        )
        self.assertTrue(self.text(Link.CONNECTED, 0, "x" * 900).endswith(f"{'x' * 39}…"))


class ComingInTests(SecureTerminalCase):
    """From the command line into a room."""

    async def test_asks_for_everything(self) -> None:
        """Server, port and nick are asked for, with the login name; the key of a new server is shown."""
        nick = self.nick()
        person = self.at_home("--room", self.room, home=self.folder(), LOGNAME=nick)
        await person.sees("server [127.0.0.1]:")
        person.type(ENTER)
        await person.sees("server [127.0.0.1]:", "port [6789]:")
        person.type(self.address.partition(":")[2].encode() + ENTER)
        await person.sees(f"nick [{nick}]:")
        person.type(ENTER)
        await person.sees(f"-!- you are in {self.room}", ">", self.bar)
        shown = "".join(person.lines())
        self.assertIn(f"-- new server {self.address}, trusted with its key {self.key()} --", shown)
        await self.leave(person, b"exit" + ENTER)

    async def test_login_name(self) -> None:
        """With a server on the command line the login name is taken unasked; words for leaving leave."""
        nick = self.nick()
        person = self.at_home(self.address, "--room", self.room, LOGNAME=nick)
        await person.sees(f"-!- you are in {self.room}", ">", self.bar)
        self.assertIn(f"-- connected to {self.address} as {nick} --", person.lines())
        await self.leave(person, b"/quit" + ENTER)

    async def test_a_refused_nick(self) -> None:
        """A nick that belongs to somebody else is told, with the ways out, and another one asked for."""
        nick = self.nick()
        ann = self.follower(nick)
        await ann.joined()
        person = self.at_home(self.address, "--nick", nick, "--room", self.room)
        await person.asked("and come in here with --link CODE --", "nick:")
        person.type(ENTER + f"{nick}b".encode() + ENTER)
        await person.sees(f"-!- you are in {self.room}", ">", self.bar)
        await self.leave(person, CTRL_D)

    async def test_half_a_line_survives_a_question(self) -> None:
        """What was half typed when the nick is refused stands there again after the question."""
        self.serve()
        await self.follower("ann").joined()
        os.kill(self.server.pid, signal.SIGSTOP)
        person = self.at_home(self.address, "--nick", "ann", "--room", self.room)
        await person.until(lambda: person.bar().startswith(f"{self.room} | connecting"))
        person.type(b"half")
        await person.until(lambda: person.lines()[:1] == ["> half"])
        os.kill(self.server.pid, signal.SIGCONT)
        await person.asked("and come in here with --link CODE --", "nick:")
        person.type(b"bob" + ENTER)
        await person.sees(f"-!- you are in {self.room}", "> half", self.bar)
        await self.leave(person, CTRL_C)

    async def test_ctrl_c_to_a_question(self) -> None:
        """Ctrl-C leaves from a question too."""
        person = self.at_home()
        await person.sees("server [127.0.0.1]:")
        await self.leave(person, CTRL_C)
        nick = self.nick()
        await self.follower(nick).joined()
        person = self.at_home(self.address, "--nick", nick)
        await person.asked("and come in here with --link CODE --", "nick:")
        await self.leave(person, CTRL_C)

    async def test_another_key(self) -> None:
        """A server with another key than the known one: 2, with both keys, and the terminal is as it was."""
        home = self.folder()
        KnownServers(home / "udpchat" / "known_servers").add(self.address, parse_fingerprint(OTHER_KEY))
        person = self.at_home(self.address, "--nick", self.nick(), home=home)
        self.assertEqual(await person.ended, 2)
        shown = "".join(person.lines())
        self.assertIn(OTHER_KEY, shown)
        self.assertIn(self.key(), shown)
        self.assertNotIn("the end", shown)

    async def test_nobody_there(self) -> None:
        """As long as nobody answers one may type, and leave: what was typed is told."""
        self.serve()
        self.server.stop(signal.SIGKILL)
        person = self.at_home(self.address, "--nick", "bob")
        await person.until(lambda: person.bar().startswith("lobby | connecting"))
        person.type(b"hello" + ENTER)
        await person.until(lambda: "not accepted yet: 1, the oldest: hello" in person.bar())
        await self.leave(person, CTRL_C)
        self.assertEqual(person.lines()[-1], "not sent: hello")


class TalkTests(SecureTerminalCase):
    """In a room."""

    async def test_talk(self) -> None:
        """Own texts appear as everybody sees them; a half typed line stays below what comes in."""
        nick = self.nick()
        person = await self.come_in(nick)
        person.type(b"hello" + ENTER)
        await person.sees(f"-!- you are in {self.room}", f"{nick}: hello", ">", self.bar)
        person.type(b"half a li")
        await person.sees(f"{nick}: hello", "> half a li", self.bar)
        await self.other("hi", "/me waves")
        await person.sees(
            f"{nick}: hello",
            f"{self.ann} has joined {self.room}",
            f"{self.ann}: hi",
            f"* {self.ann} waves",
            f"{self.ann} has left {self.room}",
            "> half a li",
            self.bar,
        )
        person.type(b"ne" + ENTER)
        await person.sees(f"{self.ann} has left {self.room}", f"{nick}: half a line", ">", self.bar)
        await self.leave(person, b"one more" + ENTER + b"exit" + ENTER)
        self.assertEqual(person.lines()[-1], f"{nick}: one more")
        self.has_left(nick)

    async def test_commands(self) -> None:
        """Answers are marked as the plain door marks them; the toolbar names the room that one speaks in."""
        nick, room = self.nick(), self.nick("room")
        person = await self.come_in(nick)
        person.type(f"/join {room}".encode() + ENTER)
        await person.sees(f"{nick} has joined {room}", f"-!- you are in {room}", ">", f"{room} | connected")
        await self.other("hi")
        await person.sees(
            f"[{self.room}] {self.ann} has joined {self.room}",
            f"[{self.room}] {self.ann}: hi",
            f"[{self.room}] {self.ann} has left {self.room}",
            ">",
            f"{room} | connected",
        )
        person.type(b"/names" + ENTER)
        await person.sees(
            f"-!- 1 in {room} (~ is not verified, @ is an operator): @{nick}", ">", f"{room} | connected"
        )
        person.type(b"/part" + ENTER)
        await person.sees(f"-!- you have left {room}: you are in {self.room}", ">", self.bar)
        await self.leave(person, CTRL_C)

    async def test_what_is_not_accepted(self) -> None:
        """A text that is not accepted says why, and Up brings it back."""
        nick = self.nick()
        person = await self.come_in(nick)
        person.type(b"/nick root" + ENTER)
        await person.sees("-- not accepted: /nick root (root is reserved) --", ">", self.bar)
        person.type(UP)
        await person.sees("> /nick root", self.bar)
        person.type(b"\x15" + b"x" * 901 + ENTER)
        await person.until(
            lambda: person.lines()[-2:] == [">", self.bar] and "at most 900" in person.lines()[-3]
        )
        await self.leave(person, CTRL_D)

    async def test_put_out(self) -> None:
        """What was being typed for a room that one is put out of is said in another when one wants that."""
        nick, boss, room = self.nick(), self.nick(), self.nick("room")
        operator = self.follower(boss)
        await operator.joined()
        operator.transport.write(f"/join {room}\n".encode())
        await operator.until(lambda: f"you are in {room}".encode() in operator.out)
        person = await self.come_in(nick)
        person.type(f"/join {room}".encode() + ENTER)
        await person.sees(f"-!- you are in {room}", ">", f"{room} | connected")
        person.type(b"for you")
        await person.sees("> for you", f"{room} | connected")
        operator.transport.write(f"/kick {nick}\n".encode())
        await person.sees("> for you", self.bar)
        person.type(ENTER)
        asked = f"-- you are out of {room}, for which this was meant: Enter says it in {self.room} --"
        await person.sees(asked, "> for you", self.bar)
        person.type(ENTER)
        await person.sees(asked, f"{nick}: for you", ">", self.bar)
        await self.leave(person, CTRL_D)

    async def test_stopped(self) -> None:
        """Stopped from outside, it has the terminal again when it goes on, as keys need it."""
        nick = self.nick()
        person = await self.come_in(nick)
        person.type(b"half")
        await person.sees("> half", self.bar)
        person.transport.signalProcess("STOP")
        person.cook()
        begun = len(person.out)
        person.transport.signalProcess(signal.SIGCONT)
        await person.until(lambda: b"\x1b[6n" in person.out[begun:])
        person.type(b" a line" + ENTER)
        await person.sees(f"{nick}: half a line", ">", self.bar)
        await self.leave(person, CTRL_D)

    async def test_paste(self) -> None:
        """The lines of a paste are said one by one, in their order; `exit` is one like others there."""
        nick = self.nick()
        person = await self.come_in(nick)
        person.type(PASTE % b"one\ntwo\n\nexit\nthree" + ENTER)
        await person.sees(f"{nick}: one", f"{nick}: two", f"{nick}: exit", f"{nick}: three", ">", self.bar)
        await self.leave(person, CTRL_C)

    async def test_a_restart(self) -> None:
        """While there is no server one types on; it is said once there is one, and all of that is shown."""
        state = f"--state={self.folder()}"
        self.serve(state)
        nick = self.nick()
        person = await self.come_in(nick)
        self.server.stop()
        await person.until(lambda: "still trying; what you type is kept" in "".join(person.lines()))
        person.type(b"hello" + ENTER)
        await person.until(lambda: "not accepted yet: 1, the oldest: hello" in person.bar())
        self.assertIn(f"{self.room} | no answer for ", person.bar())
        self.serve(state, f"--port={self.server.port}")
        await person.sees(f"{nick}: hello", ">", self.bar)
        self.assertIn("-- connected again --", person.lines())
        await self.leave(person, CTRL_D)

    async def test_here_twice(self) -> None:
        """Who comes in a second time, with the same key, ends the first visit: it says why, code 1."""
        nick, home = self.nick(), self.met()
        first = await self.come_in(nick, home)
        second = await self.come_in(nick, home, is_new=False)
        self.assertEqual(await first.ended, 1)
        self.assertTrue(first.lines()[-1].startswith("-- the end: "))
        await self.leave(second, CTRL_C)

    async def test_terminated(self) -> None:
        """A signal ends the visit politely, with its code."""
        nick = self.nick()
        person = await self.come_in(nick)
        person.transport.signalProcess("TERM")
        self.assertEqual(await person.ended, 143)
        self.has_left(nick)

    async def test_motd(self) -> None:
        """The message of the day greets a newcomer."""
        motd = self.folder() / "motd"
        motd.write_text("be kind\nhave fun\n")
        self.serve(f"--motd={motd}")
        person = self.at_home(self.address, "--nick", "bob")
        await person.sees(
            f"-- connected to {self.address} as bob --",
            "-!- be kind",
            "-!- have fun",
            f"-!- {owned_line('bob')}",
            "bob has joined the chat",
            "-!- you are in lobby",
            ">",
            "lobby | connected",
        )
        await self.leave(person, CTRL_C)
