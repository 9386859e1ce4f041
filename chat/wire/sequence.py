"""Order out of loss: a room's entries put in their places, and requests repeated until they are answered.

This module never does I/O, reads no clock and has no randomness of its own: `now` is an argument (seconds,
never going back), jitter comes from a `random` that gives 0..1. docs/protocol.md has its law.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from chat.errors import RequestRejected
from chat.fields import FETCH_LIMIT, IN_FLIGHT
from chat.messages import Entry
from chat.notices import REDACTED

NOWHERE = -1  # where a range stands before its first Joined: below every position, so nothing fits
WAITING = 512  # entries kept aside (half a megabyte; the rest is fetched again), own texts not yet shown
REMEMBERED = 512  # positions shown last: an Accepted is late by a round trip, not by hundreds of entries

FETCH_DELAY_LEAST = 0.02  # what comes this much later was overtaken, not lost (SRT's floor)
FETCH_DELAY_MOST = 0.1  # jitter included: nobody shall wait longer for a repair to begin
FETCH_DELAY_SHARE = 0.25  # of the smoothed RTT: reordering grows with it (RFC 9002, 6.1.2: an eighth)
FETCH_JITTER = 0.5  # up to this much more, or all who missed one entry would ask in one burst
FETCH_AT_ONCE = 3  # so many later ones mean loss, not reordering (RFC 9002, 6.1.1: kPacketThreshold)
AGE_TRIES = 3  # answers in a row without an entry young enough: at 30 % loss one entry is in one of them
FETCH_REPEAT_MOST = 0.5  # DESIGN's model: at 30 % loss entries are there within 5 s, p99

RTO_FIRST = 1.0  # RFC 6298, 2.1
RTO_VARIATION_LEAST = 0.01  # what 4 rttvar counts for at least: a reactor's timers are this late (6298, 2.3)
RTO_ANSWER_DELAY = 0.025  # a commit and the server's coalescing (RFC 9002, 6.2.1: max_ack_delay)
RTO_LEAST = 0.1  # below it garbage collection and Wi-Fi's power saving would look like loss
RTO_MOST = 15.0  # a path that is back is noticed as soon as by a keepalive
REPEAT_MOST = 1.0  # between repeats: silence for 6 s ends the session, so these are single losses
RTO_JITTER = 0.1  # up or down: whom one outage stopped shall not repeat together
DOUBLINGS = 8  # 100 ms doubled so often is above 15 s: more would only overflow
SMOOTHING, VARIATION_SMOOTHING = 1 / 8, 1 / 4  # RFC 6298, 2.3: alpha and beta

REPLY_CACHE = 64  # replies a server keeps: an id so far above an unanswered one could push its reply out
QUEUED = 1_000  # requests that wait for their turn: a long paste, one megabyte at most


class Lost(NamedTuple):
    """The server lost the positions above `after` up to `upto`: own texts there may be offered again."""

    after: int
    upto: int


class NotKept(NamedTuple):
    """What came after the last entry, up to `upto`, is not kept any more."""

    upto: int


class Earlier(NamedTuple):
    """An entry that goes above everything shown so far: a scroll-back asked for it."""

    entry: Entry


class Wanted(NamedTuple):
    """What a `Fetch` shall ask for: exclusive bounds (None: there is none). A repeat keeps its id."""

    after: int | None
    before: int | None
    limit: int
    is_repeat: bool
    age: int = 0  # in seconds (0: any)


Shown = Entry | Earlier | Lost | NotKept
R = TypeVar("R", bound=msgspec.Struct)


class RoundTrip:
    """How long a path takes (`smoothed`: seconds, None before a sample), and so how long to wait."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.smoothed: float | None = None
        self._variation = 0.0
        self._random = random

    def sample(self, seconds: float) -> None:
        """Learn from an unrepeated request (Karn), or from a Pong, which names its Ping's time.

        Pongs are needed: on a path longer than the RTO all requests are repeated, and none is a sample.
        """
        if self.smoothed is None:
            self.smoothed, self._variation = seconds, seconds / 2
            return
        self._variation += VARIATION_SMOOTHING * (abs(self.smoothed - seconds) - self._variation)
        self.smoothed += SMOOTHING * (seconds - self.smoothed)

    def wait(self, repeats: int, at_most: float = RTO_MOST) -> float:
        """Give how long to wait for an answer after `repeats` repeats (RFC 6298; RFC 9002, 6.2).

        `at_most` bounds the doubling, and the guess before the first sample, but no measured RTO: to repeat
        faster than a path answers only fills it (RFC 8085, 3.1). The jitter is on top of all bounds.
        """
        rto = min(RTO_FIRST, at_most)
        if self.smoothed is not None:
            rto = self.smoothed + max(4 * self._variation, RTO_VARIATION_LEAST) + RTO_ANSWER_DELAY
            rto = min(max(rto, RTO_LEAST), RTO_MOST)
        doubled = rto * 2.0 ** min(repeats, DOUBLINGS)
        return max(rto, min(doubled, at_most)) * (1 + RTO_JITTER * (2 * self._random() - 1))


class RoomLog:
    """One room as a member sees it: the range `(p, h]`, and what fits onto its ends. It outlives sessions.

    `h` is the newest position shown, `p` the one before the oldest. Whatever takes a fact gives what is to be
    shown because of it, in order: what is shown is contiguous, or a marker stands there. `due` says when to
    send which `Fetch`; one is out at a time, and only the first `Fetched` with its id may be passed in.
    """

    def __init__(self, round_trip: RoundTrip, random: Callable[[], float]) -> None:
        self.p = self.h = NOWHERE
        self._round_trip = round_trip
        self._random = random
        self._highest = NOWHERE  # that h ever was: no position is given out twice, so nothing below is new
        self._above: dict[int, Entry] = {}  # what is kept aside, by position: nothing of it fits
        self._fits_at = 0  # the lowest h at which any of it might
        self._below: dict[int, Entry] = {}
        self._recent: deque[int] = deque(maxlen=REMEMBERED)
        self._own: set[int] = set()
        self._is_joined = False
        self._joined_with = NOWHERE  # h when the Join that is out was sent, unless a marker settled it since
        self._floor = NOWHERE
        self._head = 0  # the newest position known
        self._news = 0  # the newest heard of since the Join or Fetch that is out was sent
        self._scroll = 0  # entries that the scroll-back still wants
        self._age = 0  # and how old they may be, in seconds (0: any)
        self._is_out = False  # a Fetch is
        self._tries = 0  # Fetches since the range grew
        self._due: float | None = None

    def joining(self) -> None:
        """Take note that a Join is sent (not that it is repeated). A Fetch that was out is forgotten."""
        self._joined_with = self.h
        self._is_joined = self._is_out = False
        self._news, self._tries, self._due = 0, 0, None

    def joined(self, head: int, floor: int, now: float, seen: int | None = None) -> list[Shown]:
        """Take the answer to the Join. The very first says where the range starts: empty, at the head.

        With `seen` it starts there: what is above waits for us.
        """
        self._is_joined = True
        self._answer(head, floor)
        shown: list[Shown] = []
        if self.h == NOWHERE:
            newest = max(head, floor)
            self.p = self.h = self._highest = newest if seen is None else min(seen, newest)
        elif head < self._joined_with:
            shown.append(self._rewind(head))
        return self._take(shown, now) + self._own_lost()

    def receive(self, entry: Entry, now: float) -> list[Shown]:
        """Take an entry: in any order, any number of times, before `joined` too."""
        if not 0 < entry.back <= entry.seq:
            return []  # it follows nothing that can be: it would wait for ever
        shown: list[Shown] = []
        if entry.seq > self._highest:
            self._head = max(self._head, entry.seq)
            self._news = max(self._news, entry.seq)
            if entry.seq - entry.back <= self.h:
                self._append(entry, shown)
            else:
                self._keep(entry)
        elif entry.seq <= self.p and self._scroll:
            self._below[entry.seq] = entry
        return self._take(shown, now)

    def redact(self, seq: int) -> None:
        """Take the word that the text at this position was taken away: it is not to be shown."""
        for waiting in (self._above, self._below):
            if seq in waiting:
                waiting[seq] = msgspec.structs.replace(waiting[seq], text=REDACTED)

    def heard(self, head: int, now: float) -> None:
        """Take a head: a Pong told it."""
        self._head = max(self._head, head)
        self._news = max(self._news, head)
        self._review(now)

    def fetched(self, floor: int, head: int, now: float) -> list[Shown]:
        """Take the end of the answer to the Fetch that is out. What is missing by then is asked for again."""
        if not self._is_out:
            return []
        self._is_out, self._due = False, None
        if self._age and self._tries >= AGE_TRIES:
            self._scroll = 0  # an answer does not say whether what is missing was lost or is too old
        self._answer(head, floor)
        shown = self._take([], now) + self._own_lost()
        has_more = self._due is not None
        if has_more and not self._tries:  # and it brought something: the next page
            self._due = now
        return shown

    def put_off(self, until: float) -> None:
        """Take note that the server answers the Fetch that is out not before `until`: it is sent anew."""
        if self._is_out:
            self._is_out, self._due = False, until

    def accepted(self, seq: int, now: float) -> list[Shown]:
        """Take an own text's position: it is shown in its turn, or `Lost(seq - 1, seq)` is."""
        if self.h == NOWHERE or seq <= self.p:
            return []  # it was said before this range began: a Say waits for its Joined
        if seq > self._highest:
            if len(self._own) < WAITING:
                self._own.add(seq)
            self.heard(seq, now)
            return []
        is_old = len(self._recent) == REMEMBERED and seq < min(self._recent)
        return [] if seq <= self.h and (seq in self._recent or is_old) else [Lost(seq - 1, seq)]

    def scroll_back(self, count: int, now: float, age: int = 0) -> None:
        """Ask for the `count` entries (256 at most) before the oldest shown, if any are kept.

        With `age` those of the last so many seconds, as far as they come within three answers.
        """
        self._scroll, self._age = (min(count, FETCH_LIMIT) if self.p > self._floor else 0), age
        self._review(now)

    def due(self, now: float) -> Wanted | None:
        """Give what a `Fetch` shall ask for now, for the first time or once more."""
        if self._due is None or now < self._due:
            return None
        if self._head <= self.h and not self._scroll:  # the answer's end was lost, its entries were not
            self._is_out, self._due = False, None
            return None
        is_repeat, self._is_out = self._is_out, True
        self._news = self._news if is_repeat else 0
        self._due = now + self._round_trip.wait(self._tries, FETCH_REPEAT_MOST)
        self._tries += 1
        if self._head > self.h:
            return Wanted(self.h, None, FETCH_LIMIT, is_repeat)
        return Wanted(None, self.p + 1, self._scroll, is_repeat, self._age)

    def next_timeout(self) -> float | None:
        """Give the time at which `due` wants to be asked; None: nothing is wanted."""
        return self._due

    def _answer(self, head: int, floor: int) -> None:
        self._floor = max(self._floor, floor)
        # `head` is the server's from after the question. What was known before it and is above was lost with
        # a server's tail: it is waited for no longer, or a quiet room would be asked for it for ever.
        self._head = max(head, self._news)
        self._above = {seq: entry for seq, entry in self._above.items() if seq <= self._head}

    def _own_lost(self) -> list[Shown]:
        """Give up the own texts above the head: they went with a tail, and nothing may come after them."""
        gone = sorted(own for own in self._own if own > self._head)
        self._own.difference_update(gone)
        return [Lost(own - 1, own) for own in gone]

    def _review(self, now: float) -> None:
        if self._is_out or not self._is_joined:
            return
        if self._head <= self.h and not self._scroll:
            self._due, self._tries = None, 0
        elif self._due is None:
            share = FETCH_DELAY_SHARE * (self._round_trip.smoothed or 0.0)
            delay = min(max(share, FETCH_DELAY_LEAST), FETCH_DELAY_MOST / (1 + FETCH_JITTER))
            delay *= (1 + FETCH_JITTER * self._random()) * 2.0 ** min(max(self._tries - 1, 0), DOUBLINGS)
            self._due = now + min(delay, FETCH_REPEAT_MOST)
        if self._due is not None and len(self._above) >= FETCH_AT_ONCE and not self._tries:
            self._due = min(self._due, now)

    def _take(self, shown: list[Shown], now: float) -> list[Shown]:
        if self._floor > self.h:
            shown += [*self._pass(self._floor), NotKept(self._floor)]
        if self._above and self.h >= self._fits_at:
            self._take_above(shown)
        is_answer = bool(shown) and self._head > self.h
        while self._scroll and (older := self._below.pop(self.p, None)) is not None:
            self.p -= older.back
            self._scroll -= 1
            shown.append(Earlier(older))
            is_answer = True
        if not self._floor < self.p <= self._head:  # the entry at p is not there
            self._scroll = 0
        if len(self._below) > FETCH_LIMIT:
            del self._below[min(self._below)]
        if is_answer:  # one is coming in: its repeat waits
            self._tries = 0
            if self._is_out:
                self._due = now + self._round_trip.wait(0, FETCH_REPEAT_MOST)
        self._review(now)
        return shown

    def _keep(self, entry: Entry) -> None:
        prev = entry.seq - entry.back
        self._fits_at = min(self._fits_at, prev) if self._above else prev
        self._above[entry.seq] = entry
        if len(self._above) > WAITING:
            del self._above[max(self._above)]

    def _take_above(self, shown: list[Shown]) -> None:
        kept, self._above = self._above, {}
        for seq, entry in sorted(kept.items()):  # whom the next one taken passes never fits again
            if seq > self._highest and seq - entry.back <= self.h:
                self._append(entry, shown)
        for seq, entry in kept.items():
            if seq > self._highest:
                self._keep(entry)

    def _append(self, entry: Entry, shown: list[Shown]) -> None:
        prev = entry.seq - entry.back
        if prev < self.h:
            shown.append(self._rewind(prev))
        self._own.discard(entry.seq)
        shown += [*self._pass(entry.seq), entry]
        self._recent.append(entry.seq)

    def _rewind(self, after: int) -> Lost:
        marker, self._joined_with = Lost(after, self.h), NOWHERE
        self.p, self.h = min(self.p, after), after
        return marker

    def _pass(self, seq: int) -> list[Shown]:
        self.h = seq
        self._highest = max(self._highest, seq)
        if not self._own:
            return []
        unseen = sorted(own for own in self._own if own <= seq)
        self._own.difference_update(unseen)
        return [Lost(own - 1, own) for own in unseen]


class _Sent(msgspec.Struct, Generic[R]):
    request: R
    at: float  # when it was sent last
    due: float  # when it is repeated
    repeats: int = 0  # -1: it has not been sent yet


class Requests(Generic[R]):
    """One session's requests: each gets an id, waits for its turn, and is repeated until its reply comes.

    A request is any Struct with an `id`, which is put in when it is first sent. New ones wait while a window
    of them is unanswered; repeats never do (RFC 9002, 7.5), they double their time instead.
    """

    def __init__(self, round_trip: RoundTrip) -> None:
        self.repeated = 0  # how often a request was
        self._round_trip = round_trip
        self._waiting: deque[tuple[float, R]] = deque()
        self._in_flight: dict[int, _Sent[R]] = {}  # in the order of ids
        self._last_id = 0
        self._window = IN_FLIGHT
        self._answered = 0  # since the window changed
        self._halved = float("-inf")  # when the window was: one lost burst is one loss (RFC 9002, 7.3.2)

    def next_id(self) -> int:
        """Give an id to what is repeated elsewhere: a `Fetch` or a `Ping`."""
        self._last_id += 1
        return self._last_id

    def send(self, request: R, now: float) -> None:
        """Queue `request`. Raises `RequestRejected` (BUSY) while 1,000 wait."""
        if len(self._waiting) >= QUEUED:
            raise RequestRejected("BUSY", "too much waits for the server", RTO_FIRST)
        self._waiting.append((now, request))

    def send_at_once(self, request: R, now: float) -> None:
        """Send `request` with what is due next, whatever the window: others in flight wait for it."""
        number = self.next_id()
        self._in_flight[number] = _Sent(msgspec.structs.replace(request, id=number), now, now, -1)

    def unsettled(self) -> list[R]:
        """Give all requests without a reply, in the order in which they were first sent or queued."""
        return [sent.request for sent in self._in_flight.values()] + [request for _, request in self._waiting]

    def due(self, now: float) -> list[R]:
        """Give what to send now, each with its id: repeats first, then new ones."""
        late = [sent for sent in self._in_flight.values() if sent.due <= now]
        if any(sent.at >= self._halved and sent.repeats >= 0 for sent in late):
            self._window, self._answered, self._halved = max(self._window // 2, 1), 0, now
        for sent in late:
            self.repeated += sent.repeats >= 0
            sent.repeats += 1
            sent.at, sent.due = now, now + self._round_trip.wait(sent.repeats, REPEAT_MOST)
        fresh = []
        while self._may_start():
            _, request = self._waiting.popleft()
            number = self.next_id()
            fresh.append(msgspec.structs.replace(request, id=number))
            self._in_flight[number] = _Sent(fresh[-1], now, now + self._round_trip.wait(0))
        return [sent.request for sent in late] + fresh

    def settle(self, number: int, now: float, *, is_prompt: bool = True) -> R | None:
        """Take the reply to request `number`; give the request (None: it was settled before).

        `is_prompt` says that the server answers such a request at once: what waits for a disk measures that,
        and not the path. (It is better than nothing.)
        """
        sent = self._in_flight.pop(number, None)
        if sent is None:
            return None
        if not sent.repeats and (is_prompt or self._round_trip.smoothed is None):
            self._round_trip.sample(now - sent.at)
        self._answered += 1
        if self._answered >= self._window:
            self._window, self._answered = min(self._window + 1, IN_FLIGHT), 0
        return sent.request

    def next_timeout(self) -> float | None:
        """Give the time from which on `due` gives something; None: all is answered."""
        times = [sent.due for sent in self._in_flight.values()]
        if self._may_start():
            times.append(self._waiting[0][0])
        return min(times, default=None)

    def _may_start(self) -> bool:
        oldest = next(iter(self._in_flight), self._last_id + 1)
        has_room = len(self._in_flight) < self._window and self._last_id + 1 - oldest < REPLY_CACHE
        return has_room and bool(self._waiting)
