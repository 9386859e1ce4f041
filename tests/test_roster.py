"""Tests of `chat.wire.roster`: pages and changes in any order in, who is in the room out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Change, NameLine, NamesPage, Presence
from chat.safety import nick_key
from chat.wire.roster import AGAIN_SECONDS, CHANGES_KEPT, MEMBERS, PAGES, Roster


def line(nick: str, *, is_away: bool = False) -> NameLine:
    """Give a member as a roster lists it."""
    return NameLine(nick, verified=False, away=is_away)


def change(version: int, what: Change, nick: str, new_nick: str = "") -> Presence:
    """Give a change of the roster."""
    return Presence("r", nick, verified=False, change=what, version=version, new_nick=new_nick)


def came(version: int, nick: str) -> Presence:
    """Give the commonest one."""
    return change(version, Change.JOINED, nick)


def page(version: int, *nicks: str, more: bool = False) -> NamesPage:
    """Give a page of a roster."""
    return NamesPage("r", tuple(map(line, nicks)), 9, more, version)


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


class ReadingTests(RosterTests):
    """Pages are asked for one after the other, and put together."""

    def test_one_page(self) -> None:
        """It is asked for once, at once; with its answer the roster is known and nothing is wanted."""
        self.assertFalse(self.roster.is_known)
        self.assertEqual(self.roster.next_timeout(), 100.0)
        self.assertEqual(self.roster.due(100.0), "")
        self.assertIsNone(self.roster.due(100.0))
        self.assertIsNone(self.roster.next_timeout())
        self.assertTrue(self.roster.page("", page(5, "Ann", "bob"), 100.1))
        self.assertTrue(self.roster.is_known)
        self.assertEqual(self.roster.lines, {"ann": line("Ann"), "bob": line("bob")})
        self.assertIsNone(self.roster.next_timeout())

    def test_nothing_is_read_before_the_join(self) -> None:
        """A roster without a Joined wants nothing."""
        self.assertIsNone(Roster().next_timeout())
        self.assertIsNone(Roster().due(1e9))

    def test_pages(self) -> None:
        """The next one begins behind the last nick; an empty one ends it whatever it says."""
        self.assertFalse(self.read(page(5, "ann", "bob", more=True)))
        self.assertEqual(self.roster.due(100.0), "bob")
        self.assertFalse(self.roster.page("bob", page(5, "cat", more=True), 100.0))
        self.assertEqual(self.roster.due(100.0), "cat")
        self.assertFalse(self.roster.is_known)
        self.assertTrue(self.roster.page("cat", page(5, more=True), 100.0))
        self.assertEqual(self.nicks(), ["ann", "bob", "cat"])

    def test_answers_to_no_question(self) -> None:
        """A page that was not asked for, or comes twice, is none."""
        self.assertFalse(self.roster.page("", page(5, "eve"), 100.0))
        self.roster.due(100.0)
        self.assertFalse(self.roster.page("zed", page(5, "eve"), 100.0))
        self.assertTrue(self.roster.page("", page(5, "ann"), 100.0))
        self.assertFalse(self.roster.page("", page(5, "eve"), 100.0))
        self.assertEqual(self.nicks(), ["ann"])

    def test_pages_without_an_end(self) -> None:
        """A server whose nicks do not rise, or never end, is not asked for ever."""
        self.assertTrue(self.read(page(5, "bob", more=True), page(5, "ann", more=True)))
        self.roster.restart(6, 200.0)
        self.roster.due(200.0)
        after, answered = "", 0
        while not self.roster.page(after, page(6, nick := f"n{answered:05}", more=True), 200.0):
            after, answered = nick, answered + 1
            self.assertEqual(self.roster.due(200.0), after)
        self.assertEqual(answered, PAGES)

    def test_a_change_between_two_pages(self) -> None:
        """It counts for those nicks only whose page is older than it."""
        self.roster.due(100.0)
        self.roster.page("", page(5, "ann", "bob", more=True), 100.0)
        for told in (
            change(6, Change.LEFT, "ann"),
            change(7, Change.RENAMED, "zed", "abe"),
            came(8, "yan"),
            change(9, Change.AWAY, "yan"),
        ):
            self.assertFalse(self.roster.take(told, 100.0))
        self.assertEqual(self.roster.due(100.0), "bob")
        self.assertTrue(
            self.roster.page("bob", NamesPage("r", (line("yan", is_away=True),), 2, False, 9), 100.0)
        )
        self.assertEqual(self.roster.lines, {
            "abe": line("abe"), "bob": line("bob"), "yan": line("yan", is_away=True),
        })  # fmt: skip
        self.assertIsNone(self.roster.next_timeout())

    def test_a_missing_change_between_two_pages(self) -> None:
        """Pages of two versions do not go together if a change between them was lost: read again, later."""
        self.roster.due(100.0)
        self.roster.page("", page(5, "ann", more=True), 100.0)
        self.roster.due(100.0)
        self.assertFalse(self.roster.page("ann", page(6, "bob"), 100.5))
        self.assertFalse(self.roster.is_known)
        self.assertEqual(self.roster.next_timeout(), 100.5 + AGAIN_SECONDS)
        self.assertIsNone(self.roster.due(102.4))
        self.assertTrue(self.read(page(6, "bob")))

    def test_changes_after_the_pages(self) -> None:
        """Those that came while pages were read go on top."""
        self.roster.due(100.0)
        self.roster.take(came(7, "cat"), 100.0)
        self.roster.take(came(6, "bob"), 100.0)
        self.assertTrue(self.roster.page("", page(5, "ann"), 100.0))
        self.assertEqual(self.nicks(), ["ann", "bob", "cat"])
        self.assertIsNone(self.roster.next_timeout())

    def test_what_came_before_the_question_is_in_the_answer(self) -> None:
        """A change of another counting, from before a room was made again, is not waited for for ever."""
        self.roster.take(came(90, "eve"), 100.0)
        self.assertTrue(self.read(page(5, "ann")))
        self.assertIsNone(self.roster.next_timeout())


class ChangeTests(RosterTests):
    """A roster that is known: ann and bob, version 5."""

    def setUp(self) -> None:
        """Read it."""
        super().setUp()
        self.read(page(5, "ann", "bob"))

    def test_each_change(self) -> None:
        """Each does what it says, and it is told that something changed."""
        for told in (
            came(6, "Cat"),
            change(7, Change.AWAY, "ann"),
            change(8, Change.RENAMED, "bob", "BOB"),
            change(9, Change.RENAMED, "Cat", "dan"),
        ):
            self.assertTrue(self.roster.take(told, 101.0))
        self.assertEqual(
            self.roster.lines, {"ann": line("ann", is_away=True), "bob": line("BOB"), "dan": line("dan")}
        )
        self.assertTrue(self.roster.take(change(10, Change.BACK, "ann"), 101.0))
        self.assertTrue(self.roster.take(change(11, Change.LEFT, "BOB"), 101.0))
        self.assertEqual(self.roster.lines, {"ann": line("ann"), "dan": line("dan")})
        self.assertIsNone(self.roster.next_timeout())

    def test_repeats(self) -> None:
        """What is at or below the version is in the lines already."""
        self.assertFalse(self.roster.take(change(5, Change.LEFT, "ann"), 101.0))
        self.roster.take(came(6, "cat"), 101.0)
        self.assertFalse(self.roster.take(came(6, "cat"), 101.0))
        self.assertEqual(self.nicks(), ["ann", "bob", "cat"])

    def test_overtaken(self) -> None:
        """A change waits for the one before it; if that comes within half a second, nothing is read."""
        self.assertFalse(self.roster.take(came(7, "dan"), 102.0))
        self.assertEqual(self.roster.next_timeout(), 102.0 + AGAIN_SECONDS / 4)
        self.assertTrue(self.roster.take(came(6, "cat"), 102.4))
        self.assertEqual(self.nicks(), ["ann", "bob", "cat", "dan"])
        self.assertIsNone(self.roster.next_timeout())

    def test_lost(self) -> None:
        """A change that never comes is read; the roster stays what it was until then."""
        self.roster.take(came(7, "dan"), 110.0)
        self.roster.take(came(9, "fay"), 110.2)
        self.assertEqual((self.roster.is_known, self.nicks()), (True, ["ann", "bob"]))
        self.assertTrue(self.read(page(9, "ann", "dan", "fay"), now=110.5))
        self.assertEqual(self.nicks(), ["ann", "dan", "fay"])

    def test_a_pong_tells_of_a_lost_one(self) -> None:
        """The version of a Pong is above what came: read again. At or below it nothing is wanted."""
        self.roster.heard(5, 110.0)
        self.roster.heard(4, 110.0)
        self.assertIsNone(self.roster.next_timeout())
        self.roster.heard(6, 110.0)
        self.roster.heard(7, 110.3)
        self.assertEqual(self.roster.next_timeout(), 110.0 + AGAIN_SECONDS / 4)
        self.read(page(7, "bob"))
        self.assertEqual(self.nicks(), ["bob"])

    def test_two_readings_are_two_seconds_apart(self) -> None:
        """However fast changes are lost, a reading begins 2 s after the end of the one before."""
        self.roster.heard(6, 100.0)
        self.assertEqual(self.roster.next_timeout(), 100.0 + AGAIN_SECONDS)
        self.read(page(6, "ann"))
        self.roster.heard(7, 102.1)
        self.assertEqual(self.roster.next_timeout(), 102.0 + AGAIN_SECONDS)

    def test_known_while_it_is_read(self) -> None:
        """Changes go on top of the old lines, and are there for old pages too."""
        self.roster.heard(6, 110.0)
        self.assertEqual(self.roster.due(111.0), "")
        self.assertFalse(self.roster.page("", page(6, "ann", "cat", more=True), 111.0))
        self.assertEqual(self.roster.due(111.0), "cat")
        self.assertTrue(self.roster.take(came(6, "cat"), 111.1))
        self.assertTrue(self.roster.take(change(7, Change.LEFT, "ann"), 111.1))
        self.assertFalse(self.roster.take(change(9, Change.LEFT, "cat"), 111.1))
        self.assertTrue(self.roster.page("cat", page(8, "dan"), 111.2) is False)
        self.assertEqual(self.nicks(), ["bob", "cat"])  # 8 is missing, and the pages need it
        self.assertTrue(self.read(page(9, "bob", "dan")))

    def test_pages_that_are_older_than_the_lines(self) -> None:
        """All changes came meanwhile: the pages are for nothing, and take nothing back."""
        self.roster.heard(6, 110.0)
        self.roster.due(111.0)
        for told in (came(6, "cat"), came(7, "dan")):
            self.assertTrue(self.roster.take(told, 111.1))
        self.assertFalse(self.roster.page("", page(6, "ann", "bob", "cat"), 111.2))
        self.assertEqual(self.nicks(), ["ann", "bob", "cat", "dan"])
        self.assertTrue(self.roster.is_known)
        self.assertIsNone(self.roster.next_timeout())

    def test_joined_again(self) -> None:
        """That the version is the same says nothing: a room that was made again counts from 0."""
        self.roster.restart(5, 110.0)
        self.assertFalse(self.roster.is_known)
        self.assertTrue(self.read(page(5, "dan"), now=110.0))
        self.assertEqual(self.nicks(), ["dan"])

    def test_joined_while_pages_are_read(self) -> None:
        """What of the old counting is under way or kept is forgotten."""
        self.roster.heard(7, 110.0)
        self.roster.due(111.0)
        self.roster.page("", page(7, "ann", more=True), 111.0)
        self.roster.take(came(8, "eve"), 111.0)
        self.roster.restart(2, 111.0)
        self.assertFalse(self.roster.page("ann", page(7, "bob"), 111.0))
        self.assertTrue(self.read(page(2, "dan"), now=111.0))
        self.assertEqual(self.nicks(), ["dan"])
        self.assertIsNone(self.roster.next_timeout())

    def test_changes_are_bounded(self) -> None:
        """Behind a lost one no more than 512 wait; what was dropped is read."""
        for version in range(7, 7 + 2 * CHANGES_KEPT):
            self.assertFalse(self.roster.take(came(version, f"n{version}"), 110.0))
        self.assertTrue(self.roster.take(came(6, "cat"), 110.1))
        self.assertEqual(len(self.roster.lines), 3 + CHANGES_KEPT)
        self.assertEqual(self.roster.due(110.5), "")

    def test_lines_are_bounded(self) -> None:
        """However many a server says came, there is an end; those who are in the lines still change."""
        for version in range(6, 6 + MEMBERS):
            self.roster.take(came(version, f"n{version}"), 110.0)
        self.assertEqual(len(self.roster.lines), MEMBERS)
        self.roster.take(change(6 + MEMBERS, Change.AWAY, "ann"), 110.0)
        self.assertEqual(self.roster.lines["ann"], line("ann", is_away=True))


# --- any room, any network


class ModelRoom:
    """The room as the server has it, and as it was at every version."""

    def __init__(self) -> None:
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
        return NamesPage("r", tuple(found[:2]), len(self.lines), len(found) > 2, self.version)


class Reader:
    """A roster, a model room, and a network that a test disorders."""

    def __init__(self, count: int) -> None:
        self.room = ModelRoom()
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
        self.room, self.seen = ModelRoom(), 0
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


ACTS = ("change", "change", "tell", "tell", "tell twice", "lose", "wait", "ask", "ask", "answer", "answer")
RARE = ("pong", "join", "new server")
STORIES = st.lists(st.tuples(st.sampled_from(ACTS + RARE), st.integers(0, 200)), max_size=80)


class AnyOrderTests(SynchronousTestCase):
    """Whatever network and room do."""

    @given(st.integers(0, 8), STORIES)
    def test_known_is_true_and_comes(self, count: int, story: list[tuple[str, int]]) -> None:
        """Known lines were true at some version; once all is quiet two readings at most make them so now."""
        reader = Reader(count)
        for what, number in story:
            reader.act(what, number)
        reader.heal()
        self.assertTrue(reader.roster.is_known)
        self.assertEqual(reader.roster.lines, reader.room.lines)
        self.assertTrue(reader.readings <= 2)

    @given(st.integers(0, 8), st.lists(st.integers(0, 200), max_size=30))
    def test_without_loss_it_is_read_once(self, count: int, numbers: list[int]) -> None:
        """Whoever hears of every change in time reads nothing again."""
        reader = Reader(count)
        reader.heal()
        for number in numbers:
            reader.act("change", number)
            reader.act("tell", 0)
            self.assertEqual(reader.roster.lines, reader.room.lines)
        self.assertIsNone(reader.roster.next_timeout())
