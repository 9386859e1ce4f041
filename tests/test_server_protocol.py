"""Tests of `chat.server.protocol`: the plain door from datagram to datagram, on a network in memory."""

from __future__ import annotations

from chat.hub.effects import Effect
from chat.hub.hub import Hub
from chat.limits import NOWHERE, Purses
from chat.messages import Bye, Request
from chat.server.book import MAX_DORMANT
from chat.server.port import WRITES_A_TURN
from chat.server.settings import Settings
from tests.support import ANN, BOB, EVE, ServerTests, Wire

STRANGER = ("8.8.8.8", 53)


class BrokenHub(Hub):
    """A hub with a bug: the first leave raises."""

    bug: Exception | None = ZeroDivisionError("a bug")

    def apply(
        self,
        member_id: bytes,
        request: Request,
        now: float,
        key: bytes | None = None,
        origin: Purses = NOWHERE,
    ) -> list[Effect]:
        """Raise, or do what a hub does."""
        if isinstance(request, Bye) and self.bug is not None:
            bug, self.bug = self.bug, None
            raise bug
        return super().apply(member_id, request, now, key, origin)


class TalkTests(ServerTests):
    """Members talk, and everybody is told once."""

    def test_joining(self) -> None:
        """Everybody hears of a newcomer, who hears it too."""
        self.wire.send(ANN, b"ann")
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat", b"bob has joined the chat"])
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_a_line_reaches_everybody_once(self) -> None:
        """The sender included."""
        self.enter(ann=ANN, bob=BOB, eve=EVE)
        self.wire.send(ANN, b"hi")
        for addr in (ANN, BOB, EVE):
            self.assertEqual(self.wire.take(addr), [b"ann: hi"])

    def test_line_ends_for_those_who_send_them(self) -> None:
        """One fan-out serves both kinds, and a change of habit counts at once."""
        self.wire.send(ANN, b"ann\n")
        self.wire.send(BOB, b"bob")
        self.wire.send(EVE, b"eve", b"\r\n")
        self.wire.port.written.clear()
        self.wire.send(BOB, b"hi")
        self.assertEqual(
            [self.wire.take(addr) for addr in (ANN, BOB, EVE)], [[b"bob: hi\n"], [b"bob: hi"], [b"bob: hi\n"]]
        )
        self.wire.send(BOB, b"ho\n")
        self.assertEqual(self.wire.take(BOB), [b"bob: ho\n"])

    def test_what_comes_together_leaves_together(self) -> None:
        """What was said in one turn is one datagram for who ends lines, and line by line for others."""
        for addr, nick in ((ANN, b"ann\n"), (BOB, b"bob"), (EVE, b"eve\n")):
            self.wire.send(addr, nick)
        self.wire.port.written.clear()
        for addr, text in ((ANN, b"hi\n"), (EVE, b"ho\n"), (ANN, b"hum\n")):
            self.wire.server.datagramReceived(text, addr)
        self.wire.server.turn_ended()
        self.assertEqual(self.wire.take(BOB), [b"ann: hi", b"eve: ho", b"ann: hum"])
        for addr in (ANN, EVE):
            self.assertEqual(self.wire.take(addr), [b"ann: hi\neve: ho\nann: hum\n"])

    def test_a_whole_visit(self) -> None:
        """A script's one datagram is a join, a message and a leave for everybody else."""
        self.enter(ann=ANN)
        self.wire.send(BOB, b"bot\nbackup done\nexit\n")
        self.assertEqual(
            self.wire.take(ANN), [b"bot has joined the chat", b"bot: backup done", b"bot has left the chat"]
        )
        self.assertEqual(self.wire.take(BOB), [b"bot has joined the chat\n", b"bot: backup done\n"])

    def test_a_paste_keeps_its_order(self) -> None:
        """200 lines in one datagram are 200 datagrams to everybody, in order."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"".join(b"%d\n" % number for number in range(200)))
        self.assertEqual(self.wire.take(BOB), [b"ann: %d" % number for number in range(200)])

    def test_much_is_written_before_the_turn_ends(self) -> None:
        """A paste to a large room leaves at once, so that the port sees it and ends the turn early."""
        self.enter(**{f"n{number}": ("10.0.1.1", 1000 + number) for number in range(20)})
        self.wire.send(ANN, b"ann")
        self.wire.server.datagramReceived(b"\n".join([b"hi"] * 250), ANN)
        self.assertGreater(len(self.wire.port.written), WRITES_A_TURN)

    def test_a_taken_nick(self) -> None:
        """Exactly one datagram, the rest of the refused one is dropped, and nobody else notices."""
        self.enter(ann=ANN)
        self.wire.send(BOB, b"ANN\nis this me?\nexit\n")
        self.assertEqual(self.wire.take(BOB), [b"nama ini sudah diambil"])
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.clock.advance(1)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_commands_answer_the_typist_alone(self) -> None:
        """Nobody else sees a command or its answer."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"/names", b"/nonsense", b"/help quit")
        self.assertEqual(self.wire.take(BOB), [])
        told = self.wire.take(ANN)
        self.assertEqual(told[0], b"-!- 2 here (~ is not verified): ~ann ~bob")
        self.assertEqual(len(told), 4)

    def test_motd(self) -> None:
        """The message of the day follows the joined line."""
        wire = Wire(hub=Hub("be nice"))
        wire.send(ANN, b"ann")
        self.assertEqual(wire.take(ANN), [b"ann has joined the chat", b"-!- be nice"])

    def test_going_down(self) -> None:
        """Everybody is told so, in the form each wants it, and nothing goes on behind."""
        self.enter(ann=ANN)
        self.wire.send(BOB, b"bob\n")
        self.wire.port.written.clear()
        self.successResultOf(self.wire.server.shut_down())
        self.assertEqual(self.wire.take(ANN), [b"server is going down"])
        self.assertEqual(self.wire.take(BOB), [b"server is going down\n"])
        self.assertEqual(self.wire.clock.getDelayedCalls(), [])

    def test_answers_leave_from_the_address_that_was_spoken_to(self) -> None:
        """The peer's control message is that of its newest datagram."""
        self.wire.port.spoken_to = b"one"
        self.enter(ann=ANN)
        self.wire.port.spoken_to = b"two"
        self.enter(bob=BOB)
        self.wire.send(ANN, b"hi")
        self.assertEqual(self.wire.port.sources, {ANN: [(0, 0, b"two")], BOB: [(0, 0, b"two")]})


class NoEchoTests(ServerTests):
    """With --no-echo a sender does not get its own lines."""

    settings = Settings(echo=False)

    def test_no_echo(self) -> None:
        """Everybody else gets them, and the newcomer's joined line still comes to it."""
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat"])
        self.enter(bob=BOB)
        self.wire.send(ANN, b"hi")
        self.assertEqual(self.wire.take(ANN), [])
        self.assertEqual(self.wire.take(BOB), [b"ann: hi"])


class SilenceTests(ServerTests):
    """Who is silent for half an hour has left, and can come back for a day."""

    def test_silence(self) -> None:
        """One notice to the silent one, a leave for the rest, and its next line brings it back."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.clock.advance(1000)
        self.wire.send(ANN, b"here")
        self.wire.port.written.clear()
        self.wire.clock.advance(801)
        self.assertEqual(self.wire.take(ANN), [b"bob has left the chat"])
        (told,) = self.wire.take(BOB)
        self.assertIn(b"silent for 1800 s", told)
        self.wire.send(BOB, b"back")
        self.assertEqual(self.wire.take(ANN), [b"bob has joined the chat", b"bob: back"])

    def test_a_bug_in_a_timeout(self) -> None:
        """One that raises is logged, and does not end the time-outs of the others."""
        wire = Wire(hub=BrokenHub())
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob")
        wire.clock.advance(1)
        wire.send(EVE, b"eve")
        wire.clock.pump([1799.5, 1, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn(b"bob has left the chat", wire.take(EVE))

    def test_the_nick_went_to_somebody_else(self) -> None:
        """Then the silent one is told so, and asked for another."""
        self.enter(bob=BOB)
        self.wire.clock.advance(1801)
        self.enter(bob=ANN)
        self.wire.send(BOB, b"back")
        self.assertEqual(self.wire.take(BOB), [b"nama ini sudah diambil"])
        self.assertEqual(self.wire.take(ANN), [])

    def test_a_day_later(self) -> None:
        """The address is a stranger's again."""
        self.enter(bob=BOB)
        self.wire.clock.pump([1801, 86_401, 1])
        self.wire.port.written.clear()
        self.wire.send(BOB, b"rob")
        self.assertEqual(self.wire.take(BOB), [b"rob has joined the chat"])

    def test_after_exit(self) -> None:
        """For 2 s a late line does not become a nick; then it would."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, b"exit", b"late")
        self.assertEqual(self.wire.take(ANN), [b"bob has left the chat"])
        self.wire.clock.advance(3)
        self.wire.send(BOB, b"later")
        self.assertEqual(self.wire.take(ANN), [b"later has joined the chat"])


class ManySilentTests(ServerTests):
    """Of those that may come back, the longest silent are forgotten first."""

    settings = Settings(idle_timeout=1)

    def test_dormant_peers_are_bounded(self) -> None:
        """10,100 members fall silent: the first is a stranger again, the last comes back."""
        addrs = [(f"10.1.{number >> 8}.{number & 255}", 5000) for number in range(MAX_DORMANT + 100)]
        for number, addr in enumerate(addrs):
            self.wire.send(addr, b"n%d" % number)
            if number % 100 == 99:
                self.wire.clock.pump([1.0, 1.0])
        self.wire.port.written.clear()
        self.wire.send(addrs[0], b"first")
        self.assertEqual(self.wire.take(addrs[0]), [b"first has joined the chat"])
        self.wire.send(addrs[-1], b"last")
        nick = b"n%d" % (len(addrs) - 1)
        self.assertEqual(self.wire.take(addrs[-1]), [nick + b" has joined the chat", nick + b": last"])


class EverybodyTests(ServerTests):
    """--plain all serves everybody."""

    settings = Settings(plain="all")

    def test_all(self) -> None:
        """An address from outside comes in like any other."""
        self.wire.send(STRANGER, b"ann")
        self.assertEqual(self.wire.take(STRANGER), [b"ann has joined the chat"])


class ClosedTests(ServerTests):
    """--plain off serves nobody."""

    settings = Settings(plain="off")

    def test_off(self) -> None:
        """Not even this machine."""
        self.wire.send(ANN, b"ann")
        self.wire.send(("127.0.0.1", 5), b"ann")
        self.assertEqual(self.wire.port.written, [])
