"""What each key does. The line's own keys (Ctrl-A, E, K, U, W, R, Up, Down) are the terminal library's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from prompt_toolkit.application.current import get_app
from prompt_toolkit.filters import Condition, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

if TYPE_CHECKING:
    from chat.client.screen.app import App

NUMBERS = "123456789"


def bindings(app: App) -> KeyBindings:
    """Give the keys of the screen."""
    keys = KeyBindings()
    _line_keys(app, keys)
    _window_keys(app, keys)
    return keys


def _line_keys(app: App, keys: KeyBindings) -> None:
    is_typing = ~is_searching
    is_empty = Condition(lambda: not app.buffer.text)

    @keys.add("enter", filter=is_typing)
    def _(_: KeyPressEvent) -> None:
        app.enter()

    @keys.add("tab", filter=is_typing)
    def _(_: KeyPressEvent) -> None:
        app.tab()

    @keys.add("s-tab", filter=is_typing)
    def _(_: KeyPressEvent) -> None:
        app.tab(back=True)

    @keys.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        app.paste(event.data)

    @keys.add("c-d", filter=is_typing & is_empty)
    @keys.add("c-c")
    def _(_: KeyPressEvent) -> None:
        app.leave()

    @keys.add("c-z")
    def _(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    @keys.add("c-l")
    def _(_: KeyPressEvent) -> None:
        get_app().renderer.clear()


def _window_keys(app: App, keys: KeyBindings) -> None:
    windows = app.model.windows

    def bind(what: Callable[[], None], *pressed: str) -> None:
        keys.add(*pressed)(lambda _: what())

    for number in NUMBERS:
        bind(partial(_show_number, app, int(number)), "escape", number)
    bind(lambda: app.show(windows.beside(1)), "c-n")
    bind(lambda: app.show(windows.beside(-1)), "c-p")
    bind(lambda: app.show(windows.next_active()), "escape", "a")
    bind(lambda: app.scroll(-1), "pageup")
    bind(lambda: app.scroll(1), "pagedown")
    bind(app.again, "escape", "r")
    bind(app.drop, "escape", "x")


def _show_number(app: App, number: int) -> None:
    app.show(app.model.windows.at(number))
