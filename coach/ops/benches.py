"""What `bench` measures: each returns a table of rows, with n, from real parts only."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import openai
from django.conf import settings
from openai import AsyncOpenAI

from coach import tenancy
from coach.database import Database, DatabaseError
from coach.demo.rehearsal import Line, quantiles, rehearse
from coach.gateway.gateway import Gateway
from coach.gateway.growing import NUDGE
from coach.gateway.ledger import PostgresLedger
from coach.gateway.models import ModelCall
from coach.gateway.plan import Plan
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route
from coach.live.client import LiveClient, rest
from coach.live.deadline import Deadline
from coach.models import Member
from consent import choices
from consent.registry import Purpose
from consent.vault import Vault

Row = dict[str, Any]
Say = Callable[[str], None]

CALLS, AT_ONCE, WARM_UP = 1000, 10, 5
BENCH = Ask(settings.DEFAULT_ORGANISATION_ID, uuid.uuid4())
DISCLOSURES, DISCLOSED_BEFORE = 1_000, 50
IDLE, TALKERS, RATE_PER_S, SECONDS = 200, 20, 20.0, 15


async def pipeline(script: list[Line], url: str, token: str, say: Say) -> list[Row]:
    """Frame to terminal and each stage, over real sockets, one session."""
    async with rest(url, token) as api:
        await rehearse(script[:10], api, url)
        say(f"{len(script)} turns")
        summary = (await rehearse(script, api, url)).summary()
    rows = [
        {"what": "frame to terminal", "n": summary["turns"], **summary["frame_to_terminal_ms"]},
        {"what": "on the server", "n": summary["turns"], **summary["server_total_ms"]},
    ]
    rows += [{"what": f"stage {k}", **v} for k, v in summary["stages_ms"].items()]
    return rows


async def sockets(url: str, token: str, say: Say) -> list[Row]:
    """Idle sockets beside members who talk at a fixed rate, whatever the answers do."""
    async with rest(url, token) as api:
        session = await api.call("POST", "sessions/", {"title": "Bench", "cooldown_s": 0})
        code = session["join_code"]
        consent = await api.every_choice(code)
        tickets = [await api.join(code, f"Member {n}", consent) for n in range(TALKERS)]
        say(f"{IDLE} idle, {TALKERS} talking, {RATE_PER_S:.0f} utterances/s for {SECONDS} s")
        idle = [LiveClient(url, tickets[n % TALKERS]) for n in range(IDLE)]
        talking = [LiveClient(url, ticket) for ticket in tickets]
        try:
            for client in idle + talking:
                await client.open()
            turns = []
            began = time.perf_counter()
            for n in range(int(RATE_PER_S * SECONDS)):
                # Open loop: the next one is due when it is due.
                await asyncio.sleep(max(0.0, began + n / RATE_PER_S - time.perf_counter()))
                turns.append(await talking[n % TALKERS].say("I keep putting off the report"))
            await asyncio.wait({t.done for t in turns}, timeout=10)
        finally:
            for client in idle + talking:
                await client.close()
    totals = [t.total_ms for t in turns if t.total_ms is not None]
    return [
        {
            "what": f"{RATE_PER_S:.0f}/s beside {IDLE} idle sockets, frame to terminal",
            "n": len(turns),
            "answered": len(totals),
            **quantiles(totals),
        }
    ]


async def vault(member: Member, say: Say) -> list[Row]:
    """One disclosure at a time: rights read, release logged and chained, in one round trip."""
    database = Database("vault")
    await database.open()
    door = Vault(database, choices.key_ring(), unavailable=(DatabaseError,))
    taken: list[float] = []
    empty: list[float] = []
    try:
        with tenancy.acting(tenancy.of([member.organisation_id], actor="bench")):
            for _ in range(DISCLOSED_BEFORE + DISCLOSURES):
                began = time.perf_counter()
                await database.fetch("SELECT 1", timeout_s=5.0)
                empty.append((time.perf_counter() - began) * 1000)
                began = time.perf_counter()
                await door.disclose(
                    member.id,
                    {"utterance": "I am stuck", "recent_turns": "And before that, too"},
                    purpose=Purpose.COACHING,
                    recipient="bench",
                    stored=("display_name", "role", "goal", "profile_note"),
                    timeout_s=5.0,
                )
                taken.append((time.perf_counter() - began) * 1000)
    finally:
        await database.close()
    say(f"{DISCLOSURES} disclosures")
    return [
        {"what": what, "n": DISCLOSURES, **quantiles(times[DISCLOSED_BEFORE:])}
        for what, times in (("SELECT 1, for comparison", empty), ("disclose", taken))
    ]


async def gateway(say: Say) -> list[Row]:
    """What the gateway adds to the bare client, interleaved, upstream without any latency.

    Once by itself and once with its ledger, whose statement goes to PostgreSQL before each call.
    """
    body = json.dumps({"nudge": "What would done look like to you?", "cites": [1]})
    async with AsyncExitStack() as stack:
        stack.enter_context(tenancy.acting(tenancy.of([BENCH.organisation], actor="bench")))
        upstream = await asyncio.start_server(_upstream(body), "127.0.0.1", 0)
        await stack.enter_async_context(upstream)
        url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/v1"
        bare = await stack.enter_async_context(
            AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        )
        database = Database("default")
        await database.open()
        stack.push_async_callback(database.close)
        plan = Plan((Route("bench", url, "none"),))
        ours = await stack.enter_async_context(Gateway(plan))
        charged = await stack.enter_async_context(Gateway(plan, PostgresLedger(database)))
        spent = await _interleaved(
            {
                "bare client": lambda: _bare(bare),
                "gateway": lambda: _ours(ours),
                "gateway with its ledger": lambda: _ours(charged),
            }
        )
    await ModelCall.objects.filter(session_id=BENCH.session).adelete()
    say(f"{CALLS} calls each, {AT_ONCE} at once")
    rows = []
    for what, pick in (("first token", Times.first), ("whole call", Times.whole)):
        found = {name: quantiles(map(pick, times)) for name, times in spent.items()}
        rows += [{"what": f"{what}, {name}", "n": CALLS, **q} for name, q in found.items()]
        over = {k: round(v - found["bare client"][k], 2) for k, v in found["gateway"].items()}
        rows.append({"what": f"{what}, gateway over bare client", "n": CALLS, **over})
    return rows


async def _interleaved(
    ways: Mapping[str, Callable[[], Awaitable["Times"]]],
) -> dict[str, list["Times"]]:
    """So many calls at once in each way, in turns; another one goes first in every turn."""
    names, spent = list(ways), {name: list[Times]() for name in ways}
    for turn in range(WARM_UP + CALLS // AT_ONCE):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times = await asyncio.gather(*(ways[name]() for _ in range(AT_ONCE)))
            spent[name] += times if turn >= WARM_UP else []
    return spent


class Times(NamedTuple):
    """Milliseconds until a call's first content, and until its end."""

    first_ms: float
    whole_ms: float

    def first(self) -> float:
        return self.first_ms

    def whole(self) -> float:
        return self.whole_ms


async def _bare(client: openai.AsyncOpenAI) -> Times:
    began, first = time.perf_counter(), 0.0
    stream = await client.chat.completions.create(
        model="none",
        messages=[{"role": "user", "content": "I am stuck"}],
        stream=True,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "nudge", "strict": True, "schema": NUDGE.schema(1)},
        },
    )
    async with stream:
        async for chunk in stream:
            if not first and chunk.choices[0].delta.content:
                first = time.perf_counter()
    return Times((first - began) * 1000, (time.perf_counter() - began) * 1000)


async def _ours(gateway: Gateway) -> Times:
    began, first = time.perf_counter(), 0.0
    prompt = Prompt(({"role": "user", "content": "I am stuck"},), passages=1)
    async with gateway.draft(prompt, BENCH, deadline=Deadline.after_ms(5000)) as draft:
        async for _ in draft:
            first = first or time.perf_counter()
    return Times((first - began) * 1000, (time.perf_counter() - began) * 1000)


def _upstream(body: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """A model server that answers at once, eight characters a chunk, and keeps connections."""
    pieces = [body[at : at + 8] for at in range(0, len(body), 8)]
    deltas: list[Row] = [{"delta": {"content": piece}, "finish_reason": None} for piece in pieces]
    deltas.append({"delta": {}, "finish_reason": "stop"})
    events = "".join(
        "data: "
        + json.dumps(
            {
                "id": "b", "object": "chat.completion.chunk", "created": 1, "model": "none",
                "choices": [{"index": 0, **delta}],
            }
        )
        + "\n\n"
        for delta in deltas
    )  # fmt: skip
    content = (events + "data: [DONE]\n\n").encode()
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: "
        + str(len(content)).encode()
        + b"\r\n\r\n"
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in request.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                await reader.readexactly(length)
                writer.write(head + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    return answer
