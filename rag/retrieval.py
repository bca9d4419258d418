"""Search: one statement, one round trip, from a redacted utterance to passages with reasons."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

import numpy as np

from rag import dense, lexical
from rag.citations import telling_words
from rag.embedding import Encoder, Vectors, as_literal
from rag.errors import EmbedderLate, SearchUnavailable
from rag.fusion import Convex, Fusion, ReciprocalRank, Signals, boosts, varied
from rag.index import FACETS, OPEN_FACETS, folded
from rag.lexical import LEG
from rag.models import TextSearch

Mode = Literal["hybrid", "lexical", "dense"]
MODES: tuple[Mode, ...] = get_args(Mode)

# What fusion keeps for each result asked for, for boosts, variety and entries of several
# passages to choose from.
POOL_FACTOR, POOL_MIN = 4, 20
# An utterance is short; what lies beyond would only slow its analysis down.
MAX_CHARACTERS = 4_000
PHRASE_WORDS, PHRASE_SCOPE = 6, 60
# How a turn before counts beside the utterance, by development data (docs/retrieval.md): at most
# this much of the turn after it, in full from this likeness on, or the shorter the utterance is.
CONTEXT_DECAY = 0.8
CONTEXT_LIKENESS = 0.4
CONTEXT_WORDS = 6
CONTEXT_TURNS = 2


class Database(Protocol):
    """PostgreSQL as the live road reaches it."""

    async def fetch(
        self, query: str, params: Mapping[str, Any] | Sequence[Any] = (), *, timeout_s: float
    ) -> list[tuple[Any, ...]]:
        """The statement's rows; raises an error of its own when they are not there in time."""
        ...


Values = str | tuple[str, ...]


@dataclass(frozen=True)
class Filters:
    """Only passages of entries that carry the value, or one of the values, in every field given.

    An entry without any role or audience is for all of them.
    """

    language: Values = ()
    deck: Values = ()
    activity: Values = ()
    role: Values = ()
    audience: Values = ()

    def chosen(self) -> dict[str, list[str]]:
        """The values of each field that restricts anything, folded as the index holds them."""
        given = {name: _listed(getattr(self, name)) for name in FACETS}
        return {
            name: [*values, ""] if name in OPEN_FACETS else values
            for name, values in given.items()
            if values
        }

    def narrowed(self, activity: str) -> "Filters":
        return replace(self, activity=activity)


def _listed(values: Values) -> list[str]:
    return [v.casefold() for v in ((values,) if isinstance(values, str) else values) if v]


EVERYTHING = Filters()
DEFAULT_FUSION = Convex()
SILENCE = Signals()


def spoken(filters: Filters) -> str:
    """The one language to analyse a query in, or "" for the version's own."""
    languages = _listed(filters.language)
    return languages[0] if len(languages) == 1 else ""


@dataclass(frozen=True)
class Explanation:
    """Why a passage has its place. Ranks are from 1 and None where a leg did not find it.

    `lexical_share` is the lexical leg's weight in a convex sum for this query, else None.
    """

    exact: Literal["", "title", "trigger"]
    bm25: float | None
    lexical_rank: int | None
    cosine: float | None
    dense_rank: int | None
    fused: float
    lexical_share: float | None
    fusion: str
    boosts: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "boosts": dict(self.boosts)}


@dataclass(frozen=True)
class Passage:
    """A passage found; `entry` is the imported id, `score` what ordered it before variety."""

    id: UUID
    entry: str
    title: str
    text: str
    version: int
    rank: int
    score: float
    explanation: Explanation
    language: str = "en"
    example: str = ""


@dataclass(frozen=True)
class Found:
    """A search's result: all of one version (None where nothing is published), best first.

    `semantic` says whether embeddings took part; without them the lexical leg answers alone.
    """

    passages: tuple[Passage, ...]
    version: int | None
    version_id: UUID | None
    semantic: bool
    times_ms: Mapping[str, float]


@dataclass(frozen=True)
class _Asked:
    """What is searched for: each turn's weight, and their vectors as one, where there is one."""

    weights: list[float]
    vector: Vectors | None


@dataclass(frozen=True)
class Retrieval:
    """Searches published playbooks; safe to share between tasks.

    `unavailable` names the database's own errors, which search translates.
    """

    database: Database
    encoder: Encoder | None
    fusion: Fusion = DEFAULT_FUSION
    unavailable: tuple[type[Exception], ...] = ()

    async def search(
        self,
        text: str,
        *,
        organisation_id: UUID,
        playbook_id: UUID,
        limit: int = 5,
        mode: Mode = "hybrid",
        filters: Filters = EVERYTHING,
        context: Sequence[str] = (),
        signals: Signals = SILENCE,
        diversity: float = 0.0,
        timeout_s: float,
    ) -> Found:
        """The passages that fit redacted text best, at most one of each entry.

        `context` are the turns before, latest last. Without an embedding in time, or against a
        version embedded by another model, the lexical leg answers alone. Raises
        SearchUnavailable when the database does not answer.
        """
        pool = await self.pool(
            text,
            organisation_id=organisation_id,
            playbook_id=playbook_id,
            limit=limit,
            mode=mode,
            filters=filters,
            context=context,
            varied=diversity > 0,
            timeout_s=timeout_s,
        )
        return pool.best(limit, signals=signals, diversity=diversity)

    async def pool(
        self,
        text: str,
        *,
        organisation_id: UUID,
        playbook_id: UUID,
        limit: int = 5,
        mode: Mode = "hybrid",
        filters: Filters = EVERYTHING,
        context: Sequence[str] = (),
        varied: bool = False,
        timeout_s: float,
    ) -> "Pool":
        """What `search` chooses from, for a caller who learns the signals meanwhile.

        Only a `varied` pool knows the vectors that variety needs. Raises SearchUnavailable.
        """
        began = time.perf_counter()
        said = [clean(text), *(clean(turn) for turn in reversed(context[-CONTEXT_TURNS:]))]
        asked = await self._ask(said, mode=mode, timeout_s=timeout_s)
        embedded = time.perf_counter()
        if asked.vector is None and mode != "dense":
            mode = "lexical"
        chosen = filters.chosen()
        dimension = self.encoder.dimension if self.encoder and mode != "lexical" else 0
        words = folded(said[0])
        rows = await self._fetch(
            statement(mode, dimension, self.fusion, tuple(chosen), _size(limit), varied=varied),
            {
                "organisation": organisation_id,
                "playbook": playbook_id,
                "said": said,
                "weights": asked.weights,
                "language": spoken(filters),
                "vector": as_literal(asked.vector) if asked.vector is not None else None,
                "model": self.encoder.model if self.encoder else "",
                "whole": words,
                "phrases": phrases(words),
                **{f"filter_{name}": values for name, values in chosen.items()},
            },
            timeout_s=timeout_s - (embedded - began),
        )
        searched = time.perf_counter()
        return Pool(
            tuple(rows),
            self.fusion,
            {"embed": (embedded - began) * 1e3, "search": (searched - embedded) * 1e3},
        )

    async def opening(
        self,
        *,
        organisation_id: UUID,
        playbook_id: UUID,
        activity: str = "fallback",
        filters: Filters = EVERYTHING,
        timeout_s: float,
    ) -> Found:
        """Passages that need no words to be chosen by: those of entries tagged for an activity."""
        chosen = filters.narrowed(activity).chosen()
        began = time.perf_counter()
        rows = await self._fetch(
            opening_statement(tuple(chosen)),
            {
                "organisation": organisation_id,
                "playbook": playbook_id,
                "language": spoken(filters),
                "model": "",
                **{f"filter_{name}": values for name, values in chosen.items()},
            },
            timeout_s=timeout_s,
        )
        return Pool(tuple(rows), self.fusion, {"search": (time.perf_counter() - began) * 1e3}).best(
            POOL_MIN
        )

    async def _fetch(
        self, query: str, params: Mapping[str, Any], *, timeout_s: float
    ) -> list[tuple[Any, ...]]:
        try:
            return await self.database.fetch(query, params, timeout_s=max(timeout_s, 0.0))
        except self.unavailable as exc:
            raise SearchUnavailable(type(exc).__name__) from exc

    async def warm(self, text: str, *, timeout_s: float) -> None:
        """Have a draft's embedding ready for the utterance it may become."""
        await self._ask([clean(text)], mode="dense", timeout_s=timeout_s)

    async def _ask(self, said: Sequence[str], *, mode: Mode, timeout_s: float) -> _Asked:
        """Weigh an utterance, the first of `said`, with the turns before it, latest first.

        A turn before counts as far as it speaks of the same thing, or as the utterance is too
        short to say what it is about.
        """
        vectors = await self._embed(said, mode=mode, timeout_s=timeout_s)
        short = max(0.0, 1 - telling_words(said[0]) / CONTEXT_WORDS)
        weights = [1.0]
        for place in range(1, len(said)):
            alike = float(vectors[0] @ vectors[place]) if place < len(vectors) else 0.0
            part = max(short, min(1.0, max(0.0, alike) / CONTEXT_LIKENESS))
            weights.append(part * CONTEXT_DECAY**place)
        whole = sum(
            (np.float32(weight) * vector for weight, vector in zip(weights, vectors, strict=False)),
            start=np.zeros(1, dtype=np.float32),
        )
        return _Asked(weights, whole / np.linalg.norm(whole) if vectors else None)

    async def _embed(self, said: Sequence[str], *, mode: Mode, timeout_s: float) -> list[Vectors]:
        """The turns' vectors; fewer where time runs out, and none for the lexical leg alone."""
        if self.encoder is None or mode == "lexical" or not said[0].strip():
            return []
        left = time.perf_counter() + timeout_s / 2
        vectors: list[Vectors] = []
        try:
            for turn in said:
                timeout_s = max(0.0, left - time.perf_counter())
                vectors.append(await self.encoder.embed_query(turn, timeout_s=timeout_s))
        except EmbedderLate:
            # The utterance itself is worth waiting for; what came before it is not.
            return vectors
        return vectors


# Columns of the statement's rows, in order.
(
    VERSION_ID, VERSION_NUMBER, COMPARABLE, PASSAGE_ID, ENTRY_ID, ENTRY_KEY, TITLE, TEXT, EXAMPLE,
    LANGUAGE, DECKS, ACTIVITIES, ACTS, EMOTIONS, EXACT, BM25, LEXICAL_RANK, COSINE, DENSE_RANK,
    FUSED, SHARE, EMBEDDING,
) = range(22)  # fmt: skip


@dataclass(frozen=True)
class _Hit:
    row: tuple[Any, ...]
    score: float
    explanation: Explanation

    @classmethod
    def of(cls, row: tuple[Any, ...], fusion: Fusion, signals: Signals) -> "_Hit":
        added = boosts(
            signals,
            {
                "act": row[ACTS],
                "emotion": row[EMOTIONS],
                "deck": row[DECKS],
                "activity": row[ACTIVITIES],
            },
        )
        explanation = Explanation(
            exact=row[EXACT],
            bm25=row[BM25],
            lexical_rank=row[LEXICAL_RANK],
            cosine=row[COSINE],
            dense_rank=row[DENSE_RANK],
            fused=row[FUSED],
            lexical_share=row[SHARE],
            fusion=fusion.name,
            boosts=added,
        )
        return cls(row, row[FUSED] + sum(added.values()), explanation)

    @property
    def sort_key(self) -> tuple[bool, float]:
        return not self.row[EXACT], -self.score


@dataclass(frozen=True)
class Pool:
    """What one statement brought home: the candidates of a search, not yet chosen from."""

    rows: tuple[tuple[Any, ...], ...] = field(repr=False)
    fusion: Fusion
    times_ms: Mapping[str, float]

    def best(self, limit: int, *, signals: Signals = SILENCE, diversity: float = 0.0) -> Found:
        """The best passages, at most one of each entry, by fused score and boosts.

        Exact matches come first. `diversity` in [0, 1] trades score for unlikeness.
        """
        began = time.perf_counter()
        hits = [
            _Hit.of(row, self.fusion, signals) for row in self.rows if row[PASSAGE_ID] is not None
        ]
        passages = _order(hits, limit=limit, diversity=diversity)
        first = self.rows[0] if self.rows else None
        return Found(
            passages,
            version=first[VERSION_NUMBER] if first else None,
            version_id=first[VERSION_ID] if first else None,
            semantic=bool(first and first[COMPARABLE] and "embed" in self.times_ms),
            times_ms={**self.times_ms, "order": (time.perf_counter() - began) * 1e3},
        )


def _order(hits: Sequence[_Hit], *, limit: int, diversity: float) -> tuple[Passage, ...]:
    best: dict[UUID, _Hit] = {}
    for hit in sorted(hits, key=lambda hit: hit.sort_key):
        best.setdefault(hit.row[ENTRY_ID], hit)
    kept = list(best.values())
    if diversity > 0:
        exact = [hit for hit in kept if hit.row[EXACT]]
        rest = [hit for hit in kept if not hit.row[EXACT]]
        places = varied(
            [hit.score for hit in rest], _vectors(rest), limit=limit, diversity=diversity
        )
        kept = exact + [rest[place] for place in places]
    return tuple(
        Passage(
            id=hit.row[PASSAGE_ID],
            entry=hit.row[ENTRY_KEY],
            title=hit.row[TITLE],
            text=hit.row[TEXT],
            version=hit.row[VERSION_NUMBER],
            rank=rank,
            score=hit.score,
            explanation=hit.explanation,
            language=hit.row[LANGUAGE],
            example=hit.row[EXAMPLE],
        )
        for rank, hit in enumerate(kept[:limit], start=1)
    )


def _vectors(hits: Sequence[_Hit]) -> Vectors:
    """(n, d) float32; zeros for a passage without a vector, which is like no other."""
    known = [
        None if hit.row[EMBEDDING] is None else dense.received(hit.row[EMBEDDING]) for hit in hits
    ]
    blank = np.zeros(max((len(vector) for vector in known if vector is not None), default=1))
    return np.stack([blank if vector is None else vector for vector in known]).astype(np.float32)


def _size(limit: int) -> int:
    """How many candidates to bring home: in steps, as each size is a statement of its own."""
    wanted = POOL_FACTOR * limit
    return max(POOL_MIN, -(-wanted // POOL_MIN) * POOL_MIN)


def clean(text: str) -> str:
    """Text as PostgreSQL takes it: no NUL, no half of a surrogate pair, not too long."""
    return text[:MAX_CHARACTERS].replace("\0", " ").encode("utf-8", "replace").decode("utf-8")


def phrases(words: str) -> list[str]:
    """Every run of up to six words of folded text, as a trigger phrase may stand in it."""
    split = words.split(" ")[:PHRASE_SCOPE]
    return sorted({
        " ".join(split[start : start + length])
        for length in range(1, PHRASE_WORDS + 1)
        for start in range(len(split) - length + 1)
    } | {words})  # fmt: skip


_CONFIGURATIONS = " ".join(
    f"WHEN '{language.value}' THEN '{language.configuration}'" for language in TextSearch
)

# The settings are made by the statement itself, for itself: `live` is read before any scan.
_LIVE = f"""
    live AS MATERIALIZED (
        SELECT version.id, version.number, version.approximate, version.passage_count,
            0 AS first, version.passage_count - 1 AS last,
            version.embedding_model = %(model)s AS comparable,
            (CASE coalesce(nullif(%(language)s, ''), version.language)
                {_CONFIGURATIONS} ELSE 'simple' END)::regconfig AS configuration,
            set_config('hnsw.iterative_scan', 'strict_order', true),
            set_config('hnsw.ef_search', '{dense.EF_SEARCH}', true),
            set_config('hnsw.max_scan_tuples', '{dense.MAX_SCAN_TUPLES}', true)
        FROM rag_playbook AS playbook
        JOIN rag_playbookversion AS version ON version.id = playbook.live_version_id
        WHERE playbook.id = %(playbook)s AND playbook.organisation_id = %(organisation)s
    )"""

_GIVEN = """
    given AS MATERIALIZED (SELECT %(vector)s::halfvec AS embedding)"""
_NO_VECTOR = """
    given AS (SELECT NULL::halfvec AS embedding)"""
_NO_DENSE = """
    dense AS (SELECT 0 AS passage, 0::float8 AS cosine, 0 AS rank WHERE false)"""
_NO_LEXICAL = """
    lexical AS (SELECT 0 AS passage, 0::float8 AS score, 0 AS rank WHERE false)"""

_PHRASED = """
    phrased AS MATERIALIZED (
        SELECT passage, CASE WHEN bool_or(is_title) THEN 'title' ELSE 'trigger' END AS exact
        FROM rag_phrase
        WHERE version_id = (SELECT id FROM live) AND phrase = ANY(%(phrases)s)
          AND (NOT is_title OR phrase = %(whole)s) {allowed}
        GROUP BY passage
        ORDER BY bool_or(is_title) DESC, passage
        LIMIT {leg}
    )"""

_NAMED = """
    named AS MATERIALIZED (SELECT passage FROM phrased UNION SELECT passage FROM dense)"""

_POOL = """
    balance AS MATERIALIZED ({balance}),
    candidate AS MATERIALIZED (
        SELECT found.passage, phrased.exact, lexical.score AS bm25, dense.rank AS dense_rank,
            CASE WHEN lexical.rank <= {leg} THEN lexical.rank END AS lexical_rank,
            coalesce(dense.cosine, compared.cosine) AS cosine
        FROM (
            SELECT passage FROM named UNION SELECT passage FROM lexical WHERE rank <= {leg}
        ) AS found
        LEFT JOIN phrased USING (passage)
        LEFT JOIN lexical USING (passage)
        LEFT JOIN dense USING (passage)
        LEFT JOIN LATERAL (
            SELECT -(embedding <#> (SELECT embedding FROM given)) AS cosine FROM rag_vector
            WHERE version_id = (SELECT id FROM live) AND model = %(model)s
              AND passage = found.passage
              AND dense.cosine IS NULL AND (SELECT comparable FROM live)
            LIMIT 1
        ) AS compared ON true
    ),
    pool AS MATERIALIZED (
        SELECT *, ({fused})::float8 AS fused, (SELECT lexical_share FROM balance) AS lexical_share
        FROM candidate
        ORDER BY exact IS NULL, fused DESC, passage
        LIMIT {pool}
    )"""

# Only variety looks at the vectors of what was found.
_EMBEDDING = """(
            SELECT halfvec_send(embedding) FROM rag_vector
            WHERE version_id = live.id AND model = %(model)s AND passage = pool.passage
            LIMIT 1
        )"""

_ROWS = """
    SELECT live.id, live.number, live.comparable, passage.id, entry.id, entry.key, passage.title,
        passage.text, entry.example, entry.language, entry.decks, entry.activities,
        entry.when_acts, entry.when_emotions, coalesce(pool.exact, ''), pool.bm25,
        pool.lexical_rank, pool.cosine, pool.dense_rank, pool.fused, pool.lexical_share,
        {embedding}
    FROM live
    LEFT JOIN pool ON true
    LEFT JOIN rag_passage AS passage
      ON passage.version_id = live.id AND passage.number = pool.passage
    LEFT JOIN rag_entry AS entry ON entry.id = passage.entry_id
    ORDER BY pool.exact IS NULL, pool.fused DESC, pool.passage"""


@cache
def statement(
    mode: Mode,
    dimension: int,
    fusion: Fusion,
    filtered: tuple[str, ...],
    pool: int,
    *,
    varied: bool = False,
) -> str:
    """The one statement of a search; `filtered` names the fields that `Filters` restricts.

    Limits are constants of the text: with a parameter for one, PostgreSQL guesses that a tenth of
    the table comes back, and then plans every call anew (2 ms) rather than keep that plan.
    """
    bit = "get_bit((SELECT bits FROM allowed), passage) > 0"
    parts = [_LIVE]
    if filtered:
        parts.append(_allowed(filtered))
    parts.append(_PHRASED.format(allowed=f"AND {bit}" if filtered else "", leg=LEG))
    if mode == "lexical":
        parts += [_NO_VECTOR, _NO_DENSE]
    else:
        parts += [_GIVEN, dense.leg(dimension, limit=LEG, filtered=bool(filtered))]
    parts.append(_NAMED)
    if mode == "dense":
        parts.append(_NO_LEXICAL)
    else:
        parts += [lexical.QUERY, lexical.leg(allowed=bit if filtered else "")]
    fused = {
        "hybrid": fusion.sql(),
        "lexical": "coalesce(bm25, 0)",
        "dense": "coalesce(cosine, 0)",
    }[mode]
    balance = (fusion if mode == "hybrid" else ReciprocalRank()).balance()
    parts.append(_POOL.format(balance=balance, fused=fused, leg=LEG, pool=pool))
    return "WITH" + ",".join(parts) + _ROWS.format(embedding=_EMBEDDING if varied else "NULL")


@cache
def opening_statement(filtered: tuple[str, ...]) -> str:
    pool = f"""
    pool AS MATERIALIZED (
        SELECT number AS passage, NULL::text AS exact, NULL::float8 AS bm25,
            NULL::bigint AS lexical_rank, NULL::float8 AS cosine, NULL::bigint AS dense_rank,
            0::float8 AS fused, NULL::float8 AS lexical_share
        FROM rag_passage
        WHERE version_id = (SELECT id FROM live)
          AND get_bit((SELECT bits FROM allowed), number) > 0
        ORDER BY number
        LIMIT {POOL_MIN}
    )"""
    return "WITH" + ",".join([_LIVE, _allowed(filtered), pool]) + _ROWS.format(embedding="NULL")


def _allowed(filtered: tuple[str, ...]) -> str:
    """The CTE `allowed`: a bit for each passage that all filters let through.

    A column's own value would be fetched from TOAST again for every bit that is read; the
    result of an operator is in memory.
    """
    facets = "\n          & ".join(
        f"(SELECT bit_or(members & members) FROM rag_facet"
        f" WHERE version_id = (SELECT id FROM live)"
        f" AND field = '{name}' AND value = ANY(%(filter_{name})s))"
        for name in filtered
    )
    return f"""
    allowed AS MATERIALIZED (
        SELECT {facets} AS bits
    )"""
