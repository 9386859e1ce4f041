"""`udpchat`, or `python -m chat`: reads the command line, picks the mode, exits with its code."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred

from chat import __version__
from chat.client.address import AddressError, Place, parse_place
from chat.client.loop import install, run
from chat.client.plain import check_nick
from chat.client.plain_script import EXIT_FAILED, run_script
from chat.errors import RequestRejected

_USAGE = "udpchat --plain [HOST[:PORT]] [--nick NAME]"
_EPILOG = """\
An IPv6 address is written ::1, or [::1]:6789 with a port. The port is 6789 unless given.
In a terminal, what is missing is asked for, and exit, Ctrl-D or Ctrl-C leaves.
Otherwise the lines of standard input are sent: echo hello | udpchat --plain HOST --nick bot
exit codes: 0 all lines came back, 1 not sent (nobody answered, nick refused, bad line), 2 wrong usage,
3 sent but not confirmed (the server answers, but does not echo)
"""


def _place(text: str) -> Place:
    try:
        return parse_place(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _nick(text: str) -> str:
    try:
        return check_nick(text)
    except RequestRejected as refusal:
        raise argparse.ArgumentTypeError(refusal.text) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "udpchat",
        _USAGE,
        "Chat over UDP.",
        _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("place", nargs="?", type=_place, metavar="HOST[:PORT]", help="the server")
    parser.add_argument("--plain", action="store_true", help="unencrypted, as nc -u speaks to the server")
    parser.add_argument("--nick", type=_nick, metavar="NAME", help="who you want to be")
    parser.add_argument("--version", action="version", version=f"udpchat {__version__}")
    return parser


def _complain(problem: str) -> None:
    print(f"udpchat: {problem}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the client with these arguments (None: the program's own); ends the process."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.plain:
        parser.error(
            "the encrypted client is not there yet: use --plain, which sends everything in the clear"
        )
    if sys.stdin is None:  # a closed input is an empty one, and must not become the number of a socket
        os.open(os.devnull, os.O_RDONLY)
    person = sys.stdin is not None and sys.stdin.isatty()
    if not person and (options.place is None or not options.nick):
        parser.error("without a terminal HOST and --nick are needed: udpchat --plain HOST --nick NAME")
    visit = _terminal_visit if person else _script_visit
    reactor = install()
    try:
        code = run(reactor, lambda: visit(reactor, options.place, options.nick or ""))
    except AddressError as error:
        _complain(str(error))
        code = EXIT_FAILED
    sys.exit(code)


def _script_visit(reactor: AsyncioSelectorReactor, place: Place, nick: str) -> Deferred[int]:
    return Deferred.fromCoroutine(run_script(reactor, place, nick, _complain))


def _terminal_visit(reactor: AsyncioSelectorReactor, place: Place | None, nick: str) -> Deferred[int]:
    # not at the top: prompt_toolkit takes longer to load than a script takes to run
    from chat.client.plain_terminal import Terminal

    return Deferred.fromFuture(asyncio.ensure_future(Terminal(reactor, place, nick).visit()))


if __name__ == "__main__":
    main()
