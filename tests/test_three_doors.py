"""One room, three doors: `nc -u`, `openssl s_client` and `udpchat` at one real server."""

from __future__ import annotations

import signal
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.chat_process import ChatProcess, is_event
from tests.loopback_support import LoopbackTestCase
from tests.server_process import Netcat, SClient, ServerProcess, netcat_missing, openssl_missing


class ThreeDoorsTests(LoopbackTestCase):
    """Nat has nc, Sal has openssl, Uma has udpchat."""

    def setUp(self) -> None:
        """Skip where a program is missing; else start a server."""
        if missing := netcat_missing() or openssl_missing():
            raise SkipTest(missing)
        self.server: ServerProcess = self.start()

    def nat(self) -> Netcat:
        """Let Nat come in."""
        nat = Netcat("-u", "127.0.0.1", str(self.server.port))
        self.addCleanup(nat.leave)
        nat.types("nat\n")
        nat.sees("nat has joined the chat\n")
        return nat

    def sal(self, *options: str) -> SClient:
        """Let Sal come in."""
        sal = SClient(self.server.port, *options)
        self.addCleanup(sal.leave)
        sal.types("sal\n")
        sal.sees("sal has joined the chat\n")
        return sal

    def uma(self, home: Path | None = None, *, is_following: bool = True) -> ChatProcess:
        """Let Uma come in."""
        uma = ChatProcess(self.server.port, "uma", home or self.folder(), is_following=is_following)
        self.addCleanup(uma.stop, signal.SIGKILL)
        uma.joined()
        return uma

    def test_each_sees_what_the_others_say(self) -> None:
        """All three see all lines, in one order; only she who has shown a key is verified."""
        nat, sal, uma = self.nat(), self.sal(), self.uma()
        nat.sees("sal has joined the chat\n")
        for program in (nat, sal):
            program.sees("uma has joined the chat\n")
        nat.types("hello from nc\n")
        sal.sees("nat: hello from nc\n")
        sal.types("hello from openssl\n")
        nat.sees("sal: hello from openssl\n")
        uma.find_entries(2)
        uma.type("hello from udpchat")
        for program in (nat, sal):
            program.sees("uma: hello from udpchat\n")
        told = [(entry["nick"], entry["text"], entry["verified"]) for entry in uma.find_entries(3)]
        self.assertEqual(
            told,
            [
                ("nat", "hello from nc", False),
                ("sal", "hello from openssl", False),
                ("uma", "hello from udpchat", True),
            ],
        )
        for program in (nat, sal):
            talk = [line for line in program.output.decode().splitlines() if ": hello" in line]
            self.assertEqual(talk, [f"{nick}: {text}" for nick, text, _ in told])

    def test_leaving_by_exit(self) -> None:
        """Whoever says exit has left for all others; s_client and udpchat end."""
        home = self.folder()
        nat, sal, uma = self.nat(), self.sal(), self.uma(home)
        sal.types("exit\n")
        nat.sees("sal has left the chat\n")
        uma.find(is_event("presence", nick="sal", change="left"))
        self.assertEqual(sal.ends(), 0)
        uma.type("exit")
        nat.sees("uma has left the chat\n")
        self.assertEqual(uma.ended(), 0)
        uma = self.uma(home)
        nat.types("exit\n")
        uma.find(is_event("presence", nick="nat", change="left"))

    def test_leaving_by_ctrl_d(self) -> None:
        """So has whoever ends its input. (nc says nothing then: the server cannot know.)"""
        nat, sal, uma = self.nat(), self.sal(), self.uma(is_following=False)
        sal.types_ctrl_d()
        nat.sees("sal has left the chat\n")
        uma.find(is_event("presence", nick="sal", change="left"))
        sal.ends()
        uma.type("the last line")
        uma.end_input()
        nat.sees("uma: the last line\n")
        nat.sees("uma has left the chat\n")
        self.assertEqual(uma.ended(), 0)

    def test_a_path_for_small_datagrams(self) -> None:
        """s_client that is told that its path takes 500 bytes is let in, hears and is heard."""
        nat, sal = self.nat(), self.sal("-mtu", "500")
        sal.types("hello from a narrow path\n")
        nat.sees("sal: hello from a narrow path\n")
        nat.types("hello to it\n")
        sal.sees("nat: hello to it\n")
