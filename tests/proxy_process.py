"""`tests.lossy_proxy` in a process of its own, as the tests use it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from tests.lossy_proxy import UP, Weather
from tests.server_process import JsonProcess, Record


class Captured(NamedTuple):
    """A datagram as it came to the proxy, before anything became of it."""

    client: int  # by the order in which they came
    is_up: bool  # to the server
    datagram: bytes


class ProxyProcess(JsonProcess):
    """A path to the server at `port` on 127.0.0.1, ready when the constructor returns; `port` is its own."""

    def __init__(
        self, port: int, weather: Weather | None = None, *, seed: int = 1, capture: Path | None = None
    ) -> None:
        options = [f"--to=127.0.0.1:{port}", f"--seed={seed}"]
        for name, value in (weather or Weather())._asdict().items():
            options.append(f"--{name.replace('_', '-')}={value}")
        if capture is not None:
            options.append(f"--capture={capture}")
        self._capture = capture
        super().__init__([sys.executable, "-m", "tests.lossy_proxy", *options])
        self.port: int = self.wait_for(lambda record: "port" in record)["port"]

    def order(self, line: str) -> Record:
        """Give an order, and its answer once it has been obeyed."""
        since = len(self.records)
        self.type(line)
        return self.records[self.find(lambda _: True, since)]

    def captured(self) -> list[Captured]:
        """Give all that has come so far."""
        assert self._capture is not None
        self.order("stats")
        lines = [line.split() for line in self._capture.read_text().splitlines()]
        return [Captured(int(client), way == UP, bytes.fromhex(content)) for client, way, content in lines]
