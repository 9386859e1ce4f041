"""Which nicks look alike: none passes for one that is somebody else's. No I/O, no clock."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.lookalike import skeleton
from chat.safety import RESERVED_NICKS, Nick

_RESERVED = frozenset(map(skeleton, RESERVED_NICKS))  # read here, so that no newcomer waits for the table


def check_reserved(nick: Nick) -> None:
    """Raise `RequestRejected` for what looks like a name that nobody may have."""
    if skeleton(nick.shown) in _RESERVED:
        raise RequestRejected("NICK_RESERVED", f"{nick.shown} looks like a name that is reserved")


class Likeness:
    """Some nicks, by their keys, and what each looks like: as many as whoever keeps it has nicks."""

    def __init__(self) -> None:
        self._skeletons: dict[str, str] = {}  # by key
        self._keys: dict[str, dict[str, None]] = {}  # by skeleton

    def put(self, key: str, shown: str) -> None:
        """Have the nick with this key, as it is shown now."""
        self.drop(key)
        look = self._skeletons[key] = skeleton(shown)
        self._keys.setdefault(look, {})[key] = None

    def drop(self, key: str) -> None:
        """Have the nick with this key no more, if it was there."""
        look = self._skeletons.pop(key, None)
        if look is not None:
            del self._keys[look][key]
            if not self._keys[look]:
                del self._keys[look]

    def looks_the_same(self, nick: Nick) -> bool:
        """Say whether `nick` is there, and looks as it did: a small i can become a capital one, like an l."""
        return self._skeletons.get(nick.key) == skeleton(nick.shown)

    def others(self, nick: Nick) -> tuple[str, ...]:
        """Give the keys of the other nicks that look like `nick`."""
        return tuple(key for key in self._keys.get(skeleton(nick.shown), ()) if key != nick.key)
