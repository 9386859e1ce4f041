"""Addresses and networks as people write them and as they are compared."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def find_network(text: str) -> Network | None:
    """Give the address or network that `text` means, an IPv4 one in IPv6's clothes as itself; None: none."""
    if "." not in text and ":" not in text:
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    first = network.network_address
    if isinstance(first, IPv4Address):
        return network
    if first.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - 96))
    return IPv6Network((int(first), network.prefixlen))  # whatever interface ("%eth0") it is seen from


def find_address(host: str) -> IPv4Address | IPv6Address:
    """Give a numeric address as what it is compared by: an IPv4 one in IPv6's clothes as itself."""
    address = ip_address(host)
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
