"""The board of objectives: what is missed now, and how each organisation fares."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from coach.ops import exposition
from coach.ops.board import standings
from coach.ops.health import SUMMARY_DAYS, state_of
from coach.ops.objectives.reading import objectives


def board(request: HttpRequest) -> HttpResponse:
    """The numbers of `/metrics/summary` for the organisations acted for, and those of alerts."""
    beat = state_of(request).get("beat")
    firing = beat.watch.firing(exposition.families()) if beat is not None else []
    missed = {alert.objective.name for alert in firing}
    context = {
        **admin.site.each_context(request),
        "title": _("Objectives"),
        "days": SUMMARY_DAYS,
        "standings": standings(days=SUMMARY_DAYS),
        # Levels are of single organisations, and their own business.
        "objectives": [(o, o.name in missed) for o in objectives().all if o.target is not None],
        "watched": beat is not None,
    }
    return render(request, "desk/objectives.html", context)
