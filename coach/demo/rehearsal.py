"""Play a script as a session over real sockets, and time what comes back."""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from coach.live.client import LiveClient, Rest, Ticket, Turn

FACILITATOR = "Fay"
TURN_LIMIT_S = 6.0
PACE_S = 1.0


@dataclass(frozen=True)
class Line:
    speaker: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Played:
    """One turn: the words, its terminal frame, and the server's own stage times."""

    line: Line
    turn: Turn
    timing: Mapping[str, Any] | None

    @property
    def terminal(self) -> Mapping[str, Any] | None:
        return self.turn.terminals[0] if self.turn.terminals else None


@dataclass
class Rehearsal:
    """Everything that was played, and what it says about the server."""

    played: list[Played] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Counts, milliseconds by quantile, and how well the stages account for the total."""
        totals = [p.turn.total_ms for p in self.played if p.turn.total_ms is not None]
        firsts = [p.turn.first_ms for p in self.played if p.turn.first_ms is not None]
        stages: dict[str, list[float]] = {}
        accounted = []
        for timing in (p.timing for p in self.played if p.timing):
            for stage in timing["stages"]:
                stages.setdefault(stage["name"], []).append(stage["ms"])
            if timing["total_ms"]:
                accounted.append(sum(s["ms"] for s in timing["stages"]) / timing["total_ms"])
        outcomes = Counter(p.terminal["type"] if p.terminal else "none" for p in self.played)
        sources = Counter(
            p.terminal["source"] for p in self.played if p.terminal and "source" in p.terminal
        )
        reasons = Counter(
            p.terminal["reason"] for p in self.played if p.terminal and p.terminal.get("reason")
        )
        return {
            "turns": len(self.played),
            "exactly_one_terminal": sum(len(p.turn.terminals) == 1 for p in self.played),
            "outcomes": dict(outcomes),
            "sources": dict(sources),
            "reasons": dict(reasons),
            "frame_to_terminal_ms": quantiles(totals),
            "frame_to_first_words_ms": quantiles(firsts),
            "server_total_ms": quantiles([p.timing["total_ms"] for p in self.played if p.timing]),
            "stages_ms": {name: quantiles(spent) for name, spent in stages.items()},
            "stages_over_total": round(statistics.fmean(accounted), 4) if accounted else None,
        }


def quantiles(values: Iterable[float]) -> dict[str, float]:
    """p50, p95, p99 and the largest of these values, by the nearest rank; {} for none."""
    ordered = sorted(values)
    if not ordered:
        return {}

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return {"p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": round(ordered[-1], 2)}


async def rehearse(
    script: Sequence[Line],
    api: Rest,
    url: str,
    *,
    heard: Callable[[Played], None] = lambda _: None,
) -> Rehearsal:
    """Open a session, seat every speaker with all choices granted, and play the script."""
    session = await api.call("POST", "sessions/", {"title": "Rehearsal", "cooldown_s": 0})
    speakers = dict.fromkeys(line.speaker for line in script)
    result = Rehearsal()
    async with AsyncExitStack() as stack:
        console = LiveClient(url, Ticket(session["id"], "", api.token))
        await console.open(as_role="facilitator")
        stack.push_async_callback(console.close)
        seats = {FACILITATOR: console}
        for name in speakers:
            if name not in seats:
                ticket = await api.join(session["join_code"], name)
                seats[name] = await stack.enter_async_context(LiveClient(url, ticket))
        for line in script:
            played = await _play(line, seats[line.speaker], console)
            result.played.append(played)
            heard(played)
        await api.call("POST", f"sessions/{session['id']}/end/")
    return result


async def _play(line: Line, seat: LiveClient, console: LiveClient) -> Played:
    while True:
        try:
            turn = await seat.ask(line.text, timeout_s=TURN_LIMIT_S)
        except TimeoutError:
            return Played(line, list(seat.turns.values())[-1], None)
        if turn.terminals[0].get("code") != "rate_limited":
            break
        # A script is read faster than people speak, and nobody may speak faster.
        await asyncio.sleep(PACE_S)
    return Played(line, turn, await _timing(console, turn.utterance))


async def _timing(console: LiveClient, utterance: str) -> Mapping[str, Any] | None:
    for seen in range(1000):
        try:
            frame = await console.until("timing", timeout_s=1.0, seen=seen)
        except TimeoutError:
            return None
        if frame["utterance"] == utterance:
            return frame
    return None
