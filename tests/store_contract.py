"""What every store promises, as tests: a store's own test case inherits them and says how to make one."""

from __future__ import annotations

from msgspec.structs import replace

from chat.errors import StoreError
from chat.messages import DIRECT, LOBBY, Kind
from chat.notices import REDACTED
from chat.store.interface import READ_LIMIT
from chat.stored import Appended, Draft, Fact, Heads, Page, Repeat, RoomHeads, Stale
from tests.store_case import (
    ANN,
    BOB,
    HOUR,
    KEPT_ENTRIES,
    KEPT_RESULTS,
    LARGEST,
    START,
    StoreCase,
    draft,
    drafted,
)


class StoreContract(StoreCase):
    """What a store promises.

    The tests of restarts are those of a store that keeps what it accepted; one that does not says instead
    what is true of it.
    """

    # --- appending

    def test_positions(self) -> None:
        """Positions rise over the whole store; each entry names the one before it in its room."""
        base = self.heads().base
        self.append(1, 0)
        self.append(1, 0, BOB, "other")
        self.append(2, 1)
        self.append(2, 1, BOB, "other")
        self.assert_a_log()
        for fact in self.told[:2]:
            self.assertEqual(fact.entry.seq - fact.entry.back, base)
        self.assertEqual(self.told[0].entry.at, int(START * 1000))

    def test_whose_it_is(self) -> None:
        """A fact carries its client, its number and all of its draft; the answer names the same position."""
        asked = [
            Draft(ANN, 1, "dev", Kind.ME, "Ann", verified=True, text="wavès"),
            Draft(BOB, 7, DIRECT, Kind.SAY, "bob", verified=False, text="psst", reader=b"\x00reader\xff"),
        ]
        results = [self.successResultOf(self.store.append(draft, 0)) for draft in asked]
        self.assertEqual([drafted(fact) for fact in self.told], asked)
        self.assertEqual(results, [Appended(seq) for seq in self.seqs()])
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, 0))
        self.assertEqual(late, self.told)

    def test_repeats(self) -> None:
        """The same number again writes nothing and tells where it went; of very old ones no more."""
        first = self.append(1, 0)
        assert isinstance(first, Appended)
        self.assertEqual(self.append(1, 0), Repeat(first.seq, is_same=True))
        for n in range(2, KEPT_RESULTS + 1):
            self.append(n, n - 1)
        self.assertEqual(self.append(1, 0), Repeat(first.seq, is_same=True))
        self.append(KEPT_RESULTS + 1, KEPT_RESULTS)
        self.assertEqual(self.append(1, 0), Repeat(0))
        self.assertEqual(len(self.told), KEPT_RESULTS + 1)

    def test_another_text_with_the_same_number(self) -> None:
        """A repeat says whether it is one: another room, kind or text is none. Who says it does not count."""
        first = self.append(1, 0)
        assert isinstance(first, Appended)
        renamed = Draft(ANN, 1, LOBBY, Kind.SAY, "Ann-2", verified=True, text="text 1")
        for again, is_same in (
            (draft(1, room="other"), False),
            (draft(1, kind=Kind.ME), False),
            (draft(1, text="text 2"), False),
            (renamed, True),
        ):
            result = self.successResultOf(self.store.append(again, 0))
            self.assertEqual(result, Repeat(first.seq, is_same), again)
        self.assertEqual(len(self.told), 1)

    def test_a_repeat_to_one_person(self) -> None:
        """To whom a nick belongs by now does not count: all logs of direct messages are one room for that."""
        first = self.append(1, 0, room="@ann")
        second = self.append(2, 1, room="other")
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        for n, room, text, expected in (
            (1, "@ann", "", Repeat(first.seq)),
            (1, "@eve", "", Repeat(first.seq)),
            (1, DIRECT, "", Repeat(first.seq)),
            (1, "@ann", "another", Repeat(first.seq, is_same=False)),
            (1, "ann", "", Repeat(first.seq, is_same=False)),
            (2, "@other", "", Repeat(second.seq, is_same=False)),
        ):
            result = self.successResultOf(self.store.append(draft(n, room=room, text=text), 2))
            self.assertEqual(result, expected, (n, room, text))
        self.assertEqual(len(self.told), 2)
        self.assertEqual(len(self.read(room="@ann").entries), 1)
        self.assertEqual(self.read(room="@eve").entries, ())

    def test_a_number_is_passed_over(self) -> None:
        """Numbers may skip (a refused text has one), as long as the caller knows the newest stored."""
        self.append(1, 0)
        self.assertIsInstance(self.append(5, 1), Appended)
        self.assertEqual(self.append(3, 1), Repeat(0))

    def test_stale(self) -> None:
        """A caller that believes another number is told the stored one, and nothing is written."""
        self.append(4, 0)
        self.assertEqual(self.append(6, 5), Stale(4))
        self.assertEqual(self.append(6, 0), Stale(4))
        self.assertEqual(self.append(6, 5, BOB), Stale(0))
        self.assertEqual(len(self.told), 1)

    def test_without_a_number(self) -> None:
        """A topic has number 0: it is written each time, and its client's numbers are as they were."""
        self.append(3, 0)
        for last in (0, 3, 7):
            topic = draft(0, text="be nice", kind=Kind.TOPIC)
            self.assertIsInstance(self.successResultOf(self.store.append(topic, last)), Appended)
        self.assertEqual([(fact.n, fact.entry.kind) for fact in self.told[1:]], [(0, Kind.TOPIC)] * 3)
        self.assertIsInstance(self.append(4, 3), Appended)
        self.assert_a_log()

    def test_concurrent_appends(self) -> None:
        """Appends that do not wait for one another get positions in the order they were asked in."""
        waiting = [self.store.append(draft(1, bytes([number]) * 16), 0) for number in range(100)]
        results = [self.successResultOf(each) for each in waiting]
        self.assertEqual([fact.client[0] for fact in self.told], list(range(100)))
        self.assertEqual(results, [Appended(seq) for seq in self.seqs()])
        self.assert_a_log()

    def test_the_same_number_twice_at_once(self) -> None:
        """Of two appends of one number, one is written and the other is its repeat."""
        one, two = self.store.append(draft(1), 0), self.store.append(draft(1), 0)
        first, second = self.successResultOf(one), self.successResultOf(two)
        assert isinstance(first, Appended)
        self.assertEqual(second, Repeat(first.seq))
        self.assertEqual(len(self.told), 1)

    # --- reading

    def test_reading_at_both_ends(self) -> None:
        """Both bounds are exclusive; after: the oldest first; else: the newest; always ascending."""
        for n in range(1, 7):
            self.append(n, n - 1)
            self.append(n, n - 1, BOB, "other")
        one, _, three, *_, six = self.seqs()[::2]
        for page, texts in (
            (self.read(after=0, limit=2), [1, 2]),
            (self.read(after=one, limit=2), [2, 3]),
            (self.read(after=one - 1, limit=1), [1]),
            (self.read(before=six, limit=2), [4, 5]),
            (self.read(before=six + 1, limit=2), [5, 6]),
            (self.read(after=one, before=three), [2]),
            (self.read(after=one, before=six, limit=2), [2, 3]),
            (self.read(after=three, before=one), []),
            (self.read(limit=2), [5, 6]),
            (self.read(before=six, limit=0), []),
            (self.read(after=0, limit=0), []),
            (self.read(after=six), []),
            (self.read(before=one), []),
        ):
            self.assertEqual([entry.text for entry in page.entries], [f"text {n}" for n in texts])
            self.assertEqual(page.head, six)
        told = tuple(fact.entry for fact in self.told if fact.entry.room == "other")
        self.assertEqual(self.read(room="other").entries, told)

    def test_trimming(self) -> None:
        """The newest entries are kept; the floor is the newest that is not, and what is read follows it."""
        for n in range(1, KEPT_ENTRIES + 100):
            self.append(n, n - 1)
        page = self.read(after=0, limit=10_000)
        self.assertEqual(len(page.entries), READ_LIMIT)
        self.assertEqual(page.entries[0].seq - page.entries[0].back, page.floor)
        self.assertEqual(page.head, self.seqs()[-1])
        newest = self.read(limit=10_000).entries
        self.assertEqual([entry.seq for entry in newest], self.seqs()[-READ_LIMIT:])

    def test_floors(self) -> None:
        """Each fact says what its room had lost by then: the same that the room says when it is asked."""
        for n in range(1, KEPT_ENTRIES + 100):
            self.append(n, n - 1)
            fact = self.told[-1]
            self.assertEqual(self.read(limit=1), Page(fact.floor, fact.entry.seq, (fact.entry,)))
            self.assertLessEqual(fact.floor, fact.entry.seq - fact.entry.back)
        floors = [fact.floor for fact in self.told]
        self.assertEqual(floors, sorted(floors))

    def test_heads(self) -> None:
        """Floor and head of every room that has entries; any other is empty at the base."""
        base = self.heads().base
        page = self.read()
        self.assertEqual((page.floor, page.head, page.entries), (base, base, ()))
        self.append(1, 0)
        self.append(2, 5, room="nothing was written here")
        self.append(2, 1, room="other")
        one, two = self.seqs()
        self.assertEqual(
            self.heads(), Heads(base, {LOBBY: RoomHeads(base, one), "other": RoomHeads(base, two)})
        )

    def test_topics(self) -> None:
        """A room's topic is the text of its newest entry of that kind, whether that is still kept or not."""
        for room, text in ((LOBBY, "tea"), ("other", "cakes"), ("other", "more cakes"), ("third", "")):
            self.set_topic(room, text)
        self.append(1, 0)
        self.assertEqual(self.topics(), {LOBBY: "tea", "other": "more cakes", "third": ""})
        for n in range(2, KEPT_ENTRIES + 100):
            self.append(n, n - 1)
        self.set_topic("other", "")
        self.assertEqual(self.topics(), {LOBBY: "tea", "other": "", "third": ""})

    # --- taking away

    def redact(self, seq: int, room: str = LOBBY) -> bool:
        """Take a text away; say whether it was kept."""
        return self.successResultOf(self.store.redact(room, seq))

    def test_a_redacted_entry_keeps_its_place(self) -> None:
        """Nothing of it changes but its text, by whatever way it is asked for; nobody is told."""
        for n in range(1, 4):
            self.append(n, n - 1)
        one, two, three = (fact.entry for fact in self.told)
        self.assertTrue(self.redact(two.seq))
        without = replace(two, text=REDACTED)
        self.assertEqual(self.read().entries, (one, without, three))
        self.assertEqual(self.read(after=one.seq, before=three.seq).entries, (without,))
        found = self.successResultOf(self.store.search(LOBBY, ("text",), None, 9))
        self.assertEqual([entry.seq for entry in found.entries], [three.seq, one.seq])
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, one.seq))
        self.assertEqual([fact.entry for fact in late], [without, three])
        self.assertEqual(len(self.told), 3)

    def test_a_repeat_of_what_was_redacted(self) -> None:
        """It was stored, at its position, and it was this text: nothing is stored again."""
        result = self.append(1, 0)
        assert isinstance(result, Appended)
        self.redact(result.seq)
        self.assertEqual(self.append(1, 0), Repeat(result.seq))
        other = self.successResultOf(self.store.append(draft(1, text=REDACTED), 0))
        self.assertEqual(other, Repeat(result.seq, is_same=False))

    def test_what_cannot_be_redacted(self) -> None:
        """What is not kept, and what is in another room; twice does no harm."""
        self.append(1, 0)
        (seq,) = self.seqs()
        self.assertFalse(self.redact(seq, "other"))
        self.append(1, 0, BOB, "other")
        self.assertFalse(self.redact(seq, "other"))
        self.assertFalse(self.redact(seq + 5))
        self.assertFalse(self.redact(seq - 1))
        self.assertEqual(self.read().entries, (self.told[0].entry,))
        self.assertEqual([self.redact(seq), self.redact(seq)], [True, True])

    # --- memos

    def test_remembering(self) -> None:
        """The newest value under a key is the only one; what is to be forgotten is, known or not."""
        self.assertEqual(self.remembered(), {})
        self.remember({"a": b"1", "b": b"\x00\xff", "owner:caf\u00e9": b"", "gone": None})
        self.assertEqual(self.remembered(), {"a": b"1", "b": b"\x00\xff", "owner:caf\u00e9": b""})
        self.remember({"a": b"2", "b": None})
        self.remember({})
        self.assertEqual(self.remembered(), {"a": b"2", "owner:caf\u00e9": b""})

    def test_remembering_much(self) -> None:
        """Thousands of keys at once; what was asked for is not the store's own copy."""
        many = {f"key {number}": bytes(number % 300) for number in range(5_000)}
        self.remember(many)
        kept = self.remembered()
        self.assertEqual(kept, many)
        kept.clear()
        self.remember({f"key {number}": None for number in range(4_999)})
        self.assertEqual(self.remembered(), {"key 4999": many["key 4999"]})

    def test_as_it_was_when_asked(self) -> None:
        """What becomes of a change after it was given does not count; those that overlap keep their order."""
        changes: dict[str, bytes | None] = {"a": b"1"}
        waiting = [self.store.remember(changes)]
        changes["a"] = b"2"
        changes["b"] = b"2"
        waiting.append(self.store.remember({"c": b"3"}))
        waiting.append(self.store.remember({"c": None, "d": b"4"}))
        for each in waiting:
            self.successResultOf(each)
        self.assertEqual(self.remembered(), {"a": b"1", "d": b"4"})

    # --- listening

    def test_subscribing_late(self) -> None:
        """A subscriber is first told of what is above the position it names, over all rooms, in order."""
        for n in range(1, 5):
            self.append(n, n - 1, room=LOBBY if n % 2 else "other")
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, self.seqs()[0]))
        self.assertEqual(late, self.told[1:])
        self.append(5, 4)
        self.assertEqual([fact.n for fact in late], [2, 3, 4, 5])

    def test_told_before_answered(self) -> None:
        """The subscriber hears of a fact before its author has the answer."""
        order: list[str] = []
        self.successResultOf(self.store.subscribe(lambda _: order.append("told"), LARGEST))
        answered = self.store.append(draft(1), 0).addCallback(lambda _: order.append("answered"))
        self.successResultOf(answered)
        self.assertEqual(order, ["told", "answered"])

    # --- ending and starting again

    def test_restarts(self) -> None:
        """A start begins a new run, above all others, a millisecond after it ended; twice in a row."""
        for run in range(3):
            for n in range(1, 500):
                self.append(n, n - 1, bytes([run]) * 16)
            self.restart(0.0015)  # a float so large is exact to a quarter of a microsecond only
        self.assertEqual(len(self.told), 3 * 499)
        self.assertEqual(self.seqs(), sorted(set(self.seqs())))
        self.assertLess(self.seqs()[-1], LARGEST)

    def test_a_clock_that_cannot_be_trusted(self) -> None:
        """Runs rise though no time passes between two starts, and though the clock is set back."""
        for run, later in enumerate((0.0, 0.0, -HOUR, 0.001, 0.0)):
            for n in range(1, 4):
                self.append(n, n - 1, bytes([run]) * 16, room=LOBBY if n % 2 else "other")
            self.restart(later)
        self.assertEqual(len(self.told), 5 * 3)
        self.assert_a_log()

    def test_what_was_accepted_is_kept(self) -> None:
        """Entries, floors, heads, numbers and results outlive the store; nothing is told twice."""
        for n in range(1, KEPT_ENTRIES + 100):
            self.append(n, n - 1)
        self.append(1, 0, BOB, "other")
        pages = [self.read(), self.read(room="other"), self.read(after=0), self.read(room="unknown")]
        heads, told = self.heads(), len(self.told)
        self.restart(1.0)
        self.assertEqual(self.heads(), heads)
        self.assertEqual(
            [self.read(), self.read(room="other"), self.read(after=0), self.read(room="unknown")], pages
        )
        newest = KEPT_ENTRIES + 99
        self.assertEqual(self.append(newest, 0), Repeat(self.seqs()[-2]))
        different = self.successResultOf(self.store.append(draft(newest, text="another"), 0))
        self.assertEqual(different, Repeat(self.seqs()[-2], is_same=False))
        self.assertEqual(self.append(newest + 1, 0), Stale(newest))
        self.assertEqual(len(self.told), told)

    def test_topics_and_memos_are_kept(self) -> None:
        """They outlive the store, in whatever room, and what was taken away or forgotten stays away."""
        self.set_topic(LOBBY, "tea")
        self.set_topic("other", "cakes")
        self.set_topic("other", "")
        self.append(1, 0, room="@log")
        self.remember({"a": b"1", "b": b"2"})
        self.remember({"a": None, "c": b"\x00"})
        for later in (1.0, 0.0, -HOUR):
            self.restart(later)
            self.assertEqual(self.topics(), {LOBBY: "tea", "other": "", "@log": ""})
            self.assertEqual(self.remembered(), {"b": b"2", "c": b"\x00"})

    def test_whom_it_is_for_is_kept(self) -> None:
        """A fact that is told after a restart names its one reader, too."""
        asked = Draft(ANN, 1, DIRECT, Kind.SAY, "ann", verified=False, text="psst", reader=BOB)
        self.successResultOf(self.store.append(asked, 0))
        self.restart(1.0)
        late: list[Fact] = []
        self.successResultOf(self.store.subscribe(late.append, 0))
        self.assertEqual([drafted(fact) for fact in late], [asked])

    def test_the_first_entry_of_a_run(self) -> None:
        """It names the newest that was kept of its room, or the base if there was none."""
        base = self.heads().base
        self.append(1, 0)
        self.append(1, 0, BOB, "other")
        self.append(2, 1, BOB, "other")
        self.restart(1.0)
        self.append(2, 1)
        self.append(3, 2, BOB, "other")
        self.append(4, 3, BOB, "new")
        one, _, two, *_ = self.seqs()
        before = [fact.entry.seq - fact.entry.back for fact in self.told[3:]]
        self.assertEqual(before, [one, two, base])

    def test_closed(self) -> None:
        """A closed store takes nothing, gives nothing and tells nobody."""
        self.successResultOf(self.store.close())
        self.failureResultOf(self.store.append(draft(1), 0), StoreError)
        self.failureResultOf(self.store.read(LOBBY, None, None, 1), StoreError)
        self.failureResultOf(self.store.search(LOBBY, ("hi",), None, 1), StoreError)
        self.failureResultOf(self.store.heads(), StoreError)
        self.failureResultOf(self.store.redact(LOBBY, 1), StoreError)
        self.failureResultOf(self.store.subscribe(self.told.append, 0), StoreError)
        self.failureResultOf(self.store.remember({"a": b""}), StoreError)
        self.failureResultOf(self.store.remembered(), StoreError)
        self.assertEqual(self.told, [])
