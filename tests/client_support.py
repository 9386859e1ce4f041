"""What the tests of the client's programs share: a client that does what a test says, and things it tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.client.address import Place
from chat.client.happenings import Abandoned, Happening, Link, LinkChanged
from chat.client.plain_script import Script as PlainScript
from chat.client.protocol import ChatClient
from chat.client.script import Script
from chat.client.visit import Destination
from chat.errors import RequestRejected
from chat.messages import LOBBY, Entry, Joined, Kind, Reply, Request, Welcome
from chat.wire.events import InRoom, OutOfRoom
from chat.wire.pulse import Health

PLACE = Place("chat.example", 6789)
WELCOME = Welcome("udpchat 0", "bot", "")


def entry(text: str, seq: int = 7, *, nick: str = "ann", room: str = LOBBY, kind: Kind = Kind.SAY) -> Entry:
    """Give what somebody with a key said, right after position `seq - 1`."""
    return Entry(room, seq, 1, 1_700_000_000_000, kind, nick, True, text)


class FakeClient:
    """A `ChatClient` without a server: it writes down what it is asked, and a test answers.

    The oldest question of each kind is answered first. `happened` is called as the real one calls it.
    """

    def __init__(self, happened: Callable[[Happening], None]) -> None:
        self.nick = "bot"
        self.place = PLACE
        self.state = Link.CONNECTING
        self.closed: Deferred[str] = Deferred()
        self.said: list[tuple[str, str, Kind]] = []
        self.asked: list[Request] = []
        self.moves: list[str] = []
        self.rosters: dict[str, bool] = {}
        self.histories: list[tuple[str, int]] = []
        self.ages: list[int] = []
        self.entering: list[Deferred[Welcome]] = []
        self.joining: list[tuple[str, Deferred[Joined]]] = []
        self.parting: list[tuple[str, Deferred[None]]] = []
        self.saying: list[Deferred[int]] = []
        self.asking: list[Deferred[Reply]] = []
        self.happened = happened
        self._inside: dict[str, Joined] = {}

    @property
    def real(self) -> ChatClient:
        """This, for those who want the real one."""
        return cast(ChatClient, self)

    # --- what programs call

    def connect(self) -> Deferred[Welcome]:
        """Wait to be let in."""
        self.entering.append(Deferred())
        return self.entering[-1]

    def join(self, room: str, *, with_roster: bool = False, key: str = "") -> Deferred[Joined]:
        """Wait to be let into a room, unless it is in."""
        self.rosters[room] = with_roster
        if room in self._inside:
            return succeed(self._inside[room])
        self.moves.append(f"join {room} {key}".strip())
        self.joining.append((room, Deferred()))
        return self.joining[-1][1]

    def part(self, room: str) -> Deferred[None]:
        """Wait to be out of a room."""
        self.moves.append(f"part {room}")
        self.parting.append((room, Deferred()))
        return self.parting[-1][1]

    def say(self, text: str, room: str, kind: Kind) -> Deferred[int]:
        """Wait until the text is stored."""
        self.said.append((text, room, kind))
        self.saying.append(Deferred())
        return self.saying[-1]

    def ask(self, request: Request) -> Deferred[Reply]:
        """Wait for the reply."""
        self.asked.append(request)
        self.asking.append(Deferred())
        return self.asking[-1]

    def health(self) -> Health:
        """Give how the way to a server could be."""
        return Health(0.0234, 57, 3, 1.5)

    def history(self, room: str, count: int, age: int = 0) -> None:
        """Note it."""
        self.histories.append((room, count))
        self.ages.append(age)

    # --- what tests call

    def let_in(self, *, head: int = 9, floor: int = 0) -> None:
        """Let it in, and into the room it wants to be in."""
        self.change(Link.CONNECTED)
        for entering in self.entering:
            entering.callback(WELCOME)
        self.joined(head=head, floor=floor)

    def joined(self, topic: str = "", *, head: int = 9, floor: int = 0) -> None:
        """Let it into the next room."""
        room, joining = self.joining.pop(0)
        joined = Joined(1, room, head, floor, topic, 1, 1)
        self._inside[room] = joined
        self.happened(InRoom(joined))
        joining.callback(joined)

    def part_now(self) -> None:
        """Let it out of the next room that it wants to be out of."""
        room, parting = self.parting.pop(0)
        del self._inside[room]
        self.happened(OutOfRoom(room, "", ""))
        parting.callback(None)

    def change(self, state: Link, reason: str = "") -> None:
        """Let the link change."""
        self.state = state
        self.happened(LinkChanged(state, reason))

    def refuse(self, code: str, text: str) -> None:
        """Refuse the next text."""
        self.saying.pop(0).errback(RequestRejected(code, text))

    def close(self, reason: str) -> None:
        """Close it, as a server can."""
        self.change(Link.CLOSED, reason)
        for _, joining in self.joining:
            joining.errback(Abandoned(reason))
        for saying in self.saying:
            saying.errback(Abandoned(reason))
        self.closed.callback(reason)


class EndingCase(SynchronousTestCase):
    """A script of either client on a clock, and how it ends."""

    clock: Clock
    script: Script | PlainScript

    def code(self) -> int:
        """Give the exit code, after which no timer may be left."""
        code = self.successResultOf(self.script.done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        return code

    def not_ended(self) -> None:
        """Check that there is no exit code yet."""
        self.assertNoResult(self.script.done)


class ScriptCase(EndingCase):
    """A script called `bot` at a client without a server."""

    script: Script
    is_json = False
    is_following = False

    def setUp(self) -> None:
        """Start it."""
        self.restart()

    def restart(self) -> None:
        """Start it, or another one in its place."""
        self.clock = Clock()
        self.complaints: list[str] = []
        self.printed: list[str] = []
        self.flow: list[bool] = []
        self.script = Script(
            Destination(PLACE, "bot", "lobby"),
            self.clock,
            self.complaints.append,
            self.printed.append,
            self.flow.append,
            is_json=self.is_json,
            is_following=self.is_following,
        )
        self.client = FakeClient(self.script.happened)
        self.script.start(self.client.real)

    def feed(self, *lines: str) -> None:
        """Give it lines of input, and the end of the input."""
        self.script.receive("".join(f"{line}\n" for line in lines).encode())
        self.script.end()

    def store(self, *seqs: int) -> None:
        """Let texts be stored, the oldest first."""
        for seq in seqs:
            self.client.saying.pop(0).callback(seq)

    def objects(self) -> list[dict[str, Any]]:
        """Give what was printed as JSON."""
        return [json.loads(line) for line in self.printed]
