"""Tests of `chat.server.options`, and of what is made of them."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from chat import __version__
from chat.errors import RequestRejected
from chat.fingerprints import show_fingerprint
from chat.identity import load_identity
from chat.server.logs import FORMATS, LEVELS
from chat.server.options import KEY_FILE, MOTD_FILE_BYTES, PLAIN, PORT, Options
from chat.server.settings import IDLE_SECONDS, Settings
from chat.server.storage import STORE_FILE
from chat.server.tap import makeService
from tests.identity_support import set_variables
from tests.server_process import FOREGROUND, run, twistd


def parse(*arguments: str) -> Options:
    """Give the options that a command line makes."""
    options = Options()
    options.parseOptions(list(arguments))
    return options


class OptionsTests(SynchronousTestCase):
    """The command line."""

    def refused(self, *arguments: str) -> str:
        """Give the text of the usage error that a command line is."""
        return str(self.assertRaises(UsageError, parse, *arguments))

    def test_defaults(self) -> None:
        """Without options: port 6789 of all of IPv4, trusted networks, echo, texts in the log."""
        options = parse()
        self.assertEqual((options["port"], options["interface"]), (PORT, "0.0.0.0"))
        self.assertEqual((options["log-level"], options["log-format"], options["motd"]), ("info", "text", ""))
        self.assertEqual(options.settings(), Settings("trusted", True, True, IDLE_SECONDS))

    def test_what_the_server_is_told(self) -> None:
        """Options reach the server as its settings."""
        options = parse("--plain=all", "--no-echo", "--no-log-text", "--idle-timeout=90")
        self.assertEqual(options.settings(), Settings("all", False, False, 90.0))

    def test_operators(self) -> None:
        """Whose keys have these fingerprints, any number of them; what is none is refused."""
        shown = [show_fingerprint(bytes([number]) * 32) for number in (1, 2)]
        options = parse("--operator", shown[0], f"--operator={shown[1]}")
        self.assertEqual(options["operators"], (b"\1" * 32, b"\2" * 32))
        self.assertEqual(parse()["operators"], ())
        refused = self.refused("--operator", "ann")
        self.assertIn("--operator: 'ann' is not a fingerprint", refused)
        self.assertIn("which udpchat --fingerprint prints", refused)

    def test_ports(self) -> None:
        """A port is a whole number from 0 to 65535, in plain digits; the error says so."""
        for good in ("0", "1", "6789", "65535"):
            self.assertEqual(parse(f"--port={good}")["port"], int(good))
        for bad in ("-1", "65536", "", "x", "6789.0", " 6789", "0x10", "６７８９", "²"):
            text = self.refused(f"--port={bad}")
            self.assertTrue(text.startswith("--port: "), text)
            self.assertTrue(text.endswith("is not a whole number from 0 to 65535"), text)

    def test_idle_timeouts(self) -> None:
        """The idle time-out is between a second and a year; the error says so."""
        for good in ("1", "1800", "31536000"):
            self.assertEqual(parse(f"--idle-timeout={good}").settings().idle_timeout, float(good))
        for bad in ("0", "-5", "31536001", "", "1.5", "30m", "inf", "nan"):
            self.assertEqual(
                self.refused(f"--idle-timeout={bad}"),
                f"--idle-timeout: {bad!r} is not a whole number from 1 to 31536000",
            )

    def test_members(self) -> None:
        """As many members as there may be are between 1 and 15,000; the error says so."""
        self.assertEqual(parse("--max-members=15000").settings().max_members, 15_000)
        for bad in ("0", "15001", "many"):
            self.assertEqual(
                self.refused(f"--max-members={bad}"),
                f"--max-members: {bad!r} is not a whole number from 1 to 15000",
            )

    def test_what_is_kept(self) -> None:
        """Of each room 1 to 1,000,000 texts are kept for 1 to 36,500 days; the error says so."""
        options = parse()
        self.assertEqual((options["keep-entries"], options["keep-days"]), (10_000, 30))
        for name, most in (("keep-entries", 1_000_000), ("keep-days", 36_500)):
            for good in (1, most):
                self.assertEqual(parse(f"--{name}={good}")[name], good)
            for bad in ("0", "-1", f"{most + 1}", "", "1.5", "all"):
                self.assertEqual(
                    self.refused(f"--{name}={bad}"),
                    f"--{name}: {bad!r} is not a whole number from 1 to {most}",
                )

    def test_stores(self) -> None:
        """The chat is in a file of the state directory, in one that is named, or in memory; else an error."""
        set_variables(self, XDG_STATE_HOME="/home/me/state")
        self.assertEqual(parse().store_path(), Path("/home/me/state/udpchat", STORE_FILE))
        self.assertEqual(parse("--store=sqlite:", "--state=/a").store_path(), Path("/a", STORE_FILE))
        self.assertEqual(parse("--store=sqlite:/b/c.db", "--state=/a").store_path(), Path("/b/c.db"))
        self.assertEqual(parse("--store=sqlite:c.db").store_path(), Path.cwd() / "c.db")
        self.assertIsNone(parse("--store=memory:").store_path())
        for bad in ("", "sqlite", "memory", "/b/c.db", "memory:/b", "redis://here", "SQLITE:"):
            self.assertEqual(
                self.refused(f"--store={bad}"),
                f"--store: {bad!r} is not sqlite:, sqlite:FILE or memory:",
            )

    def test_choices(self) -> None:
        """Where there is a choice of words, an error lists them all."""
        for name, allowed in (("plain", PLAIN), ("log-level", LEVELS), ("log-format", FORMATS)):
            for good in allowed:
                self.assertEqual(parse(f"--{name}={good}")[name], good)
            for bad in ("", "nonsense", allowed[0].upper(), allowed[0] + " "):
                self.assertEqual(
                    self.refused(f"--{name}={bad}"), f"--{name}: {bad!r} is not one of {', '.join(allowed)}"
                )

    def test_interfaces(self) -> None:
        """An interface is a numeric address of either family; the error names the two wildcards."""
        for good in ("0.0.0.0", "127.0.0.1", "::", "::1", "fd00::2"):
            self.assertEqual(parse("-i", good)["interface"], good)
        for bad in ("", "localhost", "eth0", "256.0.0.1", "127.1", "::1::", "[::1]", "127.0.0.1:6789"):
            self.assertEqual(
                self.refused(f"--interface={bad}"),
                f"--interface: {bad!r} is not an IP address; 0.0.0.0 is all of IPv4, :: everything",
            )
        for link_local in ("fe80::1%eth0", "fe80::1"):
            self.assertIn("use ::", self.refused(f"--interface={link_local}"))

    def test_words(self) -> None:
        """What is no option is named: it may be one that lacks its hyphens."""
        self.assertEqual(self.refused("port=6789"), "'port=6789': nothing but options can be given")

    def test_huge_numbers(self) -> None:
        """A number of more digits than Python converts is out of range like any other."""
        self.assertIn("0 to 65535", self.refused("--port=" + "9" * 5000))

    def test_what_is_no_option(self) -> None:
        """An option that does not exist, and words that belong to none, are refused."""
        self.assertIn("--nonsense", self.refused("--nonsense"))
        self.refused("6789")

    def test_version(self) -> None:
        """`--version` prints udpchat's version, and that is all."""
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        self.assertEqual(self.assertRaises(SystemExit, parse, "--version").code, 0)
        self.assertEqual(out.getvalue(), f"udpchat {__version__}\n")

    def test_help_names_every_option(self) -> None:
        """The usage text has a line for every option, with its default."""
        usage: str = parse().getUsage()
        parameters: Any = Options.optParameters
        flags: Any = Options.optFlags
        for parameter in parameters:
            self.assertIn(f"--{parameter[0]}=", usage)
            if parameter[2] is not None:
                self.assertIn(f"[default: {parameter[2]}]", " ".join(usage.split()))
        for flag in flags:
            self.assertIn(f"--{flag[0]} ", usage)


class MotdTests(SynchronousTestCase):
    """The message of the day's file."""

    def setUp(self) -> None:
        """Make a folder that is gone afterwards."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "motd"

    def test_lines_are_cleaned(self) -> None:
        """Escape sequences and other controls are taken out; lines stay lines."""
        self.file.write_text("\n\x1b[31mBe kind\x07.\r\n\tNo sh\u202eouting.\n\n")
        self.assertEqual(parse(f"--motd={self.file}")["motd"], "[31mBe kind.\n No shouting.")

    def test_read_again(self) -> None:
        """What is in the file by then, wherever the process has gone; what is wrong with it is one line."""
        self.file.write_text("old")
        options = parse("--motd", str(self.file))
        self.file.write_text("new")
        self.assertEqual(options.reread_motd(), "new")
        self.file.unlink()
        refusal = self.assertRaises(RequestRejected, options.reread_motd)
        self.assertIn("cannot read", refusal.text)
        refusal = self.assertRaises(RequestRejected, parse().reread_motd)
        self.assertIn("without --motd", refusal.text)

    def test_what_is_no_file(self) -> None:
        """A pipe would be waited for until somebody writes into it."""
        os.mkfifo(self.file)
        for path in (self.file, "/dev/zero"):
            error = self.assertRaises(UsageError, parse, f"--motd={path}")
            self.assertIn("is no file", str(error))

    def test_an_empty_file(self) -> None:
        """An empty file is no message of the day."""
        self.file.write_bytes(b"")
        self.assertEqual(parse(f"--motd={self.file}")["motd"], "")

    def test_the_longest_file(self) -> None:
        """A file of just the greatest length is read whole; a byte more is refused, naming the limit."""
        self.file.write_bytes((b"x" * 511 + b"\n") * (MOTD_FILE_BYTES // 512))
        self.assertEqual(len(parse(f"--motd={self.file}")["motd"]), MOTD_FILE_BYTES - 1)
        self.file.write_bytes(b"x" * (MOTD_FILE_BYTES + 1))
        error = self.assertRaises(UsageError, parse, f"--motd={self.file}")
        self.assertEqual(str(error), f"--motd: {self.file} is longer than {MOTD_FILE_BYTES} bytes")

    def test_many_or_long_lines(self) -> None:
        """Every line is a datagram of its own: 32 lines of 900 bytes are the most."""
        for fine in (b"x\n" * 32, b"x" * 900):
            self.file.write_bytes(fine)
            parse(f"--motd={self.file}")
        for bad in (b"x\n" * 33, b"x" * 901):
            self.file.write_bytes(bad)
            error = self.assertRaises(UsageError, parse, f"--motd={self.file}")
            self.assertIn("32 lines of 900 bytes", str(error))

    def test_files_that_cannot_be_read(self) -> None:
        """A file that is missing, is a folder or is not text is refused, with the reason."""
        for path, reason in ((self.file, "No such file"), (self.file.parent, "Is a directory")):
            error = self.assertRaises(UsageError, parse, f"--motd={path}")
            self.assertIn(f"--motd: cannot read {path}: {reason}", str(error))
        self.file.write_bytes(b"caf\xe9")
        error = self.assertRaises(UsageError, parse, f"--motd={self.file}")
        self.assertEqual(str(error), f"--motd: {self.file} is not UTF-8 text")


class StateTests(SynchronousTestCase):
    """The state directory, and the server's key in it."""

    def setUp(self) -> None:
        """Make a folder that is gone afterwards, and be in it; have what is printed."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name).resolve()
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.folder)
        self.out = io.StringIO()
        self.patch(sys, "stdout", self.out)

    def shown(self, *arguments: str) -> str:
        """Give what a command line prints that ends the program with exit code 0."""
        self.assertEqual(self.assertRaises(SystemExit, parse, *arguments).code, 0)
        return self.out.getvalue()

    def ended(self, *arguments: str) -> str:
        """Give the line with which a command line ends the program when the service is made."""
        error = self.assertRaises(SystemExit, lambda: makeService(parse(*arguments)))
        return str(error.code)

    def test_show_fingerprint(self) -> None:
        """`--show-fingerprint` makes the key if there is none, prints its fingerprint, and that is all."""
        shown = self.shown("--show-fingerprint", "--state=a")
        self.assertEqual(
            shown, show_fingerprint(load_identity(self.folder / "a" / KEY_FILE, "x").fingerprint) + "\n"
        )
        self.assertEqual(self.shown("--state=a", "--show-fingerprint"), shown * 2)

    def test_an_option_that_is_wrong_comes_first(self) -> None:
        """With another option that is wrong nothing is shown, and no key is made."""
        self.assertRaises(UsageError, parse, "--show-fingerprint", "--state=a", "--port=x")
        self.assertEqual((list(self.folder.iterdir()), self.out.getvalue()), ([], ""))

    def test_no_directory(self) -> None:
        """An empty name is no directory."""
        error = self.assertRaises(UsageError, parse, "--state=")
        self.assertEqual(str(error), "--state: '' is no directory")

    def test_relative_to_where_it_was_said(self) -> None:
        """A daemon goes to another directory, and `--state` still means the one it meant."""
        options = parse("--state=a/b")
        os.chdir("/")
        makeService(options)
        self.assertTrue((self.folder / "a" / "b" / KEY_FILE).exists())

    def test_the_default(self) -> None:
        """Without `--state` the key is in the user's state directory."""
        set_variables(self, XDG_STATE_HOME=str(self.folder))
        makeService(parse())
        self.assertTrue((self.folder / "udpchat" / KEY_FILE).exists())

    def test_nothing_is_made_by_options(self) -> None:
        """To look at options, as `--help` does, makes no key."""
        parse("--state=a")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_directory_that_cannot_be_used(self) -> None:
        """One line says why; it names `--state` to somebody who has not."""
        (self.folder / "udpchat").write_text("in the way")
        why = f"udpchat: cannot read {self.folder}/udpchat/{KEY_FILE}: Not a directory"
        self.assertEqual(self.ended("--state=udpchat"), why)
        self.assertEqual(self.ended("--state=udpchat", "--show-fingerprint"), why)
        set_variables(self, XDG_STATE_HOME=str(self.folder))
        self.assertEqual(self.ended(), f"{why} (another directory: --state DIR)")

    def test_twistd(self) -> None:
        """In the foreground, as a daemon, asked for the fingerprint: exit code 1, one line, nothing else."""
        why = f"udpchat: cannot read /dev/null/{KEY_FILE}: Not a directory\n"
        bad = ("udpchat", "--port=0", "--state=/dev/null")
        for command in ((*FOREGROUND, *bad), bad, (*bad, "--show-fingerprint")):
            done = run(twistd(*command), cwd=self.folder)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", why), command)
            self.assertEqual(list(self.folder.iterdir()), [])
