import io
import json
import uuid
from datetime import timedelta

from django.core.management import call_command
from django.utils import timezone

from coach.gateway.costs import budgets_used, by_day, costs, day_over_day
from coach.gateway.measured import measured
from coach.gateway.models import Budget, ModelCall, Spend


def call(tenant, micros: int, *, days_ago: float = 0.0, **fields) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    ModelCall.objects.create(
        organisation=tenant, session_id=uuid.uuid4(), role="nudge", route="small",
        micros=micros, at=at, settled_at=at, outcome=fields.pop("outcome", "ok"), **fields,
    )  # fmt: skip


def test_costs_are_summed_and_given_for_a_thousand_requests(tenant):
    utterance = uuid.uuid4()
    call(tenant, 2000, utterance_id=utterance)
    call(tenant, 1000, utterance_id=utterance)
    call(tenant, 3000, utterance_id=uuid.uuid4())
    call(tenant, 9000, days_ago=40, utterance_id=uuid.uuid4())
    (cost,) = [c for c in costs("organisation", days=30) if c.of == tenant.slug]
    assert (cost.calls, cost.requests, cost.cost) == (3, 2, 0.006)
    assert cost.per_thousand_requests == 3.0


def test_what_a_shadow_costs_is_money_but_no_request(tenant):
    call(tenant, 2000, utterance_id=uuid.uuid4())
    call(tenant, 2000, utterance_id=uuid.uuid4(), shadow=True)
    (cost,) = [c for c in costs("organisation", days=1) if c.of == tenant.slug]
    assert (cost.calls, cost.requests, cost.per_thousand_requests) == (1, 1, 4.0)


def test_the_command_breaks_costs_down_by_member(tenant):
    member = uuid.uuid4()
    call(tenant, 5000, member_id=member)
    out = io.StringIO()
    call_command("costs", by="member", days=1, stdout=out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["cost"] for row in rows if row["of"] == str(member)] == [0.005]


def test_a_rise_is_told_from_one_day_to_the_next(tenant):
    def rise() -> float:
        (day,) = [each for each in day_over_day() if each.organisation == tenant.slug]
        return round(day.rise, 4)

    call(tenant, 100_000, days_ago=1)
    call(tenant, 119_000)
    assert rise() == 0.19
    call(tenant, 2_000)
    assert rise() == 0.21


def test_a_rise_from_next_to_nothing_to_next_to_nothing_is_none(tenant):
    call(tenant, 100, days_ago=1)
    call(tenant, 9_000)
    (day,) = [each for each in day_over_day() if each.organisation == tenant.slug]
    assert day.rise == 0.0
    assert day.per_thousand_requests == 9.0


def test_routes_are_measured_by_their_own_calls(tenant):
    route = f"r-{uuid.uuid4().hex[:8]}"
    for n in range(8):
        call(tenant, 100, first_ms=100.0 + n)
    for outcome in ("ok", "ok", "model_broken", "model_late"):
        ModelCall.objects.create(
            organisation=tenant, session_id=uuid.uuid4(), role="nudge", route=route,
            outcome=outcome, micros=100, first_ms=50.0, settled_at=timezone.now(),
        )  # fmt: skip
    figures = measured()[route]
    assert figures["calls"] == 4
    assert figures["answered"] == 0.5
    assert figures["valid"] == 0.6667
    assert figures["first_ms"] == {"p50": 50.0, "p95": 50.0}


def test_each_day_and_route_is_summed_apart(tenant):
    before = {(each.day, each.route): each.cost for each in by_day(days=3)}
    call(tenant, 4000, days_ago=1)
    call(tenant, 1000)
    call(tenant, 2000)
    call(tenant, 8000, days_ago=3)
    after = {(each.day, each.route): each.cost for each in by_day(days=3)}
    today = timezone.now().date()
    grown = {key[0]: round(cost - before.get(key, 0.0), 6) for key, cost in after.items()}
    assert grown[today] == 0.003
    assert grown[today - timedelta(days=1)] == 0.004
    assert today - timedelta(days=3) not in grown


def test_what_is_used_of_a_budget_is_of_this_day_and_this_month(tenant):
    Budget.objects.create(organisation=tenant, per_day=2, per_month=40)
    now = timezone.now()
    for period, key, micros in (
        ("day", f"{now:%Y-%m-%d}", 1_500_000), ("day", "2001-01-01", 9_000_000),
        ("month", f"{now:%Y-%m}", 4_000_000),
    ):  # fmt: skip
        Spend.objects.create(organisation=tenant, period=period, key=key, micros=micros)
    used = {each.period: each for each in budgets_used(now) if each.organisation == str(tenant)}
    assert (used["day"].used, used["day"].most, used["day"].percent) == (1.5, 2.0, 75)
    assert (used["month"].used, used["month"].percent) == (4.0, 10)
