"""Tests of `chat.wire.sequence.RoomLog` on any network, with any server: the log is shown, or a marker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Entry
from chat.wire.sequence import NOWHERE, Earlier, Lost, NotKept, RoomLog, RoundTrip, Shown, Wanted
from tests.room_log_support import RUN, entry, middle


class Server:
    """A room's log: appends, trims, loses its tail, and answers."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.floor = self.head = 0
        self.top = 0  # the newest position ever given out
        self.ever: dict[int, Entry] = {}
        self.own: set[int] = set()  # positions of the member's texts

    def append(self) -> Entry:
        """Say something; other rooms take positions too."""
        self.top += 1 + self.top % 3
        said = entry(self.top, self.head)
        self.entries.append(said)
        self.ever[said.seq] = said
        self.head = said.seq
        return said

    def trim(self, count: int) -> None:
        """Forget the oldest."""
        for gone in self.entries[:count]:
            self.floor = gone.seq
        del self.entries[:count]

    def restart(self, lose: int) -> None:
        """Begin a new run, without the newest (all of them: with nothing, as a store in memory does)."""
        self.top = (self.top // RUN + 1) * RUN
        if lose < len(self.entries):
            del self.entries[len(self.entries) - lose :]
            self.head = self.entries[-1].seq if self.entries else self.floor
        else:
            self.entries.clear()
            self.floor = self.head = self.top

    def fetch(self, wanted: Wanted) -> list[Entry]:
        """Give what a Fetch asks for, oldest first."""
        if wanted.after is not None:
            return [each for each in self.entries if each.seq > wanted.after][: wanted.limit]
        assert wanted.before is not None
        return [each for each in self.entries if each.seq < wanted.before][-wanted.limit :]


class Screen:
    """What a member sees, and the judge of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.lines: list[int] = []  # shown and not lost, oldest first
        self.seen: set[int] = set()
        self.own_lost: set[int] = set()
        self.not_kept: list[NotKept] = []
        self.p = self.h = NOWHERE

    def show(self, shown: list[Shown]) -> None:
        """Take what is shown. Every entry must follow the line above it, or a marker that is true."""
        for each in shown:
            match each:
                case Entry():
                    self._is_new(each)
                    assert each.seq - each.back == self.h, (each, self.h)
                    assert each.seq > max(self.seen, default=0)
                    self.h = each.seq
                    self.lines.append(each.seq)
                case Earlier():
                    self._is_new(each.entry)
                    assert each.entry.seq == self.p, (each, self.p)
                    self.p -= each.entry.back
                    self.lines.insert(0, self.p + each.entry.back)
                case NotKept():
                    assert self.h < each.upto <= self.server.floor
                    self.not_kept.append(NotKept(each.upto))
                    self.h = each.upto
                case Lost():
                    self._lose(each)
            self.seen.update(self.lines[-1:], self.lines[:1])

    def _is_new(self, said: Entry) -> None:
        assert self.server.ever[said.seq] == said
        assert said.seq not in self.seen, said

    def _lose(self, marker: Lost) -> None:
        assert not any(marker.after < each.seq <= marker.upto for each in self.server.entries), marker
        is_own = marker.upto in self.server.own.difference(self.lines) and marker.after == marker.upto - 1
        if not is_own:
            assert marker.upto == self.h
            self.lines = [seq for seq in self.lines if seq <= marker.after]
            self.h, self.p = marker.after, min(self.p, marker.after)
        else:
            self.own_lost.add(marker.upto)


Message = tuple[str, int, int, int] | Entry  # what, of which question, floor or position, head


class Member:
    """A member of a room, a server, and a network that a test disorders."""

    def __init__(self, history: int) -> None:
        self.server = Server()
        for _ in range(history):
            self.server.append()
        self.now = 0.0
        self.log = RoomLog(RoundTrip(middle), middle)
        self.network: list[Message] = []
        self.joins = self.fetches = 0
        self.told: set[int] = set()  # positions that an Accepted named
        self.screen = Screen(self.server)
        self.join()

    def join(self) -> None:
        """Send a Join: the server answers it at once, the answer may take long."""
        self.log.joining()
        self.joins += 1
        self.network.append(("joined", self.joins, self.server.floor, self.server.head))

    def say(self, is_own: bool) -> None:
        """Let something be said."""
        said = self.server.append()
        self.network.append(said)
        if is_own and self.log.h != NOWHERE:
            self.server.own.add(said.seq)
            self.network.append(("accepted", 0, said.seq, 0))

    def deliver(self, message: Message) -> None:
        """Let a message come in. Answers are matched with their questions, as sessions do."""
        match message:
            case Entry():
                self.screen.show(self.log.receive(message, self.now))
            case ("joined", self.joins, floor, head):
                if self.screen.h == NOWHERE:
                    self.screen.p = self.screen.h = head
                self.screen.show(self.log.joined(head, floor, self.now))
                self.joins += 1  # a second copy is no answer
            case ("fetched", self.fetches, floor, head):
                self.screen.show(self.log.fetched(floor, head, self.now))
                self.fetches += 1
            case ("accepted", _, seq, _):
                self.screen.show(self.log.accepted(seq, self.now))
                self.told.add(seq)
            case ("pong", _, _, head):
                self.log.heard(head, self.now)

    def poll(self, is_lost: bool = False) -> None:
        """Let time pass until something is due, and ask the server for it."""
        due = self.log.next_timeout()
        if due is None:
            return
        self.now = max(self.now, due)
        wanted = self.log.due(self.now)
        if wanted is None:
            return
        self.fetches += not wanted.is_repeat
        if not is_lost:
            self.network += self.server.fetch(wanted)
            self.network.append(("fetched", self.fetches, self.server.floor, self.server.head))

    def disorder(self, what: str, number: int) -> None:
        """Let any message come in, once or twice, or none."""
        if self.network:
            message = self.network.pop(number % len(self.network))
            if what != "lose":
                self.deliver(message)
            if what == "double":
                self.network.append(message)

    def act(self, what: str, number: int) -> None:
        """Let one thing happen."""
        self.now += 0.01
        match what:
            case "say" | "own":
                self.say(what == "own")
            case "deliver" | "double" | "lose":
                self.disorder(what, number)
            case "poll" | "poll in vain":
                self.poll(what == "poll in vain")
            case "trim":
                self.server.trim(number)
            case "restart":
                self.server.restart(number)
                self.join()
            case "fail over":
                self.server.restart(number)
            case "scroll":
                self.log.scroll_back(number, self.now)
            case "pong":
                self.network.append(("pong", 0, 0, self.server.head))

    def heal(self) -> None:
        """Lose nothing more, until nothing is wanted any more."""
        self.deliver_all()
        self.join()
        for _ in range(200):
            self.deliver_all()
            if self.log.next_timeout() is None:
                return
            self.poll()
        raise AssertionError("it never ends")

    def deliver_all(self) -> None:
        """Let everything come in that is on its way."""
        while self.network:
            self.deliver(self.network.pop(0))


ACTS = ("say", "own", "deliver", "double", "lose", "poll", "poll in vain", "trim", "restart", "fail over")
USUAL = ("say", "own", "deliver", "deliver", "double", "lose", "poll", "scroll", "pong")
STORIES = st.lists(st.tuples(st.sampled_from(ACTS + USUAL), st.integers(0, 9)), max_size=80)


class AnyOrderTests(SynchronousTestCase):
    """Whatever network and server do."""

    def check(self, member: Member) -> None:
        """Hold the screen against the log: all of it, once, in order, and what is missing is marked."""
        screen, kept = member.screen, [each.seq for each in member.server.entries]
        self.assertEqual(screen.lines, sorted(set(screen.lines)))
        skipped = max((marker.upto for marker in screen.not_kept), default=0)
        shown = [seq for seq in kept if seq > max(screen.p, skipped)]
        self.assertEqual([seq for seq in screen.lines if seq in kept and seq > skipped], shown)
        self.assertTrue(screen.h == member.log.h == max(member.server.head, screen.h))
        self.assertEqual(screen.p, member.log.p)

    @given(st.integers(0, 12), STORIES)
    def test_the_log_is_shown(self, history: int, story: list[tuple[str, int]]) -> None:
        """Contiguous or marked, never a repeat, never out of order; in the end it equals the log."""
        member = Member(history)
        for what, number in story:
            member.act(what, number)
        member.heal()
        self.check(member)
        self.assertEqual(member.screen.h, member.server.head)

    @given(st.integers(0, 12), STORIES)
    def test_own_texts(self, history: int, story: list[tuple[str, int]]) -> None:
        """After one more entry every accepted text was shown or reported as lost."""
        member = Member(history)
        for what, number in story:
            member.act(what, number)
        member.heal()
        member.say(is_own=False)
        member.deliver_all()
        self.check(member)
        self.assertTrue(member.told <= member.screen.seen | member.screen.own_lost)

    @given(st.permutations(list(range(1, 13))), st.lists(st.integers(1, 12)), st.sets(st.integers(1, 11)))
    def test_any_order(self, order: list[int], again: list[int], lost: set[int]) -> None:
        """Delivered in any order with any repeats and losses, the missing ones fetched: the log."""
        member = Member(0)
        member.deliver_all()
        for _ in range(12):
            member.server.append()
        entries = member.server.entries
        for place in [each for each in order if each not in lost] + again:
            member.deliver(entries[place - 1])
        for _ in range(200):
            if member.log.next_timeout() is None:
                break
            member.poll()
            member.deliver_all()
        self.assertEqual(member.screen.lines, [each.seq for each in entries])
        self.assertEqual(member.screen.own_lost, set())
        self.assertEqual(member.screen.not_kept, [])
