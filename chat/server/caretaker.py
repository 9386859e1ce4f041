"""What operators want done to the server itself: to read its files anew, to go down; and their log."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, assert_never

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chat.errors import RequestRejected
from chat.hub.effects import Acted, Reload, ShutDown
from chat.hub.hub import Hub
from chat.server.errands import Errands
from chat.server.talklog import TalkLog

SOONEST = 0.2  # seconds before the end: whoever asked for it has the answer by then


def _no_file() -> str:
    raise RequestRejected("RELOAD_FAILED", "this server was started without a file that could be read again")


class Means(NamedTuple):
    """What it takes: `stop` ends the program, `reread` gives the message of the day as it is in its file now.

    `reread` raises `RequestRejected` if that cannot be read.
    """

    stop: Callable[[], None] = lambda: None
    reread: Callable[[], str] = _no_file


class Caretaker:
    """Does these things for `hub`, which hears what came of them by `errands`. `clock` runs the timer.

    `comes_back` says whether a server is to be expected here again after the end.
    """

    def __init__(self, hub: Hub, errands: Errands, talk: TalkLog, clock: IReactorTime, means: Means) -> None:
        self.comes_back = True
        self._hub = hub
        self._errands = errands
        self._talk = talk
        self._clock = clock
        self._means = means
        self._end: IDelayedCall | None = None

    def perform(self, effect: Acted | Reload | ShutDown) -> None:
        """Do what an effect says."""
        match effect:
            case Acted():
                self._talk.acted(effect)
            case Reload(member, request_id):
                try:
                    motd: str | RequestRejected = self._means.reread()
                except RequestRejected as refusal:
                    motd = refusal
                self._errands.conclude(partial(self._hub.reloaded, member, request_id, motd))
            case ShutDown(seconds, comes_back):
                self.rest()
                if seconds is not None:
                    self._end = self._clock.callLater(max(SOONEST, seconds), self._go, comes_back)
            case _:
                assert_never(effect)

    def rest(self) -> None:
        """Do not end the program: it is not to go down after all, or goes down already."""
        if self._end is not None and self._end.active():
            self._end.cancel()

    def _go(self, comes_back: bool) -> None:
        self.comes_back = comes_back
        self._means.stop()
