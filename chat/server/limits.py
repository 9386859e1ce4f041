"""How much an address that has proved nothing may make the server do, and which networks are trusted.

A plain datagram has no proof of its sender. So strangers get few answers, and what goes wrong is logged at a
bounded rate.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from twisted.logger import Logger

from chat.server.counters import Counters
from chat.server.peer import Addr, show_addr

ANSWERS_A_SECOND = 1.0  # to one address: a person retypes a nick no faster
ANSWERS_A_MINUTE = 5
ANSWERS_IN_ALL = 100.0  # a second: a forged flood is turned into at most 5 kB/s
REMEMBERED_ADDRESSES = 10_000  # more than can be answered in a minute (100 a second)
FAULT_LOG_SECONDS = 10.0  # between two log lines about one kind of fault

# Loopback, RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6.
TRUSTED_NETWORKS = tuple(
    map(
        ip_network,
        (
            "127.0.0.0/8",
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "169.254.0.0/16",
            "::1/128",
            "fe80::/10",
            "fc00::/7",
        ),
    )
)


@lru_cache(maxsize=REMEMBERED_ADDRESSES)  # every datagram of a stranger asks
def is_trusted(host: str) -> bool:
    """Say whether `host` (a numeric address) is on this machine, this link or a private network."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in TRUSTED_NETWORKS)


class AnswerLimit:
    """Counts answers to strangers: 1 a second and 5 a minute to an address, 100 a second in all."""

    def __init__(self) -> None:
        self._answered: OrderedDict[object, deque[float]] = OrderedDict()
        self._left = ANSWERS_IN_ALL
        self._at = 0.0

    def allow(self, addr: object, now: float) -> bool:
        """Say whether `addr` may be answered at `now` (seconds), and count the answer if so."""
        self._left = min(ANSWERS_IN_ALL, self._left + (now - self._at) * ANSWERS_IN_ALL)
        self._at = now
        times = self._answered.get(addr) or deque(maxlen=ANSWERS_A_MINUTE)
        if self._left < 1 or (times and now - times[-1] < ANSWERS_A_SECOND):
            return False
        if len(times) == ANSWERS_A_MINUTE and now - times[0] < 60:
            return False
        self._left -= 1
        times.append(now)
        self._answered[addr] = times
        self._answered.move_to_end(addr)
        if len(self._answered) > REMEMBERED_ADDRESSES:
            self._answered.popitem(last=False)
        return True


class FaultLog:
    """Logs what peers do wrong: the first of a kind at once, then a line every ten seconds with a count.

    All of them are counted in `counters`, if it is given.
    """

    def __init__(self, log: Logger, now: Callable[[], float], counters: Counters | None = None) -> None:
        self._log = log
        self._now = now
        self._counters = counters
        self._logged: dict[str, float] = {}  # by kind: the program names them, so there are few
        self._kept_back: dict[str, int] = {}

    def note(self, fault: str, addr: Addr | None, detail: str = "") -> None:
        """Count one `fault` (a fixed phrase) of `addr`, or one of our own (None).

        `detail` must hold nothing that a peer sent.
        """
        if self._counters is not None:
            self._counters.add(fault)
        now = self._now()
        if now - self._logged.get(fault, float("-inf")) < FAULT_LOG_SECONDS:
            self._kept_back[fault] = self._kept_back.get(fault, 0) + 1
            return
        self._logged[fault] = now
        kept_back = self._kept_back.pop(fault, 0)
        self._log.warn(
            "{fault} from {addr}: {detail}{more}" if addr else "{fault}: {detail}{more}",
            fault=fault,
            addr=show_addr(addr) if addr else None,
            detail=detail or "ignored",
            more=f" ({kept_back} more of the kind since the last line)" if kept_back else "",
        )
