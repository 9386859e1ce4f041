"""Bars as an SVG file: a picture of a table without a library for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, LABEL, BAR, LINE = 760, 150, 500, 22  # pixels
STYLE = "text{font:13px sans-serif} .title{font-weight:bold} rect{fill:#4a7ebb}"


def bars(title: str, groups: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """Give the picture: a group of bars for each title, all groups with scales of their own."""
    parts = [f'<text class="title" x="8" y="18">{escape(title)}</text>']
    y = LINE
    for name, rows in groups:
        y += LINE
        parts.append(f'<text class="title" x="8" y="{y}">{escape(name)}</text>')
        most = max((value for _, value in rows), default=0.0) or 1.0
        for label, value in rows:
            y += LINE
            long = BAR * value / most
            parts.append(f'<text x="{LABEL - 6}" y="{y}" text-anchor="end">{escape(label)}</text>')
            parts.append(f'<rect x="{LABEL}" y="{y - 13}" width="{long:.1f}" height="16"/>')
            parts.append(f'<text x="{LABEL + long + 6:.1f}" y="{y}">{value:.2f}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + LINE}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])
