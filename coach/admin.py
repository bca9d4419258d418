from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from coach import tenancy
from coach.models import (
    AccessToken,
    Alert,
    Event,
    Feedback,
    Member,
    Nudge,
    Organisation,
    Session,
    Staff,
    Stream,
    Utterance,
)
from coach.rooms.rights import erase_member, export_member
from consent.admin import KeptAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


class StaffInline(TabularInline):
    model = Staff
    extra = 0


@admin.register(Organisation)
class OrganisationAdmin(ModelAdmin):
    list_display = ["name", "slug", "killed", "created_at"]
    inlines = [StaffInline]

    def save_model(self, request: HttpRequest, obj: Organisation, form: Any, change: bool) -> None:
        if not change:
            # Nobody can have a place in an organisation that is not there yet.
            tenancy.enter(tenancy.of([obj.id], actor=tenancy.current().actor))
        super().save_model(request, obj, form, change)


@admin.register(Staff)
class StaffAdmin(ModelAdmin):
    list_display = ["user", "organisation", "role"]
    list_filter = ["role", "organisation"]


@admin.register(Session)
class SessionAdmin(ModelAdmin):
    list_display = ["title", "organisation", "facilitator", "mode", "status", "killed"]
    list_filter = ["status", "mode", "killed", "organisation"]
    search_fields = ["title", "join_code"]
    readonly_fields = ["join_code", "created_at", "ended_at"]


@admin.register(Member)
class MemberAdmin(KeptAdmin):
    # Ids and numbers, not names: a list is no place for personal data.
    list_display = ["number", "role", "session", "paused", "joined_at", "removed_at"]
    list_filter = ["role", "paused"]
    exclude = ["display_name"]
    actions = ["export", "erase"]

    @admin.action(description=_("Export what is kept of them"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Member]) -> HttpResponse:
        people = queryset.filter(role=Member.Role.PARTICIPANT)
        answer = JsonResponse({"people": [export_member(member) for member in people]})
        answer.headers["Content-Disposition"] = "attachment; filename=sidecoach-export.json"
        return answer

    @admin.action(description=_("Erase what is kept of them"), permissions=["view"])
    def erase(self, request: HttpRequest, queryset: QuerySet[Member]) -> HttpResponse:
        """Their sockets close within a second, as their seats are gone."""
        people = queryset.filter(role=Member.Role.PARTICIPANT)
        answer = JsonResponse({"receipts": [erase_member(member) for member in people]})
        answer.headers["Content-Disposition"] = "attachment; filename=sidecoach-erased.json"
        return answer


@admin.register(Utterance)
class UtteranceAdmin(KeptAdmin):
    list_display = ["id", "session", "act", "outcome", "reason", "accepted_at"]
    list_filter = ["outcome", "reason", "act"]
    exclude = ["text", "raw_text", "digest"]


@admin.register(Nudge)
class NudgeAdmin(KeptAdmin):
    list_display = ["id", "session", "source", "reason", "state", "first_ms", "created_at"]
    list_filter = ["source", "reason", "state"]


@admin.register(Feedback)
class FeedbackAdmin(KeptAdmin):
    list_display = ["nudge", "verdict", "at"]
    list_filter = ["verdict"]


@admin.register(Alert)
class AlertAdmin(KeptAdmin):
    list_display = ["kind", "session", "at", "acknowledged_at"]
    list_filter = ["kind"]


@admin.register(Stream)
class StreamAdmin(KeptAdmin):
    list_display = ["session", "audience", "seq", "epoch"]


@admin.register(Event)
class EventAdmin(KeptAdmin):
    list_display = ["stream", "seq", "type", "at"]
    list_filter = ["type"]
    exclude = ["frame"]


@admin.register(AccessToken)
class AccessTokenAdmin(ModelAdmin):
    list_display = ["id", "user", "member", "created_at", "expires_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
