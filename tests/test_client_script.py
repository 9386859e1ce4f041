"""Tests of script mode: what is said and asked when, what is printed, and which exit code comes of it."""

from __future__ import annotations

from twisted.python.failure import Failure

from chat.client.address import AddressError
from chat.client.happenings import FirstContact, Link
from chat.client.loop import EXIT_FAILED, EXIT_OK
from chat.client.script import ANSWER_SECONDS, OPEN_LINES
from chat.client.trust import ServerKeyChanged
from chat.errors import RequestRejected
from chat.limits import TOO_FAST
from chat.messages import Change, Done, Kind, Presence, Rejected, Turnover
from chat.wire.events import Appeared, Happened, Offered, OutOfRoom, PutOff
from chat.wire.sequence import Lost
from tests.client_support import ScriptCase, entry


class TextTests(ScriptCase):
    """Texts, from the input to the exit code."""

    def test_accepted(self) -> None:
        """`echo hello | udpchat HOST`: said in the lobby; stored, so code 0, and not a word is printed."""
        self.feed("hello")
        self.client.let_in()
        self.assertEqual(self.client.said, [("hello", "lobby", Kind.SAY)])
        self.not_ended()
        self.store(8)
        self.assertEqual(self.code(), EXIT_OK)
        self.assertEqual((self.printed, self.complaints), ([], []))

    def test_nothing_to_say(self) -> None:
        """An empty input: in, out, code 0; the code says that there is a server."""
        self.feed()
        self.not_ended()
        self.client.let_in()
        self.assertEqual(self.code(), EXIT_OK)

    def test_texts_do_not_wait_to_be_let_in(self) -> None:
        """A client takes texts before there is a server, and keeps them."""
        self.feed("hello")
        self.assertEqual(len(self.client.said), 1)

    def test_slashes(self) -> None:
        """Two slashes say one, /me says what somebody does."""
        self.feed("//x", "/me waves")
        self.assertEqual(self.client.said, [("/x", "lobby", Kind.SAY), ("waves", "lobby", Kind.ME)])

    def test_refused(self) -> None:
        """A refused text stands on standard error with its number and the reason; the others go on: 1."""
        self.client.let_in()
        self.feed("one", "two", "three")
        self.store(8)
        self.client.refuse("RATE", "too fast")
        self.store(9)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints, ["line 2 not accepted: two (too fast)"])

    def test_bad_lines(self) -> None:
        """Too long or not UTF-8: told with its number, the rest goes on, code 1. Blank lines only count."""
        self.client.let_in()
        self.script.receive(b"one\n\xff\n\n" + b"x" * 901 + b"\n" + b"x" * 99_999 + b"\ntwo")
        self.script.end()
        self.assertEqual([text for text, _, _ in self.client.said], ["one", "two"])
        self.store(8, 9)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual([text.split(":")[0] for text in self.complaints], ["line 2", "line 4", "line 5"])

    def test_late(self) -> None:
        """A text without an answer for ten seconds is told once: not again when it is refused or we leave."""
        self.client.let_in()
        self.script.receive(b"one\n")
        self.clock.advance(ANSWER_SECONDS / 2)
        self.script.receive(b"two\n")
        self.clock.advance(ANSWER_SECONDS / 2)
        self.assertEqual(self.complaints, ["line 1 not accepted: one (no answer within 10 s)"])
        self.client.refuse("RATE", "too fast")
        self.script.end()
        self.not_ended()
        self.script.stop()
        self.assertEqual(self.complaints[1:], ["line 2 not accepted: two (no answer before the end)"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_fast(self) -> None:
        """A server that tells when it takes the next line has answered: all lines have their time anew."""
        self.client.let_in()
        self.feed("one", "two")
        for _ in range(3):
            self.clock.advance(ANSWER_SECONDS - 1)
            self.client.happened(PutOff("lobby", Rejected(1, TOO_FAST, "too fast", 0.2)))
        self.store(8)
        self.store(9)
        self.assertEqual(self.code(), EXIT_OK)
        self.assertEqual(self.complaints, [])

    def test_another_reason_to_wait(self) -> None:
        """A server whose disk is full answers, too, but its lines may wait for ever: they are told."""
        self.client.let_in()
        self.feed("one")
        self.clock.advance(ANSWER_SECONDS - 1)
        self.client.happened(PutOff("lobby", Rejected(1, "STORE_FAILED", "failed", 1.0)))
        self.clock.advance(1)
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_late_but_accepted(self) -> None:
        """A text that is stored after its ten seconds still counts as late: code 1."""
        self.client.let_in()
        self.script.receive(b"one\n")
        self.clock.advance(ANSWER_SECONDS)
        self.store(8)
        self.script.end()
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(len(self.complaints), 1)

    def test_the_end_waits_ten_seconds(self) -> None:
        """Input that has ended is waited for as long as its last line has time, whatever the link does."""
        self.client.let_in()
        self.feed("one")
        self.client.change(Link.SILENT, "no answer")
        self.clock.advance(ANSWER_SECONDS - 1)
        self.not_ended()
        self.clock.advance(1)
        self.assertEqual(self.code(), EXIT_FAILED)

    def test_window(self) -> None:
        """At most 64 lines are open; each answer lets one more go, and input stays where it is meanwhile."""
        self.client.let_in()
        self.feed(*map(str, range(OPEN_LINES + 2)))
        self.assertEqual(len(self.client.said), OPEN_LINES)
        self.assertIs(self.flow[-1], False)
        self.store(8)
        self.assertEqual(len(self.client.said), OPEN_LINES + 1)
        self.store(*range(9, OPEN_LINES + 10))
        self.assertEqual([text for text, _, _ in self.client.said], [*map(str, range(OPEN_LINES + 2))])
        self.assertEqual(self.code(), EXIT_OK)

    def test_no_answer_at_all(self) -> None:
        """Where 64 lines are late nothing more is read: each line that was read is told, and the end."""
        self.client.let_in()
        self.script.receive(b"x\n" * (OPEN_LINES + 1))
        self.clock.advance(ANSWER_SECONDS)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(len(self.complaints), OPEN_LINES + 2)
        self.assertIn("was not read", self.complaints[OPEN_LINES])
        self.assertEqual(self.complaints[-1], "line 65 not accepted: x (not sent before the end)")

    def test_taken_back(self) -> None:
        """A text that the server had stored and then lost is told with its number, and the code is 1."""
        self.client.let_in()
        self.script.receive(b"one\n")
        self.store(8)
        self.script.happened(Offered("lobby", 1, 8))
        self.script.end()
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints, ["line 1, accepted before, was lost by the server: one"])

    def test_goodbye(self) -> None:
        """The word exit, and /quit, end the visit after what stands before it; what follows is not read."""
        for word in ("exit", "/quit"):
            self.restart()
            self.client.let_in()
            self.script.receive(f"one\n{word}\ntwo\n".encode())
            self.assertIs(self.flow[-1], False)
            self.not_ended()
            self.store(8)
            self.assertEqual(self.code(), EXIT_OK)
            self.assertEqual(len(self.client.said), 1)


class EntranceTests(ScriptCase):
    """Whoever is not let in."""

    def test_nobody_there(self) -> None:
        """No answer within ten seconds: one line says so, each line of the input is told, code 1."""
        self.feed("hello")
        self.clock.advance(ANSWER_SECONDS)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(
            self.complaints,
            [
                "not let in within 10 s: no answer from chat.example:6789: is a server there?",
                "line 1 not accepted: hello (no answer before the end)",
            ],
        )

    def test_not_yet(self) -> None:
        """A server that tells us to wait for longer than we can is named with its reason."""
        self.client.change(Link.CONNECTING, "the server is full")
        self.clock.advance(ANSWER_SECONDS)
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints, ["not let in within 10 s: the server is full"])

    def test_refused(self) -> None:
        """Nobody is here to choose another nick, or to get another version: code 1."""
        for code, text, told in (
            ("NICK_IN_USE", "bot is taken", "the nick bot is refused: bot is taken"),
            ("VERSION", "version 2 is spoken here", "refused: version 2 is spoken here"),
        ):
            self.restart()
            self.client.entering.pop().errback(RequestRejected(code, text))
            self.assertEqual(self.code(), EXIT_FAILED)
            self.assertEqual(self.complaints, [told])

    def test_a_refused_room(self) -> None:
        """Where the first room is closed to us nothing can be said: code 1."""
        self.client.joining.pop()[1].errback(
            RequestRejected("TOO_MANY_ROOMS", "there are 4096 rooms already")
        )
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints, ["cannot go into lobby: there are 4096 rooms already"])

    def test_no_such_host(self) -> None:
        """What is wrong with place or key is for the caller to tell; what was not said is told here."""
        for error in (AddressError("no such host"), ServerKeyChanged("x:1", b"", b"", "changed")):
            self.restart()
            self.feed("hello")
            self.client.entering.pop().errback(error)
            self.assertIs(self.failureResultOf(self.script.done).value, error)
            self.assertEqual(len(self.complaints), 1)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_another_key_later(self) -> None:
        """A server that comes back with another key ends the visit as one that had it from the beginning."""
        self.client.let_in()
        error = ServerKeyChanged("x:1", b"", b"", "changed")
        self.client.closed.errback(error)
        self.assertIs(self.failureResultOf(self.script.done).value, error)

    def test_closed_by_the_server(self) -> None:
        """A visit that the server ends is over, with its reason; what was open is told: 1."""
        self.client.let_in()
        self.feed("hello")
        self.client.close("you are here twice")
        self.assertEqual(self.code(), EXIT_FAILED)
        self.assertEqual(self.complaints[0], "the server has ended this visit: you are here twice")
        self.assertEqual(self.complaints[1:], ["line 1 not accepted: hello (no answer before the end)"])

    def test_first_contact(self) -> None:
        """A key that is trusted unseen is shown, as ssh does."""
        self.script.happened(FirstContact("chat.example:6789", bytes(32)))
        self.assertIn(f"SHA256:{'A' * 43}", self.complaints[0])


class FollowTests(ScriptCase):
    """With --follow."""

    is_following = True

    def setUp(self) -> None:
        """Be in the lobby; the input has ended."""
        super().setUp()
        self.client.let_in()

    def test_stays(self) -> None:
        """The end of the input is not the end of the visit, and neither is a late line."""
        self.feed("one")
        self.clock.advance(ANSWER_SECONDS)
        self.not_ended()

    def test_goodbye(self) -> None:
        """The word exit is the end."""
        self.feed("exit")
        self.assertEqual(self.code(), EXIT_OK)

    def test_talk(self) -> None:
        """What is said, who comes and what is missing is printed, other rooms' with their names; no times."""
        presence = Presence("lobby", "eve", False, Change.JOINED)
        for happening in (
            Appeared("lobby", entry("hi")),
            Appeared("lobby", entry("waves", 8, kind=Kind.ME)),
            Appeared("dev", entry("hi", 9, room="dev")),
            Happened(presence),
            Turnover("lobby", 12, 3, 0, 4_711, 20),
            Appeared("lobby", Lost(9, 11)),
        ):
            self.script.happened(happening)
        self.assertEqual(
            self.printed,
            [
                "ann: hi",
                "* ann waves",
                "[dev] ann: hi",
                "~eve has joined the chat",
                "* lobby: 12 joined, 3 left",
                "-- something was lost here --",
            ],
        )

    def test_link(self) -> None:
        """That the server is silent, and that it is back, stands on standard error."""
        self.client.change(Link.SILENT, "no answer for 6 s")
        self.client.change(Link.CONNECTED)
        self.assertEqual(
            self.complaints,
            ["no answer for 6 s: still trying; what you type is kept", "connected again"],
        )
        self.assertEqual(self.printed, [])


class JsonTests(ScriptCase):
    """With --json."""

    is_json = True

    def test_a_visit(self) -> None:
        """Everything is an object: the link, texts by their line, answers, talk."""
        self.feed("hello", "/topic", "/nosuch")
        self.client.let_in()
        self.store(10)
        self.script.happened(Appeared("lobby", entry("hello", 10, nick="bot")))
        self.client.asking.pop().callback(Done(1, "tea"))
        self.assertEqual(self.code(), EXIT_FAILED)
        told = self.objects()
        self.assertEqual(
            [each["event"] for each in told],
            ["state", "state", "joined", "accepted", "entry", "answer", "rejected"],
        )
        self.assertEqual([each["state"] for each in told[:2]], ["connecting", "connected"])
        self.assertEqual(told[1]["nick"], "bot")
        self.assertEqual(told[3], {"event": "accepted", "line": 1, "room": "lobby", "seq": 10})
        self.assertEqual(told[5], {"event": "answer", "line": 2, "lines": ["the topic of lobby: tea"]})
        self.assertEqual(told[6]["line"], 3)

    def test_a_room_that_does_not_let_us_in(self) -> None:
        """That is told as the line's own outcome: we have not left what we were never in."""
        self.feed("/join dev")
        self.client.let_in()
        self.script.happened(OutOfRoom("dev", "KEY_WRONG", "dev has a key"))
        self.client.joining.pop()[1].errback(RequestRejected("KEY_WRONG", "dev has a key"))
        self.assertEqual(self.code(), EXIT_FAILED)
        told = [each["event"] for each in self.objects()]
        self.assertEqual(told, ["state", "state", "joined", "rejected"])

    def test_problems(self) -> None:
        """Lines that are bad, late or taken back are objects, and stand on standard error too."""
        self.client.let_in()
        self.script.receive(b"\xff\none\ntwo\n")
        self.store(8)
        self.script.happened(Offered("lobby", 1, 8))
        self.clock.advance(ANSWER_SECONDS)
        told = self.objects()[3:]
        self.assertEqual(
            [(each["event"], each["line"], each.get("code")) for each in told],
            [
                ("rejected", 1, "NOT_UTF8"),
                ("accepted", 2, None),
                ("taken back", 2, None),
                ("rejected", 3, "NO_ANSWER"),
            ],
        )
        self.assertEqual(len(self.complaints), 3)
        self.store(9)
        self.assertEqual(self.objects()[-1], {"event": "accepted", "line": 3, "room": "lobby", "seq": 9})


class BugTests(ScriptCase):
    """Our own bugs."""

    def test_a_bug_ends_the_visit(self) -> None:
        """What no server says is raised where the visit is waited for, and not swallowed."""
        self.client.let_in()
        self.feed("hello")
        self.client.saying.pop().errback(Failure(ZeroDivisionError()))
        self.failureResultOf(self.script.done, ZeroDivisionError)
