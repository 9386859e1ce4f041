"""The user's own settings, in a file for people to read and to edit: `settings.toml`.

`/set` changes them. A file that cannot be read costs one line that says so, and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chat.errors import ChatError

FILE = "settings.toml"
FILE_BYTES = 262_144  # of it: all that may be ignored, many times
MOST_IGNORED = 100  # nicks: as many as a visit takes

_HEAD = "# The settings of udpchat: what /set and /ignore have changed. See docs/client.md.\n"


class SettingsError(ChatError):
    """A setting, or the file, is not what it should be; the text says what is wrong, and what is right."""


class Setting(NamedTuple):
    """One setting: what it may be, the first being the default, and what it does."""

    name: str
    values: tuple[str, ...]
    help: str


SETTINGS = (
    Setting("joins", ("smart", "all", "none"), "who comes and goes: of those who spoke lately, all, nobody"),
    Setting("time", ("minutes", "seconds", "off"), "the time before each line"),
    Setting("theme", ("dark", "light", "mono"), "the colours"),
    Setting("bell", ("mention", "off", "all"), "the bell: when somebody means you, never, at each line"),
    Setting("notify", ("mention", "off", "all"), "notifications of the desktop, if the terminal has them"),
    Setting("title", ("on", "off"), "what is unread in the terminal's title"),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


class Settings:
    """Values by name, and the nicks whose lines are not shown. `save` writes them; it may raise `OSError`."""

    def __init__(self, save: Callable[[str], None] = lambda _: None) -> None:
        self.values = {setting.name: setting.values[0] for setting in SETTINGS}
        self.ignored: list[str] = []
        self._save = save

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def set(self, argument: str) -> list[str]:
        """Do what `/set argument` says; give the answer. Raises `SettingsError`."""
        name, _, value = (part.strip() for part in argument.partition(" "))
        if not name:
            return [self._line(setting) for setting in SETTINGS]
        setting = _BY_NAME.get(name)
        if setting is None:
            raise SettingsError(f"there is no setting {name[:32]}: /set lists them")
        if value:
            if value not in setting.values:
                raise SettingsError(f"{name} is one of {', '.join(setting.values)}")
            self.values[name] = value
            self._write()
        return [self._line(setting)]

    def ignore(self, nicks: Sequence[str]) -> None:
        """Keep whom the person ignores. Raises `SettingsError` if that cannot be kept."""
        if list(nicks) != self.ignored:
            self.ignored = list(nicks)
            self._write()

    def text(self) -> str:
        """Give what the file says."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.values.items()]
        ignored = ", ".join(json.dumps(nick, ensure_ascii=False) for nick in self.ignored)
        return _HEAD + "\n".join([*lines, f"ignored = [{ignored}]"]) + "\n"

    def read(self, text: str) -> None:
        """Take what a file says. Raises `SettingsError`; what was right in it is taken."""
        import tomllib  # 5 ms, for those who have a file

        try:
            read = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"it is no TOML: {error}") from None
        wrong = []
        for name, value in read.items():
            if name == "ignored" and isinstance(value, list) and all(isinstance(each, str) for each in value):
                self.ignored = value[:MOST_IGNORED]
            elif name in _BY_NAME and value in _BY_NAME[name].values:
                self.values[name] = value
            else:
                wrong.append(name)
        if wrong:
            raise SettingsError(f"not understood: {', '.join(wrong)}")

    def _line(self, setting: Setting) -> str:
        others = ", ".join(setting.values)
        return f"{setting.name} is {self.values[setting.name]} ({others}): {setting.help}"

    def _write(self) -> None:
        try:
            self._save(self.text())
        except OSError as error:
            raise SettingsError(f"that holds until you leave: it cannot be kept: {error}") from None


def load(path: Path) -> tuple[Settings, str]:
    """Give the settings in a file, where it has none the defaults; and what is wrong with it ("": no)."""
    settings = Settings(lambda text: replace(path, text))
    try:
        with path.open(encoding="utf-8") as file:
            settings.read(file.read(FILE_BYTES))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        return settings, f"{path}: {error}: the defaults hold for that"
    return settings, ""


def replace(path: Path, text: str) -> None:
    """Put `text` into a file that only its owner may read: all of it, or nothing. Raises `OSError`."""
    import tempfile  # 10 ms, for those who change something

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # is made with mode 0600
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
