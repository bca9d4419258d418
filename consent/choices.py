"""Granting, withdrawing and erasing, each in one transaction that also raises the epoch."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from consent.errors import NotAllowed, UnknownSubject
from consent.keys import KeyRing
from consent.models import (
    ConsentEvent,
    Disclosure,
    Field,
    Notice,
    PolicyRule,
    Purpose,
    Record,
    StoredValue,
    Subject,
)
from consent.registry import FIELDS, NOTICE_TEXT, NOTICE_TITLE, PURPOSES


def seed() -> None:
    """Make the built-in purposes, fields, rules and first notice exist; keeps what is edited."""
    with transaction.atomic(using="vault"):
        for order, a in enumerate(FIELDS):
            Field.objects.get_or_create(
                key=a.key.value,
                defaults={"title": a.title, "why": a.why, "special": a.special, "order": order},
            )
        for order, p in enumerate(PURPOSES):
            purpose, made = Purpose.objects.get_or_create(
                key=p.key.value,
                defaults={
                    "title": p.title,
                    "why": p.why,
                    "retention_days": p.retention_days,
                    "order": order,
                },
            )
            if made:
                PolicyRule.objects.bulk_create(
                    PolicyRule(purpose=purpose, field_id=name.value) for name in p.fields
                )
        if not Notice.objects.exists():
            publish_notice(NOTICE_TITLE, NOTICE_TEXT)


def publish_notice(title: str, text: str, *, locale: str = "en") -> Notice:
    """The next version of the notice; earlier grants keep pointing at the one they saw."""
    latest = Notice.objects.filter(locale=locale).order_by("-version").first()
    return Notice.objects.create(
        version=latest.version + 1 if latest else 1,
        locale=locale,
        title=title,
        text=text,
        digest=hashlib.sha256(f"{title}\n{text}".encode()).hexdigest(),
    )


def current_notice(locale: str = "en") -> Notice:
    """The notice to show now, in this language or else in English."""
    found = (
        Notice.objects.filter(locale=locale).first() or Notice.objects.filter(locale="en").first()
    )
    if found is None:
        seed()
        return Notice.objects.get(version=1, locale="en")
    return found


def admit(
    subject_id: UUID, *, organisation_id: UUID, session_id: UUID, values: Mapping[str, str]
) -> Subject:
    """A new subject with nothing granted, and what they wrote about themselves, sealed."""
    keys = KeyRing(settings.VAULT_KEY)
    with transaction.atomic(using="vault"):
        subject = Subject.objects.create(
            id=subject_id,
            organisation_id=organisation_id,
            session_id=session_id,
            wrapped_key=keys.new_key(),
        )
        StoredValue.objects.bulk_create(
            StoredValue(
                subject=subject,
                organisation_id=organisation_id,
                field_id=name,
                sealed=keys.seal(
                    bytes(subject.wrapped_key or b""), value, label=f"{subject_id}/{name}"
                ),
            )
            for name, value in values.items()
            if value
        )
    return subject


def grant(
    subject_id: UUID, choices: Mapping[str, Iterable[str]], *, notice: Notice | None = None
) -> Subject:
    """Grant these fields for these purposes, after what was just read (the current notice).

    Raises NotAllowed for a pair the policy does not know, and then grants nothing.
    """
    wanted = [(purpose, name) for purpose, fields in choices.items() for name in fields]
    seen = notice or current_notice()
    now = timezone.now()
    with transaction.atomic(using="vault"):
        subject = _locked(subject_id)
        allowed = set(PolicyRule.objects.values_list("purpose", "field"))
        for pair in wanted:
            if pair not in allowed:
                raise NotAllowed(f"{pair[1]} may not serve {pair[0]}")
        held = set(
            Record.objects.live(at=now).filter(subject=subject).values_list("purpose", "field")
        )
        fresh = [pair for pair in dict.fromkeys(wanted) if pair not in held]
        # An expired record still occupies the one live place; it is closed as of its expiry.
        Record.objects.filter(
            subject=subject, withdrawn_at__isnull=True, expires_at__lte=now
        ).update(withdrawn_at=F("expires_at"))
        Record.objects.bulk_create(
            Record(
                subject=subject,
                organisation_id=subject.organisation_id,
                purpose_id=purpose,
                field_id=name,
                notice=seen,
                granted_at=now,
            )
            for purpose, name in fresh
        )
        _write_events(subject, "granted", fresh, seen.version)
    return subject


def withdraw(subject_id: UUID, purpose: str, fields: Iterable[str] | None = None) -> Subject:
    """Take consent back for a purpose, whole or for some fields; in force from the commit on."""
    with transaction.atomic(using="vault"):
        subject = _locked(subject_id)
        records = Record.objects.filter(subject=subject, purpose=purpose, withdrawn_at__isnull=True)
        if fields is not None:
            records = records.filter(field__in=list(fields))
        gone = list(records.values_list("purpose", "field"))
        records.update(withdrawn_at=timezone.now())
        _write_events(subject, "withdrawn", gone, None)
    return subject


def erase(subject_id: UUID) -> datetime:
    """Withdraw everything, destroy the person's values and the key that would open a copy."""
    now = timezone.now()
    with transaction.atomic(using="vault"):
        subject = _locked(subject_id)
        live = Record.objects.filter(subject=subject, withdrawn_at__isnull=True)
        pairs = list(live.values_list("purpose", "field"))
        live.update(withdrawn_at=now)
        StoredValue.objects.filter(subject=subject).delete()
        _write_events(subject, "erased", pairs or [("all", "all")], None)
        Subject.objects.filter(id=subject_id).update(wrapped_key=None, erased_at=now)
    return now


def stored_values(subject_id: UUID) -> dict[str, str]:
    """What this person wrote about themselves, for their own eyes."""
    keys = KeyRing(settings.VAULT_KEY)
    subject = Subject.objects.filter(id=subject_id, erased_at__isnull=True).first()
    if subject is None or subject.wrapped_key is None:
        return {}
    wrapped = bytes(subject.wrapped_key)
    return {
        row.field_id: keys.open(wrapped, bytes(row.sealed), label=f"{subject_id}/{row.field_id}")
        for row in subject.stored_values.all()
    }


def receipt(subject_id: UUID) -> dict[str, Any]:
    """What the person keeps: who may use what, for which purpose, on which notice.

    Field names follow ISO/IEC TS 27560's record structure.
    """
    subject = Subject.objects.get(id=subject_id)
    notice = current_notice()
    records = (
        Record.objects.live(at=timezone.now())
        .filter(subject=subject)
        .select_related("purpose", "notice")
        .order_by("purpose__order", "field")
    )
    by_purpose: dict[str, dict[str, Any]] = {}
    for record in records:
        entry = by_purpose.setdefault(
            record.purpose_id,
            {
                "purpose": record.purpose_id,
                "title": record.purpose.title,
                "lawful_basis": record.legal_basis,
                "retention_days": record.purpose.retention_days,
                "notice_version": record.notice.version,
                "personal_data": [],
            },
        )
        entry["personal_data"].append(record.field_id)
    return {
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": f"{subject.id}/{subject.epoch}",
        "pii_principal_id": str(subject.id),
        "session": str(subject.session_id),
        "issued_at": timezone.now().isoformat(),
        "notice": {"version": notice.version, "digest": notice.digest},
        "purposes": list(by_purpose.values()),
    }


def disclosures(subject_id: UUID) -> list[dict[str, Any]]:
    """Every release ever logged about this person, newest first."""
    rows = Disclosure.objects.filter(subject_id=subject_id).values(
        "id", "at", "purpose", "fields", "withheld", "recipient", "about"
    )
    return [dict(row) for row in rows]


def _locked(subject_id: UUID) -> Subject:
    """The subject with its row locked and its epoch raised."""
    changed = Subject.objects.filter(id=subject_id, erased_at__isnull=True).update(
        epoch=F("epoch") + 1
    )
    if not changed:
        raise UnknownSubject(str(subject_id))
    return Subject.objects.get(id=subject_id)


def _write_events(
    subject: Subject, action: str, pairs: Iterable[tuple[str, str]], notice_version: int | None
) -> None:
    by_purpose: dict[str, list[str]] = {}
    for purpose, name in pairs:
        by_purpose.setdefault(purpose, []).append(name)
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            subject_id=subject.id,
            organisation_id=subject.organisation_id,
            action=action,
            purpose=purpose,
            fields=sorted(fields),
            notice_version=notice_version,
            epoch=subject.epoch,
        )
        for purpose, fields in by_purpose.items()
    )
