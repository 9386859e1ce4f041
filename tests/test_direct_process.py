"""Tests of direct messages between real client programs at a real server."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

from chat.client import show
from chat.wire.lines import owned_line
from tests.client_process import ClientProcess, SecureCase
from tests.client_terminal import CTRL_D, ENTER, SecureTerminalCase


def objects(client: ClientProcess, event: str) -> list[dict[str, Any]]:
    """Give the whole objects of one kind that a client has printed."""
    whole, _, _ = client.out.rpartition(b"\n")
    return [told for told in map(json.loads, whole.splitlines()) if told["event"] == event]


def texts(client: ClientProcess) -> list[str]:
    """Give what was said to a client alone, as far as it has printed it."""
    return [told["text"] for told in objects(client, "entry") if "direct" in told]


class DirectCase(SecureCase):
    """Two people, each with a home."""

    def setUp(self) -> None:
        """Choose their nicks."""
        super().setUp()
        self.alice, self.bob = self.nick("alice"), self.nick("bob")
        self.home, self.bobs = self.met(), self.met()

    async def say(self, *lines: str, nick: str = "", home: Path | None = None) -> ClientProcess:
        """Let alice, or somebody else, run a script that says these lines; it must end well."""
        client = self.script(nick or self.alice, home=home or self.home)
        self.feed(client, "".join(f"{line}\n" for line in lines).encode())
        self.assertEqual((await client.ended, client.errors), (0, b""))
        return client

    async def follow(self, nick: str, home: Path) -> ClientProcess:
        """Let somebody come in who stays, and wait until what is said to them alone reaches them."""
        client = self.follower(nick, home)
        await client.until(lambda: any("direct" in told for told in objects(client, "joined")))
        return client

    async def end(self, client: ClientProcess, kind: str = "TERM") -> None:
        """End a client, politely unless another signal is wanted."""
        client.transport.signalProcess(kind)
        await client.ended


class WaitingTests(DirectCase):
    """What is said to somebody who is not here."""

    async def test_it_waits(self) -> None:
        """Two texts wait, whatever became of the program that said them; they come in order, and once."""
        await self.say("/names", nick=self.bob, home=self.bobs)
        first = self.follower(self.alice, self.home)
        first.transport.writeToChild(0, f"/msg {self.bob} one\n".encode())
        await first.until(lambda: bool(objects(first, "accepted")))
        (accepted,) = objects(first, "accepted")
        self.assertEqual((accepted["room"], accepted["waiting"]), (f"@{self.bob}", True))
        await self.end(first, "KILL")
        await self.say(f"/msg {self.bob} two")
        bob = await self.follow(self.bob, self.bobs)
        await bob.until(lambda: len(texts(bob)) == 2)
        self.assertEqual(texts(bob), ["one", "two"])
        await self.end(bob)
        again = await self.follow(self.bob, self.bobs)
        await self.say(f"/msg {self.bob} three")
        await again.until(lambda: bool(texts(again)))
        self.assertEqual(texts(again), ["three"])

    async def test_a_reader_that_is_killed(self) -> None:
        """What was shown in the last moment may come once more, in its order; nothing is left out."""
        bob = await self.follow(self.bob, self.bobs)
        await self.say(f"/msg {self.bob} one")
        await bob.until(lambda: bool(texts(bob)))
        await self.end(bob, "KILL")
        again = await self.follow(self.bob, self.bobs)
        await self.say(f"/msg {self.bob} two")
        await again.until(lambda: "two" in texts(again))
        self.assertIn(texts(again), (["two"], ["one", "two"]))

    async def test_a_script_that_prints_nothing(self) -> None:
        """It leaves what it would not show where it is."""
        await self.say("/names", nick=self.bob, home=self.bobs)
        await self.say(f"/msg {self.bob} one")
        await self.say("hello", nick=self.bob, home=self.bobs)
        bob = await self.follow(self.bob, self.bobs)
        await bob.until(lambda: texts(bob) == ["one"])

    async def test_delivered(self) -> None:
        """A sender that stays hears when it has arrived."""
        await self.say("/names", nick=self.bob, home=self.bobs)
        alice = await self.follow(self.alice, self.home)
        alice.transport.writeToChild(0, f"hi\n/msg {self.bob} one\n".encode())
        await alice.until(lambda: len(objects(alice, "accepted")) == 2)
        self.assertEqual(objects(alice, "delivered"), [])
        bob = await self.follow(self.bob, self.bobs)
        await alice.until(lambda: bool(objects(alice, "delivered")))
        (delivered,) = objects(alice, "delivered")
        self.assertEqual((delivered["line"], delivered["seq"]), (2, objects(alice, "accepted")[1]["seq"]))
        self.assertEqual(texts(bob), ["one"])


class DeviceTests(DirectCase):
    """Nicks and keys."""

    async def test_a_second_device(self) -> None:
        """With the code of the first it is the same person: both have what is said to her."""
        alice = await self.follow(self.alice, self.home)
        alice.transport.writeToChild(0, b"/link\n")
        await alice.until(lambda: bool(objects(alice, "answer")))
        found = re.search(r"--link (\S+)", objects(alice, "answer")[0]["lines"][0])
        assert found is not None
        second = self.nick("alice")
        phone = self.script(second, "--json", "--follow", "--link", found[1], home=self.met())
        await phone.until(lambda: any("direct" in told for told in objects(phone, "joined")))
        await self.say(f"/msg {self.alice} hello", nick=self.bob, home=self.bobs)
        for client in (alice, phone):
            await client.until(lambda client=client: texts(client) == ["hello"])  # type: ignore[misc]
        thief = self.script(self.nick(), "--link", found[1], home=self.met())
        self.feed(thief, b"hello\n")
        self.assertEqual(await thief.ended, 1)
        self.assertIn(b"udpchat: refused: no such code, or it is used up: /link gives another", thief.errors)

    async def test_a_nick_of_somebody_elses(self) -> None:
        """It is refused though nobody is there, and the ways out are said; once given up it is free."""
        await self.say("/names")
        thief = self.script(self.alice, home=self.bobs)
        self.feed(thief, b"hello\n")
        self.assertEqual(await thief.ended, 1)
        refusal = f"the nick {self.alice} is refused: {self.alice} belongs to somebody else: {show.MINE}\n"
        self.assertIn(f"udpchat: {refusal}".encode(), thief.errors)
        await self.say("/release")
        await self.say("hello", home=self.bobs)


class TerminalTests(SecureTerminalCase):
    """What a person sees."""

    async def test_talk(self) -> None:
        """What waited is introduced; what is said to one person stands in no room; the nick is told once."""
        nick, friend, home, far = self.nick(), self.nick("ann"), self.met(), self.met()
        person = await self.come_in(nick, home)
        await self.leave(person, CTRL_D)
        script = self.script(friend, home=far)
        self.feed(script, f"/msg {nick} one\n/msg {nick} two\n".encode())
        await self.check(script, 0)
        person = self.at_home(self.address, "--nick", nick, "--room", self.room, home=home)
        await person.until(lambda: f"{friend} -> you: two" in person.lines())
        await person.until(lambda: person.bar() == self.bar)
        lines = person.lines()
        waited = lines.index(show.remark(show.WAITING))
        self.assertEqual(lines[waited + 1 : waited + 3], [f"{friend} -> you: one", f"{friend} -> you: two"])
        self.assertNotIn(f"-!- {owned_line(nick)}", lines)
        person.type(f"/msg {friend} hi".encode() + ENTER)
        await person.sees(
            f"-> {friend}: hi", f"-- {friend} is not here: that waits for {friend} --", ">", self.bar
        )
        ann = self.follower(friend, far)
        await person.until(lambda: show.delivered_line(friend, "hi") in person.lines())
        ann.transport.signalProcess(signal.SIGTERM)
        await ann.ended
        await self.leave(person, CTRL_D)

    async def test_a_room_as_it_was(self) -> None:
        """Who comes in sees what was said last, marked as an answer."""
        await self.other("one", "/me waves")
        person = self.at_home(self.address, "--nick", self.nick(), "--room", self.room)
        await person.sees(
            f"-!- you are in {self.room}",
            f"-!- said in {self.room} before:",
            f"-!- {self.ann}: one",
            f"-!- * {self.ann} waves",
            ">",
            self.bar,
        )
        await self.leave(person, CTRL_D)
