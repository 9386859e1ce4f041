"""Tests of `chat.hub.pace`: who is too fast is slowed, in the hub and behind a server, and loses nothing."""

from __future__ import annotations

from chat.hub.effects import Commit, Effect, Publish, Send
from chat.hub.hub import Hub
from chat.hub.pace import HOLD_SECONDS
from chat.hub.silence import GONE_SECONDS
from chat.limits import TOO_FAST, Caps, Limit, Limits, Rate
from chat.messages import LOBBY, PLAIN_VERSION, Bye, Fetch, Join, Joined, Kind, Nick, Rejected, Say
from chat.orders import Order, Verb
from chat.server.chores import EXPIRE_SECONDS
from tests.hub_support import ANN, BOB, HubTests, hello
from tests.support import Native, Sealed, ServerTests, Wire, only, texts

ADDR, OTHER, PEER = ("10.0.0.1", 4000), ("10.0.1.2", 4000), ("192.0.2.1", 4000)
SLOWED = b"-!- too fast: 5 lines a second are passed on, the next in 0.2 s: the rest waits\n"


class NativeTests(HubTests):
    """A native member is told when to say a text again."""

    def setUp(self) -> None:
        """Let Ann come in, with limits, and say eleven texts."""
        super().setUp()
        self.hub = Hub(limits=Limits())
        self.enter("ann", ANN)
        self.said: list[str] = []

    def say(self, *numbers: int) -> list[Rejected]:
        """Say texts and store those that may be, all that come of them too; give the refusals."""
        told: list[Rejected] = []
        for n in numbers:
            effects: list[Effect] = self.ask(ANN, Say(n, n, LOBBY, Kind.SAY, f"#{n}", min(n - 1, 1)))
            while effects:
                effect = effects.pop(0)
                if isinstance(effect, Commit):
                    self.said.append(effect.draft.text)
                    effects += self.hub.committed(self.fact(effect.draft))
                elif isinstance(effect, Send) and isinstance(effect.message, Rejected):
                    told.append(effect.message)
        return told

    def test_each_is_told_its_own_time(self) -> None:
        """Ten are stored at once; each of the next is told when its turn comes."""
        told = self.say(*range(1, 19))
        self.assertEqual(self.said, [f"#{n}" for n in range(1, 11)])
        self.assertEqual([(each.id, each.code) for each in told], [(n, TOO_FAST) for n in range(11, 19)])
        self.assertEqual([round(each.retry_after, 3) for each in told], [n / 5 for n in range(1, 9)])

    def test_they_are_said_when_they_were_told(self) -> None:
        """Said again at those times, all are stored, in their order."""
        told = self.say(*range(1, 19))
        begin = self.now
        for each in told:
            self.now = begin + each.retry_after
            self.assertEqual(self.say(each.id), [])
        self.assertEqual(self.said, [f"#{n}" for n in range(1, 19)])

    def test_none_overtakes(self) -> None:
        """What comes back before the one that it follows waits for that, or is told another time."""
        self.say(*range(1, 14))
        self.now += 0.4
        self.assertEqual([round(each.retry_after, 3) for each in self.say(13)], [0.2])
        self.assertEqual(self.say(12, 11), [])
        self.assertEqual(self.said, [f"#{n}" for n in range(1, 13)])

    def test_renames(self) -> None:
        """Five nicks at once; the sixth is told to wait, and the old one is kept."""
        told = self.ask(ANN, *(Nick(n, f"ann{n}") for n in range(1, 7)))[-1]
        assert isinstance(told, Send)
        assert isinstance(told.message, Rejected)
        self.assertEqual((told.message.id, told.message.code), (6, TOO_FAST))
        self.assertAlmostEqual(told.message.retry_after, 10.0)
        self.now += 10
        self.assertNotIn(TOO_FAST, str(self.ask(ANN, Nick(7, "ann7"))))

    def test_orders(self) -> None:
        """They count as lines: who goes away and comes back all the time does not flood a room."""
        self.enter("bob", BOB)
        orders = [Order(n, Verb.BACK if n % 2 else Verb.AWAY) for n in range(2, 42)]
        effects = self.ask(ANN, *orders)
        self.assertEqual(sum(isinstance(each, Publish) for each in effects), 10)
        told = [effect.message for effect in effects if isinstance(effect, Send)]
        refused = [each for each in told if isinstance(each, Rejected)]
        self.assertEqual([each.id for each in refused], list(range(12, 42)))
        self.assertEqual({each.code for each in refused}, {TOO_FAST})
        self.now += refused[0].retry_after
        self.assertNotIn(TOO_FAST, str(self.ask(ANN, Order(42, Verb.AWAY))))

    def test_rooms(self) -> None:
        """A new room has a limit of its own: who made too many may still join one that there is."""
        self.hub = Hub(limits=Limits({Limit.NEW_ROOMS: Rate(0.1, 2)}))
        self.enter("ann", ANN)
        self.enter("bob", BOB, "den")
        joins = self.ask(ANN, Join(1, "one"), Join(2, "two"), Join(3, "three"), Join(4, "den"))
        told = [effect.message for effect in joins if isinstance(effect, Send)]
        self.assertEqual([type(each) for each in told], [Joined, Joined, Rejected, Joined])


class TextTests(ServerTests):
    """Lines of those who speak text wait, and are said in their order."""

    def setUp(self) -> None:
        """Start a server with its limits on, and let somebody listen."""
        self.wire = Wire(hub=Hub(limits=Limits()))
        self.enter(bob=OTHER)

    def pass_time(self, seconds: float) -> None:
        """Let some time pass, in small steps."""
        for _ in range(int(seconds * 20)):
            self.wire.clock.advance(0.05)

    def test_a_paste(self) -> None:
        """Of 30 lines ten are said at once and five each second after that, in their order; one notice."""
        lines = [b"line %d" % n for n in range(30)]
        self.wire.send(ADDR, b"ann\n" + b"\n".join(lines) + b"\n")
        said = [b"ann: " + line for line in lines]
        self.assertEqual(self.wire.take(OTHER), [b"ann has joined the chat", *said[:10]])
        self.pass_time(1.1)
        self.assertEqual(self.wire.take(OTHER), said[10:15])
        self.pass_time(3)
        self.assertEqual(self.wire.take(OTHER), said[15:])
        self.assertEqual([told for told in self.wire.take(ADDR) if told.startswith(b"-!-")], [SLOWED])

    def test_a_whole_visit(self) -> None:
        """Who says goodbye behind a paste leaves when all of it is said."""
        self.wire.send(ADDR, b"ann\n" + b"hi\n" * 12 + b"exit\n")
        self.pass_time(0.1)
        self.assertNotIn(b"ann has left the chat", self.wire.take(OTHER))
        self.pass_time(1)
        self.assertEqual(self.wire.take(OTHER), [b"ann: hi"] * 2 + [b"ann has left the chat"])

    def test_more_than_waits(self) -> None:
        """64 lines wait, as ever: the rest is dropped, with one notice."""
        self.wire.send(ADDR, b"ann\n" + b"\n".join(b"%d" % n for n in range(100)) + b"\n")
        self.pass_time(20)
        said = [line for line in self.wire.take(OTHER) if line.startswith(b"ann: ")]
        self.assertEqual(said, [b"ann: %d" % n for n in range(74)])
        notices = [told for told in self.wire.take(ADDR) if told.startswith(b"-!-")]
        self.assertEqual([b"64 lines are waiting" in told for told in notices], [False, True])

    def test_sealed(self) -> None:
        """The same goes for text in DTLS."""
        ann = Sealed(self.wire, PEER)
        ann.say(b"ann", *[b"hi"] * 12)
        self.assertEqual(self.wire.take(OTHER).count(b"ann: hi"), 10)
        self.pass_time(1)
        self.assertEqual(self.wire.take(OTHER), [b"ann: hi"] * 2)

    def test_what_would_take_long_is_refused(self) -> None:
        """A sixth nick would wait for ten seconds: it is refused, and the lines behind it do not wait."""
        self.assertLess(HOLD_SECONDS, 10)
        self.wire.send(ADDR, b"ann\n")
        for n in range(6):
            self.wire.send(ADDR, b"/nick ann%d\n" % n)
            self.pass_time(1.1)
        self.wire.send(ADDR, b"hi\n")
        self.assertEqual(self.wire.take(OTHER)[-1], b"ann4: hi")
        self.assertIn(b"-!- too many new nicks, the next in 4.", b"".join(self.wire.take(ADDR)))


class HeldTests(HubTests):
    """Whose line waits may be gone when its time comes."""

    def test_who_was_replaced_meanwhile(self) -> None:
        """Nothing is said for a visit that the same person has ended by another one."""
        self.hub = Hub(limits=Limits())
        key = bytes(32)
        self.hub.apply(ANN, hello("ann", ANN, PLAIN_VERSION), self.now, key)
        self.ask(ANN, Join(1, LOBBY))
        for n in range(1, 12):
            for effect in self.ask(ANN, Say(n, n, LOBBY, Kind.SAY, f"#{n}")):
                if isinstance(effect, Commit):
                    self.hub.committed(self.fact(effect.draft))
        waits = self.hub.next_timeout()
        assert waits is not None
        self.hub.apply(BOB, hello("ann", BOB), self.now, key)
        self.assertEqual(self.hub.handle_timeout(waits), [])


class AddressTests(ServerTests):
    """What many sessions of one address may do together."""

    def wire_with(self, rates: dict[Limit, Rate], caps: Caps | None = None) -> Wire:
        """Start a server."""
        self.limits = Limits(rates, caps or Caps())
        self.wire = Wire(hub=Hub(limits=self.limits))
        return self.wire

    def test_lines(self) -> None:
        """Five sessions of one address have what four have; another address has its own."""
        wire = self.wire_with({Limit.LINES: Rate(1, 10)})
        natives = [Native(wire, ("192.0.2.1", port), f"n{port}") for port in range(1, 6)]
        other = Native(wire, ("192.0.3.1", 1), "other")
        for native in [*natives, other]:
            for n in range(10):
                native.say(f"{n}")
        self.assertEqual(len(texts(other.take_all())), 50)
        refused = only(Rejected, natives[-1].take_all())
        self.assertEqual({each.code for each in refused}, {TOO_FAST})
        self.assertIn("from your address", refused[0].text)

    def test_who_goes_behind_a_paste(self) -> None:
        """What still waits is paid by the address too: eight who have closed their channels talk as four."""
        wire = self.wire_with({Limit.LINES: Rate(1, 1)})
        other = Native(wire, ("192.0.3.1", 1), "other")
        for port in range(1, 9):
            talker = Sealed(wire, ("192.0.2.1", port))
            talker.say(b"n%d" % port, *[b"hi"] * 20)
            talker.close()
        other.take_all()
        for _ in range(100):
            wire.clock.advance(0.05)
        self.assertLessEqual(len(texts(other.take_all())), 5 * 4 + 1)

    def test_sessions(self) -> None:
        """A 17th of an address is told so, and comes in once another has gone; loopback has any number."""
        wire = self.wire_with({})
        natives = [Native(wire, ("192.0.2.1", port), f"n{port}") for port in range(1, 17)]
        late = Native(wire, ("192.0.2.1", 99))
        late.enter("late")
        self.assertEqual(self.limits.take_counts(), [("too many sessions (address)", 1)])
        (refused,) = only(Rejected, late.take_all())
        self.assertEqual((refused.id, refused.code), (0, "TOO_MANY_SESSIONS"))
        self.assertGreater(refused.retry_after, 0)
        Native(wire, ("192.0.2.1", 98), "n4", natives[3].client)  # who comes back takes its own place
        natives[0].send(Bye("bye"))
        late.enter("late")
        self.assertEqual(only(Rejected, late.take_all()), [])
        for port in range(1, 31):
            self.assertTrue(Native(wire, ("127.0.0.1", port), f"l{port}").channel.is_up)

    def test_who_takes_over(self) -> None:
        """Whose program was killed comes in by its key where all places are taken: it has one of them."""
        wire = self.wire_with({})
        for port in range(1, 17):
            Native(wire, ("192.0.2.1", port), f"n{port}", key=bytes([port]) * 32)
        again = Native(wire, ("192.0.2.1", 99), client=b"x" * 16, key=bytes([7]) * 32)
        for nick, is_let_in in (("n8", False), ("late", False), ("n7", True)):
            again.enter(nick)
            self.assertEqual(only(Rejected, again.take_all()) == [], is_let_in, nick)

    def test_members_without_a_session(self) -> None:
        """Who lets go of its channel and not of its place has that until it is gone."""
        wire = self.wire_with({})
        for port in range(1, 17):
            Native(wire, ("192.0.2.1", port), f"n{port}").close()
        late = Native(wire, ("192.0.2.1", 99))
        for code in ("TOO_MANY_SESSIONS", None):
            late.enter("late")
            refused = only(Rejected, late.take_all())
            self.assertEqual([each.code for each in refused], [code] if code else [])
            late.close()
            wire.clock.advance(GONE_SECONDS + 2 * EXPIRE_SECONDS)
            late = Native(wire, ("192.0.2.1", 100))

    def test_plain_members(self) -> None:
        """There are only so many; who wants to be one more is told once, and may be when one has gone."""
        wire = self.wire_with({}, Caps(plain=2))
        self.enter(ann=ADDR, bob=OTHER)
        late = ("10.9.9.9", 1)
        wire.send(late, b"late\n")
        self.assertEqual(
            wire.take(late), [b"-!- 2 speak in the clear already: use udpchat, or try again later\n"]
        )
        wire.send(ADDR, b"exit")
        wire.clock.advance(3)
        wire.send(late, b"late\n")
        self.assertEqual(wire.take(late), [b"late has joined the chat\n"])

    def test_who_comes_in_again_and_again(self) -> None:
        """At the plain door an address begins only so many visits at once."""
        wire = self.wire_with({Limit.HANDSHAKES: Rate(1, 1)})
        for port in range(1, 6):
            wire.send(("10.0.0.1", port), b"n%d\n" % port)
        self.assertEqual(
            wire.take(("10.0.0.1", 5)),
            [b"-!- too many have come in from your address, the next in 0.3 s\n"],
        )

    def test_fetches(self) -> None:
        """Who asks for too much is told once until when to wait; others are not concerned."""
        wire = self.wire_with({Limit.FETCHES: Rate(10, 20)})
        greedy = Native(wire, ("192.0.2.1", 1), "greedy")
        for _ in range(40):
            greedy.send(Fetch(greedy.next_id(), LOBBY, 0, None, 10))
        (refused,) = only(Rejected, greedy.take_all())
        self.assertEqual(refused.code, TOO_FAST)
        self.assertAlmostEqual(refused.retry_after, 0.1, delta=0.05)


class FloodTests(ServerTests):
    """Rubbish of strangers costs what it costs to look at it."""

    def test_nothing_is_made_of_it(self) -> None:
        """Nobody is known for it, nothing is answered, and who talks meanwhile is heard."""
        self.enter(bob=OTHER)
        for number in range(3_000):
            rubbish = (b"", b"\xff" * 20, b" \n", b"\xc3\x28" * 600)[number % 4]
            self.wire.send((f"10.0.{number % 200}.9", 2_000 + number), rubbish)
        self.assertEqual(self.wire.port.written, [])
        self.wire.send(OTHER, b"still here")
        self.assertEqual(self.wire.take(OTHER), [b"bob: still here"])
