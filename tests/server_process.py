"""What the loopback tests share: a real server process, real peers, and the one bounded wait.

Nothing here sleeps and nothing measures time: every wait is for an event and ends with it. `DEADLINE` only
keeps a broken server from holding the tests up for ever; a slow machine never reaches it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any

import chat

DEADLINE = 60.0  # seconds
FOREGROUND = ("-n", "--pidfile=", "--logfile=-")
CHECKOUT = Path(chat.__file__).parent.parent
RECEIVE_BUFFER = 1 << 20  # a peer that is not scheduled for a while must not lose what it is sent

Address = tuple[str, int]

_TWISTD = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from twisted.scripts.twistd import run
run()
"""


def twistd(*arguments: str) -> list[str]:
    """Give the command that runs twistd with the interpreter that runs the tests.

    Signals mean what they mean at a terminal, however the tests are run: nohup and `&` have them ignored.
    """
    return [sys.executable, "-c", _TWISTD, *arguments]


def environment() -> dict[str, str]:
    """Give the environment in which a process finds the package, and the plugin, under test."""
    path = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and give what it said; output is text."""
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(), timeout=DEADLINE, check=False, **options
    )


def wait_readable(source: IO[bytes] | int) -> None:
    """Wait until there is something to read: the one wait for what is not a socket. Raises TimeoutError."""
    if not select.select([source], [], [], DEADLINE)[0]:
        raise TimeoutError(f"nothing to read within {DEADLINE} s")


def wait_ended(pid: int) -> None:
    """Wait until a process that need not be our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        wait_readable(descriptor)
    finally:
        os.close(descriptor)


class ServerProcess:
    """A server in a process of its own, ready when the constructor returns.

    `options` are udpchat's; the port is one that the kernel chose unless they name one. `records` are the
    log's JSON records so far, `noise` is whatever else the process said.
    """

    def __init__(self, *options: str, command: Iterable[str] = ()) -> None:
        self.records: list[dict[str, Any]] = []
        self.noise: list[str] = []
        self._changed = Condition()
        self._ended = False
        self._process = subprocess.Popen(
            [*(command or twistd(*FOREGROUND)), "udpchat", "--port=0", "--log-format=json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.port: int = self.wait_for(lambda record: "listens on" in record["message"])["port"]
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Give the first record that is `wanted`, as soon as it is in the log."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or any(map(wanted, self.records)), DEADLINE)
            for record in self.records:
                if wanted(record):
                    return record
        raise AssertionError(f"not in the log: {self.records} {self.noise}")

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End the process if it still runs, and give its exit code; `records` are complete then."""
        if self._process.poll() is None:
            self._process.send_signal(signum)
        code = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def faults(self) -> list[Any]:
        """Give what no log should hold: tracebacks, errors, and lines that are no records."""
        bad = [r for r in self.records if "traceback" in r or r["level"] in ("error", "critical")]
        return [*bad, *self.noise]

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                with self._changed:
                    try:
                        self.records.append(json.loads(line))
                    except ValueError:
                        self.noise.append(line.decode(errors="replace"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@cache
def shared_server() -> ServerProcess:
    """Give the server with the default options that tests share; their members leave at the end."""
    server = ServerProcess()
    atexit.register(server.stop)
    return server


class Peer:
    """A socket that speaks to one server, as a program of a few lines would; a read waits for a datagram.

    With a `nick` it is a member when the constructor returns. `line_end` is put after every line.
    """

    def __init__(self, address: Address, nick: str = "", line_end: bytes = b"") -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(address)
        self.line_end = line_end
        if nick:
            self.say(nick)
            self.heard()

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams as they are."""
        for datagram in datagrams:
            self.socket.send(datagram)

    def say(self, *lines: str) -> None:
        """Send lines, each in a datagram of its own."""
        self.send(*(line.encode() + self.line_end for line in lines))

    def read(self) -> bytes:
        """Give the next datagram."""
        return self.socket.recv(65_535)

    def heard(self) -> list[bytes]:
        """Give every datagram that this peer was sent before the server took this call's question.

        The question is a reserved nick from a stranger: when that is refused, whatever the server wrote
        before lies in this peer's queue, for loopback delivers at once. Strangers are answered a hundred
        times a second in all, so one that is not asks once more.
        """
        for _ in range(int(DEADLINE)):
            with socket.socket(self.socket.family, socket.SOCK_DGRAM) as stranger:
                stranger.settimeout(1.0)
                stranger.connect(self.socket.getpeername())
                stranger.send(b"server")
                with contextlib.suppress(TimeoutError):
                    stranger.recv(65_535)
                    break
        else:
            raise TimeoutError(f"no answer to a stranger within {DEADLINE:.0f} s")
        return self.waiting()

    def waiting(self) -> list[bytes]:
        """Give what lies in the socket's queue now, without waiting for more."""
        found = []
        while select.select([self.socket], [], [], 0)[0]:
            found.append(self.read())
        return found

    def leave(self) -> None:
        """Say exit and close the socket."""
        self.say("exit")
        self.socket.close()


class Netcat:
    """A real `nc -u` whose standard input stays open, as at a terminal."""

    def __init__(self, *arguments: str) -> None:
        self.output = b""
        self._seen = 0  # bytes of it
        self._process = subprocess.Popen(
            ["nc", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def types(self, text: str) -> None:
        """Type `text`."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    def sees(self, wanted: str) -> str:
        """Give the screen up to the line `wanted`, once that has come behind what was seen before.

        Behind it anything may stand already: others come and go in the same room.
        """
        assert self._process.stdout is not None
        while (begin := self.output.find(wanted.encode(), self._seen)) < 0:
            try:
                wait_readable(self._process.stdout)
            except TimeoutError as silence:
                raise AssertionError(f"{silence}; nc showed {self.output!r} and not {wanted!r}") from None
            chunk = os.read(self._process.stdout.fileno(), 65_535)
            if not chunk:
                raise AssertionError(f"nc ended; it showed {self.output!r} and not {wanted!r}")
            self.output += chunk
        self._seen = begin + len(wanted.encode())
        return self.output[: self._seen].decode()

    def leave(self) -> None:
        """Say exit, so that the room is rid of this member, and end."""
        if self._process.poll() is None:
            self.types("exit\n")
        self._process.kill()
        self._process.communicate()


def netcat_missing() -> str:
    """Say why tests with nc must be skipped ("": they need not)."""
    if shutil.which("nc") is None:
        return "nc is not installed"
    about = subprocess.run(["nc", "-h"], capture_output=True, text=True, check=False)
    if "OpenBSD netcat" not in about.stdout + about.stderr:
        return "nc is not the OpenBSD one, whose probes and waits these tests are about"
    return ""


def ipv6_missing() -> str:
    """Say why tests with IPv6 must be skipped ("": they need not)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return f"this machine has no IPv6 loopback: {error.strerror}"
    return ""
