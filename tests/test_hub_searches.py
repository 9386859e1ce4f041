"""Tests of `chat.hub.searches`: who may search, how a search goes on, and what its answer looks like."""

from __future__ import annotations

from chat.fields import RESULT_BYTES, TEXT_BYTES
from chat.hub.effects import Effect, Seek, Send
from chat.hub.searches import AT_ONCE, EXCERPT, MORE, PAGE, STEPS
from chat.messages import LOBBY, Bye, Done, Entry, Join, Kind, Part
from chat.orders import Order
from chat.stored import Fact, Found
from tests.hub_support import ANN, BOB, DEN, HubTests, entry, hello, only, refusal

AT = 1_741_871_234_567  # 2025-03-13 13:07:14 UTC


def said(seq: int, text: str, kind: Kind = Kind.SAY, *, verified: bool = True) -> Entry:
    """Give an entry with a time."""
    return Entry(LOBBY, seq, 1, AT, kind, "ann", verified=verified, text=text)


def search(words: str = "", number: int = 9, room: str = LOBBY) -> Order:
    """Give the request."""
    return Order(number, "search", room, text=words)


def lines(effects: list[Effect]) -> list[str]:
    """Give the lines of the one answer, which fits a frame."""
    message = only(effects, Send).message
    assert isinstance(message, Done)
    assert isinstance(message.result, str)
    assert len(message.result.encode()) <= RESULT_BYTES
    return message.result.split("\n")


class SearchTests(HubTests):
    """Ann searches the lobby, in which much was said."""

    def setUp(self) -> None:
        """Let the room know of an entry at position 10."""
        super().setUp()
        self.hub.committed(self.fact_at(10))

    def fact_at(self, seq: int) -> Fact:
        """Give what a store tells of an entry at some position."""
        return Fact(BOB, 0, entry(seq), 0)

    def begin(self, words: str = "", number: int = 9) -> Seek:
        """Search; give what the store is asked."""
        return only(self.ask(ANN, search(words, number)), Seek)

    def found(self, seek: Seek, *entries: Entry, before: int = 0) -> list[Effect]:
        """Let the store have found something."""
        return self.hub.found(seek.token, Found(entries, before))

    def test_what_the_store_is_asked(self) -> None:
        """Each word once, without its capitals; the newest page."""
        seek = self.begin("Straße FAILED failed")
        self.assertEqual(seek[1:], (LOBBY, ("failed", "strasse"), None, PAGE))

    def test_an_answer(self) -> None:
        """A line for each, with its time, and a mark for who has shown no key."""
        effects = self.found(
            self.begin("a"),
            said(9, "at noon"),
            said(8, "waves", Kind.ME, verified=False),
            said(7, "tea", Kind.TOPIC),
        )
        self.assertEqual(
            lines(effects),
            [
                "2025-03-13 13:07Z ann: at noon",
                "2025-03-13 13:07Z * ~ann waves",
                "2025-03-13 13:07Z * ann set the topic: tea",
            ],
        )

    def test_nothing(self) -> None:
        """That nothing was found is said; said again without words, that there is nothing older."""
        self.assertEqual(lines(self.found(self.begin("a"))), ["nothing that is kept of lobby has that in it"])
        self.assertEqual(lines(self.ask(ANN, search())), ["nothing older is kept of lobby"])

    def test_steps(self) -> None:
        """The store is asked again until a page is full, or often enough; then the member goes on."""
        seek = self.begin("a")
        for step in range(1, STEPS):
            seek = only(self.found(seek, said(10 - step, "a"), before=10 - step), Seek)
            self.assertEqual(seek[1:], (LOBBY, ("a",), 10 - step, PAGE - step))
        answer = lines(self.found(seek, before=3))
        self.assertEqual((len(answer), answer[-1]), (STEPS, MORE))
        self.assertEqual(self.begin(number=10)[1:], (LOBBY, ("a",), 3, PAGE))

    def test_nothing_yet(self) -> None:
        """Who has to go on is told so."""
        seek = self.begin("a")
        for _ in range(STEPS - 1):
            seek = only(self.found(seek, before=5), Seek)
        self.assertIn(MORE, lines(self.found(seek, before=5))[0])

    def test_a_page(self) -> None:
        """A full page is answered at once, and the next begins behind what was shown."""
        self.hub.committed(self.fact_at(1_000))
        entries = [said(1_000 - number, "a") for number in range(PAGE)]
        answer = lines(self.found(self.begin("a"), *entries, before=entries[-1].seq))
        self.assertEqual((len(answer), answer[-1]), (PAGE + 1, MORE))
        self.assertEqual(self.begin(number=10).before, entries[-1].seq)

    def test_long_texts(self) -> None:
        """What does not fit one answer is the next page's, whatever it is made of."""
        self.hub.committed(self.fact_at(1_000))
        for number, filler in enumerate(("x", "\u00e9", "\u20ac", "\U0001f600")):
            text = filler * ((TEXT_BYTES - 6) // len(filler.encode())) + "needle"
            entries = [said(1_000 - n, text) for n in range(PAGE)]
            answer = lines(self.found(self.begin("needle", 20 + 2 * number), *entries))
            self.assertEqual(answer[-1], MORE)
            for line in answer[:-1]:
                self.assertLess(len(line), EXCERPT + 40)
                self.assertTrue(line.endswith("needle"), line)
            seek = self.begin(number=21 + 2 * number)
            self.assertEqual(seek.before, entries[len(answer) - 2].seq)
            self.found(seek)

    def test_pieces(self) -> None:
        """A piece begins a little before the word, and what is left out is marked."""
        text = "a" * 200 + " needle " + "b" * 200
        (line,) = lines(self.found(self.begin("needle"), said(9, text)))
        self.assertRegex(line, r": …a+ needle b+…$")
        (line,) = lines(self.found(self.begin("needle"), said(9, text[200:])))
        self.assertRegex(line, r":  needle b+…$")
        (line,) = lines(self.found(self.begin("needle"), said(9, text[:207])))
        self.assertRegex(line, r": …a+ needle$")

    def test_what_was_not_told_yet(self) -> None:
        """A store may be ahead of its facts: what the room was not told of is not found."""
        (line,) = lines(self.found(self.begin("a"), said(11, "a secret"), said(10, "a word")))
        self.assertIn("a word", line)

    def test_who_may(self) -> None:
        """Members of the room only, when they ask, and when the answer comes."""
        self.assertEqual(refusal(self.ask(ANN, search("a", room=DEN))), (9, "NOT_IN_ROOM", 0.0))
        seek = self.begin("a")
        self.ask(ANN, Part(10, LOBBY))
        self.assertEqual(refusal(self.found(seek, said(9, "a"))), (9, "NOT_IN_ROOM", 0.0))

    def test_for_what(self) -> None:
        """Who was in no search of this room cannot go on with one."""
        self.assertEqual(refusal(self.ask(ANN, search())), (9, "ARGUMENT_MISSING", 0.0))
        self.found(self.begin("a"), before=0)
        self.enter("eve", b"e" * 16, DEN)
        self.ask(ANN, Join(10, DEN))
        self.assertEqual(refusal(self.ask(ANN, search(room=DEN))), (9, "ARGUMENT_MISSING", 0.0))

    def test_one_at_a_time(self) -> None:
        """A member has one under way; the answer to one that a later session does not wait for is none."""
        seek = self.begin("a")
        self.assertEqual(refusal(self.ask(ANN, search("b", 10))), (10, "BUSY", 1.0))
        self.ask(ANN, hello("ann", ANN))
        self.assertEqual(self.found(seek, said(9, "a")), [])
        seek = self.begin("b", 1)
        self.ask(ANN, hello("ann", ANN))
        self.assertEqual(self.hub.failed(seek.token), [])

    def test_the_most(self) -> None:
        """So many are under way at once that others' reads have their turn."""
        for number in range(AT_ONCE):
            client = bytes([number]) * 16
            self.enter(f"eve{number}", client)
            only(self.ask(client, search("a")), Seek)
        self.assertEqual(refusal(self.ask(ANN, search("a"))), (9, "BUSY", 1.0))

    def test_failure(self) -> None:
        """What the store could not do is told; then another may be asked."""
        seek = self.begin("a")
        self.assertEqual(refusal(self.hub.failed(seek.token)), (9, "STORE_FAILED", 1.0))
        self.begin("a", 10)

    def test_who_has_gone(self) -> None:
        """Nobody is told."""
        first = self.begin("a")
        self.ask(ANN, Bye("bye"))
        self.assertEqual(self.found(first, said(9, "a")), [])
        self.enter("ann", ANN)
        second = self.begin("a")
        self.ask(ANN, Bye("bye"))
        self.assertEqual(self.hub.failed(second.token), [])
