"""A native client's session: rooms without a gap, texts said exactly once, whatever the network does.

This module never does I/O and reads no clock. One `ClientSession` lives as long as its program: channels come
and go under it (`connected`, `PathLost`), and what it knows of its rooms and what it still has to say outlive
them. What it sends is pulled: `datagrams_to_send` collects what is due, so nothing is queued twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from chat.errors import RequestRejected
from chat.messages import (
    PROTOCOL_VERSION,
    Accepted,
    Broadcast,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Rejected,
    Reply,
    Request,
    RoomsPage,
    Say,
    Topic,
    Welcome,
)
from chat.wire.events import (
    Answered,
    Appeared,
    Ended,
    Entered,
    Event,
    Happened,
    InRoom,
    NotSaid,
    NumberReused,
    Offered,
    OutOfRoom,
    PathLost,
    Refused,
    RosterChanged,
    Said,
)
from chat.wire.frames import decode_replies, encode_frame
from chat.wire.outbox import Outbox
from chat.wire.pacing import Pacer
from chat.wire.pulse import Pulse
from chat.wire.room import Room
from chat.wire.roster import Roster
from chat.wire.sequence import Lost, Requests, RoomLog, RoundTrip, Shown

NUMBER_REUSED = "NUMBER_REUSED"  # the code of the one refusal that is no matter of the text
HELLO_REPEAT_MOST = 1.0  # between Hellos: six of them decide whether a fresh channel carries anything
ASKED = 100  # requests of the owner that wait for an answer
TICKS = 1_000_000  # of a Ping's time in a second
BYE_SECONDS = (0.0, 0.1, 0.3)  # a goodbye has no answer: it is said three times


class State(Enum):
    """Where a session stands."""

    OFFLINE = auto()  # there is no channel
    ENTERING = auto()  # the Hello is out
    OPEN = auto()
    REFUSED = auto()  # `enter` with another nick goes on
    ENDED = auto()  # by either side; a fresh channel begins anew


# What moves a session where. A pair that is not here is a bug of ours and raises KeyError.
NEXT = {
    **{(state, "connected"): State.ENTERING for state in State},
    **{(state, "leave"): State.ENDED for state in State},
    (State.ENTERING, "welcome"): State.OPEN,
    (State.REFUSED, "welcome"): State.OPEN,  # two Hellos were under way, the second was taken
    (State.OPEN, "welcome"): State.OPEN,
    (State.ENTERING, "refused"): State.REFUSED,
    (State.REFUSED, "refused"): State.REFUSED,
    (State.REFUSED, "enter"): State.ENTERING,
    (State.ENTERING, "lost"): State.OFFLINE,
    (State.OPEN, "lost"): State.OFFLINE,
}
_TALKING = (State.ENTERING, State.OPEN)
_LISTENING = (*_TALKING, State.REFUSED)


class ClientSession:
    """One client: `client` is its id (16 random bytes), `nick` what it is called, `random` gives 0..1."""

    def __init__(self, client: bytes, nick: str, random: Callable[[], float]) -> None:
        self.client = client
        self.nick = nick
        self.state = State.OFFLINE
        self._random = random
        self._round_trip = RoundTrip(random)
        self._pulse = Pulse(self._round_trip, random)
        self._pacer = Pacer()
        self._requests: Requests[Request] = Requests(self._round_trip)
        self._outbox = Outbox()
        self._rooms: dict[str, Room] = {}
        self._changes: deque[Request] = deque()  # one at a time: a repeat could overtake the next
        self._is_change_out = False
        self._questions: deque[Request] = deque()  # those about a room wait until we are in it
        self._hello_at, self._hello_sent, self._hellos = 0.0, 0.0, 0
        self._byes: list[float] = []
        self._bye = b""

    # --- what its owner does

    def connected(self, now: float) -> None:
        """Begin on a fresh channel: say who we are, and ask for everything that has no answer yet."""
        self._go("connected")
        self._byes.clear()  # of a session that ended
        unsettled = self._requests.unsettled()
        self._requests = Requests(self._round_trip)
        self._outbox.restart()
        for room in self._rooms.values():
            room.restart()
        self._is_change_out = False
        for ask in reversed(unsettled):
            if not isinstance(ask, Say | Join | Part):  # which are asked for by those who want them
                (self._changes if _is_change(ask) else self._questions).appendleft(ask)
        self._pulse.restart(now)
        self._hello_at, self._hellos = now, 0
        self._advance(now)

    def suspect(self, now: float) -> None:
        """Find out at once whether the path still works: we slept, or somebody says that it does not."""
        if self.state in _TALKING:
            self._pulse.suspect(now)

    def enter(self, nick: str, now: float) -> None:
        """Try another nick, after `Refused`."""
        self._go("enter")
        self.nick = nick
        self._hello_at, self._hellos = now, 0

    def renew(self, client: bytes, now: float) -> dict[int, int]:
        """Take a new client id, after `NumberReused`: the next channel begins with it.

        Gives the new numbers of the unsettled texts by their old ones.
        """
        self.leave("my numbers begin again", now)
        self.client = client
        return self._outbox.renumber()

    def join(self, room: str, now: float, *, with_roster: bool = False) -> None:
        """Be in `room` from now on, through every reconnect, until `part`."""
        known = self._rooms.setdefault(room, Room(room, RoomLog(self._round_trip, self._random)))
        known.is_wanted = True
        if with_roster and known.roster is None:
            known.roster = Roster()
        self._advance(now)

    def part(self, room: str, now: float) -> None:
        """Leave `room` once everything said in it is settled."""
        if room in self._rooms:
            self._rooms[room].is_wanted = False
            self._advance(now)

    def say(self, room: str, kind: Kind, text: str, now: float) -> int:
        """Say `text` in `room` and give its number: `Said` or `NotSaid` will name it.

        Raises `RequestRejected` while 1,000 texts are unsettled.
        """
        number = self._outbox.add(room, kind, text)
        self._advance(now)
        return number

    def ask(self, request: Request, now: float) -> None:
        """Ask for something else; its id is filled in. `Answered` will bring the reply.

        Raises `RequestRejected` while 100 requests wait.
        """
        if len(self._changes) + len(self._questions) + len(self._requests.unsettled()) >= ASKED:
            raise RequestRejected("BUSY", "too much is asked already: wait for the answers", 1.0)
        (self._changes if _is_change(request) else self._questions).append(request)
        self._advance(now)

    def scroll_back(self, room: str, count: int, now: float) -> None:
        """Ask for `count` entries (256 at most) above the oldest that was shown: they come as `Earlier`."""
        self._rooms[room].log.scroll_back(count, now)

    def leave(self, reason: str, now: float) -> None:
        """Say goodbye, three times within 0.3 s, and end."""
        self._go("leave")
        self._bye = encode_frame(Bye(reason))
        self._byes = [now + seconds for seconds in BYE_SECONDS]

    @property
    def unsettled(self) -> int:
        """How many texts have no answer yet."""
        return len(self._outbox)

    @property
    def logs(self) -> dict[str, RoomLog]:
        """The rooms' logs, by name."""
        return {name: room.log for name, room in self._rooms.items()}

    def roster(self, room: str) -> Roster | None:
        """Give the roster of a room that was joined with it."""
        return self._rooms[room].roster

    # --- the verbs

    def receive_datagram(self, datagram: bytes, now: float) -> list[Event]:
        """Give what has happened, in order. Raises `RemoteProtocolError` for what no server sends."""
        events: list[Event] = []
        for message in decode_replies(datagram):
            if self.state not in _LISTENING:
                break
            self._pulse.heard()
            events += self._take(message, now)
        self._advance(now)
        return events

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due."""
        if not self._pacer.is_ready(now):
            return []
        if self._byes and self._byes[0] <= now:
            self._byes = [time for time in self._byes if time > now]
            self._pacer.frames.append(self._bye)
        elif self.state in _TALKING:
            self._pacer.frames += self._frames_due(now)
            if self._pacer.frames:
                self._pulse.sent(now)
        return self._pacer.datagrams_to_send(now)

    def next_timeout(self) -> float | None:
        """Give when to call `handle_timeout` and `datagrams_to_send`; None: nothing is wanted."""
        times: list[float | None] = [*self._byes[:1]]
        if self.state in _TALKING:
            is_entering = self.state is State.ENTERING  # then the Hello is the ping
            times += [self._hello_at, self._pulse.dead_at()] if is_entering else [self._pulse.next_timeout()]
            times += [self._requests.next_timeout(), self._outbox.next_timeout()]
            times += [room.next_timeout() for room in self._rooms.values()]
        return self._pacer.not_before(min((time for time in times if time is not None), default=None))

    def handle_timeout(self, now: float) -> list[Event]:
        """Ask once more for what the server could not do yet, or find out that the path is lost."""
        if self.state not in _TALKING:
            return []
        if self._pulse.is_dead(now):
            self._go("lost")
            return [PathLost()]
        self._advance(now)
        return []

    # --- what is sent

    def _advance(self, now: float) -> None:
        """Make requests of what has become possible. They leave when the window and the pacer let them."""
        if self.state not in _TALKING:
            return
        talking = self._outbox.rooms()
        for name, room in self._rooms.items():
            asked = room.due(now, is_talking=name in talking)
            if asked is not None:
                self._requests.send(asked, now)
            after = room.names_due(now)
            if after is not None:
                self._requests.send(Names(1, name, after), now)
        for say, is_again in self._outbox.due(now, self._may_say):
            (self._requests.send_at_once if is_again else self._requests.send)(say, now)
        for _ in range(len(self._questions)):
            question = self._questions.popleft()
            if self._may_ask(question):
                self._requests.send(question, now)
            else:
                self._questions.append(question)
        is_due = self._changes and not self._is_change_out and self.state is State.OPEN
        if is_due and self._may_ask(self._changes[0]):
            self._is_change_out = True
            self._requests.send(self._changes.popleft(), now)

    def _may_say(self, name: str) -> bool:
        room = self._rooms.get(name)
        return self.state is State.OPEN and (room is None or room.may_say())

    def _may_ask(self, request: Request) -> bool:
        return not isinstance(request, Names | Topic) or self._may_say(request.room)

    def _frames_due(self, now: float) -> list[bytes]:
        frames: list[Request] = []
        if self.state is State.ENTERING and self._hello_at <= now:
            frames.append(Hello(PROTOCOL_VERSION, self.client, self.nick))
            self._hello_sent = now
            self._hello_at = now + self._round_trip.wait(self._hellos, HELLO_REPEAT_MOST)
            self._hellos += 1
        repeated = self._requests.repeated
        frames += self._requests.due(now)
        if self._requests.repeated > repeated:
            self._pulse.worry(now)
        for room in self._rooms.values():
            fetch = room.fetch_due(now, self._requests.next_id)
            if fetch is not None:
                self._pulse.worry(now)
                frames.append(fetch)
        if self.state is State.OPEN and self._pulse.due(now):
            frames.append(Ping(self._requests.next_id(), round(now * TICKS)))
        return [encode_frame(frame) for frame in frames]

    # --- what comes

    def _take(self, message: Reply | Broadcast, now: float) -> list[Event]:
        match message:
            case Entry():
                room = self._rooms.get(message.room)
                return [] if room is None else self._show(message.room, room.log.receive(message, now))
            case Presence():
                return self._happened(message, now)
            case Welcome():
                return self._welcome(message, now)
            case Bye():
                self._go("leave")
                return [Ended(message.reason, message.reconnect_after)]
            case Pong():
                return self._pong(message, now)
            case Fetched():
                room = self._rooms.get(message.room)
                return [] if room is None else self._show(message.room, room.fetched(message, now))
            case Rejected(id=0):
                if self.state is not State.ENTERING:
                    return []
                self._go("refused")
                return [Refused(message)]
            case Delivered():
                return []
            case _:
                return self._settle(message, now)

    def _settle(self, reply: Accepted | Rejected | Done | Joined | RoomsPage, now: float) -> list[Event]:
        """Take the reply to a request, once."""
        request = self._requests.settle(reply.id, now, is_prompt=not isinstance(reply, Accepted | Rejected))
        if request is None:
            if isinstance(reply, Rejected):
                for room in self._rooms.values():
                    room.fetch_refused(reply.id)
            return []
        self._pulse.answered(now)
        match request:
            case Say():
                return self._said(request, reply, now)
            case Join() | Part():
                return self._moved(request, reply, now)
            case _:
                return self._answered(request, reply, now)

    def _said(self, say: Say, reply: Reply, now: float) -> list[Event]:
        if isinstance(reply, Accepted):
            self._outbox.settle(say.n, reply.seq)
            room = self._rooms.get(say.room)
            events = [] if room is None else self._show(say.room, room.log.accepted(reply.seq, now))
            if room is None or reply.seq <= room.log.h:
                self._outbox.shown(say.room, reply.seq)  # it came before its acceptance
            return [Said(say.n, reply.seq), *events]
        if isinstance(reply, Rejected):
            if reply.retry_after:
                self._outbox.put_off(say.n, now + reply.retry_after)
            elif reply.code == NUMBER_REUSED:
                return [NumberReused()]
            else:
                self._outbox.settle(say.n)
                return [NotSaid(say.n, reply.code, reply.text)]
        return []

    def _moved(self, request: Join | Part, reply: Reply, now: float) -> list[Event]:
        room = self._rooms[request.room]
        if isinstance(reply, Joined):
            return [InRoom(reply), *self._show(room.name, room.joined(reply, now))]
        if isinstance(reply, Rejected):
            is_final = room.refused(reply, now)
            return [OutOfRoom(room.name, reply.code, reply.text)] if is_final else []
        room.left()
        return [OutOfRoom(room.name, "", "")]

    def _answered(self, request: Request, reply: Reply, now: float) -> list[Event]:
        events: list[Event] = [Answered(request, reply)]
        if _is_change(request):
            self._is_change_out = False
        match request, reply:
            case Names(), Done(result=NamesPage() as page):
                room = self._rooms.get(request.room)
                if room is not None and room.page(request.after, page, now):
                    events.append(RosterChanged(request.room))
            case Nick(), Done(result=str() as nick):
                self.nick = nick
        return events

    def _show(self, room: str, shown: list[Shown]) -> list[Event]:
        events: list[Event] = []
        for each in shown:
            events.append(Appeared(room, each))
            if isinstance(each, Entry):
                self._outbox.shown(room, each.seq)
            elif isinstance(each, Lost):
                lost = self._outbox.lost(room, each.after, each.upto)
                events += [Offered(room, n, seq) for n, seq in lost]
        return events

    def _welcome(self, welcome: Welcome, now: float) -> list[Event]:
        is_first = self.state is not State.OPEN
        self._go("welcome")
        if not is_first:
            return []
        self._pulse.answered(now)
        if self._hellos == 1:
            self._round_trip.sample(now - self._hello_sent)
        elif self._round_trip.smoothed is None:
            self._pulse.measure(now)  # nobody knows which Hello was answered
        self.nick = welcome.nick
        return [Entered(welcome)]

    def _happened(self, presence: Presence, now: float) -> list[Event]:
        room = self._rooms.get(presence.room)
        if room is None:
            return []
        is_changed = room.roster is not None and room.roster.take(presence, now)
        return [Happened(presence), *([RosterChanged(presence.room)] if is_changed else [])]

    def _pong(self, pong: Pong, now: float) -> list[Event]:
        asked_at = pong.time / TICKS
        self._round_trip.sample(max(now - asked_at, 0.0))
        self._pulse.answered(now)
        heads = {head.room: head for head in pong.rooms}
        for name, room in self._rooms.items():
            room.pong(heads.get(name), asked_at, now)
        return []

    def _go(self, event: str) -> None:
        self.state = NEXT[self.state, event]


def _is_change(request: Request) -> bool:
    """Say whether of requests like this one the second must not overtake the first."""
    return isinstance(request, Nick) or (isinstance(request, Topic) and request.text is not None)
