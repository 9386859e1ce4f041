"""Tests of what is installed: a wheel, and the checkout itself, in an environment of their own."""

from __future__ import annotations

import atexit
import email
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from email.message import Message
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chat import __version__
from tests.server_process import CHECKOUT

PATIENCE = 600.0  # seconds: pip may have to fetch a few megabytes over a slow line
BUILD_BACKEND = "setuptools>=77"
PLUGIN = "twisted/plugins/udpchat_plugin.py"
TYPED = "chat/py.typed"  # PEP 561: without it a type checker takes nothing of the package for a bot


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in an environment that knows nothing of this checkout; output is text."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd or work(),
        env={**environment, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        timeout=PATIENCE,
        check=False,
    )


def succeed(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command that has to succeed, and give its output."""
    done = run(*command, cwd=cwd)
    if done.returncode:
        raise AssertionError(f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@cache
def work() -> Path:
    """Give a folder that is gone when the tests are."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


@cache
def tracked() -> frozenset[str]:
    """Give the names of all that git tracks, or would. Skips where git cannot tell."""
    if shutil.which("git") is None:
        raise SkipTest("git is not installed: what belongs to the checkout is not known")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=CHECKOUT)
    if listed.returncode:
        raise SkipTest(f"not a git checkout: {listed.stderr.strip()}")
    return frozenset(name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).is_file())


@cache
def sources(name: str = "copy") -> Path:
    """Give a copy of what git tracks: never a stale build/."""
    copy = work() / name
    for each in tracked():
        (copy / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / each, copy / each)
    return copy


@cache
def wheel() -> Path:
    """Build the wheel, without a network. Skips where the `test` extra is not installed."""
    try:
        backend, _ = version("setuptools"), version("pip")
    except PackageNotFoundError as missing:
        raise SkipTest(f"{missing}: pip and {BUILD_BACKEND} build the wheel") from None
    if int(backend.split(".")[0]) < 77:
        raise SkipTest(
            f"setuptools {backend} is installed; {BUILD_BACKEND} builds the wheel (the test extra)"
        )
    wheels = work() / "wheels"
    build = ("pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir", wheels)
    succeed(sys.executable, "-m", *build, sources())
    (built,) = wheels.iterdir()
    return built


@cache
def environment() -> Path:
    """Make an environment with the dependencies, not with udpchat. Skips where pip reaches no index."""
    required = metadata(wheel()).get_all("Requires-Dist", [])
    needed = [each for each in required if "extra ==" not in each]
    folder = work() / "environment"
    venv.create(folder, symlinks=True, with_pip=False)
    install = (*pip(folder), "install", "--quiet", "--no-compile", "--retries=1", "--timeout=15")
    if run(*install, BUILD_BACKEND, *needed).returncode:
        reached = run(*install, BUILD_BACKEND)
        if reached.returncode:
            raise SkipTest(f"pip can install nothing here: {reached.stderr.strip()[-300:]}")
        succeed(*install, *needed)
    return folder


def metadata(built: Path) -> Message:
    """Give the metadata in a wheel."""
    with zipfile.ZipFile(built) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def pip(folder: Path) -> list[str | Path]:
    """Give the command that is pip for the environment in `folder`."""
    return [sys.executable, "-m", "pip", "--python", folder / "bin" / "python"]


class WheelTests(SynchronousTestCase):
    """What is in the wheel."""

    def setUp(self) -> None:
        """Build it."""
        with zipfile.ZipFile(wheel()) as archive:
            self.names = archive.namelist()

    def test_the_package_and_the_plugin(self) -> None:
        """The wheel has every module of the package, the mark that it is typed, the one plugin, no more."""
        package = {path.relative_to(sources()).as_posix() for path in (sources() / "chat").rglob("*.py")}
        code = {name for name in self.names if ".dist-info/" not in name}
        self.assertEqual(code, {*package, PLUGIN, TYPED})

    def test_nothing_that_would_hide_twisted(self) -> None:
        """There is no twisted/__init__.py: the folder is Twisted's, and we put one file into it."""
        ours = [name for name in self.names if name.startswith("twisted/")]
        self.assertEqual(ours, [PLUGIN])

    def test_the_metadata(self) -> None:
        """The metadata names the version of the package, and the libraries that it imports."""
        about = metadata(wheel())
        self.assertEqual((about["Name"], about["Version"]), ("udpchat", __version__))
        required = " ".join(about.get_all("Requires-Dist", [])).lower()
        for library in ("twisted", "msgspec", "precis-i18n", "prompt_toolkit"):
            self.assertIn(library, required)


class SourceTests(SynchronousTestCase):
    """What is in the source distribution."""

    def test_what_git_tracks(self) -> None:
        """It has all that git tracks, but for what is about git: its tests can be run."""
        wheel()  # skips where there is nothing to build with
        folder = work() / "source"
        build = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
        succeed(sys.executable, "-c", build, cwd=sources("source/udpchat"))
        (built,) = folder.glob("*.tar.gz")
        with tarfile.open(built) as archive:
            names = {member.name.partition("/")[2] for member in archive if member.isfile()}
        missing = tracked() - names - {".gitignore", ".ci/run"}
        added = {name for name in names - tracked() if not name.startswith("udpchat.egg-info/")}
        self.assertEqual((missing, added - {"PKG-INFO"}), (set(), set()))


class InstalledTests(SynchronousTestCase):
    """What somebody has who installed it, and who took it off again."""

    def setUp(self) -> None:
        """Begin with an environment that has the dependencies only."""
        self.environment = environment()
        (self.packages,) = self.environment.glob("lib/python*/site-packages")
        self.addCleanup(self.uninstall)

    def uninstall(self) -> None:
        """Take udpchat off, if it is there."""
        if list(self.packages.glob("udpchat-*")):
            succeed(*pip(self.environment), "uninstall", "--quiet", "--yes", "udpchat")

    def script(self, name: str, *arguments: str) -> str:
        """Run one of the environment's scripts, far from the checkout; give its output."""
        return succeed(self.environment / "bin" / name, *arguments)

    def python(self, program: str) -> str:
        """Run a few lines in the environment; give what they print."""
        return self.script("python", "-c", program).strip()

    def assert_works(self, package: Path) -> None:
        """Assert that all that was installed works, with the package in `package`."""
        for runner in ("twistd", "twist"):
            self.assertIn("--idle-timeout=", self.script(runner, "udpchat", "--help"))
        self.assertEqual(self.script("udpchatd", "--version"), f"udpchat {__version__}\n")
        self.assertTrue(os.access(self.environment / "bin" / "udpchat", os.X_OK))
        found = self.python(
            "import chat, twisted; from twisted.plugin import getPlugins as get;"
            "from twisted.application.service import IServiceMaker as maker;"
            "print(chat.__file__, twisted.__file__, [each.tapname for each in get(maker)].count('udpchat'))"
        )
        self.assertEqual(found, f"{package / '__init__.py'} {self.twisted()} 1")

    def assert_gone(self) -> None:
        """Take udpchat off, and assert that Twisted is whole and knows nothing of it any more."""
        self.assertEqual(len(list(self.packages.glob("udpchat-*"))), 1)
        self.uninstall()
        self.assertEqual(self.python("import twisted; print(twisted.__file__)"), self.twisted())
        self.assertNotIn("udpchat", self.script("twistd", "--help"))
        self.assertEqual(run(self.environment / "bin" / "twistd", "udpchat", "--help").returncode, 1)
        self.assertEqual(list((self.packages / "twisted" / "plugins").rglob("udpchat*")), [])
        left = {path.name for path in (self.environment / "bin").glob("udpchat*")}
        self.assertEqual(left, set())
        self.assertFalse((self.packages / "chat").exists())

    def twisted(self) -> str:
        """Give where Twisted is."""
        return str(self.packages / "twisted" / "__init__.py")

    def test_a_wheel(self) -> None:
        """Installed, twistd and twist know the command and two scripts work; uninstalled, all is gone."""
        succeed(*pip(self.environment), "install", "--quiet", wheel())
        self.assert_works(self.packages / "chat")
        self.assert_gone()

    def test_an_editable_checkout(self) -> None:
        """`pip install -e .` does the same with the package where it lies."""
        editable = ("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", sources())
        succeed(*pip(self.environment), *editable)
        self.assert_works(sources() / "chat")
        self.assert_gone()
