"""Is a candidate worse than what it is compared with? Then it stops; it never widens itself."""

import math
from dataclasses import dataclass
from typing import Any

import structlog

from coach.database import Database

log = structlog.get_logger(__name__)

LEAST_CALLS = 5
LEAST_TIMED = 20
RECENT_CALLS = 200
# At each look, and there is one after every call: one false alarm in 30,000.
CHANCE = 1 / 30_000
WORSE_SHARE = 0.05
SLOWER_FACTOR = 1.5
SLOWER_MS = 50.0


@dataclass(frozen=True)
class Tally:
    """One side of a trial. None is a figure that nobody measured, and says nothing."""

    calls: int = 0
    failed: int = 0
    broken: int = 0
    gated: int = 0
    first_ms: float | None = None
    judged: int = 0
    rejected: int = 0


TALLY = f"""
SELECT c.arm, count(*),
    count(*) FILTER (WHERE c.outcome IN ('model_unavailable', 'model_late')),
    count(*) FILTER (WHERE c.outcome = 'model_broken'),
    count(*) FILTER (WHERE c.outcome = 'gate'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY c.first_ms),
    count(v.verdict),
    count(*) FILTER (WHERE v.verdict IN ('dismissed', 'not_relevant', 'unsafe'))
FROM unnest(ARRAY['control', 'candidate']) AS side(arm) CROSS JOIN LATERAL (
    SELECT k.* FROM gateway_modelcall k JOIN gateway_trial t ON t.id = k.trial_id
    WHERE k.trial_id = %(trial)s AND k.arm = side.arm AND k.at >= t.started_at
      AND k.outcome IN ('ok', 'gate', 'model_unavailable', 'model_late', 'model_broken')
    ORDER BY k.at DESC LIMIT {RECENT_CALLS}
) AS c
LEFT JOIN coach_nudge n ON n.utterance_id = c.utterance_id AND c.outcome = 'ok'
LEFT JOIN LATERAL (
    SELECT verdict FROM coach_feedback f WHERE f.nudge_id = n.id ORDER BY f.at DESC LIMIT 1
) AS v ON true
GROUP BY c.arm
"""

ABORT = """
UPDATE gateway_trial SET state = 'aborted', reason = %(reason)s, ended_at = now()
WHERE id = %(trial)s AND state = 'running' RETURNING name
"""


def judge(control: Tally, candidate: Tally) -> str:
    """Why this candidate must stop; "" while there is no proof that it is worse.

    Shares are compared by Fisher's exact test, one-sided, and must differ by five points too.
    """
    if min(control.calls, candidate.calls) >= LEAST_CALLS:
        for name in ("failed", "broken", "gated"):
            ours, theirs = getattr(candidate, name), getattr(control, name)
            if _worse(ours, candidate.calls, theirs, control.calls):
                return f"{name} {ours} of {candidate.calls}, control {theirs} of {control.calls}"
    if min(control.calls, candidate.calls) >= LEAST_TIMED:
        slow, usual = candidate.first_ms, control.first_ms
        if slow is not None and usual is not None and slow > SLOWER_FACTOR * usual + SLOWER_MS:
            return f"first token {slow:.0f} ms, control {usual:.0f} ms"
    if min(control.judged, candidate.judged) >= LEAST_CALLS and _worse(
        candidate.rejected, candidate.judged, control.rejected, control.judged
    ):
        return f"rejected {candidate.rejected} of {candidate.judged}"
    return ""


async def review(database: Database, trial: int, *, timeout_s: float) -> None:
    """Stop a trial whose candidate is worse, for all workers. Raises DatabaseError."""
    rows = await database.fetch(TALLY, {"trial": trial}, timeout_s=timeout_s)
    sides = {arm: Tally(*figures) for arm, *figures in rows}
    reason = judge(sides.get("control", Tally()), sides.get("candidate", Tally()))
    if not reason:
        return
    values: dict[str, Any] = {"trial": trial, "reason": reason[:120]}
    for (name,) in await database.fetch(ABORT, values, timeout_s=timeout_s):
        log.warning("trial.aborted", trial=name, reason=reason)


def _worse(bad: int, of: int, usual: int, of_usual: int) -> bool:
    """Whether so many bad ones more are no chance. Source: R. A. Fisher's exact test, one-sided."""
    if bad / of - usual / of_usual <= WORSE_SHARE:
        return False
    everyone, all_bad = of + of_usual, bad + usual
    as_bad = sum(
        math.comb(all_bad, n) * math.comb(everyone - all_bad, of - n)
        for n in range(bad, min(of, all_bad) + 1)
    )
    return as_bad / math.comb(everyone, of) < CHANCE
