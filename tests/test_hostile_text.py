"""Hostile strings at the client: printed, they fill cells of their own line, and that is all they do.

20,000 in a test run; a million with `UDPCHAT_FULL=1` in the environment, and `UDPCHAT_SEED` says which.
"""

from __future__ import annotations

import os
import random

from twisted.trial.unittest import SynchronousTestCase

from chat.safety import clean_text
from tests.hostile import ESCAPES, WAYS, Emulator, happenings, hostile

STRINGS = 1_000_000 if os.environ.get("UDPCHAT_FULL") else 20_000
SEED = int(os.environ.get("UDPCHAT_SEED") or 7)
MOST = 2  # things that are printed of all that a string gives: which, is by chance


class HostileTextTests(SynchronousTestCase):
    """A terminal emulator sees what people would."""

    def test_the_emulator_notices(self) -> None:
        """What is not cleaned is noticed: else the test below could not fail."""
        screen = Emulator()
        for escape in ("\x1b[2J", "\x1b[6n", "\x1b]0;x\x07", "\x1b[?25l", "\n", "\x1b[A", "\x9b2J", "\u0301"):
            self.assertNotEqual(screen.troubles(f"{escape}b"), [], ascii(escape))
            self.assertEqual(screen.troubles("hi"), [])
        self.assertNotEqual(screen.troubles("a" + "\u0333" * 9), [])
        noticed = sum(bool(screen.troubles(escape + "x")) for escape in ESCAPES)
        self.assertGreater(noticed, len(ESCAPES) // 2)

    def test_nothing_but_cells(self) -> None:
        """Whatever a server sends, by each way of printing."""
        rng = random.Random(SEED)
        screen = Emulator()
        ways = list(WAYS.items())
        for number in range(STRINGS):
            text = hostile(rng)
            name, way = ways[number % len(ways)]
            printings = list(way(text))
            lines = [line for each in rng.sample(printings, min(MOST, len(printings))) for line in each()]
            for line in lines:
                found = screen.troubles(line)
                if found:
                    self.fail(f"seed {SEED}, string {number}, {name}: {text!a} gives {line!a}: {found}")

    def test_each_way(self) -> None:
        """Every way prints what it is given, so that none is tested with nothing."""
        for name, way in WAYS.items():
            self.assertTrue(any("needle" in line for each in way("needle") for line in each()), name)
        self.assertGreater(len(happenings("x")), 20)

    def test_what_a_terminal_would_reorder(self) -> None:
        """What pyte knows nothing of: no embedding, override or isolate is left, nor any control."""
        rng = random.Random(SEED)
        for _ in range(2_000):
            text = clean_text(hostile(rng))
            self.assertFalse(set(text) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
            self.assertFalse(any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text))
