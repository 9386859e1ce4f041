"""An operator at a real server: the code in its log, and an end that is a clean one."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.chat_process import ChatProcess, is_event
from tests.loopback_support import LoopbackTestCase
from tests.server_process import Peer, Record, ServerProcess


class OperatorProcessTests(LoopbackTestCase):
    """Uma reads the log, and types."""

    def setUp(self) -> None:
        """Start a server that nobody operates yet."""
        self.server: ServerProcess = self.start()

    def uma(self, home: Path, *lines: str) -> ChatProcess:
        """Let her come in and type lines."""
        uma = ChatProcess(self.server.port, "uma", home)
        self.addCleanup(uma.stop, signal.SIGKILL)
        uma.joined()
        uma.type(*lines)
        return uma

    def answer(self, uma: ChatProcess, line: int) -> list[str]:
        """Give the answer to the line with this number."""
        record: Record = uma.wait_for(is_event("answer", "rejected", line=line))
        lines: list[str] = record.get("lines", [record.get("text")])
        return lines

    def test_from_the_code_to_the_end(self) -> None:
        """The code makes an operator, who sees at once what one may; the end has exit code 0."""
        pat = Peer(("127.0.0.1", self.server.port), "pat", b"\n")
        said = self.server.wait_for(lambda record: "/operator" in record["message"])
        (code,) = re.findall(r"/operator (\S+)", said["message"])
        uma = self.uma(self.folder(), f"/operator {code}", "/help", "/ban pat 2h spam", "/shutdown back")
        self.assertEqual(self.answer(uma, 1), ["you are an operator of this server"])
        self.assertTrue(any(line.startswith("/ban ") for line in self.answer(uma, 2)))
        self.assertEqual(self.answer(uma, 4), ["the server goes down now, and will be back"])
        self.assertEqual(self.server.ended(), 0)
        self.assertEqual(self.server.faults(), [])
        uma.wait_for(is_event("state", state="silent", reason="server is going down"))
        banned = self.server.wait_for(
            lambda record: record.get("event") == "order" and record["verb"] == "ban"
        )
        self.assertEqual((banned["nick"], banned["target"], banned["reason"]), ("uma", "pat", "spam"))
        while not pat.read().startswith(b"-!- you are banned until"):
            pass
