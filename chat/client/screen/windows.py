"""The windows: one for each room that one is in, and one for each person with whom one speaks alone.

Which one is seen, what is unread in the others, and where to go next. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from chat.client.screen.mentions import Speakers
from chat.client.screen.scrollback import Line, Scrollback

PERSON = "@"  # with which the name of a person's window begins
PERSONS = 100  # windows of persons: the oldest one that holds nothing unread makes room for one more


class Window:
    """One window: its name ("dev", "@ann"), its lines, and how much of them was not seen yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.topic = ""
        self.scrollback = Scrollback()
        self.speakers = Speakers()
        self.unread = 0
        self.mentions = 0
        self.draft = ""  # what was typed here and not said
        self.is_entered = False  # we were in it, once
        self.has_oldest = False  # nothing is above its lines, and it says so
        self.is_left = False  # the server has us in the room no more

    @property
    def is_person(self) -> bool:
        """Say whether it is one person's, and no room's."""
        return self.name.startswith(PERSON)


class Windows:
    """All of them, in the order in which they were opened; there is at least one."""

    def __init__(self, name: str) -> None:
        first = Window(name)
        self._windows = {name: first}
        self._current = first
        self._before = first  # that was seen before

    @property
    def current(self) -> Window:
        """Give the one that is seen."""
        return self._current

    def __iter__(self) -> Iterator[Window]:
        return iter(list(self._windows.values()))

    def __len__(self) -> int:
        return len(self._windows)

    def get(self, name: str) -> Window | None:
        """Give the window of that name, if there is one."""
        return self._windows.get(name)

    def open(self, name: str) -> Window:
        """Give the window of that name; it is made if there is none."""
        window = self._windows.get(name)
        if window is None:
            if name.startswith(PERSON):
                self._make_room()
            window = self._windows[name] = Window(name)
        return window

    def close(self, name: str) -> None:
        """Forget a window, if it is not the only one; if it was seen, the one before is."""
        if name not in self._windows or len(self._windows) == 1:
            return
        window = self._windows.pop(name)
        if window is self._current:
            before = self._windows.get(self._before.name)
            self.show((before or next(iter(self._windows.values()))).name)

    def show(self, name: str) -> Window:
        """See the window of that name, with everything in it."""
        window = self.open(name)
        if window is not self._current:
            self._before = self._current
        self._current = window
        window.unread = window.mentions = 0
        return window

    def add(self, name: str, line: Line, *, is_news: bool = False) -> Window:
        """Put a line into a window, and count it if it is news and not seen."""
        window = self.open(name)
        window.scrollback.add(line)
        if window is not self._current and is_news:
            window.unread += 1
            window.mentions += line.is_mention or window.is_person
        return window

    # --- the way

    def at(self, number: int) -> str | None:
        """Name the window with this number, from 1; None: there is none."""
        names = list(self._windows)
        return names[number - 1] if 1 <= number <= len(names) else None

    def number(self, name: str) -> int:
        """Give the number of the window of that name, which is there: see `at`."""
        return list(self._windows).index(name) + 1

    def beside(self, steps: int) -> str:
        """Name the window so many steps further, round and round."""
        names = list(self._windows)
        return names[(names.index(self._current.name) + steps) % len(names)]

    def next_active(self) -> str | None:
        """Name where to read next: mentions first, then what is unread, from here on; None: nothing is."""
        names = list(self._windows)
        here = names.index(self._current.name)
        others = [self._windows[name] for name in names[here + 1 :] + names[:here]]
        for counted in (lambda window: window.mentions, lambda window: window.unread):
            for window in others:
                if counted(window):
                    return window.name
        return None

    @property
    def unread(self) -> tuple[int, int]:
        """How many lines are unread, and how many of them are for us."""
        return sum(window.unread for window in self), sum(window.mentions for window in self)

    def _make_room(self) -> None:
        persons = [window for window in self._windows.values() if window.is_person]
        if len(persons) < PERSONS:
            return
        for window in persons:
            if not window.unread and window is not self._current:
                del self._windows[window.name]
                return
        self.close(next(each.name for each in persons if each is not self._current))
