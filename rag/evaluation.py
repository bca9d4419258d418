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
from dataclasses import asdict, dataclass, field
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
from rag.sources import Card, read

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
    """Queries and what is relevant to each; a query without relevant documents is left out.

    `before` are the turns before a query, latest last, where there were any.
    """

    name: str
    queries: Mapping[str, str]
    qrels: Qrels
    before: Mapping[str, Sequence[str]] = field(default_factory=dict)


def retrieval(data: Path) -> dict[str, Any]:
    """Figures for every corpus at or below a folder, by corpus, split, leg and measure.

    A corpus is a folder with `corpus.jsonl`, `queries[.SPLIT].jsonl` and `qrels[.SPLIT].jsonl`,
    each also as `.gz`. Raises SourceUnreadable when there is none.
    """
    folders = sorted({path.parent for path in data.rglob("corpus.jsonl*")})
    if not folders:
        raise SourceUnreadable(f"{data} holds no corpus.jsonl")
    return {
        folder.name: _corpus(folder.name, documents(folder), list(splits(folder)))
        for folder in folders
    }


def graded(playbook: Path, utterances: Path) -> dict[str, Any]:
    """Figures for a playbook file and utterances graded against its entries.

    A line is {`id`, `text`, `before`?: turns, `relevant`: {entry: grade}, `held_back`}; those held
    back were not looked at while anything was tuned. Raises SourceUnreadable.
    """
    rows = list(_lines(utterances))
    splits = [
        Split(
            name,
            {row["id"]: row["text"] for row in rows},
            {row["id"]: row["relevant"] for row in rows if row["held_back"] is held_back},
            {row["id"]: row.get("before", ()) for row in rows},
        )
        for name, held_back in (("tuning", False), ("held_back", True))
    ]
    return {playbook.stem: _corpus(playbook.stem, read(playbook), splits)}


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


def documents(folder: Path) -> list[Card]:
    """A corpus as cards; documents without words are left out."""
    return [
        Card(key=str(row["_id"]), title=str(row.get("title") or ""), body=str(row["text"]))
        for row in _rows(folder, "corpus")
        if str(row["text"]).strip()
    ]


def _corpus(name: str, cards: Sequence[Card], splits: Sequence[Split]) -> dict[str, Any]:
    organisation, encoder = uuid.uuid4(), ingest.encoder()
    report = ingest.import_cards(
        cards,
        organisation_id=organisation,
        name=name,
        encoder=encoder,
        redactor=ingest.redactor(),
        publish=True,
    )
    try:
        playbook = lifecycle.find(organisation, name)
        figures = {split.name: asyncio.run(_measure(split, playbook, encoder)) for split in splits}
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
                    context=split.before.get(key, ()),
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


def splits(folder: Path) -> Iterator[Split]:
    """Each qrels file of a corpus with its queries."""
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
    yield from _lines(plain if plain.is_file() else packed)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        for line in text.split("\n"):
            if line.strip():
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as exc:
        raise SourceUnreadable(f"{path.parent.name}/{path.name} is not readable") from exc
