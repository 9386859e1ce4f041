"""Tests of what programs read: the objects, their documentation, and that no terminal is fooled by them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.client import json_lines
from chat.client.happenings import FirstContact, Link, LinkChanged
from chat.messages import Change, Entry, Joined, Kind, Presence, Turnover, Welcome
from chat.notices import Notice, Redacted
from chat.wire.events import Appeared, Entered, Happened, InRoom, Offered, OutOfRoom, RosterChanged, Said
from chat.wire.sequence import Earlier, Lost, NotKept

DOCUMENT = Path(__file__).parent.parent / "docs" / "client.md"
SERVER = "chat.example:6789"
FINGERPRINT = bytes.fromhex("59c92b7a11d8ce2ea4b5ab7e6a7e6e1c5ecbc4ac7b4a7e5ac4e3d86d2cd3d2fb")

_ENTRY = Entry("lobby", 1_783_000_000_002, 1, 1_741_871_234_567, Kind.SAY, "ann", True, "grüß dich")
_ACTION = Entry("lobby", 1_783_000_000_003, 1, 1_741_871_236_001, Kind.ME, "bob", False, "waves")

_LOG = "@qhu2tjlzbsxq34mkhg7ayofwve"
_ALONE = Entry(_LOG, 1_783_000_000_051, 9, 1_741_871_300_000, Kind.SAY, "ann", True, "just for you")

IGNORED = Appeared("lobby", _ACTION)

# Every kind of line, in the order in which the document shows them.
EXAMPLES = [
    json_lines.happening_line(happening, SERVER, "bot", is_ignored=happening is IGNORED)
    for happening in (
        LinkChanged(Link.CONNECTING, f"no answer from {SERVER}"),
        LinkChanged(Link.CONNECTED, ""),
        FirstContact(SERVER, FINGERPRINT),
        InRoom(Joined(2, "lobby", 1_783_000_000_001, 0, "tea", 4, 3)),
        OutOfRoom("dev", "NOT_IN_ROOM", "you are not in dev"),
        Appeared("lobby", _ENTRY),
        Appeared("lobby", Earlier(_ACTION)),
        IGNORED,
        Appeared("lobby", Lost(1_783_000_000_003, 1_783_000_000_009)),
        Appeared("lobby", NotKept(1_783_000_000_042)),
        Happened(Presence("lobby", "bob", False, Change.JOINED, 5)),
        Happened(Presence("lobby", "bob", False, Change.RENAMED, 6, "eve")),
        Turnover("lobby", 12, 3, 0, 4_711, 20),
        Notice("ann (operator): the server is down for a minute at 8"),
        Redacted("lobby", 1_783_000_000_002, "bob"),
    )
] + [
    json_lines.accepted_line(1, "lobby", 1_783_000_000_002, waiting=False),
    json_lines.rejected_line(2, "lobby", "NO_ANSWER", "no answer within 10 s"),
    json_lines.answer_line(3, ["2 here (~ is not verified): ann ~bob"]),
    json_lines.taken_back_line(1, "lobby", 1_783_000_000_002),
    json_lines.happening_line(InRoom(Joined(3, _LOG, 1_783_000_000_051, 0, "", 0, 1)), SERVER, "bot"),
    json_lines.happening_line(Appeared(_LOG, _ALONE), SERVER, "bot"),
    json_lines.accepted_line(4, "@bob", 1_783_000_000_060, waiting=True),
    json_lines.delivered_line(4, "@bob", 1_783_000_000_060),
]


class JsonTests(SynchronousTestCase):
    """One object a line."""

    def test_the_document_is_right(self) -> None:
        """docs/client.md shows every event, exactly as it is printed."""
        shown = re.findall(r"^\{.*\}$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(shown, EXAMPLES)

    def test_what_has_no_object(self) -> None:
        """What programs are told in another way is not told twice."""
        for happening in (
            Said(1, 7),
            Entered(Welcome("udpchat 0", "bot", "")),
            RosterChanged("lobby"),
            Offered("lobby", 1, 7),
        ):
            self.assertEqual(json_lines.happening_line(happening, SERVER, "bot"), "")

    def test_what_is_ignored(self) -> None:
        """An entry of whom this visit ignores says so, above all that was told, too."""
        for shown in (_ACTION, Earlier(_ACTION)):
            told = json_lines.happening_line(Appeared("lobby", shown), SERVER, "bot", is_ignored=True)
            self.assertTrue(json.loads(told)["ignored"])

    def test_only_connected_names_the_nick(self) -> None:
        """As long as no server has let us in nobody knows how we are called there."""
        for state in Link:
            told = json.loads(json_lines.state_line(LinkChanged(state, "x"), SERVER, "bot"))
            self.assertEqual(told["state"], state.value)
            self.assertEqual("nick" in told, state is Link.CONNECTED)

    @given(st.text(), st.text())
    def test_texts_come_through(self, text: str, nick: str) -> None:
        """Whatever is said, a reader gets it to the letter, and a terminal gets what can be printed."""
        line = json_lines.entry_line(Entry("lobby", 7, 1, 0, Kind.SAY, nick, True, text))
        self.assertTrue(line.isprintable())
        told = json.loads(line)
        self.assertEqual((told["text"], told["nick"], told["prev"]), (text, nick, 6))

    def test_escapes(self) -> None:
        """Letters and emoji stand as themselves; what a terminal obeys, or cannot show, is escaped."""
        line = json_lines.answer_line(1, ["ü 語 😀 \x1b\x9b\u202e\u2028\U000e0001"])
        self.assertIn(r"ü 語 😀 \u001b\u009b\u202e\u2028\udb40\udc01", line)
