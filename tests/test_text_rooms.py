"""Tests of `chat.wire.text`: a plain peer in several rooms."""

from __future__ import annotations

from chat.fields import MEMBER_ROOMS
from chat.messages import LOBBY, Done, Entry, Fetch, Fetched, Join, Kind, Names, Part, Rejected, Say, Topic
from chat.wire.asking import COMMAND_SECONDS
from tests.text_support import Conversation, joined, say


class RoomTests(Conversation):
    """A member may be in several rooms, and speaks in one of them."""

    def setUp(self) -> None:
        """Begin as a member, in the lobby."""
        super().setUp()
        self.enter()

    def say_in(self, *rooms: str) -> None:
        """Check that the rooms of the peer are these, the current one last, by leaving them one by one."""
        now = 1_000.0
        for left, room in zip(reversed(rooms), [*reversed(rooms[:-1]), ""], strict=True):
            self.assertEqual(self.session.room, left)
            self.hear(b"/part", now=now)
            self.assertEqual(self.session.room, room)
            now += COMMAND_SECONDS

    def test_the_rest_of_a_paste(self) -> None:
        """A room is current at once: the next line of the same datagram is said there."""
        self.assertEqual(
            self.hear(b"a\n/join #Dev\nb\n/me c\n/part\nd\n"),
            [
                say(1, "a"),
                Join(3, "dev"),
                Say(4, 2, "dev", Kind.SAY, "b"),
                Say(5, 3, "dev", Kind.ME, "c"),
                Part(6, "dev"),
                Say(7, 4, LOBBY, Kind.SAY, "d"),
            ],
        )

    def test_a_paste_into_a_room_that_cannot_be(self) -> None:
        """What follows a refused /join was meant for nobody here: it is not said, and its author is told."""
        self.assertEqual(self.hear("a\n/join Büro\nsecret\n/me too\n\n".encode()), [say(1, "a")])
        self.assertEqual(self.said()[-1], b"-!- the rest was not said: it was meant for another room\n")
        requests = self.hear("b\n/j Büro\n".encode(), b"/nosuch\nc")
        self.assertEqual([request.text for request in requests if isinstance(request, Say)], ["b", "c"])

    def test_commands_are_about_the_current_room(self) -> None:
        """Who is here, what was said here and what it is about are asked of the room that one speaks in."""
        requests = self.hear(b"/join dev", b"/names", b"/history", b"/topic", b"/topic tests")
        self.assertEqual(
            requests[1:],
            [Names(3, "dev"), Fetch(4, "dev", None, None, 20), Topic(5, "dev"), Topic(6, "dev", "tests")],
        )

    def test_a_room_entered(self) -> None:
        """Its topic is told if it has one; that one is in, the room tells."""
        self.hear(b"/join dev", b"/join ops")
        self.assertEqual(
            self.tell(joined(2, "dev", "tests"), joined(3, "ops")), [b"-!- the topic of dev: tests"]
        )

    def test_going_from_room_to_room(self) -> None:
        """Joining a room that one is in makes it current, which nobody else is told."""
        self.hear(b"/join dev", b"/join lobby")
        self.assertEqual(self.session.room, LOBBY)
        told = self.tell(joined(2, "dev"), joined(3, LOBBY, "lunch"))
        self.assertEqual(told, [b"-!- you are in lobby", b"-!- the topic of lobby: lunch"])
        self.say_in("dev", LOBBY)

    def test_switching(self) -> None:
        """What follows is said in the room that is named; nobody is asked."""
        self.hear(b"/join dev", b"/join ops")
        self.tell(joined(2, "dev"), joined(3, "ops"))
        self.assertEqual(self.hear(b"/switch #dev\nhi\n"), [Say(4, 1, "dev", Kind.SAY, "hi")])
        self.assertEqual((self.said(), self.session.room), ([b"-!- you are in dev\n"], "dev"))

    def test_switching_to_a_room_that_one_is_not_in(self) -> None:
        """It is refused, and what follows was meant for nobody here."""
        self.assertEqual(self.hear(b"/switch dev\nsecret\n"), [])
        self.assertEqual(
            self.said(),
            [
                b"-!- you are not in dev: /join dev\n",
                b"-!- the rest was not said: it was meant for another room\n",
            ],
        )
        self.assertEqual(self.session.room, LOBBY)

    def test_leaving(self) -> None:
        """The most recently joined of the others becomes current; leaving another changes nothing."""
        self.hear(b"/join dev", b"/join ops", b"/part dev")
        self.assertEqual(self.session.room, "ops")
        told = self.tell(joined(2, "dev"), joined(3, "ops"), Done(4, ""))
        self.assertEqual(told, [b"-!- you have left dev: you are in ops"])
        self.say_in(LOBBY, "ops")

    def test_in_no_room(self) -> None:
        """Who has left all rooms is told how to go on, once a second, and its lines go nowhere."""
        self.hear(b"/part", now=1)
        self.assertEqual(self.hear(b"hello?", b"anybody?", b"/me waits", b"/names", b"/part", now=1), [])
        self.assertEqual(self.said(), [b"-!- you are in no room: /join lobby"])
        self.assertEqual(
            self.hear(b"/join lobby\nhi", now=6), [Join(3, LOBBY), Say(4, 1, LOBBY, Kind.SAY, "hi")]
        )

    def test_leaving_where_one_is_not(self) -> None:
        """The hub is asked all the same, and the peer is told that it was not there."""
        self.assertEqual(self.hear(b"/part dev"), [Part(2, "dev")])
        self.assertEqual(self.tell(Done(2, "")), [b"-!- you are not in dev: you are in lobby"])

    def test_a_room_that_refuses(self) -> None:
        """The room before is current again, and the peer is told why."""
        self.hear(b"/join dev", b"/join ops", b"/join qa")
        told = self.tell(joined(2, "dev"), Rejected(4, "TOO_MANY_ROOMS", "you are in 20 rooms"))
        self.assertEqual(told, [b"-!- you are in 20 rooms"])
        self.assertEqual(self.session.room, "ops")
        self.tell(Rejected(3, "BUSY", "too fast"))
        self.say_in(LOBBY, "dev")

    def test_going_back_is_refused(self) -> None:
        """Who could not go to a room that it is in stays in both, and where it was."""
        self.hear(b"/join dev", b"/join lobby")
        self.tell(joined(2, "dev"), Rejected(3, "BUSY", "too fast"))
        self.say_in(LOBBY, "dev")

    def test_leaving_is_refused(self) -> None:
        """Who could not leave is still there."""
        self.hear(b"/join dev", b"/part")
        self.tell(joined(2, "dev"), Rejected(3, "BUSY", "too fast"))
        self.say_in(LOBBY, "dev")

    def test_a_room_refused_and_left(self) -> None:
        """What was left meanwhile does not come back."""
        self.hear(b"/join dev", b"/part dev")
        self.tell(Rejected(2, "BUSY", "too fast"), Done(3, ""))
        self.say_in(LOBBY)

    def test_other_refusals_move_nobody(self) -> None:
        """A text or a question that is refused says nothing about rooms."""
        self.hear(b"/join dev", b"hi", b"/names")
        self.tell(
            joined(2, "dev"), Rejected(3, "STORE_FAILED", "try again"), Rejected(4, "NOT_IN_ROOM", "no")
        )
        self.say_in(LOBBY, "dev")

    def test_too_many_rooms(self) -> None:
        """A member is in 20 rooms at most; those that it is in it may go to."""
        for number in range(1, MEMBER_ROOMS):
            self.hear(f"/join room-{number}".encode(), now=number * COMMAND_SECONDS)
        self.assertEqual(self.hear(b"/join one-more", now=500), [])
        self.assertEqual(self.said(), [b"-!- you are in 20 rooms: leave one first"])
        self.assertEqual(self.session.room, f"room-{MEMBER_ROOMS - 1}")
        self.assertEqual(self.hear(b"/join lobby", now=600), [Join(MEMBER_ROOMS + 1, LOBBY)])

    def test_names_that_no_room_has(self) -> None:
        """The typist is told what is allowed, and stays where it is."""
        self.assertEqual(self.hear("/join büro".encode()), [])
        self.assertEqual(self.said(), [b"-!- a room's name has 1 to 32 of a-z, 0-9 and -_. only"])
        self.assertEqual(self.session.room, LOBBY)

    def test_history_of_another_room(self) -> None:
        """What comes of a room that is not current any more bears its name."""
        self.hear(b"/history", b"/join dev")
        entry = Entry(LOBBY, 8, 1, 0, Kind.SAY, "eve", verified=False, text="hi")
        told = self.tell(entry, Fetched(2, LOBBY, 0, 8), Fetched(9, "dev", 0, 0))
        self.assertEqual(told, [b"[lobby] eve: hi", b"-!- nothing has been said in dev"])

    def test_line_ends_of_all_that_is_told(self) -> None:
        """Who sends line ends gets one behind each line, be it notice, entry or answer."""
        self.hear(b"/history\n/join dev\n")
        entry = Entry(LOBBY, 8, 1, 0, Kind.SAY, "eve", verified=False, text="hi")
        self.assertEqual(
            self.tell(entry, joined(3, "dev", "x")), [b"[lobby] eve: hi\n", b"-!- the topic of dev: x\n"]
        )
