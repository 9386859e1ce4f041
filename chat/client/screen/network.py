"""How things stand between us and the server, in one line, and explained. Pure."""

from __future__ import annotations

from typing import NamedTuple

QUIET_SECONDS = 7.0  # a client pings within 6.6 s: who has heard nothing for longer has waited for something
LOSS_SHOWN = 0.005  # less is no percent


class Network(NamedTuple):
    """What is known: `link` as programs print it ("": nothing was tried yet), for `seconds` now.

    `round_trip` and `heard` (how long ago) are seconds, None before the first answer. `asked` questions
    needed `repeated` repeats. `pending` texts are not accepted yet, `refused` ones were not.
    """

    link: str = ""
    seconds: float = 0.0
    reason: str = ""
    round_trip: float | None = None
    asked: int = 0
    repeated: int = 0
    heard: float | None = None
    pending: int = 0
    refused: int = 0

    @property
    def loss(self) -> float:
        """Give the share of questions, or of their answers, that did not arrive."""
        return self.repeated / (self.asked + self.repeated) if self.asked else 0.0


def network_line(network: Network) -> str:
    """Give the line."""
    parts = [_link(network)]
    if network.link == "connected":
        if network.round_trip is not None:
            parts[0] += f" {_milliseconds(network.round_trip)}"
        if network.loss >= LOSS_SHOWN:
            parts.append(f"loss {network.loss:.0%}")
    if network.heard is not None and (network.heard >= QUIET_SECONDS or network.link == "silent"):
        parts.append(f"last heard {network.heard:.0f} s ago")
    if network.pending:
        parts.append(f"{network.pending} pending")
    if network.refused:
        parts.append(f"{network.refused} not accepted")
    return " | ".join(parts)


def explained(network: Network, place: str) -> list[str]:
    """Give what `/net` says: the line in words."""
    lines = [f"{place}: {_link(network)}" + (f" ({network.reason})" if network.reason else "")]
    if network.round_trip is not None:
        lines.append(f"round trip: {_milliseconds(network.round_trip)}, smoothed over the last answers")
    if network.asked:
        counts = f"{network.repeated} repeats for {network.asked} questions"
        lines.append(f"loss: {network.loss:.0%}: of late {counts}; all is repeated until it has its answer")
    if network.heard is not None:
        lines.append(f"last heard: {network.heard:.0f} s ago; while nothing is said we ask every 6 s")
    if network.pending:
        texts = "1 text waits" if network.pending == 1 else f"{network.pending} texts wait"
        lines.append(f"pending: {texts} to be accepted, and will be said once")
    if network.refused:
        lines.append(f"not accepted: {network.refused}; Alt-R says the oldest again, Alt-X drops it")
    return lines


def _link(network: Network) -> str:
    match network.link:
        case "":
            return "starting"
        case "connecting":
            return f"connecting for {network.seconds:.0f} s" if network.seconds >= 1 else "connecting"
        case "silent":
            return f"no answer for {network.seconds:.0f} s"
        case other:
            return other


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"
