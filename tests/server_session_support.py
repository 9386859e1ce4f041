"""What the tests of a native client's session at the server share."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.fields import FETCH_LIMIT
from chat.messages import Broadcast, Entry, Fetch, Hello, Joined, Kind, Rejected, Reply, Request, Welcome
from chat.wire.frames import MAX_PLAINTEXT, decode_replies, encode_frame, join_frames
from chat.wire.pacing import COALESCE_SECONDS
from chat.wire.server_session import (
    ServerSession,
)

CLIENT, OTHER = b"c" * 16, b"o" * 16
HELLO = Hello(1, CLIENT, "bob")
WELCOME = Welcome("udpchat test", "bob", "")
TAKEN = Rejected(0, "NICK_IN_USE", "bob is taken")
FETCH = Fetch(1, "r", 10, None, FETCH_LIMIT)


def entry(seq: int) -> Entry:
    """Give an entry."""
    return Entry("r", seq, 1, 0, Kind.SAY, "ann", verified=False, text="hi")


def joined(number: int) -> Joined:
    """Give the answer to a Join."""
    return Joined(number, "r", 10, 0, "", 1, 1)


def datagram(*requests: Request) -> bytes:
    """Give the datagram that asks for `requests`."""
    return join_frames([encode_frame(request) for request in requests])


class ServerSessionTests(SynchronousTestCase):
    """A session that begins at 100 seconds, and whose client has said nothing."""

    def setUp(self) -> None:
        """Begin."""
        self.now = 100.0
        self.session = ServerSession(self.now, None)

    def ask(self, *requests: Request) -> list[Request]:
        """Let a datagram come in; give what the hub hears of it."""
        return self.session.receive_datagram(datagram(*requests), self.now)

    def reply(self, *messages: Reply | Entry) -> None:
        """Let the hub answer."""
        for message in messages:
            self.session.send(message, self.now)

    def told(self) -> list[Reply | Broadcast]:
        """Give what leaves within the next 20 ms."""
        self.now += COALESCE_SECONDS
        sent = self.session.datagrams_to_send(self.now)
        assert all(len(each) <= MAX_PLAINTEXT for each in sent)
        return [message for each in sent for message in decode_replies(each)]

    def open(self) -> None:
        """Let the client in."""
        self.ask(HELLO)
        self.reply(WELCOME)
        self.told()
