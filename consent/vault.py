"""The one door: what a person said or wrote leaves only through `Vault.disclose`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from consent.errors import UnknownSubject, VaultUnavailable
from consent.keys import KeyRing
from consent.registry import Field, Purpose


class Database(Protocol):
    """What the vault needs of its database: one statement, one round trip."""

    async def fetch(
        self, query: str, params: Mapping[str, Any], *, timeout_s: float
    ) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Disclosure:
    """The fields one purpose may have, and the names of those it may not.

    `grants` are all live choices by purpose; `epoch` tells this state of them from any later.
    `unknown` are names no administrator ever registered: withheld like any other, and a mistake.
    """

    id: UUID
    released: Mapping[str, str] = field(repr=False)
    withheld: frozenset[str]
    epoch: int
    grants: Mapping[str, frozenset[str]]
    unknown: frozenset[str] = frozenset()


# Rights are read and their use is logged by one statement: there is no moment between the two.
DISCLOSE = """
WITH person AS (
    SELECT id, organisation_id, epoch, wrapped_key FROM consent_subject
    WHERE id = %(subject)s AND erased_at IS NULL
), live AS (
    SELECT l.purpose_id, l.field_id FROM consent_live l JOIN person ON person.id = l.subject_id
), granted AS (
    SELECT coalesce(array_agg(field_id::text ORDER BY field_id), '{}') AS fields
    FROM live WHERE purpose_id = %(purpose)s AND field_id = ANY(%(asked)s)
), kept AS (
    SELECT v.field_id, v.sealed FROM consent_storedvalue v, granted
    WHERE v.subject_id = %(subject)s AND v.field_id = ANY(%(stored)s)
      AND v.field_id = ANY(granted.fields)
), logged AS (
    INSERT INTO consent_disclosure
        (id, organisation_id, subject_id, purpose, fields, withheld, recipient, about, at)
    SELECT gen_random_uuid(), person.organisation_id, person.id, %(purpose)s,
           ARRAY(SELECT f FROM unnest(granted.fields) f
                 WHERE f = ANY(%(given)s) OR f IN (SELECT field_id FROM kept) ORDER BY f),
           ARRAY(SELECT a FROM unnest(%(asked)s::text[]) a
                 WHERE a <> ALL(granted.fields) ORDER BY a),
           %(recipient)s, %(about)s, now()
    FROM person, granted
    RETURNING id, fields, withheld
)
SELECT logged.id, person.epoch, logged.fields, logged.withheld, person.wrapped_key,
       (SELECT coalesce(jsonb_object_agg(field_id, encode(sealed, 'hex')), '{}') FROM kept),
       (SELECT coalesce(jsonb_object_agg(purpose_id, fields), '{}')
        FROM (SELECT purpose_id, jsonb_agg(field_id) AS fields FROM live GROUP BY 1) AS g),
       ARRAY(SELECT a FROM unnest(%(asked)s::text[]) a
             WHERE NOT EXISTS (SELECT FROM consent_field f WHERE f.key = a))
           || ARRAY(SELECT %(purpose)s::text
                    WHERE NOT EXISTS (SELECT FROM consent_purpose p WHERE p.key = %(purpose)s))
FROM person, logged
"""

ALLOWS = """
SELECT EXISTS (SELECT FROM consent_live l JOIN consent_subject s ON s.id = l.subject_id
    WHERE s.id = %(subject)s AND s.erased_at IS NULL
      AND l.purpose_id = %(purpose)s AND l.field_id = %(field)s)
"""
EPOCH = "SELECT epoch FROM consent_subject WHERE id = %(subject)s AND erased_at IS NULL"


class Vault:
    """Personal data and the rights to it, behind its own connection.

    `unavailable` are the database's own errors, which become VaultUnavailable here.
    """

    def __init__(
        self, database: Database, keys: KeyRing, *, unavailable: tuple[type[Exception], ...]
    ) -> None:
        self._database = database
        self._keys = keys
        self._unavailable = unavailable

    async def disclose(
        self,
        subject_id: UUID,
        data: Mapping[str, str],
        *,
        purpose: Purpose,
        recipient: str,
        stored: Collection[str] = (),
        about: UUID | None = None,
        timeout_s: float,
    ) -> Disclosure:
        """The fields of `data`, and of the values kept here, that this person allows this purpose.

        A field without a live consent record is withheld, not an error: "no" is an ordinary
        answer. The log holds field names, never values, and is written before this returns.
        Raises UnknownSubject, and VaultUnavailable when it cannot be read or logged in
        `timeout_s`; then nothing is disclosed. Source: purpose limitation, GDPR Art. 5(1)(b).
        """
        rows = await self._fetch(
            DISCLOSE,
            {
                "subject": subject_id,
                "purpose": purpose.value,
                "asked": sorted({*data, *stored}),
                "given": sorted(data),
                "stored": sorted(stored),
                "recipient": recipient,
                "about": about,
            },
            timeout_s=timeout_s,
        )
        if not rows:
            raise UnknownSubject(str(subject_id))
        disclosure_id, epoch, fields, withheld, wrapped, sealed, grants, unknown = rows[0]
        released = {name: data[name] for name in fields if name in data}
        for name, value in sealed.items():
            if name in fields and name not in released:
                released[name] = self._keys.open(
                    bytes(wrapped), bytes.fromhex(value), label=f"{subject_id}/{name}"
                )
        return Disclosure(
            id=disclosure_id,
            released=released,
            withheld=frozenset(withheld),
            epoch=epoch,
            grants={key: frozenset(names) for key, names in grants.items()},
            unknown=frozenset(unknown),
        )

    async def epoch(self, subject_id: UUID, *, timeout_s: float) -> int | None:
        """The state of this person's choices now; None once they are erased."""
        rows = await self._fetch(EPOCH, {"subject": subject_id}, timeout_s=timeout_s)
        return int(rows[0][0]) if rows else None

    async def allows(
        self, subject_id: UUID, field: Field, *, purpose: Purpose, timeout_s: float
    ) -> bool:
        """Whether this person lets this purpose have this field now; nothing is given out.

        Raises VaultUnavailable.
        """
        rows = await self._fetch(
            ALLOWS,
            {"subject": subject_id, "purpose": purpose.value, "field": field.value},
            timeout_s=timeout_s,
        )
        return bool(rows[0][0])

    async def _fetch(
        self, query: str, params: Mapping[str, Any], *, timeout_s: float
    ) -> list[tuple[Any, ...]]:
        try:
            return await self._database.fetch(query, params, timeout_s=timeout_s)
        except self._unavailable as exc:
            raise VaultUnavailable("the vault did not answer") from exc
