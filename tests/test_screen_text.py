"""Tests of how wide text is on a terminal, and of what is cut and wrapped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.text import clusters, cut, cut_row, fit, row_text, steady, width, wrap
from chat.safety import clean_text

TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("ab  漢字é\u0301👩\u200d🇩🇪🏽❤\ufe0f")),
    max_size=60,
).map(clean_text)


class WidthTests(SynchronousTestCase):
    """How many columns a text takes."""

    def test_width(self) -> None:
        """A letter takes one column, a mark none, East Asian characters and emoji two."""
        self.assertEqual(width("abc"), 3)
        self.assertEqual(width("e\u0301"), 1)
        self.assertEqual(width("漢字"), 4)
        self.assertEqual(width("👍"), 2)

    def test_clusters(self) -> None:
        """A base and its marks are one piece."""
        self.assertEqual(list(clusters("ae\u0301\u0302漢")), ["a", "e\u0301\u0302", "漢"])
        self.assertEqual(list(clusters("")), [])

    def test_pictures(self) -> None:
        """What terminals disagree on stands there as its parts: families, flags, tones and variants."""
        self.assertEqual(steady("a 👩\u200d👩\u200d👧 b"), "a 👩👩👧 b")
        self.assertEqual(steady("🇩🇪"), "DE")
        self.assertEqual(steady("👍🏽 ❤\ufe0f"), "👍 ❤")
        self.assertEqual(steady("क\u094d\u200dष"), "क\u094d\u200dष")  # letters are joined as they were


class CuttingTests(SynchronousTestCase):
    """Text in so many columns."""

    def test_cut(self) -> None:
        """What does not fit ends in an ellipsis, and never in half of a wide character."""
        self.assertEqual(cut("hello", 5), "hello")
        self.assertEqual(cut("hello", 4), "hel…")
        self.assertEqual(cut("漢字漢字", 6), "漢字…")
        self.assertEqual(cut("hello", 0), "")

    def test_fit(self) -> None:
        """What is too short is filled up."""
        self.assertEqual(fit("漢", 4), "漢  ")
        self.assertEqual(fit("漢字", 2), "… ")

    @given(TEXTS, st.integers(0, 30))
    def test_fit_is_exact(self, text: str, columns: int) -> None:
        """Whatever the text is, it takes exactly the columns that it is to take."""
        self.assertEqual(width(fit(text, columns)), columns)

    @given(st.lists(st.tuples(st.just(""), TEXTS), max_size=4), st.integers(1, 30))
    def test_a_row_is_exact(self, row: list[tuple[str, str]], columns: int) -> None:
        """The same holds of a row of several pieces."""
        self.assertEqual(width(row_text(cut_row(row, columns))), columns)


class WrappingTests(SynchronousTestCase):
    """Text in lines."""

    def test_words(self) -> None:
        """A line breaks between words; what stands between them goes with the break."""
        self.assertEqual(wrap("one two  three", 8), ["one two", "three"])
        self.assertEqual(wrap("", 8), [""])
        self.assertEqual(wrap("abc", 3), ["abc"])

    def test_a_long_word(self) -> None:
        """A word longer than a line breaks where the line ends, but not between a base and its mark."""
        self.assertEqual(wrap("see http://example/abc now", 10), ["see", "http://exa", "mple/abc", "now"])
        self.assertEqual(wrap("aae\u0301aa", 3), ["aae\u0301", "aa"])

    def test_wide(self) -> None:
        """Wide characters count two columns."""
        self.assertEqual(wrap("漢字漢字漢", 5), ["漢字", "漢字", "漢"])

    @given(TEXTS, st.integers(2, 30))
    def test_nothing_is_lost(self, text: str, columns: int) -> None:
        """No line is too long, and all but white space is there, in its order."""
        lines = wrap(text, columns)
        self.assertTrue(all(width(line) <= columns for line in lines))
        self.assertEqual("".join("".join(lines).split()), "".join(text.split()))
