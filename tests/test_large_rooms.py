"""Tests of large rooms through the whole server: who is told what of those who come and go, at each door."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from chat.fields import CROWD
from chat.hub.tallies import TELL_SECONDS
from chat.messages import LOBBY, Change, Joined, Presence, Turnover
from chat.server.settings import Settings
from tests.simulation.network import Fate
from tests.simulation.stage import Stage, is_a
from tests.support import EVE, NAT, NED, Native, Sealed, ServerTests, only

PLAIN = [("10.0.1.1", 1_000 + number) for number in range(CROWD)]


class LargeRoomTests(ServerTests):
    """A lobby full of those who have `nc`, and a native member: one more than are told of each other."""

    settings = Settings(max_members=5_000)

    def setUp(self) -> None:
        """Let them come in, and be told of it."""
        super().setUp()
        self.enter(**{f"m{number}": addr for number, addr in enumerate(PLAIN)})
        self.nat = Native(self.wire, NAT, "nat")
        self.wire.clock.advance(TELL_SECONDS + 0.1)
        self.nat.take_all()
        self.wire.port.written.clear()

    def test_plain(self) -> None:
        """A newcomer reads at once that it has joined; the others read how many, two seconds later."""
        self.wire.send(EVE, b"eve\n")
        self.assertEqual(self.wire.take(EVE), [b"eve has joined the chat\n"])
        self.wire.send(PLAIN[1], b"exit")
        self.wire.clock.advance(TELL_SECONDS - 0.1)
        self.assertEqual(self.wire.take(PLAIN[0]), [])
        self.wire.clock.advance(0.2)
        self.assertEqual(self.wire.take(PLAIN[0]), [b"* lobby: 1 joined, 1 left"])
        self.assertEqual(self.wire.take(EVE), [b"* lobby: 1 joined, 1 left\n"])
        self.wire.clock.advance(60.0)
        self.assertEqual(self.wire.take(PLAIN[0]), [])

    def test_another_room(self) -> None:
        """Who speaks in another room has its name in front, as of all that is told."""
        self.wire.send(PLAIN[0], b"/join dev")
        self.wire.take(PLAIN[0])
        self.wire.send(EVE, b"eve")
        self.wire.clock.advance(TELL_SECONDS + 0.1)
        self.assertEqual(self.wire.take(PLAIN[0]), [b"[lobby] * lobby: 1 joined"])

    def test_a_new_nick(self) -> None:
        """Who takes one reads it at once; the others read how many did."""
        self.wire.send(PLAIN[0], b"/nick zed")
        self.assertEqual(self.wire.take(PLAIN[0]), [b"m0 is now zed"])
        self.wire.clock.advance(TELL_SECONDS + 0.1)
        self.assertEqual(self.wire.take(PLAIN[1]), [b"* lobby: 1 renamed"])

    def test_sealed(self) -> None:
        """Text behind a channel is told the same."""
        sal = Sealed(self.wire, NED)
        sal.say(b"sal")
        self.assertEqual(sal.take(), [b"sal has joined the chat"])
        self.wire.clock.advance(TELL_SECONDS)
        self.assertEqual(sal.take(), [b"* lobby: 1 joined"])

    def test_native(self) -> None:
        """A newcomer learns where it is and how many are; then all get one frame with counts."""
        ned = Native(self.wire, NED)
        ned.enter("ned")
        told = ned.take_all()
        self.assertEqual([shown.nick for shown in only(Presence, told)], ["ned"])
        self.assertEqual([joined.count for joined in only(Joined, told)], [CROWD + 2])
        self.assertEqual(self.nat.take_all(), [])
        self.wire.clock.advance(TELL_SECONDS)
        turnover = Turnover(LOBBY, 1, 0, 0, CROWD + 2, only(Joined, told)[0].version)
        self.assertEqual((self.nat.take_all(), ned.take_all()), ([turnover], [turnover]))

    def test_it_shrinks(self) -> None:
        """One comes and three go: they are told in one count, and the next by name, behind it."""
        self.wire.send(EVE, b"eve")
        for addr in PLAIN[:3]:
            self.wire.send(addr, b"exit")
        self.assertEqual(self.nat.take_all(), [])
        self.wire.clock.advance(TELL_SECONDS)
        (turnover,) = only(Turnover, self.nat.take_all())
        self.assertEqual((turnover.joined, turnover.left, turnover.count), (1, 3, CROWD - 1))
        self.wire.send(PLAIN[3], b"exit")
        (left,) = only(Presence, self.nat.take_all())
        self.assertEqual((left.nick, left.change, left.version), ("m3", Change.LEFT, turnover.version + 1))

    def test_thousands(self) -> None:
        """Of 2,000 who come and go within 10 s each member is told five times at most, and of all."""
        for number in range(1_000):
            addr = ("10.0.2.1", 1_000 + number)
            self.wire.send(addr, b"x%d" % number)
            self.wire.clock.advance(0.005)
            self.wire.send(addr, b"exit")
            self.wire.clock.advance(0.005)
        told = only(Turnover, self.nat.take())
        lines = Counter(addr for _, addr in self.wire.port.written if addr in set(PLAIN))
        self.assertLessEqual(len(told), 5)
        self.assertLessEqual(max(lines.values()), 5)
        self.wire.clock.advance(TELL_SECONDS + 0.1)
        told += only(Turnover, self.nat.take_all())
        self.assertEqual(sum(each.joined for each in told), 1_000)
        self.assertEqual(sum(each.left for each in told), 1_000)
        self.assertEqual(told[-1].count, CROWD + 1)

    def test_the_log(self) -> None:
        """The operator reads of everybody by name, once."""
        events: list[LogEvent] = []
        watch: Any = events.append
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        self.wire.send(EVE, b"eve", b"/join dev", b"/join lobby", b"/part", b"exit")
        self.wire.clock.advance(TELL_SECONDS + 0.1)
        self.assertEqual(
            [formatEvent(event) for event in events if "event" in event],
            [
                "~eve joined from 10.0.0.3:4003",
                "[dev] ~eve joined from 10.0.0.3:4003",
                "~eve parted",
                "~eve left: exit",
            ],
        )


class Play(SynchronousTestCase):
    """One more native program than are told of each other, with all that is between them and the server."""

    def test_a_large_room(self) -> None:
        """Each is told once, and rosters are right in the end, also of one who was told nothing."""
        stage = Stage()
        programs = [stage.client() for _ in range(CROWD + 1)]
        stage.let(TELL_SECONDS)
        first = programs[0]
        told = stage.screens.turnovers[first.name]
        self.assertEqual([(each.joined, each.left, each.count) for each in told], [(1, 0, CROWD + 1)])
        keeper = next(each for each in programs[1:-5] if each.roster("lobby") is not None)
        stage.take_out(Fate.DROP, keeper.host, is_a(Turnover))
        late = [stage.client() for _ in range(3)]
        for leaver in (late[0], *programs[-5:]):
            leaver.quit(politely=True)
        stage.let(2 * TELL_SECONDS)
        self.assertEqual(sum(each.joined for each in told), 4)
        self.assertEqual(sum(each.left for each in told), 6)
        self.assertEqual(told[-1].count, CROWD - 2)
        stage.end()
        self.assertEqual(len(keeper.roster("lobby") or []), CROWD - 2)
