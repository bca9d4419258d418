"""The evidence desk: is the audit whole, what should be gone by now, who was erased."""

from datetime import timedelta

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from coach.desk.acting import organisation
from coach.rooms import retention
from consent import anchors, audit
from consent.models import Receipt, Subject

ERASED_SINCE = timedelta(days=90)
SHOWN = 100


def urls() -> list[URLPattern]:
    """Named as the audit's own pages are: a fresh second factor is asked for."""
    view = admin.site.admin_view
    return [path("evidence/", view(evidence), name="consent_auditentry_evidence")]


def evidence(request: HttpRequest) -> HttpResponse:
    """One organisation's chain, verified when asked, and what became of its personal data."""
    if not request.user.has_perm("consent.view_auditentry"):
        raise PermissionDenied
    chain = organisation()
    verdict, problem, known = None, "", 0
    if request.method == "POST":
        try:
            of_chain = [a for a in _anchors() if a.organisation == chain]
        except anchors.AnchorsUnreadable as exc:
            problem = str(exc)
        else:
            known = len(of_chain)
            verdict = audit.verify(of_chain, chain=chain)
    since = timezone.now() - ERASED_SINCE
    erased = Subject.objects.filter(erased_at__gte=since).order_by("-erased_at")
    receipts = Receipt.objects.filter(kind="erasure", issued_at__gte=since)
    return render(
        request,
        "desk/evidence.html",
        {
            **admin.site.each_context(request),
            "title": _("Evidence"),
            "verdict": verdict,
            "anchors": known,
            "problem": problem,
            "overdue": [
                (gettext(kind), rows) for kind, rows in retention.overdue(at=timezone.now()).items()
            ],
            "erased": erased[:SHOWN],
            "erased_count": erased.count(),
            "receipts": set(receipts.values_list("subject_id", flat=True)),
            "days": ERASED_SINCE.days,
        },
    )


def _anchors() -> list[audit.Anchor]:
    file = settings.AUDIT_ANCHORS
    return anchors.read(file) if file.exists() else []
