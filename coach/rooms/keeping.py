"""What is kept of a person, where, for how long, and how each of it is given out and removed.

Every table of ours is in KEPT or in IMPERSONAL; a test fails for one that is in neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from coach.cadence.models import Firing, TriggerRule
from coach.gateway.models import (
    Budget,
    KeptDraft,
    Line,
    ModelCall,
    Pace,
    RegisteredRoute,
    Spend,
    Switch,
    Trial,
)
from coach.models import (
    AccessToken,
    Alert,
    Event,
    Feedback,
    Member,
    Nudge,
    Organisation,
    Session,
    Staff,
    Stream,
    Utterance,
)
from coach.reports.models import Report
from consent import choices, receipts
from consent.models import (
    AuditEntry,
    AuditHead,
    ClosedPurpose,
    ConsentEvent,
    Disclosure,
    Field,
    LiveRecord,
    Notice,
    PolicyRule,
    Purpose,
    Receipt,
    Record,
    SigningKey,
    StoredValue,
    Subject,
)
from consent.registry import Purpose as Purposes

ERASED_NAME = "—"
# How long proof of consent is kept after the last use of it (GDPR Art. 5(2) and 7(1)).
PROOF = _("as proof, with ids and field names alone")

Erase = Callable[[Member], object]
Give = Callable[[Member], Any]


@dataclass(frozen=True)
class Kept:
    """One table that holds something of a person.

    `retention` is the purpose whose days it is kept for, or says what else ends it. Without
    `erase` nothing personal is left in it once the others were erased, and `why` says so.
    """

    model: type[models.Model]
    what: str
    retention: Purposes | str
    erase: Erase | None = None
    give: Give | None = None
    why: str = ""


def _erase_events(member: Member) -> None:
    """The log is append-only for us; this function of the owner's is the one exception."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coach_erase_events(%s, %s)", [member.session_id, str(member.id)])


def _erase_member(member: Member) -> None:
    Member.objects.filter(id=member.id).update(
        display_name=ERASED_NAME, language="", removed_at=timezone.now()
    )


def _rows(model: type[models.Model], *columns: str) -> Give:
    def give(member: Member) -> list[dict[str, Any]]:
        rows = model._default_manager.filter(member=member).values(*columns)
        return [dict(row) for row in rows]

    return give


def _proof(model: type[models.Model], *columns: str) -> Give:
    def give(member: Member) -> list[dict[str, Any]]:
        rows = model._default_manager.filter(subject_id=member.id).values(*columns)
        return [dict(row) for row in rows]

    return give


# The vault goes first: once its key is gone, a fault in what follows leaves nothing readable.
KEPT = (
    Kept(
        StoredValue, _("what they wrote about themselves, sealed"), _("until they are erased"),
        erase=lambda member: choices.erase(member.id),
        give=lambda member: choices.stored_values(member.id),
    ),
    Kept(
        Subject, _("their key, wrapped"), _("until they are erased"),
        why="erasing their stored values destroys the key with them",
    ),
    Kept(
        Event, _("frames they were sent, and frames about them"), Purposes.COACHING,
        erase=_erase_events,
        give=lambda member: [
            dict(row)
            for row in Event.objects.filter(stream__audience=str(member.id)).values("seq", "frame")
        ],
    ),
    Kept(
        Feedback, _("their verdicts on nudges"), Purposes.COACHING,
        erase=lambda member: Feedback.objects.filter(member=member).delete(),
        give=_rows(Feedback, "nudge", "verdict", "text", "at"),
    ),
    Kept(
        Alert, _("alerts about them"), Purposes.COACHING,
        erase=lambda member: Alert.objects.filter(member=member).delete(),
        give=_rows(Alert, "kind", "at"),
    ),
    Kept(
        Nudge, _("nudges they got"), Purposes.COACHING,
        erase=lambda member: Nudge.objects.filter(member=member).delete(),
        give=_rows(Nudge, "id", "text", "citations", "source", "reason", "created_at"),
    ),
    Kept(
        Utterance, _("what they said, masked"), Purposes.COACHING,
        erase=lambda member: Utterance.objects.filter(member=member).delete(),
        give=_rows(Utterance, "id", "text", "act", "outcome", "reason", "accepted_at"),
    ),
    Kept(
        Report, _("what was written after a session from their words"), Purposes.REFLECTION,
        erase=lambda member: Report.objects.filter(
            Q(member=member) | Q(subjects__contains=[member.id])
        ).delete(),
        give=_rows(Report, "kind", "state", "points", "source", "created_at"),
    ),
    Kept(
        KeptDraft, _("nudges made for their words, kept for whoever says the same"),
        Purposes.COACHING,
        erase=lambda member: KeptDraft.objects.filter(member_id=member.id).delete(),
    ),
    Kept(
        ModelCall, _("what calls for their words cost"), Purposes.COACHING,
        erase=lambda member: ModelCall.objects.filter(member_id=member.id).update(
            member_id=None, utterance_id=None
        ),
    ),
    Kept(
        Line, _("that a socket of theirs is open"), _("until it closes"),
        erase=lambda member: Line.objects.filter(who=str(member.id)).delete(),
    ),
    Kept(
        Pace, _("when they spoke last"), Purposes.COACHING,
        erase=lambda member: Pace.objects.filter(member=member).delete(),
    ),
    Kept(
        Firing, _("when a rule spoke to them"), Purposes.COACHING,
        erase=lambda member: Firing.objects.filter(member=member).delete(),
    ),
    Kept(
        AccessToken, _("digests of their tokens"), _("until they expire"),
        erase=lambda member: member.tokens.all().delete(),
    ),
    Kept(
        Member, _("the name they joined with, and their place"), Purposes.COACHING,
        erase=_erase_member,
        give=lambda member: {
            "display_name": member.display_name, "language": member.language,
            "joined_at": member.joined_at,
        },
    ),
    Kept(
        Record, _("what they allowed"), PROOF,
        give=_proof(
            Record, "purpose", "field", "notice__version", "legal_basis", "proof",
            "granted_at", "expires_at", "withdrawn_at",
        ),
    ),
    Kept(
        ConsentEvent, _("each change of it"), PROOF,
        give=_proof(ConsentEvent, "action", "purpose", "fields", "notice_version", "at"),
    ),
    Kept(
        Disclosure, _("which fields were used, when, by whom"), PROOF,
        give=_proof(
            Disclosure, "id", "at", "purpose", "fields", "withheld", "recipient", "about"
        ),
    ),
    Kept(
        Receipt, _("receipts they were given"), PROOF,
        give=lambda member: receipts.given(member.id),
    ),
    Kept(AuditEntry, _("that all this was done"), PROOF),
)  # fmt: skip

IMPERSONAL = {
    RegisteredRoute: "settings",
    Trial: "settings",
    Switch: "settings",
    Budget: "settings",
    TriggerRule: "settings",
    Spend: "sums for each organisation, day and session",
    Organisation: "a legal person",
    Staff: "log-ins, which an administrator adds and removes",
    Session: "a title, and settings of the room",
    Stream: "numbers; its audience is an id",
    AuditHead: "a number and a digest for each organisation",
    ClosedPurpose: "settings",
    Purpose: "settings",
    Field: "settings",
    PolicyRule: "settings",
    Notice: "published words",
    SigningKey: "public keys",
    LiveRecord: "a view of records",
}
