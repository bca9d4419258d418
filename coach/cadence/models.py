"""When a playbook's nudges are due: its trigger rules, and when those by time spoke last."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from coach.cadence import rules
from coach.models import Member, Session, Tenant
from rag.models import Playbook


def _names(verbose_name: Any) -> "ArrayField[list[str], list[str]]":
    return ArrayField(
        models.CharField(max_length=80), verbose_name=verbose_name, default=list, blank=True
    )


class TriggerRule(Tenant):
    """One rule; of those of a playbook the first that fits decides (see `rules.Rule`)."""

    class On(models.TextChoices):
        SPEECH = rules.SPEECH, _("something was said")
        SILENCE = rules.SILENCE, _("nobody speaks")
        BALANCE = rules.BALANCE, _("somebody speaks much more or less than others")

    class Then(models.TextChoices):
        NUDGE = rules.NUDGE, _("give a nudge")
        QUIET = rules.QUIET, _("give none")

    class To(models.TextChoices):
        MEMBER = rules.MEMBER, _("whom it is about")
        EVERYONE = rules.EVERYONE, _("everyone taking part")
        FACILITATORS = rules.FACILITATORS, _("the facilitators")

    playbook = models.ForeignKey(
        Playbook, models.CASCADE, related_name="trigger_rules", verbose_name=_("playbook")
    )
    number = models.PositiveSmallIntegerField(_("order"), default=10)
    name = models.CharField(_("name"), max_length=80, help_text=_("Shown where it decided."))
    enabled = models.BooleanField(_("in force"), default=True)
    on = models.CharField(_("when"), max_length=8, choices=On.choices, default=On.SPEECH)
    acts = _names(_("heard as one of"))
    emotions = _names(_("in the mood of one of"))
    phases = _names(_("in one of the phases"))
    min_words = models.PositiveSmallIntegerField(_("of at least so many words"), default=0)
    after_s = models.PositiveIntegerField(_("seconds of silence, or looked back on"), default=0)
    share_over = models.PositiveSmallIntegerField(_("more than % of all that was said"), default=0)
    share_under = models.PositiveSmallIntegerField(_("less than % of all that was said"), default=0)
    then = models.CharField(_("then"), max_length=8, choices=Then.choices, default=Then.NUDGE)
    to = models.CharField(_("to"), max_length=12, choices=To.choices, default=To.MEMBER)
    activity = models.CharField(
        _("from cards for the activity"), max_length=80, blank=True, default=""
    )
    every_s = models.PositiveIntegerField(_("not again within seconds"), default=300)

    class Meta:
        verbose_name = _("trigger rule")
        verbose_name_plural = _("trigger rules")
        ordering = ["playbook", "number", "id"]
        constraints = [
            models.UniqueConstraint(fields=["playbook", "name"], name="cadence_rule_name_once"),
            models.CheckConstraint(
                condition=Q(on=rules.SPEECH) | Q(after_s__gt=0, every_s__gt=0, then=rules.NUDGE),
                name="cadence_rule_by_time",
            ),
            models.CheckConstraint(
                condition=~Q(on=rules.BALANCE)
                | Q(share_over__range=(1, 100))
                | Q(share_under__range=(1, 100)),
                name="cadence_rule_balance",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError, by field, for a rule that could never decide."""
        faults: dict[str, Any] = {}
        if self.on == self.On.SPEECH:
            if self.to != self.To.MEMBER:
                faults["to"] = _("Whoever spoke is nudged.")
        else:
            if not 10 <= self.after_s <= 900:
                faults["after_s"] = _("From 10 to 900 seconds.")
            if self.every_s < 30:
                faults["every_s"] = _("At least 30 seconds.")
            if self.then != self.Then.NUDGE:
                faults["then"] = _("What goes by time gives a nudge, or is not needed.")
            if self.acts or self.emotions or self.min_words:
                faults["on"] = _("What was heard counts only when something was said.")
        if self.on == self.On.BALANCE and not (self.share_over or self.share_under):
            faults["share_over"] = _("More or less than which share?")
        if self.on == self.On.SILENCE and self.to == self.To.MEMBER:
            faults["to"] = _("Silence is about nobody: everyone, or the facilitators.")
        if faults:
            raise ValidationError(faults)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.organisation_id = self.playbook.organisation_id
        super().save(*args, **kwargs)
        self._renew_rooms()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        done = super().delete(*args, **kwargs)
        self._renew_rooms()
        return done

    def _renew_rooms(self) -> None:
        """Workers keep a room until its roster's version changes; rules are part of the room."""
        Session.objects.filter(playbook=self.playbook, status=Session.Status.OPEN).update(
            roster_version=F("roster_version") + 1
        )


class Firing(Tenant):
    """When a rule that goes by time spoke last, in a session, to a member or to no one of them."""

    rule = models.ForeignKey(TriggerRule, models.CASCADE, related_name="firings")
    session = models.ForeignKey(Session, models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("firing of a rule")
        verbose_name_plural = _("firings of rules")
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "session", "member"],
                nulls_distinct=False,
                name="cadence_firing_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} in {self.session_id}"
