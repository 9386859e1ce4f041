"""What one peer who speaks plain text is told: which lines a reply gives, and the lines that wait to be sent.

This module never does I/O and never reads a clock. How a line is put stands in lines.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.messages import (
    Entry,
    Fetch,
    Fetched,
    Joined,
    Link,
    Motd,
    NamesPage,
    Part,
    Release,
    Topic,
    Welcome,
    is_direct,
)
from chat.notices import Notice
from chat.orders import Order
from chat.wire.asking import Asked
from chat.wire.lines import (
    link_line,
    mark,
    names_lines,
    notice,
    owned_line,
    released_line,
    render,
    told_alone_line,
    topic_line,
)

NOTICE_SECONDS = 1.0  # between two notices of one kind about a peer's mistakes, or they would be an amplifier


class Told:
    """The lines for one peer, each with the line end that counted when it came up."""

    def __init__(self) -> None:
        self.line_end = b""
        self._recalled: set[str] = set()  # rooms of which entries came since the last answer to `/history`
        self._noticed: dict[str, float] = {}  # when each kind of mistake was last told: half a dozen kinds
        self._outgoing: list[bytes] = []

    def take(self) -> list[bytes]:
        """Give the datagrams that wait, and forget them."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def put(self, line: bytes, line_end: bytes | None = None) -> None:
        """Queue a line as it stands, with the peer's line end or another."""
        self._outgoing.append(line + (self.line_end if line_end is None else line_end))

    def notices(self, texts: Iterable[str]) -> None:
        """Queue notices."""
        for text in texts:
            self.put(notice(text).encode())

    def notice(self, message: Notice, current: str) -> None:
        """Queue words of the server; `current` is the peer's room."""
        line = notice(message.text).encode()
        self.put(line if message.room in ("", current) else mark(line, message.room))

    def mistake(self, code: str, text: str, now: float) -> None:
        """Queue the notice of a mistake, of each kind one a second at most."""
        if now - self._noticed.get(code, float("-inf")) >= NOTICE_SECONDS:
            self._noticed[code] = now
            self.notices([text])

    # --- replies

    def welcome(self, welcome: Welcome) -> None:
        """Tell a newcomer that its nick is its own, and the message of the day."""
        if welcome.is_owned:
            self.notices([owned_line(welcome.nick)])
        self.notices(welcome.motd.splitlines())

    def joined(self, joined: Joined, *, was_in: bool) -> None:
        """Tell of a room entered; that one is in, the room tells who was not."""
        if was_in:
            self.notices([f"you are in {joined.room}"])
        if joined.topic:
            self.notices([topic_line(joined.room, joined.topic)])

    def entry(self, entry: Entry, current: str, *, is_hidden: bool = False) -> None:
        """Tell of an entry that was asked for, or was said to this peer alone; `current` is its room.

        One that `is_hidden` only counts as told.
        """
        if not is_direct(entry.room):  # which nobody asks for, so it would stay in there
            self._recalled.add(entry.room)
        if is_hidden:
            return
        line = render(entry)
        self.put(line if entry.room == current else mark(line, entry.room))

    def fetched(self, fetched: Fetched, asked: Asked | None) -> None:
        """Say so if nothing came of a `/history`."""
        if fetched.room not in self._recalled:
            since = (
                " in that time" if asked and isinstance(asked.request, Fetch) and asked.request.age else ""
            )
            self.notices([f"nothing has been said in {fetched.room}{since}"])
        self._recalled.discard(fetched.room)

    def accepted(self, nick: str, *, waiting: bool) -> None:
        """Tell that what was said to `nick` alone is stored; what was said in a room ("") shows there."""
        if nick:
            self.notices([told_alone_line(nick, waiting=waiting)])

    def done(self, result: NamesPage | str, asked: Asked | None, current: str) -> None:
        """Tell what came of a request; `current` is the room that the peer speaks in by now."""
        if isinstance(result, NamesPage):
            self.notices(names_lines(result))
            return
        match None if asked is None else asked.request:
            case Part(room=room):
                was_in = asked is not None and asked.place is not None
                left = f"you have left {room}" if was_in else f"you are not in {room}"
                self.notices([f"{left}: you are in {current or 'no room'}"])
            case Topic(room=room, text=None):
                self.notices([topic_line(room, result)])
            case Motd():
                self.notices(result.splitlines() or ["there is no message of the day"])
            case Release():
                self.notices([released_line(result)])
            case Link():
                self.notices([link_line(result)])
            case Order():
                self.notices(result.splitlines())
            case _:
                pass  # a new topic is told to the room; or nobody waits for this any more
