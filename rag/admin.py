"""The desk for playbooks: read, edit drafts, release from quarantine, publish and roll back."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action

from rag import ingest, lifecycle
from rag.errors import RetrievalError
from rag.models import Entry, Passage, Playbook, PlaybookVersion, VersionEvent
from safety.errors import RedactionFailed


@admin.register(Playbook)
class PlaybookAdmin(ModelAdmin):
    list_display = ("name", "slug", "live_version", "organisation_id")
    search_fields = ("name", "slug")
    readonly_fields = ("live_version", "created_at")
    actions = ("roll_back", "retire")
    actions_list = ("desk",)
    actions_detail = ("compare", "search")

    @action(description=_("Import, compare, try a search"), icon="menu_book", permissions=["view"])
    def desk(self, request: HttpRequest) -> HttpResponse:
        return redirect("admin:playbook_desk")

    @action(description=_("Compare versions"), icon="difference", permissions=["view"])
    def compare(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:playbook_compare", key=object_id)

    @action(description=_("Try a search"), icon="search", permissions=["view"])
    def search(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:playbook_search", key=object_id)

    @admin.action(description=_("Roll back to the version before"))
    def roll_back(self, request: HttpRequest, queryset: QuerySet[Playbook]) -> None:
        for playbook in queryset:
            try:
                version = lifecycle.rollback(playbook, by=_who(request))
            except RetrievalError as exc:
                self.message_user(request, str(exc), messages.ERROR)
            else:
                self.message_user(request, _("%(version)s is live") % {"version": version})

    @admin.action(description=_("Take out of search"))
    def retire(self, request: HttpRequest, queryset: QuerySet[Playbook]) -> None:
        for playbook in queryset:
            lifecycle.retire(playbook, by=_who(request))


@admin.register(PlaybookVersion)
class PlaybookVersionAdmin(ModelAdmin):
    list_display = ("__str__", "state", "language", "passage_count", "indexed_at", "created_by")
    list_filter = ("state", "playbook")
    readonly_fields = (
        "playbook", "number", "state", "language", "embedding_model", "passage_count",
        "mean_length", "approximate", "created_by", "created_at", "indexed_at",
    )  # fmt: skip
    actions = ("publish", "draft")

    @admin.action(description=_("Begin a new draft from it"))
    def draft(self, request: HttpRequest, queryset: QuerySet[PlaybookVersion]) -> None:
        for version in queryset.select_related("playbook"):
            made = ingest.draft(version, by=_who(request))
            self.message_user(request, _("%(version)s is a draft to edit") % {"version": made})

    @admin.action(description=_("Publish"))
    def publish(self, request: HttpRequest, queryset: QuerySet[PlaybookVersion]) -> None:
        for version in queryset:
            try:
                ingest.refresh(version, by=_who(request))
                lifecycle.publish(version.id, by=_who(request))
            except RetrievalError as exc:
                self.message_user(request, str(exc), messages.ERROR)
            else:
                self.message_user(request, _("%(version)s is live") % {"version": version})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Entry)
class EntryAdmin(ModelAdmin):
    list_display = ("title", "key", "version", "quarantine", "redactions")
    list_filter = (("quarantine", admin.EmptyFieldListFilter), "version__state", "version")
    search_fields = ("title", "key", "body")
    readonly_fields = ("version", "key", "digest", "redactions")
    exclude = ("organisation_id",)
    actions = ("release",)

    @admin.action(description=_("Release from quarantine"))
    def release(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        drafts = queryset.filter(version__state=PlaybookVersion.State.DRAFT).exclude(quarantine="")
        for entry in drafts.select_related("version"):
            ingest.release(entry, by=_who(request))
        self.message_user(request, _("Publishing the draft makes what was released searchable."))

    def save_model(self, request: HttpRequest, obj: Entry, form: Any, change: bool) -> None:
        try:
            ingest.edit(obj, by=_who(request))
        except RedactionFailed:
            self.message_user(request, _("Not saved: it could not be redacted."), messages.ERROR)

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        """Only drafts change: what was published stays as it was shown and cited."""
        draft = obj is None or obj.version.state == PlaybookVersion.State.DRAFT
        return draft and bool(super().has_change_permission(request, obj))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class ReadOnlyAdmin(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(Passage)
class PassageAdmin(ReadOnlyAdmin):
    list_display = ("title", "ordinal", "version")
    list_filter = ("version",)
    search_fields = ("title", "text")


@admin.register(VersionEvent)
class VersionEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "playbook", "number", "act", "by", "note")
    list_filter = ("act", "playbook")


def _who(request: HttpRequest) -> str:
    return request.user.get_username() if isinstance(request.user, User) else ""
