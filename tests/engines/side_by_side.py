"""Our search beside those of well-known frameworks: one run, one PostgreSQL, the same vectors.

    .engines/frameworks/bin/python tests/engines/side_by_side.py [--data DIR] [--sizes 1000 10000]

Each framework is set up as its documentation says for hybrid search, with HNSW. Nobody's time
contains the embedding, which all of them are given. Prints JSON: latencies by size, and nDCG@10
on labelled corpora.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.update(DEMO="1", LOG_LEVEL="ERROR", HAYSTACK_TELEMETRY_ENABLED="False")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")

import django

django.setup()

import numpy as np
from django.conf import settings
from django.db import connections, transaction

from coach import tenancy
from rag import benchmark, evaluation, ingest, lifecycle
from rag.direct import Direct
from rag.embedding import Vectors
from rag.models import Playbook
from rag.retrieval import Retrieval

SCHEMA = "side_by_side"
QUERIES, TOP = 100, 10
DIMENSION = 384


class Framework(Protocol):
    """A store filled once and asked many times; answers are document ids, best first."""

    def fill(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None: ...
    def search(self, text: str, vector: Vectors) -> list[str]: ...


def address(driver: str = "postgresql") -> str:
    owner = settings.DATABASES["owner"]
    host, name, user = owner["HOST"], owner["NAME"], owner["USER"]
    if urlsplit(f"x://{host}").path or host.startswith("/"):
        return f"{driver}://{user}@/{name}?host={host}"
    return f"{driver}://{user}:{owner['PASSWORD']}@{host}:{owner['PORT'] or 5432}/{name}"


class Haystack:
    """Embedding and keyword retriever, joined by reciprocal rank."""

    def fill(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        from haystack import Document
        from haystack.components.joiners import DocumentJoiner
        from haystack.utils import Secret
        from haystack_integrations.components.retrievers.pgvector import (
            PgvectorEmbeddingRetriever,
            PgvectorKeywordRetriever,
        )
        from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

        store = PgvectorDocumentStore(
            connection_string=Secret.from_token(address()), schema_name=SCHEMA,
            create_extension=False, table_name="haystack", embedding_dimension=DIMENSION,
            recreate_table=True, search_strategy="hnsw", hnsw_recreate_index_if_exists=True,
        )  # fmt: skip
        for start in range(0, len(ids), 2000):
            part = slice(start, start + 2000)
            store.write_documents([
                Document(id=key, content=text, embedding=vector.tolist())
                for key, text, vector in zip(ids[part], texts[part], vectors[part], strict=True)
            ])  # fmt: skip
        self.dense = PgvectorEmbeddingRetriever(document_store=store, top_k=TOP)
        self.lexical = PgvectorKeywordRetriever(document_store=store, top_k=TOP)
        self.joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=TOP)

    def search(self, text: str, vector: Vectors) -> list[str]:
        found = [
            self.dense.run(query_embedding=vector.tolist())["documents"],
            self.lexical.run(query=text)["documents"],
        ]
        return [document.id for document in self.joiner.run(documents=found)["documents"]]


class LlamaIndex:
    """The PostgreSQL vector store in hybrid mode."""

    def fill(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
        from llama_index.vector_stores.postgres import PGVectorStore

        self.store = PGVectorStore.from_params(
            connection_string=address("postgresql+psycopg2"),
            async_connection_string=address("postgresql+psycopg"), schema_name=SCHEMA,
            table_name="llama", embed_dim=DIMENSION, hybrid_search=True,
            hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 40,
                         "hnsw_dist_method": "vector_cosine_ops"},
        )  # fmt: skip
        for start in range(0, len(ids), 2000):
            part = slice(start, start + 2000)
            self.store.add([
                TextNode(
                    id_=key, text=text, embedding=vector.tolist(),
                    relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=key)},
                )
                for key, text, vector in zip(ids[part], texts[part], vectors[part], strict=True)
            ])  # fmt: skip

    def search(self, text: str, vector: Vectors) -> list[str]:
        from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode

        found = self.store.query(
            VectorStoreQuery(
                query_str=text, query_embedding=vector.tolist(), similarity_top_k=TOP,
                sparse_top_k=TOP, mode=VectorStoreQueryMode.HYBRID,
            )
        )  # fmt: skip
        return list(found.ids or [])[:TOP]


class LangChain:
    """The PostgreSQL vector store with a hybrid configuration and reciprocal rank."""

    def fill(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        from langchain_core.embeddings import Embeddings
        from langchain_postgres import PGEngine, PGVectorStore
        from langchain_postgres.v2.hybrid_search_config import (
            HybridSearchConfig,
            reciprocal_rank_fusion,
        )
        from langchain_postgres.v2.indexes import HNSWIndex

        outer = self

        class Given(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                raise NotImplementedError

            def embed_query(self, text: str) -> list[float]:
                return outer.vector

        self.vector: list[float] = []
        hybrid = HybridSearchConfig(
            tsv_column="content_tsv", tsv_lang="pg_catalog.english",
            fusion_function=reciprocal_rank_fusion,
            fusion_function_parameters={"rrf_k": 60, "fetch_top_k": TOP},
            primary_top_k=TOP, secondary_top_k=TOP,
        )  # fmt: skip
        engine = PGEngine.from_connection_string(address("postgresql+psycopg"))
        engine.init_vectorstore_table(
            "langchain", DIMENSION, schema_name=SCHEMA, overwrite_existing=True,
            id_column={"name": "langchain_id", "data_type": "text", "nullable": False},
            hybrid_search_config=hybrid,
        )  # fmt: skip
        self.store = PGVectorStore.create_sync(
            engine, Given(), "langchain", schema_name=SCHEMA, k=TOP, hybrid_search_config=hybrid
        )
        for start in range(0, len(ids), 2000):
            part = slice(start, start + 2000)
            self.store.add_embeddings(
                texts=list(texts[part]), embeddings=[v.tolist() for v in vectors[part]],
                ids=list(ids[part]),
            )  # fmt: skip
        self.store.apply_vector_index(HNSWIndex())
        self.store.apply_hybrid_search_index()

    def search(self, text: str, vector: Vectors) -> list[str]:
        self.vector = vector.tolist()
        return [str(document.id) for document in self.store.similarity_search(text, k=TOP)]


class Ours:
    """The statement that sessions use, on a playbook of an organisation of its own."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.encoder = ingest.encoder()

    def use(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.database = Direct(playbook.organisation_id)
        self.runner.run(self.database.__aenter__())
        self.retrieval = Retrieval(self.database, self.encoder)

    def fill(self, ids: Sequence[str], texts: Sequence[str], vectors: Vectors) -> None:
        organisation = uuid.uuid4()
        self.use(benchmark.store_made(organisation, ids, texts, vectors, self.encoder.model))

    def search(self, text: str, vector: Vectors) -> list[str]:
        # The vector is in the encoder's own memory of recent queries.
        found = self.runner.run(
            self.retrieval.search(
                text, organisation_id=self.playbook.organisation_id,
                playbook_id=self.playbook.id, limit=TOP, timeout_s=30.0,
            )
        )  # fmt: skip
        return [passage.entry for passage in found.passages]

    def remove(self) -> None:
        with transaction.atomic():
            Playbook.objects.filter(id=self.playbook.id).update(live_version=None)
            Playbook.objects.filter(id=self.playbook.id).delete()


FRAMEWORKS: Mapping[str, Callable[[], Framework]] = {
    "Haystack": Haystack,
    "LlamaIndex": LlamaIndex,
    "LangChain": LangChain,
}


def empty_schema() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")


def latencies(sizes: Sequence[int]) -> list[dict[str, Any]]:
    """Milliseconds by size, the searches of all of them interleaved query by query."""
    rng, words = np.random.default_rng(17), benchmark.vocabulary()
    rows = []
    for size in sizes:
        texts = [benchmark.text(rng, words, benchmark.PASSAGE_WORDS) for _ in range(size)]
        vectors = benchmark.vectors(rng, size, DIMENSION)
        asked = [benchmark.text(rng, words, benchmark.QUERY_WORDS) for _ in range(QUERIES)]
        rows += _timed(size, [str(n) for n in range(size)], texts, vectors, asked)
    return rows


def _timed(
    size: int, ids: Sequence[str], texts: Sequence[str], vectors: Vectors, asked: Sequence[str]
) -> list[dict[str, Any]]:
    empty_schema()
    ours = Ours()
    all_of_them: dict[str, Framework] = {"ours": ours}
    all_of_them |= {name: make() for name, make in FRAMEWORKS.items()}
    for name, one in all_of_them.items():
        print(f"filling {name} with {size}", file=sys.stderr, flush=True)
        one.fill(ids, texts, vectors)
    embedded = [_query(ours, text) for text in asked]
    taken: dict[str, list[float]] = {name: [] for name in all_of_them}
    for rehearsal in (True, False):
        for text, vector in zip(asked, embedded, strict=True):
            for name, one in all_of_them.items():
                began = time.perf_counter()
                one.search(text, vector)
                if not rehearsal:
                    taken[name].append((time.perf_counter() - began) * 1e3)
    ours.remove()
    return [
        {"passages": size, "engine": name, "n": len(asked),
         "p50_ms": round(float(np.percentile(ms, 50)), 2),
         "p95_ms": round(float(np.percentile(ms, 95)), 2)}
        for name, ms in taken.items()
    ]  # fmt: skip


def quality(data: Path) -> dict[str, Any]:
    """nDCG@10 of each on every labelled corpus, each passage's text and vector the same."""
    figures: dict[str, Any] = {}
    for folder in sorted({path.parent for path in data.rglob("corpus.jsonl*")}):
        print(f"importing {folder.name}", file=sys.stderr, flush=True)
        organisation = uuid.uuid4()
        ingest.import_cards(
            evaluation.documents(folder), organisation_id=organisation, name=folder.name,
            encoder=ingest.encoder(), redactor=ingest.redactor(), publish=True,
        )  # fmt: skip
        ours = Ours()
        ours.use(lifecycle.find(organisation, folder.name))
        ids, owners, texts, vectors = _stored(ours.playbook)
        empty_schema()
        others = {name: make() for name, make in FRAMEWORKS.items()}
        for one in others.values():
            one.fill(ids, texts, vectors)
        for split in evaluation.splits(folder):
            scores: dict[str, list[float]] = {}
            for key, relevant in split.qrels.items():
                text = split.queries[key]
                vector = _query(ours, text)
                ranked = {"ours": ours.search(text, vector)}
                for name, one in others.items():
                    found = [owners[place] for place in one.search(text, vector)]
                    ranked[name] = list(dict.fromkeys(found))
                for name, order in ranked.items():
                    scores.setdefault(name, []).append(evaluation.ndcg(order, relevant))
            figures[f"{folder.name}, {split.name}"] = {"n": len(split.qrels)} | {
                name: round(float(np.mean(values)), 4) for name, values in scores.items()
            }
        ours.remove()
    return figures


def _stored(playbook: Playbook) -> tuple[list[str], dict[str, str], list[str], Vectors]:
    from rag import dense
    from rag.index import searched_text

    version = playbook.live_version
    assert version is not None
    passages = list(version.passages.select_related("entry").order_by("number"))
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT halfvec_send(embedding) FROM rag_vector WHERE version_id = %s ORDER BY passage",
            [version.id],
        )
        vectors = np.stack([dense.received(sent) for (sent,) in cursor.fetchall()])
    return (
        [str(p.id) for p in passages],
        {str(p.id): p.entry.key for p in passages},
        [searched_text(p.entry, p.ordinal, p.text) for p in passages],
        vectors,
    )


def _query(ours: Ours, text: str) -> Vectors:
    return ours.runner.run(ours.encoder.embed_query(text, timeout_s=30.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    tenancy.enter(tenancy.everywhere("side by side"))
    try:
        report: dict[str, Any] = {"latency": latencies(options.sizes)}
        if options.data:
            report["ndcg_10"] = quality(options.data)
        print(json.dumps(report, indent=2))
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


if __name__ == "__main__":
    main()
