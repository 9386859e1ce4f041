"""Tests of `chat.client.protocol`: how a client comes back, and how it goes for good."""

from __future__ import annotations

import errno
import itertools
import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from chat.client.happenings import Abandoned, Link, LinkChanged
from chat.messages import Bye, Done, Hello, Names, NamesPage, Rejected, Release, Rooms, Welcome
from chat.wire.dtls_records import UNKNOWN_SESSION
from chat.wire.dtls_server_channel import ServerChannel
from chat.wire.events import Ended, InRoom, NumberReused, PathLost, Refused
from chat.wire.frames import decode_requests, encode_frame, join_frames
from tests.client_network import HOME, Host, NetworkTestCase, Person, ScriptedHost


class ReturnTests(NetworkTestCase):
    """The way back."""

    def setUp(self) -> None:
        """Let Ann and Bob in."""
        super().setUp()
        self.host = Host(self.network)
        self.ann, self.bob = self.enter("ann"), self.enter("bob")

    def assert_back(self, *people: Person) -> None:
        """Check that they were away once, and are back."""
        for person in people:
            self.assertEqual(person.links, ["connected", "silent", "connected"])
            self.assertEqual(len(person.reactor.open_ports), 1)

    def test_kill_and_restart(self) -> None:
        """A server that is killed and started again is back for talkers and silent ones within 10 s."""
        self.network.run(20.0)
        self.host.restart()
        saying = self.ann.client.say("hello")
        self.network.run(10.0)
        self.successResultOf(saying)
        self.assert_back(self.ann, self.bob)
        self.ann.client.say("to all of you")
        self.network.run()
        self.assertEqual(self.bob.texts[-1], "to all of you")

    def test_an_outage(self) -> None:
        """What is said while the server is away is said once it is back, in order and once."""
        self.host.kill()
        sayings = [self.ann.client.say(f"{number}") for number in range(20)]
        self.network.run(30.0)
        self.assertIs(self.ann.client.state, Link.SILENT)
        self.assertEqual(self.ann.client.unsettled, 20)
        self.host.start()
        self.network.run(25.0)
        for saying in sayings:
            self.successResultOf(saying)
        self.assertEqual(self.ann.texts, [f"{number}" for number in range(20)])

    def test_rooms_meanwhile(self) -> None:
        """Who leaves a room, or joins one, while the server is away does so when it is back."""
        self.host.kill()
        self.network.run(15.0)
        client = self.ann.client
        parting, joining, forgotten = client.part("lobby"), client.join("dev"), client.join("attic")
        self.assertIsNone(self.successResultOf(client.part("attic")))
        self.failureResultOf(forgotten, Abandoned)
        self.assertNoResult(parting)
        self.host.start()
        self.network.run(15.0)
        self.assertIsNone(self.successResultOf(parting))
        self.assertEqual(self.successResultOf(joining).room, "dev")
        log = client.direct
        self.assertEqual([each.joined.room for each in self.ann.told(InRoom)], ["lobby", log, log, "dev"])

    def test_where_we_were(self) -> None:
        """A room that we were in is joined when we are in it again, not before."""
        self.host.kill()
        self.network.run(15.0)
        joining = self.ann.client.join("lobby")
        self.assertNoResult(joining)
        self.host.start()
        self.network.run(15.0)
        self.successResultOf(joining)

    def test_a_goodbye(self) -> None:
        """A server that goes and asks us back is given the time it wants."""
        self.host.server.shut_down()
        self.network.run(0.2)
        (ended,) = self.ann.told(Ended)
        self.assertGreaterEqual(ended.reconnect_after, 1.0)
        self.assertIs(self.ann.client.state, Link.SILENT)
        self.host.restart()
        self.network.run(0.5)
        self.assertIs(self.ann.client.state, Link.SILENT)
        self.network.run(1.0)
        self.assert_back(self.ann, self.bob)

    def test_replaced(self) -> None:
        """Who is told not to come back does not, and says why."""
        other = Person(self, "ann", random=_Known().bytes)
        other.client.connect()
        self.network.run()
        again = Person(self, "ann", random=_Known().bytes)
        again.client.connect()
        self.network.run()
        self.assertIn("replaced", self.successResultOf(other.client.closed))
        self.network.run(30.0)
        self.assertIs(other.client.state, Link.CLOSED)
        self.assertIs(again.client.state, Link.CONNECTED)
        self.assertEqual(other.reactor.open_ports, [])

    def test_roaming(self) -> None:
        """Who has another address from now on is back in two seconds; nobody misses or sees a thing twice."""
        (port,) = self.ann.reactor.open_ports
        self.network.hosts[("10.9.9.9", 9)] = self.network.hosts.pop(port.addr)
        port.addr = ("10.9.9.9", 9)
        saying = [self.ann.client.say(f"{number}") for number in range(5)]
        self.network.run(2.0)
        for each in saying:
            self.successResultOf(each)
        self.assert_back(self.ann)
        self.assertEqual(self.bob.texts, [f"{number}" for number in range(5)])
        self.assertEqual(self.ann.texts, self.bob.texts)

    def test_sleep(self) -> None:
        """A machine that slept asks at once whether its path still works, and is back soon if not."""
        self.network.run(1.0)
        self.host.restart()
        self.ann.clocks.slept += 3_600.0
        self.network.run(4.0)
        self.assert_back(self.ann)
        self.assertEqual(self.bob.links, ["connected"])

    def test_sleep_without_a_server(self) -> None:
        """It does not take as long as silence on a machine that is awake."""
        self.network.run(1.0)
        self.host.kill()
        self.ann.clocks.slept += 5.0
        self.network.run(3.5)
        self.assertEqual(len(self.ann.told(PathLost)), 1)

    def test_a_nap(self) -> None:
        """A path that survived the sleep is kept."""
        self.network.run(1.0)
        self.ann.clocks.slept += 20.0
        self.network.run(5.0)
        self.assertEqual(self.ann.links, ["connected"])
        self.assertEqual(len(self.ann.reactor.ports), 1)

    def test_loss(self) -> None:
        """With 30 % of all datagrams lost each way, all is said and heard, in order and once."""
        self.network.is_lost = lambda _: self.network.dice.random() < 0.3
        sayings = [self.ann.client.say(f"{number}") for number in range(60)]
        self.network.run(20.0)
        for saying in sayings:
            self.successResultOf(saying)
        for person in (self.ann, self.bob):
            self.assertEqual(person.texts, [f"{number}" for number in range(60)])

    def test_forgeries(self) -> None:
        """Alerts and records that others write end nothing: the server is asked, and answers."""
        (port,) = self.ann.reactor.open_ports
        for _ in range(100):
            for forged in (UNKNOWN_SESSION, bytes((23, 254, 253, 0, 1, *bytes(6), 0, 40, *bytes(40)))):
                self.network.send(forged, HOME, port.addr)
            self.network.run(0.1)
        self.assertEqual(self.ann.links, ["connected"])
        saying = self.ann.client.say("unmoved")
        self.network.run()
        self.successResultOf(saying)
        before = len(self.sent_by(self.ann))
        self.network.run(10.0)
        self.assertLess(len(self.sent_by(self.ann)) - before, 10)

    def test_a_broken_interface(self) -> None:
        """Datagrams that cannot be written are lost; when the path is given up there is another socket."""
        for port in self.ann.reactor.open_ports:
            port.error = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.ann.client.say("hello")
        self.network.run(10.0)
        self.assert_back(self.ann)
        self.assertEqual(self.bob.texts, ["hello"])

    def eve_as_ann(self) -> Person:
        """Let Eve ask for Ann's nick when the server is back, sooner than Ann does."""
        self.host.kill()
        self.network.run(10.0)
        self.host.start()
        eve = Person(self, "ann", identity_name="eve")
        eve.client.connect()
        return eve

    def test_somebody_took_the_nick(self) -> None:
        """Who finds the nick taken on coming back asks again every 10 s: it may be given up."""
        eve = self.eve_as_ann()
        self.network.run(15.0)
        self.assertIs(eve.client.state, Link.CONNECTED)
        owned = "ann belongs to somebody else: take another nick"
        self.assertEqual(self.ann.told(LinkChanged)[-1], LinkChanged(Link.SILENT, owned))
        eve.client.ask(Release(1))
        self.network.run()
        eve.client.leave()
        self.network.run(12.0)
        self.assertIs(self.ann.client.state, Link.CONNECTED)
        self.assertEqual(self.ann.client.nick, "ann")

    def test_leaving_then(self) -> None:
        """Who leaves when it is time to ask again just leaves."""
        self.eve_as_ann()
        while not self.ann.told(Refused):
            self.network.run(0.01)
        self.host.kill()
        self.network.run(9.8)
        leaving = self.ann.client.leave()
        self.network.run(1.0)
        self.successResultOf(leaving)

    def test_another_nick_on_the_way_back(self) -> None:
        """Nobody has to wait for that: `enter` goes on with another nick."""
        self.eve_as_ann()
        self.network.run(15.0)
        entering = self.ann.client.enter("amy")
        self.network.run()
        self.assertEqual(self.successResultOf(entering).nick, "amy")
        self.ann.client.say("hello")
        self.network.run(15.0)
        self.assertEqual(self.ann.heard[-1].nick, "amy")

    def test_numbers_of_another(self) -> None:
        """A server that knows our client id with other texts gets another id, and the texts again."""
        first = self.enter("carol", random=_Known().bytes)
        for text in ("one", "two"):
            first.client.say(text)
        self.network.run()
        second = self.enter("carol", random=_Known().bytes)
        second.client.say("one")
        self.network.run()
        saying = second.client.say("three")
        self.network.run(3.0)
        self.assertEqual(len(second.told(NumberReused)), 1)
        self.assertEqual(self.successResultOf(saying), self.bob.heard[-1].seq)
        self.assertEqual(self.bob.texts, ["one", "two", "three"])
        self.assert_back(second)


class ScriptedTests(NetworkTestCase):
    """Servers that do what ours does not."""

    def serve(self, answer: Callable[[bytes, ServerChannel], object]) -> Person:
        """Start a server, and let Ann try to get in."""
        ScriptedHost(self.network, answer)
        ann = Person(self, "ann")
        ann.client.connect().addErrback(lambda _: None)
        return ann

    def test_what_no_server_says(self) -> None:
        """A plaintext that breaks the protocol's rules is dropped and counted, and the session goes on."""

        def answer(plaintext: bytes, channel: ServerChannel) -> None:
            channel.send(b"\xff\xff", 0.0)
            if isinstance(decode_requests(plaintext)[0], Hello):
                channel.send(join_frames([encode_frame(Welcome("odd", "ann", ""))]), 0.0)

        ann = self.serve(answer)
        self.network.run(1.0)
        self.assertIs(ann.client.state, Link.CONNECTED)
        self.assertGreater(ann.client.faults, 0)

    def test_let_in_after_a_refusal(self) -> None:
        """Of two Hellos on a slow way one was refused for now: the client is in, and goes on living."""
        hellos: list[bytes] = []

        def answer(plaintext: bytes, channel: ServerChannel) -> None:
            if isinstance(decode_requests(plaintext)[0], Hello):
                hellos.append(plaintext)
            if len(hellos) == 2:
                channel.send(join_frames([encode_frame(Rejected(0, "FULL", "full", 1.0))]), 0.0)
                channel.send(join_frames([encode_frame(Welcome("slow", "ann", ""))]), 0.0)

        ann = self.serve(answer)
        self.network.run(5.0)
        self.assertIs(ann.client.state, Link.CONNECTED)
        before = len(self.sent_by(ann))
        self.network.run(20.0)
        self.assertGreater(len(self.sent_by(ann)), before)

    def test_a_server_that_hangs_up(self) -> None:
        """One that closes every channel at once is tried five times a minute, and not more."""
        ann = self.serve(lambda _, channel: channel.close(0.0))
        self.network.run(55.0)
        self.assertEqual(len(self.network.firsts(ann.reactor.host)), 1 + 5)
        self.network.run(60.0)
        self.assertEqual(len(self.network.firsts(ann.reactor.host)), 1 + 10)
        self.assertEqual(set(ann.told(LinkChanged)), {
            LinkChanged(Link.CONNECTING, "the server has closed the channel"),
        })  # fmt: skip

    def test_a_server_that_says_nothing(self) -> None:
        """One that makes a channel and never answers is left after six seconds, for another try."""
        ann = self.serve(lambda _, __: None)
        self.network.run(20.0)
        self.assertEqual(len(ann.told(PathLost)), 3)
        self.assertEqual(set(ann.links), {"connecting"})

    def test_another_version(self) -> None:
        """Who was in, and finds a server that speaks another version, gives up."""
        refusal = Rejected(0, "VERSION", "this server speaks version 2")
        welcome = join_frames([encode_frame(Welcome("old", "ann", "")), encode_frame(Bye("new", 1.0))])
        answers = iter([welcome, join_frames([encode_frame(refusal)])])
        ann = self.serve(lambda _, channel: channel.send(next(answers), 0.0))
        self.network.run(3.0)
        self.assertEqual(self.successResultOf(ann.client.closed), "this server speaks version 2")
        self.assertEqual(ann.links, ["connected", "silent", "closed"])


class LeavingTests(NetworkTestCase):
    """The end."""

    def setUp(self) -> None:
        """Let Ann and Bob in."""
        super().setUp()
        self.host = Host(self.network)
        self.ann, self.bob = self.enter("ann"), self.enter("bob")

    def test_leave(self) -> None:
        """Who leaves is gone for the others too, has closed its socket, and says so once."""
        leaving = [self.ann.client.leave("tired"), self.ann.client.leave()]
        self.network.run()
        for each in leaving:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(self.successResultOf(self.ann.client.closed), "tired")
        self.assertIsNone(self.successResultOf(self.ann.client.leave()))
        self.assertEqual(self.ann.reactor.open_ports, [])
        self.assertEqual(self.ann.links, ["connected", "closed"])
        names = self.bob.client.ask(Names(1, "lobby"))
        self.network.run()
        reply = self.successResultOf(names)
        assert isinstance(reply, Done)
        assert isinstance(reply.result, NamesPage)
        self.assertEqual([line.nick for line in reply.result.nicks], ["bob"])

    def test_who_waits_no_longer(self) -> None:
        """Who has cancelled `closed`, as a timeout does, is in all the same, and leaves like others."""
        self.ann.client.closed.cancel()
        self.failureResultOf(self.ann.client.closed, CancelledError)
        leaving = self.ann.client.leave()
        self.assertNoResult(leaving)
        self.network.run()
        self.assertIsNone(self.successResultOf(leaving))
        self.assertIsNone(self.successResultOf(self.ann.client.leave()))
        self.assertEqual(self.ann.reactor.open_ports, [])
        self.assertEqual(self.ann.links, ["connected", "closed"])

    def test_a_long_reason(self) -> None:
        """Of a reason as much is sent as a server takes; who has none is gone all the same."""
        for person, reason in ((self.ann, "\u20ac" * 200 + "\n\udcff"), (self.bob, "")):
            leaving = person.client.leave(reason)
            self.network.run(0.1)
            self.successResultOf(leaving)
            self.assertEqual(self.successResultOf(person.client.closed), reason)

    def test_a_deaf_server(self) -> None:
        """A goodbye is said three times within 0.3 s, and then the client is closed, heard or not."""
        self.host.kill()
        before = len(self.sent_by(self.ann))
        leaving = self.ann.client.leave()
        self.network.run(0.25)
        self.assertNoResult(leaving)
        self.network.run(0.2)
        self.successResultOf(leaving)
        self.assertEqual(len(self.sent_by(self.ann)) - before, 3 + 1)

    def test_what_waits(self) -> None:
        """Whatever has no answer by then fails, and whatever is asked later."""
        self.host.kill()
        client = self.ann.client
        waiting: list[Deferred[Any]] = []
        for _ in range(2):
            waiting += [client.say("x"), client.join("dev"), client.ask(Rooms(1)), client.part("lobby")]
            client.leave()
        for each in [*waiting, client.connect(), client.enter("amy")]:
            self.failureResultOf(each, Abandoned)
        self.assertRaises(Abandoned, client.history, "lobby", 1)
        self.network.run(1.0)
        self.assertEqual(self.network.clock.getDelayedCalls(), [
            call for call in self.network.clock.getDelayedCalls() if call.active()
        ])  # fmt: skip

    def test_on_the_way(self) -> None:
        """Who leaves while it looks for the server, or before, closes at once."""
        self.host.kill()
        eve, carol = Person(self, "eve"), Person(self, "carol")
        entering = eve.client.connect()
        self.network.run(5.0)
        for person in (eve, carol):
            self.network.run(0.1)
            leaving = person.client.leave()
            self.network.run(0.01)
            self.successResultOf(leaving)
            self.assertEqual(person.reactor.open_ports, [])
        self.failureResultOf(entering, Abandoned)

    def test_nothing_is_left(self) -> None:
        """Once all have left, no client has a timer or a socket any more, and none sends anything."""
        for person in (self.ann, self.bob):
            leaving = person.client.leave()
            while not leaving.called:
                self.network.run(0.01)
        self.host.kill()
        sent = len(self.network.sent)
        self.assertEqual(self.network.clock.getDelayedCalls(), [])
        self.network.run(100.0)
        self.assertEqual(len(self.network.sent), sent)


class _Known:
    """Randomness that is the same for everybody at first."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._mine = random.Random(id(self))

    def bytes(self, size: int) -> bytes:
        """Give two that others have too, then others."""
        number = next(self._numbers)
        return number.to_bytes(size, "big") if number <= 2 else self._mine.randbytes(size)
