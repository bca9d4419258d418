"""What calls cost: by organisation, session and member, by a thousand requests, day over day."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import connection

RISE_SHARE = 0.2
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

RISES = """
WITH days AS (
    SELECT o.slug, (at AT TIME ZONE 'UTC')::date AS day, sum(micros) AS micros
    FROM gateway_modelcall c JOIN coach_organisation o ON o.id = c.organisation_id
    WHERE at >= date_trunc('day', now() AT TIME ZONE 'UTC') - interval '1 day' GROUP BY 1, 2
)
SELECT today.slug, today.day, coalesce(before.micros, 0), today.micros
FROM days today LEFT JOIN days before ON before.slug = today.slug AND before.day = today.day - 1
WHERE today.day = (now() AT TIME ZONE 'UTC')::date
  AND today.micros > (1 + %(rise)s) * coalesce(before.micros, 0) AND today.micros >= %(least)s
ORDER BY today.slug
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
class Rise:
    """An organisation that today has already cost over a fifth more than all of yesterday."""

    organisation: str
    day: date
    before: float
    cost: float


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


def rises() -> list[Rise]:
    """Organisations whose costs rose by more than RISE_SHARE from yesterday to today."""
    with connection.cursor() as cursor:
        cursor.execute(RISES, {"rise": RISE_SHARE, "least": RISE_LEAST_MICROS})
        rows = cursor.fetchall()
    return [Rise(slug, day, float(b) / 1e6, float(c) / 1e6) for slug, day, b, c in rows]
