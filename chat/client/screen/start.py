"""From nothing to a screen: the prompt first, then, while one types already, the chat behind it.

Twisted and the chat take longer to load than the terminal library, so they are loaded by a thread; then the
one reactor runs on the loop that the screen has been running on.
"""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import signal
import time
from importlib import import_module
from typing import TYPE_CHECKING

from chat.client.screen.app import App
from chat.client.screen.files import memory_folder, settings_folder
from chat.client.screen.memory import TypedLines
from chat.client.screen.model import Model
from chat.client.screen.settings import FILE, Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from chat.client.wishes import Wishes

TYPED_FILE = "typed_lines"
_TALK = "chat.client.screen.talk"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C is a key here, kill -INT is not


def open_screen(room: str) -> tuple[App, asyncio.AbstractEventLoop]:
    """Give a screen with one window, and the loop that it is to run on."""
    settings, problem = _settings()
    model = Model(room, settings, time.monotonic, time.time)
    if problem:
        model.tell(f"-- {problem} --")
    memory = memory_folder()
    # select(2): as `chat.client.loop` has it, whose reactor runs on this loop
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    asyncio.set_event_loop(loop)
    return App(model, None if memory is None else TypedLines(memory / TYPED_FILE), os.environ), loop


def run_screen(wishes: Wishes, complain: Callable[[str], None]) -> int:
    """Show the screen until the person leaves; gives the exit code. Raises what the visit fails with."""
    app, loop = open_screen(wishes.room)
    screen = loop.create_task(app.run())
    signals = _ends(loop, screen)
    is_loaded = loop.run_until_complete(_load_chat(app, screen))
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
    if signals:
        return 128 + signals[0]
    if not is_loaded:
        return 0
    return _chat(wishes, app, screen, loop, complain)


def _ends(loop: asyncio.AbstractEventLoop, screen: asyncio.Task[None]) -> list[int]:
    """Let a signal end the screen before there is a visit: the terminal is as it was then.

    Gives where the signals that came are kept.
    """
    came: list[int] = []

    def end(number: int) -> None:
        came.append(number)
        screen.cancel()

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
    return came


async def _load_chat(app: App, screen: asyncio.Task[None]) -> bool:
    """Load the chat once the first rows are there. False: the person has left meanwhile."""
    painted = asyncio.Event()
    app.application.after_render += lambda _: painted.set()
    await asyncio.wait({screen, asyncio.ensure_future(painted.wait())}, return_when=asyncio.FIRST_COMPLETED)
    loading = asyncio.get_running_loop().run_in_executor(None, import_module, _TALK)
    waiting = [asyncio.ensure_future(asyncio.wait({each})) for each in (screen, loading)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if screen.done():
        return (
            not screen.cancelled() and screen.exception() is None
        )  # what went wrong is raised by whoever waits for it
    loading.result()
    return True


def _chat(
    wishes: Wishes,
    app: App,
    screen: asyncio.Task[None],
    loop: asyncio.AbstractEventLoop,
    complain: Callable[[str], None],
) -> int:
    from twisted.internet.defer import Deferred

    from chat.client.loop import complain_of_warnings, install, run
    from chat.client.screen.talk import Talk
    from chat.safety import clean_text

    def complain_here(problem: str) -> None:
        """Say on the screen what is wrong, as long as there is one."""
        if app.application.is_running:
            for line in problem.splitlines():
                app.model.tell(f"-- {clean_text(line)} --")
            app.touch()
        else:
            complain(problem)

    gc.freeze()  # what is loaded stays: to look through it for garbage takes longer than a key may
    complain_of_warnings(complain_here)
    reactor = install(loop)
    talk = Talk(reactor, wishes, app, memory_folder())
    try:
        return run(reactor, lambda: Deferred.fromFuture(asyncio.ensure_future(talk.visit(screen))))
    finally:
        if talk.end:
            print(talk.end)


def _settings() -> tuple[Settings, str]:
    folder = settings_folder()
    return load(folder / FILE) if folder is not None else (Settings(), "")
