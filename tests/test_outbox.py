"""Tests of `chat.wire.outbox`: a client's texts leave in their order and keep their numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import IN_FLIGHT
from chat.messages import Kind, Say
from chat.wire.outbox import NUMBERS_OPEN, REMEMBERED, UNSETTLED, Outbox


def everywhere(room: str) -> bool:  # noqa: ARG001
    """Let texts leave for any room."""
    return True


class SendingTests(SynchronousTestCase):
    """Which texts are sent, and when."""

    def setUp(self) -> None:
        """Begin with a new client id."""
        self.box = Outbox()

    def add(self, count: int, room: str = "r") -> None:
        """Say something."""
        for _ in range(count):
            self.box.add(room, Kind.SAY, "hi")

    def due(self, now: float = 0.0) -> list[tuple[int, int, bool]]:
        """Give (number, back, sent before) of what is to be sent now."""
        return [(say.n, say.back, again) for say, again in self.box.due(now, everywhere)]

    def test_numbers(self) -> None:
        """Texts count from 1, and are sent once with what was said, where and how."""
        self.assertEqual(self.box.add("r", Kind.ME, "waves"), 1)
        self.assertEqual(self.box.add("s", Kind.SAY, "hi"), 2)
        self.assertEqual(
            list(self.box.due(0.0, everywhere)),
            [(Say(1, 1, "r", Kind.ME, "waves"), False), (Say(1, 2, "s", Kind.SAY, "hi", 1), False)],
        )
        self.assertEqual(self.due(1e9), [])
        self.assertEqual((len(self.box), self.box.rooms()), (2, {"r", "s"}))
        self.assertIsNone(self.box.next_timeout())

    def test_back_names_the_newest_unsettled(self) -> None:
        """What is settled is not waited for: `back` skips it; 0 says that nothing is open below."""
        self.add(4)
        self.assertEqual(self.due(), [(1, 0, False), (2, 1, False), (3, 1, False), (4, 1, False)])
        for n in (1, 3, 4):
            self.box.settle(n, 10 + n)
        self.add(1)
        self.assertEqual(self.due(), [(5, 3, False)])
        self.box.settle(2, 12)
        self.box.settle(5, 15)
        self.add(1)
        self.assertEqual(self.due(), [(6, 0, False)])

    def test_eight_under_way(self) -> None:
        """No more than a session may have in flight; one goes for each that is settled."""
        self.add(IN_FLIGHT + 3)
        self.assertEqual([n for n, _, _ in self.due()], list(range(1, IN_FLIGHT + 1)))
        self.assertEqual(self.due(), [])
        self.box.settle(5)
        self.assertEqual(self.due(), [(IN_FLIGHT + 1, 1, False)])

    def test_sixteen_numbers_open(self) -> None:
        """A store keeps 16 results of a client: none goes further above the oldest without an answer."""
        self.add(NUMBERS_OPEN + 3)
        last = 0
        for _ in range(NUMBERS_OPEN):
            for n, _, _ in self.due():
                last = n
                if n != 1:
                    self.box.settle(n)
        self.assertEqual(last, NUMBERS_OPEN)
        self.box.settle(1)
        self.assertEqual([n for n, _, _ in self.due()], [NUMBERS_OPEN + each for each in (1, 2, 3)])

    def test_none_overtakes_another(self) -> None:
        """A text for a room that is not entered yet holds up the texts behind it, for any room."""
        self.add(1, "r")
        self.add(1, "s")
        self.assertEqual(list(self.box.due(0.0, lambda room: room == "s")), [])
        self.assertEqual([say.n for say, _ in self.box.due(0.0, lambda room: room == "r")], [1])
        self.assertEqual(self.due(), [(2, 1, False)])

    def test_put_off(self) -> None:
        """What the server wants later is sent then, once, as a text that was sent before."""
        self.add(3)
        self.due()
        self.box.put_off(1, 5.0)
        self.box.put_off(3, 4.0)
        self.assertEqual(self.box.next_timeout(), 4.0)
        self.assertEqual(self.due(3.9), [])
        self.assertEqual(self.due(4.0), [(3, 1, True)])
        self.assertEqual(self.box.next_timeout(), 5.0)
        self.assertEqual(self.due(5.0), [(1, 0, True)])
        self.assertEqual(self.due(1e9), [])
        self.assertIsNone(self.box.next_timeout())

    def test_put_off_holds_up_nothing(self) -> None:
        """What comes behind it is sent all the same: the server keeps it until its turn comes."""
        self.add(1)
        self.due()
        self.box.put_off(1, 5.0)
        self.add(1)
        self.assertEqual(self.due(), [(2, 1, False)])

    def test_put_off_what_is_settled(self) -> None:
        """A late refusal of a text that has its answer changes nothing."""
        self.add(1)
        self.due()
        self.box.settle(1, 7)
        self.box.put_off(1, 5.0)
        self.assertIsNone(self.box.next_timeout())

    def test_settled_once(self) -> None:
        """The second answer to a text is none; nor is one to what was never said."""
        self.add(1)
        self.add(1)
        self.box.settle(1, 7)
        self.box.settle(1, 8)
        self.box.settle(3, 9)
        self.assertEqual(len(self.box), 1)
        self.assertEqual(self.box.lost("r", 0, 9), [(1, 7)])

    def test_a_new_session(self) -> None:
        """All that is unsettled is sent again in its order, as if it never had been."""
        self.add(3)
        self.due()
        self.box.settle(2, 7)
        self.box.put_off(1, 5.0)
        self.box.restart()
        self.assertIsNone(self.box.next_timeout())
        self.assertEqual(self.due(), [(1, 0, False), (3, 2, False)])

    def test_a_new_client_id(self) -> None:
        """Numbers begin again at 1, with what is unsettled; what the old id said is forgotten."""
        self.add(4)
        self.due()
        self.box.settle(1, 7)
        self.box.settle(3)
        self.assertEqual(self.box.renumber(), {2: 1, 4: 2})
        self.assertEqual(self.due(), [(1, 0, False), (2, 1, False)])
        self.assertEqual(self.box.add("r", Kind.SAY, "hi"), 3)
        self.assertEqual(self.box.lost("r", 0, 100), [])

    def test_bounded(self) -> None:
        """More than a long paste is refused for now, and what was taken is kept."""
        self.add(UNSETTLED)
        refusal = self.assertRaises(RequestRejected, self.box.add, "r", Kind.SAY, "hi")
        assert refusal is not None
        self.assertEqual((refusal.code, refusal.retry_after), ("BUSY", 1.0))
        self.box.settle(1)
        self.assertEqual(self.box.add("r", Kind.SAY, "hi"), UNSETTLED + 1)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["say", "say", "due", "settle", "settle", "put off", "wait", "restart"]),
                st.integers(0, 20),
            ),
            max_size=120,
        )
    )
    def test_any_order(self, story: list[tuple[str, int]]) -> None:
        """New texts leave in order, at most eight at a time, within 16 numbers; `back` is true; all leave."""
        box, now, said, sent, open_ = Outbox(), 0.0, 0, set[int](), set[int]()
        finish = [("wait", 20), ("due", 0), ("settle", 0)] * (len(story) + 1)
        for what, number in story + finish:
            if what == "say":
                said = box.add("r", Kind.SAY, "hi")
                open_.add(said)
            elif what == "settle" and sent & open_:
                n = sorted(sent & open_)[number % len(sent & open_)]
                box.settle(n, n * 10)
                open_.discard(n)
            elif what == "put off" and sent & open_:
                box.put_off(sorted(sent & open_)[number % len(sent & open_)], now + number)
            elif what == "wait":
                now += number
            elif what == "restart":
                box.restart()
                sent.clear()
            elif what == "due":
                for say, is_again in box.due(now, everywhere):
                    self.assertIs(is_again, say.n in sent)
                    self.assertTrue(is_again or sent.isdisjoint(range(say.n, said + 1)))
                    self.assertEqual(say.n - say.back if say.back else 0, newest_below(say.n, open_))
                    self.assertTrue(say.n - min(open_) < NUMBERS_OPEN)
                    sent.add(say.n)
                    self.assertTrue(len(sent & open_) <= IN_FLIGHT)
                due = box.next_timeout()
                self.assertTrue(due is None or due > now)
        self.assertEqual((open_, len(box)), (set(), 0))


def newest_below(n: int, numbers: set[int]) -> int:
    """Give the largest of `numbers` below `n`, or 0."""
    return max((each for each in numbers if each < n), default=0)


class LosingTests(SynchronousTestCase):
    """Texts that were accepted and then never shown."""

    def setUp(self) -> None:
        """Say two texts that are accepted."""
        self.box = Outbox()
        for seq in (10, 12):
            self.box.settle(self.box.add("r", Kind.SAY, "hi"), seq)

    def test_lost(self) -> None:
        """Those above one position up to another, both in order, are given once; other rooms' are not."""
        self.box.settle(self.box.add("s", Kind.SAY, "hi"), 11)
        self.assertEqual(self.box.lost("r", 10, 11), [])
        self.assertEqual(self.box.lost("r", 9, 12), [(1, 10), (2, 12)])
        self.assertEqual(self.box.lost("r", 9, 12), [])
        self.assertEqual(self.box.lost("s", 0, 11), [(3, 11)])

    def test_shown(self) -> None:
        """What was shown has arrived; showing others' entries changes nothing."""
        self.box.shown("r", 10)
        self.box.shown("s", 12)
        self.box.shown("r", 11)
        self.assertEqual(self.box.lost("r", 0, 100), [(2, 12)])

    def test_refused(self) -> None:
        """A refused text was never anywhere, so it cannot be lost."""
        self.box.settle(self.box.add("r", Kind.SAY, "hi"))
        self.assertEqual(self.box.lost("r", -1, 9), [])

    def test_the_newest_are_remembered(self) -> None:
        """Of texts that are never shown the oldest are forgotten: a room that was left fills no memory."""
        for seq in range(100, 100 + REMEMBERED):
            self.box.settle(self.box.add("left", Kind.SAY, "hi"), seq)
        self.assertEqual(self.box.lost("r", 0, 50), [])
        self.assertEqual(len(self.box.lost("left", 0, 1000)), REMEMBERED)
