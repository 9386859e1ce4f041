"""Where the server is: what people write for it, and the socket address that this means.

Pure, and loads nothing: `chat.client.resolve` asks for names.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import NamedTuple

from chat.errors import ChatError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 6789  # the port of both programs that this chat descends from
HIGHEST_PORT = 65_535

# What recvfrom gives and sendto takes: (host, port), or (host, port, flow info, scope id) for IPv6.
SockAddr = tuple[str, int] | tuple[str, int, int, int]


class AddressError(ChatError):
    """There is no server to be had at what somebody wrote. The text is one line for people."""


class Place(NamedTuple):
    """A server as people write it: a host name or a numeric address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Server(NamedTuple):
    """A server that can be sent to: the place as it was written, and what it resolved to."""

    place: Place
    sockaddr: SockAddr

    @property
    def interface(self) -> str:
        """The address to bind to: any, of the same family."""
        return "::" if len(self.sockaddr) == 4 else "0.0.0.0"  # noqa: S104  (a client's own port)


def parse_place(text: str) -> Place:
    """Give the place that `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare IPv6 address means.

    Without a port it is 6789. Raises `AddressError` naming what is allowed.
    """
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":"):
            raise AddressError(f"{text!r}: write an IPv6 address with a port as [::1]:{DEFAULT_PORT}")
        return Place(_check_ipv6(host), parse_port(rest[1:]) if rest else DEFAULT_PORT)
    if text.count(":") > 1:
        return Place(_check_ipv6(text), DEFAULT_PORT)
    host, colon, port = text.partition(":")
    return Place(_check_host(host), parse_port(port) if colon else DEFAULT_PORT)


def has_port(text: str) -> bool:
    """Say whether `text`, which is a place, names a port."""
    return "]:" in text if text.startswith("[") else text.count(":") == 1


def parse_port(text: str) -> int:
    """Give the port that `text` names, or raise `AddressError` saying what a port is."""
    text = text.strip()
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= HIGHEST_PORT:
        return int(text[:6])
    raise AddressError(f"{text!r} is no port: a port is a number from 1 to {HIGHEST_PORT}")


def _check_host(host: str) -> str:
    try:
        host.encode("idna")
    except UnicodeError:  # the resolver would never answer
        raise AddressError(f"{host!r} is no host name") from None
    if not host or any(char.isspace() or not char.isprintable() for char in host):
        raise AddressError(f"{host!r} is no host name")
    try:
        anywhere = ip_address(host).is_unspecified
    except ValueError:
        return host  # a name
    if anywhere:
        raise AddressError(f"{host} is where servers listen, not where one is: try {DEFAULT_HOST}")
    return host


def _check_ipv6(host: str) -> str:
    try:
        IPv6Address(host)
    except AddressValueError:
        raise AddressError(
            f"{host!r} is no IPv6 address: write one as ::1 or, with a port, as [::1]:{DEFAULT_PORT}"
        ) from None
    return _check_host(host)
