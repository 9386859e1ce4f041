"""A client's own texts: numbered, sent in their order, kept until they are settled, in whatever session.

This module never does I/O and reads no clock. It is the client's half of "exactly once, in the sender's
order": a text keeps its number for ever, and says which one before it has no answer yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from chat.errors import RequestRejected
from chat.fields import IN_FLIGHT
from chat.messages import Kind, Say

NUMBERS_OPEN = 16  # a text so far above the oldest unsettled one waits: a store keeps 16 results of a client
UNSETTLED = 1_000  # texts: a long paste, one megabyte at most
REMEMBERED = 512  # accepted texts that are not shown yet, the newest: as many as a room's log keeps aside


class _Text(msgspec.Struct):
    room: str
    kind: Kind
    text: str
    is_sent: bool = False  # in this session
    again_at: float | None = None  # the server wants it later


class Outbox:
    """The texts of one client id."""

    def __init__(self) -> None:
        self._texts: dict[int, _Text] = {}  # what is not settled, in the order of numbers
        self._last = 0
        self._accepted: dict[tuple[str, int], int] = {}  # numbers by room and position, until they are shown

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, room: str, kind: Kind, text: str) -> int:
        """Take a text and give its number. Raises `RequestRejected` (BUSY) while 1,000 are unsettled."""
        if len(self._texts) >= UNSETTLED:
            raise RequestRejected("BUSY", f"{UNSETTLED} texts wait for the server: try again later", 1.0)
        self._last += 1
        self._texts[self._last] = _Text(room, kind, text)
        return self._last

    def rooms(self) -> set[str]:
        """Give the rooms for which there is an unsettled text."""
        return {text.room for text in self._texts.values()}

    def restart(self) -> None:
        """Take note of a new session: all that is unsettled is sent again."""
        for text in self._texts.values():
            text.is_sent, text.again_at = False, None

    def renumber(self) -> dict[int, int]:
        """Begin again at 1, for a new client id. Give the new numbers of what is unsettled, by the old."""
        numbers = {old: new for new, old in enumerate(self._texts, 1)}
        self._texts = {numbers[old]: text for old, text in self._texts.items()}
        self._last = len(self._texts)
        self._accepted.clear()
        self.restart()
        return numbers

    def due(self, now: float, may_say: Callable[[str], bool]) -> Iterable[tuple[Say, bool]]:
        """Give what to send now, each without its id, and whether it was sent in this session before.

        `may_say` tells of a room whether a text for it may leave. None overtakes another: a server waits for
        the one before, and if that were never sent it would wait for ever.
        """
        before = 0
        oldest = next(iter(self._texts), 0)
        for n, text in islice(self._texts.items(), IN_FLIGHT):
            if n - oldest >= NUMBERS_OPEN:
                return
            if not text.is_sent:
                if not may_say(text.room):
                    return
                text.is_sent = True
                yield self._say(n, before, text), False
            elif text.again_at is not None and text.again_at <= now:
                text.again_at = None
                yield self._say(n, before, text), True
            before = n

    def next_timeout(self) -> float | None:
        """Give the time at which a text is to be sent once more; None: none is."""
        return min(
            (text.again_at for text in self._texts.values() if text.again_at is not None), default=None
        )

    def settle(self, n: int, seq: int = 0) -> None:
        """Take the answer to text `n`: its position, or 0 if it is refused; a second one does nothing."""
        text = self._texts.pop(n, None)
        if text is not None and seq:
            self._accepted[text.room, seq] = n
            if len(self._accepted) > REMEMBERED:
                del self._accepted[next(iter(self._accepted))]

    def put_off(self, n: int, until: float) -> None:
        """Send text `n` again at `until`: the server could not take it yet."""
        if n in self._texts:
            self._texts[n].again_at = until

    def shown(self, room: str, seq: int) -> None:
        """Take note that the entry at `seq` is shown: if it is an own one, it has arrived."""
        self._accepted.pop((room, seq), None)

    def lost(self, room: str, after: int, upto: int) -> list[tuple[int, int]]:
        """Give (number, position) of the own texts above `after` up to `upto`, and forget them."""
        gone = sorted(
            (seq, n) for (where, seq), n in self._accepted.items() if where == room and after < seq <= upto
        )
        for seq, _ in gone:
            del self._accepted[room, seq]
        return [(n, seq) for seq, n in gone]

    def _say(self, n: int, before: int, text: _Text) -> Say:
        return Say(1, n, text.room, text.kind, text.text, n - before if before else 0)
