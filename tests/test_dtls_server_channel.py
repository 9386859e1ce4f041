"""Tests of `chat.wire.dtls_server_channel`: from OpenSSL's handshake to records of ours, against OpenSSL."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls import DtlsListener
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_keys import SUITES
from chat.wire.dtls_records import ALERT, APPLICATION, HANDSHAKE, MAX_DATAGRAM, MAX_INCOMING, is_sealed, split
from chat.wire.dtls_seal import KeyLimits, Opener
from chat.wire.frames import MAX_PLAINTEXT
from tests.dtls_support import NED, SECRET, Door, KnownClient, connected, half_way, known, pair, to_and_fro
from tests.test_dtls_channel import spoil
from tests.test_dtls_records import record

AES, CHACHA = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"
CLOSE_NOTIFY = b"\x01\x00"


def of_epoch_1(datagrams: Iterable[bytes]) -> list[bytes]:
    """Give the sealed records of some datagrams."""
    return [one for datagram in datagrams for one in split(datagram) if is_sealed(one)]


def answers(door: Door, datagrams: Iterable[bytes]) -> list[bytes]:
    """Give what the server has to say to datagrams of Ned's."""
    return [answer for datagram in datagrams for answer, _ in door.receive(datagram, NED, 0.0)]


def connections() -> int:
    """Say how many connections of OpenSSL there are in this process."""
    gc.collect()
    return sum(isinstance(one, SSL.Connection) for one in gc.get_objects())


def ours(suite: str = AES) -> tuple[DtlsClient, Door]:
    """Give a client of ours that has said something over a suite, and the server's door."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_QUERY_MTU)
    context.set_cipher_list(suite.encode())
    door, client = Door(), DtlsClient(context, 0.0)
    to_and_fro(client, door)
    client.send(b"first", 0.0)
    to_and_fro(client, door)
    return client, door


class SuiteTests(SynchronousTestCase):
    """Each suite, with OpenSSL at the other end."""

    def test_a_talk(self) -> None:
        """Plaintexts of all sizes pass both ways, and the goodbye of either end is understood."""
        for suite in SUITES:
            for closes in (0, 1):
                client, door = ours(suite)
                channel = door.channels[NED]
                sizes = [1, 2, 15, 16, 17, 500, MAX_PLAINTEXT]
                for size in sizes:
                    client.send(b"u" * size, 0.0)
                    channel.send(b"d" * size, 0.0)
                self.assertLessEqual(max(map(len, queued := channel.datagrams_to_send(0.0))), MAX_DATAGRAM)
                got = [plaintext for one in queued for plaintext in client.receive_datagram(one, 0.0)]
                self.assertEqual(got, [b"d" * size for size in sizes], suite)
                to_and_fro(client, door)
                self.assertEqual([one for one, _ in door.heard], [b"first", *(b"u" * size for size in sizes)])
                (channel, client)[closes].close(0.0)
                for answer, _ in door.collect(NED, 0.0):
                    client.receive_datagram(answer, 0.0)
                to_and_fro(client, door)
                self.assertTrue(channel.is_over)
                self.assertTrue(client.is_over)

    def test_which_suite(self) -> None:
        """The keys are those that OpenSSL has agreed on, each end's its own, and no others open."""
        for suite in SUITES:
            client, channel, _ = known(suite)
            self.assertEqual(client.connection.get_cipher_name(), suite)
            self.assertEqual(channel.receive_datagram(client.say(b"hello"), 0.0), [b"hello"])
            channel.send(b"ours", 0.0)
            (datagram,) = channel.datagrams_to_send(0.0)
            self.assertEqual(Opener(client.keys()[1]).open(datagram), b"ours")
            self.assertIsNone(Opener(client.keys()[0]).open(datagram))
            self.assertEqual(client.hear(datagram), b"ours")

    def test_any_order(self) -> None:
        """What OpenSSL seals is taken in any order, once; what comes 64 behind the newest is not."""
        for suite in SUITES:
            client, channel, _ = known(suite)
            rng = random.Random(suite)
            datagrams = {b"%d" % number: client.say(b"%d" % number) for number in range(64)}
            order = list(datagrams)
            rng.shuffle(order)
            got = [channel.receive_datagram(datagrams[one], 0.0) for one in order]
            self.assertEqual(got, [[one] for one in order])
            self.assertFalse(any(channel.receive_datagram(one, 0.0) for one in datagrams.values()))


class TakeoverTests(SynchronousTestCase):
    """When OpenSSL goes, and what it has sealed and read before."""

    def test_memory(self) -> None:
        """The first plaintext of the client's is the end of OpenSSL's connection, and not the handshake's."""
        before = connections()
        client, channel, _door = known(AES)
        self.assertEqual(connections(), before + 3)  # the client's, the listener's, the channel's
        channel.receive_datagram(client.say(b"hello"), 0.0)
        self.assertEqual(connections(), before + 2)
        self.assertTrue(channel.is_up)

    def test_sealed_together(self) -> None:
        """Whoever seals them, plaintexts come out in the order in which they were put in."""
        client, channel, _door = known(AES)
        self.assertEqual(channel.seal_each([channel], [b"0"]), [b""])
        channel.send(b"0", 0.0)  # which OpenSSL does
        told = channel.datagrams_to_send(0.0)
        channel.receive_datagram(client.say(b"now it is yours"), 0.0)
        told += channel.seal_each([channel, channel], [b"1", b"2"])
        channel.send(b"3", 0.0)
        told += channel.datagrams_to_send(0.0) + channel.seal_each([channel], [b"4"])
        self.assertEqual([client.hear(one) for one in told], [b"0", b"1", b"2", b"3", b"4"])
        self.assertEqual(channel.datagrams_to_send(0.0), [])

    def test_numbers(self) -> None:
        """No number and no nonce comes twice: ours go on behind all that OpenSSL has sealed."""
        for suite in SUITES:
            door = Door()
            client, flight = half_way(door, suite)
            sealed = of_epoch_1(finish := answers(door, flight))
            client.go_on(finish)
            channel = door.channels[NED]
            for number in range(6):
                channel.send(b"%d" % number, 0.0)
                if number == 2:
                    channel.receive_datagram(client.say(b"now it is yours"), 0.0)
            sealed += of_epoch_1(said := channel.datagrams_to_send(0.0))
            self.assertEqual([client.hear(one) for one in said], [b"%d" % number for number in range(6)])
            self.assertEqual([int.from_bytes(one[5:11]) for one in sealed], list(range(7)))
            if "GCM" in suite:
                nonces = [int.from_bytes(one[13:21]) for one in sealed]
                self.assertEqual([(nonce - nonces[0]) % 2**64 for nonce in nonces], list(range(7)))

    def test_a_lost_flight(self) -> None:
        """The server's last flight is repeated until the client has said something, and not then."""
        for suite in SUITES:
            door = Door()
            client, flight = half_way(door, suite)
            lost = of_epoch_1(answers(door, flight))  # and the client knows nothing of it
            channel = door.channels[NED]
            self.assertTrue(channel.is_up)
            # OpenSSL would repeat its flight after 1 s: a new record, the same message.
            finished = Opener(client.keys()[0]).open(client.last)
            sealer = client.sealer()
            assert finished is not None
            repeats = answers(door, [sealer.seal(finished, HANDSHAKE)])
            repeats += answers(door, [record(APPLICATION, 1, bytes(40)) + sealer.seal(finished, HANDSHAKE)])
            self.assertEqual(len(of_epoch_1(repeats)), 2)
            client.go_on(repeats)
            self.assertEqual(channel.receive_datagram(sealer.seal(b"hello"), 0.0), [b"hello"])
            stray = sealer.seal(finished, HANDSHAKE)
            self.assertEqual(answers(door, [stray, *flight, b"".join(flight)]), [])
            channel.send(b"here", 0.0)
            said = channel.datagrams_to_send(0.0)
            numbers = [int.from_bytes(one[5:11]) for one in lost + of_epoch_1(repeats) + said]
            self.assertEqual(numbers, [0, 1, 2, 3])
            self.assertEqual([client.hear(one) for one in said], [b"here"])

    def test_forged_first(self) -> None:
        """A forged record, however many there are, is not the client's first word: OpenSSL stays."""
        client, channel, door = known(AES)
        before = connections()
        genuine = client.say(b"hello")
        for place in range(len(genuine)):
            spoiled = bytearray(genuine)
            spoiled[place] ^= 1
            self.assertEqual(answers(door, [bytes(spoiled)]), [])
        self.assertEqual((door.heard, connections()), ([], before))
        self.assertTrue(channel.is_up)
        self.assertEqual(channel.receive_datagram(genuine, 0.0), [b"hello"])
        self.assertEqual(connections(), before - 1)

    def test_too_early(self) -> None:
        """What is said before the server's last flight can have come is dropped; OpenSSL never reads it."""
        door = Door()
        client, flight = half_way(door, AES)
        early = client.sealer().seal(b"early")
        client.go_on(answers(door, [early, b"".join(flight) + early]))
        self.assertEqual(door.heard, [])
        channel = door.channels[NED]
        self.assertEqual(channel.receive_datagram(early, 0.0), [b"early"])  # so it may come now, once
        self.assertEqual(channel.receive_datagram(early, 0.0), [])

    def test_before_the_first_word(self) -> None:
        """The server may speak first, and may say goodbye first: then OpenSSL seals it."""
        client, channel, door = known(AES)
        channel.send(b"welcome", 0.0)
        self.assertRaises(ValueError, channel.send, b"", 0.0)
        channel.close(0.0)
        welcome, goodbye = [datagram for datagram, _ in door.collect(NED, 0.0)]
        self.assertEqual(client.hear(welcome), b"welcome")
        self.assertRaises(SSL.ZeroReturnError, client.hear, goodbye)

    def test_warnings(self) -> None:
        """Nor does OpenSSL get a client's alerts once it is up: it would take six warnings for an end."""
        client, channel, _ = known(AES)
        before = connections()
        sealer = client.sealer()
        for _ in range(10):
            self.assertEqual(channel.receive_datagram(sealer.seal(b"\x01\x64", ALERT), 0.0), [])
        self.assertTrue(channel.is_up)
        self.assertEqual(connections(), before)  # a warning is no word of the client's
        self.assertEqual(channel.receive_datagram(sealer.seal(b"hello"), 0.0), [b"hello"])

    def test_gone_at_once(self) -> None:
        """A client that has come up and goes without a word is over."""
        client, channel, _ = known(AES)
        client.connection.shutdown()
        (goodbye,) = client.said()
        self.assertEqual(channel.receive_datagram(goodbye, 0.0), [])
        self.assertTrue(channel.is_over)


class RecordTests(SynchronousTestCase):
    """A session whose records are ours."""

    def setUp(self) -> None:
        """Let the client say something; from then on the test seals in its name."""
        self.client, self.channel, self.door = known(AES)
        self.sealer = self.client.sealer()
        self.assertEqual(self.received(self.sealer.seal(b"hello")), [b"hello"])

    def received(self, datagram: bytes, now: float = 0.0) -> list[bytes]:
        """Give what the channel makes of a datagram."""
        return self.channel.receive_datagram(datagram, now)

    def assert_well(self) -> None:
        """Check that the session is as good as ever, both ways."""
        self.assertEqual(self.received(self.sealer.seal(b"still there?")), [b"still there?"])
        self.channel.datagrams_to_send(0.0)
        self.channel.send(b"yes", 0.0)
        (datagram,) = self.channel.datagrams_to_send(0.0)
        self.assertEqual(self.client.hear(datagram), b"yes")
        self.assertIsNone(self.channel.next_timeout())
        self.assertEqual(self.channel.handle_timeout(100.0), [])

    def test_several_records(self) -> None:
        """All records of a datagram are read, in order; what is forged or cut off is skipped."""
        one, two, cut = (self.sealer.seal(text) for text in (b"one", b"two", b"cut"))
        forged = (
            record(APPLICATION, 1, bytes(40))
            + record(HANDSHAKE, 1, bytes(40))
            + record(APPLICATION, 0, b"no")
        )
        self.assertEqual(self.received(one + forged + one + two + cut[:-1]), [b"one", b"two"])
        self.assertEqual(self.received(cut + b"rubbish"), [b"cut"])

    def test_empty(self) -> None:
        """A record that says nothing is no plaintext, but a sign of life."""
        self.assertEqual(self.received(self.sealer.seal(b""), 100.0), [])
        (hello,) = KnownClient(AES).go_on()
        self.assertFalse(self.channel.yields_to(hello, 119.0))
        self.assertTrue(self.channel.yields_to(hello, 120.0))
        self.assert_well()

    def test_alerts(self) -> None:
        """Warnings, and what is no alert, are ignored; fatal ones and goodbyes are the end."""
        for harmless in (b"\x01\x64", b"\x01\x5a", b"\x01", b"", b"\x00\x00", b"\x01\x00\x00", bytes(16)):
            self.assertEqual(self.received(self.sealer.seal(harmless, ALERT)), [], harmless)
            self.assert_well()
        for end in (CLOSE_NOTIFY, b"\x02\x14", b"\x02\x00"):
            self.setUp()
            self.channel.send(b"on its way", 0.0)
            last, alert, late = (
                self.sealer.seal(b"last"),
                self.sealer.seal(end, ALERT),
                self.sealer.seal(b"late"),
            )
            self.assertEqual(self.received(last + alert + late), [b"last"])
            self.assertTrue(self.channel.is_over)
            self.assertFalse(self.channel.is_up)
            self.assertEqual(len(self.channel.datagrams_to_send(0.0)), 1)
            self.channel.send(b"too late", 0.0)
            self.channel.close(0.0)
            self.assertEqual(self.received(late), [])
            self.assertEqual(self.channel.datagrams_to_send(0.0), [])

    def test_replayed_alert(self) -> None:
        """An alert that was heard, too, is heard once: its repeat is nothing."""
        alert = self.sealer.seal(b"\x01\x64", ALERT)
        self.assertEqual([self.received(alert), self.received(alert)], [[], []])
        self.assert_well()

    def test_handshake_records(self) -> None:
        """A renegotiation, or anything else of a handshake that the client seals, is ignored."""
        for kind in (20, HANDSHAKE, 24, 25, 255):
            for content in (b"", b"\x01", bytes(12), b"\x01\x00\x00\x40" + bytes(80)):
                self.assertEqual(self.received(self.sealer.seal(content, kind)), [])
        self.assertEqual(self.channel.datagrams_to_send(0.0), [])
        self.assert_well()

    def test_our_goodbye(self) -> None:
        """It goes behind what was said, sealed, and the client understands it."""
        self.channel.send(b"last words", 0.0)
        self.channel.close(0.0)
        self.channel.close(0.0)
        self.assertTrue(self.channel.is_over)
        words, goodbye = self.channel.datagrams_to_send(0.0)
        self.assertEqual(self.client.hear(words), b"last words")
        self.assertRaises(SSL.ZeroReturnError, self.client.hear, goodbye)

    def test_sizes(self) -> None:
        """What is no plaintext for a datagram is refused; what comes may have 16 KiB in all, and no more."""
        for bad in (b"", bytes(MAX_PLAINTEXT + 1)):
            self.assertRaises(ValueError, self.channel.send, bad, 0.0)
        longest = bytes(MAX_INCOMING - 37)
        self.assertEqual(self.received(self.sealer.seal(longest + b"x")), [])
        self.assertEqual(self.received(self.sealer.seal(longest)), [longest])
        self.assert_well()

    def test_every_byte(self) -> None:
        """A datagram with one byte changed, or cut off anywhere, is dropped; the next is opened."""
        datagram = self.sealer.seal(b"whole")
        for place in range(len(datagram)):
            spoiled = datagram[:place] + bytes([datagram[place] ^ 0x80]) + datagram[place + 1 :]
            self.assertEqual(self.received(spoiled) + self.received(datagram[:place]), [], f"byte {place}")
        self.assertEqual(self.received(datagram), [b"whole"])
        self.assert_well()

    @settings(max_examples=300, deadline=None)
    @given(st.one_of(
        st.binary(max_size=200),
        st.builds(record, st.integers(20, 25), st.integers(0, 2), st.binary(max_size=60)),
        st.lists(st.builds(record, st.integers(20, 23), st.just(1), st.binary(max_size=50))).map(b"".join),
    ))  # fmt: skip
    def test_any_bytes(self, rubbish: bytes) -> None:
        """Nothing that is not sealed with the session's keys is heard, answered, or ends it."""
        self.assertEqual(self.received(rubbish), [])
        self.assertEqual(self.channel.datagrams_to_send(0.0), [])
        self.assert_well()

    def test_spoiled(self) -> None:
        """Nor does what is like a genuine datagram."""
        for seed in range(3_000):
            datagram = self.sealer.seal(b"%d" % seed)
            spoiled = spoil(random.Random(seed), datagram)
            if spoiled != datagram:
                self.assertEqual(self.received(spoiled), [], f"seed {seed}")
            self.assertEqual(self.received(datagram), [b"%d" % seed], f"seed {seed}")

    def test_given_up(self) -> None:
        """Whoever must make room says nothing."""
        self.channel.send(b"on its way", 0.0)
        self.channel.give_up()
        self.assertTrue(self.channel.is_over)
        self.assertEqual(self.channel.datagrams_to_send(0.0), [])


class LimitTests(SynchronousTestCase):
    """A key is good for so many records. (The real limits take years; here they are small.)"""

    def test_sealed(self) -> None:
        """All that it may seal arrives, then a goodbye, and it is over: the client comes again."""
        client, channel, door = known(AES, Door(DtlsListener(*pair("server"), SECRET, KeyLimits(sealed=3))))
        channel.receive_datagram(client.say(b"hello"), 0.0)
        for number in range(5):
            channel.send(b"%d" % number, 0.0)
        self.assertTrue(channel.is_over)
        *said, goodbye = [datagram for datagram, _ in door.collect(NED, 0.0)]
        self.assertEqual([client.hear(datagram) for datagram in said], [b"0", b"1", b"2"])
        self.assertRaises(SSL.ZeroReturnError, client.hear, goodbye)

    def test_sealed_together(self) -> None:
        """What is told to many, too: behind the last record that a key may seal comes the goodbye."""
        client, channel, door = known(AES, Door(DtlsListener(*pair("server"), SECRET, KeyLimits(sealed=3))))
        channel.receive_datagram(client.say(b"hello"), 0.0)
        for number in range(3):
            (told,) = channel.seal_each([channel], [b"%d" % number])
            self.assertEqual(client.hear(told), b"%d" % number)
        self.assertEqual(channel.seal_each([channel], [b"3"]), [b""])
        channel.send(b"3", 0.0)
        self.assertTrue(channel.is_over)
        ((goodbye, _),) = door.collect(NED, 0.0)
        self.assertRaises(SSL.ZeroReturnError, client.hear, goodbye)
        self.assertEqual((channel.seal_each([channel], [b"4"]), door.collect(NED, 0.0)), ([b""], []))

    def test_forged(self) -> None:
        """Repeats are no forgeries; with the last forgery that a key endures it says goodbye."""
        for has_spoken in (False, True):
            listener = DtlsListener(*pair("server"), SECRET, KeyLimits(forged=3))
            client, channel, door = known(AES, Door(listener))
            genuine = client.say(b"hello")
            for _ in range(5 * has_spoken):
                channel.receive_datagram(genuine, 0.0)
            forged = record(APPLICATION, 1, bytes(40))[:10] + b"\x09" + bytes([0, 40]) + bytes(40)
            channel.receive_datagram(forged + forged, 0.0)
            self.assertTrue(channel.is_up)
            channel.receive_datagram(forged, 0.0)
            self.assertTrue(channel.is_over)
            (goodbye,) = [datagram for datagram, _ in door.collect(NED, 0.0)]
            self.assertRaises(SSL.ZeroReturnError, client.hear, goodbye)


class IdentityTests(SynchronousTestCase):
    """Who it was stays known."""

    def test_fingerprint(self) -> None:
        """It is the same with OpenSSL's connection and without it."""
        client, channel, door = connected()
        before = channel.peer_fingerprint
        client.send(b"hello", 0.0)
        to_and_fro(client, door)
        self.assertEqual(door.heard, [(b"hello", NED)])
        self.assertIsNotNone(before)
        self.assertEqual(channel.peer_fingerprint, before)
