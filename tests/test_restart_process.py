"""A server that is killed and started again, seen by real programs: plain sockets and the client."""

from __future__ import annotations

import json
import signal
import sqlite3

from chat.memos import Owner, memo_key
from chat.server.storage import STORE_FILE
from tests.client_process import SecureCase
from tests.server_process import FOREGROUND, Peer, run, twistd


class RestartTests(SecureCase):
    """One state directory, one port, and one server after the other."""

    def begin(self, port: int = 0) -> None:
        """Start the next server."""
        self.serve(f"--port={port}", f"--state={self.state}", "--store=sqlite:")

    def plain(self, nick: str) -> Peer:
        """Give a plain member."""
        peer = Peer(("127.0.0.1", self.server.port), nick, b"\n")
        self.addCleanup(peer.leave)
        return peer

    def setUp(self) -> None:
        """Start the first one."""
        super().setUp()
        self.state = self.folder()
        self.begin()

    def restart(self) -> None:
        """Kill it as nothing can be told of, and start another."""
        self.server.stop(signal.SIGKILL)
        self.begin(self.server.port)

    def wait_for(self, peer: Peer, line: str) -> None:
        """Wait until somebody has heard a line."""
        while peer.read().decode() != f"{line}\n":
            pass

    def is_heard(self, talker: Peer, text: str, line: str, *others: Peer) -> None:
        """Let somebody say something; assert that it is the next thing that everybody hears."""
        talker.say(text)
        for peer in (talker, *others):
            self.assertEqual(peer.read().decode(), f"{line}\n")

    async def test_killed(self) -> None:
        """Whoever is silent hears on, nobody joins or leaves; nicks, rooms and the topic are as they were."""
        silent, talker = self.plain("silent"), self.plain("talker")
        nat = self.follower("nat", home=self.met())
        await nat.joined()
        talker.say("/join tea", "/topic no talking", "/nick chatty", "/join lobby")
        self.wait_for(talker, "-!- you are in lobby")
        self.wait_for(silent, "talker is now chatty")
        # each is said when the one before is on the disk, and so is what was remembered before them
        self.is_heard(talker, "one", "chatty: one", silent)
        self.is_heard(talker, "two", "chatty: two", silent)
        self.restart()
        self.restart()  # within a second or so
        self.is_heard(talker, "three", "chatty: three", silent)
        await nat.until(lambda: b'"three"' in nat.out)
        self.is_heard(silent, "still here", "silent: still here", talker)
        await nat.until(lambda: b'"still here"' in nat.out)
        events = [json.loads(line) for line in nat.out.splitlines()]
        moves = [event for event in events if event.get("change") in ("joined", "left", "away", "back")]
        self.assertEqual([(event["nick"], event["change"]) for event in moves], [("nat", "joined")])
        said = [event["text"] for event in events if event["event"] == "entry"]
        self.assertEqual(said, ["one", "two", "three", "still here"])
        talker.say("/names", "/join tea")
        names, _, topic = (talker.read().decode() for _ in range(3))
        self.assertIn("chatty", names)
        self.assertIn("silent", names)
        self.assertIn("no talking", topic)

    def test_what_cannot_be_read(self) -> None:
        """A memo that is none: exit code 1 and one line, as with any file that cannot be used."""
        self.server.stop(signal.SIGTERM)
        path = self.state / STORE_FILE
        with sqlite3.connect(path) as database:
            database.execute("INSERT INTO memos VALUES (?, ?)", (memo_key(Owner, "ann"), b"rubbish"))
        database.close()
        done = run(twistd(*FOREGROUND, "udpchat", "--port=0", f"--state={self.state}"))
        self.assertEqual(done.returncode, 1)
        (line,) = done.stderr.splitlines()
        for part in ("udpchat: ", "owner:ann", "--store"):
            self.assertIn(part, line)
        self.assertNotIn("Traceback", done.stdout)
