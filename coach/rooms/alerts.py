"""Alerts of a session: who has seen to one, and when."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from coach.live import doorbell
from coach.live.hub import Hub
from coach.live.log import Outgoing
from coach.models import FACILITATORS, Alert, Member
from consent import audit

WRITE_S = 1.0


def listed(session: UUID) -> list[dict[str, Any]]:
    """The alerts of a session, those not yet seen to first, then the latest."""
    rows = Alert.objects.filter(session_id=session).select_related("acknowledged_by", "member")
    ordered = sorted(rows, key=lambda a: (a.acknowledged_at is not None, -a.at.timestamp()))
    return [described(alert) for alert in ordered]


def described(alert: Alert) -> dict[str, Any]:
    by = alert.acknowledged_by
    return {
        "alert": str(alert.id),
        "kind": alert.kind,
        "member": str(alert.member_id),
        "name": f"Participant {alert.member.number}",
        "utterance": str(alert.utterance_id) if alert.utterance_id else None,
        "at": alert.at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": by.display_name if by is not None else None,
    }


def acknowledge(alert_id: UUID, by: Member) -> tuple[Alert, bool]:
    """The alert as seen to by this facilitator, or by whoever was first; True for being it.

    Written in the audit with the same transaction. Raises Alert.DoesNotExist.
    """
    with transaction.atomic(), transaction.atomic(using="vault"):
        alert = (
            Alert.objects.select_for_update(of=("self",))
            .select_related("member", "acknowledged_by")
            .get(id=alert_id, session_id=by.session_id)
        )
        if alert.acknowledged_at is not None:
            return alert, False
        alert.acknowledged_at, alert.acknowledged_by = timezone.now(), by
        alert.save(update_fields=["acknowledged_at", "acknowledged_by"])
        audit.record(
            "alert_acknowledged",
            organisation_id=by.organisation_id,
            subject_id=alert.member_id,
            alert=str(alert.id),
            kind=alert.kind,
            by=str(by.id),
        )
    return alert, True


async def tell_acknowledged(hub: Hub, alert: Alert) -> None:
    """Let every console of the session know. Raises DatabaseError."""
    said = described(alert)
    frame = {k: said[k] for k in ("alert", "kind", "member", "acknowledged_by")}
    assert alert.acknowledged_at is not None
    frame["acknowledged_at"] = alert.acknowledged_at.isoformat()
    logged = await hub.engines.log.append(
        alert.session_id,
        [Outgoing(FACILITATORS, "alert.acknowledged", frame)],
        timeout_s=WRITE_S,
    )
    await doorbell.ring(alert.session_id, logged)
