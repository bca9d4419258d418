"""What only the database knows, as gauges: budgets, costs, rows past their deadline."""

from django.db import connection
from django.utils import timezone

from coach.gateway.costs import day_over_day
from coach.ops import metrics
from coach.rooms import retention

BUDGETS = """
SELECT o.slug, b.period, max(coalesce(s.micros, 0) / nullif(b.most, 0)::float)
FROM coach_organisation o CROSS JOIN LATERAL (
    SELECT 'day' AS period, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS key,
           per_day * 1000000 AS most FROM gateway_budget WHERE organisation_id = o.id
    UNION ALL
    SELECT 'month', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM'), per_month * 1000000
    FROM gateway_budget WHERE organisation_id = o.id
) b LEFT JOIN gateway_spend s
    ON s.organisation_id = o.id AND s.period = b.period AND s.key = b.key
WHERE b.most > 0 GROUP BY 1, 2
"""


def refresh() -> None:
    """Set the gauges of every organisation acted for."""
    with connection.cursor() as cursor:
        cursor.execute(BUDGETS)
        for tenant, period, used in cursor.fetchall():
            metrics.BUDGET_USED.labels(tenant, period).set(used)
    for day in day_over_day():
        metrics.COST_RISE.labels(day.organisation).set(day.rise)
        metrics.COST_PER_THOUSAND.labels(day.organisation).set(day.per_thousand_requests)
    for kind, rows in retention.overdue(at=timezone.now()).items():
        metrics.OVERDUE.labels(kind).set(rows)
