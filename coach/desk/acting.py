"""The one organisation that somebody at the desk acts for."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext

from coach import tenancy


def organisation() -> UUID:
    """Raises PermissionDenied where there is none: a platform administrator enters one first."""
    named = tenancy.current().organisations
    if not named or "," in named or named == tenancy.EVERY:
        raise PermissionDenied(gettext("Enter one organisation first."))
    return UUID(named)
