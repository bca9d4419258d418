"""How good is search? Ranking measures with intervals, on any corpus, queries and qrels.

Documents are imported as a playbook of an organisation of their own, by the same road as any
other import, and searched by the same statement; afterwards they are deleted.
"""

import asyncio
import gzip
import json
import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.db import transaction

from rag import ingest, lifecycle
from rag.direct import Direct
from rag.embedding import Encoder
from rag.errors import SourceUnreadable
from rag.fusion import Convex, Fusion, ReciprocalRank
from rag.models import Playbook
from rag.retrieval import Mode, Retrieval
from rag.sources import Card

DEPTH = 10
RESAMPLES = 1000
TIMEOUT_S = 30.0

Qrels = Mapping[str, Mapping[str, float]]
LEGS: Mapping[str, tuple[Mode, Fusion]] = {
    "lexical": ("lexical", Convex()),
    "dense": ("dense", Convex()),
    "reciprocal rank": ("hybrid", ReciprocalRank()),
    "hybrid": ("hybrid", Convex()),
}


@dataclass(frozen=True)
class Measured:
    """A mean over queries and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Split:
    """Queries and what is relevant to each; a query without relevant documents is left out."""

    name: str
    queries: Mapping[str, str]
    qrels: Qrels


def retrieval(data: Path) -> dict[str, Any]:
    """Figures for every corpus at or below a folder, by corpus, split, leg and measure.

    A corpus is a folder with `corpus.jsonl`, `queries[.SPLIT].jsonl` and `qrels[.SPLIT].jsonl`,
    each also as `.gz`. Raises SourceUnreadable when there is none.
    """
    folders = sorted({path.parent for path in data.rglob("corpus.jsonl*")})
    if not folders:
        raise SourceUnreadable(f"{data} holds no corpus.jsonl")
    encoder, redactor = ingest.encoder(), ingest.redactor()
    return {folder.name: _corpus(folder, encoder, redactor) for folder in folders}


def ndcg(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain: gain / log2(rank + 1) over that of the best order.

    Source: Järvelin and Kekäläinen, TOIS 2002, with linear gain as trec_eval has it.
    """
    gained = sum(
        relevant.get(key, 0.0) / math.log2(rank + 1)
        for rank, key in enumerate(ranked[:depth], start=1)
    )
    best = sorted(relevant.values(), reverse=True)[:depth]
    ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))
    return gained / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: Mapping[str, float], depth: int = DEPTH) -> float:
    """The share of relevant documents among the first `depth`."""
    wanted = {key for key, gain in relevant.items() if gain > 0}
    return len(wanted & set(ranked[:depth])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Mapping[str, float]) -> float:
    """1 / rank of the first relevant document, 0 without one."""
    return next(
        (1 / rank for rank, key in enumerate(ranked, start=1) if relevant.get(key, 0) > 0), 0.0
    )


def interval(values: Sequence[float], *, seed: int = 0) -> Measured:
    """Mean with the percentile bootstrap's 95 % interval. Source: Efron, 1979."""
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample):
        return Measured(0.0, 0.0, 0.0)
    picks = np.random.default_rng(seed).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), [2.5, 97.5])
    return Measured(round(float(sample.mean()), 4), round(float(low), 4), round(float(high), 4))


def _corpus(folder: Path, encoder: Encoder, redactor: Any) -> dict[str, Any]:
    organisation = uuid.uuid4()
    cards = [
        Card(key=str(row["_id"]), title=str(row.get("title") or ""), body=str(row["text"]))
        for row in _rows(folder, "corpus")
        if str(row["text"]).strip()
    ]
    report = ingest.import_cards(
        cards,
        organisation_id=organisation,
        name=folder.name,
        encoder=encoder,
        redactor=redactor,
        publish=True,
    )
    try:
        playbook = lifecycle.find(organisation, folder.name)
        figures = {
            split.name: asyncio.run(_measure(split, playbook, encoder)) for split in _splits(folder)
        }
    finally:
        with transaction.atomic():
            Playbook.objects.filter(organisation_id=organisation).update(live_version=None)
            Playbook.objects.filter(organisation_id=organisation).delete()
    return {"import": report.as_json() | {"quarantined": len(report.quarantined)}, **figures}


async def _measure(split: Split, playbook: Playbook, encoder: Encoder) -> dict[str, Any]:
    figures: dict[str, Any] = {"queries": len(split.qrels)}
    async with Direct(playbook.organisation_id) as database:
        for leg, (mode, fusion) in LEGS.items():
            search = Retrieval(database, encoder, fusion)
            ranked: dict[str, list[str]] = {}
            taken_ms: list[float] = []
            for key in split.qrels:
                began = time.perf_counter()
                found = await search.search(
                    split.queries[key],
                    organisation_id=playbook.organisation_id,
                    playbook_id=playbook.id,
                    limit=DEPTH,
                    mode=mode,
                    timeout_s=TIMEOUT_S,
                )
                taken_ms.append((time.perf_counter() - began) * 1e3)
                ranked[key] = [passage.entry for passage in found.passages]
            figures[leg] = _figures(ranked, split.qrels, taken_ms)
    return figures


def _figures(
    ranked: Mapping[str, Sequence[str]], qrels: Qrels, taken_ms: Sequence[float]
) -> dict[str, Any]:
    p50, p95 = np.percentile(taken_ms, [50, 95]) if taken_ms else (0.0, 0.0)
    measures = {f"ndcg_{DEPTH}": ndcg, f"recall_{DEPTH}": recall, "mrr": reciprocal_rank}
    return {
        name: asdict(interval([measure(ranked[key], qrels[key]) for key in qrels]))
        for name, measure in measures.items()
    } | {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2)}


def _splits(folder: Path) -> Iterator[Split]:
    for path in sorted(folder.glob("qrels*.jsonl*")):
        name = path.name.removeprefix("qrels").partition(".jsonl")[0].strip(".") or "all"
        suffix = "" if name == "all" else f".{name}"
        queries = {str(row["_id"]): str(row["text"]) for row in _rows(folder, f"queries{suffix}")}
        qrels: dict[str, dict[str, float]] = {}
        for row in _rows(folder, f"qrels{suffix}"):
            if str(row["query_id"]) in queries and float(row["score"]) > 0:
                gains = qrels.setdefault(str(row["query_id"]), {})
                gains[str(row["doc_id"])] = float(row["score"])
        yield Split(name, queries, qrels)


def _rows(folder: Path, stem: str) -> Iterator[dict[str, Any]]:
    plain, packed = folder / f"{stem}.jsonl", folder / f"{stem}.jsonl.gz"
    try:
        text = (
            plain.read_text("utf-8")
            if plain.is_file()
            else gzip.decompress(packed.read_bytes()).decode("utf-8")
        )
        for line in text.split("\n"):
            if line.strip():
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as exc:
        raise SourceUnreadable(f"{folder.name}/{stem}.jsonl is not readable") from exc
