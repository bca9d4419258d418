"""Three ways to lay BM25 out in PostgreSQL, timed on the same postings and queries.

    python tests/engines/layouts.py [--sizes 1000 10000 100000]

Arrays per term (what Sidecoach uses), a row per posting with a covering index, and exact
`sparsevec` with an idf query vector. Temporary tables of one connection; prints JSON with p50 and
p95 in milliseconds for the best 150 of 12-word queries, and sizes in MB.
"""

import argparse
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.update(DEMO="1", LOG_LEVEL="ERROR")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coach.settings")

import django

django.setup()

import numpy as np
from django.db import connection

from coach import tenancy
from rag import benchmark, lexical

QUERIES = 60
TABLES = {
    "arrays per term": "by_term",
    "a row per posting": "posting",
    "exact sparsevec": "by_passage",
}

BY_TERM = """
    SELECT passage, sum(weight) AS score FROM (
        SELECT unnest(passages) AS passage, unnest(weights) AS weight
        FROM by_term WHERE term = ANY(%s)
    ) AS held GROUP BY passage ORDER BY score DESC, passage LIMIT 150"""
POSTING = """
    SELECT passage, sum(weight) AS score FROM posting WHERE term = ANY(%s)
    GROUP BY passage ORDER BY score DESC, passage LIMIT 150"""
SPARSE = """
    SELECT passage, -(weights <#> %s::sparsevec) AS score FROM by_passage
    ORDER BY weights <#> %s::sparsevec LIMIT 150"""


def measure(size: int) -> list[dict[str, Any]]:
    rng, words = np.random.default_rng(17), benchmark.vocabulary()
    texts = [benchmark.text(rng, words, benchmark.PASSAGE_WORDS) for _ in range(size)]
    weighed = lexical.weigh(lexical.analyse(texts, ["simple"] * size))
    number = {term: place for place, term in enumerate(weighed.analysed.terms)}
    asked = [
        sorted({number[word] for word in benchmark.text(rng, words, 12).split() if word in number})
        for _ in range(QUERIES)
    ]
    dimension = len(number)
    # As the driver gives it: temporary tables are nobody's, and VACUUM wants no transaction.
    with connection.connection.cursor() as cursor:
        fill(cursor, weighed, dimension)
        ways: dict[str, tuple[str, Callable[[Sequence[int]], list[Any]]]] = {
            "arrays per term": (BY_TERM, lambda terms: [list(terms)]),
            "a row per posting": (POSTING, lambda terms: [list(terms)]),
            "exact sparsevec": (SPARSE, lambda terms: [query_vector(terms, dimension)] * 2),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for rehearsal in (True, False):
            for terms in asked:
                for name, (statement, parameters) in ways.items():
                    began = time.perf_counter()
                    cursor.execute(statement, parameters(terms))
                    cursor.fetchall()
                    if not rehearsal:
                        taken[name].append((time.perf_counter() - began) * 1e3)
        rows = []
        for name, ms in taken.items():
            cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [TABLES[name]])
            (held,) = cursor.fetchone()
            rows.append({
                "passages": size, "layout": name, "n": len(ms), "mb": round(held / 2**20, 1),
                "p50_ms": round(float(np.percentile(ms, 50)), 2),
                "p95_ms": round(float(np.percentile(ms, 95)), 2),
            })  # fmt: skip
        for table in TABLES.values():
            cursor.execute(f"DROP TABLE {table}")
    return rows


def fill(cursor: Any, weighed: lexical.Weighed, dimension: int) -> None:
    analysed = weighed.analysed
    cursor.execute(
        "CREATE TEMP TABLE posting (term int, passage int, weight float8);"
        f"CREATE TEMP TABLE by_passage (passage int, weights sparsevec({dimension}))"
    )
    with cursor.copy("COPY posting FROM STDIN") as copy:
        for row in zip(
            analysed.term.tolist(), analysed.text.tolist(), weighed.weight.tolist(), strict=True
        ):
            copy.write_row(row)
    order = np.argsort(analysed.text, kind="stable")
    ends = np.cumsum(np.bincount(analysed.text, minlength=analysed.texts))[:-1]
    with cursor.copy("COPY by_passage FROM STDIN") as copy:
        for passage, held in enumerate(np.split(order, ends)):
            pairs = sorted(zip(analysed.term[held].tolist(), weighed.weight[held].tolist(),
                               strict=True))  # fmt: skip
            listed = ",".join(f"{term + 1}:{weight:.7g}" for term, weight in pairs)
            copy.write_row((passage, f"{{{listed}}}/{dimension}"))
    cursor.execute(
        "CREATE TEMP TABLE by_term AS SELECT term, array_agg(passage ORDER BY passage) AS passages,"
        " array_agg(weight ORDER BY passage) AS weights FROM posting GROUP BY term"
    )
    cursor.execute("CREATE UNIQUE INDEX ON by_term (term)")
    cursor.execute("CREATE INDEX ON posting (term) INCLUDE (passage, weight)")
    cursor.execute("VACUUM ANALYZE posting, by_term, by_passage")


def query_vector(terms: Sequence[int], dimension: int) -> str:
    """Passages carry the whole weight, so a query only says which terms it holds."""
    return "{" + ",".join(f"{term + 1}:1" for term in terms) + f"}}/{dimension}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    tenancy.enter(tenancy.of([uuid.uuid4()], actor="layouts"))
    connection.ensure_connection()
    rows = []
    for size in options.sizes:
        print(f"{size} passages", file=sys.stderr, flush=True)
        rows += measure(size)
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
