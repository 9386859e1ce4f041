"""The texts that were not accepted when the program ended, kept for the next start.

Some were for one person alone: only their owner may read the file. A disk that is full costs what would have
been kept, and nothing else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from chat.client.screen.settings import replace

UNSENT_BYTES = 4 * 1_024 * 1_024  # of a file: 1,000 texts have 900 bytes


class Unsent(msgspec.Struct, frozen=True):
    """A text that was not accepted: when it was typed (seconds since 1970), where, and what."""

    at: float
    room: str
    line: str


class UnsentTexts:
    """The texts for one server that were not accepted when the program ended, in a file."""

    def __init__(self, folder: Path, place: str) -> None:
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self._path = folder / f"unsent-{name}.json"
        self._kept: list[Unsent] | None = None  # what the file holds

    def load(self) -> list[Unsent]:
        """Give them, the oldest first."""
        try:
            with self._path.open("rb") as file:
                texts = msgspec.json.decode(file.read(UNSENT_BYTES), type=list[Unsent])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            texts = []
        self._kept = texts
        return texts

    def keep(self, texts: list[Unsent]) -> None:
        """Let the file hold these, and no others."""
        if texts == self._kept:
            return
        try:
            if texts:
                replace(self._path, msgspec.json.encode(texts).decode())
            else:
                self._path.unlink(missing_ok=True)
        except OSError:
            return
        self._kept = list(texts)
