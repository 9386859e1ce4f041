"""Direct messages as a client sees them: how far its log was shown, and which of its texts others have.

This module never does I/O and reads no clock.
"""

from __future__ import annotations

from collections import deque

from chat.fields import MEMBER_ROOMS, RoomName
from chat.messages import ShownUpTo, is_direct
from chat.wire.heads import PINGS, Heads
from chat.wire.outbox import REMEMBERED
from chat.wire.pulse import REPEAT_MOST
from chat.wire.sequence import NOWHERE, RoundTrip

EARLY = 64  # deliveries that overtook the acceptance of their text; few can, it is repeated every second


class Progress:
    """How far our log was shown, and whether the server knows: it is told at once, until a Pong says so.

    And how far other rooms were: that goes along with whatever Ping is sent.
    """

    def __init__(self, round_trip: RoundTrip) -> None:
        self._round_trip = round_trip
        self._heads = Heads()
        self._log: RoomName = ""
        self._shown = self._known = NOWHERE  # the newest position shown, and the newest that the server knows
        self._pings: dict[int, int] = {}  # what each Ping has told, by its id
        self._told = NOWHERE  # by the last of them
        self._tries = 0
        self._again_at = 0.0  # when the same is told once more

    def restart(self) -> None:
        """Take note of a fresh channel: the Pongs of the old one do not come any more."""
        self._heads.restart()
        self._pings.clear()
        self._told, self._tries = NOWHERE, 0

    def begin(self, log: str, seen: int) -> None:
        """Take what the server knows of `log`, from the answer to the Join."""
        if log != self._log:
            self._log, self._shown = log, NOWHERE
        self._known = seen

    def joined(self, room: str) -> None:
        """Take note that we are in a room, which is not our log."""
        self._heads.joined(room)

    def show(self, room: str, upto: int) -> None:
        """Take note that everything up to a position was shown."""
        if room == self._log:
            self._shown = max(self._shown, upto)
        elif not is_direct(room):
            self._heads.show(room, upto)

    def due(self, now: float) -> bool:
        """Say whether the server is to be told now. What comes meanwhile waits for the answer."""
        return self._shown > self._known and (not self._pings or now >= self._again_at)

    def next_timeout(self) -> float | None:
        """Give the time at which `due` has an answer; None: the server knows all."""
        if self._shown <= self._known:
            return None
        return self._again_at if self._pings else 0.0

    def tell(self, ping: int, now: float) -> tuple[ShownUpTo, ...]:
        """Give what the Ping with this id tells: nothing if the server knows it."""
        log = self._tell_log(ping, now)
        return log + self._heads.tell(ping, MEMBER_ROOMS - len(log))

    def _tell_log(self, ping: int, now: float) -> tuple[ShownUpTo, ...]:
        if self._shown <= self._known:
            return ()
        self._tries = self._tries + 1 if self._told == self._shown else 0
        self._told = self._pings[ping] = self._shown
        if len(self._pings) > PINGS:
            del self._pings[min(self._pings)]
        self._again_at = now + self._round_trip.wait(self._tries, REPEAT_MOST)
        return (ShownUpTo(self._log, self._shown),)

    def answered(self, ping: int) -> None:
        """Take note that the server has the Ping with this id."""
        self._heads.answered(ping)
        told = self._pings.get(ping)
        if told is not None:
            self._known = max(self._known, told)
            self._pings = {number: upto for number, upto in self._pings.items() if upto > told}


class Receipts:
    """Which of our direct texts their readers have: each is told once, and after its acceptance."""

    def __init__(self) -> None:
        self._sent: deque[int] = deque(maxlen=REMEMBERED)  # positions of accepted ones that nobody has yet
        self._early: deque[int] = deque(maxlen=EARLY)

    def accepted(self, seq: int) -> bool:
        """Take the position of a text; say whether its reader has it already."""
        if seq in self._early:
            self._early.remove(seq)
            return True
        self._sent.append(seq)
        return False

    def delivered(self, seq: int, *, is_waiting: bool) -> bool:
        """Take a delivery; say whether it is told now. `is_waiting`: a direct text has no answer yet."""
        if seq in self._sent:
            self._sent.remove(seq)
            return True
        if is_waiting and seq not in self._early:
            self._early.append(seq)
        return False
