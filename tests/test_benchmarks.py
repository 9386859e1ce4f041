"""Benchmarks run, with numbers so small that their figures mean nothing; the long ones are left out."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import fanout, others, reach
from benchmarks.members import PATIENCE, FramesMember, bring_in, close
from benchmarks.picture import bars


def run(main: Callable[[Sequence[str]], None], *arguments: str) -> str:
    """Run one, and give what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(arguments)
    return out.getvalue()


def patiently() -> Iterator[None]:
    """Let something be tried over and over, and fail rather than wait for ever."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        yield
    raise AssertionError(f"nothing came of it within {PATIENCE:.0f} s")


class BenchmarkTests(SynchronousTestCase):
    """Each begins its servers and members, and ends with a table."""

    def setUp(self) -> None:
        """Make a folder for what they write."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_fanout(self) -> None:
        """There is a row for each server, paced and in a burst, and a picture of them."""
        tables, picture = self.folder / "tables.json", self.folder / "picture.svg"
        numbers = ["--members=3", "--messages=3", "--burst-texts=3", "--runs=1", "--quiet=0.2"]
        run(fanout.main, f"--json={tables}", f"--plot={picture}", *numbers, "--rows", "frames in DTLS")
        for table in json.loads(tables.read_text()):
            self.assertEqual([row["row"] for row in table["rows"]], ["bare loop", "frames in DTLS"])
        self.assertIn("<svg", picture.read_text())

    def test_others(self) -> None:
        """Members of each other server that is installed hear each other."""
        for row in fanout.ROWS:
            if row.program and others.path_of(row.program):
                with row.start(fanout.Load(2, 2, 0.0)) as server:
                    one, other = members = [row.member(server.addr, f"m{number}") for number in range(2)]
                    bring_in(members)
                    one.say_all(["#0#", "#1#"])
                    heard: list[int] = []
                    for _ in patiently():
                        heard += [number for number, _ in other.heard()]
                        if len(heard) >= 2:
                            break
                    close(members)
                self.assertEqual(heard, [0, 1])

    def test_repair(self) -> None:
        """A member who speaks frames keeps to the window; what it missed in a burst it fetches."""
        texts = {*range(20)}
        with fanout.ours(fanout.Load(1, len(texts), 0.0)) as server:  # one of them says all
            members = [FramesMember(server.addr, f"m{number}") for number in range(2)]
            bring_in(members)
            members[0].say_all([fanout.text_of(number) for number in texts])
            for _ in patiently():
                list(members[0].heard())  # and forget it
                if members[0].is_settled:
                    break
            heard: set[int] = set()
            members[0].repair()
            for _ in patiently():
                heard.update(number for number, _ in members[0].heard())
                if heard == texts:
                    break
            close(members)

    def test_refused(self) -> None:
        """A load whose texts are refused ends with what the server says, instead of waiting for ever."""
        with fanout.ours(fanout.Load(1, 1, 0.0)) as server:
            member = FramesMember(server.addr, "m0")
            bring_in([member])
            member.say_all(["too much"] * 20)
            with self.assertRaisesRegex(SystemExit, "too fast"):
                for _ in patiently():
                    list(member.heard())
            close([member])

    def test_reach(self) -> None:
        """The text reaches all members of both."""
        numbers = ["--members=3", "--texts=1", "--rest=0.2", "--json"]
        rows = json.loads(run(reach.main, *numbers).splitlines()[-1])
        self.assertEqual([row["% lost"] for row in rows], [0.0, 0.0])

    def test_picture(self) -> None:
        """What is written into the picture cannot end its text; the longest bar is as long as can be."""
        picture = bars("a < b", [("one", [("x", 1.0), ("y", 2.0)])])
        self.assertIn("a &lt; b", picture)
        self.assertIn('width="500.0"', picture)
        self.assertIn('width="250.0"', picture)
