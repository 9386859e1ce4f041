"""The screen itself: rows from the model, and the line that is typed, on a terminal.

This module loads neither Twisted nor the chat, so that the prompt is there before they are: what is typed
until then waits. Nothing here decides what is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.history import History
from prompt_toolkit.layout import BufferControl, HSplit, Layout, Window
from prompt_toolkit.layout.containers import ConditionalContainer
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.styles import DynamicStyle, Style
from prompt_toolkit.widgets import SearchToolbar

from chat.client.screen.complete import Completion, Known
from chat.client.screen.keys import bindings
from chat.client.screen.memory import TypedLines
from chat.client.screen.mentions import notification, title
from chat.client.screen.model import Model
from chat.client.screen.rows import Rows
from chat.client.screen.text import width
from chat.client.screen.theme import colours
from chat.client.shell import terminal_again

REDRAW_SECONDS = 1 / 20  # between two for what happens; a key is answered at once
REFRESH_SECONDS = 1.0  # of what counts seconds
PASTE_LINES = 500  # lines of one paste: half of what may wait for the server
TYPED_AHEAD = PASTE_LINES + 100  # lines that wait until the chat is loaded, which takes half a second
PROMPT = "> "
_SHOWN = 24  # characters of a paste in the question whether to say it
_TITLE_SAVED, _TITLE_BACK = "\x1b[22;2t", "\x1b[23;2t"  # xterm's stack of titles


class Doings(NamedTuple):
    """What the chat does for the screen."""

    typed: Callable[[str, bool], None]  # a line, and whether it is of a paste
    older: Callable[[], None]
    again: Callable[[], None]
    drop: Callable[[], None]
    known: Callable[[], Known]


class _History(History):
    """What was typed, in this run and before."""

    def __init__(self, lines: TypedLines | None) -> None:
        super().__init__()
        self._lines = lines

    def load_history_strings(self) -> Iterable[str]:
        """Give them, the newest first."""
        return reversed(self._lines.load()) if self._lines is not None else []

    def store_string(self, string: str) -> None:
        """Remember one more."""
        if self._lines is not None:
            self._lines.add(string)


class App:
    """One screen for one model."""

    def __init__(
        self,
        model: Model,
        typed: TypedLines | None,
        environ: Mapping[str, str],
        application: Callable[..., Application[None]] = Application,
    ) -> None:
        self.model = model
        self.completion = Completion()
        self._environ = environ
        self._doings: Doings | None = None
        # lines for the chat once it is there, and whether each is of a paste
        self._ahead: deque[tuple[str, bool]] = deque(maxlen=TYPED_AHEAD)
        self._questions: deque[tuple[str, asyncio.Future[str]]] = deque()  # one who asks waits for the answer
        self._draft = Document()  # what was being typed when a question came
        self._redraw: asyncio.TimerHandle | None = None
        self._title = ""
        self._theme, self._style = "", Style([])
        self.buffer = Buffer(multiline=False, history=_History(typed))
        search = SearchToolbar()
        line = BufferControl(
            self.buffer,
            input_processors=[BeforeInput(lambda: self.prompt, style="class:prompt")],
            search_buffer_control=search.control,
            preview_search=True,
        )
        rows = Rows(self._rows)
        searching = ConditionalContainer(search, is_searching)
        self.application = application(
            layout=Layout(
                HSplit([rows, searching, Window(line, height=1, get_horizontal_scroll=self._line_scroll)]),
                focused_element=line,
            ),
            key_bindings=bindings(self),
            style=DynamicStyle(self._styles),
            full_screen=True,
            refresh_interval=REFRESH_SECONDS,
            before_render=lambda _: self._announce(),
        )

    # --- what the chat does with it

    async def run(self) -> None:
        """Show the screen until the person leaves."""
        output = self.application.output
        output.write_raw(_TITLE_SAVED)
        try:
            with terminal_again():
                await self.application.run_async(handle_sigint=False, set_exception_handler=False)
        finally:
            if self._redraw is not None:
                self._redraw.cancel()
            output.write_raw(_TITLE_BACK)
            output.flush()

    def ready(self, doings: Doings) -> None:
        """Let the chat have what was typed, and what will be."""
        self._doings = doings
        while self._ahead and not self._questions:
            doings.typed(*self._ahead.popleft())
        self.touch()

    async def ask(self, question: str) -> str:
        """Ask a question in place of the prompt; gives the answer, without white space around it."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if not self._questions:
            self._draft = self.buffer.document
            self.buffer.reset()
        self._questions.append((question, answer))
        if self._ahead and self._doings is None:
            self._answer(self._ahead.popleft()[0])
        self.touch()
        return await answer

    def touch(self) -> None:
        """Show soon what has changed: many changes are shown at once."""
        if self._redraw is None and self.application.is_running:
            self._redraw = asyncio.get_running_loop().call_later(REDRAW_SECONDS, self._show)

    def leave(self) -> None:
        """Let the screen go."""
        if self.application.is_running and not self.application.future.done():  # type: ignore[union-attr]
            self.application.exit()

    # --- what keys do

    @property
    def prompt(self) -> str:
        """Give what stands before the line that is typed."""
        return self._questions[0][0] if self._questions else PROMPT

    def enter(self) -> None:
        """Take the line."""
        line = self.buffer.text
        if self._questions:
            self.buffer.reset()
            self._answer(line)
            return
        self.buffer.reset(append_to_history=bool(line.strip()))
        self.model.to_end()
        self._typed(line)

    def tab(self, *, back: bool = False) -> None:
        """Complete the word before the cursor."""
        if self._doings is not None and not self._questions:
            text, cursor = self.completion.press(
                self.buffer.text, self.buffer.cursor_position, self._doings.known(), back=back
            )
            self.buffer.document = Document(text, cursor)

    def paste(self, text: str) -> None:
        """Take a paste: of several lines only if the person says so."""
        lines = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.strip()]
        if len(lines) < 2 or self._questions:
            self.buffer.insert_text(" ".join(lines))
            return
        if len(lines) > PASTE_LINES:
            self.model.tell(
                f"-- that paste has {len(lines)} lines: at most {PASTE_LINES} are said at once --"
            )
            return
        task = asyncio.ensure_future(self._say_all(lines))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def scroll(self, pages: float) -> None:
        """See older lines (newer, if positive), which the server is asked for if there are none."""
        if self.model.scroll(pages) and self._doings is not None:
            self._doings.older()

    def show(self, name: str | None) -> None:
        """See another window; what was typed and not said stays in the one that was seen."""
        windows = self.model.windows
        if name is None or name == windows.current.name or self._questions:
            return
        windows.current.draft = self.buffer.text
        self.model.show(name)
        self._resume()

    def seen(self, name: str) -> None:
        """Go on with what was being typed here, if that is another window than the one of this name."""
        if self.model.windows.current.name != name:
            self._resume()

    def _resume(self) -> None:
        draft = self.model.windows.current.draft
        self.buffer.reset(Document(draft, len(draft)))

    def again(self) -> None:
        """Say once more what was not accepted."""
        if self._doings is not None:
            self._doings.again()

    def drop(self) -> None:
        """Drop what was not accepted."""
        if self._doings is not None:
            self._doings.drop()

    # --- inside

    async def _say_all(self, lines: list[str]) -> None:
        before = self.buffer.document
        shown = lines[0][:_SHOWN] + ("…" if len(lines[0]) > _SHOWN else "")
        answer = await self.ask(f'say {len(lines)} lines, from "{shown}" on? y/n: ')
        if answer.lower() in ("y", "yes"):
            first = before.text_before_cursor + lines[0]
            self.buffer.reset()
            for line in [first, *lines[1:-1], lines[-1] + before.text_after_cursor]:
                self._typed(line, is_pasted=True)

    def _typed(self, line: str, *, is_pasted: bool = False) -> None:
        if self._doings is None:
            self._ahead.append((line, is_pasted))
        else:
            self._doings.typed(line, is_pasted)

    def _answer(self, line: str) -> None:
        _, answer = self._questions.popleft()
        if not self._questions:
            self.buffer.reset(self._draft)
        if not answer.done():
            answer.set_result(line.strip())

    def _rows(self, columns: int, rows: int) -> list[list[tuple[str, str]]]:
        return self.model.rows(columns, rows + 1)

    def _line_scroll(self, line: Window) -> int:
        """Say how much of the typed line is left of the screen: nothing, if all before the cursor fits."""
        before = width(self.prompt) + width(self.buffer.document.text_before_cursor)
        return 0 if before < self.application.output.get_size().columns else line.horizontal_scroll

    def _show(self) -> None:
        self._redraw = None
        self.application.invalidate()

    def _styles(self) -> Style:
        theme = self.model.settings["theme"]
        if theme != self._theme:
            self._theme, self._style = theme, Style.from_dict(colours(theme))
        return self._style

    def _announce(self) -> None:
        """Ring, notify and set the title, as the model wants it."""
        model, output = self.model, self.application.output
        while model.calls:
            call = model.calls.popleft()
            if call.rings:
                output.bell()
            if call.summary:
                output.write_raw(notification(self._environ, call.summary, call.text))
        wanted = ""
        if model.settings["title"] == "on":
            wanted = title(model.windows.current.name, model.place, *model.windows.unread)
        if wanted != self._title:
            self._title = wanted
            with contextlib.suppress(NotImplementedError):
                output.set_title(wanted)
