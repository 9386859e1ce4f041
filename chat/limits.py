"""How often one session, one address and one network may ask for something: token buckets, a number each.

Pure: time is an argument. A bucket is kept as the time at which all that was taken from it is paid for; to
take moves that time on, and may not move it further ahead than a burst is worth (the "generic cell rate
algorithm", ITU-T I.371, A.1). So it costs a comparison and an addition for each bucket, and a bucket that
nobody takes from costs nothing.

Its law: what is refused is counted, changes no bucket, and names the time after which it is worth a try.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import NamedTuple

from chat.errors import RequestRejected
from chat.fields import WAIT_SECONDS

TOO_FAST = "TOO_FAST"  # the code of what a rate refuses: the same is welcome after `retry_after`
# The code of what is told to a member who speaks text when its lines begin to wait: nothing is refused.
SLOWED = "SLOWED"

NETWORK_BITS = {4: 24, 6: 56}  # what a provider gives one customer at most (RFC 6177)
# Addresses and networks whose buckets are kept, the longest unused forgotten: forgotten, a bucket is full
# again. As many as addresses are known at a time; some 300 bytes each.
REMEMBERED = 20_000
ROUNDING = 1e-6  # seconds: more than is lost when times are added up
RETRY_LEAST = 0.01  # seconds: to come back sooner costs both sides more than it gains


class Limit(IntEnum):
    """What there is a rate for; operators write it as `label` gives it."""

    LINES = 0
    JOINS = 1  # of rooms that there are
    NEW_ROOMS = 2
    RENAMES = 3
    FETCHES = 4  # questions and entries: of what is read for one session
    HANDSHAKES = 5  # sessions that begin, at whatever door

    @property
    def label(self) -> str:
        """The name in options, texts and counters."""
        return self.name.lower().replace("_", "-")


class Rate(NamedTuple):
    """So many a second, and so many at once after a while without any."""

    each_second: float
    burst: float


RATES: Mapping[Limit, Rate] = {
    Limit.LINES: Rate(5, 10),
    Limit.JOINS: Rate(1, 25),  # who comes back is in 20 rooms at once
    Limit.NEW_ROOMS: Rate(0.1, 20),  # the same, at a server that has forgotten them
    Limit.RENAMES: Rate(0.1, 5),
    # What a megabit carries at 128 bytes an entry; a room as a server keeps it, so that who comes back after
    # a break does not wait.
    Limit.FETCHES: Rate(1_000, 12_000),
    Limit.HANDSHAKES: Rate(1, 16),  # all sessions that an address may have, four times
}


NO_LIMITS: Mapping[Limit, Rate] = {}


class Caps(NamedTuple):
    """How many there may be at a time; members have an option of their own."""

    plain: int = 2_000  # members who speak in the clear
    address: int = 16  # members who speak from one address; any number from loopback
    rooms: int = 10_000
    half_open: int = 384  # handshakes that have begun and are not done: 70 KiB each, 27 MiB in all


CAPS = Caps()


class Scope(NamedTuple):
    """Whose bucket it is: it may take `share` times what one session may."""

    share: int
    text: str  # for people
    counter: str  # behind a counter's name


SESSION = Scope(1, "", "")
# A class-room behind one address talks as four that never stop; a network that is all of a server's people as
# 32, which is more than anybody can read.
ADDRESS = Scope(4, " from your address", " (address)")
NETWORK = Scope(32, " from your network", " (network)")

_WHAT = {  # is told to whoever was too fast
    Limit.LINES: "too fast: {rate} lines a second are passed on{whose}",
    Limit.JOINS: "too many rooms joined at once{whose}",
    Limit.NEW_ROOMS: "too many new rooms{whose}",
    Limit.RENAMES: "too many new nicks{whose}",
    Limit.FETCHES: "too much was asked for{whose}",
    Limit.HANDSHAKES: "too many have come in{whose}",
}


class Purse:
    """What one session, one address or one network has taken: for each limit until when that is paid for."""

    __slots__ = ("paid", "scope", "share")

    def __init__(self, scope: Scope = SESSION) -> None:
        self.paid = [0.0] * len(Limit)
        self.scope = scope
        self.share = scope.share


Purses = tuple[Purse, ...]
NOWHERE: Purses = ()  # of loopback, which shares nothing: whoever is there could as well stop the server


class Limits:
    """The limits of one server, and how often each has refused something. A limit without a rate is off."""

    def __init__(self, rates: Mapping[Limit, Rate] = RATES, caps: Caps = CAPS) -> None:
        self.caps = caps
        self._rates = dict(rates)
        # Of each limit the seconds that one costs, and those that a burst is worth.
        self._gaps = [1 / rates[limit].each_second if limit in rates else 0.0 for limit in Limit]
        self._depths = [_depth(rates[limit]) if limit in rates else 0.0 for limit in Limit]
        self._counts: dict[str, int] = {}  # by name: the program names them, so there are few
        self._known: OrderedDict[bytes, Purse] = OrderedDict()  # of addresses and networks

    # --- rates

    def refusal(
        self, limit: Limit, purses: Purses, now: float, price: float = 1.0, *, only_look: bool = False
    ) -> RequestRejected | None:
        """Take `price` from each of `purses`; if one has not enough, take nothing and say when it will have.

        With `only_look` nothing is taken in any case.
        """
        depth = self._depths[limit]
        if not depth:
            return None
        gap = min(self._gaps[limit] * price, depth)  # what is more than there ever is at once takes all of it
        latest = now + depth + ROUNDING
        for purse in purses:
            paid = max(purse.paid[limit], now) + gap / purse.share
            if paid > latest:
                return self._refused(limit, purse.scope, paid - now - depth)
        if not only_look:
            _take(limit, purses, now, gap)
        return None

    def spend(
        self, limit: Limit, purses: Purses, now: float, price: float = 1.0, *, only_look: bool = False
    ) -> None:
        """Do as `refusal`, but raise what it gives."""
        refused = self.refusal(limit, purses, now, price, only_look=only_look)
        if refused is not None:
            raise refused

    def charge(self, limit: Limit, purses: Purses, now: float, price: float = 1.0) -> None:
        """Take `price` whether it is there or not: it was given already."""
        _take(limit, purses, now, self._gaps[limit] * price)

    # --- counters

    def count(self, name: str) -> None:
        """Count one refusal; `name` is a fixed phrase that says by what."""
        self._counts[name] = self._counts.get(name, 0) + 1

    def take_counts(self) -> list[tuple[str, int]]:
        """Give what was refused since this was last asked: (by what, how often)."""
        counts, self._counts = self._counts, {}
        return list(counts.items())

    # --- addresses

    def origin(self, host: str) -> Purses:
        """Give the purses of the address `host` (numeric, maybe with a scope) and of its network."""
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if address.is_loopback:
            return NOWHERE
        packed, bits = address.packed, NETWORK_BITS[address.version]
        return (
            self._purse(packed, ADDRESS),
            self._purse(b"%d/" % address.version + packed[: bits // 8], NETWORK),
        )

    def admits(self, host: str, now: float) -> bool:
        """Say whether one more session may begin at an address that is proved, and count it."""
        return self.refusal(Limit.HANDSHAKES, self.origin(host), now) is None

    def _purse(self, key: bytes, scope: Scope) -> Purse:
        purse = self._known.get(key)
        if purse is None:
            purse = self._known[key] = Purse(scope)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return purse

    def _refused(self, limit: Limit, scope: Scope, wait: float) -> RequestRejected:
        self.count(f"{limit.label} too fast{scope.counter}")
        wait = min(max(wait, RETRY_LEAST), WAIT_SECONDS)
        rate = f"{self._rates[limit].each_second * scope.share:g}"
        text = _WHAT[limit].format(rate=rate, whose=scope.text)
        return RequestRejected(TOO_FAST, f"{text}, the next in {show_wait(wait)}", wait)


def show_wait(seconds: float) -> str:
    """Give a time to wait as people read it: no shorter than it is."""
    tenths = ceil(10 * (seconds - ROUNDING))
    return f"{tenths / 10:.1f} s" if tenths < 100 else f"{ceil(seconds)} s"


def _take(limit: Limit, purses: Purses, now: float, gap: float) -> None:
    for purse in purses:
        purse.paid[limit] = max(purse.paid[limit], now) + gap / purse.share


def _depth(rate: Rate) -> float:
    return rate.burst / rate.each_second
