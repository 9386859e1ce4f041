"""A native client: a person with a program whose `ClientSession` is the real one. Here is what owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.hub.about import POSITIONS_FROM
from chat.messages import Done, Kind, Names, Nick, Rooms, Topic, Turnover, is_direct
from chat.orders import Order, Verb
from chat.wire.client_session import ClientSession
from chat.wire.client_state import State
from chat.wire.events import (
    Answered,
    Appeared,
    Ended,
    Entered,
    Event,
    InRoom,
    NotSaid,
    NumberReused,
    OutOfRoom,
    PathLost,
    Refused,
    Said,
)
from chat.wire.server_session import member_id
from tests.checker import Text, Violation, log_of
from tests.simulation.clock import Call
from tests.simulation.network import SERVER, Addr
from tests.stub_channel import StubChannel

if TYPE_CHECKING:
    from tests.simulation.world import World

HANDSHAKE_SECONDS = 10.0  # an attempt; then a fresh channel on a fresh socket (docs/design.md)
SPINS, SPIN_SECONDS = 100, 0.000_1  # timers so close together mean that one is never served


def named_in(text: str) -> list[str]:
    """Give the nicks of those to whom something was shown, as an answer to `seen` names them."""
    shown, _, _ = text.partition(";")
    _, is_named, names = shown.partition(": ")
    if not shown.startswith("shown to") or not is_named:
        return []
    return [
        name.removesuffix(" (away)").removeprefix("~") for name in names.partition(" and ")[0].split(", ")
    ]


class Program:
    """One run of the client program: owns a session, gives it channels, time and datagrams.

    `key` is the fingerprint of its user's key (b"": it has none).
    """

    def __init__(
        self, world: World, host: str, name: str, nick: str, first_port: int, key: bytes = b""
    ) -> None:
        self.name = name
        self.host = host
        self.nick = nick
        self.wanted: set[str] = set()
        self.is_asleep = False
        self.is_started = False
        self.has_left = False
        self.is_over = False
        self.is_in = False
        client = world.rng.randbytes(16)
        self.author = member_id(client, key)  # whose its texts are in the store
        self.session: ClientSession = world.parts.client(client, nick, world.rng.random)
        self.port = first_port
        self._key = key
        self._with_rosters = world.rng.random() < 0.5
        self._world = world
        self._offset = 100_000 * world.rng.random()  # of its clock
        self._channel: StubChannel | None = None
        self._given_up_at = 0.0  # the handshake
        self._timer: Call | None = None
        self._woken, self._spins = 0.0, 0
        self._said = 0
        self._topics: set[str] = set()
        world.checker.started(name, key)

    def now(self) -> float:
        """Give the time by this machine: it goes on while it sleeps (CLOCK_BOOTTIME)."""
        return self._world.heap.now + self._offset

    # --- what its owner does with it

    def connect(self) -> None:
        """Make a new channel, from a new port."""
        self._world.note(self.name, "makes a channel")
        self.is_started = True
        self._world.checker.once -= self._topics  # what has no answer yet is asked for again
        self._world.checker.connects(self.name)
        self.move()
        now = self.now()
        self._channel = StubChannel(self._world.rng.randbytes(8), now, self._key)
        self._given_up_at = now + HANDSHAKE_SECONDS
        self.pump()

    def move(self) -> None:
        """Have another address from now on, unasked: the channel stays."""
        self._world.network.unbind((self.host, self.port))
        self.port += 1
        self._world.network.bind((self.host, self.port), self._receive)

    def sleep(self) -> None:
        """Close the lid."""
        self.is_asleep = True

    def wake(self) -> None:
        """Open it: every timer is late, and the path may be gone."""
        if self.is_asleep:
            self.is_asleep = False
            if not self.is_over:
                self.session.suspect(self.now())
                self.pump()

    def quit(self, *, politely: bool) -> None:
        """End, with a goodbye or without."""
        self._world.checker.ended(self.name)
        self.has_left = True
        if politely and not self.is_asleep:
            self.session.leave("good night", self.now())
            self.pump()
            self._world.heap.at(self._world.heap.now + 0.5, self._end)  # a goodbye is said three times
        else:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        self._world.network.unbind((self.host, self.port))

    def join(self, room: str) -> None:
        """Be in a room."""
        self.wanted.add(room)
        self._world.checker.wants(self.name, room)
        self.session.join(room, self.now(), with_roster=self._with_rosters)
        self.pump()

    def part(self, room: str) -> None:
        """Leave a room."""
        self.wanted.discard(room)
        self._world.checker.out_of_room(self.name, room)
        self.session.part(room, self.now())
        self.pump()

    def say(self, room: str) -> None:
        """Say something that nobody has said before."""
        rng = self._world.rng
        self._said += 1
        text = f"<{self.name}/{self._said}>" + "z" * rng.choice((0, 0, 0, 50, 600))
        self.speak(text, room, Kind.ME if rng.random() < 0.1 else Kind.SAY)

    def speak(self, text: str, room: str = "lobby", kind: Kind = Kind.SAY) -> None:
        """Say a text."""
        n = self.session.say(room, Kind.SAY if is_direct(room) else kind, text, self.now())
        self._world.note(self.name, f"says {n} in {room}: {text[:30]}")
        kind = Kind.SAY if is_direct(room) else kind
        self._world.checker.asked(self.name, self.author, n, Text(room, kind, text))
        self.pump()

    def ask(self, what: str, room: str) -> None:
        """Ask for something that is not about entries, or changes a topic or the nick."""
        now = self.now()
        match what:
            case "topic":
                self._said += 1
                text = f"<{self.name}/topic/{self._said}>"
                self._topics.add(text)
                if "failing appends" not in self._world.scenario.faults:
                    self._world.checker.once.add(text)
                self.session.ask(Topic(1, room, text), now)
            case "nick":
                self.session.ask(Nick(1, f"{self.nick}{self._world.rng.choice('abc')}"), now)
            case "names":
                self.session.ask(Names(1, room), now)
                log = self.session.logs.get(room)
                if log is not None and log.h >= POSITIONS_FROM:
                    self.session.ask(Order(1, Verb.SEEN, room, number=log.h), now)
            case "rooms":
                self.session.ask(Rooms(1), now)
            case "back":
                if room in self.session.logs:
                    self.session.scroll_back(room, self._world.rng.randrange(1, 40), now)
        self.pump()

    @property
    def reading(self) -> set[str]:
        """The rooms that its user reads: those wanted, and the log of what is said to the user alone."""
        return self.wanted | {log for log in (log_of(self._key),) if log}

    def roster(self, room: str) -> list[tuple[str, bool]] | None:
        """Give the nicks in a room as this program shows them, and who of them is away; None: it does not."""
        roster = self.session.roster(room) if self._with_rosters else None
        if roster is None:
            return None
        return sorted((line.nick, line.away) for line in roster.lines.values()) if roster.is_known else []

    # --- datagrams and time

    def pump(self) -> None:
        """Let everything go that wants to, and see to it that time is looked at when it is next wanted."""
        channel, session, now = self._channel, self.session, self.now()
        if channel is None or self.is_asleep or self.is_over:
            return
        channel.handle_timeout(now)
        for plaintext in session.datagrams_to_send(now):
            channel.send(plaintext, now)
        for datagram in channel.datagrams_to_send(now):
            self._world.network.send((self.host, self.port), SERVER, datagram)
        times = [channel.next_timeout(), session.next_timeout(), None if channel.is_up else self._given_up_at]
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            return
        if self._timer is None or not self._timer.active() or self._timer.getTime() > due - self._offset:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = Call(max(due - self._offset, self._world.heap.now + 1e-6), self._wakes, None)
            self._world.heap.at(self._timer.getTime(), self._timer)

    def _wakes(self) -> None:
        now, channel = self.now(), self._channel
        if self.is_asleep or self.is_over or channel is None:
            return
        if not channel.is_up and now >= self._given_up_at:
            self.connect()
            return
        self._spins = self._spins + 1 if now - self._woken < SPIN_SECONDS else 0
        self._woken = now
        if self._spins > SPINS:
            raise Violation("timers", f"{self.name} wants to be woken at once, again and again")
        self._take(self.session.handle_timeout(now))
        self.pump()

    def _come_back(self) -> None:
        if not self.is_in and not self.has_left and self.session.state is State.ENDED:
            self.connect()

    def _receive(self, datagram: bytes, source: Addr) -> None:  # noqa: ARG002
        channel, now = self._channel, self.now()
        if channel is None or self.is_asleep or self.is_over:
            return
        was_up = channel.is_up
        plaintexts = channel.receive_datagram(datagram, now)
        if channel.is_up and not was_up:
            self.session.connected(now)
        if channel.is_doubted:
            channel.is_doubted = False
            self._world.note(self.name, "is told that its channel is unknown")
            self.session.suspect(now)
        for plaintext in plaintexts:
            self._take(self.session.receive_datagram(plaintext, now))
        self.pump()

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if self.has_left:
                return
            self._world.note(self.name, repr(event) if self._world.trace.is_kept else type(event).__name__)
            if not self._show(event):
                self._obey(event)
        if events and not self.has_left:
            self._world.checker.unsettled(self.name, self.session.unsettled)

    def _show(self, event: Event) -> bool:
        """Let the checker see what a person sees; say whether that was all."""
        checker, name = self._world.checker, self.name
        match event:
            case Appeared():
                self.session.show(event)
                checker.appeared(name, event.room, event.shown)
            case Said():
                checker.said(name, self.author, event.n, event.seq)
            case NotSaid():
                checker.not_said(name, self.author, event.n, event.code)
            case InRoom():
                checker.in_room(name, event.joined)
            case Turnover():
                checker.turned_over(name, event)
            case Answered(Order(verb=Verb.SEEN, room=room, number=seq), Done(result=str() as text)):
                for nick in named_in(text):
                    checker.seen(name, room, seq, nick, self._world.called(nick))
            case _:
                return False
        return True

    def _obey(self, event: Event) -> None:
        """Do what the session asks its owner to do."""
        world = self._world
        match event:
            case OutOfRoom() if event.code or event.room not in self.wanted:
                world.checker.out_of_room(self.name, event.room)
                self.wanted.discard(event.room)
            case Entered():
                self.is_in = True
            case Refused():
                self.session.enter(f"{self.nick}{world.rng.randrange(1000)}", self.now())
            case PathLost():
                self.is_in = False
                self.connect()
            case Ended():
                self.is_in = False
                world.heap.at(world.heap.now + max(event.reconnect_after, 0.5), self._come_back)
            case NumberReused():
                raise Violation("N2", f"{self.name} is told that it has used a number twice")
            case _:
                pass
