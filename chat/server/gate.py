"""Who may come in: how many sessions an address may have, how many members may speak in the clear."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Send
from chat.limits import Limit, Limits
from chat.messages import Hello, Rejected, Request
from chat.server.book import Book
from chat.server.peer import AnyPeer, PlainPeer

AGAIN_SECONDS = 15.0  # after which one that was refused tries again: others go when they like


class Gate:
    """Looks at everybody who says hello, before the hub does and after it. `book` knows who is here.

    `makes_way` gives the member that leaves when somebody comes in under a nick with a key.
    """

    def __init__(
        self, limits: Limits, book: Book, makes_way: Callable[[str, bytes | None], bytes | None]
    ) -> None:
        self._limits = limits
        self._book = book
        self._makes_way = makes_way

    def turns_away(self, peer: AnyPeer, member: bytes, request: Request, now: float) -> bool:
        """Say whether `member` is not let in at `peer`, which is told so then.

        It is only asked about who says hello: who asks for something else is in.
        """
        if not isinstance(request, Hello) or peer.session is None:
            return False
        try:
            self._check(peer, member, request.nick, now)
        except RequestRejected as refusal:
            peer.session.send(Rejected(0, refusal.code, refusal.text, refusal.retry_after), now)
            return True
        return False

    def lets_in(
        self, peer: AnyPeer, member: bytes, seated: AnyPeer | None, answer: Sequence[Effect], now: float
    ) -> bool:
        """Say whether `answer`, the hub's to a Hello, lets `member` in at `peer`, which has its seat already.

        If not, `peer` is told so and who was `seated` is again: nothing has happened.
        """
        match answer:
            case [Send(message=Rejected(id=0) as refusal)] if peer.session is not None:
                self._book.give_back(member, seated)
                peer.session.send(refusal, now)
                return False
        self._book.lodge(member)
        return True

    def _check(self, peer: AnyPeer, member: bytes, nick: str, now: float) -> None:
        """See whether a member may be at `peer`, and pays for it."""
        caps, host = self._limits.caps, peer.addr[0]
        if isinstance(peer, PlainPeer):
            peer.origin = self._limits.origin(host)
            if member not in self._book.members:  # the others have paid for a handshake
                self._limits.spend(Limit.HANDSHAKES, peer.origin, now)
                if caps.plain <= self._book.plain_seats:
                    self._limits.count("too many plain members")
                    text = f"{caps.plain} speak in the clear already: use udpchat, or try again later"
                    raise RequestRejected("FULL", text, AGAIN_SECONDS)
        if not peer.origin or self._book.lodged_at(host) < caps.address:
            return
        leaving = self._makes_way(nick, peer.key) or member
        if not (self._book.is_at(member, host) or self._book.is_at(leaving, host)):
            self._limits.count("too many sessions (address)")
            text = f"{caps.address} sessions from your address already: end one, or try again later"
            raise RequestRejected("TOO_MANY_SESSIONS", text, AGAIN_SECONDS)
