"""Playbooks, their versions, and the index each version is searched by.

Playbook, version, entry and passage are what people see. Term, Facet, Phrase and Vector are the
index of one version, written whole by `rag.index`, never by hand.
"""

import uuid
from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _
from pgvector.django import HalfVectorField, HnswIndex

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Dimensions that get an HNSW index; models of another dimension are searched exactly.
INDEXED_DIMENSIONS = (384, 768, 1024)


class TextSearch(models.TextChoices):
    """Languages and the PostgreSQL text-search configuration that analyses each."""

    ENGLISH = "en", _("English")
    GERMAN = "de", _("German")
    FRENCH = "fr", _("French")
    SPANISH = "es", _("Spanish")
    ITALIAN = "it", _("Italian")
    PORTUGUESE = "pt", _("Portuguese")
    DUTCH = "nl", _("Dutch")
    SWEDISH = "sv", _("Swedish")
    DANISH = "da", _("Danish")
    NORWEGIAN = "no", _("Norwegian")
    FINNISH = "fi", _("Finnish")
    RUSSIAN = "ru", _("Russian")
    TURKISH = "tr", _("Turkish")
    OTHER = "und", _("other")

    @property
    def configuration(self) -> str:
        return "simple" if self is TextSearch.OTHER else self.name.lower()


def tag_field(verbose_name: "StrOrPromise") -> "ArrayField[list[str], list[str]]":
    return ArrayField(
        models.CharField(max_length=80), verbose_name=verbose_name, default=list, blank=True
    )


class Bits(models.Field[str, str]):
    """A bit string: "0" and "1", one for each passage of a version in order of its number."""

    def db_type(self, connection: object) -> str:
        return "bit varying"


class Tenant(models.Model):
    """A row of one organisation; which organisations there are is not retrieval's to know."""

    organisation_id = models.UUIDField(_("organisation"), db_index=True)

    class Meta:
        abstract = True


class Playbook(Tenant):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=160)
    description = models.TextField(_("description"), blank=True)
    live_version = models.ForeignKey(
        "PlaybookVersion",
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("live version"),
        help_text=_("What sessions are answered from. Changed by publishing and rolling back."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("playbook")
        verbose_name_plural = _("playbooks")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "slug"], name="rag_playbook_slug_once"
            )
        ]

    def __str__(self) -> str:
        return self.name


class PlaybookVersion(Tenant):
    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        RETIRED = "retired", _("retired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    playbook = models.ForeignKey(
        Playbook, models.CASCADE, related_name="versions", verbose_name=_("playbook")
    )
    number = models.PositiveIntegerField(_("number"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.DRAFT, editable=False
    )
    language = models.CharField(
        _("language"), max_length=3, choices=TextSearch.choices, default=TextSearch.ENGLISH
    )
    embedding_model = models.CharField(
        _("embedding model"), max_length=160, blank=True, editable=False
    )
    passage_count = models.PositiveIntegerField(_("passages"), default=0, editable=False)
    mean_length = models.FloatField(_("mean passage length in terms"), default=0, editable=False)
    approximate = models.BooleanField(
        _("searched through HNSW"),
        default=False,
        editable=False,
        help_text=_("Small versions are compared vector by vector, which is exact."),
    )
    note = models.CharField(_("note"), max_length=400, blank=True)
    created_by = models.CharField(_("created by"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    indexed_at = models.DateTimeField(_("indexed"), null=True, editable=False)

    class Meta:
        verbose_name = _("playbook version")
        verbose_name_plural = _("playbook versions")
        ordering = ["playbook", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["playbook", "number"], name="rag_version_number_once"),
            models.UniqueConstraint(
                fields=["playbook"],
                condition=Q(state="published"),
                name="rag_version_one_published",
            ),
            models.CheckConstraint(
                condition=Q(state="draft") | Q(indexed_at__isnull=False),
                name="rag_version_indexed_before_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.playbook} {self.number}"


class VersionEvent(Tenant):
    """Who did what to a playbook, and when. It outlives what it tells of."""

    class Act(models.TextChoices):
        IMPORTED = "imported", _("imported")
        EDITED = "edited", _("edited")
        RELEASED = "released", _("released from quarantine")
        INDEXED = "indexed", _("indexed")
        EMBEDDED = "embedded", _("embedded by another model")
        PUBLISHED = "published", _("published")
        ROLLED_BACK = "rolled_back", _("rolled back to")
        RETIRED = "retired", _("retired")

    append_only = True

    version_id = models.UUIDField(_("version"), db_index=True)
    playbook = models.CharField(_("playbook"), max_length=80)
    number = models.PositiveIntegerField(_("number"))
    act = models.CharField(_("act"), max_length=12, choices=Act.choices)
    by = models.CharField(_("by"), max_length=150, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    note = models.CharField(_("note"), max_length=400, blank=True)

    class Meta:
        verbose_name = _("version event")
        verbose_name_plural = _("version events")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.playbook} {self.number} {self.act}"


class Upload(Tenant):
    """A file on its way into a playbook: read and redacted, then a draft when somebody says so.

    It holds entries as they would be stored, never as they were written, and how far it has got.
    """

    class State(models.TextChoices):
        READING = "reading", _("is being read")
        READ = "read", _("read, nothing is stored yet")
        STORING = "storing", _("is being stored")
        STORED = "stored", _("stored as a draft")
        FAILED = "failed", _("failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    playbook = models.CharField(_("playbook"), max_length=160)
    file = models.CharField(_("file"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.READING)
    stage = models.CharField(_("stage"), max_length=40, blank=True)
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("of"), default=0)
    entries = models.JSONField(_("entries"), default=list)
    duplicates = models.JSONField(_("twice in it"), default=list)
    ignored_tags = models.JSONField(_("unknown tags"), default=list)
    version = models.ForeignKey(
        PlaybookVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("version")
    )
    error = models.TextField(_("error"), blank=True)
    by = models.CharField(_("by"), max_length=150, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    heard_at = models.DateTimeField(_("last heard of"), auto_now=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.file} → {self.playbook}"


class Entry(Tenant):
    """One card as its author wrote it, redacted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="entries", verbose_name=_("version")
    )
    key = models.CharField(_("imported id"), max_length=200)
    title = models.CharField(_("title"), max_length=300, blank=True)
    body = models.TextField(_("body"))
    example = models.TextField(_("example"), blank=True)
    language = models.CharField(
        _("language"), max_length=3, choices=TextSearch.choices, default=TextSearch.ENGLISH
    )
    decks = tag_field(_("decks"))
    activities = tag_field(_("activities"))
    roles = tag_field(_("roles"))
    audiences = tag_field(_("audiences"))
    when_acts = tag_field(_("when these dialogue acts are heard"))
    when_emotions = tag_field(_("when these emotions are heard"))
    triggers = ArrayField(
        models.CharField(max_length=200),
        verbose_name=_("trigger phrases"),
        default=list,
        blank=True,
        help_text=_("Heard word for word in an utterance, such a phrase puts this card first."),
    )
    digest = models.CharField(_("content digest"), max_length=64, editable=False)
    quarantine = models.CharField(
        _("quarantined because"),
        max_length=40,
        blank=True,
        help_text=_("Not searched while this is set. Release it after reading the text."),
    )
    redactions = models.PositiveIntegerField(_("redactions"), default=0, editable=False)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ["version", "key"]
        constraints = [
            models.UniqueConstraint(fields=["version", "key"], name="rag_entry_key_once"),
            models.CheckConstraint(condition=~Q(body=""), name="rag_entry_has_a_body"),
        ]

    def __str__(self) -> str:
        return self.title or self.key


class Passage(Tenant):
    """A stretch of an entry that is found, shown and cited as one.

    Passages of a version are numbered 0, 1, 2 ...; the index speaks of them by that number.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="passages", db_index=False
    )
    entry = models.ForeignKey(Entry, models.CASCADE, related_name="passages", db_index=False)
    number = models.PositiveIntegerField(_("number in the version"))
    ordinal = models.PositiveSmallIntegerField(_("number in the entry"))
    title = models.CharField(_("title"), max_length=300, blank=True)
    text = models.TextField(_("text"))
    digest = models.CharField(max_length=32, editable=False)

    class Meta:
        verbose_name = _("passage")
        verbose_name_plural = _("passages")
        ordering = ["version", "number"]
        constraints = [
            models.UniqueConstraint(fields=["version", "number"], name="rag_passage_number_once"),
            models.UniqueConstraint(fields=["entry", "ordinal"], name="rag_passage_ordinal_once"),
            models.CheckConstraint(condition=~Q(text=""), name="rag_passage_has_text"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.ordinal})"


class Term(Tenant):
    """A lexeme of a version: the passages that hold it, and what it adds to the score of each.

    `idf` is how telling it is among them: ln(1 + (N - df + 0.5) / (df + 0.5)). `floor` is what it
    alone gives to each of the many passages that a leg keeps, 0 where fewer hold it.

    `weights` are the term's BM25 share by the version's own statistics, so that a passage's score
    is their sum over the query's terms.
    """

    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="terms", db_index=False
    )
    lexeme = models.TextField()
    idf = models.FloatField()
    floor = models.FloatField()
    passages = ArrayField(models.IntegerField())
    weights = ArrayField(models.FloatField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "lexeme"], name="rag_term_once"),
            models.CheckConstraint(
                condition=Q(passages__len=F("weights__len")), name="rag_term_weight_per_passage"
            ),
        ]

    def __str__(self) -> str:
        return self.lexeme


class Facet(Tenant):
    """A tag's value in a version: which passages carry it, as a bit string."""

    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="facets", db_index=False
    )
    field = models.CharField(max_length=20)
    value = models.CharField(max_length=80)
    members = Bits()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "field", "value"], name="rag_facet_once")
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


class Phrase(Tenant):
    """A title or trigger phrase, folded, and the passage that comes first when it is heard."""

    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="phrases", db_index=False
    )
    phrase = models.CharField(max_length=300)
    is_title = models.BooleanField()
    passage = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "phrase", "is_title", "passage"], name="rag_phrase_once"
            )
        ]

    def __str__(self) -> str:
        return self.phrase


class Vector(Tenant):
    """A passage's embedding by one model, of unit length.

    A version may carry those of two models while it changes from one to the other. HNSW holds
    the vectors of large versions only: small ones are compared one by one, which is exact,
    cheaper to write, and keeps other tenants' vectors out of the graph.
    """

    version = models.ForeignKey(
        PlaybookVersion, models.CASCADE, related_name="vectors", db_index=False
    )
    model = models.CharField(max_length=160)
    passage = models.IntegerField()
    dimension = models.PositiveSmallIntegerField()
    approximate = models.BooleanField()
    embedding = HalfVectorField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "model", "passage"], name="rag_vector_once")
        ]
        indexes = [
            HnswIndex(
                OpClass(
                    Cast("embedding", HalfVectorField(dimensions=dimension)),
                    name="halfvec_ip_ops",
                ),
                name=f"rag_vector_hnsw_{dimension}",
                m=16,
                ef_construction=64,
                condition=Q(approximate=True, dimension=dimension),
            )
            for dimension in INDEXED_DIMENSIONS
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.passage} {self.model}"
