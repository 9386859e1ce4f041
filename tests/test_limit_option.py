"""Tests of `chat.server.limit_option`: what an operator writes behind `--limit`."""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from chat.limits import RATES, Limit, Rate
from chat.server.limit_option import read_rate


class RateTests(SynchronousTestCase):
    """A rate is a name and a number, maybe with a burst."""

    def test_rates(self) -> None:
        """Without a burst it is the default one, or two seconds' worth; a rate of 0 is no limit."""
        rates = {
            "lines=50:200": (Limit.LINES, Rate(50, 200)),
            "lines=0.5": (Limit.LINES, Rate(0.5, RATES[Limit.LINES].burst)),
            "lines=50": (Limit.LINES, Rate(50, 100)),
            "new-rooms=2:1": (Limit.NEW_ROOMS, Rate(2, 1)),
            "handshakes=0": (Limit.HANDSHAKES, None),
        }
        for value, rate in rates.items():
            self.assertEqual(read_rate(value), rate, value)

    def test_faults(self) -> None:
        """The error says what is wrong and what is allowed."""
        form = "NAME=RATE or NAME=RATE:BURST"
        faults = {
            "lines": form,
            "lines=fast": form,
            "lines=-1": form,
            "lines=5:": form,
            "lines=1e3": form,
            "Lines=5": form,
            "words=5": "'words' is not one of lines, joins, new-rooms, renames, fetches, handshakes",
            "lines=5:0": "the burst is 1 at least",
        }
        for value, text in faults.items():
            error = self.assertRaises(UsageError, read_rate, value)
            self.assertIn(text, str(error), value)
            self.assertTrue(str(error).startswith("--limit: "), value)
