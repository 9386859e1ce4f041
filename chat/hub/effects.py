"""What the hub wants done: values that the server carries out, in order.

`member` and `token` are opaque: the server knows which session a member has, the hub which request a token
belongs to.
"""

from __future__ import annotations

from typing import NamedTuple

from chat.messages import Broadcast, Entry, Fetch, Reply
from chat.stored import Draft


class Commit(NamedTuple):
    """Append `draft` to the store, if the newest number that it has of this client is `last`."""

    token: bytes
    draft: Draft
    last: int


class Read(NamedTuple):
    """Read what `fetch` asks for from the store; `Hub.answered` or `Hub.failed` takes what comes of it."""

    token: int
    fetch: Fetch


class Seek(NamedTuple):
    """Search the store (see `Store.search`); `Hub.found` or `Hub.failed` takes what comes of it."""

    token: int
    room: str
    words: tuple[str, ...]
    before: int | None
    limit: int


class Reload(NamedTuple):
    """Read what can be read again without a restart; `Hub.reloaded` takes what comes of it."""

    member: bytes
    request_id: int


class ShutDown(NamedTuple):
    """End the server in so many seconds (None: it is not to end after all, whatever was said before).

    `comes_back`: a server is to be expected again, so clients shall come back by themselves.
    """

    seconds: float | None
    comes_back: bool


class Redact(NamedTuple):
    """Take away a text (see `Store.redact`); `Hub.redacted` or `Hub.failed` takes what comes of it."""

    token: int
    room: str
    seq: int


class Send(NamedTuple):
    """Tell one member: a reply, or an entry that it has fetched."""

    member: bytes
    message: Reply | Entry


class Publish(NamedTuple):
    """Tell `members` the same thing; it may be nobody, then it is for the log.

    `author` is whom it is about: a member, or one that has just left (b"": nobody by name).
    """

    members: tuple[bytes, ...]
    message: Broadcast
    author: bytes


class Drop(NamedTuple):
    """The member is gone from the chat; nick, `verified` and `reason` are for the log."""

    member: bytes
    nick: str
    verified: bool
    reason: str


class Acted(NamedTuple):
    """An operator has done something: for the log. `key` is that person's (None: has none), `text` why.

    `number` is that of the order: for how long, or which.
    """

    nick: str
    key: bytes | None
    verb: str
    room: str
    target: str
    text: str
    number: int


Effect = Commit | Read | Seek | Send | Publish | Drop | Acted | Redact | Reload | ShutDown
