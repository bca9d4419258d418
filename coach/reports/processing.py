"""Records of processing activities (GDPR Art. 30(1)), from what is really configured."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from coach.gateway.models import RegisteredRoute
from coach.gateway.registry import routes_from_environment
from coach.gateway.routes import Stage
from coach.models import Organisation
from coach.rooms.keeping import KEPT
from consent.models import ClosedPurpose, LegalBasis, Purpose

SUBJECTS = ["participants of sessions", "facilitators"]
MEASURES = [
    "consent asked field by field; each release logged and chained before it leaves",
    "personal values sealed with AES-256-GCM under a key per person, wrapped by the vault's key",
    "names, numbers and places masked before anything is stored, searched or sent",
    "row-level security, forced, on every table of an organisation",
    "an append-only audit, hash-chained by organisation, anchored outside the database",
    "second factor and step-up for administrators",
    "erasure that destroys the person's key",
]


def records_of_processing() -> Iterator[dict[str, Any]]:
    """One record for each organisation and purpose it has not switched off; (a) to (g)."""
    recipients = [{"recipient": "the facilitator of the session", "transfer": "none"}]
    registered = RegisteredRoute.objects.exclude(stage__in=(Stage.DISCOVERY, Stage.RETIRED))
    servers = [(r.name, r.model, r.base_url) for r in routes_from_environment()]
    servers += registered.values_list("name", "model", "base_url")
    recipients += [
        {"recipient": f"model server {name}: {model}", "transfer": f"to {address}"}
        for name, model, address in servers
    ]
    for organisation in Organisation.objects.order_by("slug"):
        closed = ClosedPurpose.objects.filter(organisation_id=organisation.id)
        for purpose in Purpose.objects.exclude(key__in=closed.values("purpose")):
            yield _record(organisation, purpose, recipients)


def _record(
    organisation: Organisation, purpose: Purpose, recipients: list[dict[str, str]]
) -> dict[str, Any]:
    fields = [rule.field for rule in purpose.rules.select_related("field")]
    return {
        "a_controller": {
            "name": organisation.name,
            "contact": organisation.contact,
            "data_protection_officer": organisation.protection_officer,
        },
        "b_purpose": {
            "key": purpose.key,
            "description": purpose.why,
            "legal_basis": LegalBasis(purpose.legal_basis).value,
            "consent_holds_days": purpose.consent_days,
        },
        "c_subjects_and_data": {
            "subjects": SUBJECTS,
            "data": [{"field": f.key, "special_category": f.special} for f in fields],
        },
        "d_recipients": [r["recipient"] for r in recipients],
        "e_transfers": [r["transfer"] for r in recipients if r["transfer"] != "none"],
        "f_erasure": {
            "days": purpose.retention_days,
            "tables": {
                entry.model._meta.db_table: str(getattr(entry.retention, "value", entry.retention))
                for entry in KEPT
            },
        },
        "g_measures": [
            *MEASURES,
            "transport: TLS, HSTS" if not (settings.DEBUG or settings.DEMO) else "transport: local",
        ],
    }
