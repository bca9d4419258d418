from django.contrib import admin

from coach.reports.models import Report
from consent.admin import KeptAdmin


@admin.register(Report)
class ReportAdmin(KeptAdmin):
    list_display = ["id", "session", "kind", "state", "source", "reason", "created_at"]
    list_filter = ["kind", "state", "source"]
    exclude = ["points", "subjects"]
