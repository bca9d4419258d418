from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from consent.models import (
    AuditEntry,
    ClosedPurpose,
    ConsentEvent,
    Disclosure,
    Field,
    Notice,
    PolicyRule,
    Purpose,
    Receipt,
    Record,
    StoredValue,
    Subject,
)


class KeptAdmin(ModelAdmin):
    """Evidence: it can be read, and nobody writes it by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PolicyRuleInline(TabularInline):
    model = PolicyRule
    extra = 0


@admin.register(Purpose)
class PurposeAdmin(ModelAdmin):
    list_display = ["key", "title", "legal_basis", "retention_days"]
    inlines = [PolicyRuleInline]


@admin.register(Field)
class FieldAdmin(ModelAdmin):
    list_display = ["key", "title", "special"]


@admin.register(PolicyRule)
class PolicyRuleAdmin(ModelAdmin):
    list_display = ["purpose", "field"]
    list_filter = ["purpose"]


@admin.register(Notice)
class NoticeAdmin(KeptAdmin):
    list_display = ["version", "locale", "title", "published_at"]


@admin.register(Subject)
class SubjectAdmin(KeptAdmin):
    list_display = ["id", "session_id", "epoch", "created_at", "erased_at"]
    exclude = ["wrapped_key"]


@admin.register(Record)
class RecordAdmin(KeptAdmin):
    list_display = ["subject", "purpose", "field", "granted_at", "expires_at", "withdrawn_at"]
    list_filter = ["purpose", "field"]


@admin.register(ConsentEvent)
class ConsentEventAdmin(KeptAdmin):
    list_display = ["subject_id", "action", "purpose", "fields", "at"]
    list_filter = ["action", "purpose"]


@admin.register(Disclosure)
class DisclosureAdmin(KeptAdmin):
    list_display = ["subject_id", "purpose", "fields", "withheld", "recipient", "at"]
    list_filter = ["purpose"]


@admin.register(StoredValue)
class StoredValueAdmin(KeptAdmin):
    list_display = ["subject", "field"]
    exclude = ["sealed"]


@admin.register(ClosedPurpose)
class ClosedPurposeAdmin(ModelAdmin):
    list_display = ["purpose", "organisation_id"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Receipt)
class ReceiptAdmin(KeptAdmin):
    list_display = ["id", "subject_id", "kind", "issued_at"]
    list_filter = ["kind"]


@admin.register(AuditEntry)
class AuditEntryAdmin(KeptAdmin):
    list_display = ["seq", "at", "actor", "action", "subject_id", "organisation_id"]
    list_filter = ["action"]
    exclude = ["link"]
