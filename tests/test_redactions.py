"""Tests of taking away what was said: which line is meant, who is told, and what is there afterwards."""

from __future__ import annotations

from chat.commands import parse_command
from chat.errors import RequestRejected
from chat.hub.effects import Effect, Publish, Read, Redact, Seek, Send
from chat.hub.redactions import NEWEST
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Link,
    Part,
)
from chat.notices import REDACTED, Redacted
from chat.orders import Order, Verb
from chat.stored import Fact, Found, Page
from tests.hub_support import ANN, BOB, entry, only, say
from tests.operator_support import KIM, OLGA, OLGAS, OperatorTests
from tests.support import ANN as ANNS
from tests.support import NAT, NED, Native, texts
from tests.support import only as only_of
from tests.test_server_operators import OperatorsServer

PAGE = (
    entry(1, "one", nick="Bob"),
    entry(2, "two", nick="ann"),
    entry(3, "three", nick="bob"),
    entry(4, REDACTED, nick="bob"),
    entry(5, "five", nick="ann"),
    entry(6, "six", nick="bob"),
)


class RedactionTests(OperatorTests):
    """A hub, of which six lines are known, and what it asks its store."""

    def setUp(self) -> None:
        """Let five lines be said; the sixth is stored, but nobody was told of it yet."""
        super().setUp()
        self.store(self.unknown(self.ask(ANN, say(1))))
        for number in range(2, 6):
            self.store(self.ask(ANN, say(number)))

    def asked(self, target: str, number: int = 0, client: bytes = OLGA) -> Read:
        """Let somebody ask for a line to be taken away; give what the store is asked."""
        read, *_ = self.order(client, Verb.REDACT, LOBBY, target, number=number)
        assert isinstance(read, Read), read
        return read

    def found(self, target: str, number: int = 0) -> list[Effect]:
        """Let the store answer with all six lines."""
        return self.hub.answered(self.asked(target, number).token, Page(0, 6, PAGE))

    def test_a_search_meanwhile(self) -> None:
        """What a search had found before it was redacted is not in its answer."""
        text = entry(50, "my secret is 42", nick="kim")
        self.hub.committed(Fact(KIM, 1, text, 0))
        seek = only(self.order(ANN, Verb.SEARCH, LOBBY, text="secret"), Seek)
        seek = only(self.hub.found(seek.token, Found((text,), 40)), Seek)
        redact = only(self.hub.answered(self.asked("kim", 1).token, Page(0, 50, (text,))), Redact)
        self.hub.redacted(redact.token, is_done=True)
        told = only(self.hub.found(seek.token, Found((), 0)), Send).message
        assert isinstance(told, Done)
        self.assertNotIn("42", str(told.result))

    def test_whose_line(self) -> None:
        """Somebody's newest that all were told of, or the second; in whatever spelling of the nick."""
        for target, number, seq in (("bob", 1, 3), ("BOB", 2, 1), ("ann", 0, 5), ("ann", 2, 2)):
            redact = only(self.found(target, number), Redact)
            self.assertEqual((redact.room, redact.seq), (LOBBY, seq), (target, number))
            self.hub.failed(redact.token)
        self.assertEqual(self.asked("bob").fetch.limit, 256)

    def test_which_position(self) -> None:
        """Only that one is read."""
        read = self.asked("", 1_234_567)
        self.assertEqual(read.fetch, Fetch(1, LOBBY, 1_234_566, 1_234_568, 1))
        redact = only(self.hub.answered(read.token, Page(0, 6, PAGE[2:3])), Redact)
        self.assertEqual(redact.seq, 3)

    def test_no_such_line(self) -> None:
        """Of nobody, of somebody who said less, and at a position with nothing, or nothing more."""
        for target, number, words in (
            ("carl", 1, "no line of carl among the newest 256 of lobby"),
            ("bob", 3, "no 3 lines of bob among the newest 256 of lobby"),
        ):
            self.assertEqual(self.refused(self.found(target, number), OLGA), ("NO_SUCH_LINE", words))
        for page in (PAGE[3:4], PAGE[5:], ()):
            refused = self.hub.answered(self.asked("", 1_234_567).token, Page(0, 6, page))
            words = "nothing is kept at that position of lobby"
            self.assertEqual(self.refused(refused, OLGA), ("NO_SUCH_LINE", words))

    def test_told(self) -> None:
        """Once the store has done it the room is told whose line it was; the log knew who asked."""
        effects = self.order(OLGA, Verb.REDACT, LOBBY, "bob", number=2)
        self.assertEqual(self.logged(effects)[2:], ("redact", LOBBY, "bob", "", 2))
        read = effects[0]
        assert isinstance(read, Read), read
        redact = only(self.hub.answered(read.token, Page(0, 6, PAGE)), Redact)
        told, done = self.hub.redacted(redact.token, True)
        assert isinstance(told, Publish), told
        self.assertEqual(told.message, Redacted(LOBBY, 1, "Bob"))
        self.assertEqual(set(told.members), {ANN, BOB, KIM, OLGA})
        self.assertEqual(self.answer([done]), "")

    def test_what_was_read_before(self) -> None:
        """An answer of the store that is as old as the text does not bring it back, nor does a search."""
        read = only(self.ask(ANN, Fetch(8, LOBBY, None, None, 9)), Read)
        seek, *_ = self.order(BOB, Verb.SEARCH, LOBBY, text="one")
        assert isinstance(seek, Seek), seek
        self.hub.redacted(only(self.found("bob", 2), Redact).token, True)
        told = self.told(self.hub.answered(read.token, Page(0, 6, PAGE)), ANN)
        said = [each.text for each in told if isinstance(each, Entry)]
        self.assertEqual(said, [REDACTED, "two", "three", REDACTED, "five"])
        self.assertIn(REDACTED, self.answer(self.hub.found(seek.token, Found(PAGE[:1], 0)), BOB))

    def test_only_the_newest_are_remembered(self) -> None:
        """More than 64 later no answer of the store is so old."""
        for number in range(6, NEWEST + 8):
            self.store(self.ask(ANN, say(number)))
        read = only(self.ask(ANN, Fetch(8, LOBBY, None, None, 9)), Read)
        for seq in range(1, NEWEST + 2):
            found = self.hub.answered(self.asked("", seq).token, Page(0, 99, (entry(seq),)))
            self.hub.redacted(only(found, Redact).token, True)
        page = Page(0, 99, (entry(1, "one"), entry(2, "two")))
        told = self.told(self.hub.answered(read.token, page), ANN)
        self.assertEqual([each.text for each in told if isinstance(each, Entry)], ["one", REDACTED])

    def test_forgotten_meanwhile(self) -> None:
        """What the store does not keep any more is told to nobody but who asked."""
        redact = only(self.found("bob"), Redact)
        self.assertEqual(self.refused(self.hub.redacted(redact.token, False), OLGA)[0], "NO_SUCH_LINE")

    def test_the_store_fails(self) -> None:
        """Who asked is told, at each of the two steps, and may ask again."""
        self.assertEqual(self.refused(self.hub.failed(self.asked("bob").token), OLGA)[0], "STORE_FAILED")
        redact = only(self.found("bob"), Redact)
        self.assertEqual(self.refused(self.hub.failed(redact.token), OLGA)[0], "STORE_FAILED")

    def test_one_at_a_time(self) -> None:
        """A second one waits for the first."""
        read = self.asked("bob")
        self.assertEqual(self.refused(self.order(OLGA, Verb.REDACT, LOBBY, "ann"), OLGA)[0], "BUSY")
        self.hub.failed(read.token)
        self.asked("ann")

    def test_no_operator_any_more(self) -> None:
        """Who is none when the line is found may not, and who has left the room has none to keep in order."""
        self.order(OLGA, Verb.OP, target="kim")
        read = self.asked("bob", client=KIM)
        self.order(OLGA, Verb.DEOP, target="kim")
        refused = self.hub.answered(read.token, Page(0, 6, PAGE))
        self.assertEqual(self.refused(refused, KIM), ("NOT_OPERATOR", "only operators of lobby may /redact"))
        read = self.asked("bob")
        self.ask(OLGA, Part(9, LOBBY))
        refused = self.hub.answered(read.token, Page(0, 6, PAGE))
        self.assertEqual(self.refused(refused, OLGA)[0], "NOT_IN_ROOM")

    def test_another_session(self) -> None:
        """What an earlier session asked has no answer, but what the store has done is told to all."""
        read = self.asked("bob")
        self.hub.apply(OLGA, Hello(PROTOCOL_VERSION, OLGA, "olga"), self.now, OLGAS)
        self.assertEqual(self.hub.answered(read.token, Page(0, 6, PAGE)), [])
        redact = only(self.found("bob"), Redact)
        self.ask(OLGA, Bye())
        told = only(self.hub.redacted(redact.token, True), Publish)
        self.assertEqual(told.message, Redacted(LOBBY, 3, "bob"))
        self.come("olga", OLGA, OLGAS)
        read = self.asked("bob")
        self.ask(OLGA, Bye())
        self.assertEqual(self.hub.failed(read.token), [])

    def test_what_is_said_to_one_alone(self) -> None:
        """Nobody's log is kept in order by others, and one's own has nobody else in it."""
        (welcome, *_) = self.told(self.come("oda", b"q" * 16, OLGAS), b"q" * 16)
        log = welcome.direct  # type: ignore[union-attr]
        self.ask(b"q" * 16, Join(4, log))
        refused = self.order(b"q" * 16, Verb.REDACT, log, "bob")
        self.assertEqual(self.refused(refused, b"q" * 16)[0], "NO_SUCH_ROOM")


class ServerRedactionTests(OperatorsServer):
    """Through a whole server."""

    def test_at_every_door(self) -> None:
        """The room is told, the text is said no more, and whoever asks for it finds it gone."""
        self.enter(ann=ANNS)
        nat = Native(self.wire, NAT, "nat")
        nat.say("bad words")
        nat.say("good words")
        nat.take_all(), self.wire.take(ANNS)
        self.assertEqual(self.order(Verb.REDACT, "nat", number=2), "")
        self.assertEqual(self.wire.take(ANNS), [b"-!- what nat said was redacted"])
        (redacted,) = only_of(Redacted, nat.take_all())
        self.assertEqual(redacted.nick, "nat")
        self.wire.send(ANNS, b"/history", b"/search words")
        said = self.wire.take(ANNS)
        self.assertEqual(said[:2], [b"nat: (redacted)", b"nat: good words"])
        self.assertNotIn(b"bad", b"".join(said))
        nat.send(Fetch(nat.next_id(), LOBBY, 0, None, 9))
        self.assertEqual(texts(nat.take_all()), [REDACTED, "good words"])

    def test_the_last_line(self) -> None:
        """It is not said again for those who may have missed it."""
        nat = Native(self.wire, NAT, "nat")
        nat.say("bad words")
        self.order(Verb.REDACT, "nat")
        nat.take_all()
        for _ in range(60):
            self.wire.clock.advance(0.05)
        self.assertEqual(texts(nat.take()), [])

    def test_a_repeat(self) -> None:
        """Whoever repeats what was redacted is told that it was accepted, and it is not said again."""
        nat = Native(self.wire, NAT, "nat", client=b"n" * 16)
        nat.say("bad words")
        self.order(Verb.REDACT, "nat")
        again = Native(self.wire, NED, "nat", client=b"n" * 16)
        again.say("bad words")
        told = again.take_all()
        self.assertEqual(len(only_of(Accepted, told)), 1)
        self.assertEqual(texts(told), [])


class TypedTests(OperatorTests):
    """How a line is named."""

    def test_words(self) -> None:
        """A nick and maybe a number, or a position, which is longer than any number that people count to."""
        for line, target, number in (
            ("/redact bob", "bob", 1),
            ("/redact @Bob 3", "Bob", 3),
            ("/redact 123456", "123456", 1),
            ("/redact 1234567", "", 1_234_567),
            ("/redact 1775952560390147", "", 1_775_952_560_390_147),
            ("/redact 9999999999999999", "", 1 << 53),
            ("/redact 1234567 2", "1234567", 2),
        ):
            order = parse_command(line, "dev")
            self.assertEqual(order, Order(0, "redact", "dev", target, number=number), line)
        for line in ("/redact bob x", "/redact bob 0", "/redact bob -1"):
            self.assertRaises(RequestRejected, parse_command, line, "dev")


class LinkedTests(OperatorTests):
    """Who is another person by now."""

    def test_a_mute_of_the_key(self) -> None:
        """It holds whoever the key is linked to."""
        key, before, after = b"2" * 32, b"s" * 16, b"t" * 16
        self.come("solo", before, key)
        self.order(OLGA, Verb.MUTE, LOBBY, target="solo", number=1_000)
        code = self.answer(self.ask(KIM, Link(5)), KIM)
        self.hub.apply(after, Hello(PROTOCOL_VERSION, after, "solo", code), self.now, key)
        self.ask(after, Join(1, LOBBY))
        self.assertEqual(self.refused(self.unknown(self.ask(after, say(1))), after)[0], "MUTED")
