"""What the server waits for beside its peers, and how long."""

from __future__ import annotations

from enum import Enum, auto

SLOT_SECONDS = 0.01  # how late a time-out may be: half of what sessions hold frames back for
EXPIRE_SECONDS = 1.0  # between two looks at who has gone silent, which is a matter of minutes
LAST_WORDS_SECONDS = 0.05  # for what sessions hold back when the server goes: more than 20 ms and a slot
BEGAN_ANEW = "began anew from the same address"  # why a peer is lost that another takes the place of


class Chore(Enum):
    """What waits for its time, beside the peers."""

    EXPIRE = auto()  # of members that are silent
    TAILS = auto()
    HUB = auto()  # what it tells now and then
