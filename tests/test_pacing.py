"""Tests of `chat.wire.pacing`: the first frame after quiet leaves at once, the rest of 20 ms together."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Ping
from chat.wire.frames import MAX_PLAINTEXT, decode_requests, encode_frame, join_frames
from chat.wire.pacing import COALESCE_SECONDS, Pacer


def frame(number: int) -> bytes:
    """Give a frame that can be told from others."""
    return encode_frame(Ping(number, 0))


class PacerTests(SynchronousTestCase):
    """Frames wait for the end of 20 ms, and for nothing else."""

    def setUp(self) -> None:
        """Begin with nothing to send."""
        self.pacer = Pacer()

    def test_nothing(self) -> None:
        """Without a frame nothing is due, now or later."""
        self.assertTrue(self.pacer.is_ready(0.0))
        self.assertEqual(self.pacer.datagrams_to_send(5.0), [])
        self.assertIsNone(self.pacer.next_timeout())
        self.assertIsNone(self.pacer.not_before(None))

    def test_the_first_leaves_at_once(self) -> None:
        """After quiet nobody waits; that there was nothing to send before begins no 20 ms."""
        self.pacer.datagrams_to_send(5.0)
        self.pacer.frames.append(frame(1))
        self.assertEqual(self.pacer.datagrams_to_send(5.0), [join_frames([frame(1)])])
        self.assertIsNone(self.pacer.next_timeout())

    def test_what_follows_leaves_together(self) -> None:
        """Within 20 ms of a write nothing leaves; then all of it does, in order."""
        self.pacer.frames.append(frame(1))
        self.pacer.datagrams_to_send(5.0)
        self.pacer.frames += [frame(2), frame(3)]
        self.assertFalse(self.pacer.is_ready(5.019))
        self.assertEqual(self.pacer.datagrams_to_send(5.019), [])
        due = self.pacer.next_timeout()
        self.assertEqual(due, 5.0 + COALESCE_SECONDS)
        assert due is not None
        self.assertTrue(self.pacer.is_ready(due))
        self.assertEqual(self.pacer.datagrams_to_send(due), [join_frames([frame(2), frame(3)])])
        self.assertEqual(self.pacer.datagrams_to_send(due), [])

    def test_what_fills_a_datagram(self) -> None:
        """It leaves at once, and with it what there is beside it."""
        self.pacer.frames.append(frame(1))
        self.pacer.datagrams_to_send(5.0)
        many = [frame(number) for number in range(2, 2_000)]
        while sum(map(len, self.pacer.frames)) < MAX_PLAINTEXT:
            self.assertEqual(self.pacer.datagrams_to_send(5.001), [])
            self.pacer.frames.append(many.pop(0))
        due = self.pacer.next_timeout()
        assert due is not None
        self.assertLess(due, 5.0)
        self.assertEqual(len(self.pacer.datagrams_to_send(5.001)), 2)
        self.assertFalse(self.pacer.is_ready(5.001 + COALESCE_SECONDS / 2))

    def test_not_before(self) -> None:
        """A time at which nothing may leave is put off, a later one stands."""
        self.pacer.frames.append(frame(1))
        self.pacer.datagrams_to_send(5.0)
        self.assertEqual(self.pacer.not_before(5.001), 5.0 + COALESCE_SECONDS)
        self.assertEqual(self.pacer.not_before(6.0), 6.0)
        self.assertIsNone(self.pacer.not_before(None))

    @given(st.lists(st.tuples(st.floats(0.0, 0.1), st.integers(0, 200)), max_size=20))
    def test_any_times(self, story: list[tuple[float, int]]) -> None:
        """Each frame leaves once, in order; two writes are 20 ms apart, unless there is a datagram full."""
        pacer, now, given_in, came_out = Pacer(), 0.0, 0, list[int]()
        written: list[tuple[float, bool]] = []
        for wait, count in [*story, (1.0, 0)]:
            now += wait
            pacer.frames += [frame(given_in + each + 1) for each in range(count)]
            given_in += count
            due = pacer.next_timeout()
            is_full = sum(map(len, pacer.frames)) >= MAX_PLAINTEXT
            datagrams = pacer.datagrams_to_send(now)
            self.assertEqual(bool(datagrams), due is not None and due <= now)
            written += [(now, is_full)] if datagrams else []
            for datagram in datagrams:
                self.assertTrue(len(datagram) <= MAX_PLAINTEXT)
                came_out += [each.id for each in decode_requests(datagram) if isinstance(each, Ping)]
        self.assertEqual(came_out, list(range(1, given_in + 1)))
        self.assertTrue(
            all(is_full or b >= a + COALESCE_SECONDS for (a, _), (b, is_full) in pairwise(written))
        )
