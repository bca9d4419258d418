"""What is left of 30 days' error budgets, counted from rows."""

import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coach import tenancy
from coach.desk.objectives import board as desk_board
from coach.models import Member, Nudge, Organisation, Session, Utterance
from coach.ops import health
from coach.ops.objectives import rules
from coach.ops.objectives.budgets import COUNTED, OF_ALL, budgets, low
from coach.ops.objectives.reading import objectives
from tests.ops.test_metrics import verified

TOLD = objectives()
NOW = timezone.now()


class Tenant:
    """An organisation, and utterances and nudges of any day."""

    def __init__(self) -> None:
        self.organisation = Organisation.objects.create(slug=uuid.uuid4().hex[:12], name="Rowan")
        self.scope = tenancy.of([self.organisation.id], actor="test")
        user = get_user_model().objects.create(username=uuid.uuid4().hex)
        with tenancy.acting(self.scope):
            self.session = Session.objects.create(
                organisation=self.organisation, facilitator=user, title="T"
            )
            self.member = Member.objects.create(
                session=self.session, role="participant", display_name="A", number=1
            )

    def says(self, times: int, outcome: str | None, *, days_ago: int = 0) -> None:
        at = NOW - timedelta(days=days_ago)
        with tenancy.acting(self.scope):
            for _ in range(times):
                Utterance.objects.create(
                    session=self.session, member=self.member, client_msg_id=uuid.uuid4(),
                    digest=b"d", text="", outcome=outcome, accepted_at=at,
                    lease_until=at - timedelta(seconds=1), finished_at=at if outcome else None,
                )  # fmt: skip

    def is_nudged(self, times: int, ms: float, *, source: str = "model", reason: str = "") -> None:
        with tenancy.acting(self.scope):
            for _ in range(times):
                Nudge.objects.create(
                    session=self.session, member=self.member, text="n", source=source,
                    reason=reason, first_ms=ms / 2, total_ms=ms,
                )  # fmt: skip

    def left(self) -> dict[str, tuple[int, int, float]]:
        cache.clear()
        with tenancy.acting(self.scope):
            found = budgets(TOLD)
        return {b.objective: (b.events, b.bad, b.left) for b in found if b.tenant != OF_ALL}


@pytest.fixture
def rowan(database):
    return Tenant()


def test_a_budget_is_what_may_be_bad_less_what_was(rowan):
    rowan.says(1998, "nudge.done", days_ago=3)
    rowan.says(1, "error", days_ago=20)
    rowan.says(1, None)
    events, bad, left = rowan.left()["availability"]
    assert (events, bad) == (2000, 2)
    # One in a thousand may be bad; two were, and that is all of it.
    assert left == pytest.approx(0.0)


def test_what_is_older_than_the_window_counts_no_more(rowan):
    rowan.says(30, "nudge.done", days_ago=29)
    rowan.says(30, "error", days_ago=30)
    assert rowan.left()["availability"] == (30, 0, 1.0)


def test_late_nudges_use_up_each_budget_by_its_own_bound(rowan):
    rowan.is_nudged(95, 400)
    rowan.is_nudged(4, 1000)
    rowan.is_nudged(1, 3000)
    left = rowan.left()
    assert left["nudge_p95"] == (100, 5, pytest.approx(0.0))
    assert left["nudge_p99"] == (100, 1, pytest.approx(0.0))
    assert left["first_words"] == (100, 1, pytest.approx(0.8))


def test_passages_stand_in_for_drafts_only_where_a_model_was_to_write(rowan):
    rowan.is_nudged(50, 100, source="playbook", reason="no_model")
    rowan.is_nudged(19, 100)
    rowan.is_nudged(1, 100, source="playbook", reason="model_late")
    rowan.is_nudged(10, 100, source="facilitator")
    assert rowan.left()["fallback"] == (20, 1, pytest.approx(0.5))


def test_a_handful_of_events_is_no_budget_and_one_that_is_overdrawn_is_below_nothing(rowan):
    rowan.says(TOLD.least_events - 1, "error")
    assert rowan.left() == {}
    rowan.says(1, "error")
    assert rowan.left()["availability"] == (20, 20, pytest.approx(-999.0))


def test_each_sees_its_own_and_the_platform_all_together(rowan):
    other = Tenant()
    rowan.says(20, "error")
    other.says(30, "nudge.done")
    assert rowan.left()["availability"][0] == 20
    assert other.left()["availability"] == (30, 0, 1.0)
    told = json.loads(health.metrics_alerts(RequestFactory().get("/metrics/alerts")).content)
    by_tenant = {b["tenant"]: b for b in told["budgets"] if b["objective"] == "availability"}
    assert by_tenant[None]["events"] >= 50
    assert by_tenant[rowan.organisation.slug]["bad"] == 20
    names = {(a["name"], a.get("tenant")) for a in told["alerts"]}
    assert ("AvailabilityBudgetLow", rowan.organisation.slug) in names
    assert ("AvailabilityBudgetLow", other.organisation.slug) not in names


def test_asking_again_within_the_minute_reads_nothing(rowan):
    rowan.says(20, "nudge.done")
    rowan.left()
    with tenancy.acting(rowan.scope), CaptureQueriesContext(connection) as again:
        budgets(TOLD)
    assert len(again) == 0


def test_what_is_low_has_the_name_that_prometheus_gives_it(rowan):
    rowan.says(20, "error")
    rowan.is_nudged(20, 5000)
    with tenancy.acting(rowan.scope):
        cache.clear()
        names = {alert.name for alert in low(TOLD, budgets(TOLD))}
    known = {rule["alert"] for each in TOLD.all for rule in rules.alerts(TOLD, each)}
    assert {"AvailabilityBudgetLow", "NudgeP95BudgetLow"} <= names <= known


def test_every_budget_counted_is_an_objective_with_a_target():
    targets = {each.name: each.target for each in TOLD.all}
    assert all(targets.get(name) for name in COUNTED)


def test_the_board_shows_the_budgets_of_those_it_is_for(rowan):
    other = Tenant()
    for tenant in (rowan, other):
        tenant.says(20, "error")
    cache.clear()
    with tenancy.acting(rowan.scope):
        request = RequestFactory().get("/admin/objectives/")
        request.user = verified(get_user_model().objects.create(username=uuid.uuid4().hex))
        page = desk_board(request).content.decode()
    assert "-99900.0 %" in page
    assert other.organisation.slug not in page
