"""Tests of `python -m chat` as a process without a terminal, against a real server."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from chat.client.script import OPEN_LINES
from chat.identity import KNOWN_SERVERS_BYTES, KnownServers, parse_fingerprint
from tests.client_process import ClientProcess, SecureCase

OTHER_KEY = f"SHA256:{'A' * 43}"
SIGPIPE_CODE = 141  # what a shell says of a program that a broken pipe ended


def objects(client: ClientProcess) -> list[dict[str, Any]]:
    """Give what it printed as JSON."""
    return [json.loads(line) for line in client.out.splitlines()]


class ExitCodeTests(SecureCase):
    """What a shell script sees."""

    async def test_accepted(self) -> None:
        """`echo hello | udpchat HOST --nick bot`: 0, and not a word but the server's key, the first time."""
        nick, home = self.nick(), self.folder()
        for errors in (f"udpchat: new server {self.address}, trusted with its key {self.key()}\n", ""):
            client = self.script(nick, home=home)
            self.feed(client, f"grüß dich, {nick}\n".encode())
            await self.check(client, 0, errors)
            self.server.wait_for(lambda record: record.get("text") == f"grüß dich, {nick}")

    async def test_bad_lines(self) -> None:
        """A bad line is told with its number, the others are said: 1."""
        client = self.script(self.nick(), home=self.met())
        self.feed(client, b"one\n\xff\n/nosuch\ntwo\n")
        self.assertEqual(await client.ended, 1)
        first, second = client.errors.decode().splitlines()
        self.assertEqual(first, "udpchat: line 2: not UTF-8, not sent")
        self.assertTrue(second.startswith("udpchat: line 3 not accepted: /nosuch (unknown command"))

    async def test_a_nick_of_somebody_elses(self) -> None:
        """A nick that somebody with another key has: 1, and who has it stays."""
        nick = self.nick()
        ann = self.follower(nick)
        await ann.joined()
        client = self.script(nick, home=self.met())
        self.feed(client, b"hello\n")
        self.assertEqual(await client.ended, 1)
        self.assertIn(
            f"udpchat: the nick {nick} is refused: {nick} belongs to somebody else: take",
            client.errors.decode(),
        )
        self.assertNotIn(b"closed", ann.out)

    async def test_here_twice(self) -> None:
        """Who comes in with the same key and nick again ends the older visit, which says why: 1."""
        nick, home = self.nick(), self.met()
        older = self.follower(nick, home=home)
        await older.joined()
        newer = self.script(nick, home=home)
        self.feed(newer, b"hello\n")
        await self.check(newer, 0)
        self.assertEqual(await older.ended, 1)
        self.assertIn(b"udpchat: the server has ended this visit: ", older.errors)

    async def test_no_such_host(self) -> None:
        """A name that nobody knows: 1, and what was not said."""
        client = self.start("no-such-host.invalid", "--nick", "bot")
        self.feed(client, b"hello\n")
        self.assertEqual(await client.ended, 1)
        self.assertIn(b"no-such-host.invalid", client.errors)
        self.assertIn(b"udpchat: line 1 not accepted: hello (", client.errors)
        self.assertEqual(client.errors.count(b"\n"), 2)

    async def test_interrupted(self) -> None:
        """Ctrl-C: we leave politely, and the code is 130; kill: 143."""
        for name, code in (("INT", 130), ("TERM", 143)):
            nick = self.nick()
            client = self.follower(nick)
            await client.joined()
            client.transport.signalProcess(name)
            self.assertEqual((await client.ended, client.errors), (code, b""))
            self.has_left(nick)

    async def test_broken_pipe(self) -> None:
        """`| head -1`: when nobody reads any more the visit ends without a word."""
        nick = self.nick()
        client = self.follower(nick)
        await client.joined()
        client.transport.closeChildFD(1)
        other = self.script(self.nick(), home=self.met())
        self.feed(other, b"hello\n")
        self.assertEqual((await client.ended, client.errors), (SIGPIPE_CODE, b""))
        self.has_left(nick)

    async def test_interrupted_while_nobody_reads(self) -> None:
        """A reader that has stopped reading (`| less`) keeps nobody from leaving."""
        client = self.follower(self.nick())
        await client.joined()
        client.look_away()
        other = self.script(self.nick(), home=self.met())
        self.feed(other, b"".join(b"%d %s\n" % (n, b"x" * 880) for n in range(100)))  # a pipe holds 64 KiB
        await self.check(other, 0)
        client.transport.signalProcess("TERM")
        await client.gone
        client.look_again()
        self.assertEqual(await client.ended, 143)


class KeyTests(SecureCase):
    """Whom it speaks to."""

    async def refused(self, *arguments: str, home: Path) -> str:
        """Run it against a server whose key is not the expected one; give what it says."""
        nick = self.nick()
        client = self.script(nick, *arguments, home=home)
        self.feed(client, b"secret\n")
        self.assertEqual((await client.ended, client.out), (2, b""))
        self.assertNotIn(nick, str(self.server.records))
        self.assertIn(b"udpchat: line 1 not accepted: secret (", client.errors)
        return client.errors.decode()

    async def test_pinned(self) -> None:
        """--fingerprint: with the right key 0, with another one 2; the server never heard of us then."""
        client = self.script(self.nick(), "--fingerprint", self.key(), home=self.folder())
        self.feed(client, b"hello\n")
        await self.check(client, 0)
        said = await self.refused("--fingerprint", OTHER_KEY, home=self.folder())
        self.assertIn(OTHER_KEY, said)
        self.assertIn(self.key(), said)

    async def test_changed(self) -> None:
        """A server that has another key than the last time: 2, with both keys, and how to go on."""
        home = self.folder()
        known = KnownServers(home / "udpchat" / "known_servers")
        known.add(self.address, parse_fingerprint(OTHER_KEY))
        said = await self.refused(home=home)
        for word in (OTHER_KEY, self.key(), str(known.path)):
            self.assertIn(word, said)
        self.assertEqual(known.get(self.address), parse_fingerprint(OTHER_KEY))

    async def test_a_server_that_cannot_be_remembered(self) -> None:
        """Where the list of known servers cannot be written that is told; the visit goes on."""
        home = self.folder()
        known = home / "udpchat" / "known_servers"
        known.parent.mkdir(mode=0o700)
        known.write_bytes(b"#" * KNOWN_SERVERS_BYTES)
        client = self.script(self.nick(), home=home)
        self.feed(client, b"hello\n")
        self.assertEqual(await client.ended, 0)
        self.assertIn(f"udpchat: {self.address} is not remembered: ", client.errors.decode())

    async def test_own_fingerprint(self) -> None:
        """--fingerprint alone prints our own, twice the same; the key is nobody else's to read."""
        home = self.folder()
        shown = []
        for _ in range(2):
            client = self.start("--fingerprint", environ={"XDG_DATA_HOME": str(home)})
            self.assertEqual((await client.ended, client.errors), (0, b""))
            shown.append(client.out.decode())
        self.assertEqual(len(parse_fingerprint(shown[0])), 32)
        self.assertEqual(shown[0], shown[1])
        self.assertEqual(stat.S_IMODE((home / "udpchat" / "identity.pem").stat().st_mode), 0o600)

    async def test_a_key_that_others_can_read(self) -> None:
        """A key that is open to others is not used: 1, with the command that mends it."""
        home = self.folder()
        await self.start("--fingerprint", environ={"XDG_DATA_HOME": str(home)}).ended
        (home / "udpchat" / "identity.pem").chmod(0o644)
        here = [self.address, "--nick", "bot"]
        for arguments in (["--fingerprint"], here, [*here, "--json"]):
            client = self.start(*arguments, environ={"XDG_DATA_HOME": str(home)})
            self.feed(client, b"")
            self.assertEqual(await client.ended, 1)
            self.assertIn(b"chmod 600", client.errors)
            self.assertTrue(client.errors.startswith(b"udpchat: others can read "), client.errors)
            self.assertEqual(client.errors.count(b"\n"), 1)


class TalkTests(SecureCase):
    """What comes in and what goes out."""

    async def test_commands(self) -> None:
        """Commands are answered on standard output, in their order."""
        nick, room = self.nick(), self.nick("room")
        client = self.script(nick, "--room", room, home=self.met())
        rename = f"/nick {nick}2"
        lines = ("one", "/topic tea", "/topic", "/names", "/nick", rename, "/history 2", "/part", "/motd")
        self.feed(client, "\n".join(lines).encode())
        self.assertEqual(await client.ended, 1)
        self.assertEqual(
            client.out.decode().splitlines(),
            [
                f"the topic of {room}: tea",
                f"1 in {room} (~ is not verified, @ is an operator): @{nick}",
                f"you are {nick}2 now",
                f"nothing older is kept of {room}",
                f"you have left {room}: you are in no room",
                "there is no message of the day",
            ],
        )
        self.assertEqual(client.errors.count(b"\n"), 1)
        self.assertIn(b"line 5 not accepted: /nick (", client.errors)

    async def test_history(self) -> None:
        """What was said before we came is there for the asking: the newest of it, the oldest line first."""
        room, ann = self.nick("room"), self.nick("ann")
        first = self.script(ann, "--room", room, home=self.met())
        self.feed(first, b"one\ntwo\n/me waves\n")
        await self.check(first, 0)
        second = self.script(self.nick("bob"), "--room", room, home=self.met())
        self.feed(second, b"/history 2\n/history\n")
        self.assertEqual((await second.ended, second.errors), (0, b""))
        self.assertEqual(second.out.decode().splitlines(), [f"{ann}: two", f"* {ann} waves", f"{ann}: one"])

    async def test_follow(self) -> None:
        """--follow prints what people say and do, others' and our own; the input's end is not the visit's."""
        room, nick, ann = self.nick("room"), self.nick(), self.nick("ann")
        client = self.script(nick, "--room", room, "--follow", home=self.met())
        self.feed(client, b"hello\n")
        await client.until(lambda: client.out.endswith(f"{nick}: hello\n".encode()))
        other = self.script(ann, "--room", room, home=self.met())
        self.feed(other, b"hi\n/me waves\n")
        await self.check(other, 0)
        await client.until(lambda: client.out.endswith(f"{ann} has left {room}\n".encode()))
        self.assertEqual(
            client.out.decode().splitlines()[-4:],
            [f"{ann} has joined {room}", f"{ann}: hi", f"* {ann} waves", f"{ann} has left {room}"],
        )

    async def test_json(self) -> None:
        """--json: every line is an object; each text is shown, and accepted at the position that it has."""
        nick, room = self.nick(), self.nick("room")
        client = self.script(nick, "--room", room, "--json", home=self.met())
        self.feed(client, "one\n\n/me wäves\n/list\n".encode())
        self.assertEqual((await client.ended, client.errors), (0, b""))
        told = objects(client)
        entries = [each for each in told if each["event"] == "entry"]
        self.assertEqual(
            [(each["kind"], each["text"]) for each in entries], [("say", "one"), ("me", "wäves")]
        )
        self.assertEqual(entries[0]["seq"], entries[1]["prev"])
        accepted = [(each["line"], each["seq"]) for each in told if each["event"] == "accepted"]
        self.assertEqual(accepted, [(1, entries[0]["seq"]), (3, entries[1]["seq"])])
        self.assertEqual([each["line"] for each in told if each["event"] == "answer"], [4])
        states = [(each["state"], each["server"]) for each in told if each["event"] == "state"]
        self.assertEqual(states[-2:], [("connected", self.address), ("closed", self.address)])

    async def test_a_restart(self) -> None:
        """A server that is started anew meanwhile: what was typed without one is said once there is one."""
        state = f"--state={self.folder()}"
        self.serve(state)
        client = self.follower(self.nick())
        await client.joined()
        self.server.stop()
        await client.until(lambda: b'"silent"' in client.out)
        client.transport.writeToChild(0, b"hello\n")
        self.serve(state, f"--port={self.server.port}")
        await client.until(lambda: b'"accepted"' in client.out)
        told = objects(client)
        states = [each["state"] for each in told if each["event"] == "state"]
        self.assertEqual((states[:2], states[-2:]), (["connecting", "connected"], ["silent", "connected"]))
        (entry,) = (each for each in told if each["event"] == "entry")
        self.assertEqual((entry["text"], entry["seq"]), ("hello", told[-1]["seq"]))


class UsageTests(SecureCase):
    """What is settled before anything is sent."""

    async def wrong(self, *arguments: str, login: str = "bot") -> str:
        """Run it with these arguments; give the last line of the complaint."""
        client = self.start(*arguments, environ={"LOGNAME": login})
        self.assertEqual(await client.ended, 2)
        self.assertNotIn(b"Traceback", client.errors)
        self.assertEqual(client.out, b"")
        return client.errors.decode().splitlines()[-1]

    async def test_bad_values(self) -> None:
        """A bad port, nick, room, code or fingerprint names what is allowed."""
        self.assertIn("from 1 to 65535", await self.wrong("localhost:0"))
        self.assertIn("letter or a digit", await self.wrong("localhost", "--nick=-bob"))
        self.assertIn("a-z, 0-9", await self.wrong("localhost", "--room", "My Room"))
        for code in (" ", "x" * 33, "\udcff"):
            self.assertIn("like abcd-efgh-jkmn", await self.wrong("localhost", "--link", code))
        self.assertIn("43 characters", await self.wrong("localhost", "--fingerprint", "SHA256:x"))
        self.assertIn("43 characters", await self.wrong("--fingerprint", "localhost"))

    async def test_no_questions_to_a_pipe(self) -> None:
        """Without a terminal HOST is needed; a nick only where the login name cannot be one."""
        self.assertIn("HOST is needed", await self.wrong())
        self.assertIn("--nick", await self.wrong("localhost", login="root"))

    async def test_login_name(self) -> None:
        """Who gives no nick is called by the login name."""
        nick = self.nick()
        client = self.start(self.address, environ={"LOGNAME": nick, "XDG_DATA_HOME": str(self.met())})
        self.feed(client, b"hello\n")
        await self.check(client, 0)
        self.server.wait_for(lambda record: record.get("nick") == nick)

    async def test_version(self) -> None:
        """--version prints the version."""
        client = self.start("--version")
        self.assertEqual(await client.ended, 0)
        self.assertRegex(client.out.decode(), r"^udpchat \d+\.\d+\.\d+\n$")


class InputTests(SecureCase):
    """Every kind of standard input."""

    async def test_file(self) -> None:
        """A regular file is said to its end and in its order, though epoll would not watch it."""
        lines = [f"line {n}" for n in range(3 * OPEN_LINES)]
        nick = self.nick()
        with tempfile.TemporaryFile() as file:
            file.write("\n".join(lines).encode())
            file.seek(0)
            client = self.script(nick, home=self.met(), childFDs={0: file.fileno(), 1: "r", 2: "r"})
        await self.check(client, 0)
        self.has_left(nick)
        said = [each["text"] for each in self.server.records if each.get("nick") == nick and "text" in each]
        self.assertEqual(said, lines)

    async def test_no_files(self) -> None:
        """The null device is an empty input, and so is a closed one; without output nobody reads answers."""
        with Path(os.devnull).open() as file:
            client = self.script(self.nick(), home=self.met(), childFDs={0: file.fileno(), 1: "r", 2: "r"})
        await self.check(client, 0)
        client = self.script(self.nick(), "--json", home=self.met(), childFDs={2: "r"})
        await self.check(client, 0)

    async def test_streaming(self) -> None:
        """Lines of an open input go out as they come (`tail -f log | udpchat ...`)."""
        client = self.script(self.nick(), "--json", home=self.met())
        for number in (1, 2):
            client.transport.writeToChild(0, b"hello\n")
            accepted = f'"accepted","line":{number},'.encode()
            await client.until(lambda accepted=accepted: accepted in client.out)  # type: ignore[misc]
        client.transport.closeChildFD(0)
        self.assertEqual((await client.ended, client.errors), (0, b""))
