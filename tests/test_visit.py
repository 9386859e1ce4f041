"""Tests of `chat.wire.visit`: how long somebody who speaks plain text stays."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.wire.visit import DORMANT_SECONDS, ENTER_SECONDS, GRACE_SECONDS, PLAIN, SEALED, State, Visit

IDLE = 1_800.0


class TableTests(SynchronousTestCase):
    """What moves a visit where."""

    def test_every_state_is_reached(self) -> None:
        """There are at most five, each of which can be reached from the first, plain or sealed."""
        for table in (PLAIN, SEALED):
            reached = {State.STRANGER}
            for _ in State:
                reached |= {after for (before, _), after in table.items() if before in reached}
            self.assertEqual(reached, set(State))
        self.assertLessEqual(len(State), 5)

    def test_a_sealed_visit_ends(self) -> None:
        """Once it is out nothing brings it back; a plain address may always come again."""
        self.assertEqual([move for move in SEALED if move[0] is State.OUT], [])
        self.assertEqual({state for state in State if (state, "forgotten") in PLAIN}, {State.LEFT, State.OUT})

    def test_what_is_not_in_the_table(self) -> None:
        """Is a bug of ours, and raises."""
        self.assertRaises(KeyError, Visit(IDLE, None).go, "welcome", 0.0)


class TimeTests(SynchronousTestCase):
    """When a visit has lasted long enough as it stands."""

    def test_resuming(self) -> None:
        """A member of an earlier run is one, and was heard when it was."""
        visit = Visit(IDLE, None)
        visit.resume(-5.0)
        self.assertEqual((visit.state, visit.heard, visit.since), (State.MEMBER, -5.0, -5.0))
        self.assertEqual(visit.next_timeout(), IDLE - 5.0)

    def timeouts(self, sealed_at: float | None, *events: str) -> list[float | None]:
        """Give the time-out before the first event and after each; they come at 100, 200 ..."""
        visit = Visit(IDLE, sealed_at)
        times = [visit.next_timeout()]
        for number, event in enumerate(events, 1):
            visit.heard = number * 100.0
            visit.go(event, number * 100.0)
            times.append(visit.next_timeout())
        return times

    def test_plain(self) -> None:
        """A stranger can be forgotten, a member may be silent, who is out may come back for a day."""
        self.assertEqual(
            self.timeouts(None, "nick", "welcome", "silence", "exit", "forgotten"),
            [None, 100 + IDLE, 200 + IDLE, 300 + DORMANT_SECONDS, 400 + GRACE_SECONDS, None],
        )

    def test_sealed(self) -> None:
        """A stranger has its time to come in, from each refusal anew; who is out can be forgotten."""
        self.assertEqual(
            self.timeouts(50.0, "nick", "refused", "nick", "welcome", "exit", "forgotten"),
            [
                50 + ENTER_SECONDS,
                100 + IDLE,
                200 + ENTER_SECONDS,
                300 + IDLE,
                400 + IDLE,
                500 + GRACE_SECONDS,
                None,
            ],
        )
        self.assertEqual(self.timeouts(50.0, "silence"), [50 + ENTER_SECONDS, None])

    def test_sealed_from_the_first_moment(self) -> None:
        """A clock may stand at 0."""
        self.assertEqual(self.timeouts(0.0), [ENTER_SECONDS])
