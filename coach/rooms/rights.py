"""A member's rights over what is kept of them: a copy of it, its correction, and its end."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from coach.models import Member, Organisation, Session
from coach.rooms.keeping import KEPT
from consent import audit, choices, receipts
from consent.receipts import Party


def controller_of(member: Member) -> Party:
    """Who answers for what is done with this member's data."""
    organisation = Organisation.objects.get(id=member.organisation_id)
    return Party(str(organisation.id), organisation.name, organisation.contact)


def receipt(member: Member, kind: receipts.Kind, **done: str | int) -> dict[str, Any]:
    """A signed receipt for this member, of what holds now and of what was done."""
    return receipts.issue(member.id, kind, controller=controller_of(member), done=done)


def export_member(member: Member) -> dict[str, Any]:
    """Everything that is kept of this member, with a receipt of having given it out."""
    kept = {
        entry.model._meta.model_name or "": {
            "what": entry.what,
            "kept": str(entry.retention),
            "content": entry.give(member),
        }
        for entry in KEPT
        if entry.give is not None
    }
    audit.record("exported", organisation_id=member.organisation_id, subject_id=member.id)
    rows = sum(len(part["content"]) for part in kept.values())
    return {
        "exported_at": timezone.now(),
        "member": str(member.id),
        "session": str(member.session_id),
        "about_you": kept["storedvalue"]["content"],
        "kept": kept,
        "receipt": receipt(member, "export", rows=rows),
    }


def correct_member(member: Member, values: Mapping[str, str]) -> dict[str, Any]:
    """Put right what this member wrote about themselves. Raises NotAllowed, UnknownSubject.

    A name is changed for the room as well, which masks it from then on.
    """
    choices.correct(member.id, values)
    if name := values.get("display_name"):
        with transaction.atomic():
            Member.objects.filter(id=member.id).update(display_name=name)
            session = Session.objects.select_for_update().get(id=member.session_id)
            session.roster_version += 1
            session.save(update_fields=["roster_version"])
    return receipt(member, "correction", fields=", ".join(sorted(values)))


def erase_member(member: Member) -> dict[str, Any]:
    """Remove what is kept of this member and close their way in; a receipt says what was removed.

    What stays is proof, with ids and field names and no values. Numbers of the facilitators'
    stream stay gap-free: a frame about the member is emptied, not removed.
    """
    erasers = [entry for entry in KEPT if entry.erase is not None]
    with transaction.atomic():
        # From here on nothing of theirs is written any more; whatever is being written ends first.
        Member.objects.select_for_update().get(id=member.id)
        for entry in erasers:
            assert entry.erase is not None
            entry.erase(member)
    tables = ", ".join(entry.model._meta.model_name or "" for entry in erasers)
    return receipt(member, "erasure", tables=tables)
