"""What is not accepted: kept while the program runs, however it ends, and offered at the next start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from chat.client import show
from chat.client.screen.model import Model
from chat.client.screen.unsent import Unsent, UnsentTexts
from chat.errors import RequestRejected
from chat.safety import clean_text

KEEP_SECONDS = 1.0  # between two looks at what would be unsent if the program were killed now
QUESTION = "send them, drop them, or ask later? s/d/l: "


class Leftovers:
    """Of one server. `say` says a line in the window of that name, `ask` asks a question."""

    def __init__(
        self,
        model: Model,
        store: UnsentTexts,
        say: Callable[[str, str], None],
        ask: Callable[[str], Awaitable[str]],
    ) -> None:
        self._model = model
        self._store = store
        self._say, self._ask = say, ask
        self._later = store.load()  # of an earlier run: neither said nor dropped
        self._is_offered = False

    def keep(self) -> None:
        """Write down what is not accepted now, and what was not before."""
        now = [Unsent(own.line.at / 1000, own.window, own.typed) for own in self._model.unsettled]
        self._store.keep([*self._later, *now])

    async def watch(self) -> None:
        """Offer what an earlier run has left, and keep what this one would leave, for ever."""
        if self._later and not self._is_offered:
            self._is_offered = True
            await self._offer()
        while True:
            self.keep()
            await asyncio.sleep(KEEP_SECONDS)

    async def _offer(self) -> None:
        texts = self._later
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(texts[-1].at))
        count = "1 line was" if len(texts) == 1 else f"{len(texts)} lines were"
        self._tell(f"{count} not accepted when you left ({when}), as far as we know:")
        for text in texts:
            self._tell(f"{text.room}: {text.line}")
        answer = (await self._ask(QUESTION)).lower()[:1]
        if answer in ("s", "d"):
            self._later = []
        if answer == "s":
            for text in texts:
                self._send(text)

    def _send(self, text: Unsent) -> None:
        try:
            self._say(text.line, text.room)
        except RequestRejected as refusal:
            self._later.append(text)
            self._tell(f"{refusal.text}; kept for the next start: {text.line}")

    def _tell(self, text: str) -> None:
        self._model.tell(show.remark(clean_text(text)))
