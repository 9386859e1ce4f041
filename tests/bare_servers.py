"""Stand-ins for the servers of the two programs that this chat descends from, in our own words.

`python -m tests.bare_servers echoing|silent PORT` runs one on 127.0.0.1; tests run them on any port.
They do what those programs do and not a thing more, because a client has to get on with exactly that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IUDPTransport
from twisted.internet.main import installReactor
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.udp import Port
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver

Addr = tuple[str, int]


class BareServer(DatagramProtocol):
    """What both have in common: names by address.

    `received` holds the text of every datagram; `watch` is called after each.
    """

    noisy = False
    transport: Port
    _log = Logger()

    def __init__(self) -> None:
        self.names: dict[Addr, str] = {}
        self.received: list[str] = []
        self.watch: Callable[[], object] = lambda: None

    def datagramReceived(self, datagram: bytes, addr: Addr) -> None:
        """Take a name from a stranger and a text from anybody else."""
        text = datagram[:1024].decode(errors="replace")
        self.received.append(text)
        if addr in self.names:
            self.say(text, addr)
        else:
            self.enter(text, addr)
        self.watch()

    def enter(self, name: str, addr: Addr) -> None:
        """Let a stranger in."""
        self.names[addr] = name

    def say(self, text: str, addr: Addr) -> None:
        """Relay a text."""
        raise NotImplementedError

    def send(self, text: str, addr: Addr) -> None:
        """Send one datagram, without a line end as those programs do."""
        self.transport.write(text.encode(), addr)


class EchoingServer(BareServer):
    """Chat-socket-UDP: refuses a name that is taken, greets, tells everybody everything, knows no exit."""

    def enter(self, name: str, addr: Addr) -> None:
        """Refuse a name in use; else tell everybody, the newcomer too."""
        if name in self.names.values():
            self.send("nama ini sudah diambil", addr)
            return
        super().enter(name, addr)
        self.tell_all(f"{name} has joined the chat")

    def say(self, text: str, addr: Addr) -> None:
        """Relay to everybody, the sender too."""
        self.tell_all(f"{self.names[addr]}: {text}")

    def tell_all(self, text: str) -> None:
        """Send to everybody."""
        for addr in self.names:
            self.send(text, addr)


class SilentServer(BareServer):
    """UDP-Socket-Programming: greets nobody, relays to the others only, `exit` removes, logs."""

    def say(self, text: str, addr: Addr) -> None:
        """Remove who says exit; else relay to the others, and remove those who cannot be sent to."""
        if text == "exit":
            self._log.info("{name} left", name=self.names.pop(addr))
            return
        for other in [other for other in self.names if other != addr]:
            try:
                self.send(f"{self.names[addr]}: {text}", other)
            except OSError:
                del self.names[other]


class Cable:
    """The transport of a client and of a server, joined in memory.

    Datagrams wait until `deliver` is called. `sent` holds the texts of all that the client sent; `broken` is
    raised instead of sending, if set.
    """

    client_addr = ("127.0.0.1", 40_000)
    server_addr = ("127.0.0.1", 6789)

    def __init__(self, client: DatagramProtocol, server: BareServer | None = None) -> None:
        self.sent: list[str] = []
        self.sent_to: list[object] = []
        self.broken: OSError | None = None
        self._client = client
        self._server = server
        self._waiting: list[tuple[DatagramProtocol, bytes, Addr]] = []
        client.makeConnection(cast(IUDPTransport, self))
        if server is not None:
            server.makeConnection(cast(IUDPTransport, self))

    def getHandle(self) -> Cable:
        """Give the client what it takes for its socket."""
        return self

    def sendto(self, datagram: bytes, sockaddr: object) -> None:
        """Take a datagram from the client."""
        if self.broken is not None:
            raise self.broken
        self.sent.append(datagram.decode())
        self.sent_to.append(sockaddr)
        if self._server is not None:
            self._waiting.append((self._server, datagram, self.client_addr))

    def write(self, datagram: bytes, addr: Addr) -> None:
        """Take a datagram from the server; what is not for the client is lost."""
        if addr == self.client_addr:
            self._waiting.append((self._client, datagram, self.server_addr))

    def deliver(self) -> None:
        """Let every datagram arrive, and those that are sent because of it."""
        while self._waiting:
            receiver, datagram, source = self._waiting.pop(0)
            receiver.datagramReceived(datagram, source)


SERVERS: dict[str, type[BareServer]] = {"echoing": EchoingServer, "silent": SilentServer}


def main() -> None:
    """Run one until it is interrupted."""
    kind, port = sys.argv[1:]
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)])
    reactor = SelectReactor()
    installReactor(reactor)
    reactor.listenUDP(int(port), SERVERS[kind](), interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
