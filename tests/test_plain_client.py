"""Tests of the plain client's side of the socket."""

from __future__ import annotations

import errno
import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chat.client.address import AddressError, Place, Server
from chat.client.plain import NEXT, PlainClient, State, check_line, check_nick, says_goodbye
from chat.errors import RequestRejected
from chat.safety import clean_text
from tests.bare_servers import Addr, Cable, EchoingServer, SilentServer

SERVER = Server(Place("chat.example", 6789), Cable.server_addr)
TAKEN = b"nama ini sudah diambil"


class Notes:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    def answered(self) -> None:
        """Note it."""
        self.noted.append("(answered)")

    def unanswered(self) -> None:
        """Note it."""
        self.noted.append("(unanswered)")

    def refused(self) -> None:
        """Note it."""
        self.noted.append("(refused)")

    def heard(self, line: str) -> None:
        """Note the line."""
        self.noted.append(line)

    def failed(self, problem: str) -> None:
        """Note the problem."""
        self.noted.append(f"(failed) {problem}")


class ClientCase(SynchronousTestCase):
    """A client on a cable with nobody at the other end."""

    def setUp(self) -> None:
        """Plug it in."""
        self.clock = Clock()
        self.notes = Notes()
        self.client = PlainClient(SERVER, self.clock, 3.0, self.notes)
        self.cable = Cable(self.client)

    def receive(self, datagram: bytes, addr: Addr = Cable.server_addr) -> None:
        """Let a datagram arrive."""
        self.client.datagramReceived(datagram, addr)


class StateTests(ClientCase):
    """Outside, knocking, inside, refused, left."""

    def test_the_table_is_whole(self) -> None:
        """Every state can be reached, nothing leads out of LEFT, and every other state can be left."""
        self.assertEqual({State.OUTSIDE, *NEXT.values()}, set(State))
        self.assertEqual({state for state, event in NEXT if event == "exit"}, set(State) - {State.LEFT})
        self.assertFalse([pair for pair in NEXT if pair[0] is State.LEFT])

    def test_a_step_that_is_not_in_the_table_is_an_error(self) -> None:
        """A second nick while the first is unanswered is a bug of the caller's."""
        self.client.join("bob")
        self.assertRaises(KeyError, self.client.join, "bob")

    def test_the_nick_is_bare_and_sent_once(self) -> None:
        """The nick goes out without a line end and is never repeated: it would be taken for a text."""
        self.assertTrue(self.client.join("bob"))
        self.clock.advance(1_000)
        self.assertEqual(self.cable.sent, ["bob"])
        self.assertEqual(self.cable.sent_to, [Cable.server_addr])

    def test_any_answer_lets_in(self) -> None:
        """The server's first datagram lets in; that is told once, and no timer is left."""
        self.client.join("bob")
        self.receive(b"bob has joined the chat")
        self.receive(b"ann: hello")
        self.assertIs(self.client.state, State.INSIDE)
        self.assertTrue(self.client.answered)
        self.assertEqual(self.notes.noted, ["(answered)", "bob has joined the chat", "ann: hello"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silence_lets_in(self) -> None:
        """Where nobody is greeted the visit goes on after the patience; a later answer still counts."""
        self.client.join("bob")
        self.clock.advance(3.0)
        self.assertIs(self.client.state, State.INSIDE)
        self.assertFalse(self.client.answered)
        self.receive(b"ann: hello")
        self.assertEqual(self.notes.noted, ["(unanswered)", "(answered)", "ann: hello"])

    def test_refused(self) -> None:
        """A refused nick is told once, whatever repeats of the refusal come, and another one may be sent."""
        self.client.join("bob")
        self.receive(TAKEN)
        self.receive(TAKEN + b"\n")
        self.assertTrue(self.client.wants_nick)
        self.assertEqual(self.notes.noted, ["(refused)"])
        self.client.join("eve")
        self.receive(b"eve has joined the chat")
        self.assertIs(self.client.state, State.INSIDE)
        self.assertEqual(self.cable.sent, ["bob", "eve"])

    def test_refused_late(self) -> None:
        """A refusal counts inside too: the server was slow, or forgot everybody in a restart."""
        self.client.join("bob")
        self.receive(b"bob has joined the chat")
        self.receive(TAKEN)
        self.assertIs(self.client.state, State.REFUSED)

    def test_words_of_a_refusal_in_a_text(self) -> None:
        """Only the whole datagram refuses: somebody who says those words refuses nobody."""
        self.client.join("bob")
        self.receive(b"ann: " + TAKEN)
        self.assertIs(self.client.state, State.INSIDE)

    def test_leave(self) -> None:
        """Leaving sends `exit` once; nothing is heard after it, and no timer is left."""
        self.client.join("bob")
        self.client.leave()
        self.client.leave()
        self.receive(b"ann: hello")
        self.assertEqual(self.cable.sent, ["bob", "exit"])
        self.assertEqual(self.notes.noted, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_strangers_leave_without_a_word(self) -> None:
        """Who is not in says no `exit`: it would become a nick."""
        refused = PlainClient(SERVER, self.clock, 3.0, self.notes)
        cable = Cable(refused)
        refused.join("bob")
        refused.datagramReceived(TAKEN, Cable.server_addr)
        refused.leave()
        self.client.leave()
        self.assertEqual(cable.sent + self.cable.sent, ["bob"])


class BareServerTests(SynchronousTestCase):
    """A visit to each of the two servers that this chat descends from."""

    def visit(self, server: EchoingServer | SilentServer) -> tuple[Cable, Notes]:
        """Join, say something, leave."""
        clock, notes = Clock(), Notes()
        client = PlainClient(SERVER, clock, 3.0, notes)
        cable = Cable(client, server)
        client.join("bob")
        cable.deliver()
        clock.advance(3.0)
        client.say("hello")
        cable.deliver()
        client.leave()
        cable.deliver()
        return cable, notes

    def test_echoing(self) -> None:
        """Chat-socket-UDP greets and echoes."""
        _, notes = self.visit(EchoingServer())
        self.assertEqual(notes.noted, ["(answered)", "bob has joined the chat", "bob: hello"])

    def test_silent(self) -> None:
        """UDP-Socket-Programming greets nobody and echoes nothing; `exit` removes."""
        server = SilentServer()
        _, notes = self.visit(server)
        self.assertEqual(notes.noted, ["(unanswered)"])
        self.assertEqual(server.received, ["bob", "hello", "exit"])
        self.assertEqual(server.names, {})

    def test_taken(self) -> None:
        """Chat-socket-UDP refuses a name that is in use."""
        server = EchoingServer()
        server.names[("127.0.0.1", 4)] = "bob"
        notes = Notes()
        client = PlainClient(SERVER, Clock(), 3.0, notes)
        cable = Cable(client, server)
        client.join("bob")
        cable.deliver()
        self.assertEqual(notes.noted, ["(refused)"])


class IncomingTests(ClientCase):
    """What comes in is the server's and clean, or it is nothing."""

    def setUp(self) -> None:
        """Be inside."""
        super().setUp()
        self.client.join("bob")
        self.receive(b"bob has joined the chat")
        self.notes.noted.clear()

    def test_foreign_datagrams(self) -> None:
        """What comes from another host or port is ignored, a refusal too."""
        for addr in (("127.0.0.1", 6790), ("127.0.0.2", 6789)):
            self.receive(b"ann: hello", addr)
            self.receive(TAKEN, addr)
        self.assertEqual(self.notes.noted, [])
        self.assertIs(self.client.state, State.INSIDE)

    def test_foreign_datagrams_answer_nothing(self) -> None:
        """A stranger's datagram is no answer to the nick."""
        client = PlainClient(SERVER, self.clock, 3.0, self.notes)
        Cable(client)
        client.join("eve")
        client.datagramReceived(b"eve has joined the chat", ("192.0.2.7", 6789))
        self.assertIs(client.state, State.KNOCKING)

    def test_hostile_text(self) -> None:
        """Escape sequences, bidi overrides and broken UTF-8 do not get through; the readable rest does."""
        self.receive(b"ann: \x1b[2J\x07hi \xff \xe2\x80\xaeabc\r\n")
        self.assertEqual(self.notes.noted, ["ann: [2Jhi \ufffd abc"])

    def test_lines(self) -> None:
        """A datagram may hold several lines and a last line end; blank ones are nothing."""
        self.receive(b"ann: one\n\n  \nann: two\r\n")
        self.receive(b"\n")
        self.receive(b"")
        self.assertEqual(self.notes.noted, ["ann: one", "ann: two"])

    @given(st.binary(max_size=200))
    def test_any_bytes(self, datagram: bytes) -> None:
        """Whatever bytes come: lines that cleaning would not change, and no exception."""
        notes = Notes()
        client = PlainClient(SERVER, Clock(), 3.0, notes)
        Cable(client)
        client.join("bob")
        client.datagramReceived(datagram, Cable.server_addr)
        for line in notes.noted:
            self.assertEqual(line, clean_text(line))
            self.assertTrue(line.strip())
            self.assertNotIn("\n", line)


class OutgoingTests(ClientCase):
    """What goes out is one clean line a datagram, through one guarded write."""

    def setUp(self) -> None:
        """Be inside."""
        super().setUp()
        self.client.join("bob")
        self.receive(b"bob has joined the chat")
        self.cable.sent.clear()
        self.notes.noted.clear()

    def test_clean(self) -> None:
        """Texts are cleaned before they are sent, and have no line end; blank ones are not sent."""
        for line in ("a\x1b[31m\tb\r\n", "  indented", "", " \t ", "\x07"):
            self.assertTrue(self.client.say(line))
        self.assertEqual(self.cable.sent, ["a[31m b", "  indented"])

    def test_too_long(self) -> None:
        """900 bytes are sent; of 901 nothing is, and the refusal is one line that names both."""
        self.client.say("ä" * 450)
        refusal = self.assertRaises(RequestRejected, self.client.say, "ä" * 450 + "b")
        self.assertEqual(self.cable.sent, ["ä" * 450])
        self.assertIn("901", refusal.text)
        self.assertIn("900", refusal.text)

    def test_a_failed_write_is_one_line(self) -> None:
        """A write that fails is told with the place as it was written; the client lives on."""
        self.cable.broken = OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        self.assertFalse(self.client.say("hello"))
        self.assertEqual(
            self.notes.noted, ["(failed) cannot send to chat.example:6789: Network is unreachable"]
        )
        self.cable.broken = None
        self.assertTrue(self.client.say("hello"))

    def test_a_failed_nick_can_be_sent_again(self) -> None:
        """A nick that could not be sent leaves the client outside: else a text would become the nick."""
        client = PlainClient(SERVER, self.clock, 3.0, self.notes)
        cable = Cable(client)
        cable.broken = OSError(errno.EHOSTUNREACH, "No route to host")
        self.assertFalse(client.join("bob"))
        self.assertIs(client.state, State.OUTSIDE)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        cable.broken = None
        self.assertTrue(client.join("bob"))

    def test_a_failed_exit_is_not_worth_a_word(self) -> None:
        """Who leaves need not know that even the goodbye is lost."""
        self.cable.broken = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.client.leave()
        self.assertEqual(self.notes.noted, [])

    def test_the_whole_address_is_used(self) -> None:
        """A link-local server is sent to with its scope id, and its answers, which lack it, are heard."""
        server = Server(Place("fe80::1%eth0", 6789), ("fe80::1", 6789, 0, 3))
        client = PlainClient(server, self.clock, 3.0, self.notes)
        cable = Cable(client)
        client.join("bob")
        client.datagramReceived(b"bob has joined the chat", ("fe80::1", 6789))
        self.assertEqual(cable.sent_to, [("fe80::1", 6789, 0, 3)])
        self.assertIs(client.state, State.INSIDE)


class CheckTests(SynchronousTestCase):
    """What is settled before anything is sent."""

    def test_nicks(self) -> None:
        """A nick is cleaned and stripped; blank, longer than 64 bytes, or a word for leaving: refused."""
        self.assertEqual(check_nick(" Bo\x1bb "), "Bob")
        for nick in ("", "  ", "exit", "/quit", "x" * 65):
            self.assertRaises(RequestRejected, check_nick, nick)

    def test_goodbyes(self) -> None:
        """`exit` and every name of the command for it end a visit; nothing else does."""
        for line in ("exit", " exit ", "/quit", "/exit", "/bye now"):
            self.assertTrue(says_goodbye(line), line)
        self.assertFalse(says_goodbye("/topic \udcff"), "what a terminal gives for a byte that is no text")
        for line in ("", "exit now", "//quit", "/help", "/names", "/nosuch", "/me", "/me exits"):
            self.assertFalse(says_goodbye(line), line)

    @given(st.text(max_size=100))
    def test_checking_twice_changes_nothing(self, text: str) -> None:
        """A checked line is what is sent, so checking it again gives it back."""
        line = check_line(text)
        self.assertEqual(check_line(line), line)


@implementer(IReactorUDP)
class _NoSockets:
    """A machine that has no IPv6."""

    def listenUDP(
        self,
        port: int,
        protocol: DatagramProtocol,  # noqa: ARG002
        interface: str = "",
        maxPacketSize: int = 8192,  # noqa: ARG002, N803
    ) -> IListeningPort:
        """Fail."""
        raise CannotListenError(interface, port, OSError(errno.EAFNOSUPPORT, "Address family not supported"))


class OpenTests(ClientCase):
    """The socket."""

    def test_no_socket(self) -> None:
        """Where no socket of the server's family can be had, one line says so."""
        error = self.assertRaises(AddressError, self.client.open, _NoSockets())
        self.assertEqual(
            str(error), "cannot open a socket to reach chat.example:6789: Address family not supported"
        )
