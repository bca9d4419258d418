"""The board of models and money: what each day cost, what is left, how routes and trials fare."""

from collections.abc import Sequence

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from coach.gateway.costs import DayCost, budgets_used, by_day
from coach.gateway.measured import measured, sides
from coach.gateway.models import Trial
from coach.ops.plots import Chart, Series

DAYS = 30
TRIALS = 10


def board(request: HttpRequest) -> HttpResponse:
    """Of the organisations acted for."""
    if not request.user.has_perm("gateway.view_modelcall"):
        raise PermissionDenied
    spent = by_day(days=DAYS)
    context = {
        **admin.site.each_context(request),
        "title": _("Models and money"),
        "days": DAYS,
        "spent": spent,
        "chart": _chart(spent),
        "budgets": budgets_used(timezone.now()),
        "routes": sorted(measured().items()),
        "trials": [(trial, sides(trial.pk)) for trial in Trial.objects.all()[:TRIALS]],
    }
    return render(request, "desk/spending.html", context)


def _chart(spent: Sequence[DayCost]) -> SafeString:
    """A line a route, days counted back from today; "" without a call."""
    if not spent:
        return SafeString()
    today = timezone.now().date()
    costs = {(each.route, (today - each.day).days): each.cost for each in spent}
    series = [
        Series(
            route, [(DAYS - back, costs.get((route, back), 0.0)) for back in range(DAYS, -1, -1)]
        )
        for route in sorted({each.route for each in spent})
    ]
    drawn = Chart(_("Cost a day by route"), _("day, the last is today"), _("cost"), series).svg()
    # Made by our own writer, which escapes every name.
    return mark_safe(drawn)  # noqa: S308
