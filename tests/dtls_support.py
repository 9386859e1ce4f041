"""What the tests of DTLS share: keys, a server's door, a client on a path, both ends brought together."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from chat.wire.dtls import Addr, DtlsListener
from chat.wire.dtls_channel import make_context
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_keys import Keys, record_keys
from chat.wire.dtls_records import MAX_DATAGRAM, MAX_INCOMING, is_sealed, split
from chat.wire.dtls_seal import Sealer
from chat.wire.dtls_server_channel import ServerChannel

NED: Addr = ("10.0.0.1", 40_000)
EVE: Addr = ("10.0.0.66", 40_000)
AnyKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
SECRET = b"the secret of a server's cookies"


def make_certificate(key: AnyKey, name: str = "udpchat", padding: int = 0) -> bytes:
    """Give a self-signed certificate (PEM), with so many bytes that nobody needs; it ran out long ago."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC))
    )
    if padding:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, bytes(padding)), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def key_pem(key: AnyKey) -> bytes:
    """Give a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def pair(name: str) -> tuple[bytes, bytes]:
    """Give the key and the certificate of somebody, PEM: the same for the same name."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key_pem(key), make_certificate(key, name)


@cache
def client_context() -> SSL.Context:
    """Give what clients are made with."""
    return make_context(*pair("client"))


def new_client(now: float = 0.0) -> DtlsClient:
    """Give a client whose handshake begins."""
    return DtlsClient(client_context(), now)


class Door:
    """A server's side: what comes from a known address is its channel's, all else the listener's."""

    def __init__(self, listener: DtlsListener | None = None) -> None:
        self.listener = listener or DtlsListener(*pair("server"), SECRET)
        self.channels: dict[Addr, ServerChannel] = {}
        self.made: list[Addr] = []  # one for each channel there ever was
        self.heard: list[tuple[bytes, Addr]] = []

    def receive(self, datagram: bytes, addr: Addr, now: float) -> list[tuple[bytes, Addr]]:
        """Take a datagram; give what leaves for it."""
        channel = self.channels.get(addr)
        if channel is not None and not channel.yields_to(datagram, now):
            self.heard += [(plaintext, addr) for plaintext in channel.receive_datagram(datagram, now)]
        elif self.listener.is_mine(datagram):
            channel = self.listener.receive_datagram(datagram, addr, now)
            if channel is not None:
                self.channels[addr] = channel
                self.made.append(addr)
        return self.listener.datagrams_to_send(now) + self.collect(addr, now)

    def collect(self, addr: Addr, now: float) -> list[tuple[bytes, Addr]]:
        """Give what an address's channel has to send; forget it if it is over."""
        channel = self.channels.get(addr)
        if channel is None:
            return []
        if channel.is_over:
            del self.channels[addr]
        return [(datagram, addr) for datagram in channel.datagrams_to_send(now)]


class KnownClient:
    """A client of OpenSSL's with no certificate, whose keys a test can see: what it can say, a test can."""

    def __init__(self, suite: str) -> None:
        context = make_context(None, None)
        context.set_cipher_list(suite.encode())
        self.suite = suite
        self.connection = SSL.Connection(context)
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(MAX_DATAGRAM)
        self.last = b""  # the record of epoch 1 that it has sealed last

    def go_on(self, datagrams: Iterable[bytes] = ()) -> list[bytes]:
        """Take what the server has answered; give the next flight."""
        for datagram in datagrams:
            self.connection.bio_write(datagram)
        with suppress(SSL.WantReadError):
            self.connection.do_handshake()
        return self.said()

    def said(self) -> list[bytes]:
        """Give the records that it has written, each as a datagram."""
        try:
            records = split(self.connection.bio_read(MAX_INCOMING))
        except SSL.WantReadError:
            return []
        self.last = next(filter(is_sealed, reversed(records)), self.last)
        return records

    def say(self, plaintext: bytes) -> bytes:
        """Give a plaintext as OpenSSL seals it."""
        self.connection.send(plaintext)
        return b"".join(self.said())

    def hear(self, datagram: bytes) -> bytes:
        """Give what a datagram says, as OpenSSL opens it."""
        self.connection.bio_write(datagram)
        return self.connection.recv(MAX_INCOMING)

    def keys(self) -> tuple[Keys, Keys]:
        """Give its keys, and the server's; it has them before the server's last flight has come."""
        connection = self.connection
        secrets = connection.master_key(), connection.client_random(), connection.server_random()
        return record_keys(self.suite, *cast("tuple[bytes, bytes, bytes]", secrets))

    def sealer(self) -> Sealer:
        """Give what seals records in its name, behind those that it has written. It should be silent then."""
        return Sealer(self.keys()[0], self.last, 1 << 48)


def half_way(door: Door, suite: str, addr: Addr = NED) -> tuple[KnownClient, list[bytes]]:
    """Give a client whose last flight (its records) has not been sent."""
    client = KnownClient(suite)
    flight = client.go_on()
    for _ in range(2):
        answers = [answer for record in flight for answer, _ in door.receive(record, addr, 0.0)]
        flight = client.go_on(answers)
    return client, flight


def known(suite: str, door: Door | None = None, addr: Addr = NED) -> tuple[KnownClient, ServerChannel, Door]:
    """Give both ends of a session that is up, and the server's door. The client has said nothing yet."""
    door = door or Door()
    client, flight = half_way(door, suite, addr)
    client.go_on([answer for record in flight for answer, _ in door.receive(record, addr, 0.0)])
    return client, door.channels[addr], door


def to_and_fro(client: DtlsClient, door: Door, addr: Addr = NED, now: float = 0.0) -> list[bytes]:
    """Carry datagrams until none is left, nothing is lost; give the plaintexts that the client got."""
    got = []
    while datagrams := client.datagrams_to_send(now):
        for datagram in datagrams:
            for answer, to in door.receive(datagram, addr, now):
                if to == addr:
                    got += client.receive_datagram(answer, now)
    return got


def connected(addr: Addr = NED, now: float = 0.0) -> tuple[DtlsClient, ServerChannel, Door]:
    """Give both ends of a session that is up, and the server's door."""
    door, client = Door(), new_client(now)
    to_and_fro(client, door, addr, now)
    return client, door.channels[addr], door


def proving(door: Door, addr: Addr = NED, now: float = 0.0) -> tuple[DtlsClient, bytes]:
    """Give a client that was told its cookie, and its ClientHello with it, which has not been sent."""
    client = new_client(now)
    (hello,) = client.datagrams_to_send(now)
    ((challenge, _),) = door.receive(hello, addr, now)
    client.receive_datagram(challenge, now)
    (proof,) = client.datagrams_to_send(now)
    return client, proof
