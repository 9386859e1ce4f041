"""Tests of `chat.hub`: members with a key are verified, and get their own nick back."""

from __future__ import annotations

from msgspec.structs import replace

from chat import __version__
from chat.hub.effects import Commit, Drop, Publish, Send
from chat.hub.entrance import REPLACED
from chat.hub.hub import Hub
from chat.hub.owners import log_name
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Bye,
    Change,
    Done,
    Join,
    Kind,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Presence,
    Topic,
    Welcome,
)
from chat.stored import Draft
from tests.hub_support import ANN, BOB, EVE, START, HubTests, hello, only, presence, refusal, say

KEY, OTHER = b"k" * 32, b"o" * 32
EVES_WELCOME = Welcome(f"udpchat {__version__}", "eve", "", direct=log_name(KEY), is_owned=True)


class VerifiedTests(HubTests):
    """Who has shown a key is marked as verified wherever it is named; nobody else is."""

    def setUp(self) -> None:
        """Let Eve come in with a key, beside Ann and Bob, who have none."""
        super().setUp()
        self.hub.apply(EVE, hello("eve", EVE), START, KEY)

    def test_presence(self) -> None:
        """Coming, changing the nick and going."""
        shown = [
            effect.message
            for request in (Join(1, LOBBY), Nick(2, "eva"), Bye())
            for effect in self.ask(EVE, request)
            if isinstance(effect, Publish)
        ]
        self.assertEqual(
            shown,
            [
                Presence(LOBBY, "eve", verified=True, change=Change.JOINED, version=3),
                Presence(LOBBY, "eve", verified=True, change=Change.RENAMED, version=4, new_nick="eva"),
                Presence(LOBBY, "eva", verified=True, change=Change.LEFT, version=5),
            ],
        )
        self.assertEqual(self.ask(ANN, Bye())[1], Publish((BOB,), presence("ann", Change.LEFT, 6), ANN))

    def test_the_log_of_who_left(self) -> None:
        """Says it too."""
        self.assertEqual(self.ask(EVE, Bye("exit"))[0], Drop(EVE, "eve", verified=True, reason="exit"))

    def test_entries(self) -> None:
        """Texts and topics are stored with it."""
        self.ask(EVE, Join(1, LOBBY))
        text = only(self.ask(EVE, say(2)), Commit)
        self.assertEqual(text.draft, Draft(EVE, 2, LOBBY, Kind.SAY, "eve", verified=True, text="hi"))
        self.store([text])
        topic = only(self.ask(EVE, Topic(3, LOBBY, "bears")), Commit)
        self.assertEqual(topic.draft, Draft(EVE, 0, LOBBY, Kind.TOPIC, "eve", verified=True, text="bears"))

    def test_rosters(self) -> None:
        """And listed with it."""
        self.ask(EVE, Join(1, LOBBY))
        rows = (
            NameLine("ann", verified=False),
            NameLine("Bob", verified=False),
            NameLine("eve", verified=True),
        )
        page = NamesPage(LOBBY, rows, 3, more=False, version=3)
        self.assertEqual(self.ask(ANN, Names(5, LOBBY)), [Send(ANN, Done(5, page))])

    def test_only_a_hello_shows_a_key(self) -> None:
        """What comes with a later request changes nothing."""
        (left, *_) = self.hub.apply(ANN, Bye("exit"), START, KEY)
        self.assertEqual(left, Drop(ANN, "ann", verified=False, reason="exit"))


class OwnNickTests(HubTests):
    """A program that was killed, or left running elsewhere, does not keep its owner's nick."""

    def setUp(self) -> None:
        """Let Eve be in the lobby, with a key."""
        super().setUp()
        self.hub.apply(EVE, hello("eve", EVE), START, KEY)
        self.ask(EVE, Join(1, LOBBY))

    def test_taken_back(self) -> None:
        """The same key, another client: the older one is told and leaves, the newcomer gets the nick."""
        new = b"n" * 16
        self.assertEqual(
            self.hub.apply(new, hello("EVE", new), START, KEY),
            [
                Send(EVE, Bye(REPLACED)),
                Drop(EVE, "eve", verified=True, reason=REPLACED),
                Publish(
                    (ANN, BOB), Presence(LOBBY, "eve", verified=True, change=Change.LEFT, version=4), EVE
                ),
                Send(new, replace(EVES_WELCOME, nick="EVE")),
            ],
        )
        self.assertEqual(self.ask(EVE, say(1)), [])
        self.assertEqual(self.hub.everybody(), (ANN, BOB, new))

    def test_by_either_kind_of_session(self) -> None:
        """It does not matter whether one of them speaks text."""
        new = b"n" * 16
        self.assertEqual(len(self.hub.apply(new, hello("eve", new, PLAIN_VERSION), START, KEY)), 4)
        self.assertEqual(len(self.hub.apply(EVE, hello("eve", EVE), START, KEY)), 3)

    def test_not_by_others(self) -> None:
        """Another key, or none, gets a refusal, and the holder hears nothing of it."""
        new = b"n" * 16
        for key in (OTHER, None):
            refused = self.hub.apply(new, hello("eve", new), START, key)
            self.assertEqual(refusal(refused), (0, "NICK_OWNED", 0.0))

    def test_not_from_those_without_a_key(self) -> None:
        """Who has none cannot be told from anybody else: not even by another who has none."""
        new = b"n" * 16
        for key in (KEY, None):
            self.assertEqual(
                refusal(self.hub.apply(new, hello("ann", new), START, key)), (0, "NICK_IN_USE", 0.0)
            )

    def test_a_full_chat(self) -> None:
        """Who takes the place of itself needs no other."""
        hub = Hub(max_members=1)
        hub.apply(EVE, hello("eve", EVE), START, KEY)
        new = b"n" * 16
        *_, welcome = hub.apply(new, hello("eve", new), START, KEY)
        self.assertEqual(welcome, Send(new, EVES_WELCOME))

    def test_a_change_of_nick(self) -> None:
        """It takes nobody's: whoever changes its nick can see that it is there already."""
        new = b"n" * 16
        self.hub.apply(new, hello("eva", new), START, KEY)
        self.assertEqual(refusal(self.ask(new, Nick(1, "eve"))), (1, "NICK_IN_USE", 0.0))

    def test_what_the_older_one_has_said(self) -> None:
        """A text that the store is writing is shown all the same, and its author is gone."""
        said = self.unknown(self.ask(EVE, say(1)))
        new = b"n" * 16
        self.hub.apply(new, hello("eve", new), START, KEY)
        (told,) = self.store(said)
        assert isinstance(told, Publish)
        self.assertEqual((told.members, told.author), ((ANN, BOB), EVE))
