"""The board of objectives: what is missed now, what budgets are left, and how each fares."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from coach.ops import exposition
from coach.ops.board import standings
from coach.ops.health import SUMMARY_DAYS, state_of
from coach.ops.objectives.budgets import OF_ALL, budgets
from coach.ops.objectives.reading import objectives


def board(request: HttpRequest) -> HttpResponse:
    """The numbers of `/metrics/summary` for the organisations acted for, and those of alerts."""
    beat = state_of(request).get("beat")
    firing = beat.watch.firing(exposition.families()) if beat is not None else []
    told = objectives()
    missed = {alert.objective.name for alert in firing}
    titles = {each.name: each.title for each in told.all}
    # All organisations together are the platform's business, and one's own when there is but one.
    left = [budget for budget in budgets(told) if budget.tenant != OF_ALL]
    context = {
        **admin.site.each_context(request),
        "title": _("Objectives"),
        "days": SUMMARY_DAYS,
        "standings": standings(days=SUMMARY_DAYS),
        # Levels are of single organisations, and their own business.
        "objectives": [(o, o.name in missed) for o in told.all if o.target is not None],
        "watched": beat is not None,
        "budgets": [(titles[b.objective], b, b.left < told.budget_left.bound) for b in left],
    }
    return render(request, "desk/objectives.html", context)
