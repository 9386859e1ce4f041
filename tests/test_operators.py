"""Tests of `chat.hub`: who operates a server, how one comes to, and what such a one is told."""

from __future__ import annotations

from chat.hub.hub import Hub
from chat.hub.operators import MAX_OPERATORS, TRIES, TRY_SECONDS
from chat.hub.outside import Outside
from chat.memos import Device, Memos, Operator, Owner, memo_key
from chat.messages import LOBBY, PLAIN_VERSION, Hello, Link, Nick, Welcome
from chat.notices import Notice
from chat.orders import MAY, Verb, Who
from tests.hub_support import ANN, BOB, say
from tests.operator_support import EPOCH, KIM, KIMS, OLGA, OLGAS, OTHER, OperatorTests


class RightsTests(OperatorTests):
    """Who is one."""

    def is_operator(self, client: bytes) -> bool:
        """Say whether somebody may give an order that only operators may."""
        return len(self.order(client, Verb.WALL, text="hi")) > 1

    def test_named_at_the_start(self) -> None:
        """By the key and not by the nick; who has none is never one."""
        self.assertTrue(self.is_operator(OLGA))
        for client in (ANN, BOB, KIM):
            self.assertEqual(
                self.refused(self.order(client, Verb.WALL, text="hi"), client),
                ("NOT_OPERATOR", "only operators may /wall"),
            )

    def test_every_operators_verb_is_refused_to_others(self) -> None:
        """Whatever stands in the order, and whoever gives it: nothing comes of it."""
        for verb, who in MAY.items():
            if who is Who.OPERATOR:
                for client in (ANN, KIM):
                    code, text = self.refused(self.order(client, verb, LOBBY, "bob", "why"), client)
                    self.assertEqual((code, text), ("NOT_OPERATOR", f"only operators may /{verb}"))

    def test_a_nick_gives_no_right(self) -> None:
        """Who takes another nick is as much of an operator as before; so is who gets the old one."""
        self.ask(OLGA, Nick(3, "olivia"))
        self.ask(KIM, Nick(3, "olgerta"))
        self.assertTrue(self.is_operator(OLGA))
        self.assertFalse(self.is_operator(KIM))

    def test_welcome_says_so(self) -> None:
        """Whoever comes in is told whether they are one."""
        for nick, key, expected in (("oda", OLGAS, True), ("kit", KIMS, False), ("nat", None, False)):
            (welcome, *_) = self.told(
                self.come(nick, nick.encode() * 5 + b"!", key), nick.encode() * 5 + b"!"
            )
            assert isinstance(welcome, Welcome), welcome
            self.assertEqual(welcome.is_operator, expected, nick)

    def test_another_device(self) -> None:
        """What was linked to an operator's key has that person's rights, whichever of them was named."""
        self.order(OLGA, Verb.OP, target="kim")
        code = self.answer(self.ask(KIM, Link(9)), KIM)
        client = b"n" * 16
        self.hub.apply(client, Hello(1, client, "kay", code), self.now, OTHER)
        self.assertTrue(self.is_operator(client))
        self.begin(
            Hub(operators=[OTHER]), Memos({"kim": Owner("kim", KIMS, int(EPOCH))}, {OTHER: Device(KIMS)})
        )
        self.assertTrue(self.is_operator(KIM))

    def test_asked_when_its_turn_comes(self) -> None:
        """Who was one when the order was said, and is none when it would be carried out, may not."""
        self.order(OLGA, Verb.OP, target="kim")
        hi = self.unknown(self.ask(KIM, say(3)))
        self.assertEqual(self.order(KIM, Verb.WALL, text="mine"), [])
        self.order(OLGA, Verb.DEOP, target="kim")
        effects = self.store(hi)
        self.assertIn(
            "only operators may /wall", [getattr(each, "text", "") for each in self.told(effects, KIM)]
        )
        self.assertEqual(self.told(effects, ANN), [])


class AppointingTests(OperatorTests):
    """How somebody becomes one."""

    def test_appointed(self) -> None:
        """They are told, their door hears what they may, the log knows who did it, and it lasts."""
        effects = self.order(OLGA, Verb.OP, target="Kim")
        self.assertEqual(self.answer(effects), "kim is an operator of this server")
        welcome, words = self.told(effects, KIM)
        assert isinstance(welcome, Welcome), welcome
        self.assertTrue(welcome.is_operator)
        self.assertEqual(words, Notice("you are an operator of this server, says olga"))
        acted = self.logged(effects)
        self.assertEqual((acted.nick, acted.key, acted.verb, acted.target), ("olga", OLGAS, "op", "Kim"))
        memo = self.hub.memos_to_keep()[memo_key(Operator, KIMS)]
        self.assertEqual(memo, Operator("kim", "olga", int(EPOCH + self.now)))
        self.begin(Hub(), Memos(operators={KIMS: Operator("kim", "olga", 0)}))
        self.assertEqual(self.answer(self.order(KIM, Verb.WALL, text="x"), KIM), "said to 4")

    def test_dismissed(self) -> None:
        """The other way round."""
        self.order(OLGA, Verb.OP, target="kim")
        effects = self.order(OLGA, Verb.DEOP, target="kim")
        self.assertEqual(self.answer(effects), "kim is no operator of this server any more")
        welcome, words = self.told(effects, KIM)
        assert isinstance(welcome, Welcome), welcome
        self.assertFalse(welcome.is_operator)
        self.assertEqual(words, Notice("you are no operator of this server any more, says olga"))
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Operator, KIMS)])

    def test_who_cannot_be(self) -> None:
        """Who has no key, who is not known, who is one, and one too many."""
        for verb, nick, code in (
            (Verb.OP, "ann", "NO_KEY"),
            (Verb.OP, "nobody", "NO_SUCH_NICK"),
            (Verb.OP, "olga", "OPERATOR_ALREADY"),
            (Verb.DEOP, "kim", "NOT_AN_OPERATOR"),
            (Verb.DEOP, "olga", "OPERATOR_GIVEN"),
        ):
            self.assertEqual(self.refused(self.order(OLGA, verb, target=nick), OLGA)[0], code, (verb, nick))
        self.order(OLGA, Verb.OP, LOBBY, target="kim")
        self.assertEqual(
            self.refused(self.order(OLGA, Verb.OP, LOBBY, target="kim"), OLGA)[0], "OPERATOR_ALREADY"
        )
        many = {number.to_bytes(32, "big"): Operator("x", "y", 0) for number in range(MAX_OPERATORS)}
        self.begin(Hub(operators=[OLGAS]), Memos(operators=many))
        self.assertEqual(self.refused(self.order(OLGA, Verb.OP, target="kim"), OLGA)[0], "TOO_MANY_OPERATORS")

    def test_whom_a_nick_belongs_to(self) -> None:
        """That person is meant, here or not."""
        self.hub.recall(Memos({"lea": Owner("lea", OTHER, int(EPOCH))}), self.now, EPOCH)
        self.assertEqual(
            self.answer(self.order(OLGA, Verb.OP, target="lea")), "lea is an operator of this server"
        )


class CodeTests(OperatorTests):
    """The first one, where nobody was named."""

    def setUp(self) -> None:
        """Begin without an operator."""
        super().setUp()
        self.begin(Hub(random=lambda size: bytes(range(size))))
        self.code = self.hub.operator_code()

    def say_code(self, client: bytes, code: str) -> str:
        """Let somebody say a code that is wrong for them; give the refusal's code."""
        return self.refused(self.order(client, Verb.OPERATOR, text=code), client)[0]

    def test_the_code(self) -> None:
        """Who says it is the operator, in whatever spelling; then it is good for nothing."""
        effects = self.order(KIM, Verb.OPERATOR, text=self.code.upper().replace("-", " "))
        self.assertEqual(self.answer(effects, KIM), "you are an operator of this server")
        self.assertEqual(self.told(effects, KIM)[0].is_operator, True)  # type: ignore[union-attr]
        self.assertEqual(self.logged(effects).text, "")
        self.assertEqual(
            self.refused(self.order(OLGA, Verb.OPERATOR, text=self.code), OLGA)[0], "CODE_INVALID"
        )
        self.assertEqual(self.hub.operator_code(), "")

    def test_not_without_a_key(self) -> None:
        """Who has no key has nothing that could be remembered; the code is as good as before."""
        self.assertEqual(self.say_code(ANN, self.code), "NO_KEY")
        plain = b"p" * 16
        self.ask(plain, Hello(PLAIN_VERSION, plain, "pat"))
        self.assertEqual(self.say_code(plain, self.code), "NO_KEY")
        self.answer(self.order(KIM, Verb.OPERATOR, text=self.code), KIM)

    def test_guessing(self) -> None:
        """Ten wrong ones in a minute, of all members together, and even the right one has to wait."""
        for number in range(TRIES):
            client = (KIM, OLGA)[number % 2]
            self.assertEqual(
                self.refused(self.order(client, Verb.OPERATOR, text="x"), client)[0], "CODE_INVALID"
            )
        refused = self.order(KIM, Verb.OPERATOR, text=self.code)
        self.assertEqual(self.refused(refused, KIM), ("BUSY", "too many wrong codes: wait a minute"))
        self.now += TRY_SECONDS
        self.answer(self.order(KIM, Verb.OPERATOR, text=self.code), KIM)

    def test_there_is_one(self) -> None:
        """No code is made, and none is right, where somebody operates the server."""
        self.begin(Hub(operators=[OLGAS]))
        self.assertEqual(self.hub.operator_code(), "")
        self.assertEqual(self.say_code(KIM, ""), "CODE_INVALID")


class WordsTests(OperatorTests):
    """What operators say, and are told."""

    def test_wall(self) -> None:
        """Everybody hears it, in whatever room; the log says whose words they were."""
        self.come("far", b"f" * 16, None, "elsewhere")
        effects = self.order(OLGA, Verb.WALL, text="down at 8")
        words = Notice("olga (operator): down at 8")
        for client in (ANN, BOB, KIM, OLGA, b"f" * 16):
            self.assertIn(words, self.told(effects, client))
        self.assertEqual(self.answer(effects), "said to 5")
        self.assertEqual(self.logged(effects).text, "down at 8")

    def test_counters(self) -> None:
        """Operators see in `/uptime` what the server has counted; others do not; it fits the answer."""
        counters = {f"kind {number:04}": number for number in range(2_000)}
        self.hub.look_outside(Outside(counters=lambda: counters))
        lines = self.answer(self.order(OLGA, Verb.UPTIME)).splitlines()
        self.assertEqual(lines[:3], ["up for 0 s, 4 here", "kind 0000=0", "kind 0001=1"])
        self.assertEqual(self.answer(self.order(ANN, Verb.UPTIME), ANN), "up for 0 s, 4 here")
