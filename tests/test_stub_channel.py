"""What stands for DTLS in the tests behaves like DTLS where it matters."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.stub_channel import (
    HELLO,
    LIMIT,
    LIVELY_SECONDS,
    OVERHEAD,
    TEXT,
    StubChannel,
    StubListener,
    open_sealed,
    seal,
)

ADDR = ("10.0.1.1", 40_000)


class StubChannelTests(SynchronousTestCase):
    """A client's channel and the listener of a server, with the datagrams in the test's hands."""

    def setUp(self) -> None:
        """Make both ends; the listener's names are counted."""
        names = iter(range(1, 100))
        self.listener = StubListener(lambda size: next(names).to_bytes(size, "big"))
        self.client = StubChannel(b"c" * 8, 0.0)

    def hello(self, now: float) -> list[bytes]:
        """Give what the client sends at `now`."""
        self.client.handle_timeout(now)
        return self.client.datagrams_to_send(now)

    def test_round_trip(self) -> None:
        """One round trip, then both ends take each other's plaintexts."""
        (hello,) = self.hello(0.0)
        server = self.listener.receive_datagram(hello, ADDR, 0.0)
        assert server is not None
        (welcome,) = server.datagrams_to_send(0.0)
        self.assertEqual(self.client.receive_datagram(welcome, 0.1), [])
        self.assertTrue(self.client.is_up)
        self.client.send(b"up", 0.1)
        server.send(b"down", 0.1)
        (up,), (down,) = self.client.datagrams_to_send(0.1), server.datagrams_to_send(0.1)
        self.assertEqual(len(up), len(b"up") + OVERHEAD)
        self.assertEqual(OVERHEAD, 37)
        self.assertEqual(server.receive_datagram(up, 0.2), [b"up"])
        self.assertEqual(self.client.receive_datagram(down, 0.2), [b"down"])

    def test_repeats(self) -> None:
        """The hello is repeated after 1, 2 and 4 s more, and a repeat makes no second channel."""
        times = [now / 10 for now in range(100) if self.hello(now / 10)]
        self.assertEqual(times, [0.0, 1.0, 3.0, 7.0])

    def test_welcome_again(self) -> None:
        """A repeated hello is answered by the channel there is, with the same session."""
        (hello,) = self.hello(0.0)
        server = self.listener.receive_datagram(hello, ADDR, 0.0)
        assert server is not None
        first = server.datagrams_to_send(0.0)
        self.assertEqual(server.receive_datagram(hello, 1.0), [])
        self.assertEqual(server.datagrams_to_send(1.0), first)

    def test_replays(self) -> None:
        """A plaintext comes once, and not at all when 64 later ones have come."""
        (hello,) = self.hello(0.0)
        server = self.listener.receive_datagram(hello, ADDR, 0.0)
        assert server is not None
        session = server.session
        texts = [seal(TEXT, session, number, bytes((number,))) for number in range(70)]
        self.assertEqual(server.receive_datagram(texts[5], 0.0), [b"\x05"])
        self.assertEqual(server.receive_datagram(texts[5], 0.0), [])
        self.assertEqual(server.receive_datagram(texts[69], 0.0), [b"E"])
        self.assertEqual(server.receive_datagram(texts[6], 0.0), [b"\x06"])
        self.assertEqual(server.receive_datagram(texts[4], 0.0), [])

    def test_spoiled(self) -> None:
        """A datagram with any byte changed is nothing."""
        whole = seal(TEXT, b"s" * 8, 1, b"text")
        self.assertIsNotNone(open_sealed(whole))
        for place in range(len(whole)):
            spoiled = whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :]
            self.assertIsNone(open_sealed(spoiled))

    def test_alerts(self) -> None:
        """Who speaks in a session that is not there is told so, once a second; only that session heeds it."""
        text = seal(TEXT, b"s" * 8, 1, b"text")
        self.assertIsNone(self.listener.receive_datagram(text, ADDR, 0.0))
        self.assertIsNone(self.listener.receive_datagram(text, ADDR, 0.9))
        ((alert, to),) = self.listener.datagrams_to_send(0.9)
        self.assertEqual(to, ADDR)
        self.client.receive_datagram(alert, 1.0)
        self.assertFalse(self.client.is_doubted)
        self.client.is_up, self.client.session = True, b"s" * 8
        self.client.receive_datagram(alert, 1.0)
        self.assertTrue(self.client.is_doubted)

    def test_goodbye(self) -> None:
        """Either end's is the end of both, and what is sent after it is lost."""
        for closing in ("client", "server"):
            self.setUp()
            (hello,) = self.hello(0.0)
            server = self.listener.receive_datagram(hello, ADDR, 0.0)
            assert server is not None
            self.client.receive_datagram(server.datagrams_to_send(0.0)[0], 0.0)
            ends = (self.client, server) if closing == "client" else (server, self.client)
            ends[0].close(0.0)
            (goodbye,) = ends[0].datagrams_to_send(0.0)
            self.assertEqual(ends[1].receive_datagram(goodbye, 0.0), [])
            self.assertTrue(ends[1].is_over)
            self.assertEqual((server.is_up, server.is_over), (False, True))
            server.send(b"text", 0.0)
            server.close(0.0)
            self.assertEqual(server.datagrams_to_send(0.0), [])

    def test_keys(self) -> None:
        """The server's end knows the client's."""
        for key, known in ((b"", None), (b"k" * 32, b"k" * 32)):
            self.client = StubChannel(b"c" * 8, 0.0, key)
            server = self.listener.receive_datagram(self.hello(0.0)[0], ADDR, 0.0)
            assert server is not None
            self.assertEqual(server.peer_fingerprint, known)

    def test_beginning_anew(self) -> None:
        """Another hello is not for this channel once that is over, or has heard nothing for 20 s."""
        (hello,) = self.hello(0.0)
        server = self.listener.receive_datagram(hello, ADDR, 0.0)
        assert server is not None
        other = seal(HELLO, b"o" * 8, 0)
        times = (LIVELY_SECONDS - 1, LIVELY_SECONDS)
        self.assertEqual([server.yields_to(other, now) for now in times], [False, True])
        self.assertFalse(server.yields_to(hello, LIVELY_SECONDS))
        self.assertFalse(server.yields_to(b"bob", LIVELY_SECONDS))
        server.receive_datagram(seal(TEXT, server.session, 1, b"hi"), 10.0)
        self.assertFalse(server.yields_to(other, LIVELY_SECONDS))
        server.close(0.0)
        self.assertTrue(server.yields_to(other, LIVELY_SECONDS))

    def test_limit(self) -> None:
        """No plaintext is longer than what fits 1,200 bytes."""
        self.client.send(b"x" * LIMIT, 0.0)
        self.assertRaises(ValueError, self.client.send, b"x" * (LIMIT + 1), 0.0)
