"""Granting, withdrawing, correcting and erasing: one transaction each, which raises the epoch."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Least, Now
from django.utils import timezone

from consent import notices
from consent.canonical import digest
from consent.errors import NotAllowed, NoticeChanged, UnknownSubject
from consent.keys import KeyRing
from consent.models import (
    ClosedPurpose,
    ConsentEvent,
    Disclosure,
    Notice,
    PolicyRule,
    Purpose,
    Record,
    StoredValue,
    Subject,
)

# What a person tells of themselves, and may put right.
CORRECTABLE = ("display_name", "goal", "profile_note")


def key_ring() -> KeyRing:
    return KeyRing(settings.VAULT_KEY, *settings.VAULT_KEYS_BEFORE)


def admit(
    subject_id: UUID, *, organisation_id: UUID, session_id: UUID, values: Mapping[str, str]
) -> Subject:
    """A new subject with nothing granted, and what they wrote about themselves, sealed."""
    keys = key_ring()
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
    subject_id: UUID,
    choices: Mapping[str, Iterable[str]],
    *,
    notice: Notice | None = None,
    how: str = "api",
) -> Subject:
    """Grant these fields for these purposes, after what was just read (the current notice).

    Raises NotAllowed for a pair that the policy or the organisation bars, NoticeChanged when a
    newer notice asks again; then nothing is granted.
    """
    wanted = dict.fromkeys(
        (purpose, name) for purpose, fields in choices.items() for name in fields
    )
    seen = notice or notices.current()
    if Notice.objects.filter(version__gt=seen.version, asks_again=True).exists():
        raise NoticeChanged(f"notice {seen.version} was followed by another")
    with transaction.atomic(using="vault"):
        subject = _locked(subject_id)
        rules = _rules(subject.organisation_id)
        for pair in wanted:
            if pair not in rules:
                raise NotAllowed(f"{pair[1]} may not serve {pair[0]}")
        held = set(Record.objects.live().filter(subject=subject).values_list("purpose", "field"))
        fresh = [pair for pair in wanted if pair not in held]
        _close_stale(subject, fresh)
        shown = digest(notices.shown_to(subject.organisation_id, seen))
        proof = {"how": how, "locale": seen.locale, "shown": shown}
        Record.objects.bulk_create(_record(subject, rules[pair], seen, proof) for pair in fresh)
        _write_events(subject, "granted", fresh, seen.version)
    return subject


def asked_again(subject_id: UUID) -> bool:
    """Whether this person allowed something that a newer notice asks about anew."""
    newest = Notice.objects.filter(asks_again=True).order_by("-version").first()
    unrevoked = Record.objects.filter(subject=subject_id, withdrawn_at__isnull=True)
    return newest is not None and unrevoked.filter(notice__version__lt=newest.version).exists()


def _rules(organisation_id: UUID) -> dict[tuple[str, str], PolicyRule]:
    closed = ClosedPurpose.objects.filter(organisation_id=organisation_id)
    rules = PolicyRule.objects.exclude(purpose__in=closed.values("purpose"))
    return {
        (rule.purpose_id, rule.field_id): rule for rule in rules.select_related("purpose", "field")
    }


def _close_stale(subject: Subject, pairs: Iterable[tuple[str, str]]) -> None:
    """A record that serves nothing any more still occupies the one live place; it is closed."""
    for purpose, name in pairs:
        Record.objects.filter(
            subject=subject, purpose=purpose, field=name, withdrawn_at__isnull=True
        ).update(withdrawn_at=Least(Coalesce(F("expires_at"), Now()), Now()))


def _record(subject: Subject, rule: PolicyRule, seen: Notice, proof: Mapping[str, str]) -> Record:
    now = timezone.now()
    return Record(
        subject=subject,
        organisation_id=subject.organisation_id,
        purpose=rule.purpose,
        field=rule.field,
        notice=seen,
        legal_basis=notices.legal_basis(rule.purpose, rule.field),
        proof=dict(proof),
        granted_at=now,
        expires_at=now + timedelta(days=rule.purpose.consent_days),
    )


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
    """Withdraw everything, destroy the person's values and the key that would open a copy.

    Whoever is erased already stays so: what follows in other tables may be tried again.
    """
    now = timezone.now()
    with transaction.atomic(using="vault"):
        if before := Subject.objects.filter(id=subject_id, erased_at__isnull=False).first():
            return before.erased_at or now
        subject = _locked(subject_id)
        live = Record.objects.filter(subject=subject, withdrawn_at__isnull=True)
        pairs = list(live.values_list("purpose", "field"))
        live.update(withdrawn_at=now)
        StoredValue.objects.filter(subject=subject).delete()
        _write_events(subject, "erased", pairs or [("all", "all")], None)
        Subject.objects.filter(id=subject_id).update(wrapped_key=None, erased_at=now)
    return now


def correct(subject_id: UUID, values: Mapping[str, str]) -> Subject:
    """Put right what this person told of themselves; an empty value removes it.

    Raises NotAllowed for what is not theirs to write.
    """
    for name in values:
        if name not in CORRECTABLE:
            raise NotAllowed(f"{name} is not yours to correct")
    keys = key_ring()
    with transaction.atomic(using="vault"):
        subject = _locked(subject_id)
        wrapped = bytes(subject.wrapped_key or b"")
        for name, value in values.items():
            StoredValue.objects.filter(subject=subject, field=name).delete()
            if value:
                StoredValue.objects.create(
                    subject=subject,
                    organisation_id=subject.organisation_id,
                    field_id=name,
                    sealed=keys.seal(wrapped, value, label=f"{subject_id}/{name}"),
                )
        _write_events(subject, "corrected", [("own_words", name) for name in values], None)
    return subject


def stored_values(subject_id: UUID) -> dict[str, str]:
    """What this person wrote about themselves, for their own eyes."""
    keys = key_ring()
    subject = Subject.objects.filter(id=subject_id, erased_at__isnull=True).first()
    if subject is None or subject.wrapped_key is None:
        return {}
    wrapped = bytes(subject.wrapped_key)
    return {
        row.field_id: keys.open(wrapped, bytes(row.sealed), label=f"{subject_id}/{row.field_id}")
        for row in subject.stored_values.all()
    }


def disclosures(subject_id: UUID) -> list[dict[str, Any]]:
    """Every release ever logged about this person, newest first, and how long it is kept."""
    days = dict(Purpose.objects.values_list("key", "retention_days"))
    rows = Disclosure.objects.filter(subject_id=subject_id).values(
        "id", "at", "purpose", "fields", "withheld", "recipient", "about"
    )
    return [
        {**row, "kept_until": row["at"] + timedelta(days=days.get(row["purpose"], 0))}
        for row in rows
    ]


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
