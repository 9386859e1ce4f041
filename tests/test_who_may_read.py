"""Who may read what, by any way there is: tables of what is expected, held against a hub on a store.

The letters are those of `tests.reading_support.tell_the_story`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from chat.memos import Device, Owner, Reader, memo_key
from chat.messages import (
    DIRECT,
    LOBBY,
    PROTOCOL_VERSION,
    Accepted,
    Bye,
    Delivered,
    Done,
    Entry,
    Fetched,
    Hello,
    Join,
    Joined,
    Kind,
    Names,
    NamesPage,
    Nick,
    Part,
    Ping,
    Pong,
    Presence,
    Release,
    Request,
    Rooms,
    RoomsPage,
    ShownUpTo,
    Topic,
    Welcome,
)
from tests.hub_support import DEN
from tests.reading_support import (
    KEYS,
    UNKNOWN_LOG,
    Chat,
    client_of,
    codes,
    fetches,
    log_of,
    tell_the_story,
    texts,
)

LOGS = {name: log_of(name) for name in ("ann", "bob", "eve", "tess", "tim")}
ROOMS = (LOBBY, DEN, *LOGS.values(), DIRECT, log_of("phone"), UNKNOWN_LOG)

# Who is asked, what was told unasked, what any Fetch gives, the rooms that it is in.
READERS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("ann", "LdDAa", "LdDAa", (LOBBY, DEN, LOGS["ann"])),
    ("phone", "LAa", "LAa", (LOBBY, LOGS["ann"])),  # another key of ann's, never in the den
    ("bob", "LdB", "LB", (LOBBY, LOGS["bob"])),  # has left the den
    ("eve", "LoE", "LoE", (LOBBY, LOGS["eve"])),  # has a nick that was ann's
    ("kim", "LK", "L", (LOBBY,)),  # speaks frames and has no key: what was said to kim is never read again
    ("pat", "LP", "L", (LOBBY,)),  # speaks text at the plain door, or in DTLS without a certificate
    ("tess", "LT", "LT", (LOBBY, LOGS["tess"])),  # speaks text in DTLS, with a certificate
    ("tim", "LM", "LM", (LOBBY, LOGS["tim"])),  # the same; M was said while tim was away
    ("gul", "g", "L", (LOBBY,)),  # has the nick that gil had, who has no key either
    ("sam", "L", "L", (LOBBY,)),  # has written all that and reads none of it
)


class ReadingTestCase(SynchronousTestCase):
    """Everything was said, and everybody but gil is here."""

    def setUp(self) -> None:
        """Tell the story."""
        self.chat = Chat()
        self.code = tell_the_story(self.chat)

    def fetched(self, name: str, room: str) -> str:
        """Give what a member can read of a room, by each kind of Fetch the same."""
        found = set()
        for way, fetch in fetches(room).items():
            told = self.chat.ask(name, fetch)
            if any(isinstance(message, Entry | Fetched) for message in told):
                self.assertEqual(codes(told), [], (name, room, way))
            else:
                self.assertEqual(codes(told), ["NOT_IN_ROOM"], (name, room, way))
            self.assertEqual({entry.room for entry in told if isinstance(entry, Entry)} - {room}, set())
            found.add(texts(told))
        self.assertEqual(len(found), 1, (name, room))
        return found.pop()

    def assert_reads(self, name: str, expected: str) -> None:
        """Let a member ask for every room that there is, and see what comes."""
        found = "".join(self.fetched(name, room) for room in ROOMS)
        self.assertEqual(sorted(found), sorted(expected), name)


class TableTests(ReadingTestCase):
    """One table, and every way to read that there is."""

    def test_unasked(self) -> None:
        """What is said reaches who is there, to one person that person, nobody else."""
        for name, live, _, _ in READERS:
            told = [each for each in self.chat.told[name] if isinstance(each, Entry)]
            entries = [entry.text for entry in told if entry.kind is Kind.SAY]
            self.assertEqual(sorted(entries), sorted(live), name)  # each once
        self.assertEqual(texts(self.chat.told["gil"]), "GL")

    def test_fetching(self) -> None:
        """Forward, backward and by age: the rooms that one is in and one's own log, and no other."""
        for name, _, kept, _ in READERS:
            self.assert_reads(name, kept)

    def test_after_a_restart(self) -> None:
        """The same, for those who are taken back with the rooms that they were in."""
        self.chat = Chat(self.chat)
        for name, _, kept, _ in READERS:
            self.assert_reads(name, kept)

    def test_after_a_restart_that_forgot_who_was_here(self) -> None:
        """Who comes in again reads the lobby, and what was said to the person whose key is shown."""
        for key in (memo for memo in list(self.chat.store.contents.memos) if memo.startswith("seat:")):
            del self.chat.store.contents.memos[key]
        self.chat = Chat(self.chat)
        for name, _, kept, _ in READERS:
            self.chat.enter(name, LOBBY, nick="gil" if name == "gul" else "")
            self.assert_reads(name, kept.replace("d", "").replace("D", ""))

    def test_after_a_restart_that_forgot_a_key(self) -> None:
        """A seat gives nobody a log: whose key is linked no more is in its owner's log no more."""
        for key in (memo_key(Device, KEYS["phone"]), memo_key(Owner, "phone")):
            del self.chat.store.contents.memos[key]
        self.chat = Chat(self.chat)
        self.assert_reads("phone", "L")
        self.chat.say("sam", "@ann", "Z")
        self.assertNotIn("Z", texts(self.chat.told["phone"]))
        self.assert_reads("ann", "LdDAaZ")

    def test_where_rooms_stand(self) -> None:
        """A Pong names the rooms that one is in; nobody hears where another's log stands."""
        for name, _, _, rooms in READERS:
            pongs = [told for told in self.chat.ask(name, Ping(9, 9)) if isinstance(told, Pong)]
            self.assertEqual([{head.room for head in pong.rooms} for pong in pongs], [set(rooms)], name)

    def test_joining(self) -> None:
        """Rooms are for everybody, a log for its owner, and what those without a key share for nobody."""
        for name, _, _, rooms in READERS:
            own = {room for room in rooms if room.startswith(DIRECT)}
            for room in ROOMS:
                told = self.chat.ask(name, Join(9, room))
                if room in (LOBBY, DEN) or room in own:
                    (joined,) = (each for each in told if isinstance(each, Joined))
                    self.assertEqual((joined.room, codes(told)), (room, []), name)
                else:
                    self.assertEqual((len(told), codes(told)), (1, ["NO_SUCH_ROOM"]), (name, room))

    def test_joining_reads_the_room(self) -> None:
        """Who comes into a room later reads all that is kept of it, and nothing more than that."""
        for name, _, kept, _ in READERS:
            self.chat.ask(name, Join(9, DEN))
            self.assert_reads(name, "".join({*kept, *"dD"}))

    def test_asking_about_rooms(self) -> None:
        """Who is in a room and what its topic is: who is in it may know, and nobody sets a log's."""
        for name, _, _, rooms in READERS:
            for room in ROOMS:
                expected = [] if room in rooms else ["NOT_IN_ROOM"]
                told = self.chat.ask(name, Names(9, room))
                self.assertEqual(codes(told), expected, (name, room))
                for done in told:
                    if isinstance(done, Done) and isinstance(done.result, NamesPage):
                        self.assertEqual(done.result.room, room)
                told = self.chat.ask(name, Topic(9, room))
                self.assertEqual(codes(told), expected, (name, room))
                topics = {DEN: "cushions"}
                done_with = [done.result for done in told if isinstance(done, Done)]
                self.assertEqual(done_with, [topics.get(room, "")] if room in rooms else [], (name, room))
                if room.startswith(DIRECT):
                    told = self.chat.ask(name, Topic(9, room, "mine"))
                    self.assertEqual(codes(told), ["NO_SUCH_ROOM" if room in rooms else "NOT_IN_ROOM"])

    def test_the_list_of_rooms(self) -> None:
        """It has the rooms that are for everybody."""
        for name, _, _, _ in READERS:
            for after in ("", "?", DIRECT):
                (page,) = (p for p in self.chat.ask(name, Rooms(9, after)) if isinstance(p, RoomsPage))
                self.assertEqual([row.room for row in page.rooms], [DEN, LOBBY], name)

    def test_what_is_shown(self) -> None:
        """How far a log was shown is its owner's to say; what others say of it changes and tells nothing."""
        upto = 1 << 53
        for name, _, _, _ in READERS:
            for owner, log in LOGS.items():
                if log_of(name) == log or (name, owner) == ("phone", "ann"):
                    continue
                before = len(self.chat.told["sam"])
                told = self.chat.ask(name, Ping(9, 9, (ShownUpTo(log, upto), ShownUpTo(DIRECT, upto))))
                self.assertEqual([type(each) for each in told], [Pong])
                self.assertEqual([m for m in self.chat.told["sam"][before:] if not isinstance(m, Pong)], [])
        before_it = self.seen("ann")
        told = self.chat.ask("phone", Ping(9, 9, (ShownUpTo(LOGS["ann"], upto),)))
        self.assertEqual([type(each) for each in told], [Pong])
        self.assertGreater(self.seen("ann"), before_it)
        self.assertEqual([type(each) for each in self.chat.told["sam"][-2:]], [Delivered, Delivered])

    def seen(self, owner: str) -> int:
        """Give up to where a log was shown, as it is remembered."""
        content = self.chat.store.contents.memos[memo_key(Reader, LOGS[owner])]
        return msgspec.msgpack.decode(content, type=Reader).seen


class NamesOfLogsTests(ReadingTestCase):
    """Nobody learns the name of another's log, or whether there is one."""

    def test_nobody_is_told(self) -> None:
        """Of all that anybody was told in the whole story nothing names the log of another."""
        for name in (*(name for name, *_ in READERS), "gil"):
            own = {room for reader, _, _, rooms in READERS if reader == name for room in rooms}
            for told in self.chat.told[name]:
                for log in {*LOGS.values(), log_of("phone")} - own:
                    self.assertNotIn(log, repr(told), name)
                if isinstance(told, Presence):
                    self.assertFalse(told.room.startswith(DIRECT), (name, told))
                if isinstance(told, Entry) and told.room == DIRECT:
                    self.assertIn(told.text, {"kim": "K", "pat": "P", "gil": "G", "gul": "g"}[name])

    def test_there_or_not(self) -> None:
        """Whatever is asked about another's log has the answer that a log has which does not exist."""
        for name, _, _, rooms in READERS:
            self.chat.say(name, UNKNOWN_LOG, "hi")  # the first text's number may be known to the store
            for log in (*LOGS.values(), DIRECT, log_of("phone")):
                if log not in rooms:
                    self.assertEqual(self.answers(name, log), self.answers(name, UNKNOWN_LOG), (name, log))

    def answers(self, name: str, log: str) -> list[str]:
        """Give what comes of every request that can name a log, with no name in it."""
        requests: list[Request] = [
            *fetches(log).values(),
            Names(9, log),
            Topic(9, log),
            Topic(9, log, "mine"),
            Join(9, log),
            Part(9, log),
            Ping(9, 9, (ShownUpTo(log, 5),)),
        ]
        told = self.chat.ask(name, *requests) + self.chat.say(name, log, "hi")
        told = [msgspec.structs.replace(each, id=0) for each in told]
        named = rf"{re.escape(log)}(?![a-z2-7])|(?<= called ){log[1:]}(?=,)"
        return [re.sub(named, "{log}", repr(each)) for each in told]

    def test_who_is_in_a_log(self) -> None:
        """Nobody is told of who comes into a log or leaves it, and its owner sees only itself there."""
        before = {name: len(told) for name, told in self.chat.told.items()}
        for log in LOGS.values():
            for name, _, _, rooms in READERS:
                if log in rooms:
                    self.chat.ask(name, Part(9, log), Join(10, log))
        for name, told in self.chat.told.items():
            news = [each for each in told[before[name] :] if isinstance(each, Presence)]
            self.assertEqual(news, [], name)
        (done,) = (each for each in self.chat.ask("ann", Names(9, LOGS["ann"])) if isinstance(each, Done))
        assert isinstance(done.result, NamesPage)
        self.assertEqual([row.nick for row in done.result.nicks], ["ann", "phone"])


class LateAnswersTests(ReadingTestCase):
    """What the store answers after things have changed is looked at again."""

    def late(self, name: str, room: str, *then: Request) -> str:
        """Ask for a room, do something else before the answer comes, and give what comes of it."""
        self.chat.is_slow = True
        self.chat.ask(name, fetches(room)["after"])
        self.assertEqual(len(self.chat.held), 1)
        for request in then:
            self.chat.ask(name, request)
        before = len(self.chat.told[name])
        self.chat.is_slow = False
        self.chat.answer()
        told = self.chat.told[name][before:]
        self.assertEqual(bool(texts(told)), any(isinstance(each, Fetched) for each in told))
        return texts(told)

    def test_who_has_left(self) -> None:
        """An answer that comes after its asker has left the room or the chat reaches nobody."""
        for then, expected in self.after("ann", DEN):
            self.assertEqual(self.late("ann", DEN, *then), "Dd" if expected else "", then)

    def test_who_has_left_its_log(self) -> None:
        """The same of a log of direct messages."""
        for then, expected in self.after("phone", LOGS["ann"]):
            self.assertEqual(self.late("phone", LOGS["ann"], *then), "Aa" if expected else "", then)

    def after(self, name: str, room: str) -> Iterator[tuple[tuple[Request, ...], bool]]:
        """Give what may happen before an answer comes, each after the story, and whether it is sent then."""
        hello = Hello(PROTOCOL_VERSION, client_of(name), name)
        for then, is_sent in (
            ((), True),
            ((Nick(8, "other"),), True),
            ((Join(8, room),), True),
            ((Part(8, room),), False),
            ((Join(8, room), Part(9, room)), False),
            ((hello,), False),  # whose session is another: it asks again
            ((Bye(),), False),
            ((Bye(), hello), False),
            ((Bye(), hello, Join(8, LOBBY)), False),
        ):
            self.setUp()
            yield then, is_sent

    def test_who_went_while_it_was_read_for_them(self) -> None:
        """What waits for a text member is read when it comes in: nobody gets it if it has gone."""
        self.chat.ask("tim", Bye())
        self.chat.say("sam", "@tim", "N")
        self.chat.is_slow = True
        self.chat.enter("tim")
        self.assertEqual(len(self.chat.held), 1)
        self.chat.ask("tim", Bye())
        before = {name: len(told) for name, told in self.chat.told.items()}
        self.chat.is_slow = False
        self.chat.answer()
        self.assertEqual({name: len(told) for name, told in self.chat.told.items()}, before)
        self.assertEqual(texts(self.chat.enter("tim")), "N")


class NicksTests(ReadingTestCase):
    """A nick gives nothing to read but what is said to it from then on."""

    def test_a_nick_that_was_released(self) -> None:
        """Whoever claims it gets what is said to it next; what was said before stays with its owner."""
        self.chat.ask("ann", Bye())
        self.chat.ask("phone", Bye())
        self.chat.say("sam", "@ann", "W")
        self.chat.enter("ann", LOBBY)
        self.chat.ask("ann", Nick(8, "anne"))
        self.assertEqual(codes(self.chat.ask("eve", Nick(8, "ann"))), ["NICK_OWNED"])
        self.assertEqual(codes(self.chat.ask("ann", Release(9, "ann"))), [])
        self.assertEqual(codes(self.chat.ask("eve", Nick(9, "ann"))), [])
        self.chat.say("sam", "@ann", "X")
        self.chat.say("sam", "@anne", "Y")
        self.assert_reads("eve", "LoEX")
        self.assert_reads("ann", "LAaWY")
        self.chat = Chat(self.chat)
        self.assert_reads("eve", "LoEX")
        self.assert_reads("ann", "LAaWY")

    def test_a_log_is_its_keys_and_not_its_nicks(self) -> None:
        """Who owns no nick any more has the log that it always had, and nobody else gets to know it."""
        self.chat.ask("ann", Release(8, "phone"), Release(9, "ann"))
        told = self.chat.ask("ann", Hello(PROTOCOL_VERSION, client_of("ann"), "ann"))
        self.assertEqual(
            [(each.direct, each.is_owned) for each in told if isinstance(each, Welcome)],
            [(LOGS["ann"], False)],
        )
        self.chat.ask("ann", Bye())
        told = self.chat.enter("kate", LOBBY, nick="ann")
        self.assertEqual([each.direct for each in told if isinstance(each, Welcome)], [""])
        self.chat.say("sam", "@ann", "V")
        self.assertEqual(texts(self.chat.told["kate"]), "V")
        self.assert_reads("kate", "L")
        self.assert_reads("phone", "LAa")

    def test_a_code_that_was_used(self) -> None:
        """It lets no other key read what its owner reads, and neither does a guess."""
        for code in (self.code, "abcd-efgh-jkmn"):
            told = self.chat.ask("zoe", Hello(PROTOCOL_VERSION, client_of("zoe"), "zoe", code))
            self.assertEqual(codes(told), ["LINK_INVALID"])
        self.chat.enter("zoe", LOBBY)
        self.assert_reads("zoe", "L")

    def test_a_client_with_another_key(self) -> None:
        """What counts is the key: a client that comes with another one is another person."""
        self.chat.ask("ann", Bye())
        hello = Hello(PROTOCOL_VERSION, client_of("ann"), "annette")
        told = self.chat.ask("ann", hello, Join(2, LOGS["ann"]), Join(3, log_of("zoe")), key="zoe")
        self.assertEqual([each.direct for each in told if isinstance(each, Welcome)], [log_of("zoe")])
        self.assertEqual(codes(told), ["NO_SUCH_ROOM"])
        self.assert_reads("ann", "")

    def test_a_client_without_its_key(self) -> None:
        """Without the key nothing of its owner's can be had, under whatever nick."""
        self.chat.ask("ann", Bye())
        for nick in ("ann", "old"):
            told = self.chat.ask("ann", Hello(PROTOCOL_VERSION, client_of("ann"), nick), key="nobody")
            self.assertEqual(codes(told), ["NICK_OWNED"])
        told = self.chat.ask("ann", Hello(PROTOCOL_VERSION, client_of("ann"), "annette"), key="nobody")
        self.assertEqual([each.direct for each in told if isinstance(each, Welcome)], [""])
        self.assertEqual(codes(self.chat.ask("ann", Join(2, LOGS["ann"]))), ["NO_SUCH_ROOM"])
        self.assert_reads("ann", "")

    def test_no_powers(self) -> None:
        """Nobody is an operator: the name is reserved, and who came first reads no more than others."""
        for nick in ("operator", "admin", "root"):
            told = self.chat.ask("zoe", Hello(PROTOCOL_VERSION, client_of("zoe"), nick))
            self.assertEqual(codes(told), ["NICK_RESERVED"])
        self.assert_reads("sam", "L")

    def test_strangers(self) -> None:
        """Who has not come in is answered nothing, whatever it asks."""
        for room in ROOMS:
            asked: list[Request] = [*fetches(room).values(), Join(1, room), Names(1, room), Topic(1, room)]
            told = self.chat.ask("zoe", *asked, Ping(1, 1, (ShownUpTo(room, 9),)))
            self.assertEqual(told, [])

    def test_what_a_sender_learns(self) -> None:
        """That it is stored, and whether its reader is here: nothing of where."""
        self.chat.ask("tim", Bye())
        for nick in ("ann", "kim", "pat", "tess", "tim"):
            told = self.chat.say("sam", f"@{nick}", "x")
            answers = [each for each in told if isinstance(each, Accepted)]
            self.assertEqual([answer.waiting for answer in answers], [nick == "tim"], nick)
            self.assertEqual([each for each in told if not isinstance(each, Accepted | Delivered)], [], nick)
