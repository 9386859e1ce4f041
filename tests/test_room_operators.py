"""Tests of `chat.hub`: what operators of a room may there, and nowhere else; who may not speak, and where."""

from __future__ import annotations

from operator import attrgetter

from chat.commands import parse_command
from chat.errors import RequestRejected
from chat.hub.effects import Commit, Publish
from chat.hub.hub import Hub
from chat.hub.mutes import MAX_MUTES, ROOM_MUTES, Mutes
from chat.hub.notebook import Notebook
from chat.memos import Charter, Memos, Mute, memo_key
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Done,
    Hello,
    Join,
    Kind,
    Link,
    Nick,
    Part,
    Rejected,
    Release,
    Say,
    Topic,
)
from chat.notices import Notice
from chat.orders import FOREVER, MAY, Order, Verb, Who
from chat.stored import Repeat, Stale
from tests.hub_support import ANN, BOB, DEN, only, refusal, say
from tests.operator_support import KIM, OLGA, OLGAS, OTHER, OperatorTests

LEA = b"l" * 16


class RoomOperatorTests(OperatorTests):
    """Kim has made the den, and Bob, Ann and Lea are in it."""

    def begin(self, hub: Hub, memos: Memos | None = None) -> None:
        """Begin anew with another hub."""
        super().begin(hub, memos)
        self.come("lea", LEA, OTHER)
        for client in (KIM, BOB, ANN, LEA):
            self.ask(client, Join(5, DEN))

    def say_in(self, client: bytes, number: int, room: str = DEN) -> str:
        """Let somebody say something; give the code of the refusal, "" if it is to be stored."""
        effects = self.ask(client, say(number, room=room))
        if isinstance(effects[0], Commit) and effects[0].last < 0:
            effects = self.unknown(effects)
        if isinstance(effects[0], Commit):
            self.store(effects)
            return ""
        (refused,) = [each for each in self.told(effects, client) if isinstance(each, Rejected)]
        return refused.code


class RightsTests(RoomOperatorTests):
    """Who may what where."""

    def test_in_ones_own_room_only(self) -> None:
        """Every order of a room operator is refused elsewhere, and to everybody else."""
        for verb, who in MAY.items():
            if who is not Who.ROOM_OPERATOR:
                continue
            for client, room in ((KIM, LOBBY), (ANN, DEN), (LEA, DEN)):
                refused = self.refused(self.order(client, verb, room, "bob"), client)
                self.assertEqual(refused, ("NOT_OPERATOR", f"only operators of {room} may /{verb}"))
            refused = self.refused(self.order(KIM, verb, "", "bob"), KIM)
            self.assertEqual(refused, ("NOT_OPERATOR", f"only operators may /{verb}"))
            self.assertEqual(self.refused(self.order(KIM, verb, "else", "bob"), KIM)[0], "NOT_IN_ROOM")

    def test_kick(self) -> None:
        """Kim puts Bob out of the den; who operates the server is not put out by one of a room."""
        self.assertEqual(self.answer(self.order(KIM, Verb.KICK, DEN, "bob"), KIM), "Bob is out of den")
        self.ask(OLGA, Join(5, DEN))
        self.assertEqual(self.refused(self.order(KIM, Verb.KICK, DEN, "olga"), KIM)[0], "NOT_OPERATOR")
        self.answer(self.order(OLGA, Verb.KICK, DEN, "kim"))

    def test_op(self) -> None:
        """Another operator of the room, who is told at every door, and has no right elsewhere."""
        effects = self.order(KIM, Verb.OP, DEN, "lea")
        self.assertEqual(self.answer(effects, KIM), "lea is an operator of den")
        self.assertEqual(self.told(effects, LEA), [Notice("you are an operator of den, says kim", DEN)])
        self.answer(self.order(LEA, Verb.KICK, DEN, "bob"), LEA)
        self.assertEqual(self.refused(self.order(LEA, Verb.KICK, LOBBY, "bob"), LEA)[0], "NOT_OPERATOR")
        self.assertEqual(self.refused(self.order(KIM, Verb.OP, DEN, "ann"), KIM)[0], "NO_KEY")

    def test_deop(self) -> None:
        """No operator any more; the last one stays, and who is none cannot be."""
        self.order(KIM, Verb.OP, DEN, "lea")
        effects = self.order(LEA, Verb.DEOP, DEN, "kim")
        words = Notice("you are no operator of den any more, says lea", DEN)
        self.assertEqual(self.told(effects, KIM), [words])
        self.assertEqual(self.refused(self.order(KIM, Verb.KICK, DEN, "bob"), KIM)[0], "NOT_OPERATOR")
        self.assertEqual(self.refused(self.order(LEA, Verb.DEOP, DEN, "kim"), LEA)[0], "NOT_AN_OPERATOR")
        self.assertEqual(self.refused(self.order(LEA, Verb.DEOP, DEN, "lea"), LEA)[0], "LAST_OPERATOR")

    def test_the_servers_operator(self) -> None:
        """May all of it in every room that she is in."""
        self.ask(OLGA, Join(5, DEN))
        self.answer(self.order(OLGA, Verb.OP, DEN, "lea"))
        self.answer(self.order(OLGA, Verb.KICK, DEN, "kim"))

    def test_a_nick_is_no_right(self) -> None:
        """Whoever gets the nick of a room's operator has none of the rights."""
        self.ask(KIM, Bye())
        self.ask(ANN, Nick(3, "kimm"))
        self.assertEqual(self.refused(self.order(ANN, Verb.KICK, DEN, "bob"), ANN)[0], "NOT_OPERATOR")


class MuteTests(RoomOperatorTests):
    """Who may not speak."""

    def test_in_one_room(self) -> None:
        """A room's operator mutes there: texts, actions and topics are refused until it ends."""
        effects = self.order(KIM, Verb.MUTE, DEN, "bob", "be nice", 600)
        why = "muted in den until 2023-11-14 22:40 UTC by kim: be nice"
        self.assertEqual(self.answer(effects, KIM), f"Bob is {why}")
        self.assertEqual(self.told(effects, BOB), [Notice(f"you are {why}", DEN)])
        self.assertEqual(self.logged(effects)[2:], ("mute", DEN, "bob", "be nice", 600))
        self.assertEqual(self.say_in(BOB, 1), "MUTED")
        (refused,) = self.told(self.ask(BOB, Topic(9, DEN, "mine")), BOB)
        assert isinstance(refused, Rejected), refused
        self.assertEqual((refused.code, refused.text), ("MUTED", f"you are {why}"))
        self.assertEqual(self.say_in(BOB, 2, LOBBY), "")
        self.assertEqual(self.say_in(ANN, 1), "")
        self.now += 600
        self.assertEqual(self.say_in(BOB, 3), "")

    def test_everywhere(self) -> None:
        """The server's operator mutes in all rooms, and what is said to one person alone; joining is free."""
        effects = self.order(OLGA, Verb.MUTE, LOBBY, "bob")
        self.assertEqual(self.answer(effects), "Bob is muted until 2023-11-14 23:30 UTC by olga")
        self.assertEqual(self.say_in(BOB, 1, LOBBY), "MUTED")
        self.assertEqual(self.say_in(BOB, 2, DEN), "MUTED")
        self.assertEqual(self.say_in(BOB, 3, "@ann"), "MUTED")
        self.assertIsInstance(self.ask(BOB, Join(9, "else"))[0], Publish)
        self.order(OLGA, Verb.MUTE, LOBBY, "bob", number=30)
        self.now += 30
        self.hub.expire(self.now)
        self.assertEqual(self.say_in(BOB, 4, DEN), "")

    def test_for_ever(self) -> None:
        """No end is said of what has none."""
        answer = self.answer(self.order(OLGA, Verb.MUTE, LOBBY, "bob", number=FOREVER))
        self.assertEqual(answer, "Bob is muted for ever by olga")

    def test_another_nick(self) -> None:
        """Who has a key is muted under each nick; who has none keeps the one that is muted."""
        self.order(KIM, Verb.MUTE, DEN, "lea")
        self.ask(LEA, Nick(3, "lou"))
        self.assertEqual(self.say_in(LEA, 1), "MUTED")
        self.order(KIM, Verb.MUTE, DEN, "bob")
        self.assertEqual(self.refused(self.ask(BOB, Nick(3, "rob")), BOB)[0], "MUTED")
        self.order(KIM, Verb.UNMUTE, DEN, "bob")
        self.ask(BOB, Nick(4, "rob"))
        self.assertEqual(self.say_in(BOB, 1), "")

    def test_a_key_that_was_linked_meanwhile(self) -> None:
        """Who is here by it is muted as whose it is now, though the one who came to link it was refused."""
        self.come("zoe", b"z" * 16, b"Z" * 32)
        (done,) = self.told(self.ask(b"z" * 16, Link(3)), b"z" * 16)
        assert isinstance(done, Done)
        assert isinstance(done.result, str)
        hello = Hello(PROTOCOL_VERSION, b"y" * 16, "ann", done.result)
        self.assertEqual(refusal(self.hub.apply(b"y" * 16, hello, self.now, OTHER))[1], "NICK_IN_USE")
        self.order(KIM, Verb.MUTE, DEN, "lea")
        self.assertEqual(self.say_in(LEA, 1), "MUTED")
        self.order(KIM, Verb.UNMUTE, DEN, "lea")
        self.assertEqual(self.say_in(LEA, 2), "")

    def test_unmute(self) -> None:
        """Whoever muted takes it back, and the server's operator takes back both; then it is refused."""
        self.order(KIM, Verb.MUTE, DEN, "bob")
        effects = self.order(KIM, Verb.UNMUTE, DEN, "BOB")
        self.assertEqual(self.answer(effects, KIM), "Bob may speak again")
        self.assertEqual(self.told(effects, BOB), [Notice("kim lets you speak again", DEN)])
        self.assertEqual(self.refused(self.order(KIM, Verb.UNMUTE, DEN, "bob"), KIM)[0], "NOT_MUTED")
        self.order(KIM, Verb.MUTE, DEN, "bob")
        self.order(OLGA, Verb.MUTE, "", "bob")
        self.assertEqual(self.refused(self.order(KIM, Verb.UNMUTE, DEN, "lea"), KIM)[0], "NOT_MUTED")
        self.ask(OLGA, Join(5, DEN))
        self.answer(self.order(OLGA, Verb.UNMUTE, DEN, "bob"))
        self.assertEqual(self.say_in(BOB, 1), "")

    def test_unmute_who_had_the_nick(self) -> None:
        """By the nick under which somebody was muted, whoever has it by now."""
        self.order(KIM, Verb.MUTE, DEN, "lea")
        self.order(KIM, Verb.MUTE, DEN, "bob")
        self.ask(LEA, Nick(3, "lou"), Release(4, "lea"))
        self.ask(BOB, Bye())
        self.come("Lea", b"x" * 16, b"x" * 32)
        self.come("bob", b"y" * 16, b"y" * 32)
        for nick in ("lea", "BOB"):
            self.answer(self.order(KIM, Verb.UNMUTE, DEN, nick), KIM)
            self.assertEqual(self.refused(self.order(KIM, Verb.UNMUTE, DEN, nick), KIM)[0], "NOT_MUTED")
        self.assertEqual(self.say_in(LEA, 1), "")

    def test_a_room_that_begins_anew(self) -> None:
        """Has none of those who were muted by whoever made the one before of that name; others stay."""
        self.order(KIM, Verb.MUTE, DEN, "bob", number=FOREVER)
        self.ask(ANN, Join(5, "tmp"))
        for nick in ("bob", "lea"):
            self.order(ANN, Verb.MUTE, "tmp", nick, number=FOREVER)
        self.ask(ANN, Part(9, "tmp"))
        self.ask(BOB, Join(5, "tmp"))
        self.assertEqual(self.say_in(BOB, 1, "tmp"), "")
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Mute, "tmp/nick:bob")])
        self.assertEqual(self.say_in(BOB, 2), "MUTED")

    def test_a_room_that_is_no_more(self) -> None:
        """Takes its mutes along: who makes rooms and leaves them leaves nothing behind. Others stay."""
        self.order(KIM, Verb.MUTE, DEN, "bob", number=FOREVER)
        self.order(OLGA, Verb.MUTE, "", "lea", number=FOREVER)
        self.ask(ANN, Join(5, "tmp"))
        self.order(ANN, Verb.MUTE, "tmp", "bob", number=FOREVER)
        self.hub.expire(self.now)
        self.hub.memos_to_keep()
        self.ask(ANN, Part(9, "tmp"))
        self.hub.expire(self.now)
        struck = [key for key, memo in self.hub.memos_to_keep().items() if memo is None]
        self.assertEqual(struck, [memo_key(Mute, "tmp/nick:bob")])

    def test_who_is_not_here(self) -> None:
        """Somebody may be muted before they come; an operator of the server never."""
        self.answer(self.order(KIM, Verb.MUTE, DEN, "nobody"), KIM)
        self.answer(self.order(KIM, Verb.UNMUTE, DEN, "nobody"), KIM)
        self.assertEqual(self.refused(self.order(KIM, Verb.MUTE, DEN, "olga"), KIM)[0], "IS_OPERATOR")

    def test_a_repeat_of_what_was_said_before(self) -> None:
        """It was stored, so it is accepted, whether the hub knows of it or only the store does."""
        self.assertEqual(self.say_in(BOB, 1), "")
        self.order(KIM, Verb.MUTE, DEN, "bob")
        ask = only(self.ask(BOB, Say(8, 1, DEN, Kind.SAY, "hi")), Commit)
        (accepted,) = self.told(self.hub.appended(ask.token, Repeat(1)), BOB)
        self.assertEqual(accepted, Accepted(8, 1, 1))
        self.order(KIM, Verb.MUTE, DEN, "ann")
        ask = only(self.ask(ANN, say(1, room=DEN)), Commit)
        (refused,) = self.told(self.hub.appended(ask.token, Stale(0)), ANN)
        assert isinstance(refused, Rejected), refused
        self.assertEqual(refused.code, "MUTED")

    def test_a_repeat_of_what_was_said_before_one_was_put_out(self) -> None:
        """The same of who is in the room no more."""
        self.assertEqual(self.say_in(BOB, 1), "")
        self.order(KIM, Verb.KICK, DEN, "bob")
        ask = only(self.ask(BOB, Say(8, 1, DEN, Kind.SAY, "hi")), Commit)
        (accepted,) = self.told(self.hub.appended(ask.token, Repeat(1)), BOB)
        self.assertEqual(accepted, Accepted(8, 1, 1))
        self.assertEqual(self.say_in(BOB, 2), "NOT_IN_ROOM")

    def test_restart(self) -> None:
        """A mute outlives the server, but not its end."""
        self.order(KIM, Verb.MUTE, DEN, "bob", number=30)
        self.order(OLGA, Verb.MUTE, LOBBY, "lea", number=FOREVER)
        memos = self.hub.memos_to_keep()
        kept = {key.removeprefix("mute:"): memo for key, memo in memos.items() if isinstance(memo, Mute)}
        self.assertEqual(set(kept), {"den/nick:bob", f"/key:{OTHER.hex()}"})
        charter = memos[memo_key(Charter, DEN)]
        assert isinstance(charter, Charter), charter
        self.begin(Hub(operators=[OLGAS]), Memos(mutes=kept, charters={DEN: charter}))
        self.assertEqual(self.say_in(BOB, 1), "MUTED")
        self.assertEqual(self.say_in(LEA, 1), "MUTED")
        self.now += 30
        self.hub.expire(self.now)
        self.assertIsNone(self.hub.memos_to_keep()[memo_key(Mute, "den/nick:bob")])
        self.assertEqual(self.say_in(BOB, 2), "")
        self.assertEqual(self.say_in(LEA, 2), "MUTED")

    def test_listed(self) -> None:
        """`/banned` has them, too, in order with the bans; a page ends between two names."""
        for room in (DEN, LOBBY):
            self.order(OLGA, Verb.MUTE, room, "bob", number=FOREVER)
        self.order(KIM, Verb.MUTE, DEN, "bob", number=FOREVER)
        self.order(OLGA, Verb.BAN, target="ann", number=FOREVER)
        self.assertEqual(
            self.answer(self.order(OLGA, Verb.BANNED)).splitlines(),
            [
                "Bob muted for ever by olga",
                "Bob muted in den for ever by kim",
                "ann banned for ever by olga",
            ],
        )

    def test_a_bound(self) -> None:
        """One more than 10,000 is refused, another length of one that there is, is not."""
        mutes = Mutes(Notebook(), attrgetter("account"))
        mute = Mute("x", "olga", 0, 0, "")
        mutes.recall({f"/nick:n{number}": mute for number in range(MAX_MUTES)})
        self.assertRaises(RequestRejected, mutes.add, "", "nick:one more", mute)
        mutes.add("", "nick:n7", mute)

    def test_bounds_of_rooms(self) -> None:
        """One room has 100, all of them 10,000: whoever fills them takes nothing from the server's."""
        mutes = Mutes(Notebook(), attrgetter("account"))
        mute = Mute("x", "kim", 0, 0, "")
        for number in range(MAX_MUTES):
            mutes.add(f"r{number // ROOM_MUTES}", f"nick:n{number}", mute)
            if number == ROOM_MUTES:
                self.assertRaises(RequestRejected, mutes.add, "r0", "nick:one more", mute)
        self.assertRaises(RequestRejected, mutes.add, "another", "nick:one more", mute)
        mutes.add("", "nick:one more", mute)
        mutes.remove("r0", "nick:n0")
        mutes.add("another", "nick:one more", mute)

    def test_who_is_elsewhere(self) -> None:
        """Is told nothing by the operator of a room that is none of theirs, and takes another nick."""
        self.ask(BOB, Part(9, DEN))
        self.assertEqual(self.told(self.order(KIM, Verb.MUTE, DEN, "bob", "buy this"), BOB), [])
        self.assertEqual(self.told(self.order(KIM, Verb.UNMUTE, DEN, "bob"), BOB), [])
        self.order(KIM, Verb.MUTE, DEN, "bob")
        self.assertNotIn("MUTED", str(self.ask(BOB, Nick(3, "rob"))))

    def test_typed(self) -> None:
        """A server's operator may do it from no room at all."""
        order = parse_command("/mute bob 10m be  nice", "")
        self.assertEqual(order, Order(0, "mute", "", "bob", "be  nice", 600))
        self.ask(OLGA, Part(9, LOBBY))
        self.answer(self.order(OLGA, Verb.MUTE, "", "bob"))
