"""What calls cost: reserved before each one, settled after it, in PostgreSQL for all workers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from coach.database import Database, DatabaseError
from coach.gateway.draft import Call
from coach.gateway.errors import BudgetSpent, Killed, LedgerDown
from coach.gateway.trials import review

log = structlog.get_logger(__name__)

SETTLE_S = 2.0
LOST_AFTER_S = 60

RESERVE = """
SELECT verdict, period, percent FROM gateway_reserve(
    %(call)s, %(organisation)s, %(session)s, %(member)s, %(utterance)s, %(role)s, %(route)s,
    %(trial)s, %(arm)s, %(shadow)s, %(tokens)s, %(cost)s)
"""

SETTLE = """
SELECT gateway_settle(%(call)s, %(outcome)s, %(tokens_in)s, %(tokens_out)s, %(cost)s,
                      %(first_ms)s, %(total_ms)s, %(confidence)s)
"""

# A call whose worker died keeps what was reserved for it: it may have been answered.
SWEEP = f"""
UPDATE gateway_modelcall SET outcome = 'lost', settled_at = now()
WHERE settled_at IS NULL AND at < now() - interval '{LOST_AFTER_S} s'
"""


@dataclass(frozen=True)
class BudgetNews:
    """Something a facilitator is told once: a budget is nearly used up, or is."""

    organisation: UUID
    session: UUID
    period: str
    percent: int


class PostgresLedger:
    """Budgets, the kill switches and the book of calls, each call in two statements."""

    def __init__(
        self, database: Database, tell: Callable[[BudgetNews], Awaitable[None]] | None = None
    ) -> None:
        self._database = database
        self.tell = tell

    async def reserve(self, call: Call, *, timeout_s: float) -> None:
        ask, attempt = call.ask, call.attempt
        route = attempt.route
        try:
            ((verdict, period, percent),) = await self._database.fetch(
                RESERVE,
                {
                    "call": call.id,
                    "organisation": ask.organisation,
                    "session": ask.session,
                    "member": ask.member,
                    "utterance": ask.utterance,
                    "role": ask.role.value,
                    "route": route.name,
                    "trial": call.trial,
                    "arm": call.arm,
                    "shadow": call.shadow,
                    "tokens": attempt.tokens_in + route.max_tokens,
                    "cost": route.cost_micros(attempt.tokens_in, route.max_tokens),
                },
                timeout_s=timeout_s,
            )
        except DatabaseError as exc:
            raise LedgerDown("nothing could be reserved") from exc
        if percent and self.tell is not None:
            await self.tell(BudgetNews(ask.organisation, ask.session, period, percent))
        if verdict == "killed":
            raise Killed("switched off")
        if verdict == "spent":
            raise BudgetSpent(period)

    async def settle(self, call: Call) -> None:
        """Charge what was used. One that no server took costs nothing."""
        attempt = call.attempt
        tokens_in = attempt.tokens_in if attempt.answered else 0
        try:
            await self._database.fetch(
                SETTLE,
                {
                    "call": call.id,
                    "outcome": call.outcome,
                    "tokens_in": tokens_in,
                    "tokens_out": attempt.tokens_out,
                    "cost": attempt.route.cost_micros(tokens_in, attempt.tokens_out),
                    "first_ms": attempt.first_token_ms,
                    "total_ms": attempt.total_ms,
                    "confidence": attempt.confidence,
                },
                timeout_s=SETTLE_S,
            )
            if call.trial is not None:
                await review(self._database, call.trial, timeout_s=SETTLE_S)
        except DatabaseError as exc:
            log.warning("ledger.unsettled", error=type(exc).__name__)

    async def sweep(self) -> None:
        """Close calls that nobody will settle any more. Raises DatabaseError."""
        await asyncio.shield(self._database.fetch(SWEEP, timeout_s=SETTLE_S))
