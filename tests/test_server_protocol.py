"""Tests of `chat.server.protocol`: the plain door from datagram to datagram, on a network in memory."""

from __future__ import annotations

import errno
import os
import random

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from chat.errors import StoreError
from chat.hub.effects import Effect
from chat.hub.hub import Hub
from chat.messages import AppendResult, Bye, Draft, Request
from chat.server.peer import Addr
from chat.server.protocol import MAX_DORMANT, MAX_PEERS, UNREACHABLE_SECONDS, Settings
from chat.store.memory import MemoryStore
from tests.support import START, Wire

ANN, BOB, EVE = ("10.0.0.1", 4001), ("10.0.0.2", 4002), ("10.0.0.3", 4003)
STRANGER = ("8.8.8.8", 53)


class SlowStore(MemoryStore):
    """A store that takes an entry only when the test lets it."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.waiting: list[tuple[Draft, int, Deferred[AppendResult]]] = []

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Keep the draft back."""
        answer: Deferred[AppendResult] = Deferred()
        self.waiting.append((draft, last, answer))
        return answer

    def go_on(self) -> None:
        """Take the oldest draft that was kept back."""
        draft, last, answer = self.waiting.pop(0)
        super().append(draft, last).chainDeferred(answer)


class BrokenStore(MemoryStore):
    """A store that fails as the test says."""

    error: Exception | None = None

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:
        """Fail, or store."""
        return super().append(draft, last) if self.error is None else fail(self.error)


class BrokenHub(Hub):
    """A hub with a bug: the first leave raises."""

    bug: Exception | None = ZeroDivisionError("a bug")

    def apply(self, member_id: bytes, request: Request) -> list[Effect]:
        """Raise, or do what a hub does."""
        if isinstance(request, Bye) and self.bug is not None:
            bug, self.bug = self.bug, None
            raise bug
        return super().apply(member_id, request)


class ServerTests(SynchronousTestCase):
    """A server with its defaults."""

    settings = Settings()

    def setUp(self) -> None:
        """Start it; whatever it logs as an error fails the test."""
        self.wire = Wire(self.settings)

    def enter(self, **addrs: Addr) -> None:
        """Let members come in by nick, and forget what they were told of it."""
        for nick, addr in addrs.items():
            self.wire.send(addr, nick.encode())
        self.wire.port.written.clear()


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


class HostileTests(ServerTests):
    """Whatever comes in, members are not disturbed and strangers are hardly answered."""

    def test_two_servers_do_not_answer_each_other(self) -> None:
        """One forged datagram makes one of them a member of the other, and then it is quiet."""
        one, two = Wire(), Wire()
        addr_one, addr_two = ("10.0.0.8", 6789), ("10.0.0.9", 6789)
        for forged in (b"bob", b"bob\n", b"bob\nhello\n/names\n/help\n/nonsense\n", b"not a nick", b"exit"):
            one.send(addr_two, forged)
            for _ in range(10):
                for datagram in one.take(addr_two):
                    two.send(addr_one, datagram)
                for datagram in two.take(addr_one):
                    one.send(addr_two, datagram)
            self.assertEqual((one.take(addr_two), two.port.written), ([], []))

    def test_two_servers_that_are_members_of_each_other(self) -> None:
        """Two forged datagrams make them that, with a store that fails too; it ends where it begins."""
        for error in (None, StoreError("disk full")):
            store = BrokenStore(lambda: START)
            one, two = Wire(), Wire(store=store)
            addr_one, addr_two = ("10.0.0.8", 6789), ("10.0.0.9", 6789)
            one.send(ANN, b"ann")
            one.send(addr_two, b"bob")
            two.send(addr_one, b"eve")
            store.error = error
            for said in (b"hi", b"/me waves", b"bob: hi", b"eve: hi", b"exit"):
                one.send(ANN, said)
                for _ in range(300):
                    for datagram in one.take(addr_two):
                        two.send(addr_one, datagram)
                    for datagram in two.take(addr_one):
                        one.send(addr_two, datagram)
                    one.clock.advance(0.02)
                    two.clock.advance(0.02)
                self.assertLessEqual(len(one.take(ANN)), 5)
                self.assertEqual((one.take(addr_two), two.port.written), ([], []))

    def test_our_own_address(self) -> None:
        """A datagram forged from the server's own address, or from port 0, is dropped."""
        self.wire.port.own.add(EVE)
        self.wire.send(EVE, b"eve")
        self.wire.send(("10.0.0.9", 0), b"zero")
        self.assertEqual(self.wire.port.written, [])

    def test_refusals_are_limited(self) -> None:
        """An address that has proved nothing gets one answer a second and five a minute."""
        self.enter(ann=ANN)
        for _ in range(600):
            self.wire.send(BOB, b"ann")
            self.wire.clock.advance(0.1)
        self.assertEqual(self.wire.take(BOB), [b"nama ini sudah diambil"] * 5)

    def test_strangers_leave_nothing_behind(self) -> None:
        """Refused, probing or speaking nonsense, 30,000 addresses do not keep later ones out."""
        self.enter(ann=ANN)
        for number in range(MAX_PEERS + 10_000):
            self.wire.send(
                (f"10.2.{number >> 8}.{number & 255}", 9), (b"ann", b"X", b"\xff", b"", b"exit")[number % 5]
            )
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_peers_are_bounded(self) -> None:
        """Addresses that came and left are remembered for 2 s only, and never more than 20,000."""
        for number in range(MAX_PEERS):
            self.wire.send((f"10.2.{number >> 8}.{number & 255}", 9), b"n%d\nexit" % number)
        self.wire.port.written.clear()
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [])
        self.wire.clock.advance(3)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_random_datagrams(self) -> None:
        """10,000 of them from strangers and members: nothing is logged as an error, and talk goes on."""
        seed = 6789
        rng = random.Random(seed)
        self.enter(ann=ANN, bob=BOB)
        for _ in range(10_000):
            addr = rng.choice([BOB, (f"10.3.0.{rng.randrange(256)}", 7)])
            self.wire.send(addr, rng.randbytes(rng.choice([0, 1, 3, 20, 1200])))
        self.wire.port.written.clear()
        self.wire.send(ANN, b"still here")
        self.assertEqual(self.wire.take(ANN), [b"ann: still here"], f"seed {seed}")

    def test_hostile_texts_are_clean(self) -> None:
        """What reaches members holds nothing that a terminal would obey."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, "\x1b]0;owned\x07hi\x9b2J \u202egnp\u202c".encode())
        self.assertEqual(self.wire.take(ANN), [b"bob: ]0;ownedhi2J gnp"])

    def test_untrusted_networks(self) -> None:
        """By default a stranger from outside is not served at all."""
        self.wire.send(STRANGER, b"ann")
        self.assertEqual(self.wire.take(STRANGER), [])


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


class UnreachableTests(ServerTests):
    """A peer that cannot be written to is removed; a network that is down removes nobody."""

    def setUp(self) -> None:
        """Begin with three members."""
        super().setUp()
        self.enter(ann=ANN, bob=BOB, eve=EVE)

    def test_hopeless(self) -> None:
        """An address that can never be written to goes at once; the others get the line, then the leave."""
        for number in (errno.EINVAL, errno.EACCES, errno.EAFNOSUPPORT):
            self.setUp()
            self.wire.port.errors[BOB] = OSError(number, os.strerror(number))
            self.wire.send(ANN, b"hi")
            for addr in (ANN, EVE):
                self.assertEqual(self.wire.take(addr), [b"ann: hi", b"bob has left the chat"])
            self.wire.port.errors.clear()
            self.wire.send(ANN, b"ho")
            self.assertEqual(self.wire.take(BOB), [])
            self.wire.send(BOB, b"bob")
            self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_all_hopeless(self) -> None:
        """The end of one leads to the end of the next, and the server lives."""
        self.wire.port.every_error = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"hi")
        self.wire.port.every_error = None
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat"])

    def test_a_flapping_link(self) -> None:
        """When every write fails for ten seconds nobody is removed."""
        for number in (errno.ENETUNREACH, errno.ENOBUFS, errno.EPERM, errno.EAGAIN):
            self.wire.port.every_error = OSError(number, os.strerror(number))
            for _ in range(20):
                self.wire.send(ANN, b"anybody?")
                self.wire.clock.advance(0.5)
            self.wire.port.every_error = None
            self.wire.send(ANN, b"back")
            for addr in (ANN, BOB, EVE):
                self.assertEqual(self.wire.take(addr), [b"ann: back"])

    def test_our_own_address_went_away(self) -> None:
        """EINVAL for an answer's pinned source says nothing of the peer: the kernel chooses from then on."""
        self.wire.port.spoken_to = b"second address"
        self.wire.send(BOB, b"1")
        self.wire.port.errors[BOB] = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"2")
        del self.wire.port.errors[BOB]
        self.wire.port.written.clear()
        self.wire.send(ANN, b"3")
        self.assertEqual(self.wire.take(BOB), [b"ann: 3"])
        self.assertEqual(self.wire.port.sources[BOB], [])

    def test_one_loss_among_successes(self) -> None:
        """A write that fails and one that succeeds in the same turn are no minute of failure."""
        self.wire.port.errors[BOB] = OSError(errno.EAGAIN, "again")
        self.wire.send(ANN, b"1")
        self.wire.port.errors.clear()
        self.wire.send(ANN, b"2")
        self.wire.clock.advance(UNREACHABLE_SECONDS + 1)
        self.wire.port.errors[BOB] = OSError(errno.EAGAIN, "again")
        self.wire.send(ANN, b"3")
        self.wire.port.errors.clear()
        self.wire.port.written.clear()
        self.wire.send(ANN, b"4")
        self.assertEqual(self.wire.take(BOB), [b"ann: 4"])

    def test_nothing_but_failure_for_a_minute(self) -> None:
        """Then the peer is gone; one write that succeeds begins the minute anew."""
        self.wire.port.errors[BOB] = OSError(errno.EHOSTUNREACH, "No route to host")
        self.wire.send(ANN, b"1")
        self.wire.clock.advance(UNREACHABLE_SECONDS - 1)
        self.wire.send(ANN, b"2")
        error = self.wire.port.errors.pop(BOB)
        self.wire.send(ANN, b"3")
        self.wire.port.errors[BOB] = error
        self.wire.send(ANN, b"4")
        self.wire.clock.advance(UNREACHABLE_SECONDS - 1)
        self.wire.send(ANN, b"5")
        self.assertEqual(self.wire.take(EVE), [b"ann: %d" % number for number in range(1, 6)])
        self.wire.clock.advance(1)
        self.wire.send(ANN, b"6")
        self.assertEqual(self.wire.take(EVE), [b"ann: 6", b"bob has left the chat"])


class StoreTests(SynchronousTestCase):
    """Nothing is shown before it is stored, whenever the store answers."""

    def test_a_slow_store(self) -> None:
        """Lines wait for the store, in order, and `exit` waits behind them."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob\none\ntwo\nexit\n")
        self.assertEqual(wire.take(ANN), [b"ann has joined the chat", b"bob has joined the chat"])
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: one"])
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: two", b"bob has left the chat"])

    def test_silence_while_the_store_is_slow(self) -> None:
        """Who comes back before its leave was carried out has never left, and its line is no nick."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob", b"one")
        wire.clock.advance(900)
        wire.send(ANN, b"/names")
        wire.clock.advance(901)
        wire.port.written.clear()
        wire.send(BOB, b"two")
        self.assertEqual(wire.take(BOB), [])
        store.go_on()
        store.go_on()
        self.assertEqual(wire.take(ANN), [b"bob: one", b"bob: two"])

    def test_an_answer_after_the_end(self) -> None:
        """What a store answers after the port was closed is sent to nobody."""
        store = SlowStore()
        wire = Wire(store=store)
        wire.send(ANN, b"ann", b"one")
        wire.port.written.clear()
        wire.server.stopProtocol()
        store.go_on()
        self.assertEqual(wire.port.written, [])

    def test_a_failing_store(self) -> None:
        """The author is told, nobody else sees anything, the server lives, and so does the talk."""
        store = BrokenStore(lambda: START)
        wire = Wire(store=store)
        wire.send(ANN, b"ann")
        wire.send(BOB, b"bob")
        wire.port.written.clear()
        store.error = StoreError("disk full")
        wire.send(BOB, b"lost")
        self.assertEqual(wire.take(ANN), [])
        (told,) = wire.take(BOB)
        self.assertIn(b"the store failed", told)
        store.error = None
        wire.send(BOB, b"kept")
        self.assertEqual(wire.take(ANN), [b"bob: kept"])

    def test_a_bug_in_a_store(self) -> None:
        """A failure that no store may have is logged with its traceback, and treated as one all the same."""
        store = BrokenStore(lambda: START)
        wire = Wire(store=store)
        wire.send(BOB, b"bob")
        wire.port.written.clear()
        store.error = ZeroDivisionError("a bug")
        wire.send(BOB, b"lost")
        self.assertEqual(len(wire.take(BOB)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
