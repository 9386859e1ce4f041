"""Where a native client's session stands, and what moves it on."""

from __future__ import annotations

from enum import Enum, auto

NUMBER_REUSED = "NUMBER_REUSED"  # the code of the one refusal that is no matter of the text


class State(Enum):
    """Where a session stands."""

    OFFLINE = auto()  # there is no channel
    ENTERING = auto()  # the Hello is out
    OPEN = auto()
    REFUSED = auto()  # `enter` with another nick goes on
    ENDED = auto()  # by either side; a fresh channel begins anew


TALKING = (State.ENTERING, State.OPEN)
LISTENING = (*TALKING, State.REFUSED)

# What moves a session where. A pair that is not here is a bug of ours and raises KeyError.
NEXT = {
    **{(state, "connected"): State.ENTERING for state in State},
    **{(state, "leave"): State.ENDED for state in State},
    (State.ENTERING, "welcome"): State.OPEN,
    (State.REFUSED, "welcome"): State.OPEN,  # two Hellos were under way, the second was taken
    (State.OPEN, "welcome"): State.OPEN,
    (State.ENTERING, "refused"): State.REFUSED,
    (State.REFUSED, "refused"): State.REFUSED,
    (State.REFUSED, "enter"): State.ENTERING,
    (State.ENTERING, "lost"): State.OFFLINE,
    (State.OPEN, "lost"): State.OFFLINE,
}

TALKING = (State.ENTERING, State.OPEN)
LISTENING = (*TALKING, State.REFUSED)
