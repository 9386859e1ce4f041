"""Tests of `chat.server.book` and `chat.server.outbox`: what is made once, however many it goes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Change,
    Done,
    Entry,
    Hello,
    Kind,
    Presence,
    Turnover,
    Welcome,
)
from chat.server.book import Book
from chat.server.outbox import Outbox
from chat.server.peer import AnyPeer, PlainPeer, ProvenPeer
from chat.server.port import WRITES_A_TURN
from chat.wire.frames import encode_frame, join_frames
from chat.wire.pacing import COALESCE_SECONDS
from chat.wire.server_session import ServerSession
from chat.wire.text import TextSession
from tests.stub_channel import ServerEnd, open_sealed

HI = Entry(LOBBY, 7, 1, 0, Kind.SAY, "ann", verified=False, text="hi")


def is_in() -> ServerSession:
    """Give a native session whose client is in the chat."""
    session = ServerSession(0.0, None)
    session.receive_datagram(join_frames([encode_frame(Hello(PROTOCOL_VERSION, b"c" * 16, "ned"))]), 0.0)
    session.send(Welcome("a server", "ned", ""), 0.0)
    session.datagrams_to_send(0.0)
    return session


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
        self.sessions = [is_in() for _ in range(10)]
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
        """All native peers are sent the same, and once more when the room's tail is repeated."""
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 0.0)
        self.outbox.send_rooms(0.0)
        told = dict.fromkeys(range(10), (join_frames([encode_frame(HI)]),))
        self.assertEqual(self.sent(), told)
        self.outbox.repeat_tails(self.book.members, 1.0)
        self.outbox.send_rooms(1.0)
        self.assertEqual(self.sent(), told)

    def test_what_comes_within_20_ms(self) -> None:
        """The first leaves at once, what follows leaves together: one datagram for each peer."""
        crowd = self.book.crowd(LOBBY, self.members)
        self.outbox.tell_native(crowd, HI, 0.0)
        self.assertEqual(self.outbox.next_rooms(), 0.0)
        self.outbox.send_rooms(0.0)
        self.assertEqual((len(self.sent()), self.outbox.next_rooms()), (10, None))
        for _ in range(3):
            self.outbox.tell_native(crowd, HI, 0.005)
        self.outbox.send_rooms(0.005)
        self.assertEqual((self.sent(), self.outbox.next_rooms()), ({}, COALESCE_SECONDS))
        self.outbox.send_rooms(COALESCE_SECONDS)
        self.assertEqual(self.sent(), dict.fromkeys(range(10), (join_frames([encode_frame(HI)] * 3),)))

    def test_much_does_not_wait(self) -> None:
        """What is more than a turn shall write leaves before its time."""
        crowd = self.book.crowd(LOBBY, self.members)
        self.outbox.tell_native(crowd, HI, 0.0)
        self.outbox.send_rooms(0.0)
        self.sent()
        for _ in range(WRITES_A_TURN // 10):
            self.outbox.tell_native(crowd, HI, 0.001)
        self.outbox.send_rooms(0.001)
        self.assertEqual(len(self.sent()), 10)

    def test_with_an_answer(self) -> None:
        """Who has an answer coming is sent all in one datagram; the others have theirs already."""
        self.sessions[3].send(Done(1, "done"), 1.0)
        self.outbox.look_after(self.native(3))
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 1.0)
        self.outbox.send_rooms(1.0)
        told = self.sent()
        self.assertEqual(sorted(told), [0, 1, 2, 4, 5, 6, 7, 8, 9])
        both = join_frames([encode_frame(Done(1, "done")), encode_frame(HI)])
        self.assertEqual(self.looked_after(1.0), {3: (both,)})

    def test_behind_what_waits(self) -> None:
        """Who still has answers waiting is sent what the room was told behind them."""
        peer = self.native(3)
        for text in ("first", "second"):
            self.sessions[3].send(Done(1, text), 1.0)
            self.outbox.look_after(peer)
            self.looked_after(1.0)
        self.assertTrue(peer.is_waiting)
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 1.001)
        self.outbox.send_rooms(1.001)
        told = self.sent()
        self.assertEqual(told[3], (join_frames([encode_frame(Done(1, "second")), encode_frame(HI)]),))
        self.assertEqual([len(told), told[4]], [10, (join_frames([encode_frame(HI)]),)])
        self.assertFalse(peer.is_waiting)

    def test_an_answer_overtakes_nothing(self) -> None:
        """It comes behind what its peer was told before, and before what it is told then, each once."""
        crowd, peer = self.book.crowd(LOBBY, self.members), self.native(3)
        self.outbox.send_rooms(1.0)
        one, two, three = (structs.replace(HI, text=text) for text in ("one", "two", "three"))
        self.outbox.tell_native(crowd, one, 1.0)
        self.outbox.catch_up(peer)
        self.sessions[3].send(Done(1, "done"), 1.0)
        self.outbox.tell_native(crowd, two, 1.0)
        self.outbox.catch_up(peer)
        self.outbox.look_after(peer)
        frames = [encode_frame(frame) for frame in (one, Done(1, "done"), two)]
        self.assertEqual(self.looked_after(1.0), {3: (join_frames(frames),)})
        self.outbox.tell_native(crowd, three, 1.0)
        self.outbox.send_rooms(1.0)
        told = self.sent()
        self.assertEqual(told[3], (join_frames([encode_frame(three)]),))
        self.assertEqual(told[4], (join_frames([encode_frame(entry) for entry in (one, two, three)]),))

    def test_two_rooms(self) -> None:
        """Who is in both is told of both in one datagram."""
        there = structs.replace(HI, room="tea")
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 1.0)
        self.outbox.tell_native(self.book.crowd("tea", self.members[:4]), there, 1.0)
        self.outbox.send_rooms(1.0)
        both, one = [encode_frame(HI), encode_frame(there)], [encode_frame(HI)]
        expected = {number: (join_frames(both if number < 4 else one),) for number in range(10)}
        self.assertEqual(self.sent(), expected)

    def test_who_has_left(self) -> None:
        """Nobody is told anything once its member has left, or its channel is over."""
        self.outbox.tell_native(self.book.crowd(LOBBY, self.members), HI, 1.0)
        self.book.unseat(self.members[3])
        over = self.native(4)
        over.channel.close(1.0)
        over.channel.datagrams_to_send(1.0)
        self.outbox.send_rooms(1.0)
        self.assertEqual(sorted(self.sent()), [0, 1, 2, 5, 6, 7, 8, 9])
        self.assertIs(self.outbox.next_proven(), over)
        self.assertIsNone(self.outbox.next_proven())

    def test_rendered_once(self) -> None:
        """There is one line for each form that plain peers want it in: another room, two line ends."""
        self.outbox.tell_text(self.book.crowd(LOBBY, self.members), HI, None)
        self.assertEqual(
            sorted(Counter(self.outbox.take()[0]).items()),
            [(b"[lobby] ann: hi", 5), (b"[lobby] ann: hi\n", 5)],
        )

    def test_lines_share_datagrams(self) -> None:
        """What a room is told at once is one datagram for those who end their lines.

        It is no longer than a line may be.
        """
        crowd = self.book.crowd(LOBBY, self.members)
        entries = [structs.replace(HI, text=text) for text in ("one", "two", "x" * 1_000, "three")]
        for entry in entries:
            self.outbox.tell_text(crowd, entry, None)
        lines = [b"[lobby] ann: %s" % entry.text.encode() for entry in entries]
        self.assertEqual(self.outbox.queued, 5 * 4 + 5 * 3)
        sent = self.sent()
        for number in range(10, 20, 2):
            self.assertEqual(sent[number], tuple(lines))
        for number in range(11, 20, 2):
            self.assertEqual(
                sent[number], (lines[0] + b"\n" + lines[1] + b"\n", lines[2] + b"\n", lines[3] + b"\n")
            )
        self.outbox.tell_text(crowd, HI, None)
        self.assertEqual(self.sent()[11], (b"[lobby] ann: hi\n",))

    def test_sharing_keeps_the_order(self) -> None:
        """A line shares no datagram with one before which something else went to one of those peers."""
        crowd, other = self.book.crowd(LOBBY, self.members), self.book.crowd("other", self.members[:12])
        one, two, three = (structs.replace(HI, text=text) for text in ("one", "two", "three"))
        ten = structs.replace(HI, room="other", text="ten")
        author = self.book.members[self.members[11]]

        def told(*steps: Callable[[], None]) -> list[bytes]:
            for step in steps:
                step()
            sent = self.sent()
            return [b"".join(sent[number]).replace(b"[lobby] ann: ", b"") for number in (11, 13)]

        def say(entry: Entry, silent: AnyPeer | None = None) -> Callable[[], None]:
            return lambda: self.outbox.tell_text(crowd, entry, silent)

        elsewhere = partial(self.outbox.tell_text, other, ten, None)
        self.assertEqual(
            told(say(one), elsewhere, say(two)), [b"one\n[other] ann: ten\ntwo\n", b"one\ntwo\n"]
        )
        answer = partial(self.outbox.put, (b"ten\n",), author)
        self.assertEqual(told(say(one), answer, say(two)), [b"one\nten\ntwo\n", b"one\ntwo\n"])
        self.assertEqual(
            told(say(one), say(two, author), say(three)), [b"one\nthree\n", b"one\ntwo\nthree\n"]
        )

    def test_sealed_lines(self) -> None:
        """They are the same lines, put into each channel; a silent author's is left out of both."""
        for number, member in enumerate(self.members[:4]):
            peer = proven(("10.0.0.3", number), TextSession(member, 1.0, 0.0))
            self.book.add(peer)
            self.book.seat(member, peer)
        self.outbox.tell_text(self.book.crowd(LOBBY, self.members), HI, self.book.members[self.members[0]])
        self.assertEqual([len(part) for part in self.outbox.take()], [10, 10])
        self.outbox.send_rooms(0.0)
        self.assertEqual(self.sent(), dict.fromkeys((1, 2, 3), (b"[lobby] ann: hi",)))

    def test_what_is_said_to_one_alone(self) -> None:
        """It bears no mark, has the reader's line end, and comes back to whoever says it to themselves."""
        alone = structs.replace(HI, room="@" + "a" * 26)
        for number, line in ((10, b"ann -> you: hi"), (11, b"ann -> you: hi\n")):
            reader = self.members[number]
            peer = self.book.members[reader]
            self.outbox.tell_text(self.book.crowd(alone.room, (reader,)), alone, peer)
            self.assertEqual(self.outbox.take(), ([line], [peer]))

    def test_who_ignores_somebody(self) -> None:
        """Who does is left out by what that one says, and nobody else; also once the nick is another."""
        for number, member in enumerate(self.members[:2]):
            peer = proven(("10.0.0.3", number), TextSession(member, 1.0, 0.0))
            self.book.add(peer)
            self.book.seat(member, peer)
        for number in (0, 10, 11):
            ignoring = self.book.members[self.members[number]]
            assert isinstance(ignoring.session, TextSession)
            ignoring.session.ignored.add("Ann")
            self.book.note_form(ignoring)
        renamed = Presence(LOBBY, "ann", verified=False, change=Change.RENAMED, new_nick="eve")
        left = Turnover(LOBBY, 0, 1, 0, 9, 3)
        for message, told in (
            (HI, 9),
            (structs.replace(HI, nick="bob"), 12),
            (structs.replace(HI, nick="eve"), 12),
            (renamed, 12),
            (left, 12),
            (structs.replace(HI, nick="eve"), 9),
        ):
            self.outbox.tell_text(self.book.crowd(LOBBY, self.members), message, None)
            self.outbox.send_rooms(self.outbox.next_rooms() or 0.0)
            self.assertEqual(len(self.outbox.take()[0]), told, message)

    def test_who_is_ignored_costs_the_others_nothing(self) -> None:
        """Those who ignore nobody share their line as before: only the one who does is asked."""
        peer = self.book.members[self.members[10]]
        assert isinstance(peer, PlainPeer)
        peer.session.ignored.add("bob")
        self.book.note_form(peer)
        crowd = self.book.crowd(LOBBY, self.members)
        self.assertEqual(
            sorted((is_asked, len(alike)) for _, _, is_asked, alike in crowd.plain),
            [(False, 4), (False, 5), (True, 1)],
        )

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

    def native(self, number: int) -> ProvenPeer:
        """Give one of the native peers."""
        peer = self.book.members[self.members[number]]
        assert isinstance(peer, ProvenPeer)
        return peer

    def sent(self) -> dict[int, tuple[bytes, ...]]:
        """Take what is to be written; give the plaintexts for each peer, by its port."""
        told: dict[int, tuple[bytes, ...]] = {}
        for datagram, peer in zip(*self.outbox.take(), strict=True):
            opened = open_sealed(datagram)
            plaintext = datagram if opened is None else opened[3]
            told[peer.addr[1]] = (*told.get(peer.addr[1], ()), plaintext)
        return told

    def looked_after(self, now: float) -> dict[int, tuple[bytes, ...]]:
        """Do for those who are to be looked after what the server does; give what they are sent."""
        while (peer := self.outbox.next_proven()) is not None:
            peer.pass_on(now)
            self.outbox.put(peer.channel.datagrams_to_send(now), peer)
        return self.sent()

    def change_session(self) -> None:
        """Let a member have another session."""
        peer = proven(("10.0.0.2", 1), is_in())
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
