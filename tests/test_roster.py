"""Tests of `chat.wire.roster`: pages and changes in any order in, who is in the room out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.fields import CROWD
from chat.messages import Change, NamesPage
from chat.wire.roster import AGAIN_SECONDS, CHANGES_KEPT, MEMBERS, PAGES, Roster
from tests.roster_support import Reader, RosterTests, came, change, line, page


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


class LargeRoomTests(RosterTests):
    """More are in the room than are told of each other."""

    def test_pages_of_several_versions(self) -> None:
        """What changed between them is told to nobody: they are taken, and read again until they agree."""
        pages = page(5, "ann", more=True, count=CROWD + 1), page(7, "bob", "dan", count=CROWD + 2)
        self.assertTrue(self.read(*pages))
        self.assertEqual((self.roster.is_known, self.nicks()), (True, ["ann", "bob", "dan"]))
        self.assertEqual(self.roster.next_timeout(), 100.0 + 2 * AGAIN_SECONDS)
        pages = page(7, "abe", more=True, count=CROWD + 2), page(7, "bob", "dan", count=CROWD + 2)
        self.assertTrue(self.read(*pages))
        self.assertEqual(self.nicks(), ["abe", "bob", "dan"])
        self.assertIsNone(self.roster.next_timeout())

    def test_no_larger_than_that(self) -> None:
        """In a room with one less they are not: who missed the change between them knows nothing."""
        self.assertFalse(self.read(page(5, "ann", more=True, count=CROWD), page(7, "bob", count=CROWD)))
        self.assertFalse(self.roster.is_known)
        self.assertEqual(self.roster.next_timeout(), 100.0 + AGAIN_SECONDS)

    def test_how_often(self) -> None:
        """After thirty pages of a large room the next reading begins a minute later, of a small one soon."""
        for count, begun, seconds in (
            (CROWD + 1, 1_000.0, 30 * AGAIN_SECONDS),
            (CROWD, 2_000.0, AGAIN_SECONDS),
        ):
            self.roster.restart(5, begun)
            pages = [page(5, f"n{number:02}", more=number < 29, count=count) for number in range(30)]
            self.assertTrue(self.read(*pages, now=begun))
            self.roster.heard(6, begun + 0.1)
            self.assertEqual(self.roster.next_timeout(), begun + seconds)

    def test_joined_again(self) -> None:
        """Who comes back knows nothing of the room, and waits no longer than in a small one."""
        self.read(*(page(5, f"n{number:02}", more=number < 29, count=CROWD + 1) for number in range(30)))
        self.roster.restart(5, 101.0)
        self.assertEqual(self.roster.next_timeout(), 101.0 + AGAIN_SECONDS)


# --- any room, any network


class LargeReader(Reader):
    """The same in a room that is so large that changes are told to nobody."""

    others = CROWD

    def act(self, what: str, number: int) -> None:
        """Let one thing happen; of a change at most the version is told."""
        super().act(what, number)
        if what == "change":
            self.changes.pop()
            if number % 2:
                self.roster.heard(self.room.version, self.now)

    def check(self) -> None:
        """Known lines may be of several versions: nothing is sure before the end."""


ACTS = ("change", "change", "tell", "tell", "tell twice", "lose", "wait", "ask", "ask", "answer", "answer")
RARE = ("pong", "join", "new server")
STORIES = st.lists(st.tuples(st.sampled_from(ACTS + RARE), st.integers(0, 200)), max_size=80)


class AnyOrderTests(SynchronousTestCase):
    """Whatever network and room do."""

    def live(self, reader: Reader, story: list[tuple[str, int]]) -> None:
        """Let a reader live through a story, and see that it knows the room at its end."""
        for what, number in story:
            reader.act(what, number)
        reader.heal()
        self.assertTrue(reader.roster.is_known)
        self.assertEqual(reader.roster.lines, reader.room.lines)
        self.assertTrue(reader.readings <= 2)

    @given(st.integers(0, 8), STORIES)
    def test_known_is_true_and_comes(self, count: int, story: list[tuple[str, int]]) -> None:
        """Known lines were true at some version; once all is quiet two readings at most make them so now."""
        self.live(Reader(count), story)

    @given(st.integers(0, 8), STORIES)
    def test_large_rooms(self, count: int, story: list[tuple[str, int]]) -> None:
        """Where no change is told, two readings at most show who is there, once all is quiet."""
        self.live(LargeReader(count), story)

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
