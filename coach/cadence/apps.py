from django.apps import AppConfig


class CadenceConfig(AppConfig):
    name = "coach.cadence"
    verbose_name = "When a nudge is due"
    default_auto_field = "django.db.models.BigAutoField"
