"""N6: what was accepted is shown everywhere within five seconds, where a third of all datagrams is lost."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.latency import last_words, lossy, measure, share

SEEDS = 20
MOST_SECONDS = 5.0


def show(what: str, seconds: list[float]) -> None:
    """Print a distribution."""
    parts = ", ".join(f"p{100 * part:g} {share(seconds, part):.3f} s" for part in (0.5, 0.9, 0.99, 0.999))
    print(f"\n{len(seconds)} {what}: {parts}, max {max(seconds):.3f} s", file=sys.stderr)


class Loss(SynchronousTestCase):
    """No other faults than those of the paths: 30 % lost, 20 % doubled, 20 % overtaken, each way."""

    def test_heavy(self) -> None:
        """99 of 100 are there within five seconds, and all are in the end."""
        runs = [measure(seed, lossy(loss=0.3, twice=0.2, late=0.2)) for seed in range(SEEDS)]
        seconds = [time for run in runs for time in run.seconds]
        show("entries, from being stored until shown", seconds)
        show("texts, from being typed until answered", [time for run in runs for time in run.answers])
        show("members, from starting until in a room", [time for run in runs for time in run.joins])
        self.assertGreater(len(seconds), 5_000)
        self.assertLessEqual(share(seconds, 0.99), MOST_SECONDS)

    def test_last_words(self) -> None:
        """Where only the last entry of a quiet room is lost, by everybody, it is there at once."""
        self.assertLessEqual(max(last_words(seed=0)), 0.5)
