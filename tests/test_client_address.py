"""Tests of what people may write for a server, and of what it resolves to."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chat.client.address import (
    AddressError,
    Place,
    Server,
    has_port,
    parse_place,
    parse_port,
)
from chat.client.resolve import resolve, resolve_all


@implementer(IHostResolution)
class _Resolution:
    name = "chat.example"

    def cancel(self) -> None:
        """Never called."""


@implementer(IHostnameResolver)
class _Resolver:
    """Answers at once with what it was given."""

    def __init__(self, *found: IAddress) -> None:
        self._found = found

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,  # noqa: ARG002, N803
        portNumber: int = 0,  # noqa: ARG002, N803
        addressTypes: Sequence[type[IAddress]] | None = None,  # noqa: ARG002, N803
        transportSemantics: str = "TCP",  # noqa: ARG002, N803
    ) -> IHostResolution:
        """Tell the receiver everything."""
        resolution = _Resolution()
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._found:
            resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolution


class ParsePlaceTests(SynchronousTestCase):
    """HOST, HOST:PORT, and IPv6 in both spellings."""

    def test_places(self) -> None:
        """A host has the port 6789 unless it names one; IPv6 takes brackets only to name a port."""
        for text, place in {
            "chat.example": Place("chat.example", 6789),
            " 192.0.2.7 ": Place("192.0.2.7", 6789),
            "chat.example:7000": Place("chat.example", 7000),
            "::1": Place("::1", 6789),
            "[::1]": Place("::1", 6789),
            "[::1]:6789": Place("::1", 6789),
            "fe80::1%eth0": Place("fe80::1%eth0", 6789),
            "[fe80::1%eth0]:65535": Place("fe80::1%eth0", 65_535),
        }.items():
            self.assertEqual(parse_place(text), place)

    def test_what_is_no_place(self) -> None:
        """What names no server raises an error of one line."""
        for text in (
            *("", ":6789", "host:", "host:0", "host:65536", "host:port", "host:-1", "host:9" + "0" * 5000),
            *("[::1", "[::1]6789", "[host]:1", "1:2:3", "::g", "a b", "a..b", "x" * 64, "a\x1bb", "\udcff"),
            *("0.0.0.0", "::", "[::]:6789"),
        ):
            error = self.assertRaises(AddressError, parse_place, text)
            self.assertNotIn("\n", str(error))

    def test_a_port_says_what_is_allowed(self) -> None:
        """Whoever names a wrong port is told which ones there are."""
        self.assertEqual(parse_port(" 7000 "), 7000)
        self.assertIn("from 1 to 65535", str(self.assertRaises(AddressError, parse_port, "٣")))

    def test_has_port(self) -> None:
        """A place without a port is told from one with the default port."""
        self.assertEqual(
            [has_port(text) for text in ("a", "::1", "[::1]", "a:6789", "[::1]:6789")],
            [False, False, False, True, True],
        )

    def test_shown_as_written(self) -> None:
        """A place is shown in the form in which it could be typed."""
        self.assertEqual(str(Place("::1", 1)), "[::1]:1")
        self.assertEqual(str(Place("chat.example", 1)), "chat.example:1")


class ResolveTests(SynchronousTestCase):
    """From a place to a socket address."""

    place = Place("chat.example", 7000)

    def test_ipv4_first(self) -> None:
        """IPv4 is taken where there is any: the servers of old know nothing else."""
        found = resolve(
            self.place,
            _Resolver(
                IPv6Address("UDP", "2001:db8::1", 7000),
                IPv4Address("UDP", "192.0.2.7", 7000),
                IPv4Address("UDP", "192.0.2.8", 7000),
            ),
        )
        server = self.successResultOf(found)
        self.assertEqual(server, Server(self.place, ("192.0.2.7", 7000)))
        self.assertEqual(server.interface, "0.0.0.0")

    def test_the_link_is_kept(self) -> None:
        """The scope id of a link-local IPv6 address stays in the socket address."""
        found = resolve(self.place, _Resolver(IPv6Address("UDP", "fe80::1", 7000, 0, "3")))
        server = self.successResultOf(found)
        self.assertEqual(server.sockaddr, ("fe80::1", 7000, 0, 3))
        self.assertEqual(server.interface, "::")

    def test_an_ipv4_address(self) -> None:
        """It is its own answer: nobody is asked, and it answers at once."""
        place = Place("192.0.2.7", 7000)
        found = self.successResultOf(resolve_all(place, _Resolver()))
        self.assertEqual(found, [Server(place, ("192.0.2.7", 7000))])

    def test_not_found(self) -> None:
        """A name that nobody knows fails with one line that repeats it."""
        failure = self.failureResultOf(resolve(self.place, _Resolver()), AddressError)
        self.assertIn("chat.example", failure.getErrorMessage())

    def test_first_of_several_ipv6(self) -> None:
        """Without IPv4 the resolver's first answer is taken."""
        found = resolve(self.place, _Resolver(*(IPv6Address("UDP", f"2001:db8::{n}", 7000) for n in (2, 1))))
        self.assertEqual(self.successResultOf(found).sockaddr[0], "2001:db8::2")

    def test_all(self) -> None:
        """Whoever wants all addresses has each once, in the resolver's order."""
        found = resolve_all(
            self.place,
            _Resolver(
                IPv6Address("UDP", "2001:db8::1", 7000),
                IPv4Address("UDP", "192.0.2.7", 7000),
                IPv6Address("UDP", "2001:db8::1", 7000),
                IPv4Address("UDP", "192.0.2.6", 7000),
            ),
        )
        servers = self.successResultOf(found)
        self.assertEqual({server.place for server in servers}, {self.place})
        self.assertEqual(
            [server.sockaddr[0] for server in servers], ["2001:db8::1", "192.0.2.7", "192.0.2.6"]
        )

    def test_none_at_all(self) -> None:
        """A name that nobody knows has no addresses, and that is a failure."""
        self.failureResultOf(resolve_all(self.place, _Resolver()), AddressError)
