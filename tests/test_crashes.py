"""Servers that are killed while people talk, and started again: what was accepted is there once, in order.

With `UDPCHAT_FULL=1` in the environment there are more rounds, `UDPCHAT_SEED` chooses their moments again:
docs/testing.md.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sqlite3
import sys
from contextlib import closing

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from chat.server.storage import STORE_FILE
from chat.stored import Fact
from chat.wire.sequence import Lost
from tests.chat_process import ChatProcess, is_event
from tests.client_process import the_reactor
from tests.loopback_support import LoopbackTestCase
from tests.server_process import JsonProcess, ServerProcess, lasting_port
from tests.stopping_server import TEXT
from tests.talkers import Crowd, Lateness, Talker, read_store

IS_FULL = bool(os.environ.get("UDPCHAT_FULL"))
ROUNDS = 20 if IS_FULL else 3
TALKERS = 20 if IS_FULL else 6
LINES_A_SECOND = 20.0  # of each
LINES = 10  # of each script in each round
LONGEST_TALK = 2.0  # seconds between two kills, once all are back
BACK_SECONDS = 5.0  # promised, after the start of a server
SLACK = 3.0  # on a busy machine
PATIENCE = 600.0 if IS_FULL else 120.0


class CrashCase(LoopbackTestCase, TestCase):
    """A store in a file, which outlives the servers that use it."""

    timeout = PATIENCE

    def setUp(self) -> None:
        """Choose a state directory and a port."""
        self.state = self.folder()
        self.port = lasting_port()
        self.path = self.state / STORE_FILE

    def launch(self, *options: str) -> ServerProcess:
        """Start a server."""
        where = ("--interface=127.0.0.1", f"--port={self.port}")
        server = ServerProcess(*where, f"--state={self.state}", "--store=sqlite:", *options)
        self.addCleanup(lambda: self.assertEqual(server.faults(), []))
        self.addCleanup(server.stop)
        return server


class KillTests(CrashCase):
    """kill -9 at moments that nobody chose."""

    async def test_rounds(self) -> None:
        """Nothing that was accepted is lost or there twice, all show one order without a gap, soon again."""
        seed = int(os.environ.get("UDPCHAT_SEED") or random.SystemRandom().randrange(1 << 32))
        show(f"{ROUNDS} kills, seed {seed}")
        moments = random.Random(seed)
        server = self.launch("--keep-entries=1000000")
        crowd = Crowd(server.port, [f"t{number}" for number in range(TALKERS)], self.folder())
        self.addCleanup(crowd.leave)
        await crowd.enter()
        scripts = [ChatProcess(server.port, nick, self.folder()) for nick in ("json1", "json2")]
        for script in scripts:
            self.addCleanup(script.stop, signal.SIGKILL)
            await deferToThread(script.joined)
        for talker in crowd.talkers:
            talker.talk(LINES_A_SECOND)
        slowest: list[float] = []
        lateness = Lateness()
        self.addCleanup(lateness.stop)
        self.addCleanup(gc.unfreeze)
        for number in range(ROUNDS):
            for script in scripts:
                script.type(*(f"{script.nick} {number}.{line}" for line in range(LINES)))
            await pause(moments.uniform(0.1, LONGEST_TALK))
            server.stop(signal.SIGKILL)
            lateness.take()
            server = await deferToThread(self.launch, "--keep-entries=1000000")
            seconds, story = await self.back(crowd, server)
            line = f"kill {number + 1}: all are back {seconds:.2f} s after the start; the last was {story}"
            show(f"{line}; this process was up to {lateness.take():.2f} s late")
            slowest.append(seconds)
            gc.freeze()  # what is kept for the checker: to look through a million objects takes a second
        for talker in crowd.talkers:
            talker.be_silent()
        for script in scripts:  # at its five lines a second it may be behind the talkers
            outcomes = is_event("accepted", "rejected")
            await deferToThread(script.find, outcomes, count=LINES * ROUNDS)
        await crowd.settled()
        facts = crowd.check(self.path)
        show(f"{len(facts)} entries; the slowest was back after {max(slowest):.2f} s")
        for talker in crowd.talkers:
            self.assertEqual((talker.markers, talker.failures), ([], []), talker.nick)
        for script in scripts:
            await deferToThread(script.find, is_event("entry", seq=facts[-1].entry.seq))
            self.check_script(script, facts)
        self.assertLess(max(slowest), BACK_SECONDS * SLACK)

    async def back(self, crowd: Crowd, server: ServerProcess) -> tuple[float, str]:
        """Wait until all have been heard by a server; give the seconds of the slowest, and its story."""
        ready = server.times[server.find(lambda record: "listens on" in record.get("message", ""))]
        await crowd.until(lambda: all(talker.answered_at[-1] > ready for talker in crowd.talkers))

        def first_answer(talker: Talker) -> float:
            return min(at for at in talker.answered_at if at > ready)

        last = max(crowd.talkers, key=first_answer)
        links = [f"{link.state.value} at {at - ready:.2f}" for at, link in last.links if at > ready]
        return first_answer(last) - ready, ", ".join([last.nick, *links])

    def check_script(self, script: ChatProcess, facts: list[Fact]) -> None:
        """What a program prints is what is stored, from where it came in, each once and in order."""
        shown = [(entry["seq"], entry["nick"], entry["text"]) for entry in script.entries()]
        stored = [(fact.entry.seq, fact.entry.nick, fact.entry.text) for fact in facts]
        self.assertEqual(shown, stored[-len(shown) :], script.nick)
        self.assertEqual(script.broken_links(), [])
        self.assertFalse(any(map(is_event("gap"), script.records)))
        own = [seq for seq, nick, _ in shown if nick == script.nick]
        accepted = [record["seq"] for record in script.records if is_event("accepted")(record)]
        self.assertEqual(accepted, own)
        lines = [text for _, nick, text in shown if nick == script.nick]
        self.assertEqual(lines, list(dict.fromkeys(lines)))


class PointTests(CrashCase):
    """kill -9 at the points of a text's way that matter."""

    async def stop_at(self, point: str) -> Crowd:
        """Let a server come to a point with a text of ann's, with ben listening, and kill it there."""
        command = [sys.executable, "-m", "tests.stopping_server", str(self.state), str(self.port), point]
        server = JsonProcess(command)
        self.addCleanup(server.stop, signal.SIGKILL)
        await deferToThread(server.find, lambda record: "port" in record)
        crowd = Crowd(self.port, ["ann", "ben"], self.folder())
        self.addCleanup(crowd.leave)
        for talker in crowd.talkers:  # ann first
            await talker.enter()
        for talker in crowd.talkers:
            talker.say(f"{talker.nick} is here")
            await crowd.settled()
        ann, ben = crowd.talkers
        ann.say(TEXT)
        if point == "before reply":
            await crowd.until(lambda: TEXT in [entry.text for entry in ben.shown])
        else:
            await deferToThread(server.find, lambda record: record.get("point") == point)
            self.assertNotIn(TEXT, [entry.text for entry in ben.shown])
        server.stop(signal.SIGKILL)
        self.assertEqual(ann.unsettled, 1)
        ben.say("are you there?")  # who speaks finds out at once that nobody is
        return crowd

    async def assert_goes_on(self, crowd: Crowd, before: int) -> None:
        """So often is the text in the file; after a restart it is there once, and shown without a gap."""
        stored = [fact.entry.text for fact in read_store(self.path)[1]]
        self.assertEqual(stored.count(TEXT), before)
        await deferToThread(self.launch)
        await crowd.settled()
        ann, ben = crowd.talkers
        ann.say("it goes on")
        await crowd.settled()
        stored = [fact.entry.text for fact in crowd.check(self.path)]
        others = {"ann is here", "ben is here", "are you there?", "it goes on"}
        self.assertEqual(sorted(stored), sorted({TEXT, *others}))
        for talker in (ann, ben):
            self.assertEqual([entry.text for entry in talker.shown], stored)
            self.assertEqual((talker.markers, talker.failures), ([], []))

    async def test_before_the_commit(self) -> None:
        """Nothing of it is there, nobody has seen it; its author says it again."""
        await self.assert_goes_on(await self.stop_at("before commit"), 0)

    async def test_after_the_commit(self) -> None:
        """It is there though nobody has seen it; when its author says it again, it is known."""
        await self.assert_goes_on(await self.stop_at("after commit"), 1)

    async def test_before_the_reply(self) -> None:
        """Others show it and its author does not know; when the author says it again, it is known."""
        await self.assert_goes_on(await self.stop_at("before reply"), 1)


class BackupTests(CrashCase):
    """A copy of the store that was made while the server ran, and is put back."""

    async def test_a_copy_put_back(self) -> None:
        """The copy holds what was accepted before; who saw more is shown that it was lost, and goes on."""
        server = self.launch()
        crowd = Crowd(server.port, ["ann", "ben"], self.folder())
        self.addCleanup(crowd.leave)
        await crowd.enter()
        ann, ben = crowd.talkers
        ann.say("one")
        await crowd.settled()
        copy = self.folder() / "copy.db"
        with closing(sqlite3.connect(self.path)) as there, closing(sqlite3.connect(copy)) as here:
            there.backup(here)  # what sqlite3's .backup does
        ann.say("two")
        await crowd.settled()
        server.stop(signal.SIGKILL)
        for path in self.state.glob(f"{STORE_FILE}*"):
            path.unlink()
        copy.rename(self.path)
        for talker in crowd.talkers:
            talker.say(f"{talker.nick} is still here")
        await deferToThread(self.launch)
        await crowd.settled()
        stored = [fact.entry.text for fact in read_store(self.path)[1]]
        self.assertEqual(stored[0], "one")
        self.assertEqual(set(stored[1:]), {"ann is still here", "ben is still here"})
        for talker in (ann, ben):
            self.assertEqual([entry.text for entry in talker.shown], ["one", "two", *stored[1:]])
            self.assertEqual([type(marker) for marker in talker.markers], [Lost])


def pause(seconds: float) -> Deferred[None]:
    """Let people talk for a while."""
    return deferLater(the_reactor(), seconds, lambda: None)


def show(line: str) -> None:
    """Print what was measured."""
    print(f"\n{line}", end="", file=sys.stderr)
