"""Tests of `chat.hub`: the wall clock is set while the server runs, and nobody loses anything by that."""

from __future__ import annotations

from chat.hub.hub import Hub
from chat.limits import NO_LIMITS, Limits
from chat.memos import Ban, Charter, Memo, Memos, Mute, Owner, Seat, memo_key
from chat.messages import Bye, Part
from chat.orders import Verb
from tests.hub_support import ANN, DEN
from tests.operator_support import EPOCH, KIM, KIMS, OLGA, OLGAS, OperatorTests

STEP = 100 * 86_400  # a machine without a clock of its own is that late until the network has told it


class ClockTests(OperatorTests):
    """The server began by a clock that was wrong, and has been told since what time it is."""

    def set_clock(self, step: int) -> None:
        """Let the clock show another time from now on."""
        self.hub.set_clock(self.now, EPOCH + self.now + step)

    def kept(self) -> dict[str, Memo]:
        """Give what is remembered by now of all that has changed."""
        return {key: memo for key, memo in self.hub.memos_to_keep().items() if memo is not None}

    def test_everything_is_dated_anew(self) -> None:
        """Nicks, rooms, bans, mutes and members are as old as they were, by the clock as it is now."""
        self.come("kim", KIM, KIMS, DEN)
        self.order(OLGA, Verb.BAN, "", "bob", "spam", 600)
        self.order(OLGA, Verb.MUTE, "", "ann", "spam", 600)
        self.ask(KIM, Part(9, DEN))
        self.hub.expire(self.now)
        before = self.kept()
        for step in (STEP, -STEP - 50):
            self.now += 60
            self.set_clock(step)
            after = self.kept()
            by = step if step > 0 else step - STEP
            for key in (memo_key(Ban, "nick:bob"), memo_key(Mute, "/nick:ann")):
                old, new = before[key], after[key]
                assert isinstance(old, Ban | Mute)
                assert isinstance(new, Ban | Mute)
                self.assertEqual((new.at - old.at, new.until - old.until), (by, by))
            owner, room, seat = (after[key] for key in self.keys())
            old_owner, old_room, old_seat = (before[key] for key in self.keys())
            assert isinstance(owner, Owner)
            assert isinstance(old_owner, Owner)
            assert isinstance(room, Charter)
            assert isinstance(old_room, Charter)
            assert isinstance(seat, Seat)
            assert isinstance(old_seat, Seat)
            shifts = owner.used - old_owner.used, room.used - old_room.used, seat.since - old_seat.since
            self.assertEqual(shifts, (by, by, by))
            before = after

    def keys(self) -> tuple[str, str, str]:
        """Name what is remembered of Kim, of her room, and of Ann."""
        return memo_key(Owner, "kim"), memo_key(Charter, DEN), memo_key(Seat, ANN)

    def test_what_was_before(self) -> None:
        """What an earlier server has dated stays as it is, be it later than this one's clock showed."""
        for used in (int(EPOCH) - 86_400, int(EPOCH) + STEP - 86_400):
            owners = {"eve": Owner("eve", b"E" * 32, used)}
            charters = {DEN: Charter(operators=(KIMS,), used=used)}
            bans = {"nick:bad": Ban("bad", "olga", used, used + STEP, "")}
            mutes = {"/nick:loud": Mute("loud", "olga", used, used + STEP, "")}
            seats = {b"p" * 16: Seat("pat", None, is_plain=False, is_away=False, rooms=[], since=used)}
            memos = Memos(owners, bans=bans, mutes=mutes, charters=charters, seats=seats)
            self.begin(Hub(operators=[OLGAS], limits=Limits(NO_LIMITS)), memos)
            self.kept()
            self.set_clock(STEP)
            changed = self.kept()
            room, seat = memo_key(Charter, DEN), memo_key(Seat, b"p" * 16)
            restricted = memo_key(Ban, "nick:bad"), memo_key(Mute, "/nick:loud")
            for key in (memo_key(Owner, "eve"), *restricted, room, seat):
                self.assertNotIn(key, changed)

    def test_the_next_start(self) -> None:
        """A nick that was used today is its owner's, though the server had thought it was last spring."""
        self.ask(KIM, Bye())
        self.set_clock(STEP)
        owner = self.kept()[memo_key(Owner, "kim")]
        assert isinstance(owner, Owner)
        self.hub = Hub(limits=Limits(NO_LIMITS))
        self.hub.recall(Memos(owners={"kim": owner}), self.now, EPOCH + self.now + STEP)
        self.hub.expire(self.now)
        self.assertIn("NICK_OWNED", str(self.come("kim", KIM, OLGAS)))

    def test_how_long_it_lasts(self) -> None:
        """Who is muted for ten minutes is for ten minutes, whatever the clock shows meanwhile."""
        self.order(OLGA, Verb.MUTE, "", "ann", "spam", 600)
        self.set_clock(STEP)
        self.now += 590
        self.hub.expire(self.now)
        self.assertEqual(self.answer(self.order(OLGA, Verb.UNMUTE, "", "ann")), "ann may speak again")
