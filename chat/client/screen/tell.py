"""From what the client tells to what the screen shows: each happening goes to its window, in `show`'s words.

This module knows neither sockets nor terminals. What is hidden because of who says it does not come here.
"""

from __future__ import annotations

from chat.client import show
from chat.client.happenings import FirstContact, Happening
from chat.client.screen.model import Heard, Model
from chat.client.screen.scrollback import Look
from chat.client.screen.windows import PERSON
from chat.messages import Change, Entry, Joined, Kind, Presence, Turnover, is_direct
from chat.notices import REDACTED, Notice, Redacted
from chat.safety import clean_text
from chat.wire.events import Appeared, Happened, InRoom, OutOfRoom
from chat.wire.sequence import Earlier, Lost, NotKept


class Teller:
    """Puts happenings into a model's windows."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def happened(self, happening: Happening) -> None:
        """Show it, if it is to be shown."""
        model = self._model
        match happening:
            case Appeared(_, Entry() as entry):
                self._said(entry)
            case Appeared(_, Earlier(entry)):
                model.older(heard_of(entry))
            case Appeared(room, Lost() | NotKept() as gap):
                window = "" if is_direct(room) else room
                model.tell(show.shown_line(room, gap, room), Look.GAP, window)
            case Happened(presence):
                self._came_or_went(presence)
            case Turnover(room=room) if model.settings["joins"] == "all":
                model.tell(show.turnover_line(happening, room), Look.COMING, room)
            case _:
                self._became(happening)

    # --- inside

    def _became(self, happening: Happening) -> None:
        """Show what is no news of a room's talk."""
        match happening:
            case InRoom(joined) if not is_direct(joined.room):
                self._is_in(joined)
            case OutOfRoom(room, code) if code:
                self.put_out(room, show.happening_line(happening, room))
            case FirstContact():
                self._model.tell(show.happening_line(happening, ""))
            case Notice(room=room):
                self._model.tell(show.notice_line(happening, room), Look.ANSWER, room)
            case Redacted():
                self._redacted(happening)
            case _:
                pass

    def _said(self, entry: Entry) -> None:
        if entry.kind is Kind.TOPIC:
            self._model.windows.open(entry.room).topic = clean_text(entry.text)
        self._model.heard(heard_of(entry))

    def _is_in(self, joined: Joined) -> None:
        window = self._model.windows.open(joined.room)
        window.topic, window.is_left, window.is_entered = clean_text(joined.topic), False, True

    def _redacted(self, redacted: Redacted) -> None:
        window = self._model.windows.open(redacted.room)
        window.scrollback.redact(redacted.seq, REDACTED)
        self._model.tell(show.happening_line(redacted, redacted.room), Look.COMING, redacted.room)

    def put_out(self, room: str, line: str = "") -> None:
        """Tell where it is read why we are in a room no more; one that we never were in has no window."""
        windows = self._model.windows
        window = windows.get(room)
        if window is not None:
            window.is_left = True
            if not window.is_entered:
                windows.close(room)
        if line:
            self._model.tell(line, Look.REMARK, room if windows.get(room) is not None else "")

    def _came_or_went(self, presence: Presence) -> None:
        line = show.presence_line(presence, presence.room)
        nick = clean_text(show.signed(presence).nick)
        if presence.change is Change.RENAMED:
            new = clean_text(presence.new_nick)
            self._model.came_or_went(presence.room, nick.removeprefix("~"), line, new=new)
        elif presence.change in (Change.JOINED, Change.LEFT):
            self._model.came_or_went(presence.room, nick.removeprefix("~"), line)


def heard_of(entry: Entry) -> Heard:
    """Give an entry as a window shows it."""
    nick = clean_text(show.signed(entry).nick)
    window = PERSON + nick.removeprefix("~") if is_direct(entry.room) else entry.room
    is_action = entry.kind is not Kind.SAY
    return Heard(
        window,
        entry.at,
        entry.seq,
        nick,
        show.entry_line(entry, entry.room),
        clean_text(entry.text),
        is_action,
    )
