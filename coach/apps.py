from django.apps import AppConfig


class CoachConfig(AppConfig):
    name = "coach"
    verbose_name = "Sessions and nudges"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from coach.databases import grant_after_migrating

        grant_after_migrating()
