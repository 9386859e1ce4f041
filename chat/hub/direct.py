"""Direct messages: the name of everybody's log of them, how far it was read, and who waits to hear of that.

A log is a room with a name of its own, `@` and 26 characters: what is said in it and how it is read is as in
any room, but only its owner may join it. Those without a key share the log `@`, which nobody may join.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Publish, Send
from chat.hub.house import House
from chat.hub.members import TOLD_AWAY
from chat.hub.notebook import Notebook
from chat.hub.owners import log_name
from chat.hub.roll import Roll
from chat.hub.rooms import Room
from chat.memos import Reader
from chat.messages import DIRECT, Delivered, Kind, Say
from chat.notices import Notice
from chat.safety import nick_key
from chat.stored import Fact

SENDERS = 256  # of a log, that hear when it was read: beyond them the oldest do not


class Direct:
    """How far each log was shown to its reader."""

    def __init__(self, notebook: Notebook, roll: Roll, house: House) -> None:
        self._notebook = notebook
        self._roll = roll
        self._house = house
        self._seen: dict[str, int] = {}  # of logs with entries
        self._senders: dict[str, deque[tuple[int, bytes]]] = {}  # of logs with unread entries

    def recall(self, readers: Mapping[str, Reader], floors: Mapping[str, int]) -> None:
        """Take over what was remembered; `floors` are those of the logs that there are."""
        for log in readers:
            if log not in floors:
                self._notebook.strike(log, Reader)
        for log, floor in floors.items():
            self._seen[log] = readers[log].seen if log in readers else floor

    def seen(self, log: str, otherwise: int) -> int:
        """Give up to where a log was shown; nobody has written to it yet: `otherwise`."""
        return self._seen.get(log, otherwise)

    def begin(self, log: str, seen: int) -> None:
        """Note that a log has its first entry, above position `seen`."""
        self._seen[log] = seen
        self._notebook.write(log, Reader(seen))

    def target(self, say: Say) -> tuple[str, bytes] | None:
        """Give whose log a text is for, and the one reader if it is the shared one; None: there is nobody.

        What is said to one person goes into that person's log: the owner's of the nick, else the holder's.
        """
        if say.kind is not Kind.SAY:
            raise RequestRejected("KIND", "to one person you can only say something")
        nick = nick_key(say.room[1:])
        owner = self._roll.owners.owner(nick)
        if owner is not None:
            return log_name(owner), b""
        holder = self._roll.holder(nick)
        if holder is None:
            return None
        return (holder.log, b"") if holder.log else (DIRECT, holder.client)

    def deliver(self, log: Room, fact: Fact) -> list[Effect]:
        """Show a direct message to its reader, as far as there is one here."""
        seq = fact.entry.seq
        if log.name == DIRECT:
            reader = self._roll.get(fact.reader)
            return [] if reader is None else [Send(reader.client, fact.entry)]
        self._wait(log.name, seq, fact.client)
        if not log.everybody:
            return []
        told: list[Effect] = [Publish(log.everybody, fact.entry, fact.client)]
        is_read = any(member.is_plain for member in map(self._roll.get, log.everybody) if member is not None)
        return told + self.shown(log, seq) if is_read else told  # who speaks text has no way to say so

    def absence(self, log: Room, fact: Fact) -> list[Effect]:
        """Tell who has written to somebody who is away, once for each time."""
        clients = (fact.reader,) if log.name == DIRECT else log.everybody
        readers = [member for member in map(self._roll.get, clients) if member is not None]
        if not readers or any(member.away is None for member in readers):
            return []
        reader = readers[0]
        if fact.client in (*reader.told_away, *clients) or len(reader.told_away) >= TOLD_AWAY:
            return []
        reader.told_away |= {fact.client}
        why = f": {reader.away}" if reader.away else ""
        return [Send(fact.client, Notice(f"{reader.nick.shown} is away{why}"))]

    def is_waiting(self, room: str) -> bool:
        """Say whether `room` is a log whose reader is not here now."""
        log = self._house.get(room)
        return log is not None and log.is_direct and room != DIRECT and not log.everybody

    def shown(self, log: Room, seq: int) -> list[Effect]:
        """Note that a log was shown to its reader up to `seq`, and tell those who wrote it."""
        shown = self._show(log.name, min(seq, log.head))
        return [Send(client, Delivered(seq)) for seq, client in shown if self._roll.get(client) is not None]

    # --- inside

    def _wait(self, log: str, seq: int, client: bytes) -> None:
        """Note that `client` waits to hear that its text at `seq` was shown."""
        self._senders.setdefault(log, deque(maxlen=SENDERS)).append((seq, client))

    def _show(self, log: str, seq: int) -> list[tuple[int, bytes]]:
        """Note that a log was shown up to `seq`; give position and sender of each text that now was."""
        if seq <= self._seen.get(log, seq):
            return []
        self._seen[log] = seq
        self._notebook.write(log, Reader(seq))
        shown = []
        senders = self._senders.get(log, deque())
        while senders and senders[0][0] <= seq:
            shown.append(senders.popleft())
        if not senders:
            self._senders.pop(log, None)
        return shown
