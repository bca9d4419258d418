import time
import uuid

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.utils import timezone

from coach.desk import spending
from coach.gateway.admin import TrialAdmin
from coach.gateway.models import ModelCall, RegisteredRoute, Trial

MODELS = [
    model
    for label in ("gateway", "reports")
    for model in apps.get_app_config(label).get_models()
    if admin.site.is_registered(model)
]


@pytest.fixture
def request_of_staff():
    request = RequestFactory().get("/admin/")
    name = f"admin-{uuid.uuid4().hex[:8]}"
    request.user = get_user_model().objects.create_superuser(name)
    request.user.is_verified = lambda: True  # type: ignore[attr-defined]
    request.session = {"second_factor_at": time.time()}  # type: ignore[assignment]
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    return request


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_list_can_be_opened(request_of_staff, model):
    answer = admin.site.get_model_admin(model).changelist_view(request_of_staff)
    assert isinstance(answer, TemplateResponse)
    assert answer.render().status_code == 200


@pytest.mark.parametrize("name", ["ModelCall", "Spend", "Report"])
def test_the_books_are_read_only(request_of_staff, name):
    model = next(m for m in MODELS if m.__name__ == name)
    desk = admin.site.get_model_admin(model)
    assert not desk.has_add_permission(request_of_staff)
    assert not desk.has_change_permission(request_of_staff)
    assert not desk.has_delete_permission(request_of_staff)


def test_a_trial_starts_and_ends_by_a_person_and_counts_from_its_start(request_of_staff):
    route = RegisteredRoute.objects.create(
        name=f"r-{uuid.uuid4().hex[:8]}", base_url="http://127.0.0.1:9/v1", model="m",
        roles=["safety"],
    )  # fmt: skip
    trial = Trial.objects.create(name=route.name, role="safety", candidate=route)
    desk = TrialAdmin(Trial, admin.site)
    began = timezone.now()
    desk.start(request_of_staff, Trial.objects.filter(id=trial.id))
    trial.refresh_from_db()
    assert trial.state == Trial.State.RUNNING
    assert trial.started_at >= began
    desk.end(request_of_staff, Trial.objects.filter(id=trial.id))
    trial.refresh_from_db()
    assert trial.state == Trial.State.ENDED
    assert {"state", "reason"} <= set(desk.readonly_fields)
    trial.delete()
    route.delete()


def test_the_board_of_models_and_money_draws_days_and_both_sides_of_a_trial(
    request_of_staff, tenant
):
    name = f"r-{uuid.uuid4().hex[:8]}"
    route = RegisteredRoute.objects.create(
        name=name, base_url="http://127.0.0.1:9/v1", model="m", roles=["safety"]
    )
    trial = Trial.objects.create(name=name, role="safety", candidate=route, state="ended")
    for arm in ("control", "candidate", "candidate"):
        ModelCall.objects.create(
            organisation=tenant, session_id=uuid.uuid4(), role="safety", route=name, arm=arm,
            trial_id=trial.pk, micros=1000, outcome="ok", at=timezone.now(),
            settled_at=timezone.now(), first_ms=40.0,
        )  # fmt: skip
    page = spending.board(request_of_staff).content.decode()
    trial.delete()
    route.delete()
    assert f">{name}</text>" in page
    assert "<svg" in page
    candidate = page.split('<th scope="row">candidate</th>')[1].split("</tr>")[0]
    assert "<td>2</td>" in candidate


def test_the_board_of_models_and_money_is_for_those_who_may_see_the_calls(request_of_staff):
    request_of_staff.user = get_user_model().objects.create_user(f"plain-{uuid.uuid4().hex[:8]}")
    with pytest.raises(PermissionDenied):
        spending.board(request_of_staff)
