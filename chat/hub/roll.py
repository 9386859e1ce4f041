"""Who is here, under which nick, and since when they are silent. No I/O; time is what it was told last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chat.errors import RequestRejected
from chat.hub.bans import Bans
from chat.hub.likeness import Likeness, check_reserved
from chat.hub.members import Member
from chat.hub.mutes import Mutes
from chat.hub.notebook import Notebook
from chat.hub.owners import Owners
from chat.hub.silence import Silence
from chat.limits import Limits
from chat.memos import Seat
from chat.messages import Change
from chat.safety import Nick, check_nick, nick_key


class Roll:
    """The members, at most `most`. `random` gives so many bytes that nobody can guess."""

    def __init__(self, most: int, notebook: Notebook, random: Callable[[int], bytes], limits: Limits) -> None:
        self.owners = Owners(notebook, random)
        self.bans = Bans(notebook)
        self.mutes = Mutes(notebook, self.account_now)
        self._most = most
        self._limits = limits
        self._notebook = notebook
        self._members: dict[bytes, Member] = {}
        self._nicks: dict[str, Member] = {}  # by the key that nicks are compared by
        self._likeness = Likeness()  # of the same nicks
        self._silence = Silence()  # of the native members
        self._epoch = 0.0  # what `now` lacks to be seconds since 1970
        self.now = 0.0  # as it was told last
        self.began = 0.0

    # --- time

    def set_clock(self, now: float, at: float) -> None:
        """Learn that `now`, at the beginning, is `at` in seconds since 1970."""
        self.now, self.began, self._epoch = now, now, at - now

    def reset_clock(self, now: float, at: float) -> tuple[range, int]:
        """Learn that `now` is `at`: the wall clock was set.

        Gives which dates were by the clock as it was, and how many seconds they lack. What is later than that
        clock showed was dated by an earlier server, whose clock was right: some begin in 1970.
        """
        dates = range(int(self.began + self._epoch), int(now + self._epoch) + 1)
        by = round(at - now - self._epoch)
        self.now, self._epoch = now, at - now
        for member in self._members.values():
            if member.since in dates:
                member.since += by
                self.note(member)
        self.owners.redate(dates, by)
        self.bans.redate(dates, by)
        self.mutes.redate(dates, by)
        return dates, by

    def look(self, now: float) -> None:
        """Learn what time it is."""
        self.now = now

    @property
    def at(self) -> float:
        """The time in seconds since 1970."""
        return self.now + self._epoch

    # --- members

    def get(self, client: bytes) -> Member | None:
        """Give a member; None: it is not here."""
        return self._members.get(client)

    def account_now(self, member: Member) -> bytes | None:
        """Give whose the key of a member is by now: it may have been linked since it came in."""
        return None if member.key is None else self.owners.account(member.key)

    def everybody(self) -> tuple[bytes, ...]:
        """Give all members, in the order in which they came."""
        return tuple(self._members)

    def holder(self, nick: str) -> Member | None:
        """Give who is here under the nick with this key."""
        return self._nicks.get(nick)

    def all(self) -> Iterable[Member]:
        """Give all members, in the order in which they came."""
        return self._members.values()

    def find(self, nick: str) -> Member:
        """Give who is here under a nick, or raise `RequestRejected`."""
        holder = self._nicks.get(nick_key(nick))
        if holder is None:
            raise RequestRejected("NO_SUCH_NICK", f"nobody here is called {nick}")
        return holder

    def person(self, nick: str) -> tuple[Member | None, bytes | None]:
        """Give who is here under a nick, and the account of whom it belongs to, else of whoever has it."""
        key = nick_key(nick)
        holder, owner = self._nicks.get(key), self.owners.owner(key)
        return holder, owner or (None if holder is None else holder.account)

    def admit(self, member: Member) -> Member:
        """Let somebody be here under a nick that is free, and that `check` has let pass. A key owns it then.

        Raises `RequestRejected` if the chat is full.
        """
        if len(self._members) >= self._most:
            self._limits.count("too many members")
            raise RequestRejected("FULL", "the chat is full: try again later", 60.0)
        self._members[member.client] = member
        member.since, member.spoke = int(self.at), self.now
        self._nicks[member.nick.key] = member
        self._likeness.put(member.nick.key, member.nick.shown)
        if member.account is not None:
            self.owners.use(member.nick, member.account, self.at)
        return member

    def check(self, nick: Nick, key: bytes | None, asking: Member | None = None) -> bytes | None:
        """Give the account of `key`, or raise `RequestRejected` if the nick is not for it.

        So it is if it looks like somebody's who is here, and is neither the same person nor `asking`.
        """
        account = None if key is None else self.owners.account(key)
        self.bans.check(nick, (account, key), self.at)
        check_reserved(nick)
        self.owners.check(nick, account)
        if not self.owners.is_known(nick, account):
            for other in map(self._nicks.__getitem__, self._likeness.others(nick)):
                if other is not asking and (account is None or other.account != account):
                    text = f"{nick.shown} looks like {other.nick.shown}, who is here: take another nick"
                    raise RequestRejected("NICK_IN_USE", text)
        return account

    def owns_its_nick(self, member: Member) -> bool:
        """Say whether the nick that a member uses belongs to it."""
        return member.account is not None and self.owners.owner(member.nick.key) == member.account

    def admit_again(self, client: bytes, seat: Seat, now: float) -> Member:
        """Let somebody be here who was before a restart, or raise `RequestRejected`."""
        nick = check_nick(seat.nick)
        if nick.key in self._nicks:
            raise RequestRejected("NICK_IN_USE", f"{nick.shown} is taken")
        account = self.check(nick, seat.key)
        member = self.admit(Member(client, nick, seat.key, account, is_plain=seat.is_plain))
        member.is_silent, member.away = seat.is_away, seat.away
        member.since = seat.since or member.since
        if not member.is_plain:
            self._silence.resume(client, now, is_away=seat.is_away)
        return member

    def remove(self, member: Member) -> None:
        """Let somebody be here no more."""
        del self._members[member.client], self._nicks[member.nick.key]
        self._likeness.drop(member.nick.key)
        self._silence.forget(member.client)
        self._notebook.strike(member.client, Seat)
        if member.account is not None:
            self.owners.touch(member.nick, member.account, self.at)

    def rename(self, member: Member, nick: Nick) -> None:
        """Let a member have another nick, which `check` has let pass and nobody else has."""
        if member.account is not None:
            self.owners.touch(member.nick, member.account, self.at)
            self.owners.use(nick, member.account, self.at)
        del self._nicks[member.nick.key]
        self._nicks[nick.key] = member
        self._likeness.drop(member.nick.key)
        self._likeness.put(nick.key, nick.shown)
        member.nick = nick
        self.note(member)

    def note(self, member: Member) -> None:
        """Remember a member as it is now."""
        seat = Seat(
            member.nick.shown,
            member.key,
            member.is_plain,
            member.is_silent,
            list(member.rooms),
            member.away,
            member.since,
        )
        self._notebook.write(member.client, seat)

    # --- silence

    def hear(self, member: Member, now: float) -> Change | None:
        """Note that a native member was heard; `BACK` if it was away."""
        if member.is_plain:
            return None
        self._silence.hear(member.client, now)
        if not member.is_silent:
            return None
        member.is_silent = False
        self.note(member)
        return Change.BACK if member.away is None else None

    def take_away(self, now: float) -> Iterator[Member]:
        """Give those who are away from now on, once each."""
        for client in self._silence.take_away(now):
            member = self._members[client]
            member.is_silent = True
            self.note(member)
            if member.away is None:
                yield member

    def take_gone(self, now: float) -> Iterator[Member]:
        """Give those who have been away for too long, once each."""
        for client in self._silence.take_gone(now):
            yield self._members[client]

    def expire_nicks(self) -> None:
        """Let nicks be nobody's that were not used for long."""
        self.owners.expire(self.at, self._nicks)
