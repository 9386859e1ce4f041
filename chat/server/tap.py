"""The service `twistd udpchat`: its options, and the parts of the server put together.

Nothing here imports the reactor before it is needed, so that twistd's `--reactor` still decides.
"""

from __future__ import annotations

import errno
import gc
import os
import pwd
import signal
import sys
import time
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.python.util import runAsEffectiveUser

from chat import __version__
from chat.errors import RequestRejected, StoreError
from chat.fields import TEXT_BYTES
from chat.fingerprints import read_fingerprint, show_fingerprint
from chat.hub.hub import MAX_MEMBERS, Hub
from chat.identity import Identity, IdentityError, load_identity, state_directory
from chat.limits import CAPS, RATES, Caps, Limits
from chat.safety import clean_text
from chat.server.caretaker import Means
from chat.server.limit_option import read_rate
from chat.server.logs import FORMATS, LEVELS, Observer, twistd_observer
from chat.server.port import UdpPort
from chat.server.protocol import ChatServer
from chat.server.settings import IDLE_SECONDS, Settings
from chat.server.storage import MEMORY, SQLITE, STORE_FILE, Storage
from chat.store.sqlite import KEEP_DAYS, KEEP_ENTRIES
from chat.wire.dtls import DtlsListener

PORT = 6789
MOST_MEMBERS = 15_000  # of 20,000 addresses that are known at a time
MOST = {  # what the other caps may be: a room takes half a kilobyte, a handshake 70
    "max-plain": MOST_MEMBERS,
    "max-sessions": MOST_MEMBERS,
    "max-rooms": 1_000_000,
    "max-handshakes": 10_000,
}
MOTD_FILE_BYTES = 8_192
MOTD_LINES = 32  # each is a datagram to everybody who comes in, or asks for it
PLAIN = ("trusted", "all", "off")
KEY_FILE = "server.pem"  # in the state directory
_OTHER_STORES = "another file: --store sqlite:FILE; none: --store memory:"
_SECRET_BYTES = 32  # of the cookies that peers prove their address with; new at each start


class Options(UsageOptions):
    """What can be chosen on the command line; every value is checked before anything starts."""

    synopsis = "[options]"
    longdesc = (
        "A chat over UDP. Join it with `udpchat HOST`, with `openssl s_client -dtls1_2 -connect HOST:6789`, "
        "or in the clear with `nc -u HOST 6789`."
    )
    optParameters = [  # noqa: RUF012  (Twisted reads it so)
        ["port", "p", str(PORT), "UDP port to listen on; 0 chooses a free one, which is logged"],
        ["interface", "i", "0.0.0.0", "address to listen on: IPv4, IPv6, or :: for both"],  # noqa: S104
        ["plain", None, "trusted", "whose plain text is served: trusted (private networks), all, off"],
        ["state", None, None, "directory of the server's key and chat [default: ~/.local/state/udpchat]"],
        [
            "store",
            None,
            SQLITE,
            f"where the chat is: sqlite: ({STORE_FILE} there), sqlite:FILE, memory:",
        ],
        ["keep-entries", None, f"{KEEP_ENTRIES}", "texts of each room that are kept on disk"],
        ["keep-days", None, f"{KEEP_DAYS:.0f}", "days for which a text is kept on disk"],
        ["max-members", None, f"{MAX_MEMBERS}", "members at one time; one more is refused"],
        ["max-plain", None, f"{CAPS.plain}", "of them those who speak in the clear"],
        ["max-sessions", None, f"{CAPS.address}", "members from one address, loopback excepted"],
        ["max-rooms", None, f"{CAPS.rooms}", "rooms at one time"],
        ["max-handshakes", None, f"{CAPS.half_open}", "handshakes that go on at one time"],
        ["motd", None, "", "file with the message of the day"],
        ["idle-timeout", None, f"{IDLE_SECONDS:.0f}", "seconds after which a silent plain member has left"],
        ["log-level", "l", "info", f"least level that is logged: {', '.join(LEVELS)}"],
        ["log-format", None, "text", f"how it is logged: {', '.join(FORMATS)}"],
    ]
    optFlags = [  # noqa: RUF012
        ["no-echo", None, "do not send a plain member its own lines"],
        ["no-log-text", None, "keep what members say out of the log"],
        [
            "show-fingerprint",
            None,
            "print the fingerprint of the server's key, which is made if need be, and exit",
        ],
    ]

    def opt_limit(self, value: str) -> None:
        """NAME=RATE[:BURST]: how many a second, and at once, one session may ask for; NAME=0: any number. May
        be given several times. Names: lines, joins, new-rooms, renames, fetches, handshakes."""
        limit, rate = read_rate(value)
        self.rates.pop(limit, None)
        if rate is not None:
            self.rates[limit] = rate

    def opt_version(self) -> NoReturn:
        """Print udpchat's version and exit."""
        print(f"udpchat {__version__}")
        raise SystemExit(0)

    def __init__(self) -> None:
        super().__init__()
        self["operators"] = ()
        self.rates = dict(RATES)

    def opt_operator(self, fingerprint: str) -> None:
        """Whose key has this fingerprint (SHA256:...) operates the server; may be given several times."""
        found = read_fingerprint(fingerprint)
        if found is None:
            allowed = "a fingerprint: SHA256: and 43 characters, which udpchat --fingerprint prints"
            raise UsageError(f"--operator: {fingerprint!r} is not {allowed}")
        self["operators"] += (found,)

    def postOptions(self) -> None:
        """Check every value; a wrong one is a usage error that says what is allowed."""
        self["port"] = self._number("port", 0, 65_535)
        self["idle-timeout"] = self._number("idle-timeout", 1, 31_536_000)
        self["max-members"] = self._number("max-members", 1, MOST_MEMBERS)
        for name, most in MOST.items():
            self[name] = self._number(name, 1, most)
        self._one_of("plain", PLAIN)
        self._one_of("log-level", LEVELS)
        self._one_of("log-format", FORMATS)
        self["keep-entries"] = self._number("keep-entries", 1, 1_000_000)
        self["keep-days"] = self._number("keep-days", 1, 36_500)
        self._check_interface()
        self._check_state()
        self._check_store()
        self["motd-file"] = Path(self["motd"]).absolute() if self["motd"] else None
        self["motd"] = self._read_motd()
        if self["show-fingerprint"]:
            print(show_fingerprint(self.identity().fingerprint))
            raise SystemExit(0)
        self._tell_twist()

    def settings(self) -> Settings:
        """Give what the server itself needs of the options."""
        return Settings(
            plain=self["plain"],
            echo=not self["no-echo"],
            log_text=not self["no-log-text"],
            idle_timeout=float(self["idle-timeout"]),
            max_members=self["max-members"],
        )

    def limits(self) -> Limits:
        """Give the limits on what members may ask for."""
        caps = Caps(self["max-plain"], self["max-sessions"], self["max-rooms"], self["max-handshakes"])
        return Limits(self.rates, caps)

    def identity(self) -> Identity:
        """Give the server's key, which is made if there is none; without one the program ends with a line.

        To be asked for before twistd becomes a daemon, changes its root or gives up its rights.
        """
        try:
            return load_identity((self["state"] or state_directory()) / KEY_FILE, "udpchat")
        except IdentityError as error:
            hint = "" if self["state"] else " (another directory: --state DIR)"
            raise SystemExit(f"udpchat: {error}{hint}") from None

    def store_path(self) -> Path | None:
        """Give the file that the chat is kept in; None: it is kept in memory."""
        if self["store"] == MEMORY:
            return None
        return self["store"] or (self["state"] or state_directory()) / STORE_FILE

    def _number(self, name: str, least: int, most: int) -> int:
        value = self[name]
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):
            raise UsageError(f"--{name}: {value!r} is not a whole number from {least} to {most}")
        return int(value)

    def _one_of(self, name: str, allowed: tuple[str, ...]) -> None:
        if self[name] not in allowed:
            raise UsageError(f"--{name}: {self[name]!r} is not one of {', '.join(allowed)}")

    def _check_interface(self) -> None:
        allowed = "an IP address; 0.0.0.0 is all of IPv4, :: everything"
        try:
            address = ip_address(self["interface"])
        except ValueError:
            raise UsageError(f"--interface: {self['interface']!r} is not {allowed}") from None
        if address.version == 6 and address.is_link_local:  # Twisted's bind has no place for which
            raise UsageError(
                f"--interface: {self['interface']!r} is of one link, which cannot be bound alone: use ::"
            )

    def _check_state(self) -> None:
        if self["state"] is None:
            return
        if not self["state"]:
            raise UsageError("--state: '' is no directory")
        self["state"] = Path(self["state"]).absolute()  # twistd may change to another directory

    def _check_store(self) -> None:
        given = self["store"]
        if given == MEMORY:
            return
        if not given.startswith(SQLITE):
            raise UsageError(f"--store: {given!r} is not sqlite:, sqlite:FILE or memory:")
        file = given.removeprefix(SQLITE)
        self["store"] = Path(file).absolute() if file else None  # twistd may change to another directory

    def reread_motd(self) -> str:
        """Give the message of the day as it is in its file now. Raises `RequestRejected`."""
        if self["motd-file"] is None:
            raise RequestRejected("RELOAD_FAILED", "the server was started without --motd FILE")
        try:
            return self._read_motd()
        except UsageError as error:
            raise RequestRejected("RELOAD_FAILED", f"not read again: {clean_text(str(error))}") from None

    def _read_motd(self) -> str:
        file = self["motd-file"]  # twistd may change to another directory
        if file is None:
            return ""
        if file.is_fifo() or file.is_char_device():  # it would be waited for, or have no end
            raise UsageError(f"--motd: {file} is no file")
        try:
            content = file.read_bytes()
            if len(content) > MOTD_FILE_BYTES:
                raise UsageError(f"--motd: {file} is longer than {MOTD_FILE_BYTES} bytes")
            lines = [clean_text(line) for line in content.decode().splitlines()]
        except OSError as error:
            raise UsageError(f"--motd: cannot read {file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"--motd: {file} is not UTF-8 text") from None
        if len(lines) > MOTD_LINES or any(len(line.encode()) > TEXT_BYTES for line in lines):
            raise UsageError(f"--motd: {file}: at most {MOTD_LINES} lines of {TEXT_BYTES} bytes")
        return "\n".join(lines).strip()

    def log_observer(self) -> ILogObserver | None:
        """Give the observer that writes twistd's log in the chosen format; None where something else does.

        That is twist, which has been told already, and whatever `--logger` or `--syslog` named.
        """
        above: Any = self.parent
        if above is None or "nodaemon" not in above or above.get("logger") or above.get("syslog"):
            return None
        return twistd_observer(above, self["log-format"], self["log-level"])

    def _tell_twist(self) -> None:
        above: Any = self.parent
        if above is not None and "fileLogObserverFactory" in above:
            above["logLevel"] = LogLevel.levelWithName(self["log-level"])
            above["fileLogObserverFactory"] = partial(Observer, log_format=self["log-format"], level="debug")


class ChatService(Service):
    """The server as a service: listens when it is started, says good-bye when it is stopped."""

    name = "udpchat"
    _log = Logger()

    def __init__(self, options: Options, identity: Identity) -> None:
        self._options = options
        self._identity = identity
        self._port: UdpPort | None = None
        self._server: ChatServer | None = None
        self._storage: Storage | None = None

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, and give it our log observer (as a .tac file would)."""
        super().setServiceParent(parent)
        observer = self._options.log_observer()
        if observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, observer)

    def privilegedStartService(self) -> None:
        """Listen while twistd still has the rights to (ports below 1024)."""
        self._listen()

    def startService(self) -> None:
        """Listen, if that has not been done yet."""
        super().startService()
        if self._port is None:
            self._listen()

    def stopService(self) -> Deferred[None]:
        """Tell members that the server goes down, and let go of the port."""
        super().stopService()
        if self._server is None or self._port is None or self._storage is None:
            return succeed(None)
        server, port, storage = self._server, self._port, self._storage
        self._server = self._port = self._storage = None
        storage.rest()
        closing = server.shut_down().addErrback(self._note, "the store was not closed")
        return closing.addCallback(lambda _: port.stopListening()).addCallback(lambda _: storage.stop())

    def _listen(self) -> None:
        from twisted.internet import reactor

        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
            signal.signal(signal.SIGHUP, _stop)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else our threads would outlive us
            signal.signal(signal.SIGINT, reactor.sigInt)  # type: ignore[attr-defined]
        reactor.addSystemEventTrigger("before", "shutdown", _end_at_once)
        # Twisted's timers follow the wall clock: set back by an hour, it would stop every time-out for one.
        reactor.seconds = time.monotonic  # type: ignore[method-assign]
        options = self._options
        self._storage = self._open_storage(reactor)
        limits = options.limits()
        secret = os.urandom(_SECRET_BYTES)
        self._server = ChatServer(
            Hub(options["motd"], options["max-members"], operators=options["operators"], limits=limits),
            self._storage.store,
            options.settings(),
            IReactorTime(reactor),
            listener=DtlsListener(self._identity.key, self._identity.certificate, secret, limits=limits),
            means=Means(reactor.stop, options.reread_motd),
        )
        self._port = UdpPort(options["port"], self._server, options["interface"], reactor)
        try:
            self._port.startListening()
        except CannotListenError as error:
            self._storage.store.close()  # at once: it has no threads yet
            self._give_up(_explain(error, options))
        self._check_begun(self._server, self._storage)
        self._storage.start()
        self._announce(self._port.getHost())
        # Modules and classes stay: to look through them took most of a collection's 50 ms, in which nobody is
        # served.
        gc.collect()
        gc.freeze()

    def _open_storage(self, reactor: Any) -> Storage:
        """Open the store as who the server is going to be: files that root made would not be its own."""
        options = self._options
        twistd: Any = options.parent or {}
        uid, gid = twistd.get("uid"), twistd.get("gid")
        path = options.store_path()
        make = partial(Storage, path, options["keep-entries"], options["keep-days"], reactor)
        try:
            if uid is None or os.geteuid():
                return make()
            try:
                own = pwd.getpwuid(uid).pw_gid  # with a --gid, too: twistd asks for the user's other groups
            except KeyError:
                self._give_up(f"--uid: {uid} is no user here (with --chroot: of the /etc/passwd in there)")
            gid = own if gid is None else gid
            return cast(Storage, runAsEffectiveUser(uid, gid, make))
        except StoreError as error:
            self._give_up(f"{error} ({_OTHER_STORES})")

    def _check_begun(self, server: ChatServer, storage: Storage) -> None:
        """Give up if what the store has kept cannot be read: a server that serves nobody is of no use."""
        failures: list[Failure] = []
        server.begun.addErrback(failures.append)  # at once: the store has no threads yet
        for failure in failures:
            storage.store.close()
            is_known = failure.check(StoreError) is not None
            self._give_up(
                f"{failure.getErrorMessage()} ({_OTHER_STORES if is_known else 'a bug: see the log'})"
            )

    def _note(self, failure: Failure, what: str) -> None:
        failure.trap(StoreError)
        self._log.warn("{what}: {why}", what=what, why=failure.getErrorMessage())

    def _give_up(self, why: str) -> NoReturn:
        """End the program with one line, by the way that leads to whoever started it.

        In the foreground that is standard error. A daemon has none: the process that the user is looking at
        waits at the other end of twistd's status pipe, and prints what comes through it.
        """
        twistd: Any = self._options.parent or {}
        if twistd.get("statusPipe") is not None:
            self._log.critical("{why}", why=why)
            os.write(twistd["statusPipe"], f"1 {why}".encode()[:100])  # as much as twistd reads
        elif sys.__stderr__ is not None:
            print(f"udpchat: {why}", file=sys.__stderr__)  # sys.stderr leads to the log by now
        if twistd.get("pidfile"):
            Path(twistd["pidfile"]).unlink(missing_ok=True)
        raise SystemExit(1)

    def _announce(self, host: Any) -> None:
        plain, path = self._options["plain"], self._options.store_path()
        fingerprint = show_fingerprint(self._identity.fingerprint)
        self._log.info("the server's key is {fingerprint}", fingerprint=fingerprint)
        self._log.info(
            "udpchat {version} listens on {host} port {port}",
            version=__version__,
            host=host.host,
            port=host.port,
            fingerprint=fingerprint,
        )
        kept = f"in {path}" if path else "in memory, until the server ends"
        self._log.info("the chat is kept {kept}", kept=kept)
        if plain == "all":
            self._log.warn(
                "--plain all: a forged datagram can aim a room's traffic at a stranger; "
                "serve trusted networks only unless you must"
            )
        elif plain == "off":
            self._log.info("--plain off: nc cannot join; udpchat and openssl s_client can")


def _stop(*_: object) -> None:
    """End as SIGTERM does: when the terminal closes, members hear of it."""
    from twisted.internet import reactor

    reactor.callFromThread(reactor.stop)  # type: ignore[attr-defined]


def _end_at_once() -> None:
    """Let the next signal end the program: who asks twice does not wait for members, or for a slow disk.

    What was accepted is stored by then, and a second `reactor.stop` would be a traceback in the log.
    """
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, signal.SIG_DFL)


def makeService(options: Options) -> ChatService:
    """Give the service that `options` describe; its key is read, nothing is bound before it is started."""
    return ChatService(options, options.identity())


def _explain(error: CannotListenError, options: Options) -> str:
    cause = error.socketError
    hint = {
        errno.EADDRINUSE: "something listens there already; choose another port with --port",
        errno.EACCES: "ports below 1024 need root, or CAP_NET_BIND_SERVICE",
        errno.EINVAL: "this is no address to listen on; choose another with --interface",
        errno.EADDRNOTAVAIL: "this machine has no such address; choose another with --interface",
    }.get(getattr(cause, "errno", 0), "")
    reason = getattr(cause, "strerror", None) or str(cause)
    where = f"{options['interface']} port {options['port']}"
    return f"cannot listen on {where}: {reason}" + (f" ({hint})" if hint else "")
