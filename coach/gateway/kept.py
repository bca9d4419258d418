"""Drafts that may be given again: to the same words, or to words that mean the same.

An entry is found only under equal terms: tenant, consent, playbook version, policy and prompt.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from coach.database import Database, DatabaseError
from coach.gateway.stance import is_done
from coach.ops import metrics
from rag.embedding import Encoder, as_literal
from rag.errors import EmbedderLate
from rag.retrieval import clean

log = structlog.get_logger(__name__)

# Cosine of all-MiniLM-L6-v2. SURE is the lowest at which the dev half of the replay set gives no
# hit of another theme (`bench kept`); from it on an entry answers by itself. From NEAR on it is
# better than a passage when no model answers.
SURE = 0.52
NEAR = 0.45
KEEP_S = 1.0
# These make an answer somebody's own; what rests on them is neither kept nor given again.
PERSONAL = frozenset({"goal", "profile_note", "emotion"})


@dataclass(frozen=True)
class Terms:
    """Everything that must be equal for a draft to be given again."""

    organisation: UUID
    playbook: UUID
    version: int
    fields: frozenset[str]
    policy: str
    prompt: str
    language: str

    def digest(self, model: str, done: bool) -> bytes:
        """Equal for equal terms, embedding model and stance; 32 bytes that tell nothing."""
        told = [
            str(self.organisation), str(self.playbook), self.version, sorted(self.fields),
            self.policy, self.prompt, self.language, model, done,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).digest()


@dataclass(frozen=True)
class Kept:
    """A draft from before; `similarity` is 1 for the same words."""

    text: str = field(repr=False)
    citations: Sequence[Mapping[str, Any]]
    route: str
    exact: bool
    similarity: float

    @property
    def sure(self) -> bool:
        return self.exact or self.similarity >= SURE


FIND = f"""
SELECT text, citations, route, asked = %(asked)s,
       coalesce(1 - (embedding <=> %(vector)s::halfvec), 0)
FROM gateway_keptdraft
WHERE organisation_id = %(organisation)s AND scope = %(scope)s AND expires_at > now()
  AND NOT passages && %(avoid)s::uuid[]
  AND (asked = %(asked)s OR (1 - (embedding <=> %(vector)s::halfvec) >= {NEAR}
                             AND passages <@ %(among)s::uuid[]))
ORDER BY asked = %(asked)s DESC, embedding <=> %(vector)s::halfvec
LIMIT 1
"""

# Waits for an erasure that is under way, and then keeps nothing for whoever it was of.
KEEP = """
INSERT INTO gateway_keptdraft (organisation_id, playbook_id, member_id, scope, asked, embedding,
                               text, citations, passages, route, expires_at)
SELECT %(organisation)s, %(playbook)s, %(member)s, %(scope)s, %(asked)s, %(vector)s::halfvec,
       %(text)s, %(citations)s, %(passages)s, %(route)s, now() + make_interval(hours => %(hours)s)
WHERE (SELECT removed_at FROM coach_member WHERE id = %(member)s FOR KEY SHARE) IS NULL
ON CONFLICT (scope, asked) DO NOTHING
"""


class KeptDrafts:
    def __init__(self, database: Database, encoder: Encoder, *, hours: int) -> None:
        self._database = database
        self._encoder = encoder
        self._hours = hours
        self._background: set[asyncio.Task[None]] = set()

    async def find(
        self,
        text: str,
        terms: Terms,
        *,
        among: Collection[UUID],
        avoid: Collection[UUID],
        timeout_s: float,
    ) -> Kept | None:
        """The closest draft under these terms that cites none of `avoid`; None when unsure or late.

        One made for other words must rest on passages found for these words too (`among`).

        A cache that does not answer is no fault: the model is asked instead.
        """
        if not self._hours or terms.fields & PERSONAL:
            return None
        try:
            vector = await self._encoder.embed_query(clean(text), timeout_s=timeout_s)
            rows = await self._database.fetch(
                FIND,
                {
                    **self._key(text, terms),
                    "vector": as_literal(vector),
                    "among": list(among),
                    "avoid": list(avoid),
                },
                timeout_s=timeout_s,
            )
        except (DatabaseError, EmbedderLate) as exc:
            log.warning("kept.unread", error=type(exc).__name__)
            return None
        kept = Kept(*rows[0]) if rows else None
        metrics.KEPT.labels(_found(kept)).inc()
        return kept

    def keep_soon(self, *args: Any, **kwargs: Any) -> None:
        """As `keep`, while the person already reads the nudge."""
        task = asyncio.create_task(self.keep(*args, **kwargs, timeout_s=KEEP_S))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def keep(
        self,
        text: str,
        draft: str,
        citations: Sequence[Mapping[str, Any]],
        terms: Terms,
        *,
        member: UUID,
        route: str,
        timeout_s: float,
    ) -> None:
        """Keep a draft that was shown, unless something in it or behind it is personal."""
        if not self._hours or terms.fields & PERSONAL or "[" in text or "[" in draft:
            return
        try:
            vector = await self._encoder.embed_query(clean(text), timeout_s=timeout_s)
            await self._database.fetch(
                KEEP,
                {
                    **self._key(text, terms),
                    "playbook": terms.playbook,
                    "member": member,
                    "vector": as_literal(vector),
                    "text": draft,
                    "citations": json.dumps(citations),
                    "passages": [UUID(c["passage"]) for c in citations],
                    "route": route,
                    "hours": self._hours,
                },
                timeout_s=timeout_s,
            )
        except (DatabaseError, EmbedderLate) as exc:
            log.warning("kept.unwritten", error=type(exc).__name__)

    async def forget(self, member: UUID, *, timeout_s: float) -> None:
        """Drop what was made from this member's words. Raises DatabaseError."""
        await self._database.fetch(
            "DELETE FROM gateway_keptdraft WHERE member_id = %s", [member], timeout_s=timeout_s
        )

    async def close(self) -> None:
        """Wait for what is still being written."""
        if self._background:
            await asyncio.wait(self._background, timeout=KEEP_S)

    async def drop_expired(self, *, timeout_s: float) -> None:
        """Raises DatabaseError."""
        await self._database.fetch(
            "DELETE FROM gateway_keptdraft WHERE expires_at < now()", timeout_s=timeout_s
        )

    def _key(self, text: str, terms: Terms) -> dict[str, Any]:
        words = " ".join(clean(text).casefold().split())
        return {
            "organisation": terms.organisation,
            "scope": terms.digest(self._encoder.model, is_done(text)),
            "asked": hashlib.sha256(words.encode()).digest(),
        }


def _found(kept: Kept | None) -> str:
    if kept is None:
        return "miss"
    return "exact" if kept.exact else "semantic" if kept.sure else "near"
