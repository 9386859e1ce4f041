"""One address that speaks to the server: what the port needs to write to it, and its session."""

from __future__ import annotations

from chat.wire.text import TextSession

# What recvfrom gives: (host, port), or (host, port, flow info, scope id) for IPv6.
Addr = tuple[str, int] | tuple[str, int, int, int]
# A control message for sendmsg: (level, type, content).
ControlMessage = tuple[int, int, bytes]


def show_addr(addr: Addr) -> str:
    """Give an address as people write it: 127.0.0.1:6789, [::1]:6789, [fe80::1%2]:6789."""
    scope = f"%{addr[3]}" if len(addr) == 4 and addr[3] else ""
    return f"[{addr[0]}{scope}]:{addr[1]}" if len(addr) == 4 else f"{addr[0]}:{addr[1]}"


class Peer:
    """A peer's address and session, how its answers leave, and since when every write to it has failed."""

    __slots__ = ("addr", "failing_since", "session", "source", "spoken_to")

    def __init__(self, addr: Addr, session: TextSession) -> None:
        self.addr = addr
        self.session = session
        self.spoken_to = b""  # the address of ours that it speaks to, as the port gives it
        self.source: list[
            ControlMessage
        ] = []  # what makes answers leave from there, where that takes anything
        self.failing_since: float | None = None
