"""Tests of direct messages between people who speak text, through a whole server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import formatEvent, globalLogPublisher

from chat.hub.owners import log_name
from chat.messages import Bye, Entry, Join, is_direct
from chat.server.settings import Settings
from chat.wire.lines import NICK_TAKEN
from tests.support import (
    ANN,
    BOB,
    NAT,
    NED,
    START,
    BrokenStore,
    Native,
    Sealed,
    ServerTests,
    Wire,
    only,
    texts,
)

if TYPE_CHECKING:
    from twisted.logger import LogEvent

CAT = ("10.0.0.3", 1003)
KEY, OTHER = b"k" * 32, b"o" * 32
YOURS = b"-!- ned is yours: nobody else can be called so (/release gives it up)"


class InTheClearTests(ServerTests):
    """Nobody has a key here: what is said to one person alone goes to whoever has the nick now."""

    def test_one_reader(self) -> None:
        """It shows as one line with the reader's line end; who said it has a notice, nobody else anything."""
        self.enter(ann=ANN, cat=CAT)
        self.wire.send(BOB, b"bob\n", b"/join dev\n")
        self.wire.port.written.clear()
        self.wire.send(ANN, b"/msg BOB psst")
        self.assertEqual(self.wire.take(BOB), [b"ann -> you: psst\n"])
        self.assertEqual(self.wire.take(ANN), [b"-!- said to BOB alone"])
        self.assertEqual(self.wire.take(CAT), [])

    def test_in_order_among_other_texts(self) -> None:
        """The reader gets what one says in the order in which it was said, whoever it was for."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"one\n/msg bob two\nthree\n")
        self.assertEqual(self.wire.take(BOB), [b"ann: one", b"ann -> you: two", b"ann: three"])

    def test_in_no_room(self) -> None:
        """Neither side needs one."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"/part")
        self.wire.send(BOB, b"/part")
        self.wire.port.written.clear()
        self.wire.send(ANN, b"/m bob psst")
        self.assertEqual(self.wire.take(BOB), [b"ann -> you: psst"])

    def test_nobody(self) -> None:
        """Who is not here and owns no nick cannot be told anything, then or later."""
        self.enter(ann=ANN)
        self.wire.send(ANN, b"/msg bob psst")
        (told,) = self.wire.take(ANN)
        self.assertTrue(told.startswith(b"-!- nobody here is called bob"), told)
        self.wire.send(BOB, b"bob")
        self.assertEqual(self.wire.take(BOB), [b"bob has joined the chat"])

    def test_not_again(self) -> None:
        """It is in no room: /history brings what the room heard, and nobody's /join finds it."""
        self.enter(ann=ANN, bob=BOB)
        self.wire.send(ANN, b"hello", b"/msg bob psst")
        self.wire.port.written.clear()
        for reader in (ANN, BOB):
            self.wire.send(reader, b"/history 2h", b"/join @", b"/join @bob", b"/list")
            told = self.wire.take(reader)
            self.assertEqual(told[0], b"ann: hello")
            self.assertEqual([line for line in told if b"psst" in line or b"(1)" in line], [])
            self.assertEqual(told[-1], b"-!- lobby (2)")

    def test_to_oneself(self) -> None:
        """Comes back, on a server too that does not bring back what one says in a room."""
        self.wire = Wire(Settings(echo=False))
        self.enter(ann=ANN)
        self.wire.send(ANN, b"hello", b"/msg ann psst")
        self.assertEqual(self.wire.take(ANN), [b"ann -> you: psst", b"-!- said to ann alone"])

    def test_the_store_fails(self) -> None:
        """The reader gets nothing, and who said it is told."""
        store = BrokenStore(lambda: START)
        self.wire = Wire(store=store)
        self.enter(ann=ANN, bob=BOB)
        store.error = OSError("no disk")
        self.wire.send(ANN, b"/msg bob psst")
        self.assertEqual(self.wire.take(ANN), [b"-!- not done, the store failed: try again"])
        self.assertEqual(self.wire.take(BOB), [])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_two_servers(self) -> None:
        """A line that was said to another server alone makes no member of this one, and gets no answer."""
        self.wire.send(ANN, b"eve -> you: psst")
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.send(ANN, b"ann")
        self.assertEqual(self.wire.take(ANN), [b"ann has joined the chat"])

    def test_nothing_belongs_to_them(self) -> None:
        """There is nothing to release and no other device to link, and they are told so."""
        self.enter(ann=ANN)
        self.wire.send(ANN, b"/release", b"/link")
        told = self.wire.take(ANN)
        self.assertEqual([line[:4] for line in told], [b"-!- "] * 2)

    def test_the_log(self) -> None:
        """The operator reads neither the text nor who said it to whom."""
        events: list[LogEvent] = []
        watch: Any = events.append
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        self.enter(ann=ANN, bob=BOB)
        ned = Sealed(self.wire, NED, key=KEY)
        ned.say(b"ned")
        events.clear()
        self.wire.send(ANN, b"/msg bob psst", b"/msg ned psst", b"/msg eve psst")
        ned.say(b"/msg bob psst")
        self.assertEqual(self.wire.take(BOB)[-2:], [b"ann -> you: psst", b"ned -> you: psst"])
        self.assertEqual([formatEvent(event) for event in events], [])


class OwnerTests(ServerTests):
    """Who speaks text in a channel, with a certificate, has nicks, and messages wait for them."""

    def enter_ned(self) -> Sealed:
        """Let the owner of ned come in; give it, with what it was told."""
        ned = Sealed(self.wire, NED, key=KEY)
        ned.say(b"ned")
        return ned

    def test_what_has_waited(self) -> None:
        """It comes behind the first lines, in order, once; the author hears that it waits."""
        self.enter(ann=ANN)
        ned = self.enter_ned()
        self.assertEqual(ned.take(), [b"ned has joined the chat", YOURS])
        ned.say(b"exit")
        self.wire.clock.advance(3)
        self.wire.take(ANN)
        self.wire.send(ANN, b"/msg ned one", b"/msg ned two")
        self.assertEqual(self.wire.take(ANN), [b"-!- ned is not here: that waits for ned"] * 2)
        ned = self.enter_ned()
        self.assertEqual(
            ned.take(), [b"ned has joined the chat", YOURS, b"ann -> you: one", b"ann -> you: two"]
        )
        self.wire.take(ANN)
        self.wire.send(ANN, b"/msg ned three")
        self.assertEqual(ned.take(), [b"ann -> you: three"])
        self.assertEqual(self.wire.take(ANN), [b"-!- said to ned alone"])
        ned.say(b"exit")
        self.wire.clock.advance(3)
        self.assertEqual(self.enter_ned().take(), [b"ned has joined the chat", YOURS])

    def test_from_door_to_door(self) -> None:
        """Who speaks frames and who speaks text understand one another."""
        self.enter(ann=ANN)
        ned = self.enter_ned()
        nat = Native(self.wire, NAT, "nat", key=OTHER)
        nat.send(Join(nat.next_id(), log_name(OTHER)))
        ned.take()
        nat.say("psst", room="@ned")
        nat.say("psst", room="@ann")
        self.assertEqual(ned.take(), [b"nat -> you: psst"])
        self.assertEqual(self.wire.take(ANN)[-1], b"nat -> you: psst")
        ned.say(b"/msg nat psst")
        self.assertEqual(ned.take(), [b"-!- said to nat alone"])
        self.assertEqual(texts(nat.take_all()), ["psst"])
        nat.send(Bye())
        ned.say(b"/msg nat psst")
        self.assertEqual(ned.take()[-1], b"-!- nat is not here: that waits for nat")

    def test_whose_nick_it_is(self) -> None:
        """Nobody else comes in by it, until it is given up and nobody has it."""
        ned = self.enter_ned()
        ned.say(b"/release", b"/release", b"exit")
        told = ned.take()
        self.assertEqual(told[2], b"-!- ned is not yours any more: anybody may take it when nobody has it")
        self.assertTrue(told[3].startswith(b"-!- "), told)
        self.wire.clock.advance(3)
        self.wire.send(ANN, b"ned")
        self.assertEqual(self.wire.take(ANN), [b"ned has joined the chat"])

    def test_nobody_else(self) -> None:
        """At the plain door it is taken, in the words of old, whether its owner is here or not."""
        ned = self.enter_ned()
        for _ in range(2):
            self.wire.send(ANN, b"ned")
            self.assertEqual(self.wire.take(ANN), [NICK_TAKEN.encode()])
            ned.say(b"exit")
            self.wire.clock.advance(3)

    def test_another_device(self) -> None:
        """The notice holds a code, which is another one each time."""
        ned = self.enter_ned()
        ned.take()
        ned.say(b"/link", b"/link")
        codes = [line.rpartition(b" ")[2] for line in ned.take()]
        self.assertEqual(len(set(codes)), 2)
        self.assertEqual([len(code) for code in codes], [14, 14])

    def test_nobody_sees_its_log(self) -> None:
        """What waited for its reader is sent to that one alone, and no room shows anything of it."""
        nat = Native(self.wire, NAT, "nat", key=OTHER)
        self.enter_ned().say(b"exit")
        self.wire.clock.advance(3)
        nat.take_all()
        nat.say("psst", room="@ned")
        ned = self.enter_ned()
        self.assertIn(b"nat -> you: psst", ned.take())
        self.assertEqual([entry for entry in only(Entry, nat.take_all()) if is_direct(entry.room)], [])
