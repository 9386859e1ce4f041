"""The lines that were typed, remembered between two runs.

Some were for one person alone: only their owner may read the file. A disk that is full costs what would have
been remembered, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from chat.client.screen.settings import replace

TYPED = 1_000  # lines that are remembered: as many as Ctrl-R finds in a moment
TYPED_BYTES = 2 * 1_024 * TYPED  # of the file, above which it is written anew with the last ones

# A room's key, or the code that makes an operator: typed once, and not to be kept in a file.
_SECRET = re.compile(r"\s*/(operator|mode|(join|j)\s+\S+)\s+\S", re.IGNORECASE)


class TypedLines:
    """The lines that were typed, in a file: one a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[str]:
        """Give them, the oldest first."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TYPED_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return []
        return lines[-TYPED:]

    def add(self, line: str) -> None:
        """Remember one more, unless it may hold a secret."""
        if _SECRET.match(line):
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "ab") as file:
                file.write(f"{line}\n".encode(errors="replace"))
                is_long = file.tell() > TYPED_BYTES
            if is_long:
                replace(self._path, "\n".join([*self.load(), ""]))
