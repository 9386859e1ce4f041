"""The full screen: how soon the prompt is there, and 100,000 lines: memory, and how soon a key is answered.

    python -m benchmarks.screen [--runs 7] [--keys 300]

Every figure is of a process of its own in a pseudo-terminal. CPU time is the kernel's for that process; what
the clock on the wall says depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

PROMPT = b"starting.*>"  # below the row about the network
PATIENCE = 30.0  # seconds without what is waited for: something is wrong
LINES = 100_000
SIZES = ((40, 10), (120, 40), (300, 100))
KEYS = b"QXZYVWKUJG"  # in no line


class Watched:
    """A program in a terminal of so many columns and rows."""

    def __init__(self, columns: int, rows: int, *arguments: str) -> None:
        self.began = time.monotonic()
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "xterm-256color"
            os.environ.pop("NO_COLOR", None)
            with tempfile.TemporaryDirectory() as home:
                for name in ("DATA", "STATE", "CONFIG"):
                    os.environ[f"XDG_{name}_HOME"] = home
                os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
        termios.tcsetwinsize(self._terminal, (rows, columns))

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._terminal, keys)

    def read(self, seconds: float) -> bytes:
        """Give what it writes within so many seconds, as soon as there is anything."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return b""
        return os.read(self._terminal, 1 << 20)

    def until(self, wanted: bytes) -> None:
        """Read until it has written what this expression means."""
        read, last = b"", time.monotonic() + PATIENCE
        while not re.search(wanted, read, re.DOTALL):
            read += self.read(1.0)
            if time.monotonic() > last:
                raise SystemExit(f"{wanted!r} did not come: {read[-500:]!r}")

    def cpu(self) -> float:
        """Give the CPU time that it has used, in seconds."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def memory(self) -> float:
        """Give what it has in memory, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1_024

    def end(self) -> None:
        """End it, and what it still writes."""
        os.kill(self.pid, 9)
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


def baseline() -> tuple[float, float]:
    """Give wall and CPU seconds of `python -c pass`."""
    before, began = os.times(), time.monotonic()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, used


def start() -> tuple[float, float]:
    """Give wall and CPU seconds until the prompt is there; nobody need be at the other end."""
    watched = Watched(120, 40, "-m", "chat", "127.0.0.1:9", "--nick", "ann")
    watched.until(PROMPT)
    found = time.monotonic() - watched.began, watched.cpu()
    watched.end()
    return found


def print_start(runs: int) -> None:
    """Print how long it takes to start, beside Python itself."""
    start()  # what is compiled is kept
    pairs = [(baseline(), start()) for _ in range(runs)]
    for name, index in (("python -c pass", 0), ("to the prompt", 1)):
        walls = sorted(pair[index][0] for pair in pairs)
        used = sorted(pair[index][1] for pair in pairs)
        print(
            f"{name:16} wall {1e3 * walls[runs // 2]:5.0f} ms (best {1e3 * walls[0]:.0f}),"
            f" CPU {1e3 * used[runs // 2]:4.0f} ms (best {1e3 * used[0]:.0f})"
        )


def print_keys(columns: int, rows: int, count: int, *, is_busy: bool) -> None:
    """Print what a key costs, and how soon it is answered, above 100,000 lines."""
    watched = Watched(columns, rows, "-m", "benchmarks.screen", "--filled", *(["--busy"] if is_busy else []))
    watched.until(b"99999")
    time.sleep(0.5)
    walls, costs = [], []
    for number in range(count):
        key = KEYS[number % len(KEYS) :][:1]
        if number % 30 == 29:
            watched.press(b"\x15")  # Ctrl-U: the line is never long
            time.sleep(0.1)
            watched.read(0.2)
        cpu, began = watched.cpu(), time.monotonic()
        watched.press(key)
        watched.until(key)
        walls.append(time.monotonic() - began)
        time.sleep(0.02)
        costs.append(watched.cpu() - cpu)
    walls.sort()
    costs.sort()
    worst = count * 99 // 100
    print(
        f"{columns:3} x {rows:3}{', 50 lines/s' if is_busy else '':12}"
        f" answered in {1e3 * walls[count // 2]:5.1f} ms (p50), {1e3 * walls[worst]:5.1f} ms (p99);"
        f" CPU {1e3 * costs[count // 2]:5.1f} ms (p50), {1e3 * costs[worst]:5.1f} ms (p99);"
        f" {watched.memory():4.0f} MiB"
    )
    watched.end()


def show_filled(*, is_busy: bool) -> None:
    """Be a screen with 100,000 lines, in which 50 more come a second if it is busy."""
    from chat.client.screen import talk  # for its memory
    from chat.client.screen.app import App
    from chat.client.screen.model import Heard, Model
    from chat.client.screen.settings import Settings

    gc.freeze()  # as the program does
    model = Model("lobby", Settings(), time.monotonic, time.time)
    model.nick, model.place = "ann", "chat.example:6789"

    def say(number: int) -> None:
        text = f"line {number} {'of some words and 漢字 ' * (number % 4)}"
        nick = f"member{number % 37}"
        at = 1_700_000_000_000 + 1_000 * number
        model.heard(Heard("lobby", at, number, nick, f"{nick}: {text}", text, is_action=False))

    for number in range(LINES):
        say(number)
    app = App(model, None, os.environ)

    async def show() -> None:
        screen = asyncio.ensure_future(app.run())
        number = LINES
        while not screen.done():
            await asyncio.sleep(0.02)
            if is_busy:
                say(number)
                number += 1
                app.touch()

    if talk.PAGE:
        asyncio.run(show())


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--filled", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--busy", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.filled:
        show_filled(is_busy=options.busy)
        return
    print_start(options.runs)
    for columns, rows in SIZES:
        for is_busy in (False, True):
            print_keys(columns, rows, options.keys, is_busy=is_busy)


if __name__ == "__main__":
    main()
