"""`udpchatd`: the server in the foreground, for units, containers and pipx, which know no twistd."""

from __future__ import annotations

import sys

from twisted.scripts.twistd import run


def main() -> None:
    """Run `twistd --nodaemon --pidfile= udpchat` with the arguments that were given."""
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", "udpchat"]
    run()
