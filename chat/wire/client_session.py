"""A native client's session: rooms without a gap, texts said exactly once, whatever the network does.

This module never does I/O and reads no clock. One `ClientSession` lives as long as its program: channels come
and go under it (`connected`, `PathLost`), and what it knows of its rooms and what it still has to say outlive
them. What it sends is pulled: `datagrams_to_send` collects what is due, so nothing is queued twice.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.limits import TOO_FAST
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
    Turnover,
    Welcome,
    is_direct,
)
from chat.notices import Notice, Out, Redacted
from chat.wire.asked import Asked
from chat.wire.client_state import LISTENING, NEXT, NUMBER_REUSED, TALKING, State
from chat.wire.direct import Progress, Receipts
from chat.wire.events import (
    Answered,
    Appeared,
    Ended,
    Entered,
    Event,
    NotSaid,
    NumberReused,
    Offered,
    PathLost,
    PutOff,
    Refused,
    Rights,
    RosterChanged,
    Said,
)
from chat.wire.frames import decode_replies, encode_frame
from chat.wire.greetings import Goodbye, Greeting
from chat.wire.outbox import Outbox
from chat.wire.pacing import Pacer
from chat.wire.pulse import Health, Pulse
from chat.wire.rooms import Rooms
from chat.wire.roster import Roster
from chat.wire.sequence import Lost, NotKept, Requests, RoomLog, RoundTrip, Shown

TICKS = 1_000_000  # of a Ping's time in a second


class ClientSession:
    """One client: `client` is its id (16 random bytes), `nick` what it is called, `random` gives 0..1.

    `link` is the code that another key of the same person was given; it is said until we are in. Without
    `with_direct` what is said to us alone is left where it is: for a client whose owner does not read it.
    """

    def __init__(
        self,
        client: bytes,
        nick: str,
        random: Callable[[], float],
        *,
        link: str = "",
        with_direct: bool = True,
    ) -> None:
        self.client = client
        self.nick = nick
        self.link = link
        self.state = State.OFFLINE
        self._with_direct = with_direct
        self._round_trip = RoundTrip(random)
        self._pulse = Pulse(self._round_trip, random)
        self._pacer = Pacer()
        self._is_operator = False  # as the last Welcome said
        self._requests: Requests[Request] = Requests(self._round_trip)
        self._outbox = Outbox()
        self._rooms = Rooms(self._round_trip, random)
        self._asked = Asked()
        self._progress = Progress(self._round_trip)
        self._receipts = Receipts()
        self._greeting, self._goodbye = Greeting(self._round_trip), Goodbye()

    # --- what its owner does

    def connected(self, now: float) -> None:
        """Begin on a fresh channel: say who we are, and ask for everything that has no answer yet."""
        self._go("connected")
        self._goodbye.take_back()  # of a session that ended
        unsettled = self._requests.unsettled()
        self._requests = Requests(self._round_trip)
        self._outbox.restart()
        self._rooms.restart()
        # The others are asked for by those who want them.
        self._asked.restart([ask for ask in unsettled if not isinstance(ask, Say | Join | Part)])
        self._progress.restart()
        self._pulse.restart(now)
        self._greeting.begin(now)
        self._advance(now)

    def suspect(self, now: float) -> None:
        """Find out at once whether the path still works: we slept, or somebody says that it does not."""
        if self.state in TALKING:
            self._pulse.suspect(now)

    def enter(self, nick: str, now: float) -> None:
        """Try another nick, after `Refused`."""
        self._go("enter")
        self.nick = nick
        self._greeting.begin(now)

    def renew(self, client: bytes, now: float) -> dict[int, int]:
        """Take a new client id, after `NumberReused`: the next channel begins with it.

        Gives the new numbers of the unsettled texts by their old ones.
        """
        self.leave("my numbers begin again", now)
        self.client = client
        return self._outbox.renumber()

    def join(self, room: str, now: float, *, with_roster: bool = False, key: str = "") -> None:
        """Be in `room`, which may ask for `key`, from now on, through every reconnect, until `part`."""
        self._rooms.join(room, with_roster=with_roster, key=key)
        self._advance(now)

    def part(self, room: str, now: float) -> None:
        """Leave `room` once everything said in it is settled."""
        self._rooms.part(room)
        self._advance(now)

    def say(self, room: str, kind: Kind, text: str, now: float) -> int:
        """Say `text` in `room` and give its number: `Said` or `NotSaid` will name it.

        "@bob" is no room: it is said to bob alone, and `Delivered` tells when he has it, if we are there.
        Raises `RequestRejected` while 1,000 texts are unsettled.
        """
        number = self._outbox.add(room, kind, text)
        self._advance(now)
        return number

    def ask(self, request: Request, now: float) -> None:
        """Ask for something else; its id is filled in. `Answered` will bring the reply.

        Raises `RequestRejected` while 100 requests wait.
        """
        self._asked.add(request, len(self._requests.unsettled()))
        self._advance(now)

    def scroll_back(self, room: str, count: int, now: float, age: int = 0) -> None:
        """Ask for `count` entries (256 at most) above the oldest that was shown: they come as `Earlier`.

        With `age` only for those of the last so many seconds, by the server's clock.
        """
        self._rooms[room].log.scroll_back(count, now, age)

    def show(self, appeared: Appeared) -> None:
        """Take note that the owner is shown this. The server is told: of our log it does not come again."""
        match appeared.shown:
            case Entry(seq=upto) | NotKept(upto):
                self._progress.show(appeared.room, upto)
            case _:
                pass

    def leave(self, reason: str, now: float) -> None:
        """Say goodbye, three times within 0.3 s, and end. How far our log was shown goes in front of it."""
        last: list[Request] = [Bye(reason)]
        if self.state is State.OPEN and self._progress.next_timeout() is not None:
            last.insert(0, self._ping(now))
        self._go("leave")
        self._goodbye.begin([encode_frame(each) for each in last], now)

    @property
    def unsettled(self) -> int:
        """How many texts have no answer yet."""
        return len(self._outbox)

    def health(self, now: float) -> Health:
        """Give how the present channel does, for people."""
        return self._pulse.health(now)

    @property
    def direct(self) -> str:
        """The room in which what is said to us alone appears; "": there is none, as far as we know."""
        return self._rooms.direct

    @property
    def logs(self) -> dict[str, RoomLog]:
        """The rooms' logs, by name."""
        return self._rooms.logs

    def roster(self, room: str) -> Roster | None:
        """Give the roster of a room that was joined with it."""
        return self._rooms[room].roster

    # --- the verbs

    def receive_datagram(self, datagram: bytes, now: float) -> list[Event]:
        """Give what has happened, in order. Raises `RemoteProtocolError` for what no server sends."""
        events: list[Event] = []
        for message in decode_replies(datagram):
            if self.state not in LISTENING:
                break
            self._pulse.heard(now)
            events += self._take(message, now)
        self._advance(now)
        return events

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due."""
        if not self._pacer.is_ready(now):
            return []
        self._pacer.frames += self._goodbye.due(now)
        if self.state in TALKING:
            self._pacer.frames += self._frames_due(now)
            if self._pacer.frames:
                self._pulse.sent(now)
        return self._pacer.datagrams_to_send(now)

    def next_timeout(self) -> float | None:
        """Give when to call `handle_timeout` and `datagrams_to_send`; None: nothing is wanted."""
        times: list[float | None] = [self._goodbye.next_timeout()]
        if self.state in TALKING:
            is_entering = self.state is State.ENTERING  # then the Hello is the ping
            times.append(self._greeting.next_timeout() if is_entering else self._pulse.next_timeout())
            times.append(self._pulse.dead_at() if is_entering else None)
            times += [each.next_timeout() for each in (self._requests, self._outbox, self._asked)]
            times += [None if is_entering else self._progress.next_timeout(), *self._rooms.next_timeouts()]
        return self._pacer.not_before(min((time for time in times if time is not None), default=None))

    def handle_timeout(self, now: float) -> list[Event]:
        """Ask once more for what the server could not do yet, or find out that the path is lost."""
        if self.state not in TALKING:
            return []
        if self._pulse.is_dead(now):
            self._go("lost")
            return [PathLost()]
        self._advance(now)
        return []

    # --- what is sent

    def _advance(self, now: float) -> None:
        """Make requests of what has become possible. They leave when the window and the pacer let them."""
        if self.state not in TALKING:
            return
        for asked in self._rooms.due(now, self._outbox.rooms()):
            self._requests.send(asked, now)
        for say, is_again in self._outbox.due(now, self._may_say):
            (self._requests.send_at_once if is_again else self._requests.send)(say, now)
        for request in self._asked.due(now, self._may_ask, is_open=self.state is State.OPEN):
            self._requests.send(request, now)

    def _may_say(self, name: str) -> bool:
        return self.state is State.OPEN and self._rooms.may_say(name)

    def _may_ask(self, request: Request) -> bool:
        return not isinstance(request, Names | Topic) or self._may_say(request.room)

    def _frames_due(self, now: float) -> list[bytes]:
        frames: list[Request] = []
        if self.state is State.ENTERING and self._greeting.is_due(now):
            frames.append(Hello(PROTOCOL_VERSION, self.client, self.nick, self.link))
        repeated = self._requests.repeated
        frames += (due := self._requests.due(now))
        repeats = self._requests.repeated - repeated
        self._pulse.count(len(due) - repeats, repeats)
        if repeats:
            self._pulse.worry(now)
        fetches = self._rooms.fetches_due(now, self._requests.next_id)
        if fetches:
            self._pulse.worry(now)
        frames += fetches
        if self.state is State.OPEN and (self._pulse.due(now) or self._progress.due(now)):
            frames.append(self._ping(now))
        return [encode_frame(frame) for frame in frames]

    def _ping(self, now: float) -> Ping:
        number = self._requests.next_id()
        return Ping(number, round(now * TICKS), self._progress.tell(number, now))

    # --- what comes

    def _take(self, message: Reply | Broadcast, now: float) -> list[Event]:
        match message:
            case Entry():
                room = self._rooms.current(message.room)
                return [] if room is None else self._show(message.room, room.log.receive(message, now))
            case Presence() | Turnover() | Redacted() | Out():
                return self._rooms.happened(message, now)
            case Notice():
                return [message]
            case Welcome():
                return self._welcome(message, now)
            case Bye():
                self._go("leave")
                return [Ended(message.reason, message.reconnect_after)]
            case Pong():
                return self._pong(message, now)
            case Fetched():
                return self._fetched(message, now)
            case Rejected(id=0):
                return self._refused(message)
            case Delivered():
                return self._delivered(message)
            case _:
                return self._settle(message, now)

    def _refused(self, refusal: Rejected) -> list[Event]:
        if self.state is not State.ENTERING:
            return []
        self._go("refused")
        return [Refused(refusal)]

    def _delivered(self, delivered: Delivered) -> list[Event]:
        is_waiting = any(map(is_direct, self._outbox.rooms()))
        return [delivered] if self._receipts.delivered(delivered.seq, is_waiting=is_waiting) else []

    def _fetched(self, reply: Fetched, now: float) -> list[Event]:
        room = self._rooms.get(reply.room)
        if room is None:
            return []
        shown = room.fetched(reply, now)
        due = room.next_timeout()
        if due is not None and due <= now:  # a page at a time, each after an answer: they need no other pace
            self._pacer = Pacer()
        return self._show(reply.room, shown)

    def _settle(self, reply: Accepted | Rejected | Done | Joined | RoomsPage, now: float) -> list[Event]:
        """Take the reply to a request, once."""
        request = self._requests.settle(reply.id, now, is_prompt=not isinstance(reply, Accepted | Rejected))
        if request is None:
            if isinstance(reply, Rejected):
                self._rooms.fetch_refused(reply, now)
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
            if is_direct(say.room) and self._receipts.accepted(reply.seq):
                events.append(Delivered(reply.seq))
            return [Said(say.n, reply.seq, reply.waiting), *events]
        if isinstance(reply, Rejected):
            if reply.retry_after:
                self._outbox.put_off(say.n, now + reply.retry_after)
                return [PutOff(say.room, reply)]
            if reply.code == NUMBER_REUSED:
                return [NumberReused()]
            self._outbox.settle(say.n)
            return [NotSaid(say.n, reply.code, reply.text)]
        return []

    def _moved(self, request: Join | Part, reply: Reply, now: float) -> list[Event]:
        if isinstance(reply, Joined):
            if request.room == self.direct:
                self._progress.begin(reply.room, reply.seen)
            else:
                self._progress.joined(reply.room)
        event, shown = self._rooms.moved(request, reply, now)
        return ([] if event is None else [event]) + self._show(request.room, shown)

    def _answered(self, request: Request, reply: Reply, now: float) -> list[Event]:
        if isinstance(reply, Rejected) and reply.code == TOO_FAST:
            self._asked.put_off(request, now + reply.retry_after)
            return [PutOff("", reply)]
        events: list[Event] = [Answered(request, reply)]
        self._asked.answered(request)
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
        was_operator, self._is_operator = self._is_operator, welcome.is_operator
        if not is_first:
            return [Rights(welcome.is_operator)] if welcome.is_operator is not was_operator else []
        self._pulse.answered(now)
        if self._greeting.count == 1:
            self._round_trip.sample(now - self._greeting.sent)
        elif self._round_trip.smoothed is None:
            self._pulse.measure(now)  # nobody knows which Hello was answered
        self.nick, self.link = welcome.nick, ""  # a code is good for one time
        if self._with_direct:
            self._rooms.follow(welcome.direct)
        return [Entered(welcome)]

    def _pong(self, pong: Pong, now: float) -> list[Event]:
        asked_at = pong.time / TICKS
        self._round_trip.sample(max(now - asked_at, 0.0))
        self._pulse.answered(now)
        self._progress.answered(pong.id)
        self._rooms.pong(pong, asked_at, now)
        return []

    def _go(self, event: str) -> None:
        self.state = NEXT[self.state, event]
