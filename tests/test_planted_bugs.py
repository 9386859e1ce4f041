"""The checker is checked: bugs put into the product on purpose, each of which the simulation must find.

Each is what some rule of the protocol exists to prevent, and is put in from here. The scenario of some
is narrowed to the faults that they need, or 300 seeds would not do; the criterion is always the same.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chat.hub.direct import Direct
from chat.hub.effects import Effect, Send
from chat.hub.house import House
from chat.hub.hub import Hub
from chat.hub.members import Member
from chat.hub.rooms import Room
from chat.hub.tallies import Tallies, Tally
from chat.limits import NOWHERE, Purses
from chat.messages import LOBBY, Accepted, Entry, Join, Part, Rejected, Request, Say, Topic, is_direct
from chat.server.lodgings import Lodgings
from chat.server.outbox import Outbox as ServerOutbox
from chat.store.memory import Contents, MemoryStore
from chat.stored import AppendResult, Draft, Fact, Heads
from chat.wire import outbox
from chat.wire.client_session import ClientSession
from chat.wire.direct import Progress
from chat.wire.frames import decode_requests
from chat.wire.heads import Heads as ShownHeads
from chat.wire.lines import render
from chat.wire.roster import Roster
from chat.wire.sequence import NotKept, RoomLog, Shown, Wanted
from chat.wire.server_session import ServerSession
from chat.wire.tails import Tails
from tests.simulation.latency import last_words
from tests.simulation.scenario import Parts, Scenario, draw
from tests.simulation.stores import Disk
from tests.simulation.world import Failed, World

SEEDS = 300


def drawn(seed: int) -> Scenario:
    """Give the scenario of a seed as it is drawn."""
    return draw(random.Random(seed))


def with_faults(*faults: str, **changes: Any) -> Callable[[int], Scenario]:
    """Give what draws scenarios with these faults and no others."""
    return lambda seed: replace(drawn(seed), faults=frozenset(faults), **changes)


class ForgetfulStore(MemoryStore):
    """Does not store the numbers of texts."""

    def append(self, draft: Draft, last: int) -> Deferred[AppendResult]:  # noqa: ARG002
        """Write it, whatever was written before."""
        self.contents.clients.clear()
        return super().append(draft, 0)


class ForgetfulDisk(Disk):
    """Has such a store on it."""

    def make(self, contents: Contents | None) -> MemoryStore:
        """Give the store."""
        return ForgetfulStore(self.wall, self.kept, contents)


class HastyHub(Hub):
    """Says that a text is accepted when the store is asked, not when it has answered."""

    newest = 0

    def restore(self, heads: Heads) -> None:
        """Learn where the store stands."""
        self.newest = max([heads.base, *(room.head for room in heads.rooms.values())])
        super().restore(heads)

    def committed(self, fact: Fact) -> list[Effect]:
        """Learn what the next position will be."""
        self.newest = fact.entry.seq
        return super().committed(fact)

    def apply(
        self, member_id: bytes, request: Any, now: float, key: bytes | None = None, origin: Purses = NOWHERE
    ) -> list[Effect]:
        """Answer at once."""
        effects = super().apply(member_id, request, now, key, origin)
        if isinstance(request, Say) and any(type(effect).__name__ == "Commit" for effect in effects):
            return [Send(member_id, Accepted(request.id, request.n, self.newest + 1)), *effects]
        return effects


class LenientHub(Hub):
    """Says that a refused text is accepted."""

    newest = 1

    def committed(self, fact: Fact) -> list[Effect]:
        """Remember a position that looks well."""
        self.newest = fact.entry.seq
        return super().committed(fact)

    def apply(
        self, member_id: bytes, request: Any, now: float, key: bytes | None = None, origin: Purses = NOWHERE
    ) -> list[Effect]:
        """Answer with an Accepted where it should be a Rejected."""
        effects = super().apply(member_id, request, now, key, origin)
        if not isinstance(request, Say):
            return effects
        accepted = Send(member_id, Accepted(request.id, request.n, self.newest))
        return [
            accepted if isinstance(effect, Send) and _refuses(effect, request) else effect
            for effect in effects
        ]


def _refuses(effect: Send, request: Say) -> bool:
    message = effect.message
    return isinstance(message, Rejected) and message.id == request.id and not message.retry_after


class PlantedBugs(SynchronousTestCase):
    """Each test plants one bug, and fails if it is not found."""

    def hunt(self, parts: Parts | None = None, scenario: Callable[[int], Scenario] = drawn) -> str:
        """Run seeds until one fails; give what was found."""
        for seed in range(SEEDS):
            try:
                World(seed, scenario(seed), parts).run()
            except Failed as failure:
                found = str(failure).splitlines()[0]
                print(f"\n{self.id().rpartition('.')[2]}: seed {seed}: {found[:150]}", file=sys.stderr)
                return found
        return self.fail(f"not found in {SEEDS} seeds")

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put what `make` gives for a method in its place, until the test ends."""
        self.patch(owner, name, make(getattr(owner, name)))

    def test_requests_are_not_deduped(self) -> None:
        """A session that carries a repeated request out again makes two topics of one, or parts once more."""

        def make(receive: Callable[[Any, bytes, float], list[Request]]) -> Any:
            def all_of_them(self: Any, datagram: bytes, now: float) -> list[Request]:
                due = receive(self, datagram, now)
                if self.member is None:
                    return due
                changes = [
                    asked for asked in decode_requests(datagram) if isinstance(asked, Topic | Join | Part)
                ]
                return due + [asked for asked in changes if asked not in due]

            return all_of_them

        self.wrap(ServerSession, "receive_datagram", make)
        found = self.hunt(scenario=with_faults("loss", "late", pause=0.7, natives=4))
        self.assertRegex(found, "N2|N8")

    def test_reply_before_commit(self) -> None:
        """Who is told before the store has answered may be told what is not so."""
        self.assertIn("N1", self.hunt(Parts(hub=HastyHub)))

    def test_number_is_not_stored(self) -> None:
        """A store that forgets which text came last writes it again after a restart."""
        self.assertIn("N2", self.hunt(Parts(disk=ForgetfulDisk)))

    def test_fetch_is_never_repeated(self) -> None:
        """A gap whose answer was lost stays for ever."""

        def make(due: Callable[[Any, float], Wanted | None]) -> Any:
            def once(self: Any, now: float) -> Wanted | None:
                wanted = due(self, now)
                return None if wanted is None or wanted.is_repeat else wanted

            return once

        self.wrap(RoomLog, "due", make)
        self.assertIn("N6", self.hunt())

    def test_last_entry_is_not_repeated(self) -> None:
        """Who has lost the last entry of a quiet room hears of it by a Pong only: too late for N6.

        It does come, so nothing but its time tells. Where much is lost every client pings all the time and
        hides the bug; where only that entry is lost N6 has to hold all the more.
        """
        self.patch(Tails, "entry", lambda *_: None)
        latest = max(last_words(seed=0))
        print(f"\n{self.id().rpartition('.')[2]}: seed 0: shown after {latest:.1f} s", file=sys.stderr)
        self.assertGreater(latest, 5.0)

    def test_prev_is_ignored(self) -> None:
        """A receiver that takes whatever is newer shows silent gaps."""

        def make(receive: Callable[[Any, Entry, float], list[Shown]]) -> Any:
            def greedy(self: Any, entry: Entry, now: float) -> list[Shown]:
                if self.h >= 0 and entry.seq > self.h:
                    self.h = entry.seq - entry.back
                return receive(self, entry, now)

            return greedy

        self.wrap(RoomLog, "receive", make)
        self.assertIn("N5", self.hunt())

    def test_positions_are_given_out_again(self) -> None:
        """A run that begins where the last one did gives other entries the same places."""
        self.patch(sys.modules["chat.store.memory"], "begin_run", lambda _at, newest: max(newest - 3, 0))
        self.assertIn("N3", self.hunt())

    def test_lost_tail_blocks_the_room(self) -> None:
        """A receiver that only looks at the lowest that waits is stuck below what a restart has lost."""

        def make(receive: Callable[[Any, Entry, float], list[Shown]]) -> Any:
            def patient(self: Any, entry: Entry, now: float) -> list[Shown]:
                if self._above and min(self._above) < entry.seq:
                    self._above[entry.seq] = entry
                    return []
                return receive(self, entry, now)

            return patient

        self.wrap(RoomLog, "receive", make)
        found = self.hunt(
            scenario=with_faults("loss", "kill", "late", disk="loses the tail", kept=512, pause=1.0)
        )
        self.assertIn("N6", found)

    def test_refused_is_accepted(self) -> None:
        """What was refused and is called accepted is in no store."""
        self.assertIn("N1", self.hunt(Parts(hub=LenientHub)))

    def test_joined_is_compared_with_todays_head(self) -> None:
        """An entry that overtakes Joined looks like one that the server has lost."""

        def make(joined: Callable[..., list[Shown]]) -> Any:
            def rash(self: Any, *answer: Any) -> list[Shown]:
                self._joined_with = self.h
                return joined(self, *answer)

            return rash

        self.wrap(RoomLog, "joined", make)
        found = self.hunt(scenario=with_faults("late", "reconnect", pause=0.7, disk="keeps all"))
        self.assertIn("N5", found)

    def test_more_numbers_are_open_than_results_are_kept(self) -> None:
        """Without the window of 16 an answer may be asked for that is not kept any more."""
        self.patch(outbox, "NUMBERS_OPEN", 1 << 30)
        found = self.hunt(
            scenario=with_faults("loss", "reconnect", natives=3, plains=0, pause=0.15, only_talk=True)
        )
        self.assertRegex(found, "N1|N8")

    def test_floor_is_ignored(self) -> None:
        """Who does not hear that entries are not kept any more waits for them for ever."""

        def make(answer: Callable[[Any, int, int], None]) -> Any:
            return lambda self, head, _floor: answer(self, head, 0)

        self.wrap(RoomLog, "_answer", make)
        self.assertIn("N6", self.hunt())

    def test_retry_is_taken_for_refusal(self) -> None:
        """A text that the server could not take yet is not settled."""

        self.patch(outbox.Outbox, "put_off", lambda self, n, _until: self.settle(n))
        self.assertIn("N8", self.hunt())

    def test_parked_texts_are_taken_at_once(self) -> None:
        """A text that is stored before the one it comes behind costs that one its place."""
        self.patch(Member, "is_early", lambda _self, _say: False)
        self.assertIn("N8", self.hunt())

    def test_gap_without_marker(self) -> None:
        """A screen that leaves the markers out has silent gaps."""

        def make(show: Callable[[Any, str, list[Shown]], Any]) -> Any:
            return lambda self, room, shown: show(
                self, room, [each for each in shown if not isinstance(each, NotKept)]
            )

        self.wrap(ClientSession, "_show", make)
        self.assertIn("N5", self.hunt())

    def test_plain_members_hear_the_tail_again(self) -> None:
        """What is said again to native members must not be said again to plain ones (P2)."""
        last: dict[str, tuple[bytes, Any]] = {}

        def make(repeat: Callable[[Any, Any, float], None]) -> Any:
            def to_all(self: Any, peers: Any, now: float) -> None:
                for line, told in last.values():
                    self.put((line,), told)
                last.clear()
                repeat(self, peers, now)

            return to_all

        def keep(tell: Callable[[Any, Any, Any, Any], None]) -> Any:
            def and_keep(self: Any, crowd: Any, message: Any, silent: Any) -> None:
                tell(self, crowd, message, silent)
                if isinstance(message, Entry):
                    for line_end, _, _, peers in crowd.plain:
                        last[message.room] = render(message) + line_end, peers[0]

            return and_keep

        self.wrap(ServerOutbox, "repeat_tails", make)
        self.wrap(ServerOutbox, "tell_text", keep)
        self.assertIn("P2", self.hunt())

    def test_plain_members_are_forgotten(self) -> None:
        """A server that was killed and takes nobody back takes their next lines for nicks."""
        self.patch(Lodgings, "note", lambda *_: None)
        self.assertIn("P3", self.hunt())

    def test_head_of_the_hub_is_lost_in_a_restart(self) -> None:
        """A hub that does not know where the store stands tells heads that are too low: all seems lost."""
        self.patch(Hub, "restore", lambda _self, _heads: None)
        self.assertRegex(self.hunt(), "N5|N6|roster")

    def test_what_was_not_shown_is_told_as_shown(self) -> None:
        """A client that tells too much makes the next one begin behind what nobody has read (D2)."""

        def make(show: Callable[[Any, str, int], None]) -> Any:
            return lambda self, log, upto: show(self, log, upto + 1_000_000 * is_direct(log))

        self.wrap(Progress, "show", make)
        few = with_faults("quit", "sleep", pause=0.5, disk="keeps all", natives=3, plains=0, rooms=(LOBBY,))
        self.assertIn("D2", self.hunt(scenario=few))

    def test_what_was_said_before_somebody_came(self) -> None:
        """Who has shown what is new was not shown all that stands before it."""

        def make(put: Callable[[Any, Member, Room], None]) -> Any:
            def forget(self: Any, member: Member, room: Room) -> None:
                put(self, member, room)
                member.entered[room.name] = 0

            return forget

        self.wrap(House, "put", make)
        self.assertIn("seen", self.hunt())

    def test_a_room_is_told_as_shown_too_early(self) -> None:
        """A client that tells of more than it has shown makes others believe it."""

        def make(show: Callable[[Any, str, int], None]) -> Any:
            return lambda self, room, upto: show(self, room, upto + 1_000_000)

        self.wrap(ShownHeads, "show", make)
        self.assertIn("seen", self.hunt())

    def test_a_client_begins_at_the_newest(self) -> None:
        """Who does not begin at what was shown never sees what was waiting."""

        def make(joined: Callable[..., list[Shown]]) -> Any:
            return lambda self, head, floor, now, _seen=None: joined(self, head, floor, now)

        self.wrap(RoomLog, "joined", make)
        self.assertRegex(self.hunt(scenario=with_faults("quit", disk="keeps all", pause=1.0)), "N5|N6")

    def test_a_text_for_one_person_goes_to_another(self) -> None:
        """Each is stored in the log of the person whose nick it names, and in no other."""

        def make(target: Callable[[Any, Say], tuple[str, bytes] | None]) -> Any:
            return lambda self, say: target(self, msgspec.structs.replace(say, room="@native1"))

        self.wrap(Direct, "target", make)
        self.assertIn("N2", self.hunt())

    def test_rosters_are_not_read_again(self) -> None:
        """Who has missed a change of a roster shows people who are not there."""
        self.patch(Roster, "heard", lambda *_: None)
        self.patch(Roster, "_review", lambda *_: None)
        self.assertIn("roster", self.hunt())

    def test_large_rooms_are_told_twice(self) -> None:
        """What was counted and told is not told again with what comes next."""

        def make(due: Callable[[Any, float], list[tuple[str, Tally]]]) -> Any:
            def and_keep(self: Any, now: float) -> list[tuple[str, Tally]]:
                told = due(self, now)
                for room, tally in told:
                    kept = self._tallies[room] = copy(tally)
                    kept.due = now + 60.0
                return told

            return and_keep

        self.wrap(Tallies, "due", make)
        self.assertIn("turnover", self.hunt())

    def test_failed_append_is_final(self) -> None:
        """A text that was refused because of a failed append is not refused for good."""
        self.wrap(
            Hub,
            "failed",
            lambda failed: (
                lambda self, token: [
                    Send(effect.member, msgspec.structs.replace(effect.message, retry_after=0.0))
                    if isinstance(effect, Send) and isinstance(effect.message, Rejected)
                    else effect
                    for effect in failed(self, token)
                ]
            ),
        )
        self.assertIn("N8", self.hunt())
