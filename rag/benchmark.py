"""How fast is search? The table of `docs/performance.md`, by the statement that sessions use.

Passages are made from a small vocabulary with the frequencies of ordinary speech, their vectors
from clusters of directions: what a search costs hangs on how many postings and vectors it reads,
not on what they say. The playbook is deleted afterwards.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db import transaction

from rag import index, ingest, lifecycle
from rag.direct import Direct
from rag.embedding import Encoder, Vectors
from rag.index import Plan, Planned
from rag.models import Entry, Playbook
from rag.retrieval import MODES, Mode, Retrieval

SIZES = (1_000, 10_000, 100_000)
CONCURRENT = 20
PASSAGE_WORDS, QUERY_WORDS = 60, 12
VOCABULARY, CLUSTERS = 8_000, 500
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one kind of search; `together` is one of twenty at once."""

    passages: int
    mode: str
    p50_ms: float
    p95_ms: float
    together_p95_ms: float


def retrieval(sizes: Sequence[int] = SIZES, *, queries: int = 200) -> dict[str, Any]:
    """Latency by size and mode, without the embedding, and what indexing and embedding take."""
    encoder = ingest.encoder()
    rng = np.random.default_rng(17)
    words = vocabulary()
    asked = [text(rng, words, QUERY_WORDS) for _ in range(queries)]
    timings: list[dict[str, Any]] = []
    indexing: dict[str, float] = {}
    for size in sizes:
        organisation = uuid.uuid4()
        began = time.perf_counter()
        playbook = _fill(organisation, size, encoder, rng, words)
        indexing[str(size)] = round(size / (time.perf_counter() - began), 1)
        try:
            timings += [
                asdict(timing) for timing in asyncio.run(_time(playbook, size, encoder, asked))
            ]
        finally:
            with transaction.atomic():
                Playbook.objects.filter(id=playbook.id).update(live_version=None)
                Playbook.objects.filter(id=playbook.id).delete()
    return {
        "search": timings,
        "indexed_per_s": indexing,
        "embedding_ms": _embedding_ms(encoder, asked),
    }


async def _time(
    playbook: Playbook, size: int, encoder: Encoder, asked: Sequence[str]
) -> list[Timing]:
    for text in asked:
        await encoder.embed_query(text, timeout_s=TIMEOUT_S)
    connections = [await Direct(playbook.organisation_id).__aenter__() for _ in range(CONCURRENT)]
    searches = [Retrieval(connection, encoder) for connection in connections]
    try:
        # The first searches of a connection plan the statement, and the pages come into memory.
        for search in searches:
            await _search(search, playbook, asked[:8], "hybrid")
        timings = []
        for mode in MODES:
            await _search(searches[0], playbook, asked[:20], mode)
            alone = await _search(searches[0], playbook, asked, mode)
            shares = [asked[n::CONCURRENT] for n in range(CONCURRENT)]
            together = await asyncio.gather(
                *(
                    _search(search, playbook, share, mode)
                    for search, share in zip(searches, shares, strict=True)
                )
            )
            timings.append(
                Timing(
                    passages=size,
                    mode=mode,
                    p50_ms=round(float(np.percentile(alone, 50)), 2),
                    p95_ms=round(float(np.percentile(alone, 95)), 2),
                    together_p95_ms=round(float(np.percentile(np.concatenate(together), 95)), 2),
                )
            )
        return timings
    finally:
        for connection in connections:
            await connection.__aexit__()


async def _search(
    search: Retrieval, playbook: Playbook, asked: Sequence[str], mode: Mode
) -> list[float]:
    taken: list[float] = []
    for text in asked:
        found = await search.search(
            text,
            organisation_id=playbook.organisation_id,
            playbook_id=playbook.id,
            mode=mode,
            timeout_s=TIMEOUT_S,
        )
        taken.append(found.times_ms["search"] + found.times_ms["order"])
    return taken


def _fill(
    organisation: uuid.UUID, size: int, encoder: Encoder, rng: np.random.Generator,
    words: Sequence[str],
) -> Playbook:  # fmt: skip
    texts = [text(rng, words, PASSAGE_WORDS) for _ in range(size)]
    keys = [str(n) for n in range(size)]
    made = vectors(rng, size, encoder.dimension)
    return store_made(organisation, keys, texts, made, encoder.model)


def store_made(
    organisation: uuid.UUID, keys: Sequence[str], texts: Sequence[str], made: Vectors, model: str
) -> Playbook:
    """Texts and their vectors as a published playbook, by the road of every import."""
    entries = [Entry(key=key, title="", body=text) for key, text in zip(keys, texts, strict=True)]
    passages = tuple(
        Planned(entry, 0, text, text) for entry, text in zip(entries, texts, strict=True)
    )
    plan = Plan(passages, made, model, reused=0)
    with transaction.atomic():
        version = ingest.store(entries, organisation, f"bench {len(entries)}", note="", by="bench")
        index.write(version, plan)
        return lifecycle.publish(version.id, by="bench").playbook


def vocabulary() -> list[str]:
    """Words that no stemmer shortens and no stop list holds."""
    consonants, vowels = "bdfgklmnprtvz", "aiou"
    syllables = [c + v for c in consonants for v in vowels]
    return [
        f"{syllables[n % 52]}{syllables[n // 52 % 52]}{syllables[n // 2704 % 52]}x"
        for n in range(VOCABULARY)
    ]


def text(rng: np.random.Generator, words: Sequence[str], length: int) -> str:
    """Words drawn as often as speech has them."""
    # Zipf's law with the stop words, which no index holds, cut off: ranks start at 50.
    ranks = np.arange(50, 50 + len(words))
    share = (1 / ranks) / (1 / ranks).sum()
    return " ".join(rng.choice(words, size=length, p=share))


def vectors(rng: np.random.Generator, size: int, dimension: int) -> Vectors:
    """(size, dimension) float32 of unit length, in clusters."""
    centres = rng.standard_normal((CLUSTERS, dimension)).astype(np.float32)
    near = centres[rng.integers(0, CLUSTERS, size)]
    vectors = near + 0.8 * rng.standard_normal((size, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _embedding_ms(encoder: Encoder, asked: Sequence[str]) -> dict[str, float]:
    taken = []
    for text in asked:
        began = time.perf_counter()
        encoder.embed([text])
        taken.append((time.perf_counter() - began) * 1e3)
    p50, p95 = np.percentile(taken, [50, 95])
    return {"p50": round(float(p50), 2), "p95": round(float(p95), 2)}
