"""What one delivery costs the server: 200 plain members, 150 messages a second, beside a bare socket loop.

Run it with `python benchmarks/fanout.py`; `--help` shows what can be varied. It starts two servers on
loopback, each in a process of its own, one after the other and in turn: ours as `twistd udpchat` runs it,
with its log going to a file, and a loop around `recvfrom` that does nothing but `sendto` every member. The
same load goes to both. What is compared is CPU time (user and system) of the server process alone, by the
operating system's accounting, divided by the datagrams that the members received; the ratio within one run
is what means something, for the machine may be busy with other things.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEXT_BYTES = 70
RECEIVE_BUFFER = 4 << 20
START_SECONDS = 30.0
SETTLE_SECONDS = 0.5  # after the last message, for what is still on its way

# All that a server must do to relay: nothing but the system calls. Its members are whoever sent something.
BARE_LOOP = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sock.bind(("127.0.0.1", 0))
print("port", sock.getsockname()[1], flush=True)
members = []
while True:
    datagram, addr = sock.recvfrom(65535)
    if addr not in members[-1:] and datagram.startswith(b"nick"):
        members.append(addr)
        continue
    for member in members:
        sock.sendto(datagram, member)
"""


class Server:
    """A server process, its port, and the CPU seconds it has used."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.addr = ("127.0.0.1", port)
        self._threads = Path(f"/proc/{process.pid}/task")

    def cpu_seconds(self) -> float:
        """Give the time that the process has spent on a processor, in its own code and in the kernel's.

        By the scheduler's own count for each thread, which is exact to the nanosecond; `times` counts ticks.
        """
        return sum(int(stat.read_text().split()[0]) for stat in self._threads.glob("*/schedstat")) / 1e9


@contextmanager
def bare_server() -> Iterator[Server]:
    """Run the bare loop."""
    command = [sys.executable, "-c", BARE_LOOP]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline().split()[1]))
        finally:
            process.kill()


@contextmanager
def our_server() -> Iterator[Server]:
    """Run `twistd udpchat` with its defaults, logging to a file."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        command += ["-n", "--pidfile=", f"--logfile={log}"]
        command += ["udpchat", "--port=0", "--interface=127.0.0.1", "--log-format=json"]
        with subprocess.Popen(command) as process:
            try:
                yield Server(process, _logged_port(log))
            finally:
                process.terminate()


def _logged_port(log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines() if log.exists() else ():
            record = json.loads(line)
            if "listens on" in record["message"]:
                return int(record["port"])
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def drain(members: list[socket.socket]) -> int:
    """Read everything that has arrived; give how many datagrams that were."""
    count = 0
    for member in members:
        try:
            while True:
                member.recv(2048)
                count += 1
        except BlockingIOError:
            continue
    return count


def run(server: Server, count: int, messages: int, rate: float) -> tuple[float, float]:
    """Let `count` members join and say `messages` texts; give us of CPU per delivery, and the share lost."""
    members = []
    for number in range(count):
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        member.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        member.bind(("127.0.0.1", 0))
        member.sendto(f"nick{number}".encode(), server.addr)
        member.setblocking(False)
        members.append(member)
        time.sleep(0.002)
    time.sleep(SETTLE_SECONDS)
    drain(members)
    text = b"x" * TEXT_BYTES
    before, received = server.cpu_seconds(), 0
    started = time.monotonic()
    for number in range(messages):
        members[number % count].sendto(text, server.addr)
        if number % 50 == 49:
            received += drain(members)
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
    time.sleep(SETTLE_SECONDS)
    received += drain(members)
    used = server.cpu_seconds() - before
    for member in members:
        member.close()
    return used / received * 1e6, 1 - received / (messages * count)


def main() -> None:
    """Measure both in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--rate", type=float, default=150.0, help="messages a second")
    parser.add_argument("--messages", type=int, default=1500, help="in one run")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, asked.members + 100)), hard))
    ours: list[float] = []
    bare: list[float] = []
    for number in range(asked.runs):
        for name, start, figures in (("bare loop", bare_server, bare), ("udpchat", our_server, ours)):
            with start() as server:
                cost, lost = run(server, asked.members, asked.messages, asked.rate)
            figures.append(cost)
            print(
                f"run {number + 1} {name:>9}: {cost:5.2f} us of CPU per delivery, {lost:.2%} lost", flush=True
            )
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    print(f"\n{asked.members} plain members, {asked.rate:.0f} messages a second of {TEXT_BYTES} bytes")
    print(f"{'':>10} median us/delivery")
    print(f"bare loop  {statistics.median(bare):.2f}")
    print(f"udpchat    {statistics.median(ours):.2f}")
    print(f"ratio      {statistics.median(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
