"""What the gateway adds to the bare client, beside an upstream that answers at once."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import openai
from django.conf import settings
from openai import AsyncOpenAI

from coach import tenancy
from coach.bench.report import Row, Say
from coach.database import Database
from coach.demo.rehearsal import quantiles
from coach.gateway.gateway import Gateway
from coach.gateway.growing import NUDGE
from coach.gateway.ledger import PostgresLedger
from coach.gateway.models import ModelCall
from coach.gateway.plan import Plan
from coach.gateway.prompt import Ask, Prompt
from coach.gateway.routes import Route
from coach.live.deadline import Deadline

CALLS, AT_ONCE, WARM_UP = 1000, 10, 5
BENCH = Ask(settings.DEFAULT_ORGANISATION_ID, uuid.uuid4())


async def gateway(say: Say) -> Sequence[Row]:
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
    deltas: list[dict[str, Any]] = [
        {"delta": {"content": piece}, "finish_reason": None} for piece in pieces
    ]
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
