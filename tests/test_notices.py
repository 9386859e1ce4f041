"""What a server tells unasked: words, that one is out of a room, that a line was taken away."""

from __future__ import annotations

import msgspec
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chat.client.visit import Answer, Visit
from chat.messages import LOBBY, Done, Fetch, Fetched, Join, Part, Pong, Rejected, RoomHead, Say, Welcome
from chat.notices import REDACTED, Notice, Out, Redacted
from chat.wire.events import Appeared, Entered, NotSaid, OutOfRoom, Rights
from chat.wire.sequence import Earlier
from chat.wire.visit import GRACE_SECONDS, State
from tests.client_support import FakeClient
from tests.session_support import DEV, WELCOME, ClientSessionTests, entry, joined
from tests.text_support import Conversation
from tests.text_support import joined as text_joined

KICKED = Out(DEV, "KICKED", "kicked by ann: enough")
TOLD = OutOfRoom(DEV, "KICKED", "kicked by ann: enough")


class NativeTests(ClientSessionTests):
    """A native client's session."""

    def test_words(self) -> None:
        """What a server says is told as it came, of whatever room it is."""
        self.enter(LOBBY)
        words = [Notice("the server is down at 8"), Notice("ann invites you", DEV)]
        self.assertEqual(self.tell(*words), words)

    def test_another_welcome(self) -> None:
        """It says what we may do now, and moves nothing."""
        self.enter(LOBBY)
        welcome = msgspec.structs.replace(WELCOME, is_operator=True)
        self.assertEqual(self.tell(welcome, WELCOME), [Rights(True), Rights(False)])
        self.assertEqual(self.tell(entry(11)), [Appeared(LOBBY, entry(11))])

    def test_out_of_a_room(self) -> None:
        """Who was put out is told so once, and does not come in again when a Pong lists it no more."""
        self.enter(LOBBY, DEV)
        self.assertEqual(self.tell(KICKED, KICKED), [TOLD])
        self.now += 1.0
        self.assertEqual(self.tell(KICKED, Pong(9, round(self.now * 1e6), (RoomHead(LOBBY, 10, 1),))), [])
        self.now += 5.0
        self.assertEqual([each for each in self.asked() if isinstance(each, Join | Part)], [])

    def test_out_is_no_word_for_ever(self) -> None:
        """Whoever was put out may ask to be let in again; what was told before that changes nothing."""
        self.enter(LOBBY, DEV)
        self.tell(KICKED)
        self.session.join(DEV, self.now)
        join = self.only(Join)
        self.assertEqual(self.tell(KICKED), [])
        self.tell(joined(join.id, 10, DEV))
        self.assertEqual(self.tell(entry(11, room=DEV)), [Appeared(DEV, entry(11, room=DEV))])

    def test_out_while_leaving(self) -> None:
        """Who has asked to be let out hears of that, whatever else is told."""
        self.enter(LOBBY, DEV)
        self.session.part(DEV, self.now)
        part = self.only(Part)
        self.assertEqual(self.tell(KICKED), [])
        self.assertEqual(self.tell(Done(part.id, "")), [OutOfRoom(DEV, "", "")])

    def test_out_of_somewhere_else(self) -> None:
        """A room that we never wanted to be in is no matter of ours."""
        self.enter(LOBBY)
        self.assertEqual(self.tell(KICKED, Redacted(DEV, 7, "bob")), [])

    def test_a_text_behind_it(self) -> None:
        """What is said in the room after that is refused, as in any room that we are not in."""
        self.enter(LOBBY, DEV)
        self.tell(KICKED)
        self.say(room=DEV)
        say = self.only(Say)
        self.assertEqual(say.room, DEV)
        refusal = Rejected(say.id, "NOT_IN_ROOM", "you are not in dev")
        self.assertEqual(self.tell(refusal), [NotSaid(1, "NOT_IN_ROOM", "you are not in dev")])

    def test_what_was_taken_away(self) -> None:
        """A line that was shown is named; one that still waits for those before it never shows its text."""
        self.enter(LOBBY)
        bad = entry(13, back=2, text="bad")
        self.assertEqual(self.tell(bad), [])
        redacted = Redacted(LOBBY, 13, "bob")
        self.assertEqual(self.tell(redacted), [redacted])
        shown = self.tell(entry(11))
        self.assertEqual(
            shown, [Appeared(LOBBY, entry(11)), Appeared(LOBBY, entry(13, back=2, text=REDACTED))]
        )

    def test_what_was_taken_away_while_scrolling_back(self) -> None:
        """The same of what is fetched and does not fit yet."""
        self.session.join(LOBBY, self.now)
        self.asked()
        self.tell(WELCOME, joined(1, 10))
        self.session.scroll_back(LOBBY, 2, self.now)
        fetch = None
        while fetch is None:
            self.wait()
            fetch = next((each for each in self.asked() if isinstance(each, Fetch)), None)
        self.tell(entry(9, text="bad"), Redacted(LOBBY, 9, "bob"))
        self.assertEqual(
            self.tell(entry(10), Fetched(fetch.id, LOBBY, 0, 10)),
            [Appeared(LOBBY, Earlier(entry(10))), Appeared(LOBBY, Earlier(entry(9, text=REDACTED)))],
        )


class VisitTests(SynchronousTestCase):
    """What a program shows of it."""

    def test_help(self) -> None:
        """What operators may is shown to operators, as far as the server has told."""
        visit = Visit(Clock())
        visit.begin(FakeClient(visit.happened).real, LOBBY)
        for happening, expected in (
            (Entered(WELCOME), False),
            (Rights(True), True),
            (Rights(False), False),
            (Entered(msgspec.structs.replace(WELCOME, is_operator=True)), True),
        ):
            visit.happened(happening)
            answer = self.successResultOf(visit.ask("/help", 1))
            assert isinstance(answer, Answer), answer
            self.assertEqual(any(line.startswith("/wall") for line in answer.lines), expected)


class TextTests(Conversation):
    """A text session."""

    def setUp(self) -> None:
        """Begin as a member of the lobby and, in the last place, of another room."""
        super().setUp()
        self.enter()
        (join,) = self.hear(b"/join dev")
        assert isinstance(join, Join)
        self.tell(text_joined(join.id, DEV))

    def test_another_welcome(self) -> None:
        """Nobody sees it, but from then on /help shows what operators may."""
        for is_operator in (True, False):
            again = Welcome("udpchat", "bob", "be nice", is_operator=is_operator)
            self.assertEqual(self.tell(again), [])
            self.hear(b"/help")
            self.assertEqual(any(line.startswith(b"-!- /wall") for line in self.said()), is_operator)

    def test_words(self) -> None:
        """A notice, with a mark if it is about another room."""
        self.assertEqual(
            self.tell(Notice("a"), Notice("b", DEV), Notice("c", LOBBY)),
            [b"-!- a", b"-!- b", b"[lobby] -!- c"],
        )

    def test_out_of_a_room(self) -> None:
        """A notice says why, and one speaks in the room before it; once out, it is only words."""
        line = b"-!- you are out of dev: kicked by ann: enough"
        self.assertEqual(self.tell(KICKED), [line])
        self.assertEqual(self.session.room, LOBBY)
        self.assertEqual(self.tell(KICKED), [line])
        self.assertEqual(self.session.room, LOBBY)
        self.tell(Out(LOBBY, "KICKED", ""))
        self.assertEqual(self.session.room, "")

    def test_out_of_the_chat(self) -> None:
        """Who was put out is a stranger in a moment, in whatever state that comes; who has left has left."""
        self.session.put_out(1.0)
        self.assertIs(self.session.state, State.LEFT)
        self.assertEqual(self.hear(b"still here", now=1.5), [])
        self.session.put_out(1.5)
        self.session.handle_timeout(1.0 + GRACE_SECONDS)
        self.assertIs(self.session.state, State.STRANGER)
        self.session.put_out(9.0)
        self.assertIs(self.session.state, State.STRANGER)
        self.hear(b"bob", now=9.0)
        self.session.put_out(9.0)
        self.assertIs(self.session.state, State.LEFT)
