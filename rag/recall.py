"""How much does the graph lose? Fused search through HNSW against comparing every vector.

Passages are sentences of a playbook mixed at random, embedded for real; each carries decks that
half, a twentieth and one in two hundred of them share. The playbook is deleted afterwards.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.db import transaction

from rag import index, ingest, lifecycle
from rag.benchmark import TIMEOUT_S
from rag.direct import Direct
from rag.embedding import Encoder
from rag.index import Plan, Planned, Progress, unseen
from rag.models import Entry, Playbook, PlaybookVersion
from rag.retrieval import Filters, Retrieval
from rag.sources import read

PASSAGES, TOP, SENTENCES = 100_000, 10, 3
# A deck and the share of passages that carry it; "" is no filter.
SHARES = {"": 1.0, "half": 0.5, "twentieth": 0.05, "two hundredth": 0.005}


@dataclass(frozen=True)
class Kept:
    """Of the ten best by exact search, the share that search as it runs finds; the fewest rows."""

    passages: int
    keeps: float
    n: int
    recall_10: float
    fewest_rows: int


def recall(
    playbook: Path, asked: Sequence[str], *, passages: int = PASSAGES, progress: Progress = unseen
) -> list[dict[str, Any]]:
    """Recall@10 of fused search without a filter and behind three; one row for each."""
    encoder = ingest.encoder()
    made = _fill(playbook, passages, progress)
    try:
        found: dict[bool, dict[str, list[list[str]]]] = {}
        for approximate in (True, False):
            PlaybookVersion.objects.filter(playbook=made).update(approximate=approximate)
            found[approximate] = asyncio.run(_search(made, encoder, asked))
    finally:
        with transaction.atomic():
            Playbook.objects.filter(id=made.id).update(live_version=None)
            Playbook.objects.filter(id=made.id).delete()
    return [
        asdict(
            Kept(
                passages=passages,
                keeps=share,
                n=len(asked),
                recall_10=round(_shared(found[True][deck], found[False][deck]), 4),
                fewest_rows=min(map(len, found[True][deck])),
            )
        )
        for deck, share in SHARES.items()
    ]


async def _search(
    playbook: Playbook, encoder: Encoder, asked: Sequence[str]
) -> dict[str, list[list[str]]]:
    ranked: dict[str, list[list[str]]] = {}
    async with Direct(playbook.organisation_id) as database:
        retrieval = Retrieval(database, encoder)
        for deck in SHARES:
            for text in asked:
                found = await retrieval.search(
                    text,
                    organisation_id=playbook.organisation_id,
                    playbook_id=playbook.id,
                    limit=TOP,
                    filters=Filters(deck=deck),
                    timeout_s=TIMEOUT_S,
                )
                ranked.setdefault(deck, []).append([p.entry for p in found.passages])
    return ranked


def _shared(some: Sequence[list[str]], exact: Sequence[list[str]]) -> float:
    return float(
        np.mean([
            len(set(one) & set(all_)) / len(all_)
            for one, all_ in zip(some, exact, strict=True)
        ])
    )  # fmt: skip


def _fill(playbook: Path, passages: int, progress: Progress) -> Playbook:
    rng = np.random.default_rng(17)
    sentences = [
        text
        for card in read(playbook)
        for text in (card.body, card.example, *card.triggers)
        if text
    ]
    decks = [deck for deck in SHARES if deck]
    entries = [
        Entry(
            key=str(number),
            title="",
            body=" ".join(rng.choice(sentences, SENTENCES, replace=False)),
            decks=[deck for deck in decks if rng.random() < SHARES[deck]],
        )
        for number in range(passages)
    ]
    encoder = ingest.encoder()
    planned = tuple(Planned(entry, 0, entry.body, entry.body) for entry in entries)
    vectors = np.empty((passages, encoder.dimension), dtype=np.float32)
    index.embed_into(vectors, range(passages), [p.text for p in planned], encoder, progress)
    with transaction.atomic():
        version = ingest.store(entries, uuid.uuid4(), "recall", note="", by="bench")
        index.write(version, Plan(planned, vectors, encoder.model, reused=0))
        return lifecycle.publish(version.id, by="bench").playbook
