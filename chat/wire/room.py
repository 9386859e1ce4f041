"""One room as a client sees it: its log, who is in it, and whether the client is.

This module never does I/O and reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.messages import Fetch, Fetched, Join, Joined, NamesPage, Part, Rejected, RoomHead, is_direct
from chat.wire.roster import Roster
from chat.wire.sequence import RoomLog, Shown

PART_AGAIN_SECONDS = 1.0  # after a refusal that names no time: a server has no reason to refuse a Part


class Room:
    """A room that its owner wants to be in (`is_wanted`), and is or is not (`is_in`)."""

    def __init__(self, name: str, log: RoomLog) -> None:
        self.name = name
        self.log = log
        self.roster: Roster | None = None
        self.is_wanted = False
        self.key = ""  # that it may ask for
        self.is_in = False
        self._was_in = False  # or may have been, since we last were told that we are not
        self._is_asked = False  # a Join or Part is out: one at a time, or they could overtake each other
        self._again_at = 0.0  # the server wants the Join or Part later
        self._joined_at = 0.0
        self._fetch_id = 0  # of the Fetch that is out

    @property
    def is_direct(self) -> bool:
        """Say whether this is a log of what was said to one person alone."""
        return is_direct(self.name)

    @property
    def is_over(self) -> bool:
        """Say whether nobody wants to be in it, and the server has us in it no more."""
        return not (self.is_wanted or self.is_in or self._was_in or self._is_asked)

    def restart(self) -> None:
        """Take note of a fresh channel: what was asked on the old one is forgotten."""
        self.is_in = self._is_asked = False
        self._again_at, self._fetch_id = 0.0, 0

    def due(self, now: float, *, is_talking: bool) -> Join | Part | None:
        """Give what is to be asked now, without an id.

        While a text of ours has no answer (`is_talking`) a Part waits, and a room that we were in is joined
        again, wanted or not: the text may be stored, and would be refused. A server may have us in a room
        that was left while there was no channel, so a Part is asked for there too.
        """
        if self._is_asked or now < self._again_at:
            return None
        self._again_at = 0.0
        if not self.is_in and (self.is_wanted or (is_talking and self._was_in)):
            self._is_asked = self._was_in = True
            self.log.joining()
            return Join(1, self.name, self.key)
        if self._was_in and not self.is_wanted and not is_talking:
            self._is_asked = True
            return Part(1, self.name)
        return None

    def joined(self, reply: Joined, now: float) -> list[Shown]:
        """Take the answer to a Join."""
        self.is_in, self._is_asked, self._joined_at, self._fetch_id = True, False, now, 0
        if self.roster is not None:
            self.roster.restart(reply.version, now)
        return self.log.joined(reply.head, reply.floor, now, reply.seen if self.is_direct else None)

    def refused(self, reply: Rejected, now: float) -> bool:
        """Take the refusal of a Join or Part. True: we are out, and stay out."""
        self._is_asked = False
        if self.is_in or reply.retry_after:
            self._again_at = now + (reply.retry_after or PART_AGAIN_SECONDS)
            return False
        self.is_wanted = self._was_in = False
        return True

    def left(self) -> None:
        """Take the answer to a Part."""
        self.is_in = self._was_in = self._is_asked = False

    def put_out(self) -> bool:
        """Take the word that we are out, and shall not come in by ourselves. False: that is no news.

        While a Join or Part is out its answer says how we stand.
        """
        if self._is_asked or not self.is_in:
            return False
        self.is_in = self.is_wanted = self._was_in = False
        return True

    def may_say(self) -> bool:
        """Say whether a text for the room may leave. Where we shall not be, its refusal is the answer."""
        if self.is_in:
            return not self._is_asked  # a Part is out: the text would come behind it
        return not (self.is_wanted or self._was_in)

    def fetch_due(self, now: float, next_id: Callable[[], int]) -> Fetch | None:
        """Give the Fetch that is to be sent now, for the first time or once more."""
        wanted = self.log.due(now) if self.is_in else None
        if wanted is None:
            return None
        if not (wanted.is_repeat and self._fetch_id):
            self._fetch_id = next_id()
        return Fetch(self._fetch_id, self.name, wanted.after, wanted.before, wanted.limit, wanted.age)

    def fetched(self, reply: Fetched, now: float) -> list[Shown]:
        """Take the end of the answer to the Fetch that is out, once."""
        if reply.id != self._fetch_id:
            return []
        self._fetch_id = 0
        return self.log.fetched(reply.floor, reply.head, now)

    def fetch_refused(self, refusal: Rejected, now: float) -> None:
        """Take a refusal: if it is that of the Fetch, we are not in the room any more, or were too fast."""
        if refusal.id == self._fetch_id:
            self._fetch_id = 0
            if refusal.retry_after:
                self.log.put_off(now + refusal.retry_after)
            else:
                self.is_in = False

    def pong(self, head: RoomHead | None, asked_at: float, now: float) -> None:
        """Take what a Pong says of the room, whose Ping was sent at `asked_at`; None: we are not in it."""
        if not self.is_in or self._joined_at > asked_at:
            return
        if head is None:
            self.is_in = False
            return
        self.log.heard(head.head, now)
        if self.roster is not None:
            self.roster.heard(head.version, now)

    def names_due(self, now: float) -> str | None:
        """Give the nick behind which the next page of names shall begin."""
        return self.roster.due(now) if self.roster is not None and self.is_in else None

    def page(self, after: str, page: NamesPage, now: float) -> bool:
        """Take a page of names, and say whether the roster has become complete."""
        return self.roster is not None and self.roster.page(after, page, now)

    def next_timeout(self) -> float | None:
        """Give the time at which something is due; None: nothing is."""
        if not self.is_in:
            return self._again_at if self._again_at and not self._is_asked else None
        times = [self.log.next_timeout(), None if self.roster is None else self.roster.next_timeout()]
        if self._again_at and not self.is_wanted and not self._is_asked:
            times.append(self._again_at)
        return min((time for time in times if time is not None), default=None)
