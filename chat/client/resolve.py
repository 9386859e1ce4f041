"""The socket address of a server, as Twisted's resolver finds it.

The plain client takes IPv4 first: the servers that it must get on with know nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address

from twisted.internet import address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from zope.interface import implementer

from chat.client.address import AddressError, Place, Server, SockAddr


def resolve(place: Place, resolver: IHostnameResolver) -> Deferred[Server]:
    """Give the server at `place`, by IPv4 if possible; fails with `AddressError` if there is no such host."""
    return resolve_all(place, resolver).addCallback(min, key=_length)


def resolve_all(place: Place, resolver: IHostnameResolver) -> Deferred[list[Server]]:
    """Give the server at all its addresses, the best first (RFC 6724), each once; fails as `resolve` does.

    An IPv4 address is its own answer: no thread is asked, however often a client looks for its server.
    """
    with suppress(AddressValueError):
        return succeed([Server(place, (str(IPv4Address(place.host)), place.port))])
    answers = _Answers(place)
    resolver.resolveHostName(
        answers, place.host, place.port, [address.IPv4Address, address.IPv6Address], "UDP"
    )
    return answers.found


def _length(server: Server) -> int:
    return len(server.sockaddr)  # the shorter one is IPv4


@implementer(IResolutionReceiver)
class _Answers:
    """Collects what the resolver finds for one place."""

    def __init__(self, place: Place) -> None:
        self.found: Deferred[list[Server]] = Deferred()
        self._place = place
        self._servers: dict[Server, None] = {}

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Nothing is known yet."""

    def addressResolved(self, address: IAddress) -> None:
        """Keep one address."""
        self._servers[Server(self._place, _sockaddr(address))] = None

    def resolutionComplete(self) -> None:
        """Give them, in the resolver's order."""
        if not self._servers:
            self.found.errback(
                AddressError(f"no host named {self._place.host} was found: check the spelling")
            )
            return
        self.found.callback(list(self._servers))


def _sockaddr(found: IAddress) -> SockAddr:
    if isinstance(found, address.IPv6Address):
        # The scope names the link of a link-local address; it may be a name or a number.
        return (found.host, found.port, int(found.flowInfo), int(found.scopeID))
    assert isinstance(found, address.IPv4Address)  # noqa: S101  (nothing else was asked for)
    return (found.host, found.port)
