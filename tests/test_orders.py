"""Orders: one frame with a verb, what each verb does, and what comes of one that is not known."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat import __version__
from chat.hub.effects import Effect, Send
from chat.hub.spans import show_end, show_span
from chat.memos import Memos
from chat.messages import Done
from chat.orders import MAY, Order, Verb
from tests.hub_support import ANN, HubTests, only, refusal

NOTHING = Memos()


def told(effects: list[Effect]) -> str:
    """Give the lines that answer an order."""
    message = only(effects, Send).message
    assert isinstance(message, Done), message
    assert isinstance(message.result, str), message
    return message.result


class OrderTests(HubTests):
    """What a server says of itself, and what it does not know."""

    def test_uptime_counts_from_the_beginning(self) -> None:
        """`uptime` says how long the hub has been there and how many members it has."""
        self.hub.recall(NOTHING, self.now, at=1.7e9)
        self.now += 3_725
        self.assertEqual(told(self.ask(ANN, Order(2, "uptime"))), "up for 1 h 2 min, 2 here")

    def test_version(self) -> None:
        """`version` names the program and its release."""
        self.assertEqual(told(self.ask(ANN, Order(2, "version"))), f"udpchat {__version__}")

    def test_ping(self) -> None:
        """`ping` has the answer that everybody expects."""
        self.assertEqual(told(self.ask(ANN, Order(2, "ping"))), "pong")

    def test_an_unknown_verb_is_refused(self) -> None:
        """A newer client's verb costs that order only."""
        self.assertEqual(refusal(self.ask(ANN, Order(2, "fly"))), (2, "UNKNOWN_COMMAND", 0.0))

    def test_who_may_is_said_of_each_verb(self) -> None:
        """No verb is without a rule."""
        self.assertEqual(set(MAY), set(Verb))


class SpanTests(SynchronousTestCase):
    """A time as people say it."""

    def test_two_largest_units(self) -> None:
        """The two largest units are said, and none before them."""
        spans = {0: "0 s", 59: "59 s", 60: "1 min 0 s", 3_725: "1 h 2 min", 90_061: "1 d 1 h"}
        for seconds, span in spans.items():
            self.assertEqual(show_span(seconds), span)

    def test_ends(self) -> None:
        """The same words wherever the server stands; 0 has no end."""
        self.assertEqual(show_end(1_700_000_000), "until 2023-11-14 22:13 UTC")
        self.assertEqual(show_end(0), "for ever")
