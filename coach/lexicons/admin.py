from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from coach.lexicons.models import Term


@admin.register(Term)
class TermAdmin(ModelAdmin):
    list_display = ["text", "use", "organisation"]
    list_filter = ["use", "organisation"]
    search_fields = ["text"]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Term]) -> None:
        # One by one: each renews the rooms that know it.
        for term in queryset:
            term.delete()
