"""What members are told when the server goes: the same words for all, and to native ones when to be back."""

from __future__ import annotations

from collections.abc import Iterable

from chat.hub.effects import Send
from chat.messages import Bye
from chat.server.book import Book
from chat.wire.lines import GOING_DOWN

RETURNS_A_SECOND = 300.0  # of native members after a restart: a handshake takes 1.4 ms, so 42 % of a core


def goodbyes(members: Iterable[bytes], book: Book, *, comes_back: bool) -> list[Send]:
    """Give what to tell each of `members`; native ones come back one after the other, if the server does."""
    told: list[Send] = []
    natives = 0
    for member in members:
        goodbye = Bye(GOING_DOWN)
        if comes_back and book.is_native(member):
            goodbye = Bye(GOING_DOWN, reconnect_after=1 + natives / RETURNS_A_SECOND)
            natives += 1
        told.append(Send(member, goodbye))
    return told
