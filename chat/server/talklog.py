"""What an operator reads of the talk: who came, who left and why, what was said.

Texts and nicks go in as fields and never as a format. What one person says to another alone is not here:
neither the text nor who said something to whom.
"""

from __future__ import annotations

from twisted.logger import Logger

from chat.fingerprints import show_fingerprint
from chat.hub.effects import Acted, Drop
from chat.messages import LOBBY, Broadcast, Change, Entry, Kind, Presence, Turnover, is_direct
from chat.notices import Redacted
from chat.server.peer import Peer, show_addr

_SAID = {
    Kind.SAY: "{place}{mark}{nick}: {text}",
    Kind.ME: "{place}* {mark}{nick} {text}",
    Kind.TOPIC: "{place}* {mark}{nick} made the topic: {text}",
}
# The other changes would only fill the log.
_CHANGED = {
    Change.JOINED: "{place}{mark}{nick} joined from {addr}",
    Change.RENAMED: "{place}{mark}{nick} is now {new_nick}",
    Change.LEFT: "{place}{mark}{nick} parted",
}


class TalkLog:
    """Logs what the hub publishes; `with_text` says whether texts go in."""

    def __init__(self, *, with_text: bool) -> None:
        self._log = Logger()
        self._with_text = with_text

    def published(self, message: Broadcast, author: Peer | None) -> None:
        """Log an entry or a presence of a room; `author` is the peer that it is about, if it is there."""
        if is_direct(message.room) or isinstance(message, Turnover | Redacted):  # which have lines already
            return
        if isinstance(message, Entry):
            self._said(message)
        elif message.change in _CHANGED and (author is not None or message.change is not Change.LEFT):
            self._changed(message, author)  # who has left the chat has left its rooms: that is one line

    def left(self, drop: Drop) -> None:
        """Log that a member is gone from the chat."""
        self._log.info(
            "{mark}{nick} left: {reason}",
            event="left",
            mark=_mark(drop.verified),
            nick=drop.nick,
            reason=drop.reason,
        )

    def acted(self, acted: Acted) -> None:
        """Log what an operator has done: who by nick and key, what, to whom, why."""
        self._log.info(
            "{nick} ({key}): /{verb}{space}{target}{place}{why}",
            event="order",
            nick=acted.nick,
            key="no key" if acted.key is None else show_fingerprint(acted.key),
            verb=acted.verb,
            target=acted.target,
            space=" " if acted.target else "",
            room=acted.room,
            place=f" in {acted.room}" if acted.room else "",
            reason=acted.text,
            number=acted.number,
            why=f": {acted.text}" if acted.text else "",
        )

    def unoperated(self, code: str) -> None:
        """Log with which code somebody can become the first operator; "": there is one."""
        if code:
            self._log.info("nobody operates this server: who types /operator {code} does", code=code)

    def _said(self, entry: Entry) -> None:
        self._log.info(
            _SAID[entry.kind],
            event="said",
            place=_place(entry.room),
            mark=_mark(entry.verified),
            nick=entry.nick,
            text=entry.text if self._with_text else "(not logged)",
            room=entry.room,
            seq=entry.seq,
            kind=entry.kind,
        )

    def _changed(self, presence: Presence, author: Peer | None) -> None:
        self._log.info(
            _CHANGED[presence.change],
            event="parted" if presence.change is Change.LEFT else presence.change.value,
            place=_place(presence.room),
            mark=_mark(presence.verified),
            nick=presence.nick,
            new_nick=presence.new_nick,
            room=presence.room,
            addr="nowhere" if author is None else show_addr(author.addr),
        )


def _place(room: str) -> str:
    return "" if room == LOBBY else f"[{room}] "


def _mark(verified: bool) -> str:
    return "" if verified else "~"
