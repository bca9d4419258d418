"""Is this process alive, and can it do its work? Each dependency answers by name."""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric

from coach import tenancy
from coach.ops import exposition, levels
from coach.ops.board import standings
from coach.ops.http import for_scrapers
from coach.ops.objectives.budgets import budgets, low
from coach.ops.objectives.reading import objectives
from consent import audit
from consent.audit import PLATFORM

PROBE_S = 1.0
SUMMARY_DAYS = 30
# What a disclosure may take; an audit slower than that lets nothing through either.
AUDIT_MS = 300


def alive(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """200 when every dependency that has no stand-in works, 503 otherwise; all are named."""
    hub = state_of(request).get("hub")
    needed: dict[str, Callable[[], Any]] = {
        "database": lambda: _select("default"),
        "vault": lambda: _select("vault"),
        "audit": _write_audit,
    }
    if settings.ENV.redis_url:
        needed["redis"] = _ping_redis
    states = {name: _state(probe) for name, probe in needed.items()}
    healthy = all(state == "ok" for state in states.values())
    if hub is not None:
        # A route that is down is no reason to send people away: the playbook stands in.
        states |= {f"model {name}": str(s) for name, s in hub.engines.gateway.states().items()}
        states["draining"] = "yes" if hub.draining else "no"
        # Overload passes, and sending everybody elsewhere would only move it; full memory does not.
        states |= hub.admission.state
        healthy = healthy and not hub.draining and hub.admission.takes_sessions
    return JsonResponse({"ready": healthy, "checks": states}, status=200 if healthy else 503)


@for_scrapers
def metrics(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(exposition.text(), content_type=CONTENT_TYPE_LATEST)


@for_scrapers
def metrics_summary(_request: HttpRequest) -> JsonResponse:
    """Counts and quantiles since the start, and how each organisation fared these 30 days."""
    families = {family.name: family for family in exposition.families()}
    with tenancy.acting(tenancy.everywhere("summary")):
        fared = [each.as_json() for each in standings(days=SUMMARY_DAYS)]
    return JsonResponse(
        {
            "days": SUMMARY_DAYS,
            "organisations": fared,
            "utterances": _counts(families["sidecoach_utterances"]),
            "nudges": _counts(families["sidecoach_nudges"]),
            "model_calls": _counts(families["sidecoach_model_calls"]),
            "model_escalations": _counts(families["sidecoach_model_escalations"]),
            "kept_drafts": _counts(families["sidecoach_kept_drafts"]),
            "terminal_ms": _quantiles(families["sidecoach_terminal_ms"]),
            "stage_ms": _quantiles(families["sidecoach_stage_ms"]),
        }
    )


@for_scrapers
def metrics_alerts(request: HttpRequest) -> JsonResponse:
    """Which objectives are missed, as this worker sees it, and what is left of 30 days' budgets.

    Levels are read anew, budgets at most once a minute.
    """
    with tenancy.acting(tenancy.everywhere("alerts")):
        levels.refresh()
        left = budgets(objectives())
    families = list(exposition.families())
    beat = state_of(request).get("beat")
    firing = beat.watch.firing(families) if beat is not None else []
    return JsonResponse(
        {
            "alerts": [alert.as_json() for alert in (*firing, *low(objectives(), left))],
            "budgets": [budget.as_json() for budget in left],
        }
    )


def state_of(request: HttpRequest) -> dict[str, Any]:
    """What the worker's lifespan left for its requests."""
    state: dict[str, Any] = getattr(request, "scope", {}).get("state", {})
    return state


def _counts(family: Metric) -> list[dict[str, Any]]:
    return [
        {**sample.labels, "count": sample.value}
        for sample in family.samples
        if sample.name.endswith("_total")
    ]


def _quantiles(family: Metric) -> list[dict[str, Any]]:
    """p50, p95 and p99 by label, each the upper bound of the histogram bucket it falls into."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            labels = tuple((k, v) for k, v in sample.labels.items() if k != "le")
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
    rows = []
    for labels, unordered in buckets.items():
        counted = sorted(unordered)
        total = counted[-1][1]
        row: dict[str, Any] = {**dict(labels), "count": total}
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            bound = next((le for le, n in counted if total and n >= share * total), None)
            row[name] = bound if bound != float("inf") else None
        rows.append(row)
    return rows


def _state(probe: Callable[[], Any]) -> str:
    try:
        probe()
    except Exception as exc:
        return f"down ({type(exc).__name__})"
    return "ok"


def _select(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def _write_audit() -> None:
    """Whether the audit takes a row, in a transaction that is then given up."""
    with tenancy.acting(tenancy.of([PLATFORM], actor="readyz")), transaction.atomic(using="vault"):
        with connections["vault"].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{AUDIT_MS}ms'")
            cursor.execute(f"SET LOCAL statement_timeout = '{AUDIT_MS}ms'")
        audit.record("probed", organisation_id=PLATFORM)
        transaction.set_rollback(True, using="vault")


def _ping_redis() -> None:
    with redis.Redis.from_url(settings.ENV.redis_url, socket_timeout=PROBE_S) as client:
        client.ping()
