"""Tests of `chat.hub`: who is here, in which rooms, under which nick."""

from __future__ import annotations

from chat import __version__
from chat.fields import MEMBER_ROOMS, MOTD_BYTES, RESULT_BYTES
from chat.hub.effects import Drop, Publish, Send
from chat.hub.hub import Hub
from chat.limits import CAPS
from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Bye,
    Change,
    Done,
    Join,
    Joined,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    RoomHead,
    Topic,
    Welcome,
)
from chat.stored import Fact, Heads, RoomHeads
from tests.hub_support import (
    ANN,
    BOB,
    DEN,
    EVE,
    START,
    HubTests,
    entry,
    hello,
    only,
    presence,
    refusal,
    say,
)


class ComingAndGoingTests(HubTests):
    """Who is here, under which nick."""

    def test_coming_in(self) -> None:
        """A newcomer is welcomed, is in no room, and nobody else is told: by either door."""
        for version, nick, client in ((PROTOCOL_VERSION, "eve", EVE), (PLAIN_VERSION, "cat", b"c" * 16)):
            welcome = Welcome(f"udpchat {__version__}", nick, "")
            self.assertEqual(self.ask(client, hello(nick, client, version)), [Send(client, welcome)])
            self.assertEqual(self.ask(client, Ping(1, 5)), [Send(client, Pong(1, 5, ()))])
        self.assertEqual(self.hub.everybody(), (ANN, BOB, EVE, b"c" * 16))

    def test_another_version(self) -> None:
        """A client that speaks another version is told which one this server speaks."""
        self.assertEqual(refusal(self.ask(EVE, hello("eve", EVE, 2))), (0, "VERSION", 0.0))

    def test_a_nick_is_taken_in_every_form(self) -> None:
        """A second Bob, however it is written, is refused, and nobody is told."""
        for nick in ("bob", "BOB", "Ｂｏｂ"):
            self.assertEqual(refusal(self.ask(EVE, hello(nick, EVE))), (0, "NICK_IN_USE", 0.0))

    def test_a_full_chat(self) -> None:
        """Beyond the limit newcomers are told to try again later; who is in may come again."""
        hub = Hub(max_members=1)
        hub.apply(ANN, hello("ann"), START)
        self.assertEqual(refusal(hub.apply(BOB, hello("bob", BOB), START)), (0, "FULL", 60.0))
        self.assertEqual(len(hub.apply(ANN, hello("ann"), START)), 1)

    def test_strangers_are_ignored(self) -> None:
        """Who is not in the chat can do nothing in it."""
        asked = (say(1), Names(1, LOBBY), Motd(1), Bye("exit"), Join(1, LOBBY), Nick(1, "eve"), Ping(1, 1))
        self.assertEqual(self.ask(EVE, *asked), [])

    def test_coming_in_again(self) -> None:
        """A new session of a member finds it as it was, under its nick, in its rooms; nobody is told."""
        self.ask(ANN, Nick(2, "anna"))
        again = self.ask(ANN, hello("ann"))
        self.assertEqual(again, [Send(ANN, Welcome(f"udpchat {__version__}", "anna", ""))])
        self.assertEqual(
            self.ask(ANN, Ping(1, 5)), [Send(ANN, Pong(1, 5, (RoomHead(LOBBY, head=0, version=3),)))]
        )

    def test_leaving(self) -> None:
        """The rest of each room is told, after the log; nick and rooms are free again."""
        self.ask(BOB, Join(2, DEN))
        self.ask(ANN, Join(2, DEN), Join(3, "attic"))
        self.assertEqual(
            self.ask(ANN, Bye("exit")),
            [
                Drop(ANN, "ann", verified=False, reason="exit"),
                Publish((BOB,), presence("ann", Change.LEFT, 3), ANN),
                Publish((BOB,), presence("ann", Change.LEFT, 3, DEN), ANN),
                Publish((), presence("ann", Change.LEFT, 2, "attic"), ANN),
            ],
        )
        self.assertEqual(self.hub.everybody(), (BOB,))
        self.assertIsInstance(only(self.ask(EVE, hello("ann", EVE)), Send).message, Welcome)
        self.assertEqual(self.ask(ANN, Ping(1, 5)), [])

    def test_the_message_of_the_day(self) -> None:
        """The welcome carries 512 bytes of whole characters, an answer 1,024, to a plain member all."""
        motd = "x" + "é" * 1_000
        hub = Hub(motd)
        welcome = only(hub.apply(ANN, hello("ann"), START), Send).message
        assert isinstance(welcome, Welcome)
        self.assertEqual(welcome.motd, "x" + "é" * ((MOTD_BYTES - 1) // 2))
        read = welcome.motd
        while True:
            done = only(hub.apply(ANN, Motd(7, len(read.encode())), START), Send).message
            assert isinstance(done, Done)
            assert isinstance(done.result, str)
            self.assertLessEqual(len(done.result.encode()), RESULT_BYTES)
            if not done.result:
                break
            read += done.result
        self.assertEqual(read, motd)
        hub.apply(BOB, hello("bob", BOB, PLAIN_VERSION), START)
        self.assertEqual(hub.apply(BOB, Motd(7), START), [Send(BOB, Done(7, motd))])
        plain = only(hub.apply(EVE, hello("eve", EVE, PLAIN_VERSION), START), Send).message
        self.assertEqual(plain, Welcome(f"udpchat {__version__}", "eve", motd))  # its lines need fit nothing


class NickTests(HubTests):
    """A member changes its nick."""

    def test_another_nick(self) -> None:
        """Each of the member's rooms is told, then the member; the old nick is free, the new one taken."""
        self.ask(ANN, Join(2, DEN))
        self.assertEqual(
            self.ask(ANN, Nick(3, "zoe")),
            [
                Publish((ANN, BOB), presence("ann", Change.RENAMED, 3, new_nick="zoe"), ANN),
                Publish((ANN,), presence("ann", Change.RENAMED, 2, DEN, new_nick="zoe"), ANN),
                Send(ANN, Done(3, "zoe")),
            ],
        )
        self.assertEqual(refusal(self.ask(EVE, hello("ZOE", EVE)))[1], "NICK_IN_USE")
        self.assertIsInstance(only(self.ask(EVE, hello("ann", EVE)), Send).message, Welcome)
        page = NamesPage(LOBBY, (NameLine("Bob", False), NameLine("zoe", False)), 2, more=False, version=3)
        self.assertEqual(self.ask(BOB, Names(2, LOBBY)), [Send(BOB, Done(2, page))])

    def test_other_capitals(self) -> None:
        """One's own nick with other capitals is not taken."""
        self.assertEqual(self.ask(ANN, Nick(3, "ANN"))[-1], Send(ANN, Done(3, "ANN")))

    def test_the_same_nick(self) -> None:
        """A nick that one has already is confirmed, and nobody is told."""
        self.assertEqual(self.ask(ANN, Nick(3, "ann")), [Send(ANN, Done(3, "ann"))])

    def test_a_refused_nick(self) -> None:
        """A nick that is taken or impossible is refused, and the member keeps its own."""
        self.assertEqual(refusal(self.ask(ANN, Nick(3, "bob"))), (3, "NICK_IN_USE", 0.0))
        self.assertEqual(refusal(self.ask(ANN, Nick(4, "a b"))), (4, "NICK_INVALID", 0.0))
        self.assertEqual(self.ask(ANN, Nick(5, "ann")), [Send(ANN, Done(5, "ann"))])


class RoomTests(HubTests):
    """Rooms come with their first member, and stay as long as they have entries."""

    def test_joining(self) -> None:
        """Everybody in the room is told, the newcomer too, which then learns where the room stands."""
        self.ask(EVE, hello("eve", EVE))
        self.assertEqual(
            self.ask(EVE, Join(7, LOBBY)),
            [
                Publish((ANN, BOB, EVE), presence("eve", Change.JOINED, 3), EVE),
                Send(EVE, Joined(7, LOBBY, 0, 0, "", 3, 3)),
            ],
        )

    def test_joining_again(self) -> None:
        """Who is in already is told where the room stands, and nobody else hears of it."""
        self.store(self.ask(BOB, say(1)))
        self.assertEqual(self.ask(ANN, Join(7, LOBBY)), [Send(ANN, Joined(7, LOBBY, 1, 0, "", 2, 2))])

    def test_a_name_that_no_room_can_have(self) -> None:
        """A room with such a name is not made."""
        self.assertEqual(refusal(self.ask(ANN, Join(7, "Röom")))[:2], (7, "ROOM_INVALID"))

    def test_rooms_of_one_member_are_bounded(self) -> None:
        """A member is in 20 rooms at most; it may ask again for one of them, or leave one for another."""
        self.ask(ANN, *(Join(n, f"room{n}") for n in range(1, MEMBER_ROOMS)))
        self.assertEqual(refusal(self.ask(ANN, Join(77, DEN))), (77, "TOO_MANY_ROOMS", 0.0))
        self.assertEqual(len(self.ask(ANN, Join(78, LOBBY))), 1)
        self.ask(ANN, Part(79, LOBBY))
        self.assertEqual(len(self.ask(ANN, Join(80, DEN))), 2)

    def test_all_rooms_are_bounded(self) -> None:
        """There are 10,000 rooms at most, and the lobby; who wants another waits, or joins one of those."""
        hub = Hub()
        hub.restore(Heads(0, {f"room{n}": RoomHeads(0, 1) for n in range(CAPS.rooms)}))
        hub.apply(ANN, hello("ann"), START)
        self.assertEqual(refusal(hub.apply(ANN, Join(1, DEN), START)), (1, "TOO_MANY_ROOMS", 60.0))
        for room in ("room1", LOBBY):
            self.assertEqual(len(hub.apply(ANN, Join(2, room), START)), 2)

    def test_parting(self) -> None:
        """The rest of the room is told, then who has left; whoever was not in is told that it is done."""
        self.assertEqual(
            self.ask(ANN, Part(7, LOBBY)),
            [Publish((BOB,), presence("ann", Change.LEFT, 3), ANN), Send(ANN, Done(7, ""))],
        )
        self.assertEqual(self.ask(ANN, Part(8, LOBBY), Part(9, "x"))[0], Send(ANN, Done(8, "")))

    def test_a_room_without_entries_is_forgotten(self) -> None:
        """A room that nothing was said in ends with its last member; its roster counts on all the same."""
        for version in (1, 3):
            self.assertEqual(self.ask(ANN, Join(2, DEN))[1], Send(ANN, Joined(2, DEN, 0, 0, "", version, 1)))
            self.ask(ANN, Part(3, DEN))

    def test_a_room_with_entries_is_kept(self) -> None:
        """A room that something was said in keeps its place, its topic and its roster's version."""
        self.ask(ANN, Join(2, DEN))
        self.store(self.ask(ANN, Topic(3, DEN, "bears")))
        self.ask(ANN, Part(4, DEN))
        self.assertEqual(self.ask(BOB, Join(2, DEN))[1], Send(BOB, Joined(2, DEN, 1, 0, "bears", 3, 1)))

    def test_what_a_store_kept(self) -> None:
        """After a start rooms stand where the store says; one that it does not know stands at its base."""
        hub = Hub()
        hub.restore(Heads(100, {DEN: RoomHeads(5, 9)}))
        hub.apply(ANN, hello("ann"), START)
        self.assertEqual(hub.apply(ANN, Join(1, DEN), START)[1], Send(ANN, Joined(1, DEN, 9, 5, "", 101, 1)))
        self.assertEqual(
            hub.apply(ANN, Join(2, LOBBY), START)[1], Send(ANN, Joined(2, LOBBY, 100, 100, "", 101, 1))
        )

    def test_a_fact_of_a_room_that_nobody_is_in(self) -> None:
        """An entry that another server wrote makes its room known, with its place."""
        fact = Fact(EVE, 1, entry(7, room=DEN), floor=3)
        self.assertEqual(self.hub.committed(fact), [Publish((), fact.entry, EVE)])
        self.assertEqual(self.ask(ANN, Join(2, DEN))[1], Send(ANN, Joined(2, DEN, 7, 3, "", 1, 1)))

    def test_a_publish_goes_to_one_room(self) -> None:
        """An entry is shown to those in its room, and the tuple of them is the same until that changes."""
        self.ask(ANN, Join(2, DEN))
        told = [self.store(self.ask(ANN, say(n, room=DEN)))[0] for n in (1, 2)]
        (first, second) = [effect.members for effect in told if isinstance(effect, Publish)]
        self.assertEqual(first, (ANN,))
        self.assertIs(first, second)
        renamed = self.ask(ANN, Nick(3, "anna"))[1]
        assert isinstance(renamed, Publish)
        self.assertIs(renamed.members, first)

    def test_pong(self) -> None:
        """A pong gives the time back, and where each room stands that one is in."""
        self.ask(ANN, Join(2, DEN))
        self.store(self.ask(BOB, say(1)))
        heads = (RoomHead(LOBBY, head=1, version=2), RoomHead(DEN, head=0, version=1))
        self.assertEqual(self.ask(ANN, Ping(3, 99)), [Send(ANN, Pong(3, 99, heads))])
