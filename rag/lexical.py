"""BM25 inside PostgreSQL: how a version's terms are counted, weighed and summed.

PostgreSQL's own text-search configurations make the terms, for passages and queries alike. One
row of `rag_term` holds all postings of a term with their weights ready, so that a search reads
a dozen rows and adds. `docs/adr/` has the layouts it was measured against.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

K1 = 1.2
B = 0.75
BATCH = 2000
# Passages that a search looks at further; no term's floor promises fewer.
LEG = 150
COLUMNS = "organisation_id, version_id, lexeme, idf, floor, passages, weights"


@dataclass(frozen=True)
class Analysed:
    """The terms of some texts: parallel arrays with one row for each text and term it holds."""

    texts: int
    terms: tuple[str, ...]
    term: NDArray[np.int64]
    text: NDArray[np.int64]
    count: NDArray[np.float64]


@dataclass(frozen=True)
class Weighed:
    """Analysed texts with each term's share of BM25: `weight` runs parallel to `analysed.text`.

    `idf` has one value for each of `analysed.terms`.
    """

    analysed: Analysed
    weight: NDArray[np.float64]
    idf: NDArray[np.float64]
    mean_length: float


def analyse(texts: Sequence[str], configurations: Sequence[str]) -> Analysed:
    """Count each text's terms under its text-search configuration (`english`, `simple` ...)."""
    numbers: dict[str, int] = {}
    term: list[int] = []
    text: list[int] = []
    count: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(texts), BATCH):
            cursor.execute(
                "SELECT tsvector_to_array(vector),"
                " ARRAY(SELECT coalesce(cardinality(positions), 1) FROM unnest(vector))"
                " FROM (SELECT to_tsvector(configuration::regconfig, body) AS vector, place"
                "  FROM unnest(%s::text[], %s::text[])"
                "  WITH ORDINALITY AS given(configuration, body, place)) AS analysed"
                " ORDER BY place",
                [
                    list(configurations[start : start + BATCH]),
                    list(texts[start : start + BATCH]),
                ],
            )
            for offset, (lexemes, counts) in enumerate(cursor.fetchall()):
                term.extend(numbers.setdefault(lexeme, len(numbers)) for lexeme in lexemes)
                text.extend([start + offset] * len(lexemes))
                count.extend(counts)
    return Analysed(
        texts=len(texts),
        terms=tuple(numbers),
        term=np.array(term, dtype=np.int64),
        text=np.array(text, dtype=np.int64),
        count=np.array(count, dtype=np.float64),
    )


def weigh(analysed: Analysed, *, k1: float = K1, b: float = B) -> Weighed:
    """BM25 as Lucene computes it, the statistics taken from exactly these texts.

    idf x tf / (tf + k1 x (1 - b + b x length / mean length)), idf = ln(1 + (N - df + 0.5) /
    (df + 0.5)); a length is the number of terms that are no stop words. Source: Robertson and
    Zaragoza, 2009; the variant "Lucene (accurate)" of Kamphuis et al., ECIR 2020.
    """
    lengths = np.bincount(analysed.text, weights=analysed.count, minlength=analysed.texts)
    mean_length = float(lengths.mean()) if analysed.texts else 0.0
    held_by = np.bincount(analysed.term, minlength=len(analysed.terms))
    idf = np.log1p((analysed.texts - held_by + 0.5) / (held_by + 0.5))
    relative = lengths[analysed.text] / (mean_length or 1.0)
    saturation = analysed.count / (analysed.count + k1 * (1 - b + b * relative))
    return Weighed(analysed, idf[analysed.term] * saturation, idf, mean_length)


def write(weighed: Weighed, *, organisation_id: UUID, version_id: UUID) -> None:
    """Replace a version's terms; call it inside the transaction that shows them."""
    analysed = weighed.analysed
    order = np.argsort(analysed.term, kind="stable")
    ends = np.cumsum(np.bincount(analysed.term, minlength=len(analysed.terms)))
    passages = np.split(analysed.text[order], ends[:-1])
    weights = np.split(weighed.weight[order], ends[:-1])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM rag_term WHERE version_id = %s", [version_id])
        with _copy(cursor) as copy:
            rows = zip(analysed.terms, weighed.idf.tolist(), passages, weights, strict=True)
            for lexeme, idf, held, weight in rows:
                copy.write_row((
                    organisation_id, version_id, lexeme, idf, _floor(weight), held.tolist(),
                    weight.tolist(),
                ))  # fmt: skip
        cursor.execute(f"INSERT INTO rag_term ({COLUMNS}) SELECT {COLUMNS} FROM coming_term")
        cursor.execute("DROP TABLE coming_term")


def _floor(weight: NDArray[np.float64]) -> float:
    return float(np.partition(weight, -LEG)[-LEG]) if len(weight) >= LEG else 0.0


def _copy(cursor: Any) -> Any:
    """A copy into a table of our own: none goes straight into one with row-level security."""
    cursor.execute(f"CREATE TEMP TABLE coming_term AS SELECT {COLUMNS} FROM rag_term WHERE false")
    return cursor.copy(f"COPY coming_term ({COLUMNS}) FROM STDIN")


# The query's terms, each with its weight in the query, its passages, and how telling it is. A
# repeated word counts as often as it is said, and what was said before as much as it is given. A
# word that no passage holds is here too: it tells how much of the query the index knows.
QUERY = """
    asked AS MATERIALIZED (
        SELECT lexeme, sum(count) AS count
        FROM (
            SELECT lexeme, weight * coalesce(cardinality(positions), 1) AS count
            FROM live, unnest(%(said)s::text[], %(weights)s::float8[]) AS said(words, weight),
                unnest(to_tsvector(live.configuration, words))
        ) AS heard
        GROUP BY lexeme
    ),
    held AS MATERIALIZED (
        SELECT asked.count, term.passages, term.weights, asked.count * term.floor AS floor,
            coalesce(term.idf, ln(2 * live.passage_count + 2.0::float8)) AS idf
        FROM live, asked LEFT JOIN rag_term AS term
          ON term.version_id = (SELECT id FROM live) AND term.lexeme = asked.lexeme
    )"""

# Every passage that holds a term of the query gets its full and exact BM25 score; one sort keeps
# those that `named` asks for and the best of the others. Reading all the scores a second time
# would mean to write them down first, and sorting them all costs a third of the leg: one term
# alone may lift enough passages to a floor below which nobody needs to be sorted. IS TRUE keeps
# the planner from turning IN into a join, for which it would hash all scores to look up a few.
_SUM = """
    lexical AS MATERIALIZED (
        SELECT passage, score, row_number() OVER (ORDER BY score DESC, passage) AS rank
        FROM (
            SELECT passage, sum(weight * count) AS score,
                (passage IN (SELECT passage FROM named)) IS TRUE AS wanted
            FROM (
                SELECT unnest(passages) AS passage, unnest(weights) AS weight, count FROM held
            ) AS posting
            {where}
            GROUP BY passage
            HAVING sum(weight * count) >= {floor}
                OR (passage IN (SELECT passage FROM named)) IS TRUE
            ORDER BY wanted DESC, score DESC, passage
            LIMIT {limit}
        ) AS kept
    )"""
_FLOOR = "(SELECT coalesce(max(floor), 0) * (1 - 1e-9) FROM held)"


def leg(*, allowed: str) -> str:
    """The CTE `lexical` (passage, score, rank): the named passages and the best `LEG` others.

    Reads the CTEs `held` and `named`, which holds at most twice `LEG`; ranks are true down to
    `LEG`. `allowed` is the condition of a filter, behind which no term's floor holds.
    """
    return _SUM.format(
        where=f"WHERE {allowed}" if allowed else "",
        floor="0" if allowed else _FLOOR,
        limit=3 * LEG,
    )
