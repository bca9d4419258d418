from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from coach.gateway.models import (
    Budget,
    KeptDraft,
    ModelCall,
    RegisteredRoute,
    Spend,
    Switch,
    Trial,
)
from consent.admin import KeptAdmin


@admin.register(RegisteredRoute)
class RegisteredRouteAdmin(ModelAdmin):
    list_display = ["name", "model", "tier", "stage", "order", "price_in", "price_out"]
    list_filter = ["stage", "tier", "engine"]
    list_editable = ["stage", "order"]
    search_fields = ["name", "model"]


@admin.register(Trial)
class TrialAdmin(ModelAdmin):
    """A trial is started, widened and ended here; by itself it can only stop."""

    list_display = ["name", "kind", "role", "candidate", "percent", "state", "reason"]
    list_filter = ["state", "kind"]
    readonly_fields = ["state", "started_at", "ended_at", "reason"]
    actions = ["start", "end"]

    @admin.action(description=_("Start, counting from now"))
    def start(self, request: HttpRequest, queryset: "QuerySet[Trial]") -> None:
        queryset.update(
            state=Trial.State.RUNNING, started_at=timezone.now(), ended_at=None, reason=""
        )

    @admin.action(description=_("End"))
    def end(self, request: HttpRequest, queryset: "QuerySet[Trial]") -> None:
        queryset.filter(state=Trial.State.RUNNING).update(
            state=Trial.State.ENDED, ended_at=timezone.now()
        )


@admin.register(Switch)
class SwitchAdmin(ModelAdmin):
    list_display = ["__str__", "killed", "at"]
    list_editable = ["killed"]


@admin.register(Budget)
class BudgetAdmin(ModelAdmin):
    list_display = ["organisation", "per_month", "per_day", "per_session"]


@admin.register(Spend)
class SpendAdmin(KeptAdmin):
    list_display = ["organisation", "period", "key", "micros", "told"]
    list_filter = ["period", "organisation"]


@admin.register(ModelCall)
class ModelCallAdmin(KeptAdmin):
    list_display = ["at", "organisation", "role", "route", "arm", "outcome", "first_ms", "micros"]
    list_filter = ["outcome", "route", "role", "arm", "shadow"]
    date_hierarchy = "at"


@admin.register(KeptDraft)
class KeptDraftAdmin(KeptAdmin):
    list_display = ["id", "organisation", "route", "expires_at"]
    exclude = ["scope", "asked", "embedding", "text"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True
