"""What the screen does by itself when it is typed: no server is asked."""

from __future__ import annotations

from chat.client.screen.model import Model
from chat.client.screen.network import explained
from chat.client.screen.scrollback import Look
from chat.client.screen.settings import SettingsError
from chat.local import AtScreen


def obey(asked: AtScreen, model: Model) -> None:
    """Do what is asked, and tell what there is to tell."""
    match asked.name:
        case "set":
            answer = _set(asked.argument, model)
        case "net":
            answer = explained(model.facts().network, model.place)
        case "clear":
            model.windows.current.scrollback.clear()
            answer = []
        case _:  # close, of what is no room
            model.windows.close(model.windows.current.name)
            answer = []
    for each in answer:
        model.tell(each, Look.ANSWER)


def search(words: str, model: Model) -> None:
    """Tell which lines of a window have these words, whose lines no server can look through."""
    found = model.search(words) if words else ["/search: what for? Like this: /search tea"]
    for each in found:
        model.tell(each, Look.ANSWER)


def _set(argument: str, model: Model) -> list[str]:
    try:
        return model.settings.set(argument)
    except SettingsError as error:
        return [str(error)]
