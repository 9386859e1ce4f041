"""Tests of `chat.wire.server_session`: what can be asked for again and again is paid for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.fields import FETCH_LIMIT
from chat.limits import RATES, Limit
from chat.messages import Bye, Entry, Join, Kind, Ping, Rooms, Say
from chat.wire.frames import encode_frame
from chat.wire.server_session import ROOMS_PRICE
from tests.server_session_support import FETCH, HELLO, WELCOME, ServerSessionTests, entry, joined

RATE = RATES[Limit.FETCHES]


class TokenTests(ServerSessionTests):
    """What can be asked for again and again is paid for."""

    def setUp(self) -> None:
        """Let the client in, with all its tokens."""
        super().setUp()
        self.open()

    def spend(self, tokens: float) -> None:
        """Have entries sent that cost so much."""
        for seq in range(int(tokens)):
            self.reply(entry(seq + 1))  # the hub's answers take no time here

    def test_questions(self) -> None:
        """Each costs one; without one it is not heard, and a thousand come back each second."""
        pings = [Ping(number, 0) for number in range(1, 101)]
        self.assertEqual(sum(len(self.ask(*pings)) for _ in range(150)), RATE.burst)
        self.now += 0.05
        heard = len(self.ask(*pings))
        self.assertTrue(RATE.each_second * 0.05 - 1 <= heard <= RATE.each_second * 0.05)

    def test_entries(self) -> None:
        """Each that is sent because it was fetched costs one, and may leave a debt; what is told is free."""
        self.ask(FETCH)
        self.spend(RATE.burst + 99)
        self.now += 0.1
        self.assertEqual(self.ask(FETCH), [])
        self.now += 0.002
        self.assertEqual(self.ask(FETCH), [FETCH])

    def test_free(self) -> None:
        """Nobody pays for what others say; whoever fetched too much can still say something, and goodbye."""
        for seq in range(2 * int(RATE.burst)):
            self.session.tell([encode_frame(entry(seq + 1))])
        self.assertEqual(self.ask(FETCH), [FETCH])
        self.spend(RATE.burst + 100)
        say = Say(1, 1, "r", Kind.SAY, "hi")
        self.assertEqual(self.ask(say, Bye()), [say, Bye()])

    def test_repeats(self) -> None:
        """A reply that is repeated costs one too: a datagram of 1 KiB could call for 80."""
        self.ask(Join(1, "r"), FETCH)
        self.reply(joined(1))
        self.spend(RATE.burst - 5)
        for _ in range(10):
            self.ask(HELLO, Join(1, "r"))
        told = [each for each in self.told() if not isinstance(each, Entry)]
        self.assertEqual(told, [joined(1), *[WELCOME, joined(1)] * 2])

    def test_the_list_of_rooms(self) -> None:
        """It is long to look through, so its price is higher."""
        pages = int(RATE.burst // ROOMS_PRICE)
        self.assertEqual(len(self.ask(*[Rooms(1)] * (pages + 5))), pages)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.0, 0.5)), max_size=12))
    def test_entries_a_second(self, story: list[tuple[int, float]]) -> None:
        """However it is asked: the burst, a thousand a second, and the answer that makes the debt."""
        self.setUp()
        begin, sent = self.now, 0
        for count, wait in story:
            self.now += wait
            for _ in self.ask(*[FETCH] * (count + 1)):
                self.spend(FETCH_LIMIT)
                sent += FETCH_LIMIT
        self.assertTrue(sent <= RATE.burst + RATE.each_second * (self.now - begin) + 6 * FETCH_LIMIT)
