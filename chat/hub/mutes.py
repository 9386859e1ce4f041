"""Who may not say anything, in a room or anywhere, and for how long. No I/O, no clock.

Somebody is muted by the account if there is one, else by the nick, and then keeps that nick while there.
Times are seconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from chat.errors import RequestRejected
from chat.hub.members import Member
from chat.hub.notebook import Notebook
from chat.hub.terms import Terms, why
from chat.memos import Mute
from chat.messages import is_direct
from chat.safety import nick_key

MAX_MUTES = 10_000  # everywhere, and in all rooms together: 300 bytes each, as bans
ROOM_MUTES = 100  # in one room: who makes rooms to fill them leaves enough for the others


def name_muted(nick: str, account: bytes | None) -> str:
    """Give by what somebody is muted who has this account, or only a nick, by its key."""
    return f"nick:{nick}" if account is None else f"key:{account.hex()}"


class Mutes:
    """The mutes, by room ("": everywhere) and by who is muted there. `account_now`: whose a key is."""

    def __init__(self, notebook: Notebook, account_now: Callable[[Member], bytes | None]) -> None:
        self._notebook = notebook
        self._account_now = account_now
        self._mutes: Terms[tuple[str, str], Mute] = Terms()
        self._counts: Counter[str] = Counter()  # by room

    def recall(self, mutes: Mapping[str, Mute]) -> None:
        """Take over what was remembered."""
        for about, mute in mutes.items():
            room, _, who = about.partition("/")
            self._enter(room, who, mute)

    # --- who is muted

    def refusal(self, member: Member, room: str, at: float) -> RequestRejected | None:
        """Give why a member may not say anything in a room, or to one person ("@" and more); None: it may."""
        for place in ("",) if is_direct(room) else ("", room):
            mute = self._find(member, place, at)
            if mute is not None:
                return RequestRejected("MUTED", why(muted("you are", place), mute))
        return None

    def check_rename(self, member: Member, at: float) -> None:
        """Raise `RequestRejected` if a member is muted by its nick where it is: it keeps that."""
        if member.account is None and any(self._find(member, place, at) for place in ("", *member.rooms)):
            raise RequestRejected("MUTED", "you are muted, and keep your nick as long as you are")

    def _find(self, member: Member, place: str, at: float) -> Mute | None:
        if not self._mutes:
            return None
        for account in dict.fromkeys((member.account, member.key, self._account_now(member))):
            mute = self._mutes.get((place, name_muted(member.nick.key, account)), at)
            if mute is not None:
                return mute
        return None

    def known(self, room: str, nick: str, account: bytes | None) -> list[str]:
        """Give by what somebody is muted in a room who has this account, or had this nick then."""
        who, nick = name_muted(nick_key(nick), account), nick.casefold()
        return [
            each
            for (place, each), mute in self._mutes
            if place == room and (each == who or mute.shown.casefold() == nick)
        ]

    # --- mutes come and go

    def add(self, room: str, who: str, mute: Mute) -> None:
        """Let somebody say nothing from now on; a mute there before counts no more."""
        if (room, who) not in self._mutes:
            self._check_room_for_one(room)
        self._drop(room, who)
        self._enter(room, who, mute)
        self._notebook.write(f"{room}/{who}", mute)

    def remove(self, room: str, who: str) -> None:
        """Let somebody speak again who is muted there."""
        self._drop(room, who)
        self._notebook.strike(f"{room}/{who}", Mute)

    def clear(self, room: str) -> None:
        """Forget who is muted in a room that is no more, or begins anew: it has other operators."""
        if self._counts[room]:
            for who in [who for (place, who), _ in self._mutes if place == room]:
                self.remove(room, who)

    def expire(self, at: float, is_gone: Callable[[str], bool]) -> None:
        """Forget what has lasted long enough, and what was about rooms that are no more.

        Else whoever makes rooms and leaves them would fill what all rooms may have, for ever.
        """
        for room, who in self._mutes.over(at):
            self.remove(room, who)
        for room in [room for room in self._counts if room and is_gone(room)]:
            self.clear(room)

    def redate(self, dates: range, by: int) -> None:
        """Let what began at one of `dates` be so many seconds later: the clock was set."""
        for (room, who), mute in self._mutes.redate(dates, by):
            self._notebook.write(f"{room}/{who}", mute)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Give whom each mute is about, and a line for people."""
        for (room, _), mute in self._mutes:
            yield mute.shown, why(muted(mute.shown, room), mute)

    def _check_room_for_one(self, room: str) -> None:
        """Raise `RequestRejected` if there are enough: what rooms have takes nothing from the server's."""
        if room and len(self._mutes) - self._counts[""] >= MAX_MUTES:
            raise RequestRejected("TOO_MANY_MUTES", f"{MAX_MUTES} are muted in rooms already: /kick them")
        most = ROOM_MUTES if room else MAX_MUTES
        if self._counts[room] >= most:
            raise RequestRejected("TOO_MANY_MUTES", f"{most} are muted here: /unmute somebody first")

    def _enter(self, room: str, who: str, mute: Mute) -> None:
        self._mutes.enter((room, who), mute)
        self._counts[room] += 1

    def _drop(self, room: str, who: str) -> None:
        if self._mutes.drop((room, who)) is None:
            return
        self._counts[room] -= 1
        if not self._counts[room]:
            del self._counts[room]


def muted(who: str, room: str) -> str:
    """Begin the line about somebody ("you are", "bob is") who is muted, in a room or everywhere ("")."""
    return f"{who} muted in {room}" if room else f"{who} muted"
