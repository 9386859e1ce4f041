"""What a server remembers beside entries: who owns a nick, who was in which room, who had read what.

A memo is a value under a key, and the newest under a key is the only one. The hub says what is to be
remembered, a store keeps it as bytes that it does not look into, and at the next start the hub has it back.
New fields go to the end, with a default; a kind of memo that this release does not know is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from chat.errors import StoreError


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """Whose a nick is, by the key that nicks are compared by. `used` is seconds since 1970."""

    nick: str
    account: bytes
    used: int


class Device(msgspec.Struct, frozen=True, array_like=True):
    """Whose a key is, by its fingerprint, if it is not the first key of somebody."""

    account: bytes


class Reader(msgspec.Struct, frozen=True, array_like=True):
    """Up to where a log of direct messages was shown to its reader, by its name."""

    seen: int


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """A member, by its name in the hub.

    `is_away`: it was silent for long; `away` is what it says of that itself (None: it is not away). It is
    here `since` then, in seconds since 1970.
    """

    nick: str
    key: bytes | None
    is_plain: bool
    is_away: bool
    rooms: list[str]
    away: str | None = None
    since: int = 0


class Lodging(msgspec.Struct, frozen=True, array_like=True):
    """Where a plain member speaks from, by its name in the hub, and what its session knows of it.

    `host` and `numbers` (port; for IPv6 also flow info and scope) are what recvfrom gives, `spoken_to` is the
    address of ours that it speaks to, as the port gives it; `asked` is the nick as it was typed, `room` the
    one that it speaks in, `heard` seconds since 1970, `ignored` whom it does not hear.
    """

    host: str
    numbers: tuple[int, ...]
    spoken_to: bytes
    line_end: bytes
    asked: str
    room: str
    heard: int
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        if len(self.numbers) not in (1, 3):
            raise ValueError(f"no address has {len(self.numbers)} numbers")

    @property
    def addr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Give the address as sockets take it."""
        port, *more = self.numbers
        return (self.host, port, *more) if more else (self.host, port)  # type: ignore[return-value]


class Mute(msgspec.Struct, frozen=True, array_like=True):
    """Somebody may not speak, by room ("": any), a slash, and `nick:` or `key:` and more. Else as `Ban`."""

    shown: str
    by: str
    at: int
    until: int
    reason: str


class Operator(msgspec.Struct, frozen=True, array_like=True):
    """An operator of the server, by the account; `at` is when `by` appointed them, in seconds since 1970."""

    nick: str
    by: str
    at: int


class Ban(msgspec.Struct, frozen=True, array_like=True):
    """Somebody is kept out, by what the ban is about: `nick:`, `key:` or `net:`, and more.

    `shown` is that as people read it, `account` the person who is meant (None: whoever it is). Banned by `by`
    at `at` until `until`, in seconds since 1970 (0: for ever).
    """

    shown: str
    by: str
    at: int
    until: int
    reason: str
    account: bytes | None = None


class Charter(msgspec.Struct, frozen=True, array_like=True):
    """What a room is, by its name; people are in it by their accounts.

    `is_private`: it is not listed, and who was not invited does not come in, unless by a key.
    `key` ("": none) is what those have to say who were not invited.
    `is_for_owners`: who does not own the nick that they use may not speak.
    `is_locked`: only operators make topics. `used` is when somebody was in it, in seconds since 1970.
    """

    operators: tuple[bytes, ...] = ()
    invited: tuple[bytes, ...] = ()
    is_private: bool = False
    key: str = ""
    is_for_owners: bool = False
    is_locked: bool = False
    used: int = 0


Memo = Owner | Device | Reader | Seat | Lodging | Operator | Ban | Mute | Charter
# By the names that stand in stores: they stay, whatever a class is called.
_KINDS: dict[str, type[Memo]] = {
    "owner": Owner,
    "device": Device,
    "reader": Reader,
    "seat": Seat,
    "lodging": Lodging,
    "operator": Operator,
    "ban": Ban,
    "mute": Mute,
    "room": Charter,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Memos(msgspec.Struct):
    """Everything that was remembered, by what each memo is about."""

    owners: dict[str, Owner] = {}
    devices: dict[bytes, Device] = {}
    readers: dict[str, Reader] = {}
    seats: dict[bytes, Seat] = {}
    lodgings: dict[bytes, Lodging] = {}
    operators: dict[bytes, Operator] = {}
    bans: dict[str, Ban] = {}
    mutes: dict[str, Mute] = {}
    charters: dict[str, Charter] = {}


# Where the memos of each kind are, and of which kinds each is about a key, an account or a member.
_PLACES = {
    Owner: "owners",
    Device: "devices",
    Reader: "readers",
    Seat: "seats",
    Lodging: "lodgings",
    Operator: "operators",
    Ban: "bans",
    Mute: "mutes",
    Charter: "charters",
}
_ABOUT_BYTES = (Device, Seat, Lodging, Operator)


def memo_key(kind: type[Memo], about: str | bytes) -> str:
    """Give the key under which what `kind` says about a nick, a room, a key or a member is remembered."""
    return f"{_NAMES[kind]}:{about.hex() if isinstance(about, bytes) else about}"


encode_memo = msgspec.msgpack.Encoder().encode


def decode_memos(kept: Mapping[str, bytes]) -> Memos:
    """Give the memos that a store has kept. Raises `StoreError` if one of them cannot be one."""
    memos = Memos()
    for key, content in kept.items():
        name, _, about = key.partition(":")
        kind = _KINDS.get(name)
        if kind is None:
            continue
        try:
            memo = msgspec.msgpack.decode(content, type=kind)
            found = getattr(memos, _PLACES[kind])
            found[bytes.fromhex(about) if kind in _ABOUT_BYTES else about] = memo
        except (ValueError, msgspec.DecodeError) as error:
            raise StoreError(f"the store holds something unreadable under {key!r}: {error}") from None
    return memos
