"""Whoever made a room keeps it in order, on a network that loses what they do: programs of the simulation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Pong
from chat.notices import REDACTED, Out, Redacted
from chat.orders import Order, Verb
from chat.wire.sequence import Earlier
from tests.simulation.native import Program
from tests.simulation.network import Fate
from tests.simulation.stage import Stage, is_a

TEA = "tea"


class LossyTests(SynchronousTestCase):
    """Ann has made the room, Bob is in it."""

    def setUp(self) -> None:
        """Let both come in, and Bob say something."""
        self.stage = Stage()
        self.ann, self.bob = self.stage.client(TEA), self.stage.client(TEA)
        self.bob.speak("bad words", TEA)
        self.stage.let(3.0)  # the tail was said again

    def order(self, verb: Verb) -> None:
        """Let Ann do something about Bob."""
        self.ann.session.ask(Order(1, verb, TEA, self.bob.nick, number=1), self.ann.now())
        self.ann.pump()

    def lose(self, program: Program, kind: type, seconds: float) -> None:
        """Let nothing come with such a frame in it for a while."""
        self.stage.take_out(Fate.DROP, program.host, is_a(kind))
        self.stage.let(seconds)
        self.stage.network.rule = lambda *_: Fate.PASS

    def is_in(self, program: Program) -> bool:
        """Say whether a program thinks that it is in the room."""
        return TEA in program.wanted

    def test_a_kick_whose_word_is_lost(self) -> None:
        """Bob's program hears of it by and by, and does not come in again by itself."""
        for kind in (Out, Pong):
            self.order(Verb.KICK)
            self.lose(self.bob, kind, 4.0)
            self.stage.let(20.0)
            self.assertFalse(self.is_in(self.bob), kind)
            self.ann.speak("is he gone?", TEA)
            self.stage.let(5.0)
            self.assertNotIn("is he gone?", self.stage.texts(self.bob), kind)
            self.bob.join(TEA)
            self.stage.let(5.0)
            self.assertIn("is he gone?", self.stage.texts(self.bob))
            self.setUp()

    def test_a_kick_and_another_path(self) -> None:
        """A program that has a new channel before it has heard of it does not come in again either."""
        self.order(Verb.KICK)
        self.lose(self.bob, Out, 9.0)
        self.bob.connect()
        self.stage.let(20.0)
        self.assertFalse(self.is_in(self.bob))

    def test_a_redaction_whose_word_is_lost(self) -> None:
        """Who comes later, or fetches, finds it gone, though nobody told them; all show one log."""
        self.order(Verb.REDACT)
        self.lose(self.bob, Redacted, 3.0)
        late = self.stage.client(TEA)
        late.ask("back", TEA)
        self.stage.let(5.0)
        self.stage.end()
        self.assertEqual(self.stage.texts(self.ann), ["bad words"])
        (shown,) = self.stage.screens.shown[late.name]
        assert isinstance(shown, Earlier), shown
        self.assertEqual(shown.entry.text, REDACTED)
