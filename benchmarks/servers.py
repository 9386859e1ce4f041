"""The servers that benchmarks measure, each in a process of its own, and what such a process has used.

What is measured is the server process alone, by the operating system's accounting. A figure of one machine
means little, so each benchmark measures something beside the server that does the least that could be done,
in the same run: the ratio is what means something, for the machine may be busy with other things.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

START_SECONDS = 60.0
APART_SECONDS = 0.02  # from one commit to the next: a disk that is kept busy answers otherwise
ROOT = Path(__file__).parent.parent

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

# The same behind DTLS: the listener and the channels of `chat.wire`, and a loop. Everybody is a member.
BARE_DTLS = """
import os, pathlib, socket, tempfile, time
from chat.identity import load_identity
from chat.wire.dtls import DtlsListener
with tempfile.TemporaryDirectory() as folder:
    me = load_identity(pathlib.Path(folder, "bare.pem"), "bare")
listener = DtlsListener(me.key, me.certificate, os.urandom(32))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sock.bind(("127.0.0.1", 0))
print("port", sock.getsockname()[1], flush=True)
channels = {}
while True:
    datagram, addr = sock.recvfrom(65535)
    now = time.monotonic()
    channel = channels.get(addr)
    if channel is None:
        channel = listener.receive_datagram(datagram, addr, now)
        for answer, to in listener.datagrams_to_send(now):
            sock.sendto(answer, to)
        if channel is not None:
            channels[addr] = channel
    else:
        for plaintext in channel.receive_datagram(datagram, now):
            for to, member in channels.items():
                member.send(plaintext, now)
                for answer in member.datagrams_to_send(now):
                    sock.sendto(answer, to)
    if channel is not None:
        for answer in channel.datagrams_to_send(now):
            sock.sendto(answer, addr)
        if channel.is_over:
            channels.pop(addr, None)
"""


class Server:
    """A server process: its address, the CPU seconds it has used, the memory that is its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.addr = ("127.0.0.1", port)
        self.pid = process.pid
        self._process = process
        self._folder = Path(f"/proc/{process.pid}")

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Give the time that the process has spent on a processor, in its own code and in the kernel's.

        By the scheduler's own count for each thread, which is exact to the nanosecond; `times` counts ticks.
        Processes that it has started and that are still there count, too.
        """
        return sum(map(_nanoseconds, [self.pid, *_children(self.pid)])) / 1e9

    def settle(self, seconds: float) -> None:
        """Wait until the process has nothing to do: until it is idle for nine tenths of so many seconds."""
        used = -1.0
        while self.cpu_seconds() - used > 0.1 * seconds:
            used = self.cpu_seconds()
            time.sleep(seconds)

    def memory(self) -> int:
        """Give the bytes of memory that the process has written to and that are in RAM.

        Without the kernel's: a socket's buffers are not the process's, and there is one socket.
        """
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("this kernel does not say RssAnon")


def commit_seconds(count: int) -> list[float]:
    """Give how long this disk takes for each of so many commits as our server makes them: no text is sooner.

    They are made beside where the servers of benchmarks have their stores, a moment apart.
    """
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder, "it"))) as connection:
        connection.isolation_level = None  # each statement is a commit
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE texts (seq INTEGER PRIMARY KEY, text TEXT)")
        for _ in range(count):
            begin = time.monotonic()
            connection.execute("INSERT INTO texts (text) VALUES (?)", ("x" * 70,))
            taken.append(time.monotonic() - begin)
            time.sleep(APART_SECONDS)
    return taken


def cpu_seconds(pid: int) -> float:
    """Give the time that all threads of a process have spent on a processor."""
    return _nanoseconds(pid) / 1e9


def _nanoseconds(pid: int) -> int:
    return sum(int(stat.read_text().split()[0]) for stat in Path(f"/proc/{pid}").glob("task/*/schedstat"))


def _children(pid: int) -> list[int]:
    """Give all processes that descend from one."""
    found = []
    for children in Path(f"/proc/{pid}").glob("task/*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *_children(child)]
    return found


def environment() -> dict[str, str]:
    """Give the environment in which a process finds this checkout, whatever its current folder."""
    return {**os.environ, "PYTHONPATH": os.fspath(ROOT)}


@contextmanager
def bare_server(program: str = BARE_LOOP) -> Iterator[Server]:
    """Run a bare loop."""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        try:
            assert process.stdout is not None
            yield Server(process, int(process.stdout.readline().split()[1]))
        finally:
            process.kill()


@contextmanager
def our_server(*options: str) -> Iterator[Server]:
    """Run `twistd udpchat` with its defaults, logging to a file. Options given here go before ours."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        command += ["-n", "--pidfile=", f"--logfile={log}", "udpchat", f"--state={folder}/state"]
        command += ["--port=0", "--interface=127.0.0.1", "--log-format=json", *options]
        with subprocess.Popen(command, env=environment()) as process:
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
