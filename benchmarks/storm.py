"""A server is killed and started again: how long until everybody is back in its room.

Run it with `python -m benchmarks.storm`. The clients are the project's own (`benchmarks.crowd`), silent, in
rooms of a hundred, spread over some processes. Once all are in, the server gets `kill -9` and is started at
once on the same port and state. Time counts from the kill, and beside it from when the server reads its
socket. Who says nothing notices a restart by its next ping or by the server's answer to that.

On a machine of two processors the clients take what the server needs as well: what all of them and the server
have used is printed, and with a server's share well below a processor it was not the server that one waited
for.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.servers import Server, cpu_seconds, environment, our_server
from chat.fingerprints import show_fingerprint
from chat.identity import load_identity

PATIENCE = 300.0  # seconds
LOOK_SECONDS = 0.05
BAR = 10.0  # seconds


class Arrivals:
    """When each client was let into its room last, as the processes print it."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self.at: dict[int, float] = {}
        self._threads = [threading.Thread(target=self._read, args=(process,)) for process in processes]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def wait(self, count: int, since: float) -> list[float]:
        """Wait until so many have come after a time; give the seconds that each took, in order."""
        deadline = time.monotonic() + PATIENCE
        while True:
            took = sorted(at - since for at in list(self.at.values()) if at > since)
            if len(took) >= count:
                return took
            if time.monotonic() > deadline or not any(map(threading.Thread.is_alive, self._threads)):
                raise SystemExit(f"only {len(took)} of {count} came within {PATIENCE:.0f} s")
            time.sleep(LOOK_SECONDS)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            number, at = line.split()
            self.at[int(number)] = float(at)


@contextmanager
def crowds(
    server: Server, state: Path, clients: int, processes: int
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run clients in processes of their own."""
    key = show_fingerprint(load_identity(state / "server.pem", "server").fingerprint)
    with ExitStack() as stack:
        running = []
        for place in range(processes):
            first, end = (clients * which // processes for which in (place, place + 1))
            numbers = [f"{server.addr[1]}", key, f"{first}", f"{end - first}"]
            command = [sys.executable, "-m", "benchmarks.crowd", *numbers]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            running.append(process)
        yield running


def run(clients: int, processes: int) -> dict[str, float]:
    """Measure it once."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        state = Path(folder, "state")
        options = (f"--state={state}", f"--max-members={max(clients, 5_000)}")
        server = stack.enter_context(our_server(*options))
        crowd = stack.enter_context(crowds(server, state, clients, processes))
        arrivals = Arrivals(crowd)
        first = arrivals.wait(clients, 0.0)
        print(f"{len(first)} clients are in", flush=True)
        used = [cpu_seconds(process.pid) for process in crowd]
        killed = time.monotonic()
        server.kill()
        server = stack.enter_context(our_server(*options, f"--port={server.addr[1]}"))
        up = time.monotonic() - killed
        took = arrivals.wait(clients, killed)
        load = sum(cpu_seconds(process.pid) for process in crowd) - sum(used)
        return {
            "server listens after s": up,
            "median s": statistics.median(took),
            "p99 s": took[int(0.99 * (len(took) - 1))],
            "last s": took[-1],
            "last s after it listens": took[-1] - up,
            "server CPU s": server.cpu_seconds(),
            "clients CPU s": load,
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.storm", description=__doc__.split("\n\n")[0])
    parser.add_argument("--clients", type=int, default=2_000)
    parser.add_argument("--processes", type=int, default=2, help="that the clients are spread over")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, too")
    asked = parser.parse_args(arguments)
    rows = []
    for turn in range(asked.runs):
        rows.append(run(asked.clients, asked.processes))
        print(f"run {turn + 1}:", ", ".join(f"{name} {figure:.2f}" for name, figure in rows[-1].items()))
    last = statistics.median(row["last s"] for row in rows)
    print(f"{asked.clients} clients, median of {asked.runs}: the last is back {last:.2f} s after the kill")
    if asked.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
