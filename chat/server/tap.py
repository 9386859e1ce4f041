"""The service `twistd udpchat`: the parts of the server put together.

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
from pathlib import Path
from typing import Any, NoReturn, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.util import runAsEffectiveUser

from chat import __version__
from chat.errors import StoreError
from chat.fingerprints import show_fingerprint
from chat.hub.hub import Hub
from chat.identity import Identity
from chat.server.caretaker import Means
from chat.server.options import Options
from chat.server.port import UdpPort
from chat.server.protocol import ChatServer
from chat.server.storage import Storage
from chat.wire.dtls import DtlsListener

_OTHER_STORES = "another file: --store sqlite:FILE; none: --store memory:"
_SECRET_BYTES = 32  # of the cookies that peers prove their address with; new at each start


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
