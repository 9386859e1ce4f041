"""What an operator writes behind `--limit`."""

from __future__ import annotations

import re

from twisted.python.usage import UsageError

from chat.limits import RATES, Limit, Rate

_RATE = re.compile(r"([a-z-]+)=([0-9]{1,6}(?:\.[0-9]{1,3})?)(?::([0-9]{1,6}))?", re.ASCII)
_NAMES = {limit.label: limit for limit in Limit}
_FORM = "NAME=RATE or NAME=RATE:BURST, as in lines=5:10; a rate of 0 is no limit"


def read_rate(value: str) -> tuple[Limit, Rate | None]:
    """Give the limit that `value` is about and its rate (None: it is off), or raise `UsageError`.

    Without a burst it is what it is by default, but no less than two seconds are worth.
    """
    found = _RATE.fullmatch(value)
    if found is None:
        raise UsageError(f"--limit: {value!r} is not {_FORM}")
    limit = _NAMES.get(found[1])
    if limit is None:
        raise UsageError(f"--limit: {found[1]!r} is not one of {', '.join(_NAMES)}")
    rate = float(found[2])
    if not rate:
        return limit, None
    burst = float(found[3]) if found[3] else max(RATES[limit].burst, 2 * rate)
    if burst < 1:
        raise UsageError(f"--limit: {value!r}: the burst is 1 at least")
    return limit, Rate(rate, burst)
