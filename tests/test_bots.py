"""The bot in docs/bots.md: it runs as it stands there, against a real server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.server_process import CHECKOUT, DEADLINE, Peer, ServerProcess, environment, wait_readable

DOCUMENT = CHECKOUT / "docs" / "bots.md"


class NamesTests(SynchronousTestCase):
    """What the document names."""

    def test_where_they_are(self) -> None:
        """Everything is in the module that the document says."""
        rows = re.findall(r"^\| `(chat[.\w]+)` \| (.*) \|$", DOCUMENT.read_text(), re.MULTILINE)
        self.assertGreater(len(rows), 5)
        for module, names in rows:
            for name in re.findall(r"`([A-Za-z]\w+)`(?!\))", names.replace("(of `state`)", "")):
                self.assertTrue(hasattr(import_module(module), name), f"{module} has no {name}")


class BotTests(SynchronousTestCase):
    """A server, a bot and somebody with `nc`."""

    def setUp(self) -> None:
        """Write the bot into a file, and start a server."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (source,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
        self.assertLess(len(source.splitlines()), 30)
        (self.folder / "echo_bot.py").write_text(source)
        self.server = ServerProcess("--state", str(self.folder / "server"))
        self.addCleanup(self.server.stop)

    def start_bot(self, nick: str) -> subprocess.Popen[bytes]:
        """Start the bot, with keys of its own."""
        bot = subprocess.Popen(
            [sys.executable, str(self.folder / "echo_bot.py"), f"127.0.0.1:{self.server.port}", nick],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,  # so that nothing is read ahead of a line
            env={**environment(), "XDG_DATA_HOME": str(self.folder / "data")},
        )
        self.addCleanup(bot.communicate)
        self.addCleanup(bot.kill)
        return bot

    def line(self, bot: subprocess.Popen[bytes]) -> str:
        """Give the next line that a bot prints."""
        assert bot.stdout is not None
        wait_readable(bot.stdout)
        return bot.stdout.readline().decode().rstrip()

    def wait_for(self, peer: Peer, wanted: bytes) -> None:
        """Read what somebody hears up to one line."""
        while peer.read() != wanted:
            pass

    def test_a_visit(self) -> None:
        """It comes in, does what it is told, knows its server again, and says goodbye when it is ended."""
        ann = Peer(("127.0.0.1", self.server.port), "ann")
        self.addCleanup(ann.leave)
        bot = self.start_bot("echobot")
        self.assertEqual(self.line(bot), "echobot is in lobby, 2 are there")
        ann.say("!echo hello, world")
        self.wait_for(ann, b"echobot: hello, world")
        ann.say("!echo ")
        self.assertEqual(self.line(bot), "nothing was said: the text is blank")
        bot.send_signal(signal.SIGTERM)
        self.assertEqual(self.line(bot), "it is over: exit")
        self.wait_for(ann, b"echobot has left the chat")
        bot.wait(DEADLINE)
        again = self.start_bot("echobot")
        self.assertEqual(self.line(again), "echobot is in lobby, 2 are there")
        known = (self.folder / "data" / "udpchat" / "known_servers").read_text()
        self.assertEqual(len(known.splitlines()), 1)

    def test_killed(self) -> None:
        """A bot that was killed and is started again has its nick back at once: it has the same key."""
        bot = self.start_bot("echobot")
        self.line(bot)
        bot.kill()
        bot.wait(DEADLINE)
        self.assertEqual(self.line(self.start_bot("echobot")), "echobot is in lobby, 1 are there")
