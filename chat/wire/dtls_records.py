"""DTLS records as bytes: what can be told of them without keys, and how they fill datagrams.

This module never does I/O and knows no session. Its law: any bytes have an answer, and nothing raises. A
record is a header of 13 bytes and its body (RFC 6347, section 4.1); in epoch 0 nothing is encrypted or
proved, so whoever can forge an address can write such a record. A handshake message in it has 12 bytes before
its body (section 4.2.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

MAX_DATAGRAM = 1_200  # bytes on the wire, which QUIC too asks of every path (RFC 9000, section 14)
# A larger one would not be read whole in one go by OpenSSL (16 KiB and some), and its rest would be taken for
# the beginning of the next.
MAX_INCOMING = 16_384
# A handshake message of ours has 600 bytes, of openssl s_client with a chain of certificates some thousand.
# OpenSSL sets 100 KiB aside for whoever says that its certificate is that long.
MAX_HANDSHAKE_MESSAGE = 8_192

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
CLIENT_HELLO = 1
_MAJOR = 0xFE  # of every version of DTLS
_EPOCH_0, _EPOCH_1 = b"\x00\x00", b"\x00\x01"
_HEADER = 13
_NUMBER = slice(5, 11)  # of a record
_NUMBERS = 1 << 48
_MESSAGE = _HEADER + 12  # where a handshake message's body begins
_RANDOM = slice(_MESSAGE + 2, _MESSAGE + 34)  # of a ClientHello, behind the client's version
_TAG = 16  # bytes that every record with an AEAD cipher has at least (RFC 5288, RFC 7905)

# A fatal alert of epoch 0, "unexpected message": 15 bytes that say "I know no such session".
UNKNOWN_SESSION = struct.pack("!B2sHHIHBB", ALERT, b"\xfe\xfd", 0, 0, 0, 2, 2, 10)


def is_dtls(datagram: bytes) -> bool:
    """Say by the first bytes whether a datagram is of DTLS.

    Narrower than RFC 7983, whose range 20..63 holds digits, blanks and `/`: those begin lines of text here.
    """
    return len(datagram) > 1 and CHANGE_CIPHER_SPEC <= datagram[0] <= APPLICATION and datagram[1] == _MAJOR


def split(content: bytes) -> list[bytes]:
    """Give the whole records, headers included, up to the first that is cut off or none."""
    records = []
    start = 0
    while is_dtls(content[start : start + 2]) and start + _HEADER <= len(content):
        end = start + _HEADER + int.from_bytes(content[start + 11 : start + 13])
        if end > len(content):
            break
        records.append(content[start:end])
        start = end
    return records


def pack(records: Iterable[bytes]) -> list[bytes]:
    """Give datagrams of whole records, in order, each of at most 1,200 bytes unless one record is longer."""
    datagrams: list[bytes] = []
    for record in records:
        if datagrams and len(datagrams[-1]) + len(record) <= MAX_DATAGRAM:
            datagrams[-1] += record
        else:
            datagrams.append(record)
    return datagrams


def number(record: bytes) -> int:
    """Give a record's sequence number, of 48 bits."""
    return int.from_bytes(record[_NUMBER])


def renumber(datagram: bytes, more: int) -> bytes:
    """Give a datagram whose records of epoch 0 have sequence numbers that are higher by so many."""
    return b"".join(
        record[: _NUMBER.start] + ((number(record) + more) % _NUMBERS).to_bytes(6) + record[_NUMBER.stop :]
        if record[3:5] == _EPOCH_0
        else record
        for record in split(datagram)
    )


def is_one_sealed(datagram: bytes) -> bool:
    """Say whether a datagram is one record of application data in epoch 1, which nearly all are."""
    return (
        len(datagram) > _HEADER
        and datagram[0] == APPLICATION
        and datagram[3:5] == _EPOCH_1
        and int.from_bytes(datagram[11:13]) + _HEADER == len(datagram)
    )


def is_sealed(record: bytes) -> bool:
    """Say whether a record claims to be of epoch 1 and is long enough for it."""
    return record[3:5] == _EPOCH_1 and len(record) >= _HEADER + _TAG


def is_bare_alert(record: bytes) -> bool:
    """Say whether a record is an alert that anybody can have written."""
    return record[0] == ALERT and record[3:5] == _EPOCH_0


def is_of_handshake(record: bytes) -> bool:
    """Say whether a handshake that has begun may see a record.

    No bare alerts, nothing of epochs that cannot be, no ClientHello (its repeats too are answered by our own
    repeats), no message that is longer than any that is needed.
    """
    if record[3:5] == _EPOCH_1:
        return True
    if record[3:5] != _EPOCH_0 or record[0] not in {CHANGE_CIPHER_SPEC, HANDSHAKE}:
        return False
    if record[0] == CHANGE_CIPHER_SPEC:
        return True
    return (
        len(record) >= _MESSAGE
        and record[_HEADER] != CLIENT_HELLO
        and int.from_bytes(record[14:17]) <= MAX_HANDSHAKE_MESSAGE
    )


def client_hello(datagram: bytes) -> bytes | None:
    """Give the record if a datagram is a ClientHello in one piece, or the last of several.

    Who is challenged late repeats the first beside the next, which has the cookie. One in fragments (from a
    path of a few hundred bytes) could be put together only by keeping its pieces for somebody who has proved
    nothing; OpenSSL does not either.
    """
    records = split(datagram)
    if not records or not (_is_hello(records[0]) and _is_hello(records[-1])):
        return None
    record = records[-1]
    is_whole = record[14:17] == record[22:25] and int.from_bytes(record[14:17]) == len(record) - _MESSAGE
    if record[3:5] != _EPOCH_0 or len(record) < _RANDOM.stop or not is_whole or any(record[19:22]):
        return None
    return record


def _is_hello(record: bytes) -> bool:
    return record[0] == HANDSHAKE and record[_HEADER : _HEADER + 1] == bytes([CLIENT_HELLO])


def client_random(hello: bytes) -> bytes:
    """Give the 32 bytes that tell a ClientHello, and its repeats, from those of other handshakes."""
    return hello[_RANDOM]
