"""People who talk to a real server and keep what they see, and the simulator's checker for what they saw.

They are the project's client, many in this process: a program for each would take many cores to start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from chat.client.happenings import Happening, LinkChanged
from chat.client.protocol import ChatClient
from chat.identity import KnownServers, load_identity
from chat.messages import LOBBY, Entry, Kind
from chat.store.tables import Tables
from chat.stored import Fact, Heads
from chat.wire.events import Appeared, InRoom, NotSaid, Said
from chat.wire.sequence import Lost, NotKept
from tests.checker import Checker, Text
from tests.client_process import the_reactor

WAITING = 200  # texts of one who talks on and on that have no answer: the client takes 1,000
EVERYTHING = 1_000_000  # facts that a test may write
LOOK_SECONDS = 0.02  # between two looks at how late this process is


class Talker:
    """Somebody in the lobby of the server at `port`, with a key in `folder`.

    Calls `look` when it sees something.
    """

    def __init__(self, port: int, nick: str, folder: Path, look: Callable[[], None]) -> None:
        self.nick = nick
        self.texts: list[str] = []  # that it has said
        self.seen: list[Happening] = []
        self.answered_at: list[float] = []  # monotonic seconds, one for each of its texts that was accepted
        self.accepted_at = 0  # the position of the newest of them
        self.links: list[tuple[float, LinkChanged]] = []  # and when
        self.failures: list[Failure] = []
        self.shown: list[Entry] = []  # in the order in which it shows them
        self.markers: list[Lost | NotKept] = []  # where it shows that something is missing
        self._refused = 0
        self._look = look
        self.identity = load_identity(folder / f"{nick}.pem", nick)
        self._client = ChatClient(
            the_reactor(),
            f"127.0.0.1:{port}",
            nick,
            identity=self.identity,
            known=KnownServers(folder / "known"),
            happened=self._happened,
        )
        self._talk = LoopingCall(self._talk_on)

    def enter(self) -> Deferred[object]:
        """Come in; fires when it is in the lobby."""
        return self._client.connect().addCallback(lambda _: self._client.join(LOBBY))

    def leave(self) -> Deferred[None]:
        """Leave for good."""
        self.be_silent()
        return self._client.leave()

    def say(self, text: str) -> None:
        """Say something."""
        self.texts.append(text)
        self._client.say(text).addErrback(self.failures.append)

    def talk(self, rate: float) -> None:
        """Say so many lines a second from now on, as long as answers come."""
        self._talk.start(1 / rate)

    def be_silent(self) -> None:
        """Talk no more."""
        if self._talk.running:
            self._talk.stop()

    @property
    def unsettled(self) -> int:
        """How many of its texts have no answer yet."""
        return self._client.unsettled

    @property
    def waits(self) -> bool:
        """Whether it has not seen an answer to each of its texts."""
        return len(self.texts) > len(self.answered_at) + self._refused

    def _talk_on(self) -> None:
        if self.unsettled < WAITING:
            self.say(f"{self.nick} {len(self.texts)}")

    def _happened(self, what: Happening) -> None:
        self.seen.append(what)
        match what:
            case Said():
                self.answered_at.append(time.monotonic())
                self.accepted_at = max(self.accepted_at, what.seq)
            case NotSaid():
                self._refused += 1
            case LinkChanged():
                self.links.append((time.monotonic(), what))
            case Appeared(shown=Entry() as entry):
                self.shown.append(entry)
            case Appeared(shown=Lost() | NotKept() as marker):
                self.markers.append(marker)
        self._look()


class Crowd:
    """Talkers, and a way to wait for what they see."""

    def __init__(self, port: int, nicks: list[str], folder: Path) -> None:
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []
        self.talkers = [Talker(port, nick, folder, self._look) for nick in nicks]

    def enter(self) -> Deferred[list[object]]:
        """Let all come in."""
        return gatherResults([talker.enter() for talker in self.talkers])

    def leave(self) -> Deferred[list[None]]:
        """Let all leave."""
        return gatherResults([talker.leave() for talker in self.talkers])

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Fire when the condition is true, which is tried whenever one of them sees something."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting

    def settled(self) -> Deferred[None]:
        """Fire when every text has its answer, and everybody shows all of them."""
        return self.until(self._is_settled)

    def check(self, path: Path) -> list[Fact]:
        """Hold what they saw against what is in the store's file, by the checker's rules; give what is there.

        Raises `Violation` for what was accepted and is not there, is there twice, or is shown by somebody
        in another order, or not at all.
        """
        heads, facts = read_store(path)
        checker = Checker()
        checker.opened(Heads(heads.base, {}), {}, None)
        clients = {fact.entry.nick: fact.client for fact in facts}
        for talker in self.talkers:
            client = clients.get(talker.nick, b"")
            checker.started(talker.nick, talker.identity.fingerprint)
            checker.wants(talker.nick, LOBBY)
            checker.once.update(talker.texts)
            for n, text in enumerate(talker.texts, 1):
                checker.asked(talker.nick, client, n, Text(LOBBY, Kind.SAY, text))
        for fact in facts:
            checker.stored(fact)
        for talker in self.talkers:
            self._check_talker(checker, talker, clients.get(talker.nick, b""))
        return facts

    def _check_talker(self, checker: Checker, talker: Talker, client: bytes) -> None:
        for what in talker.seen:
            match what:
                case InRoom():
                    checker.in_room(talker.nick, what.joined)
                case Appeared():
                    checker.appeared(talker.nick, what.room, what.shown)
                case Said():
                    checker.said(talker.nick, client, what.n, what.seq)
                case NotSaid():
                    checker.not_said(talker.nick, client, what.n, what.code)
        checker.unsettled(talker.nick, talker.unsettled)
        checker.finished(talker.nick, {LOBBY})

    def _is_settled(self) -> bool:
        if any(talker.waits for talker in self.talkers):
            return False
        newest = max(talker.accepted_at for talker in self.talkers)
        return all(talker.shown and talker.shown[-1].seq >= newest for talker in self.talkers)

    def _look(self) -> None:
        due = [pair for pair in self._waiting if pair[0]()]
        self._waiting = [pair for pair in self._waiting if pair not in due]
        for _, waiting in due:
            waiting.callback(None)


class Lateness:
    """How late this process does what is due: the load of the tests themselves, which no server can help."""

    def __init__(self) -> None:
        self._due = float("inf")
        self._worst = 0.0
        self._looks = LoopingCall(self._look)
        self._looks.start(LOOK_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        self._looks.stop()

    def take(self) -> float:
        """Give the worst since this was last asked, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _look(self) -> None:
        now = time.monotonic()
        self._worst = max(self._worst, now - self._due)
        self._due = now + LOOK_SECONDS


def read_store(path: Path) -> tuple[Heads, list[Fact]]:
    """Give what is in a store's file, whoever has it open."""
    tables = Tables(path, time.time())
    try:
        return tables.heads(), tables.facts(0, EVERYTHING)
    finally:
        tables.close()
