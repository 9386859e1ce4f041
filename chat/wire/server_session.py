"""A native client's session as the server keeps it: frames to requests, each carried out once, and back.

This module never does I/O and reads no clock. What it holds is bounded: the newest 72 replies to requests
that change something, and the frames of 20 ms. Nothing is repeated from here: a client repeats what it has no
answer to, and asks for what it has missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import Enum, auto

from chat.errors import RemoteProtocolError
from chat.fields import CLIENT_BYTES, IN_FLIGHT
from chat.limits import NOWHERE, Limit, Limits, Purse, Purses
from chat.messages import (
    Accepted,
    Bye,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Joined,
    Link,
    Motd,
    Names,
    Nick,
    Part,
    Ping,
    Rejected,
    Release,
    Reply,
    Request,
    Rooms,
    Say,
    Topic,
    Welcome,
)
from chat.orders import Order
from chat.wire.frames import decode_requests, encode_frame
from chat.wire.pacing import Pacer
from chat.wire.sequence import REPLY_CACHE

# A client goes at most 64 ids beyond one without a reply; the 7 before that one may be answered late.
REPLIES_KEPT = REPLY_CACHE + IN_FLIGHT
HELLO_SECONDS = 10.0  # for a first Hello: until then nobody is counted for whoever it is
SILENT_SECONDS = 60.0  # four pings of a client that is there (one in 15 s); it is away from then on
FETCHED_SECONDS = 60.0  # after a Fetch its client counts as one that loses datagrams

# What is read or sent again for every repeat is paid by `Limit.FETCHES`: one for each question, for each
# reply that is repeated, and for each entry sent.
ROOMS_PRICE = 64.0  # a page of 10,000 rooms takes 11 ms to find, and names take 60 us


class State(Enum):
    """Where a session stands."""

    NEW = auto()  # its client has not said who it is
    ENTERING = auto()  # the hub is asked
    OPEN = auto()
    CLOSED = auto()


# What moves a session where. A pair that is not here is a bug of ours and raises KeyError.
NEXT = {
    (State.NEW, "hello"): State.ENTERING,
    (State.NEW, "end"): State.CLOSED,
    (State.ENTERING, "welcome"): State.OPEN,
    (State.ENTERING, "refused"): State.NEW,
    (State.ENTERING, "end"): State.CLOSED,
    (State.OPEN, "welcome"): State.OPEN,
    (State.OPEN, "end"): State.CLOSED,
    (State.CLOSED, "welcome"): State.CLOSED,  # its client said hello and goodbye in one datagram
    (State.CLOSED, "refused"): State.CLOSED,
    (State.CLOSED, "end"): State.CLOSED,
}


def member_id(client: bytes, key: bytes | None) -> bytes:
    """Give the name that a native client has in the hub and in the store, 16 bytes.

    `key` is the fingerprint of the key that it holds (None: it has none). So whoever meets a client id can
    neither speak for that client nor learn its numbers without the key.
    """
    return hashlib.sha256((key or b"") + client).digest()[:CLIENT_BYTES]


class ServerSession:
    """One native client's side of the conversation; `key` is the fingerprint of the key that it holds.

    `member` is its name in the hub, None before its Hello. What it reads is paid from a purse of its own and
    from `origin`, those of where it is, as `limits` say.
    """

    __slots__ = (
        "_began", "_client", "_fetched", "_forgotten", "_heard", "_key", "_limits", "_pacer", "_purses",
        "_refuse_at", "_replies", "_unanswered", "_welcome", "member", "state",
    )  # fmt: skip

    def __init__(
        self, now: float, key: bytes | None, limits: Limits | None = None, origin: Purses = NOWHERE
    ) -> None:
        self.member: bytes | None = None
        self.state = State.NEW
        self._key = key
        self._client = b""  # the id that its Hello gave
        self._welcome = b""
        self._unanswered: set[int] = set()  # ids, at most IN_FLIGHT
        self._replies: dict[int, bytes] = {}  # by id, in the order in which they were given
        self._forgotten = 0  # the highest id whose reply was thrown away
        self._began = self._heard = now
        self._fetched = float("-inf")
        self._limits = limits or Limits()
        self._purses = (Purse(), *origin)
        self._refuse_at = now  # the next question without a token is refused from then on, others ignored
        self._pacer = Pacer()

    def receive_datagram(self, datagram: bytes, now: float) -> list[Request]:
        """Give what the client asks for, without what it has asked before.

        Raises `RemoteProtocolError` for what no client sends.
        """
        if self.state is State.CLOSED:
            return []
        requests = decode_requests(datagram)
        clients = {request.client for request in requests if isinstance(request, Hello)}
        if self.state is not State.NEW:
            clients.add(self._client)
        if len(clients) > 1:  # nothing of the datagram was looked at yet, or its ids would never be answered
            raise RemoteProtocolError("another client's Hello: a session is one client's")
        self._heard = now
        return [request for request in requests if self._is_due(request, now)]

    def send(self, message: Reply | Entry, now: float) -> None:
        """Queue a reply, or an entry that the client has fetched."""
        frame = encode_frame(message)
        match message:
            case Entry():
                self._limits.charge(Limit.FETCHES, self._purses, now)
            case Welcome():
                self._go("welcome")
                self._welcome = frame
            case Rejected(id=0):
                self._go("refused")
                self._unanswered.clear()  # what came with the Hello: the hub did not hear of it
            case Accepted() | Rejected() | Done() | Joined():
                self._keep(message.id, frame)
            case Bye():
                self._end()
            case _:
                pass  # asked again, it is answered afresh
        self._pacer.frames.append(frame)

    def tell(self, frames: Iterable[bytes]) -> None:
        """Queue frames that many are told: for nobody, unless the session is open."""
        if self.state is State.OPEN:
            self._pacer.frames += frames

    @property
    def is_waiting(self) -> bool:
        """Say whether there are frames to send."""
        return bool(self._pacer.frames)

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give the datagrams that are due, and forget them."""
        return self._pacer.datagrams_to_send(now)

    def take(self, now: float) -> tuple[bytes, ...]:
        """Give all datagrams that wait, and forget them: what many are told leaves for all at one time."""
        return self._pacer.take(now)

    def next_timeout(self) -> float | None:
        """Give the time of the next `datagrams_to_send` or `handle_timeout`; None: it can be forgotten."""
        if self._pacer.frames or self.state is State.CLOSED:
            return self._pacer.next_timeout()
        return self._ends_at()

    def handle_timeout(self, now: float) -> list[Request]:
        """End the session of a client that is silent. Its member stays: it may come back on another.

        So ends one that nobody comes in by, whatever is said there.
        """
        if now >= self._ends_at():
            self._end()
        return []

    def has_fetched(self, now: float) -> bool:
        """Say whether the client has lately asked for what it missed."""
        return now - self._fetched < FETCHED_SECONDS

    def _ends_at(self) -> float:
        if self.state is not State.NEW:
            return self._heard + SILENT_SECONDS
        return self._began + (SILENT_SECONDS if self._client else HELLO_SECONDS)  # refused: it may try again

    # --- what is asked

    def _is_due(self, request: Request, now: float) -> bool:
        """Say whether the hub shall hear of it."""
        if isinstance(request, Hello):
            return self._is_new_hello(request, now)
        if self.state not in (State.ENTERING, State.OPEN):
            return False  # it overtook the Hello: it will be repeated
        match request:
            case Say() | Join() | Part() | Nick() | Release() | Link() | Order() | Topic(text=str()):
                return self._is_new(request.id, now)
            case Bye():
                self._end()
                return True
            case Fetch():
                self._fetched = now
                return self._may_ask(request, now)
            case Rooms():
                return self._may_ask(request, now, ROOMS_PRICE)
            case Ping():
                return self._can_pay(now)
            case _:  # Names, Motd, or Topic without a text
                return self._may_ask(request, now)

    def _is_new_hello(self, hello: Hello, now: float) -> bool:
        """Say whether it is the first. With whatever nick it is repeated, the first one's answer stands."""
        if self.state is State.NEW:
            self._client, self.member = hello.client, member_id(hello.client, self._key)
            self._go("hello")
            return True
        if self._welcome and self._can_pay(now):
            self._pacer.frames.append(self._welcome)
        return False

    def _is_new(self, number: int, now: float) -> bool:
        """Say whether the request with that id has not been carried out; if it has, repeat the reply."""
        reply = self._replies.get(number)
        if reply is not None:
            if self._can_pay(now):
                self._pacer.frames.append(reply)
            return False
        is_known = number in self._unanswered or number <= self._forgotten
        if is_known or len(self._unanswered) >= IN_FLIGHT:
            return False
        self._unanswered.add(number)
        return True

    def _keep(self, number: int, frame: bytes) -> None:
        if number not in self._unanswered:
            return
        self._unanswered.remove(number)
        self._replies[number] = frame
        if len(self._replies) > REPLIES_KEPT:
            oldest = next(iter(self._replies))
            del self._replies[oldest]
            self._forgotten = max(self._forgotten, oldest)

    def _may_ask(
        self, question: Names | Motd | Topic | Fetch | Rooms, now: float, price: float = 1.0
    ) -> bool:
        """Say whether a question is paid for. Of those that are not one is refused, the rest is repeated."""
        refused = self._limits.refusal(Limit.FETCHES, self._purses, now, price)
        if refused is None:
            return True
        if now >= self._refuse_at:
            self._refuse_at = now + refused.retry_after
            refusal = Rejected(question.id, refused.code, refused.text, refused.retry_after)
            self._pacer.frames.append(encode_frame(refusal))
        return False

    def _can_pay(self, now: float) -> bool:
        return self._limits.refusal(Limit.FETCHES, self._purses, now) is None

    def _end(self) -> None:
        self._go("end")

    def _go(self, event: str) -> None:
        self.state = NEXT[self.state, event]
