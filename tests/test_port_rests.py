"""Tests of `chat.server.port`: how much it takes in one turn, and how it rests after it has written much."""

from __future__ import annotations

import socket

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from chat.server.port import DATAGRAMS_A_TURN, REST_A_WRITE, REST_LEAST, REST_MOST, TURN_SECONDS, UdpPort
from tests.port_support import Recorder, peer


class PortCase(SynchronousTestCase):
    """A port on a reactor whose time is the test's."""

    def setUp(self) -> None:
        """Open it."""
        self.reactor = MemoryReactorClock()
        self.recorder = Recorder()
        self.port = UdpPort(0, self.recorder, "127.0.0.1", self.reactor)
        self.port.startListening()
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(("127.0.0.1", self.port.getHost().port))
        self.addCleanup(self.close)

    def close(self) -> None:
        """Close both sockets."""
        self.client.close()
        self.port.stopListening()
        self.reactor.advance(0)


class TurnTests(PortCase):
    """How much one turn takes: timers are looked at in between."""

    def flood(self, content: bytes) -> None:
        """Let 200 datagrams wait."""
        for _ in range(200):
            self.client.send(content)

    def test_at_most_64_datagrams(self) -> None:
        """However many wait, empty ones or not: a flood starves nobody."""
        for content in (b"question", b""):
            self.recorder.turns.clear()
            self.recorder.datagrams.clear()
            self.flood(content)
            for _ in range(4):
                self.port.doRead()
            self.assertEqual(self.recorder.turns, [DATAGRAMS_A_TURN] * 3 + [200 - 3 * DATAGRAMS_A_TURN])
            self.assertEqual(self.recorder.datagrams, [content] * 200)

    def test_at_most_10_ms(self) -> None:
        """Fewer of them if they ask for much: no further one is begun when the time is over."""
        self.recorder.at_each = lambda: self.reactor.advance(TURN_SECONDS / 8)
        self.flood(b"a great deal")
        for _ in range(25):
            self.port.doRead()
        self.assertEqual(self.recorder.turns, [8] * 25)
        self.port.doRead()
        self.assertEqual(self.recorder.turns[-1], 0)


class RestTests(PortCase):
    """How long a port rests, whose protocol writes `writes` datagrams at the end of a turn."""

    def turn(self, writes: int, waiting: int = 1) -> None:
        """Let a turn begin with `waiting` datagrams and write `writes` at its end."""
        crowd = [peer(self.client.getsockname())] * writes
        self.recorder.at_turns_end = lambda: self.port.send([b"line"] * len(crowd), crowd, 0.0)
        for _ in range(waiting):
            self.client.send(b"question")
        self.port.doRead()

    def reads(self) -> bool:
        """Say whether the port waits for datagrams."""
        return self.port in self.reactor.getReaders()

    def test_a_turn_that_writes_little_calls_for_no_rest(self) -> None:
        """Where few listen every datagram is taken at once."""
        self.turn(writes=int(REST_LEAST / REST_A_WRITE) - 1)
        self.assertTrue(self.reads())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_rest_is_as_long_as_the_turn_was_busy(self) -> None:
        """A hundred datagrams written are 10 ms of rest; after it the port reads again."""
        self.turn(writes=100)
        self.assertFalse(self.reads())
        self.reactor.advance(100 * REST_A_WRITE * 0.9)
        self.assertFalse(self.reads())
        self.reactor.advance(100 * REST_A_WRITE * 0.2)
        self.assertTrue(self.reads())

    def test_a_rest_is_at_most_25_ms(self) -> None:
        """However many were written, nobody waits longer than 25 ms."""
        self.turn(writes=5_000)
        self.assertFalse(self.reads())
        self.reactor.advance(REST_MOST)
        self.assertTrue(self.reads())

    def test_writes_count_for_one_rest(self) -> None:
        """What one turn wrote is forgotten after its rest: the next quiet turn calls for none."""
        self.turn(writes=100)
        self.reactor.advance(REST_MOST)
        self.turn(writes=1)
        self.assertTrue(self.reads())

    def test_a_rest_after_a_timer(self) -> None:
        """What a timer or the store's answer calls for is followed by a rest, too: it begins anew then."""
        crowd = [peer(self.client.getsockname())] * 100
        self.port.send([b"line"] * 100, crowd, 0.0)
        self.assertFalse(self.reads())
        self.reactor.advance(100 * REST_A_WRITE * 0.9)
        self.port.send([b"line"] * 100, crowd, 0.0)
        self.reactor.advance(100 * REST_A_WRITE * 0.9)
        self.assertFalse(self.reads())
        self.reactor.advance(100 * REST_A_WRITE * 0.2)
        self.assertTrue(self.reads())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_others_are_heard(self) -> None:
        """However often timers write to many, the port reads again soon, and rests after that as before."""
        crowd = [peer(self.client.getsockname())] * 200
        for _ in range(3):
            for _ in range(50):
                self.port.send([b"line"] * 200, crowd, 0.0)
                self.reactor.advance(REST_MOST / 3)
                if self.reads():
                    break
            self.assertTrue(self.reads())
            self.port.send([b"line"] * 200, crowd, 0.0)
            self.assertTrue(self.reads())
            self.turn(writes=100)
            self.assertFalse(self.reads())

    def test_no_rest_while_datagrams_wait(self) -> None:
        """A turn that left datagrams in the socket is followed by the next one at once."""
        self.turn(writes=1_000, waiting=DATAGRAMS_A_TURN + 1)
        self.port.send([b"line"] * 100, [peer(self.client.getsockname())] * 100, 0.0)
        self.assertTrue(self.reads())

    def test_stopping_during_a_rest(self) -> None:
        """A port that is stopped while it rests never reads again, and leaves no timer behind."""
        self.turn(writes=100)
        self.port.stopListening()
        self.reactor.advance(1)
        self.assertFalse(self.reads())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_close_together(self) -> None:
        """What is read soon after a rest is followed by one more, and what comes later by none."""
        for after, reads in ((REST_A_WRITE, False), (1.0, True)):
            self.turn(writes=100)
            self.reactor.advance(100 * REST_A_WRITE + after)
            self.turn(writes=0)
            self.assertEqual(self.reads(), reads)
            self.reactor.advance(1.0)
            self.assertTrue(self.reads())

    def test_one_timer_for_what_is_read_and_stored(self) -> None:
        """A rest after what was read soon after a rest is long enough for what is written of it soon."""
        crowd = [peer(self.client.getsockname())] * 100
        for answered_after, sets_another in ((0.2, False), (1.0, True)):
            self.turn(writes=100)
            self.reactor.advance(100 * REST_A_WRITE)
            self.turn(writes=0)
            (timer,) = self.reactor.getDelayedCalls()
            self.reactor.advance(100 * REST_A_WRITE * answered_after)
            self.port.send([b"line"] * 100, crowd, 0.0)
            self.assertEqual(self.reactor.getDelayedCalls() != [timer], sets_another)
            self.assertFalse(self.reads())
            self.reactor.advance(1.0)
            self.assertTrue(self.reads())

    def test_stopping_within_a_turn(self) -> None:
        """A port that is stopped by what it has read does not rest: it is over."""
        crowd = [peer(self.client.getsockname())] * 100
        self.recorder.at_each = self.port.stopListening
        self.recorder.at_turns_end = lambda: self.port.send([b"line"] * 100, crowd, 0.0)
        self.client.send(b"question")
        self.port.doRead()
        self.reactor.advance(1)
        self.assertFalse(self.reads())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_held_until_the_protocol_is_ready(self) -> None:
        """A held port reads nothing, whatever ends meanwhile; released, it reads."""
        self.port.hold()
        self.port.startReading()  # as Twisted does at the beginning, and the end of a rest
        self.assertFalse(self.reads())
        self.port.release()
        self.assertTrue(self.reads())

    def test_released_when_it_is_closed_already(self) -> None:
        """A port that was stopped while it was held stays closed."""
        self.port.hold()
        self.port.stopListening()
        self.reactor.advance(0)
        self.port.release()
        self.assertFalse(self.reads())
