"""The law of private rooms: to others they are as if they were not there.

Two chats go through the same story, but for the name of the private room that ann and bob talk in. Whatever
somebody else asks about the name that is taken in the one and free in the other, the answers are the same;
only who asks to join it is refused where there would be a room otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from chat.messages import (
    LOBBY,
    Bye,
    Fetch,
    Hello,
    Join,
    Joined,
    Kind,
    Motd,
    Names,
    Nick,
    Part,
    Ping,
    Rooms,
    Say,
    ShownUpTo,
    Topic,
)
from chat.messages import Request as AnyRequest
from chat.orders import Order, Verb
from tests.reading_support import Chat, client_of, codes

TAKEN, FREE = "den", "eel"
OUTSIDERS = ("eve", "kim", "pat")  # with a key, without one, and at the plain door

# What those inside do, in the room that is private.
inside = st.sampled_from(
    [
        ("ann", Topic(9, TAKEN, "cushions")),
        ("ann", Order(9, "mode", TAKEN, "+k", "sesame")),
        ("ann", Order(9, "mode", TAKEN, "-k")),
        ("ann", Order(9, "mode", TAKEN, "+v")),
        ("ann", Order(9, "invite", TAKEN, "bob")),
        ("bob", Join(9, TAKEN)),
        ("bob", Part(9, TAKEN)),
        ("ann", Part(9, TAKEN)),
        ("ann", Join(9, TAKEN)),
        ("bob", Nick(9, "rob")),
        ("bob", Bye()),
    ]
)
names = st.sampled_from([TAKEN, TAKEN, TAKEN, LOBBY, FREE + "x"])
people = st.sampled_from(["ann", "bob", "eve", "zoe", "kim"])
numbers = st.integers(0, 1 << 53)
orders = st.builds(
    Order,
    st.just(8),
    st.sampled_from([*Verb, "fly"]),
    names | st.just(""),
    people | st.sampled_from(["", "+i", "-i", "+k", "+t"]),
    st.sampled_from(["", "sesame"]),
    st.just(0) | numbers,
)
asked: st.SearchStrategy[AnyRequest] = st.one_of(
    st.builds(Names, st.just(8), names, people | st.just("")),
    st.builds(Rooms, st.just(8), st.just("") | names),
    st.builds(Topic, st.just(8), names, st.none() | st.just("tea")),
    st.builds(Fetch, st.just(8), names, st.none() | numbers, st.none() | numbers, st.just(256), st.just(0)),
    st.builds(Part, st.just(8), names),
    st.builds(
        Ping, st.just(8), st.just(1), st.lists(st.builds(ShownUpTo, names, numbers), max_size=2).map(tuple)
    ),
    st.builds(Motd, st.just(8)),
    st.builds(Nick, st.just(8), people),
    orders,
)
story = st.lists(
    st.tuples(st.just("in"), inside)
    | st.tuples(st.just("say"), st.sampled_from(["ann", "bob"]))
    | st.tuples(st.sampled_from(OUTSIDERS), asked)
    | st.tuples(st.sampled_from(OUTSIDERS), names),
    max_size=25,
)


def within(room: str, request: Any) -> Any:
    """Give a request about the private room with its name in this chat."""
    return msgspec.structs.replace(request, room=room) if hasattr(request, "room") else request


def told(room: str, steps: list[tuple[str, Any]]) -> list[Any]:
    """Go through a story whose private room is `room`; give what outsiders were told, step by step."""
    chat = Chat()
    for name in ("ann", "bob", *OUTSIDERS):
        chat.enter(name, LOBBY)
    chat.ask("ann", Join(5, room), Order(6, "mode", room, "+i"), Order(7, "invite", room, "bob"))
    numbers = dict.fromkeys(OUTSIDERS, 0)
    answers: list[Any] = []
    for who, what in steps:
        before = {name: len(chat.told[name]) for name in OUTSIDERS}
        if who == "in":
            chat.ask(what[0], within(room, what[1]))
        elif who == "say":
            chat.say(what, room, "secret")
        elif isinstance(what, str):
            numbers[who] += 1
            chat.ask(who, Say(8, numbers[who], what, Kind.SAY, "hello"))
        else:
            chat.ask(who, what)
        answers.append((who, what, [chat.told[name][before[name] :] for name in OUTSIDERS]))
    return answers


class PrivateRoomTests(SynchronousTestCase):
    """Nobody outside sees that there is one."""

    @given(story)
    def test_nothing_shows_it(self, steps: list[tuple[str, Any]]) -> None:
        """Every answer, and everything told unasked, is what it would be were the name free."""
        for taken, free in zip(told(TAKEN, steps), told(FREE, steps), strict=True):
            self.assertEqual(taken, free)

    @given(story)
    def test_joining(self, steps: list[tuple[str, Any]]) -> None:
        """Whatever was done inside, who was not invited does not get in without the key."""
        chat = Chat()
        for name in ("ann", "bob", *OUTSIDERS):
            chat.enter(name, LOBBY)
        chat.ask("ann", Join(5, TAKEN), Order(6, "mode", TAKEN, "+i"), Order(7, "invite", TAKEN, "bob"))
        for who, what in steps:
            if who == "in":
                chat.ask(*what)
        for name in OUTSIDERS:
            for key in ("", "guess"):
                self.assertEqual(codes(chat.ask(name, Join(8, TAKEN, key))), ["NO_SUCH_ROOM"])

    def test_the_test_can_fail(self) -> None:
        """Were the room public, its list of names would show who is in it."""
        chat = Chat()
        chat.enter("ann", TAKEN)
        chat.ask("eve", Hello(1, client_of("eve"), "eve"))
        self.assertTrue(any(isinstance(each, Joined) for each in chat.ask("eve", Join(8, TAKEN))))
