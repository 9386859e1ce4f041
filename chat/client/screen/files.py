"""Where the user's settings are, and what is remembered between two runs. None: this user has no home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import platformdirs

_HOLDER = "udpchat"


def settings_folder() -> Path | None:
    """Give the folder of the user's settings: XDG_CONFIG_HOME/udpchat, which need not exist."""
    return _at_home(platformdirs.user_config_path)


def memory_folder() -> Path | None:
    """Give the folder of what is remembered: XDG_STATE_HOME/udpchat/client, which need not exist."""
    folder = _at_home(platformdirs.user_state_path)
    return None if folder is None else folder / "client"


def _at_home(find: Callable[[str], Path]) -> Path | None:
    try:
        path = find(_HOLDER)
    except RuntimeError:  # a user that the system does not know, and no HOME
        return None
    return path if path.is_absolute() else None
