"""What the door of one person does without asking anybody: whom they do not hear, whom they answer, help.

This module never does I/O and reads no clock. It is the same at every door, so that what people read is the
same there, too.
"""

from __future__ import annotations

from typing import assert_never

from chat.commands import Asker, help_lines
from chat.errors import RequestRejected
from chat.local import AtScreen, Help, Ignore, Lag, Local, SayBack, Switch, Unignore
from chat.messages import DIRECT, Entry, Kind, Say, is_direct
from chat.safety import nick_key
from chat.wire.ignored import Ignored
from chat.wire.places import Places


class Affairs:
    """One person's. `places` are the rooms that they are in, `asker` is who they are for `/help`."""

    def __init__(self, places: Places, asker: Asker) -> None:
        self.asker = asker
        self.ignored = Ignored()
        self._places = places
        self._last = ""  # who said something to them alone last

    def takes(self, entry: Entry, key: str = "") -> bool:
        """Take note of what came; say whether they are shown it. `key`: its nick's, if it is known."""
        if self.ignored.hides(entry, key):
            return False
        if is_direct(entry.room):
            self._last = entry.nick
        return True

    def say_back(self, asked: SayBack) -> Say:
        """Give the text that answers who said something to them alone last, or raise `RequestRejected`."""
        if not self._last:
            text = "nobody has said anything to you alone: /msg bob hello says something to bob"
            raise RequestRejected("NO_SUCH_NICK", text)
        return Say(0, 0, DIRECT + self._last, Kind.SAY, asked.text)

    def do(self, asked: Local, nick: str) -> list[str]:
        """Do what else is asked, for somebody called `nick`; give what they are told.

        Raises `RequestRejected`.
        """
        match asked:
            case Help(topic):
                return help_lines(self.asker, topic)
            case Switch(room):
                self._places.switch(room)
                return [f"you are in {room}"]
            case Ignore(other):
                return self._ignore(other, nick) if other else self.ignored.lines()
            case Unignore(other):
                if self.ignored.remove(other):
                    return [f"{other} is left out no longer"]
                return [f"{other} was not left out"]
            case Lag():
                return ["nothing measures the way to you here: /ping, and see how long the pong takes"]
            case AtScreen(name):
                return [f"/{name} works on the full screen of udpchat only"]
            case SayBack():
                raise TypeError("what is said to somebody is a text")
            case _:
                assert_never(asked)

    def _ignore(self, other: str, nick: str) -> list[str]:
        if nick_key(other) == nick_key(nick):
            raise RequestRejected("ARGUMENT_INVALID", "/ignore: that is you")
        self.ignored.add(other)
        return [f"what {other} says is left out from now on: /unignore {other}"]
