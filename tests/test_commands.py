"""Tests of `chat.commands`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.commands import COMMANDS, Help, help_lines, parse_command
from chat.errors import RequestRejected
from chat.messages import LOBBY, Bye, Kind, Motd, Names, Say


class CommandTests(SynchronousTestCase):
    """Commands are data, and help is made from them."""

    def test_each_command_gives_its_request(self) -> None:
        """Every row of the table is reached by its name and by each alias, in any case."""
        self.assertEqual(parse_command("/me  waves "), Say(0, 0, LOBBY, Kind.ME, "waves"))
        self.assertEqual(parse_command("/MOTD"), Motd(0))
        self.assertEqual(parse_command("/names bob"), Names(0, LOBBY, "bob"))
        self.assertEqual(parse_command("/who"), Names(0, LOBBY, ""))
        self.assertEqual(parse_command("/exit"), Bye("exit"))
        self.assertEqual(parse_command("/? me"), Help("me"))

    def test_unknown_command(self) -> None:
        """An unknown command is refused with its name, cut short, and with what to do."""
        refusal = self.assertRaises(RequestRejected, parse_command, "/fly" + "y" * 100 + " away")
        self.assertEqual(refusal.code, "UNKNOWN_COMMAND")
        self.assertIn("/flyyy", refusal.text)
        self.assertIn("/help", refusal.text)
        self.assertLess(len(refusal.text), 100)

    def test_missing_argument(self) -> None:
        """An error names the missing piece."""
        refusal = self.assertRaises(RequestRejected, parse_command, "/me")
        self.assertEqual(refusal.code, "ARGUMENT_MISSING")
        self.assertIn("/me waves", refusal.text)

    def test_help_lists_every_command(self) -> None:
        """`/help` has a line for every row of the table, and for the way to say a slash."""
        lines = help_lines()
        self.assertEqual(len(lines), len(COMMANDS) + 1)
        for command, line in zip(COMMANDS, lines, strict=False):
            self.assertTrue(line.startswith(f"/{command.name}"), line)
        self.assertIn("//", lines[-1])

    def test_help_on_one_command(self) -> None:
        """`/help quit` shows that command and its aliases; the slash may be typed, nonsense is named."""
        self.assertEqual(len(help_lines("/quit")), 2)
        self.assertIn("/exit", help_lines("quit")[1])
        self.assertEqual(len(help_lines("motd")), 1)
        self.assertIn("no command /fly", help_lines("fly")[0])
