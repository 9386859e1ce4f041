"""Watches a run from outside and says which guarantee was broken (docs/simulation.md lists them).

It knows nothing of the code that is tested: it is told what was asked, what clients showed and what was
accepted, and what the store wrote, kept and lost. Every step costs the same, however long the run is.
"""

from __future__ import annotations

from base64 import b32encode
from bisect import bisect_left, bisect_right, insort
from typing import NamedTuple

from msgspec.structs import replace

from chat.messages import Entry, Joined, Kind, Turnover, is_direct
from chat.notices import REDACTED
from chat.stored import Fact, Heads
from chat.wire.sequence import Earlier, Lost, NotKept, Shown

# What may end a text for good. All else is to be repeated.
FINAL_CODES = frozenset(
    {"NOT_IN_ROOM", "NO_SUCH_NICK", "ROOM_INVALID", "TOO_MANY_ROOMS", "REFUSED", "NOT_MEMBER"}
)


class Violation(AssertionError):
    """A guarantee was broken: `rule` names it."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


class Text(NamedTuple):
    """What a client asked to be said."""

    room: str
    kind: Kind
    text: str


def log_of(key: bytes) -> str:
    """Give the room in which the person with this key finds what is said to them alone; "": no key, none."""
    return "@" + b32encode(key[:16]).decode().rstrip("=").lower() if key else ""


class Range:
    """What one program shows of one room: the entries, and where the next one has to follow."""

    def __init__(self, head: int) -> None:
        self.low = head  # what the oldest shown follows
        self.ends = {head}  # where the next one may follow: two after a marker that can be read in two ways
        self.highest = head  # no position is given out twice: nothing at or below is new
        self.shown: list[int] = []  # in order
        self.gone: list[tuple[int, int]] = []  # (after, upto]: marked as lost or not kept


class Program:
    """One running client program, as one could see it over its user's shoulder; `log` is its user's."""

    def __init__(self, log: str) -> None:
        self.log = log
        self.ranges: dict[str, Range] = {}
        self.pending: dict[int, Text] = {}  # said, and not answered
        self.accepted: dict[int, tuple[str, int, int]] = {}  # by n: room, seq, and which stay in the room
        self.stays: dict[str, int] = {}  # by room: how often it was left
        self.wanted: set[str] = set()
        self.safe: dict[int, int] = {}  # pending texts for rooms that were wanted then, by n: which stay
        self.turnovers: dict[str, Turnover] = {}  # the newest that was told of each room


class Checker:
    """One run's truth. Each method is told of one event and raises `Violation` if it must not be."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}
        self.entries: dict[tuple[str, int], Entry] = {}  # all that were ever written, by room and position
        self.held: dict[str, list[int]] = {}  # the positions that the store holds now, by room, rising
        self.base = 0  # of the store: floor and head of a room in which nobody spoke
        self._redacted: set[tuple[str, int]] = set()
        self._floors: dict[str, int] = {}
        self._newest = 0  # position ever given out
        self._numbers: dict[bytes, int] = {}  # the newest number of each client that the store holds
        self._placed: dict[tuple[bytes, int], int] = {}  # where each text is, of those that were not lost
        self._ever: dict[tuple[bytes, int], set[int]] = {}  # and where it ever was
        self._said: dict[tuple[bytes, int], Text] = {}
        self._refused: set[tuple[bytes, int]] = set()
        self.once: set[str] = set()  # topics that may be there once only: nobody had reason to ask again
        self._arrived: dict[str, int] = {}  # plain texts, by how often their datagrams came
        self.texts: dict[str, list[int]] = {}  # where each text went, rising: for the plain door
        self.readers: dict[str, str] = {}  # whose log it is that is written to, by "@" and a nick
        self._showed: dict[tuple[str, int], set[str]] = {}  # the programs that have shown an entry
        self._read: dict[str, int] = {}  # the newest position that a person was shown, by log

    # --- the store

    def stored(self, fact: Fact) -> None:
        """The store has written an entry."""
        entry, who = fact.entry, (fact.client, fact.n)
        seq, prev = entry.seq, entry.seq - entry.back
        if seq <= self._newest:
            raise Violation("N3", f"position {seq} was given out before (newest: {self._newest})")
        self._newest = seq
        held = self.held.setdefault(entry.room, [])
        if held and prev != held[-1]:
            raise Violation("N5", f"{entry} is not linked to the one before it, at {held[-1]}")
        if fact.n:
            self._check_number(fact)
            self._numbers[fact.client] = fact.n
            self._placed[who] = seq
            self._ever.setdefault(who, set()).add(seq)
        self.entries[entry.room, seq] = entry
        held.append(seq)
        self._note_text(entry)
        self._trimmed(entry.room, fact.floor)

    def redacted(self, room: str, seq: int) -> None:
        """The store has taken a text away: it is shown so now, or as it was by whom it had reached."""
        self._redacted.add((room, seq))

    def arrived(self, text: str) -> None:
        """A plain datagram with `text` has reached the server."""
        self._arrived[text] = self._arrived.get(text, 0) + 1

    def opened(self, heads: Heads, held: dict[str, list[int]], lost_above: int | None) -> None:
        """A server has found `held` in its store, by room, and nothing above `lost_above` (None: all)."""
        self.base = heads.base
        if lost_above is not None:
            for positions in self.held.values():
                del positions[bisect_right(positions, lost_above) :]
            self._floors = {name: room.floor for name, room in heads.rooms.items()}
            self._placed = {who: seq for who, seq in self._placed.items() if seq <= lost_above}
            self._numbers.clear()
            for client, n in self._placed:
                self._numbers[client] = max(n, self._numbers.get(client, 0))
        for room in {**self.held, **held}:
            mine, theirs = self.held.get(room, []), held.get(room, [])
            if mine != theirs:
                raise Violation("N1", f"the store holds {theirs} of {room}, and {mine} was written")

    def _note_text(self, entry: Entry) -> None:
        places = self.texts.setdefault(entry.text, [])
        places.append(entry.seq)
        if len(places) > 1 and entry.text in self.once:
            raise Violation("N2", f"{entry} was asked for once, and is there {len(places)} times")
        came = self._arrived.get(entry.text)
        if came is not None and len(places) > came:
            raise Violation("P1", f"{entry} is there {len(places)} times, and came {came} times")

    def _trimmed(self, room: str, floor: int) -> None:
        if floor > self._floors.get(room, 0):
            self._floors[room] = floor
            held = self.held.get(room, [])
            del held[: bisect_right(held, floor)]

    def _check_number(self, fact: Fact) -> None:
        entry, who = fact.entry, (fact.client, fact.n)
        if who in self._placed:
            raise Violation("N2", f"{entry} is there already, at {self._placed[who]}")
        if fact.n <= self._numbers.get(fact.client, 0):
            raise Violation("N4", f"{entry} has number {fact.n}, after number {self._numbers[fact.client]}")
        if who in self._refused:
            raise Violation("N1", f"{entry} is stored although its client was told that it is refused")
        asked = self._said.get(who)
        if asked is not None and asked._replace(room=self._room(asked)) != (
            entry.room,
            entry.kind,
            entry.text,
        ):
            raise Violation("N2", f"{entry} is not what number {fact.n} was: {asked}")

    def _room(self, text: Text) -> str:
        """Give the room that a text is for: what is said to one person goes into that person's log."""
        return self.readers.get(text.room, text.room)

    # --- a program

    def started(self, name: str, key: bytes = b"") -> None:
        """A program runs, of the person with this key."""
        self.programs[name] = Program(log_of(key))

    def ended(self, name: str) -> None:
        """A program runs no more: nothing is expected of it."""
        del self.programs[name]

    def asked(self, name: str, client: bytes, n: int, text: Text) -> None:
        """Somebody typed a text, and it got number `n`."""
        pending = self.programs[name].pending
        if n in pending or (client, n) in self._said:
            raise Violation("N2", f"{name} has given number {n} twice")
        pending[n] = text
        if text.room in self.programs[name].wanted:
            self.programs[name].safe[n] = self.programs[name].stays.get(text.room, 0)
        self._said[client, n] = text

    def in_room(self, name: str, joined: Joined) -> None:
        """A program is in a room: where nothing was shown yet, the room's newest is where it begins.

        In its user's log that is what was shown to that person: nothing may be passed over.
        """
        ranges, newest = self.programs[name].ranges, max(joined.head, joined.floor)
        if is_direct(joined.room) and joined.room != self.programs[name].log:
            raise Violation("D1", f"{name} was let into {joined.room}, which is somebody else's")
        if joined.room in ranges:
            return
        if is_direct(joined.room):
            read, held = self._read.get(joined.room, 0), self.held.get(joined.room, [])
            unread = held[bisect_right(held, read) : bisect_right(held, joined.seen)]
            if unread:
                raise Violation("D2", f"{name} begins behind {joined.seen}, and {unread} was never shown")
            newest = min(newest, joined.seen)
        ranges[joined.room] = Range(newest)

    def wants(self, name: str, room: str) -> None:
        """Somebody asks to be let into a room."""
        self.programs[name].wanted.add(room)

    def out_of_room(self, name: str, room: str) -> None:
        """Somebody asks to be let out of a room, or a program has left it, or was put out."""
        program = self.programs[name]
        program.wanted.discard(room)
        program.stays[room] = program.stays.get(room, 0) + 1

    def said(self, name: str, client: bytes, n: int, seq: int) -> None:
        """A program was told that text `n` is stored at `seq`."""
        program = self.programs[name]
        text = program.pending.pop(n, None)
        if text is None:
            raise Violation("N8", f"{name} heard of number {n} twice, or never asked it")
        if seq not in self._ever.get((client, n), ()):
            raise Violation("N1", f"{name} was told that {text} is at {seq}, and it is not in the store")
        program.accepted[n] = (text.room, seq, program.stays.get(text.room, 0))

    def not_said(self, name: str, client: bytes, n: int, code: str) -> None:
        """A program was told that text `n` is refused for good."""
        program = self.programs[name]
        text = program.pending.pop(n, None)
        if text is None:
            raise Violation("N8", f"{name} heard of number {n} twice, or never asked it")
        if code not in FINAL_CODES:
            raise Violation("N8", f"{name} has given up {text} because of {code}")
        if program.safe.get(n) == program.stays.get(text.room, 0):
            raise Violation("N8", f"{name} never left the room, and {text} is refused ({code})")
        # A nick may be nobody's any more when a text comes again that was stored, and lost with a tail.
        if (client, n) in (self._placed if is_direct(text.room) else self._ever):
            raise Violation("N1", f"{name} was told that {text} is refused ({code}), and it is stored")
        self._refused.add((client, n))

    def unsettled(self, name: str, count: int) -> None:
        """A program shows so many texts as pending."""
        expected = len(self.programs[name].pending)
        if count != expected:
            raise Violation("N8", f"{name} shows {count} texts as pending, and {expected} are")

    def appeared(self, name: str, room: str, shown: Shown) -> None:
        """A program shows the next thing in a room."""
        there = self.programs[name].ranges.get(room)
        if there is None:
            raise Violation("N5", f"{name} shows {shown} in {room}, which it has not joined")
        match shown:
            case Entry():
                self._appended(name, there, shown)
            case Earlier():
                self._prepended(name, there, shown.entry)
            case Lost():
                self._marked_lost(name, room, there, shown)
            case NotKept():
                self._marked_not_kept(name, room, there, shown)

    def _appended(self, name: str, there: Range, entry: Entry) -> None:
        self._check_entry(name, entry)
        prev = entry.seq - entry.back
        if entry.seq <= there.highest:
            raise Violation("N5", f"{name} shows {entry} again, or out of order (after {there.highest})")
        if prev not in there.ends:
            raise Violation("N5", f"{name} shows {entry}, which follows {prev}, after {sorted(there.ends)}")
        if is_direct(entry.room):
            self._read[entry.room] = max(self._read.get(entry.room, 0), entry.seq)
        there.highest, there.ends = entry.seq, {entry.seq}
        there.shown.append(entry.seq)
        self._showed.setdefault((entry.room, entry.seq), set()).add(name)

    def seen(self, name: str, room: str, seq: int, nick: str, programs: set[str]) -> None:
        """A program was told that an entry was shown to `nick`, which one of `programs` may have."""
        if not programs & self._showed.get((room, seq), set()):
            raise Violation("seen", f"{name} is told that {nick} was shown {seq} of {room}")

    def _prepended(self, name: str, there: Range, entry: Entry) -> None:
        self._check_entry(name, entry)
        if entry.seq != there.low:
            raise Violation("N5", f"{name} shows {entry} above its oldest, which follows {there.low}")
        there.low = entry.seq - entry.back
        insort(there.shown, entry.seq)

    def _check_entry(self, name: str, entry: Entry) -> None:
        known = self.entries.get((entry.room, entry.seq))
        if known is not None and (entry.room, entry.seq) in self._redacted and entry.text == REDACTED:
            known = replace(known, text=REDACTED)
        if known != entry:
            raise Violation("N3", f"{name} shows {entry}, and the store never held that there")

    def _marked_lost(self, name: str, room: str, there: Range, marker: Lost) -> None:
        after, upto = marker
        self._check_gone(name, room, after, upto, marker)
        there.gone.append((after, upto))
        if upto in there.ends:
            # one position is either an own text that never was shown, or the newest that was
            there.ends = {after, upto} if upto - after == 1 else {after}
            there.low = min(there.low, after)

    def _marked_not_kept(self, name: str, room: str, there: Range, marker: NotKept) -> None:
        end = min(there.ends)
        if marker.upto <= end:
            raise Violation("N5", f"{name} shows {marker} in {room} behind {end}: it says nothing")
        if marker.upto > max(self._floors.get(room, 0), self.base):
            raise Violation("N5", f"{name} shows {marker} in {room}, and newer entries are kept")
        self._check_gone(name, room, end, marker.upto, marker)
        there.gone.append((end, marker.upto))
        there.ends = {marker.upto}
        there.highest = max(there.highest, marker.upto)

    def _check_gone(self, name: str, room: str, after: int, upto: int, marker: Shown) -> None:
        held = self.held.get(room, [])
        place = bisect_right(held, after)
        if place < len(held) and held[place] <= upto:
            raise Violation("N5", f"{name} shows {marker} in {room}, and {held[place]} is kept")

    def connects(self, name: str) -> None:
        """A program makes a channel, to the same server or to one that was restarted and counts anew."""
        if name in self.programs:  # else it is saying goodbye: of that nothing is expected
            self.programs[name].turnovers.clear()

    def turned_over(self, name: str, turnover: Turnover) -> None:
        """A program was told how many came to a room and went: each change is told once, and sums are right.

        Of two that were told between one and the next a change is missing if one was lost, or overtaken; and
        nobody is told who is away. What is told is never more than has changed.
        """
        room = turnover.room
        before = self.programs[name].turnovers.get(room)
        told = turnover.joined + turnover.left + turnover.renamed
        if not told:
            raise Violation("turnover", f"{name} is told that nothing has changed: {turnover}")
        if before is None or turnover.version > before.version:
            self.programs[name].turnovers[room] = turnover
        elif turnover.version == before.version:
            raise Violation("turnover", f"{name} is told twice: {turnover}")
        else:
            return  # it was overtaken
        if before is None:
            return
        changes = turnover.version - before.version
        if told > changes:
            raise Violation("turnover", f"{name} is told twice of some in {turnover}, after {before}")
        if told == changes and turnover.count != before.count + turnover.joined - turnover.left:
            raise Violation("turnover", f"{name} is told sums that are not right: {turnover} after {before}")

    # --- the end, after a while in which nothing failed

    def head(self, room: str) -> int:
        """Give the newest position of a room, or where its log would begin."""
        held = self.held.get(room)
        return held[-1] if held else max(self._floors.get(room, 0), self.base)

    def finished(self, name: str, joined: set[str]) -> None:
        """A program that is connected and in the rooms `joined` must be up to date now."""
        program = self.programs[name]
        if program.pending:
            raise Violation("N8", f"at the end {name} still waits for {program.pending}")
        for room in sorted(joined):
            there = program.ranges.get(room)
            if there is None:
                raise Violation("N7", f"at the end {name} is in {room} and shows nothing of it")
            if self.head(room) not in there.ends:
                raise Violation(
                    "N6", f"at the end {name} shows {room} up to {sorted(there.ends)}, not {self.head(room)}"
                )
        for n, (room, seq, stay) in program.accepted.items():
            there = program.ranges.get(room)
            if there is None or room not in joined or stay != program.stays.get(room, 0) or seq <= there.low:
                continue
            place = bisect_left(there.shown, seq)
            is_shown = place < len(there.shown) and there.shown[place] == seq
            if not is_shown and not any(after < seq <= upto for after, upto in there.gone):
                raise Violation("N5", f"at the end {name} shows neither its text {n} in {room} nor a marker")

    def rosters(self, room: str, nicks: set[str], shown: dict[str, list[tuple[str, bool]]]) -> None:
        """Programs that show who is in a room, and is away, must show the same, and at least `nicks`."""
        for name, lines in shown.items():
            missing = nicks - {nick for nick, _ in lines}
            if missing:
                raise Violation("roster", f"at the end {name} does not show {missing} in {room}: {lines}")
            other = next(iter(shown))
            if lines != shown[other]:
                raise Violation(
                    "roster", f"in the end {name} shows {lines} in {room}, {other} {shown[other]}"
                )

    def not_relayed(self) -> dict[str, int]:
        """Give the plain texts that are not there as often as they came, and how often they came."""
        return {
            text: count for text, count in self._arrived.items() if len(self.texts.get(text, [])) != count
        }


class PlainReader:
    """P2: what goes to one plain member, as it leaves the server."""

    def __init__(self, checker: Checker, name: str) -> None:
        self._checker = checker
        self._name = name
        self._last = 0

    def sent(self, text: str) -> None:
        """A line with `text` leaves: each entry once at most, and in the log's order."""
        places = self._checker.texts.get(text, [])
        place = bisect_right(places, self._last)
        if place == len(places):
            raise Violation("P2", f"{self._name} is sent {text!r} twice, out of order or before it is stored")
        self._last = places[place]
