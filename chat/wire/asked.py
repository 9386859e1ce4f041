"""What a client's owner has asked its session for, until it may leave: questions, and changes one by one.

This module never does I/O and reads no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from chat.errors import RequestRejected
from chat.messages import Nick, Release, Request, Topic
from chat.orders import Order

ASKED = 100  # requests of the owner that wait for an answer


def is_change(request: Request) -> bool:
    """Say whether of requests like this one the second must not overtake the first."""
    return isinstance(request, Nick | Release | Order) or (
        isinstance(request, Topic) and request.text is not None
    )


class Asked:
    """The requests that wait. One change is out at a time: its repeat could overtake the next."""

    def __init__(self) -> None:
        self._changes: deque[Request] = deque()
        self._questions: deque[Request] = deque()  # those about a room wait until we are in it
        self._is_change_out = False
        self._later: list[tuple[float, Request]] = []  # what the server wants later, and when

    def add(self, request: Request, out: int) -> None:
        """Take a request, while `out` others have left. Raises `RequestRejected` (BUSY) while 100 wait."""
        if len(self._changes) + len(self._questions) + len(self._later) + out >= ASKED:
            raise RequestRejected("BUSY", "too much is asked already: wait for the answers", 1.0)
        (self._changes if is_change(request) else self._questions).append(request)

    def restart(self, unsettled: list[Request]) -> None:
        """Take note of a fresh channel: what had left and has no answer goes first."""
        self._is_change_out = False
        later, self._later = [request for _, request in self._later], []
        for request in reversed(later + unsettled):
            (self._changes if is_change(request) else self._questions).appendleft(request)

    def answered(self, request: Request) -> None:
        """Take note that a request has its answer."""
        if is_change(request):
            self._is_change_out = False

    def put_off(self, request: Request, until: float) -> None:
        """Ask once more at `until`: the server could not do it yet. A change is still out meanwhile."""
        self._later.append((until, request))

    def next_timeout(self) -> float | None:
        """Give the time at which something is to be asked once more; None: nothing is."""
        return min((at for at, _ in self._later), default=None)

    def due(self, now: float, may_ask: Callable[[Request], bool], *, is_open: bool) -> list[Request]:
        """Give what may leave now. `is_open`: the server has let us in; before that nothing is changed."""
        leaving = [request for at, request in self._later if at <= now]
        self._later = [(at, request) for at, request in self._later if at > now]
        for _ in range(len(self._questions)):
            question = self._questions.popleft()
            (leaving if may_ask(question) else self._questions).append(question)
        if is_open and self._changes and not self._is_change_out and may_ask(self._changes[0]):
            self._is_change_out = True
            leaving.append(self._changes.popleft())
        return leaving
