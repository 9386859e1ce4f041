"""Which key a server must have, and what is said when it has another one: trust on first use, as in ssh."""

from __future__ import annotations

from contextlib import suppress

from twisted.logger import Logger

from chat.client.address import Place
from chat.client.own import own_identity, own_servers
from chat.errors import ChatError
from chat.fingerprints import FINGERPRINT_BYTES, show_fingerprint
from chat.identity import Identity, IdentityError, KnownServers


class ServerKeyChanged(ChatError):
    """The server proved another key than the expected one. Nothing of the user's was sent to it.

    `place` is `host:port`, `expected` and `offered` are fingerprints; `text`, which is what `str` gives too,
    is several lines for people: what that may mean, and how to accept the new key.
    """

    def __init__(self, place: str, expected: bytes, offered: bytes, text: str) -> None:
        super().__init__(text)
        self.place = place
        self.expected = expected
        self.offered = offered
        self.text = text


class Trust:
    """What a client knows of the server at `place`, and who it is itself; None means the user's own files.

    `expected` is the fingerprint of the server's key, None before the first contact. Raises `IdentityError`
    if a file is wrong, or `pinned` can be no fingerprint: then no server is the right one.
    """

    def __init__(
        self, place: Place, identity: Identity | None, known: KnownServers | None, pinned: bytes | None
    ) -> None:
        if pinned is not None and len(pinned) != FINGERPRINT_BYTES:
            raise IdentityError(f"a server's fingerprint has {FINGERPRINT_BYTES} bytes, not {len(pinned)}")
        self.identity = identity or own_identity()
        self._known = known or own_servers()
        self._place = str(place)
        self._is_pinned = pinned is not None
        self._remembered = self._known.get(self._place)
        self.expected = self._remembered if pinned is None else pinned

    def other(self, key: bytes) -> bytes | None:
        """Give the key that another program of ours has met this server with since, if it is not `key`."""
        if self._is_pinned or self._remembered is not None:
            return None
        with suppress(IdentityError):  # which `met` tells of
            known = self._known.get(self._place)
            if known != key:
                return known
        return None

    def met(self, key: bytes) -> bool:
        """Take note that the server has proved this key; say whether it was trusted unseen."""
        if self._remembered is None:
            self._remembered = key
            try:
                self._known.add(self._place, key)
            except IdentityError as error:
                Logger().warn("{place} is not remembered: {error}", place=self._place, error=str(error))
        is_first, self.expected = self.expected is None, key
        return is_first

    def changed(self, expected: bytes, offered: bytes) -> ServerKeyChanged:
        """Give what people are told about a server that has proved another key than the expected one."""
        place, new = self._place, show_fingerprint(offered)
        if self._is_pinned:
            remedy = (
                f"The expected one was given beforehand. If {place} has a new key, give that one instead."
            )
        else:
            remedy = (
                f"If the new key is right, remove the line of {place} from\n  {self._known.path}\n"
                f"or, for one visit: udpchat {place} --fingerprint {new}"
            )
        text = (
            f"THE KEY OF {place} IS NOT THE ONE THAT WAS EXPECTED\n"
            f"  expected  {show_fingerprint(expected)}\n"
            f"  offered   {new}\n"
            "Somebody may be trying to listen in, or the server was set up anew. Nothing of yours was sent\n"
            "to it. Ask whoever runs the server for its fingerprint, by another way than this chat.\n"
            f"{remedy}"
        )
        return ServerKeyChanged(place, expected, offered, text)
