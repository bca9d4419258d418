"""Import: read, redact, screen, cut, embed, and only then store, all or nothing.

Nothing of a card is stored, embedded or counted as a term before `safety.redaction` has read it.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from rag import index, lifecycle
from rag.embedding import Encoder, model_directory
from rag.errors import VersionClosed
from rag.index import Progress, unseen
from rag.journal import Journal
from rag.models import Entry, Playbook, PlaybookVersion, TextSearch
from rag.screening import suspect
from rag.sources import Card, read
from safety.redaction import Redacted, Redactor
from safety.text import clean

# Tags and ids that are plain words need no redaction, and "Will" as a deck is not a person.
_PLAIN = re.compile(r"[A-Za-z][\w .&/'-]{0,60}|[\w.-]{1,64}")
# An import may wait for a processor that is busy; a person who speaks may not.
PATIENCE = 60.0
_LISTS = ("decks", "activities", "roles", "audiences", "when_acts", "when_emotions", "triggers")
_REDACTED = ("key", "title", "body", "example", "language", "quarantine", "digest", "redactions",
             *_LISTS)  # fmt: skip


class Redacts(Protocol):
    """What masks personal data: `safety.redaction.Redactor`."""

    def redact(self, text: str, *, key: bytes, patience: float = 1.0) -> Redacted:
        """Raises RedactionFailed where the text could not be read through."""
        ...


@dataclass(frozen=True)
class Report:
    """What an import did, or in a dry run would do; `rate` is passages per second."""

    entries: int
    passages: int
    redactions: int
    quarantined: dict[str, str]
    duplicates: tuple[str, ...]
    ignored_tags: tuple[str, ...]
    reused: int
    version: int | None
    published: bool
    seconds: float
    rate: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Prepared:
    """Cards after redaction and screening, with what that did to them; nothing is stored yet."""

    entries: tuple[Entry, ...]
    duplicates: tuple[str, ...]
    ignored_tags: tuple[str, ...]

    @property
    def redactions(self) -> int:
        return sum(entry.redactions for entry in self.entries)

    @property
    def quarantined(self) -> dict[str, str]:
        """Why, by imported id."""
        return {entry.key: entry.quarantine for entry in self.entries if entry.quarantine}


def import_file(
    path: Path,
    *,
    organisation_id: UUID,
    name: str,
    publish: bool = False,
    dry_run: bool = False,
    note: str = "",
    by: str = "",
    progress: Progress = unseen,
) -> Report:
    """Import a file as a playbook's next version, with the redactor and encoder of this process.

    Cut off half-way, the next import of the same file takes up what was redacted and embedded.
    """
    with Journal(_journal(organisation_id, name)) as journal:
        return import_cards(
            read(path),
            organisation_id=organisation_id,
            name=name,
            encoder=encoder(),
            redactor=redactor(),
            publish=publish,
            dry_run=dry_run,
            note=note,
            by=by,
            progress=progress,
            journal=journal,
        )


def import_cards(
    cards: Sequence[Card],
    *,
    organisation_id: UUID,
    name: str,
    encoder: Encoder,
    redactor: Redacts,
    publish: bool = False,
    dry_run: bool = False,
    note: str = "",
    by: str = "",
    progress: Progress = unseen,
    journal: Journal | None = None,
) -> Report:
    """Make cards the next version of a playbook, which is made if it is not there yet.

    Raises RedactionFailed when a text could not be read through, and then nothing is stored.
    """
    began = time.perf_counter()
    got = prepare(cards, organisation_id, redactor, progress=progress, journal=journal)
    playbook = Playbook.objects.filter(organisation_id=organisation_id, slug=_slug(name)).first()
    known = index.known_vectors(playbook.id, encoder.model) if playbook is not None else {}
    if journal is not None:
        known |= journal.vectors(encoder.model)
    made = index.plan(got.entries, encoder, known=known, progress=progress, journal=journal)
    version = None
    if not dry_run:
        progress("storing", 0, len(got.entries))
        with transaction.atomic():
            version = store(got.entries, organisation_id, name, note=note, by=by)
            index.write(version, made)
            if publish:
                lifecycle.publish(version.id, by=by)
    seconds = time.perf_counter() - began
    return Report(
        entries=len(got.entries),
        passages=len(made.passages),
        redactions=got.redactions,
        quarantined=got.quarantined,
        duplicates=got.duplicates,
        ignored_tags=got.ignored_tags,
        reused=made.reused,
        version=version.number if version is not None else None,
        published=publish and not dry_run,
        seconds=round(seconds, 3),
        rate=round(len(made.passages) / seconds, 1),
    )


def draft(version: PlaybookVersion, *, by: str = "") -> PlaybookVersion:
    """A new draft with a version's entries, to be edited and published in its place."""
    copies = [Entry(**fields(entry)) for entry in version.entries.order_by("key")]
    note = f"from version {version.number}"
    return accept(copies, version.organisation_id, version.playbook.name, note=note, by=by)


def accept(
    entries: Sequence[Entry],
    organisation_id: UUID,
    name: str,
    *,
    note: str,
    by: str,
    progress: Progress = unseen,
) -> PlaybookVersion:
    """Prepared entries, embedded and stored as a playbook's next draft."""
    used = encoder()
    playbook = Playbook.objects.filter(organisation_id=organisation_id, slug=_slug(name)).first()
    known = index.known_vectors(playbook.id, used.model) if playbook is not None else {}
    made = index.plan(entries, used, known=known, progress=progress)
    with transaction.atomic():
        version = store(entries, organisation_id, name, note=note, by=by)
        index.write(version, made)
    return version


def fields(entry: Entry) -> dict[str, Any]:
    """What an entry says, how it is tagged and screened: all that a copy of it needs."""
    return {name: getattr(entry, name) for name in _REDACTED}


def edit(entry: Entry, *, by: str = "") -> None:
    """Save a draft's entry as a person wrote it: redacted and screened like an import.

    Raises VersionClosed for an entry of a published version, RedactionFailed as an import does.
    """
    _open(entry)
    card = Card(
        key=entry.key,
        title=entry.title,
        body=entry.body,
        example=entry.example,
        language=entry.language,
        **{name: tuple(getattr(entry, name)) for name in _LISTS},
    )
    fresh = _entry(card, redactor(), _key(entry.organisation_id))
    for name in ("title", "body", "example", "quarantine", "digest", *_LISTS):
        setattr(entry, name, getattr(fresh, name))
    entry.redactions += fresh.redactions
    _save(entry, lifecycle.Act.EDITED, by=by)


def release(entry: Entry, *, by: str = "") -> None:
    """Let a quarantined entry of a draft be searched; a person has read it and says so."""
    _open(entry)
    entry.quarantine = ""
    _save(entry, lifecycle.Act.RELEASED, by=by)


def refresh(version: PlaybookVersion, *, by: str = "") -> None:
    """Index a draft anew if its entries changed after it was indexed; else do nothing."""
    changed = version.state == PlaybookVersion.State.DRAFT and version.indexed_at is None
    if changed:
        lifecycle.reindex(version.id, encoder(), by=by)


def _open(entry: Entry) -> None:
    if entry.version.state != PlaybookVersion.State.DRAFT:
        raise VersionClosed(f"version {entry.version.number} was published and stays as it is")


def _save(entry: Entry, act: lifecycle.Act, *, by: str) -> None:
    with transaction.atomic():
        entry.save()
        # A draft without an index cannot be published, so no edit is ever left out.
        PlaybookVersion.objects.filter(id=entry.version_id).update(indexed_at=None)
        lifecycle.record(entry.version, act, by=by, note=entry.key)


def digest(entry: Entry) -> str:
    """What an entry says and is tagged with, in one SHA-256; equal entries have equal ones."""
    said = [getattr(entry, field) for field in ("title", "body", "example", "language", *_LISTS)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def prepare(
    cards: Sequence[Card],
    organisation_id: UUID,
    redactor: Redacts,
    *,
    progress: Progress = unseen,
    journal: Journal | None = None,
) -> Prepared:
    """Redact and screen cards, and leave out what is there twice.

    Raises RedactionFailed when a text could not be read through.
    """
    key = _key(organisation_id)
    entries: dict[str, Entry] = {}
    seen: set[str] = set()
    duplicates: list[str] = []
    ignored: dict[str, None] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="redact") as threads:
        read_through = threads.map(lambda card: _journalled(card, redactor, key, journal), cards)
        redacted = list(_watched(read_through, len(cards), progress))
    for card, entry in zip(cards, redacted, strict=True):
        ignored.update(dict.fromkeys(card.ignored))
        if entry.key in entries or entry.digest in seen:
            duplicates.append(entry.key)
        else:
            entries[entry.key] = entry
            seen.add(entry.digest)
    return Prepared(tuple(entries.values()), tuple(duplicates), tuple(sorted(ignored)))


def _key(organisation_id: UUID) -> bytes:
    """What pseudonyms hang on: alike in all imports of an organisation, so that they compare."""
    secret = hashlib.sha256(settings.SECRET_KEY.encode()).digest()
    return hashlib.blake2b(organisation_id.bytes, key=secret, person=b"rag.ingest").digest()[:32]


def _watched(entries: Iterable[Entry], total: int, progress: Progress) -> Iterator[Entry]:
    for number, entry in enumerate(entries, start=1):
        if number % 100 == 0 or number == total:
            progress("redacting", number, total)
        yield entry


def _journalled(card: Card, redactor: Redacts, key: bytes, journal: Journal | None) -> Entry:
    if journal is None:
        return _entry(card, redactor, key)
    # Keyed, since the journal outlives a crash and a plain digest of a name could be guessed.
    place = hashlib.blake2b(repr(card).encode(), key=key, digest_size=32).digest()
    if (kept := journal.entry(place)) is not None:
        return Entry(**kept)
    entry = _entry(card, redactor, key)
    journal.keep_entry(place, fields(entry))
    return entry


def _entry(card: Card, redactor: Redacts, key: bytes) -> Entry:
    masked = 0

    def redacted(text: str, *, plain: bool = False) -> str:
        nonlocal masked
        if not text or (plain and _PLAIN.fullmatch(text)):
            return text
        done = redactor.redact(clean(text), key=key, patience=PATIENCE)
        masked += len(done.entities)
        return str(done.text)

    whole = "\n".join((card.title, card.body, card.example, *card.triggers))
    entry = Entry(
        key=redacted(card.key, plain=True)[:200],
        title=redacted(card.title)[:300],
        body=redacted(card.body),
        example=redacted(card.example),
        language=card.language or TextSearch.ENGLISH,
        quarantine=suspect(whole),
        **{
            name: [redacted(v, plain=name != "triggers")[:80] for v in getattr(card, name)]
            for name in _LISTS
        },
    )
    entry.digest, entry.redactions = digest(entry), masked
    return entry


def store(
    entries: Sequence[Entry], organisation_id: UUID, name: str, *, note: str, by: str
) -> PlaybookVersion:
    """Redacted entries as the next version of a playbook; call it inside a transaction."""
    slug = _slug(name)
    Playbook.objects.get_or_create(
        organisation_id=organisation_id, slug=slug, defaults={"name": name}
    )
    playbook = Playbook.objects.select_for_update().get(organisation_id=organisation_id, slug=slug)
    latest = playbook.versions.order_by("-number").first()
    languages = [entry.language for entry in entries]
    version = PlaybookVersion.objects.create(
        organisation_id=organisation_id,
        playbook=playbook,
        number=latest.number + 1 if latest is not None else 1,
        language=max(set(languages), key=languages.count),
        note=note,
        created_by=by,
    )
    for entry in entries:
        entry.organisation_id, entry.version = organisation_id, version
    Entry.objects.bulk_create(entries, batch_size=index.ROWS_BATCH)
    lifecycle.record(version, lifecycle.Act.IMPORTED, by=by, note=note)
    return version


def _journal(organisation_id: UUID, name: str) -> Path:
    return Path(settings.DATA_DIR) / "imports" / f"{organisation_id}-{_slug(name)}.sqlite"


def _slug(name: str) -> str:
    return slugify(name)[:80] or hashlib.sha256(name.encode()).hexdigest()[:16]


@cache
def encoder() -> Encoder:
    return Encoder.load(model_directory())


@cache
def redactor() -> Redactor:
    return Redactor.load()
