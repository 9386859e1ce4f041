"""Tests of `chat.hub`: a nick belongs to who used it first with a key, and to that person's other keys."""

from __future__ import annotations

import sys
from types import FrameType

from chat.hub.effects import Effect, Send
from chat.hub.hub import Hub
from chat.hub.owners import (
    CODE_SECONDS,
    MAX_CODES,
    MAX_DEVICES,
    MAX_OWNERS,
    OWNED_NICKS,
    UNUSED_SECONDS,
    log_name,
)
from chat.memos import Device, Memos, Owner, Seat, memo_key
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Bye,
    Done,
    Hello,
    Join,
    Link,
    Nick,
    Rejected,
    Release,
    Welcome,
)
from chat.stored import Heads, RoomHeads
from tests.hub_support import ANN, BOB, EVE, HubTests, hello, only, refusal

KEY, OTHER, THIRD = b"k" * 32, b"o" * 32, b"t" * 32
NEW, BOLD = b"n" * 16, b"d" * 16
EPOCH = 1_700_000_000.0  # seconds since 1970 when the hub's clock shows 0
NOTHING = Memos()


class OwnerTests(HubTests):
    """Eve, with a key, beside Ann and Bob, who have none."""

    def setUp(self) -> None:
        """Let her come in, and forget what was remembered of that."""
        super().setUp()
        self.hub.recall(NOTHING, self.now, EPOCH + self.now)
        self.say_hello("eve", EVE, KEY)
        self.ask(EVE, Join(1, LOBBY))

    def say_hello(
        self, nick: str, client: bytes, key: bytes | None, link: str = "", version: int = PROTOCOL_VERSION
    ) -> list[Effect]:
        """Let somebody come in."""
        return self.hub.apply(client, Hello(version, client, nick, link), self.now, key)

    def welcome(self, effects: list[Effect]) -> Welcome:
        """Give the welcome among effects."""
        (found,) = (e.message for e in effects if isinstance(e, Send) and isinstance(e.message, Welcome))
        return found

    def code(self, client: bytes = EVE) -> str:
        """Ask for a code."""
        message = only(self.ask(client, Link(7)), Send).message
        assert isinstance(message, Done), message
        assert isinstance(message.result, str)
        return message.result


class NickTests(OwnerTests):
    """Whose a nick is."""

    def test_first_use(self) -> None:
        """Who uses a nick with a key owns it, is told so, and it is remembered."""
        welcome = self.welcome(self.say_hello("carl", NEW, OTHER))
        self.assertEqual((welcome.is_owned, welcome.direct), (True, log_name(OTHER)))
        self.assertEqual(
            self.hub.memos_to_keep()[memo_key(Owner, "carl")],
            Owner("carl", OTHER, int(EPOCH + self.now)),
        )

    def test_not_without_a_key(self) -> None:
        """Who has no key owns nothing, and has no log."""
        welcome = self.welcome(self.say_hello("carl", NEW, None))
        self.assertEqual((welcome.is_owned, welcome.direct), (False, ""))
        self.assertNotIn(memo_key(Owner, "carl"), self.hub.memos_to_keep())

    def test_the_owner_has_left(self) -> None:
        """Nobody else gets the nick then either, by whatever door and in whatever spelling."""
        self.ask(EVE, Bye())
        for nick in ("eve", "EVE", "Ｅｖｅ"):
            for key, version in ((OTHER, PROTOCOL_VERSION), (None, PROTOCOL_VERSION), (None, PLAIN_VERSION)):
                refused = self.say_hello(nick, NEW, key, version=version)
                self.assertEqual(refusal(refused), (0, "NICK_OWNED", 0.0))
        self.assertEqual(refusal(self.ask(ANN, Nick(3, "Eve"))), (3, "NICK_OWNED", 0.0))
        self.assertTrue(self.welcome(self.say_hello("eVe", NEW, KEY)).is_owned)

    def test_a_change_of_nick(self) -> None:
        """The new nick is owned, and the old one still is."""
        self.ask(EVE, Nick(2, "eva"), Bye())
        for nick in ("eva", "eve"):
            self.assertEqual(refusal(self.say_hello(nick, NEW, OTHER)), (0, "NICK_OWNED", 0.0))

    def test_not_of_who_has_it_now(self) -> None:
        """A nick that somebody without a key is using is not taken away."""
        self.assertEqual(refusal(self.say_hello("ann", NEW, OTHER)), (0, "NICK_IN_USE", 0.0))

    def test_a_full_book(self) -> None:
        """Where so many nicks have owners, one more can be used and belongs to nobody."""
        owners = {f"n{number}": Owner(f"n{number}", THIRD, int(EPOCH)) for number in range(MAX_OWNERS)}
        self.hub.recall(Memos(owners=owners), self.now, EPOCH)
        self.assertFalse(self.welcome(self.say_hello("carl", NEW, OTHER)).is_owned)

    def test_so_many(self) -> None:
        """One more than eight is refused, until one of them is released."""
        for number in range(1, OWNED_NICKS):
            only(self.ask(EVE, Nick(number, f"eve{number}"))[-1:], Send)
        self.assertEqual(refusal(self.ask(EVE, Nick(20, "more"))), (20, "NICK_LIMIT", 0.0))
        self.ask(EVE, Release(21, "eve1"))
        self.assertEqual(self.ask(EVE, Nick(22, "more"))[-1], Send(EVE, Done(22, "more")))


class ReleaseTests(OwnerTests):
    """A nick that belongs to nobody any more."""

    def test_ones_own(self) -> None:
        """It can be used until its holder leaves, and is anybody's then."""
        self.assertEqual(self.ask(EVE, Release(2)), [Send(EVE, Done(2, "eve"))])
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Owner, "eve")])
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER)), (0, "NICK_IN_USE", 0.0))
        self.ask(EVE, Bye())
        self.assertTrue(self.welcome(self.say_hello("eve", NEW, OTHER)).is_owned)

    def test_not_another_s(self) -> None:
        """Only its owner releases a nick, and nobody one that is nobody's."""
        self.say_hello("carl", NEW, OTHER)
        for client, nick in ((NEW, "eve"), (EVE, "carl"), (EVE, "ann")):
            self.assertEqual(refusal(self.ask(client, Release(2, nick))), (2, "NOT_YOURS", 0.0))
        for nick in ("", "eve"):
            self.assertEqual(refusal(self.ask(ANN, Release(2, nick))), (2, "NO_KEY", 0.0))

    def test_unused(self) -> None:
        """After 30 days in which nobody used it, and not before."""
        self.ask(EVE, Bye())
        self.now += UNUSED_SECONDS - 1
        self.hub.expire(self.now)
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER)), (0, "NICK_OWNED", 0.0))
        self.now += 2
        self.hub.expire(self.now)
        self.assertTrue(self.welcome(self.say_hello("eve", NEW, OTHER)).is_owned)

    def test_used(self) -> None:
        """Who stays for longer than that keeps it; the 30 days begin when it leaves."""
        for _ in range(40):
            self.now += UNUSED_SECONDS / 20
            self.say_hello("eve", EVE, KEY)
            self.hub.expire(self.now)
        self.ask(EVE, Bye())
        self.now += UNUSED_SECONDS - 1
        self.hub.expire(self.now)
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER)), (0, "NICK_OWNED", 0.0))


class LinkTests(OwnerTests):
    """Another key of the same person."""

    def test_linked(self) -> None:
        """Who says the code has nick and log of who was given it, and takes the nick over."""
        effects = self.say_hello("eve", NEW, OTHER, self.code())
        self.assertEqual(effects[0], Send(EVE, Bye("replaced by another session")))
        welcome = self.welcome(effects)
        self.assertEqual((welcome.nick, welcome.is_owned, welcome.direct), ("eve", True, log_name(KEY)))
        self.assertEqual(self.hub.memos_to_keep()[memo_key(Device, OTHER)], Device(KEY))

    def test_as_people_type_it(self) -> None:
        """Capitals, spaces and missing hyphens do not matter."""
        code = self.code()
        self.assertRegex(code, r"\A[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}\Z")
        self.assertTrue(self.say_hello("eva", NEW, OTHER, code.upper().replace("-", " ")))
        self.assertEqual(self.welcome(self.say_hello("eva", NEW, OTHER)).direct, log_name(KEY))

    def test_once(self) -> None:
        """The key that has used a code may repeat itself; another one may not use it."""
        code = self.code()
        for _ in range(2):
            self.assertEqual(self.welcome(self.say_hello("eva", NEW, OTHER, code)).direct, log_name(KEY))
        self.assertEqual(refusal(self.say_hello("carl", b"c" * 16, THIRD, code)), (0, "LINK_INVALID", 0.0))

    def test_ten_minutes(self) -> None:
        """Later it is no code any more."""
        code = self.code()
        self.now += CODE_SECONDS + 1
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER, code)), (0, "LINK_INVALID", 0.0))

    def test_the_newest(self) -> None:
        """A new code makes the one before invalid."""
        code = self.code()
        self.assertNotEqual(self.code(), code)
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER, code)), (0, "LINK_INVALID", 0.0))

    def test_so_many_codes(self) -> None:
        """The oldest is no code any more when a thousand others have been given since."""
        code = self.code()
        for number in range(MAX_CODES):
            client = number.to_bytes(16, "big")
            self.say_hello(f"n{number}", client, client * 2)
            self.code(client)
        self.assertEqual(refusal(self.say_hello("eve", NEW, OTHER, code)), (0, "LINK_INVALID", 0.0))

    def test_without_a_key(self) -> None:
        """Neither gives nor uses a code."""
        self.assertEqual(refusal(self.ask(ANN, Link(3))), (3, "NO_KEY", 0.0))
        self.assertEqual(refusal(self.say_hello("eve", NEW, None, self.code())), (0, "NO_KEY", 0.0))

    def test_what_the_other_key_owned(self) -> None:
        """Belongs to the one person from then on."""
        self.say_hello("carl", NEW, OTHER)
        self.ask(NEW, Bye())
        self.say_hello("carl", NEW, OTHER, self.code())
        self.assertEqual(self.hub.memos_to_keep()[memo_key(Owner, "carl")], Owner("carl", KEY, 1_700_001_000))
        self.assertEqual(self.ask(EVE, Release(5, "carl")), [Send(EVE, Done(5, "carl"))])

    def test_another_program_with_that_key(self) -> None:
        """It makes way, under the same nick or another: who it was is nobody any more."""
        for nick in ("carl", "dora"):
            other = nick.encode() * 8
            self.say_hello("carl", BOLD, other)
            told = self.say_hello(nick, NEW, other, self.code())
            self.assertEqual(self.welcome(told).direct, log_name(KEY))
            self.assertIn(Send(BOLD, Bye("replaced by another session")), told)
            self.assertEqual(self.ask(BOLD, Nick(2, "hal")), [])
            self.ask(NEW, Bye())
            self.ask(EVE, Release(5, "carl"))

    def test_a_code_that_is_said_again_and_again(self) -> None:
        """It costs no look at all rooms: who is refused a nick may say it as often as it likes."""
        calls: list[str] = []

        def note(_: FrameType, event: str, __: object) -> None:
            calls.append(event)

        many = {f"room{number}": RoomHeads(0, 1, "") for number in range(1_000)}
        self.hub.restore(Heads(0, many))
        code = self.code()
        for _ in range(2):
            calls.clear()
            sys.setprofile(note)
            try:
                effects = self.say_hello("ann", NEW, OTHER, code)
            finally:
                sys.setprofile(None)
            self.assertEqual(refusal(effects)[1], "NICK_IN_USE")
        self.assertLess(len(calls), 1_000)

    def test_another_program_while_the_link_is_refused(self) -> None:
        """What it takes is its person's: the key is linked, whatever the nick."""
        self.say_hello("carl", BOLD, OTHER)
        self.assertEqual(refusal(self.say_hello("ann", NEW, OTHER, self.code())), (0, "NICK_IN_USE", 0.0))
        self.ask(EVE, Bye())
        self.ask(BOLD, Nick(2, "eve"))
        self.ask(BOLD, Bye())
        for key in (KEY, OTHER):
            self.assertEqual(self.welcome(self.say_hello("eve", NEW, key)).direct, log_name(KEY))
            self.ask(NEW, Bye())

    def test_another_program_after_a_refused_link(self) -> None:
        """It makes way as soon as somebody comes in with that key, without the code, too."""
        self.say_hello("carl", BOLD, OTHER)
        self.assertEqual(refusal(self.say_hello("ann", NEW, OTHER, self.code())), (0, "NICK_IN_USE", 0.0))
        told = self.say_hello("dora", NEW, OTHER)
        self.assertIn(Send(BOLD, Bye("replaced by another session")), told)

    def test_so_many(self) -> None:
        """Eight other keys, and no more."""
        for number in range(MAX_DEVICES + 1):
            effects = self.say_hello(f"eve{number % 3}", NEW, bytes((number,)) * 32, self.code())
            self.ask(NEW, Bye())
        self.assertEqual(refusal(effects), (0, "LINK_LIMIT", 0.0))

    def test_a_key_with_others(self) -> None:
        """It is linked to nobody: the others would stand for a person that is no more."""
        self.say_hello("carl", BOLD, OTHER)
        self.say_hello("dora", NEW, THIRD, self.code(BOLD))
        self.ask(NEW, Bye())
        self.assertEqual(refusal(self.say_hello("hal", NEW, OTHER, self.code())), (0, "LINK_LIMIT", 0.0))
        told = self.say_hello("dora", NEW, THIRD)
        self.assertTrue(self.welcome(told).is_owned)
        self.assertEqual(self.welcome(told).direct, log_name(OTHER))

    def test_a_code_of_a_key_that_was_linked_since(self) -> None:
        """It is one of the person whose that key is now."""
        self.say_hello("carl", BOLD, OTHER)
        code = self.code(BOLD)
        self.say_hello("carl", NEW, OTHER, self.code())
        self.ask(NEW, Bye())
        self.assertEqual(self.welcome(self.say_hello("dora", NEW, THIRD, code)).direct, log_name(KEY))


class RecallTests(OwnerTests):
    """What is remembered is there again after a restart."""

    def restarted(self, memos: Memos) -> Hub:
        """Give a hub that begins with memos, one day later."""
        hub = Hub()
        self.now = 5.0
        hub.recall(memos, self.now, EPOCH + 86_400)
        return hub

    def test_owners(self) -> None:
        """Owners and their other keys."""
        memos = Memos(owners={"eve": Owner("Eve", KEY, int(EPOCH))}, devices={OTHER: Device(KEY)})
        self.hub = self.restarted(memos)
        self.assertEqual(refusal(self.say_hello("eve", NEW, THIRD)), (0, "NICK_OWNED", 0.0))
        self.assertTrue(self.welcome(self.say_hello("eve", NEW, OTHER)).is_owned)

    def test_long_unused(self) -> None:
        """The time for which the server was down counts; what was linked for it is forgotten too."""
        used = int(EPOCH - UNUSED_SECONDS)
        memos = Memos(owners={"eve": Owner("Eve", KEY, used)}, devices={OTHER: Device(THIRD)})
        self.hub = self.restarted(memos)
        self.hub.expire(self.now)
        changes = self.hub.memos_to_keep()
        self.assertEqual(changes, {memo_key(Owner, "eve"): None, memo_key(Device, OTHER): None})

    def test_members(self) -> None:
        """Natives and plain ones are in their rooms under their nicks; who comes back is not announced."""
        seats = {
            EVE: Seat("eve", KEY, is_plain=False, is_away=True, rooms=[LOBBY, "den"]),
            BOB: Seat("Bob", None, is_plain=True, is_away=False, rooms=[LOBBY]),
        }
        self.hub = self.restarted(Memos(seats=seats))
        self.assertEqual(self.hub.everybody(), (EVE, BOB))
        self.assertEqual(refusal(self.say_hello("bob", NEW, None)), (0, "NICK_IN_USE", 0.0))
        effects = self.say_hello("eve", EVE, KEY) + self.ask(EVE, Join(1, "den"))
        told = [type(effect).__name__ for effect in effects]
        self.assertEqual(told, ["Send", "Publish", "Publish", "Send"])  # welcome, back in two rooms, joined
        self.assertEqual(self.ask(BOB, Nick(1, "rob"))[-1], Send(BOB, Done(1, "rob")))

    def test_who_does_not_come_back(self) -> None:
        """Is away after a minute and gone ten minutes later, as who has fallen silent."""
        seats = {EVE: Seat("eve", KEY, is_plain=False, is_away=False, rooms=[LOBBY])}
        self.hub = self.restarted(Memos(seats=seats))
        self.hub.expire(self.now + 61)
        self.assertEqual(self.hub.everybody(), (EVE,))
        self.hub.expire(self.now + 700)
        self.assertEqual(self.hub.everybody(), ())
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Seat, EVE)])

    def test_what_cannot_be(self) -> None:
        """A seat that breaks a rule of today is forgotten, and so is a room in it that may not be joined."""
        seats = {
            ANN: Seat("server", None, is_plain=True, is_away=False, rooms=[LOBBY]),
            BOB: Seat("bob", None, is_plain=True, is_away=False, rooms=["No Such", log_name(KEY), LOBBY]),
            EVE: Seat("BOB", None, is_plain=True, is_away=False, rooms=[]),
        }
        self.hub = self.restarted(Memos(seats=seats))
        changes = self.hub.memos_to_keep()
        self.assertIsNone(changes[memo_key(Seat, ANN)])
        self.assertIsNone(changes[memo_key(Seat, EVE)])
        seat = changes[memo_key(Seat, BOB)]
        assert isinstance(seat, Seat)
        self.assertEqual(
            seat, Seat("bob", None, is_plain=True, is_away=False, rooms=[LOBBY], since=seat.since)
        )

    def test_members_are_remembered(self) -> None:
        """As they are: coming, joining, another nick, away, back; and no more when they have left."""
        self.hub.memos_to_keep()
        self.say_hello("carl", NEW, None)
        self.ask(NEW, Join(1, "den"), Nick(2, "karl"))
        key = memo_key(Seat, NEW)
        since = int(EPOCH + self.now)
        seat = Seat("karl", None, is_plain=False, is_away=False, rooms=["den"], since=since)
        self.assertEqual(self.hub.memos_to_keep()[key], seat)
        self.assertEqual(self.hub.memos_to_keep(), {})
        self.hub.expire(self.now + 61)
        away = self.hub.memos_to_keep()[key]
        assert isinstance(away, Seat)
        self.assertTrue(away.is_away)
        self.ask(NEW, Bye())
        self.assertEqual(self.hub.memos_to_keep()[key], None)

    def test_refusals_are_no_secret_channel(self) -> None:
        """A nick whose owner is away is refused in the same words as any other that is owned."""
        self.ask(EVE, Bye())
        (refused,) = self.say_hello("eve", NEW, OTHER)
        assert isinstance(refused, Send)
        assert isinstance(refused.message, Rejected)
        self.assertEqual(refused.message.text, "eve belongs to somebody else: take another nick")
        self.assertEqual(hello("x").link, "")
