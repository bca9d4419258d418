"""Routes as they are registered, what may be spent, every call made, and drafts kept."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField

from coach.gateway.plan import Kind
from coach.gateway.routes import FIRST_MS, MAX_TOKENS, STALL_MS, Engine, Role, Stage, Tier

# A route names the variable its key is in. Any other variable would be sent to its address.
KEY_VARIABLE = RegexValidator(r"^LLM_([A-Z0-9]+_)*API_KEY$", _("LLM_API_KEY or LLM_..._API_KEY"))

# A name without dots is a service of the same cluster, which Django's own check refuses.
ADDRESS = RegexValidator(
    r"^https?://[^\s/@]+(?::\d+)?(?:/\S*)?$", _("http:// or https:// and a host")
)


class RegisteredRoute(models.Model):
    """One model at one address. In force on all workers within a second of being saved."""

    name = models.SlugField(_("name"), unique=True)
    base_url = models.CharField(
        _("address"), max_length=300, validators=[ADDRESS], help_text=_("up to and with /v1")
    )
    model = models.CharField(_("model"), max_length=200)
    key_variable = models.CharField(
        _("variable with the key"), max_length=60, blank=True, default="", validators=[KEY_VARIABLE]
    )
    roles = ArrayField(
        models.CharField(max_length=12, choices=Role.choices), verbose_name=_("roles")
    )
    tier = models.CharField(_("tier"), max_length=12, choices=Tier.choices, default=Tier.LIGHT)
    stage = models.CharField(
        _("stage"), max_length=12, choices=Stage.choices, default=Stage.DISCOVERY
    )
    order = models.IntegerField(_("order within its tier"), default=0)
    engine = models.CharField(
        _("engine"), max_length=12, choices=Engine.choices, default=Engine.COMPATIBLE
    )
    structured = models.BooleanField(_("takes a JSON schema"), default=True)
    logprobs = models.BooleanField(_("tells log-probabilities"), default=False)
    languages = ArrayField(
        models.CharField(max_length=12), verbose_name=_("languages"), default=list, blank=True,
        help_text=_("empty: any"),
    )  # fmt: skip
    context_tokens = models.PositiveIntegerField(_("context, tokens"), default=8192)
    max_tokens = models.PositiveIntegerField(_("most tokens of an answer"), default=MAX_TOKENS)
    tokenizer = models.CharField(
        _("tokenizer.json"), max_length=300, blank=True, default="",
        help_text=_("a file on the workers; empty: tokens are estimated"),
    )  # fmt: skip
    price_in = models.DecimalField(
        _("price per million tokens in"), max_digits=12, decimal_places=4, default=0
    )
    price_out = models.DecimalField(
        _("price per million tokens out"), max_digits=12, decimal_places=4, default=0
    )
    tokens_per_minute = models.PositiveIntegerField(
        _("tokens a minute"), default=0, help_text=_("0: no limit")
    )
    requests_per_minute = models.PositiveIntegerField(
        _("requests a minute"), default=0, help_text=_("0: no limit")
    )
    first_ms = models.PositiveIntegerField(
        _("most milliseconds to the first token"), default=FIRST_MS,
        help_text=_("while another route could still answer"),
    )  # fmt: skip
    stall_ms = models.PositiveIntegerField(_("most milliseconds between tokens"), default=STALL_MS)
    hedge_ms = models.PositiveIntegerField(
        _("ask a second route after milliseconds"), default=0, help_text=_("0: never")
    )
    least_confidence = models.FloatField(
        _("least mean log-probability"), null=True, blank=True,
        help_text=_("below it a heavier route is asked, if time allows"),
    )  # fmt: skip
    quantisation = models.CharField(_("quantisation"), max_length=60, blank=True, default="")
    licence = models.CharField(_("licence"), max_length=200, blank=True, default="")

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering = ["order", "name"]
        constraints = [
            models.CheckConstraint(condition=Q(max_tokens__gt=0), name="gateway_route_answers"),
            models.CheckConstraint(
                condition=Q(context_tokens__gt=models.F("max_tokens")),
                name="gateway_route_has_room",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Trial(models.Model):
    """A candidate tried on a share of sessions. It may stop itself; only a person widens it."""

    class State(models.TextChoices):
        DRAFT = "draft", _("not started")
        RUNNING = "running", _("running")
        ABORTED = "aborted", _("stopped itself")
        ENDED = "ended", _("ended")

    name = models.SlugField(_("name"), unique=True)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices, default=Kind.CANARY)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices, default=Role.NUDGE)
    candidate = models.ForeignKey(RegisteredRoute, models.PROTECT, related_name="trials")
    percent = models.PositiveSmallIntegerField(
        _("percent of sessions"), default=5, validators=[MaxValueValidator(100)],
        help_text=_("a canary starts with 5 to 10; then 10, 30, 70, 100, each by your decision"),
    )  # fmt: skip
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.DRAFT)
    started_at = models.DateTimeField(_("counts from"), db_default=Now())
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    reason = models.CharField(_("why it stopped"), max_length=120, blank=True, default="")

    class Meta:
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(condition=Q(percent__lte=100), name="gateway_trial_percent"),
            models.UniqueConstraint(
                fields=["role", "kind"], condition=Q(state="running"), name="gateway_trial_one_each"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Switch(models.Model):
    """Model use switched off, everywhere or for a feature; tenants and sessions have their own."""

    feature = models.CharField(
        _("feature"), max_length=12, choices=[("", _("everywhere")), *Role.choices], blank=True,
        default="", unique=True,
    )  # fmt: skip
    killed = models.BooleanField(_("no model is called"), default=True)
    at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("kill switch")
        verbose_name_plural = _("kill switches")

    def __str__(self) -> str:
        return self.feature or "everywhere"


class Budget(models.Model):
    """What an organisation's calls may cost, in currency units; empty is no limit."""

    organisation = models.OneToOneField(
        "coach.Organisation", models.CASCADE, related_name="budget", verbose_name=_("organisation")
    )
    per_month = models.DecimalField(
        _("a month"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    per_day = models.DecimalField(
        _("a day"), max_digits=12, decimal_places=4, null=True, blank=True
    )
    per_session = models.DecimalField(
        _("a session"), max_digits=12, decimal_places=4, null=True, blank=True
    )

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")

    def __str__(self) -> str:
        return f"budget of {self.organisation}"


class Spend(models.Model):
    """What was spent or is reserved of one budget: written by the database's own functions."""

    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    period = models.CharField(max_length=8)
    key = models.CharField(max_length=40)
    micros = models.BigIntegerField(_("millionths of a unit"), default=0)
    told = models.PositiveSmallIntegerField(_("percent told"), default=0)

    class Meta:
        verbose_name = _("spending")
        verbose_name_plural = _("spending")
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "period", "key"], name="gateway_spend_once"
            ),
            models.CheckConstraint(condition=Q(micros__gte=0), name="gateway_spend_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.period} {self.key}"


class ModelCall(models.Model):
    """One call to a model: for whom, what it cost, how it ended. No words of anybody's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    session_id = models.UUIDField(_("session"))
    member_id = models.UUIDField(_("member"), null=True)
    utterance_id = models.UUIDField(_("utterance"), null=True)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices)
    route = models.SlugField(_("route"))
    trial_id = models.BigIntegerField(_("trial"), null=True)
    arm = models.CharField(_("side"), max_length=10, blank=True, default="")
    shadow = models.BooleanField(_("never shown"), default=False)
    outcome = models.CharField(_("outcome"), max_length=20, blank=True, default="")
    tokens_in = models.PositiveIntegerField(_("tokens in"), default=0)
    tokens_out = models.PositiveIntegerField(_("tokens out"), default=0)
    micros = models.BigIntegerField(_("cost, millionths"), default=0)
    first_ms = models.FloatField(_("first token after ms"), null=True)
    total_ms = models.FloatField(_("closed after ms"), null=True)
    confidence = models.FloatField(_("mean log-probability"), null=True)
    at = models.DateTimeField(_("at"), db_default=Now())
    settled_at = models.DateTimeField(_("settled"), null=True)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["-at"], name="gateway_call_recent"),
            models.Index(fields=["organisation", "-at"], name="gateway_call_of"),
            models.Index(
                fields=["trial_id", "arm", "-at"],
                condition=Q(trial_id__isnull=False),
                name="gateway_call_tried",
            ),
            models.Index(
                fields=["at"], condition=Q(settled_at__isnull=True), name="gateway_call_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.at}"


class KeptDraft(models.Model):
    """A nudge that may be given again to the same words under the same terms.

    `scope` stands for everything that must be equal, `asked` for the words; neither can be read
    back. `member_id` is whose words it was made for, so that it goes when they withdraw.
    """

    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    playbook_id = models.UUIDField(_("playbook"))
    member_id = models.UUIDField(_("member"), db_index=True)
    scope = models.BinaryField(max_length=32)
    asked = models.BinaryField(max_length=32)
    embedding = HalfVectorField(null=True)
    text = models.TextField(_("text"))
    citations = models.JSONField(_("citations"), default=list)
    passages = ArrayField(models.UUIDField(), verbose_name=_("cited passages"))
    route = models.SlugField(_("route"))
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("kept draft")
        verbose_name_plural = _("kept drafts")
        constraints = [models.UniqueConstraint(fields=["scope", "asked"], name="gateway_kept_once")]
        indexes = [
            models.Index(fields=["playbook_id"], name="gateway_kept_of"),
            models.Index(fields=["expires_at"], name="gateway_kept_until"),
        ]

    def __str__(self) -> str:
        return f"draft {self.pk}"


class Pace(models.Model):
    """When a member who speaks once a second would be due again: the rate limit's one number."""

    member = models.OneToOneField(
        "coach.Member", models.CASCADE, related_name="pace", primary_key=True
    )
    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    due_at = models.DateTimeField(_("due"))

    class Meta:
        verbose_name = _("pace")
        verbose_name_plural = _("paces")

    def __str__(self) -> str:
        return str(self.member_id)


class Line(models.Model):
    """A socket that is open somewhere; without being renewed it stops counting."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey("coach.Organisation", models.CASCADE, related_name="+")
    who = models.CharField(max_length=60)
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("open line")
        verbose_name_plural = _("open lines")
        indexes = [models.Index(fields=["who", "until"], name="gateway_line_of")]

    def __str__(self) -> str:
        return self.who
