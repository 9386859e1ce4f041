"""Tests of `chat.wire.sequence.Requests` and `RoundTrip`: requests are repeated until they are answered."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import RequestRejected
from chat.fields import IN_FLIGHT
from chat.wire.sequence import (
    QUEUED,
    REPEAT_MOST,
    REPLY_CACHE,
    RTO_FIRST,
    RTO_LEAST,
    RTO_MOST,
    Requests,
    RoundTrip,
)
from tests.room_log_support import middle


class Question(msgspec.Struct, frozen=True):
    """A request as small as can be."""

    id: int
    text: str = ""


class RoundTripTests(SynchronousTestCase):
    """How long to wait for an answer."""

    def test_first(self) -> None:
        """One second before anything was measured, doubled by each repeat."""
        trip = RoundTrip(middle)
        self.assertIsNone(trip.smoothed)
        self.assertEqual([trip.wait(each) for each in range(6)], [RTO_FIRST, 2, 4, 8, RTO_MOST, RTO_MOST])
        self.assertEqual(trip.wait(0, 0.5), 0.5)

    def test_smoothed(self) -> None:
        """RFC 6298, 2.2 and 2.3, and RFC 9002's answer delay on top."""
        trip = RoundTrip(middle)
        trip.sample(0.2)
        self.assertAlmostEqual(trip.wait(0), 0.2 + 4 * 0.1 + 0.025)
        trip.sample(0.4)
        self.assertEqual(trip.smoothed, 0.225)
        self.assertAlmostEqual(trip.wait(0), 0.225 + 4 * (0.75 * 0.1 + 0.25 * 0.2) + 0.025)
        for _ in range(200):
            trip.sample(0.2)
        self.assertAlmostEqual(trip.wait(0), 0.2 + 0.01 + 0.025, places=6)

    def test_bounds(self) -> None:
        """At least 100 ms, at most 15 s, however often it was repeated."""
        trip = RoundTrip(middle)
        trip.sample(0.0)
        self.assertEqual(trip.wait(0), RTO_LEAST)
        self.assertEqual(trip.wait(10_000), RTO_MOST)
        trip.sample(1e6)
        self.assertEqual(trip.wait(0), RTO_MOST)

    def test_jitter(self) -> None:
        """Ten per cent up or down."""
        for chance, expected in ((0.0, 0.9), (1.0, 1.1)):
            trip = RoundTrip(lambda chance=chance: chance)  # type: ignore[misc]
            self.assertAlmostEqual(trip.wait(0), expected)


class RequestsTests(SynchronousTestCase):
    """Requests are repeated until their reply comes, a few at a time."""

    def setUp(self) -> None:
        """Begin a session."""
        self.trip = RoundTrip(middle)
        self.requests: Requests[Question] = Requests(self.trip)

    def send(self, count: int, now: float = 0.0) -> None:
        """Queue requests."""
        for _ in range(count):
            self.requests.send(Question(0), now)

    def due(self, now: float) -> list[int]:
        """Give the ids of what is due, and hold `next_timeout` to its word."""
        timeout = self.requests.next_timeout()
        ids = [each.id for each in self.requests.due(now)]
        self.assertEqual(bool(ids), timeout is not None and timeout <= now)
        return ids

    def lose(self, now: float) -> float:
        """Let time pass until something is repeated; give when."""
        timeout = self.requests.next_timeout()
        assert timeout is not None
        self.assertTrue(timeout > now)
        self.assertTrue(self.due(timeout))
        return timeout

    def test_ids_rise_by_one(self) -> None:
        """In the order in which requests are first sent, those that are repeated elsewhere among them."""
        self.requests.send(Question(0, "a"), 0.0)
        self.assertEqual(self.requests.due(0.0), [Question(1, "a")])
        self.assertEqual(self.requests.next_id(), 2)
        self.requests.send(Question(0, "b"), 0.0)
        self.assertEqual(self.requests.due(0.0), [Question(3, "b")])

    def test_settled(self) -> None:
        """The reply gives the request back, once; then nothing is due."""
        self.requests.send(Question(0, "a"), 0.0)
        self.due(0.0)
        self.assertEqual(self.requests.settle(1, 0.3), Question(1, "a"))
        self.assertIsNone(self.requests.settle(1, 0.4))
        self.assertIsNone(self.requests.next_timeout())
        self.assertEqual(self.due(1e9), [])

    def test_repeated(self) -> None:
        """The same request with the same id, at the RTO, then after twice as long, up to a bound."""
        self.trip.sample(0.0)
        self.send(1)
        self.due(0.0)
        now, waits = 0.0, []
        for _ in range(6):
            self.assertEqual(self.due(now), [])
            later = self.lose(now)
            waits.append(later - now)
            now = later
        expected = [min(RTO_LEAST * 2**repeats, REPEAT_MOST) for repeats in range(6)]
        self.assertEqual([round(wait, 6) for wait in waits], expected)
        self.assertEqual(self.requests.repeated, 6)
        self.assertEqual(self.requests.settle(1, now), Question(1))

    def test_samples(self) -> None:
        """An unrepeated request is a sample; of a repeated one nobody knows which copy was answered."""
        self.send(2)
        self.due(0.0)
        self.requests.settle(1, 0.25)
        self.assertEqual(self.trip.smoothed, 0.25)
        now = self.lose(0.25)
        self.requests.settle(2, now + 0.001)
        self.assertEqual(self.trip.smoothed, 0.25)

    def test_answers_that_wait_for_a_disk(self) -> None:
        """They measure the disk: the first one is better than a guess, and no other is a sample."""
        self.send(3)
        self.due(0.0)
        self.assertEqual(self.requests.settle(1, 0.25, is_prompt=False), Question(1))
        self.assertEqual(self.trip.smoothed, 0.25)
        self.requests.settle(2, 0.5, is_prompt=False)
        self.assertEqual(self.trip.smoothed, 0.25)
        self.requests.settle(3, 0.5)
        self.assertNotEqual(self.trip.smoothed, 0.25)

    def test_eight_in_flight(self) -> None:
        """The rest waits in order, and one more goes with each reply."""
        self.send(IN_FLIGHT + 3)
        self.assertEqual(self.due(0.0), list(range(1, IN_FLIGHT + 1)))
        self.requests.settle(3, 0.1)
        self.requests.settle(1, 0.1)
        self.assertEqual(self.due(0.1), [IN_FLIGHT + 1, IN_FLIGHT + 2])
        self.assertEqual(self.due(0.1), [])

    def test_queue_is_bounded(self) -> None:
        """More than a long paste is refused, and what was taken is kept."""
        self.send(QUEUED)
        refusal = self.assertRaises(RequestRejected, self.requests.send, Question(0), 0.0)
        assert refusal is not None
        self.assertEqual(refusal.code, "BUSY")
        self.assertEqual(len(self.due(0.0)), IN_FLIGHT)
        self.send(IN_FLIGHT)

    def window(self, now: float) -> int:
        """Find out how many may be in flight: settle all that are, and see how many start."""
        self.send(100, now)
        return len(self.due(now))

    def test_a_lost_burst_halves_once(self) -> None:
        """Eight lost together are one loss; if their repeats are lost too, that is the next."""
        self.send(IN_FLIGHT + 20)
        ids = self.due(0.0)
        now, expected = 0.0, IN_FLIGHT
        for _ in range(4):
            now = self.lose(now)
            expected = max(expected // 2, 1)
            self.assertEqual(self.due(now), [])
        self.assertEqual(expected, 1)
        for each in ids[:5]:
            self.requests.settle(each, now)
            self.assertEqual(self.due(now), [])  # one answer made it 2, two more 3, and 3 are still out
        self.requests.settle(ids[5], now)
        self.assertEqual(len(self.due(now)), 2)  # the sixth made it 4

    def test_a_burst_that_times_out_apart(self) -> None:
        """Timers with jitter fire one by one: of what was sent before a halving none halves again."""
        chances = iter([0.1, 0.9] * 50)
        self.trip = RoundTrip(lambda: next(chances))
        self.requests = Requests(self.trip)
        self.send(4)
        self.assertEqual(len(self.due(0.0)), 4)
        first = self.lose(0.0)
        second = self.lose(first)
        self.assertTrue(first < second)
        for number in range(1, 5):
            self.requests.settle(number, second)
        self.assertEqual(self.window(second), IN_FLIGHT // 2 + 1)  # four answers are one window of four

    def test_answers_before_a_loss_do_not_count(self) -> None:
        """A window that was halved grows by what is answered at its new size."""
        self.send(IN_FLIGHT)
        self.due(0.0)
        for number in range(2, IN_FLIGHT + 1):
            self.requests.settle(number, 0.5)
        now = self.lose(0.5)
        self.requests.settle(1, now)
        self.assertEqual(self.window(now), IN_FLIGHT // 2)

    def test_grows_back(self) -> None:
        """By one per window answered, to eight and no further."""
        self.send(IN_FLIGHT)
        self.due(0.0)
        now = self.lose(0.0)
        for number in range(1, IN_FLIGHT + 1):
            self.requests.settle(number, now)
        sizes = []
        self.send(100, now)
        for _ in range(6):
            ids = self.due(now)
            sizes.append(len(ids))
            for each in ids:
                self.requests.settle(each, now)
        self.assertEqual(sizes, [5, 6, 7, 8, 8, 8])

    def test_an_id_stays_within_the_reply_cache(self) -> None:
        """While an old request is unanswered no id goes so far that its reply could have been forgotten."""
        self.send(QUEUED)
        self.due(0.0)
        newest = IN_FLIGHT
        for _ in range(2 * REPLY_CACHE):
            self.requests.settle(newest, 0.1)
            for each in range(2, newest):
                self.requests.settle(each, 0.1)
            newest = max([newest, *self.due(0.1)])
        self.assertEqual(newest, REPLY_CACHE)
        self.requests.settle(1, 0.2)
        self.assertEqual(self.due(0.2)[0], REPLY_CACHE + 1)

    def test_at_once(self) -> None:
        """It gets an id at once, and is sent with what is due next: behind repeats, before new ones."""
        self.send(1)
        self.due(0.0)
        now = self.lose(0.0)
        self.send(1, now)
        self.requests.send_at_once(Question(0, "now"), now)
        self.assertEqual(self.requests.next_timeout(), now)
        self.assertEqual(self.requests.due(now), [Question(2, "now"), Question(3)])

    def test_at_once_whatever_the_window(self) -> None:
        """Those in flight wait for it, so it does not wait for them; new ones do."""
        self.send(IN_FLIGHT + 1)
        self.due(0.0)
        self.requests.send_at_once(Question(0), 0.1)
        self.assertEqual(self.due(0.1), [IN_FLIGHT + 1])
        self.requests.settle(1, 0.2)
        self.assertEqual(self.due(0.2), [])
        self.requests.settle(2, 0.2)
        self.assertEqual(self.due(0.2), [IN_FLIGHT + 2])

    def test_at_once_is_no_repeat(self) -> None:
        """Its first sending is no loss: the window stays. Unrepeated it is a sample; then it is repeated."""
        self.requests.send_at_once(Question(0), 0.0)
        self.assertEqual(self.due(1.0), [1])
        self.assertEqual(self.requests.repeated, 0)
        self.requests.settle(1, 1.25)
        self.assertEqual(self.trip.smoothed, 0.25)
        self.assertEqual(self.window(1.25), IN_FLIGHT)
        self.setUp()
        self.requests.send_at_once(Question(0), 0.0)
        self.due(0.0)
        self.assertEqual(self.lose(0.0), RTO_FIRST)
        self.assertEqual(self.requests.repeated, 1)

    def test_at_once_and_answered_before_it_was_sent(self) -> None:
        """That can only be a lie, and teaches nothing of the path."""
        self.requests.send_at_once(Question(0), 0.0)
        self.assertEqual(self.requests.settle(1, 5.0), Question(1))
        self.assertIsNone(self.trip.smoothed)
        self.assertEqual(self.due(9.0), [])

    def test_unsettled(self) -> None:
        """All without a reply, in the order in which they were sent or queued."""
        self.assertEqual(self.requests.unsettled(), [])
        for text in ("a", "b", "c"):
            self.requests.send(Question(0, text), 0.0)
        self.due(0.0)
        self.requests.send(Question(0, "d"), 0.0)
        self.requests.send_at_once(Question(0, "e"), 0.0)
        self.requests.settle(2, 0.1)
        self.assertEqual([each.text for each in self.requests.unsettled()], ["a", "c", "e", "d"])

    @given(
        st.lists(st.tuples(st.sampled_from(["send", "wait", "answer"]), st.integers(1, 12))),
        st.randoms(use_true_random=False),
    )
    def test_every_request_is_answered(self, story: list[tuple[str, int]], chance: Random) -> None:
        """Never more than eight are unanswered; in the end each one was, in the order of ids."""
        requests: Requests[Question] = Requests(RoundTrip(chance.random))
        now, asked, out, first = 0.0, 0, set[int](), list[str]()
        for what, number in [*story, *[("wait", 1), ("answer", IN_FLIGHT)] * (12 * len(story) + 1)]:
            if what == "send":
                for _ in range(number):
                    asked += 1
                    requests.send(Question(0, str(asked)), now)
            elif what == "wait":
                now = max(now, requests.next_timeout() or 0.0)
                for each in requests.due(now):
                    first += [each.text] if each.id not in out else []
                    out.add(each.id)
                assert len(out) <= IN_FLIGHT
            else:
                for each_id in sorted(out)[:number]:
                    assert requests.settle(each_id, now) is not None
                    out.discard(each_id)
        self.assertEqual(first, [str(each + 1) for each in range(asked)])
        self.assertIsNone(requests.next_timeout())
