"""Tests of `chat.client.screen.talk`: which window a line is for, and what becomes of what was not said."""

# ruff: noqa: SLF001  (a visit that is begun as a connection would begin it)

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import DummyInput
from prompt_toolkit.output import DummyOutput
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.app import App
from chat.client.screen.model import Model
from chat.client.screen.settings import Settings
from chat.client.screen.talk import Talk
from chat.client.visit import Destination
from chat.client.wishes import Wishes
from chat.messages import Kind
from chat.wire.events import Appeared, OutOfRoom
from tests.client_support import PLACE, FakeClient, entry


class TalkTests(SynchronousTestCase):
    """Somebody in the lobby, at a screen without a terminal."""

    def setUp(self) -> None:
        """Come in."""
        session = create_app_session(input=DummyInput(), output=DummyOutput())
        session.__enter__()
        self.addCleanup(session.__exit__, None, None, None)
        clock = Clock()
        self.model = Model("lobby", Settings(), clock.seconds, lambda: 1.7e9)
        self.app = App(self.model, None, {})
        wishes = cast(Wishes, SimpleNamespace(room="lobby", place=PLACE, nick="bot", pinned=None, link=""))
        self.talk = Talk(cast(AsyncioSelectorReactor, clock), wishes, self.app, None)
        self.client = FakeClient(self.talk.happened)
        self.talk._client = self.client.real
        self.talk._visit.begin(self.client.real, "lobby")
        self.talk._begin(Destination(PLACE, "bot", "lobby"))
        self.client.let_in()

    def type(self, line: str) -> None:
        """Type a line into the window that is seen."""
        self.app.buffer.text = line
        self.app.enter()

    def be_put_out(self) -> None:
        """Go to another room, and be put out of it while its window is seen."""
        self.type("/join dev")
        self.client.joined()
        self.client.happened(OutOfRoom("dev", "KICKED", "go"))
        self.assertEqual(self.model.windows.current.name, "dev")

    @property
    def seen(self) -> list[str]:
        """What stands in the window that is seen."""
        scrollback = self.model.windows.current.scrollback
        return [line.text for line in (*scrollback.lines, *scrollback.tail)]

    def test_a_room_that_we_are_out_of(self) -> None:
        """Nothing that is typed into its window goes to another room; the window can be closed."""
        self.be_put_out()
        for line in ("text", "/me waves", "/topic tea", "/mode +i", "/part", "/kick bob"):
            self.app.show("dev")
            self.type(line)
            self.assertIn("you are not in dev: /join dev", self.seen[-1], line)
        self.assertEqual((self.client.said, self.client.asked), ([], []))
        self.type("/close")
        self.assertEqual(self.model.windows.current.name, "lobby")
        self.assertEqual(self.client.moves, ["join lobby", "join dev"])

    def test_again(self) -> None:
        """What cannot be said once more stands there as before, with the reason."""
        self.type("/join dev")
        self.client.joined()
        for line in ("precious", "/me waves"):
            self.type(line)
            self.client.refuse("MUTED", "muted")
        self.client.happened(OutOfRoom("dev", "KICKED", "go"))
        said = list(self.client.said)
        for _ in range(3):
            self.app.again()
        self.assertEqual(self.client.said, said)
        self.assertEqual({own.typed for own in self.model.unsettled}, {"precious", "/me waves"})

    def test_another_nick_meanwhile(self) -> None:
        """An own text that comes under the nick that we had is still the one that stands as pending."""
        self.type("hello")
        self.client.saying.pop(0).callback(10)
        self.model.nick = "eve"
        self.client.happened(Appeared("lobby", entry("hello", 10, nick="bot")))
        self.assertEqual([line for line in self.seen if "hello" in line], ["bot: hello"])
        self.assertEqual(self.client.said, [("hello", "lobby", Kind.SAY)])

    def test_what_was_being_typed(self) -> None:
        """Who closes a window finds what was being typed in the one before."""
        self.model.windows.open("@bob")
        self.app.buffer.text = "half a text"
        self.app.show("@bob")
        self.type("/close")
        self.assertEqual((self.model.windows.current.name, self.app.buffer.text), ("lobby", "half a text"))
