"""What the tests of rosters share: pages and changes in short words, a model room and a network."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Change, NameLine, NamesPage, Presence
from chat.safety import nick_key
from chat.wire.roster import Roster


def line(nick: str, *, is_away: bool = False) -> NameLine:
    """Give a member as a roster lists it."""
    return NameLine(nick, verified=False, away=is_away)


def change(version: int, what: Change, nick: str, new_nick: str = "") -> Presence:
    """Give a change of the roster."""
    return Presence("r", nick, verified=False, change=what, version=version, new_nick=new_nick)


def came(version: int, nick: str) -> Presence:
    """Give the commonest one."""
    return change(version, Change.JOINED, nick)


def page(version: int, *nicks: str, more: bool = False, count: int = 9) -> NamesPage:
    """Give a page of a roster."""
    return NamesPage("r", tuple(map(line, nicks)), count, more, version)


class RosterTests(SynchronousTestCase):
    """A roster that is read for the first time at 100 seconds, and is at version 5 then."""

    def setUp(self) -> None:
        """Join."""
        self.roster = Roster()
        self.roster.restart(5, 100.0)

    def read(self, *pages: NamesPage, now: float = 100.0) -> bool:
        """Answer what is asked page by page; say whether the last one completed the roster."""
        after = ""
        for each in pages:
            due = self.roster.next_timeout()
            assert due is not None
            now = max(now, due)
            self.assertEqual(self.roster.due(now), after)
            is_complete = self.roster.page(after, each, now)
            after = each.nicks[-1].nick
        return is_complete

    def nicks(self) -> list[str]:
        """Give who is in the room."""
        return sorted(each.nick for each in self.roster.lines.values())


# --- any room, any network


class ModelRoom:
    """The room as the server has it, and as it was at every version; `others` are on no page."""

    def __init__(self, others: int = 0) -> None:
        self.others = others
        self.lines: dict[str, NameLine] = {}
        self.history = [dict(self.lines)]

    @property
    def version(self) -> int:
        """Count the changes."""
        return len(self.history) - 1

    def change(self, number: int) -> Presence:
        """Let somebody come, go, be renamed, be away or be back; six nicks take part."""
        nick, other = f"{'Nn'[number % 2]}{number % 6}", f"n{number // 6 % 6}"
        key = nick_key(nick)
        if key not in self.lines:
            what = Change.JOINED
            self.lines[key] = line(nick)
        else:
            nick = self.lines[key].nick
            what = (Change.LEFT, Change.RENAMED, Change.AWAY, Change.BACK)[number // 36 % 4]
            if what is Change.RENAMED and (other == nick or (other != key and other in self.lines)):
                what = Change.LEFT
            del self.lines[key]
            if what is Change.RENAMED:
                self.lines[nick_key(other)] = line(other)
            elif what is not Change.LEFT:
                self.lines[key] = line(nick, is_away=what is Change.AWAY)
        self.history.append(dict(self.lines))
        return change(self.version, what, nick, other if what is Change.RENAMED else "")

    def page(self, after: str) -> NamesPage:
        """Give two lines in the order of their keys."""
        found = [self.lines[key] for key in sorted(self.lines) if key > nick_key(after)]
        return NamesPage("r", tuple(found[:2]), len(self.lines) + self.others, len(found) > 2, self.version)


class Reader:
    """A roster, a model room, and a network that a test disorders."""

    others = 0

    def __init__(self, count: int) -> None:
        self.room = ModelRoom(self.others)
        for number in range(count):
            self.room.change(number)
        self.now = 0.0
        self.roster = Roster()
        self.changes: list[Presence] = []  # under way
        self.question: str | None = None
        self.answer: NamesPage | None = None
        self.readings = 0
        self.seen = 0  # the version that the lines were at last, at least
        self.join()

    def join(self) -> None:
        """Be told by a Joined where the roster stands."""
        self.question = self.answer = None
        self.roster.restart(self.room.version, self.now)

    def act(self, what: str, number: int) -> None:
        """Let one thing happen."""
        match what:
            case "change":
                self.changes.append(self.room.change(number))
            case "tell" | "tell twice" | "lose":
                self.tell(("lose", "tell", "tell twice").index(what), number)
            case "wait":
                self.now += number / 100
            case "ask":
                self.ask()
            case "answer":
                self.take_answer()
            case "pong":
                self.roster.heard(self.room.version, self.now)
            case "join":
                self.join()
            case "new server":
                self.begin_anew(number % 8)
        self.check()

    def begin_anew(self, count: int) -> None:
        """Join on another server, which counts from 0."""
        self.changes.clear()
        self.room, self.seen = ModelRoom(self.others), 0
        for each in range(count):
            self.room.change(each)
        self.join()

    def tell(self, times: int, number: int) -> None:
        """Let any change come in so often."""
        if self.changes:
            told = self.changes.pop(number % len(self.changes))
            for _ in range(times):
                self.roster.take(told, self.now)

    def ask(self) -> None:
        """Ask for what is due. If it was asked before, it is a repeat: that is answered afresh."""
        due, after = self.roster.next_timeout(), self.roster.due(self.now)
        assert (after is not None) == (due is not None and due <= self.now)
        if after is not None:
            self.readings += after == ""
            self.question = after
        if self.question is not None:
            self.answer = self.room.page(self.question)

    def take_answer(self) -> None:
        """Let the page come in that was made last."""
        if self.question is not None and self.answer is not None:
            self.roster.page(self.question, self.answer, self.now)
            self.question = self.answer = None

    def check(self) -> None:
        """Known lines are those of some version, and never of an older one than before."""
        if self.roster.is_known:
            assert self.roster.lines in self.room.history[self.seen :], self.seen
            self.seen = self.room.history.index(self.roster.lines, self.seen)

    def heal(self) -> None:
        """Change and lose nothing more, until nothing is wanted any more."""
        self.changes.clear()
        self.roster.heard(self.room.version, self.now)
        self.readings = 0
        for _ in range(100):
            self.act("ask", 0)
            self.act("answer", 0)
            due = self.roster.next_timeout()
            if due is None and self.question is None:
                return
            self.now = max(self.now, due or 0.0)
        raise AssertionError("it never ends")
