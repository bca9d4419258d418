"""What is left of each error budget of 30 days, by organisation: counted from rows.

A worker's metrics end with the worker; what was said and shown has a time in PostgreSQL. Requests,
readings and routes leave no rows, so their budgets are Prometheus' to tell. Rows that were purged
or erased count no more.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from coach import tenancy
from coach.ops.objectives.reading import Objectives, Within
from coach.ops.objectives.watch import Alert

# What is over changes by erasure alone, what is not by everything that is said.
PAST_S, TODAY_S = 3600, 60
OF_ALL = ""

UTTERANCES = """
SELECT o.slug, count(*), count(*) FILTER (WHERE u.outcome = 'error' OR u.outcome IS NULL)
FROM coach_utterance u JOIN coach_organisation o ON o.id = u.organisation_id
WHERE u.accepted_at >= %(since)s AND u.accepted_at < %(until)s
  AND (u.outcome IS NOT NULL OR u.lease_until < now())
GROUP BY 1
"""
NUDGES = """
SELECT o.slug, count(n.{ms}), count(*) FILTER (WHERE n.{ms} > %(bound_ms)s)
FROM coach_nudge n JOIN coach_organisation o ON o.id = n.organisation_id
WHERE n.created_at >= %(since)s AND n.created_at < %(until)s
  AND n.source IN ('model', 'cache', 'playbook')
GROUP BY 1
"""
STOOD_IN = """
SELECT o.slug, count(*), count(*) FILTER (WHERE n.source = 'playbook')
FROM coach_nudge n JOIN coach_organisation o ON o.id = n.organisation_id
WHERE n.created_at >= %(since)s AND n.created_at < %(until)s
  AND n.source IN ('model', 'cache', 'playbook') AND n.reason NOT IN ('no_model', 'killed')
GROUP BY 1
"""
SHAPES = """
SELECT o.slug, count(*), count(*) FILTER (WHERE c.outcome = 'model_broken')
FROM gateway_modelcall c JOIN coach_organisation o ON o.id = c.organisation_id
WHERE c.at >= %(since)s AND c.at < %(until)s AND c.role = 'nudge'
  AND c.outcome IN ('ok', 'gate', 'model_broken')
GROUP BY 1
"""
COUNTED = {
    "availability": UTTERANCES,
    "nudge_p95": NUDGES.format(ms="total_ms"),
    "nudge_p99": NUDGES.format(ms="total_ms"),
    "first_words": NUDGES.format(ms="first_ms"),
    "schema_valid": SHAPES,
    "fallback": STOOD_IN,
}


@dataclass(frozen=True)
class Count:
    """Events of one objective and organisation in some days, and how many were bad."""

    objective: str
    tenant: str
    events: int
    bad: int


@dataclass(frozen=True)
class Budget:
    """An objective's window so far; `tenant` is "" for all of them together."""

    objective: str
    tenant: str
    events: int
    bad: int
    left: float

    @property
    def percent(self) -> float:
        return round(100 * self.left, 1)

    def as_json(self) -> dict[str, Any]:
        told = {"objective": self.objective, "events": self.events, "bad": self.bad}
        return {**told, "tenant": self.tenant or None, "left": round(self.left, 4)}


def budgets(told: Objectives, *, now: datetime | None = None) -> list[Budget]:
    """Every budget of the organisations acted for; nothing where there were too few events.

    Less than nothing is left of a budget that is overdrawn.
    """
    targets = {each.name: each.budget for each in told.all if each.name in COUNTED}
    events: Counter[tuple[str, str]] = Counter()
    bad: Counter[tuple[str, str]] = Counter()
    for count in _window(told, now or timezone.now()):
        for tenant in (count.tenant, OF_ALL):
            events[count.objective, tenant] += count.events
            bad[count.objective, tenant] += count.bad
    found = [
        Budget(name, tenant, n, bad[name, tenant], 1 - bad[name, tenant] / n / targets[name])
        for (name, tenant), n in events.items()
        if n >= told.least_events
    ]
    order = list(COUNTED)
    return sorted(found, key=lambda one: (order.index(one.objective), one.tenant))


def low(told: Objectives, left: list[Budget]) -> Iterator[Alert]:
    """An alert for each budget that burns and is nearly gone."""
    burning = {each.name: each for each in told.all if each.burn}
    for one in left:
        if (objective := burning.get(one.objective)) and one.left < told.budget_left.bound:
            yield Alert(
                f"{objective.camel}BudgetLow", objective, told.budget_left.severity, one.left,
                told.budget_left.bound, {"tenant": one.tenant} if one.tenant else {},
            )  # fmt: skip


def _window(told: Objectives, now: datetime) -> list[Count]:
    """The days before today (UTC), remembered for an hour, and today, for a minute."""
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    first = today - timedelta(days=told.window_days - 1)
    bounds = {each.name: each.measure.ms for each in told.all if isinstance(each.measure, Within)}
    past = _remembered(first, today, PAST_S, lambda: _counted(bounds, first, today))
    tomorrow = today + timedelta(days=1)
    return past + _remembered(today, tomorrow, TODAY_S, lambda: _counted(bounds, today, tomorrow))


def _remembered(
    since: datetime, until: datetime, for_s: int, count: Callable[[], list[Count]]
) -> list[Count]:
    """Counts are of the organisations acted for, so they are kept by them."""
    of = hashlib.sha256(tenancy.current().organisations.encode()).hexdigest()[:32]
    key = f"budgets:{of}:{since:%Y%m%d}:{until:%Y%m%d}"
    known: list[Count] | None = cache.get(key)
    if known is None:
        known = count()
        cache.set(key, known, for_s)
    return known


def _counted(bounds: Mapping[str, int], since: datetime, until: datetime) -> list[Count]:
    found = []
    with connection.cursor() as cursor:
        for name, query in COUNTED.items():
            given = {"since": since, "until": until, "bound_ms": bounds.get(name)}
            cursor.execute(query, given)
            found += [Count(name, *row) for row in cursor.fetchall()]
    return found
