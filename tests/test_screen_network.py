"""Tests of the line that says how things stand between us and the server."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chat.client.screen.network import Network, explained, network_line


class NetworkLineTests(SynchronousTestCase):
    """What it says."""

    def test_the_way_in(self) -> None:
        """Before anything was tried, and while we are not in."""
        self.assertEqual(network_line(Network()), "starting")
        self.assertEqual(network_line(Network("connecting")), "connecting")
        self.assertEqual(network_line(Network("connecting", 7.4)), "connecting for 7 s")
        self.assertEqual(network_line(Network("closed", 7.4)), "closed")

    def test_connected(self) -> None:
        """The round trip; loss, and how long nothing was heard, only where there is something to tell."""
        fine = Network("connected", 60.0, "", 0.0234, 100, 0, 3.0)
        self.assertEqual(network_line(fine), "connected 23 ms")
        self.assertEqual(network_line(fine._replace(repeated=25)), "connected 23 ms | loss 20%")
        self.assertEqual(network_line(fine._replace(heard=7.2)), "connected 23 ms | last heard 7 s ago")
        self.assertEqual(network_line(fine._replace(round_trip=None)), "connected")
        self.assertEqual(network_line(fine._replace(round_trip=12.0)), "connected 12 s")

    def test_silent(self) -> None:
        """No answer: for how long, what was heard last, and what waits."""
        silent = Network("silent", 9.0, "no answer", 0.02, 10, 5, 15.0, pending=2, refused=1)
        self.assertEqual(
            network_line(silent), "no answer for 9 s | last heard 15 s ago | 2 pending | 1 not accepted"
        )

    def test_explained(self) -> None:
        """Every number in it is put in words, and what is not known is not told."""
        self.assertEqual(
            explained(Network("connecting", 2.0, "no such host"), "x:1"),
            ["x:1: connecting for 2 s (no such host)"],
        )
        lines = explained(Network("connected", 2.0, "", 0.02, 10, 5, 1.0, 1, 1), "x:1")
        self.assertEqual(
            [line.partition(":")[0] for line in lines[1:]],
            ["round trip", "loss", "last heard", "pending", "not accepted"],
        )
