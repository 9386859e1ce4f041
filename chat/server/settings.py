"""What an operator chooses of how the server behaves."""

from __future__ import annotations

from dataclasses import dataclass

from chat.hub.hub import MAX_MEMBERS

IDLE_SECONDS = 1_800.0  # nc says nothing when it ends: after half an hour a silent peer is taken for gone


@dataclass(frozen=True)
class Settings:
    """What the operator chose. `plain` is trusted, all or off; `idle_timeout` is in seconds.

    `max_members` is what the hub takes, too.
    """

    plain: str = "trusted"
    echo: bool = True
    log_text: bool = True
    idle_timeout: float = IDLE_SECONDS
    max_members: int = MAX_MEMBERS
