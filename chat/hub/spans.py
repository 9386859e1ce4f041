"""Times as people read them. Pure functions."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def show_span(seconds: int) -> str:
    """Give a time as people say it, in its two largest units: 3 d 4 h, 4 h 5 min, 5 min 6 s, 6 s."""
    parts = [
        f"{count} {unit}"
        for count, unit in (
            (seconds // _DAY, "d"),
            (seconds // _HOUR % 24, "h"),
            (seconds // _MINUTE % 60, "min"),
            (seconds % 60, "s"),
        )
    ]
    first = next((i for i, part in enumerate(parts[:-1]) if not part.startswith("0 ")), 3)
    return " ".join(parts[first : first + 2])


def show_end(until: int) -> str:
    """Say until when something lasts, in seconds since 1970 (0: for ever)."""
    return f"until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC" if until else "for ever"
