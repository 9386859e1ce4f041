"""What stands where on a screen of so many columns and rows, from 40 x 10 on. Pure: rows of styled text.

The last row, where one types, is not made here: it belongs to the terminal library.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from chat.client.screen.network import Network, network_line
from chat.client.screen.scrollback import Line, Look
from chat.client.screen.settings import Settings
from chat.client.screen.text import Row, cut, cut_row, fit, steady, width, wrap
from chat.client.screen.theme import LOOKS, nick_style
from chat.client.screen.windows import Window, Windows

ROOMS_COLUMNS = 16  # of the list of rooms, and with how many columns of screen there is one
ROOMS_FROM = 80
ROSTER_COLUMNS = 18
ROSTER_FROM = 100
TEXT_LEAST = 10  # columns that a text is wrapped to at least, whatever stands before it

_RULE = ("class:rule", "│")
_MARKS = {Look.PENDING: "…", Look.REFUSED: "!"}  # in place of the time
_BAD = ("connecting", "silent", "closed")


class Member(NamedTuple):
    """One row of the roster: the nick as it is shown, and whether that one is away."""

    nick: str
    is_away: bool = False


class Facts(NamedTuple):
    """What a screen shows beside its windows. `members` None: nobody knows who is there."""

    network: Network
    nick: str = ""
    members: Sequence[Member] | None = None


class Plan(NamedTuple):
    """How the screen is divided, in columns (0: there is none) and rows; a row below may name the rooms."""

    rooms: int
    middle: int
    roster: int
    body: int
    has_row_of_rooms: bool


def plan(columns: int, rows: int, windows: int, *, has_roster: bool) -> Plan:
    """Divide the screen."""
    rooms = ROOMS_COLUMNS if columns >= ROOMS_FROM else 0
    roster = ROSTER_COLUMNS if columns >= ROSTER_FROM and has_roster else 0
    has_row = not rooms and windows > 1
    body = max(1, rows - 3 - has_row)  # the topic, the network, and the line that is typed
    return Plan(rooms, columns - (rooms + bool(rooms)) - (roster + bool(roster)), roster, body, has_row)


def plan_of(windows: Windows, facts: Facts, columns: int, rows: int) -> Plan:
    """Divide the screen for what is to be shown."""
    has_roster = facts.members is not None and not windows.current.is_person
    return plan(columns, rows, len(windows), has_roster=has_roster)


def compose(windows: Windows, settings: Settings, facts: Facts, columns: int, rows: int) -> list[Row]:
    """Give all rows but the last; each has exactly so many columns."""
    parts = plan_of(windows, facts, columns, rows)
    window = windows.current
    wrapped = wrapper(settings, parts.middle)
    said = window.scrollback.view(parts.body, wrapped.key, wrapped)
    said = [*([[]] * (parts.body - len(said))), *said]
    rooms = _room_rows(windows, parts.rooms, parts.body) if parts.rooms else []
    roster = _roster_rows(facts.members or (), parts.roster, parts.body) if parts.roster else []
    body = []
    for index, row in enumerate(said):
        left = [*rooms[index], _RULE] if rooms else []
        right = [_RULE, *roster[index]] if roster else []
        body.append([*left, *cut_row(row, parts.middle), *right])
    top = cut_row(_topic(window, facts, columns), columns)
    below = [cut_row(_row_of_rooms(windows, columns), columns)] if parts.has_row_of_rooms else []
    return [top, *body, *below, _status(window, facts, columns)]


# --- what is said


class Wrapper:
    """Gives the rows of a line. `key` is the same where the rows are."""

    def __init__(self, columns: int, stamp: str) -> None:
        self.key = (columns, stamp)
        self._columns = columns
        self._stamp = stamp

    def __call__(self, line: Line) -> list[Row]:
        """Give them."""
        mark = _MARKS.get(line.look)
        stamp = stamp_text(line.at, self._stamp) if mark is None else mark
        size = {"minutes": 5, "seconds": 8, "off": 1 if mark else 0}[self._stamp]
        before = f"{stamp:>{size}} " if size else ""
        texts = wrap(steady(line.text), max(self._columns - len(before), TEXT_LEAST))
        style = "class:mention" if line.is_mention else LOOKS[line.look]
        rows = [[("class:time", before), *_words(line, texts[0], style)]]
        rows += [[("", " " * len(before)), (style, text)] for text in texts[1:]]
        return rows


def wrapper(settings: Settings, columns: int) -> Wrapper:
    """Give what wraps lines as the settings want it."""
    return Wrapper(columns, settings["time"])


@lru_cache(256)  # the minutes of a few screens, and seconds
def stamp_text(at: int, form: str) -> str:
    """Give a time (milliseconds since 1970) as a line's beginning; "" for none."""
    if not at or form == "off":
        return ""
    return time.strftime("%H:%M:%S" if form == "seconds" else "%H:%M", time.localtime(at // 1000))


def _words(line: Line, text: str, style: str) -> Row:
    """Give a line's first row, with the nick in its colour."""
    begin = text.find(line.nick) if line.nick else -1
    if begin not in (0, 2) or line.look in (Look.PENDING, Look.REFUSED):
        return [(style, text)]
    end = begin + len(line.nick)
    return [(style, text[:begin]), (nick_style(line.nick), text[begin:end]), (style, text[end:])]


# --- what stands around it


def _topic(window: Window, facts: Facts, columns: int) -> Row:
    count = f" {len(facts.members)} here " if facts.members is not None and not window.is_person else ""
    name = f" {shown_name(window.name)}"
    text = f"{name}: {steady(window.topic)}" if window.topic else name
    return [("class:topic", fit(text, columns - width(count)) + count)]


def _status(window: Window, facts: Facts, columns: int) -> Row:
    network = facts.network
    back = window.scrollback
    more = f" {back.unseen} new below, PgDn " if back.unseen else " PgDn: newer " if back.is_scrolled else ""
    begin = f" {facts.nick} | " if facts.nick and columns >= ROOMS_FROM else " "
    style = "class:bad" if network.link in _BAD and network.seconds >= 1 else "class:bar"
    return [(style, fit(begin + network_line(network), columns - width(more)) + more)]


def shown_name(name: str) -> str:
    """Give a window's name as people read it."""
    return name or "no room"


def _counts(window: Window) -> str:
    if not window.unread:
        return ""
    return f"{window.unread}!" if window.mentions else str(window.unread)


def _style(window: Window, windows: Windows) -> str:
    if window is windows.current:
        return "class:here"
    return "class:meant" if window.mentions else "class:unread" if window.unread else "class:room"


def _room_rows(windows: Windows, columns: int, rows: int) -> list[Row]:
    """Give the list of rooms; if it is longer than the screen, the part with the one that is seen."""
    everything = list(windows)
    here = everything.index(windows.current)
    first = min(max(0, here - rows + 1), max(0, len(everything) - rows))
    shown: list[Row] = []
    for number, window in enumerate(everything[first : first + rows], first + 1):
        counts = _counts(window)
        sign = str(number) if number <= 9 else " "
        name = fit(f"{sign} {shown_name(window.name)}", columns - len(counts) - 1)
        shown.append([(_style(window, windows), f"{name} {counts}")])
    return shown + [[("", " " * columns)]] * (rows - len(shown))


def _row_of_rooms(windows: Windows, columns: int) -> Row:
    """Give the row of rooms; if it is wider than the screen, the part with the one that is seen."""
    everything = list(windows)
    texts = [_short(number, window) for number, window in enumerate(everything, 1)]
    first, here = 0, everything.index(windows.current)
    while first < here and width(" ".join(texts[first : here + 1])) >= columns:
        first += 1
    row: Row = []
    for window, text in zip(everything[first:], texts[first:], strict=True):
        row += [(_style(window, windows), text), ("", " ")]
    return row


def _short(number: int, window: Window) -> str:
    counts = _counts(window)
    return f"{number}:{cut(shown_name(window.name), ROOMS_COLUMNS)}{f'({counts})' if counts else ''}"


def _roster_rows(members: Sequence[Member], columns: int, rows: int) -> list[Row]:
    shown: list[Row] = []
    last = rows if len(members) <= rows else rows - 1
    for member in members[:last]:
        style = "class:away" if member.is_away else nick_style(member.nick)
        shown.append([("", " "), (style, fit(member.nick, columns - 1))])
    if len(members) > rows:
        shown.append([("class:member", fit(f" and {len(members) - last} more", columns))])
    return shown + [[("", " " * columns)]] * (rows - len(shown))
