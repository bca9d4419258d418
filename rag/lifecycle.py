"""The life of a playbook: draft, published, retired; one pointer decides what is searched."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from rag import index
from rag.embedding import Encoder
from rag.errors import PlaybookMissing, VersionClosed
from rag.index import Progress, unseen
from rag.models import Entry, Playbook, PlaybookVersion, VersionEvent

State = PlaybookVersion.State
Act = VersionEvent.Act


@dataclass(frozen=True)
class Difference:
    """What a version has that another has not, by imported id, each in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def find(organisation_id: UUID, name: str) -> Playbook:
    """The playbook of that slug or name; raises PlaybookMissing."""
    owned = Playbook.objects.filter(organisation_id=organisation_id)
    found = owned.filter(slug=name).first() or owned.filter(name=name).first()
    if found is None:
        raise PlaybookMissing(f"there is no playbook {name!r} in this organisation")
    return found


def version(playbook: Playbook, number: int) -> PlaybookVersion:
    """Raises PlaybookMissing when the playbook has no version of this number."""
    try:
        return playbook.versions.get(number=number)
    except PlaybookVersion.DoesNotExist as exc:
        raise PlaybookMissing(f"{playbook.slug} has no version {number}") from exc


def publish(version_id: UUID, *, by: str = "") -> PlaybookVersion:
    """Make a version the one that is searched, and retire the one before.

    Whoever searches sees the one or the other, never both. Raises VersionClosed for a version
    that has no index or no passage.
    """
    return _point(version_id, by=by, act=Act.PUBLISHED)


def rollback(playbook: Playbook, *, to: int | None = None, by: str = "") -> PlaybookVersion:
    """Publish an earlier version again: number `to`, or the latest published before the live one.

    Raises VersionClosed when there is none.
    """
    earlier = playbook.versions.filter(state=State.RETIRED)
    if to is not None:
        return _point(version(playbook, to).id, by=by, act=Act.ROLLED_BACK)
    live = playbook.live_version
    target = earlier.filter(number__lt=live.number).order_by("-number").first() if live else None
    if target is None:
        raise VersionClosed(f"{playbook.slug} has no earlier published version")
    return _point(target.id, by=by, act=Act.ROLLED_BACK)


def retire(playbook: Playbook, *, by: str = "") -> None:
    """Take a playbook out of search; its versions and citations stay."""
    with transaction.atomic():
        held = Playbook.objects.select_for_update().get(id=playbook.id)
        live = held.live_version
        if live is None:
            return
        _close(live)
        held.live_version = None
        held.save(update_fields=["live_version"])
        record(live, Act.RETIRED, by=by)


def reindex(version_id: UUID, encoder: Encoder, *, by: str = "") -> PlaybookVersion:
    """Build a draft's index anew after its entries were edited or released.

    Raises VersionClosed for a version that is or was published: what it says stays as it was.
    """
    draft = PlaybookVersion.objects.get(id=version_id)
    if draft.state != State.DRAFT:
        raise VersionClosed(f"version {draft.number} was published and stays as it is")
    made = index.plan(
        draft.entries.order_by("key"),
        encoder,
        known=index.known_vectors(draft.playbook_id, encoder.model),
    )
    with transaction.atomic():
        held = PlaybookVersion.objects.select_for_update().get(id=version_id)
        if held.state != State.DRAFT:
            raise VersionClosed(f"version {held.number} was published meanwhile")
        index.write(held, made)
        record(held, Act.INDEXED, by=by)
    return held


def reembed(
    version_id: UUID, encoder: Encoder, *, by: str = "", progress: Progress = unseen
) -> PlaybookVersion:
    """Embed a version by another model beside the one that serves, then switch in one step.

    The model before serves until the switch, and its vectors go with it. Passages are those that
    are there: what is cited stays.
    """
    version = PlaybookVersion.objects.get(id=version_id)
    if version.embedding_model == encoder.model:
        return version
    vectors = index.embed_stored(version, encoder, progress)
    with transaction.atomic():
        held = PlaybookVersion.objects.select_for_update().get(id=version_id)
        index.replace_vectors(held, vectors, encoder.model)
        record(held, Act.EMBEDDED, by=by, note=encoder.model)
    return held


def difference(old: PlaybookVersion, new: PlaybookVersion) -> Difference:
    """What `new` changes in `old`, by imported id."""
    before = dict(old.entries.values_list("key", "digest"))
    after = dict(new.entries.values_list("key", "digest"))
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(k for k in before.keys() & after.keys() if before[k] != after[k])),
    )


def export(version: PlaybookVersion) -> Iterator[dict[str, Any]]:
    """A version's entries as an import takes them, redacted as they are stored."""
    for entry in version.entries.order_by("key").iterator():
        yield {
            "id": entry.key,
            "title": entry.title,
            "body": entry.body,
            "example": entry.example,
            "tags": _tags(entry),
        }


def record(version: PlaybookVersion, act: Act, *, by: str, note: str = "") -> None:
    VersionEvent.objects.create(
        organisation_id=version.organisation_id,
        version_id=version.id,
        playbook=version.playbook.slug,
        number=version.number,
        act=act,
        by=by,
        note=note,
    )


def _tags(entry: Entry) -> dict[str, Any]:
    return {
        "language": entry.language,
        "deck": entry.decks,
        "activity": entry.activities,
        "role": entry.roles,
        "audience": entry.audiences,
        "when_acts": entry.when_acts,
        "when_emotions": entry.when_emotions,
        "triggers": entry.triggers,
    }


def _point(version_id: UUID, *, by: str, act: Act) -> PlaybookVersion:
    with transaction.atomic():
        # The playbook's row is the lock: publishing and rolling back take turns.
        playbook = Playbook.objects.select_for_update().get(versions=version_id)
        chosen = PlaybookVersion.objects.get(id=version_id)
        if chosen.indexed_at is None or chosen.passage_count == 0:
            raise VersionClosed(f"version {chosen.number} has nothing to search")
        if playbook.live_version is not None and playbook.live_version_id != chosen.id:
            _close(playbook.live_version)
        chosen.state = State.PUBLISHED
        chosen.save(update_fields=["state"])
        playbook.live_version = chosen
        playbook.save(update_fields=["live_version"])
        record(chosen, act, by=by)
    return chosen


def _close(version: PlaybookVersion) -> None:
    version.state = State.RETIRED
    version.save(update_fields=["state"])
