"""Tests of `chat.server.talklog`: what an operator reads of the talk, of a server on a network in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from chat.fingerprints import show_fingerprint
from chat.hub.effects import Acted
from chat.messages import Bye, Change, Entry, Kind, Presence
from chat.server.settings import Settings
from chat.server.talklog import TalkLog
from tests.support import Native, Wire

if TYPE_CHECKING:
    from twisted.logger import LogEvent

ANN = ("10.0.0.1", 1001)


class TalkLogTests(SynchronousTestCase):
    """A server, and what it logs."""

    def setUp(self) -> None:
        """Listen to the log."""
        self.events: list[LogEvent] = []
        watch: Any = self.events.append
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def log(self, *lines: bytes, settings: Settings | None = None) -> list[str]:
        """Let ann say these lines; give what the log says of them."""
        wire = Wire(settings)
        for line in (b"ann", *lines):
            wire.send(ANN, line)
            wire.clock.advance(2)  # a person types no faster
        return [formatEvent(event) for event in self.events if "event" in event]

    def fields(self, *names: str) -> list[tuple[Any, ...]]:
        """Give these fields of every event about the talk."""
        return [tuple(event.get(name) for name in names) for event in self.events if "event" in event]

    def test_an_order(self) -> None:
        """Who did what to whom and where, and why; words of theirs are fields, and never a format."""
        talk = TalkLog(with_text=True)
        talk.acted(Acted("ann", bytes(32), "kick", "dev", "{bob}", "{0} {addr!r}", 0))
        talk.acted(Acted("ann", None, "reload", "", "", "", 0))
        key = show_fingerprint(bytes(32))
        self.assertEqual(
            [formatEvent(event) for event in self.events],
            [f"ann ({key}): /kick {{bob}} in dev: {{0}} {{addr!r}}", "ann (no key): /reload"],
        )
        self.assertEqual(
            self.fields("event", "nick", "key", "verb", "target", "room", "reason")[0],
            ("order", "ann", key, "kick", "{bob}", "dev", "{0} {addr!r}"),
        )

    def test_the_code(self) -> None:
        """Where nobody operates the server, its log says how to."""
        wire = Wire()
        (said,) = [formatEvent(each) for each in self.events if "/operator" in formatEvent(each)]
        self.assertRegex(said, "who types /operator [a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4} does$")
        self.assertTrue(wire)

    def test_a_visit(self) -> None:
        """Who came from where, what was said where, who is called what, who left a room, and why the chat."""
        self.assertEqual(
            self.log(b"hi", b"/join dev", b"/me waves", b"/topic cakes", b"/nick anna", b"/part", b"exit"),
            [
                "~ann joined from 10.0.0.1:1001",
                "~ann: hi",
                "[dev] ~ann joined from 10.0.0.1:1001",
                "[dev] * ~ann waves",
                "[dev] * ~ann made the topic: cakes",
                "~ann is now anna",
                "[dev] ~ann is now anna",
                "[dev] ~anna parted",
                "~anna left: exit",
            ],
        )
        self.assertEqual(
            self.fields("event", "room")[-3:],
            [("renamed", "dev"), ("parted", "dev"), ("left", None)],
        )

    def test_leaving_is_one_line(self) -> None:
        """Who leaves the chat leaves its rooms with it."""
        self.assertEqual(self.log(b"/join dev", b"exit")[2:], ["~ann left: exit"])

    def test_verified(self) -> None:
        """Who holds a key has no sign, whatever is logged of it."""
        wire = Wire()
        nat = Native(wire, ("192.0.2.1", 5001), "nat", key=b"k" * 32)
        nat.say("hi")
        nat.send(Bye("enough"))
        self.assertEqual(
            [formatEvent(event) for event in self.events if "event" in event],
            ["nat joined from 192.0.2.1:5001", "nat: hi", "nat left: enough"],
        )

    def test_what_is_said_to_one_alone(self) -> None:
        """Neither the text is in the log nor who said it to whom, nor who reads such a log."""
        talk = TalkLog(with_text=True)
        for room in ("@", "@" + "a" * 26):
            for kind in Kind:
                talk.published(Entry(room, 8, 1, 0, kind, "eve", verified=True, text="psst"), None)
            for change in Change:
                talk.published(Presence(room, "eve", verified=True, change=change, new_nick="eva"), None)
        self.assertEqual(self.events, [])

    def test_without_text(self) -> None:
        """What members say stays out of the log, topics too."""
        said = self.log(b"hi", b"/topic cakes", settings=Settings(log_text=False))
        self.assertEqual(said[1:], ["~ann: (not logged)", "* ~ann made the topic: (not logged)"])
