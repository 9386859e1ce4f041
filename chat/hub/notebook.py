"""What the hub has to remember beyond its life, until somebody takes it to where it is kept."""

from __future__ import annotations

from chat.memos import Memo, memo_key


class Notebook:
    """The newest memo under each key that has changed; None: there shall be none any more.

    Bounded by what it is about: members, owners of nicks and their logs.
    """

    def __init__(self) -> None:
        self._changes: dict[str, Memo | None] = {}

    def write(self, about: str | bytes, memo: Memo) -> None:
        """Remember `memo`."""
        self._changes[memo_key(type(memo), about)] = memo

    def strike(self, about: str | bytes, kind: type[Memo]) -> None:
        """Remember nothing of this kind any more."""
        self._changes[memo_key(kind, about)] = None

    def take(self) -> dict[str, Memo | None]:
        """Give what has changed since this was last asked."""
        changes, self._changes = self._changes, {}
        return changes
