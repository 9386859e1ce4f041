"""The terminal that we share with a shell: who was stopped from outside has it again when it goes on.

This module loads neither Twisted nor the chat, as the full screen wants it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from prompt_toolkit.application.current import get_app_session


@contextmanager
def terminal_again() -> Iterator[None]:
    """Have the terminal again each time that the program goes on, as long as this lasts.

    After a kill -STOP the shell has made it its own: keys come by whole lines there, and are echoed.
    """
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCONT, _take_terminal)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCONT)


def _take_terminal() -> None:
    app = get_app_session().app
    if app is not None and app.is_running:
        app.input.raw_mode().__enter__()  # for the rest of the run, which puts it back
        app.renderer.erase()
        app.renderer.request_absolute_cursor_position()  # on which it depends what there is room for
        app.invalidate()
