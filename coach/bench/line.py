"""What `bench line` and `bench drafts` measure of the live line."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any

from coach.bench.report import Row, Say
from coach.bench.vitals import resident_mib
from coach.demo.rehearsal import quantiles
from coach.live.client import LiveClient, Rest, Ticket, Turn, rest

IDLE, TALKERS, RATE_PER_S, SECONDS = 500, 100, 10.0, 30
TEXT = "I keep putting off the report for the steering group"
DRAFTED = 100
WORDS = (
    "the report", "my team", "the plan", "a meeting", "the board", "my manager", "a deadline",
    "the budget", "our goals", "the handover",
)  # fmt: skip


async def line(url: str, token: str, pid: int, say: Say) -> Sequence[Row]:
    """Memory of an idle line, and how long words take to their speaker and to the board."""
    async with rest(url, token) as api:
        session, tickets = await _people(api, TALKERS)
        board = LiveClient(url, Ticket(session["id"], "", token))
        talking = [LiveClient(url, ticket) for ticket in tickets]
        idle = [LiveClient(url, tickets[n % TALKERS]) for n in range(IDLE)]
        async with _opened(talking), _opened([board], as_role="facilitator"):
            before = resident_mib(pid)
            async with _opened(idle):
                await asyncio.sleep(2)
                each = (resident_mib(pid) - before) / IDLE * 1024
                say(f"{each:.0f} KiB a line; {RATE_PER_S:.0f} utterances/s for {SECONDS} s")
                turns = await _open_loop(talking, RATE_PER_S, SECONDS)
                await asyncio.wait({turn.done for turn in turns}, timeout=10)
                await asyncio.sleep(2)
    seen = {
        frame["utterance"]: board.taken_at[frame["seq"]]
        for frame in board.events
        if frame["type"] == "utterance"
    }
    fan_out = [
        (seen[turn.utterance] - turn.sent_at) * 1000 for turn in turns if turn.utterance in seen
    ]
    totals = [turn.total_ms for turn in turns if turn.total_ms is not None]
    what = f"{RATE_PER_S:.0f}/s by {TALKERS} beside {IDLE} idle lines"
    return [
        {"what": "KiB of the worker for each idle line", "n": IDLE, "p50": round(each, 1)},
        {"what": f"{what}: frame to terminal", "n": len(turns), **quantiles(totals)},
        {"what": f"{what}: frame to the facilitator's board", "n": len(fan_out),
         **quantiles(fan_out)},
    ]  # fmt: skip


async def drafts(url: str, token: str, say: Say) -> Sequence[Row]:
    """Words said cold, and words that a draft had told of; in turns, the same kind of words."""
    rng = random.Random(7)
    async with rest(url, token) as api:
        _, (ticket,) = await _people(api, 1)
        client = LiveClient(url, ticket)
        taken: dict[bool, list[float]] = {False: [], True: []}
        async with _opened([client]):
            for n in range(2 * DRAFTED):
                told = bool(n % 2)
                text = f"I am stuck with {', '.join(rng.sample(WORDS, 4))}, take {n}"
                if told:
                    await client.send({"type": "draft", "text": text})
                await asyncio.sleep(0.4)
                turn = await client.ask(text)
                taken[told].append(turn.total_ms or 0.0)
    say(f"{DRAFTED} utterances each")
    return [
        {"what": what, "n": DRAFTED, **quantiles(taken[told])}
        for what, told in (("said cold", False), ("a draft came before", True))
    ]


async def _people(api: Rest, count: int) -> tuple[dict[str, Any], list[Ticket]]:
    session = await api.call("POST", "sessions/", {"title": "Bench", "cooldown_s": 0})
    consent = await api.every_choice(session["join_code"])
    joined = [await api.join(session["join_code"], f"Member {n}", consent) for n in range(count)]
    return session, joined


@asynccontextmanager
async def _opened(clients: Sequence[LiveClient], *, as_role: str = "") -> Any:
    try:
        for client in clients:
            await client.open(as_role=as_role)
        yield
    finally:
        for client in clients:
            await client.close()


async def _open_loop(clients: Sequence[LiveClient], per_s: float, seconds: int) -> list[Turn]:
    """Say something when it is due, whatever became of what was said before."""
    turns, began = [], time.perf_counter()
    for n in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began + n / per_s - time.perf_counter()))
        turns.append(await clients[n % len(clients)].say(f"{TEXT}, {n}"))
    return turns
