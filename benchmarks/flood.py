"""What a server has to live with: a flood of rubbish, and one who reads without an end.

Run it with `python -m benchmarks.flood`; `--help` shows what can be varied. Two measurements, each of a
server as `twistd udpchat` runs it, with its limits on:

- datagrams of 0, 20 and 1,200 random bytes, 50,000 a second, from a process of its own, while the project's
  client says 100 lines from another one. The longest pause is how late a timer of the server's ever was that
  wanted to be called every 2 ms; memory is what the server had before and has after.
- 20 members who talk, without and then with one who sends a `Fetch` of 256 entries a thousand times a second.
  Latency is of the texts of the others, until the kernel has them in a member's socket.

On two processors the flood and the client take what the server needs, too: the pause is also that of waiting
for a processor.
"""

from __future__ import annotations

import argparse
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.fanout import Ears, Load, pace
from benchmarks.members import Addr, FramesMember, bring_in, close, new_identity
from benchmarks.servers import environment, our_server
from benchmarks.watched_server import watched_server
from chat.client.protocol import ChatClient
from chat.fields import FETCH_LIMIT
from chat.identity import KnownServers
from chat.messages import LOBBY, Fetch
from chat.wire.frames import encode_frame, join_frames

SIZES = (0, 20, 1_200)
SOURCES = 16  # sockets that the flood comes from
LINES = 100
LINES_A_SECOND = 4.0  # below the limit, so that what a flood holds up can be caught up with
TALKERS = 20
TEXTS_A_SECOND = 20.0
FETCHES_A_SECOND = 1_000
STEP_SECONDS = 0.002  # of the flood


def flood(addr: Addr, rate: float, seconds: float) -> None:
    """Send rubbish; print how many datagrams went out."""
    dice = random.Random(7)  # noqa: S311
    rubbish = [dice.randbytes(size) for size in SIZES for _ in range(100)]
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOURCES)]
    started, sent = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while sent < rate * passed:
            sockets[sent % SOURCES].sendto(rubbish[sent % len(rubbish)], addr)
            sent += 1
        time.sleep(STEP_SECONDS)
    print(sent)


def talk(addr: Addr, lines: int, seconds: float) -> None:
    """Say lines as the project's client does, evenly; print how long each took to be accepted."""
    from twisted.internet import reactor, task

    clock: Any = reactor
    with tempfile.TemporaryDirectory() as folder:
        known = KnownServers(Path(folder, "known"))
        client = ChatClient(clock, f"{addr[0]}:{addr[1]}", "talker", identity=new_identity(), known=known)
        took: list[float] = []

        def say(number: int) -> None:
            said = clock.seconds()
            client.say(f"line {number}").addCallback(lambda _: took.append(clock.seconds() - said))

        async def visit() -> None:
            await client.connect()
            await client.join(LOBBY)
            print("in", flush=True)
            for number in range(lines):
                say(number)
                await task.deferLater(clock, seconds / lines)
            while len(took) < lines:
                await task.deferLater(clock, 0.05)
            await client.leave()
            clock.stop()

        from twisted.internet.defer import Deferred

        Deferred.fromCoroutine(visit())
        clock.run()
    print(*took)


@contextmanager
def role(name: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run one of the functions above in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.flood", "--role", name, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def measure_flood(rate: float, seconds: float) -> None:
    """Flood a server and talk meanwhile."""
    with tempfile.TemporaryDirectory() as folder, watched_server(f"--state={folder}") as server:
        port = server.addr[1]
        with role("talk", port, LINES, LINES / LINES_A_SECOND) as talker:
            assert talker.stdout is not None
            assert talker.stdout.readline() == "in\n"
            server.settle(0.3)
            server.begin()
            memory, used, began = server.memory(), server.cpu_seconds(), time.monotonic()
            with role("flood", port, rate, seconds) as flooder:
                sent = int(flooder.communicate()[0])
            lost = drops(port)
            used, lasted = server.cpu_seconds() - used, time.monotonic() - began
            took = sorted(map(float, talker.communicate()[0].split()))
        memory = server.memory() - memory
        busy = used / lasted
        print(f"{sent / lasted:,.0f} datagrams a second for {lasted:.1f} s: {busy:.0%} of a processor")
        print(f"lost in the kernel: {lost / sent:.0%}")
        print(f"{LINES} lines: accepted after {statistics.median(took):.3f} s, the last {took[-1]:.3f} s")
        print(f"longest pause {1000 * server.end():.1f} ms; memory {memory / 1024:+,.0f} KiB")


def drops(port: int) -> int:
    """Give how many datagrams the kernel had no room for, at the socket on a port of loopback."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            return int(fields[-1])
    return 0


class Greedy:
    """One who fetches the lobby from its beginning, all the time, and reads nothing."""

    def __init__(self, addr: Addr, nick: str) -> None:
        self._member = FramesMember(addr, nick)
        bring_in([self._member])
        self._is_on = True
        self._thread = threading.Thread(target=self._fetch)
        self._thread.start()

    def stop(self) -> None:
        """Let it be."""
        self._is_on = False
        self._thread.join()
        close([self._member])

    def _fetch(self) -> None:
        number = 10
        while self._is_on:
            number += 1
            self._member.send(join_frames([encode_frame(Fetch(number, LOBBY, 0, None, FETCH_LIMIT))]))
            time.sleep(1 / FETCHES_A_SECOND)


def measure_reading(seconds: float) -> None:
    """Let members talk without and with a greedy one, in turns."""
    texts = int(TEXTS_A_SECOND * seconds)
    with our_server() as server:
        members = [FramesMember(server.addr, f"m{number}") for number in range(TALKERS)]
        bring_in(members)
        latencies: dict[bool, list[int]] = {False: [], True: []}
        for turn in range(6):
            is_greedy = turn % 2 == 1
            greedy = Greedy(server.addr, f"greedy{turn}") if is_greedy else None
            ears = Ears(members, texts)
            used = server.cpu_seconds()
            pace(members, ears, Load(TALKERS, texts, TEXTS_A_SECOND))
            used = server.cpu_seconds() - used
            if greedy is not None:
                greedy.stop()
            ears.listen_till_quiet()
            latencies[is_greedy] += ears.delays
            print(
                f"{'with' if is_greedy else 'without'} one who fetches: {used / seconds:.0%} of a processor"
            )
        close(members)
    p99 = {greedy: _percentile(delays, 99) for greedy, delays in latencies.items()}
    p50 = {greedy: _percentile(delays, 50) for greedy, delays in latencies.items()}
    print(f"p50 without {p50[False]:.1f} ms, with {p50[True]:.1f} ms")
    print(f"p99 without {p99[False]:.1f} ms, with {p99[True]:.1f} ms: {p99[True] / p99[False] - 1:+.0%}")


def _percentile(delays: list[int], percent: int) -> float:
    """Give a percentile of nanoseconds, in ms."""
    return sorted(delays)[len(delays) * percent // 100] / 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or be one of the others."""
    parser = argparse.ArgumentParser("python -m benchmarks.flood", description=__doc__.split("\n\n")[0])
    parser.add_argument("--rate", type=float, default=50_000, help="datagrams a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--role", nargs="*", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.role:
        name, port, *numbers = asked.role
        addr = ("127.0.0.1", int(port))
        if name == "flood":
            flood(addr, float(numbers[0]), float(numbers[1]))
        else:
            talk(addr, int(numbers[0]), float(numbers[1]))
        return
    measure_flood(asked.rate, asked.seconds)
    measure_reading(asked.seconds)


if __name__ == "__main__":
    main()
