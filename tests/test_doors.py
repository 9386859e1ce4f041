"""Tests of `chat.server.doors`: who is let in by which door, and what a first word makes of a peer."""

from __future__ import annotations

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from chat.limits import Limits
from chat.messages import Hello, Ping
from chat.server.doors import Doors
from chat.server.limits import FaultLog
from chat.server.peer import Addr, ProvenPeer
from chat.wire.frames import encode_frame, join_frames
from chat.wire.server_session import ServerSession, member_id
from chat.wire.text import TextSession
from chat.wire.visit import ENTER_SECONDS
from tests.stub_channel import StubChannel, StubListener

HERE, FAR = ("10.0.0.1", 4001), ("8.8.8.8", 53)
KEY = b"k" * 32


class DoorsTests(SynchronousTestCase):
    """Both doors, with a stand-in for DTLS."""

    def setUp(self) -> None:
        """Count what should be random."""
        numbers = iter(range(1, 1_000))
        self.random = lambda size: next(numbers).to_bytes(size, "big")
        self.logged = 0
        self.doors = self.open()

    def open(self, plain: str = "trusted", *, native: bool = True) -> Doors:
        """Give doors; what they log is counted."""

        def count(_: object) -> None:
            self.logged += 1

        faults = FaultLog(Logger(observer=count), lambda: 0.0)  # type: ignore[arg-type]
        return Doors(
            plain, 1_800.0, StubListener(self.random) if native else None, faults, self.random, Limits()
        )

    def hello(self, random: bytes = b"12345678", now: float = 0.0) -> bytes:
        """Give a client's first datagram."""
        client = StubChannel(random, now, KEY)
        client.handle_timeout(now)
        (hello,) = client.datagrams_to_send(now)
        return hello

    def proven(self, addr: Addr = HERE, now: float = 0.0) -> ProvenPeer:
        """Give a peer that has proved its address."""
        peer, _ = self.doors.knock(self.hello(), addr, now)
        assert peer is not None
        return peer

    def test_the_plain_door(self) -> None:
        """Is open for private networks, for all, or for nobody; who is turned away is logged."""
        for plain, admitted in (("trusted", [True, False]), ("all", [True, True]), ("off", [False, False])):
            self.logged = 0
            doors = self.open(plain)
            self.assertEqual([doors.admits_plain(addr) for addr in (HERE, FAR)], admitted)
            self.assertEqual(bool(self.logged), not all(admitted))

    def test_which_door(self) -> None:
        """A record is for the native door, a line for the plain one; without a listener all is."""
        self.assertTrue(self.doors.is_native(self.hello()))
        self.assertFalse(self.doors.is_native(b"bob"))
        self.assertFalse(self.open(native=False).is_native(self.hello()))

    def test_whom_it_is_open_to(self) -> None:
        """It is the same for those who were in before a restart, and nothing is logged of them."""
        for plain, open_to in (("trusted", [True, False]), ("all", [True, True]), ("off", [False, False])):
            doors = self.open(plain)
            self.assertEqual([doors.is_open_to(addr) for addr in (HERE, FAR)], open_to)
        self.assertEqual(self.logged, 0)

    def test_meeting(self) -> None:
        """A stranger gets a name that nobody guesses, a member of an earlier run keeps its own."""
        first, second = self.doors.meet(HERE), self.doors.meet(HERE)
        self.assertNotEqual(first.session.member, second.session.member)
        self.assertEqual(self.doors.meet(HERE, b"m" * 16).session.member, b"m" * 16)

    def test_hearing(self) -> None:
        """All that a peer says until it says what no peer may: that is counted, and the rest is not heard."""
        peer = self.doors.meet(HERE)
        hello, _ = self.doors.hear(peer, [b"bob"], 0.0)
        self.assertIsInstance(hello, Hello)
        self.assertEqual(self.logged, 0)
        (said,) = self.doors.hear(peer, [b"hi", b"\xff", b"ho"], 10.0)
        self.assertEqual((said.text, self.logged), ("hi", 1))  # type: ignore[union-attr]

    def test_knocking(self) -> None:
        """A plain peer's record is a knock; a channel decides for itself, and a lively one says no."""
        plain, proven = self.doors.meet(HERE), self.proven()
        other = self.hello(b"87654321")
        self.assertFalse(self.doors.is_knock(plain, b"hi", 0.0))
        self.assertTrue(self.doors.is_knock(plain, other, 0.0))
        self.assertFalse(self.doors.is_knock(proven, other, 0.0))
        self.assertFalse(self.doors.is_knock(proven, b"hi", 100.0))
        self.assertTrue(self.doors.is_knock(proven, other, 100.0))

    def test_no_proof(self) -> None:
        """What proves nothing makes no peer, with or without a listener."""
        for doors in (self.doors, self.open(native=False)):
            self.assertEqual(doors.knock(b"\x16\xfe", HERE, 0.0), (None, []))

    def test_before_the_first_word(self) -> None:
        """A peer with a channel has no session, and 120 s to ask for one."""
        peer = self.proven(now=50.0)
        self.assertIsNone(peer.session)
        self.assertEqual(peer.next_timeout(), 50.0 + ENTER_SECONDS)
        self.assertEqual(peer.handle_timeout(50.0 + ENTER_SECONDS - 1), [])
        self.assertFalse(peer.channel.is_over)
        self.assertEqual(peer.handle_timeout(50.0 + ENTER_SECONDS), [])
        self.assertTrue(peer.channel.is_over)

    def test_frames(self) -> None:
        """Up to 15 of them make a native session, which knows the key that was shown."""
        hello = encode_frame(Hello(1, b"c" * 16, "bob"))
        for count in (1, 15):
            peer = self.proven()
            word = join_frames([hello] * count)
            session = self.doors.listen(peer, word, 0.0)
            self.assertIsInstance(session, ServerSession)
            session.receive_datagram(word, 0.0)
            self.assertEqual(session.member, member_id(b"c" * 16, KEY))
            self.assertIs(self.doors.listen(peer, b"text", 0.0), session)

    def test_text(self) -> None:
        """Everything else makes a session of text, each with a name of its own; a plain peer has one."""
        names = set()
        for word in (
            b"bob\n",
            "߿".encode(),
            b"\x8f",
            b"\xa0",
            b"",
            join_frames([encode_frame(Ping(1, 1))] * 16),
        ):
            peer = self.proven()
            session = self.doors.listen(peer, word, 0.0)
            assert isinstance(session, TextSession)
            self.assertEqual(peer.next_timeout(), ENTER_SECONDS)
            names.add(session.member)
        plain = self.doors.meet(HERE)
        self.assertIs(self.doors.listen(plain, b"\x91", 0.0), plain.session)
        self.assertEqual(len({*names, plain.session.member}), 7)

    def test_no_text_looks_like_frames(self) -> None:
        """No character of UTF-8 begins with what an array of up to 15 begins with."""
        firsts = {chr(code).encode()[0] for code in (*range(0xD800), *range(0xE000, 0x110000))}
        self.assertEqual(firsts & set(range(0x90, 0xA0)), set())
