"""Tests of `chat.server.protocol`: native members, beside plain ones, through a stand-in for DTLS."""

from __future__ import annotations

import errno

from chat.hub.entrance import REPLACED
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Change,
    Entry,
    Hello,
    Join,
    Joined,
    Part,
    Ping,
    Presence,
    Rejected,
    Welcome,
)
from chat.server.settings import Settings
from chat.wire.server_session import SILENT_SECONDS
from chat.wire.visit import ENTER_SECONDS
from tests.stub_channel import ALERT, GOODBYE, StubChannel, open_sealed
from tests.support import ANN, BOB, EVE, NAT, NED, Native, ServerTests, Wire, only, texts


class OneRoomTests(ServerTests):
    """Both kinds of members are in the same rooms."""

    def test_coming_in(self) -> None:
        """A Hello is welcomed, a Join answered; who is in the room already sees the newcomer."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT)
        nat.send(Hello(PROTOCOL_VERSION, nat.client, "nat"), Join(nat.next_id(), LOBBY))
        told = nat.take_all()
        self.assertEqual([welcome.nick for welcome in only(Welcome, told)], ["nat"])
        self.assertEqual([joined.count for joined in only(Joined, told)], [2])
        self.assertEqual(self.wire.take(ANN), [b"nat has joined the chat"])

    def test_a_talk(self) -> None:
        """Each says one thing: both see both, in one order, and the native author hears where its own is."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.take(ANN)
        self.wire.send(ANN, b"hello")
        nat.say("hi ann")
        told = nat.take_all()
        self.assertEqual(texts(told), ["hello", "hi ann"])
        self.assertEqual([entry.verified for entry in only(Entry, told)], [False, False])
        (accepted,) = only(Accepted, told)
        self.assertEqual(accepted.seq, only(Entry, told)[1].seq)
        self.assertEqual(self.wire.take(ANN), [b"ann: hello", b"nat: hi ann"])

    def test_answers_come_behind(self) -> None:
        """Nobody is told that they are in before they came, nor that a text is accepted before the text."""
        nat = Native(self.wire, NAT, "nat")
        ned = Native(self.wire, NED, "ned")
        nat.take_all()
        ned.take_all()
        for busy in (False, True):
            if busy:  # then what a room is told waits
                ned.say("busy")
            nat.send(Join(nat.next_id(), "tea"))
            self.assertEqual([type(told) for told in nat.take_all()][-2:], [Presence, Joined])
            nat.say("one", room="tea")
            self.assertEqual([type(told) for told in nat.take_all()][-2:], [Entry, Accepted])
            nat.send(Part(nat.next_id(), "tea"))
            nat.take_all()

    def test_no_echo_is_for_plain_members(self) -> None:
        """A native author gets its own entry with --no-echo too: it must see every position."""
        self.wire = Wire(Settings(echo=False))
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.take(ANN)
        nat.say("one")
        self.wire.send(ANN, b"two")
        self.assertEqual(texts(nat.take_all()), ["one", "two"])
        self.assertEqual(self.wire.take(ANN), [b"nat: one"])

    def test_other_rooms(self) -> None:
        """A plain member that speaks elsewhere sees the room's name before the line, from then on."""
        self.enter(ann=ANN, bob=BOB)
        nat = Native(self.wire, NAT, "nat")
        nat.say("before")
        self.wire.send(ANN, b"/join dev")
        nat.say("after")
        self.assertIn(b"nat: before", self.wire.take(ANN))
        nat.take_all()
        self.assertEqual(self.wire.take(BOB)[-1], b"nat: after")
        nat.send(Join(nat.next_id(), "dev"))
        nat.say("hi dev", "dev")
        nat.say("hi lobby")
        self.assertEqual(self.wire.take(ANN)[-2:], [b"nat: hi dev", b"[lobby] nat: hi lobby"])
        self.assertEqual(self.wire.take(BOB), [b"nat: hi lobby"])

    def test_a_turn_is_one_datagram(self) -> None:
        """What the lines of one turn tell a native member leaves together; a plain one gets each alone."""
        self.enter(ann=ANN, bob=BOB)
        nat = Native(self.wire, NAT, "nat")
        self.wire.port.written.clear()
        self.wire.send(ANN, b"one\ntwo\nthree")
        self.assertEqual(len([addr for _, addr in self.wire.port.written if addr == NAT]), 1)
        self.assertEqual(texts(nat.take()), ["one", "two", "three"])
        self.assertEqual(len(self.wire.take(BOB)), 3)

    def test_what_is_held_back_leaves_in_time(self) -> None:
        """The first entry after quiet at once, the next two together within 30 ms."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.clock.advance(1)
        nat.take()
        seen = []
        for text in (b"one", b"two", b"three"):
            self.wire.send(ANN, text)
            seen.append(texts(nat.take()))
        self.wire.clock.advance(0.03)
        self.assertEqual([*seen, texts(nat.take())], [["one"], [], [], ["two", "three"]])

    def test_answers_leave_from_the_address_that_was_spoken_to(self) -> None:
        """A native peer's from the handshake on, and from another when it speaks to another."""
        self.wire.port.spoken_to = b"one"
        nat = Native(self.wire, NAT, "nat")
        self.assertEqual(self.wire.port.sources[NAT], [(0, 0, b"one")])
        self.wire.port.spoken_to = b"two"
        nat.say("hi")
        nat.take_all()
        self.assertEqual(self.wire.port.sources[NAT], [(0, 0, b"two")])


class SessionTests(ServerTests):
    """Members outlive their sessions, and have one at a time."""

    def setUp(self) -> None:
        """Begin with a plain member who watches, and a native one."""
        super().setUp()
        self.enter(ann=ANN)
        self.nat = Native(self.wire, NAT, "nat")
        self.wire.port.written.clear()

    def test_a_new_address(self) -> None:
        """The same client id on a new session: the old one is told and ended, and nobody else notices."""
        moved = Native(self.wire, NED, client=self.nat.client)
        moved.send(Hello(PROTOCOL_VERSION, moved.client, "nat"))
        self.assertEqual([welcome.nick for welcome in only(Welcome, moved.take_all())], ["nat"])
        self.assertEqual(only(Bye, self.nat.take()), [Bye(REPLACED)])
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.send(ANN, b"hi")
        self.assertEqual(texts(moved.take_all()), ["hi"])
        self.assertEqual(self.nat.take(), [])

    def test_a_replaced_session_does_not_come_back(self) -> None:
        """What still arrives from the old address takes nothing away from the new session."""
        moved = Native(self.wire, NED, "nat")
        self.nat.say("too late")
        self.wire.send(ANN, b"hi")
        self.assertEqual(texts(moved.take_all()), ["hi"])
        self.assertEqual(texts(self.nat.take()), [])

    def test_a_refused_session_replaces_none(self) -> None:
        """Where a member's second Hello is refused nothing is heard, and nothing asked; the first goes on."""
        other = Native(self.wire, NED, client=self.nat.client)
        other.send(Hello(PROTOCOL_VERSION + 1, other.client, "nat"), Part(1, LOBBY))
        self.assertEqual([each.code for each in only(Rejected, other.take_all())], ["VERSION"])
        self.wire.send(ANN, b"hi")
        self.assertEqual((texts(self.nat.take_all()), other.take_all()), (["hi"], []))
        self.nat.say("hi ann")
        self.assertEqual(self.wire.take(ANN)[-1:], [b"nat: hi ann"])

    def test_a_reply_goes_to_the_present_session(self) -> None:
        """What was asked on an earlier session is answered to nobody; what is asked now, here."""
        moved = Native(self.wire, NED, "nat")
        moved.say("from here")
        self.assertEqual(len(only(Accepted, moved.take_all())), 1)
        self.assertEqual(only(Accepted, self.nat.take()), [])

    def test_silence(self) -> None:
        """A silent session is forgotten; its member stays for ten minutes and comes back unseen."""
        self.wire.clock.pump([1.0] * (int(SILENT_SECONDS) + 5))
        self.assertEqual(self.wire.take(ANN), [])
        self.nat.take()
        self.nat.say("is anybody there?")
        (alert,) = [open_sealed(datagram) for datagram in self.wire.take(NAT)]
        assert alert is not None
        self.assertEqual(alert[0], ALERT)
        back = Native(self.wire, NED, "nat")
        self.wire.send(ANN, b"hi")
        self.assertEqual(texts(back.take_all()), ["hi"])
        self.assertEqual(self.wire.take(ANN), [b"ann: hi"])

    def test_gone(self) -> None:
        """Ten minutes without a word, and the room sees the member leave."""
        self.wire.clock.pump([1.0] * 595)
        self.assertEqual(self.wire.take(ANN), [])
        self.wire.clock.pump([1.0] * 10)
        self.assertEqual(self.wire.take(ANN), [b"nat has left the chat"])

    def test_away_and_back(self) -> None:
        """Native members see who is away after a minute, and who is back."""
        watcher = Native(self.wire, NED, "ned")
        for _ in range(7):
            self.wire.clock.pump([1.0] * 10)
            watcher.send(Ping(watcher.next_id(), 0))
        self.assertIn(Change.AWAY, [presence.change for presence in only(Presence, watcher.take_all())])
        Native(self.wire, EVE, "nat")
        self.assertIn(Change.BACK, [presence.change for presence in only(Presence, watcher.take_all())])

    def test_leaving(self) -> None:
        """Bye ends member and session at once; the address is a stranger's again."""
        self.nat.send(Bye("enough"))
        self.wire.clock.advance(0.1)
        self.assertEqual(self.wire.take(ANN), [b"nat has left the chat"])
        self.wire.port.written.clear()
        Native(self.wire, NAT, "ned")
        self.assertEqual(self.wire.take(ANN), [b"ned has joined the chat"])

    def test_a_whole_visit_in_one_datagram(self) -> None:
        """Hello, Join and Bye at once are carried out, and nothing is left of it."""
        visitor = Native(self.wire, NED)
        visitor.send(Hello(PROTOCOL_VERSION, visitor.client, "ned"), Join(visitor.next_id(), LOBBY), Bye())
        visitor.take_all()
        self.assertEqual(self.wire.take(ANN), [b"ned has joined the chat", b"ned has left the chat"])

    def test_a_refused_nick(self) -> None:
        """The session stays: another Hello with another nick is welcomed."""
        other = Native(self.wire, NED, client=b"o" * 16)
        other.send(Hello(PROTOCOL_VERSION, other.client, "NAT"))
        self.assertEqual([refused.code for refused in only(Rejected, other.take_all())], ["NICK_IN_USE"])
        other.send(Hello(PROTOCOL_VERSION, other.client, "ned"))
        self.assertEqual([welcome.nick for welcome in only(Welcome, other.take_all())], ["ned"])

    def test_cannot_be_sent_to(self) -> None:
        """An address that can never be written to loses its session, and the member nothing."""
        self.wire.port.errors[NAT] = OSError(errno.EINVAL, "Invalid argument")
        self.wire.send(ANN, b"one")
        self.wire.port.errors.clear()
        self.wire.send(ANN, b"two")
        self.assertEqual(self.nat.take_all(), [])
        back = Native(self.wire, NED, "nat")
        self.wire.send(ANN, b"three")
        self.assertEqual(texts(back.take_all()), ["three"])
        self.assertEqual(self.wire.take(ANN), [b"ann: one", b"ann: two", b"ann: three"])

    def test_going_down(self) -> None:
        """All hear it, in what is held back too; native members are to come back, one after the other."""
        ned = Native(self.wire, NED, "ned")
        Native(self.wire, EVE)  # has not said who it is
        self.wire.port.written.clear()
        self.wire.send(ANN, b"one", b"two")
        done = self.wire.server.shut_down()
        self.wire.clock.advance(0.1)
        self.successResultOf(done)
        goodbyes = []
        for native in (self.nat, ned):
            told = native.take()
            self.assertEqual(texts(told), ["one", "two"])
            goodbyes += only(Bye, told)
        self.assertEqual({goodbye.reason for goodbye in goodbyes}, {"server is going down"})
        first, second = (goodbye.reconnect_after for goodbye in goodbyes)
        self.assertTrue(1 <= first < second < 2)
        self.assertEqual(self.wire.take(ANN)[-1], b"server is going down")
        (goodbye,) = [open_sealed(datagram) for datagram in self.wire.take(EVE)]
        assert goodbye is not None
        self.assertEqual(goodbye[0], GOODBYE)
        self.assertEqual(self.wire.clock.getDelayedCalls(), [])


class DoorTests(ServerTests):
    """The two doors do not mix."""

    def test_an_address_with_a_channel_is_never_plain(self) -> None:
        """A plain line from there is nobody's."""
        self.enter(ann=ANN)
        Native(self.wire, NAT, "nat")
        self.wire.port.written.clear()
        self.wire.send(NAT, b"mallory")
        self.wire.clock.advance(0.1)
        self.assertEqual(self.wire.port.written, [])

    def test_a_closed_plain_door(self) -> None:
        """--plain off closes the plain door only."""
        self.wire = Wire(Settings(plain="off"))
        nat = Native(self.wire, NAT, "nat")
        self.wire.send(ANN, b"ann")
        nat.say("alone")
        self.assertEqual(texts(nat.take_all()), ["alone"])
        self.assertEqual(self.wire.take(ANN), [])

    def test_forged_addresses(self) -> None:
        """A handshake from the server's own address, or from port 0, is dropped."""
        self.wire.port.own.add(NAT)
        for addr in (NAT, ("192.0.2.3", 0)):
            channel = StubChannel(b"12345678", 0.0)
            channel.handle_timeout(0.0)
            self.wire.send(addr, *channel.datagrams_to_send(0.0))
        self.assertEqual(self.wire.port.written, [])

    def test_rubbish_inside_a_channel(self) -> None:
        """It costs itself: the session goes on, and nobody else hears of it."""
        self.enter(ann=ANN)
        nat = Native(self.wire, NAT, "nat")
        self.wire.take(ANN)
        for rubbish in (b"", b"\xff" * 20, b"nat\n", b"\x91\x93\x02\x01\x01"):
            nat.send_raw(rubbish)
        nat.say("still here")
        self.assertEqual(texts(nat.take_all()), ["still here"])
        self.assertEqual(self.wire.take(ANN), [b"nat: still here"])

    def test_a_hello_that_never_comes(self) -> None:
        """A channel without a word is forgotten; then the address may begin anew."""
        silent = Native(self.wire, NAT)
        self.wire.clock.pump([1.0] * (int(ENTER_SECONDS) + 2))
        self.wire.port.written.clear()
        silent.send(Hello(PROTOCOL_VERSION, silent.client, "nat"))
        self.assertEqual(silent.take_all(), [])
        nat = Native(self.wire, NAT, "nat")
        nat.say("here")
        self.assertEqual(texts(nat.take_all()), ["here"])

    def test_no_listener(self) -> None:
        """Without a native door its datagrams are a stranger's rubbish."""
        silent = Wire(native=False)
        channel = StubChannel(b"12345678", 0.0)
        channel.handle_timeout(0.0)
        silent.send(ANN, *channel.datagrams_to_send(0.0))
        self.assertEqual(silent.port.written, [])
