"""What operators do, through a whole server: who is put out hears why at every door, and stays out."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.fields import REASON_BYTES
from chat.hub.hub import Hub
from chat.messages import LOBBY, Bye, Done, Hello, Join, Rejected
from chat.notices import Notice, Out
from chat.orders import BACK, CANCEL, Order, Verb
from chat.server.caretaker import Means
from chat.server.settings import Settings
from chat.wire.visit import GRACE_SECONDS
from tests.support import ANN, BOB, EVE, NAT, NED, Native, Sealed, ServerTests, Wire, only

OLGAS, KEY = b"O" * 32, b"K" * 32
HOME = ("192.0.2.200", 6000)
BANNED = b"-!- you are banned until 2023-11-15 22:13 UTC by olga: spam"


class OperatorsServer(ServerTests):
    """A server with its operator, Olga, who speaks frames."""

    def setUp(self) -> None:
        """Let her in."""
        self.wire = Wire(Settings(plain="all"), Hub(operators=[OLGAS]))
        self.olga = Native(self.wire, HOME, "olga", key=OLGAS)

    def order(self, verb: Verb, target: str = "", text: str = "", room: str = LOBBY, number: int = 0) -> str:
        """Let her give an order; give the answer."""
        self.olga.send(Order(self.olga.next_id(), verb, room, target, text, number))
        answers = [each for each in self.olga.take_all() if isinstance(each, Done | Rejected)]
        (answer,) = answers
        return str(answer.result if isinstance(answer, Done) else answer.text)


class OutTests(OperatorsServer):
    """Out of a room, and out of the server."""

    def test_kicked_from_every_door(self) -> None:
        """Each is told in its own way, and may come back."""
        self.enter(ann=ANN)
        sal, nat = Sealed(self.wire, NED), Native(self.wire, NAT, "nat")
        sal.say(b"sal")
        sal.take()
        self.wire.take(ANN)
        for nick in ("ann", "sal", "nat"):
            self.order(Verb.KICK, nick, "be nice")
        line = b"-!- you are out of lobby: kicked by olga: be nice"
        self.assertEqual(self.wire.take(ANN)[0], line)
        self.assertIn(line, sal.take())
        self.assertEqual(only(Out, nat.take_all()), [Out(LOBBY, "KICKED", "kicked by olga: be nice")])
        self.wire.send(ANN, b"hello?")
        self.assertEqual(self.wire.take(ANN), [b"-!- you are in no room: /join lobby"])
        self.wire.send(ANN, b"/join lobby")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat"])

    def test_banned_from_every_door(self) -> None:
        """Each is told why and how long, is gone, and does not come back under that nick."""
        self.enter(ann=ANN)
        sal, nat = Sealed(self.wire, NED), Native(self.wire, NAT, "nat", key=KEY)
        sal.say(b"sal")
        sal.take()
        self.wire.take(ANN)
        for nick in ("ann", "sal", "nat"):
            self.order(Verb.BAN, nick, "spam")
        self.assertEqual(self.wire.take(ANN), [BANNED])
        self.assertEqual(sal.take()[-1], BANNED)
        (bye,) = only(Bye, nat.take_all())
        self.assertEqual((bye.reason, bye.reconnect_after), (BANNED[4:].decode(), 0.0))
        self.assertEqual(self.order(Verb.UPTIME)[-6:], "1 here")
        self.wire.send(ANN, b"still here")
        self.wire.clock.advance(GRACE_SECONDS + 1)
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [b"-!- ann is banned until 2023-11-15 22:13 UTC by olga: spam"])
        again = Native(self.wire, NED, key=KEY)
        again.send(Hello(1, b"c" * 16, "other"))
        (refused,) = only(Rejected, again.take_all())
        self.assertEqual((refused.id, refused.code), (0, "BANNED"))

    def test_another_nick_at_that_address(self) -> None:
        """A plain member that was put out is a stranger after two seconds, whatever it has said."""
        self.enter(ann=ANN)
        self.order(Verb.BAN, "ann", "spam")
        self.wire.take(ANN)
        self.wire.clock.advance(GRACE_SECONDS + 1)
        self.wire.send(ANN, b"anna")
        self.assertEqual(self.wire.take(ANN), [b"anna has joined the chat"])

    def test_nothing_of_a_banned_member_is_left(self) -> None:
        """The rest of a paste is not said, and no restart brings a banned plain member back."""
        self.enter(ann=ANN, bob=BOB)
        self.order(Verb.BAN, "ann", "spam")
        self.wire.take(BOB)
        self.wire.send(ANN, b"one\ntwo\n")
        self.assertEqual(self.wire.take(BOB), [])
        self.wire = Wire(Settings(plain="all"), Hub(), self.wire.store, ahead=self.wire.wall() + 1)
        self.wire.send(BOB, b"/names")
        self.assertNotIn(b"ann", b"".join(self.wire.take(BOB)))


class AddressTests(OperatorsServer):
    """A banned address."""

    def test_at_the_door(self) -> None:
        """Whoever speaks in the clear is told once; a handshake has no answer and costs nothing."""
        self.order(Verb.BAN, "10.0.0.0/16", "spam")
        for datagram in (b"X", b"\xff\xfe", b"-!- who are you", b"exit", b" \n", b"ann has joined the chat"):
            self.wire.send(ANN, datagram)
        self.assertEqual(self.wire.take(ANN), [])
        for line in (b"ann", b"ann", b"hello"):
            self.wire.send(ANN, line)
            self.wire.clock.advance(2)
        self.assertEqual(self.wire.take(ANN), [BANNED])
        self.wire.send(("10.0.0.9", 0), b"eve")
        self.assertEqual(self.wire.take(("10.0.0.9", 0)), [])
        Native(self.wire, EVE)
        self.assertEqual(self.wire.take(EVE), [])
        self.assertIn("a datagram of a banned address=", self.order(Verb.UPTIME))
        self.order(Verb.UNBAN, "10.0.0.0/16")
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN)[0], b"ann has joined the chat")

    def test_many_addresses(self) -> None:
        """Each is told, as far as strangers are answered at all; what is remembered of them is bounded."""
        self.order(Verb.BAN, "10.0.0.0/8", "spam")
        for number in range(1_200):
            self.wire.send((f"10.{number >> 8}.{number & 255}.1", 4000), b"x")
            self.wire.clock.advance(0.02)
        told = [datagram for datagram, to in self.wire.port.written if to[1] == 4000]
        self.assertEqual(told, [BANNED] * 1_200)
        self.wire.send(("10.0.0.1", 4000), b"x")
        self.assertEqual(self.wire.take(("10.0.0.1", 4000)), [BANNED] * 2)

    def test_members_of_a_banned_address(self) -> None:
        """They are out at once, and their next line is that of a banned stranger."""
        self.enter(ann=ANN)
        nat = Native(self.wire, ("10.0.0.77", 5000), "nat")
        self.wire.take(ANN)
        self.order(Verb.BAN, "10.0.0.0/16", "spam")
        self.assertEqual(self.wire.take(ANN), [BANNED])
        self.assertEqual(len(only(Bye, nat.take_all())), 1)
        self.wire.send(ANN, b"ann")
        self.wire.clock.advance(GRACE_SECONDS + 1)
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [BANNED])


class ReloadTests(OperatorsServer):
    """What is read again."""

    def setUp(self) -> None:
        """Have a message of the day that a test may change."""
        self.motd: str | RequestRejected = "be nice"
        self.wire = Wire(
            Settings(plain="all"), Hub("old", operators=[OLGAS]), means=Means(reread=self.reread)
        )
        self.olga = Native(self.wire, HOME, "olga", key=OLGAS)

    def reread(self) -> str:
        """Give it, or fail."""
        if isinstance(self.motd, RequestRejected):
            raise self.motd
        return self.motd

    def test_reload(self) -> None:
        """Whoever comes in afterwards, or asks, is told the new message."""
        self.assertEqual(self.order(Verb.RELOAD), "the message of the day was read again")
        self.wire.send(ANN, b"ann", b"/motd")
        self.assertEqual(self.wire.take(ANN)[1:], [b"-!- be nice"] * 2)

    def test_what_cannot_be_read(self) -> None:
        """The old one stays, and the operator is told what is wrong, as much as fits."""
        self.motd = RequestRejected("RELOAD_FAILED", "cannot read it: " + "é" * 300)
        answer = self.order(Verb.RELOAD)
        self.assertTrue(answer.startswith("cannot read it: "))
        self.assertLessEqual(len(answer.encode()), REASON_BYTES)
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN)[1:], [b"-!- old"])

    def test_no_file(self) -> None:
        """A server that was given none says so."""
        self.wire = Wire(hub=Hub(operators=[OLGAS]))
        self.olga = Native(self.wire, HOME, "olga", key=OLGAS)
        self.assertIn("without a file", self.order(Verb.RELOAD))


class ShutDownTests(OperatorsServer):
    """The end."""

    def setUp(self) -> None:
        """Count how often the program is ended."""
        self.ends = 0
        self.wire = Wire(Settings(plain="all"), Hub(operators=[OLGAS]), means=Means(stop=self.end))
        self.olga = Native(self.wire, HOME, "olga", key=OLGAS)
        self.enter(ann=ANN)
        self.nat = Native(self.wire, NAT, "nat")
        self.wire.take(ANN)

    def end(self) -> None:
        """Note it, and do what a service does then."""
        self.ends += 1
        self.wire.server.shut_down()

    def goodbye(self, *said: str) -> float:
        """Let the end come; check that all were told of it, and give when the native member is to be back."""
        self.wire.clock.advance(1)
        self.assertEqual(self.ends, 1)
        self.assertEqual(
            self.wire.take(ANN), [*(f"-!- {each}".encode() for each in said), b"server is going down"]
        )
        told = self.nat.take_all()
        self.assertEqual([each.text for each in only(Notice, told)], list(said))
        (bye,) = only(Bye, told)
        self.assertEqual(bye.reason, "server is going down")
        return bye.reconnect_after

    def test_now(self) -> None:
        """The operator has the answer, all are told, and nobody's program comes back by itself."""
        self.assertEqual(self.order(Verb.SHUTDOWN), "the server goes down now")
        self.assertEqual(self.goodbye("olga (operator): the server goes down now"), 0.0)

    def test_later_and_back(self) -> None:
        """Announced beforehand; whose program speaks frames comes back."""
        answer = self.order(Verb.SHUTDOWN, BACK, "new disk", number=30)
        self.assertEqual(answer, "the server goes down in 30 s, and will be back: new disk")
        self.wire.clock.advance(29)
        self.assertEqual(self.ends, 0)
        self.assertGreater(self.goodbye(f"olga (operator): {answer}"), 0.0)

    def test_not_after_all(self) -> None:
        """Taken back once; a later end takes the place of the one before."""
        self.assertEqual(self.order(Verb.SHUTDOWN, CANCEL), "the server is not going down")
        self.order(Verb.SHUTDOWN, number=30)
        self.assertEqual(self.order(Verb.SHUTDOWN, CANCEL), "the server stays up")
        self.wire.clock.advance(40)
        self.assertEqual(self.ends, 0)
        self.order(Verb.SHUTDOWN, number=5)
        self.order(Verb.SHUTDOWN, number=50)
        self.wire.clock.advance(10)
        self.assertEqual(self.ends, 0)

    def test_ended_otherwise(self) -> None:
        """A signal before it: nothing ends twice, and clients come back as after any signal."""
        self.order(Verb.SHUTDOWN, number=30)
        self.nat.take_all()
        self.wire.server.shut_down()
        (bye,) = only(Bye, self.nat.take_all())
        self.assertGreater(bye.reconnect_after, 0.0)
        self.wire.clock.advance(50)
        self.assertEqual(self.ends, 0)


class WordsTests(OperatorsServer):
    """Words of an operator."""

    def test_wall(self) -> None:
        """Every door shows them, in whatever room one is."""
        self.enter(ann=ANN)
        sal, nat = Sealed(self.wire, NED), Native(self.wire, NAT, "nat")
        sal.say(b"sal")
        nat.send(Join(9, "dev"))
        self.wire.take(ANN), sal.take(), nat.take_all()
        self.assertEqual(self.order(Verb.WALL, text="down at 8"), "said to 4")
        line = b"-!- olga (operator): down at 8"
        self.assertEqual((self.wire.take(ANN), sal.take()), ([line], [line]))
        self.assertEqual(nat.take_all(), [Notice("olga (operator): down at 8")])
