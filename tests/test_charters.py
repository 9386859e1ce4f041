"""Tests of `chat.hub.charters` and `chat.hub.house`: how many operate a room, and how many there are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import CROWD
from chat.hub.charters import INVITED, OPERATORS
from chat.hub.effects import Send
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.notebook import Notebook
from chat.hub.roll import Roll
from chat.hub.roommodes import RoomModes
from chat.limits import CAPS, Limits
from chat.memos import Charter
from chat.messages import LOBBY, Done
from chat.orders import Order
from chat.safety import check_nick
from chat.stored import Heads, RoomHeads
from tests.hub_support import DEN, only

ANN = b"ann" * 10


class CharterTests(SynchronousTestCase):
    """Ann has made the den."""

    def setUp(self) -> None:
        """Let her."""
        notebook = Notebook()
        self.roll = Roll(5_000, notebook, bytes, Limits())
        self.house = House(CROWD, notebook, lambda _: False, Limits())
        self.ann = self.member("ann", ANN)
        self.den = self.house.find(self.ann, DEN)
        self.house.put(self.ann, self.den)

    def member(self, nick: str, account: bytes | None = None) -> Member:
        """Let somebody be here."""
        client = nick.encode()[:16].ljust(16, b".")
        return self.roll.admit(Member(client, check_nick(nick), account, account, is_plain=False))

    def refused(self, order: Order) -> str:
        """Give the code with which what ann says of a room's mode is refused."""
        refusal = self.assertRaises(RequestRejected, RoomModes(self.roll, self.house).mode, self.ann, order)
        return str(refusal.code)

    def told(self, order: Order) -> str:
        """Give the answer to what ann says of a room's mode."""
        done = only(RoomModes(self.roll, self.house).mode(self.ann, order), Send).message
        assert isinstance(done, Done), done
        return str(done.result)

    def close(self) -> None:
        """Let ann make the den private."""
        RoomModes(self.roll, self.house).mode(self.ann, Order(1, "mode", DEN, "+i"))

    def open(self) -> None:
        """Let ann open the den."""
        RoomModes(self.roll, self.house).mode(self.ann, Order(1, "mode", DEN, "-i"))

    def test_operators(self) -> None:
        """At most 32 operate a room, each once, and somebody does."""
        accounts = [bytes([number]) * 30 for number in range(OPERATORS)]
        charters = self.house.charters
        for account in accounts[1:]:
            charters.promote(self.den, account)
            charters.promote(self.den, account)
        refusal = self.assertRaises(RequestRejected, charters.promote, self.den, accounts[0])
        self.assertEqual(refusal.code, "TOO_MANY_OPERATORS")
        self.assertEqual(charters.own(ANN), 0)
        for account in accounts:
            charters.depose(self.den, account)
        self.assertEqual(charters.own(ANN), 1)
        refusal = self.assertRaises(RequestRejected, charters.depose, self.den, ANN)
        self.assertEqual(refusal.code, "LAST_OPERATOR")
        self.assertTrue(charters.operates(self.den, self.ann))

    def test_rosters_are_read_again(self) -> None:
        """Who operates a room is in its roster: that has another version then, and no other time."""
        before = self.den.version
        for change, versions in (
            (self.house.charters.promote, 1),
            (self.house.charters.promote, 1),
            (self.house.charters.depose, 2),
        ):
            change(self.den, b"bob" * 10)
            self.assertEqual(self.den.version, before + versions)
        self.house.charters.invite(self.den, b"", b"bob" * 10)
        self.assertEqual(self.den.version, before + 2)

    def test_none_to_depose(self) -> None:
        """Where nobody operates a room there is nothing to be done."""
        lobby = self.house.open(LOBBY)
        for begin in (lambda: None, lambda: self.house.charters.promote(lobby, ANN)):
            begin()
            self.house.charters.depose(lobby, ANN)
            self.assertFalse(self.house.charters.operates(lobby, self.ann))

    def test_many_operators_are_shown(self) -> None:
        """An answer names ten of them and counts the rest, for it has a limit."""
        for number in range(12):
            member = self.member(f"n{number}", bytes([number]) * 30)
            self.house.put(member, self.den)
            self.house.charters.promote(self.den, bytes([number]) * 30)
        shown = self.told(Order(1, "mode", DEN))
        names = "ann, n0, n1, n10, n11, n2, n3, n4, n5, n6"
        self.assertEqual(shown, f"den: open to everybody\noperators here: {names} and 3 more")

    def test_the_lobby(self) -> None:
        """It has no door, whoever operates it; who may speak there can be said."""
        lobby = self.house.find(self.ann, LOBBY)
        self.house.put(self.ann, lobby)
        self.assertEqual(self.refused(Order(1, "mode", LOBBY, "+v")), "NOT_OPERATOR")
        self.house.charters.promote(lobby, ANN)
        for mode in ("+i", "+k"):
            self.assertEqual(self.refused(Order(1, "mode", LOBBY, mode, "key")), "MODE_INVALID")
        self.assertIn("speak in lobby", self.told(Order(1, "mode", LOBBY, "+v")))

    def test_what_a_room_is_already(self) -> None:
        """Is said to who asks for it, and to nobody else: nothing has changed."""
        for mode, key, changes in (
            ("-k", "", False),
            ("+k", "tea", True),
            ("+k", "tea", False),
            ("-v", "", False),
        ):
            version = self.den.charter
            effects = RoomModes(self.roll, self.house).mode(self.ann, Order(1, "mode", DEN, mode, key))
            done = next(each.message for each in effects if isinstance(each, Send))
            assert isinstance(done, Done), done
            self.assertEqual(self.den.charter != version, changes)
            self.assertEqual(str(done.result).startswith("it is so already\nden: "), not changes)

    def test_so_many_rooms(self) -> None:
        """Of 10,000 the longest unused in which nothing was said gives way to a new one; if any is such."""
        bob = self.member("bob")
        charters = {f"r{number}": Charter((ANN,), used=number) for number in range(1, 4)}
        talked = {f"t{number}": RoomHeads(0, 1) for number in range(CAPS.rooms - 4)}
        house = House(CROWD, Notebook(), lambda _: False, Limits())
        house.restore(Heads(0, talked))
        house.recall(charters)
        house.put(bob, house.find(bob, LOBBY))
        for number in (1, 2, 3):
            house.put(bob, house.find(bob, f"n{number}"))
            left = [f"r{each}" for each in range(number + 1, 4)]
            self.assertEqual([name for name in charters if house.get(name)], left)
        refusal = self.assertRaises(RequestRejected, house.find, bob, "n4")
        self.assertEqual(refusal.code, "TOO_MANY_ROOMS")

    def test_a_room_after_a_restart(self) -> None:
        """Who was in a room that nobody operates for good does not operate it now: that made it nobody's."""
        house = House(CROWD, Notebook(), lambda _: False, Limits())
        house.put(self.ann, house.find_again(self.ann, "tmp"))
        bob = self.member("bob")
        house.put(bob, house.find_again(bob, "tmp"))
        self.assertFalse(house.charters.operates(house.open("tmp"), self.ann))
        self.assertFalse(house.open("tmp").has_charter)
        self.assertEqual(house.charters.own(ANN), 0)

    def test_a_door_for_the_second_time(self) -> None:
        """Who is in is invited, as many as may be; who is invited already takes no second place."""
        for name in "abc":
            self.house.put(self.member(name, name.encode() * 30), self.den)
        self.close()
        self.open()
        for number in range(INVITED):
            self.house.put(self.member(f"n{number}", bytes([number]) * 31), self.den)
        self.close()
        self.assertEqual(len(self.den.charter.invited), INVITED)

    def test_a_door_after_many_guests(self) -> None:
        """Who was invited without a key and has gone does not keep a room open."""
        self.close()
        gone = frozenset(bytes([number]) * 16 for number in range(INVITED - 1))
        self.den.guests = gone
        self.open()
        bob = self.member("bob")
        self.house.put(bob, self.den)
        self.close()
        self.assertEqual(self.den.guests, {bob.client})
