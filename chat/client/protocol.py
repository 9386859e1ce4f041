"""The client as a library: bots, scripts and the terminal program are all made of a `ChatClient`.

It carries values between layers that know nothing of each other (datagrams, a channel, a session), owns the
clock and the sockets, and sees to it that there always is a channel. Its law: to a server whose key is not
the expected one nothing of the user's is sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from chat.client.address import Place, parse_place
from chat.client.attempts import Unanswered
from chat.client.check import check_entry, check_history, check_join, check_question, check_text, fit_reason
from chat.client.clock import SleepWatch, Timer, boot_seconds
from chat.client.happenings import Abandoned, FirstContact, Happening, Link, LinkChanged
from chat.client.path import Path, Reactor
from chat.client.pending import Pending, deferred
from chat.client.road import Doubted, News, NoWay, Road, Up
from chat.client.trust import ServerKeyChanged, Trust
from chat.client.whereabouts import Whereabouts
from chat.errors import ChatError, RemoteProtocolError, RequestRejected
from chat.fields import CLIENT_BYTES
from chat.identity import Identity, IdentityError, KnownServers
from chat.messages import LOBBY, Entry, Joined, Kind, Reply, Request, Welcome
from chat.wire.client_session import ClientSession
from chat.wire.client_state import State
from chat.wire.events import Appeared, Ended, Entered, Event, NumberReused, PathLost, Refused
from chat.wire.pulse import Health
from chat.wire.roster import Roster

LEAVE_SECONDS = 1.0  # for a goodbye, which takes 0.3: whoever waits for its end must not wait for ever
GLANCE_SECONDS = 2.0  # between two looks at the clocks: so soon after waking a sleep is noticed
ENTER_AGAIN_SECONDS = 10.0  # after a refusal to one who was in: somebody has the nick, perhaps our own ghost
HOPELESS = "VERSION"  # the code of a refusal that neither another nick nor waiting will change

T = TypeVar("T")


class ChatClient:
    """One program's place in one chat, through every reconnect.

    `place` is where the server is (text as `parse_place` takes it, which may raise `AddressError`), `nick`
    what to be called. `identity` None is the user's own, made at first use, and `known` None are the servers
    in the user's own file. `pinned` is the fingerprint that the server must have, whatever is known of it.
    `link` is a code that another key of the same person was given: from then on this key is that person's.

    `heard` gets every new entry of the joined rooms and of `direct`, in their order and once, and no
    scroll-back; `happened` gets everything, in the order in which it happens: the session's events
    (`chat.wire.events`), `LinkChanged` and `FirstContact`. They may call any method; what they raise is
    logged. What they were told counts as shown: what was said to us alone does not come again. Without
    `with_direct` they are not told of that, and it waits for a client of the same person that is.

    Every Deferred may be cancelled by whoever holds it (what was asked is asked nevertheless), and those that
    wait when the client is closed fail with `Abandoned`.

    `now` gives seconds that go on while the machine sleeps, `awake` seconds that do not; `random` gives so
    many bytes that nobody can guess.
    """

    place: Final[Place]
    state: Link
    closed: Final[Deferred[str]]
    """Fires once, with the reason, when the client is closed for good; fails with `ServerKeyChanged` only."""
    faults: int
    """Datagrams of the server's that no server may send, and that were dropped."""

    def __init__(
        self,
        reactor: Reactor,
        place: Place | str,
        nick: str,
        *,
        identity: Identity | None = None,
        known: KnownServers | None = None,
        pinned: bytes | None = None,
        link: str = "",
        with_direct: bool = True,
        heard: Callable[[Entry], None] = lambda _: None,
        happened: Callable[[Happening], None] = lambda _: None,
        now: Callable[[], float] = boot_seconds,
        awake: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.place = parse_place(place) if isinstance(place, str) else place
        self.state = Link.CONNECTING
        self.closed = Deferred()
        self.faults = 0
        self._log, self._reactor = Logger(), reactor
        self._keys = identity, known, pinned
        self._heard, self._happened = heard, happened
        self._now, self._random = now, random
        self._jitter = Random(random(16)).random  # noqa: S311  (spreads timers)
        self._sleep = SleepWatch(now(), awake)
        self._session = ClientSession(
            random(CLIENT_BYTES), nick, self._jitter, link=link, with_direct=with_direct
        )
        self._pending, self._rooms = Pending(), Whereabouts()
        self._road: Road | None = None  # once there was a reason to go
        self._welcome: Welcome | None = None  # of the present channel
        self._was_in = self._is_busy = self._is_over = False
        self._enter_at: float | None = None  # after a refusal, again with the same nick
        self._timer = Timer(reactor, self._wake)
        self._reason = ""  # that was told last
        self._goodbye: str | None = None  # once we leave
        self._leave_by = 0.0
        self._left: list[Deferred[None]] = []

    # --- what its owner does

    @property
    def nick(self) -> str:
        """The nick as the server has it; before it has let us in, the one that is asked for."""
        return self._session.nick

    @property
    def direct(self) -> str:
        """The room in which what is said to us alone appears; "": there is none, as far as we know yet."""
        return self._session.direct

    @property
    def unsettled(self) -> int:
        """How many texts have no answer yet. They outlive every reconnect, but not the program."""
        return self._session.unsettled

    def health(self) -> Health:
        """Give how the way to the server does: round trip, repeats, and how long ago anything came."""
        return self._session.health(self._now())

    def connect(self) -> Deferred[Welcome]:
        """Find the server and go on trying until it has let us in.

        Fails with `AddressError` (no such host), `IdentityError` (a file with a key is wrong),
        `ServerKeyChanged`: then the client is closed; and with `RequestRejected` if the nick is refused: then
        `enter` tries another one.
        """
        return self.enter(self.nick)

    @deferred
    def enter(self, nick: str) -> Deferred[Welcome]:
        """Try another nick after a refusal, else as `connect`. Who is in changes it with `ask(Nick(...))`."""
        now = self._called()
        if self._welcome is not None:
            return succeed(self._welcome)
        check_entry(nick, self._session.link)
        entering = self._pending.entries.add(None)
        self._enter_at = None
        if self._session.state is State.REFUSED:
            self._session.enter(nick, now)
        else:
            self._session.nick = nick  # the next Hello says it
        if self._road is None:
            self._begin(now)
        elif not self._road.is_up and not self._road.is_sought:
            self._road.begin(now)
        self._pump(now)
        return entering

    @deferred
    def join(self, room: str, *, with_roster: bool = False, key: str = "") -> Deferred[Joined]:
        """Be in `room` from now on, through every reconnect, until `part`; `roster` knows who else is.

        `key` is what the room may ask for ("": none, or the one that was given before). Fails with
        `RequestRejected` if the server does not let us in.
        """
        now = self._called()
        check_join(room, key)
        self._pending.parts.fail(room, Abandoned(f"{room} was joined again"))
        joining = self._pending.joins.add(room)
        self._session.join(room, now, with_roster=with_roster, key=key)
        joined = self._rooms.want(room, is_talking=self._session.state in (State.ENTERING, State.OPEN))
        if joined is not None:
            self._pending.joins.fire(room, joined)
        self._pump(now)
        return joining

    @deferred
    def part(self, room: str) -> Deferred[None]:
        """Leave `room`, once everything said in it has its answer. Fires when we are out."""
        now = self._called()
        self._pending.joins.fail(room, Abandoned(f"{room} was left again"))
        parting = self._pending.parts.add(room)
        self._session.part(room, now)
        if not self._rooms.unwant(room):
            self._pending.parts.fire(room, None)
        self._pump(now)
        return parting

    @deferred
    def say(self, text: str, room: str = LOBBY, kind: Kind = Kind.SAY) -> Deferred[int]:
        """Say `text`, at once or as soon as the server answers again; fires with its position once accepted.

        `room` is one that we are in, or "@" and a nick: then it is for that person alone, here or not.
        Texts are said once and in the order of these calls; line ends in them become spaces. Fails with
        `RequestRejected` if the text is refused, and with the code BUSY while 1,000 texts have no answer.
        """
        now = self._called()
        number = self._session.say(room, kind, check_text(text, room, kind), now)
        saying = self._pending.texts.add(number)
        self._pump(now)
        return saying

    @deferred
    def ask(self, request: Request) -> Deferred[Reply]:
        """Ask for something else: `Names`, `Rooms`, `Motd`, `Topic`, `Nick`, `Release`, `Link`; with any id.

        Fires with the reply (`Done`, or `RoomsPage`), fails with `RequestRejected`. Raises `TypeError` for
        other requests, which have methods of their own.
        """
        now = self._called()
        request = check_question(request)
        self._session.ask(request, now)
        asking = self._pending.questions.add(request)
        self._pump(now)
        return asking

    def history(self, room: str, count: int, age: int = 0) -> None:
        """Ask for `count` entries (256 at most) above those shown: they come as `Appeared` with `Earlier`.

        With `age` only for those of the last so many seconds. Raises `RequestRejected` if `room` was never
        joined or a number cannot be asked for, `Abandoned` if the client is closed.
        """
        now = self._called()
        if room not in self._session.logs:
            raise RequestRejected("NOT_IN_ROOM", f"you are not in {room}")
        check_history(room, count, age)
        self._session.scroll_back(room, count, now, age)
        self._pump(now)

    def roster(self, room: str) -> Roster | None:
        """Give who is in a room that was joined with its roster; None: nobody keeps one for it."""
        return self._session.roster(room) if room in self._session.logs else None

    def leave(self, reason: str = "exit") -> Deferred[None]:
        """Say goodbye, and close; fires when the sockets are closed. What has no answer yet is abandoned."""
        if self._is_over:  # `closed` may be cancelled, and tells nothing then
            return succeed(None)
        left: Deferred[None] = Deferred()
        self._left.append(left)
        if self._is_open:
            now = self._look()
            self._goodbye, self._enter_at, self._leave_by = reason, None, now + LEAVE_SECONDS
            if self._road is None or not self._road.is_up:
                self._close(now, reason)
            else:
                self._session.leave(fit_reason(reason), now)
                self._pending.close(Abandoned("the client has left"))
                self._pump(now)
        return left

    # --- datagrams and time

    @property
    def _is_open(self) -> bool:
        return self._goodbye is None and self.state is not Link.CLOSED

    def _called(self) -> float:
        """Read the clock for a method of the owner's. Raises `Abandoned` once we have left."""
        if not self._is_open:
            raise Abandoned("the client is closed")
        return self._look()

    def _look(self) -> float:
        """Read the clock; if the machine has slept, find out at once whether the path still works."""
        now = self._now()
        if self._sleep.has_slept(now):
            self._session.suspect(now)
        return now

    def _pump(self, now: float) -> None:
        """Let everything go that wants to, and see to it that time is looked at when it is next wanted."""
        road, session = self._road, self._session
        if self._is_busy or road is None or self.state is Link.CLOSED:
            return
        times = [self._enter_at, road.next_timeout()]
        if road.is_up:
            road.send(session.datagrams_to_send(now), now)
            due = session.next_timeout()
            if self._goodbye is not None and (due is None or now >= self._leave_by):
                self._close(now, self._goodbye)
                return
            times += [due, now + GLANCE_SECONDS]
        self._timer.set(times, now)

    def _wake(self) -> None:
        road, now = self._road, self._look()
        assert road is not None  # noqa: S101  (the timer is set for it)
        self._follow(road.handle_timeout(now), now)
        if self._enter_at is not None and now >= self._enter_at:
            self._enter_at = None
            self._session.enter(self.nick, now)
        if road.is_up:
            self._take(self._session.handle_timeout(now), now)
        self._pump(now)

    def _receive(self, path: Path, datagram: bytes) -> None:
        road, now = self._road, self._look()
        assert road is not None  # noqa: S101  (it has opened the socket)
        self._follow(road.receive_datagram(path, datagram, now), now)
        if road.is_cut:
            self._lose(now, "the server has closed the channel")
        self._pump(now)

    # --- channels come and go

    def _begin(self, now: float) -> None:
        try:
            trust = Trust(self.place, *self._keys)
        except IdentityError as error:
            self._close(now, str(error), error)
            return
        self._road = Road(self._reactor, self.place, trust, self._receive, self._found, self._jitter)
        self._road.begin(now)

    def _found(self) -> None:
        self._pump(self._look())

    def _follow(self, news: list[News], now: float) -> None:
        """Do what the road's news call for."""
        for each in news:
            match each:
                case bytes():
                    self._take(self._read(each, now), now)
                case Doubted():
                    self._session.suspect(now)
                case Up(first) if self._goodbye is None:
                    self._enter_at = None
                    self._rooms.connected()
                    self._session.connected(now)
                    if first is not None:
                        self._call(self._happened, FirstContact(str(self.place), first))
                case Unanswered(problem):
                    self._change(self.state, problem)
                case NoWay(error):
                    self._close(now, str(error).partition("\n")[0], error)

    def _read(self, plaintext: bytes, now: float) -> list[Event]:
        try:
            return self._session.receive_datagram(plaintext, now)
        except RemoteProtocolError:
            self.faults += 1
            return []

    def _lose(self, now: float, reason: str, wait: float | None = None) -> None:
        """Be without a channel, and make another one in `wait` seconds; None: the server has closed it."""
        road = self._road
        assert road is not None  # noqa: S101
        if self._goodbye is not None:
            self._close(now, self._goodbye)
            return
        road.drop(now)
        self._welcome = None
        self._rooms.lost()
        if self._session.state is State.REFUSED and self._enter_at is None:
            return  # another nick is wanted first: `enter`
        self._enter_at = None
        if wait is None:
            road.begin_again(now)
        else:
            road.begin(now + wait)
        self._change(Link.SILENT if self._was_in else Link.CONNECTING, reason)

    def _close(self, now: float, reason: str, error: ChatError | None = None) -> None:
        """Close for good. Whoever waits to be let in hears of `error`."""
        sockets = [] if self._road is None else self._road.close(now)
        self._timer.stop()
        self._change(Link.CLOSED, reason)
        if error is not None:
            self._pending.entries.fail(None, error)
        self._pending.close(Abandoned(reason))
        DeferredList(sockets).addCallback(self._closed, reason, error)

    def _closed(self, _: object, reason: str, error: ChatError | None) -> None:
        self._is_over = True
        if isinstance(error, ServerKeyChanged):
            self.closed.errback(error)
        else:
            self.closed.callback(reason)
        for left in self._left:
            left.callback(None)

    # --- what the session tells

    def _take(self, events: list[Event], now: float) -> None:
        """Tell the owner what has happened, in order, and do what the session asks for."""
        self._is_busy = True  # what the owner asks for meanwhile leaves when all is told
        try:
            for event in events:
                if not self._is_open:
                    break
                if isinstance(event, Appeared):
                    self._show(event)
                    continue
                waiting = self._pending.aside(event)  # what the owner asks for meanwhile has another answer
                self._rooms.take(event)
                self._call(self._happened, event)
                waiting.settle(event)
                self._obey(event, now)
        finally:
            self._is_busy = False
        if self._is_open and NumberReused in map(type, events):  # at the end: the others have the old numbers
            self._pending.texts.rename(self._session.renew(self._random(CLIENT_BYTES), now))
            self._lose(now, "the server has mixed our texts up with others: they are said again", 0.0)

    def _show(self, appeared: Appeared) -> None:
        self._session.show(appeared)  # before it is: whoever is told may leave at once
        self._call(self._happened, appeared)
        if isinstance(appeared.shown, Entry):
            self._call(self._heard, appeared.shown)

    def _obey(self, event: Event, now: float) -> None:
        match event:
            case Entered(welcome):  # after a refusal, too: another Hello was under way
                self._welcome, self._was_in, self._enter_at = welcome, True, None
                self._change(Link.CONNECTED, "")
                self._pending.entries.fire(None, welcome)
            case Refused(rejected):
                if rejected.code == HOPELESS and self._was_in:
                    self._close(now, rejected.text)
                elif rejected.retry_after or self._was_in:
                    self._enter_at = now + (rejected.retry_after or ENTER_AGAIN_SECONDS)
                    self._change(self.state, rejected.text)
                else:
                    self._pending.entries.fail(None, RequestRejected(rejected.code, rejected.text))
            case PathLost():
                self._lose(now, f"no answer from {self.place}", 0.0)
            case Ended(reason, wait) if wait:
                self._lose(now, reason, wait)
            case Ended(reason):
                self._close(now, reason)

    def _change(self, state: Link, reason: str) -> None:
        if (state, reason) != (self.state, self._reason):
            self.state, self._reason = state, reason
            self._call(self._happened, LinkChanged(state, reason))

    def _call(self, told: Callable[[T], None], what: T) -> None:
        """Tell the owner something; what goes wrong there must not cost what else there is to tell."""
        try:
            told(what)
        except (Exception, SystemExit):  # noqa: BLE001  (a reactor swallows that, too, and what was not told yet)
            self._log.failure("the program failed when it was told of {what}", what=what)
