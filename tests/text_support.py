"""What the tests of the plain door share: a conversation of datagrams, and the requests that lines are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import (
    LOBBY,
    PLAIN_VERSION,
    Entry,
    Hello,
    Join,
    Joined,
    Kind,
    Reply,
    Request,
    Say,
    Welcome,
)
from chat.wire.text import (
    TextSession,
)

CLIENT = b"0123456789abcdef"
IDLE = 1800.0


def enters(nick: str, room: str = LOBBY, request_id: int = 1) -> list[Request]:
    """Give the requests that a nick is."""
    return [Hello(PLAIN_VERSION, CLIENT, nick), Join(request_id, room)]


def say(number: int, text: str, kind: Kind = Kind.SAY, room: str = LOBBY) -> Say:
    """Give the request that a text is, as the n-th one of a session that has asked for nothing else."""
    return Say(number + 1, number, room, kind, text)


def joined(request_id: int, room: str, topic: str = "") -> Joined:
    """Give the reply to a `Join`."""
    return Joined(request_id, room, 0, 0, topic, 1, 1)


class Conversation(SynchronousTestCase):
    """A session, and what it said."""

    def setUp(self) -> None:
        """Begin as a stranger."""
        self.session = TextSession(CLIENT, IDLE)

    def hear(self, *datagrams: bytes, now: float = 0.0) -> list[Request]:
        """Let the peer send datagrams; give the requests."""
        return [request for each in datagrams for request in self.session.receive_datagram(each, now)]

    def said(self, now: float = 0.0) -> list[bytes]:
        """Give what the session sends."""
        return self.session.datagrams_to_send(now)

    def enter(self, nick: bytes = b"bob", now: float = 0.0) -> None:
        """Become a member, in the lobby."""
        _, join = self.hear(nick, now=now)
        assert isinstance(join, Join)
        self.tell(Welcome("udpchat", nick.decode().strip(), ""), joined(join.id, LOBBY), now=now)

    def tell(self, *messages: Reply | Entry, now: float = 0.0) -> list[bytes]:
        """Let the hub answer this peer; give what the session sends."""
        for message in messages:
            self.session.send(message, now)
        return self.said(now)
