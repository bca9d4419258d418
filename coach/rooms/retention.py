"""How long things are kept: deadlines by purpose, and the purge that keeps them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from coach.models import AccessToken, Alert, Feedback, Nudge, Utterance
from consent.models import Purpose, Record
from consent.registry import PURPOSES, Field
from consent.registry import Purpose as Purposes

# An hour's grace, in which the purge is expected to run.
GRACE = timedelta(hours=1)
BATCH = 500
# Only one purge at a time works on a database; another finds nothing to do.
LOCK = 727_010


@dataclass(frozen=True)
class Overdue:
    """Rows of one kind that are older than their deadline."""

    kind: str
    rows: Callable[[datetime], QuerySet[Any]]


def _days(purpose: Purposes) -> timedelta:
    """What an administrator set, or else what comes with Sidecoach; never nothing."""
    found = Purpose.objects.filter(key=purpose.value).values_list("retention_days", flat=True)
    built_in = next(seed.retention_days for seed in PURPOSES if seed.key is purpose)
    return timedelta(days=found.first() or built_in)


def _coached_before(at: datetime) -> datetime:
    """The moment before which what coaching left behind is past its deadline."""
    return at - _days(Purposes.COACHING)


def _utterances(at: datetime) -> "QuerySet[Utterance]":
    """Past coaching's deadline, and past quality's where their speaker allows that."""
    longer = Record.objects.live().filter(
        purpose=Purposes.QUALITY.value, field=Field.UTTERANCE.value
    )
    kept = list(longer.values_list("subject_id", flat=True))
    late = Q(accepted_at__lt=_coached_before(at)) & ~Q(member__in=kept)
    latest = Q(accepted_at__lt=at - max(_days(Purposes.QUALITY), _days(Purposes.COACHING)))
    return Utterance.objects.filter(late | latest)


KINDS = (
    Overdue("feedback", lambda at: Feedback.objects.filter(at__lt=_coached_before(at))),
    Overdue("alert", lambda at: Alert.objects.filter(at__lt=_coached_before(at))),
    Overdue("nudge", lambda at: Nudge.objects.filter(created_at__lt=_coached_before(at))),
    Overdue("utterance", _utterances),
    Overdue("token", lambda at: AccessToken.objects.filter(expires_at__lt=at)),
)


def overdue(*, at: datetime) -> dict[str, int]:
    """How many rows should be gone by now, an hour's grace allowed, by kind."""
    counts = {kind.kind: kind.rows(at - GRACE).count() for kind in KINDS}
    counts["event"] = _events("coach_old_events", at - GRACE)
    return counts


def purge(*, at: datetime) -> Iterator[tuple[str, int]]:
    """Remove what is past its deadline, in batches of which each is a transaction of its own.

    Gives kind and number of rows after each batch. May be stopped and begun again at any time;
    while another purge is at work it does nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if cursor.fetchone() != (True,):
            return
    try:
        for kind in KINDS:
            while ids := list(kind.rows(at).values_list("pk", flat=True)[:BATCH]):
                kind.rows(at).filter(pk__in=ids).delete()
                yield kind.kind, len(ids)
        while emptied := _events("coach_purge_events", at, BATCH):
            yield "event", emptied
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _events(function: str, at: datetime, *limits: int) -> int:
    with connection.cursor() as cursor:
        places = ", ".join(["%s"] * (1 + len(limits)))
        cursor.execute(f"SELECT {function}({places})", [_coached_before(at), *limits])
        return int(cursor.fetchone()[0])
