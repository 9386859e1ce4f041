"""What happened in a run, as a hash to compare runs by, and as text where somebody wants to read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tests.simulation.clock import Heap


class Trace:
    """Takes note of every event of a run; `read` makes a datagram readable."""

    def __init__(self, heap: Heap, read: Callable[[bytes], str], is_kept: bool) -> None:
        self.lines: list[str] = []  # only if they are kept: some 10,000 a run
        self.is_kept = is_kept
        self._heap = heap
        self._read = read
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, who: str, what: str) -> None:
        """Take note that `who` did or met `what`."""
        line = f"{self._heap.now!r} {who} {what}\n"
        self._hash.update(line.encode())
        if self.is_kept:
            self.lines.append(f"{self._heap.now:10.4f} {who:12} {what}")

    def datagram(self, what: str, source: object, target: object, datagram: bytes) -> None:
        """Take note of what became of a datagram."""
        if what != "came":  # those are noted for readers only
            self._hash.update(f"{self._heap.now!r} {what} {source} {target}".encode())
            self._hash.update(datagram)
        if self.is_kept:
            arrow = f"{_short(source)} > {_short(target)}"
            self.lines.append(f"{self._heap.now:10.4f} {what:12} {arrow} {self._read(datagram)}")

    def digest(self) -> str:
        """Give the hash of everything so far."""
        return self._hash.hexdigest()


def _short(addr: object) -> str:
    return ":".join(map(str, addr[:2])) if isinstance(addr, tuple) else str(addr)
