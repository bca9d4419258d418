"""Nearest passages by embedding: how vectors are stored, and the SQL of the dense leg.

Vectors are of unit length, so the inner product is the cosine. A small version is compared
vector by vector, which is exact. A large one is in HNSW, a graph that it shares with other large
ones; behind a filter, or where most of the graph belongs to others, HNSW's iterative scan
drops most of what it finds, and then comparing one by one is faster again. Each search chooses by
what the two would cost (`WAY`), and finds as many rows as there are either way.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection

from rag.embedding import Vectors, as_literal
from rag.models import INDEXED_DIMENSIONS

# Below this many passages HNSW brings nothing, whatever shares the graph.
EXACT_PASSAGES = 4_000
# Milliseconds, measured (`bench retrieval`): a walk through the graph for 150 rows; passing one
# vector of a version by; comparing one.
GRAPH_MS, PASS_MS, COMPARE_MS = 3.0, 0.00015, 0.00025
EF_SEARCH = 200
MAX_SCAN_TUPLES = 40_000
COLUMNS = "organisation_id, version_id, model, passage, dimension, approximate, embedding"


def needs_hnsw(passages: int, dimension: int) -> bool:
    """Is a version of this many passages searched through HNSW?"""
    return passages > EXACT_PASSAGES and dimension in INDEXED_DIMENSIONS


def write(
    vectors: Vectors, numbers: Sequence[int], *, organisation_id: UUID, version_id: UUID,
    model: str, approximate: bool,
) -> None:  # fmt: skip
    """Store vectors of one model for some of a version's passages; `numbers` run parallel."""
    dimension = int(vectors.shape[1])
    with connection.cursor() as cursor:
        with _copy(cursor) as copy:
            for number, vector in zip(numbers, vectors, strict=True):
                copy.write_row((
                    organisation_id, version_id, model, number, dimension, approximate,
                    as_literal(vector),
                ))  # fmt: skip
        cursor.execute(f"INSERT INTO rag_vector ({COLUMNS}) SELECT {COLUMNS} FROM coming_vector")
        cursor.execute("DROP TABLE coming_vector")


def _copy(cursor: Any) -> Any:
    """A copy into a table of our own: none goes straight into one with row-level security."""
    cursor.execute(
        f"CREATE TEMP TABLE coming_vector AS SELECT {COLUMNS} FROM rag_vector WHERE false"
    )
    return cursor.copy(f"COPY coming_vector ({COLUMNS}) FROM STDIN")


def received(sent: bytes) -> Vectors:
    """A vector out of `halfvec_send`, as float32: two int16, then big-endian halves."""
    return np.frombuffer(sent, dtype=">f2", offset=4).astype(np.float32)


# Reads `live` and, if filtered, `allowed`: vectors in the graph against those that would count.
# How many are in it, everybody's, is what PostgreSQL itself believes: other tenants' rows are
# not ours to count.
WAY = f"""
    way AS MATERIALIZED (
        SELECT comparable AND graph AS graph, comparable AND NOT graph AS exact
        FROM (
            SELECT comparable, coalesce(approximate AND kept > 0 AND
                {GRAPH_MS} * greatest(passage_count, (
                    SELECT reltuples FROM pg_class
                    WHERE oid = 'rag_vector_hnsw_{{dimension}}'::regclass
                )) < kept * ({PASS_MS} * passage_count + {COMPARE_MS} * kept), false) AS graph
            FROM (SELECT live.*, {{kept}} AS kept FROM live{{allowed}}) AS sized
        ) AS weighed
    )"""

# The range holds for every passage. It is there for the planner, which without it believes that
# a version is an average share of the table, and reads all of the table for a small one. Of a
# range with two bounds it cannot see, it believes that it keeps one row in 200.
_EXACT = """
        SELECT passage, -(embedding <#> (SELECT embedding FROM given)) AS cosine
        FROM rag_vector
        WHERE (SELECT exact FROM way)
          AND version_id = (SELECT id FROM live) AND model = %(model)s
          AND passage BETWEEN (SELECT first FROM live) AND (SELECT last FROM live) {allowed}
        ORDER BY embedding <#> (SELECT embedding FROM given)
        LIMIT {limit}"""

# IS NOT DISTINCT FROM, because an equality would let the planner take the B-tree for a version
# it believes to be of average size, and then sort a hundred thousand rows.
_GRAPH = """
        SELECT passage, -(embedding::halfvec({dimension}) <#>
            (SELECT embedding FROM given)::halfvec({dimension})) AS cosine
        FROM rag_vector
        WHERE (SELECT graph FROM way)
          AND approximate AND dimension = {dimension}
          AND version_id IS NOT DISTINCT FROM (SELECT id FROM live)
          AND model IS NOT DISTINCT FROM %(model)s {allowed}
        ORDER BY embedding::halfvec({dimension}) <#>
            (SELECT embedding FROM given)::halfvec({dimension})
        LIMIT {limit}"""


def leg(dimension: int, *, limit: int, filtered: bool) -> str:
    """The CTEs `way` and `dense` (passage, cosine, rank): the nearest `limit` allowed passages.

    Reads the CTEs `live`, `given` and, if filtered, `allowed`.
    """
    # > 0 rather than = 1: of an equality the planner believes that it keeps one row in 200.
    bit = "AND get_bit((SELECT bits FROM allowed), passage) > 0" if filtered else ""
    branches = [_EXACT.format(allowed=bit, limit=limit)]
    if dimension in INDEXED_DIMENSIONS:
        branches.append(_GRAPH.format(dimension=dimension, allowed=bit, limit=limit))
    union = "\n      UNION ALL\n".join(f"      ({branch})" for branch in branches)
    indexed = dimension if dimension in INDEXED_DIMENSIONS else INDEXED_DIMENSIONS[0]
    kept, allowed = ("bit_count(allowed.bits)", ", allowed") if filtered else ("passage_count", "")
    way = WAY.format(kept=kept, allowed=allowed, dimension=indexed)
    return f"""{way},
    dense AS MATERIALIZED (
        SELECT passage, cosine, row_number() OVER (ORDER BY cosine DESC, passage) AS rank
        FROM (
{union}
        ) AS nearest
    )"""
