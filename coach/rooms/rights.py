"""A member's rights over what the room keeps of them: a copy of it, and its end."""

from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from coach.gateway.models import KeptDraft, ModelCall
from coach.models import Alert, Feedback, Member, Nudge, Utterance
from coach.reports.models import Report
from consent import choices
from consent.models import ConsentEvent

ERASED_NAME = "—"


def export_member(member: Member) -> dict[str, Any]:
    """Everything stored about this member, in their own reading."""
    return {
        "exported_at": timezone.now(),
        "member": str(member.id),
        "session": str(member.session_id),
        "display_name": member.display_name,
        "joined_at": member.joined_at,
        "about_you": choices.stored_values(member.id),
        "consent": choices.receipt(member.id),
        "consent_events": list(
            ConsentEvent.objects.filter(subject_id=member.id).values(
                "action", "purpose", "fields", "notice_version", "at"
            )
        ),
        "disclosures": choices.disclosures(member.id),
        "utterances": list(
            Utterance.objects.filter(member=member).values(
                "id", "text", "act", "outcome", "reason", "accepted_at"
            )
        ),
        "nudges": list(
            Nudge.objects.filter(member=member).values(
                "id", "text", "citations", "source", "reason", "created_at"
            )
        ),
        "feedback": list(
            Feedback.objects.filter(member=member).values("nudge", "verdict", "text", "at")
        ),
        "reflections": list(
            Report.objects.filter(member=member).values("state", "points", "source", "created_at")
        ),
        "alerts": list(Alert.objects.filter(member=member).values("kind", "at")),
    }


def erase_member(member: Member) -> dict[str, Any]:
    """Delete what there is about this member and close their way in.

    The vault goes first: once its key is gone, a fault in what follows leaves nothing readable.
    The log of disclosures stays, as proof; it holds field names and no values. Numbers of the
    facilitators' stream stay gap-free: a frame about the member is emptied, not removed.
    """
    at = choices.erase(member.id)
    with transaction.atomic(), connection.cursor() as cursor:
        # The log is append-only for us; this function of the owner's is the one exception.
        cursor.execute("SELECT coach_erase_events(%s, %s)", [member.session_id, str(member.id)])
        Utterance.objects.filter(member=member).delete()
        Nudge.objects.filter(member=member).delete()
        Alert.objects.filter(member=member).delete()
        member.tokens.all().delete()
        # What calls cost stays on the books, without whom they were for.
        ModelCall.objects.filter(member_id=member.id).update(member_id=None, utterance_id=None)
        KeptDraft.objects.filter(member_id=member.id).delete()
        Report.objects.filter(Q(member=member) | Q(subjects__contains=[member.id])).delete()
        Member.objects.filter(id=member.id).update(
            display_name=ERASED_NAME, removed_at=timezone.now()
        )
    return {"erased": str(member.id), "at": at}
