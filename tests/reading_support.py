"""What the tests of who may read what share: a hub on a store, and all that each member is told."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from chat.fields import FETCH_LIMIT
from chat.hub.effects import Commit, Effect, Publish, Read, Send
from chat.hub.hub import Hub
from chat.hub.owners import log_name
from chat.limits import NO_LIMITS, Limits
from chat.memos import decode_memos, encode_memo
from chat.messages import (
    DIRECT,
    LOBBY,
    PLAIN_VERSION,
    PROTOCOL_VERSION,
    Bye,
    Done,
    Entry,
    Fetch,
    Hello,
    Join,
    Kind,
    Link,
    Nick,
    Part,
    Rejected,
    Release,
    Request,
    Say,
    Topic,
    Welcome,
)
from chat.store.memory import MemoryStore
from chat.stored import Fact
from tests.hub_support import DEN, START

AT = 1_700_000_000.0  # seconds since 1970, when the clock of the hub shows START
KEYS = {nick: nick.encode().ljust(32, b"!") for nick in ("ann", "phone", "bob", "eve", "tess", "tim", "zoe")}
PLAIN = ("pat", "tess", "tim")  # who speak text; the last two inside DTLS, with a certificate
UNKNOWN_LOG = log_name(b"nobody".ljust(32, b"!"))
T = TypeVar("T")


def client_of(name: str) -> bytes:
    """Give the id of a member."""
    return name.encode().ljust(16, b".")


def log_of(name: str) -> str:
    """Give the log of who has this key, or the one that those without a key share."""
    return log_name(KEYS.get(name)) or DIRECT


def result_of(deferred: Deferred[T]) -> T:
    """Give what a store in memory answers at once."""
    results: list[T] = []
    deferred.addCallback(results.append)
    return results[0]


class Chat:
    """A hub and a store, and what a server does between them. `told` is what each member was told, by name.

    `held` are questions to the store while `is_slow`; they are answered when a test says so.
    """

    def __init__(self, before: Chat | None = None) -> None:
        self.hub = Hub(random=lambda size: bytes(range(size)), limits=Limits(NO_LIMITS))
        contents = None if before is None else before.store.contents
        self.store: MemoryStore = MemoryStore(lambda: AT, contents=contents)
        self.told: defaultdict[str, list[Any]] = defaultdict(list)
        self.held: list[Read] = []
        self.is_slow = False
        self._facts: deque[Fact] = deque()
        self.numbers: defaultdict[str, int] = defaultdict(int) if before is None else before.numbers
        heads = result_of(self.store.heads())
        self.hub.restore(heads)
        memos: dict[str, bytes] = result_of(self.store.remembered())
        self.hub.recall(decode_memos(memos), START, AT)
        newest = max([heads.base, *(room.head for room in heads.rooms.values())])
        result_of(self.store.subscribe(self._facts.append, newest))

    def perform(self, effects: list[Effect]) -> None:
        """Do what the hub wants, and what comes of that; remember what it wants remembered."""
        waiting = deque(effects)
        while waiting:
            match waiting.popleft():
                case Send(client, message):
                    self.told[_name(client)].append(message)
                case Publish(clients, broadcast, _):
                    for client in clients:
                        self.told[_name(client)].append(broadcast)
                case Commit() as commit:
                    result = result_of(self.store.append(commit.draft, commit.last))
                    while self._facts:
                        waiting += self.hub.committed(self._facts.popleft())
                    waiting += self.hub.appended(commit.token, result)
                case Read() as read:
                    self.held.append(read)
        changes = self.hub.memos_to_keep().items()
        kept = {key: None if memo is None else encode_memo(memo) for key, memo in changes}
        result_of(self.store.remember(kept))
        if not self.is_slow:
            self.answer()

    def answer(self) -> None:
        """Let the store answer what it was asked."""
        held, self.held = self.held, []
        for read in held:
            fetch = read.fetch
            page = result_of(self.store.read(fetch.room, fetch.after, fetch.before, fetch.limit))
            self.perform(self.hub.answered(read.token, page))

    def ask(self, name: str, *requests: Request, key: str = "") -> list[Any]:
        """Let a member ask, and give all that it is told because of that. `key` is whose key it shows."""
        before = len(self.told[name])
        for request in requests:
            self.perform(self.hub.apply(client_of(name), request, START, KEYS.get(key or name)))
        return self.told[name][before:]

    def enter(self, name: str, *rooms: str, nick: str = "", link: str = "") -> list[Any]:
        """Let somebody come in, into rooms and into its log, if it has one and speaks frames."""
        version = PLAIN_VERSION if name in PLAIN else PROTOCOL_VERSION
        told = self.ask(name, Hello(version, client_of(name), nick or name, link))
        (welcome,) = (message for message in told if isinstance(message, Welcome))
        log = [welcome.direct] if welcome.direct and name not in PLAIN else []
        return told + self.ask(name, *(Join(1, room) for room in (*rooms, *log)))

    def say(self, name: str, room: str, text: str) -> list[Any]:
        """Let a member say something."""
        self.numbers[name] += 1
        n = self.numbers[name]
        return self.ask(name, Say(n, n, room, Kind.SAY, text))


def _name(client: bytes) -> str:
    return client.rstrip(b".").decode()


def texts(messages: list[Any]) -> str:
    """Give the texts of the entries among messages, each once, in order: here each is a letter."""
    found = dict.fromkeys(message.text for message in messages if isinstance(message, Entry))
    return "".join(sorted(text for text in found if len(text) == 1))


def codes(messages: list[Any]) -> list[str]:
    """Give the codes of refusals."""
    return [message.code for message in messages if isinstance(message, Rejected)]


def fetches(room: str) -> dict[str, Fetch]:
    """Give every way to ask for all of a room."""
    return {
        "the newest": Fetch(5, room, None, None, FETCH_LIMIT),
        "after": Fetch(5, room, 0, None, FETCH_LIMIT),
        "before": Fetch(5, room, None, 1 << 53, FETCH_LIMIT),
        "between": Fetch(5, room, 0, 1 << 53, FETCH_LIMIT),
        "age": Fetch(5, room, None, None, FETCH_LIMIT, 3_600),
    }


def tell_the_story(chat: Chat) -> str:
    """Let everybody come in, and let each letter be said to whom it stands for.

    In the lobby (L), in the den before and after bob left it (d, D), to ann by two of her nicks (A, a), to
    eve who has one of those by now (E, o), to bob (B), to kim and pat who have no key (K, P), to tess and tim
    who speak text and have one (T; M: while he is away), to gil (G), and to who took that nick from gil (g).
    Gives the code with which ann's phone was linked.
    """
    for name in ("sam", "bob", "eve", "kim", "pat", "tess", "tim", "gil"):
        chat.enter(name, LOBBY)
    chat.enter("ann", LOBBY, DEN, nick="old")
    told = chat.ask("ann", Nick(3, "ann"), Topic(4, DEN, "cushions"), Link(5))
    (code,) = (str(done.result) for done in told if isinstance(done, Done) and done.id == 5)
    chat.enter("phone", LOBBY, link=code)
    chat.say("sam", LOBBY, "L")
    chat.ask("bob", Join(3, DEN))
    chat.say("ann", DEN, "d")
    chat.ask("bob", Part(4, DEN))
    chat.say("ann", DEN, "D")
    chat.say("sam", "@ann", "A")
    chat.say("sam", "@old", "a")
    chat.ask("ann", Release(6, "old"))
    chat.ask("eve", Nick(3, "old"), Nick(4, "eve"))
    chat.say("sam", "@old", "o")
    chat.ask("tim", Bye())
    for nick, text in (("eve", "E"), ("bob", "B"), ("kim", "K"), ("pat", "P"), ("tess", "T"), ("tim", "M")):
        chat.say("sam", f"@{nick}", text)
    chat.say("sam", "@gil", "G")
    chat.ask("gil", Bye())
    chat.enter("gul", LOBBY, nick="gil")
    chat.say("sam", "@gil", "g")
    chat.enter("tim", LOBBY)
    return code
