"""One way to a server: a socket of ours, one of the server's addresses, and the channel between them."""

from __future__ import annotations

import typing
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IHostnameResolver, IListeningPort
from twisted.internet.protocol import DatagramProtocol

from chat.client.address import Server
from chat.wire.dtls_client import DtlsClient
from chat.wire.dtls_records import MAX_INCOMING


class Reactor(typing.Protocol):
    """What a client needs of Twisted's reactors."""

    @property
    def nameResolver(self) -> IHostnameResolver:  # noqa: N802  (Twisted's name)
        """What finds hosts."""

    def callLater(self, delay: float, what: Callable[[], object], /) -> IDelayedCall:  # noqa: N802
        """Call something after `delay` seconds."""

    def listenUDP(
        self, port: int, protocol: DatagramProtocol, interface: str, most: int, /
    ) -> IListeningPort:
        """Open a socket for datagrams of at most so many bytes."""


class Path(DatagramProtocol):
    """Opens its socket at once; raises `OSError` if there is none to be had.

    `heard` gets what comes from the server's address. What comes from others is nobody's business, and the
    socket is never connected: one ICMP message from anywhere would close it for good.
    """

    noisy = False

    def __init__(
        self,
        reactor: Reactor,
        server: Server,
        channel: DtlsClient,
        begun: float,
        heard: Callable[[Path, bytes], None],
    ) -> None:
        self.server = server
        self.channel = channel
        self.begun = begun
        self._heard = heard
        try:
            self._port = reactor.listenUDP(0, self, server.interface, MAX_INCOMING)
        except CannotListenError as error:
            raise OSError(*error.socketError.args) from None
        self._closing: Deferred[None] | None = None
        self._socket = self._port.getHandle()  # type: ignore[attr-defined]  # every UDP port has it

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """Take what comes from the server. (Twisted cuts the link off an IPv6 address.)"""
        if addr[:2] == self.server.sockaddr[:2]:
            self._heard(self, datagram)

    def flush(self, now: float) -> None:
        """Write what the channel wants to send. The one guarded write: what fails is lost, as on any path."""
        for datagram in self.channel.datagrams_to_send(now):
            try:
                self._socket.sendto(datagram, self.server.sockaddr)
            except OSError:
                continue

    def close(self, now: float) -> Deferred[None]:
        """Say goodbye if there is a session, and close the socket; fires when that is done."""
        if self._closing is None:  # a port that is asked twice answers the second one only
            self.channel.close(now)
            self.flush(now)
            self._closing = self._port.stopListening() or succeed(None)
        return self._closing
