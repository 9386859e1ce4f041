"""Nicks that look like somebody's: 200 of them are refused, at whatever moment, and honest ones are not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.hub.likeness import Likeness
from chat.lookalike import skeleton
from chat.messages import Bye, Nick, Release, Request
from chat.safety import Nick as CheckedNick
from chat.safety import check_nick
from tests.hub_support import EVE, HubTests, hello, refusal

OWNED = "PayPal"
KEY, OTHER = b"k" * 32, b"o" * 32
EVA = b"v" * 16

# What each letter of it can be written with: other scripts, full width, mathematical letters, digits.
HOMOGLYPHS = {
    "p": "pрρⲣｐ\U0001d429\U0001d45d\U0001d4c5\U0001d5c9\U0001d699",
    "a": "aаαɑａ\U0001d41a\U0001d44e\U0001d4b6\U0001d5ba\U0001d68a",
    "y": "yуүｙ\U0001d432\U0001d466\U0001d4ce\U0001d5d2\U0001d6a2",
    "l": "lI1ӏⅼｌ\U0001d425\U0001d459\U0001d4c1\U0001d5c5\U0001d695",
}
CAPITALS = {"p": "PРΡＰ", "a": "AАΑＡ", "y": "YΥҮＹ", "l": "LlI1"}
# What nobody sees: joiners, marks that only carry information, fillers, selectors, tags.
INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u115f\u1160"
    "\u17b4\u180b\u180e\u3164\ufe0f\uffa0\U000e0041"
)


def confusables() -> list[str]:
    """Give 200 nicks that look like the owned one, always the same."""
    rng = random.Random(7)
    made: dict[str, None] = {}
    while len(made) < 140:
        nick = "".join(rng.choice(HOMOGLYPHS[letter]) for letter in "paypal")
        made[nick] = None
    while len(made) < 180:
        made["".join(rng.choice(CAPITALS[letter]) for letter in "paypal")] = None
    while len(made) < 200:
        place = rng.randrange(7)
        made[OWNED[:place] + rng.choice(INVISIBLE) + OWNED[place:]] = None
    return list(made)


class SkeletonTests(SynchronousTestCase):
    """What a skeleton has in common with others."""

    def test_what_looks_alike(self) -> None:
        """Scripts, widths, digits and letters that grow together."""
        for group in (
            ("paypal", "раураl", "PAYPAL", "paypa1", "paypaI", "ｐａｙｐａｌ"),
            ("mike", "rnike", "MIKE"),
            ("bob", "BOB", "B0B", "ВОВ"),
            ("root", "rооt"),
        ):
            self.assertEqual(len({skeleton(nick) for nick in group}), 1, group)

    def test_what_does_not(self) -> None:
        """Accents and other letters are there to be seen."""
        nicks = ("jose", "josé", "ann", "anna", "bob", "rob", "lan", "привет", "日本", "8本")
        self.assertEqual(len({skeleton(nick) for nick in nicks}), len(nicks))

    @given(st.text(max_size=24))
    def test_a_fixed_point(self, name: str) -> None:
        """What looks like a skeleton has that one; nothing raises."""
        self.assertEqual(skeleton(skeleton(name)), skeleton(name))


class LikenessTests(SynchronousTestCase):
    """An index of nicks."""

    def test_what_is_there(self) -> None:
        """Each nick is there once, as it was put last, until it is dropped."""
        likeness = Likeness()
        bob, spoof = check_nick("bob"), check_nick("bоb")
        for nick in (bob, bob, spoof):
            likeness.put(nick.key, nick.shown)
        self.assertEqual(likeness.others(bob), (spoof.key,))
        likeness.drop(spoof.key)
        likeness.drop(spoof.key)
        self.assertEqual((likeness.others(bob), likeness.others(spoof)), ((), (bob.key,)))
        likeness.put(bob.key, "rob")
        self.assertEqual(likeness.others(spoof), ())
        likeness.drop(bob.key)
        self.assertEqual(likeness.others(CheckedNick("rоb", "x")), ())

    def test_looks(self) -> None:
        """The same nick in other capitals can look like something else."""
        likeness = Likeness()
        likeness.put("νινα", "νινα")
        self.assertTrue(likeness.looks_the_same(check_nick("νινα")))
        self.assertFalse(likeness.looks_the_same(check_nick("ΝΙΝΑ")))
        self.assertFalse(likeness.looks_the_same(check_nick("bob")))


class HubLookalikeTests(HubTests):
    """Somebody with a key owns a nick, and Eve wants to pass for that person."""

    def come(self, nick: str, client: bytes, key: bytes | None) -> str:
        """Come in; give the code of the refusal ("": none)."""
        return self.code(client, hello(nick, client), key)

    def code(self, client: bytes, request: Request, key: bytes | None = None) -> str:
        """Ask; give the code of the refusal ("": none)."""
        effects = self.hub.apply(client, request, self.now, key)
        return refusal(effects)[1] if "Rejected" in str(effects) else ""

    def test_200_of_them(self) -> None:
        """None is let in, nor taken later, with a key or without, whether its owner is here or not."""
        self.come(OWNED, EVE, KEY)
        self.come("eva", EVA, OTHER)
        nicks = confusables()
        self.assertEqual(len(nicks), 200)
        for is_here in (True, False):
            for nick in nicks:
                for key in (None, OTHER):
                    self.assertTrue(self.come(nick, b"n" * 16, key).startswith("NICK_"), ascii(nick))
                self.assertTrue(self.code(EVA, Nick(7, nick)).startswith("NICK_"), ascii(nick))
            if is_here:
                self.hub.apply(EVE, Bye(), self.now)

    def test_who_is_here_without_a_key(self) -> None:
        """Nobody passes for that one either, but who owns a nick comes first."""
        self.come("rnike", EVE, None)
        self.assertEqual(self.come("mike", EVA, None), "NICK_IN_USE")
        self.hub.apply(EVE, Bye(), self.now)
        self.assertEqual(self.come("mike", EVA, KEY), "")
        self.hub.apply(EVA, Bye(), self.now)
        self.assertEqual(self.come("rnike", EVE, None), "NICK_OWNED")

    def test_ones_own(self) -> None:
        """One may have several that look alike, one after the other and at once; others may not."""
        self.assertEqual(self.come("mike", EVE, KEY), "")
        self.assertEqual(self.code(EVE, Nick(5, "rnike")), "")
        self.assertEqual(self.come("mike", EVA, KEY), "")
        self.assertEqual(self.come("MIKE", b"n" * 16, OTHER), "NICK_OWNED")

    def test_without_a_key_one_can_take_ones_own_other_form(self) -> None:
        """Who has no key may change between forms of the own nick."""
        self.assertEqual(self.come("mike", EVE, None), "")
        self.assertEqual(self.code(EVE, Nick(5, "rnike")), "")

    def test_capitals_of_ones_own(self) -> None:
        """Who owns a word of small Greek letters cannot write it so that it looks like another's NINA."""
        self.come("Nina", EVE, KEY)
        self.assertEqual(self.come("νινα", EVA, OTHER), "")
        self.assertEqual(self.code(EVA, Nick(5, "ΝΙΝΑ")), "NICK_OWNED")
        self.hub.apply(EVA, Bye(), self.now)
        self.assertEqual(self.come("ΝΙΝΑ", EVA, OTHER), "NICK_OWNED")
        self.assertEqual(self.come("Νινα", EVA, OTHER), "")

    def test_what_was_given_up(self) -> None:
        """Looks like nobody's any more."""
        self.come("mike", EVE, KEY)
        self.code(EVE, Release(5))
        self.hub.apply(EVE, Bye(), self.now)
        self.assertEqual(self.come("rnike", EVA, OTHER), "")

    def test_reserved(self) -> None:
        """What looks like the server's own voice is refused."""
        for nick in ("ѕеrvеr", "аdmin", "r00t", "systern", "adm1n"):
            self.assertEqual(self.come(nick, EVE, None), "NICK_RESERVED", nick)

    def test_honest_nicks(self) -> None:
        """Whole words of any script, that look like nobody's here, are let in together."""
        nicks = ("Ольга", "Иван", "Γιώργος", "花子", "さくら", "محمد", "שרה", "김철수", "ณัฐ", "josé", "jose")
        for number, nick in enumerate(nicks):
            self.assertEqual(self.come(nick, bytes([number]) * 16, KEY[:-1] + bytes([number])), "", nick)

    def test_the_refusal(self) -> None:
        """It says what is wrong: nobody sees it at once."""
        self.come("paypal", EVE, KEY)
        effects = self.hub.apply(EVA, hello("раураl", EVA), self.now)
        self.assertIn("раураl looks like paypal, which belongs to somebody else", str(effects))

    def test_too_late(self) -> None:
        """Who was here first under what looks like an owned nick does not keep its owner out."""
        self.come("mike", EVE, KEY)
        self.hub.apply(EVE, Bye(), self.now)
        self.now += 31 * 86_400.0
        self.hub.expire(self.now)
        self.assertEqual(self.come("rnike", EVA, None), "")
        self.assertEqual(self.come("mike", EVE, KEY), "NICK_IN_USE")
        self.assertRaises(RequestRejected, check_nick, "")
