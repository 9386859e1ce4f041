"""A disk of a mebibyte or two for one process: a tmpfs that only this process, and its children, can see.

It needs Linux and the right to mount, which root has, and in most places everybody in a namespace of their
own. It is gone when the process is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# $0 is where, $1 the size, $2 what else is done before the program begins
_MOUNT = 'mount -t tmpfs -o "size=$1" none "$0" && eval "$2" && shift 2 && exec "$@"'


def on_small_disk(folder: Path, size: str, command: list[str], before: str = ":") -> list[str]:
    """Give a command that runs `command` with a disk of `size` in `folder`, after the shell's `before`."""
    own = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    return [*own, "sh", "-c", _MOUNT, str(folder), size, before, *command]


def as_seen_by(pid: int, path: Path) -> Path:
    """Give the name here of what the process with that number calls `path`."""
    return Path(f"/proc/{pid}/root", *path.parts[1:])


def copy_store(pid: int, path: Path, folder: Path) -> Path:
    """Copy the SQLite file that a process has open, while nothing is written; give the copy in `folder`.

    It cannot be opened where it is: SQLite follows links, which leads it out of what the process sees.
    """
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(as_seen_by(pid, path.with_name(name)), folder)
    return folder / path.name


def small_disk_missing(folder: Path) -> str:
    """Say why tests with a small disk must be skipped ("": they need not)."""
    try:
        done = subprocess.run(
            on_small_disk(folder, "1m", ["true"]), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "this system has no unshare"
    return "" if done.returncode == 0 else f"no small disk can be mounted here: {done.stderr.strip()}"
