"""The plain client's side of the socket: one server, one nick, lines out and lines in.

It knows neither terminals nor files, and it never sends anything twice: a server that knows no repeats would
take a repeated nick for a text, and relay a repeated text again. Whatever comes in is cleaned before anybody
sees it, and what comes from another address than the server's is nobody's business.
"""

from __future__ import annotations

import typing
from enum import Enum, auto

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port

from chat.client.address import AddressError, Server
from chat.commands import parse_command
from chat.errors import RequestRejected
from chat.fields import TEXT_BYTES
from chat.messages import Bye
from chat.safety import NICK_BYTES, clean_line, clean_text
from chat.wire.lines import EXIT, NICK_TAKEN

MAX_DATAGRAM = 65_535  # the largest there can be: Twisted cuts a longer one without a word


class State(Enum):
    """Where the client stands with the server."""

    OUTSIDE = auto()  # no nick sent yet
    KNOCKING = auto()  # the nick is sent
    INSIDE = auto()  # the server answered, or kept silent as some do
    REFUSED = auto()  # the nick is taken: another one is wanted
    LEFT = auto()


# What moves the client where. A pair that is not here is a bug of ours and raises KeyError.
NEXT = {
    (State.OUTSIDE, "nick"): State.KNOCKING,
    (State.OUTSIDE, "exit"): State.LEFT,
    (State.KNOCKING, "unsent"): State.OUTSIDE,
    (State.KNOCKING, "answer"): State.INSIDE,
    (State.KNOCKING, "silence"): State.INSIDE,
    (State.KNOCKING, "refused"): State.REFUSED,
    (State.KNOCKING, "exit"): State.LEFT,
    # a slow refusal; or the server forgot everybody in a restart and took a text for a nick
    (State.INSIDE, "refused"): State.REFUSED,
    (State.INSIDE, "exit"): State.LEFT,
    (State.REFUSED, "nick"): State.KNOCKING,
    (State.REFUSED, "exit"): State.LEFT,
}


class Listener(typing.Protocol):
    """Whoever sits at the client: it is told what happened."""

    def answered(self) -> None:
        """Take note of the server's first datagram after the nick."""

    def unanswered(self) -> None:
        """Go on without: the server said nothing for as long as there was patience."""

    def refused(self) -> None:
        """Choose another nick."""

    def heard(self, line: str) -> None:
        """Take one line from the server: clean, not blank, without a line end."""

    def failed(self, problem: str) -> None:
        """Tell people, in one line, that something could not be sent."""


def check_line(line: str) -> str:
    """Give what is sent for `line`: one clean line, or "" if nothing is left of it.

    Raises `RequestRejected` for more than 900 bytes.
    """
    text = clean_text(line)
    size = len(text.encode())
    if size > TEXT_BYTES:
        raise RequestRejected(
            "TEXT_TOO_LONG", f"a line of {size} bytes was not sent: at most {TEXT_BYTES} fit"
        )
    return "" if text.isspace() else text


def check_nick(nick: str) -> str:
    """Give what is sent for `nick`, or raise `RequestRejected` for what no server can take for one.

    What else is wrong with a nick is for the server to say: each has rules of its own.
    """
    text = clean_text(nick).strip()
    if not text or says_goodbye(text):
        raise RequestRejected("NICK_INVALID", f"{text!r} cannot be a nick: choose another")
    if len(text.encode()) > NICK_BYTES:
        raise RequestRejected("NICK_INVALID", f"a nick has at most {NICK_BYTES} bytes")
    return text


def says_goodbye(line: str, *, is_pasted: bool = False) -> bool:
    """Say whether `line` ends the visit: `exit`, which is just a word in a paste, or the command for it."""
    if not line.startswith("/"):
        return line.strip() == EXIT and not is_pasted
    try:
        asked = parse_command(clean_text(line))  # a terminal's line may have what is no text
    except RequestRejected:
        return False
    return isinstance(asked, Bye)


class PlainClient(DatagramProtocol):
    """One visit to one server through the plain door.

    `patience` is how many seconds after the nick the listener hears that nobody answered. `answered` says
    whether anything at all came from the server since the nick was sent.
    """

    noisy = False
    transport: Port

    def __init__(self, server: Server, clock: IReactorTime, patience: float, listener: Listener) -> None:
        self.server = server
        self.state = State.OUTSIDE
        self.answered = False
        self._clock = clock
        self._patience = patience
        self._listener = listener
        self._timer: IDelayedCall | None = None

    @property
    def wants_nick(self) -> bool:
        """Say whether a nick is the next thing to be sent."""
        return self.state in (State.OUTSIDE, State.REFUSED)

    def open(self, reactor: IReactorUDP) -> None:
        """Open a socket of the server's family, on any port. Raises `AddressError` if there is none."""
        try:
            reactor.listenUDP(0, self, self.server.interface, MAX_DATAGRAM)
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or error.socketError
            raise AddressError(f"cannot open a socket to reach {self.server.place}: {reason}") from None

    def join(self, nick: str) -> bool:
        """Ask to be let in as `nick`; False: that could not be sent, and the listener knows why.

        Raises `RequestRejected` for what cannot be a nick; nothing is sent then.
        """
        text = check_nick(nick)
        self._go("nick")
        self.answered = False
        self._timer = self._clock.callLater(self._patience, self._lose_patience)
        sent = self._write(text)
        if not sent:
            self._go("unsent")  # else the first text would arrive as the nick
        return sent

    def say(self, line: str) -> bool:
        """Send one line; False: it could not be sent, and the listener knows why.

        A blank line is not sent, and nobody misses it. Raises `RequestRejected` for more than 900 bytes.
        """
        text = check_line(line)
        return not text or self._write(text)

    def leave(self) -> None:
        """Say `exit` if the server may have let this client in; hear nothing more. May be called twice."""
        if self.state is State.LEFT:
            return
        known = self.state in (State.KNOCKING, State.INSIDE)
        self._go("exit")
        if known:  # anybody else's `exit` would become a nick
            self._write(EXIT)

    # --- called by Twisted

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Take one datagram: the server's voice, or nothing."""
        if self.state in (State.OUTSIDE, State.LEFT) or addr[:2] != self.server.sockaddr[:2]:
            return
        text = datagram.decode(errors="replace")
        if text.strip() == NICK_TAKEN:
            if self.state is not State.REFUSED:
                self._go("refused")
                self._listener.refused()
            return
        if self.state is State.KNOCKING:
            self._go("answer")
        if not self.answered:
            self.answered = True
            self._listener.answered()
        for line in map(clean_line, text.split("\n")):
            if line and not line.isspace():
                self._listener.heard(line)

    # --- inside

    def _lose_patience(self) -> None:
        self._timer = None
        self._go("silence")
        self._listener.unanswered()

    def _write(self, text: str) -> bool:
        """The one guarded write. Twisted's own would cut the link off an fe80:: address."""
        try:
            self.transport.getHandle().sendto(text.encode(), self.server.sockaddr)
        except OSError as error:
            if self.state is not State.LEFT:
                self._listener.failed(f"cannot send to {self.server.place}: {error.strerror}")
            return False
        return True

    def _go(self, event: str) -> None:
        self.state = NEXT[self.state, event]
        if self._timer is not None and self.state is not State.KNOCKING:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
