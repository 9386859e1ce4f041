"""Tests of `chat.server.protocol`: what a key is good for. Whose it is, the stand-in for DTLS believes."""

from __future__ import annotations

from chat.hub.entrance import REPLACED
from chat.messages import (
    LOBBY,
    PROTOCOL_VERSION,
    Bye,
    Done,
    Entry,
    Hello,
    Join,
    Names,
    NamesPage,
    Presence,
    Rejected,
    Welcome,
)
from chat.wire.server_session import ServerSession, member_id
from tests.support import ANN, BOB, NAT, NED, Native, Sealed, ServerTests, only, texts

KEY, OTHER = b"k" * 32, b"o" * 32
CLIENT = b"c" * 16


class KeyTests(ServerTests):
    """Who holds a key is verified, is nobody else, and gets its nick back."""

    def test_verified(self) -> None:
        """What one with a key says and does is marked as verified, by frames or by text; nobody else's is."""
        self.enter(ann=ANN)
        Native(self.wire, NAT, "nat", key=KEY)
        sealed = Sealed(self.wire, NED, key=OTHER)
        watcher = Native(self.wire, ("192.0.2.3", 1), "eve")
        sealed.say(b"ned", b"hi")
        self.wire.send(ANN, b"hello")
        watcher.send(Names(9, LOBBY))
        told = watcher.take_all()
        self.assertEqual(
            [(entry.nick, entry.verified) for entry in only(Entry, told)], [("ned", True), ("ann", False)]
        )
        self.assertEqual([shown.verified for shown in only(Presence, told)], [True])
        ((page,),) = [[done.result] for done in only(Done, told)]
        assert isinstance(page, NamesPage)
        self.assertEqual(
            [(line.nick, line.verified) for line in page.nicks],
            [("ann", False), ("eve", False), ("nat", True), ("ned", True)],
        )
        self.wire.send(ANN, b"/names")
        self.assertEqual(self.wire.take(ANN)[-1], b"-!- 4 here (~ is not verified): ~ann ~eve nat ned")

    def test_the_name_of_a_member(self) -> None:
        """It comes of client id and key: nobody else's is the same."""
        names = {member_id(client, key) for client in (CLIENT, b"d" * 16) for key in (None, KEY, OTHER)}
        self.assertEqual(len(names), 6)
        self.assertEqual({len(name) for name in names}, {len(CLIENT)})
        self.assertEqual(ServerSession(0.0, KEY).member, None)

    def test_a_client_id_is_worth_nothing_without_its_key(self) -> None:
        """Whoever has met it is another member with it: it gets no nick, no numbers, and replaces nobody."""
        nat = Native(self.wire, NAT, "nat", CLIENT, key=KEY)
        nat.say("one")
        nat.take_all()
        for key, text in ((b"", "two"), (OTHER, "three")):
            thief = Native(self.wire, NED, client=CLIENT, key=key)
            thief.send(Hello(PROTOCOL_VERSION, CLIENT, "nat"))
            self.assertEqual([refused.code for refused in only(Rejected, thief.take_all())], ["NICK_OWNED"])
            thief.send(Hello(PROTOCOL_VERSION, CLIENT, "thief"), Join(thief.next_id(), LOBBY))
            thief.say(text)
            self.assertEqual(texts(thief.take_all()), [text])
            thief.send(Bye())
            self.wire.clock.advance(1)
            thief.take()
        nat.say("four")
        told = nat.take_all()
        self.assertEqual(list(dict.fromkeys(texts(told))), ["two", "three", "four"])
        self.assertEqual(only(Bye, told), [])

    def test_a_second_program(self) -> None:
        """With the same key and another client id it takes the nick over; the first is told so and leaves."""
        self.enter(ann=ANN)
        first = Native(self.wire, NAT, "nat", key=KEY)
        self.wire.take(ANN)
        second = Native(self.wire, NED, client=b"second".ljust(16), key=KEY)
        second.send(Hello(PROTOCOL_VERSION, second.client, "nat"), Join(second.next_id(), LOBBY))
        self.assertEqual([welcome.nick for welcome in only(Welcome, second.take_all())], ["nat"])
        told = first.take()
        self.assertEqual(only(Bye, told), [Bye(REPLACED, reconnect_after=0.0)])
        self.assertTrue(first.channel.is_over)
        self.assertEqual(self.wire.take(ANN), [b"nat has left the chat", b"nat has joined the chat"])
        second.say("me again")
        self.assertEqual(texts(second.take_all()), ["me again"])

    def test_text_gives_way_to_a_program(self) -> None:
        """One who speaks text with that key is told in words, and its channel ends."""
        sealed = Sealed(self.wire, NED, key=KEY)
        sealed.say(b"nat\n")
        sealed.take()
        Native(self.wire, NAT, "nat", key=KEY)
        self.assertEqual(sealed.take(), [REPLACED.encode() + b"\n"])
        self.assertTrue(sealed.channel.is_over)

    def test_a_program_gives_way_to_text(self) -> None:
        """And the other way round."""
        nat = Native(self.wire, NAT, "nat", key=KEY)
        sealed = Sealed(self.wire, NED, key=KEY)
        sealed.say(b"nat")
        self.assertEqual(sealed.take()[:1], [b"nat has joined the chat"])
        told = nat.take_all()
        self.assertEqual(only(Bye, told), [Bye(REPLACED)])
        self.assertEqual([shown.change for shown in only(Presence, told)], [])

    def test_a_plain_member_never_gives_way(self) -> None:
        """Nobody knows whose its nick is; whoever holds a key has to take another."""
        self.enter(nat=BOB)
        refused = Native(self.wire, NAT, key=KEY)
        refused.send(Hello(PROTOCOL_VERSION, CLIENT, "nat"))
        self.assertEqual([each.code for each in only(Rejected, refused.take_all())], ["NICK_IN_USE"])
        self.assertEqual(self.wire.take(BOB), [])
