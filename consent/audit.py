"""The audit: what was done, chained so that no row can be changed, removed or slipped in unseen.

Each organisation has a chain of its own. A chain alone does not show a cut tail, nor history
rewritten from some row on; anchors kept outside the database do (`consent.anchors`).
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from consent.models import AuditEntry

# What was done to no organisation in particular is in a chain of its own.
PLATFORM = UUID(int=0)
ROWS_AT_ONCE = 10_000
# The words that a link covers, as the trigger of migration 0003 writes them.
WORDS = """
jsonb_build_array(organisation_id, seq,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    actor, action, subject_id, body)::text
"""
ROWS = f"""
SELECT organisation_id, seq, link, {WORDS} FROM consent_auditentry
WHERE %(chain)s::uuid IS NULL OR organisation_id = %(chain)s ORDER BY organisation_id, seq
"""
UNWITNESSED = """
SELECT d.organisation_id, d.id FROM consent_disclosure d
LEFT JOIN consent_auditentry a ON a.action = 'disclosed' AND a.organisation_id = d.organisation_id
    AND a.subject_id = d.subject_id AND a.body ->> 'id' = d.id::text
WHERE (%(chain)s::uuid IS NULL OR d.organisation_id = %(chain)s)
  AND a.body IS DISTINCT FROM to_jsonb(d) - 'organisation_id' - 'subject_id'
ORDER BY d.at LIMIT 1
"""


@dataclass(frozen=True)
class Anchor:
    """How long a chain was at some time, and its last link then."""

    organisation: UUID
    seq: int
    link: bytes


@dataclass(frozen=True)
class Fault:
    """The first row that is not as it was written; for a rewritten chain, the first that may be."""

    organisation: UUID
    seq: int
    reason: str


@dataclass(frozen=True)
class Verdict:
    rows: int
    chains: int
    fault: Fault | None


def record(
    action: str, *, organisation_id: UUID, subject_id: UUID | None = None, **body: Any
) -> None:
    """Write what is done, in the transaction that does it. Ids, names and counts; never values."""
    AuditEntry.objects.create(
        organisation_id=organisation_id, action=action, subject_id=subject_id, body=body
    )


def heads() -> list[Anchor]:
    """Where each chain ends now."""
    with connections["vault"].cursor() as cursor:
        cursor.execute("SELECT organisation_id, seq, link FROM consent_audithead")
        return [Anchor(key, seq, bytes(link)) for key, seq, link in cursor.fetchall()]


def verify(anchors: Iterable[Anchor] = (), *, chain: UUID | None = None) -> Verdict:
    """Recompute every chain, or one of them, and compare it with the anchors.

    It trusts nothing that is kept in the database but the rows: links are computed here.
    """
    with transaction.atomic(using="vault"):
        known = [a for a in (*anchors, *heads()) if chain in (None, a.organisation)]
        walk = _Walk(known)
        fault = walk.over(_rows(chain)) or _unwitnessed(chain)
    return Verdict(walk.rows, walk.chains, fault)


def _rows(chain: UUID | None) -> Iterator[tuple[UUID, int, bytes, str]]:
    with connections["vault"].chunked_cursor() as cursor:
        cursor.execute(ROWS, {"chain": chain})
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


def _unwitnessed(chain: UUID | None) -> Fault | None:
    """A disclosure of which the chain says nothing, or something else."""
    with connections["vault"].cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'UTC'")
        cursor.execute(UNWITNESSED, {"chain": chain})
        found = cursor.fetchone()
    return (
        Fault(found[0], 0, f"disclosure {found[1]} is not as the chain has it") if found else None
    )


class _Walk:
    """One pass over all chains, in order of organisation and number."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self.rows = self.chains = 0
        self._expected: dict[UUID, dict[int, bytes]] = {}
        for anchor in anchors:
            known = self._expected.setdefault(anchor.organisation, {})
            # An older anchor is never given up for what the database says now.
            known.setdefault(anchor.seq, anchor.link)

    def over(self, rows: Iterable[tuple[UUID, int, bytes, str]]) -> Fault | None:
        chain: UUID | None = None
        link, last, agreed = b"", 0, 0
        for organisation, seq, written, words in rows:
            if organisation != chain:
                if chain is not None and (fault := self._tail(chain, last)):
                    return fault
                chain, link, last, agreed = organisation, b"", 0, 0
                self.chains += 1
            if seq != last + 1:
                return Fault(organisation, last + 1, f"row {last + 1} is missing")
            link = hashlib.sha256(link + words.encode()).digest()
            if link != bytes(written):
                return Fault(organisation, seq, "the row does not fit its link")
            last = seq
            anchored = self._expected.get(organisation, {}).get(seq)
            if anchored is not None and anchored != link:
                return Fault(organisation, agreed + 1, f"rewritten at or before row {seq}")
            agreed = seq if anchored is not None else agreed
            self.rows += 1
        if chain is not None and (fault := self._tail(chain, last)):
            return fault
        # What is left was anchored and has no row any more.
        gone = (key for key, known in self._expected.items() if max(known) > 0)
        return next((Fault(key, 1, "the whole chain is gone") for key in gone), None)

    def _tail(self, chain: UUID, last: int) -> Fault | None:
        furthest = max(self._expected.pop(chain, {0: b""}))
        if furthest > last:
            return Fault(chain, last + 1, f"cut: there were {furthest} rows")
        return None
