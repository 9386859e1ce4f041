"""The load: members of a chat, many in one process, each with a socket and as little code as will do.

They are not the project's client: they repeat nothing, and look at what they hear only to find the numbers in
it. What is lost is lost, and counted as such. One who speaks frames keeps to the protocol's window, and can
fetch what is missing (`FramesMember.repair`), as the project's client does.
"""

from __future__ import annotations

import datetime
import os
import re
import resource
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from chat.fields import FETCH_LIMIT, IN_FLIGHT
from chat.identity import Identity
from chat.messages import LOBBY, PROTOCOL_VERSION, Fetch, Hello, Join, Joined, Kind, Ping, Say
from chat.wire.dtls_channel import make_context
from chat.wire.dtls_client import DtlsClient
from chat.wire.frames import decode_replies, encode_frame, join_frames, pack

RECEIVE_BUFFER = 4 << 20
AT_ONCE = 32  # that come in together
ASK_AGAIN_SECONDS = 1.0  # for one that the server has not let in
PATIENCE = 60.0  # seconds for each who comes in together
FILES = 100  # open beside the members' sockets
SINCE = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)  # of a certificate: whose time nobody looks at
UNTIL = datetime.datetime(9999, 12, 31, tzinfo=datetime.UTC)

SO_TIMESTAMPNS = 35  # Linux: the kernel notes when a datagram came. Python has no name for it
ACCEPTED, REJECTED, ENTRY, FETCHED = 33, 34, 37, 40  # the tags of frames
TIMESPEC = struct.Struct("@ll")
_NUMBER = re.compile(rb"#(\d+)#")  # in a text: which one it is

Addr = tuple[str, int]


def new_identity() -> Identity:
    """Make a key, as a program makes at its first start, but not on a disk: that takes 20 times as long."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "load")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(secret, certificate.public_bytes(Encoding.PEM))


def client_context(*, with_certificate: bool = True) -> SSL.Context:
    """Give what a member's DTLS is made of: a key of its own, since one owns few nicks, or none."""
    if not with_certificate:
        return make_context(None, None)
    identity = new_identity()
    return make_context(identity.key, identity.certificate)


def allow_files(count: int) -> None:
    """Let this process have so many sockets, or as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + FILES:
        raise SystemExit(f"{count} sockets: this system allows {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + FILES), hard))


class Speaker(Protocol):
    """A member of any chat. `is_in` once the server has answered."""

    is_in: bool
    nick: str
    socket: socket.socket

    def step(self, now: float) -> None:
        """Do what brings it in: whatever has come is read, and what is due is sent."""

    def say(self, text: str) -> None:
        """Say a text in the room."""

    def say_all(self, texts: Sequence[str]) -> None:
        """Say some texts, one after the other."""

    def heard(self) -> Iterator[tuple[int, int]]:
        """Give the number of each text that has come, and the time of it (ns since 1970)."""


class Member:
    """One who speaks lines of text, in the clear or sealed in DTLS: with the line ends that `nc` and
    `openssl s_client` send, or without, as programs that send a line a datagram. `is_in` once the server has
    answered.
    """

    def __init__(self, addr: Addr, nick: str, *, is_sealed: bool, line_end: bytes = b"\n") -> None:
        self._line_end = line_end
        self.is_in = False
        self.nick = nick
        self._context = client_context() if is_sealed else None
        self._channel: DtlsClient | None = None
        self._asked_at = float("-inf")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.connect(addr)
        self.socket.setblocking(False)

    def step(self, now: float) -> None:
        """Do what brings it in: whatever has come is read, and what is due is sent."""
        if self._context is not None and self._channel is None:
            self._channel = DtlsClient(self._context, now)
        for plaintext, _ in self.read():
            self.is_in = self.is_in or self.is_welcome(plaintext)
        channel = self._channel
        if channel is not None:
            channel.handle_timeout(now)
            if channel.is_over:
                raise SystemExit(f"{self.nick}: no handshake")
            self._write(channel.datagrams_to_send(now))
        if (
            (channel is None or channel.is_up)
            and not self.is_in
            and now >= self._asked_at + ASK_AGAIN_SECONDS
        ):
            self._asked_at = now
            self.send(self.greeting())

    def greeting(self) -> bytes:
        """Give what asks the server to let it in."""
        return self.nick.encode() + self._line_end

    def is_welcome(self, plaintext: bytes) -> bool:
        """Say whether this is the server's answer to that."""
        return self.nick.encode() in plaintext

    def say(self, text: str) -> None:
        """Say a text in the room."""
        self.send(text.encode() + self._line_end)

    def say_all(self, texts: Sequence[str]) -> None:
        """Say some texts, one after the other."""
        for text in texts:
            self.say(text)

    def ping(self) -> None:
        """Show that it is there, where a server wants to know within minutes."""

    def send(self, plaintext: bytes) -> None:
        """Send a datagram."""
        if self._channel is None:
            self._write([plaintext])
        else:
            self._channel.send(plaintext, 0.0)
            self._write(self._channel.datagrams_to_send(0.0))

    def read(self) -> Iterator[tuple[bytes, int]]:
        """Give each plaintext that has come, and the time at which the kernel had it (ns since 1970)."""
        while True:
            try:
                datagram, notes, _, _ = self.socket.recvmsg(2_048, 64)
            except BlockingIOError:
                return
            seconds, nanoseconds = TIMESPEC.unpack(notes[0][2])
            if self._channel is None:
                yield datagram, seconds * 1_000_000_000 + nanoseconds
                continue
            for plaintext in self._channel.receive_datagram(datagram, time.monotonic()):
                yield plaintext, seconds * 1_000_000_000 + nanoseconds

    def heard(self) -> Iterator[tuple[int, int]]:
        """Give the number of each text that has come, and the time of it; some may stand there twice."""
        for plaintext, came in self.read():
            for number in _NUMBER.findall(plaintext):
                yield int(number), came

    def _write(self, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self.socket.send(datagram)


class SilentlyIn(Member):
    """One of a bare loop, which greets nobody: to have been heard is to be in."""

    def step(self, now: float) -> None:
        """Be in once there is a session, if there is to be one."""
        super().step(now)
        self.is_in = self._channel is None or self._channel.is_up

    def greeting(self) -> bytes:
        """Say what the bare loop knows newcomers by; the sealed one needs nothing."""
        return b"nick" + super().greeting()


class FramesMember(Member):
    """One who speaks frames, in `room`."""

    def __init__(self, addr: Addr, nick: str, room: str = LOBBY) -> None:
        super().__init__(addr, nick, is_sealed=True)
        self._room = room
        self._client = os.urandom(16)
        self._asked = 1  # the id of the last request
        self._said = 0  # the number of the last text
        self._waiting: deque[str] = deque()  # texts that the window has no room for
        self._unanswered = 0  # texts in the window
        self._begin = 0  # the room's head when we came in
        self._fetched = 0  # up to here nothing is missing any more
        self._page = 0  # the highest position in the page that was asked for; 0: none was

    def greeting(self) -> bytes:
        """Give a datagram of Hello and Join."""
        hello = Hello(PROTOCOL_VERSION, self._client, self.nick)
        return join_frames([encode_frame(hello), encode_frame(Join(1, self._room))])

    def is_welcome(self, plaintext: bytes) -> bool:
        """Say whether it is in its room."""
        for reply in decode_replies(plaintext):
            if isinstance(reply, Joined):
                self._begin = self._fetched = reply.head
                return True
        return False

    def say(self, text: str) -> None:
        """Say a text in the room, in a datagram of its own, whatever the window."""
        self.send(join_frames([self._encoded(text, 0)]))

    def say_all(self, texts: Sequence[str]) -> None:
        """Say some texts: as many as the window has room for, the others as answers come."""
        self._waiting += texts
        self._go_on()

    def ping(self) -> None:
        """Show that it is there."""
        self._asked += 1
        self.send(join_frames([encode_frame(Ping(self._asked, 0))]))

    @property
    def is_settled(self) -> bool:
        """Say whether all that it has said is accepted."""
        return not (self._waiting or self._unanswered)

    def repair(self) -> None:
        """Ask for the next page of what was said since it came in."""
        self._asked += 1
        self._page = self._page or self._fetched
        fetch = Fetch(self._asked, self._room, self._fetched, None, FETCH_LIMIT)
        self.send(join_frames([encode_frame(fetch)]))

    def heard(self) -> Iterator[tuple[int, int]]:
        """Give the number of each text that has come, and the time of it; some may stand there twice."""
        for plaintext, came in self.read():
            for number in _NUMBER.findall(plaintext):
                yield int(number), came
            if self._unanswered or self._page:
                self._look(msgspec.msgpack.decode(plaintext))
        if self._waiting:
            self._go_on()

    def _look(self, frames: list[list[Any]]) -> None:
        for frame in frames:
            if frame[0] == ACCEPTED:
                self._unanswered -= 1
            elif frame[0] == REJECTED:  # then what is measured is not what was meant
                raise SystemExit(f"{self.nick}: the server refuses: {frame[3]}")
            elif frame[0] == ENTRY:
                self._page = max(self._page, frame[2])
            elif frame[0] == FETCHED:  # a page that reaches the head and does not suffice: from the beginning
                self._fetched = self._page if self._page < frame[4] else self._begin
                self._page = 0

    def _go_on(self) -> None:
        room = IN_FLIGHT - self._unanswered
        texts = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        frames = []
        for text in texts:
            frames.append(self._encoded(text, min(self._unanswered, 1)))
            self._unanswered += 1
        for datagram in pack(frames):
            self.send(datagram)

    def _encoded(self, text: str, back: int) -> bytes:
        self._said += 1
        self._asked += 1
        return encode_frame(Say(self._asked, self._said, self._room, Kind.SAY, text, back))


def bring_in(members: Sequence[Speaker]) -> None:
    """Let all of them come in, some at a time."""
    for begin in range(0, len(members), AT_ONCE):
        waiting = {member.socket.fileno(): member for member in members[begin : begin + AT_ONCE]}
        poll = select.poll()
        for number in waiting:
            poll.register(number, select.POLLIN)
        end = time.monotonic() + PATIENCE
        while waiting:
            now = time.monotonic()
            if now > end:
                raise SystemExit(f"not let in within {PATIENCE:.0f} s: {next(iter(waiting.values())).nick}")
            for number, member in list(waiting.items()):
                member.step(now)
                if member.is_in:
                    poll.unregister(number)
                    del waiting[number]
            if waiting:
                poll.poll(50)


def close(members: Sequence[Speaker]) -> None:
    """Let go of their sockets, without a word."""
    for member in members:
        member.socket.close()
