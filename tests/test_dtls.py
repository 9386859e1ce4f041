"""Tests of `chat.wire.dtls`: strangers at the server's door, and the channels they get."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.limits import Limit, Limits, Rate
from chat.wire.dtls import (
    ALERTS_A_SECOND,
    COOKIE_SECONDS,
    FAIR_SECONDS,
    FULL_SECONDS,
    MAX_HANDSHAKES,
    DtlsListener,
)
from chat.wire.dtls_channel import ATTEMPT_SECONDS
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_records import MAX_DATAGRAM, UNKNOWN_SESSION, client_hello, renumber, split
from chat.wire.dtls_server_channel import LIVELY_SECONDS
from tests.dtls_support import (
    EVE,
    NED,
    SECRET,
    Door,
    client_context,
    connected,
    new_client,
    pair,
    proving,
    to_and_fro,
)
from tests.test_dtls_records import record


class Repeating(DtlsClient):
    """A client that has said its first ClientHello twice: its records' numbers are higher by one."""

    def __init__(self) -> None:
        super().__init__(client_context(), 0.0)

    def datagrams_to_send(self, now: float) -> list[bytes]:
        """Give what it sends from the repeat on."""
        return [renumber(datagram, 1) for datagram in super().datagrams_to_send(now)]


class CookieTests(SynchronousTestCase):
    """Who has not returned a cookie has no state and gets less than it sent."""

    def setUp(self) -> None:
        """Open a door."""
        self.door = Door()

    def test_challenge(self) -> None:
        """A ClientHello is answered by one datagram of 48 bytes, and by no channel."""
        (hello,) = new_client().datagrams_to_send(0.0)
        ((challenge, addr),) = self.door.receive(hello, NED, 0.0)
        self.assertEqual((len(challenge), addr), (48, NED))
        self.assertEqual(self.door.made, [])

    def test_cookie_of_another_address(self) -> None:
        """What was told to one address is worth nothing at another: another port will do."""
        _, proof = proving(self.door)
        for addr in (EVE, (NED[0], NED[1] + 1), ("10.0.0.1%2", NED[1])):
            answers = self.door.receive(proof, addr, 0.0)
            self.assertEqual([(len(answer), to) for answer, to in answers], [(48, addr)])
        self.assertEqual(self.door.made, [])

    def test_scopes(self) -> None:
        """Link-local addresses are told apart by their interface, and never by a flow label."""
        _, proof = proving(self.door, ("fe80::1", 40_000, 7, 2))
        self.door.receive(proof, ("fe80::1", 40_000, 7, 3), 0.0)
        self.assertEqual(self.door.made, [])
        self.door.receive(proof, ("fe80::1", 40_000, 0, 2), 0.0)
        self.assertEqual(len(self.door.made), 1)

    def test_age(self) -> None:
        """A cookie is good in its tick of 30 s and in the next."""
        for then, is_good in ((COOKIE_SECONDS - 1, True), (2 * COOKIE_SECONDS - 1, True), (60.0, False)):
            door = Door()
            _, proof = proving(door)
            door.receive(proof, NED, then)
            self.assertEqual(bool(door.made), is_good, then)

    def test_secrets(self) -> None:
        """The cookie of a server is worth nothing after it was started again."""
        _, proof = proving(self.door)
        again = Door(DtlsListener(*pair("server"), SECRET[::-1]))
        self.assertEqual([len(answer) for answer, _ in again.receive(proof, NED, 0.0)], [48])
        self.assertEqual(again.made, [])

    def test_who_comes_too_often(self) -> None:
        """A good cookie is not enough for an address that has begun four times what a session may."""
        limits = Limits({Limit.HANDSHAKES: Rate(1, 1)})
        door = Door(DtlsListener(*pair("server"), SECRET, limits=limits))
        for port, now, count in (
            (1, 0.0, 1),
            (2, 0.0, 2),
            (3, 0.0, 3),
            (4, 0.0, 4),
            (5, 0.0, 4),
            (6, 2.0, 5),
        ):
            addr = (NED[0], port)
            _, proof = proving(door, addr)
            door.receive(proof, addr, now)
            self.assertEqual(len(door.made), count, port)

    def test_many_strangers(self) -> None:
        """One listener serves all, however their datagrams come mixed."""
        addrs = [("10.0.1.1", 40_000 + number) for number in range(20)]
        proofs = [proving(self.door, addr) for addr in addrs]
        for (client, proof), addr in zip(proofs, addrs, strict=True):
            for answer, _ in self.door.receive(proof, addr, 0.0):
                client.receive_datagram(answer, 0.0)
        for (client, _), addr in zip(reversed(proofs), reversed(addrs), strict=True):
            to_and_fro(client, self.door, addr)
        self.assertTrue(all(client.is_up for client, _ in proofs))
        self.assertEqual(self.door.made, addrs)

    def test_a_long_hello(self) -> None:
        """A ClientHello in fragments, or of more than 4 KiB, is left unanswered."""
        (hello,) = new_client().datagrams_to_send(0.0)
        self.assertEqual(self.door.receive(hello[:22] + b"\0\0\1" + hello[25:], NED, 0.0), [])
        self.assertEqual(self.door.receive(hello + bytes(4_096), NED, 0.0), [])

    def test_keys(self) -> None:
        """A listener wants a key and its certificate."""
        (key, certificate), (other, _) = pair("server"), pair("client")
        for bad in ((b"", certificate), (key, b"rubbish"), (other, certificate)):
            self.assertRaises(ValueError, DtlsListener, *bad, SECRET)


class UnknownSessionTests(SynchronousTestCase):
    """After a restart clients are told that their sessions are gone; nobody can make much of it."""

    def setUp(self) -> None:
        """Open a door, and hold what belongs to a session of another."""
        self.door = Door()
        client, _, _ = connected()
        client.send(b"are you there?", 0.0)
        (self.datagram,) = client.datagrams_to_send(0.0)
        self.client = client

    def test_told(self) -> None:
        """A record of epoch 1 from an unknown address is answered by an alert; the client doubts, no more."""
        ((alert, addr),) = self.door.receive(self.datagram, NED, 0.0)
        self.assertEqual((alert, addr), (UNKNOWN_SESSION, NED))
        self.assertEqual(self.client.receive_datagram(alert, 0.0), [])
        self.assertTrue(self.client.is_doubted)
        self.assertTrue(self.client.is_up)

    def test_once_a_second(self) -> None:
        """Each address is told once a second."""
        told = [len(self.door.receive(self.datagram, NED, now / 10)) for now in range(25)]
        self.assertEqual([number for number, count in enumerate(told) if count], [0, 10, 20])

    def test_all_in_all(self) -> None:
        """A thousand a second in all, in any second."""
        times = []
        for number in range(5_000):
            now = number / 2_500
            if self.door.receive(self.datagram, ("10.9.0.1", number), now):
                times.append(now)
        self.assertEqual(len(times), 2 * ALERTS_A_SECOND)
        pairs = zip(times, times[ALERTS_A_SECOND:], strict=False)
        self.assertTrue(all(later - sooner >= 1.0 for sooner, later in pairs))

    def test_no_amplification(self) -> None:
        """What is not longer than the alert, or no record, or an alert itself, is not answered."""
        for datagram in (record(23, 1, b""), record(23, 1, bytes(15)), UNKNOWN_SESSION, self.datagram[:-1]):
            self.assertEqual(self.door.receive(datagram, EVE, 5.0), [])

    def test_last_flight(self) -> None:
        """A client whose handshake was forgotten is told by its next flight: the last part is of epoch 1."""
        client, proof = proving(self.door)
        for answer, _ in self.door.receive(proof, NED, 0.0):
            client.receive_datagram(answer, 0.0)
        del self.door.channels[NED]
        to_and_fro(client, self.door)
        self.assertTrue(client.is_doubted)
        self.assertFalse(client.is_up)


class HandshakeTests(SynchronousTestCase):
    """From the proof to the session."""

    def test_a_repeated_proof(self) -> None:
        """The ClientHello that proved it comes again, at any time: still one session, and not disturbed."""
        door = Door()
        client, proof = proving(door)
        flight = door.receive(proof, NED, 0.0)
        self.assertEqual(door.receive(proof, NED, 0.0), [])
        for answer, _ in flight:
            client.receive_datagram(answer, 0.0)
        self.assertEqual(door.receive(proof, NED, 0.0), [])
        to_and_fro(client, door)
        for now in (0.0, LIVELY_SECONDS, 2 * COOKIE_SECONDS - 1):
            self.assertEqual(door.receive(proof, NED, now), [])
        self.assertEqual(door.made, [NED])
        client.send(b"still there", 60.0)
        to_and_fro(client, door, now=60.0)
        self.assertEqual(door.heard, [(b"still there", NED)])

    def test_a_late_challenge(self) -> None:
        """A client that was challenged twice, or the second time only, needs no repeat of the server's."""
        for come in ((0, 1), (1, 0), (1,)):
            door, client = Door(), Repeating()
            (hello,) = client.datagrams_to_send(0.0)
            challenges = [door.receive(renumber(hello, number), NED, 0.0)[0][0] for number in (-1, 0)]
            for number in come:
                client.receive_datagram(challenges[number], 0.0)
            to_and_fro(client, door)
            self.assertTrue(client.is_up, come)

    def test_a_client_that_does_not_count(self) -> None:
        """Whose second ClientHello has the number 0 again does not get that of the challenge again."""
        door = Door()
        client, proof = proving(door)
        for answer, _ in door.receive(renumber(proof, -1), NED, 0.0):
            client.receive_datagram(answer, 0.0)
        to_and_fro(client, door)
        self.assertTrue(client.is_up)

    def test_two_hellos(self) -> None:
        """A first ClientHello in front of that which has the cookie, in one datagram, delays nothing."""
        door, client = Door(), Repeating()
        (hello,) = client.datagrams_to_send(0.0)
        ((challenge, _),) = door.receive(renumber(hello, -1), NED, 0.0)
        client.receive_datagram(challenge, 0.0)
        (proof,) = client.datagrams_to_send(0.0)
        for answer, _ in door.receive(hello + proof, NED, 0.0):
            client.receive_datagram(answer, 0.0)
        to_and_fro(client, door)
        self.assertTrue(client.is_up)

    def test_starting_again(self) -> None:
        """Where a session was heard in the last 20 s nobody else begins; after that the old one goes."""
        old, _, door = connected()
        old.send(b"here", 10.0)
        to_and_fro(old, door, now=10.0)
        late = 10.0 + LIVELY_SECONDS
        (hello,) = new_client(late).datagrams_to_send(late)
        self.assertEqual(door.receive(hello, NED, late - 0.1), [])
        new = new_client(late)
        to_and_fro(new, door, now=late)
        self.assertTrue(new.is_up)
        self.assertEqual(door.made, [NED, NED])
        new.send(b"anew", late)
        to_and_fro(new, door, now=late)
        self.assertEqual(door.heard[-1], (b"anew", NED))

    def test_a_hello_without_a_cookie(self) -> None:
        """It costs a silent session nothing: only who returns the cookie takes its place."""
        client, channel, door = connected()
        (hello,) = new_client().datagrams_to_send(0.0)
        self.assertEqual([len(answer) for answer, _ in door.receive(hello, NED, 100.0)], [48])
        client.send(b"back", 100.0)
        to_and_fro(client, door, now=100.0)
        self.assertEqual(door.heard, [(b"back", NED)])
        self.assertIs(door.channels[NED], channel)

    def test_half_way(self) -> None:
        """A handshake that goes no further is over after 10 s, wherever it stopped."""
        door = Door()
        proving(door)
        _, proof = proving(door)
        door.receive(proof, NED, 3.0)
        channel = door.channels[NED]
        now = 3.0
        while (when := channel.next_timeout()) is not None:
            self.assertGreater(when, now)
            now = when
            self.assertEqual(channel.handle_timeout(now), [])
        self.assertEqual(now, 3.0 + ATTEMPT_SECONDS)
        self.assertTrue(channel.is_over)
        self.assertEqual(channel.receive_datagram(proof, now), [])

    def test_too_many_half_way(self) -> None:
        """Only so many handshakes go on; after a second each makes room for another, the oldest first."""
        door = self.crowded()
        for number in range(20):
            now = FAIR_SECONDS + number
            addr = ("10.2.0.2", number)
            _, proof = proving(door, addr, now)
            door.receive(proof, addr, now)
        over = [addr for addr, channel in door.channels.items() if channel.is_over]
        self.assertEqual(over, [("10.2.0.1", number) for number in range(20)])

    def test_the_young_do_not_make_room(self) -> None:
        """Whoever began just now comes in, however many others want to; they ask again, and are next."""
        door = self.crowded()
        client = new_client(0.1)
        (hello,) = client.datagrams_to_send(0.1)
        self.assertEqual(door.receive(hello, EVE, 0.1), [])
        to_and_fro(self.last, door, self.last_addr, 0.2)
        self.assertTrue(self.last.is_up)
        self.assertEqual(door.receive(hello, EVE, 0.1 + FULL_SECONDS / 2), [])
        self.assertEqual(len(door.receive(hello, EVE, 0.1 + FULL_SECONDS)), 1)

    def crowded(self) -> Door:
        """Give a door at which all handshakes that there may be have begun; `last` can go on with its own."""
        door = Door()
        for number in range(MAX_HANDSHAKES):
            self.last_addr = ("10.2.0.1", number)
            self.last, proof = proving(door, self.last_addr)
            for answer, _ in door.receive(proof, self.last_addr, 0.0):
                self.last.receive_datagram(answer, 0.0)
        return door

    def test_forged_handshake_record(self) -> None:
        """In a handshake it costs this attempt; the next one, from elsewhere, is not concerned."""
        door = Door()
        _, proof = proving(door)
        door.receive(proof, NED, 0.0)
        channel = door.channels[NED]
        forged = record(22, 0, bytes([20]) + b"\0\0\x0c" + b"\0\2" + bytes(3) + b"\0\0\x0c" + bytes(12))
        door.receive(forged, NED, 0.0)
        self.assertTrue(channel.is_over)
        self.assertNotIn(NED, door.channels)
        client = new_client()
        to_and_fro(client, door, EVE)
        self.assertTrue(client.is_up)

    def test_forged_alerts(self) -> None:
        """Alerts that anybody can write change nothing, neither in a handshake nor in a session."""
        door, client = Door(), new_client()
        for _ in range(4):
            for datagram in client.datagrams_to_send(0.0):
                door.receive(UNKNOWN_SESSION, NED, 0.0)
                for answer, _ in door.receive(datagram, NED, 0.0):
                    client.receive_datagram(UNKNOWN_SESSION + answer, 0.0)
        self.assertTrue(client.is_up)
        self.assertTrue(door.channels[NED].is_up)

    def test_datagrams_fit(self) -> None:
        """What a handshake needs goes in datagrams of 1,200 bytes at most."""
        door, client = Door(), new_client()
        sizes = []
        while datagrams := client.datagrams_to_send(0.0):
            for datagram in datagrams:
                answers = [answer for answer, _ in door.receive(datagram, NED, 0.0)]
                sizes += [len(datagram), *map(len, answers)]
                for answer in answers:
                    client.receive_datagram(answer, 0.0)
        self.assertLessEqual(max(sizes), MAX_DATAGRAM)
        self.assertEqual(len(sizes), 6)

    def test_is_mine(self) -> None:
        """Lines of text are not for this door."""
        door = Door()
        (hello,) = new_client().datagrams_to_send(0.0)
        self.assertIsNotNone(client_hello(hello))
        self.assertEqual(split(hello), [hello])
        self.assertTrue(door.listener.is_mine(hello))
        self.assertFalse(door.listener.is_mine(b"/join dev\n"))
