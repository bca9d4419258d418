from django.apps import AppConfig


class CoachConfig(AppConfig):
    name = "coach"
    verbose_name = "Sessions and nudges"
    # What the owner does for the application's role, which may only add to the event log.
    functions = (
        "coach_erase_events(uuid, text)",
        "coach_old_events(timestamptz)",
        "coach_purge_events(timestamptz, int)",
    )
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from coach.databases import fence_after_migrating

        fence_after_migrating()
