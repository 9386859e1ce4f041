"""What the loopback tests share: a real server process, real peers, and the one bounded wait.

Nothing here sleeps and nothing measures time: every wait is for an event and ends with it. `DEADLINE` only
keeps a broken server from holding the tests up for ever; a slow machine never reaches it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any

import chat
from chat.limits import Limit

DEADLINE = 60.0  # seconds
CHECKOUT = Path(chat.__file__).parent.parent
FOREGROUND = ("-n", "--pidfile=", "--logfile=-")
# Tests talk faster than people: those of the limits start a server of their own.
LIFTED = tuple(f"--limit={limit.label}=0" for limit in Limit)
DEFAULTS = ("--port=0", "--log-format=json", "--store=memory:", *LIFTED)
RECEIVE_BUFFER = 1 << 20  # a peer that is not scheduled for a while must not lose what it is sent

Address = tuple[str, int]
Record = dict[str, Any]

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


def lasting_port() -> int:
    """Give a port of 127.0.0.1 for a server that is to be started there again.

    It is none of those that the kernel gives to whoever asks for any: one of them would be somebody else's
    when the server is back.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


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


class JsonProcess:
    """A process whose output is read as it comes: `records` are its objects so far, `times` when they came.

    `noise` is whatever else it said, on standard error too. Its standard input is a pipe. `environ` goes on
    top of `environment()`.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self.records: list[Record] = []
        self.times: list[float] = []  # monotonic seconds
        self.noise: list[str] = []
        self._changed = Condition()
        self._ended = False
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment(), **(environ or {})},
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def find(
        self, wanted: Callable[[Record], bool], since: int = 0, count: int = 1, within: float = DEADLINE
    ) -> int:
        """Give the place of the `count`th record from `since` on that is `wanted`, once it is there.

        Raises AssertionError if the process ends before, or nothing comes.
        """
        end = time.monotonic() + within
        place = since
        with self._changed:
            while True:
                while place < len(self.records):
                    count -= wanted(self.records[place])
                    if not count:
                        return place
                    place += 1
                if self._ended or not self._changed.wait(end - time.monotonic()):
                    break
        what = "it has ended" if self._ended else f"not within {within:.0f} s"
        raise AssertionError(f"{what}, {count} missing; the last: {self.records[-20:]} {self.noise[-20:]}")

    def wait_for(self, wanted: Callable[[Record], bool]) -> Record:
        """Give the first record that is `wanted`, as soon as it is there."""
        return self.records[self.find(wanted)]

    def type(self, *lines: str) -> None:
        """Write lines to its standard input. If it has ended, what is waited for will say so."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())
            self._process.stdin.flush()

    def end_input(self) -> None:
        """Close its standard input, as Ctrl-D does."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def ended(self, within: float = DEADLINE) -> int:
        """Wait until it ends by itself; give its exit code. `records` and `noise` are complete then."""
        code = self._process.wait(within)
        self._reader.join(DEADLINE)
        return code

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """End it if it still runs, and give its exit code; `records` and `noise` are complete then."""
        if self._process.poll() is None:
            self._process.send_signal(signum)
        code = self.ended()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it never read the last line
            self._process.stdin.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            for line in out:
                with self._changed:
                    self._take(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            self.records.append(record)
            self.times.append(time.monotonic())
        else:
            self.noise.append(line.decode(errors="replace"))


class ServerProcess(JsonProcess):
    """A server in a process of its own, ready when the constructor returns.

    `options` are udpchat's; the port is one that the kernel chose, and the store in memory (one file is for
    one server), unless they say otherwise. `records` are the log's JSON records so far, `noise` is whatever
    else the process said.
    """

    def __init__(self, *options: str, command: Iterable[str] = ()) -> None:
        runner = command or twistd(*FOREGROUND)
        super().__init__([*runner, "udpchat", *DEFAULTS, *options])
        try:
            self.port: int = self.wait_for(lambda record: "listens on" in record.get("message", ""))["port"]
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def faults(self) -> list[Any]:
        """Give what no log should hold: tracebacks, errors, and lines that are no records."""
        bad = [r for r in self.records if "traceback" in r or r["level"] in ("error", "critical")]
        return [*bad, *self.noise]


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


class TypedProgram:
    """A program that shows lines and whose standard input stays open, as at a terminal."""

    def __init__(self, *command: str) -> None:
        self.output = b""
        self._name = command[0]
        self._seen = 0  # bytes of it
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def types(self, text: str) -> None:
        """Type `text`."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    def types_ctrl_d(self) -> None:
        """End its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def sees(self, wanted: str) -> str:
        """Give the screen up to the line `wanted`, once that has come behind what was seen before.

        Behind it anything may stand already: others come and go in the same room.
        """
        while (begin := self.output.find(wanted.encode(), self._seen)) < 0:
            if not self._reads():
                raise AssertionError(f"{self._name} ended; it showed {self.output!r} and not {wanted!r}")
        self._seen = begin + len(wanted.encode())
        return self.output[: self._seen].decode()

    def ends(self) -> int:
        """Wait until it ends by itself, and give its exit code; `output` is complete then."""
        while self._reads():
            pass
        return self._process.wait(DEADLINE)

    def leave(self) -> None:
        """Say exit, so that the room is rid of this member, and end."""
        if self._process.poll() is None:
            with contextlib.suppress(ValueError):  # its input has ended
                self.types("exit\n")
        self._process.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _reads(self) -> bool:
        """Wait for more output; say whether there was any."""
        assert self._process.stdout is not None
        try:
            wait_readable(self._process.stdout)
        except TimeoutError as silence:
            raise AssertionError(f"{silence}; {self._name} showed {self.output!r}") from None
        chunk = os.read(self._process.stdout.fileno(), 65_535)
        self.output += chunk
        return bool(chunk)


class Netcat(TypedProgram):
    """A real `nc -u`."""

    def __init__(self, *arguments: str) -> None:
        super().__init__("nc", *arguments)


class SClient(TypedProgram):
    """A real `openssl s_client` that speaks DTLS to a port on 127.0.0.1, and ends when its input does."""

    def __init__(self, port: int, *options: str) -> None:
        place = f"127.0.0.1:{port}"
        super().__init__(
            "openssl", "s_client", "-dtls1_2", "-connect", place, "-quiet", "-no_ign_eof", *options
        )


def netcat_missing() -> str:
    """Say why tests with nc must be skipped ("": they need not)."""
    if shutil.which("nc") is None:
        return "nc is not installed"
    about = subprocess.run(["nc", "-h"], capture_output=True, text=True, check=False)
    if "OpenBSD netcat" not in about.stdout + about.stderr:
        return "nc is not the OpenBSD one, whose probes and waits these tests are about"
    return ""


def openssl_missing() -> str:
    """Say why tests with s_client must be skipped ("": they need not)."""
    return "" if shutil.which("openssl") else "openssl is not installed"


def ipv6_missing() -> str:
    """Say why tests with IPv6 must be skipped ("": they need not)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        return f"this machine has no IPv6 loopback: {error.strerror}"
    return ""
