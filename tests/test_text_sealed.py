"""Tests of `chat.wire.text`: plain text inside a channel, which proves whom it is from."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chat.errors import RemoteProtocolError
from chat.messages import LOBBY, Bye, Hello, Rejected, Welcome
from chat.wire.lines import NICK_TAKEN
from chat.wire.text import TextSession
from chat.wire.visit import ENTER_SECONDS, GRACE_SECONDS, State
from tests.test_text import TYPED, answers
from tests.text_support import CLIENT, IDLE, Conversation, enters, joined, say

TAKEN = Rejected(0, "NICK_IN_USE", "bob is taken")


class SealedTests(Conversation):
    """The rules of the plain door, without those that are for forged datagrams."""

    def setUp(self) -> None:
        """Begin as a stranger, at 0."""
        self.session = TextSession(CLIENT, IDLE, 0.0)

    def test_a_visit(self) -> None:
        """A nick, a text and the end are what they are at the plain door."""
        self.enter()
        self.assertEqual(self.hear(b"hi\n"), [say(1, "hi")])
        self.assertEqual(self.hear(b"exit\n"), [Bye("exit")])
        self.assertIs(self.session.state, State.LEFT)

    def test_no_probes(self) -> None:
        """X is a nick: nobody probes a channel."""
        self.assertEqual(self.hear(b"X"), enters("X"))

    def test_a_nick_like_a_servers_line(self) -> None:
        """Is asked for and refused like any other that cannot be: no other server is made to talk to us."""
        self.assertEqual(self.hear(b"alice: hi\n"), enters("alice: hi"))
        told = self.tell(Rejected(0, "NICK_INVALID", "no"))
        self.assertEqual(told, [NICK_TAKEN.encode() + b"\n"])

    def test_a_text_like_a_servers_line(self) -> None:
        """Is a text."""
        self.enter()
        self.assertEqual(self.hear(b"-!- hi", NICK_TAKEN.encode()), [say(1, "-!- hi"), say(2, NICK_TAKEN)])

    def test_a_refused_nick(self) -> None:
        """The session goes on, and its next line is another nick; the answer ends as the peer's lines do."""
        for end in (b"", b"\n"):
            self.setUp()
            self.hear(b"bob" + end)
            self.assertEqual(self.tell(TAKEN), [NICK_TAKEN.encode() + end])
            self.assertIs(self.session.state, State.STRANGER)
            self.assertEqual(self.hear(b"rob" + end), enters("rob", LOBBY, 2))

    def test_leaving_before_coming(self) -> None:
        """`exit` ends it whoever says it, once."""
        self.assertEqual(self.hear(b"exit\nexit\nbob\n"), [])
        self.assertIsNone(self.session.next_timeout())
        self.assertEqual(self.hear(b"bob\n"), [])

    def test_the_end_of_exit(self) -> None:
        """After 2 s it can be forgotten, however slow the hub is, and is nobody's again."""
        self.enter()
        self.hear(b"exit", now=7)
        self.assertEqual(self.session.next_timeout(), 7 + GRACE_SECONDS)
        self.assertEqual(self.session.handle_timeout(7 + GRACE_SECONDS), [])
        self.assertIsNone(self.session.next_timeout())

    def test_a_whole_visit_that_is_refused(self) -> None:
        """Who has said `exit` with its nick does not stay to find another."""
        self.hear(b"bob\nhi\nexit\n")
        self.assertEqual(self.tell(TAKEN), [NICK_TAKEN.encode() + b"\n"])
        self.assertIsNone(self.session.next_timeout())

    def test_a_whole_visit(self) -> None:
        """Who is let in after it has said `exit` is out as soon as the hub has done what was asked before."""
        self.assertEqual(self.hear(b"bot\nhi\nexit\n"), [*enters("bot"), say(1, "hi"), Bye("exit")])
        self.assertEqual(self.tell(Welcome("udpchat", "bot", ""), joined(1, LOBBY)), [])
        self.assertIs(self.session.state, State.LEFT)

    def test_never_coming_in(self) -> None:
        """For 120 s, from the beginning or from a refusal: one line says so, and that was it."""
        self.hear(b"\n", now=60)
        self.assertEqual(self.session.handle_timeout(ENTER_SECONDS - 1), [])
        self.hear(b"bob\n", now=100)
        self.tell(TAKEN, now=100)
        self.assertEqual(self.session.next_timeout(), 100 + ENTER_SECONDS)
        self.assertEqual(self.session.handle_timeout(100 + ENTER_SECONDS), [])
        self.assertEqual(self.said(), [b"-!- you did not come in within 120 s\n"])
        self.assertIsNone(self.session.next_timeout())

    def test_silence(self) -> None:
        """After half an hour one notice and a leave; no line brings it back."""
        self.enter()
        self.assertEqual(self.session.handle_timeout(IDLE), [Bye("silent for 1800 s")])
        self.assertEqual(self.said(), [b"-!- you were silent for 1800 s and left"])
        self.assertIsNone(self.session.next_timeout())
        self.assertEqual(self.hear(b"back", now=IDLE), [])

    @given(st.lists(st.binary(max_size=80) | st.sampled_from(TYPED)), st.randoms(use_true_random=False))
    def test_any_bytes(self, plaintexts: list[bytes], random: Random) -> None:
        """Any bytes in any order, whatever the answers, give requests or the peer's fault, nothing else."""
        session = TextSession(CLIENT, IDLE, 0.0)
        for now, plaintext in enumerate(plaintexts):
            try:
                requests = session.receive_datagram(plaintext, float(now))
            except RemoteProtocolError:
                continue
            for request in requests:
                if isinstance(request, Hello) and random.random() < 0.2:
                    session.send(TAKEN, float(now))
                    break
                for reply in answers(request, random):
                    session.send(reply, float(now))
            if random.random() < 0.1:
                session.handle_timeout(now + IDLE)
        for line in session.datagrams_to_send(0.0):
            self.assertLessEqual(len(line), 1024)
