"""How many sockets a person has open, on all workers together."""

from uuid import UUID, uuid4

import structlog
from django.conf import settings

from coach.database import Database, DatabaseError

log = structlog.get_logger(__name__)

# A worker that dies takes its lines with it after this long; the watch renews them before.
KEPT_S = 20

TAKE = f"""
SELECT gateway_take_line(%(line)s, s.organisation_id, %(who)s, %(most)s, {KEPT_S})
FROM coach_session s WHERE s.id = %(session)s
"""
RENEW = f"""
UPDATE gateway_line SET until = now() + interval '{KEPT_S} s' WHERE id = ANY(%(lines)s)
"""


class Lines:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: set[UUID] = set()

    async def take(self, who: str, session: UUID, *, timeout_s: float) -> UUID | None:
        """A place for one more socket; None when they have as many as they may, or nobody knows."""
        line = uuid4()
        try:
            ((taken,),) = await self._database.fetch(
                TAKE,
                {
                    "line": line,
                    "session": session,
                    "who": who,
                    "most": settings.ENV.sockets_per_user,
                },
                timeout_s=timeout_s,
            )
        except DatabaseError:
            return None
        if not taken:
            return None
        self._held.add(line)
        return line

    async def give_back(self, line: UUID | None, *, timeout_s: float) -> None:
        if line is None:
            return
        self._held.discard(line)
        try:
            await self._database.fetch(
                "DELETE FROM gateway_line WHERE id = %s", [line], timeout_s=timeout_s
            )
        except DatabaseError as exc:
            log.warning("line.kept", error=type(exc).__name__)

    async def renew(self, *, timeout_s: float) -> None:
        """Raises DatabaseError."""
        if self._held:
            await self._database.fetch(RENEW, {"lines": list(self._held)}, timeout_s=timeout_s)
