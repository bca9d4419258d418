"""What routes did lately: speed, validity and cost by their own calls, not by what is promised."""

from typing import Any

from django.db import connection

from coach.gateway.trials import TALLY, Tally

DAYS = 7

MEASURED = """
SELECT route, count(*),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY first_ms),
    avg((outcome IN ('ok', 'unsure', 'gate'))::int) FILTER (WHERE outcome IN
        ('ok', 'unsure', 'gate', 'model_unavailable', 'model_late', 'model_broken')),
    avg((outcome <> 'model_broken')::int) FILTER (WHERE outcome IN ('ok', 'gate', 'model_broken')),
    avg(micros)
FROM gateway_modelcall WHERE at > now() - make_interval(days => %(days)s) AND settled_at IS NOT NULL
GROUP BY route
"""


def measured(*, days: int = DAYS) -> dict[str, dict[str, Any]]:
    """By route: calls, first token ms (p50, p95), shares answered and valid, mean cost."""
    with connection.cursor() as cursor:
        cursor.execute(MEASURED, {"days": days})
        rows = cursor.fetchall()
    return {
        route: {
            "calls": calls,
            "first_ms": dict(zip(("p50", "p95"), first, strict=True)) if first else None,
            "answered": _share(answered),
            "valid": _share(valid),
            "cost": round(float(micros) / 1e6, 8),
        }
        for route, calls, first, answered, valid, micros in rows
    }


def sides(trial: int) -> dict[str, Tally]:
    """How both sides of a trial fare, as its own review counts them."""
    with connection.cursor() as cursor:
        cursor.execute(TALLY, {"trial": trial})
        return {arm: Tally(*figures) for arm, *figures in cursor.fetchall()}


def _share(value: Any) -> float | None:
    return None if value is None else round(float(value), 4)
