"""A channel to one server: looked for, raced for, trusted, used, and looked for again.

This module reads no clock. It is a layer like the others: datagrams go in, plaintexts and news come out. What
ends a channel, and when another one is wanted, its owner says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from twisted.internet.defer import Deferred

from chat.client.address import Place
from chat.client.attempts import NoHost, Outcome, Race, Unanswered, Won, WrongKey
from chat.client.path import Path, Reactor
from chat.client.trust import Trust
from chat.errors import ChatError


class Up(NamedTuple):
    """There is a channel. `first` is the key of a server that was trusted unseen, else None."""

    first: bytes | None


class Doubted(NamedTuple):
    """Somebody says that the server does not know the channel: ask the server."""


class NoWay(NamedTuple):
    """There is no such server, or not with the key that it must have; nothing more is tried."""

    error: ChatError


News = bytes | Up | Doubted | NoWay | Unanswered


class Road:
    """Gives plaintexts (bytes) and news. `heard` and `found` are those of `Race`: called with what comes."""

    def __init__(
        self,
        reactor: Reactor,
        place: Place,
        trust: Trust,
        heard: Callable[[Path, bytes], None],
        found: Callable[[], None],
        random: Callable[[], float],
    ) -> None:
        self._trust = trust
        self._race = Race(reactor, place, trust.identity, trust.expected, heard, found, random)
        self._path: Path | None = None

    @property
    def is_up(self) -> bool:
        """Say whether there is a channel, be it closed by the server."""
        return self._path is not None

    @property
    def is_cut(self) -> bool:
        """Say whether the server has closed the channel."""
        return self._path is not None and self._path.channel.is_over

    @property
    def is_sought(self) -> bool:
        """Say whether a channel is being made, or will be."""
        return self._race.is_on

    def begin(self, at: float) -> None:
        """Make a channel, beginning at `at`."""
        self._race.begin(at)

    def begin_again(self, now: float) -> None:
        """Make a channel after one that the server has closed: five times a minute at most."""
        self._race.begin_again(now)

    def drop(self, now: float) -> None:
        """Be without a channel; the server is told if it still listens."""
        if self._path is not None:
            self._race.close(self._path, now)
            self._path = None

    def close(self, now: float) -> list[Deferred[None]]:
        """Let everything go; the Deferreds fire when the sockets are closed."""
        self.drop(now)
        return self._race.stop(now)

    def receive_datagram(self, path: Path, datagram: bytes, now: float) -> list[News]:
        """Take what has come for a path: the present one, or one of those that are tried."""
        if path is not self._path:
            return self._follow(self._race.receive_datagram(path, datagram, now))
        news: list[News] = [*path.channel.receive_datagram(datagram, now)]
        if path.channel.is_doubted:
            path.channel.is_doubted = False
            news.append(Doubted())
        return news

    def send(self, plaintexts: Iterable[bytes], now: float) -> None:
        """Write plaintexts to the server, if there is a channel, and what the channel itself has to say."""
        if self._path is not None:
            for plaintext in plaintexts:
                self._path.channel.send(plaintext, now)
            self._path.flush(now)

    def next_timeout(self) -> float | None:
        """Give the time at which `handle_timeout` wants to be called; None: nothing waits for a time."""
        return self._race.next_timeout()

    def handle_timeout(self, now: float) -> list[News]:
        """Go on with the attempts."""
        return self._follow(self._race.handle_timeout(now))

    def _follow(self, outcome: Outcome | None) -> list[News]:
        match outcome:
            case Won(path):
                self._path = path
                key = path.channel.peer_fingerprint
                other = None if key is None else self._trust.other(key)
                if key is not None and other is not None:
                    return [NoWay(self._trust.changed(other, key))]
                is_first = key is not None and self._trust.met(key)
                self._race.expected = self._trust.expected
                return [Up(key if is_first else None)]
            case WrongKey(expected, offered):
                return [NoWay(self._trust.changed(expected, offered))]
            case NoHost(error):
                return [NoWay(error)]
            case Unanswered():
                return [outcome]
            case None:
                return []
