"""Words that an organisation masks, or leaves in, whatever the redactor thinks of them."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from coach.models import Organisation, Session
from safety.redaction.lexicon import special_words


class Term(models.Model):
    """One word or phrase, or the name of a special category whose word list is masked."""

    class Use(models.TextChoices):
        MASK = "mask", _("mask it")
        KEEP = "keep", _("leave it in")
        CATEGORY = "category", _("mask this special category")

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="terms")
    use = models.CharField(_("use"), max_length=8, choices=Use.choices)
    text = models.CharField(_("word, phrase or category"), max_length=80)

    class Meta:
        verbose_name = _("term")
        verbose_name_plural = _("terms")
        ordering = ["organisation", "use", "text"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "use", "text"], name="lexicons_term_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_use_display()}: {self.text}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        self._renew_rooms()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        done = super().delete(*args, **kwargs)
        self._renew_rooms()
        return done

    def clean(self) -> None:
        if self.use == self.Use.CATEGORY and self.text not in special_words():
            raise ValidationError({"text": _("One of: ") + ", ".join(sorted(special_words()))})

    def _renew_rooms(self) -> None:
        """Workers keep a room until its roster's version changes; words are part of the room."""
        Session.objects.filter(organisation=self.organisation, status=Session.Status.OPEN).update(
            roster_version=F("roster_version") + 1
        )
