"""Takes the pictures of the full screen in docs/: `python -m twisted.trial tests.screenshots`.

Real programs, a real server, and the screen of the terminal emulator that the tests look at. Times of the day
are put at 10:04, for the pictures are kept in git; what a network does differs from run to run.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.client_process import ROOT, ClientProcess
from tests.client_screen import Onlooker, ScreenCase, alt
from tests.client_terminal import CTRL_D, ENTER, Person
from tests.lossy_proxy import Weather
from tests.proxy_process import ProxyProcess
from tests.svg import picture

SIZE = (104, 18)
DOCS = ROOT / "docs"


class Screenshots(ScreenCase):
    """Ann, in front of a screen; bob and eve are somewhere else."""

    def setUp(self) -> None:
        """Start a server of our own, where nicks and rooms can be called as one likes."""
        super().setUp()
        self.serve()
        self.room = "lobby"

    async def sit(self, address: str) -> tuple[Person, Onlooker]:
        """Let ann come in by that address."""
        person, screen = self.at_screen(
            address, "--nick", "ann", "--fingerprint", self.key(), home=self.folder(), size=SIZE
        )
        await person.until(lambda: "you are in lobby" in screen.said() and "connected" in screen.network)
        person.type(b"/clear" + ENTER)
        await person.until(lambda: screen.said() == [])
        return person, screen

    def come(self, nick: str, room: str = "lobby") -> ClientProcess:
        """Let somebody else come, who says what `say` gives them."""
        return self.script(nick, "--room", room, "--follow", home=self.met())

    async def say(self, screen: Onlooker, talk: list[tuple[ClientProcess | Person, str, str]]) -> None:
        """Let each say a line, one after the other: who, what, and how it ends on ann's screen."""
        for who, line, end in talk:
            if isinstance(who, Person):
                who.type(line.encode() + ENTER)
            else:
                who.transport.writeToChild(0, f"{line}\n".encode())
            await screen.ends(end)

    def take(self, person: Person, name: str, title: str) -> None:
        """Take the picture."""
        text = re.sub(r">\d\d:\d\d(?=[ <])", ">10:04", picture(person.emulated, title))
        Path(DOCS / f"screen-{name}.svg").write_text(text, encoding="utf-8")

    async def test_talk(self) -> None:
        """Three people talk; somebody says something to ann alone, and in another room."""
        person, screen = await self.sit(self.address)
        bob, eve, dev = self.come("bob"), self.come("eve"), self.come("tom", "dev")
        await person.until(lambda: screen.members() == ["ann", "bob", "eve"])
        person.type(b"/topic tea, and how to make it" + ENTER + b"/join dev" + ENTER)
        await person.until(lambda: "tom" in screen.members())
        person.type(alt("1"))
        await person.until(lambda: screen.members() == ["ann", "bob", "eve"])
        await self.say(
            screen,
            [
                (bob, "good morning! who has tea?", "who has tea?"),
                (eve, "お茶ならあります 🍵", "🍵"),
                (person, "bob: eve has some", "eve has some"),
                (bob, "/me fetches a cup", "fetches a cup"),
                (eve, "ann, for you too?", "for you too?"),
                (
                    person,
                    "yes please, the green one if there is any left, and tell me how you make it",
                    "make it",
                ),
            ],
        )
        eve.transport.writeToChild(0, b"/msg ann the last cup is yours\n")
        dev.transport.writeToChild(0, b"the build is green again\n")
        await person.until(lambda: len(screen.rooms()) == 3 and "2 dev          1" in screen.rooms())
        person.type(b"see you at noon, ev")
        await screen.line("> see you at noon, ev")
        self.take(person, "talk", "Three people in a room; one of them has said something to ann alone")
        await self.leave(person, b"\x15" + CTRL_D)

    async def test_loss(self) -> None:
        """Every third datagram is lost each way, and then all of them."""
        proxy = ProxyProcess(self.server.port, Weather(0.3, 0.1, 0.1, 0.04), seed=7)
        self.addCleanup(proxy.stop)
        person, screen = await self.sit(f"127.0.0.1:{proxy.port}")
        bob = self.come("bob")
        await person.until(lambda: screen.members() == ["ann", "bob"])
        await self.say(
            screen,
            [
                (
                    bob,
                    f"line {number} of ten, over a bad network",
                    f"line {number} of ten, over a bad network",
                )
                for number in range(1, 11)
            ],
        )
        await person.until(lambda: "loss" in screen.network)
        proxy.order("dark 60")
        person.type(b"are you still there?" + ENTER + b"hello?" + ENTER)
        await person.until(lambda: "no answer for 3 s" in screen.network)
        person.type(b"/net" + ENTER)
        await person.until(lambda: any("2 texts wait" in row for row in screen.said()))
        self.take(person, "loss", "Nobody answers: two lines are pending, and /net says how things stand")
        await self.leave(person, CTRL_D)

    async def test_search(self) -> None:
        """Somebody looks for what was said about tea."""
        person, screen = await self.sit(self.address)
        bob, eve = self.come("bob"), self.come("eve")
        talk: list[tuple[ClientProcess | Person, str, str]] = [
            (bob, "tea is at four", "at four"),
            (eve, "I bring biscuits", "biscuits"),
            (bob, "green tea or black tea?", "black tea?"),
            (eve, "coffee", "coffee"),
            (person, "green tea for me", "for me"),
        ]
        await self.say(screen, talk)
        person.type(b"/search tea" + ENTER)
        await person.until(lambda: screen.said()[-1:] != ["ann: green tea for me"])
        await person.until(lambda: sum("tea" in row for row in screen.said()) >= 6)
        self.take(person, "search", "The answer to /search tea")
        await self.leave(person, CTRL_D)
