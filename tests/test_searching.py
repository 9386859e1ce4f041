"""Tests of searching a room in both stores: whatever is looked for, each finds what is there."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import LOBBY, Kind
from chat.store.interface import LOOKED_AT
from chat.store.memory import MemoryStore
from chat.store.searching import search
from chat.store.tables import Tables
from chat.stored import Draft, Found
from tests.store_case import ANN, START

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _Case
else:
    _Case = object  # the contract alone is no test case

OTHER = "other"
# What wildcards and capitals make of them differs: two S, Kelvin's sign, what folds to more characters.
HARD = "aAkKsSé\u00c9%_\\ß\u212a\u0130 "

TEXTS = st.lists(st.text(HARD, max_size=6), max_size=6)
WORDS = st.lists(st.text(HARD, min_size=1, max_size=3))


class SearchContract(_Case):
    """What every store promises of searching."""

    def keep(self, *texts: str, room: str = LOBBY) -> None:
        """Let texts be said in a room."""
        drafts = [Draft(ANN, 0, room, Kind.SAY, "ann", verified=True, text=text) for text in texts]
        self.append(drafts)

    def append(self, drafts: list[Draft]) -> None:
        """Let the store have them."""
        raise NotImplementedError

    def search(self, words: Sequence[str], before: int | None = None, limit: int = 20) -> Found:
        """Search the lobby."""
        raise NotImplementedError

    def texts(self, *words: str, limit: int = 20) -> list[str]:
        """Give all that is found, however many steps it takes."""
        found = self.search(words, None, limit)
        entries = [*found.entries]
        while found.before:
            found = self.search(words, found.before, limit)
            entries += found.entries
        return [entry.text for entry in entries]

    def test_words(self) -> None:
        """All words have to be there, as parts of words too, in capitals or not; the newest comes first."""
        self.keep("Deploy failed", "the deploy is done", "nothing", "DEPLOYED: failed again")
        self.keep("deploy failed", room=OTHER)
        self.assertEqual(self.texts("deploy", "failed"), ["DEPLOYED: failed again", "Deploy failed"])
        self.assertEqual(self.texts("done"), ["the deploy is done"])
        self.assertEqual(self.texts("deployment"), [])

    def test_no_entries(self) -> None:
        """A room in which nobody spoke has nothing, and nothing older."""
        self.keep("hi", room=OTHER)
        self.assertEqual(self.search(("hi",)), Found((), 0))

    def test_pages(self) -> None:
        """A page ends at the limit, and the next begins behind it; none is missing and none comes twice."""
        self.keep(*[f"text {number}" for number in range(50)])
        for limit in (1, 7, 20, 50, 60):
            self.assertEqual(self.texts("text", limit=limit), [f"text {n}" for n in reversed(range(50))])

    def test_steps(self) -> None:
        """However many entries there are, one step looks at so many; the next goes on below."""
        texts = [f"text {number}" for number in range(LOOKED_AT + 1)]
        self.keep("needle", *texts)
        found = self.search(("needle",))
        self.assertEqual(found.entries, ())
        last = self.search(("needle",), found.before)
        self.assertEqual(([entry.text for entry in last.entries], last.before), (["needle"], 0))
        self.assertEqual(len(self.search(("text",), limit=LOOKED_AT).entries), LOOKED_AT)

    def look_for(self, texts: list[str], words: list[str]) -> None:
        """Check that what is found is what a look at each text finds."""
        self.setUp()  # for each example
        folded = [word.casefold() for word in words]
        self.keep(*texts)
        expected = [text for text in reversed(texts) if all(word in text.casefold() for word in folded)]
        self.assertEqual(self.texts(*folded), expected)


class MemoryTests(SearchContract, SynchronousTestCase):
    """The memory store."""

    def setUp(self) -> None:
        """Make one."""
        self.memory = MemoryStore(lambda: START, kept=2 * LOOKED_AT)

    def append(self, drafts: list[Draft]) -> None:
        """Let it have drafts."""
        for draft in drafts:
            self.successResultOf(self.memory.append(draft, 0))

    def search(self, words: Sequence[str], before: int | None = None, limit: int = 20) -> Found:
        """Search it."""
        return self.successResultOf(self.memory.search(LOBBY, words, before, limit))

    @given(TEXTS, WORDS)
    def test_hard_texts(self, texts: list[str], words: list[str]) -> None:
        """Capitals are what Unicode says."""
        self.look_for(texts, words)


class SqliteTests(SearchContract, SynchronousTestCase):
    """The tables of the SQLite store."""

    def setUp(self) -> None:
        """Make a file."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = self.path = Path(folder.name) / "chat.db"
        self.tables, self.view = Tables(path, START), Tables(path, START, is_reader=True)
        self.addCleanup(self.tables.close)
        self.addCleanup(self.view.close)

    def append(self, drafts: list[Draft]) -> None:
        """Write them at once."""
        self.tables.append([(draft, 0) for draft in drafts], START)

    def search(self, words: Sequence[str], before: int | None = None, limit: int = 20) -> Found:
        """Search beside who writes."""
        return self.view.search(LOBBY, words, before, limit)

    @given(TEXTS, WORDS)
    def test_hard_texts(self, texts: list[str], words: list[str]) -> None:
        """What SQLite may take for a pattern, and what only Unicode knows to be the same, changes nothing."""
        self.look_for(texts, words)

    def test_no_patterns(self) -> None:
        """No text is held against a pattern: whoever fills a room with one letter would make that slow."""
        self.keep("a" * 900, "a" * 299 + "b")
        asked: set[str] = set()

        def note(action: int, _: str | None, name: str | None, *__: object) -> int:
            if action == sqlite3.SQLITE_FUNCTION:
                asked.add(str(name))
            return sqlite3.SQLITE_OK

        connection = sqlite3.connect(self.path)
        self.addCleanup(connection.close)
        connection.set_authorizer(note)
        rows, _ = search(connection, LOBBY, ("a" * 299 + "b",), None, 20)
        self.assertEqual([row[-1] for row in rows], ["a" * 299 + "b"])
        self.assertEqual(asked & {"like", "glob", "regexp"}, set())
