"""Every command through every door, as member, as outsider, as the room's and as the server's operator."""

from __future__ import annotations

import re

from chat.commands import COMMANDS, is_for
from chat.hub.hub import Hub
from chat.limits import NO_LIMITS, Limits
from chat.wire.told import NOTICE_SECONDS
from tests.client_network import Host, NetworkTestCase, identity
from tests.command_table import MEMBER, NATIVE, OPERATOR, OUTSIDER, OWNER, PLAIN, ROLES, TABLE, Row, Told
from tests.door_support import Native, Plain, Sealed, Typist

DOORS: dict[str, type[Typist]] = {door.door: door for door in (Plain, Sealed, Native)}
BY_WES = "wes:"
TIA, OLGA, WES = "tia", "olga", "wes"


def expected(row: Row, role: str, door: str) -> Told:
    """Give what comes of a line at some door."""
    told = row.told[MEMBER if role == OPERATOR and door == PLAIN else role]
    other = row.but.get(door)
    if other is None:
        return told
    answers = other.answers.get(role, other.answers.get("", told.answers))
    return Told(answers, other.seen.get(role, told.seen))


def pattern(line: str, nick: str, sign: str) -> str:
    """Give the expression for a line of the table."""
    shown = line.replace("{nick}", nick).replace("{me}", sign + nick)
    return ".*".join(map(re.escape, shown.split("…")))


class TableTests(NetworkTestCase):
    """One server for each line and role and door: nothing is left over from the one before."""

    def begin(self, role: str, door: str) -> tuple[Typist, Plain]:
        """Start a server; give who types, and Wes."""
        self.setUp()
        operators = frozenset({identity(OLGA).fingerprint})
        limits = Limits(NO_LIMITS)
        Host(self.network, hub=lambda most: Hub("be nice", most, limits=limits, operators=operators))
        wes = Plain(self, WES)
        typist = DOORS[door](self, OLGA if role == OPERATOR else TIA)
        if role == OUTSIDER:
            typist.type("/part")
        if role == OWNER:
            typist.type("/join den")
            wes.type("/join den")
        return typist, wes

    def troubles(self, row: Row, role: str, door: str) -> list[str]:
        """Type a line; give what comes of it and should not."""
        typist, wes = self.begin(role, door)
        for line in row.before:
            who = wes if line.startswith(BY_WES) else typist
            who.type(line.removeprefix(BY_WES).replace("{nick}", typist.nick))
        if row.before:
            self.network.run(NOTICE_SECONDS)  # a mistake of a kind is told once in that time
        typist.forget()
        wes.forget()
        typist.type(row.typed.replace("{nick}", typist.nick))
        told, sign = expected(row, role, door), "~" if door == PLAIN else ""
        found = []
        for got, wanted, whom in (
            (typist.answers, told.answers, "told"),
            (wes.answers + wes.lines, told.seen, "seen by Wes"),
        ):
            patterns = [pattern(line, typist.nick, sign) for line in wanted]
            if len(got) != len(patterns) or not all(map(re.fullmatch, patterns, got)):
                found.append(f"{row.typed} as {role} at the {door} door: {whom} {got}, not {list(wanted)}")
        return found

    def test_each_line(self) -> None:
        """What a line is answered with is the same at every door, or the row says why not."""
        found = [
            trouble
            for row in TABLE
            for role in ROLES
            for door in DOORS
            for trouble in self.troubles(row, role, door)
        ]
        self.assertEqual(found, [], "\n".join(found))

    def test_help_is_for_the_asker(self) -> None:
        """Nobody is shown what they may not use, at any door; a room's operators' commands are for all."""
        for door, role, shown, hidden in (
            (PLAIN, MEMBER, "/kick", ("/link", "/ban")),
            ("sealed", MEMBER, "/link", ("/ban", "/wall")),
            ("sealed", OPERATOR, "/ban", ()),
            (NATIVE, MEMBER, "/link", ("/ban", "/wall")),
            (NATIVE, OPERATOR, "/ban", ()),
        ):
            typist, _ = self.begin(role, door)
            typist.type("/help")
            listed = {line.partition(" ")[0] for line in typist.answers}
            self.assertIn(shown, listed, f"{door} {role}")
            self.assertEqual(listed & set(hidden), set(), f"{door} {role}")

    def test_each_command_has_a_row(self) -> None:
        """A command that is not in the table is not tested, so there is none; each row is for all roles."""
        for command in COMMANDS:
            rows = [row for row in TABLE if is_for(row.typed, command.name)]
            self.assertTrue(rows, f"tests/command_table.py has no row for /{command.name}")
        for row in TABLE:
            self.assertEqual(set(row.told), set(ROLES), row.typed)

    def test_each_exception_has_a_reason(self) -> None:
        """What is different somewhere is so for a reason, and is different."""
        for row in TABLE:
            for door, other in row.but.items():
                self.assertIn(door, DOORS)
                self.assertTrue(other.why)
                for role, answers in other.answers.items():
                    roles = [role] if role else list(ROLES)
                    self.assertTrue(any(row.told[each].answers != answers for each in roles), row.typed)
