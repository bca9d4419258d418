"""What a worker does beside its roads, four times a minute: look at itself, and read what costs."""

import asyncio

import structlog
from django.db import Error as DjangoError

from coach import tenancy
from coach.database import Database, DatabaseError, beside
from coach.ops import exposition, levels, tenants
from coach.ops.objectives.reading import objectives
from coach.ops.objectives.watch import EVERY_S, Watch

log = structlog.get_logger(__name__)

READ_S = 2.0
# Counting what is overdue reads whole tables.
LEVELS_EVERY = 20


class Beat:
    """Keeps names, gauges and the watch up to date until cancelled."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.watch = Watch(objectives())

    async def keep(self) -> None:
        tenancy.enter(tenancy.everywhere("beat"))
        beats = 0
        while True:
            try:
                await tenants.learn(self._database, timeout_s=READ_S)
                if beats % LEVELS_EVERY == 0:
                    await beside(levels.refresh)
            except (DatabaseError, DjangoError) as exc:
                log.warning("beat.unread", error=type(exc).__name__)
            # Reading every series takes milliseconds that the roads have better use for.
            await asyncio.to_thread(lambda: self.watch.look(exposition.families()))
            beats += 1
            await asyncio.sleep(EVERY_S)
