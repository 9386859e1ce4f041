"""What one peer who speaks plain text has asked for: the numbers of its requests, and which wait for a reply.

This module never does I/O and never reads a clock. Lines have no numbers; the hub's requests have, and a
reply means something only beside what was asked.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import NamedTuple

import msgspec

from chat.errors import RequestRejected
from chat.fields import TEXT_BYTES
from chat.messages import DIRECT, Kind, Request, Say, is_direct

COMMANDS_AT_ONCE = 5  # answered in five seconds: a person types no faster, and answers are long
COMMAND_SECONDS = 5.0
TOLD_BUSY = "TOLD_BUSY"
SHUT_SECONDS = 1.0  # that more are refused then, at least: so often is a notice of one kind told
ASKED = 64  # requests whose answers are told apart: as many as wait in the hub for one member
SAID_ALONE = 320  # texts to one person whose answers are: a datagram's 256 lines, behind 64 that wait


class Asked(NamedTuple):
    """A request without a reply, and the place that its room had among the peer's (None: it had none)."""

    request: Request
    place: int | None


class Asking:
    """Numbers the requests of one peer, and knows what a reply answers."""

    def __init__(self) -> None:
        self._id = 0
        self._n = 0
        self._waiting: dict[int, Asked] = {}  # by id, at most ASKED
        self._alone: dict[int, str] = {}  # whom a text was said to alone, by id; at most SAID_ALONE
        self._asked_at: deque[float] = deque(maxlen=COMMANDS_AT_ONCE)
        self._shut_until = float("-inf")  # too many came: none is done before that

    def go_on(self, number: int) -> None:
        """Number texts above `number`: those up to it may be stored already."""
        self._n = number

    def take_turn(self, now: float) -> None:
        """Count a command. Raises `RequestRejected` if there were too many at once.

        Then all are refused until the time that it names: who has read that knows what was not done. Those
        after the first have the code TOLD_BUSY, and need no notice.
        """
        code = TOLD_BUSY
        if now >= self._shut_until:
            first = self._asked_at[0] if len(self._asked_at) == COMMANDS_AT_ONCE else float("-inf")
            if now - first >= COMMAND_SECONDS:
                self._asked_at.append(now)
                return
            code = "BUSY"
            self._shut_until = max(first + COMMAND_SECONDS, now + SHUT_SECONDS)
        left = self._shut_until - now
        text = f"too many commands at once: this one was not done, nor is any in the next {ceil(left)} s"
        raise RequestRejected(code, text, left)

    def say(self, room: str, kind: Kind, text: str) -> Say:
        """Give the request that a text is. Raises `RequestRejected` if it is too long."""
        size = len(text.encode())
        if size > TEXT_BYTES:
            raise RequestRejected(
                "TEXT_TOO_LONG", f"that line has {size} bytes: at most {TEXT_BYTES} are passed on"
            )
        self._id += 1
        self._n += 1
        if is_direct(room) and len(self._alone) < SAID_ALONE:
            self._alone[self._id] = room.removeprefix(DIRECT)
        return Say(self._id, self._n, room, kind, text)

    def ask(self, request: Request, place: int | None = None) -> Request:
        """Give `request` with its number, and remember it until it is answered."""
        self._id += 1
        asked = msgspec.structs.replace(request, id=self._id)
        self._waiting[self._id] = Asked(asked, place)
        if len(self._waiting) > ASKED:
            del self._waiting[next(iter(self._waiting))]
        return asked

    def answered(self, request_id: int) -> Asked | None:
        """Take what a reply answers, if it is known (any more)."""
        self._alone.pop(request_id, None)
        return self._waiting.pop(request_id, None)

    def accepted(self, request_id: int) -> str:
        """Take whom a text that is stored was said to alone; "": to nobody, or that is not known any more.

        Texts are accepted in the order in which they were said. So what was said before this one and has no
        answer never gets one: it was in the rest of a paste that was too much for the hub.
        """
        nick = self._alone.get(request_id, "")
        for earlier in [each for each in self._alone if each <= request_id]:
            del self._alone[earlier]
        return nick

    def forget(self) -> None:
        """Learn that nobody answers what was asked so far."""
        self._waiting.clear()
        self._alone.clear()
