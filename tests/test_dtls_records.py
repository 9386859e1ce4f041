"""Tests of `chat.wire.dtls_records`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls_records import (
    MAX_DATAGRAM,
    UNKNOWN_SESSION,
    client_hello,
    client_random,
    is_bare_alert,
    is_dtls,
    is_of_handshake,
    is_one_sealed,
    is_sealed,
    pack,
    renumber,
    split,
)


def record(kind: int, epoch: int, body: bytes) -> bytes:
    """Give a record."""
    return bytes([kind, 0xFE, 0xFD]) + epoch.to_bytes(2) + bytes(6) + len(body).to_bytes(2) + body


def message(kind: int, body: bytes, start: int = 0, length: int | None = None) -> bytes:
    """Give a fragment of a handshake message, in epoch 0."""
    whole = len(body) if length is None else length
    head = bytes([kind]) + whole.to_bytes(3) + bytes(2) + start.to_bytes(3) + len(body).to_bytes(3)
    return record(22, 0, head + body)


class RecordTests(SynchronousTestCase):
    """What can be told of records without keys."""

    def test_text_is_not_dtls(self) -> None:
        """No line that anybody types is taken for DTLS: commands and digits begin in RFC 7983's range."""
        for line in (b"/join dev\n", b"42\n", b" \n", b"hello\n", b"\n", b"", b"\x16", "þ".encode()):
            self.assertFalse(is_dtls(line), line)
        self.assertTrue(is_dtls(record(22, 0, b"")))

    def test_split(self) -> None:
        """Whole records are given; what follows the first that is none or cut off is left."""
        first, second = record(22, 0, b"one"), record(23, 1, b"two")
        self.assertEqual(split(first + second), [first, second])
        self.assertEqual(split(first + second[:-1]), [first])
        self.assertEqual(split(first + b"hello, I am no record"), [first])
        self.assertEqual(split(first[:12]), [])

    def test_pack(self) -> None:
        """As few datagrams as possible, 1,200 bytes at most, in order; a longer record goes alone."""
        records = [record(22, 0, bytes(size)) for size in (300, 800, 61, 1, 1_187, 2_000, 5)]
        datagrams = pack(records)
        self.assertEqual([len(datagram) for datagram in datagrams], [313 + 813 + 74, 14, 1_200, 2_013, 18])
        self.assertEqual(b"".join(datagrams), b"".join(records))
        self.assertEqual(pack([]), [])

    @given(st.lists(st.integers(0, MAX_DATAGRAM - 13)))
    def test_pack_and_split(self, sizes: list[int]) -> None:
        """What was packed splits into the same records."""
        records = [record(23, 1, bytes(size)) for size in sizes]
        datagrams = pack(records)
        self.assertEqual([one for datagram in datagrams for one in split(datagram)], records)
        self.assertTrue(all(len(datagram) <= MAX_DATAGRAM for datagram in datagrams))

    def test_sealed(self) -> None:
        """A record of epoch 1 has a tag at least."""
        self.assertTrue(is_sealed(record(23, 1, bytes(16))))
        self.assertFalse(is_sealed(record(23, 1, bytes(15))))
        self.assertFalse(is_sealed(record(23, 0, bytes(16))))
        self.assertFalse(is_sealed(record(23, 2, bytes(16))))
        self.assertTrue(is_one_sealed(record(23, 1, bytes(40))))
        self.assertFalse(is_one_sealed(record(22, 1, bytes(40))))
        self.assertFalse(is_one_sealed(record(23, 1, bytes(40)) * 2))
        self.assertFalse(is_one_sealed(b""))

    def test_unknown_session(self) -> None:
        """What a server says of a session that it does not know: 15 bytes, a bare alert."""
        self.assertEqual(len(UNKNOWN_SESSION), 15)
        self.assertEqual(split(UNKNOWN_SESSION), [UNKNOWN_SESSION])
        self.assertTrue(is_bare_alert(UNKNOWN_SESSION))
        self.assertFalse(is_bare_alert(record(21, 1, bytes(26))))

    def test_handshake(self) -> None:
        """A handshake sees neither bare alerts nor ClientHellos, nor what claims to be very long."""
        self.assertTrue(is_of_handshake(message(11, bytes(100), length=8_192)))
        self.assertFalse(is_of_handshake(message(11, bytes(100), length=8_193)))
        self.assertFalse(is_of_handshake(message(1, bytes(100))))
        self.assertTrue(is_of_handshake(record(20, 0, b"\x01")))
        self.assertTrue(is_of_handshake(record(22, 1, bytes(48))))
        self.assertFalse(is_of_handshake(UNKNOWN_SESSION))
        self.assertFalse(is_of_handshake(record(22, 0, bytes(11))))
        self.assertFalse(is_of_handshake(record(22, 2, bytes(48))))
        self.assertFalse(is_of_handshake(record(23, 0, bytes(48))))

    def test_client_hello(self) -> None:
        """A ClientHello counts in one piece only; its random is where RFC 5246 has it."""
        body = b"\xfe\xfd" + bytes(range(32)) + bytes(40)
        whole = message(1, body)
        self.assertEqual(client_hello(whole + b"more"), whole)
        again = whole[:-1] + b"!"
        self.assertEqual(client_hello(whole + again), again)
        self.assertIsNone(client_hello(whole + record(23, 1, bytes(40))))
        self.assertIsNone(client_hello(record(23, 1, bytes(40)) + whole))
        self.assertEqual(client_random(whole), bytes(range(32)))
        self.assertIsNone(client_hello(message(1, body, length=100)))
        self.assertIsNone(client_hello(message(1, body, start=1)))
        self.assertIsNone(client_hello(message(1, body[:33])))
        self.assertIsNone(client_hello(message(2, body)))
        self.assertIsNone(client_hello(whole[:-1]))
        self.assertIsNone(client_hello(whole[:3] + b"\x00\x01" + whole[5:]))
        self.assertIsNone(client_hello(b""))

    def test_renumber(self) -> None:
        """What nobody has sealed gets higher numbers, modulo 2^48; all else stays as it is."""
        first, second, sealed = record(22, 0, b"one"), record(20, 0, b"\x01"), record(22, 1, bytes(40))
        later = renumber(first + second + sealed, 258)
        self.assertEqual([one[5:11] for one in split(later)], [b"\0\0\0\0\1\2"] * 2 + [bytes(6)])
        self.assertEqual(renumber(later, (1 << 48) - 258), first + second + sealed)

    @given(st.binary(max_size=100), st.sampled_from([b"", b"\x16\xfe\xfd\0\0", b"\x17\xfe\xfd\0\1"]))
    def test_any_bytes(self, rubbish: bytes, beginning: bytes) -> None:
        """Nothing raises, whatever it is given."""
        datagram = beginning + rubbish
        client_hello(datagram)
        is_one_sealed(datagram)
        for one in split(datagram):
            is_sealed(one)
            is_bare_alert(one)
            is_of_handshake(one)
