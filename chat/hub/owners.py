"""Whose a nick is, and which keys are one person's.

A person is an *account*: the fingerprint of its first key. A nick belongs to the account that used it first
with a key, until it is released or was not used for 30 days; a key that was linked to an account counts as
its first one. `at` is in seconds since 1970, `now` in the hub's own.
"""

from __future__ import annotations

from base64 import b32encode
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.hub.likeness import Likeness
from chat.hub.notebook import Notebook
from chat.memos import Device, Owner
from chat.messages import DIRECT
from chat.safety import Nick

UNUSED_SECONDS = 30 * 86_400.0  # a holiday; who is away for longer has to share the nick with the living
OWNED_NICKS = 8  # of one account: more is hoarding
MAX_OWNERS = 50_000  # 200 bytes each; beyond them nicks are used and not owned
MAX_DEVICES = 8  # keys linked to one account
CODE_SECONDS = 600.0  # to walk from one machine to the other
MAX_CODES = 1_000  # that wait; the oldest is forgotten first
CODE_CHARS = 12  # of base32: 60 bits, which nobody guesses in ten minutes
_SECRET_BYTES = 8  # 13 characters of base32
_NAME_BYTES = 16  # of an account in its log's name: nobody finds another key that begins with them


def log_name(account: bytes | None) -> str:
    """Give the name of an account's log; "": it has none, for there is no account."""
    if account is None:
        return ""
    return DIRECT + b32encode(account[:_NAME_BYTES]).decode().rstrip("=").lower()


def no_key() -> RequestRejected:
    """Give the refusal of what only somebody with a key may ask."""
    return RequestRejected("NO_KEY", "that takes a key, and you came without one: udpchat has one for you")


class _Code(NamedTuple):
    """A code that was given out for an account; `key` has used it (None: nobody yet)."""

    account: bytes
    until: float
    key: bytes | None = None


class Owners:
    """Who owns what. `random` gives so many bytes that nobody can guess."""

    def __init__(self, notebook: Notebook, random: Callable[[int], bytes]) -> None:
        self._notebook = notebook
        self._random = random
        self._owners: OrderedDict[str, Owner] = OrderedDict()  # by the nick's key, the longest unused first
        self._likeness = Likeness()  # of the same nicks
        self._owned: Counter[bytes] = Counter()  # nicks, by account
        self._devices: dict[bytes, Device] = {}  # by fingerprint, those that are not an account's first
        self._codes: OrderedDict[str, _Code] = OrderedDict()

    def recall(self, owners: Mapping[str, Owner], devices: Mapping[bytes, Device]) -> None:
        """Take over what was remembered."""
        for key, owner in sorted(owners.items(), key=lambda item: item[1].used):
            self._owners[key] = owner
            self._likeness.put(key, owner.nick)
            self._owned[owner.account] += 1
        for fingerprint, device in devices.items():
            if self._owned[device.account]:
                self._devices[fingerprint] = device
            else:  # what it was linked for is nobody's any more
                self._notebook.strike(fingerprint, Device)

    def account(self, key: bytes) -> bytes:
        """Give the account that a key stands for."""
        device = self._devices.get(key)
        return key if device is None else device.account

    # --- nicks

    def owner(self, nick: str) -> bytes | None:
        """Give the account that owns the nick with this key; None: nobody does."""
        owner = self._owners.get(nick)
        return None if owner is None else owner.account

    def used(self, nick: str) -> int | None:
        """Give when the nick with this key was used last, in seconds since 1970; None: nobody owns it."""
        owner = self._owners.get(nick)
        return None if owner is None else owner.used

    def check(self, nick: Nick, account: bytes | None) -> None:
        """Raise `RequestRejected` if `nick` belongs to somebody else, or is one too many for the account.

        It is refused, too, if it looks like one that belongs to somebody else.
        """
        owner = self.owner(nick.key)
        if owner is not None and owner != account:
            raise RequestRejected("NICK_OWNED", f"{nick.shown} belongs to somebody else: take another nick")
        if owner is None and account is not None and self._owned[account] >= OWNED_NICKS:
            raise RequestRejected("NICK_LIMIT", f"you own {OWNED_NICKS} nicks: /release one of them first")

        if self.is_known(nick, account):
            return
        for other in map(self._owners.__getitem__, self._likeness.others(nick)):
            if other.account != account:
                text = (
                    f"{nick.shown} looks like {other.nick}, which belongs to somebody else: take another nick"
                )
                raise RequestRejected("NICK_OWNED", text)

    def is_known(self, nick: Nick, account: bytes | None) -> bool:
        """Say whether `nick` belongs to the account already, and looks as it did."""
        owner = self._owners.get(nick.key)
        return owner is not None and owner.account == account and self._likeness.looks_the_same(nick)

    def use(self, nick: Nick, account: bytes, at: float) -> None:
        """Note that an account uses a nick, which `check` has let pass: it owns it from now on.

        Of a key that was linked since its member came in, the account is the one that it stands for now.
        """
        account = self.account(account)
        known = self._owners.get(nick.key)
        if known is None:
            if len(self._owners) >= MAX_OWNERS:
                return
            self._owned[account] += 1
        if known is None or known.nick != nick.shown:
            self._likeness.put(nick.key, nick.shown)
        self._owners[nick.key] = owner = Owner(nick.shown, account, int(at))
        self._owners.move_to_end(nick.key)
        self._notebook.write(nick.key, owner)

    def touch(self, nick: Nick, account: bytes, at: float) -> None:
        """Note that an account has used a nick until now, if it owns it still."""
        if self.owner(nick.key) == account:
            self.use(nick, account, at)

    def release(self, nick: str, account: bytes | None) -> str:
        """Let the nick with this key be nobody's, and give it as it was shown."""
        if account is None:
            raise no_key()
        owner = self._owners.get(nick)
        if owner is None or owner.account != account:
            raise RequestRejected("NOT_YOURS", "that nick does not belong to you")
        self._drop(nick)
        return owner.nick

    def expire(self, at: float, in_use: Container[str]) -> None:
        """Let nicks be nobody's that were not used for 30 days, and keys that were not."""
        oldest = at - UNUSED_SECONDS
        while self._owners:
            nick, owner = next(iter(self._owners.items()))
            if owner.used > oldest:
                break
            if nick in in_use:
                self._owners[nick] = replace(owner, used=int(at))
                self._owners.move_to_end(nick)
                self._notebook.write(nick, self._owners[nick])
            else:
                self._drop(nick)

    def redate(self, dates: range, by: int) -> None:
        """Move what was used last at one of `dates` by so many seconds: the clock was set."""
        for nick, owner in self._owners.items():
            if owner.used in dates:
                self._owners[nick] = replace(owner, used=owner.used + by)
                self._notebook.write(nick, self._owners[nick])
        self._owners = OrderedDict(sorted(self._owners.items(), key=lambda item: item[1].used))

    def _drop(self, nick: str) -> None:
        account = self._owners.pop(nick).account
        self._likeness.drop(nick)
        self._owned[account] -= 1
        if not self._owned[account]:
            del self._owned[account]
        self._notebook.strike(nick, Owner)

    # --- keys

    def offer(self, account: bytes, now: float) -> str:
        """Give a code with which another key can be linked to the account: once, within ten minutes."""
        for known in [code for code, given in self._codes.items() if given.account == account]:
            del self._codes[known]
        code = b32encode(self._random(_SECRET_BYTES)).decode().lower()[:CODE_CHARS]
        self._codes[code] = _Code(account, now + CODE_SECONDS)
        if len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        return "-".join((code[:4], code[4:8], code[8:]))

    def link(self, code: str, key: bytes, now: float) -> None:
        """Let `key` stand for the account that `code` was given to; said again by the same key, it is done.

        What the key owned by itself belongs to that account from now on. So a key stands for an account and
        never for another key: none is linked that others are linked to.
        """
        code = code.lower().replace("-", "").replace(" ", "")
        given = self._codes.get(code)
        if given is None or now > given.until or given.key not in (None, key):
            raise RequestRejected("LINK_INVALID", "no such code, or it is used up: /link gives another")
        account = self.account(given.account)  # which may have been linked itself since
        if given.key == key or self.account(key) == account:
            return
        linked = Counter(device.account for device in self._devices.values())
        if linked[account] >= MAX_DEVICES or len(self._devices) >= MAX_OWNERS:
            raise RequestRejected("LINK_LIMIT", "too many other keys are linked already")
        if linked[key]:
            raise RequestRejected(
                "LINK_LIMIT", "other keys are linked to this one: /link here, and use it there"
            )
        self._codes[code] = given._replace(key=key)
        for nick, owner in list(self._owners.items()) if self._owned[key] else ():
            if owner.account == key:
                self._owners[nick] = replace(owner, account=account)
                self._notebook.write(nick, self._owners[nick])
        self._owned[account] += self._owned.pop(key, 0)
        self._devices[key] = device = Device(account)
        self._notebook.write(key, device)
