"""Somebody at each of the three doors of one server in memory, who types lines and reads what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chat.client import show
from chat.client.happenings import Happening
from chat.client.plain import says_goodbye
from chat.client.visit import Answer, Outcome, Visit
from chat.errors import RequestRejected
from chat.messages import DIRECT, LOBBY, is_direct
from chat.wire.dtls import Addr
from chat.wire.dtls_channel import make_context
from chat.wire.dtls_client import DtlsClient
from tests.client_network import HOME, STEP, Network, Person
from tests.dtls_support import pair

if TYPE_CHECKING:
    from tests.client_network import NetworkTestCase

QUIET = 0.08  # seconds without a datagram: more than what is held back, and a round trip
NOTICE = "-!- "


def settle(network: Network) -> None:
    """Let time go on until nothing is on its way any more."""
    quiet = 0.0
    while quiet < QUIET:
        before = len(network.sent)
        network.clock.advance(STEP)
        quiet = 0.0 if len(network.sent) > before else quiet + STEP


class Typist:
    """Somebody at a door. `answers` is what only they are told, `lines` what their rooms are."""

    door = ""

    def __init__(self, case: NetworkTestCase, nick: str) -> None:
        self.network = case.network
        self.nick = nick
        self.answers: list[str] = []
        self.lines: list[str] = []

    def type(self, line: str) -> None:
        """Type a line, and wait for what comes of it."""
        self.send(line)
        settle(self.network)

    def send(self, line: str) -> None:
        """Let a line leave."""
        raise NotImplementedError

    def forget(self) -> None:
        """Forget what came so far."""
        self.answers.clear()
        self.lines.clear()

    def read(self, line: str) -> None:
        """Take a line as people see it."""
        if line.startswith(NOTICE):
            self.answers.append(line.removeprefix(NOTICE))
        elif line:
            self.lines.append(line)


class Plain(Typist):
    """With `nc -u`."""

    door = "plain"

    def __init__(self, case: NetworkTestCase, nick: str) -> None:
        super().__init__(case, nick)
        self._addr: Addr = (f"10.0.2.{len(case.network.hosts)}", 5_000)
        case.network.hosts[self._addr] = lambda datagram, _: self.hear(datagram)
        self.type(nick)

    def send(self, line: str) -> None:
        """Send it."""
        self.network.send(f"{line}\n".encode(), self._addr, HOME)

    def hear(self, plaintext: bytes) -> None:
        """Read what came."""
        for line in plaintext.decode().splitlines():
            self.read(line)


class Sealed(Plain):
    """With `openssl s_client`, and a certificate of one's own."""

    door = "sealed"

    def __init__(self, case: NetworkTestCase, nick: str) -> None:
        self._channel = DtlsClient(make_context(*pair(nick)), 0.0)
        self.network = case.network
        self._sealed_at: Addr = (f"10.0.3.{len(case.network.hosts)}", 5_000)
        case.network.hosts[self._sealed_at] = lambda datagram, _: self._listen(datagram)
        self._write()
        settle(case.network)
        super().__init__(case, nick)

    def send(self, line: str) -> None:
        """Send it through the channel."""
        self._channel.send(f"{line}\n".encode(), self.network.clock.seconds())
        self._write()

    def _listen(self, datagram: bytes) -> None:
        for plaintext in self._channel.receive_datagram(datagram, self.network.clock.seconds()):
            self.hear(plaintext)
        self._write()

    def _write(self) -> None:
        now = self.network.clock.seconds()
        for datagram in self._channel.datagrams_to_send(now):
            self.network.send(datagram, self._sealed_at, HOME)


class Native(Typist):
    """With `udpchat`: what its line mode would print."""

    door = "native"

    def __init__(self, case: NetworkTestCase, nick: str) -> None:
        super().__init__(case, nick)
        self._visit = Visit(case.network.clock)
        self._person = Person(case, nick)
        self._person.on_happened = self._happened
        self._person.client.connect()
        self._visit.begin(self._person.client, LOBBY).addCallbacks(self._answered, self._refused)
        self._number = 0
        settle(case.network)

    def send(self, line: str) -> None:
        """Ask for it; a goodbye is said by whoever sits there."""
        if says_goodbye(line):
            self._person.client.leave()
            return
        self._number += 1
        asked: Deferred[Outcome] = self._visit.ask(line, self._number)
        asked.addCallbacks(self._answered, self._refused)

    def _happened(self, happening: Happening) -> None:
        self._visit.happened(happening)
        if not self._visit.hides(happening):
            self.read(show.happening_line(happening, self._visit.room))

    def _answered(self, outcome: Outcome) -> None:
        if isinstance(outcome, Answer):
            self.answers += outcome.lines
        elif is_direct(outcome.room):  # what is said in a room appears there
            nick = outcome.room.removeprefix(DIRECT)
            self.answers += show.alone_lines(nick, outcome.text, waiting=outcome.waiting)

    def _refused(self, failure: Failure) -> None:
        failure.trap(RequestRejected)
        self.answers.append(failure.getErrorMessage())
