"""Tests of `chat.server.book` and `chat.server.outbox`: what is made once, however many it goes to."""

from __future__ import annotations

from collections import Counter

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import LOBBY, Change, Entry, Kind, Presence
from chat.server.book import Book
from chat.server.outbox import Outbox
from chat.server.peer import AnyPeer, PlainPeer, ProvenPeer
from chat.wire.frames import encode_frame
from chat.wire.server_session import ServerSession
from chat.wire.text import TextSession
from tests.stub_channel import ServerEnd, open_sealed

HI = Entry(LOBBY, 7, 1, 0, Kind.SAY, "ann", verified=False, text="hi")


class Listening(ServerSession):
    """A session that keeps the frames it is handed."""

    def __init__(self) -> None:
        super().__init__(0.0, None)
        self.frames: list[bytes] = []

    def send_frame(self, frame: bytes, now: float) -> None:  # noqa: ARG002
        """Keep it."""
        self.frames.append(frame)


def proven(addr: tuple[str, int], session: ServerSession | TextSession) -> ProvenPeer:
    """Give a peer with a channel, and this session."""
    peer = ProvenPeer(addr, ServerEnd(b"s" * 8, b"", b"", 0.0, lambda *_: None), 0.0)
    peer.session = session
    peer.channel.datagrams_to_send(0.0)
    return peer


class OutboxTests(SynchronousTestCase):
    """Ten native and ten plain peers in one room."""

    def setUp(self) -> None:
        """Seat them all."""
        self.book, self.outbox = Book(100), Outbox()
        self.sessions = [Listening() for _ in range(10)]
        self.members = tuple(b"%d" % number for number in range(20))
        for number, member in enumerate(self.members):
            addr = ("10.0.0.1", number)
            peer: AnyPeer
            if number < 10:
                peer = proven(addr, self.sessions[number])
            else:
                peer = PlainPeer(addr, TextSession(member, 1.0))
                peer.session.line_end = b"\n" if number % 2 else b""
            self.book.add(peer)
            self.book.seat(member, peer)

    def test_encoded_once(self) -> None:
        """All native sessions are handed one and the same bytes, and so are repeats of a tail."""
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 0.0)
        self.outbox.repeat_tails(self.book.members, 1.0)
        frames = [frame for session in self.sessions for frame in session.frames]
        self.assertEqual(len(frames), 20)
        self.assertEqual({id(frame) for frame in frames}, {id(frames[0])})
        self.assertEqual(frames[0], encode_frame(HI))

    def test_rendered_once(self) -> None:
        """There is one line for each form that plain peers want it in: another room, two line ends."""
        self.outbox.tell_text(self.book.crowd(LOBBY, self.members), HI, None)
        self.assertEqual(
            sorted(Counter(self.outbox.take()[0]).items()),
            [(b"[lobby] ann: hi", 5), (b"[lobby] ann: hi\n", 5)],
        )

    def test_sealed_lines(self) -> None:
        """They are the same lines, put into each channel; a silent author's is left out of both."""
        for number, member in enumerate(self.members[:4]):
            peer = proven(("10.0.0.3", number), TextSession(member, 1.0, 0.0))
            self.book.add(peer)
            self.book.seat(member, peer)
        self.outbox.tell_text(self.book.crowd(LOBBY, self.members), HI, self.book.members[self.members[0]])
        self.assertEqual([len(part) for part in self.outbox.take()], [10, 10])
        told = {}
        for sealed in self.outbox.take_crowd(0.0):
            sealed.pass_on(0.0)
            (datagram,) = sealed.channel.datagrams_to_send(0.0)
            opened = open_sealed(datagram)
            assert opened is not None
            told[sealed.addr[1]] = opened[3]
        self.assertEqual(told, dict.fromkeys((1, 2, 3), b"[lobby] ann: hi"))

    def test_what_is_said_to_one_alone(self) -> None:
        """It bears no mark, has the reader's line end, and comes back to whoever says it to themselves."""
        alone = structs.replace(HI, room="@" + "a" * 26)
        for number, line in ((10, b"ann -> you: hi"), (11, b"ann -> you: hi\n")):
            reader = self.members[number]
            peer = self.book.members[reader]
            self.outbox.tell_text(self.book.crowd(alone.room, (reader,)), alone, peer)
            self.assertEqual(self.outbox.take(), ([line], [peer]))

    def test_presence_has_no_tail(self) -> None:
        """It is best effort: nobody repeats it."""
        left = Presence(LOBBY, "ann", verified=False, change=Change.LEFT)
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), left, 0.0)
        self.assertIsNone(self.outbox.next_tail())

    def test_the_crowd_is_kept(self) -> None:
        """For one roster it is made once; another session, another form or another roster make it anew."""
        crowd = self.book.crowd(LOBBY, self.members)
        self.assertIs(self.book.crowd(LOBBY, self.members), crowd)
        self.assertIsNot(self.book.crowd(LOBBY, self.members[1:]), crowd)
        for change in (self.change_session, self.change_form, self.forget_one):
            crowd = self.book.crowd(LOBBY, self.members)
            change()
            self.assertIsNot(self.book.crowd(LOBBY, self.members), crowd)

    def test_one_seat(self) -> None:
        """A peer speaks for one member: what the one before is told goes to nobody then."""
        peer = self.book.members[self.members[0]]
        self.assertIsNone(self.book.seat(b"another", peer))
        self.assertNotIn(self.members[0], self.book.members)
        self.book.forget(peer)
        self.assertNotIn(b"another", self.book.members)

    def change_session(self) -> None:
        """Let a member have another session."""
        peer = proven(("10.0.0.2", 1), Listening())
        self.book.add(peer)
        self.assertIs(self.book.seat(self.members[0], peer), self.book.peers["10.0.0.1", 0])

    def change_form(self) -> None:
        """Let a plain peer begin to send line ends."""
        peer = self.book.members[self.members[10]]
        assert isinstance(peer, PlainPeer)
        peer.session.line_end = b"\n"
        self.book.note_form(peer)

    def forget_one(self) -> None:
        """Let a member be without a session."""
        self.book.forget(self.book.members[self.members[19]])
