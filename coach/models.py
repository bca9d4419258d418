"""Rooms: organisations, sessions, members, what was said, what came back, and the event log."""

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from coach.tenancy import CurrentOrganisation

# Without 0/O, 1/I/L and U: read aloud and typed on a phone.
CODE_ALPHABET = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_LENGTH = 6
FACILITATORS = "facilitators"
# What was true of a moment is in the way later: a nudge that waited longer is not released.
EXPIRES_S = 300


def new_join_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def new_pseudonym_key() -> bytes:
    return secrets.token_bytes(32)


class Tenant(models.Model):
    """A row of one organisation; the database fills it in from whom a statement acts for."""

    organisation_id = models.UUIDField(
        _("organisation"), db_default=CurrentOrganisation(), editable=False
    )

    class Meta:
        abstract = True


class Organisation(models.Model):
    is_tenant = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=120)
    contact = models.CharField(
        _("contact"), max_length=200, blank=True, help_text=_("Shown on receipts.")
    )
    protection_officer = models.CharField(_("data protection officer"), max_length=200, blank=True)
    killed = models.BooleanField(_("no model is called"), default=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")

    def __str__(self) -> str:
        return self.name


class Staff(models.Model):
    """A log-in's place in an organisation."""

    class Role(models.TextChoices):
        FACILITATOR = "facilitator", _("facilitator")
        ADMINISTRATOR = "administrator", _("administrator")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="staff")
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="staff")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")
        constraints = [
            models.UniqueConstraint(fields=["user", "organisation"], name="coach_staff_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.organisation}"


class SessionQuerySet(models.QuerySet["Session"]):
    def facilitated_by(self, user: Any) -> "SessionQuerySet":
        return self.filter(
            Q(facilitator=user)
            | Q(organisation__staff__user=user, organisation__staff__role="administrator")
        ).distinct()


class Session(models.Model):
    """One meeting. `pseudonym_key` names people and numbers in it without naming them."""

    class Mode(models.TextChoices):
        AUTO = "auto", _("nudges go out by themselves")
        REVIEW = "review", _("the facilitator releases each nudge")
        FACILITATOR_ONLY = "facilitator_only", _("nudges go to the facilitator")
        PAUSED = "paused", _("no nudges")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        ENDED = "ended", _("ended")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="sessions")
    facilitator = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="facilitated_sessions"
    )
    playbook = models.ForeignKey(
        "rag.Playbook", models.PROTECT, related_name="+", null=True, blank=True
    )
    title = models.CharField(_("title"), max_length=120)
    join_code = models.CharField(_("join code"), max_length=12, unique=True, default=new_join_code)
    mode = models.CharField(_("mode"), max_length=20, choices=Mode.choices, default=Mode.AUTO)
    status = models.CharField(
        _("status"), max_length=8, choices=Status.choices, default=Status.OPEN
    )
    killed = models.BooleanField(_("no model is called"), default=False)
    cooldown_s = models.PositiveIntegerField(_("seconds between nudges to a member"), default=10)
    phase = models.CharField(
        _("phase"), max_length=80, blank=True, default="", db_default="",
        help_text=_("Of the activity, as cards and trigger rules name it."),
    )  # fmt: skip
    roster_version = models.PositiveIntegerField(default=0, editable=False)
    pseudonym_key = models.BinaryField(default=new_pseudonym_key, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.title


class Member(Tenant):
    """Someone in a session. A participant's id is also their subject id in the vault."""

    class Role(models.TextChoices):
        PARTICIPANT = "participant", _("participant")
        FACILITATOR = "facilitator", _("facilitator")

    class Verbosity(models.TextChoices):
        QUIET = "quiet", _("no nudges")
        LESS = "less", _("fewer nudges")
        NORMAL = "normal", _("nudges as the session has them")
        MORE = "more", _("more nudges")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True)
    role = models.CharField(_("role"), max_length=12, choices=Role.choices)
    display_name = models.CharField(_("name"), max_length=60)
    number = models.PositiveIntegerField(_("number in the session"), default=0)
    language = models.CharField(_("language they asked for"), max_length=12, blank=True, default="")
    paused = models.BooleanField(_("paused"), default=False)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    verbosity = models.CharField(
        _("wishes for"), max_length=8, choices=Verbosity.choices, default=Verbosity.NORMAL,
        db_default=Verbosity.NORMAL,
    )  # fmt: skip
    joined_at = models.DateTimeField(_("joined"), auto_now_add=True)
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["joined_at"]
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="coach_member_number")
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.number} of {self.session_id}"

    @property
    def audience(self) -> str:
        """The name of the event stream this member reads."""
        return FACILITATORS if self.role == self.Role.FACILITATOR else str(self.id)


class AccessToken(Tenant):
    """A bearer token of a participant or a facilitator; only its digest is kept."""

    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    member = models.ForeignKey(Member, models.CASCADE, null=True, blank=True, related_name="tokens")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="tokens"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        constraints = [
            models.CheckConstraint(
                condition=Q(member__isnull=True, user__isnull=False)
                | Q(member__isnull=False, user__isnull=True),
                name="coach_token_of_one",
            )
        ]

    def __str__(self) -> str:
        return f"token {self.pk}"


class Stream(Tenant):
    """What one audience of a session may see, in order. `seq` is the last number given out.

    `epoch` changes when history was lost, so that a reader can tell a gap from an end.
    """

    session = models.ForeignKey(Session, models.CASCADE, related_name="streams")
    audience = models.CharField(_("audience"), max_length=40)
    epoch = models.UUIDField(default=uuid.uuid4)
    seq = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("stream")
        verbose_name_plural = _("streams")
        constraints = [
            models.UniqueConstraint(fields=["session", "audience"], name="coach_stream_once")
        ]

    def __str__(self) -> str:
        return f"{self.audience} of {self.session_id}"


class Event(Tenant):
    """One frame of one stream. Written once, never changed: sockets replay from here."""

    append_only = True

    stream = models.ForeignKey(Stream, models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    type = models.CharField(max_length=32)
    frame = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["stream", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["stream", "seq"], name="coach_event_gapless"),
            models.CheckConstraint(condition=Q(seq__gt=0), name="coach_event_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.seq}"


class Utterance(Tenant):
    """One stretch of speech. `text` is redacted; `digest` tells a retry from a reuse of its id.

    `outcome` is the type of its one terminal event, null while the road is being walked, and no
    later than `lease_until` unless its worker died; `told` says that the facilitators know of it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="utterances")
    member = models.ForeignKey(Member, models.CASCADE, related_name="utterances")
    client_msg_id = models.UUIDField()
    digest = models.BinaryField(max_length=32)
    text = models.TextField(_("redacted text"))
    raw_text = models.TextField(_("raw text (development only)"), null=True, blank=True)
    characters = models.PositiveIntegerField(_("characters"), default=0)
    act = models.CharField(_("dialogue act"), max_length=24, blank=True, default="")
    outcome = models.CharField(_("outcome"), max_length=16, null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=40, blank=True, default="")
    accepted_at = models.DateTimeField(_("accepted"), db_default=Now())
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    told = models.BooleanField(_("told to the facilitators"), default=True, db_default=True)

    class Meta:
        verbose_name = _("utterance")
        verbose_name_plural = _("utterances")
        ordering = ["accepted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "client_msg_id"], name="coach_utterance_once"
            ),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True, finished_at__isnull=True)
                | Q(outcome__isnull=False, finished_at__isnull=False),
                name="coach_utterance_finished_with_outcome",
            ),
        ]
        indexes = [
            BrinIndex(fields=["accepted_at"], name="coach_utterance_day"),
            models.Index(fields=["member", "-accepted_at"], name="coach_utterance_recent"),
            models.Index(
                fields=["lease_until"],
                condition=Q(outcome__isnull=True) | Q(told=False),
                name="coach_utterance_open",
            ),
        ]

    def __str__(self) -> str:
        return f"utterance {self.id}"


class Nudge(Tenant):
    """What was shown to a member, or waits for the facilitator to release it."""

    class Source(models.TextChoices):
        MODEL = "model", _("model")
        CACHE = "cache", _("cache")
        PLAYBOOK = "playbook", _("playbook")
        FACILITATOR = "facilitator", _("facilitator")
        OUTSIDE = "outside", _("an engine outside")

    class State(models.TextChoices):
        SHOWN = "shown", _("shown")
        HELD = "held", _("waits for release")
        DROPPED = "dropped", _("not released")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="nudges")
    member = models.ForeignKey(Member, models.CASCADE, related_name="nudges")
    utterance = models.OneToOneField(
        Utterance, models.CASCADE, null=True, blank=True, related_name="nudge"
    )
    text = models.TextField(_("text"))
    citations = models.JSONField(_("citations"), default=list)
    passages = ArrayField(models.UUIDField(), default=list, verbose_name=_("cited passages"))
    source = models.CharField(_("source"), max_length=12, choices=Source.choices)
    reason = models.CharField(_("why it stands in"), max_length=40, blank=True, default="")
    state = models.CharField(_("state"), max_length=8, choices=State.choices, default=State.SHOWN)
    trace = models.JSONField(_("trace"), default=dict)
    expires_s = models.PositiveIntegerField(
        _("of use for seconds"), default=EXPIRES_S, db_default=EXPIRES_S
    )
    first_ms = models.FloatField(_("first words after ms"), null=True)
    total_ms = models.FloatField(_("complete after ms"), null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("nudge")
        verbose_name_plural = _("nudges")
        ordering = ["-created_at"]
        indexes = [
            BrinIndex(fields=["created_at"], name="coach_nudge_day"),
            models.Index(fields=["member", "-created_at"], name="coach_nudge_recent"),
        ]

    def __str__(self) -> str:
        return f"nudge {self.id}"


class Feedback(Tenant):
    """What a member made of a nudge; the latest counts."""

    class Verdict(models.TextChoices):
        ACCEPTED = "accepted", _("accepted")
        EDITED = "edited", _("edited")
        DISMISSED = "dismissed", _("dismissed")
        SNOOZED = "snoozed", _("snoozed")
        NOT_RELEVANT = "not_relevant", _("not relevant")
        UNSAFE = "unsafe", _("unsafe")

    nudge = models.ForeignKey(Nudge, models.CASCADE, related_name="feedback")
    member = models.ForeignKey(Member, models.CASCADE, related_name="feedback")
    verdict = models.CharField(_("verdict"), max_length=12, choices=Verdict.choices)
    text = models.TextField(_("edited text, redacted"), blank=True, default="")
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.verdict} for {self.nudge_id}"


class Alert(Tenant):
    """Something a facilitator must see at once."""

    class Kind(models.TextChoices):
        SELF_HARM = "self_harm", _("self-harm")
        VIOLENCE = "violence", _("violence")
        UNSAFE_NUDGE = "unsafe_nudge", _("a nudge was called unsafe")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="alerts")
    member = models.ForeignKey(Member, models.CASCADE, related_name="alerts")
    utterance = models.ForeignKey(Utterance, models.CASCADE, null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    at = models.DateTimeField(_("at"), db_default=Now())
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        Member, models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("acknowledged by"),
    )  # fmt: skip

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.kind} in {self.session_id}"
