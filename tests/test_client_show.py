"""Tests of what people read."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.client import show
from chat.client.happenings import FirstContact, Link, LinkChanged
from chat.fields import MOTD_BYTES
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
    Part,
    Presence,
    Release,
    RoomLine,
    Rooms,
    RoomsPage,
    Topic,
    Turnover,
    Welcome,
)
from chat.messages import Link as LinkRequest
from chat.notices import Notice, Redacted
from chat.safety import clean_text
from chat.wire.events import Answered, Appeared, Happened, InRoom, OutOfRoom, Said
from chat.wire.lines import owned_line
from chat.wire.sequence import Earlier, Lost, NotKept
from tests.client_support import entry

HOSTILE = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\x1b[2J\x07\r\n\u202e\u2028\x9b")))


class HappeningTests(SynchronousTestCase):
    """What happens in rooms."""

    def line(self, kind: Kind, text: str, *, verified: bool = True, room: str = "lobby") -> str:
        """Give the line of an entry for somebody in the lobby."""
        return show.entry_line(Entry(room, 7, 1, 0, kind, "ann", verified, text), "lobby")

    def test_entries(self) -> None:
        """An entry is put as the plain door puts it."""
        self.assertEqual(self.line(Kind.SAY, "hi"), "ann: hi")
        self.assertEqual(self.line(Kind.ME, "waves"), "* ann waves")
        self.assertEqual(self.line(Kind.TOPIC, "tea"), "* ann set the topic: tea")
        self.assertEqual(self.line(Kind.TOPIC, ""), "* ann took the topic away")

    def test_unverified(self) -> None:
        """Who has shown no key has a ~ before the nick, in whatever line."""
        self.assertEqual(self.line(Kind.SAY, "hi", verified=False), "~ann: hi")
        self.assertEqual(self.line(Kind.ME, "waves", verified=False), "* ~ann waves")
        renamed = Presence("lobby", "ann", False, Change.RENAMED, new_nick="eve")
        self.assertEqual(show.presence_line(renamed, "lobby"), "~ann is now ~eve")

    def test_other_rooms(self) -> None:
        """What is of another room than the current one begins with its name; markers too."""
        self.assertEqual(self.line(Kind.SAY, "hi", room="dev"), "[dev] ann: hi")
        self.assertEqual(show.shown_line("dev", Lost(3, 9), "lobby"), "[dev] -- something was lost here --")

    def test_markers(self) -> None:
        """A gap is said, and never counted: positions are not dense."""
        self.assertEqual(show.shown_line("lobby", Lost(3, 900), "lobby"), "-- something was lost here --")
        self.assertEqual(
            show.shown_line("lobby", NotKept(900), "lobby"),
            "-- what was said before is not kept any more --",
        )

    def test_presence(self) -> None:
        """Who comes, goes, has another nick, is away or back."""
        for change, line in {
            Change.JOINED: "ann has joined the chat",
            Change.LEFT: "ann has left the chat",
            Change.RENAMED: "ann is now eve",
            Change.AWAY: "ann is away",
            Change.BACK: "ann is back",
        }.items():
            presence = Presence("lobby", "ann", True, change, new_nick="eve")
            self.assertEqual(show.presence_line(presence, "lobby"), line)

    def test_happenings(self) -> None:
        """Everything in its form; what is told as an answer, or by the link, has no line here."""
        away = Presence("lobby", "ann", True, Change.AWAY)
        contact = FirstContact("chat.example:6789", bytes(32))
        for happening, line in (
            (Appeared("lobby", entry("hi")), "ann: hi"),
            (Appeared("lobby", Earlier(entry("hi"))), ""),
            (Happened(away), "ann is away"),
            (Turnover("lobby", 12, 3, 0, 4_711, 20), "* lobby: 12 joined, 3 left"),
            (Turnover("dev", 0, 0, 2, 4_711, 20), "[dev] * dev: 2 renamed"),
            (Notice("down at 8"), "-!- down at 8"),
            (Notice("ann invites you", "dev"), "[dev] -!- ann invites you"),
            (Redacted("lobby", 7, "bob"), "-!- what bob said was redacted"),
            (Redacted("dev", 7, "bob"), "[dev] -!- what bob said was redacted"),
            (OutOfRoom("dev", "KICKED", "go"), "-- you are out of dev: go --"),
            (OutOfRoom("dev", "", ""), ""),
            (contact, show.remark(show.contact_text(contact))),
            (LinkChanged(Link.SILENT, ""), ""),
            (InRoom(Joined(1, "dev", 0, 0, "", 1, 1)), ""),
            (Said(1, 7), ""),
            (Answered(Topic(1, "dev"), Done(1, "tea")), ""),
        ):
            self.assertEqual(show.happening_line(happening, "lobby"), line)

    def test_taken_back(self) -> None:
        """A text that the server lost is shown, so that it can be said again."""
        self.assertIn("say it again if you like: hello", show.taken_back_line("lobby", "hello"))

    @given(HOSTILE, HOSTILE, HOSTILE, st.sampled_from(Kind), st.sampled_from(Change))
    def test_nothing_reaches_a_terminal_unclean(
        self, nick: str, text: str, room: str, kind: Kind, change: Change
    ) -> None:
        """Whatever a server sends, each line is one line without a character that a terminal obeys."""
        presence = Presence(room, nick, True, change, new_nick=text)
        page = NamesPage(room, (NameLine(nick, True),), 1, True)
        rooms = RoomsPage(1, (RoomLine(room, 1, text),), True)
        for line in (
            show.entry_line(Entry(room, 7, 1, 0, kind, nick, False, text), "lobby"),
            show.entry_line(Entry(f"@{room}", 7, 1, 0, kind, nick, False, text), "lobby"),
            *show.alone_lines(nick, text, waiting=True),
            show.delivered_line(nick, text),
            *show.owned_lines(nick),
            show.refusal_text("NICK_OWNED", text),
            show.refusal_text("LINK_INVALID", text),
            *show.answer_lines(LinkRequest(1), Done(1, text)),
            *show.answer_lines(Release(1), Done(1, nick)),
            show.presence_line(presence, "lobby"),
            show.turnover_line(Turnover(room, 1, 1, 1, 1, 1), "lobby"),
            show.happening_line(Notice(text, room), "lobby"),
            show.happening_line(Redacted(room, 7, nick), "lobby"),
            show.happening_line(OutOfRoom(room, "CODE", text), "lobby"),
            show.link_text(LinkChanged(Link.SILENT, text), Link.SILENT, room, nick),
            show.link_text(LinkChanged(Link.CONNECTED, text), Link.CONNECTING, room, nick),
            show.taken_back_line(room, text),
            *show.welcome_lines(Welcome("udpchat", nick, text)),
            *show.joined_lines(Joined(1, room, 1, 0, text, 1, 1)),
            *show.answer_lines(Names(1, room), Done(1, page)),
            *show.answer_lines(Rooms(1), rooms),
            *show.answer_lines(Topic(1, room), Done(1, text)),
            *show.answer_lines(Motd(1), Done(1, text)),
            *show.answer_lines(Nick(1, nick), Done(1, nick)),
        ):
            self.assertEqual(clean_text(line), line)


class LinkTests(SynchronousTestCase):
    """How client and server stand with each other."""

    def text(self, state: Link, reason: str = "", before: Link = Link.CONNECTED) -> str:
        """Give what is said of a change."""
        return show.link_text(LinkChanged(state, reason), before, "chat.example:6789", "bob")

    def test_coming_in(self) -> None:
        """Nothing is said of a beginning; that nobody answers is, and that we are in, and as whom."""
        self.assertEqual(self.text(Link.CONNECTING), "")
        self.assertEqual(
            self.text(Link.CONNECTING, "no answer from chat.example:6789"),
            "no answer from chat.example:6789: still trying; what you type is kept",
        )
        self.assertEqual(
            self.text(Link.CONNECTED, before=Link.CONNECTING), "connected to chat.example:6789 as bob"
        )

    def test_silence(self) -> None:
        """A silence begins with its reason and a promise, and ends in two words."""
        self.assertEqual(
            self.text(Link.SILENT, "no answer for 6 s"),
            "no answer for 6 s: still trying; what you type is kept",
        )
        self.assertEqual(
            self.text(Link.SILENT), "no answer from the server: still trying; what you type is kept"
        )
        self.assertEqual(self.text(Link.CONNECTED, before=Link.SILENT), "connected again")

    def test_the_end(self) -> None:
        """An end is for others to tell: they know whose wish it was."""
        self.assertEqual(self.text(Link.CLOSED, "you are here twice"), "")


class AnswerTests(SynchronousTestCase):
    """What is answered to commands."""

    def test_pages(self) -> None:
        """Rosters and lists of rooms are shown as the plain door shows them."""
        members = (NameLine("ann", True, True), NameLine("bob", False))
        self.assertEqual(
            show.answer_lines(Names(1, "lobby"), Done(1, NamesPage("lobby", members, 2, False))),
            ["2 here (~ is not verified): ann (away) ~bob"],
        )
        self.assertEqual(
            show.answer_lines(Rooms(1), RoomsPage(1, (RoomLine("dev", 1, "tea"),), False)), ["dev (1): tea"]
        )

    def test_topics_and_nicks(self) -> None:
        """A topic that was asked for, and a new nick, are said; a new topic is told to the room."""
        self.assertEqual(show.answer_lines(Topic(1, "dev"), Done(1, "tea")), ["the topic of dev: tea"])
        self.assertEqual(show.answer_lines(Topic(1, "dev", "tea"), Done(1, "tea")), [])
        self.assertEqual(show.answer_lines(Nick(1, "Eve"), Done(1, "eve")), ["you are eve now"])
        self.assertEqual(show.answer_lines(Part(1, "dev"), Done(1, "")), [])

    def test_motd(self) -> None:
        """The message of the day is lines; none is said in words; a newcomer is told if it goes on."""
        self.assertEqual(show.answer_lines(Motd(1), Done(1, "a\nb")), ["a", "b"])
        self.assertEqual(show.answer_lines(Motd(1), Done(1, "")), ["there is no message of the day"])
        self.assertEqual(show.welcome_lines(Welcome("udpchat", "bob", "a\nb")), ["a", "b"])
        long = show.welcome_lines(Welcome("udpchat", "bob", "x" * MOTD_BYTES))
        self.assertEqual(long[1:], ["... (/motd shows all of it)"])

    def test_rooms(self) -> None:
        """Who has gone into a room knows which, and what it is about; who has left one, where one is now."""
        self.assertEqual(show.joined_lines(Joined(1, "dev", 0, 0, "", 1, 1)), ["you are in dev"])
        self.assertEqual(
            show.joined_lines(Joined(1, "dev", 0, 0, "tea", 1, 1)),
            ["you are in dev", "the topic of dev: tea"],
        )
        self.assertEqual(show.parted_lines("dev", "lobby"), ["you have left dev: you are in lobby"])
        self.assertEqual(show.parted_lines("dev", ""), ["you have left dev: you are in no room"])

    def test_history(self) -> None:
        """What was said before is lines as they were; nothing is said in words."""
        asked = Fetch(1, "lobby", None, None, 20)
        recent = Fetch(1, "lobby", None, None, 40, 7_200)
        self.assertEqual(show.earlier_lines(asked, [entry("a"), entry("b")]), ["ann: a", "ann: b"])
        self.assertEqual(show.earlier_lines(asked, []), ["nothing older is kept of lobby"])
        self.assertEqual(show.earlier_lines(recent, []), ["nothing older was said in that time in lobby"])
        self.assertEqual(
            show.before_lines("dev", [entry("a", room="dev")]), ["said in dev before:", "ann: a"]
        )
        self.assertEqual(show.before_lines("dev", []), [])

    def test_one_person_alone(self) -> None:
        """What was said to us alone is marked in no room, and looks like nothing that is said in one."""
        log = "@" + "a" * 26
        said = entry("hi", room=log)
        self.assertEqual(show.entry_line(said, "lobby"), "ann -> you: hi")
        plain = msgspec.structs.replace(said, verified=False, text="hi\x1b[2J")
        self.assertEqual(show.entry_line(plain, "dev"), "~ann -> you: hi[2J")
        for forged in (entry("ann -> you: hi"), entry("-> you: hi", kind=Kind.ME), entry("-> bob: hi")):
            for current in ("lobby", "dev"):
                line = show.entry_line(forged, current)
                self.assertFalse(line.startswith(("ann -> you", "~ann -> you", "-> ")), line)
        self.assertEqual(show.shown_line(log, Lost(3, 5), "dev"), show.remark(show.LOST_ALONE))
        self.assertEqual(show.shown_line(log, NotKept(5), "dev"), show.remark(show.NOT_KEPT_ALONE))
        self.assertEqual(show.happening_line(OutOfRoom(log, "NO_SUCH_ROOM", "gone"), "dev"), "")
        crowded = OutOfRoom(log, "TOO_MANY_ROOMS", "you are in 20 rooms")
        self.assertEqual(show.happening_line(crowded, "dev"), show.remark(show.CROWDED))

    def test_what_we_said_alone(self) -> None:
        """Its line says to whom, and another one that it waits, and later that it is there."""
        self.assertEqual(show.alone_lines("bob", "hi", waiting=False), ["-> bob: hi"])
        self.assertEqual(
            show.alone_lines("bob", "hi\x07", waiting=True),
            ["-> bob: hi", "-- bob is not here: that waits for bob --"],
        )
        self.assertEqual(show.delivered_line("bob", "hi"), "-- bob has it now: hi --")

    def test_nicks_that_are_owned(self) -> None:
        """Whose nick it is, what gives it up, and what to do if it is one's own: a line each."""
        self.assertEqual(show.owned_lines("bob"), [f"{owned_line('bob')}"])
        self.assertEqual(
            show.answer_lines(Release(1), Done(1, "bob")),
            ["bob is not yours any more: anybody may take it when nobody has it"],
        )
        (line,) = show.answer_lines(LinkRequest(1), Done(1, "abcd-efgh-jkmn"))
        self.assertIn("udpchat --link abcd-efgh-jkmn", line)
        refusal = show.refusal_text("NICK_OWNED", "bob belongs to somebody else: take another nick")
        self.assertEqual(refusal, f"bob belongs to somebody else: {show.MINE}")
        self.assertEqual(show.refusal_text("NICK_IN_USE", "bob is taken"), "bob is taken")
        self.assertEqual(show.refusal_text("LINK_INVALID", "no such code"), "no such code")
