"""Tests of `chat.hub`: whom operators put out of a room, whom they keep out of the server, how long."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import MEMBER_ROOMS, REASON_BYTES, RESULT_BYTES
from chat.fingerprints import show_fingerprint
from chat.hub.banning import BAN_SECONDS
from chat.hub.bans import MAX_BANS, Bans
from chat.hub.effects import Drop, Publish
from chat.hub.hub import Hub
from chat.hub.members import OUT_SECONDS
from chat.hub.notebook import Notebook
from chat.hub.outside import Outside
from chat.memos import Ban, Memos, Seat, memo_key
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Bye,
    Change,
    Hello,
    Join,
    Joined,
    Link,
    Nick,
    Ping,
    Pong,
    Presence,
    Rejected,
)
from chat.networks import find_address, find_network
from chat.notices import Notice, Out
from chat.orders import FOREVER, Verb
from chat.safety import check_nick
from tests.hub_support import ANN, BOB, DEN
from tests.operator_support import EPOCH, KIM, KIMS, OLGA, OLGAS, OTHER, OperatorTests

PAT = b"p" * 16
AT = 1_700_001_000.0  # when the tests' members are banned


def ban(shown: str = "bob", until: int = 0, account: bytes | None = None, reason: str = "") -> Ban:
    """Give a ban as it is kept."""
    return Ban(shown, "olga", 0, until, reason, account)


class KickTests(OperatorTests):
    """Out of a room."""

    def test_kick(self) -> None:
        """Whom it is about is told why, the room that somebody left, the log who did it."""
        effects = self.order(OLGA, Verb.KICK, LOBBY, "bob", "be nice")
        self.assertEqual(self.told(effects, BOB), [Out(LOBBY, "KICKED", "kicked by olga: be nice")])
        (told,) = [each for each in effects if isinstance(each, Publish)]
        assert isinstance(told.message, Presence), told
        self.assertEqual((told.message.nick, told.message.change), ("Bob", Change.LEFT))
        self.assertNotIn(BOB, told.members)
        self.assertEqual(self.answer(effects), "Bob is out of lobby")
        self.assertEqual(self.logged(effects)[2:6], ("kick", LOBBY, "bob", "be nice"))
        seat = self.hub.memos_to_keep()[memo_key(Seat, BOB)]
        assert isinstance(seat, Seat), seat
        self.assertEqual(seat.rooms, [])
        (back, *_) = self.ask(BOB, Join(3, LOBBY))
        assert isinstance(back, Publish), back
        self.assertIn(BOB, back.members)

    def test_it_is_told_again(self) -> None:
        """In front of each Pong for a minute: a client that lost the word would come in again by itself."""
        self.order(OLGA, Verb.KICK, LOBBY, "bob")
        out = Out(LOBBY, "KICKED", "kicked by olga")
        told, pong = self.told(self.ask(BOB, Ping(9, 9)), BOB)
        self.assertEqual(told, out)
        self.assertIsInstance(pong, Pong)
        self.now += OUT_SECONDS
        self.assertEqual(len(self.ask(BOB, Ping(10, 9))), 1)

    def test_another_session(self) -> None:
        """It joins what the one before was in, once for nothing; and after a minute nobody remembers."""
        for seconds, is_refused in ((0.0, True), (OUT_SECONDS, False)):
            self.order(OLGA, Verb.KICK, LOBBY, "kim", "go")
            self.now += seconds
            self.hub.apply(KIM, self.hello("kim", KIM), self.now, KIMS)
            effects = self.ask(KIM, Join(8, LOBBY))
            if is_refused:
                self.assertEqual(self.refused(effects, KIM), ("KICKED", "kicked by olga: go"))
                effects = self.ask(KIM, Join(9, LOBBY))
            self.assertIsInstance(effects[-1].message, Joined)  # type: ignore[union-attr]

    def test_not_told_again_once_back(self) -> None:
        """Who is in again was told enough."""
        self.order(OLGA, Verb.KICK, LOBBY, "bob")
        self.ask(BOB, Join(8, LOBBY))
        self.assertEqual(len(self.ask(BOB, Ping(9, 9))), 1)

    def test_out_of_many_rooms(self) -> None:
        """Of so many rooms as one may be in the newest are told again: an answer must not grow."""
        for number in range(MEMBER_ROOMS + 5):
            room = f"r{number}"
            for client in (BOB, OLGA):
                self.ask(client, Join(8, room))
            self.assertIn("out of", self.answer(self.order(OLGA, Verb.KICK, room, "bob")))
            self.ask(OLGA, self.part(room))
        self.assertEqual(len(self.told(self.ask(BOB, Ping(9, 9)), BOB)), MEMBER_ROOMS + 1)

    def test_who_is_not_there(self) -> None:
        """Nobody of that name, somebody in another room, a room that one is not in oneself."""
        self.ask(BOB, Join(8, DEN), self.part(LOBBY))
        for room, nick, code in (
            (LOBBY, "nobody", "NO_SUCH_NICK"),
            (LOBBY, "bob", "NOT_IN_ROOM"),
            (DEN, "bob", "NOT_IN_ROOM"),
        ):
            self.assertEqual(self.refused(self.order(OLGA, Verb.KICK, room, nick), OLGA)[0], code)

    def test_the_longest_reason(self) -> None:
        """What is told fits its field."""
        (out, *_) = self.told(self.order(OLGA, Verb.KICK, LOBBY, "bob", "é" * 150), BOB)
        assert isinstance(out, Out), out
        self.assertLessEqual(len(out.text.encode()), REASON_BYTES)


class BanTests(OperatorTests):
    """Out of the server."""

    def setUp(self) -> None:
        """Let everybody speak from somewhere."""
        super().setUp()
        self.hosts = {ANN: "10.0.0.1", BOB: "::ffff:10.0.0.2", KIM: "fd00::5", OLGA: "10.9.9.9"}
        self.look_outside()

    def look_outside(self) -> None:
        """Let the hub know where they speak from."""
        self.hub.look_outside(Outside(host=lambda client: self.hosts.get(client, "")))

    def ban(self, whom: str, seconds: int = 0, reason: str = "") -> dict[str, str]:
        """Let olga ban somebody; give why each of those who are out now left, by nick."""
        effects = self.order(OLGA, Verb.BAN, target=whom, text=reason, number=seconds)
        self.answer(effects)
        return {each.nick: each.reason for each in effects if isinstance(each, Drop)}

    def come_in(self, nick: str, client: bytes = PAT, key: bytes | None = None) -> Rejected | None:
        """Let somebody try to come in; give the refusal."""
        (message, *_) = self.told(self.hub.apply(client, self.hello(nick, client), self.now, key), client)
        return message if isinstance(message, Rejected) else None

    def test_out_at_once(self) -> None:
        """They are told why and how long; who speaks frames by a goodbye, the others by a notice."""
        self.ask(PAT, Hello(PLAIN_VERSION, PAT, "pat"))
        for nick, client, told in (("bob", BOB, Bye), ("pat", PAT, Notice)):
            effects = self.order(OLGA, Verb.BAN, target=nick, text="spam", number=3_600)
            why = "you are banned until 2023-11-14 23:30 UTC by olga: spam"
            self.assertEqual(self.told(effects, client), [told(why)])
            (drop,) = [each for each in effects if isinstance(each, Drop)]
            self.assertEqual((drop.member, drop.reason), (client, "banned by olga"))
            self.assertIn("is banned until 2023-11-14 23:30 UTC by olga: spam", self.answer(effects))
            self.assertEqual(self.logged(effects)[2:6], ("ban", "", nick, "spam"))

    def test_for_how_long(self) -> None:
        """A day unless it is said; then the nick is anybody's again. For ever has no end."""
        self.ban("bob")
        refusal = self.come_in("bob")
        assert refusal is not None
        self.assertEqual(
            (refusal.code, refusal.text, refusal.retry_after),
            ("BANNED", "bob is banned until 2023-11-15 22:30 UTC by olga", BAN_SECONDS),
        )
        self.now += BAN_SECONDS
        self.assertIsNone(self.come_in("bob"))
        self.ban("carl", FOREVER)
        refusal = self.come_in("carl", b"c" * 16)
        assert refusal is not None
        self.assertEqual((refusal.text, refusal.retry_after), ("carl is banned for ever by olga", 0.0))

    def test_a_nick_and_who_is_behind_it(self) -> None:
        """Another spelling is no way in, nor another nick with the same key, nor another device of theirs."""
        code = self.answer(self.ask(KIM, Link(9)), KIM)
        self.hub.apply(PAT, Hello(PROTOCOL_VERSION, PAT, "kay", code), self.now, OTHER)
        self.assertEqual(set(self.ban("KIM")), {"kim", "kay"})
        for nick, key in (("Ｋｉｍ", None), ("lea", KIMS), ("lea", OTHER)):
            refusal = self.come_in(nick, PAT, key)
            assert refusal is not None, nick
            self.assertEqual(refusal.code, "BANNED")
        self.assertIsNone(self.come_in("lea", PAT, b"l" * 32))

    def test_not_by_a_change_of_nick(self) -> None:
        """Who is in gets no nick that is banned."""
        self.ban("carl")
        self.assertEqual(self.refused(self.ask(ANN, Nick(3, "carl")), ANN)[0], "BANNED")

    def test_a_key(self) -> None:
        """By its fingerprint, as `/whois` and the log show it, whoever is here with it or not."""
        self.assertEqual(set(self.ban(show_fingerprint(KIMS))), {"kim"})
        self.assertEqual(self.ban(OTHER.hex()), {})
        for key in (KIMS, OTHER):
            refusal = self.come_in("lea", PAT, key)
            assert refusal is not None
            self.assertTrue(refusal.text.startswith("you are banned until"))
        self.assertIsNone(self.come_in("kim2"))

    def test_a_banned_key_is_not_linked(self) -> None:
        """It stays itself, and so its ban is taken back by the same words."""
        code = self.answer(self.ask(KIM, Link(9)), KIM)
        self.ban(show_fingerprint(OTHER))
        self.hub.apply(PAT, Hello(PROTOCOL_VERSION, PAT, "lea", code), self.now, OTHER)
        self.order(OLGA, Verb.UNBAN, target=show_fingerprint(OTHER))
        self.assertIsNone(self.come_in("lea", PAT, OTHER))

    def test_a_key_that_was_linked_meanwhile(self) -> None:
        """Who is here by it goes with the person whose it is now, under whatever nick."""
        self.come("lea", PAT, OTHER)
        code = self.answer(self.ask(KIM, Link(9)), KIM)
        self.hub.apply(b"y" * 16, Hello(PROTOCOL_VERSION, b"y" * 16, "ann", code), self.now, OTHER)
        self.assertEqual(set(self.ban("kim")), {"kim", "lea"})

    def test_an_address(self) -> None:
        """Whoever speaks from there is out, at whatever door, and nobody comes in from there."""
        self.assertEqual(set(self.ban("10.0.0.0/16", reason="noise")), {"ann", "Bob"})
        for host in ("10.0.3.4", "::ffff:10.0.3.4"):
            self.assertEqual(
                self.hub.bars(host, self.now), "you are banned until 2023-11-15 22:30 UTC by olga: noise"
            )
        self.hosts[PAT] = "10.0.255.255"
        self.assertIsNotNone(self.come_in("pat"))
        self.hosts[PAT] = "10.1.0.0"
        self.assertIsNone(self.come_in("pat"))
        self.assertEqual(self.hub.bars("10.1.0.0", self.now), "")
        self.assertEqual(set(self.ban("fd00::/64")), {"kim"})
        self.assertEqual(self.hub.bars("fd00::6%eth0", self.now)[:7], "you are")

    def test_a_session_that_moves(self) -> None:
        """A member whose next session begins at a banned address does not go on there."""
        self.ban("192.0.2.7")
        self.hosts[KIM] = "192.0.2.7"
        refusal = self.come_in("kim", KIM, KIMS)
        assert refusal is not None
        self.assertEqual(refusal.code, "BANNED")

    def test_who_cannot_be(self) -> None:
        """An operator, the network that one sits in oneself, most of the world, what is nobody's name."""
        for whom, code in (
            ("olga", "IS_OPERATOR"),
            (show_fingerprint(OLGAS), "IS_OPERATOR"),
            ("10.9.9.9", "TOO_WIDE"),
            ("10.0.0.0/7", "TOO_WIDE"),
            ("::/0", "TOO_WIDE"),
            ("a b", "NICK_INVALID"),
        ):
            self.assertEqual(self.refused(self.order(OLGA, Verb.BAN, target=whom), OLGA)[0], code, whom)

    def test_a_network_that_is_none(self) -> None:
        """It is not taken for a nick that is written wrongly."""
        for whom in ("10.0.0.0/33", "fd00::/129", "fd00:1"):
            refused = self.refused(self.order(OLGA, Verb.BAN, target=whom), OLGA)
            self.assertEqual(refused[1], f"{whom} is no address, network or key: /help ban")

    def test_operators_in_a_banned_network(self) -> None:
        """They stay: else two operators behind one address could not keep order there."""
        self.order(OLGA, Verb.OP, target="kim")
        self.assertEqual(self.ban("fd00::5"), {})

    def test_unban(self) -> None:
        """By the same words, in whatever spelling; what is not banned is refused."""
        for whom, other in (
            ("Bob", "bob"),
            ("10.0.3.1/16", "10.0.0.0/16"),
            (KIMS.hex(), show_fingerprint(KIMS)),
        ):
            self.ban(whom)
            self.assertIn("is banned no more", self.answer(self.order(OLGA, Verb.UNBAN, target=other)))
            refused = self.refused(self.order(OLGA, Verb.UNBAN, target=other), OLGA)
            self.assertEqual(refused[0], "NOT_BANNED")
        for nick, client, key in (("bob", BOB, None), ("ann", ANN, None), ("kim", KIM, KIMS)):
            self.assertIsNone(self.come_in(nick, client, key))

    def test_restart(self) -> None:
        """Bans outlive the server, but not their end; who was in and is banned is in no more."""
        self.ban("bob", 60)
        self.ban("10.7.0.0/16", 3_600)
        memos = {key: memo for key, memo in self.hub.memos_to_keep().items() if memo is not None}
        kept = {key.removeprefix("ban:"): memo for key, memo in memos.items() if isinstance(memo, Ban)}
        self.assertEqual(len(kept), 2)
        seats = {BOB: Seat("bob", None, False, False, [LOBBY]), ANN: Seat("ann", None, False, False, [LOBBY])}
        self.hub = Hub(operators=[OLGAS])
        self.hub.recall(Memos(bans=kept, seats=seats), self.now, EPOCH + self.now)
        self.assertEqual(self.hub.everybody(), (ANN,))
        self.assertNotEqual(self.hub.bars("10.7.1.1", self.now), "")
        self.now += 60
        self.hub.expire(self.now)
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Ban, "nick:bob")])
        self.assertIsNone(self.come_in("bob"))
        self.assertNotEqual(self.hub.bars("10.7.1.1", self.now), "")

    def test_banned(self) -> None:
        """The list, in order, in pages that fit an answer."""
        self.assertEqual(self.answer(self.order(OLGA, Verb.BANNED)), "nobody is banned or muted")
        self.ban("bob", FOREVER, "x")
        self.assertEqual(
            self.answer(self.order(OLGA, Verb.BANNED, target="zz")), "nobody behind that is banned or muted"
        )
        self.order(OLGA, Verb.UNBAN, target="bob")
        for number in range(40):
            self.ban(f"n{number:02}", FOREVER, "é" * 100)
        after, lines = "", []
        while True:
            page = self.answer(self.order(OLGA, Verb.BANNED, target=after))
            self.assertLessEqual(len(page.encode()), RESULT_BYTES)
            *shown, last = page.splitlines()
            if not last.startswith("there are more: /banned "):
                lines += [*shown, last]
                break
            lines += shown
            after = last.split()[-1]
        self.assertEqual([line.split()[0] for line in lines], [f"n{number:02}" for number in range(40)])
        self.assertEqual(lines[0], "n00 banned for ever by olga: " + "é" * 100)


class ManyBansTests(SynchronousTestCase):
    """The list by itself."""

    def test_a_bound(self) -> None:
        """One more than 10,000 is refused, another length of one that there is, is not."""
        bans = Bans(Notebook())
        bans.recall({f"nick:n{number}": ban() for number in range(MAX_BANS)})
        self.assertRaises(RequestRejected, bans.add, "nick:one more", ban())
        bans.add("nick:n7", ban(until=5))

    @given(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "fd00::/16", "fd00::1"]), st.data())
    def test_networks_come_and_go(self, text: str, data: st.DataObject) -> None:
        """Exactly the addresses in a banned network are barred, and none once it is gone."""
        bans = Bans(Notebook())
        network = find_network(text)
        assert network is not None
        bans.add("net:192.0.2.0/24", ban())
        bans.add(f"net:{network}", ban())
        bans.add("net:198.51.100.0/24", ban())
        bans.remove("net:198.51.100.0/24")
        host = str(data.draw(st.ip_addresses(network=network)))
        other = find_address(str(data.draw(st.ip_addresses())))
        self.assertNotEqual(bans.bars(host, 0.0), "")
        banned = (network, ip_network("192.0.2.0/24"))
        self.assertEqual(bans.bars(str(other), 0.0) != "", any(other in each for each in banned))
        bans.remove(f"net:{network}")
        self.assertEqual(bans.bars(host, 0.0), "")
        self.assertNotEqual(bans.bars("192.0.2.1", 0.0), "")

    def test_what_is_a_network(self) -> None:
        """Numbers with dots or colons; an IPv4 address in IPv6's clothes is itself."""
        for text, expected in (
            ("10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
            ("fd00::/16", "fd00::/16"),
            ("fe80::1%eth0", "fe80::1/128"),
            ("fe80::1%eth0/64", "fe80::/64"),
        ):
            self.assertEqual(str(find_network(text)), expected)
        for text in ("bob", "10", "a.b", "10.0.0", "1.2.3.4/40", "abcd", "x:y"):
            self.assertIsNone(find_network(text), text)

    def test_a_ban_that_took_the_place_of_another(self) -> None:
        """The person of the older one is not banned by it any more."""
        bans = Bans(Notebook())
        bans.add("nick:bob", ban(account=KIMS))
        bans.add("nick:bob", ban(account=OTHER))
        bans.check(check_nick("lea"), (KIMS, None), 0.0)
        self.assertRaises(RequestRejected, bans.check, check_nick("lea"), (None, OTHER), 0.0)
        bans.add("nick:rob", ban(account=OTHER))
        bans.remove("nick:bob")
        self.assertRaises(RequestRejected, bans.check, check_nick("lea"), (OTHER,), 0.0)

    def test_two_bans_of_one_person(self) -> None:
        """The end of one leaves the other, whichever was there first."""
        for first, second in (("nick:bob", "key:bob's"), ("key:bob's", "nick:bob")):
            bans = Bans(Notebook())
            bans.add(first, ban(account=KIMS))
            bans.add(second, ban(until=5, account=KIMS))
            bans.expire(5)
            self.assertRaises(RequestRejected, bans.check, check_nick("lea"), (KIMS,), 6.0)
            bans.remove(first)
            bans.check(check_nick("lea"), (KIMS,), 6.0)

    def test_two_bans_of_one_address(self) -> None:
        """One that is over does not hide the other, before it is forgotten."""
        bans = Bans(Notebook())
        bans.add("net:10.0.0.1/32", ban(until=5))
        bans.add("net:10.0.0.0/8", ban())
        self.assertNotEqual(bans.bars("10.0.0.1", 6.0), "")
