"""The options of `twistd udpchat` and `udpchatd`: what can be chosen, checked before anything starts."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn

from twisted.logger import ILogObserver, LogLevel
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from chat import __version__
from chat.errors import RequestRejected
from chat.fields import TEXT_BYTES
from chat.fingerprints import read_fingerprint, show_fingerprint
from chat.hub.hub import MAX_MEMBERS
from chat.identity import Identity, IdentityError, load_identity, state_directory
from chat.limits import CAPS, RATES, Caps, Limits
from chat.safety import clean_text
from chat.server.limit_option import read_rate
from chat.server.logs import FORMATS, LEVELS, Observer, twistd_observer
from chat.server.settings import IDLE_SECONDS, Settings
from chat.server.storage import MEMORY, SQLITE, STORE_FILE
from chat.store.sqlite import KEEP_DAYS, KEEP_ENTRIES

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

    def parseArgs(self, *others: str) -> None:
        """Take nothing beside options."""
        if others:
            raise UsageError(f"{others[0]!r}: nothing but options can be given")

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
