"""Metrics: the same numbers wherever they show, bounded labels, and nobody else's business."""

import json
import re
import urllib.error
import urllib.request
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory, override_settings

from coach import tenancy
from coach.desk.objectives import board as desk_board
from coach.gateway.models import Budget, ModelCall, Spend
from coach.live import server
from coach.models import Feedback, Member, Nudge, Organisation, Session
from coach.ops import health, levels, metrics, tenants
from coach.ops.board import standings
from tests.people import EVERYTHING


def tenant_with(*, totals: list[float], verdicts: list[str], micros: int) -> Organisation:
    """An organisation with so many nudges, verdicts and costs."""
    organisation = Organisation.objects.create(slug=uuid.uuid4().hex[:12], name="Rowan")
    user = get_user_model().objects.create(username=uuid.uuid4().hex)
    with tenancy.acting(tenancy.of([organisation.id], actor="test")):
        session = Session.objects.create(organisation=organisation, facilitator=user, title="T")
        member = Member.objects.create(
            session=session, role="participant", display_name="A", number=1
        )
        for n, total in enumerate(totals):
            nudge = Nudge.objects.create(
                session=session, member=member, text="n", total_ms=total, first_ms=total / 2,
                source="playbook" if n % 4 == 0 else "model",
            )  # fmt: skip
            if n < len(verdicts):
                Feedback.objects.create(nudge=nudge, member=member, verdict="dismissed")
                Feedback.objects.create(nudge=nudge, member=member, verdict=verdicts[n])
        ModelCall.objects.create(
            organisation=organisation, session_id=session.id, role="nudge", route="r",
            micros=micros, utterance_id=uuid.uuid4(),
        )  # fmt: skip
    return organisation


def verified(user: Any) -> Any:
    """A log-in that has brought both factors."""
    user.is_staff = True
    user.is_verified = lambda: True
    return user


@pytest.fixture(scope="module")
def rowan(database):
    return tenant_with(
        totals=[100.0 * n for n in range(1, 9)], verdicts=["accepted", "edited", "dismissed"],
        micros=6000,
    )  # fmt: skip


def test_how_an_organisation_fares_is_counted_from_its_rows(rowan):
    with tenancy.acting(tenancy.of([rowan.id], actor="test")):
        (one,) = standings(days=30)
    assert (one.nudges, one.p50_ms, one.p95_ms) == (8, 450.0, 765.0)
    assert one.first_words_p95_ms == 382.5
    assert (one.playbook_share, one.accepted_share, one.judged) == (0.25, 0.6667, 3)
    assert (one.cost, one.cost_per_thousand) == (0.006, 6.0)


def test_an_organisation_whose_nudges_have_no_times_still_shows():
    bare = tenant_with(totals=[], verdicts=[], micros=0)
    with tenancy.acting(tenancy.of([bare.id], actor="test")):
        session = Session.objects.get()
        member = Member.objects.get()
        Nudge.objects.create(session=session, member=member, text="n", source="playbook")
        (one,) = standings(days=30)
    assert (one.nudges, one.p95_ms, one.accepted_share) == (1, None, None)


def test_the_summary_and_the_desk_show_the_same_numbers_to_each_their_own(rowan):
    request = RequestFactory().get("/metrics/summary")
    told = json.loads(health.metrics_summary(request).content)["organisations"]
    (of_summary,) = [one for one in told if one["tenant"] == rowan.slug]
    assert len(told) >= 1
    with tenancy.acting(tenancy.of([rowan.id], actor="test")):
        assert [one.as_json() for one in standings(days=30)] == [of_summary]
        page_request = RequestFactory().get("/admin/objectives/")
        page_request.user = verified(get_user_model().objects.create(username=uuid.uuid4().hex))
        page = desk_board(page_request).content.decode()
    assert rowan.slug in page
    assert f"{of_summary['p50_ms']}, {of_summary['p95_ms']}, {of_summary['p99_ms']}" in page
    other = [one["tenant"] for one in told if one["tenant"] != rowan.slug]
    assert not any(f">{slug}<" in page for slug in other)


def test_levels_are_read_from_budgets_costs_and_deadlines(rowan):
    with tenancy.acting(tenancy.of([rowan.id], actor="test")):
        Budget.objects.create(organisation=rowan, per_day=Decimal(1))
        Spend.objects.create(
            organisation=rowan, period="day", key=str(ModelCall.objects.all()[0].at.date()),
            micros=900_000,
        )  # fmt: skip
        levels.refresh()
    assert metrics.BUDGET_USED.labels(rowan.slug, "day")._value.get() == 0.9
    assert metrics.COST_PER_THOUSAND.labels(rowan.slug)._value.get() == 6.0
    assert metrics.OVERDUE.labels("utterance")._value.get() == 0


async def test_an_organisation_not_heard_of_is_other_and_names_are_bounded(rowan):
    from coach.database import Database

    assert tenants.name_of(uuid.uuid4()) == "other"
    database = Database("default")
    await database.open()
    try:
        with tenancy.acting(tenancy.everywhere("test")):
            await tenants.learn(database, timeout_s=5)
    finally:
        await database.close()
    assert tenants.name_of(rowan.id) == rowan.slug
    assert f"LIMIT {tenants.MOST}" in tenants.NAMES


@pytest.mark.parametrize(
    ("settings_of", "header", "status"),
    [
        ({"DEMO": True}, "", 200),
        ({"DEMO": False, "DEBUG": False}, "", 404),
        ({"DEMO": False, "DEBUG": False}, "Bearer ", 404),
        ({"DEMO": True, "token": "opens"}, "", 404),
        ({"DEMO": True, "token": "opens"}, "Bearer close", 404),
        ({"DEMO": False, "token": "opens"}, "Bearer opens", 200),
    ],
)
def test_metrics_are_for_whoever_brings_the_token(settings_of, header, status):
    from django.conf import settings
    from pydantic import SecretStr

    changed = dict(settings_of)
    token = SecretStr(changed.pop("token", ""))
    changed["ENV"] = settings.ENV.model_copy(update={"metrics_token": token})
    request = RequestFactory().get("/metrics", headers={"Authorization": header})
    with override_settings(**changed):
        assert health.metrics(request).status_code == status


async def test_labels_of_a_running_worker_are_few_and_hold_no_words(room, real_server):
    from coach.live.client import LiveClient

    async with LiveClient(room.server.ws, await room.ticket("Ada", EVERYTHING)) as ada:
        await ada.ask("I keep putting off the report")
    with urllib.request.urlopen(f"{real_server.http}/metrics") as answer:
        told = answer.read().decode()
    values = re.findall(r'[a-z_]+="([^"]*)"', told)
    assert len(values) > 100
    for value in values:
        assert re.fullmatch(r"[\w.:+-]{0,60}", value), value
    views = set(re.findall(r'sidecoach_http_ms_count\{status="\d+",view="([^"]+)"', told))
    assert "coach.ops.health.ready" in views
    assert any(line.startswith("sidecoach_heads_ms_count") for line in told.splitlines())


def test_workers_on_one_port_add_up(demo, scratch):
    """Every scrape, whichever worker it meets, tells of all requests."""
    import os
    import subprocess
    import sys
    import time

    from django.conf import settings

    port = server.free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--quiet", "--no-migrate", "--workers", "2",
         "--port", str(port)],
        cwd=settings.BASE_DIR, env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        limit = time.monotonic() + 90
        asked = 0
        while asked < 40:
            assert time.monotonic() < limit
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    asked += 1
            except OSError:
                time.sleep(0.3)
        counts = set()
        for _ in range(6):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                told = answer.read().decode()
            counts |= set(
                re.findall(r'ms_count\{status="200",view="coach.ops.health.ready"\} (\d+)', told)
            )
        assert counts == {"40"}
    finally:
        process.terminate()
        process.wait(30)
