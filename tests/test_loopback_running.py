"""Tests with a real server process: its options, signals, and twistd itself."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.loopback_support import GOING_DOWN, LoopbackTestCase
from tests.server_process import (
    FOREGROUND,
    Peer,
    ServerProcess,
    run,
    twistd,
    wait_ended,
)

INTERRUPTED = """
import gc, os, signal, sys

def while_modules_are_loaded(event, arguments):
    if event == "import" and arguments[0] == "twisted.scripts.twistd":
        os.kill(os.getpid(), signal.SIGINT)

def when_threads_are_there(frame, event, argument):
    if event == "c_call" and argument is gc.freeze:
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv.pop(1) == "early":
    sys.addaudithook(while_modules_are_loaded)
else:
    sys.setprofile(when_threads_are_there)
from chat.server.daemon import main
main()
"""


class SignalTests(LoopbackTestCase):
    """How a server ends."""

    def test_sigterm_says_good_bye(self) -> None:
        """SIGTERM: each member is told so in one line, with a line end for those who send them."""
        server = self.start()
        address = ("127.0.0.1", server.port)
        old, new = Peer(address, "old"), Peer(address, "new", b"\n")
        stranger = Peer(address)
        stranger.send(b"\n")
        old.heard()
        self.assertEqual(server.stop(signal.SIGTERM), -signal.SIGTERM)
        self.assertEqual(old.waiting(), [GOING_DOWN])
        self.assertEqual(new.waiting(), [GOING_DOWN + b"\n"])
        self.assertEqual(stranger.waiting(), [])
        for peer in (old, new, stranger):
            peer.socket.close()

    def test_other_ways_to_end(self) -> None:
        """Ctrl-C, and the end of the terminal that it ran in: the same good-bye, and a clean log."""
        for signum in (signal.SIGINT, signal.SIGHUP):
            server = self.start()
            member = Peer(("127.0.0.1", server.port), "member")
            self.assertIn(server.stop(signum), (0, -signum))
            self.assertEqual(member.waiting(), [GOING_DOWN])
            member.socket.close()

    def test_interrupted_while_it_starts(self) -> None:
        """Ctrl-C while it starts ends it: no traceback, and no thread that holds on to the port."""
        for when in ("early", "late"):
            options = ("--port=0", "--interface=127.0.0.1", f"--state={self.folder()}")
            done = run([sys.executable, "-c", INTERRUPTED, when, *options])
            self.assertIn(done.returncode, (-signal.SIGINT, 128 + signal.SIGINT), done)
            self.assertNotIn("Traceback", done.stdout + done.stderr)

    def test_asked_twice(self) -> None:
        """Who wants the end a second time does not wait for the disk, and no traceback says so."""
        folder = self.folder()
        server = self.start(f"--state={folder}", "--store=sqlite:")
        with contextlib.closing(sqlite3.connect(folder / "chat.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # a backup, say: ours waits for it to write who came
            member = Peer(("127.0.0.1", server.port), "member")
            os.kill(server.pid, signal.SIGTERM)
            self.assertEqual(member.read(), GOING_DOWN)
            self.assertEqual(server.stop(signal.SIGINT), -signal.SIGINT)
        member.socket.close()


class CommandLineTests(LoopbackTestCase):
    """What somebody sees who starts the server, and gets it wrong."""

    def test_a_port_in_use(self) -> None:
        """A port in use: exit code 1, and one line that names the address, the port and what to do."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            options = ("udpchat", f"--port={port}", "--interface=127.0.0.1", f"--state={self.folder()}")
            done = run(twistd(*FOREGROUND, *options))
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        for part in ("udpchat: ", f"127.0.0.1 port {port}", "in use", "--port"):
            self.assertIn(part, line)
        self.assertNotIn("Traceback", done.stdout)

    def test_a_port_in_use_and_a_daemon(self) -> None:
        """A daemon that cannot listen says why to whoever started it, and leaves no pidfile behind."""
        folder = self.folder()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            options = ("udpchat", f"--port={port}", "--interface=127.0.0.1", f"--state={folder}")
            done = run(twistd(*options), cwd=folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"127.0.0.1 port {port}", done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr + (folder / "twistd.log").read_text())
        with contextlib.suppress(FileNotFoundError):  # the daemon says why before it removes the file
            wait_ended(int((folder / "twistd.pid").read_text()))
        self.assertFalse((folder / "twistd.pid").exists())

    def test_a_bad_value(self) -> None:
        """A value that cannot be: exit code 1, and a line that names the option and what is allowed."""
        done = run(twistd(*FOREGROUND, "udpchat", "--port=70000"))
        self.assertEqual(done.returncode, 1)
        said = done.stdout + done.stderr
        self.assertIn("--port: '70000' is not a whole number from 0 to 65535", said)
        self.assertNotIn("Traceback", said)

    def test_a_bad_value_in_the_foreground(self) -> None:
        """`udpchatd` says what is wrong in one line on standard error, and nothing else."""
        done = run(
            [sys.executable, "-c", "from chat.server.daemon import main; main()", "--limit=nonsense=3"]
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        (line,) = done.stderr.splitlines()
        self.assertTrue(line.startswith("udpchatd: --limit: 'nonsense' is not one of lines, "), line)

    def test_help_that_nobody_reads_to_its_end(self) -> None:
        """`udpchatd --help | head` ends by the signal for it, without a traceback."""
        main = f"exec {sys.executable} -c 'from chat.server.daemon import main; main()' --help"
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as unread:
            done = run(["sh", "-c", f"{main} >&0"], stdin=unread)
        self.assertEqual((done.returncode, done.stderr), (-signal.SIGPIPE, ""))

    def test_the_version(self) -> None:
        """`--version` prints udpchat's, not Twisted's."""
        done = run(twistd("udpchat", "--version"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "udpchat 0.1.0\n", ""))

    def test_a_port_that_needs_root(self) -> None:
        """A port below 1024 without the right to it: exit code 1, and one line that says what is missing."""
        first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        if first.exists() and int(first.read_text()) <= 1:
            raise SkipTest("this system lets everybody listen below 1024")
        without: list[str] = []
        if os.getuid() == 0:
            if shutil.which("setpriv") is None:
                raise SkipTest("run as root, and there is no setpriv to take the right away")
            without = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
        command = twistd(*FOREGROUND, "udpchat", "--port=1", "--interface=127.0.0.1", "--store=memory:")
        done = run([*without, *command])
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        self.assertIn("127.0.0.1 port 1: Permission denied", line)
        self.assertIn("need root", line)


class RunnerTests(LoopbackTestCase):
    """The ways to run the service: `twistd` as a daemon, and `twist`."""

    def test_a_daemon(self) -> None:
        """`twistd udpchat` returns when it listens; SIGUSR1 begins a new log file, SIGTERM ends it."""
        folder = self.folder()
        log, pidfile = folder / "chat.log", folder / "chat.pid"
        options = [f"--pidfile={pidfile}", f"--logfile={log}", "udpchat", f"--state={self.folder()}"]
        done = run(twistd(*options, "--port=0", "--interface=127.0.0.1"), cwd=folder)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        pid = int(pidfile.read_text())
        self.addCleanup(wait_ended, pid)
        listening = re.search(r"listens on 127\.0\.0\.1 port (\d+)$", log.read_text(), re.MULTILINE)
        if listening is None:
            os.kill(pid, signal.SIGKILL)
            self.fail(f"it did not say where it listens: {log.read_text()}")
        member = Peer(("127.0.0.1", int(listening[1])), "member")
        member.say("hello")
        self.assertEqual(member.read(), b"member: hello")
        os.kill(pid, signal.SIGUSR1)
        member.heard()
        member.heard()  # the signal is taken in the turn of the first question at the latest
        member.say("hello again")
        self.assertEqual(member.read(), b"member: hello again")
        os.kill(pid, signal.SIGTERM)
        wait_ended(pid)
        self.assertEqual(member.waiting(), [GOING_DOWN])
        member.socket.close()
        self.assertFalse(pidfile.exists())
        older = (folder / "chat.log.1").read_text()
        self.assertIn("~member joined from", older)
        self.assertIn("~member: hello\n", older)
        self.assertIn("~member: hello again\n", log.read_text())
        self.assertNotIn("Traceback", older + log.read_text())
        self.assertEqual({path.name for path in folder.iterdir()}, {"chat.log", "chat.log.1"})

    def test_twist(self) -> None:
        """`twist udpchat` serves, logs and ends as twistd does."""
        server = ServerProcess("--interface=127.0.0.1", command=[sys.executable, "-m", "twisted"])
        self.addCleanup(server.stop)
        member = Peer(("127.0.0.1", server.port), "member")
        member.say("hello")
        self.assertEqual(member.heard(), [b"member: hello"])
        server.stop()
        self.assertEqual(member.waiting(), [GOING_DOWN])
        member.socket.close()
        self.assertEqual(server.faults(), [])
        self.assertIn("~member: hello", [record["message"] for record in server.records])


class OptionTests(LoopbackTestCase):
    """Options whose effect is on the wire or in the log."""

    def test_echo_text_and_message_of_the_day(self) -> None:
        """`--motd` greets, `--no-echo` sends members only what others say, `--no-log-text` logs no text."""
        motd = self.folder() / "motd"
        motd.write_text("Be kind.\n\x1b[31mNo shouting.\n")
        server = self.start("--no-echo", "--no-log-text", f"--motd={motd}")
        address = ("127.0.0.1", server.port)
        ann, ben = self.join(address), self.join(address)
        ann.say("ann")
        greeting = [b"-!- Be kind.", b"-!- [31mNo shouting."]
        self.assertEqual(ann.heard(), [b"ann has joined the chat", *greeting])
        ben.say("ben")
        ben.heard()
        ann.say("a secret", "/me whispers", "/motd")
        self.assertEqual(ann.heard(), [b"ben has joined the chat", *greeting])
        self.assertEqual(ben.heard(), [b"ann: a secret", b"* ann whispers"])
        server.stop()
        said = [record for record in server.records if record.get("event") == "said"]
        self.assertEqual(
            [record["message"] for record in said], ["~ann: (not logged)", "* ~ann (not logged)"]
        )
        self.assertNotIn("secret", str(server.records))
        self.assertNotIn("whispers", str(server.records))

    def test_a_closed_door(self) -> None:
        """`--plain off` answers nothing at all, and says in the log that it does not."""
        server = self.start("--plain=off")
        stranger = Peer(("127.0.0.1", server.port))
        stranger.send(b"ann", b"ann\n", b"/help", b"\xff", b"")
        server.wait_for(
            lambda record: "--plain off" in record["message"] and "127.0.0.1" in record["message"]
        )
        server.stop()
        self.assertEqual(stranger.waiting(), [])
        stranger.socket.close()

    def test_an_open_door(self) -> None:
        """`--plain all` says at its start, as a warning, what it can be used for."""
        server = self.start("--plain=all")
        warning = server.wait_for(lambda record: record["level"] == "warn" and "--plain" in record["message"])
        self.assertIn("forged", warning["message"])
