"""Anchors of the audit chains, at least every minute: a file beside the data, and a log line."""

import asyncio
from pathlib import Path
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone

from coach import tenancy
from coach.database import Database, DatabaseError
from consent import anchors
from consent.audit import Anchor

log = structlog.get_logger(__name__)

EVERY_S = 20.0
READ_S = 2.0
HEADS = "SELECT organisation_id, seq, link FROM consent_audithead"


class Notary:
    """Writes down how far each chain has come, whenever it has."""

    def __init__(self, vault: Database, path: Path | None = None) -> None:
        self._vault = vault
        self._path = path or settings.AUDIT_ANCHORS
        self._known: dict[UUID, int] = {}

    async def keep(self) -> None:
        """Anchor until cancelled; a database that does not answer is asked again."""
        tenancy.enter(tenancy.everywhere("notary"))
        while True:
            try:
                await self.anchor()
            except (DatabaseError, OSError) as exc:
                log.warning("audit.unanchored", error=type(exc).__name__)
            await asyncio.sleep(EVERY_S)

    async def anchor(self) -> int:
        """Anchor every chain that has grown since; how many. Raises DatabaseError, OSError."""
        rows = await self._vault.fetch(HEADS, timeout_s=READ_S)
        grown = [Anchor(key, seq, bytes(link)) for key, seq, link in rows
                 if self._known.get(key) != seq]  # fmt: skip
        if grown:
            await asyncio.to_thread(anchors.append, self._path, grown, at=timezone.now())
        for head in grown:
            log.info(
                "audit.anchor", chain=str(head.organisation), seq=head.seq, link=head.link.hex()
            )
            self._known[head.organisation] = head.seq
        return len(grown)
