"""What an organisation's administrator may do at the desk, without being set up by hand."""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from coach.models import Staff

OURS = frozenset({"cadence", "coach", "consent", "gateway", "lexicons", "rag", "reports"})
# Rows of their own organisation; who else's there are, row-level security keeps from them.
WRITES = frozenset(
    {
        "coach.change_organisation", "coach.add_session", "coach.change_session",
        "coach.add_staff", "coach.change_staff", "coach.delete_staff",
        "consent.add_closedpurpose", "consent.delete_closedpurpose",
        "gateway.add_budget", "gateway.change_budget",
        "cadence.add_triggerrule", "cadence.change_triggerrule", "cadence.delete_triggerrule",
        "lexicons.add_term", "lexicons.change_term", "lexicons.delete_term",
        "rag.change_playbook", "rag.change_playbookversion", "rag.change_entry",
    }
)  # fmt: skip


class OrganisationAdministrators(BaseBackend):
    """Rights of whoever is staff and an administrator of the organisation that is acted for."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        app, _, act = perm.partition(".")
        if app not in OURS or not (user_obj.is_active and user_obj.is_staff):
            return False
        if not (act.startswith("view_") or perm in WRITES):
            return False
        return self._administers(user_obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return (
            app_label in OURS
            and user_obj.is_active
            and user_obj.is_staff
            and self._administers(user_obj)
        )

    def _administers(self, user: Any) -> bool:
        if not hasattr(user, "_administers"):
            places = Staff.objects.filter(user=user, role=Staff.Role.ADMINISTRATOR)
            user._administers = places.exists()
        return bool(user._administers)
