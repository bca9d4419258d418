"""Organisations by their short names, as labels: known to each worker, and bounded in number."""

from uuid import UUID

from coach.database import Database

MOST = 200
OTHER = "other"

NAMES = f"SELECT id, slug FROM coach_organisation ORDER BY created_at, id LIMIT {MOST}"

_names: dict[UUID, str] = {}


def name_of(organisation: UUID) -> str:
    """The short name; `other` for one beyond the first MOST, or not yet heard of."""
    return _names.get(organisation, OTHER)


async def learn(database: Database, *, timeout_s: float) -> None:
    """Read the names anew. Raises DatabaseError."""
    _names.update(await database.fetch(NAMES, timeout_s=timeout_s))
