"""Tests of `chat.commands`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chat.commands import COMMANDS, Asker, help_lines, parse_command, usage
from chat.errors import RequestRejected
from chat.fields import TOPIC_BYTES
from chat.local import AtScreen, Help, Ignore, Lag, Local, SayBack, Switch, Unignore
from chat.messages import (
    LOBBY,
    Bye,
    Fetch,
    Join,
    Kind,
    Link,
    Motd,
    Names,
    Nick,
    Part,
    Release,
    Request,
    Rooms,
    Say,
    Topic,
)
from chat.orders import FOREVER, Order, Who
from chat.typed import HISTORY, MAX_AGE, MAX_HISTORY, check_current

PROTOCOL = Path(__file__).parent.parent / "docs" / "protocol.md"


class CommandTests(SynchronousTestCase):
    """Commands are data, and help is made from them."""

    def refused(self, line: str, room: str = LOBBY) -> str:
        """Give the code with which a line is refused."""
        return str(self.assertRaises(RequestRejected, parse_command, line, room).code)

    def test_each_command_gives_its_request(self) -> None:
        """Every row of the table is reached by its name and by each alias, in any case."""
        expected: dict[str, Request | Local] = {
            "/help": Help(""),
            "/? me": Help("me"),
            "/nick  Rob ": Nick(0, "Rob"),
            "/me  waves  at you ": Say(0, 0, "dev", Kind.ME, "waves  at you"),
            "/msg bob  hi  there ": Say(0, 0, "@bob", Kind.SAY, "hi  there"),
            "/m bob hi": Say(0, 0, "@bob", Kind.SAY, "hi"),
            "/reply  hi  there ": SayBack("hi  there"),
            "/r hi": SayBack("hi"),
            "/ignore": Ignore(""),
            "/ignore @bob": Ignore("bob"),
            "/unignore bob": Unignore("bob"),
            "/switch #Dev": Switch("dev"),
            "/s dev": Switch("dev"),
            "/lag": Lag(),
            "/set  theme light ": AtScreen("set", "theme light"),
            "/net": AtScreen("net", ""),
            "/clear": AtScreen("clear", ""),
            "/close": AtScreen("close", ""),
            "/ping": Order(0, "ping"),
            "/search  Two  words ": Order(0, "search", "dev", text="Two  words"),
            "/search": Order(0, "search", "dev"),
            "/release": Release(0, ""),
            "/link": Link(0),
            "/join ops": Join(0, "ops"),
            "/j ops  sesame": Join(0, "ops", "sesame"),
            "/invite bob": Order(0, "invite", "dev", "bob"),
            "/away": Order(0, "away"),
            "/back": Order(0, "back"),
            "/whois @Bob": Order(0, "whois", target="Bob"),
            "/seen": Order(0, "seen", "dev"),
            "/mode": Order(0, "mode", "dev"),
            "/part": Part(0, "dev"),
            "/leave ops": Part(0, "ops"),
            "/names bob": Names(0, "dev", "bob"),
            "/who": Names(0, "dev", ""),
            "/users": Names(0, "dev", ""),
            "/list": Rooms(0, ""),
            "/rooms ops": Rooms(0, "ops"),
            "/topic": Topic(0, "dev", None),
            "/topic be nice": Topic(0, "dev", "be nice"),
            "/history": Fetch(0, "dev", None, None, HISTORY),
            "/history 7": Fetch(0, "dev", None, None, 7),
            "/history 2h": Fetch(0, "dev", None, None, MAX_HISTORY, age=7_200),
            "/MOTD": Motd(0),
            "/uptime": Order(0, "uptime"),
            "/version": Order(0, "version"),
            "/operator abcd-efgh-jkmn": Order(0, "operator", text="abcd-efgh-jkmn"),
            "/op @Bob server": Order(0, "op", target="Bob"),
            "/deop bob  Server": Order(0, "deop", target="bob"),
            "/wall down at 8": Order(0, "wall", text="down at 8"),
            "/redact bob": Order(0, "redact", "dev", "bob", number=1),
            "/mute bob": Order(0, "mute", "dev", "bob"),
            "/mute @Bob 1d": Order(0, "mute", "dev", "Bob", number=86_400),
            "/unmute bob": Order(0, "unmute", "dev", "bob"),
            "/op bob": Order(0, "op", "dev", "bob"),
            "/deop bob": Order(0, "deop", "dev", "bob"),
            "/reload": Order(0, "reload"),
            "/shutdown": Order(0, "shutdown"),
            "/shutdown 30 Back new  disk": Order(0, "shutdown", target="back", text="new  disk", number=30),
            "/shutdown new disk": Order(0, "shutdown", text="new disk"),
            "/shutdown 86400": Order(0, "shutdown", number=86_400),
            "/shutdown Cancel": Order(0, "shutdown", target="cancel"),
            "/shutdown 5M new disk": Order(0, "shutdown", text="new disk", number=300),
            "/kick bob": Order(0, "kick", "dev", "bob"),
            "/kick @Bob be  nice": Order(0, "kick", "dev", "Bob", "be  nice"),
            "/ban bob": Order(0, "ban", target="bob"),
            "/ban bob spam": Order(0, "ban", target="bob", text="spam"),
            "/ban bob 90m spam, 2h": Order(0, "ban", target="bob", text="spam, 2h", number=5_400),
            "/ban 192.0.2.0/24 Forever": Order(0, "ban", target="192.0.2.0/24", number=FOREVER),
            "/ban bob 999999999d": Order(0, "ban", target="bob", number=FOREVER),
            "/unban bob": Order(0, "unban", target="bob"),
            "/banned": Order(0, "banned"),
            "/banned bob": Order(0, "banned", target="bob"),
            "/quit": Bye("exit"),
            "/exit": Bye("exit"),
            "/bye": Bye("exit"),
        }
        for line, request in expected.items():
            self.assertEqual(parse_command(line, "dev", is_client=True), request, line)
        tried = {line[1:].lower().split()[0] for line in expected}
        self.assertEqual(tried, {name for row in COMMANDS for name in (row.name, *row.aliases)})

    def test_the_lobby_is_where_one_is(self) -> None:
        """Who does not say where a line was typed means the lobby."""
        self.assertEqual(parse_command("/names"), Names(0, LOBBY))

    def test_names_of_rooms(self) -> None:
        """The sign that IRC puts before a room and capitals are habits; what else is no room is refused."""
        for line in ("/join #Dev", "/join DEV", "/join dev"):
            self.assertEqual(parse_command(line), Join(0, "dev"))
        self.assertEqual(parse_command("/part #Dev"), Part(0, "dev"))
        self.assertEqual(parse_command("/list #Dev"), Rooms(0, "dev"))
        for line in ("/join ##dev", "/join a,b", "/join büro", "/join #", "/part a,b", "/list " + "x" * 33):
            self.assertEqual(self.refused(line), "ROOM_INVALID", line)

    def test_modes(self) -> None:
        """IRC's letters and words behind a sign, in this room or another; a key is one word."""
        for line, order in (
            ("/mode #Ops", Order(0, "mode", "ops")),
            ("/mode +i", Order(0, "mode", "dev", "+i")),
            ("/mode ops -i", Order(0, "mode", "ops", "-i")),
            ("/mode  ops  +private", Order(0, "mode", "ops", "+i")),
            ("/mode +verified", Order(0, "mode", "dev", "+v")),
            ("/mode -topic", Order(0, "mode", "dev", "-t")),
            ("/mode ops +k  sesame ", Order(0, "mode", "ops", "+k", "sesame")),
            ("/mode +key sesame", Order(0, "mode", "dev", "+k", "sesame")),
            ("/mode -k sesame", Order(0, "mode", "dev", "-k")),
        ):
            self.assertEqual(parse_command(line, "dev"), order, line)
        for line in ("/mode +", "/mode ops x", "/mode +x", "/mode +iv", "/mode +k a b", "/join dev a b"):
            self.assertEqual(self.refused(line), "ARGUMENT_INVALID", line)
        self.assertEqual(self.refused("/join dev " + "é" * 17), "ARGUMENT_INVALID")
        self.assertEqual(self.refused("/mode +k"), "ARGUMENT_MISSING")
        self.assertEqual(self.refused("/mode +i", ""), "NOT_IN_ROOM")

    def test_presence(self) -> None:
        """With or without words, as long as they fit; a line by its number or its position."""
        self.assertEqual(parse_command("/away  at tea ", ""), Order(0, "away", text="at tea"))
        self.assertEqual(self.refused("/away " + "é" * 151), "TEXT_TOO_LONG")
        self.assertEqual(self.refused("/whois"), "ARGUMENT_MISSING")
        for number in (1, 64, 1 << 50):
            self.assertEqual(parse_command(f"/seen {number}"), Order(0, "seen", LOBBY, number=number))
        for wrong in ("0", "-1", "x", "9007199254740993", "1" * 17):
            self.assertEqual(self.refused(f"/seen {wrong}"), "ARGUMENT_INVALID", wrong)
        self.assertEqual(self.refused("/seen", ""), "NOT_IN_ROOM")

    def test_invitations(self) -> None:
        """To this room or another; a nick is needed."""
        self.assertEqual(parse_command("/invite @bob #Ops", ""), Order(0, "invite", "ops", "bob"))
        self.assertEqual(self.refused("/invite"), "ARGUMENT_MISSING")
        self.assertEqual(self.refused("/invite bob", ""), "NOT_IN_ROOM")

    def test_nicks(self) -> None:
        """What cannot be a nick is refused before anybody is asked, and what can is asked for as shown."""
        self.assertEqual(parse_command("/nick \uff22ob"), Nick(0, "Bob"))
        self.assertEqual(self.refused("/nick a b"), "NICK_INVALID")
        self.assertEqual(self.refused("/nick server"), "NICK_RESERVED")

    def test_topics(self) -> None:
        """Up to 300 bytes; a hyphen takes the topic away, and what nobody would see only asks."""
        self.assertEqual(parse_command("/topic -"), Topic(0, LOBBY, ""))
        self.assertEqual(parse_command("/topic \u200b"), Topic(0, LOBBY))
        longest = "é" * (TOPIC_BYTES // 2)
        self.assertEqual(parse_command(f"/topic {longest}"), Topic(0, LOBBY, longest))
        self.assertEqual(self.refused(f"/topic {longest}x"), "TOPIC_TOO_LONG")

    def test_lengths_of_history(self) -> None:
        """A number, of which 40 are given at most."""
        for asked, given in (("1", 1), ("40", MAX_HISTORY), ("41", MAX_HISTORY), ("999999999", MAX_HISTORY)):
            self.assertEqual(parse_command(f"/history {asked}"), Fetch(0, LOBBY, None, None, given))
        for asked in ("0", "-1", "all", "1 2", "²", "1.5", "9" * 5_000):
            self.assertEqual(self.refused(f"/history {asked}"), "ARGUMENT_INVALID", asked[:9])

    def test_ages_of_history(self) -> None:
        """Minutes, hours and days, of which 30 days are given at most; as many lines as there ever are."""
        for asked, seconds in (
            ("1m", 60),
            ("90M", 5_400),
            ("2h", 7_200),
            ("3d", 259_200),
            ("30d", MAX_AGE),
            ("31d", MAX_AGE),
            ("999999999d", MAX_AGE),
        ):
            expected = Fetch(0, LOBBY, None, None, MAX_HISTORY, age=seconds)
            self.assertEqual(parse_command(f"/history {asked}"), expected)
        for asked in ("0h", "h", "-2h", "2 h", "2hh", "2s", "2w", "1.5h", "２h", "20 2h", "9" * 5_000 + "d"):
            refusal = self.assertRaises(RequestRejected, parse_command, f"/history {asked}")
            self.assertEqual(refusal.code, "ARGUMENT_INVALID", asked[:9])
            self.assertIn("/history 2h", refusal.text)

    def test_whom_something_is_said_to(self) -> None:
        """A nick as it would be shown; another chat's sign before it is a habit. A room is not needed."""
        for name in ("Bob", "@Bob", "\uff22ob"):
            said = parse_command(f"/msg {name} hi", room="")
            self.assertEqual(said, Say(0, 0, "@Bob", Kind.SAY, "hi"), name)

    def test_nobody_can_be_called_so(self) -> None:
        """A name that no nick can be is refused at once, with what is wrong with it, and cut short."""
        for name, why in (
            ("server", "server is reserved"),
            ("bob,", "letters, digits"),
            ("@@bob", "letters, digits"),
            ("@", "letters, digits"),
            ("_bob", "begins with"),
            ("b" * 25, "at most 24"),
            ("b" * 800, "at most 24"),
        ):
            for line in (f"/msg {name} hi", f"/msg {name}", f"/release {name}"):
                refusal = self.assertRaises(RequestRejected, parse_command, line)
                self.assertEqual(refusal.code, "NO_SUCH_NICK", line)
                self.assertTrue(refusal.text.startswith(f"there can be nobody called {name[:32]}: "))
                self.assertIn(why, refusal.text)
                self.assertLess(len(refusal.text), 120)

    def test_what_is_released(self) -> None:
        """One's own nick, or another that one has."""
        self.assertEqual(parse_command("/release \uff22ob", room=""), Release(0, "Bob"))

    def test_a_code_is_not_said_in_the_chat(self) -> None:
        """Who types it behind /link is told where it goes, and nobody else sees it."""
        refusal = self.assertRaises(RequestRejected, parse_command, "/link abcd-efgh-jkmn")
        self.assertEqual(refusal.code, "ARGUMENT_INVALID")
        self.assertIn("udpchat --link CODE HOST", refusal.text)
        self.assertNotIn("abcd", refusal.text)

    def test_much_to_search_for(self) -> None:
        """What does not fit an order is refused here: it would cost the datagram."""
        self.assertIsInstance(parse_command("/search " + "é" * 150), Order)
        self.assertEqual(self.refused("/search " + "é" * 150 + "x"), "ARGUMENT_INVALID")

    def test_words_of_orders(self) -> None:
        """What does not fit an order is refused before anybody is asked."""
        for line in ("/wall ", "/kick bob ", "/ban bob 2h "):
            self.assertEqual(self.refused(line + "é" * 151), "TEXT_TOO_LONG")
            parse_command(line + "é" * 150)
        self.assertEqual(self.refused("/ban " + "x" * 129), "ARGUMENT_INVALID")
        self.assertEqual(self.refused("/banned " + "x" * 129), "ARGUMENT_INVALID")
        self.assertEqual(self.refused("/operator " + "x" * 33), "CODE_INVALID")
        self.assertEqual(self.refused("/shutdown 86401"), "ARGUMENT_INVALID")
        self.assertEqual(self.refused("/op bob dev"), "ARGUMENT_INVALID")

    def test_what_looks_like_a_time(self) -> None:
        """What begins like a number and is no time is not taken for words: the order would be another one."""
        for time in ("90", "2w", "1.5h", "30s", "0", "-3h", "+1h", "9999999999d", "3rd time"):
            for line in ("/ban bob ", "/mute bob "):
                refusal = self.assertRaises(RequestRejected, parse_command, line + time)
                self.assertEqual(refusal.code, "ARGUMENT_INVALID", time)
                self.assertIn("for how long? Like this:", refusal.text)
        for when in (
            "back 30",
            "back 5m new disk",
            "60s",
            "-5",
            "0",
            "0030",
            "9" * 23,
            "2d",
            "cancel now",
            "30s new disk",
        ):
            refusal = self.assertRaises(RequestRejected, parse_command, f"/shutdown {when}")
            self.assertEqual(refusal.code, "ARGUMENT_INVALID", when)

    def test_what_looks_like_an_address(self) -> None:
        """A network that there cannot be is not taken for a nick: its operator would believe it banned."""
        for target in ("192.0.2.300", "10.0.0.256 1h", "10.1.1", "192.0.2.0/33", "10.0.0.0/"):
            refusal = self.assertRaises(RequestRejected, parse_command, f"/ban {target}")
            self.assertIn("is no address", refusal.text)
        for target in ("192.0.2.7", "192.0.2.7/24", "bob.2", "2bob"):
            self.assertEqual(parse_command(f"/ban {target}"), Order(0, "ban", target=target))
        for sign in ("@", "~"):
            self.assertEqual(parse_command(f"/ban {sign}1.2"), Order(0, "ban", target="1.2"))

    def test_as_nicks_are_shown(self) -> None:
        """The sign of who has no key may be typed with a nick, for it is what people see."""
        for name in ("~bob", "@bob", "@~bob"):
            self.assertEqual(parse_command(f"/whois {name}"), Order(0, "whois", target="bob"))

    def test_one_mode_at_a_time(self) -> None:
        """What is left over is no door that has been shut."""
        for more in ("+i +k", "+i +v", "-t sesame"):
            self.assertEqual(self.refused(f"/mode {more}"), "ARGUMENT_INVALID")

    def test_pages_of_names(self) -> None:
        """What is longer than any nick is none to begin behind."""
        self.assertEqual(parse_command("/names " + "é" * 32), Names(0, LOBBY, "é" * 32))
        self.assertEqual(self.refused("/names " + "é" * 32 + "x"), "ARGUMENT_INVALID")

    def test_in_no_room(self) -> None:
        """What is about the current room is refused where there is none, and says how to get one."""
        for line in ("/me waves", "/part", "/names", "/topic", "/topic x", "/history", "/search x"):
            self.assertEqual(self.refused(line, room=""), "NOT_IN_ROOM", line)
        for line in ("/join dev", "/part dev", "/list", "/nick rob", "/motd", "/help", "/quit", "/link"):
            parse_command(line, room="")
        refusal = self.assertRaises(RequestRejected, check_current, "")
        self.assertEqual(refusal.text, "you are in no room: /join lobby")
        self.assertEqual(check_current("dev"), "dev")

    def test_unknown_command(self) -> None:
        """An unknown command is refused with its name, cut short, and with what to do."""
        refusal = self.assertRaises(RequestRejected, parse_command, "/fly" + "y" * 100 + " away")
        self.assertEqual(refusal.code, "UNKNOWN_COMMAND")
        self.assertIn("/flyyy", refusal.text)
        self.assertIn("/help", refusal.text)
        self.assertLess(len(refusal.text), 100)

    def test_what_other_doors_do_not_know(self) -> None:
        """A command of udpchat's own is refused elsewhere, whatever stands behind it."""
        row = COMMANDS[0]._replace(name="net", is_clients=True)
        self.assertEqual(row.asked("x", LOBBY, is_client=True), Help("x"))
        refusal = self.assertRaises(RequestRejected, row.asked, "", LOBBY, is_client=False)
        self.assertEqual(refusal.code, "UNKNOWN_COMMAND")
        self.assertIn("/net is of udpchat", refusal.text)

    def test_missing_argument(self) -> None:
        """An error names the missing piece."""
        for line, example in (
            ("/me", "/me waves"),
            ("/join", "/join dev"),
            ("/nick \u200b", "/nick bob"),
            ("/msg", "/msg bob hello"),
            ("/reply", "/reply hello"),
            ("/switch", "/switch dev"),
            ("/unignore", "/unignore bob"),
            ("/msg ann", "/msg ann hello"),
            ("/kick", "/kick bob"),
            ("/redact", "/redact bob"),
            ("/ban", "/ban bob 2h"),
            ("/unban", "/unban bob"),
            ("/wall", "/wall the server"),
            ("/op", "/op bob, or /op bob server"),
            ("/mute", "/mute bob 10m"),
            ("/unmute", "/unmute bob"),
            ("/msg ann \u200b", "/msg ann hello"),
        ):
            refusal = self.assertRaises(RequestRejected, parse_command, line)
            self.assertEqual(refusal.code, "ARGUMENT_MISSING")
            self.assertIn(f"Like this: {example}", refusal.text)

    def test_help_lists_what_one_may_use(self) -> None:
        """`/help` has a line for every row that the asker may use, and for the way to say a slash."""
        for asker in (
            Asker(),
            Asker(has_key=True),
            Asker(is_client=True),
            Asker(has_key=True, is_operator=True, is_client=True),
        ):
            rows = [row for row in COMMANDS if asker.may(row)]
            lines = help_lines(asker)
            self.assertEqual(len(lines), len(rows) + 1)
            for command, line in zip(rows, lines, strict=False):
                self.assertTrue(line.startswith(f"/{command.name}"), line)
            self.assertIn("//", lines[-1])

    def test_who_may_use_what(self) -> None:
        """Who lacks what a command takes is not shown it; of room operators only the server knows."""
        for who, asker, others in (
            (Who.ANYBODY, Asker(), ()),
            (Who.ROOM_OPERATOR, Asker(), ()),
            (Who.KEY, Asker(has_key=True), (Asker(is_client=True),)),
            (Who.OPERATOR, Asker(is_operator=True), (Asker(has_key=True, is_client=True),)),
        ):
            command = COMMANDS[0]._replace(who=who)
            self.assertTrue(asker.may(command))
            for other in others:
                self.assertFalse(other.may(command))
        clients = COMMANDS[0]._replace(is_clients=True)
        self.assertTrue(Asker(is_client=True).may(clients))
        self.assertFalse(Asker(has_key=True, is_operator=True).may(clients))

    def test_help_on_one_command(self) -> None:
        """`/help quit` shows that command and its aliases; the slash may be typed, nonsense is named."""
        anybody = Asker()
        self.assertEqual(len(help_lines(anybody, "/quit")), 2)
        self.assertIn("/exit", help_lines(anybody, "quit")[1])
        self.assertEqual(len(help_lines(anybody, "motd")), 1)
        self.assertIn("no command /fly", help_lines(anybody, "fly")[0])

    def test_help_says_whom_a_command_is_for(self) -> None:
        """Who asks about a command that is not theirs, or may not be, is told whose it is."""
        row = COMMANDS[0]
        nobody, operator = Asker(), Asker(has_key=True, is_operator=True)
        self.assertTrue(usage(row._replace(who=Who.KEY), nobody).endswith(" (with a key)"))
        self.assertTrue(usage(row._replace(who=Who.OPERATOR), nobody).endswith(" (operators)"))
        self.assertTrue(usage(row._replace(who=Who.ROOM_OPERATOR), nobody).endswith(" (room operators)"))
        self.assertTrue(usage(row._replace(is_clients=True), operator).endswith(" (udpchat only)"))
        for who in Who:
            self.assertEqual(usage(row._replace(who=who), operator), usage(row, nobody), who)
        self.assertTrue(help_lines(nobody, "link")[0].endswith(" (with a key)"))

    def test_the_document(self) -> None:
        """docs/protocol.md has a row for each command, with its arguments and its other names."""
        rows = PROTOCOL.read_text(encoding="utf-8").splitlines()
        for command in COMMANDS:
            usage = f"/{command.name} {command.arguments}".strip()
            aliases = ", ".join(f"`/{alias}`" for alias in command.aliases)
            row = f"| `{usage}` | {aliases} | " if aliases else f"| `{usage}` | | "
            self.assertTrue(any(line.startswith(row) for line in rows), row)
