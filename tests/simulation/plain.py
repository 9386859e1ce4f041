"""A plain client: a program of a few lines that sends text and prints what comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.wire.lines import NICK_TAKEN
from tests.checker import Violation
from tests.simulation.network import SERVER

if TYPE_CHECKING:
    from tests.simulation.world import World

RETRY_SECONDS = 3.0


class PlainClient:
    """One person with such a program: it comes, talks, and now and then leaves and comes back."""

    def __init__(self, world: World, host: str, number: int) -> None:
        self.host = host
        self.nick = f"plain{number}"
        self._world = world
        self._addr = (host, 40_000)
        self._is_in = False
        self._said = 0
        self._visit = 0

    def start(self) -> None:
        """Come, from a port of its own."""
        world = self._world
        self._visit += 1
        self._addr = (self.host, 40_000 + self._visit)
        world.network.bind(self._addr, self._receive)
        self._enter(self._visit)

    def act(self) -> None:
        """Do what such a person does."""
        rng = self._world.rng
        if not self._is_in:
            return
        self._said += 1
        text = f"<{self.nick}/{self._said}>" + "y" * rng.choice((0, 0, 0, 60, 700))
        kind = rng.random() / 10 if self._world.scenario.only_talk else rng.random()
        if kind < 0.05:
            self._send("/me " + text)
        elif kind < 0.1:
            self._send(text)
        elif kind < 0.15:
            self._send("/names")
        elif kind < 0.25:
            self._send(f"/{rng.choice(('join', 'part'))} {rng.choice(self._world.scenario.rooms)}")
        elif kind < 0.3:
            self._send("/topic " + text)
        elif kind < 0.35:
            self._send("exit")
            self._is_in = False
            self._world.network.unbind(self._addr)
            self._world.heap.at(self._world.heap.now + 2 + rng.random(), self.start)
        else:
            self._send(text)

    def _enter(self, visit: int) -> None:
        world = self._world
        if not self._is_in and visit == self._visit and not world.is_calm:
            self._send(self.nick)
            world.heap.at(world.heap.now + RETRY_SECONDS, lambda: self._enter(visit))

    def _send(self, line: str) -> None:
        self._world.network.send(self._addr, SERVER, line.encode() + b"\n")

    def _receive(self, datagram: bytes, source: tuple[str, int]) -> None:  # noqa: ARG002
        line = datagram.decode().rstrip("\n")
        if line == f"{self.nick} has joined the chat":
            self._is_in = True
        elif line == NICK_TAKEN and self._is_in:  # the server has forgotten it, and took a line for a nick
            if self._world.scenario.keeps_memos:
                raise Violation(
                    "P3", f"{self.nick} was in, and the server has taken a line of its for a nick"
                )
            self._is_in = False
            self._enter(self._visit)
