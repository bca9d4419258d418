"""How each organisation fares: latency, cost, acceptance. One query behind every place it shows."""

from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection

from coach.gateway.costs import costs

NO_QUANTILES = (None, None, None)
STANDINGS = """
WITH judged AS (
    SELECT DISTINCT ON (f.nudge_id, f.member_id) f.nudge_id, f.verdict
    FROM coach_feedback f WHERE f.at >= now() - make_interval(days => %(days)s)
    ORDER BY f.nudge_id, f.member_id, f.at DESC
)
SELECT o.slug, count(n.id),
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY n.total_ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY n.first_ms),
       avg((n.source = 'playbook')::int),
       (SELECT avg((j.verdict IN ('accepted', 'edited'))::int)
        FROM judged j JOIN coach_nudge m ON m.id = j.nudge_id WHERE m.organisation_id = o.id),
       (SELECT count(*) FROM judged j JOIN coach_nudge m ON m.id = j.nudge_id
        WHERE m.organisation_id = o.id)
FROM coach_organisation o JOIN coach_nudge n ON n.organisation_id = o.id
WHERE n.created_at >= now() - make_interval(days => %(days)s) AND n.source <> 'facilitator'
GROUP BY o.id, o.slug ORDER BY o.slug LIMIT 500
"""


@dataclass(frozen=True)
class Standing:
    """One organisation's last days; shares in [0, 1], None where nothing says."""

    tenant: str
    nudges: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    first_words_p95_ms: float | None
    playbook_share: float | None
    accepted_share: float | None
    judged: int
    cost: float
    cost_per_thousand: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def standings(*, days: int) -> list[Standing]:
    """How every organisation acted for fares, by short name."""
    spent = {cost.of: cost for cost in costs("organisation", days=days)}
    with connection.cursor() as cursor:
        cursor.execute(STANDINGS, {"days": days})
        rows = cursor.fetchall()
    found = []
    for slug, nudges, quantiles, first, playbook, accepted, judged in rows:
        cost = spent.get(slug)
        # Of nudges without a time there is no array of quantiles at all.
        p50, p95, p99 = (_rounded(value) for value in quantiles or NO_QUANTILES)
        found.append(
            Standing(
                slug, nudges, p50, p95, p99, _rounded(first), _rounded(playbook, 4),
                _rounded(accepted, 4), judged, cost.cost if cost else 0.0,
                cost.per_thousand_requests if cost else 0.0,
            )
        )  # fmt: skip
    return found


def _rounded(value: Any, digits: int = 1) -> float | None:
    return None if value is None else round(float(value), digits)
