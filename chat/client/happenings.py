"""What a client tells its owner beside its session's events, and how things stand when it tells it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from chat.errors import ChatError
from chat.wire.events import Event


class Link(Enum):
    """How a client and its server stand with each other; `value` is what programs print."""

    CONNECTING = "connecting"  # not let in yet
    CONNECTED = "connected"
    SILENT = "silent"  # the server does not answer, or wants us back later: we go on trying
    CLOSED = "closed"  # for good


class LinkChanged(NamedTuple):
    """`ChatClient.state` has changed, or why it lasts is known better; `reason` is for people ("": none)."""

    state: Link
    reason: str


class FirstContact(NamedTuple):
    """A server never met before was trusted, and is remembered. `place` is `host:port`."""

    place: str
    fingerprint: bytes


Happening = Event | LinkChanged | FirstContact


class Abandoned(ChatError):
    """Nobody will answer any more: the client is closed, or was asked for the contrary since."""
