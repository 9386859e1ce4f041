"""What the hub answers to one member, and the drafts that it makes of what it says. Pure functions."""

from __future__ import annotations

from chat.errors import RequestRejected
from chat.hub.effects import Effect, Send
from chat.hub.members import Member
from chat.messages import DIRECT, Accepted, Done, Joined, Kind, Rejected, is_direct
from chat.stored import Draft, Repeat


def reply_to(member: Member, reply: Accepted | Rejected | Done | Joined) -> list[Effect]:
    """Send a reply; id 0 means that nobody waits for it: whose request it was has another session now."""
    return [Send(member.client, reply)] if reply.id else []


def not_in(room: str) -> RequestRejected:
    """Give the refusal of what only members of `room` may do."""
    return RequestRejected("NOT_IN_ROOM", f"you are not in {room}")


def rejected(request_id: int, refusal: RequestRejected) -> Rejected:
    """Give the answer that says a refusal (id 0: of a `Hello`)."""
    return Rejected(request_id, refusal.code, refusal.text, refusal.retry_after)


def store_failed(request_id: int) -> Rejected:
    """Give the answer to what the store could not do."""
    return Rejected(request_id, "STORE_FAILED", "not done, the store failed: try again", 1.0)


def nobody_there(target: str) -> RequestRejected:
    """Give the refusal of a text for a room that its author is not in, or for "@" and a nick of nobody's."""
    if not is_direct(target):
        return not_in(target)
    nick = target.removeprefix(DIRECT)
    return RequestRejected("NO_SUCH_NICK", f"nobody here is called {nick}, and nobody owns that nick")


def repeated(request_id: int, n: int, result: Repeat, *, waiting: bool) -> Accepted | Rejected:
    """Give the answer to a text whose number the store knows already."""
    if not result.seq:
        return Rejected(request_id, "REFUSED", "not said: it was refused before")
    if not result.is_same:
        return Rejected(request_id, "NUMBER_REUSED", "not said: its number was used for another text")
    return Accepted(request_id, n, result.seq, waiting)


def draft_of(member: Member, n: int, room: str, kind: Kind, text: str, reader: bytes = b"") -> Draft:
    """Give what the store is asked to keep of what a member says."""
    return Draft(member.client, n, room, kind, member.nick.shown, member.is_verified, text, reader)
