"""What operators do to somebody for a time: it is over by itself. No I/O, no clock.

Times are seconds since 1970; 0 is for ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from msgspec.structs import replace

from chat.fields import REASON_BYTES
from chat.hub.pages import beginning
from chat.hub.spans import show_end
from chat.memos import Ban, Mute

A = TypeVar("A", bound=Hashable)
T = TypeVar("T", Ban, Mute)


class Terms(Generic[A, T]):
    """Terms, by what each is about."""

    def __init__(self) -> None:
        self._terms: dict[A, T] = {}
        self._look_at = 0.0  # when the next of them ends

    def __len__(self) -> int:
        return len(self._terms)

    def __contains__(self, about: A) -> bool:
        return about in self._terms

    def __iter__(self) -> Iterator[tuple[A, T]]:
        return iter(self._terms.items())

    def get(self, about: A, at: float) -> T | None:
        """Give the term about that; None: there is none, or it is over."""
        term = self._terms.get(about)
        return None if term is None or 0 < term.until <= at else term

    def enter(self, about: A, term: T) -> None:
        """Let one begin."""
        self._terms[about] = term
        if term.until:
            self._look_at = min(self._look_at, term.until)

    def drop(self, about: A) -> T | None:
        """Let one end; give it. None: there is none."""
        return self._terms.pop(about, None)

    def redate(self, dates: range, by: int) -> list[tuple[A, T]]:
        """Move those that began at one of `dates` by so many seconds, and give them: the clock was set."""
        moved = [
            (about, replace(term, at=term.at + by, until=term.until and term.until + by))
            for about, term in self
            if term.at in dates
        ]
        self._terms.update(moved)
        self._look_at = 0.0
        return moved

    def over(self, at: float) -> list[A]:
        """Give what those are about that have lasted long enough; they are for the caller to end."""
        if at < self._look_at:
            return []
        over = [about for about, term in self if 0 < term.until <= at]
        self._look_at = min((term.until for _, term in self if term.until > at), default=float("inf"))
        return over


def why(said: str, term: Ban | Mute) -> str:
    """Go on behind `said` ("you are banned"): until when, by whom and why."""
    because = f": {term.reason}" if term.reason else ""
    return beginning(f"{said} {show_end(term.until)} by {term.by}{because}", REASON_BYTES)
