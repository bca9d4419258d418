"""Receipts: what a person is given of what was decided or done, after ISO/IEC TS 27560:2023.

A receipt holds a copy of the consent record (its header, processing, parties and events), is
signed, and is kept as it was given. `receipt.schema.json` says what is in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from jsonschema import Draft202012Validator

from consent import audit, notices, signing
from consent.canonical import canonical
from consent.errors import ReceiptInvalid
from consent.models import ConsentEvent, Receipt, Record, Subject

STANDARD = "ISO/IEC TS 27560:2023"
SCHEMA = Path(__file__).parent / "receipt.schema.json"
RIGHTS = ("access", "rectification", "erasure", "portability", "withdrawal", "complaint")
Kind = Literal["consent", "withdrawal", "correction", "export", "erasure"]


@dataclass(frozen=True)
class Party:
    """Who answers for the processing, and how to reach them."""

    id: str
    name: str
    contact: str


def issue(
    subject_id: UUID,
    kind: Kind,
    *,
    controller: Party,
    locale: str = notices.FALLBACK,
    done: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A signed receipt of what holds now and of what was `done`, kept and audited.

    Raises Subject.DoesNotExist. It can be issued for somebody who was erased.
    """
    subject = Subject.objects.get(id=subject_id)
    now, receipt_id = timezone.now(), uuid4()
    content = {
        "receipt_metadata": {
            "schema_version": STANDARD,
            "receipt_id": str(receipt_id),
            "kind": kind,
            "issued_at": now.isoformat(),
            "done": dict(done or {}),
        },
        "record_metadata": {
            "schema_version": STANDARD,
            "record_id": f"{subject.id}/{subject.epoch}",
            "pii_principal_id": str(subject.id),
            "session": str(subject.session_id),
        },
        "pii_processing": _processing(subject, controller, locale),
        "party_identification": [
            {
                "party_id": controller.id,
                "party_name": controller.name,
                "party_contact": controller.contact,
                "party_role": "pii_controller",
            }
        ],
        "event": _events(subject),
    }
    document = {**content, "signature": signing.sign(canonical(content))}
    with transaction.atomic(using="vault"):
        Receipt.objects.create(
            id=receipt_id,
            subject_id=subject.id,
            organisation_id=subject.organisation_id,
            kind=kind,
            document=document,
            issued_at=now,
        )
        audit.record(
            "receipt",
            organisation_id=subject.organisation_id,
            subject_id=subject.id,
            receipt=str(receipt_id),
            kind=kind,
        )
    return document


def given(subject_id: UUID) -> list[dict[str, Any]]:
    """Every receipt this person was given, newest first."""
    return list(Receipt.objects.filter(subject_id=subject_id).values_list("document", flat=True))


def verify(document: Any) -> datetime:
    """When this receipt was issued. Raises ReceiptInvalid where it is not ours as it was given."""
    fault = next(iter(_validator().iter_errors(document)), None)
    if fault is not None:
        where = "/".join(map(str, fault.absolute_path)) or "the document"
        raise ReceiptInvalid(f"it is not shaped as a receipt is, at {where}")
    content = {name: part for name, part in document.items() if name != "signature"}
    signing.check(canonical(content), document["signature"])
    return datetime.fromisoformat(document["receipt_metadata"]["issued_at"])


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _processing(subject: Subject, controller: Party, locale: str) -> dict[str, Any]:
    notice = notices.current(locale)
    records = (
        Record.objects.live()
        .filter(subject=subject)
        .select_related("purpose", "field", "notice")
        .order_by("purpose__order", "field__order")
    )
    purposes: dict[str, dict[str, Any]] = {}
    for record in records:
        purpose = record.purpose
        entry = purposes.setdefault(
            record.purpose_id,
            {
                "purpose": record.purpose_id,
                "description": purpose.title,
                "pii_controllers": [controller.id],
                "collection_method": record.proof.get("how", ""),
                "retention_period": f"P{purpose.retention_days}D",
                "withdrawal_method": "my-data page, or POST /api/v1/consent/withdraw/",
                "privacy_rights": list(RIGHTS),
                "pii_information": [],
            },
        )
        entry["pii_information"].append(
            {
                "pii_type": record.field_id,
                "special_pii_category": record.field.special,
                "lawful_basis": record.legal_basis,
                "notice_version": record.notice.version,
                "shown": record.proof.get("shown", record.notice.digest),
                "given_at": record.granted_at.isoformat(),
                "valid_until": record.expires_at.isoformat() if record.expires_at else None,
            }
        )
    return {
        "privacy_notice": {
            "version": notice.version,
            "language": notice.locale,
            "digest": notice.digest,
        },
        "purposes": list(purposes.values()),
    }


def _events(subject: Subject) -> list[dict[str, Any]]:
    events = ConsentEvent.objects.filter(subject_id=subject.id).order_by("id")
    return [
        {
            "event_time": event.at.isoformat(),
            "event_type": event.action,
            "purpose": event.purpose,
            "pii_types": event.fields,
            "entity_id": str(subject.id),
            "notice_version": event.notice_version,
        }
        for event in events
    ]
