"""`udpchatd`: the server in the foreground, for units, containers and pipx, which know no twistd."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run `twistd --nodaemon --pidfile= udpchat` with the arguments that were given; ends the process."""
    try:
        _run()
    except KeyboardInterrupt:  # while modules are loaded: nothing is served yet
        sys.exit(128 + signal.SIGINT)


def _run() -> None:
    from twisted.python.usage import UsageError
    from twisted.scripts.twistd import run

    from chat.server.options import Options

    ignored = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `udpchatd --help | head`
    try:  # twistd says what is wrong below a page of help, on standard output
        Options().parseOptions(sys.argv[1:])
    except UsageError as error:
        raise SystemExit(f"udpchatd: {error} (udpchatd --help lists the options)") from None
    signal.signal(signal.SIGPIPE, ignored)
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", "udpchat"]
    run()
