"""What calls cost: by organisation, session and member, by a thousand requests, day over day."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection

from coach.gateway.models import Budget, Spend

# A rise from next to nothing is no news: a hundredth of a unit.
RISE_LEAST_MICROS = 10_000

COSTS = """
SELECT {key} AS of, count(*) FILTER (WHERE NOT shadow), coalesce(sum(micros), 0),
       coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0),
       count(DISTINCT coalesce(c.utterance_id, c.id)) FILTER (WHERE NOT shadow)
FROM gateway_modelcall c JOIN coach_organisation o ON o.id = c.organisation_id
WHERE at >= now() - make_interval(days => %(days)s) GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 1000
"""

KEYS = {
    "organisation": "o.slug::text",
    "session": "c.session_id::text",
    "member": "coalesce(c.member_id::text, '')",
    "route": "c.route::text",
}

DAY_OVER_DAY = """
SELECT o.slug,
       coalesce(sum(micros) FILTER (WHERE at < now() - interval '1 day'), 0),
       coalesce(sum(micros) FILTER (WHERE at >= now() - interval '1 day'), 0),
       count(DISTINCT coalesce(c.utterance_id, c.id))
           FILTER (WHERE at >= now() - interval '1 day' AND NOT shadow)
FROM gateway_modelcall c JOIN coach_organisation o ON o.id = c.organisation_id
WHERE at >= now() - interval '2 days' GROUP BY 1 ORDER BY 1
"""

BY_DAY = """
SELECT (at AT TIME ZONE 'UTC')::date, route, count(*), coalesce(sum(micros), 0)
FROM gateway_modelcall
WHERE at >= date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
            - make_interval(days => %(days)s - 1)
GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Cost:
    """Calls and what they cost, in currency units; `requests` are utterances and reports."""

    of: str
    calls: int
    requests: int
    cost: float
    per_thousand_requests: float
    tokens_in: int
    tokens_out: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class DayCost:
    """What a route's calls of one day (UTC) cost, in currency units."""

    day: date
    route: str
    calls: int
    cost: float


@dataclass(frozen=True)
class Used:
    """How much of a budget is spent or reserved now, in currency units."""

    organisation: str
    period: str
    used: float
    most: float

    @property
    def percent(self) -> int:
        return round(100 * self.used / self.most) if self.most else 100


@dataclass(frozen=True)
class DayOverDay:
    """What an organisation's last 24 hours cost, and the 24 before, in currency units."""

    organisation: str
    before: float
    cost: float
    requests: int

    @property
    def rise(self) -> float:
        """0.2 for a fifth more than the day before; 0 where it is next to nothing."""
        least = RISE_LEAST_MICROS / 1e6
        return self.cost / max(self.before, least) - 1 if self.cost >= least else 0.0

    @property
    def per_thousand_requests(self) -> float:
        return self.cost / self.requests * 1000 if self.requests else 0.0


def costs(by: str, *, days: int) -> list[Cost]:
    """The last days' costs, dearest first; `by` is one of KEYS."""
    with connection.cursor() as cursor:
        cursor.execute(COSTS.format(key=KEYS[by]), {"days": days})
        rows = cursor.fetchall()
    return [
        Cost(
            of, calls, requests, float(micros) / 1e6,
            round(float(micros) / 1e6 / requests * 1000, 4) if requests else 0.0,
            int(tokens_in), int(tokens_out),
        )
        for of, calls, micros, tokens_in, tokens_out, requests in rows
    ]  # fmt: skip


def by_day(*, days: int) -> list[DayCost]:
    """The last days' costs by day and route, today included, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, {"days": days})
        rows = cursor.fetchall()
    return [DayCost(day, route, calls, float(micros) / 1e6) for day, route, calls, micros in rows]


def budgets_used(now: datetime) -> list[Used]:
    """This day's and this month's budgets with what is used of them, by organisation."""
    moment = now.astimezone(UTC)
    keys = {"day": f"{moment:%Y-%m-%d}", "month": f"{moment:%Y-%m}"}
    spent = {
        (each.organisation_id, each.period): each.micros / 1e6
        for each in Spend.objects.filter(period__in=keys, key__in=keys.values())
    }
    return [
        Used(str(budget.organisation), period, spent.get((budget.organisation_id, period), 0.0),
             float(most))
        for budget in Budget.objects.select_related("organisation").order_by("organisation__slug")
        for period, most in (("day", budget.per_day), ("month", budget.per_month))
        if most is not None
    ]  # fmt: skip


def day_over_day() -> list[DayOverDay]:
    """Every organisation that called a model in the last two days, by short name."""
    with connection.cursor() as cursor:
        cursor.execute(DAY_OVER_DAY)
        rows = cursor.fetchall()
    return [
        DayOverDay(slug, float(before) / 1e6, float(micros) / 1e6, requests)
        for slug, before, micros, requests in rows
    ]
