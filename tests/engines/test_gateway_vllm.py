"""The gateway against two real vLLMs: one small and first, one heavier and in reserve."""

import asyncio
import json
import tomllib
import urllib.request
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from coach.bench.kept import REPLAY_FILE
from coach.gateway.errors import GatewayError, ModelBroken
from coach.gateway.gateway import Gateway
from coach.gateway.plan import Plan
from coach.gateway.prompt import Ask
from coach.gateway.registry import SEED_FILE
from coach.gateway.routes import Engine, Route, Tier
from coach.gateway.tokens import counter
from coach.live import server
from coach.live.deadline import Deadline
from coach.nudges.prompt import build_prompt, cache_salt
from rag.retrieval import Explanation, Passage
from safety.jsonlines import read
from tests.engines import processes
from tests.proofs import repeats

pytestmark = pytest.mark.engines

DRAFTS, AT_ONCE = repeats(200, full=600), 4
COLD_MS = 120_000
TOKENIZER = processes.ENGINES / "tiny-model" / "tokenizer.json"
SHOWN = Explanation("", None, None, None, None, 1.0, None, "", {})


@pytest.fixture(scope="module")
def engines():
    """Two ports, and the processes behind them."""
    ports = server.free_port(), server.free_port()
    with (
        processes.vllm(ports[0], settings.DATA_DIR / "vllm-small.log") as small,
        processes.vllm(ports[1], settings.DATA_DIR / "vllm-large.log") as large,
    ):
        yield ports, (small, large)


def route(port: int, name: str, **fields) -> Route:
    # Two servers and the tests share the machine: what is asked here is what they do, not how fast.
    base = Route(
        name, f"http://127.0.0.1:{port}/v1", "tiny", engine=Engine.VLLM, logprobs=True,
        context_tokens=4096, tokenizer=str(TOKENIZER),
        first_ms=5000, stall_ms=5000,
    )  # fmt: skip
    return replace(base, **fields)


@pytest.fixture
async def pair(engines):
    (small, large), _ = engines
    for port in (small, large):
        # The first guided request compiles its grammar, and kernels for its shapes.
        warm = route(port, "warm", first_ms=COLD_MS, stall_ms=COLD_MS)
        async with Gateway(Plan((warm,))) as gateway:
            await draft(gateway, 0, ask(), milliseconds=2 * COLD_MS)
    plan = Plan((route(small, "small"), route(large, "large", tier=Tier.HEAVY)))
    async with Gateway(plan) as gateway:
        yield gateway


def metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def entries() -> list[dict[str, str]]:
    lines = Path(processes.PLAYBOOK).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def texts() -> list[str]:
    return [row["text"] for row in read(REPLAY_FILE, {"text": str})]


def prompt(n: int):
    """The road's own prompt, about the n-th thing somebody said."""
    said = texts()
    book = entries()
    passages = [
        Passage(uuid.uuid4(), e["id"], e["title"], e["body"], 1, rank, 1.0, SHOWN)
        for rank, e in enumerate(book[n % len(book) : n % len(book) + 3], start=1)
    ]
    context = {"utterance": f"{said[n % len(said)]} ({n})", "recent_turns": said[0]}
    count = counter(route(0, "small"))
    return build_prompt(context, passages, canary_word="ref-0123456789abcdef", count=count)


def ask(organisation: str = "one") -> Ask:
    salt = cache_salt("secret", organisation)
    return Ask(uuid.uuid4(), uuid.uuid4(), salt=salt)


async def draft(gateway: Gateway, n: int, who: Ask, milliseconds: float = 20_000) -> str:
    async with gateway.draft(prompt(n), who, deadline=Deadline.after_ms(milliseconds)) as writing:
        async for _ in writing:
            pass
        assert writing.body is not None
        assert writing.confidence is not None
        return writing.route.name


async def test_drafts_are_valid_by_guided_decoding_and_their_prefix_is_cached(engines, pair):
    (port, _), _ = engines
    who = ask()
    await draft(pair, 0, who)
    queried, hit = (metric(port, f"vllm:prefix_cache_{n}_total") for n in ("queries", "hits"))
    ends: Counter[str] = Counter()

    async def one(n: int) -> None:
        try:
            ends[await draft(pair, n, who)] += 1
        except ModelBroken:
            ends["broken"] += 1

    for start in range(1, DRAFTS + 1, AT_ONCE):
        await asyncio.gather(*(one(n) for n in range(start, start + AT_ONCE)))
    valid = (ends.total() - ends["broken"]) / ends.total()
    queried = metric(port, "vllm:prefix_cache_queries_total") - queried
    rate = (metric(port, "vllm:prefix_cache_hits_total") - hit) / queried
    print(f"\nvalid {valid:.4f} of {ends.total()}, prefix-cache hit rate {rate:.3f}")
    assert ends.total() == DRAFTS
    assert valid >= 0.995
    assert rate > 0.5


async def test_the_tokenizer_counts_as_the_server_does(pair):
    asked = prompt(7)
    async with pair.draft(asked, ask(), deadline=Deadline.after_ms(20_000)) as writing:
        async for _ in writing:
            pass
    assert abs(writing.tokens_in - asked.tokens) <= 24


async def test_one_tenant_s_prefix_is_no_hit_for_another(engines, pair):
    (port, _), _ = engines
    await draft(pair, 3, ask("tenant a"))
    before = metric(port, "vllm:prefix_cache_hits_total")
    await draft(pair, 3, ask("tenant b"))
    assert metric(port, "vllm:prefix_cache_hits_total") == before
    await draft(pair, 3, ask("tenant a"))
    assert metric(port, "vllm:prefix_cache_hits_total") > before


async def test_giving_up_ends_the_generation(engines, pair):
    (port, _), _ = engines
    for n in range(20):
        async with pair.draft(prompt(n), ask(), deadline=Deadline.after_ms(20_000)) as writing:
            async for _ in writing:
                break
    end = asyncio.get_running_loop().time() + 1.0
    while metric(port, "vllm:num_requests_running") > 0:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.05)


async def test_unsure_drafts_of_the_small_model_are_written_by_the_large_one(engines):
    (small, large), _ = engines
    unsure = route(small, "small", least_confidence=0.0)
    heavy = route(large, "large", tier=Tier.HEAVY)
    async with Gateway(Plan((unsure, heavy))) as gateway:
        assert {await draft(gateway, n, ask()) for n in range(5)} == {"large"}
        sure = replace(unsure, least_confidence=-20.0)
        gateway.adopt(Plan((sure, heavy)))
        assert {await draft(gateway, n, ask()) for n in range(5)} == {"small"}


async def test_most_of_the_replay_set_stays_with_the_small_model(engines):
    (small, large), _ = engines
    seeded = tomllib.loads(SEED_FILE.read_text())["small-vllm"]["least_confidence"]
    first = route(small, "small", least_confidence=seeded)
    ends: Counter[str] = Counter()
    async with Gateway(Plan((first, route(large, "large", tier=Tier.HEAVY)))) as gateway:
        for n in range(len(texts())):
            ends[await draft(gateway, n, ask())] += 1
    share = ends["small"] / ends.total()
    print(f"\nsmall-model share {share:.3f} of {ends.total()}")
    assert share > 0.8


async def test_when_the_first_dies_the_second_answers(engines, pair):
    _, (small, _) = engines
    who = ask()
    assert await draft(pair, 1, who) == "small"
    processes.end(small)
    ends: Counter[str] = Counter()
    for n in range(40):
        try:
            ends[await draft(pair, n, who, 5000)] += 1
        except GatewayError as exc:
            ends[exc.reason] += 1
    print(f"\nafter the first one's death: {dict(ends)}")
    assert ends["large"] >= 39
