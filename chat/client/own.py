"""A user's own files: the key that says who somebody is, the servers that were met, and own nicks."""

from __future__ import annotations

import getpass
from pathlib import Path

from chat.errors import RequestRejected
from chat.identity import Identity, KnownServers, data_directory, load_identity
from chat.safety import check_nick, clean_text

IDENTITY_FILE = "identity.pem"
SERVERS_FILE = "known_servers"
NICKS_FILE = "owned_nicks"
NICKS_BYTES = 65_536  # of that file: a thousand nicks; whoever has so many needs to be told of no other

_NAME = "udpchat client"  # in the certificate, which servers and whoever made the first contact can read


def own_identity() -> Identity:
    """Give the user's identity, made at its first use. Raises `IdentityError`."""
    return load_identity(data_directory() / IDENTITY_FILE, _NAME)


def own_servers() -> KnownServers:
    """Give the servers that the user has met. Raises `IdentityError`."""
    return KnownServers(data_directory() / SERVERS_FILE)


def own_nicks() -> OwnedNicks:
    """Give the nicks that the user was told of."""
    return OwnedNicks(data_directory() / NICKS_FILE)


def login_nick() -> str:
    """Give the login name as a nick, "" if it cannot be one."""
    try:
        return check_nick(getpass.getuser()).shown
    except (RequestRejected, OSError, KeyError):
        return ""


class OwnedNicks:
    """The nicks that have become the user's, in a file: a line each, a server and a nick."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self, place: str) -> str:
        """Give the nick that became the user's last at `place`; "": none is known."""
        try:
            with self._path.open("rb") as file:
                lines = file.read(NICKS_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return ""
        nicks = [line.partition(" ")[2] for line in lines if line.startswith(f"{place} ")]
        return clean_text(nicks[-1]) if nicks else ""

    def add(self, place: str, nick: str) -> bool:
        """Write down that `nick` is the user's at `place`; say whether that is news.

        What cannot be written down is none: it would be told at each start.
        """
        line = f"{place} {nick}\n".encode()
        try:
            with self._path.open("a+b") as file:
                file.seek(0)
                known = file.read(NICKS_BYTES)
                if line in known.splitlines(keepends=True) or len(known) + len(line) > NICKS_BYTES:
                    return False
                file.write(line)
        except OSError:
            return False
        return True
