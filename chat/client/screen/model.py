"""The screen's state, between those who know the chat and those who know the terminal. Pure.

What is told is put into windows (`heard`, `tell`), own texts stand below them until they are accepted, and
what the terminal shall do beside showing rows (ring, notify) waits in `calls` until it is taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chat.client.screen.layout import Facts, Member, Wrapper, compose, plan_of, stamp_text, wrapper
from chat.client.screen.mentions import is_mention
from chat.client.screen.network import Network
from chat.client.screen.scrollback import Line, Look, line_of
from chat.client.screen.settings import Settings
from chat.client.screen.text import Row
from chat.client.screen.windows import Window, Windows

CALLS = 16  # that wait for the terminal: it takes them many times a second
REFUSED = 1_000  # own texts that are shown as not accepted: as many as may wait for the server
FOUND = 50  # lines that a search shows: what is older is found with another word


class Call(NamedTuple):
    """What calls a person to the terminal: a bell if `rings`, a notification if there is a `summary`."""

    rings: bool
    summary: str
    text: str


class Heard(NamedTuple):
    """One entry as it is to be shown: in which window, whose, in which words, and what of them was said."""

    window: str
    at: int
    seq: int
    nick: str
    shown: str
    said: str
    is_action: bool


class Own(NamedTuple):
    """An own text: the window it was typed in, the line that was typed, how it is shown until it is said."""

    window: str
    typed: str
    line: Line


class Model:
    """One screen. `now` gives seconds that nobody sets, `wall` those since 1970."""

    def __init__(
        self, room: str, settings: Settings, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.windows = Windows(room)
        self.settings = settings
        self.nick = self.place = ""
        self.calls: deque[Call] = deque(maxlen=CALLS)
        self.network: Callable[[], Network] = Network
        self.members: Callable[[str], Sequence[Member] | None] = lambda _: None
        self._now, self._wall = now, wall
        self._size = 1, 1  # rows and columns of what was said, as they were shown last
        self._owed = 0  # rows by which one would have scrolled up, had there been more
        self._pending: dict[int, Own] = {}
        self._accepted: dict[int, tuple[str, int]] = {}  # by position: window and number, until it is shown
        self._refused: deque[Own] = deque(maxlen=REFUSED)  # the oldest of them is what the keys act on

    # --- what is told

    def tell(self, text: str, look: Look = Look.REMARK, window: str = "") -> None:
        """Tell something in a window ("": the one that is seen)."""
        name = window or self.windows.current.name
        self.windows.add(name, line_of(self._millis(), look, text))

    def heard(self, heard: Heard) -> None:
        """Show what somebody said."""
        is_own = heard.nick == self.nick or heard.seq in self._accepted  # under another nick, by now
        is_meant = not is_own and is_mention(heard.said, self.nick)
        look = Look.ACTION if heard.is_action else Look.SAID
        line = line_of(heard.at, look, heard.shown, heard.nick, heard.seq, is_mention=is_meant)
        window = self.windows.add(heard.window, line, is_news=not is_own)
        window.speakers.spoke(heard.nick.removeprefix("~"), self._now())
        if is_own:
            self._appeared(heard)
        else:
            self._call(window, heard, is_meant=is_meant or window.is_person)

    def older(self, heard: Heard) -> None:
        """Show what was said before everything that is shown of its window."""
        is_meant = heard.nick != self.nick and is_mention(heard.said, self.nick)
        look = Look.ACTION if heard.is_action else Look.SAID
        line = line_of(heard.at, look, heard.shown, heard.nick, heard.seq, is_mention=is_meant)
        window = self.windows.open(heard.window)
        window.scrollback.put_on_top([line])
        if self._owed and window is self.windows.current:
            self._climb(line)

    def on_top(self, text: str, window: str) -> None:
        """Tell something above everything that is shown in a window."""
        self.windows.open(window).scrollback.put_on_top([line_of(0, Look.GAP, text)])

    def came_or_went(self, window: str, nick: str, text: str, *, new: str = "") -> None:
        """Show that somebody came, went or has another nick, if that is wanted and news."""
        speakers = self.windows.open(window).speakers
        wish = self.settings["joins"]
        if wish == "all" or (wish == "smart" and speakers.is_news(nick, self._now())):
            self.tell(text, Look.COMING, window)
        if new:
            speakers.renamed(nick, new)

    # --- own texts

    def said(self, number: int, window: str, typed: str) -> None:
        """Show an own text as pending."""
        self._pending[number] = Own(window, typed, self._pending_line(typed))
        self._tails(window)

    def accepted(self, number: int, seq: int) -> None:
        """Take note that a text is stored at this position: it stands there until that is shown."""
        own = self._pending.get(number)
        if own is None:
            return
        lines = self.windows.open(own.window).scrollback.lines
        newest = next((line.seq for line in reversed(lines) if line.seq), 0)
        if own.window.startswith("@") or newest >= seq:  # a room's entries come in its order
            self._settle(number)
        else:
            self._accepted[seq] = own.window, number

    def lost(self, seq: int, typed: str, window: str) -> None:
        """Take note that the server has lost an accepted text: it may be said again."""
        _, number = self._accepted.pop(seq, ("", 0))
        if number:
            self._settle(number)
        self.refuse(Own(window, typed, self._pending_line(typed)), "the server has lost it")

    def refused(self, number: int, reason: str) -> bool:
        """Take note that a text was not accepted: it is marked, until it is said again or dropped.

        False: there is no such text, it was something else.
        """
        own = self._pending.get(number)
        if own is None:
            return False
        self.refuse(own, reason)
        self._settle(number)
        return True

    def refuse(self, own: Own, reason: str) -> None:
        """Show an own text as not accepted, and why: it may be said again, or dropped."""
        text = f"{own.typed} (not accepted: {reason}; Alt-R: again, Alt-X: drop)"
        self._refused.append(own._replace(line=line_of(self._millis(), Look.REFUSED, text)))
        self._tails(own.window)

    def take_refused(self) -> Own | None:
        """Give the oldest text that was not accepted, of this window first, and show it no more."""
        name = self.windows.current.name
        own = next((each for each in self._refused if each.window == name), None)
        own = own or next(iter(self._refused), None)
        if own is not None:
            self._refused.remove(own)
            self._tails(own.window)
        return own

    @property
    def unsettled(self) -> list[Own]:
        """Give what is not accepted: refused, or without an answer."""
        waiting = {number for _, number in self._accepted.values()}
        pending = [own for number, own in self._pending.items() if number not in waiting]
        return [*self._refused, *pending]

    # --- looking

    def rows(self, columns: int, rows: int) -> list[Row]:
        """Give all rows of the screen but the last."""
        facts = self.facts()
        parts = plan_of(self.windows, facts, columns, rows)
        self._size = parts.body, parts.middle
        return compose(self.windows, self.settings, facts, columns, rows)

    def facts(self) -> Facts:
        """Give what is shown beside the windows."""
        waiting = len(self._pending) - len(self._accepted)
        network = self.network()._replace(pending=waiting, refused=len(self._refused))
        return Facts(network, self.nick, self.members(self.windows.current.name))

    def show(self, name: str) -> None:
        """See another window."""
        self.windows.show(name)
        self._owed = 0

    def to_end(self) -> None:
        """See the newest lines."""
        self.windows.current.scrollback.to_end()
        self._owed = 0

    def scroll(self, pages: float) -> bool:
        """See what is above (below, if negative) of what was shown last; True: older lines are wanted.

        When these come the rest of the way is made.
        """
        rows, columns = self._size
        back = self.windows.current.scrollback
        self._owed = back.scroll(round(pages * max(1, rows - 1)), rows, self._wrapper(columns))
        return self._owed > 0

    def search(self, words: str) -> list[str]:
        """Give the lines of this window that have these words, the newest last, behind how many there are."""
        wanted = words.casefold()
        found = [
            line
            for line in self.windows.current.scrollback.lines
            if line.look in (Look.SAID, Look.ACTION) and wanted in line.text.casefold()
        ]
        if not found:
            return [f"nothing that is shown here has {words!r} in it"]
        last = f", the last {FOUND}" if len(found) > FOUND else ""
        shown = [f"{stamp_text(line.at, 'minutes')} {line.text}" for line in found[-FOUND:]]
        return [f"{len(found)} of the lines here with {words!r}{last}:", *shown]

    # --- inside

    def _climb(self, line: Line) -> None:
        """Move up by the rows of a line that has come, as far as was wanted."""
        rows, columns = self._size
        wrapped = self._wrapper(columns)
        step = min(self._owed, len(wrapped(line)))
        left = self._owed - step
        self.windows.current.scrollback.scroll(-step, rows, wrapped)
        self._owed = left

    def _wrapper(self, columns: int) -> Wrapper:
        return wrapper(self.settings, columns)

    def _pending_line(self, typed: str) -> Line:
        return line_of(self._millis(), Look.PENDING, f"{self.nick}: {typed}")

    def _millis(self) -> int:
        return int(self._wall() * 1000)

    def _call(self, window: Window, heard: Heard, *, is_meant: bool) -> None:
        def wants(name: str) -> bool:
            return self.settings[name] == "all" or (is_meant and self.settings[name] == "mention")

        rings, notifies = wants("bell"), wants("notify")
        if rings or notifies:
            summary = heard.nick if window.is_person else f"{heard.nick} in {window.name}"
            self.calls.append(Call(rings, summary if notifies else "", heard.said))

    def _appeared(self, heard: Heard) -> None:
        """Take note that an own text is shown: it is pending no more, though its answer may be on its way."""
        _, number = self._accepted.pop(heard.seq, ("", 0))
        if number:
            self._settle(number)

    def _settle(self, number: int) -> None:
        own = self._pending.pop(number)
        self._tails(own.window)

    def _tails(self, window: str) -> None:
        tail = [own.line for own in (*self._refused, *self._pending.values()) if own.window == window]
        self.windows.open(window).scrollback.tail = tail
