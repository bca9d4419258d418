"""What a person reads before they choose: versioned, translated, and provable word for word."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from consent.canonical import digest
from consent.models import ClosedPurpose, Field, LegalBasis, Notice, PolicyRule, Purpose
from consent.registry import FIELDS, NOTICE_TEXT, NOTICE_TITLE, PURPOSES

HERE = Path(__file__).parent
FALLBACK = "en"
TRANSLATED = ("de", "ar")


@dataclass(frozen=True)
class Words:
    """A notice in one language; purposes and fields keep their own words where none are given."""

    title: str
    text: str
    purposes: Mapping[str, tuple[str, str]]
    fields: Mapping[str, tuple[str, str]]


OWN = Words(NOTICE_TITLE, NOTICE_TEXT, {}, {})


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
                    "legal_basis": p.legal_basis,
                    "retention_days": p.retention_days,
                    "order": order,
                },
            )
            if made:
                PolicyRule.objects.bulk_create(
                    PolicyRule(purpose=purpose, field_id=name.value) for name in p.fields
                )
        if not Notice.objects.exists():
            publish({FALLBACK: OWN, **{locale: built_in(locale) for locale in TRANSLATED}})
        _complete()


def _complete() -> None:
    """Where our own first notice is still what people read: the languages added to it since."""
    newest = Notice.objects.order_by("-version").values_list("version", flat=True)[:1]
    shown = {notice.locale: notice for notice in Notice.objects.filter(version__in=newest)}
    ours = shown.get(FALLBACK)
    if ours is None or (ours.title, ours.text) != (OWN.title, OWN.text):
        return
    for locale in TRANSLATED:
        if locale not in shown:
            _keep(ours.version, locale, built_in(locale), asks_again=ours.asks_again)


@cache
def built_in(locale: str) -> Words:
    """The words that come with Sidecoach in this language; raises FileNotFoundError."""
    return read_words(HERE / f"words.{locale}.toml")


def read_words(path: Path) -> Words:
    """Words from a TOML file. Raises OSError, KeyError, ValueError."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Words(
        title=content["title"],
        text=content["text"],
        purposes={key: (one, other) for key, (one, other) in content.get("purposes", {}).items()},
        fields={key: (one, other) for key, (one, other) in content.get("fields", {}).items()},
    )


def publish(words: Mapping[str, Words], *, asks_again: bool = True) -> int:
    """The next version in every language at once; its number.

    Earlier grants keep pointing at what they saw. With `asks_again` they serve nothing more.
    """
    with transaction.atomic(using="vault"):
        version = (Notice.objects.aggregate(last=Max("version"))["last"] or 0) + 1
        for locale, said in words.items():
            _keep(version, locale, said, asks_again=asks_again)
    return version


def _keep(version: int, locale: str, said: Words, *, asks_again: bool) -> None:
    shown = _whole(said)
    Notice.objects.create(
        version=version,
        locale=locale,
        title=said.title,
        text=said.text,
        shown=shown,
        digest=digest(shown),
        asks_again=asks_again,
    )


def current(locale: str = FALLBACK) -> Notice:
    """The newest notice, in this language or else in English, or else in any."""
    newest = Notice.objects.order_by("-version").first()
    if newest is None:
        seed()
        return current(locale)
    versions = {notice.locale: notice for notice in Notice.objects.filter(version=newest.version)}
    return versions.get(locale) or versions.get(FALLBACK) or newest


def shown_to(organisation_id: UUID, notice: Notice) -> dict[str, Any]:
    """What this organisation's people read: all but the purposes it has switched off."""
    closed = set(
        ClosedPurpose.objects.filter(organisation_id=organisation_id).values_list(
            "purpose", flat=True
        )
    )
    # A notice of before there was this column kept its title and text alone.
    shown = dict(notice.shown) or _whole(Words(notice.title, notice.text, {}, {}))
    return {**shown, "purposes": _without(shown["purposes"], closed)}


def _without(purposes: list[dict[str, Any]], closed: Collection[str]) -> list[dict[str, Any]]:
    return [purpose for purpose in purposes if purpose["key"] not in closed]


def _whole(words: Words) -> dict[str, Any]:
    purposes = []
    for purpose in Purpose.objects.prefetch_related("rules__field"):
        title, why = words.purposes.get(purpose.key, (purpose.title, purpose.why))
        fields = sorted((rule.field for rule in purpose.rules.all()), key=lambda f: f.order)
        purposes.append(
            {
                "key": purpose.key,
                "title": title,
                "why": why,
                "legal_basis": purpose.legal_basis,
                "retention_days": purpose.retention_days,
                "consent_days": purpose.consent_days,
                "fields": [_field(field, words) for field in fields],
            }
        )
    return {"title": words.title, "text": words.text, "purposes": purposes}


def _field(field: Field, words: Words) -> dict[str, Any]:
    title, why = words.fields.get(field.key, (field.title, field.why))
    return {"key": field.key, "title": title, "why": why, "special": field.special}


def legal_basis(purpose: Purpose, field: Field) -> str:
    """What allows this use; a special category needs consent that is explicit (Art. 9(2)(a))."""
    return LegalBasis.EXPLICIT if field.special else purpose.legal_basis
