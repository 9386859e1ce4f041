"""A real server whose disk fails it: it says so, accepts nothing that is not stored, and goes on."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from unittest import SkipTest

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from chat.server.options import KEY_FILE
from chat.server.storage import STORE_FILE
from chat.store.tables import Tables
from tests.loopback_support import LoopbackTestCase
from tests.server_process import DEADLINE, FOREGROUND, Record, ServerProcess, run, twistd
from tests.small_disk import as_seen_by, copy_store, on_small_disk, small_disk_missing
from tests.store_case import START, draft
from tests.talkers import Crowd, Talker, read_store

OURS = ("--interface=127.0.0.1", "--store=sqlite:")
FAULT = "a failure of the store"
FILL = 7_000_000  # bytes of the small disk that are free no more
LINES_A_SECOND = 50  # of each of two: the megabyte that is left takes them for a second or two


def is_fault(record: Record) -> bool:
    """Say whether a record of the log is about the store's disk."""
    return record.get("fault") == FAULT


def break_page(path: Path, text: bytes) -> None:
    """Overwrite the page of an SQLite file that holds `text` (https://sqlite.org/fileformat.html)."""
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    begin = content.index(text) // size * size
    content[begin : begin + size] = b"\xff" * size
    path.write_bytes(content)


class FaultTestCase(LoopbackTestCase):
    """A state directory, and servers that keep their chat in it."""

    def setUp(self) -> None:
        """Make a state directory."""
        self.state = self.folder()
        self.path = self.state / STORE_FILE

    def serve(self, *, command: Iterable[str] = ()) -> ServerProcess:
        """Start a server with the state directory; its log must hold no traceback and no error."""
        server = ServerProcess(*OURS, f"--state={self.state}", command=command)
        self.addCleanup(lambda: self.assertEqual(server.faults(), []))
        self.addCleanup(server.stop)
        return server


class RunningTests(FaultTestCase, TestCase):
    """The disk fails while the server runs, and works again."""

    timeout = 2 * DEADLINE

    async def crowd(self, server: ServerProcess) -> tuple[Crowd, Talker, Talker]:
        """Let two people come in."""
        crowd = Crowd(server.port, ["ann", "ben"], self.folder())
        self.addCleanup(crowd.leave)
        await crowd.enter()
        ann, ben = crowd.talkers
        return crowd, ann, ben

    async def assert_all_said(self, server: ServerProcess, crowd: Crowd) -> None:
        """Everything that was said is accepted, stored once and shown to all in the order of its sender."""
        await crowd.settled()
        facts = crowd.check(copy_store(server.pid, self.path, self.folder()))
        for talker in crowd.talkers:
            said = [fact.entry.text for fact in facts if fact.entry.nick == talker.nick]
            self.assertEqual(said, talker.texts)
            self.assertEqual((talker.markers, talker.failures), ([], []))

    async def test_a_full_disk(self) -> None:
        """What is said while the disk is full is accepted once there is room: all of it, once, in order."""
        missing = small_disk_missing(self.state)
        if missing:
            raise SkipTest(missing)
        ballast = self.state / "ballast"
        fill = f"head -c {FILL} /dev/zero >'{ballast}'"
        server = self.serve(command=on_small_disk(self.state, "8m", twistd(*FOREGROUND), fill))
        crowd, ann, ben = await self.crowd(server)
        for talker in (ann, ben):
            talker.talk(LINES_A_SECOND)
        await deferToThread(server.find, is_fault)
        for talker in (ann, ben):
            talker.be_silent()
        _, stored = read_store(copy_store(server.pid, self.path, self.folder()))
        self.assertNotEqual(ben.shown, [])
        self.assertLessEqual({entry.seq for entry in ben.shown}, {fact.entry.seq for fact in stored})
        for n in range(20):
            ann.say(f"in the meantime {n}")
        as_seen_by(server.pid, ballast).unlink()
        await self.assert_all_said(server, crowd)
        (fault, *_) = filter(is_fault, server.records)
        self.assertEqual(fault["detail"], f"{self.path}: database or disk is full")

    async def test_locked_by_another_program(self) -> None:
        """What is said while another program has the file is accepted afterwards; who reads does not wait."""
        server = self.serve()
        crowd, ann, ben = await self.crowd(server)
        ann.say("before")
        await crowd.settled()
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN EXCLUSIVE")
        for n in range(20):
            ann.say(f"meanwhile {n}")
        plain = self.join(("127.0.0.1", server.port), "plain")
        plain.say("/history 9")
        heard = await deferToThread(plain.read)
        self.assertIn(b"ann: before", heard)
        await deferToThread(server.find, is_fault)
        self.assertEqual([entry.text for entry in ben.shown], ["before"])
        self.assertEqual(len(ann.answered_at), 1)
        other.execute("ROLLBACK")
        await self.assert_all_said(server, crowd)
        (fault, *_) = filter(is_fault, server.records)
        self.assertEqual(fault["detail"], f"{self.path}: database is locked")

    async def test_a_page_that_is_broken(self) -> None:
        """Who asks for what the page held is told so; everything else goes on.

        The texts are so long that the page is not the newest, without which no server starts.
        """
        tables = Tables(self.path, time.time())
        tables.append([(draft(0, text=f"old {n}. {'x' * 200}"), 0) for n in range(1_000)], time.time())
        tables.close()
        break_page(self.path, b"old 980.")
        server = self.serve()
        plain = self.join(("127.0.0.1", server.port), "plain")
        plain.say("/history 256")
        heard = await deferToThread(plain.read)
        self.assertIn(b"not done, the store failed", heard)
        place = await deferToThread(server.find, is_fault)
        why = f"{self.path}: database disk image is malformed"
        self.assertEqual(server.records[place]["detail"], why)
        crowd, ann, ben = await self.crowd(server)
        ann.say("it goes on")
        ben.say("it does")
        await crowd.settled()
        for talker in (ann, ben):
            self.assertEqual({entry.text for entry in talker.shown}, {"it goes on", "it does"})


class StartTests(FaultTestCase, SynchronousTestCase):
    """A file that cannot be used: exit code 1, and one line that says why and what to do."""

    HINT = " (another file: --store sqlite:FILE; none: --store memory:)\n"

    def refused(self, *command: str) -> str:
        """Give the line that a start ends with."""
        options = ("udpchat", "--port=0", *OURS, f"--state={self.state}")
        done = run([*(command or twistd(*FOREGROUND)), *options], cwd=self.folder())
        self.assertEqual(done.returncode, 1, done)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        return done.stderr

    def test_no_database(self) -> None:
        """A file that is something else is left as it is."""
        self.path.write_bytes(b"dear diary, today " * 100)
        self.assertEqual(self.refused(), f"udpchat: {self.path}: file is not a database{self.HINT}")
        self.assertEqual(self.path.read_bytes(), b"dear diary, today " * 100)

    def test_the_newest_page_is_broken(self) -> None:
        """A file whose newest entries cannot be read is not served at all."""
        tables = Tables(self.path, START)
        tables.append([(draft(0, text=f"old {n}."), 0) for n in range(1_000)], START)
        tables.close()
        break_page(self.path, b"old 999.")
        why = f"udpchat: {self.path}: database disk image is malformed{self.HINT}"
        self.assertEqual(self.refused(), why)

    def test_a_newer_release(self) -> None:
        """A newer release's file is not touched; a daemon says it to whoever started it."""
        Tables(self.path, START).close()
        newer = sqlite3.connect(self.path)
        newer.execute("PRAGMA user_version = 99")
        newer.close()
        why = f"{self.path} is of a newer udpchat"
        self.assertTrue(self.refused().startswith(f"udpchat: {why}: its schema is 99"))
        self.assertIn(why[:90], self.refused(*twistd()))

    def test_a_disk_that_cannot_be_written_to(self) -> None:
        """A state directory on a disk that is mounted read-only is named with the reason."""
        missing = small_disk_missing(self.state)
        if missing:
            raise SkipTest(missing)
        keys = self.folder()
        run(twistd("udpchat", f"--state={keys}", "--show-fingerprint"))
        key = f"install -m 600 '{keys / KEY_FILE}' '{self.state}'"
        command = on_small_disk(
            self.state, "1m", twistd(*FOREGROUND), f"{key} && mount -o remount,ro '{self.state}'"
        )
        self.assertEqual(
            self.refused(*command), f"udpchat: {self.path}.lock: Read-only file system{self.HINT}"
        )

    def test_another_user(self) -> None:
        """With twistd's --uid the file is that user's; where that user may write nothing, a line says so."""
        if os.geteuid():
            raise SkipTest("only root can become somebody else")
        nobody = twistd("--uid=65534", "--gid=65534", *FOREGROUND)
        why = f"udpchat: {self.path}.lock: Permission denied{self.HINT}"
        self.assertEqual(self.refused(*nobody), why)
        os.chown(self.state, 65534, 65534)
        self.state.parent.chmod(0o755)
        server = ServerProcess(*OURS, f"--state={self.state}", command=nobody)
        server.stop()
        self.assertEqual((self.path.stat().st_uid, server.faults()), (65534, []))

    def test_a_user_that_is_not_known(self) -> None:
        """Whom the system does not know, or the /etc/passwd of a new root, nobody can become."""
        if os.geteuid():
            raise SkipTest("only root can become somebody else")
        why = "is no user here (with --chroot: of the /etc/passwd in there)\n"
        for options in (("--uid=4000000",), ("--uid=65534", "--gid=65534", f"--chroot={self.folder()}")):
            self.assertTrue(self.refused(*twistd(*options, *FOREGROUND)).endswith(why))
