"""A terminal emulator's screen as an SVG file: text that any browser shows, no font needed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

import pyte
from pyte.screens import Char

from chat.client.screen.text import width

COLUMN, ROW = 8.4, 18  # pixels
GROUND, INK = "#1c1c1c", "#d0d0d0"
STYLE = "text{font:14px 'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}"


def picture(screen: pyte.Screen, title: str) -> str:
    """Give the picture of a screen, with its cursor."""
    wide, high = screen.columns * COLUMN + 16, screen.lines * ROW + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="100%" height="100%" rx="6" fill="{GROUND}"/>',
    ]
    for number in range(screen.lines):
        parts += _row(screen, number)
    x, y = 8 + screen.cursor.x * COLUMN, 8 + screen.cursor.y * ROW
    parts.append(f'<rect x="{x:.1f}" y="{y}" width="{COLUMN}" height="{ROW}" fill="{INK}" opacity="0.7"/>')
    return "\n".join([*parts, "</svg>", ""])


def _row(screen: pyte.Screen, number: int) -> Iterator[str]:
    """Give a row: each piece of one style where it belongs, as wide as its cells."""
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    y = 8 + number * ROW
    column = 0
    for (ink, ground, is_bold), group in groupby(cells, key=_look):
        text = "".join(cell.data for cell in group)
        x, size = 8 + column * COLUMN, width(text)
        column += size
        if ground != GROUND:
            yield (f'<rect x="{x:.1f}" y="{y}" width="{size * COLUMN:.1f}" height="{ROW}" fill="{ground}"/>')
        for found in re.finditer(r"\S+(?: \S+)*", text):
            begin, said = width(text[: found.start()]), found[0]
            weight = ' font-weight="bold"' if is_bold else ""
            yield (
                f'<text x="{x + begin * COLUMN:.1f}" y="{y + 14}" fill="{ink}"{weight}'
                f' textLength="{width(said) * COLUMN:.1f}">{escape(said)}</text>'
            )


def _look(cell: Char) -> tuple[str, str, bool]:
    ink, ground = _colour(cell.fg, INK), _colour(cell.bg, GROUND)
    return (ground, ink, cell.bold) if cell.reverse else (ink, ground, cell.bold)


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return f"#{name}" if re.fullmatch(r"[0-9a-f]{6}", name) else name
