from django.apps import AppConfig


class ReportsConfig(AppConfig):
    name = "coach.reports"
    label = "reports"
    verbose_name = "Reflections and summaries"
    default_auto_field = "django.db.models.BigAutoField"
