"""How long somebody who speaks plain text stays: where a visit stands, what moves it on, and when.

This module never does I/O and never reads a clock. A plain address has no state but ours: it falls silent
without a word, comes back as if nothing had been, and what it said too late still arrives. So a visit from
there has an afterlife. A sealed one (text inside DTLS) has a channel behind it, which costs memory, proves
that a line is its own, and can say goodbye: when it is out, it is over.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import assert_never

GRACE_SECONDS = 2.0  # after `exit`: a late line becomes no nick, and what was said before is carried out
DORMANT_SECONDS = 86_400.0  # in which a line from a plain address brings its silent member back
# To come in, from the first moment and after each refusal: sshd's LoginGraceTime. Who types needs less; who
# has said nothing yet holds 70 KiB of OpenSSL's for nothing.
ENTER_SECONDS = 120.0


class State(Enum):
    """Where a text peer stands."""

    STRANGER = auto()  # its next line is its nick
    ENTERING = auto()  # the nick is asked for
    MEMBER = auto()
    LEFT = auto()  # said `exit`
    OUT = auto()  # silent for too long; a plain peer's next line brings it back, a sealed one is forgotten


# What moves a visit where. A pair that is not here is a bug of ours and raises KeyError.
_BOTH = {
    (State.STRANGER, "nick"): State.ENTERING,
    (State.ENTERING, "welcome"): State.MEMBER,
    (State.ENTERING, "refused"): State.STRANGER,
    (State.ENTERING, "exit"): State.LEFT,
    (State.ENTERING, "silence"): State.OUT,
    (State.MEMBER, "exit"): State.LEFT,
    (State.MEMBER, "silence"): State.OUT,
    (State.LEFT, "welcome"): State.LEFT,  # one datagram may hold a whole visit: its nick is answered later
}
PLAIN = _BOTH | {
    (State.LEFT, "refused"): State.STRANGER,
    (State.LEFT, "forgotten"): State.STRANGER,
    (State.OUT, "line"): State.ENTERING,
    (State.OUT, "exit"): State.LEFT,
    (State.OUT, "forgotten"): State.STRANGER,
}
SEALED = _BOTH | {
    (State.STRANGER, "exit"): State.OUT,
    (State.STRANGER, "silence"): State.OUT,
    (State.LEFT, "refused"): State.OUT,
    (State.LEFT, "forgotten"): State.OUT,
}


class Visit:
    """One visit; `heard` is when a line came last, `since` when the present state began.

    `sealed_at` is the time at which a sealed one begins; None: it is plain.
    """

    __slots__ = ("_idle_timeout", "_next", "heard", "is_sealed", "since", "state")

    def __init__(self, idle_timeout: float, sealed_at: float | None) -> None:
        self.state = State.STRANGER
        self.is_sealed = sealed_at is not None
        self.since = self.heard = sealed_at or 0.0
        self._idle_timeout = idle_timeout
        self._next = PLAIN if sealed_at is None else SEALED

    @property
    def is_over(self) -> bool:
        """Say whether nothing can come of it any more."""
        return self.is_sealed and self.state is State.OUT

    def go(self, event: str, now: float) -> None:
        """Move on."""
        self.state = self._next[self.state, event]
        self.since = now

    def resume(self, heard: float) -> None:
        """Stand where a member does that was heard last at `heard`: before anything else."""
        self.heard = heard
        self.go("nick", heard)
        self.go("welcome", heard)

    def next_timeout(self) -> float | None:
        """Give the time at which it has lasted long enough as it stands; None: it can be forgotten."""
        match self.state:
            case State.ENTERING | State.MEMBER:
                return self.heard + self._idle_timeout
            case State.LEFT:
                return self.since + GRACE_SECONDS
            case State.STRANGER:
                return self.since + ENTER_SECONDS if self.is_sealed else None
            case State.OUT:
                return None if self.is_sealed else self.since + DORMANT_SECONDS
            case _:
                assert_never(self.state)
