"""Whom operators keep out, by nick, by key or by address, and for how long. No I/O, no clock.

A ban of a nick is one of the person too, if a key stands behind the nick. Times are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network

from chat.errors import RequestRejected
from chat.fields import WAIT_SECONDS
from chat.hub.notebook import Notebook
from chat.hub.terms import Terms, why
from chat.memos import Ban
from chat.networks import find_address
from chat.safety import Nick

MAX_BANS = 10_000  # 300 bytes each; whoever needs more needs another network
WIDEST = {4: 8, 6: 16}  # bits of a network that may be banned: beyond that it is most of the world


class Bans:
    """The bans. Each is about `nick:` and a nick's key, `key:` and an account, or `net:` and a network."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._bans: Terms[str, Ban] = Terms()
        self._accounts: dict[bytes, dict[str, None]] = {}  # what the bans of each are about
        self._networks: dict[tuple[int, int], dict[int, str]] = {}  # by version and bits, by what begins so

    def recall(self, bans: Mapping[str, Ban]) -> None:
        """Take over what was remembered."""
        for about, ban in bans.items():
            self._enter(about, ban)

    # --- who is banned

    def check(self, nick: Nick, keys: Iterable[bytes | None], at: float) -> None:
        """Raise `RequestRejected` if whoever has one of these keys, or uses this nick, is banned."""
        self.check_keys(keys, at)
        self._raise(f"nick:{nick.key}", f"{nick.shown} is", at)

    def check_keys(self, keys: Iterable[bytes | None], at: float) -> None:
        """Raise `RequestRejected` if whoever has one of these keys is banned."""
        for key in keys if self._accounts else ():
            for about in () if key is None else self._accounts.get(key, ()):
                self._raise(about, "you are", at)

    def check_host(self, host: str, at: float) -> None:
        """Raise `RequestRejected` if the address is banned ("": there is none)."""
        for about in self._barring(host):
            self._raise(about, "you are", at)

    def bars(self, host: str, at: float) -> str:
        """Say why nobody may come in from an address; "": anybody may."""
        try:
            self.check_host(host, at)
        except RequestRejected as refusal:
            return refusal.text
        return ""

    def _raise(self, about: str, who: str, at: float) -> None:
        ban = self._bans.get(about, at)
        if ban is not None:
            wait = min(ban.until - at, WAIT_SECONDS) if ban.until else 0.0
            raise RequestRejected("BANNED", why(f"{who} banned", ban), wait)

    def _barring(self, host: str) -> Iterator[str]:
        if not self._networks or not host:
            return
        address = find_address(host)
        for (version, bits), networks in self._networks.items():
            begins = int(address) >> (address.max_prefixlen - bits) if version == address.version else -1
            if begins in networks:
                yield networks[begins]

    # --- bans come and go

    def add(self, about: str, ban: Ban) -> None:
        """Keep somebody out from now on; a ban about the same before it counts no more."""
        if about not in self._bans and len(self._bans) >= MAX_BANS:
            raise RequestRejected("TOO_MANY_BANS", f"there are {MAX_BANS} bans: /unban somebody first")
        self._drop(about)
        self._enter(about, ban)
        self._notebook.write(about, ban)

    def remove(self, about: str) -> Ban | None:
        """Keep somebody out no more; give the ban. None: there was none."""
        ban = self._drop(about)
        if ban is not None:
            self._notebook.strike(about, Ban)
        return ban

    def expire(self, at: float) -> None:
        """Forget what has lasted long enough."""
        for about in self._bans.over(at):
            self.remove(about)

    def redate(self, dates: range, by: int) -> None:
        """Let what began at one of `dates` be so many seconds later: the clock was set."""
        for about, ban in self._bans.redate(dates, by):
            self._notebook.write(about, ban)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Give whom each ban is about, and a line for people."""
        for _, ban in self._bans:
            yield ban.shown, why(f"{ban.shown} banned", ban)

    def _enter(self, about: str, ban: Ban) -> None:
        self._bans.enter(about, ban)
        if ban.account is not None:
            self._accounts.setdefault(ban.account, {})[about] = None
        if about.startswith("net:"):
            alike, begins = _place(about)
            self._networks.setdefault(alike, {})[begins] = about

    def _drop(self, about: str) -> Ban | None:
        ban = self._bans.drop(about)
        if ban is None:
            return None
        if ban.account is not None:
            del self._accounts[ban.account][about]
            if not self._accounts[ban.account]:
                del self._accounts[ban.account]
        if about.startswith("net:"):
            alike, begins = _place(about)
            del self._networks[alike][begins]
            if not self._networks[alike]:
                del self._networks[alike]
        return ban


def _place(about: str) -> tuple[tuple[int, int], int]:
    """Give the version and the bits of the network that a ban is about, and what its addresses begin with."""
    network = ip_network(about.removeprefix("net:"))
    begins = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
    return (network.version, network.prefixlen), begins
