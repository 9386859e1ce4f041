"""Other people's servers, to compare with: ngIRCd, InspIRCd, NATS, mosquitto, and members who speak to them.

All of them carry a text from one to many over TCP, in the clear. Each is started with a configuration of its
own, written out below with the reason beside each line: what would slow it down here and nowhere else is off
(limits for floods from one address, look-ups of names), everything else is as it comes. A program that is not
installed is left out (Debian: `apt-get install ngircd inspircd nats-server mosquitto`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.members import RECEIVE_BUFFER, SO_TIMESTAMPNS, TIMESPEC, Addr
from benchmarks.servers import Server

START_SECONDS = 30.0
READ = 1 << 18  # bytes at once: all that waits, as a rule
CUT = 12  # bytes behind the last number that may hold the beginning of another
FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # a user's PATH may lack sbin

NGIRCD = """
[Global]
Name = irc.bench.test
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
# or it gives up its rights, and cannot read this file
ServerUID = {user}
ServerGID = {group}
[Limits]
# all members come from one address; the default is 5
MaxConnectionsIP = 0
# no pauses for those who talk a lot
MaxPenaltyTime = 0
# the default is 9
MaxNickLength = 16
[Options]
# no names for addresses: it starts a process for each member that asks
DNS = no
# no questions to port 113, nor to PAM
Ident = no
PAM = no
"""

INSPIRCD = """
<config format="xml">
<server name="irc.bench.test" description="benchmark" network="bench">
<bind address="127.0.0.1" port="{port}" type="clients">
<path datadir="{folder}" logdir="{folder}" runtimedir="{folder}">
# fakelag, commandrate: no pauses for those who talk a lot; ...max, limit: all members come from one address;
# hardsendq: 1 MiB is the default, and a burst must not throw out who reads late; the rest: no look-ups
<connect name="all" allow="*" fakelag="no" commandrate="1000000" threshold="1000000"
    localmax="30000" globalmax="30000" limit="30000" maxconnwarn="no" recvq="1M" softsendq="1M"
    hardsendq="64M" resolvehostnames="no" useident="no">
<performance softlimit="30000" somaxconn="1024">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{folder}/inspircd.log">
"""

NATS = """
host: 127.0.0.1
port: {port}
"""  # its defaults: nothing kept, no passwords, up to 64 MiB for one who reads late

MOSQUITTO = """
listener {port} 127.0.0.1
# nobody has a password
allow_anonymous true
# nothing kept, which is the default; what is said with quality of service 0 is not stored anyway
persistence false
# as all sockets here
set_tcp_nodelay true
"""


class Stream:
    """A member over TCP: as little code as will do. `is_in` once it hears what is said."""

    _NUMBER = re.compile(rb"#(\d+)#")

    def __init__(self, addr: Addr, nick: str) -> None:
        self.is_in = False
        self.nick = nick
        self._tail = b""
        self._stage = 0  # of coming in: how many of `_steps` are done
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect(addr)
        self.socket.setblocking(False)

    def steps(self) -> Sequence[tuple[bytes, bytes]]:
        """Give what is to be heard, and what is to be said then; in the end it is in."""
        raise NotImplementedError

    def text(self, text: str) -> bytes:
        """Give the bytes that say a text."""
        raise NotImplementedError

    def step(self, now: float) -> None:  # noqa: ARG002  (as all members)
        """Do what brings it in."""
        steps = self.steps()
        self._tail += b"".join(data for data, _ in self._read())
        while self._stage < len(steps) and steps[self._stage][0] in self._tail:
            self.socket.sendall(steps[self._stage][1])
            self._stage += 1
        if self._stage == len(steps):
            self.is_in, self._tail = True, b""

    def say(self, text: str) -> None:
        """Say a text."""
        self.socket.sendall(self.text(text))

    def say_all(self, texts: Sequence[str]) -> None:
        """Say some texts, one after the other."""
        for text in texts:
            self.say(text)

    def heard(self) -> Iterator[tuple[int, int]]:
        """Give the number of each text that has come, and the time of it.

        What is read together has the time of the last of it: TCP keeps no others.
        """
        for chunk, came in self._read():
            data = self._tail + chunk
            end = 0
            for found in self._NUMBER.finditer(data):
                end = found.end()
                yield int(found[1]), came
            self._tail = data[max(end, len(data) - CUT) :]
            if b"PING" in chunk:
                self.pong(chunk)

    def pong(self, data: bytes) -> None:
        """Answer a server that wants to know whether we live."""

    def _read(self) -> Iterator[tuple[bytes, int]]:
        while True:
            try:
                data, notes, _, _ = self.socket.recvmsg(READ, 64)
            except BlockingIOError:
                return
            if not data:
                raise SystemExit(f"{self.nick}: the server has closed the connection")
            seconds, nanoseconds = TIMESPEC.unpack(notes[0][2]) if notes else divmod(time.time_ns(), 10**9)
            yield data, seconds * 1_000_000_000 + nanoseconds


class Irc(Stream):
    """One in #lobby. A sender does not get its own texts."""

    def steps(self) -> Sequence[tuple[bytes, bytes]]:
        """Register, join."""
        me = f"NICK {self.nick}\r\nUSER {self.nick} 0 * :{self.nick}\r\n".encode()
        return ((b"", me), (b" 001 ", b"JOIN #lobby\r\n"), (b" 366 ", b""))

    def text(self, text: str) -> bytes:
        """Give the line."""
        return f"PRIVMSG #lobby :{text}\r\n".encode()

    def pong(self, data: bytes) -> None:
        """Give the word back."""
        asked = re.search(rb"PING (\S+)\r\n", data)
        if asked:
            self.socket.sendall(b"PONG " + asked[1] + b"\r\n")


class Nats(Stream):
    """One who subscribes to `lobby`, and gets its own texts."""

    def steps(self) -> Sequence[tuple[bytes, bytes]]:
        """Connect and subscribe; the answer to a PING says that both are done."""
        return ((b"\r\n", b'CONNECT {"verbose":false}\r\nSUB lobby 1\r\nPING\r\n'), (b"PONG\r\n", b""))

    def text(self, text: str) -> bytes:
        """Give the message."""
        return f"PUB lobby {len(text)}\r\n{text}\r\n".encode()

    def pong(self, data: bytes) -> None:  # noqa: ARG002
        """There is one word only."""
        self.socket.sendall(b"PONG\r\n")


class Mqtt(Stream):
    """One who subscribes to `lobby` with quality of service 0 (at most once), and gets its own texts."""

    def steps(self) -> Sequence[tuple[bytes, bytes]]:
        """Connect (clean session, no keep-alive) and subscribe."""
        nick = self.nick.encode()
        connect = b"\0\4MQTT\4\2\0\0" + len(nick).to_bytes(2, "big") + nick
        subscribe = b"\0\1\0\5lobby\0"
        return (
            (b"", bytes((0x10, len(connect))) + connect),
            (b"\x20\2\0\0", bytes((0x82, len(subscribe))) + subscribe),
            (b"\x90\3\0\1\0", b""),
        )

    def text(self, text: str) -> bytes:
        """Give the packet: shorter than 128 bytes, as a text here is."""
        content = b"\0\5lobby" + text.encode()
        assert len(content) < 128
        return bytes((0x30, len(content))) + content


def path_of(program: str) -> str | None:
    """Give where a program is; None: it is not installed."""
    return shutil.which(program) or shutil.which(program, path=FOLDERS)


@contextmanager
def other_server(program: str, options: Sequence[str], configuration: str) -> Iterator[Server]:
    """Run a program that is installed; `{config}` in its options is the configuration's place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder, "config"), Path(folder, "log")
        for name, value in {
            "port": port,
            "folder": folder,
            "user": os.getuid(),
            "group": os.getgid(),
        }.items():
            configuration = configuration.replace(f"{{{name}}}", str(value))
        config.write_text(configuration.lstrip())
        command = [
            path_of(program) or program,
            *(option.replace("{config}", str(config)) for option in options),
        ]
        with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
            try:
                _wait_for(process, port, log)
                yield Server(process, port)
            finally:
                process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2_000:]}")


def ngircd() -> AbstractContextManager[Server]:
    """Run ngIRCd."""
    return other_server("ngircd", ("--nodaemon", "--config", "{config}"), NGIRCD)


def inspircd() -> AbstractContextManager[Server]:
    """Run InspIRCd."""
    options = ("--nofork", "--nopid", "--runasroot", "--config", "{config}")
    return other_server("inspircd", options, INSPIRCD)


def nats() -> AbstractContextManager[Server]:
    """Run NATS."""
    return other_server("nats-server", ("-c", "{config}"), NATS)


def mosquitto() -> AbstractContextManager[Server]:
    """Run mosquitto."""
    return other_server("mosquitto", ("-c", "{config}"), MOSQUITTO)
