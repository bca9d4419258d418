"""The door by which a platform administrator enters one organisation: with a reason, for a while.

Without it they see nobody's rows. Opening it is the first row it leaves in that organisation's
audit, and each page behind it another (`coach.desk.site`).
"""

import time
from typing import Any
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from coach import tenancy
from coach.desk.second_factor import grave
from coach.models import Organisation
from consent import audit

OPEN_S = 30 * 60
OPENED = "door"


class DoorForm(forms.Form):
    organisation = forms.ModelChoiceField(Organisation.objects.none(), label=_("Organisation"))
    reason = forms.CharField(min_length=8, max_length=200, label=_("Why"))


def opened(request: HttpRequest) -> UUID | None:
    """The organisation whose door this browser has open; only a platform administrator's counts."""
    entry: dict[str, Any] = request.session.get(OPENED, {})
    if (
        not entry
        or entry["until"] < time.time()
        or not getattr(request.user, "is_superuser", False)
    ):
        return None
    return UUID(entry["organisation"])


@grave
def door(request: HttpRequest) -> HttpResponse:
    if not getattr(request.user, "is_superuser", False):
        raise Http404
    # Which organisations there are is the platform's to know; what is in them is not.
    with tenancy.acting(tenancy.everywhere(tenancy.current().actor)):
        form = DoorForm(request.POST or None)
        # The stubs know a form field, not that this one is of a model.
        form.fields["organisation"].queryset = Organisation.objects.order_by("name")  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid():
            organisation = form.cleaned_data["organisation"]
            audit.record(
                "door_opened", organisation_id=organisation.id, reason=form.cleaned_data["reason"]
            )
            request.session[OPENED] = {
                "organisation": str(organisation.id),
                "until": time.time() + OPEN_S,
            }
            return redirect(reverse("admin:index"))
        return render(request, "pages/door.html", {"form": form})
