"""Traces: one for each utterance, and never at a person's expense."""

import asyncio
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict

import pytest
from django.conf import settings

from coach.live import server
from coach.live.client import LiveClient
from tests.ops.collector import collecting
from tests.people import EVERYTHING
from tests.scripted_model import ScriptedModel, quotes

STUCK = "I keep putting off the report for the steering group"
TURNS = 120
# A request that waited for the collector would be seconds late; what two workers on shared cores
# differ by anyway is less than this.
MOST_SLOWER, CHANCE_MS = 1.3, 10.0


@pytest.fixture(scope="module")
def model():
    model = ScriptedModel()
    model.start()
    model.script = quotes
    yield model
    model.stop()


@pytest.fixture(scope="module")
def collector():
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(demo, model, collector):
    environment = {
        "LLM_BASE_URL": model.url, "LLM_MODEL": "scripted",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }  # fmt: skip
    with server.running(log=settings.DATA_DIR / "server-traced.log", environment=environment) as s:
        yield s


async def spans_of(collector, utterance: str, *, within_s: float = 6.0):
    """All spans of the trace of this utterance, once its first span, which ends last, is in."""
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        spans = collector.spans()
        for span in spans:
            if span.attributes.get("sidecoach.utterance") == utterance:
                return span, [other for other in spans if other.trace == span.trace]
        await asyncio.sleep(0.1)
    raise AssertionError("no trace of this utterance arrived")


async def test_an_utterance_is_one_trace_from_frame_to_outcome(traced, collector, open_room):
    room = await open_room(traced)
    async with LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING)) as ada:
        turns = [await ada.ask(STUCK), await ada.ask("and my manager keeps adding to my list")]
    assert turns[0].terminals[0]["source"] == "model"
    first, spans = await spans_of(collector, turns[0].utterance)
    other, _ = await spans_of(collector, turns[1].utterance)
    assert other.trace != first.trace
    assert [span.name for span in spans if not span.parent] == ["utterance"]
    ids = {span.id for span in spans}
    assert all(span.parent in ids for span in spans if span.parent)
    wanted = {"redact", "accept", "disclose", "read", "heads", "draft", "chat", "gate", "finish"}
    assert wanted | {"query", "deliver", "kept"} <= {span.name for span in spans}
    assert first.attributes["sidecoach.outcome"] == "nudge.done"
    assert first.attributes["sidecoach.route"] == "default"


async def test_a_call_to_a_model_tells_tokens_route_and_time_to_first_token(
    traced, collector, open_room
):
    room = await open_room(traced)
    async with LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING)) as ada:
        turn = await ada.ask(STUCK)
    _, spans = await spans_of(collector, turn.utterance)
    (chat,) = [span for span in spans if span.name == "chat"]
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.request.model"] == "scripted"
    assert chat.attributes["gen_ai.usage.input_tokens"] > 50
    assert chat.attributes["gen_ai.usage.output_tokens"] > 1
    assert 0 < chat.attributes["gen_ai.response.time_to_first_chunk"] < 1
    assert chat.attributes["sidecoach.outcome"] == "ok"
    (draft,) = [span for span in spans if span.name == "draft"]
    (gate,) = [span for span in spans if span.name == "gate"]
    assert chat.parent == draft.id
    assert gate.attributes["sidecoach.clauses"] >= 1


def test_without_a_collector_nothing_of_it_is_loaded():
    program = (
        "import django, sys; django.setup(); import coach.asgi;"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("fault", ["hangs", "gone"])
async def test_a_collector_that_hangs_or_is_gone_slows_nobody(fault, demo, open_room, real_server):
    """Turn by turn with a worker that has no collector, so that both meet the same machine."""
    with collecting(hangs=True) as dead:
        endpoint = dead.url if fault == "hangs" else f"http://127.0.0.1:{server.free_port()}"
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        log = settings.DATA_DIR / "server-untold.log"
        with server.running(log=log, environment=environment) as untold:
            spent: dict[str, list[float]] = defaultdict(list)
            rooms = {"with": await open_room(untold), "without": await open_room(real_server)}
            people = {}
            for name, room in rooms.items():
                people[name] = LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING))
                await people[name].open()
            for turn in range(TURNS + 10):
                for name in sorted(people, reverse=bool(turn % 2)):
                    done = await people[name].ask(STUCK)
                    if turn >= 10:
                        spent[name].append(done.total_ms or 0.0)
            for person in people.values():
                await person.close()
            with urllib.request.urlopen(f"{untold.http}/metrics") as answer:
                told = answer.read().decode()
            begun = time.monotonic()
        assert time.monotonic() - begun < 8
    p95 = {name: sorted(times)[int(0.95 * TURNS)] for name, times in spent.items()}
    print(f"\np95 {fault}: {p95['with']:.1f} ms with, {p95['without']:.1f} ms without, n={TURNS}")
    assert p95["with"] <= MOST_SLOWER * p95["without"] + CHANCE_MS
    ended = next(ln for ln in told.splitlines() if ln.startswith('sidecoach_spans_total{end="e'))
    assert float(ended.split()[-1]) > 5 * TURNS
