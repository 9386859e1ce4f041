"""`udpchat`, or `python -m chat`: reads the command line, picks the mode, exits with its code.

What a mode needs is imported once it is chosen: to load everything takes longer than a script takes to run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from chat import __version__

if TYPE_CHECKING:
    from twisted.internet.asyncioreactor import AsyncioSelectorReactor
    from twisted.internet.defer import Deferred

    from chat.client.address import Place
    from chat.client.wishes import Wishes

    Visit = Callable[[AsyncioSelectorReactor], Deferred[int]]

T = TypeVar("T")

_USAGE = """udpchat [HOST[:PORT]] [--nick NAME] [--room ROOM] [--json] [--follow] [--fingerprint FP]
       udpchat [HOST[:PORT]] --link CODE ...
       udpchat --plain [HOST[:PORT]] [--nick NAME]
       udpchat --fingerprint"""
_EPILOG = """\
An IPv6 address is written ::1, or [::1]:6789 with a port. The port is 6789 unless given.
In a terminal, what is missing is asked for, and exit, Ctrl-D or Ctrl-C leaves.
Otherwise the lines of standard input are said, or are commands: echo hello | udpchat HOST --nick bot
exit codes: 0 all was accepted, or you left, 1 not accepted within 10 s (standard error says what, and why),
2 wrong usage, or the server's key is not the one that is known, 128 + n ended by signal n
With --plain: 0 all lines came back, 1 not sent (nobody answered, nick refused, bad line), 2 wrong usage,
3 sent but not confirmed (the server answers, but does not echo)
"""
_EXIT_INTERRUPTED = 128 + signal.SIGINT
_LOBBY = "lobby"  # `chat.messages` has it too, and takes longer to load than a screen to appear
_SHOW_OWN = ""  # the value of --fingerprint without one


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "udpchat",
        _USAGE,
        "Chat over UDP: encrypted, nothing lost, doubled or out of order.",
        _EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("place", nargs="?", metavar="HOST[:PORT]", help="the server")
    parser.add_argument("--plain", action="store_true", help="unencrypted, as nc -u speaks to the server")
    parser.add_argument("--nick", metavar="NAME", help="who you want to be (your login name)")
    parser.add_argument("--room", metavar="ROOM", help="the room to begin in (lobby)")
    parser.add_argument("--link", metavar="CODE", help="be who you are where /link gave this code")
    parser.add_argument("--json", action="store_true", help="print all that happens, one JSON object a line")
    parser.add_argument(
        "--follow", action="store_true", help="stay when the input has ended, and print what is said"
    )
    parser.add_argument(
        "--line-mode", action="store_true", help="no full screen: what is said stands line below line"
    )
    parser.add_argument(
        "--fingerprint",
        nargs="?",
        const=_SHOW_OWN,
        metavar="FP",
        help="the server must have this key; without a value: print your own key's fingerprint and exit",
    )
    parser.add_argument("--version", action="version", version=f"udpchat {__version__}")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the client with these arguments (None: the program's own); ends the process."""
    try:
        sys.exit(_main(arguments))
    except KeyboardInterrupt:  # before there is anything that could be left politely
        sys.exit(_EXIT_INTERRUPTED)


def _main(arguments: Sequence[str] | None) -> int:
    _open_standard_files()
    parser = _parser()
    options = parser.parse_args(arguments)
    if _wants_person(options):
        _need_terminal_library()
    if options.plain:
        others = (options.room, options.link, options.fingerprint)
        if options.json or options.follow or others != (None, None, None):
            parser.error("--plain knows no --room, --link, --json, --follow and --fingerprint")
        visit = _plain_visit(parser, options)
    elif options.fingerprint == _SHOW_OWN:
        return _show_own_fingerprint()
    else:
        _check(parser, options)
        if _wants_person(options) and _has_screen(options):
            return _explained(lambda: _secure_screen(options))
        visit = _secure_visit(parser, options)
    return _explained(lambda: _run(visit))


def _run(visit: Visit) -> int:
    from chat.client.loop import complain_of_warnings, install, run

    complain_of_warnings(_complain)
    reactor = install()
    return run(reactor, lambda: visit(reactor))


def _explained(run: Callable[[], int]) -> int:
    """Give the exit code of what is run; what keeps it from its work is told in one line."""
    from chat.errors import ChatError

    try:
        return run()
    except ChatError as error:
        from chat.client.loop import EXIT_FAILED, EXIT_USAGE
        from chat.client.trust import ServerKeyChanged

        _complain(str(error))
        return EXIT_USAGE if isinstance(error, ServerKeyChanged) else EXIT_FAILED


# --- the modes


def _plain_visit(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Visit:
    from chat.client.plain import check_nick

    place = _place(parser, options)
    nick = _checked(parser, "--nick", check_nick, options.nick)
    if _has_person():
        return lambda reactor: _plain_terminal(reactor, place, nick or "")
    if place is None or not nick:
        parser.error("without a terminal HOST and --nick are needed: udpchat --plain HOST --nick NAME")
    return lambda reactor: _plain_script(reactor, place, nick)


def _plain_script(reactor: AsyncioSelectorReactor, place: Place, nick: str) -> Deferred[int]:
    from twisted.internet.defer import Deferred

    from chat.client.plain_script import run_script

    return Deferred.fromCoroutine(run_script(reactor, place, nick, _complain))


def _plain_terminal(reactor: AsyncioSelectorReactor, place: Place | None, nick: str) -> Deferred[int]:
    import asyncio

    from twisted.internet.defer import Deferred

    from chat.client.plain_terminal import Terminal

    return Deferred.fromFuture(asyncio.ensure_future(Terminal(reactor, place, nick).visit()))


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Put what the arguments mean in their places."""
    options.place = _place(parser, options)
    options.nick = _checked(parser, "--nick", _check_nick, options.nick) or ""
    options.room = _checked(parser, "--room", _check_room, options.room) or _LOBBY
    options.link = _checked(parser, "--link", _check_code, options.link) or ""
    options.fingerprint = _checked(parser, "--fingerprint", _check_fingerprint, options.fingerprint)


def _secure_screen(options: argparse.Namespace) -> int:
    from chat.client.screen.start import run_screen

    return run_screen(_wishes(options), _complain)


def _secure_visit(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Visit:
    if _wants_person(options):
        return lambda reactor: _secure_terminal(reactor, options)
    from chat.client.own import login_nick

    if options.place is None:
        parser.error("without a terminal HOST is needed: udpchat HOST --nick NAME")
    options.nick = options.nick or login_nick()
    if not options.nick:
        parser.error("your login name cannot be a nick here: choose one with --nick")
    return lambda reactor: _secure_script(reactor, options)


def _secure_script(reactor: AsyncioSelectorReactor, options: argparse.Namespace) -> Deferred[int]:
    from twisted.internet.defer import Deferred

    from chat.client.script import run_script
    from chat.client.visit import Destination

    where = Destination(options.place, options.nick, options.room, options.fingerprint, options.link)
    visiting = run_script(reactor, where, _complain, is_json=options.json, is_following=options.follow)
    return Deferred.fromCoroutine(visiting)


def _secure_terminal(reactor: AsyncioSelectorReactor, options: argparse.Namespace) -> Deferred[int]:
    import asyncio

    from twisted.internet.defer import Deferred

    from chat.client.terminal import Terminal

    return Deferred.fromFuture(asyncio.ensure_future(Terminal(reactor, _wishes(options)).visit()))


def _wishes(options: argparse.Namespace) -> Wishes:
    from chat.client.wishes import Wishes

    return Wishes(options.place, options.nick, options.room, options.fingerprint, options.link)


def _show_own_fingerprint() -> int:
    from chat.client.own import own_identity
    from chat.errors import ChatError
    from chat.fingerprints import show_fingerprint

    try:
        print(show_fingerprint(own_identity().fingerprint))
    except ChatError as error:
        _complain(str(error))
        return 1
    return 0


# --- what they share


def _open_standard_files() -> None:
    """See to it that no socket gets the number of a standard file that is closed."""
    for file, way in ((sys.stdin, os.O_RDONLY), (sys.stdout, os.O_WRONLY), (sys.stderr, os.O_WRONLY)):
        if file is None:
            os.open(os.devnull, way)


def _has_person() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _wants_person(options: argparse.Namespace) -> bool:
    """Say whether a person shall type and read, and no script."""
    is_terminal = _has_person() and sys.stdout is not None and sys.stdout.isatty()
    return is_terminal and not options.json and not options.follow and options.fingerprint != _SHOW_OWN


def _need_terminal_library() -> None:
    """End the program with a line that says what is to be installed, if it is not."""
    from importlib.util import find_spec

    if find_spec("prompt_toolkit") is None:
        sys.exit("udpchat: to chat in a terminal, install udpchat[terminal]; scripts need nothing more")


def _has_screen(options: argparse.Namespace) -> bool:
    """Say whether the terminal can be, and is wanted as, a full screen."""
    from chat.client.wishes import is_screen

    return not options.line_mode and is_screen(os.environ, *os.get_terminal_size(sys.stdout.fileno()))


def _complain(problem: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):  # nobody reads it any more
            print(f"udpchat: {problem}", file=sys.stderr)


def _place(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Place | None:
    from chat.client.address import parse_place

    return _checked(parser, "HOST[:PORT]", parse_place, options.place)


def _check_nick(text: str) -> str:
    from chat.safety import check_nick

    return check_nick(text).shown


def _check_room(text: str) -> str:
    from chat.safety import check_room

    return check_room(text)


def _check_fingerprint(text: str) -> bytes:
    from chat.identity import parse_fingerprint

    return parse_fingerprint(text)


def _check_code(code: str) -> str:
    from chat.client.check import check_code

    return check_code(code)


def _checked(
    parser: argparse.ArgumentParser, name: str, check: Callable[[str], T], value: str | None
) -> T | None:
    """Give what an argument means, None if it is not there; a bad one is a usage error."""
    from chat.errors import ChatError

    if value is None:
        return None
    try:
        return check(value)
    except ChatError as error:
        parser.error(f"argument {name}: {error}")


if __name__ == "__main__":
    main()
