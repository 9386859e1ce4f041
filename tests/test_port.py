"""Tests of `chat.server.port`: the server's socket on real loopback sockets."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from chat.server.peer import Addr, Peer, show_addr
from chat.server.port import (
    WRITES_A_TURN,
    UdpPort,
)
from tests.port_support import Recorder, peer
from tests.server_process import DEADLINE, ipv6_missing

if TYPE_CHECKING:
    from tests.server_process import Address


def real_reactor() -> IReactorFDSet:
    """Give the reactor that trial runs."""
    from twisted.internet import reactor

    return IReactorFDSet(reactor)


def first_link_local() -> tuple[str, int]:
    """Give a link-local address of this machine and its interface's index, or skip the test."""
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else []:
        digits, index, _, scope, flags, _ = line.split()
        if scope == "20" and not int(flags, 16) & 0x40:  # 0x40: not usable before it is known to be unique
            return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)), int(index, 16)
    raise SkipTest("this machine has no link-local address")


class PortTests(TestCase):
    """The port reads when a test calls `doRead`: its reading by the reactor is off."""

    timeout = DEADLINE

    def listen(self, interface: str) -> tuple[UdpPort, Recorder, int]:
        """Open a port that a test reads by hand; give it, its protocol and its number."""
        if ":" in interface and (missing := ipv6_missing()):
            raise SkipTest(missing)
        recorder = Recorder()
        port = UdpPort(0, recorder, interface, real_reactor())
        port.startListening()
        self.addCleanup(port.stopListening)
        port.stopReading()
        return port, recorder, port.getHost().port

    def client(self, address: Address | Addr, bind: Address | Addr | None = None) -> socket.socket:
        """Give a socket that is connected to `address`: it sees answers from there only."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(DEADLINE)
        if bind is not None:
            client.bind(bind)
        client.connect(address)
        return client

    def answer(self, port: UdpPort, recorder: Recorder) -> Peer:
        """Answer whoever sent the last datagram; give the recipient that this took."""
        addr = recorder.senders[-1]
        answered = peer(addr, port.reply_source(addr, recorder.spoken_to[-1]))
        self.assertEqual(port.send([b"answer"] * 1, [answered], 0.0), [])
        return answered

    def test_a_turn_ends_even_if_nothing_came(self) -> None:
        """A wake-up for nothing (a bad checksum) is no error, and the turn's end is told all the same."""
        port, recorder, _ = self.listen("127.0.0.1")
        port.doRead()
        self.assertEqual(recorder.turns, [0])

    def test_the_largest_datagram_arrives_whole(self) -> None:
        """65,507 bytes, the most that UDP over IPv4 carries, are not cut."""
        port, recorder, number = self.listen("127.0.0.1")
        largest = bytes(range(256)) * 256
        self.client(("127.0.0.1", number)).send(largest[:65_507])
        port.doRead()
        self.assertEqual(recorder.datagrams, [largest[:65_507]])

    def test_answers_leave_from_the_address_spoken_to(self) -> None:
        """On a wildcard bind a connected client sees the answer, whatever local address it spoke to."""
        for interface in ("0.0.0.0", ""):
            port, recorder, number = self.listen(interface)
            for host in ("127.0.0.1", "127.0.1.1", "127.1.2.3"):
                client = self.client((host, number))
                client.send(b"question")
                port.doRead()
                self.answer(port, recorder)
                self.assertEqual(client.recv(100), b"answer")

    def test_dual_stack_serves_both_families(self) -> None:
        """On `::` IPv4 and IPv6 peers are served, and their answers come from where they spoke to."""
        port, recorder, number = self.listen("::")
        for host in ("127.0.0.1", "127.0.1.1", "::1"):
            client = self.client((host, number))
            client.send(b"question")
            port.doRead()
            self.answer(port, recorder)
            self.assertEqual(client.recv(100), b"answer")
        hosts = [addr[0] for addr in recorder.senders]
        self.assertEqual(hosts, ["::ffff:127.0.0.1", "::ffff:127.0.0.1", "::1"])

    def test_no_source_where_the_kernel_would_choose_it(self) -> None:
        """`reply_source` is empty for whoever spoke to 127.0.0.1: the cheaper `sendto` does."""
        for interface, host in (("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::", "::1")):
            port, recorder, number = self.listen(interface)
            self.client((host, number)).send(b"question")
            port.doRead()
            self.assertEqual(self.answer(port, recorder).source, [])

    def test_no_source_on_a_single_address(self) -> None:
        """A port that is bound to one address cannot answer from another, and asks nothing of the kernel."""
        port, recorder, number = self.listen("127.0.1.1")
        client = self.client(("127.0.1.1", number))
        client.send(b"question")
        port.doRead()
        self.assertEqual(recorder.spoken_to, [b""])
        self.assertEqual(self.answer(port, recorder).source, [])
        self.assertEqual(client.recv(100), b"answer")

    def test_an_address_spoken_to_in_an_earlier_life(self) -> None:
        """What another port noted is no source on one that is bound to one address."""
        port, recorder, number = self.listen("0.0.0.0")
        self.client(("127.1.2.3", number)).send(b"question")
        port.doRead()
        noted, addr = recorder.spoken_to[0], recorder.senders[0]
        self.assertNotEqual(port.reply_source(addr, noted), [])
        single, _, _ = self.listen("127.0.0.1")
        self.assertEqual(single.reply_source(addr, noted), [])

    def test_what_it_can_reach(self) -> None:
        """An address is of its own form, or it was another port's."""
        old, new = ("127.0.0.1", 9), ("::ffff:127.0.0.1", 9, 0, 0)
        for interface, form, other in (("127.0.0.1", old, new), ("::", new, old)):
            port, _, _ = self.listen(interface)
            self.assertTrue(port.can_reach(form))
            self.assertFalse(port.can_reach(other))

    def test_ipv6_addresses_are_whole(self) -> None:
        """IPv6 peers keep the four elements that `sendto` needs."""
        port, recorder, number = self.listen("::1")
        client = self.client(("::1", number))
        client.send(b"question")
        port.doRead()
        self.assertEqual(recorder.senders, [client.getsockname()])
        self.assertEqual(len(recorder.senders[0]), 4)

    def test_link_local_peers_keep_their_scope(self) -> None:
        """A peer on a link is answered on that link: its scope id is part of its address."""
        port, recorder, number = self.listen("::")
        host, index = first_link_local()
        client = self.client((host, number, 0, index), bind=(host, 0, 0, index))
        client.send(b"question")
        port.doRead()
        self.assertEqual(recorder.senders[0][3:], (index,))
        self.answer(port, recorder)
        self.assertEqual(client.recv(100), b"answer")

    def test_a_hopeless_peer_does_not_end_a_fan_out(self) -> None:
        """Whoever cannot be written to is reported with the reason, and all others are sent to."""
        port, _, number = self.listen("127.0.0.1")
        clients = [self.client(("127.0.0.1", number)) for _ in range(2)]
        first, last = [peer(client.getsockname()) for client in clients]
        no_port, broadcast, family = (
            peer(("127.0.0.1", 0)), peer(("255.255.255.255", 9)), peer(("::1", 9))
        )  # fmt: skip
        failed = port.send([b"line"] * 5, [first, no_port, broadcast, family, last], 0.0)
        self.assertEqual([client.recv(100) for client in clients], [b"line", b"line"])
        self.assertEqual([failing for failing, _ in failed], [no_port, broadcast, family])
        self.assertEqual([error.errno for _, error in failed[:2]], [errno.EINVAL, errno.EACCES])

    def test_a_hopeless_peer_with_a_source(self) -> None:
        """A peer whose answers need a source of their own fails like any other."""
        port, recorder, number = self.listen("0.0.0.0")
        client = self.client(("127.0.1.1", number))
        client.send(b"question")
        port.doRead()
        answered = self.answer(port, recorder)
        hopeless = peer(("127.0.0.1", 0), answered.source)
        ((failing, error),) = port.send([b"line"] * 2, [hopeless, answered], 0.0)
        self.assertIs(failing, hopeless)
        self.assertEqual(error.errno, errno.EINVAL)
        self.assertEqual([client.recv(100), client.recv(100)], [b"answer", b"line"])

    def test_a_write_that_succeeds_ends_a_failure(self) -> None:
        """`failing_since` is cleared by the first write that succeeds, and stays as it is when one fails."""
        port, _, number = self.listen("127.0.0.1")
        well = peer(self.client(("127.0.0.1", number)).getsockname(), failing_since=1.0)
        ill = peer(("127.0.0.1", 0), failing_since=1.0)
        port.send([b"line"] * 2, [well, ill], 0.0)
        self.assertEqual([well.failing_since, ill.failing_since], [None, 1.0])

    def test_a_port_knows_itself(self) -> None:
        """`is_own` is true for the port's number under any address of this machine, for nothing else."""
        port, _, number = self.listen("0.0.0.0")
        self.assertTrue(port.is_own(("127.0.0.1", number)))
        self.assertTrue(port.is_own(("127.0.1.1", number)))
        self.assertFalse(port.is_own(("127.0.0.1", number ^ 1)))
        self.assertFalse(port.is_own(("192.0.2.1", number)))  # RFC 5737: nobody's

    def test_a_port_knows_itself_in_both_families(self) -> None:
        """On `::` the port knows itself as an IPv6 address and as an IPv4 address in IPv6 form."""
        port, _, number = self.listen("::")
        self.assertTrue(port.is_own(("::1", number, 0, 0)))
        self.assertTrue(port.is_own(("::ffff:127.0.0.1", number, 0, 0)))
        self.assertFalse(port.is_own(("2001:db8::1", number, 0, 0)))  # RFC 3849: nobody's

    def test_a_bug_costs_one_datagram(self) -> None:
        """A protocol that raises loses that datagram and no other; the failure is logged, once each."""
        port, recorder, number = self.listen("127.0.0.1")
        recorder.bad = b"bad"
        client = self.client(("127.0.0.1", number))
        for datagram in (b"one", b"bad", b"two"):
            client.send(datagram)
        port.doRead()
        self.assertEqual(recorder.datagrams, [b"one", b"two"])
        self.assertEqual(recorder.turns, [2])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_failure_at_the_end_of_a_turn(self) -> None:
        """A protocol that raises when it sends does not take the socket with it."""
        port, recorder, number = self.listen("127.0.0.1")

        def fail() -> None:
            raise ValueError("a bug of ours")

        recorder.at_turns_end = fail
        client = self.client(("127.0.0.1", number))
        for datagram in (b"one", b"two"):
            client.send(datagram)
            port.doRead()
        self.assertEqual(recorder.datagrams, [b"one", b"two"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_much_to_write_ends_a_turn(self) -> None:
        """After 4,000 writes the timers have their turn, whatever still waits to be read."""
        port, recorder, number = self.listen("127.0.0.1")
        client = self.client(("127.0.0.1", number))
        crowd = [peer(("127.0.0.1", 0))] * WRITES_A_TURN  # nobody can be sent anything at port 0
        recorder.at_each = lambda: port.send([b"line"] * len(crowd), crowd, 0.0)
        for _ in range(3):
            client.send(b"paste")
        port.doRead()
        self.assertEqual(recorder.turns, [1])

    def test_a_group_is_no_source(self) -> None:
        """What was sent to a multicast group is answered from an address of the machine's own."""
        port, _, _ = self.listen("::")
        group = socket.inet_pton(socket.AF_INET6, "ff02::1") + bytes(4)
        self.assertEqual(port.reply_source(("::1", 9, 0, 0), group), [])

    async def test_it_reads_again_after_a_rest(self) -> None:
        """What is sent while the port rests is taken when it wakes."""
        port, recorder, number = self.listen("127.0.0.1")
        client = self.client(("127.0.0.1", number))
        crowd = [peer(client.getsockname())] * 100
        second: Deferred[None] = Deferred()

        def turn_ended() -> None:
            if recorder.datagrams == [b"first"]:
                port.send([b"line"] * len(crowd), crowd, 0.0)
                client.send(b"second")
            elif not second.called:
                second.callback(None)

        recorder.at_turns_end = turn_ended
        client.send(b"first")
        port.startReading()
        await second
        self.assertEqual(recorder.datagrams, [b"first", b"second"])

    async def test_stopping_during_a_rest_leaves_no_timer(self) -> None:
        """A port that is closed while it rests does not wake up any more."""
        port, recorder, number = self.listen("127.0.0.1")
        client = self.client(("127.0.0.1", number))
        recorder.at_turns_end = lambda: port.send([b"line"] * 100, [peer(client.getsockname())] * 100, 0.0)
        client.send(b"first")
        clock = IReactorTime(real_reactor())
        timers = clock.getDelayedCalls()
        port.doRead()
        resting = [call for call in clock.getDelayedCalls() if call not in timers]
        self.assertEqual(len(resting), 1)
        await maybeDeferred(port.stopListening)
        self.assertFalse(resting[0].active())


class ShownAddressTests(SynchronousTestCase):
    """How an address is written."""

    def test_addresses_are_written_as_people_write_them(self) -> None:
        """IPv6 addresses are in brackets, with their scope where they have one."""
        self.assertEqual(show_addr(("127.0.0.1", 6789)), "127.0.0.1:6789")
        self.assertEqual(show_addr(("::1", 6789, 0, 0)), "[::1]:6789")
        self.assertEqual(show_addr(("fe80::1", 6789, 0, 2)), "[fe80::1%2]:6789")
