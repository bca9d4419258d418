"""Keeps a worker's gateway at what holds for all: the plan, read again several times a second."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from coach import tenancy
from coach.database import Database, DatabaseError
from coach.gateway.gateway import Gateway
from coach.gateway.kept import KeptDrafts
from coach.gateway.ledger import PostgresLedger
from coach.gateway.registry import read_plan

log = structlog.get_logger(__name__)

# A switch must be in force within a second, the read's own time included.
EVERY_S = 0.4
READ_S = 0.4
TIDY_EVERY = 75


@asynccontextmanager
async def watching(
    database: Database, gateway: Gateway, ledger: PostgresLedger, kept: KeptDrafts
) -> AsyncIterator[None]:
    """Have the gateway follow the registry for as long as the block lasts."""
    with tenancy.acting(tenancy.everywhere("plan")):
        gateway.adopt(await read_plan(database, timeout_s=10.0))
    task = asyncio.create_task(_follow(database, gateway, ledger, kept))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(
    database: Database, gateway: Gateway, ledger: PostgresLedger, kept: KeptDrafts
) -> None:
    beats = 0
    tenancy.enter(tenancy.everywhere("plan"))
    while True:
        await asyncio.sleep(EVERY_S)
        beats += 1
        try:
            plan = await read_plan(database, sessions=gateway.sessions(), timeout_s=READ_S)
            gateway.adopt(plan)
            if beats % TIDY_EVERY == 0:
                await ledger.sweep()
                await kept.drop_expired(timeout_s=READ_S)
        except DatabaseError as exc:
            # The plan before stays in force; without the database no call is charged, so none is
            # made.
            log.warning("plan.unread", error=type(exc).__name__)
