"""Logging in, with a wait that doubles after five wrong passwords for a name."""

import hashlib
import time
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError

FREE_FAILURES = 5
LONGEST_S = 15 * 60
REMEMBERED_S = 60 * 60


class PatientLogin(AuthenticationForm):
    """Django's form; while a name has to wait, the right password is not looked at either."""

    def clean(self) -> dict[str, Any]:
        name = str(self.cleaned_data.get("username", ""))
        key = f"login.{hashlib.sha256(name.encode()).hexdigest()}"
        failures, not_before = cache.get(key, (0, 0.0))
        if time.time() < not_before:
            raise self.get_invalid_login_error()
        try:
            cleaned = super().clean()
        except ValidationError:
            waits = failures + 1 >= FREE_FAILURES
            wait_s = min(2 ** (failures + 1 - FREE_FAILURES), LONGEST_S) if waits else 0
            cache.set(key, (failures + 1, time.time() + wait_s), REMEMBERED_S)
            raise
        cache.delete(key)
        return cleaned
