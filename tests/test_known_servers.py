"""Tests of `chat.identity.KnownServers`: the servers that were met before."""

from __future__ import annotations

import os
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from chat.fingerprints import show_fingerprint
from chat.identity import KNOWN_SERVERS_BYTES, IdentityError, KnownServers
from tests.identity_support import ANN, BEN, SHOWN_ANN, FolderTestCase, at_once, mode


class KnownServersTests(FolderTestCase):
    """The file of the servers that were met before."""

    def setUp(self) -> None:
        """Have a path where nothing is."""
        super().setUp()
        self.file = self.folder / "data" / "known_servers"

    def put(self, content: str | bytes) -> KnownServers:
        """Write the file, and read it."""
        self.file.parent.mkdir(0o700, exist_ok=True)
        self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        return KnownServers(self.file)

    def test_no_file(self) -> None:
        """Without a file no server is known, and to ask makes none."""
        self.assertIsNone(KnownServers(self.file).get("example.org:6789"))
        self.assertFalse(self.file.parent.exists())

    def test_what_is_added_is_known(self) -> None:
        """A server that was added is known, at once and to the next who reads the file: 0600, a line each."""
        os.umask(0)
        known = KnownServers(self.file)
        known.add("example.org:6789", ANN)
        known.add("[::1]:6789", BEN)
        self.assertEqual(known.places(), ["example.org:6789", "[::1]:6789"])
        for each in (known, KnownServers(self.file)):
            self.assertEqual(each.get("example.org:6789"), ANN)
            self.assertEqual(each.get("[::1]:6789"), BEN)
            self.assertIsNone(each.get("example.org:678"))
        self.assertEqual(
            self.file.read_text(), f"example.org:6789 {SHOWN_ANN}\n[::1]:6789 {show_fingerprint(BEN)}\n"
        )
        self.assertEqual((mode(self.file), mode(self.file.parent)), (0o600, 0o700))

    def test_capitals(self) -> None:
        """A host is the same in capitals."""
        known = KnownServers(self.file)
        known.add("Example.ORG:6789", ANN)
        self.assertEqual(known.get("example.org:6789"), ANN)
        self.assertEqual(known.get("EXAMPLE.org:6789"), ANN)

    def test_what_people_wrote_stays(self) -> None:
        """Comments, empty lines, lines of later versions and a missing line end: all is kept as it was."""
        written = (
            f"# mine\r\n\n  # caf\u00e9\n@later x\na:1 {SHOWN_ANN} the old one\n\tb:2\t{BEN.hex(':')}\r\n#end"
        )
        known = self.put(written.encode() + b"\xe9")
        self.assertEqual((known.get("a:1"), known.get("b:2")), (ANN, BEN))
        known.add("c:3", BEN)
        self.assertEqual(
            self.file.read_bytes(), written.encode() + b"\xe9\n" + f"c:3 {show_fingerprint(BEN)}\n".encode()
        )

    def test_edits_count_at_once(self) -> None:
        """A line that somebody removes while the program runs is no longer known."""
        known = KnownServers(self.file)
        known.add("a:1", ANN)
        self.put("")
        self.assertIsNone(known.get("a:1"))

    def test_lines_that_mean_nothing(self) -> None:
        """A line that is neither a server nor a comment is an error with its number, whoever is asked for."""
        for line in (
            "a:1",
            SHOWN_ANN,
            "a " + SHOWN_ANN,
            ":1 " + SHOWN_ANN,
            "a: " + SHOWN_ANN,
            "a:0 " + SHOWN_ANN,
            "a:123456 " + SHOWN_ANN,
            "::1:6789 " + SHOWN_ANN,
            "[]:6789 " + SHOWN_ANN,
            "a\x7f:1 " + SHOWN_ANN,
            "a:1 " + SHOWN_ANN[:-1],
            "a:1 SHA512:" + "A" * 43,
            "a:1 #" + SHOWN_ANN,
            "a:1 the old one " + SHOWN_ANN,
        ):
            text = self.refused(self.put, f"# mine\nb:2 {SHOWN_ANN}\n{line}\n")
            self.assertTrue(text.startswith(f"{self.file}, line 3: this is not host:port and"), (line, text))
        self.refused(self.put, b"caf\xe9:1 " + SHOWN_ANN.encode())

    def test_a_file_that_gets_broken(self) -> None:
        """Somebody breaks the file while the program runs: the next question says so, nothing is added."""
        known = self.put(f"a:1 {SHOWN_ANN}\n")
        self.file.write_text("nonsense\n")
        self.refused(known.get, "a:1")
        self.refused(known.add, "b:2", ANN)
        self.assertEqual(self.file.read_text(), "nonsense\n")

    def test_one_place_twice(self) -> None:
        """The same key twice is harmless; two keys for one place are an error that names both lines."""
        self.assertEqual(self.put(f"a:1 {SHOWN_ANN}\nA:1 {ANN.hex()}\n").get("a:1"), ANN)
        text = self.refused(self.put, f"a:1 {SHOWN_ANN}\n#\na:1 {BEN.hex()}\n")
        self.assertEqual(text, f"{self.file}, line 3: line 1 has another key for a:1; remove one")

    def test_another_key_is_never_added(self) -> None:
        """A known place keeps its key: the same one changes nothing, another one is an error."""
        known = self.put(f"#\na:1 {SHOWN_ANN}\n")
        before = self.file.stat()
        known.add("a:1", ANN)
        self.assertEqual(
            self.refused(known.add, "A:1", BEN), f"{self.file}, line 2: A:1 has another key there"
        )
        self.assertEqual(self.file.stat(), before)

    def test_places_that_are_none(self) -> None:
        """What would be read as something else is not written."""
        known = KnownServers(self.file)
        for place in (
            "",
            "a",
            "a b:1",
            "a\nb:1",
            "#a:1",
            "@a:1",
            "a:",
            ":1",
            "a:x",
            "a:0",
            "::1:1",
            "x" * 99,
        ):
            self.assertIn("is no host:port", self.refused(known.add, place, ANN))
        self.assertRaises(ValueError, known.add, "a:1", b"short")
        self.assertFalse(self.file.exists())

    def test_many_at_once(self) -> None:
        """What several add at the same time is all there in the end."""
        threads = 8

        def add(number: int) -> None:
            known = KnownServers(self.file)
            for port in range(1, 11):
                known.add(f"host{number}:{port}", bytes([number]) * 32)

        at_once([partial(add, number) for number in range(threads)])
        known = KnownServers(self.file)
        for number in range(threads):
            for port in range(1, 11):
                self.assertEqual(known.get(f"host{number}:{port}"), bytes([number]) * 32)

    def test_the_longest_file(self) -> None:
        """A file of just the greatest length is read and gets no more lines; a byte more is refused."""
        known = self.put(b"#" * KNOWN_SERVERS_BYTES)
        self.assertIsNone(known.get("a:1"))
        self.assertIn(f"{self.file} is full", self.refused(known.add, "a:1", ANN))
        self.assertIn("is longer than", self.refused(self.put, b"#" * (KNOWN_SERVERS_BYTES + 1)))

    def test_files_that_cannot_be_used(self) -> None:
        """A link, a directory, a file that others can write to, and a directory that cannot be made."""
        self.put("")
        self.file.chmod(0o664)
        self.assertEqual(
            self.refused(KnownServers, self.file),
            f"others can write to {self.file}: chmod go-w {self.file}",
        )
        self.file.chmod(0o644)  # it is no secret
        KnownServers(self.file)
        (self.folder / "link").symlink_to(self.file)
        self.assertIn("is a symbolic link", self.refused(KnownServers, self.folder / "link"))
        self.assertIn("is no ordinary file", self.refused(KnownServers, self.folder))
        self.assertIn("Not a directory", self.refused(KnownServers, self.file / "x"))
        (self.folder / "dangling").symlink_to("nowhere")
        known = KnownServers(self.folder / "dangling" / "x")
        self.assertIn("cannot write", self.refused(known.add, "a:1", ANN))

    @given(
        st.binary()
        | st.text().map(str.encode)
        | st.lists(
            st.sampled_from(
                ["a:1", "b:2 ", "[::1]:6789\t", SHOWN_ANN, BEN.hex(), "#", "@", " ", "\n", "\r\n"]
            )
        ).map(lambda parts: "".join(parts).encode())
    )
    def test_any_content(self, content: bytes) -> None:
        """Any content is a file that a server can be added to, or an IdentityError of one line."""
        self.file.unlink(missing_ok=True)
        try:
            known = self.put(content)
        except IdentityError as error:
            self.assertTrue(str(error).startswith(f"{self.file}, line "))
            self.assertEqual(len(str(error).splitlines()), 1)
            return
        before = known.get("a:1")
        known.add("new:1", ANN)
        self.assertEqual((known.get("new:1"), known.get("a:1")), (ANN, before))
        self.assertTrue(self.file.read_bytes().startswith(content))
