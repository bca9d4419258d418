"""What is written after a session, for a participant or for the facilitator."""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

# Nobody has worked on it for so long: its worker is gone.
LOST_AFTER_S = 60


class Report(models.Model):
    """A reflection of one member's, or the facilitators' summary (`member` is empty).

    `subjects` are the members whose words it rests on: it goes when one of them withdraws.
    """

    class Kind(models.TextChoices):
        REFLECTION = "reflection", _("reflection for a participant")
        SUMMARY = "summary", _("summary for the facilitator")

    class State(models.TextChoices):
        RUNNING = "running", _("being written")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    session = models.ForeignKey("coach.Session", models.CASCADE, related_name="reports")
    member = models.ForeignKey("coach.Member", models.CASCADE, null=True, related_name="reports")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.RUNNING
    )
    progress = models.PositiveSmallIntegerField(_("percent"), default=0)
    points = models.JSONField(_("points"), default=list)
    source = models.CharField(_("source"), max_length=10, blank=True, default="")
    reason = models.CharField(_("why it stands in"), max_length=40, blank=True, default="")
    subjects = ArrayField(models.UUIDField(), verbose_name=_("members it rests on"), default=list)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    touched_at = models.DateTimeField(_("last worked on"), db_default=Now())

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "member", "kind"], condition=Q(state="running"),
                nulls_distinct=False, name="reports_one_at_a_time",
            ),
            models.CheckConstraint(condition=Q(progress__lte=100), name="reports_percent"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    def is_lost(self, at: datetime) -> bool:
        """Whether it says that it is being written and nobody writes it any more."""
        gone_quiet = at - self.touched_at > timedelta(seconds=LOST_AFTER_S)
        return self.state == self.State.RUNNING and gone_quiet
