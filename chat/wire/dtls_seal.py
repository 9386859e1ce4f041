"""Sealing and opening the records of a DTLS 1.2 session whose handshake is done (RFC 6347, section 4.1).

This module never does I/O and knows neither time nor peers. Its laws: no nonce is ever used twice, any bytes
open to a plaintext or to nothing, and what has opened once never does again. The cryptography is the
library's; here are a record's header, a counter and a window.

    kind  fe fd  00 01  sequence number (6)  length (2)  [nonce (8), with GCM]  sealed plaintext  tag (16)

What else the tag proves: epoch and sequence number, kind, version, and the plaintext's length (RFC 5246,
section 6.2.3.3).
"""

# ruff: noqa: SLF001  (a class's own fields, of many at once)

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from chat.wire.dtls_keys import Keys
from chat.wire.dtls_records import APPLICATION

WINDOW = 64  # numbers from the newest down that may still come, each once (RFC 6347, section 4.1.2.6)
_WINDOW_BITS = (1 << WINDOW) - 1
_VERSION = 0xFEFD  # of DTLS 1.2
_HEADER = struct.Struct("!BHQH")
_HEAD = struct.Struct("!BHQHQ")  # and the nonce, where there is one
_PROVED = struct.Struct("!QBHH")
_TAG = 16
_NONCE = 12
_STAYS = 4  # bytes of it that are the same in all records
_NONCE_SHOWN = slice(13, 21)  # where a record has it, with GCM
_NUMBER = slice(3, 11)  # epoch and sequence number: here one number
_64_BITS = (1 << 64) - 1


class KeyLimits(NamedTuple):
    """How long one key is good for."""

    # Records of 1,163 bytes that one key may seal with AES-GCM if the chance to tell them from noise is to
    # stay below 2^-60: 2^34.5 / 74 blocks, by the formula behind the 2^24.5 records of 16 KiB in RFC 8446,
    # section 5.5. A month of 100 a second; the sequence numbers would last for 2^48.
    sealed: int = 1 << 28
    forged: int = 1 << 36  # records that were none: RFC 9147, section 4.5.3


class Sealer:
    """Seals what one end says, in records that carry on behind `last`, which somebody else has sealed.

    `last` is that record, or its first 21 bytes. With GCM the nonce in it is counted on, too. A nonce must
    never come twice and may be anything else: OpenSSL's begin with a random one, so that nonces made of epoch
    and sequence number might meet them.

    `is_spent` once it has sealed as many as one key may: only alerts then, for a goodbye shall follow.
    """

    __slots__ = ("_begin", "_encrypt", "_extra", "_mask", "_number", "_shift", "_shown", "_spent_at")

    def __init__(self, keys: Keys, last: bytes, limit: int) -> None:
        is_gcm = len(keys.iv) < _NONCE
        self._encrypt = keys.cipher(keys.key).encrypt
        self._number = int.from_bytes(last[_NUMBER]) + 1  # with the epoch before it
        self._spent_at = self._number + limit
        # A nonce is four bytes that stay, and eight that count as the records do: with GCM on from the last
        # that was shown, and they are shown, too; else from 0 on, under a mask.
        self._begin = keys.iv[:_STAYS]
        self._mask = int.from_bytes(keys.iv[_STAYS:])  # 0 with GCM, whose secret is no longer
        self._shift = int.from_bytes(last[_NONCE_SHOWN]) + 1 - self._number if is_gcm else 0
        self._shown = _HEAD.size if is_gcm else _HEADER.size  # so much of a head
        self._extra = self._shown - _HEADER.size + _TAG

    @property
    def is_spent(self) -> bool:
        """Say whether its key has sealed enough."""
        return self._number >= self._spent_at

    def seal(self, plaintext: bytes, kind: int = APPLICATION) -> bytes:
        """Give a record; b"": it is spent."""
        return self.seal_each((self,), (plaintext,), kind)[0]

    @staticmethod
    def seal_each(
        sealers: Iterable[Sealer | None], plaintexts: Iterable[bytes], kind: int = APPLICATION
    ) -> list[bytes]:
        """Give the record of each that says the plaintext at its place: in one loop, for many are told much.

        b"": it is spent, or there is none.
        """
        records: list[bytes] = []
        for sealer, plaintext in zip(sealers, plaintexts, strict=True):
            if sealer is None or (sealer._number >= sealer._spent_at and kind == APPLICATION):
                records.append(b"")
                continue
            number = sealer._number
            sealer._number = number + 1
            counter = sealer._mask ^ (number + sealer._shift & _64_BITS)
            size = len(plaintext)
            head = _HEAD.pack(kind, _VERSION, number, size + sealer._extra, counter)
            proved = _PROVED.pack(number, kind, _VERSION, size)
            sealed = sealer._encrypt(sealer._begin + head[_NONCE_SHOWN], plaintext, proved)
            records.append(head[: sealer._shown] + sealed)
        return records


class Opener:
    """Opens what the other end has sealed, each record once; `forged` counts those that it had not sealed."""

    __slots__ = ("_cipher", "_extra", "_is_gcm", "_iv", "_newest", "_sealed_at", "_seen", "forged")

    def __init__(self, keys: Keys) -> None:
        self.forged = 0
        self._cipher = keys.cipher(keys.key)
        self._iv = int.from_bytes(keys.iv.ljust(_NONCE, b"\0"))  # the whole nonce as far as it is a secret
        self._is_gcm = len(keys.iv) < _NONCE
        self._extra = _NONCE - len(keys.iv) + _TAG
        self._sealed_at = _HEADER.size + self._extra - _TAG
        self._newest = -1
        self._seen = 0  # bit i: that many before the newest was opened

    def open(self, record: bytes) -> bytes | None:
        """Give the plaintext; None: it is no whole record, forged, was there already, or is too old."""
        if len(record) < _HEAD.size:
            return None
        kind, version, number, length, shown = _HEAD.unpack_from(record)
        age = self._newest - number
        size = length - self._extra
        if (age >= 0 and (age >= WINDOW or self._seen >> age & 1)) or size < 0:
            return None
        nonce = (self._iv ^ (shown if self._is_gcm else number)).to_bytes(_NONCE)
        try:
            plaintext = self._cipher.decrypt(
                nonce, record[self._sealed_at :], _PROVED.pack(number, kind, version, size)
            )
        except InvalidTag:
            self.forged += 1
            return None
        if age >= 0:
            self._seen |= 1 << age
        else:  # a shift by as many bits as the number has grown could take all memory
            self._seen = (self._seen << -age | 1) & _WINDOW_BITS if -age < WINDOW else 1
            self._newest = number
        return plaintext
