"""What calls cost: reserved before each one, settled after it, in PostgreSQL for all workers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from coach.database import Database, DatabaseError
from coach.gateway.draft import Call
from coach.gateway.errors import BudgetSpent, Killed, LedgerDown
from coach.gateway.trials import review

log = structlog.get_logger(__name__)

SETTLE_S = 2.0
GATHER_S = 0.02
LOST_AFTER_S = 60

RESERVE = """
SELECT verdict, period, percent FROM gateway_reserve(
    %(call)s, %(organisation)s, %(session)s, %(member)s, %(utterance)s, %(role)s, %(route)s,
    %(trial)s, %(arm)s, %(shadow)s, %(tokens)s, %(cost)s)
"""

SETTLE = """
SELECT gateway_settle(s.call, s.outcome, s.tokens_in, s.tokens_out, s.cost, s.first_ms, s.total_ms,
                      s.confidence)
FROM jsonb_to_recordset(%(calls)s::jsonb) AS s(
    call uuid, outcome text, tokens_in integer, tokens_out integer, cost bigint,
    first_ms double precision, total_ms double precision, confidence double precision)
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
    """Budgets, the kill switches and the book of calls, calls in two statements each at most."""

    def __init__(
        self, database: Database, tell: Callable[[BudgetNews], Awaitable[None]] | None = None
    ) -> None:
        self._database = database
        self._ended: list[Call] = []
        self._settling: asyncio.Task[None] | None = None
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
        """Charge what was used, with all calls that end in the same moment."""
        self._ended.append(call)
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle_all())
        await asyncio.shield(self._settling)

    async def _settle_all(self) -> None:
        await asyncio.sleep(GATHER_S)
        # One order for all workers, so that two of them never wait for each other.
        calls = sorted(self._ended, key=lambda call: (call.ask.organisation, call.ask.session))
        self._ended, self._settling = [], None
        try:
            await self._database.fetch(
                SETTLE, {"calls": json.dumps([_entry(call) for call in calls])}, timeout_s=SETTLE_S
            )
            for trial in {call.trial for call in calls if call.trial is not None}:
                await review(self._database, trial, timeout_s=SETTLE_S)
        except DatabaseError as exc:
            log.warning("ledger.unsettled", calls=len(calls), error=type(exc).__name__)

    async def sweep(self) -> None:
        """Close calls that nobody will settle any more. Raises DatabaseError."""
        await asyncio.shield(self._database.fetch(SWEEP, timeout_s=SETTLE_S))


def _entry(call: Call) -> dict[str, Any]:
    """What a call came to; one that no server took costs nothing."""
    attempt = call.attempt
    tokens_in = attempt.tokens_in if attempt.answered else 0
    return {
        "call": str(call.id),
        "outcome": call.outcome,
        "tokens_in": tokens_in,
        "tokens_out": attempt.tokens_out,
        "cost": attempt.route.cost_micros(tokens_in, attempt.tokens_out),
        "first_ms": attempt.first_token_ms,
        "total_ms": attempt.total_ms,
        "confidence": attempt.confidence,
    }
