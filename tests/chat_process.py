"""The client in a process of its own, run by a program: `udpchat HOST:PORT --nick NICK --json --follow`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from tests.server_process import DEADLINE, JsonProcess, Record


class ChatProcess(JsonProcess):
    """A client of the server at `port` on 127.0.0.1; `records` are all that it has told so far.

    `home` is where it keeps its key and the servers that it knows. It stays when its input has ended unless
    `is_following` is False.
    """

    def __init__(self, port: int, nick: str, home: Path, *, is_following: bool = True) -> None:
        command = [sys.executable, "-m", "chat", f"127.0.0.1:{port}", f"--nick={nick}", "--json"]
        if is_following:
            command.append("--follow")
        super().__init__(command, {"XDG_DATA_HOME": str(home)})
        self.nick = nick

    def joined(self) -> None:
        """Wait until it is in its room."""
        self.find(lambda record: record["event"] == "joined" and "direct" not in record)

    def find_entries(self, count: int, within: float = DEADLINE) -> list[Record]:
        """Wait until it has shown so many texts that were said; give them."""
        self.find(is_said, count=count, within=within)
        return self.entries()

    def entries(self) -> list[Record]:
        """Give the texts that it has shown."""
        return [record for record in list(self.records) if is_said(record)]

    def broken_links(self, room: str = "lobby") -> list[tuple[Record, Record]]:
        """Give each two things that it shows in `room` one below the other and that do not belong so.

        An entry belongs below the one that it names as the one before it, or below a gap up to that.
        """
        shown = [
            record
            for record in list(self.records)
            if record["event"] in ("entry", "gap") and record["room"] == room and "earlier" not in record
        ]
        return [pair for pair in pairwise(shown) if not _belongs(*pair)]


def is_event(*names: str, **fields: object) -> Callable[[Record], bool]:
    """Give what says whether a record is one of these events, with these fields."""
    return lambda record: record["event"] in names and all(record.get(k) == v for k, v in fields.items())


def is_said(record: Record) -> bool:
    """Say whether a record is a text that somebody has said, in its place."""
    return record["event"] == "entry" and record["kind"] == "say" and "earlier" not in record


def numbers(entries: Sequence[Record]) -> list[int]:
    """Give the positions of entries."""
    return [entry["seq"] for entry in entries]


def _belongs(above: Record, below: Record) -> bool:
    newest = above["seq"] if above["event"] == "entry" else above["upto"]
    if below["event"] == "entry":
        return bool(below["prev"] == newest < below["seq"])
    return bool(below["after"] in (newest, None) and below["upto"] > newest)
