"""A user's own files: the key that says who somebody is, and the servers that were met before."""

from __future__ import annotations

from chat.identity import Identity, KnownServers, data_directory, load_identity

IDENTITY_FILE = "identity.pem"
SERVERS_FILE = "known_servers"

_NAME = "udpchat client"  # in the certificate, which servers and whoever made the first contact can read


def own_identity() -> Identity:
    """Give the user's identity, made at its first use. Raises `IdentityError`."""
    return load_identity(data_directory() / IDENTITY_FILE, _NAME)


def own_servers() -> KnownServers:
    """Give the servers that the user has met. Raises `IdentityError`."""
    return KnownServers(data_directory() / SERVERS_FILE)
