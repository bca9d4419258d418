"""Is this process alive, and can it do its work? Each dependency answers by name."""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric

from coach import tenancy
from coach.gateway.costs import rises
from coach.rooms import retention
from consent import audit
from consent.audit import PLATFORM

PROBE_S = 1.0
# What a disclosure may take; an audit slower than that lets nothing through either.
AUDIT_MS = 300


def alive(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """200 when every dependency that has no stand-in works, 503 otherwise; all are named."""
    hub = getattr(request, "scope", {}).get("state", {}).get("hub")
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


def metrics(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def metrics_summary(_request: HttpRequest) -> JsonResponse:
    """Counts and quantiles of this worker since it started."""
    families = {family.name: family for family in REGISTRY.collect()}
    return JsonResponse(
        {
            "utterances": _counts(families["sidecoach_utterances"]),
            "nudges": _counts(families["sidecoach_nudges"]),
            "model_calls": _counts(families["sidecoach_model_calls"]),
            "model_escalations": _counts(families["sidecoach_model_escalations"]),
            "kept_drafts": _counts(families["sidecoach_kept_drafts"]),
            "terminal_ms": _quantiles(families["sidecoach_terminal_ms"]),
            "stage_ms": _quantiles(families["sidecoach_stage_ms"]),
        }
    )


def metrics_alerts(_request: HttpRequest) -> JsonResponse:
    """What this worker can see to be wrong: slowness, errors, late erasure, costs that rise."""
    families = {family.name: family for family in REGISTRY.collect()}
    alerts: list[dict[str, Any]] = [
        {"name": "slow_nudges", "severity": "warning", **row}
        for row in _quantiles(families["sidecoach_terminal_ms"])
        if row["p95"] is not None and row["p95"] > 800
    ]
    outcomes = _counts(families["sidecoach_utterances"])
    total = sum(row["count"] for row in outcomes)
    failed = sum(row["count"] for row in outcomes if row["outcome"] == "error")
    if total >= 100 and failed / total > 0.001:
        alerts.append({"name": "errors", "severity": "critical", "share": failed / total})
    with tenancy.acting(tenancy.everywhere("alerts")):
        late = {kind: n for kind, n in retention.overdue(at=timezone.now()).items() if n}
        risen = rises()
    if late:
        alerts.append({"name": "retention_overdue", "severity": "warning", "rows": late})
    alerts += [
        {
            "name": "cost_rise",
            "severity": "warning",
            "organisation": rise.organisation,
            "before": rise.before,
            "cost": rise.cost,
        }
        for rise in risen
    ]
    return JsonResponse({"alerts": alerts})


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
    for labels, counted in buckets.items():
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
