"""What becomes of requests that are over a limit: whose next one waits, and until when. No I/O, no clock.

Only what is asked by those who speak text waits here: they cannot ask again by themselves, so their lines
wait in their order. A native client is told when to ask again, and does.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

from chat.errors import RequestRejected
from chat.hub.effects import Effect
from chat.hub.members import Member, Numbered
from chat.hub.replies import rejected, reply_to
from chat.limits import SLOWED, TOO_FAST, Limit, Limits
from chat.messages import Rejected, Say

# What would take longer is refused: whoever types would think that nothing happens. A line of a paste never
# waits so long for its turn.
HOLD_SECONDS = 2.0


class Pace:
    """The members that wait, by the time at which they may go on. `limits` say who has to."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: list[tuple[float, bytes]] = []  # a heap: of each member one, and of some gone since

    def pay(
        self, member: Member, limit: Limit, now: float, price: float = 1.0, *, only_look: bool = False
    ) -> None:
        """Take from what a member has left of a limit (or only look whether it is enough), or refuse."""
        self._limits.spend(limit, member.purses, now, price, only_look=only_look)

    def refused(
        self, member: Member, request: Numbered, refusal: RequestRejected, now: float
    ) -> list[Effect]:
        """Tell a member that it is refused what it asked; or let that wait, if it is a matter of seconds."""
        is_rate = refusal.code == TOO_FAST
        if is_rate and member.is_plain and refusal.retry_after <= HOLD_SECONDS:
            heappush(self._waiting, (now + refusal.retry_after, member.client))
            if not member.hold(request, now):
                return []
            text = f"{refusal.text}: the rest waits"
            return reply_to(member, Rejected(request.id, SLOWED, text, refusal.retry_after))
        if isinstance(request, Say):
            (member.put_off if is_rate else member.refuse)(request.n)
        return reply_to(member, rejected(request.id, refusal))

    def next_timeout(self) -> float | None:
        """Give the time at which `due` gives somebody; None: nobody waits."""
        return self._waiting[0][0] if self._waiting else None

    def due(self, now: float) -> Iterator[bytes]:
        """Give the members that may go on, and forget them."""
        while self._waiting and self._waiting[0][0] <= now:
            yield heappop(self._waiting)[1]
