"""What things look like: the names of styles that rows are made of, and each theme's colours for them."""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

from chat.client.screen.scrollback import Look

# Colours that can be told apart, and read on the theme's ground.
_NICKS = {
    "dark": (
        "#5fafff", "#5fd75f", "#ffaf5f", "#d787ff", "#5fd7d7", "#ff8787", "#d7d75f", "#87afd7",
        "#87d787", "#ff87d7", "#d7af87", "#afafff",
    ),
    "light": (
        "#005faf", "#007f00", "#af5f00", "#8700af", "#007f7f", "#af0000", "#6f6f00", "#00408f",
        "#2f6f2f", "#af005f", "#7f4f1f", "#4f4faf",
    ),
    "mono": ("bold",) * 12,
}  # fmt: skip
NICK_STYLES = 12

_DARK = {
    "time": "#808080", "answer": "#87afaf", "remark": "#afaf87", "gap": "#ff875f", "coming": "#808080",
    "pending": "#808080 italic", "refused": "#ff5f5f", "mention": "bold #ffd75f", "own": "bold",
    "topic": "bg:#303030 #d0d0d0", "bar": "bg:#303030 #d0d0d0", "bad": "bg:#870000 #ffffff",
    "rule": "#585858", "room": "#b0b0b0", "here": "reverse", "unread": "bold", "meant": "bold #ffd75f",
    "member": "#b0b0b0", "away": "#707070",
}  # fmt: skip
_LIGHT = {
    "time": "#808080", "answer": "#005f5f", "remark": "#5f5f00", "gap": "#af3f00", "coming": "#808080",
    "pending": "#808080 italic", "refused": "#af0000", "mention": "bold #af5f00", "own": "bold",
    "topic": "bg:#d0d0d0 #202020", "bar": "bg:#d0d0d0 #202020", "bad": "bg:#af0000 #ffffff",
    "rule": "#b0b0b0", "room": "#404040", "here": "reverse", "unread": "bold", "meant": "bold #af5f00",
    "member": "#404040", "away": "#909090",
}  # fmt: skip
_MONO = dict.fromkeys(_DARK, "") | {
    "mention": "bold", "own": "bold", "refused": "bold", "gap": "bold", "topic": "reverse", "bar": "reverse",
    "bad": "reverse bold", "here": "reverse", "unread": "bold", "meant": "bold underline",
}  # fmt: skip
_THEMES = {"dark": _DARK, "light": _LIGHT, "mono": _MONO}

LOOKS = {
    Look.SAID: "",
    Look.ACTION: "",
    Look.ANSWER: "class:answer",
    Look.REMARK: "class:remark",
    Look.GAP: "class:gap",
    Look.COMING: "class:coming",
    Look.PENDING: "class:pending",
    Look.REFUSED: "class:refused",
}


def colours(theme: str) -> dict[str, str]:
    """Give the theme's colours by the names of styles."""
    nicks = {f"nick{number}": colour for number, colour in enumerate(_NICKS[theme])}
    return {**_THEMES[theme], **nicks}


@lru_cache(1_024)  # the nicks of a few rooms
def nick_style(nick: str) -> str:
    """Give the style of a nick: the same everywhere and in every run, whatever sign stands before it."""
    return f"class:nick{crc32(nick.lstrip('~').casefold().encode()) % NICK_STYLES}"
