"""Who operates the server: people by their accounts, so a nick gives nobody a right and takes none away.

They are named when the server starts, appointed by another operator, or become one by a code that only
whoever reads the server's log can know. Whoever came without a key is never one.
"""

from __future__ import annotations

from base64 import b32encode
from collections import deque
from collections.abc import Callable, Collection, Mapping
from hmac import compare_digest

from chat.errors import RequestRejected
from chat.hub.members import Member
from chat.hub.notebook import Notebook
from chat.hub.owners import CODE_CHARS, Owners
from chat.memos import Operator

MAX_OPERATORS = 100  # that were appointed: more is no circle of people who know of each other
TRIES = 10  # wrong codes a minute, of all members together: at 60 bits nobody guesses it in a lifetime
TRY_SECONDS = 60.0
_SECRET_BYTES = 8  # 13 characters of base32


class Operators:
    """The operators. `given` are the fingerprints of keys that were named at the start.

    `random` gives so many bytes that nobody can guess.
    """

    def __init__(
        self, notebook: Notebook, owners: Owners, given: Collection[bytes], random: Callable[[int], bytes]
    ) -> None:
        self._notebook = notebook
        self._owners = owners
        self._given = frozenset(given)
        self._random = random
        self._appointed: dict[bytes, Operator] = {}  # by account, at most MAX_OPERATORS
        self._code = ""
        self._wrong: deque[float] = deque(maxlen=TRIES)  # when a wrong code was said

    def recall(self, operators: Mapping[bytes, Operator]) -> None:
        """Take over what was remembered."""
        self._appointed = dict(operators)

    # --- who may do what

    def is_operator(self, member: Member) -> bool:
        """Say whether a member operates the server now, with whatever key of the same person."""
        return member.key is not None and self.is_operators(self._owners.account(member.key))

    def is_operators(self, account: bytes) -> bool:
        """Say whether an account is an operator's. What a key was given counts for whom it belongs to."""
        return any(self._owners.account(key) == account for key in (*self._given, *self._appointed))

    # --- who is one

    def appoint(self, account: bytes, nick: str, by: str, at: float) -> None:
        """Let an account be an operator's from now on. Raises `RequestRejected`."""
        if self.is_operators(account):
            raise RequestRejected("OPERATOR_ALREADY", f"{nick} is an operator already")
        if len(self._appointed) >= MAX_OPERATORS:
            raise RequestRejected("TOO_MANY_OPERATORS", f"there are {MAX_OPERATORS} operators: /deop one")
        self._appointed[account] = operator = Operator(nick, by, int(at))
        self._notebook.write(account, operator)
        self._code = ""

    def dismiss(self, account: bytes, nick: str) -> None:
        """Let an account be an operator's no more. Raises `RequestRejected`."""
        if not self.is_operators(account):
            raise RequestRejected("NOT_AN_OPERATOR", f"{nick} is no operator")
        if any(self._owners.account(key) == account for key in self._given):
            text = f"{nick} is an operator by --operator: start the server without that"
            raise RequestRejected("OPERATOR_GIVEN", text)
        for key in [key for key in self._appointed if self._owners.account(key) == account]:
            del self._appointed[key]
            self._notebook.strike(key, Operator)

    # --- the first one

    def offer(self) -> str:
        """Give the code with which somebody can become the first operator; "": there is one."""
        if self._given or self._appointed:
            return ""
        self._code = b32encode(self._random(_SECRET_BYTES)).decode().lower()[:CODE_CHARS]
        return "-".join((self._code[:4], self._code[4:8], self._code[8:]))

    def claim(self, account: bytes, nick: str, code: str, now: float, at: float) -> None:
        """Let who says the code, which is good for one time, be an operator. Raises `RequestRejected`."""
        if not self._code:
            raise RequestRejected("CODE_INVALID", "there is no code any more: an operator can /op you")
        if len(self._wrong) == TRIES and now - self._wrong[0] < TRY_SECONDS:
            raise RequestRejected("BUSY", "too many wrong codes: wait a minute", TRY_SECONDS)
        said = code.lower().replace("-", "").replace(" ", "")
        if not compare_digest(said.encode(), self._code.encode()):
            self._wrong.append(now)
            raise RequestRejected("CODE_INVALID", "that is not the code that the server's log has")
        self.appoint(account, nick, "the code in the log", at)
