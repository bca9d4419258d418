"""Every engine of the live road, opened together on the loop that will use them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from coach.database import Database, DatabaseError
from coach.gateway.gateway import Gateway
from coach.gateway.kept import KeptDrafts
from coach.gateway.ledger import PostgresLedger
from coach.gateway.plan import Plan
from coach.gateway.routes import Role
from coach.gateway.watch import watching
from coach.live.deadline import Deadline
from coach.live.log import EventLog
from coach.live.room import Room
from coach.nudges.prompt import canary
from coach.ops.heads import timed
from consent import choices
from consent.vault import Vault
from rag.embedding import Encoder, model_directory
from rag.retrieval import Retrieval
from safety import classifiers
from safety.errors import RedactionFailed
from safety.redaction import Redacted, Redactor

REDACT_S = 0.25
# What a road may take beyond its deadline, with a busy database, before it is taken for dead.
WRITTEN_S = 1.7


@dataclass(frozen=True)
class Engines:
    """What the road needs, each behind the adapter of its own app."""

    database: Database
    vault_database: Database
    log: EventLog
    vault: Vault
    redactor: Redactor
    classifiers: classifiers.Classifiers
    retrieval: Retrieval
    gateway: Gateway
    ledger: PostgresLedger
    kept: KeptDrafts

    @property
    def recipient(self) -> str:
        """Who a disclosure for coaching goes to, as the log names it."""
        routes = self.gateway.routes(Role.NUDGE)
        return ", ".join(f"{r.name}: {r.model}" for r in routes) if routes else "playbook"

    def canary(self, organisation: UUID) -> str:
        return canary(settings.SECRET_KEY, str(organisation))

    async def redact(self, text: str, room: Room, deadline: Deadline) -> Redacted:
        """The text with every entity masked by this session's pseudonyms.

        Raises RedactionFailed, also when it takes too long: text that was not read through
        does not travel.
        """
        try:
            async with asyncio.timeout(deadline.at_most_s(REDACT_S)):
                return await asyncio.to_thread(
                    self.redactor.redact,
                    text,
                    key=room.key,
                    roster=room.names,
                    lexicon=room.lexicon,
                )
        except TimeoutError as exc:
            raise RedactionFailed("out of time") from exc


@asynccontextmanager
async def open_engines() -> AsyncIterator[Engines]:
    """All engines, ready; closed in reverse order on leaving."""
    async with AsyncExitStack() as stack:
        database, vault_database = Database("default"), Database("vault")
        for each in (database, vault_database):
            await each.open()
            stack.push_async_callback(each.close)
        encoder, redactor, signals = await asyncio.gather(
            asyncio.to_thread(lambda: Encoder.load(model_directory())),
            asyncio.to_thread(Redactor.load),
            asyncio.to_thread(classifiers.InProcess.load),
        )
        ledger = PostgresLedger(database)
        kept = KeptDrafts(database, encoder, hours=settings.ENV.keep_drafts_hours)
        stack.push_async_callback(kept.close)
        gateway = await stack.enter_async_context(Gateway(Plan(), ledger))
        await stack.enter_async_context(watching(database, gateway, ledger, kept))
        yield Engines(
            database=database,
            vault_database=vault_database,
            log=EventLog(database, lease_s=settings.ENV.terminal_ms / 1000 + WRITTEN_S),
            vault=Vault(vault_database, choices.key_ring(), unavailable=(DatabaseError,)),
            redactor=redactor,
            classifiers=timed(signals, settings.TRITON_URL),
            retrieval=Retrieval(database, encoder, unavailable=(DatabaseError,)),
            gateway=gateway,
            ledger=ledger,
            kept=kept,
        )
