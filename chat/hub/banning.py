"""The orders that keep people out: of a room once, of the server for a time. No I/O, no clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from chat.errors import RequestRejected
from chat.fields import REASON_BYTES, RESULT_BYTES
from chat.fingerprints import read_fingerprint, show_fingerprint
from chat.hub.bans import WIDEST, Bans
from chat.hub.effects import Effect, Send
from chat.hub.house import House
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.outside import Outside
from chat.hub.pages import beginning
from chat.hub.replies import reply_to
from chat.hub.roll import Roll
from chat.hub.terms import why
from chat.memos import Ban
from chat.messages import Bye, Done
from chat.networks import Network, find_address, find_network
from chat.notices import Notice, Out
from chat.orders import FOREVER, Order
from chat.safety import check_nick

_MORE_BYTES = 200  # of the line that ends a page: it names a nick, a key or a network
BAN_SECONDS = 86_400  # of a ban of which nobody says how long
KICKED = "KICKED"


class _Target(NamedTuple):
    """Whom a ban is about, as bans name it and as people read it: a person, or all from a network."""

    about: str
    shown: str
    account: bytes | None = None
    nick: str = ""  # its key
    network: Network | None = None


class Banning:
    """Carries out these orders. `leave` lets a member go, for a reason."""

    def __init__(
        self, roll: Roll, house: House, operators: Operators, leave: Callable[[Member, str], list[Effect]]
    ) -> None:
        self.outside = Outside()
        self._roll = roll
        self._house = house
        self._operators = operators
        self._leave = leave

    @property
    def _bans(self) -> Bans:
        return self._roll.bans

    # --- out of a room

    def kick(self, member: Member, order: Order) -> list[Effect]:
        """Put somebody out of a room; who was may come back."""
        room = self._house.room_of(member, order.room)
        whom = self._roll.find(order.target)
        if room.name not in whom.rooms:
            raise RequestRejected("NOT_IN_ROOM", f"{whom.nick.shown} is not in {room.name}")
        self._spare(whom, member)
        because = f": {order.text}" if order.text else ""
        text = beginning(f"kicked by {member.nick.shown}{because}", REASON_BYTES)
        self._house.charters.disinvite(room, whom)
        out = whom.put_out(Out(room.name, KICKED, text), self._roll.now)
        told = self._house.let_out(whom, room.name, self._roll.now)
        self._roll.note(whom)
        done = reply_to(member, Done(order.id, f"{whom.nick.shown} is out of {room.name}"))
        return [Send(whom.client, out), *told, *done]

    # --- out of the server

    def ban(self, member: Member, order: Order) -> list[Effect]:
        """Keep somebody out for a time: a nick and who has it, a key, or a network."""
        at = int(self._roll.at)
        target = self._target(order.target)
        self._check(target, member)
        seconds = order.number or BAN_SECONDS
        until = 0 if seconds >= FOREVER else at + seconds
        ban = Ban(target.shown, member.nick.shown, at, until, order.text, target.account)
        self._bans.add(target.about, ban)
        effects = reply_to(member, Done(order.id, why(f"{target.shown} is banned", ban)))
        for each in [each for each in self._roll.all() if self._is_meant(each, target)]:
            text = why("you are banned", ban)
            goodbye = Notice(text) if each.is_plain else Bye(text)
            effects += [Send(each.client, goodbye), *self._leave(each, f"banned by {member.nick.shown}")]
        return effects

    def unban(self, member: Member, order: Order) -> list[Effect]:
        """Keep somebody out no more."""
        target = self._target(order.target)
        if self._bans.remove(target.about) is None:
            raise RequestRejected("NOT_BANNED", f"{target.shown} is not banned: /banned lists who is")
        return reply_to(member, Done(order.id, f"{target.shown} is banned no more"))

    def banned(self, member: Member, order: Order) -> list[Effect]:
        """List who is banned or muted, from behind one of them."""
        shown: list[str] = []
        size = 0
        last = ""
        known = sorted((*self._bans.lines(), *self._roll.mutes.lines()))
        for name, line in known[bisect_right(known, order.target, key=itemgetter(0)) :]:
            size += len(line.encode()) + 1
            if size > RESULT_BYTES - _MORE_BYTES and name != last:
                shown.append(f"there are more: /banned {last}")
                break
            shown.append(line)
            last = name
        page = beginning("\n".join(shown), RESULT_BYTES)
        nobody = "nobody behind that is banned or muted" if known else "nobody is banned or muted"
        return reply_to(member, Done(order.id, page or nobody))

    # --- inside

    def _spare(self, whom: Member, by: Member) -> None:
        """Raise `RequestRejected` if `whom` operates the server and `by` does not."""
        if self._operators.is_operator(whom) and not self._operators.is_operator(by):
            raise RequestRejected("NOT_OPERATOR", f"{whom.nick.shown} operates this server")

    def _target(self, text: str) -> _Target:
        """Find out what is meant: a key's fingerprint, a network, else a nick."""
        key = read_fingerprint(text)
        if key is not None:
            owner = self._roll.owners.account(key)
            return _Target(f"key:{owner.hex()}", show_fingerprint(owner), owner)
        network = find_network(text)
        if network is not None:
            shown = str(network.network_address) if network.num_addresses == 1 else str(network)
            return _Target(f"net:{network}", shown, network=network)
        if "/" in text or ":" in text:  # no nick has these
            raise RequestRejected("NICK_INVALID", f"{text} is no address, network or key: /help ban")
        nick = check_nick(text)
        _, account = self._roll.person(nick.shown)
        return _Target(f"nick:{nick.key}", nick.shown, account, nick.key)

    def _check(self, target: _Target, member: Member) -> None:
        """Raise `RequestRejected` if this is nobody to be banned: an operator, or half of the world."""
        if target.account is not None and self._operators.is_operators(target.account):
            raise RequestRejected("IS_OPERATOR", f"{target.shown} operates this server: /deop first")
        network = target.network
        if network is None:
            return
        widest = WIDEST[network.version]
        if network.prefixlen < widest:
            raise RequestRejected("TOO_WIDE", f"{target.shown} is too much: at most a /{widest}")
        if self._is_from(member, network):
            raise RequestRejected("TOO_WIDE", f"you are in {target.shown} yourself")

    def _is_meant(self, member: Member, target: _Target) -> bool:
        if self._operators.is_operator(member):  # in a network that is banned
            return False
        if target.network is not None:
            return self._is_from(member, target.network)
        return member.nick.key == target.nick or (
            target.account is not None and target.account in (member.account, self._roll.account_now(member))
        )

    def _is_from(self, member: Member, network: Network) -> bool:
        host = self.outside.host(member.client)
        return bool(host) and find_address(host) in network
