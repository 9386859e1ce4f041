"""What the hub may ask the server for, since it knows it by nothing else: addresses and counters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Outside(NamedTuple):
    """`host` gives the numeric address from which a member speaks now ("": from none), `counters` numbers."""

    host: Callable[[bytes], str] = lambda _: ""
    counters: Callable[[], Mapping[str, int]] = dict
