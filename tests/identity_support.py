"""What the tests of keys and known servers share: a folder of their own, fingerprints, threads at once."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from chat.identity import IdentityError

ANN = bytes(range(32))
BEN = bytes(32)
SHOWN_ANN = "SHA256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

_Result = TypeVar("_Result")


def at_once(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Give what the calls give, each in a thread of its own; they begin together."""
    start = Barrier(len(calls))

    def begin(call: Callable[[], _Result]) -> _Result:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(begin, calls))


def mode(path: Path) -> int:
    """Give a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def set_variables(case: SynchronousTestCase, **variables: str) -> None:
    """Have these environment variables, and no others that say where things are, until the test's end."""
    before = dict(os.environ)

    def restore() -> None:
        os.environ.clear()
        os.environ.update(before)

    case.addCleanup(restore)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        os.environ.pop(name, None)
    os.environ.update(variables)


class FolderTestCase(SynchronousTestCase):
    """Has a folder that is gone afterwards."""

    def setUp(self) -> None:
        """Make it, and see that the tests' umask is the usual one."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.addCleanup(os.umask, os.umask(0o022))

    def refused(self, call: Callable[..., object], *arguments: Any) -> str:
        """Give the text of the IdentityError that a call ends with: one line."""
        text = str(self.assertRaises(IdentityError, call, *arguments))
        self.assertEqual(len(text.splitlines()), 1)
        return text
