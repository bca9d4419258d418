"""Who allowed what, and what left because of it. All of it lives in the vault's own schema."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class LegalBasis(models.TextChoices):
    """What allows a use: GDPR Art. 6(1), and Art. 9(2)(a) for special categories."""

    CONSENT = "consent", _("consent")
    EXPLICIT = "explicit_consent", _("explicit consent")


class Purpose(models.Model):
    key = models.SlugField(_("key"), primary_key=True)
    title = models.CharField(_("title"), max_length=120)
    why = models.TextField(_("why"))
    legal_basis = models.CharField(
        _("legal basis"), max_length=40, choices=LegalBasis.choices, default=LegalBasis.CONSENT
    )
    retention_days = models.PositiveIntegerField(_("kept for days"))
    consent_days = models.PositiveIntegerField(_("consent holds for days"), default=365)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("purpose")
        verbose_name_plural = _("purposes")
        ordering = ["order", "key"]

    def __str__(self) -> str:
        return self.title


class Field(models.Model):
    key = models.SlugField(_("key"), primary_key=True)
    title = models.CharField(_("title"), max_length=120)
    why = models.TextField(_("why"))
    special = models.BooleanField(_("special category"), default=False)
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        verbose_name = _("field")
        verbose_name_plural = _("fields")
        ordering = ["order", "key"]

    def __str__(self) -> str:
        return self.title


class PolicyRule(models.Model):
    """This field may serve this purpose, if the person agrees; without a rule it never may."""

    purpose = models.ForeignKey(Purpose, models.CASCADE, related_name="rules")
    field = models.ForeignKey(Field, models.CASCADE, related_name="rules")

    class Meta:
        verbose_name = _("policy rule")
        verbose_name_plural = _("policy rules")
        constraints = [
            models.UniqueConstraint(fields=["purpose", "field"], name="consent_policy_once")
        ]

    def __str__(self) -> str:
        return f"{self.field_id} for {self.purpose_id}"


class ClosedPurpose(models.Model):
    """An organisation never uses its people's data for this, whatever they would allow."""

    organisation_id = models.UUIDField(_("organisation"))
    purpose = models.ForeignKey(Purpose, models.CASCADE, related_name="+")

    class Meta:
        verbose_name = _("purpose that is switched off")
        verbose_name_plural = _("purposes that are switched off")
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "purpose"], name="consent_closed_once"
            )
        ]

    def __str__(self) -> str:
        return self.purpose_id


class Notice(models.Model):
    """The words a person saw when they chose; never edited, only followed by a new version.

    `shown` is all that the screen said: title, text, and each purpose and field with its reason.
    What was granted before a version that `asks_again` serves nothing until it is granted anew.
    """

    append_only = True

    version = models.PositiveIntegerField(_("version"))
    locale = models.CharField(_("language"), max_length=12, default="en")
    title = models.CharField(_("title"), max_length=200)
    text = models.TextField(_("text"))
    shown = models.JSONField(_("what was shown"), default=dict)
    digest = models.CharField(_("SHA-256 of what was shown"), max_length=64)
    asks_again = models.BooleanField(_("asks everybody again"), default=True)
    published_at = models.DateTimeField(_("published"), auto_now_add=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-version", "locale"]
        constraints = [
            models.UniqueConstraint(fields=["version", "locale"], name="consent_notice_once")
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version}, {self.locale})"


class Subject(models.Model):
    """A person as consent sees them: one participant in one session.

    `epoch` rises with every change of their choices, so that work begun before can be told
    from work begun after. `wrapped_key` opens their stored values; without it they are gone.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation_id = models.UUIDField(_("organisation"), db_index=True)
    session_id = models.UUIDField(_("session"), db_index=True)
    epoch = models.BigIntegerField(_("epoch"), default=1)
    wrapped_key = models.BinaryField(_("wrapped key"), null=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True)

    class Meta:
        verbose_name = _("subject")
        verbose_name_plural = _("subjects")

    def __str__(self) -> str:
        return str(self.id)


class RecordQuerySet(models.QuerySet["Record"]):
    def live(self) -> "RecordQuerySet":
        """Records that may be used now, exactly as the vault sees them."""
        return self.filter(id__in=LiveRecord.objects.values("id"))

    def by_purpose(self) -> dict[str, list[str]]:
        granted: dict[str, list[str]] = {}
        for purpose, field in self.order_by("purpose", "field").values_list("purpose", "field"):
            granted.setdefault(purpose, []).append(field)
        return granted


class Record(models.Model):
    """One field granted for one purpose by one person, with the notice they read."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject = models.ForeignKey(Subject, models.CASCADE, related_name="records")
    organisation_id = models.UUIDField(_("organisation"))
    purpose = models.ForeignKey(Purpose, models.PROTECT, related_name="+")
    field = models.ForeignKey(Field, models.PROTECT, related_name="+")
    notice = models.ForeignKey(Notice, models.PROTECT, related_name="+")
    legal_basis = models.CharField(
        _("legal basis"), max_length=40, choices=LegalBasis.choices, default=LegalBasis.CONSENT
    )
    proof = models.JSONField(_("proof"), default=dict)
    granted_at = models.DateTimeField(_("granted"))
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    objects = RecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent record")
        verbose_name_plural = _("consent records")
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "purpose", "field"],
                condition=Q(withdrawn_at__isnull=True),
                name="consent_record_one_live",
            )
        ]

    def __str__(self) -> str:
        return f"{self.field_id} for {self.purpose_id}"


class LiveRecord(models.Model):
    """A view of the records that may be used now: not withdrawn, expired, switched off or barred
    by policy, and granted on a notice that still holds."""

    read_only = True

    id = models.UUIDField(primary_key=True)
    subject = models.ForeignKey(Subject, models.DO_NOTHING, related_name="+")
    purpose = models.ForeignKey(Purpose, models.DO_NOTHING, related_name="+")
    field = models.ForeignKey(Field, models.DO_NOTHING, related_name="+")

    class Meta:
        managed = False
        db_table = "consent_live"

    def __str__(self) -> str:
        return f"{self.field_id} for {self.purpose_id}"


class ConsentEvent(models.Model):
    """Each change of a choice, for ever."""

    append_only = True

    subject_id = models.UUIDField(_("subject"), db_index=True)
    organisation_id = models.UUIDField(_("organisation"))
    action = models.CharField(
        _("action"),
        max_length=12,
        choices=[
            ("granted", _("granted")),
            ("withdrawn", _("withdrawn")),
            ("corrected", _("corrected")),
            ("erased", _("erased")),
        ],
    )
    purpose = models.SlugField(_("purpose"))
    fields = ArrayField(models.SlugField(), verbose_name=_("fields"))
    notice_version = models.PositiveIntegerField(_("notice version"), null=True)
    epoch = models.BigIntegerField(_("epoch"))
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.purpose}"


class Disclosure(models.Model):
    """One logged release of fields: their names, never their values."""

    append_only = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject_id = models.UUIDField(_("subject"), db_index=True)
    organisation_id = models.UUIDField(_("organisation"))
    purpose = models.SlugField(_("purpose"))
    fields = ArrayField(models.SlugField(), verbose_name=_("fields"))
    withheld = ArrayField(models.SlugField(), verbose_name=_("withheld"))
    recipient = models.CharField(_("recipient"), max_length=120)
    about = models.UUIDField(_("utterance"), null=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("disclosure")
        verbose_name_plural = _("disclosures")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.purpose}: {', '.join(self.fields)}"


class StoredValue(models.Model):
    """A person's own words about themselves, sealed with their key."""

    subject = models.ForeignKey(Subject, models.CASCADE, related_name="stored_values")
    organisation_id = models.UUIDField(_("organisation"))
    field = models.ForeignKey(Field, models.PROTECT, related_name="+")
    sealed = models.BinaryField(_("sealed value"))

    class Meta:
        verbose_name = _("stored value")
        verbose_name_plural = _("stored values")
        constraints = [
            models.UniqueConstraint(fields=["subject", "field"], name="consent_value_once")
        ]

    def __str__(self) -> str:
        return f"{self.field_id} of {self.subject_id}"


class AuditHead(models.Model):
    """The last link of an organisation's chain; only the database's own trigger moves it."""

    read_only = True

    organisation_id = models.UUIDField(_("organisation"), primary_key=True)
    seq = models.BigIntegerField(_("rows"))
    link = models.BinaryField(_("last link"))

    class Meta:
        verbose_name = _("audit head")
        verbose_name_plural = _("audit heads")

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.seq}"


class AuditEntry(models.Model):
    """One act, chained to the one before: its link is SHA-256 over that one's link and itself.

    `seq`, `at` and `link` are the database's to fill in (`consent_chain`). Disclosures and
    changes of consent enter by trigger, in the transaction that makes them.
    """

    append_only = True

    organisation_id = models.UUIDField(_("organisation"))
    seq = models.BigIntegerField(_("number in the chain"), db_default=0)
    at = models.DateTimeField(_("at"), db_default=Now())
    actor = models.CharField(_("who"), max_length=80, db_default="")
    action = models.CharField(_("act"), max_length=40)
    subject_id = models.UUIDField(_("subject"), null=True)
    body = models.JSONField(_("what"), default=dict)
    link = models.BinaryField(_("link"), max_length=32, db_default=b"")

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["organisation_id", "-seq"]
        constraints = [
            models.UniqueConstraint(fields=["organisation_id", "seq"], name="consent_audit_chain")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.seq}"


class SigningKey(models.Model):
    """The public half of a key that receipts are signed with; older ones stay, to be verified."""

    append_only = True

    id = models.CharField(_("key"), primary_key=True, max_length=16)
    public = models.BinaryField(_("public key"), max_length=32)
    since = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")

    def __str__(self) -> str:
        return self.id


class Receipt(models.Model):
    """A signed document that its subject was given: names and times, no values."""

    append_only = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    subject_id = models.UUIDField(_("subject"), db_index=True)
    organisation_id = models.UUIDField(_("organisation"))
    kind = models.CharField(_("kind"), max_length=12)
    document = models.JSONField(_("document"))
    issued_at = models.DateTimeField(_("issued"))

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ["-issued_at"]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
