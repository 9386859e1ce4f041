"""A room as the hub keeps it: who is in it, and where its log stands. No I/O, no clock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from chat.errors import RequestRejected
from chat.hub.members import NOBODY, Member
from chat.memos import Charter
from chat.messages import Change, Joined, Kind, Presence, RoomHead, is_direct
from chat.stored import Fact

RECENT = 64  # positions that a room knows: what is asked about by its number was said just now
PUBLIC = Charter()  # of a room that is everybody's


def no_such_room() -> RequestRejected:
    """Give the refusal of what is not for somebody: the same whether there is such a room or not."""
    return RequestRejected("NO_SUCH_ROOM", "there is no such room for you: a private one takes an /invite")


class Room:
    """One room, or a log of direct messages (`is_direct`).

    Its log stands at `head`, and what is at or below `floor` is not kept any more.

    `version` counts the changes of the roster. It may begin anew with a restart: whoever joins reads the
    roster from its `Joined` on, whatever it knew.

    `charter` says who may do what here. `founder` is the member who has made the room and operates it as long
    as it is in (b"": nobody does so), `guests` are the members who were invited and have no account.
    """

    __slots__ = (
        "_everybody",
        "_members",
        "_recent",
        "_roster",
        "charter",
        "first",
        "floor",
        "founder",
        "guests",
        "has_entries",
        "head",
        "is_direct",
        "name",
        "topic",
        "version",
    )

    def __init__(self, name: str, floor: int, head: int, version: int, *, has_entries: bool = False) -> None:
        self.name = name
        self.is_direct = is_direct(name)
        self.floor = floor
        self.head = head
        self.first = 0  # of its entries that this server has heard of: a position below may be lost
        self.has_entries = has_entries  # it ever had one: then it is not forgotten when the last member goes
        self.topic = ""
        self.version = version
        self.charter = PUBLIC
        self.founder = b""
        self.guests = NOBODY  # at most as many as may be invited
        self._recent: deque[int] | None = None  # a log has none, and most rooms are quiet: it takes 600 bytes
        self._members: dict[bytes, None] = {}
        self._everybody: tuple[bytes, ...] | None = ()  # None: somebody came or went since it was made
        self._roster: list[Member] = []  # in the order of nicks, kept so: a full room is listed in many pages

    # --- the log

    def take(self, fact: Fact) -> None:
        """Stand at the entry that the store has just told of."""
        entry = fact.entry
        self.head = entry.seq
        self.first = self.first or entry.seq
        if not self.is_direct:
            self._recent = self._recent or deque(maxlen=RECENT)
            self._recent.append(entry.seq)
        if fact.floor > self.floor:
            self.floor = fact.floor
        self.has_entries = True
        if entry.kind is Kind.TOPIC:
            self.topic = entry.text

    def trim(self, floor: int) -> None:
        """Learn that the store keeps nothing up to `floor`.

        A store may be ahead of its facts, so what it says never takes the floor above the head: it would
        count entries as gone that are still to be shown.
        """
        self.floor = max(self.floor, min(floor, self.head))

    @property
    def recent(self) -> Sequence[int]:
        """The positions of the newest entries that it has heard of, RECENT at most."""
        return self._recent or ()

    # --- who may do what

    @property
    def has_charter(self) -> bool:
        """Say whether it is any other than a room of everybody's: then it is not forgotten."""
        return replace(self.charter, used=0) != PUBLIC

    @property
    def has_doors(self) -> bool:
        """Say whether not everybody may come in."""
        return self.charter.is_private or bool(self.charter.key)

    def is_operated_by(self, member: Member) -> bool:
        """Say whether `member` is an operator of this room."""
        return member.client == self.founder or (
            member.account is not None and member.account in self.charter.operators
        )

    def operators_here(self) -> list[str]:
        """Give the nicks of the operators that are in the room, in the order of their keys."""
        return [member.nick.shown for member in self._roster if self.is_operated_by(member)]

    def is_invited(self, member: Member) -> bool:
        """Say whether `member` may come in whatever the room is."""
        return member.client in self.guests or (
            member.account is not None and member.account in self.charter.invited
        )

    def is_shown_to(self, member: Member) -> bool:
        """Say whether `member` may know that there is this room."""
        return not self.charter.is_private or self.name in member.rooms

    def check_entry(self, member: Member, key: str) -> None:
        """Raise `RequestRejected` if `member`, who says `key`, may not come in."""
        asked = self.charter.key
        if not self.has_doors or self.is_invited(member):
            return
        if asked and key == asked:
            return
        if self.charter.is_private:
            raise no_such_room()
        wanted = f"that is not the key of {self.name}" if key else f"{self.name} has a key"
        raise RequestRejected("ROOM_KEY", f"{wanted}: /join {self.name} KEY")

    # --- the roster

    @property
    def count(self) -> int:
        """How many members are in the room."""
        return len(self._roster)

    @property
    def everybody(self) -> tuple[bytes, ...]:
        """The members, in the order in which they came.

        It is the same tuple until somebody comes or goes, so that every `Publish` can share it and its
        receiver can tell by identity that nothing changed. It is made when it is asked for: thousands may
        come before anything is told to all.
        """
        if self._everybody is None:
            self._everybody = tuple(self._members)
        return self._everybody

    def add(self, member: Member) -> None:
        """Let `member` in."""
        self._members[member.client] = None
        self._everybody = None
        insort(self._roster, member, key=_nick_key)

    def remove(self, member: Member) -> None:
        """Let `member` out."""
        del self._members[member.client]
        self._everybody = None
        self.unlist(member)
        self.guests = self.guests - {member.client} or NOBODY
        if self.founder == member.client:
            self.founder = b""

    def unlist(self, member: Member) -> None:
        """Take `member` out of the list of nicks, before it has another nick; `list_again` goes with it."""
        del self._roster[bisect_left(self._roster, member.nick.key, key=_nick_key)]

    def list_again(self, member: Member) -> None:
        """Put `member` back into the list of nicks."""
        insort(self._roster, member, key=_nick_key)

    def listed(self, after: str, most: int) -> list[Member]:
        """Give at most `most` members in the order of their nicks' keys, those behind the key `after`."""
        begin = bisect_right(self._roster, after, key=_nick_key)
        return self._roster[begin : begin + most]

    # --- what is told of it

    def presence(self, member: Member, change: Change, new_nick: str = "") -> Presence:
        """Count a change of the roster, and give what the room may be told of it."""
        self.version += 1
        return Presence(
            self.name,
            member.nick.shown,
            verified=member.is_verified,
            change=change,
            version=self.version,
            new_nick=new_nick,
            operator=self.is_operated_by(member),
        )

    def joined(self, request_id: int, seen: int = 0) -> Joined:
        """Give what a member is told that is in; `seen` up to where a log was shown."""
        return Joined(
            request_id, self.name, self.head, self.floor, self.topic, self.version, self.count, seen
        )

    def where(self) -> RoomHead:
        """Give the room's positions for a `Pong`."""
        return RoomHead(self.name, self.head, self.version)


def _nick_key(member: Member) -> str:
    return member.nick.key
