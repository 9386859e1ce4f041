"""Who is in a room, as a client knows it: pages of names, and changes that may be lost, put together.

This module never does I/O and reads no clock. A roster counts its changes; whoever has seen every one of them
since a page was made knows the room, and whoever has missed one reads the pages again.

The changes of a large room are told to nobody, so it is read again for as long as it changes. Its pages are
taken as they come, though it changed while they were read: who came, went or was renamed in between may be
missing, or stand there once too often, until the next reading, and the one after the last change is right.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chat.fields import CROWD
from chat.messages import Change, NameLine, NamesPage, Presence
from chat.safety import nick_key

# Between two readings: a room in which somebody always comes or goes is not read for ever. After a large one
# so long for each of its pages: a client asks for one in two seconds, however many there are. If all 10,000
# of a room keep its roster, that is 5,000 pages a second, a third of a core; a room of 100 waits for seconds.
AGAIN_SECONDS = 2.0
CHANGES_KEPT = 512  # that were told while pages were read, or before a change that is missing
PAGES = 1_024  # of one reading: 14 of the longest nicks fit a page, and a server lets 5,000 members in
MEMBERS = 8 * PAGES  # lines up to which changes may add some


class _Page(msgspec.Struct):
    after: str  # the key behind which it begins
    upto: str | None  # the key of its last nick; None: it ends the roster
    version: int
    lines: tuple[NameLine, ...]


class Roster:
    """One room's roster. `lines` are its members by the key of their nicks.

    `is_known`: they are complete; in a room with more than `CROWD` members as far as can be.
    """

    def __init__(self) -> None:
        self.lines: dict[str, NameLine] = {}
        self.is_known = False
        self._version = 0  # that `lines` are of
        self._newest = 0  # that was heard of
        self._changes: dict[int, Presence] = {}
        self._pages: list[_Page] = []
        self._after: str | None = None  # the nick behind which the next page begins; None: nothing is read
        self._is_asked = False
        self._due = 0.0

    def restart(self, version: int, now: float) -> None:
        """Take the version that a `Joined` told, and read the pages.

        That it is the version of `lines` means nothing: a server that was restarted, or a room that was made
        again, counts anew.
        """
        self._version, self._newest, self.is_known = version, version, False
        self._changes.clear()
        self._due = min(self._due, now + AGAIN_SECONDS)  # nothing is known now, however large the room is
        self._read_again(now)

    def heard(self, version: int, now: float) -> None:
        """Take the version that `Pong` or `Turnover` told: if it is above all that came, one was not told."""
        if version > self._newest:
            self._newest = version
            self._review(now)

    def take(self, presence: Presence, now: float) -> bool:
        """Take a change, and say whether `lines` have changed."""
        if presence.version <= self._version:
            return False
        self._newest = max(self._newest, presence.version)
        if len(self._changes) < CHANGES_KEPT or presence.version == self._version + 1:
            self._changes[presence.version] = presence
        if not self.is_known:
            return False
        changed = self._catch_up()
        self._review(now)
        return changed

    def due(self, now: float) -> str | None:
        """Give the nick behind which the page begins that a `Names` shall ask for now, once a page."""
        if self._after is None or self._is_asked or now < self._due:
            return None
        if not self._pages:  # what was heard before the question is in the answer
            self._changes.clear()
            self._newest = 0
        self._is_asked = True
        return self._after

    def next_timeout(self) -> float | None:
        """Give the time at which `due` gives something; None: nothing is wanted."""
        return None if self._after is None or self._is_asked else self._due

    def page(self, after: str, page: NamesPage, now: float) -> bool:
        """Take a page that was asked for. True: the roster is complete."""
        if after != self._after or not self._is_asked:
            return False
        self._is_asked = False
        begin = nick_key(after)
        last = page.nicks[-1].nick if page.more and page.nicks else None
        upto = None if last is None else nick_key(last)
        if upto is not None and (upto <= begin or len(self._pages) >= PAGES):
            last = upto = None  # it would go on for ever
        self._pages.append(_Page(begin, upto, page.version, page.nicks))
        self._newest = max(self._newest, page.version)
        if last is not None:
            self._after = last
            return False
        self._after = None
        is_crowd = page.count > CROWD
        self._due = now + AGAIN_SECONDS * (len(self._pages) if is_crowd else 1)
        return self._put_together(now, is_crowd=is_crowd)

    def _read_again(self, now: float) -> None:
        self._after, self._is_asked = "", False
        self._pages.clear()
        self._due = max(self._due, now)

    def _put_together(self, now: float, *, is_crowd: bool) -> bool:
        lowest = min(page.version for page in self._pages)
        highest = max(page.version for page in self._pages)
        told = range(lowest + 1, highest + 1)
        is_news = not self.is_known or highest > self._version  # else all changes came meanwhile
        is_patchy = any(version not in self._changes for version in told)
        if is_news and is_patchy and not is_crowd:
            self._read_again(now)
            return False
        if is_news:
            self.lines = {nick_key(line.nick): line for page in self._pages for line in page.lines}
            if not is_patchy:
                for version in told:
                    self._apply(self._changes[version], self._is_behind)
            self._version, self.is_known = lowest if is_patchy else highest, True
        self._pages.clear()
        self._catch_up()
        self._review(now)
        return is_news

    def _is_behind(self, key: str, version: int) -> bool:
        """Say whether the page that holds `key` was made before that change."""
        return any(
            page.after < key and (page.upto is None or key <= page.upto) and page.version < version
            for page in self._pages
        )

    def _catch_up(self) -> bool:
        before = self._version
        while (change := self._changes.get(self._version + 1)) is not None:
            self._version += 1
            self._apply(change, lambda *_: True)
        if self._after is None:  # else the pages that are read may be older than the lines
            self._changes = {number: each for number, each in self._changes.items() if number > self._version}
        return self._version > before

    def _review(self, now: float) -> None:
        if not self.is_known:
            return
        if self._newest <= self._version:
            if self._after == "" and not self._is_asked:
                self._after = None  # the change that was missing has come
        elif self._after is None:
            self._read_again(now + AGAIN_SECONDS / 4)  # what was only overtaken comes meanwhile

    def _apply(self, change: Presence, concerns: Callable[[str, int], bool]) -> None:
        key = nick_key(change.nick)
        if change.change in (Change.LEFT, Change.RENAMED) and concerns(key, change.version):
            self.lines.pop(key, None)
        nick = change.new_nick if change.change is Change.RENAMED else change.nick
        key = nick_key(nick)
        has_room = len(self.lines) < MEMBERS or key in self.lines
        if change.change is not Change.LEFT and concerns(key, change.version) and has_room:
            is_away = change.change is Change.AWAY
            self.lines[key] = NameLine(nick, change.verified, is_away, operator=change.operator)
