"""How two rankings become one: the fused score in SQL, then boosts and variety.

Reciprocal rank fusion sees ranks only; the convex sum sees how sure each leg is. Which is the
default, and with which weight, was decided on development queries (`docs/retrieval.md`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReciprocalRank:
    """Sum of 1 / (k + rank), ranks from 1. Source: Cormack et al., SIGIR 2009 (k = 60)."""

    k: int = 60
    name: str = field(default="reciprocal rank", init=False)

    def balance(self) -> str:
        return "SELECT NULL::float8 AS lexical_share, NULL::float8 AS best"

    def sql(self) -> str:
        return (
            f"coalesce(1.0 / ({self.k:d} + lexical_rank), 0)"
            f" + coalesce(1.0 / ({self.k:d} + dense_rank), 0)"
        )


@dataclass(frozen=True)
class Convex:
    """share x BM25 / the query's best BM25 + (1 - share) x cosine.

    The share is `weight` x (best BM25 / what all of the query's words together could give) **
    `trust`: the fewer of its words any passage knows, the less the lexical leg is heard. `trust`
    0 makes it a fixed weight. Source of the sum: Bruch et al., ACM TOIS 2023, with the
    theoretical minimum 0 for BM25 and the cosine left as it is; both numbers: docs/retrieval.md.
    """

    weight: float = 0.3
    trust: float = 0.3
    name: str = field(default="convex", init=False)

    def balance(self) -> str:
        return (
            "SELECT best, coalesce("
            f"{self.weight:f} * least(1, best / nullif(ideal, 0)) ^ {self.trust:f}, 0)"
            " AS lexical_share"
            " FROM (SELECT (SELECT score FROM lexical WHERE rank = 1) AS best,"
            " (SELECT sum(count * idf) FROM held) AS ideal) AS known"
        )

    def sql(self) -> str:
        share = "(SELECT lexical_share FROM balance)"
        return (
            f"{share} * coalesce(bm25 / (SELECT best FROM balance), 0)"
            f" + (1 - {share}) * coalesce(cosine, 0)"
        )


Fusion = ReciprocalRank | Convex

# What a signal of the session adds to a fused score, which lies in [0, 1]. A deck or activity was
# chosen by a person; what a classifier heard only breaks ties (docs/retrieval.md).
BOOSTS: Mapping[str, float] = {"act": 0.01, "emotion": 0.01, "deck": 0.05, "activity": 0.03}


@dataclass(frozen=True)
class Signals:
    """What the session knows about this moment; empty fields boost nothing."""

    act: str = ""
    emotion: str = ""
    deck: str = ""
    activity: str = ""


def boosts(signals: Signals, tags: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """What each matching signal adds, by its name; `tags` holds an entry's values by signal."""
    said = {name: getattr(signals, name) for name in BOOSTS}
    return {
        name: BOOSTS[name] for name, value in said.items() if value and value in tags.get(name, ())
    }


def varied(
    scores: Sequence[float], vectors: NDArray[np.float32], *, limit: int, diversity: float
) -> list[int]:
    """Positions of at most `limit` results, each the best of what is left by its own score.

    Maximal marginal relevance: (1 - diversity) x score - diversity x likeness to the nearest
    one taken. Vectors: (n, d), unit length or zero. Ties go to the earlier position.
    Source: Carbonell and Goldstein, SIGIR 1998.
    """
    if not scores:
        return []
    likeness = vectors @ vectors.T
    relevance = (1 - diversity) * np.asarray(scores, dtype=np.float64)
    nearest = np.zeros(len(scores))
    left = list(range(len(scores)))
    taken: list[int] = []
    while left and len(taken) < limit:
        best = max(left, key=lambda place: (relevance[place] - diversity * nearest[place], -place))
        left.remove(best)
        taken.append(best)
        nearest = np.maximum(nearest, likeness[best])
    return taken
