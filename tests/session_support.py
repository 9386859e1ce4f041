"""What the tests of a client's session share: a session, a scripted server, the time in the test's hands."""

from __future__ import annotations

from typing import TypeVar

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import (
    LOBBY,
    Broadcast,
    Entry,
    Joined,
    Kind,
    Reply,
    Request,
    Welcome,
)
from chat.wire.client_session import ClientSession
from chat.wire.events import (
    Event,
)
from chat.wire.frames import decode_requests, encode_frame, join_frames

CLIENT = b"c" * 16
WELCOME = Welcome("udpchat test", "bob", "")
DEV = "dev"
R = TypeVar("R")


def entry(seq: int, back: int = 1, room: str = LOBBY, text: str = "hi") -> Entry:
    """Give an entry."""
    return Entry(room, seq, back, 0, Kind.SAY, "ann", verified=False, text=text)


def joined(number: int, head: int, room: str = LOBBY, version: int = 0) -> Joined:
    """Give the answer to a Join, in a room of which everything is kept."""
    return Joined(number, room, head, 0, "", version, 1)


class ClientSessionTests(SynchronousTestCase):
    """A session, and the time in the test's hands."""

    def setUp(self) -> None:
        """Begin on a fresh channel."""
        self.now = 100.0
        self.session = ClientSession(CLIENT, "bob", lambda: 0.5)
        self.session.connected(self.now)

    def tell(self, *messages: Reply | Broadcast) -> list[Event]:
        """Let the server send messages in one datagram."""
        datagram = join_frames([encode_frame(message) for message in messages])
        return self.session.receive_datagram(datagram, self.now)

    def asked(self) -> list[Request]:
        """Give what the session sends now, once the pacer lets it."""
        self.now += 0.02
        return [
            request
            for datagram in self.session.datagrams_to_send(self.now)
            for request in decode_requests(datagram)
        ]

    def only(self, kind: type[R]) -> R:
        """Give the one request of a kind that the session sends now."""
        (found,) = [request for request in self.asked() if isinstance(request, kind)]
        return found

    def wait(self) -> list[Event]:
        """Let the time pass until the session wants it back, and give what happens then."""
        when = self.session.next_timeout()
        assert when is not None
        self.now = max(self.now, when)
        return self.session.handle_timeout(self.now)

    def enter(self, *rooms: str, head: int = 10) -> None:
        """Be let in, and into rooms that stand at `head`."""
        for room in rooms:
            self.session.join(room, self.now)
        self.asked()
        self.tell(WELCOME, *(joined(number, head, room) for number, room in enumerate(rooms, 1)))

    def say(self, text: str = "hi", room: str = LOBBY) -> int:
        """Say something."""
        return self.session.say(room, Kind.SAY, text, self.now)
