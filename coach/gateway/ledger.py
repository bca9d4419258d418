"""What calls cost: reserved before each one, settled after it, in PostgreSQL for all workers."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from coach.database import Database, DatabaseError, DatabaseRefused
from coach.gateway.draft import Call
from coach.gateway.errors import BudgetSpent, Killed, LedgerDown
from coach.gateway.together import Together
from coach.gateway.trials import review

log = structlog.get_logger(__name__)

RESERVE_S = 0.5
SETTLE_S = 2.0
GATHER_S = 0.02
LOST_AFTER_S = 60

RESERVE = """
SELECT r.call, v.verdict, v.period, v.percent
FROM jsonb_to_recordset(%(calls)s::jsonb) AS r(
    call uuid, organisation uuid, session uuid, member uuid, utterance uuid, role text, route text,
    trial bigint, arm text, shadow boolean, tokens integer, cost bigint),
LATERAL gateway_reserve(r.call, r.organisation, r.session, r.member, r.utterance, r.role, r.route,
                        r.trial, r.arm, r.shadow, r.tokens, r.cost) v
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


class Verdict(NamedTuple):
    """What the books say: `ok`, `killed`, `spent` or `refused`, and which budget is nearly used."""

    verdict: str
    period: str
    percent: int


class PostgresLedger:
    """Budgets, the kill switches and the book of calls, two statements for each call at most.

    Calls of one organisation that are wanted in the same moment share a statement.
    """

    def __init__(
        self, database: Database, tell: Callable[[BudgetNews], Awaitable[None]] | None = None
    ) -> None:
        self._database = database
        self._wanted = Together(self._reserve_all)
        self._ended = Together(self._settle_all, gather_s=GATHER_S)
        self._reserving: dict[UUID, asyncio.Future[Verdict]] = {}
        self.tell = tell

    async def reserve(self, call: Call, *, timeout_s: float) -> None:
        wanted = self._reserving[call.id] = self._wanted.begin(call)
        wanted.add_done_callback(lambda _: self._reserving.pop(call.id, None))
        # What has been sent goes on: settling waits for it, so that nothing stays reserved.
        await asyncio.wait({wanted}, timeout=timeout_s)
        if not wanted.done():
            raise LedgerDown("nothing could be reserved in time")
        try:
            verdict, period, percent = wanted.result()
        except DatabaseError as exc:
            raise LedgerDown("nothing could be reserved") from exc
        ask = call.ask
        if percent and self.tell is not None:
            await self.tell(BudgetNews(ask.organisation, ask.session, period, percent))
        if verdict == "refused":
            raise LedgerDown("the books would not have it")
        if verdict == "killed":
            raise Killed("switched off")
        if verdict == "spent":
            raise BudgetSpent(period)

    async def settle(self, call: Call) -> None:
        """Charge what was used, with all calls that end in the same moment."""
        if (reserving := self._reserving.get(call.id)) is not None:
            await asyncio.wait({reserving})
        await asyncio.shield(self._ended.begin(call))

    async def _reserve_all(self, calls: list[Call]) -> list[Verdict]:
        try:
            rows = await self._fetch(RESERVE, calls, _wish, RESERVE_S)
        except DatabaseRefused:
            if len(calls) == 1:
                return [Verdict("refused", "", 0)]
            # One of them stands against a rule of the tables; the others are none the worse.
            return [(await self._reserve_all([call]))[0] for call in calls]
        found = {call: Verdict(*told) for call, *told in rows}
        return [found[call.id] for call in calls]

    async def _settle_all(self, calls: list[Call]) -> list[None]:
        try:
            await self._fetch(SETTLE, calls, _entry, SETTLE_S)
            for trial in {call.trial for call in calls if call.trial is not None}:
                await review(self._database, trial, timeout_s=SETTLE_S)
        except DatabaseError as exc:
            log.warning("ledger.unsettled", calls=len(calls), error=type(exc).__name__)
        return [None] * len(calls)

    async def _fetch(
        self,
        query: str,
        calls: list[Call],
        told: Callable[[Call], dict[str, Any]],
        timeout_s: float,
    ) -> list[tuple[Any, ...]]:
        # One order for all workers, so that two of them never wait for each other.
        rows = [told(call) for call in sorted(calls, key=_whose)]
        return await self._database.fetch(query, {"calls": json.dumps(rows)}, timeout_s=timeout_s)

    async def sweep(self) -> None:
        """Close calls that nobody will settle any more. Raises DatabaseError."""
        await asyncio.shield(self._database.fetch(SWEEP, timeout_s=SETTLE_S))


def _whose(call: Call) -> tuple[UUID, UUID]:
    return call.ask.organisation, call.ask.session


def _wish(call: Call) -> dict[str, Any]:
    """What a call may come to at most."""
    ask, attempt, route = call.ask, call.attempt, call.attempt.route
    ids = {
        "call": call.id,
        "organisation": ask.organisation,
        "session": ask.session,
        "member": ask.member,
        "utterance": ask.utterance,
    }
    return {
        **{name: None if value is None else str(value) for name, value in ids.items()},
        "role": ask.role.value,
        "route": route.name,
        "trial": call.trial,
        "arm": call.arm,
        "shadow": call.shadow,
        "tokens": attempt.tokens_in + route.max_tokens,
        "cost": route.cost_micros(attempt.tokens_in, route.max_tokens),
    }


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
