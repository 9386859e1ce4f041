"""What somebody is told who comes in: who they are here, what they may, and the message of the day."""

from __future__ import annotations

from chat import __version__
from chat.fields import MOTD_BYTES
from chat.hub.members import Member
from chat.hub.operators import Operators
from chat.hub.pages import beginning
from chat.hub.roll import Roll
from chat.messages import Welcome


class Greeting:
    """Makes the welcome of members. `motd` may be made another at any time."""

    def __init__(self, roll: Roll, operators: Operators, motd: str) -> None:
        self.motd = motd
        self._roll = roll
        self._operators = operators

    def welcome(self, member: Member) -> Welcome:
        """Give what a member is told of itself, now or again."""
        motd = self.motd if member.is_plain else beginning(self.motd, MOTD_BYTES)
        return Welcome(
            f"udpchat {__version__}",
            member.nick.shown,
            motd,
            direct=member.log,
            is_owned=self._roll.owns_its_nick(member),
            is_operator=self._operators.is_operator(member),
        )
