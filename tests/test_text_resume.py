"""Tests of `chat.wire.text`: a session that goes on where one was before a restart of the server."""

from __future__ import annotations

from chat.fields import MEMBER_ROOMS
from chat.memos import Lodging, Seat
from chat.messages import LOBBY, Bye, Hello, Join, Kind, Request, Say
from chat.wire.text import REPEAT_SECONDS
from chat.wire.visit import State
from tests.text_support import CLIENT, IDLE, Conversation, joined

NUMBER = 1 << 50
HEARD = 1_000.0


class ResumeTests(Conversation):
    """A member that was heard at 1,000."""

    def resume(self, *rooms: str, room: str = LOBBY, line_end: bytes = b"") -> list[Request]:
        """Go on as Bob in some rooms, who speaks in one; give what is to be asked."""
        self.setUp()
        seat = Seat("Bob", None, is_plain=True, is_away=False, rooms=list(rooms))
        lodging = Lodging("10.0.0.1", (4001,), b"", line_end, "BOB", room, 0, ("eve",))
        return self.session.resume(seat, lodging, HEARD, NUMBER)

    def test_a_member(self) -> None:
        """It is one at once, without a word, and what was remembered of it is what is."""
        self.assertEqual(self.resume("tea", LOBBY, line_end=b"\n"), [])
        session = self.session
        self.assertEqual((session.member, session.state, session.room), (CLIENT, State.MEMBER, LOBBY))
        self.assertEqual((session.habits, session.heard), ((b"\n", "BOB", LOBBY, ("eve",)), HEARD))
        self.assertEqual((self.said(), session.next_timeout()), ([], HEARD + IDLE))

    def test_what_it_says(self) -> None:
        """Goes where it went, under a number that none of its texts had."""
        self.resume("tea", LOBBY, room="tea")
        self.assertEqual(
            self.hear(b"hi", b"ho", now=HEARD + 60),
            [Say(1, NUMBER + 1, "tea", Kind.SAY, "hi"), Say(2, NUMBER + 2, "tea", Kind.SAY, "ho")],
        )

    def test_its_nick_again(self) -> None:
        """However it was typed, that is answered if it comes soon, and is a text later."""
        for nick in (b"BOB", b"Bob"):
            self.resume(LOBBY)
            self.assertEqual(self.hear(nick, now=HEARD + REPEAT_SECONDS - 1), [])
            self.assertEqual(self.said(), [b"Bob has joined the chat"])
            self.assertEqual(len(self.hear(nick, now=HEARD + REPEAT_SECONDS)), 1)

    def test_silence(self) -> None:
        """It leaves when it was silent for as long as anybody; its next line brings it back."""
        self.resume(LOBBY, "tea", room="tea")
        (bye,) = self.session.handle_timeout(HEARD + IDLE)
        self.assertIsInstance(bye, Bye)
        hello, join, say = self.hear(b"hi", now=HEARD + IDLE + 1)
        assert isinstance(hello, Hello)
        assert isinstance(join, Join)
        self.assertEqual((hello.nick, join.room), ("Bob", "tea"))
        self.assertIsInstance(say, Say)

    def test_a_room_that_it_is_not_in_yet(self) -> None:
        """It asks again to be let in, and is told when it is; nothing that it says goes elsewhere."""
        (join,) = self.resume(LOBBY, room="tea")
        self.assertEqual(join, Join(1, "tea"))
        (say,) = self.hear(b"hi", now=HEARD)
        assert isinstance(say, Say)
        self.assertEqual(say.room, "tea")
        self.assertEqual(self.tell(joined(1, "tea")), [])

    def test_no_place_for_that_room(self) -> None:
        """Who is in as many rooms as one may be in asks for none."""
        rooms = [f"room-{number}" for number in range(MEMBER_ROOMS)]
        self.assertEqual(self.resume(*rooms, room="tea"), [])
        self.assertEqual(self.session.room, rooms[-1])

    def test_in_no_room(self) -> None:
        """Who was in none is in none."""
        self.assertEqual((self.resume(room=""), self.session.room), ([], ""))
