"""A member as the hub keeps it, and the order of what it asks: one append in flight, the rest in turn.

A request that changes something waits for its turn in the order of arrival. A text that overtook the one
before it (`Say.back`) is parked when its turn comes, and has the next turn as soon as that one is settled. So
the texts of one client are stored in the order in which they were said, whatever the network did to them.

A text is *settled* when it was stored or refused. None is stored before the one that it comes behind is
settled, so all below a settled one is settled too, and one number says it all. The store counts for itself
(`last` is what it is held against) and remembers what it has: that keeps every text exactly once.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.fields import IN_FLIGHT, MEMBER_ROOMS
from chat.hub.effects import Commit
from chat.hub.owners import log_name
from chat.limits import Purse, Purses
from chat.messages import Bye, Join, Nick, Part, Rejected, Say, Topic
from chat.notices import Out
from chat.orders import Order
from chat.safety import Nick as CheckedNick
from chat.stored import Draft, Fact

WAITING_LINES = 64  # of one member behind its append in flight: a paste passes, memory stays bounded
UNKNOWN = -1  # what a store's number is before it was told: none is so low
OUT_SECONDS = 60.0  # for which a client is told again: ten of its pings, and one gets through
SLOW_SECONDS = 60.0  # between two notices that say to a text member that it is too fast: once for a paste
NOBODY: frozenset[bytes] = frozenset()  # one for all: each would take 200 bytes
TOLD_AWAY = 256  # who write to somebody that is away: beyond them nobody is told
PARKED = 64  # texts of one member that came too early: far more than the 8 requests it may have in flight

Numbered = Say | Join | Part | Nick | Topic | Order
Turn = Numbered | Bye  # what changes something, and so takes its turn


class Searched(NamedTuple):
    """What a member has searched for last, and where to go on (None: at the newest; 0: there is nothing)."""

    room: str
    words: tuple[str, ...]
    before: int | None = None


class Member:
    """One member, from its `Hello` until it is dropped. `client` names it to everybody outside.

    `key` is the fingerprint of the key that it has shown that it holds; None: it is whoever it says it is.
    `account` is whose key that is, `log` the name of that person's log of direct messages ("": none).
    `settled` is the highest number of a text known to be settled, `last` the store's number of this client as
    far as the hub knows (`UNKNOWN` until it was told), `in_flight` what the store was asked and has not
    answered, `asking` the id of the request that waits for that answer (0: nobody does any more).
    `purses` are what its requests are paid from; `is_held`: the next one waits until there is enough.
    `away` is what it says of being away (None: it is here), `since` when it came in seconds since 1970,
    `spoke` when it asked for something last, by the hub's clock.
    """

    __slots__ = (
        "_is_warned",
        "_origin",
        "_out",
        "_parked",
        "_says",
        "_slowed_at",
        "_untold",
        "_waiting",
        "account",
        "asking",
        "away",
        "client",
        "entered",
        "in_flight",
        "is_held",
        "is_plain",
        "is_silent",
        "key",
        "last",
        "log",
        "nick",
        "purses",
        "reading",
        "rooms",
        "searched",
        "searching",
        "settled",
        "shown",
        "since",
        "spoke",
        "told_away",
    )

    def __init__(
        self, client: bytes, nick: CheckedNick, key: bytes | None, account: bytes | None, *, is_plain: bool
    ) -> None:
        self.client = client
        self.nick = nick
        self.key = key
        self.account = account
        self.log = log_name(account)
        self.is_plain = is_plain
        self.is_silent = False
        self.away: str | None = None
        self.told_away = NOBODY  # who was told that since it is so; at most TOLD_AWAY
        self.since = 0
        self.spoke = 0.0
        self.rooms: list[str] = []  # at most MEMBER_ROOMS, in the order they were joined
        self._untold: set[str] = set()  # of the rooms in `_out`: only an earlier session was told
        self._out: dict[str, tuple[Out, float]] = {}  # by room, where it was put out; at most MEMBER_ROOMS
        self.entered: dict[str, int] = {}  # by room: its head then
        self.shown: dict[str, int] = {}  # by room: up to where a native client has shown it
        self.reading: dict[str, int] = {}  # the token of the read that is out, by room
        self.searched: Searched | None = None
        self.searching = 0  # the token of the search that is out; 0: none is
        self.settled = 0
        self.last = 0 if is_plain else UNKNOWN  # a plain client id is as young as its member
        self.in_flight: Commit | None = None
        self.asking = 0
        self._says: dict[int, Say] = {}  # by number: each is in flight, waiting or parked; the newest repeat
        self._waiting: deque[Turn] = deque()  # at most WAITING_LINES and a Bye, which is the last
        self._parked: set[int] = set()  # at most PARKED
        self._is_warned = False
        self.purses: Purses = (Purse(),)
        self._origin: Purses = ()
        self.is_held = False
        self._slowed_at = float("-inf")  # when it was told last that it is too fast

    @property
    def is_verified(self) -> bool:
        """Say whether a key stands behind the nick."""
        return self.key is not None

    def speak_from(self, origin: Purses) -> None:
        """Take from the buckets of this address and network, beside the member's own, from now on."""
        if self._origin is not origin:
            self._origin = origin
            self.purses = (self.purses[0], *origin)

    @property
    def is_away(self) -> bool:
        """Say whether it is shown as away: it says so, or was not heard for a minute."""
        return self.is_silent or self.away is not None

    # --- rooms

    def put_out(self, out: Out, now: float) -> Out:
        """Note that the member is put out of a room, and give what it is told."""
        self._untold.discard(out.room)
        self._out.pop(out.room, None)
        self._out[out.room] = out, now + OUT_SECONDS
        if len(self._out) > MEMBER_ROOMS:
            del self._out[next(iter(self._out))]
        return out

    def check_join(self, room: str, now: float) -> None:
        """Raise `RequestRejected`, once, if a new session wants into a room that the last was put out of.

        It is a client that joins what it was in, and may not have heard that it was put out.
        """
        if room in self._untold:
            self._untold.discard(room)
            out, until = self._out.get(room, (None, 0.0))
            if out is not None and now < until:
                raise RequestRejected(out.code, out.text)

    def told_again(self, now: float) -> list[Out]:
        """Give what it is told once more: out of which rooms it was put, in which it is not again."""
        self._out = {
            room: told for room, told in self._out.items() if room not in self.rooms and now < told[1]
        }
        return [out for out, _ in self._out.values()]

    # --- taking turns

    def queue(self, request: Turn) -> Rejected | None:
        """Let `request` wait for its turn, or give the refusal of it.

        A repeat of a text without an answer changes only whom the answer is for and what it comes behind. Who
        has said goodbye is not heard any more.
        """
        waiting = self._waiting
        if waiting and isinstance(waiting[-1], Bye):
            return None
        if isinstance(request, Say) and request.n in self._says:
            return self._repeat(request)
        if len(waiting) >= WAITING_LINES and not isinstance(request, Bye):
            return self._overflow(request)
        if isinstance(request, Say):
            self._says[request.n] = request
        waiting.append(request)
        return None

    def next_turn(self) -> Turn | None:
        """Take the request whose turn it is out of those that wait: a parked text that may go comes first.

        While the first is held, none has its turn.
        """
        if self.is_held:
            return None
        if self._parked:
            ready = min((n for n in self._parked if not self.is_early(self._says[n])), default=0)
            if ready:
                self._parked.remove(ready)
                return self._says[ready]
        if not self._waiting:
            self._is_warned = False
            return None
        request = self._waiting.popleft()
        return self._says[request.n] if isinstance(request, Say) else request

    def hold(self, request: Turn, now: float) -> bool:
        """Let the request whose turn it was wait, in front of all others. Say whether to tell the member."""
        self._waiting.appendleft(request)
        self.is_held = True
        is_news = now >= self._slowed_at + SLOW_SECONDS
        if is_news:
            self._slowed_at = now
        return is_news

    def put_off(self, n: int) -> None:
        """Forget a text that its client will say again: it is not settled."""
        self._says.pop(n, None)

    def is_early(self, say: Say) -> bool:
        """Say whether the text before `say` is not settled yet."""
        return say.back > 0 and say.n - say.back > self.settled

    def ahead(self, say: Say) -> int:
        """Give how many texts are to be paid for before `say` is settled, itself among them.

        One if it waits for none, whatever its number: a server that has started anew knows none.
        """
        return min(say.n - self.settled, IN_FLIGHT) if self.is_early(say) else 1

    def park(self, say: Say) -> Rejected | None:
        """Keep a text that came too early; if there are too many, refuse the last of them for now."""
        self._parked.add(say.n)
        if len(self._parked) <= PARKED:
            return None
        highest = max(self._parked)
        self._parked.remove(highest)
        refused = self._says.pop(highest)
        return Rejected(refused.id, "BUSY", "too many texts overtook the one before them", 1.0)

    def _repeat(self, say: Say) -> Rejected | None:
        known = self._says[say.n]
        if (say.room, say.kind, say.text) != (known.room, known.kind, known.text):
            return Rejected(say.id, "NUMBER_REUSED", "not said: its number was used for another text")
        self._says[say.n] = say
        if self.in_flight is not None and self.in_flight.draft.n == say.n:
            self.asking = say.id
        return None

    def _overflow(self, request: Numbered) -> Rejected | None:
        """Refuse what does not fit; a plain member is told once, not for each line of its paste."""
        if self.is_plain and self._is_warned and isinstance(request, Say):
            return None
        self._is_warned = True
        text = f"too fast: {WAITING_LINES} lines are waiting, the rest was not passed on"
        return Rejected(request.id, "BUSY", text, 1.0)

    # --- settling

    def know_stored(self, n: int) -> None:
        """Learn that the store's number of this client is at or above `n`: all up to it is settled."""
        if n > max(self.last, 0):  # a topic has none: its fact says nothing of the number
            self.last = n
        if n > self.settled:
            self.settled = n

    def know_stale(self, number: int) -> None:
        """Learn the store's number of this client; a store that has forgotten some names a lower one."""
        self.last = number
        self.settled = max(self.settled, number)

    def refuse(self, n: int) -> None:
        """Settle a text that is refused. The store does not hear of it, so a repeat is looked at afresh."""
        self._says.pop(n, None)
        self.settled = max(self.settled, n)

    def finish(self, commit: Commit) -> int:
        """Have nothing in flight any more; give the id of the request that `commit` was for."""
        self.in_flight = None
        self._says.pop(commit.draft.n, None)
        return self.asking

    def end_read(self, room: str, token: int) -> bool:
        """Have a read of `room` out no more; say whether it is the one that the session waits for."""
        if self.reading.get(room) != token:
            return False
        del self.reading[room]
        return True

    def begin_session(self) -> None:
        """Forget who waits for answers: another session speaks for this member now. Takes a goodbye back."""
        self.asking = 0
        self._untold = set(self._out)
        self.reading.clear()
        self.searching = 0
        self._says = {n: replace(say, id=0) for n, say in self._says.items()}
        self._waiting = deque(
            replace(request, id=0) for request in self._waiting if not isinstance(request, Bye)
        )


def is_of(draft: Draft, fact: Fact) -> bool:
    """Say whether `fact` is what became of `draft`; a number alone is not enough, topics have none."""
    entry = fact.entry
    return (
        draft.n == fact.n
        and draft.text == entry.text
        and draft.room == entry.room
        and draft.kind is entry.kind
    )
