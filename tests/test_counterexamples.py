"""What broke the protocol's earlier drafts, each played by hand against the real thing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.messages import Accepted, Entry, Fetch, Join, Joined, Part, Rejected, Say
from tests.simulation.network import Fate
from tests.simulation.stage import Stage, is_a


class Counterexamples(SynchronousTestCase):
    """Eight short plays."""

    def test_unanswered_before_answered(self) -> None:
        """Text 1 has no answer, 2 has one, the server restarts with nothing: 1 is said again, and only 1."""
        stage = Stage(disk="keeps nothing")
        ann = stage.client()
        stage.take_out(Fate.DROP, ann.host, is_a(Accepted, n=1))
        ann.speak("one")
        stage.let(0.2)
        ann.speak("two")
        stage.let(0.5)
        stage.server.kill()
        self.assertEqual(stage.log(), ["one", "two"])
        stage.end()
        self.assertEqual(stage.log(), ["one"])
        self.assertEqual(ann.session.unsettled, 0)

    def test_failed_append_with_a_later_one_behind_it(self) -> None:
        """An append fails while a later text waits behind it: both are stored once, in their order."""
        stage = Stage()
        ann = stage.client()
        stage.scripted_disk.failing = 1
        ann.speak("one")
        ann.speak("two")
        stage.let(0.5)
        self.assertNotIn("two", stage.log())
        stage.end()
        self.assertEqual(stage.log(), ["one", "two"])
        self.assertEqual(stage.texts(ann), ["one", "two"])

    def test_refused_and_never_told(self) -> None:
        """Text 1 is refused, the reply is lost, 2 is accepted, restart: 1 is still refused, never stored."""
        stage = Stage()
        ann = stage.client()
        stage.take_out(Fate.DROP, ann.host, is_a(Rejected, code="NOT_IN_ROOM"))
        ann.speak("one", room="tea")
        stage.let(0.2)
        ann.speak("two")
        stage.let(0.5)
        self.assertEqual(ann.session.unsettled, 1)
        stage.server.kill()
        stage.end()
        self.assertEqual(ann.session.unsettled, 0)
        self.assertEqual(stage.log(), ["two"])

    def test_two_restarts_in_a_second(self) -> None:
        """No position is given out twice: two restarts in a second, the clock an hour back."""
        stage = Stage()
        ann = stage.client()
        ann.speak("one")
        stage.let(0.2)
        for step, text in ((0.0, "two"), (-3_600.0, "three")):
            stage.server.kill()
            stage.wall_offset += step
            stage.server.start()
            stage.let(0.2)
            ann.speak(text)
        stage.end()  # a position that comes again is a violation
        self.assertEqual(stage.log(), ["one", "two", "three"])
        self.assertEqual(stage.texts(ann), ["one", "two", "three"])

    def test_new_run(self) -> None:
        """The next entry begins a new run of numbers: it follows the last one, and no marker stands there."""
        stage = Stage()
        ann, bob = stage.client(), stage.client()
        ann.speak("one")
        stage.let(0.5)
        stage.server.kill()
        stage.let(5.0)
        stage.server.start()
        stage.let(20.0)
        bob.speak("two")
        stage.end()
        self.assertEqual(stage.texts(ann), ["one", "two"])
        self.assertEqual(stage.texts(bob), ["one", "two"])

    def test_lost_tail_waits_below_a_new_run(self) -> None:
        """What waits for an entry that a crash has lost does not keep the next run from being shown."""
        stage = Stage(disk="loses the tail")
        ann, bob = stage.client(), stage.client()
        ann.speak("one")
        stage.let(5.0)
        stage.scripted_disk.snapshot()
        stage.take_out(
            Fate.DROP, bob.host, lambda frame: is_a(Entry, text="two")(frame) or is_a(Fetch)(frame)
        )
        ann.speak("two")
        stage.let(0.1)
        ann.speak("three")
        stage.let(0.1)
        self.assertEqual(stage.texts(bob), ["one"])
        stage.server.kill()
        stage.server.start()
        stage.let(15.0)
        ann.speak("four")
        stage.end()
        self.assertEqual(stage.texts(ann), ["one", "two", "three", "Lost", "four"])
        self.assertEqual(stage.texts(bob), ["one", "four"])

    def test_entry_overtakes_joined(self) -> None:
        """An entry above the head that a Joined names is not lost because that Joined comes after it."""
        stage = Stage()
        ann, bob = stage.client(), stage.client()
        ann.speak("one")
        stage.let(5.0)
        stage.take_out(Fate.HOLD, bob.host, is_a(Joined))
        bob.connect()
        stage.let(0.1)
        ann.speak("two")
        stage.let(0.1)
        self.assertTrue(stage.network.held)
        self.assertEqual(stage.texts(bob), ["one", "two"])
        stage.network.release()
        stage.end()
        self.assertEqual(stage.texts(bob), ["one", "two"])

    def test_say_waits_for_its_room(self) -> None:
        """A text never overtakes the Join of its room, however late that is."""
        stage = Stage()
        ann = stage.client()
        stage.take_out(Fate.HOLD, ann.host, is_a(Join, room="tea"))
        ann.join("tea")
        ann.speak("one", room="tea")
        stage.let(0.5)
        self.assertTrue(stage.network.held)
        self.assertFalse([line for line in stage.trace.lines if "Say(" in line])
        stage.network.release()
        stage.end()
        self.assertEqual(stage.texts(ann), ["one"])

    def test_part_after_the_next_join(self) -> None:
        """A Part that arrives once more after the next Join puts nobody out."""
        stage = Stage()
        ann, bob = stage.client(), stage.client()
        stage.take_out(Fate.HOLD, bob.host, is_a(Part))
        bob.part("lobby")
        stage.let(0.05)
        stage.network.rule = lambda *_: Fate.PASS  # its repeat arrives
        bob.join("lobby")
        stage.let(3.0)
        stage.network.release()
        stage.let(0.1)
        ann.speak("one")
        stage.let(0.1)
        self.assertEqual(stage.texts(bob), ["one"])
        stage.end()

    def test_reordered_texts(self) -> None:
        """A text that overtakes the one before it waits at the server, which takes them in order."""
        stage = Stage()
        ann = stage.client()
        stage.take_out(Fate.HOLD, ann.host, is_a(Say, n=1))
        ann.speak("one")
        stage.let(0.1)
        ann.speak("two")
        stage.let(0.1)
        self.assertEqual(stage.log(), [])
        stage.network.release()
        stage.let(0.1)
        self.assertEqual(stage.log(), ["one", "two"])
        stage.end()
