from django.apps import AppConfig


class LexiconsConfig(AppConfig):
    name = "coach.lexicons"
    verbose_name = "Words of an organisation"
    default_auto_field = "django.db.models.BigAutoField"
