"""Tests of `chat.wire.dtls_seal`: records, their counter and their window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.wire.dtls_keys import SUITES, Keys, record_keys
from chat.wire.dtls_records import ALERT, APPLICATION, is_one_sealed, split
from chat.wire.dtls_seal import WINDOW, KeyLimits, Opener, Sealer

suites = st.sampled_from(sorted(SUITES))
FINISHED = bytes.fromhex("16fefd00010000000000000028fffffffffffffffe")  # the nonces behind it go round once


def keys(suite: str, master: bytes = bytes(48)) -> Keys:
    """Give the keys of one end."""
    return record_keys(suite, master, bytes(32), bytes(32))[0]


def ends(suite: str, last: bytes = FINISHED) -> tuple[Sealer, Opener]:
    """Give who seals and who opens."""
    return Sealer(keys(suite), last, KeyLimits().sealed), Opener(keys(suite))


def numbered(suite: str, number: int) -> Sealer:
    """Give one whose next record has this sequence number."""
    return Sealer(keys(suite), (FINISHED[:3] + (2**48 + number - 1).to_bytes(8) + FINISHED[11:]), 1 << 48)


class SealTests(SynchronousTestCase):
    """What one side seals the other opens, once. Against OpenSSL: `test_dtls_server_channel`."""

    @given(suites, st.binary(max_size=1_163), st.sampled_from([APPLICATION, ALERT]))
    def test_there_and_back(self, suite: str, plaintext: bytes, kind: int) -> None:
        """Any plaintext, of either kind, is one record of 29 or 37 bytes more, and opens again."""
        sealer, opener = ends(suite)
        record = sealer.seal(plaintext, kind)
        self.assertEqual(split(record), [record])
        self.assertEqual(is_one_sealed(record), kind == APPLICATION)
        self.assertEqual(len(record) - len(plaintext), 29 if "CHACHA" in suite else 37)
        self.assertEqual(opener.open(record), plaintext)
        self.assertEqual(opener.forged, 0)

    @given(suites, st.permutations(range(WINDOW)))
    def test_any_order(self, suite: str, order: list[int]) -> None:
        """Within a window each opens once, in whatever order they come."""
        sealer, opener = ends(suite)
        records = [sealer.seal(b"%d" % number) for number in range(WINDOW)]
        self.assertEqual([opener.open(records[number]) for number in order], [b"%d" % n for n in order])
        self.assertFalse(any(opener.open(record) for record in records))

    def test_a_record(self) -> None:
        """A record to the last byte, as `cryptography` alone makes it of what RFC 5288 and RFC 7905 say."""
        for suite in SUITES:
            one = keys(suite)
            nonce = key_nonce = b""
            if "GCM" in suite:
                nonce = b"\xff" * 8
                key_nonce = one.iv + nonce
            else:
                key_nonce = one.iv[:4] + bytes(a ^ b for a, b in zip(one.iv[4:], EPOCH_1, strict=True))
            proved = EPOCH_1 + b"\x17\xfe\xfd" + b"\x00\x05"
            sealed = nonce + one.cipher(one.key).encrypt(key_nonce, b"hello", proved)
            expected = b"\x17\xfe\xfd" + EPOCH_1 + len(sealed).to_bytes(2) + sealed
            self.assertEqual(Sealer(one, FINISHED, 1).seal(b"hello"), expected)

    def test_numbers(self) -> None:
        """Numbers and shown nonces go on behind the last record's, one by one, the nonces round 2^64."""
        sealer, _ = ends("ECDHE-ECDSA-AES128-GCM-SHA256")
        records = [sealer.seal(b"x") for _ in range(4)]
        self.assertEqual(
            [int.from_bytes(record[3:11]) for record in records], [2**48 + n for n in (1, 2, 3, 4)]
        )
        self.assertEqual([int.from_bytes(record[13:21]) for record in records], [2**64 - 1, 0, 1, 2])

    def test_limit(self) -> None:
        """A key is spent when it has sealed as many as it may, and seals nothing but a goodbye then."""
        sealer = Sealer(keys("ECDHE-ECDSA-AES128-GCM-SHA256"), FINISHED, 2)
        self.assertFalse(sealer.is_spent)
        sealer.seal(b"one")
        self.assertFalse(sealer.is_spent)
        sealer.seal(b"two")
        self.assertTrue(sealer.is_spent)
        self.assertEqual(sealer.seal(b"three"), b"")
        self.assertTrue(sealer.seal(b"goodbye", ALERT))
        self.assertLess(KeyLimits().sealed, 2**34.5 / 74)
        self.assertEqual(KeyLimits().forged, 2**36)


class WindowTests(SynchronousTestCase):
    """What comes late, twice or never."""

    def setUp(self) -> None:
        """Seal more than a window."""
        self.sealer, self.opener = ends("ECDHE-ECDSA-AES128-GCM-SHA256")
        self.records = [self.sealer.seal(b"%d" % number) for number in range(3 * WINDOW)]

    def opened(self, *numbers: int) -> list[int]:
        """Give the numbers that were opened."""
        return [number for number in numbers if self.opener.open(self.records[number]) is not None]

    def test_edges(self) -> None:
        """The 64th from the newest is taken, the 65th is not; the first that comes may be any."""
        self.assertEqual(self.opened(100, 100 - WINDOW, 100 - WINDOW + 1, 99, 100), [100, 37, 99])
        self.assertEqual(self.opened(100 - WINDOW + 1, 99), [])

    def test_jumps(self) -> None:
        """What was seen is remembered when the window moves by less than its size."""
        self.assertEqual(self.opened(0, WINDOW - 1, 0, 1), [0, 63, 1])
        self.assertEqual(self.opened(2 * WINDOW - 2, WINDOW - 1, WINDOW), [126, 64])
        self.assertEqual(
            self.opened(3 * WINDOW - 2, 3 * WINDOW - 3, 2 * WINDOW - 1, 2 * WINDOW - 2), [190, 189, 127]
        )

    def test_the_last_number(self) -> None:
        """A genuine jump to the last number there is costs no memory, and nothing raises."""
        last = numbered("ECDHE-ECDSA-AES128-GCM-SHA256", 2**48 - 1).seal(b"last")
        self.assertEqual(self.opener.open(self.records[0]), b"0")
        self.assertEqual(self.opener.open(last), b"last")
        self.assertEqual(self.opened(1, 2), [])

    def test_forgeries_move_nothing(self) -> None:
        """A forged record with a number far ahead, or one that is yet to come, takes nobody's place."""
        far = numbered("ECDHE-ECDSA-AES128-GCM-SHA256", 10**9).seal(b"far")
        spoiled = [record[:-1] + bytes([record[-1] ^ 1]) for record in (far, *self.records[:3])]
        self.assertEqual([self.opener.open(record) for record in spoiled], [None] * 4)
        self.assertEqual(self.opener.forged, 4)
        self.assertEqual(self.opened(2, 1, 0), [2, 1, 0])


class RubbishTests(SynchronousTestCase):
    """Any bytes open to nothing, unless somebody with the key has sealed them."""

    def test_every_bit(self) -> None:
        """A record with one bit changed, wherever it is, is none; the record itself then is."""
        for suite in SUITES:
            sealer, opener = ends(suite)
            record = sealer.seal(b"hello")
            for place in range(8 * len(record)):
                spoiled = bytearray(record)
                spoiled[place // 8] ^= 1 << place % 8
                self.assertIsNone(opener.open(bytes(spoiled)), f"{suite}, bit {place}")
            self.assertEqual(opener.open(record), b"hello")

    def test_lengths(self) -> None:
        """Nor is one that is cut off, has more behind it, or says that it has another length."""
        for suite in SUITES:
            sealer, opener = ends(suite)
            record = sealer.seal(b"hello")
            for size in range(len(record)):
                self.assertIsNone(opener.open(record[:size]), f"{suite}, {size} bytes")
                cut = record[:11] + max(0, size - 13).to_bytes(2) + record[13:size]
                self.assertIsNone(opener.open(cut), f"{suite}, {size} bytes")
            self.assertIsNone(opener.open(record + b"x"))
            self.assertIsNone(opener.open(record[:11] + b"\xff\xff" + record[13:]))
            self.assertIsNone(opener.open(record + bytes(70_000)))
            self.assertEqual(opener.open(record), b"hello")

    def test_other_keys(self) -> None:
        """What the other direction, another session or another suite has sealed is forged."""
        for suite in SUITES:
            opener = Opener(keys(suite))
            for other in SUITES:
                for stranger in (
                    record_keys(other, bytes(48), bytes(32), bytes(32))[1],
                    keys(other, b"x" * 48),
                ):
                    self.assertIsNone(opener.open(Sealer(stranger, FINISHED, 1).seal(b"hello")))

    @given(suites, st.binary(max_size=100), st.binary(max_size=60))
    def test_any_bytes(self, suite: str, rubbish: bytes, body: bytes) -> None:
        """Nothing raises, and the next record is opened."""
        sealer, opener = ends(suite)
        self.assertIsNone(opener.open(rubbish))
        header = b"\x17\xfe\xfd" + EPOCH_1[:7] + b"\x01" + len(body).to_bytes(2)
        self.assertIsNone(opener.open(header + body))
        self.assertEqual(opener.open(sealer.seal(b"hello")), b"hello")


EPOCH_1 = bytes.fromhex("0001000000000001")  # and the number behind that of `FINISHED`
