"""Hostile strings, every way in which the client prints a string, and a terminal that notices what it does.

The ways are a table: a string that comes from a server goes in, the lines come out that a terminal is sent.
A way that is not in it is not tested, so a new one belongs here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import cast

import pyte
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from chat.client import json_lines, show
from chat.client.address import Place, Server
from chat.client.happenings import FirstContact, Happening, Link, LinkChanged
from chat.client.plain import PlainClient
from chat.client.screen.model import Model
from chat.client.screen.settings import Settings
from chat.client.screen.tell import Teller
from chat.client.screen.text import row_text
from chat.errors import RemoteProtocolError
from chat.messages import (
    Change,
    Done,
    Entry,
    Fetch,
    Joined,
    Kind,
    Motd,
    NameLine,
    Names,
    NamesPage,
    Nick,
    Presence,
    Release,
    Request,
    RoomLine,
    Rooms,
    RoomsPage,
    Topic,
    Turnover,
    Welcome,
)
from chat.messages import Link as LinkRequest
from chat.notices import Notice, Redacted
from chat.orders import Order
from chat.wire.events import Appeared, Happened, InRoom, OutOfRoom
from chat.wire.frames import decode_replies, encode_frame, join_frames
from chat.wire.lines import notice
from chat.wire.sequence import Earlier, Lost, NotKept

ROOM = "lobby"
LOG = "@" + "a" * 26
KEY = bytes(32)
COLUMNS = 4_096  # wider than any line, so that none is wrapped: what is below is another's
OWN_ROW = 1
MARKS = 4  # combining marks of a base that are harmless

ESCAPES = (
    "\x1b[2J", "\x1b[H", "\x1b[3;1H", "\x1b[A", "\x1b[B", "\x1b[99D", "\x1b[1;31m", "\x1b[?1049h",
    "\x1b[?25l", "\x1b[?2004h", "\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[5n", "\x1b[1;2r", "\x1b[L", "\x1b[M",
    "\x1b[4h", "\x1b[20h", "\x1b]0;title\x07", "\x1b]2;title\x1b\\", "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://x\x1b\\", "\x1bP+q544e\x1b\\", "\x1bc", "\x1b7", "\x1b8", "\x1bM", "\x1bD", "\x1bE",
    "\x1b(0", "\x1b)B", "\x1b#8", "\x1bZ", "\x1b=", "\x1b_x\x1b\\", "\x9b2J", "\x9b6n", "\x9d0;title\x9c",
    "\x90q\x9c", "\x84", "\x85", "\x8d", "\x9a", "\x1b[", "\x1b", "\x9b",
)  # fmt: skip
CONTROLS = (*map(chr, (*range(32), 127, *range(128, 160))), "\r\n", "\b\b\b\b")
SEPARATORS = ("\u2028", "\u2029", "\u000b", "\u000c")
BIDI = tuple("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c\u200e\u200f")
WIDE = ("日本", "한국어", "👩‍👩‍👧", "🏳️‍🌈", "ｗｉｄｅ", "ﷺ", "𒐫", "\U000e0041", "\u3164", "\ufeff", "\u200b")
MARKED = ("a", " ", "é", "ก", "ᄀ", "אָ", "न", "\u25cc", "")
TOWER = tuple(map(chr, (*range(0x300, 0x370), 0x489, 0x5B0, 0x64B, 0xE38, 0xF71, 0x1AB0, 0x20DD, 0xFE20)))
FLOORS = (*TOWER, *("\u200b\u200d\u2060\u00ad\u1161\u11a8" * 8))  # of a tower: what takes no room among marks
UNASSIGNED = ("\u0378", "\ufdd0", "\uffff", "\U0010ffff", "\ue000", "\ud800", "\udfff")
PLAIN = (
    "hello",
    "bob",
    ": ",
    "-!- ",
    "[lobby] ",
    "* ann",
    "~",
    " -> you: ",
    "{",
    '"',
    "\\",
    "tab\there",
    "--",
)


def hostile(rng: random.Random) -> str:
    """Give a string that does what it can."""
    return "".join(_piece(rng) for _ in range(rng.randint(1, 6)))


def _piece(rng: random.Random) -> str:
    kind = rng.randrange(9)
    if kind == 8:
        return "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 4)))
    if kind == 7:
        return rng.choice(MARKED) + "".join(
            rng.choices(rng.choice((TOWER, FLOORS)), k=rng.choice((1, 5, 40)))
        )
    return rng.choice((ESCAPES, CONTROLS, SEPARATORS, BIDI, WIDE, UNASSIGNED, PLAIN)[kind])


class Emulator(pyte.Screen):
    """A terminal with a line above and one below what is printed; `answered` is what it writes back."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        super().__init__(COLUMNS, 3)
        self._stream = pyte.Stream(self)
        for row, text in ((0, "above" * 10), (2, "below" * 10)):
            self.cursor_position(row + 1, 1)
            self.draw(text)
        self.draw_to_the_edge()
        self.cursor_position(OWN_ROW + 1, 1)
        self._before = self._state()
        self._others = self._rows()

    def draw_to_the_edge(self) -> None:
        """Let the last cell above be taken: a mark at the beginning of a line would go there."""
        self.cursor_position(1, COLUMNS)
        self.draw("x")

    def write_process_input(self, data: str) -> None:
        """Take note that something is written back."""
        self.answered.append(data)

    def troubles(self, line: str) -> list[str]:
        """Print a line where nothing is; say what it did beside filling cells of its row."""
        self.dirty.clear()
        for piece in _pieces(line):  # at once, pyte drops what is behind a character without width
            self._stream.feed(piece)
        found = [f"row {row} has changed" for row in self.dirty if row != OWN_ROW]
        if self.cursor.y != OWN_ROW:
            found.append(f"the cursor is in row {self.cursor.y}")
        if self._state() != self._before:
            found.append(f"{self._before} has become {self._state()}")
        if self._rows() != self._others:
            found.append("another row has changed")
        if self.answered:
            found.append(f"it has written {self.answered!r}")
        found += [f"a tower: {cell.data!r}" for cell in self.buffer[OWN_ROW].values() if _is_tower(cell.data)]
        if found:
            self.__init__()  # type: ignore[misc]  # whatever it is, it is not for the next line
        else:
            self.buffer[OWN_ROW].clear()
            self.cursor.x = 0
        return found

    def _state(self) -> tuple[object, ...]:
        cursor = self.cursor
        return (
            sorted(self.mode), self.title, self.icon_name, self.margins, self.charset, self.g0_charset,
            self.g1_charset, len(self.savepoints), cursor.hidden, cursor.attrs, len(self.tabstops),
        )  # fmt: skip

    def _rows(self) -> list[tuple[str, str]]:
        return [(self.buffer[row][0].data, self.buffer[row][COLUMNS - 1].data) for row in (0, 2)]


def _pieces(line: str) -> Iterable[str]:
    if line.isascii():
        return (line,)
    pieces, begin = [], 0
    for end, char in enumerate(line, 1):
        if ord(char) > 0x2FF and pyte.screens.wcwidth(char) == 0:
            pieces.append(line[begin:end])
            begin = end
    return [*pieces, line[begin:]]


def _is_tower(cell: str) -> bool:
    return len(cell) > 1 + MARKS


# --- the ways

Printing = Callable[[], list[str]]  # gives lines when it is called, for most are not looked at
Way = Callable[[str], Iterator[Printing]]


def happenings(text: str) -> list[Happening]:
    """Give everything that a server can make happen, with the string wherever it can be."""
    return [
        Appeared(ROOM, Entry(ROOM, 7, 1, 0, Kind.SAY, text, verified=True, text=text)),
        Appeared(text, Entry(text, 7, 1, 0, Kind.ME, text, verified=False, text=text)),
        Appeared(ROOM, Entry(ROOM, 7, 1, 0, Kind.TOPIC, text, verified=True, text=text)),
        Appeared(LOG, Entry(LOG, 7, 1, 0, Kind.SAY, text, verified=True, text=text)),
        Appeared(ROOM, Earlier(Entry(ROOM, 7, 1, 0, Kind.SAY, text, verified=False, text=text))),
        Appeared(text, Lost(1, 2)),
        Appeared(text, NotKept(2)),
        *[Happened(Presence(text, text, verified=False, change=change, new_nick=text)) for change in Change],
        Turnover(text, 1, 2, 3, 60, 4),
        Notice(text, text),
        Redacted(text, 7, text),
        InRoom(Joined(1, text, 7, 0, text, 1, 1)),
        OutOfRoom(text, text or "X", text),
        FirstContact(text, KEY),
        *[LinkChanged(state, text) for state in Link],
    ]


def answers(text: str) -> list[tuple[Request, Done | RoomsPage]]:
    """Give all that can be asked with its answers."""
    names = NamesPage(text, (NameLine(text, verified=True), NameLine(text, verified=False)), 2, more=True)
    return [
        (Names(1, ROOM), Done(1, names)),
        (Rooms(1), RoomsPage(1, (RoomLine(text, 1, text),), more=True)),
        (Topic(1, text), Done(1, text)),
        (Nick(1, text), Done(1, text)),
        (Release(1), Done(1, text)),
        (LinkRequest(1), Done(1, text)),
        (Order(1, "uptime"), Done(1, text)),
        (Motd(1), Done(1, text)),
    ]


def _one(function: Callable[..., str], *arguments: object) -> Printing:
    return lambda: [function(*arguments)]


def _noticed(function: Callable[..., list[str]], *arguments: object) -> Printing:
    return lambda: [notice(line) for line in function(*arguments)]


def _shown(text: str) -> Iterator[Printing]:
    for each in happenings(text):
        yield _one(show.happening_line, each, ROOM)


def _said(text: str) -> Iterator[Printing]:
    entry = Entry(ROOM, 7, 1, 0, Kind.SAY, text, verified=True, text=text)
    yield lambda: show.alone_lines(text, text, waiting=True)
    yield _one(show.delivered_line, text, text)
    yield _one(show.taken_back_line, text, text)
    yield lambda: show.earlier_lines(Fetch(1, ROOM, None, None, 20), [entry])
    yield lambda: show.before_lines(ROOM, [entry])


def _told(text: str) -> Iterator[Printing]:
    yield _one(show.remark, text)
    yield _one(show.refusal_text, show.NICK_OWNED, text)
    yield _noticed(show.welcome_lines, Welcome(text, text, text))
    yield _noticed(show.owned_lines, text)
    yield _noticed(show.joined_lines, Joined(1, text, 7, 0, text, 1, 1))
    for state in Link:
        for before in Link:
            yield _one(show.link_text, LinkChanged(state, text), before, text, text)


def _answered(text: str) -> Iterator[Printing]:
    for request, reply in answers(text):
        yield _noticed(show.answer_lines, request, reply)


def _json(text: str) -> Iterator[Printing]:
    text = _read(text)  # what programs read is as it came, so what comes is part of the way
    for each in happenings(text):
        yield _one(json_lines.happening_line, each, text, text)
    yield lambda: [json_lines.accepted_line(1, text, 7, waiting=True)]
    yield _one(json_lines.rejected_line, 1, text, text, text)
    yield _one(json_lines.answer_line, 1, [text, text])
    yield _one(json_lines.delivered_line, 1, text, 7)
    yield _one(json_lines.taken_back_line, 1, text, 7)


def _read(text: str) -> str:
    """Give a string as it comes out of a datagram of a server's: "" if no client would read that."""
    try:
        (message,) = decode_replies(join_frames([encode_frame(Notice(text))]))
    except RemoteProtocolError:
        return ""
    return message.text if isinstance(message, Notice) else ""


class _Heard:
    """Whoever sits at a plain client: writes down what is printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def answered(self) -> None:
        """Print nothing."""

    def unanswered(self) -> None:
        """Print nothing."""

    def refused(self) -> None:
        """Print nothing."""

    def heard(self, line: str) -> None:
        """Print a line."""
        self.lines.append(line)

    def failed(self, problem: str) -> None:
        """Print what could not be sent."""
        self.lines.append(problem)


class _Socket:
    """A socket to nowhere, and the port around it."""

    def getHandle(self) -> _Socket:
        """Give itself."""
        return self

    def sendto(self, datagram: bytes, addr: object) -> None:
        """Send nothing."""


def _plain(text: str) -> Iterator[Printing]:
    for datagram in (text.encode(errors="surrogatepass"), f"bob: {text}".encode(errors="replace")):
        yield partial(_heard, datagram)


def _heard(datagram: bytes) -> list[str]:
    heard = _Heard()
    server = Server(Place("10.0.0.9", 6789), ("10.0.0.9", 6789))
    client = PlainClient(server, cast(IReactorTime, Clock()), 1.0, heard)
    client.transport = _Socket()  # type: ignore[assignment]
    client.join("bob")
    client.datagramReceived(datagram, ("10.0.0.9", 6789))
    return heard.lines


def _screen(text: str) -> Iterator[Printing]:
    text = _read(text)  # the names of rooms are used as they came
    for each in happenings(text):
        yield partial(_on_screen, each)


def _on_screen(happening: Happening) -> list[str]:
    """Give the rows of the full screen once it has been told."""
    model = Model(ROOM, Settings(), lambda: 0.0, lambda: 0.0)
    Teller(model).happened(happening)
    for window in list(model.windows):
        model.windows.show(window.name)
    return [row for row in map(row_text, model.rows(60, 7)) if row.strip()]


def _of_utf8(way: Way) -> Way:
    """Give a way for what was decoded: no half of a pair of surrogates is left of that."""
    return lambda text: way(text.encode(errors="replace").decode())


WAYS: dict[str, Way] = {
    "what happens": _of_utf8(_shown),
    "what was said": _of_utf8(_said),
    "what is told": _of_utf8(_told),
    "answers": _of_utf8(_answered),
    "--json": _of_utf8(_json),
    "the full screen": _of_utf8(_screen),
    "--plain": _plain,
}
