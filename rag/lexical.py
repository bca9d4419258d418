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
COLUMNS = "organisation_id, version_id, lexeme, passages, weights"


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
    """Analysed texts with each term's share of BM25: `weight` runs parallel to `analysed`."""

    analysed: Analysed
    weight: NDArray[np.float64]
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
    return Weighed(analysed, idf[analysed.term] * saturation, mean_length)


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
            for lexeme, held, weight in zip(analysed.terms, passages, weights, strict=True):
                copy.write_row(
                    (organisation_id, version_id, lexeme, held.tolist(), weight.tolist())
                )
        cursor.execute(f"INSERT INTO rag_term ({COLUMNS}) SELECT {COLUMNS} FROM coming_term")
        cursor.execute("DROP TABLE coming_term")


def _copy(cursor: Any) -> Any:
    """A copy into a table of our own: none goes straight into one with row-level security."""
    cursor.execute(f"CREATE TEMP TABLE coming_term AS SELECT {COLUMNS} FROM rag_term WHERE false")
    return cursor.copy(f"COPY coming_term ({COLUMNS}) FROM STDIN")


# The query's terms with their counts; a repeated word counts as often as it is said.
QUERY = """
    asked AS MATERIALIZED (
        SELECT lexeme, sum(count) AS count
        FROM (
            SELECT lexeme, coalesce(cardinality(positions), 1)::float8 AS count
            FROM live, unnest(to_tsvector(live.configuration, %(text)s))
          UNION ALL
            SELECT lexeme, %(context_weight)s * coalesce(cardinality(positions), 1)
            FROM live, unnest(to_tsvector(live.configuration, %(context)s))
        ) AS said
        GROUP BY lexeme
    )"""

# Every passage that holds a term of the query, with its full and exact BM25 score.
SUM = """
    lexical AS MATERIALIZED (
        SELECT passage, sum(weight) AS score
        FROM (
            SELECT unnest(term.passages) AS passage, unnest(term.weights) * asked.count AS weight
            FROM live, asked JOIN rag_term AS term
              ON term.version_id = (SELECT id FROM live) AND term.lexeme = asked.lexeme
        ) AS posting
        {where}
        GROUP BY passage
    )"""
