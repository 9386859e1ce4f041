"""Tests of `chat.server.protocol`: plain text inside a channel, beside plain and native members."""

from __future__ import annotations

import errno
import os

from chat.hub.hub import MAX_MEMBERS, Hub
from chat.server.book import ENTERING
from chat.server.port import WRITES_A_TURN
from chat.server.settings import Settings
from chat.wire.visit import ENTER_SECONDS, GRACE_SECONDS
from tests.stub_channel import ALERT, GOODBYE, StubChannel, open_sealed
from tests.support import (
    ANN,
    BOB,
    EVE,
    NAT,
    NED,
    Native,
    Sealed,
    ServerTests,
    SlowStore,
    Wire,
    texts,
    unlimited,
)

FAR = ("8.8.8.8", 5003)


class TalkTests(ServerTests):
    """All three doors lead into the same rooms."""

    def test_a_talk(self) -> None:
        """Each says something: all see all, in one order, and the newcomer its joined line first."""
        self.wire = Wire(hub=Hub("be nice", limits=unlimited()))
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        ned = Sealed(self.wire, NED)
        ned.say(b"ned\n")
        self.assertEqual(ned.take(), [b"ned has joined the chat\n-!- be nice\n"])
        ned.say(b"hi\n")
        self.wire.send(ANN, b"hello")
        nat.say("welcome")
        lines = [b"ned: hi", b"ann: hello", b"nat: welcome"]
        self.assertEqual(b"".join(ned.take()), b"".join(line + b"\n" for line in lines))
        self.assertEqual(self.wire.take(ANN)[-3:], lines)
        self.assertEqual(texts(nat.take_all()), ["hi", "hello", "welcome"])

    def test_line_ends_and_marks(self) -> None:
        """As at the plain door: line ends for those who send them, the room's name before another's line."""
        ned, far = Sealed(self.wire, NED), Sealed(self.wire, FAR)
        ned.say(b"ned\n", b"/join dev\n")
        far.say(b"far")
        ned.take()
        far.take()
        far.say(b"hi")
        self.assertEqual((ned.take(), far.take()), ([b"[lobby] far: hi\n"], [b"far: hi"]))

    def test_a_paste_keeps_its_order(self) -> None:
        """200 lines in one record are 200 records, with what they call for in its place among them."""
        ned, far = Sealed(self.wire, NED), Sealed(self.wire, FAR)
        ned.say(b"ned")
        far.say(b"far")
        far.take()
        ned.take()
        ned.say(b"".join(b"%d\n" % number for number in range(150)) + b"/names\nlast")
        said = [b"ned: %d" % number for number in range(150)]
        self.assertEqual(far.take(), [*said, b"ned: last"])
        told = [line.removesuffix(b"\n") for line in ned.take()]
        self.assertEqual(told, [*said, b"-!- 2 here (~ is not verified): ~far ~ned", b"ned: last"])

    def test_much_is_written_before_the_turn_ends(self) -> None:
        """What goes to channels counts, so that the port sees it and ends the turn early."""
        for number in range(21):
            Sealed(self.wire, (f"192.0.2.{number}", 1000)).say(b"n%d" % number)
        self.wire.send(ANN, b"ann")
        self.wire.server.datagramReceived(b"\n".join([b"hi"] * 200), ANN)
        self.assertGreater(len(self.wire.port.written), WRITES_A_TURN)

    def test_an_entry_goes_out_once(self) -> None:
        """It is not said again, as it is to native members."""
        Native(self.wire, NAT, "nat")
        ned = Sealed(self.wire, NED)
        ned.say(b"ned", b"hi")
        ned.take()
        self.wire.clock.pump([0.25] * 12)
        self.assertEqual(ned.take(), [])

    def test_no_echo(self) -> None:
        """With --no-echo a sealed author does not get its own lines either."""
        self.wire = Wire(Settings(echo=False))
        ned, far = Sealed(self.wire, NED), Sealed(self.wire, FAR)
        far.say(b"far")
        ned.say(b"ned", b"hi")
        self.assertEqual(ned.take(), [b"ned has joined the chat"])
        self.assertEqual(far.take()[-1], b"ned: hi")

    def test_rubbish(self) -> None:
        """What is not UTF-8 costs itself: its author is told, nobody else hears of it."""
        self.enter(ann=ANN)
        ned = Sealed(self.wire, NED)
        ned.say(b"ned", b"caf\xe9", b"", b"\x91\x93\x02", b"ok")
        self.assertEqual(
            ned.take(),
            [
                b"ned has joined the chat",
                b"-!- that was not UTF-8: nothing of it was passed on",
                b"ned: ok",
            ],
        )
        self.assertEqual(self.wire.take(ANN), [b"ned has joined the chat", b"ned: ok"])


class StrangerTests(ServerTests):
    """Whoever has proved an address is not held to what unproven ones are."""

    def test_from_any_network(self) -> None:
        """Whatever --plain says: its rules are for those who prove nothing."""
        for plain in ("trusted", "off"):
            self.wire = Wire(Settings(plain=plain))
            far = Sealed(self.wire, FAR)
            far.say(b"far")
            self.assertEqual(far.take(), [b"far has joined the chat"])

    def test_a_refused_nick(self) -> None:
        """Is answered as often as it is asked for, and the next line is another nick."""
        self.enter(ann=ANN)
        ned = Sealed(self.wire, NED)
        ned.say(*[b"ann"] * 20, b"ned")
        self.assertEqual(ned.take(), [b"nama ini sudah diambil"] * 20 + [b"ned has joined the chat"])

    def test_saying_nothing(self) -> None:
        """For 120 s, or white space only: the channel ends, and the address is a stranger's again."""
        silent, blank = Sealed(self.wire, NED), Sealed(self.wire, FAR)
        blank.say(b"\n")
        self.wire.clock.pump([1.0] * (int(ENTER_SECONDS) - 1))
        self.assertEqual((silent.take(), blank.take()), ([], []))
        self.assertFalse(silent.channel.is_over)
        self.wire.clock.pump([1.0] * 2)
        self.assertEqual((silent.take(), blank.take()), ([], [b"-!- you did not come in within 120 s\n"]))
        self.assertTrue(silent.channel.is_over)
        self.assertTrue(blank.channel.is_over)
        again = Sealed(self.wire, NED)
        again.say(b"ned")
        self.assertEqual(again.take(), [b"ned has joined the chat"])

    def test_the_first_word_decides(self) -> None:
        """Frames are a native client's, whatever comes later; all else is text."""
        native = Native(self.wire, NAT)
        native.send_raw(b"\x91\x92\x05\xa0")  # Bye: of nobody yet
        native.send_raw(b"nat\n")
        self.assertEqual(native.take_raw(), [])
        for first in (b"\x8f", b"\xa0", b"\xdc\x00\x10", b"\x00", b"\xff", b""):
            ned = Sealed(self.wire, NED)
            ned.say(first, b"ned")
            self.assertEqual(ned.take(), [b"ned has joined the chat"], first)
            ned.close()


class LeavingTests(ServerTests):
    """A channel of text ends with its member, and the member with its channel."""

    def setUp(self) -> None:
        """Let a plain member watch a sealed one."""
        super().setUp()
        self.enter(ann=ANN)
        self.ned = Sealed(self.wire, NED)
        self.ned.say(b"ned\n")
        self.ned.take()
        self.wire.port.written.clear()

    def test_exit(self) -> None:
        """What was said before it is heard, then the channel says goodbye; the address is forgotten."""
        self.ned.say(b"bye all\nexit\nlate\n")
        self.assertEqual(self.ned.take(), [b"ned: bye all\n"])
        self.assertTrue(self.ned.channel.is_over)
        self.assertEqual(self.wire.take(ANN), [b"ned: bye all", b"ned has left the chat"])
        self.ned.say(b"later")
        self.assertEqual(self.kinds(), [ALERT])
        again = Sealed(self.wire, NED)
        again.say(b"ned")
        self.assertEqual(again.take(), [b"ned has joined the chat"])

    def test_a_whole_visit(self) -> None:
        """A script's record of three lines is a join, a text and a leave, and it sees its own text."""
        bot = Sealed(self.wire, FAR)
        bot.say(b"bot\nbackup done\nexit\n")
        self.assertEqual(bot.take(), [b"bot has joined the chat\nbot: backup done\n"])
        self.assertTrue(bot.channel.is_over)

    def test_a_whole_visit_and_a_slow_store(self) -> None:
        """The channel waits for the store, 2 s at most: then it ends, and the leave is seen when it comes."""
        for patience in (GRACE_SECONDS / 2, 2 * GRACE_SECONDS):
            store = SlowStore()
            wire = Wire(store=store)
            wire.send(ANN, b"ann")
            bot = Sealed(wire, FAR)
            bot.say(b"bot\nbackup done\nexit\n")
            bot.take()
            wire.port.written.clear()
            wire.clock.pump([0.5] * int(2 * patience))
            store.go_on()
            self.assertEqual(wire.take(ANN), [b"bot: backup done", b"bot has left the chat"])
            self.assertEqual(bot.take(), [b"bot: backup done\n"] if patience < GRACE_SECONDS else [])
            self.assertTrue(bot.channel.is_over)

    def test_exit_of_a_stranger(self) -> None:
        """And of one whose nick was refused: nothing holds the channel."""
        for lines in ([b"exit"], [b"ann\nexit"], [b"ann", b"exit"]):
            stranger = Sealed(self.wire, FAR)
            stranger.say(*lines)
            stranger.take()
            self.assertTrue(stranger.channel.is_over, lines)
        self.assertEqual(self.wire.take(ANN), [])

    def test_the_goodbye_of_a_channel(self) -> None:
        """Is what `exit` is (openssl s_client says it when its input ends)."""
        self.ned.say(b"bye")
        self.ned.close()
        self.assertEqual(self.wire.take(ANN), [b"ned: bye", b"ned has left the chat"])

    def test_the_goodbye_of_a_native_channel(self) -> None:
        """Is none: its member may come back on another, and nobody sees that it was gone."""
        nat = Native(self.wire, NAT, "nat")
        self.wire.take(ANN)
        nat.close()
        self.assertEqual(self.wire.take(ANN), [])
        back = Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"hi")
        self.assertEqual(texts(back.take_all()), ["hi"])
        self.assertEqual(self.wire.take(ANN), [b"ann: hi"])

    def test_silence(self) -> None:
        """After the idle time-out one notice, a leave and a goodbye; nothing brings it back."""
        self.wire.clock.advance(900)
        self.ned.say(b"here")
        self.wire.clock.advance(800)
        self.wire.send(ANN, b"here too")
        self.ned.take()
        self.wire.port.written.clear()
        self.wire.clock.pump([999, 1, 1])
        self.assertEqual(self.ned.take(), [b"-!- you were silent for 1800 s and left\n"])
        self.assertTrue(self.ned.channel.is_over)
        self.assertIn(b"ned has left the chat", self.wire.take(ANN))
        self.ned.say(b"back")
        self.assertEqual(self.kinds(), [ALERT])

    def test_cannot_be_sent_to(self) -> None:
        """An address that can never be written to loses its channel, and the member goes with it."""
        self.wire.port.errors[NED] = OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self.wire.send(ANN, b"hi")
        self.assertEqual(self.wire.take(ANN), [b"ann: hi", b"ned has left the chat"])

    def test_going_down(self) -> None:
        """Each is told in words, then by the channel; nobody hears that the others left."""
        Sealed(self.wire, FAR)  # has said nothing
        self.ned.take()
        self.wire.port.written.clear()
        self.successResultOf(self.wire.server.shut_down())
        self.assertEqual(self.ned.take(), [b"server is going down\n"])
        self.assertTrue(self.ned.channel.is_over)
        self.assertEqual(
            [opened and opened[0] for opened in map(open_sealed, self.wire.take(FAR))], [GOODBYE]
        )
        self.assertEqual(self.wire.take(ANN), [b"server is going down"])
        self.assertEqual(self.wire.clock.getDelayedCalls(), [])

    def kinds(self) -> list[int]:
        """Give the kinds of what was written to Ned's address."""
        return [opened[0] for opened in map(open_sealed, self.wire.take(NED)) if opened]


class SameAddressTests(ServerTests):
    """Another program on a port that is known already."""

    def test_a_plain_member_takes_a_safer_program(self) -> None:
        """Once that has proved the address its channel takes the place; the plain member has left."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(BOB, b"hi")
        self.wire.port.written.clear()
        bob = Native(self.wire, BOB, "bob")
        self.assertEqual(self.wire.take(ANN), [b"bob has left the chat", b"bob has joined the chat"])
        bob.say("better")
        self.assertEqual(texts(bob.take_all()), ["better"])
        self.wire.send(BOB, b"in the clear")
        self.assertEqual(self.wire.take(ANN), [b"bob: better"])

    def test_who_has_just_left(self) -> None:
        """An address that is ignored after `exit`, or may come back, may come by the other door."""
        self.enter(ann=ANN, bob=BOB, eve=EVE)
        self.wire.send(BOB, b"exit")
        bob = Native(self.wire, BOB, "bob")
        bob.say("hi")
        self.assertEqual(texts(bob.take_all()), ["hi"])
        self.wire.clock.advance(1801)
        eve = Sealed(self.wire, EVE)
        eve.say(b"eve")
        self.assertEqual(eve.take(), [b"eve has joined the chat"])

    def test_a_client_that_begins_anew(self) -> None:
        """Not while the channel is alive. After 20 s without a word of it the new one takes its place.

        A native member stays for the client that comes back; one who spoke text has left.
        """
        self.enter(ann=ANN)
        nat, ned = Native(self.wire, NAT, "nat"), Sealed(self.wire, NED)
        ned.say(b"ned")
        self.wire.take(ANN)
        for wait in (0, 19):
            self.wire.clock.advance(wait)
            for addr in (NAT, NED):
                self.assertFalse(Sealed(self.wire, addr, other_channel(self.wire)).channel.is_up)
        nat.say("still here")
        ned.say(b"here too")
        self.assertEqual(self.wire.take(ANN), [b"nat: still here", b"ned: here too"])
        self.wire.clock.advance(20)
        nat.take()
        ned.take()
        again = Sealed(self.wire, NED, other_channel(self.wire))
        self.assertEqual(self.wire.take(ANN), [b"ned has left the chat"])
        again.say(b"ned")
        self.assertEqual(again.take(), [b"ned has joined the chat"])
        back = Native(self.wire, NAT, "nat", channel=other_channel(self.wire))
        self.wire.send(ANN, b"who is there?")
        self.assertEqual(texts(back.take_all()), ["who is there?"])
        self.assertEqual(self.wire.take(ANN), [b"ned has joined the chat", b"ann: who is there?"])
        nat.say("too late")
        self.assertEqual(self.wire.take(ANN), [])

    def test_channels_are_bounded(self) -> None:
        """There are 6,000. Until one ends no other hello is answered, a plain member's neither."""
        self.enter(ann=ANN)
        for number in range(MAX_MEMBERS + ENTERING - 1):
            Sealed(self.wire, (f"192.0.{number >> 8}.{number & 255}", 7))
        last = Sealed(self.wire, NED)
        for addr in (FAR, ANN):
            self.assertFalse(Sealed(self.wire, addr).channel.is_up)
        self.wire.send(ANN, b"still here")
        self.assertEqual(self.wire.take(ANN), [b"ann: still here"])
        self.wire.clock.advance(25)
        self.assertTrue(Sealed(self.wire, NED, other_channel(self.wire)).channel.is_up)
        self.assertFalse(Sealed(self.wire, FAR).channel.is_up)
        last.close()  # has lost its place
        self.assertFalse(Sealed(self.wire, FAR).channel.is_up)
        self.wire.clock.pump([1.0] * int(ENTER_SECONDS))
        self.wire.port.written.clear()
        for addr in (FAR, ANN):
            self.assertTrue(Sealed(self.wire, addr).channel.is_up)

    def test_within_one_turn(self) -> None:
        """What the old channel was to be sent in the turn in which it is replaced is sent to nobody."""
        self.enter(ann=ANN)
        ned = Sealed(self.wire, NED)
        ned.say(b"ned")
        self.wire.clock.advance(25)
        self.wire.port.written.clear()
        again = other_channel(self.wire)
        again.handle_timeout(25.0)
        self.wire.server.datagramReceived(b"hi", ANN)
        for hello in again.datagrams_to_send(25.0):
            self.wire.server.datagramReceived(hello, NED)
        self.wire.server.turn_ended()
        (welcome,) = self.wire.take(NED)
        again.receive_datagram(welcome, 25.0)
        self.assertTrue(again.is_up)


def other_channel(wire: Wire) -> StubChannel:
    """Give a client's channel with another random than those that were made before."""
    return StubChannel(b"new %4d" % int(wire.clock.seconds()), wire.clock.seconds())
