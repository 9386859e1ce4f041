"""Tests with a real server process on loopback sockets: `nc`, old clients, floods, other servers."""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections.abc import Iterator
from datetime import datetime

from twisted.trial.unittest import SkipTest

from chat.fields import TEXT_BYTES
from chat.safety import clean_text
from chat.server.limits import FAULT_LOG_SECONDS
from chat.wire.lines import LINES_BYTES
from tests.loopback_support import GOING_DOWN, LoopbackTestCase
from tests.server_process import (
    Address,
    Netcat,
    Peer,
    ipv6_missing,
    netcat_missing,
    run,
)


class NetcatTests(LoopbackTestCase):
    """People and scripts with nothing but `nc -u`."""

    def setUp(self) -> None:
        """Skip where there is no nc, or another one than these tests are about."""
        if missing := netcat_missing():
            raise SkipTest(missing)

    def netcat(self, *arguments: str) -> Netcat:
        """Start an nc that says exit at the test's end."""
        nc = Netcat(*arguments)
        self.addCleanup(nc.leave)
        return nc

    def test_a_whole_visit_in_one_datagram(self) -> None:
        """`printf 'bot\\nbackup done\\nexit\\n' | nc -u -w1` is a join, a message and a leave."""
        address = self.shared()
        watcher = self.join(address, "watcher1")
        done = run(["nc", "-u", "-w1", address[0], str(address[1])], input="bot\nbackup done\nexit\n")
        self.assertEqual(done.stdout, "bot has joined the chat\nbot: backup done\n")
        self.assertEqual(
            watcher.heard(), [b"bot has joined the chat", b"bot: backup done", b"bot has left the chat"]
        )

    def test_two_people_with_nc(self) -> None:
        """Two nc users see each other come, talk and go, each line on a line of its own."""
        _, port = self.shared()
        ann, ben = self.netcat("-u", "127.0.0.1", str(port)), self.netcat("-u", "127.0.0.1", str(port))
        ann.types("ann\n")
        ann.sees("ann has joined the chat\n")
        ben.types("ben\n")
        ben.sees("ben has joined the chat\n")
        ann.types("hello ben\n")
        ben.sees("ann: hello ben\n")
        ben.types("hello yourself\n")
        ann.sees("ben: hello yourself\n")
        ben.types("exit\n")
        self.assertEqual(
            ann.sees("ben has left the chat\n").splitlines(),
            [
                "ann has joined the chat",
                "ben has joined the chat",
                "ann: hello ben",
                "ben: hello yourself",
                "ben has left the chat",
            ],
        )

    def test_probes_are_nobody(self) -> None:
        """`nc -uv` sends the datagram X a few times before anything is typed: it joins nobody as X."""
        address = self.shared()
        watcher = self.join(address, "watcher2")
        nc = self.netcat("-uv", address[0], str(address[1]))
        nc.types("prober\n")
        nc.sees("prober has joined the chat\n")
        self.assertEqual(watcher.heard(), [b"prober has joined the chat"])

    def test_line_ends_of_their_own(self) -> None:
        """`nc -uC` sends CR LF, in a datagram of its own: neither shows, and it is no line."""
        address = self.shared()
        watcher = self.join(address, "watcher3")
        nc = self.netcat("-uC", address[0], str(address[1]))
        nc.types("crlf\n")
        nc.sees("crlf has joined the chat")  # the line end had not been heard yet
        nc.types("one\n")
        nc.sees("crlf: one\n")
        nc.types("two\n")
        nc.sees("crlf: two\n")
        self.assertEqual(watcher.heard(), [b"crlf has joined the chat", b"crlf: one", b"crlf: two"])

    def test_a_host_name_s_own_address(self) -> None:
        """`nc -u 127.0.1.1` (a host name, on Debian) sees answers of a server that listens everywhere."""
        _, port = self.shared()
        nc = self.netcat("-u", "127.0.1.1", str(port))
        nc.types("byname\nanybody here?\n")
        nc.sees("byname: anybody here?\n")


def old_client(address: Address, names: Iterator[str]) -> tuple[socket.socket, str, str]:
    """Come in as Chat-socket-UDP's client does; give the socket, the name and the first thing it showed.

    It sends a name and waits for one datagram. If the whole of that is the refusal it asks for another name,
    else it shows it and goes on; line ends mean nothing to it, and it reads 1,024 bytes at a time.
    """
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(60)
    while True:
        name = next(names)
        client.sendto(name.encode(), address)
        answer = client.recvfrom(1024)[0].decode()
        if answer != "nama ini sudah diambil":
            return client, name, answer


class OldClientTests(LoopbackTestCase):
    """Clients that were written for other servers."""

    def test_the_client_of_chat_socket_udp(self) -> None:
        """It is refused a name that is taken, comes in under the next one, and talks."""
        address = self.shared()
        tom = self.join(address, "tom")
        client, name, shown = old_client(address, iter(["tom", "tim"]))
        self.addCleanup(client.close)
        self.assertEqual((name, shown), ("tim", "tim has joined the chat"))
        client.sendto(b"hello", address)
        self.assertEqual(client.recvfrom(1024)[0], b"tim: hello")
        tom.say("hello tim")
        self.assertEqual(client.recvfrom(1024)[0], b"tom: hello tim")
        client.sendto(b"exit", address)
        self.assertEqual(
            tom.heard(),
            [b"tim has joined the chat", b"tim: hello", b"tom: hello tim", b"tim has left the chat"],
        )

    def test_every_line_fits_its_buffer(self) -> None:
        """The longest nick with the longest text is one datagram of at most 1,024 bytes."""
        address = self.shared()
        nick = "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 21  # 63 bytes
        speaker = self.join(address, nick)
        client, _, _ = old_client(address, iter(["reader"]))
        self.addCleanup(client.close)
        text = "x" * TEXT_BYTES
        speaker.say(text)
        self.assertEqual(client.recvfrom(1024)[0].decode(), f"{nick}: {text}")
        client.sendto(b"exit", address)


class InputTests(LoopbackTestCase):
    """What peers send, well-meant or not."""

    def test_a_paste_arrives_line_by_line(self) -> None:
        """A paste of 200 lines in one datagram reaches others in order, once each.

        Who sends no line ends gets 200 datagrams, who does gets no longer ones than a line may be.
        """
        address = self.shared()
        reader, writer = self.join(address, "reader"), self.join(address, "writer", b"\n")
        reader.heard()
        lines = [f"line {i} of a paste" for i in range(200)]
        writer.say("\n".join(lines))
        self.assertEqual(reader.heard(), [f"writer: {line}".encode() for line in lines])
        heard = writer.heard()
        self.assertEqual(b"".join(heard), b"".join(f"writer: {line}\n".encode() for line in lines))
        self.assertLessEqual(max(map(len, heard)), LINES_BYTES)

    def test_a_line_that_is_far_too_long(self) -> None:
        """A line of 16,384 bytes gives its sender one notice, and nobody anything."""
        address = self.shared()
        reader, writer = self.join(address, "reader"), self.join(address, "writer")
        reader.heard()
        writer.send(b"x" * 16_384)
        (notice,) = writer.heard()
        self.assertTrue(notice.startswith(b"-!- "), notice)
        self.assertIn(b"too long", notice)
        self.assertEqual(reader.heard(), [])

    def test_nothing_is_nothing(self) -> None:
        """Datagrams that are empty or all white space say nothing, to anybody, and join nobody."""
        address = self.shared()
        reader, writer = self.join(address, "reader"), self.join(address, "writer")
        stranger = self.join(address)
        reader.heard()
        for peer in (stranger, writer):
            peer.send(b"", b"\n", b"\r\n", b" \t \n\n ", b"")
        self.assertEqual(writer.heard(), [])
        self.assertEqual(reader.heard(), [])
        self.assertEqual(stranger.waiting(), [])

    def test_what_is_not_utf_8(self) -> None:
        """Bytes that are not UTF-8 give a member one notice, a stranger none, and nobody else anything."""
        address = self.shared()
        reader, writer = self.join(address, "reader"), self.join(address, "writer")
        stranger = self.join(address)
        reader.heard()
        for peer in (stranger, writer):
            peer.send(b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80")
        (notice,) = writer.heard()
        self.assertTrue(notice.startswith(b"-!- "), notice)
        self.assertEqual(reader.heard(), [])
        self.assertEqual(stranger.waiting(), [])

    def test_escape_sequences_lose_their_teeth(self) -> None:
        """Nothing that moves a cursor or reorders a line is relayed; the rest of the line is."""
        address = self.shared()
        reader, writer = self.join(address, "reader"), self.join(address, "writer")
        reader.heard()
        writer.say(
            "\x1b[2J\x1b]0;title\x07red\x9b31m \u202eback\x00\x08wards", "a\rb", "a\x0bb\x0cc\u2028d\x85e"
        )
        self.assertEqual(
            reader.heard(), [b"writer: [2J]0;titlered31m backwards", b"writer: ab", b"writer: abcde"]
        )


class FloodTests(LoopbackTestCase):
    """Random datagrams, from members and from strangers."""

    datagrams = 10_000
    batch = 50  # between two looks at the server: so few fit into every buffer on the way
    pieces = (
        b"exit", b"X", b"\n", b"\r\n", b" ", b"", b"/me", b"/names", b"/help", b"/quit", b"//", b"/motd x",
        b"\xff", b"\xc3", b"\xf0\x9f\x8e\x88", b"\xcc\x81" * 9, b"\x1b[31m", b"\x00", b"\xe2\x80\xae",
        b"bob", b"{0.__class__}", b"%s%n", b"nama ini sudah diambil", GOING_DOWN, b" has joined the chat",
        b"-!- ", b": ", b"\x16\xfe\xfd\x00\x00", b"canary", b"\x93\x01\x02",
        b"x" * 899, b"\xe6\x97\xa5" * 400,
    )  # fmt: skip
    legitimate = re.compile(r"\A([^\s*:]+( has (joined|left) the chat|: .*)|\* [^\s*:]+ .*)\Z")

    def datagram(self, dice: random.Random) -> bytes:
        """Give a datagram: noise of any length up to 1,500 bytes, or pieces that mean something somewhere."""
        if dice.random() < 0.4:
            return dice.randbytes(int(1_500 * dice.random() ** 3))
        return b"".join(dice.choices(self.pieces, k=dice.randint(1, 6)))

    def test_ten_thousand_random_datagrams(self) -> None:
        """They cause no traceback, and a member sees only the joins, lines and leaves that are in them.

        The log grows by no more than a record for each of those and, for each of at most six kinds of fault
        (those that `ChatServer` names), one record at once and one every ten seconds. A record holds a line
        of at most 964 bytes twice (the message, and its fields), escaped for JSON at worst as two bytes for
        one since control characters are gone, and less than 500 bytes besides: below 4,500 bytes.
        """
        seed = int(os.environ.get("UDPCHAT_TEST_SEED", "20250607"))
        dice = random.Random(seed)
        server = self.start()
        address = ("127.0.0.1", server.port)
        canary, member = self.join(address, "canary"), self.join(address, "member")
        canary.heard()
        before = len(server.records)
        told: list[bytes] = []
        for number in range(self.datagrams // self.batch):
            stranger = Peer(address)
            sender = (stranger, member)[number % 2]
            sender.send(*(self.datagram(dice) for _ in range(self.batch)))
            stranger.waiting()
            member.waiting()
            canary.say(f"still here {number}")
            batch = canary.heard()
            self.assertEqual(batch[-1], f"canary: still here {number}".encode(), f"seed {seed}")
            told += batch[:-1]
            stranger.leave()
        for line in told:
            self.assertLessEqual(len(line), 1_024, f"seed {seed}")
            self.assertEqual(clean_text(line.decode()), line.decode(), f"seed {seed}")
            self.assertRegex(line.decode(), self.legitimate, f"seed {seed}")
        self.assertGreater(len(told), 100, f"seed {seed}: too tame")
        server.stop()
        self.assertEqual(server.faults(), [], f"seed {seed}")
        grown = server.records[before:]
        times = [datetime.fromisoformat(record["time"]) for record in grown]
        faults = 6 * (1 + (times[-1] - times[0]).total_seconds() / FAULT_LOG_SECONDS)
        ours = 2 + 1 + 4 + self.datagrams // self.batch  # joins, the last leave, the end, what canary said
        self.assertLessEqual(len(grown), len(told) + faults + ours, f"seed {seed}")
        self.assertLess(max(len(json.dumps(r, ensure_ascii=False).encode()) for r in grown), 4_500)


class AddressTests(LoopbackTestCase):
    """The families and addresses that a server can be reached by."""

    def setUp(self) -> None:
        """Skip where there is no IPv6."""
        if missing := ipv6_missing():
            raise SkipTest(missing)

    def test_ipv6(self) -> None:
        """A server on ::1 serves IPv6 members."""
        server = self.start("--interface=::1")
        ann, ben = self.join(("::1", server.port), "ann"), self.join(("::1", server.port), "ben")
        ben.say("hello")
        self.assertEqual(ann.heard(), [b"ben has joined the chat", b"ben: hello"])

    def test_both_families_in_one_room(self) -> None:
        """A server on :: has IPv4 and IPv6 members in one room, whichever of its addresses they spoke to."""
        server = self.start("--interface=::")
        four = self.join(("127.0.0.1", server.port), "four")
        six = self.join(("::1", server.port), "six")
        named = self.join(("127.0.1.1", server.port), "named")
        for peer in (four, six, named):
            peer.heard()
        for peer in (four, six, named):
            peer.say("hello")
        expected = [b"four: hello", b"six: hello", b"named: hello"]
        self.assertEqual([peer.heard() for peer in (four, six, named)], [expected] * 3)


class TwoServersTests(LoopbackTestCase):
    """Two servers that a forger would like to set on each other (CVE-2024-2169)."""

    def relay(self, left: Peer, right: Peer, watchers: list[Peer]) -> tuple[list[bytes], list[bytes]]:
        """Carry each server's datagrams to the other as if it had sent them, until both are still.

        Gives what the left one said, and what the right one said to that. A watcher's answered question says
        that its server has done all it was asked; a hundred rounds are taken for ever.
        """
        said: list[bytes] = []
        answered: list[bytes] = []
        for _ in range(100):
            for watcher in watchers:
                watcher.heard()
            from_left, from_right = left.waiting(), right.waiting()
            if not (from_left or from_right):
                return said, answered
            said += from_left
            answered += from_right
            right.send(*from_left)
            left.send(*from_right)
        raise AssertionError("the two servers talk to each other for ever")

    def test_one_forged_datagram_starts_no_talk(self) -> None:
        """Whatever one forged datagram makes a server say, the other server does not answer that."""
        addresses = [self.shared(), ("127.0.0.1", self.start().port)]
        watchers = [self.join(address, "watcher4") for address in addresses]
        for forged, calls_for in (
            (b"mallory", 1),
            (b"mallory\n", 1),
            (b"mallory\nhello\n", 2),
            (b"mallory\n/help\n/names\n/motd\n/nonsense\n/me\n", 9),
            (b"mallory\n" + b"x" * 901, 2),
            (b"watcher4", 1),
            (b"two words\n", 1),
            (b"exit", 0),
            (b"-!- hello", 0),
            (GOING_DOWN, 0),
            (b"nama ini sudah diambil", 0),
            (b"mallory has joined the chat", 0),
            (b"mallory: hello", 0),
            (b"\xff\xff", 0),
            (b"X", 0),
            (b"", 0),
        ):
            left, right = [Peer(address) for address in addresses]
            left.send(forged)
            said, answered = self.relay(left, right, watchers)
            self.assertEqual(answered, [], forged)
            self.assertGreaterEqual(len(said), calls_for, forged)
            self.assertEqual(bool(said), bool(calls_for), forged)
            left.leave()
            right.leave()

    def test_two_forged_datagrams_start_no_talk(self) -> None:
        """Made members of each other, the servers leave at once, whatever rooms the forger names."""
        addresses = [self.shared(), ("127.0.0.1", self.start().port)]
        watchers = [self.join(address, "watcher6") for address in addresses]
        for forged in (b"mallory", b"mallory\n/join dev\n", b"mallory\n/part\n/join dev\n/join ops\nhi\n"):
            left, right = [Peer(address) for address in addresses]
            left.send(forged)
            right.send(forged)
            said, answered = self.relay(left, right, watchers)
            self.assertLess(len(said) + len(answered), 25, forged)
            left.leave()
            right.leave()

    def test_a_room_s_talk_does_not_come_back(self) -> None:
        """What a room says to the forged member is not answered by the server that it goes to."""
        addresses = [self.shared(), ("127.0.0.1", self.start().port)]
        watchers = [self.join(address, "watcher5") for address in addresses]
        left, right = [Peer(address) for address in addresses]
        left.send(b"mallory")
        self.relay(left, right, watchers)
        watchers[0].say("hello", "/me waves", "//me", "note: this")
        said, answered = self.relay(left, right, watchers)
        self.assertEqual((len(said), answered), (4, []))
        left.leave()
        right.leave()
