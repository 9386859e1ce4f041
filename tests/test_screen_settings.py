"""Tests of what a user's files keep: settings, lines that were typed, texts that were not sent."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.memory import TYPED, TYPED_BYTES, TypedLines
from chat.client.screen.settings import MOST_IGNORED, SETTINGS, Settings, SettingsError, load
from chat.client.screen.unsent import Unsent, UnsentTexts


class FileCase(SynchronousTestCase):
    """A folder that is gone at the test's end."""

    def setUp(self) -> None:
        """Make it."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "udpchat"

    def mode(self, path: Path) -> int:
        """Give who may do what with a file."""
        return path.stat().st_mode & 0o777


class SettingsTests(FileCase):
    """The settings."""

    def setUp(self) -> None:
        """Begin without a file."""
        super().setUp()
        self.path = self.folder / "settings.toml"

    def loaded(self) -> Settings:
        """Give what the file says, in which nothing may be wrong."""
        settings, problem = load(self.path)
        self.assertEqual(problem, "")
        return settings

    def test_defaults(self) -> None:
        """Without a file each setting has its first value."""
        self.assertEqual(self.loaded().values, {each.name: each.values[0] for each in SETTINGS})

    def test_kept(self) -> None:
        """What is set is there at the next start, for nobody else to read."""
        settings = self.loaded()
        self.assertEqual(
            settings.set("joins none"),
            ["joins is none (smart, all, none): who comes and goes: of those who spoke lately, all, nobody"],
        )
        settings.set("theme  light ")
        settings.ignore(["bob", 'a"b\\c', "Ünal"])
        again = self.loaded()
        self.assertEqual((again["joins"], again["theme"], again["bell"]), ("none", "light", "mention"))
        self.assertEqual(again.ignored, ["bob", 'a"b\\c', "Ünal"])
        self.assertEqual(self.mode(self.path), 0o600)
        self.assertEqual(list(self.folder.iterdir()), [self.path])

    def test_asked(self) -> None:
        """`/set` lists all of them, `/set name` tells one."""
        settings = Settings()
        self.assertEqual(len(settings.set("")), len(SETTINGS))
        self.assertEqual(
            settings.set("time"), ["time is minutes (minutes, seconds, off): the time before each line"]
        )

    def test_refused(self) -> None:
        """What there is not is refused, with what there is."""
        settings = Settings()
        for argument, reason in (
            ("colour red", "there is no setting colour: /set lists them"),
            ("bell loud", "bell is one of mention, off, all"),
        ):
            self.assertEqual(str(self.assertRaises(SettingsError, settings.set, argument)), reason)

    def test_a_broken_file(self) -> None:
        """It is told in one line, the defaults hold, and the file is left as it is."""
        self.folder.mkdir()
        for content in (b"joins = ", b"\xff\xfe", b'joins = "sometimes"\n', b"ignored = 7\n"):
            self.path.write_bytes(content)
            settings, problem = load(self.path)
            self.assertEqual(settings["joins"], "smart")
            self.assertTrue(problem.startswith(f"{self.path}: "), problem)
            self.assertEqual(problem.count("\n"), 0)
            self.assertEqual(self.path.read_bytes(), content)

    def test_what_is_right_in_it(self) -> None:
        """Beside what is not understood the rest holds."""
        self.folder.mkdir()
        self.path.write_text('theme = "mono"\nsound = "on"\n')
        settings, problem = load(self.path)
        self.assertEqual(settings["theme"], "mono")
        self.assertIn("not understood: sound", problem)

    def test_too_many_ignored(self) -> None:
        """No more are read than a visit takes."""
        self.folder.mkdir()
        self.path.write_text(f"ignored = {[f'p{number}' for number in range(MOST_IGNORED + 1)]}\n")
        self.assertEqual(len(self.loaded().ignored), MOST_IGNORED)

    def test_a_disk_that_fails(self) -> None:
        """What cannot be kept holds until the program ends, and that is told."""
        self.folder.mkdir()
        self.path.mkdir()
        (self.path / "x").touch()  # no file can take its place
        settings, problem = load(self.path)
        self.assertIn(str(self.path), problem)
        error = self.assertRaises(SettingsError, settings.set, "bell off")
        self.assertIn("holds until you leave", str(error))
        self.assertEqual(settings["bell"], "off")


class TypedLinesTests(FileCase):
    """The lines that were typed."""

    def setUp(self) -> None:
        """Begin without a file."""
        super().setUp()
        self.path = self.folder / "typed_lines"
        self.lines = TypedLines(self.path)

    def test_remembered(self) -> None:
        """They are there at the next start, in their order, for nobody else to read."""
        self.assertEqual(self.lines.load(), [])
        for line in ("one", "zwei ä", "three"):
            self.lines.add(line)
        self.assertEqual(TypedLines(self.path).load(), ["one", "zwei ä", "three"])
        self.assertEqual(self.mode(self.path), 0o600)

    def test_secrets(self) -> None:
        """What lets somebody into a room, or makes an operator, is not written down."""
        for line in ("/join dev sesame", "/J #dev sesame", "/operator 4711", " /mode +k sesame"):
            self.lines.add(line)
        self.assertEqual(self.lines.load(), [])
        for line in ("/join dev", "/mode", "the /join dev sesame"):
            self.lines.add(line)
        self.assertEqual(self.lines.load(), ["/join dev", "/mode", "the /join dev sesame"])

    def test_bounded(self) -> None:
        """Only the last ones stay, and the file does not grow for ever."""
        line = "x" * 500
        for number in range(TYPED_BYTES // 500 + 10):
            self.lines.add(f"{number} {line}")
        self.assertLess(self.path.stat().st_size, TYPED_BYTES)
        kept = self.lines.load()
        self.assertEqual(kept[-1], f"{TYPED_BYTES // 500 + 9} {line}")
        self.assertLessEqual(len(kept), TYPED)
        self.assertEqual(self.mode(self.path), 0o600)

    def test_no_disk(self) -> None:
        """Where nothing can be written nothing is remembered."""
        self.folder.touch()
        self.lines.add("one")
        self.assertEqual(self.lines.load(), [])


class UnsentTests(FileCase):
    """The texts that were not accepted."""

    def test_kept(self) -> None:
        """They are there at the next start at the same server, for nobody else to read."""
        texts = [Unsent(1_700_000_000.0, "dev", "hello"), Unsent(1_700_000_001.0, "@bob", "psst")]
        unsent = UnsentTexts(self.folder, "chat.example:6789")
        self.assertEqual(unsent.load(), [])
        unsent.keep(texts)
        self.assertEqual(UnsentTexts(self.folder, "chat.example:6789").load(), texts)
        self.assertEqual(UnsentTexts(self.folder, "other.example:6789").load(), [])
        (path,) = self.folder.iterdir()
        self.assertEqual(self.mode(path), 0o600)

    def test_gone(self) -> None:
        """When all is accepted there is no file."""
        unsent = UnsentTexts(self.folder, "chat.example:6789")
        unsent.keep([Unsent(1.0, "dev", "hello")])
        unsent.keep([])
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_broken_file(self) -> None:
        """What means nothing is nothing."""
        unsent = UnsentTexts(self.folder, "chat.example:6789")
        unsent.keep([Unsent(1.0, "dev", "hello")])
        (path,) = self.folder.iterdir()
        path.write_bytes(b"[{]")
        self.assertEqual(UnsentTexts(self.folder, "chat.example:6789").load(), [])

    def test_no_disk(self) -> None:
        """Where nothing can be written nothing is kept, and it is tried again."""
        self.folder.touch()
        unsent = UnsentTexts(self.folder, "chat.example:6789")
        unsent.keep([Unsent(1.0, "dev", "hello")])
        self.folder.unlink()
        unsent.keep([Unsent(1.0, "dev", "hello")])
        self.assertEqual(len(UnsentTexts(self.folder, "chat.example:6789").load()), 1)
