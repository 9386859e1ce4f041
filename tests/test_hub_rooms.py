"""Tests of `chat.hub`: who makes a room operates it, what it may be, and that it stays what it is."""

from __future__ import annotations

from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from chat.fields import CROWD
from chat.hub.charters import INVITED, OWN_ROOMS, UNUSED_SECONDS
from chat.hub.hub import Hub
from chat.memos import Charter, Memos, decode_memos, memo_key
from chat.messages import (
    LOBBY,
    Accepted,
    Bye,
    Done,
    Join,
    Joined,
    Kind,
    Link,
    Names,
    NamesPage,
    Nick,
    Part,
    Presence,
    Release,
    Rooms,
    RoomsPage,
    Say,
    Topic,
)
from chat.notices import Notice
from chat.orders import Order
from tests.hub_support import DEN, START
from tests.reading_support import AT, KEYS, Chat, codes, log_of

T = TypeVar("T")
PRIVATE = Order(7, "mode", DEN, "+i")
KEYED = Order(7, "mode", DEN, "+k", "sesame")


class RoomTests(SynchronousTestCase):
    """Ann, who has a key, has made the den; bob and eve have keys, kim and pat have none."""

    def setUp(self) -> None:
        """Let all come in."""
        self.chat = Chat()
        self.chat.enter("ann", LOBBY, DEN)
        for name in ("bob", "eve", "kim", "pat"):
            self.chat.enter(name, LOBBY)

    def ask(self, name: str, *requests: object) -> list[object]:
        """Give what a member is told because of what it asks."""
        return self.chat.ask(name, *requests)  # type: ignore[arg-type]

    def refused(self, name: str, *requests: object) -> str:
        """Give the code of the one refusal."""
        (code,) = codes(self.ask(name, *requests))
        return str(code)

    def is_let_in(self, name: str, room: str = DEN, key: str = "") -> bool:
        """Say whether somebody may join a room."""
        told = self.ask(name, Join(3, room, key))
        self.assertNotEqual(any(isinstance(each, Joined) for each in told), bool(codes(told)))
        return not codes(told)

    def line(self, name: str, *requests: object) -> str:
        """Give the one answer in words."""
        (answer,) = only(Done, self.ask(name, *requests))
        return str(answer.result)

    def operators(self, name: str, room: str = DEN) -> list[str]:
        """Give the nicks that are shown as operators to somebody."""
        (answer,) = only(Done, self.ask(name, Names(4, room)))
        assert isinstance(answer.result, NamesPage)
        return [line.nick for line in answer.result.nicks if line.operator]

    def listed(self, name: str) -> list[str]:
        """Give the rooms that are listed for somebody."""
        (page,) = only(RoomsPage, self.ask(name, Rooms(5)))
        return [line.room for line in page.rooms]

    def notices(self, name: str) -> list[str]:
        """Give what the server has said to somebody by itself."""
        return [notice.text for notice in only(Notice, self.chat.told[name])]

    def restart(self) -> None:
        """Begin anew on what the store has."""
        self.chat = Chat(self.chat)


def only(kind: type[T], told: list[object]) -> list[T]:
    """Give what was told of this kind."""
    return [each for each in told if isinstance(each, kind)]


class FounderTests(RoomTests):
    """Who makes a room operates it."""

    def test_with_a_key(self) -> None:
        """For good, and under whatever nick; who comes later does not, and nobody operates the lobby."""
        self.ask("bob", Join(3, DEN))
        self.assertEqual(self.operators("bob"), ["ann"])
        self.ask("ann", Nick(4, "anna"))
        self.assertEqual(self.operators("bob"), ["anna"])
        self.assertEqual(self.operators("bob", LOBBY), [])
        self.ask("ann", Part(5, DEN))
        self.assertEqual(self.operators("bob"), [])
        (news,) = only(Presence, self.ask("ann", Join(6, DEN)))
        self.assertTrue(news.operator)
        self.assertEqual(self.operators("bob"), ["anna"])

    def test_without_a_key(self) -> None:
        """As long as they are in it; what lasts is not theirs to change."""
        self.ask("kim", Join(3, "attic"))
        self.ask("bob", Join(3, "attic"))
        self.assertEqual(self.operators("bob", "attic"), ["kim"])
        self.assertEqual(self.refused("kim", Order(4, "mode", "attic", "+i")), "NO_KEY")
        self.ask("kim", Part(5, "attic"), Join(6, "attic"))
        self.assertEqual(self.operators("bob", "attic"), [])

    def test_a_room_outlives_its_members(self) -> None:
        """Empty, and through a restart, it is its maker's still; a room of somebody without a key is not."""
        self.ask("kim", Join(3, "attic"), Part(4, "attic"))
        self.ask("ann", Part(4, DEN))
        self.restart()
        for name in ("bob", "ann"):
            self.ask(name, Join(5, DEN), Join(6, "attic"))
        self.assertEqual(self.operators("bob"), ["ann"])
        self.assertEqual(self.operators("ann", "attic"), ["bob"])

    def test_a_linked_key(self) -> None:
        """What a key had made is its person's, once it is linked."""
        self.chat.enter("phone", "attic")
        self.assertEqual(self.refused("phone", Order(5, "mode", DEN, "+t")), "NOT_IN_ROOM")
        code = self.line("ann", Link(5))
        self.ask("phone", Bye())
        self.chat.enter("phone", DEN, "attic", link=code)
        self.assertIn("topic", self.line("phone", Order(5, "mode", DEN, "+t")))
        self.ask("ann", Join(8, "attic"))
        self.assertEqual(self.operators("ann", "attic"), ["ann", "phone"])


class KindTests(RoomTests):
    """What its operators may make of a room."""

    def test_private(self) -> None:
        """Who was not invited finds nothing; who was in it may come back."""
        self.chat.say("ann", DEN, "x")
        self.ask("bob", Join(3, DEN))
        self.ask("kim", Join(3, DEN))
        self.assertEqual(self.line("ann", PRIVATE), f"ann made {DEN} private: who comes in is invited")
        self.assertEqual(self.notices("bob"), self.notices("kim"))
        self.assertEqual(self.notices("bob"), [f"ann made {DEN} private: who comes in is invited"])
        self.assertEqual(self.notices("ann") + self.notices("eve"), [])
        self.assertEqual(self.refused("eve", Join(3, DEN)), "NO_SUCH_ROOM")
        self.assertNotIn(DEN, self.listed("eve"))
        self.assertIn(DEN, self.listed("kim"))
        self.ask("bob", Bye())
        self.chat.enter("bob", LOBBY)
        self.assertTrue(self.is_let_in("bob"))
        for name in ("bob", "kim"):
            self.ask(name, Part(4, DEN))
            self.assertFalse(self.is_let_in(name))
        self.ask("ann", Part(4, DEN))
        self.assertTrue(self.is_let_in("ann"))
        self.ask("ann", Order(8, "mode", DEN, "-i"))
        self.assertTrue(self.is_let_in("eve"))

    def test_private_after_a_restart(self) -> None:
        """It is as private as before; who was in is in."""
        self.ask("kim", Join(3, DEN))
        self.ask("ann", PRIVATE, Topic(8, DEN, "cushions"))
        self.restart()
        self.assertEqual(self.refused("eve", Join(3, DEN)), "NO_SUCH_ROOM")
        self.assertNotIn(DEN, self.listed("eve"))
        self.assertEqual(self.operators("kim"), ["ann"])
        self.assertTrue(self.is_let_in("ann"))

    def test_with_a_key(self) -> None:
        """It takes the key, or an invitation; who has come in by it may come back with it."""
        self.ask("ann", KEYED)
        for key in ("", "sesam", "SESAME"):
            self.assertEqual(self.refused("bob", Join(3, DEN, key)), "ROOM_KEY")
        self.assertTrue(self.is_let_in("bob", key="sesame"))
        self.ask("bob", Join(3, DEN, "what"), Part(4, DEN))
        self.assertFalse(self.is_let_in("bob"))
        self.assertEqual(self.refused("bob", KEYED), "NOT_IN_ROOM")
        self.ask("ann", Order(8, "mode", DEN, "-k"))
        self.assertTrue(self.is_let_in("bob"))

    def test_private_with_a_key(self) -> None:
        """Its key lets in; without it nothing shows that there is one."""
        self.ask("ann", PRIVATE, KEYED)
        for key in ("", "what"):
            self.assertEqual(self.refused("bob", Join(3, DEN, key)), "NO_SUCH_ROOM")
        self.assertTrue(self.is_let_in("bob", key="sesame"))

    def test_for_owners(self) -> None:
        """Only those speak whose nick is their own, and make topics."""
        for name in ("bob", "kim"):
            self.ask(name, Join(3, DEN))
        self.ask("ann", Order(7, "mode", DEN, "+v"))
        self.assertEqual(codes(self.chat.say("kim", DEN, "x")), ["NOT_VERIFIED"])
        self.assertEqual(self.refused("kim", Topic(8, DEN, "x")), "NOT_VERIFIED")
        self.assertTrue(only(Accepted, self.chat.say("bob", DEN, "x")))
        self.ask("bob", Release(8))
        self.assertEqual(codes(self.chat.say("bob", DEN, "y")), ["NOT_VERIFIED"])
        self.assertEqual(codes(self.chat.say("kim", LOBBY, "x")), [])
        self.ask("ann", Order(8, "mode", DEN, "-v"))
        self.assertEqual(codes(self.chat.say("kim", DEN, "x")), [])

    def test_a_repeat_of_what_was_said_before(self) -> None:
        """What was stored before a restart is accepted again, though nothing more may be said."""
        self.ask("kim", Join(3, DEN))
        said = Say(9, 1, DEN, Kind.SAY, "x")
        (accepted,) = only(Accepted, self.ask("kim", said))
        self.ask("ann", Order(7, "mode", DEN, "+v"))
        self.restart()
        self.assertEqual(only(Accepted, self.ask("kim", said)), [accepted])
        self.restart()
        self.assertEqual(codes(self.ask("kim", Say(9, 2, DEN, Kind.SAY, "y"))), ["NOT_VERIFIED"])

    def test_locked(self) -> None:
        """Only operators make the topic."""
        self.ask("bob", Join(3, DEN))
        self.ask("ann", Order(7, "mode", DEN, "+t"))
        self.assertEqual(self.refused("bob", Topic(8, DEN, "x")), "NOT_OPERATOR")
        self.assertEqual(self.line("ann", Topic(8, DEN, "tea")), "tea")
        self.assertEqual(self.line("bob", Topic(8, DEN)), "tea")
        self.ask("ann", Order(8, "mode", DEN, "-t"))
        self.assertEqual(self.line("bob", Topic(9, DEN, "x")), "x")

    def test_shown(self) -> None:
        """Who is in it is told what it is; the key is told to operators."""
        self.assertEqual(
            self.line("ann", Order(7, "mode", DEN)), "den: open to everybody\noperators here: ann"
        )
        self.ask("bob", Join(3, DEN))
        self.ask("ann", PRIVATE, KEYED, Order(7, "mode", DEN, "+v"), Order(7, "mode", DEN, "+t"))
        shown = (
            "den: private (+i), with {} (+k), only those speak whose nick belongs to their key (+v), "
            "operators make its topic (+t)\noperators here: ann"
        )
        self.assertEqual(self.line("ann", Order(7, "mode", DEN)), shown.format("the key sesame"))
        self.assertEqual(self.line("bob", Order(7, "mode", DEN)), shown.format("a key"))
        self.assertEqual(
            self.line("bob", Order(7, "mode", LOBBY)), "lobby: open to everybody\noperators here: none"
        )

    def test_refusals(self) -> None:
        """Others may not, the lobby has no door, and what is no mode or key is none."""
        self.ask("bob", Join(3, DEN))
        self.assertEqual(self.refused("bob", PRIVATE), "NOT_OPERATOR")
        self.assertEqual(self.refused("eve", PRIVATE), "NOT_IN_ROOM")
        self.assertEqual(self.refused("ann", Order(7, "mode", LOBBY, "+v")), "NOT_OPERATOR")
        self.assertEqual(self.refused("ann", Order(7, "mode", log_of("ann"))), "NO_SUCH_ROOM")
        for flag, text in (
            ("+x", ""),
            ("i", ""),
            ("+k", ""),
            ("+k", "a b"),
            ("+k", "é" * 17),
            ("\n" * 99, ""),
        ):
            self.assertEqual(self.refused("ann", Order(7, "mode", DEN, flag, text)), "MODE_INVALID")

    def test_a_large_room(self) -> None:
        """Where nobody is told who comes, nobody but who asked is told what it is now."""
        for number in range(CROWD):
            self.chat.enter(f"k{number}", DEN)
        self.ask("ann", Order(7, "mode", DEN, "+t"))
        self.assertEqual(self.notices("k0"), [])


class InvitationTests(RoomTests):
    """Who is let into rooms with a door."""

    def invited(self, nick: str, by: str = "ann", room: str = DEN) -> str:
        """Give what is answered to an invitation."""
        return self.line(by, Order(6, "invite", room, nick))

    def test_somebody_here(self) -> None:
        """They are told at once, and may come in once or more, until they part."""
        self.ask("ann", PRIVATE)
        for name in ("bob", "kim"):
            self.assertEqual(self.invited(name), f"{name} is invited to {DEN}")
            self.invited(name)
            self.assertEqual(self.notices(name), [f"ann invites you to {DEN}: /join {DEN}"] * 2)
            self.assertTrue(self.is_let_in(name))
        self.assertEqual(self.refused("ann", Order(6, "invite", DEN, "bob")), "IN_ROOM")
        for name, again in (("bob", True), ("kim", False)):
            self.ask(name, Bye())
            self.chat.enter(name, LOBBY)
            self.assertEqual(self.is_let_in(name), again)
        self.ask("bob", Part(8, DEN))
        self.assertFalse(self.is_let_in("bob"))

    def test_parting_from_elsewhere(self) -> None:
        """Who was away for so long that it is in no more, and parts then, is not invited any more either."""
        self.ask("ann", PRIVATE)
        self.invited("bob")
        self.assertTrue(self.is_let_in("bob"))
        self.ask("bob", Bye())
        self.chat.enter("bob", LOBBY)
        self.ask("bob", Part(8, DEN))
        self.assertFalse(self.is_let_in("bob"))

    def test_somebody_away(self) -> None:
        """The owner of a nick need not be here; nobody else is invited by it."""
        self.ask("ann", KEYED)
        self.ask("bob", Bye())
        self.assertEqual(self.invited("BOB"), f"BOB is not here, and may join {DEN} later")
        self.restart()
        self.chat.enter("bob", LOBBY, nick="rob")
        self.assertTrue(self.is_let_in("bob"))
        self.assertEqual(self.refused("ann", Order(6, "invite", DEN, "nobody")), "NO_SUCH_NICK")

    def test_a_room_of_everybody(self) -> None:
        """Anybody in it may tell others of it, and nothing is to be remembered."""
        self.ask("kim", Join(3, DEN))
        self.invited("bob", by="kim")
        self.assertEqual(self.notices("bob"), [f"~kim invites you to {DEN}: /join {DEN}"])
        (memo,) = decode_memos(self.chat.store.contents.memos).charters.values()
        self.assertEqual(memo.invited, ())

    def test_refusals(self) -> None:
        """Only members invite, and to a room with a door its operators."""
        self.assertEqual(self.refused("bob", Order(6, "invite", DEN, "kim")), "NOT_IN_ROOM")
        self.ask("bob", Join(3, DEN))
        self.ask("ann", KEYED)
        self.assertEqual(self.refused("bob", Order(6, "invite", DEN, "kim")), "NOT_OPERATOR")

    def test_so_many(self) -> None:
        """More than 128 are refused, and as many of those in a room that gets a door are invited."""
        for number in range(INVITED + 2):
            self.chat.enter(f"k{number}", DEN)
        self.ask("ann", PRIVATE)
        self.assertEqual(self.refused("ann", Order(6, "invite", DEN, "eve")), "TOO_MANY_INVITED")
        self.ask("k0", Part(8, DEN))
        self.assertEqual(self.invited("eve"), f"eve is invited to {DEN}")

    def test_guests_who_have_gone(self) -> None:
        """Who has no key and went without having come in takes no place of those who are here."""
        self.ask("ann", PRIVATE)
        for number in range(INVITED):
            self.chat.enter(f"k{number}", LOBBY)
            self.invited(f"k{number}")
            self.ask(f"k{number}", Bye())
        self.assertEqual(self.invited("kim"), f"kim is invited to {DEN}")


class KeptTests(RoomTests):
    """How long a room is what it was made, and how many of them there may be."""

    def charters(self) -> set[str]:
        """Give the rooms whose charters are kept."""
        kept = {key for key in self.chat.store.contents.memos if key.startswith("room:")}
        return {key.removeprefix("room:") for key in kept}

    def pass_time(self, seconds: float, steps: int = 1) -> None:
        """Let time pass while a server looks after its members."""
        for step in range(1, steps + 1):
            self.chat.perform(self.chat.hub.expire(START + seconds * step / steps))

    def leave(self) -> None:
        """Let nobody be here."""
        for name in ("ann", "bob", "eve", "kim", "pat"):
            self.ask(name, Bye())

    def test_unused(self) -> None:
        """A room that nobody was in for 30 days is everybody's; one with a door and a log never is."""
        for room in ("quiet", "closed", "talk"):
            self.ask("ann", Join(8, room))
        self.chat.say("ann", "closed", "x")
        self.chat.say("ann", "talk", "x")
        self.ask("ann", *(Order(9, "mode", room, "+i") for room in ("quiet", "closed")))
        self.leave()
        self.pass_time(1.0)
        self.assertEqual(self.charters(), {DEN, "quiet", "closed", "talk"})
        self.pass_time(UNUSED_SECONDS - 1)
        self.assertEqual(self.charters(), {DEN, "quiet", "closed", "talk"})
        self.pass_time(UNUSED_SECONDS + 7_200, steps=2)
        self.assertEqual(self.charters(), {"closed"})

    def test_used(self) -> None:
        """As long as somebody is in a room it is not unused, and neither is one found after a crash."""
        self.pass_time(UNUSED_SECONDS + 7_200)
        self.assertEqual(self.charters(), {DEN})
        charter = Charter((KEYS["ann"],))
        hub = Hub()
        hub.recall(Memos(charters={DEN: charter}), START, AT)
        hub.expire(START)
        self.assertEqual(hub.memos_to_keep()[memo_key(Charter, DEN)], Charter((KEYS["ann"],), used=int(AT)))

    def test_so_many_of_one(self) -> None:
        """Of 20 rooms of one account the longest unused gives way, in which nothing was said."""
        self.chat.say("ann", DEN, "x")
        for number in range(OWN_ROOMS):
            self.ask("ann", Join(8, f"r{number}"), Part(9, f"r{number}"))
            self.pass_time(float(number))
        self.assertEqual(self.charters(), {DEN, *(f"r{number}" for number in range(1, OWN_ROOMS))})
        for number in range(1, OWN_ROOMS):
            self.ask("ann", Join(8, f"r{number}"))
            self.chat.say("ann", f"r{number}", "x")
            self.ask("ann", Part(9, f"r{number}"))
        self.ask("ann", Join(8, "last"))
        self.assertNotIn("last", self.charters())
        self.assertEqual(self.operators("ann", "last"), ["ann"])

    def test_nothing_to_remember(self) -> None:
        """A room of everybody's is not remembered, and forgotten with its last member as ever."""
        self.ask("kim", Join(3, "attic"))
        self.assertEqual(self.charters(), {DEN})
        self.ask("kim", Part(3, "attic"))
        self.ask("bob", Join(3, "attic"))
        self.assertEqual(self.operators("bob", "attic"), ["bob"])
