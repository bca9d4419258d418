"""Load at a given rate, whatever the answers do: where a worker is full, and what it does then."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from coach.demo.rehearsal import quantiles
from coach.live.client import LiveClient, Rest, Turn, rest

Row = dict[str, object]

IN_TIME_MS = 800.0
# Whoever speaks again takes back their older nudge, so nobody speaks sooner than this.
EACH_S = 2.0
ROOM = 8
SECONDS = 10.0
SETTLE_S = 4.0
# A rate is kept when so many are answered in time.
KEPT_SHARE = 0.95
WORDS = (
    "I keep putting off the report for the steering group",
    "everybody talks at once and I never get my point in",
    "I said yes again although there is no room left this week",
    "we decide the same thing in every meeting and nothing happens",
)


async def at_rates(
    url: str, token: str, rates: Sequence[float], say: Callable[[str], None]
) -> list[Row]:
    """A row for each rate, up to the first that is not kept; then one at three times the last kept.

    Goodput is nudges a second that came within IN_TIME_MS.
    """
    rows, kept = [], 0.0
    async with rest(url, token) as api:
        for rate in rates:
            row = await _at(rate, api, url)
            rows.append(row)
            say(f"{rate:g}/s: {row['in time']}")
            if float(str(row["share in time"])) < KEPT_SHARE:
                break
            kept = rate
        if kept:
            rows.append(await _at(3 * kept, api, url) | {"what": "three times the rate kept"})
    return rows


async def _at(rate: float, api: Rest, url: str) -> Row:
    people = math.ceil(rate * EACH_S)
    async with AsyncExitStack() as stack:
        talking = await _seat(people, api, url, stack)
        turns: list[Turn] = []
        began = time.perf_counter()
        for n in range(int(rate * SECONDS)):
            # Open loop: the next one is due when it is due.
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            turns.append(await talking[n % people].say(WORDS[n % len(WORDS)]))
        sent_s = time.perf_counter() - began
        await asyncio.wait({turn.done for turn in turns}, timeout=SETTLE_S)
    return _row(rate, turns, sent_s)


async def _seat(people: int, api: Rest, url: str, stack: AsyncExitStack) -> list[LiveClient]:
    """So many people with open sockets, ROOM of them in a room."""
    seated = []
    for room in range(math.ceil(people / ROOM)):
        session = await api.call("POST", "sessions/", {"title": f"Load {room}", "cooldown_s": 0})
        for seat in range(min(ROOM, people - room * ROOM)):
            ticket = await api.join(session["join_code"], f"Member {seat}")
            seated.append(await stack.enter_async_context(LiveClient(url, ticket)))
    return seated


def _row(rate: float, turns: Sequence[Turn], sent_s: float) -> Row:
    ends = Counter(turn.terminals[0]["type"] if turn.terminals else "none" for turn in turns)
    totals = [turn.total_ms for turn in turns if turn.total_ms is not None]
    in_time = sum(
        turn.total_ms is not None
        and turn.total_ms <= IN_TIME_MS
        and turn.terminals[0]["type"] == "nudge.done"
        for turn in turns
    )
    return {
        "what": "steady",
        "asked for /s": rate,
        "sent /s": round(len(turns) / sent_s, 1),
        "n": len(turns),
        "ends": ", ".join(f"{kind} {n}" for kind, n in ends.most_common()),
        "in time": in_time,
        "share in time": round(in_time / len(turns), 3),
        "goodput /s": round(in_time / sent_s, 1),
        **quantiles(totals),
    }
