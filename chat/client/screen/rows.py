"""The rows of the model as a part of prompt_toolkit's layout: cells that are made once for each row.

A row that is shown again, wherever it stands then, costs nothing: a key makes no row but its own anew. The
library's own windows would make every cell of every frame: at 300 x 100 longer than people want to wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from prompt_toolkit.layout.containers import Container
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition

from chat.client.screen.text import Row, char_width

ROWS_KNOWN = 1_000  # of which the cells are kept: several of the largest screens
CELLS_KNOWN = 20_000  # kinds of cells: more characters and styles than any screen has

_Cells = defaultdict[int, Char]


class Rows(Container):
    """Shows what `rows` gives for so many columns and rows."""

    def __init__(self, rows: Callable[[int, int], list[Row]]) -> None:
        self._rows = rows
        self._known: dict[tuple[tuple[str, str], ...], _Cells] = {}
        self._chars: dict[tuple[str, str], Char] = {}

    def reset(self) -> None:
        """Nothing is to be forgotten."""

    def preferred_width(self, max_available_width: int) -> Dimension:  # noqa: ARG002
        """Take what there is."""
        return Dimension()

    def preferred_height(self, width: int, max_available_height: int) -> Dimension:  # noqa: ARG002
        """Take what there is."""
        return Dimension()

    def get_children(self) -> list[Container]:
        """There is nothing in it that keys could go to."""
        return []

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,  # noqa: ARG002
        write_position: WritePosition,
        parent_style: str,  # noqa: ARG002
        erase_bg: bool,  # noqa: ARG002
        z_index: int | None,  # noqa: ARG002
    ) -> None:
        """Put the rows' cells in their places, over the screen's whole width."""
        rows = self._rows(write_position.width, write_position.height)
        for number, row in enumerate(rows[: write_position.height]):
            screen.data_buffer[write_position.ypos + number] = self._cells(row)
        screen.width = max(screen.width, write_position.width)
        screen.height = max(screen.height, write_position.ypos + len(rows))

    def _cells(self, row: Row) -> _Cells:
        key = tuple(row)
        cells = self._known.get(key)
        if cells is None:
            if len(self._known) >= ROWS_KNOWN:
                self._known.clear()
            cells = self._known[key] = self._made(row)
        return cells

    def _made(self, row: Row) -> _Cells:
        cells: _Cells = defaultdict(lambda: Char(" ", ""))
        column = 0
        for style, text in row:
            for char in text:
                size = char_width(char)
                if size:
                    cells[column] = self._char(char, style)
                    if size == 2:  # the second half is erased with the first
                        cells[column + 1] = self._char("", style)
                    column += size
                elif column:
                    base = column - 1 if cells[column - 1].char else column - 2
                    cells[base] = self._char(cells[base].char + char, cells[base].style)
        return cells

    def _char(self, char: str, style: str) -> Char:
        found = self._chars.get((char, style))
        if found is None:
            if len(self._chars) >= CELLS_KNOWN:
                self._chars.clear()
            found = self._chars[char, style] = Char(char, style)
        return found
