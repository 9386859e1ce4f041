"""What a name looks like, whatever it is made of: the skeletons of Unicode's UTS #39, section 4.

Two names with one skeleton cannot be told apart at a glance: Latin and Cyrillic a, capital I and small l, m
and rn. A skeleton is for comparing only. The table is that of Unicode, as the package homoglyphs_fork brings
it; it is read when it is first needed, which takes a tenth of a second.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

_ALSO = {"i": "I"}  # capitals are small letters elsewhere, so what looks like I is like i too
_SHOWN_AROUND = "\u200e"  # what that table writes around what runs from right to left


def skeleton(name: str) -> str:
    """Give what all names have in common that look like `name`, in capitals or not."""
    table = _table()
    likeness = unicodedata.normalize("NFD", name).translate(table)
    return unicodedata.normalize("NFD", likeness.casefold()).translate(table)


@cache
def _table() -> dict[int, str]:
    """Give the one character or the few that stand for each that looks like others."""
    text = files("homoglyphs_fork").joinpath("confusables.json").read_text(encoding="utf-8")
    table: dict[int, str] = {}
    for alike in _groups([*json.loads(text).items(), *_ALSO.items()]):
        first = min(alike, key=_order)
        table.update((ord(each), first) for each in alike if len(each) == 1 and each != first)
    return table


def _groups(pairs: Iterable[tuple[str, Iterable[str]]]) -> Iterable[set[str]]:
    """Give what looks alike, all of it that is linked by pairs together."""
    groups: dict[str, set[str]] = {}
    for one, others in pairs:
        group = groups.setdefault(one.strip(_SHOWN_AROUND), {one.strip(_SHOWN_AROUND)})
        for other in (other.strip(_SHOWN_AROUND) for other in others):
            joined = groups.get(other, {other})
            if joined is not group:
                group |= joined
                groups.update(dict.fromkeys(joined, group))
    return {id(group): group for group in groups.values()}.values()


def _order(alike: str) -> tuple[bool, bool, bool, bool, str]:
    """Give which of those that look alike stands for them: several characters, for one has no other way.

    Else a small letter, else a capital, so that capitals can be made small afterwards.
    """
    return len(alike) == 1, not alike.isascii(), not alike.islower(), not alike.isalpha(), alike
